//! One container as a program under supervision.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Container, ContainerPort, PodSpec, PodTemplateSpec};
use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::env::{Downward, environment};
use super::volume::Mounts;
use super::{Node, container};
use crate::daemon::{Daemon, Restart, State, tail};
use crate::kubeconfig::Identity;

const RESTART: Restart = Restart::Always {
    first: Duration::from_secs(1),
    cap: Duration::from_secs(10),
};

/// The name of the port on which functions serve.
const GRPC: &str = "grpc";

/// How long a program without a port to ask must run to count as ready.
const SETTLED: Duration = Duration::from_millis(500);

const PROBE: Duration = Duration::from_millis(50);

/// Whether a pod can serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It runs, and listens when it has something to listen on.
    Ready,
    /// It does not, for this reason.
    NotReady(String),
}

/// A running pod. Dropping it kills its program.
#[derive(Debug)]
pub struct Pod {
    name: String,
    labels: BTreeMap<String, String>,
    ports: Vec<ContainerPort>,
    address: Ipv4Addr,
    dir: PathBuf,
    program: Daemon,
    readiness: watch::Receiver<Readiness>,
    _identity: Option<Identity>,
    _probe: JoinSet<()>,
}

impl Pod {
    /// Pulls the image, makes the volumes and starts the program.
    pub(super) async fn start(
        node: &Node,
        namespace: &str,
        name: &str,
        template: &PodTemplateSpec,
    ) -> Result<Self> {
        let spec = template.spec.clone().unwrap_or_default();
        let metadata = template.metadata.clone().unwrap_or_default();
        let container = only_container(&spec)?;
        let image = container
            .image
            .as_deref()
            .context("the container names no image")?;
        let image = node.images.pull(image).await?;

        let dir = node.pods.join(name);
        fs::create_dir_all(dir.join("account"))
            .with_context(|| format!("create {}", dir.display()))?;
        let volumes = spec.volumes.as_deref().unwrap_or_default();
        let mounts = container.volume_mounts.as_deref().unwrap_or_default();
        let mounts = Mounts::create(
            &node.client,
            namespace,
            volumes,
            mounts,
            &dir.join("volumes"),
        )
        .await?;
        let account = spec
            .service_account_name
            .as_deref()
            .filter(|name| !name.is_empty())
            .unwrap_or("default");
        let identity = if spec.automount_service_account_token == Some(false) {
            None
        } else {
            Some(
                node.kubeconfigs
                    .identity(&node.client, namespace, account, &dir.join("account"))
                    .await?,
            )
        };

        let address = node.block.address()?;
        let labels = metadata.labels.unwrap_or_default();
        let downward = Downward {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            service_account: account.to_owned(),
            address: address.to_string(),
            labels: labels.clone(),
            annotations: metadata.annotations.unwrap_or_default(),
        };
        let image_env = image.config.env.as_deref().unwrap_or_default();
        let variables = environment(&node.client, &downward, image_env, container).await?;
        let mut own = vec![("BIND_IP", address.to_string())];
        own.extend(
            identity
                .as_ref()
                .map(|identity| ("KUBECONFIG", identity.kubeconfig.display().to_string())),
        );
        let invocation = container::invocation(&image, container, &variables, &mounts, &own)?;

        let program = Daemon::start(
            name,
            invocation,
            node.logs.join(format!("{name}.log")),
            RESTART,
        );
        let ports = container.ports.clone().unwrap_or_default();
        let served = ports
            .iter()
            .find(|port| port.name.as_deref() == Some(GRPC))
            .and_then(number);
        let (report, readiness) = watch::channel(Readiness::NotReady("not started".to_owned()));
        let mut probe = JoinSet::new();
        probe.spawn(follow(program.watch(), report, address, served));
        Ok(Self {
            name: name.to_owned(),
            labels,
            ports,
            address,
            dir,
            program,
            readiness,
            _identity: identity,
            _probe: probe,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The labels of its template.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// Its own address.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// The number of a named port.
    pub fn port(&self, name: &str) -> Option<u16> {
        self.ports
            .iter()
            .find(|port| port.name.as_deref() == Some(name))
            .and_then(number)
    }

    /// The process id while the program runs.
    pub fn pid(&self) -> Option<u32> {
        self.program.pid()
    }

    /// Whether it can serve.
    pub fn ready(&self) -> bool {
        *self.readiness.borrow() == Readiness::Ready
    }

    /// Follows whether it can serve.
    pub fn readiness(&self) -> watch::Receiver<Readiness> {
        self.readiness.clone()
    }

    /// Kills the program, as a crash would; it is started again after a second.
    pub fn kill(&self) {
        self.program.signal(Signal::KILL);
    }

    /// The end of its output, over all restarts.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    pub fn log(&self) -> Result<String> {
        tail(self.program.log(), 1 << 20)
    }

    pub(crate) fn program(&self) -> &Daemon {
        &self.program
    }

    /// Ends the program in order and removes what was made for it, except for the log.
    pub(super) async fn stop(&self) {
        self.program.stop().await;
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            tracing::debug!(pod = self.name, %error, "Could not remove a pod's directory");
        }
    }
}

fn only_container(spec: &PodSpec) -> Result<&Container> {
    let initial = spec
        .init_containers
        .as_ref()
        .is_some_and(|containers| !containers.is_empty());
    ensure!(!initial, "init containers are not supported");
    ensure!(
        spec.containers.len() == 1,
        "{} containers in a pod are not supported",
        spec.containers.len()
    );
    spec.containers.first().context("the pod has no container")
}

fn number(port: &ContainerPort) -> Option<u16> {
    u16::try_from(port.container_port).ok()
}

/// Turns what the program does into whether the pod can serve.
async fn follow(
    mut state: watch::Receiver<State>,
    readiness: watch::Sender<Readiness>,
    address: Ipv4Addr,
    port: Option<u16>,
) {
    loop {
        let now = state.borrow_and_update().clone();
        let running = matches!(now, State::Running { .. });
        readiness.send_replace(Readiness::NotReady(match now {
            State::Pending => "not started".to_owned(),
            State::Running { .. } => "starting".to_owned(),
            State::Waiting { reason } | State::Ended { reason } => reason,
        }));
        if running {
            tokio::select! {
                () = serving(address, port) => {
                    readiness.send_replace(Readiness::Ready);
                }
                changed = state.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
            }
        }
        if state.changed().await.is_err() {
            return;
        }
    }
}

async fn serving(address: Ipv4Addr, port: Option<u16>) {
    let Some(port) = port else {
        sleep(SETTLED).await;
        return;
    };
    while !matches!(
        timeout(Duration::from_secs(1), TcpStream::connect((address, port))).await,
        Ok(Ok(_))
    ) {
        sleep(PROBE).await;
    }
}
