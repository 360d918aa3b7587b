//! The stand-in for the kubelet and for the controllers between a Deployment and it.
//!
//! Takes every Deployment in one namespace, pulls the image that its pod template names, unpacks it, and runs the image's
//! entrypoint as a plain program, the way the template says: arguments, environment, mounted Secrets and ConfigMaps, a service
//! account's token, an address of its own. It restarts what exits, and reports the Deployment's status.
//!
//! A program is not confined: it runs as the user of the rig, with the host's file system and network. So paths below a mount
//! are replaced by the real ones in arguments and environment values, `BIND_IP` says which address is the pod's, and the
//! security context is ignored. A [`Pod`] knows nothing of Deployments.

mod container;
mod deployment;
mod env;
mod image;
pub mod pod;
mod volume;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::kubeconfig::Kubeconfigs;
use crate::loopback::Block;
use crate::wait::eventually;
pub(crate) use image::Images;
use pod::Pod;

/// How long a connection to a Service waits for a ready pod.
const ENDPOINT_WAIT: Duration = Duration::from_secs(5);

/// What pods are made with.
pub(crate) struct Node {
    pub(crate) client: Client,
    pub(crate) kubeconfigs: Kubeconfigs,
    pub(crate) block: Arc<Block>,
    /// Each pod has a directory here.
    pub(crate) pods: PathBuf,
    pub(crate) logs: PathBuf,
    pub(crate) images: Images,
}

/// A running stand-in.
pub(crate) struct Kubelet {
    shared: Arc<Shared>,
    watcher: JoinSet<()>,
}

struct Shared {
    node: Node,
    namespace: String,
    /// By name of the Deployment.
    pods: Mutex<BTreeMap<String, Vec<Arc<Pod>>>>,
}

impl Shared {
    fn pods(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Arc<Pod>>>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kubelet {
    /// Starts to serve the Deployments in `namespace`.
    pub(crate) fn start(node: Node, namespace: &str) -> Self {
        let shared = Arc::new(Shared {
            node,
            namespace: namespace.to_owned(),
            pods: Mutex::default(),
        });
        let mut watcher = JoinSet::new();
        watcher.spawn(follow(Arc::clone(&shared)));
        Self { shared, watcher }
    }

    /// The pods that exist now.
    pub(crate) fn pods(&self) -> Vec<Arc<Pod>> {
        self.shared.pods().values().flatten().cloned().collect()
    }

    /// The directory of cluster names that the proxy asks.
    pub(crate) fn resolver(&self) -> crate::proxy::Resolve {
        let shared = Arc::clone(&self.shared);
        Arc::new(move |host, port| {
            let shared = Arc::clone(&shared);
            Box::pin(async move { resolve(&shared, &host, port).await })
        })
    }

    /// Ends all pods; Deployments are left alone.
    pub(crate) async fn stop(&mut self) {
        self.watcher.shutdown().await;
        futures::future::join_all(self.pods().iter().map(|pod| pod.stop())).await;
    }
}

/// One task for each Deployment, which is told of every change of it.
struct Worker {
    deployment: watch::Sender<Deployment>,
    tasks: JoinSet<()>,
}

async fn follow(shared: Arc<Shared>) {
    let deployments: Api<Deployment> =
        Api::namespaced(shared.node.client.clone(), &shared.namespace);
    let mut events =
        std::pin::pin!(watcher(deployments, watcher::Config::default()).default_backoff());
    let mut workers: BTreeMap<String, Worker> = BTreeMap::new();
    let mut listed = BTreeSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(deployment)) => {
                listed.insert(deployment.name_any());
                tell(&shared, &mut workers, deployment);
            }
            Ok(Event::InitDone) => {
                let gone: Vec<String> = workers
                    .keys()
                    .filter(|name| !listed.contains(*name))
                    .cloned()
                    .collect();
                for name in gone {
                    forget(&shared, &mut workers, &name).await;
                }
            }
            Ok(Event::Apply(deployment)) => tell(&shared, &mut workers, deployment),
            Ok(Event::Delete(deployment)) => {
                forget(&shared, &mut workers, &deployment.name_any()).await
            }
            Err(error) => tracing::debug!(%error, "Watching Deployments was interrupted"),
        }
    }
}

fn tell(shared: &Arc<Shared>, workers: &mut BTreeMap<String, Worker>, deployment: Deployment) {
    let name = deployment.name_any();
    if let Some(worker) = workers.get(&name) {
        worker.deployment.send_replace(deployment);
        return;
    }
    let (sender, changes) = watch::channel(deployment);
    let mut tasks = JoinSet::new();
    tasks.spawn(deployment::run(Arc::clone(shared), name.clone(), changes));
    workers.insert(
        name,
        Worker {
            deployment: sender,
            tasks,
        },
    );
}

async fn forget(shared: &Shared, workers: &mut BTreeMap<String, Worker>, name: &str) {
    if let Some(mut worker) = workers.remove(name) {
        worker.tasks.shutdown().await;
    }
    let pods = shared.pods().remove(name).unwrap_or_default();
    futures::future::join_all(pods.iter().map(|pod| pod.stop())).await;
}

/// The address of a ready pod behind `<service>.<namespace>`.
async fn resolve(shared: &Shared, host: &str, port: u16) -> Result<SocketAddr> {
    let mut parts = host.split('.');
    let (service, namespace) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    ensure!(
        namespace == shared.namespace,
        "{host} is not a Service in {}",
        shared.namespace
    );
    let services: Api<Service> = Api::namespaced(shared.node.client.clone(), namespace);
    let service = services
        .get(service)
        .await
        .with_context(|| format!("read Service {service}"))?;
    let spec = service.spec.unwrap_or_default();
    let selector = spec.selector.unwrap_or_default();
    let ports = spec.ports.unwrap_or_default();
    let target = ports
        .iter()
        .find(|candidate| candidate.port == i32::from(port));
    eventually(
        &format!("a pod behind {host} is ready"),
        ENDPOINT_WAIT,
        || async {
            let pods: Vec<Arc<Pod>> = shared.pods().values().flatten().cloned().collect();
            let pod = pods
                .iter()
                .find(|pod| pod.ready() && selected(pod, &selector));
            let pod =
                pod.with_context(|| format!("none of {} pods is ready and selected", pods.len()))?;
            Ok(SocketAddr::from((
                pod.address(),
                target_port(pod, target).unwrap_or(port),
            )))
        },
    )
    .await
}

fn selected(pod: &Pod, selector: &BTreeMap<String, String>) -> bool {
    !selector.is_empty()
        && selector
            .iter()
            .all(|(key, value)| pod.labels().get(key) == Some(value))
}

fn target_port(pod: &Pod, port: Option<&ServicePort>) -> Option<u16> {
    match port?.target_port.as_ref()? {
        IntOrString::Int(number) => u16::try_from(*number).ok(),
        IntOrString::String(name) => pod.port(name),
    }
}
