//! The rig as a whole.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use futures::future::join_all;
use kube::Client;
use kube::api::DynamicObject;
use tokio::time::Instant;

use crate::apply;
use crate::chart::NAMESPACE;
use crate::control_plane::{Binaries, ControlPlane};
use crate::crossplane::Crossplane;
use crate::daemon::{Daemon, State, tail};
use crate::flux::Flux;
use crate::kubelet::pod::Pod;
use crate::kubelet::{Images, Kubelet, Node};
use crate::loopback::Block;
use crate::proxy::Proxy;
use crate::registry::Registry;
use crate::scratch::Scratch;
use crate::tools::{self, Installed};

/// How much of each log a report shows.
const REPORTED_BYTES: u64 = 3000;

/// What a rig consists of.
#[derive(Clone, Debug)]
pub struct Options {
    /// Crossplane, the registry and the stand-in for the kubelet; without them there is an API server.
    pub crossplane: bool,
    /// Flux's source- and helm-controller.
    pub flux: bool,
    /// The managed resources that Crossplane activates, as globs of `<plural>.<group>`.
    pub activations: Vec<String>,
    /// Further flags of the API server.
    pub api_server_flags: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            crossplane: true,
            flux: false,
            activations: vec!["*".to_owned()],
            api_server_flags: Vec::new(),
        }
    }
}

/// A running control plane. Dropping it ends everything at once; [`Rig::stop`] does so in order.
pub struct Rig {
    control_plane: ControlPlane,
    packages: Option<Packages>,
    flux: Option<Flux>,
    scratch: Scratch,
    _block: Arc<Block>,
}

/// What serves packages.
struct Packages {
    registry: Registry,
    kubelet: Kubelet,
    proxy: Proxy,
    crossplane: Crossplane,
}

impl Rig {
    /// Builds what is missing, starts everything and returns when Crossplane is ready.
    ///
    /// # Errors
    ///
    /// Says what did not start and why, with the ends of the logs.
    pub async fn start(options: Options) -> Result<Self> {
        // Several TLS libraries are linked; rustls wants to be told which implementation of the algorithms to use.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let scratch = Scratch::create()?;
        match Box::pin(start(&options, &scratch)).await {
            Ok(Parts {
                control_plane,
                packages,
                flux,
                block,
            }) => Ok(Self {
                control_plane,
                packages,
                flux,
                scratch,
                _block: block,
            }),
            Err(error) => {
                let logs = logs(scratch.path());
                Err(if logs.is_empty() {
                    error
                } else {
                    anyhow!("{error:#}\n{logs}")
                })
            }
        }
    }

    /// A client with an administrator's rights.
    pub fn client(&self) -> Client {
        self.control_plane.client.clone()
    }

    /// The administrator's kubeconfig, for kubectl.
    pub fn kubeconfig(&self) -> &Path {
        &self.control_plane.admin
    }

    /// The URL of the API server's store, for writing what the API server would refuse.
    pub fn store(&self) -> &str {
        &self.control_plane.store
    }

    /// The rig's temporary directory.
    pub fn dir(&self) -> &Path {
        self.scratch.path()
    }

    /// Host and port of the registry, which speaks plain HTTP.
    ///
    /// # Errors
    ///
    /// When the rig was started without Crossplane.
    pub fn registry(&self) -> Result<&str> {
        Ok(&self.packages()?.registry.host)
    }

    /// The network between core and functions.
    ///
    /// # Errors
    ///
    /// When the rig was started without Crossplane.
    pub fn proxy(&self) -> Result<&Proxy> {
        Ok(&self.packages()?.proxy)
    }

    /// The pods that exist now.
    ///
    /// # Errors
    ///
    /// When the rig was started without Crossplane.
    pub fn pods(&self) -> Result<Vec<Arc<Pod>>> {
        Ok(self.packages()?.kubelet.pods())
    }

    /// The pod of an installed function or provider, by the name of its package.
    ///
    /// # Errors
    ///
    /// Names the pods there are when it is not among them.
    pub fn pod(&self, package: &str) -> Result<Arc<Pod>> {
        let pods = self.pods()?;
        let of = |pod: &Arc<Pod>| {
            let labels = ["pkg.crossplane.io/function", "pkg.crossplane.io/provider"];
            labels
                .iter()
                .any(|label| pod.labels().get(*label).is_some_and(|name| name == package))
        };
        pods.iter().find(|pod| of(pod)).cloned().with_context(|| {
            let names: Vec<&str> = pods.iter().map(|pod| pod.name()).collect();
            format!("package {package} has no pod; there are {names:?}")
        })
    }

    /// Crossplane core.
    ///
    /// # Errors
    ///
    /// When the rig was started without Crossplane.
    pub fn core(&self) -> Result<&Daemon> {
        Ok(&self.packages()?.crossplane.core)
    }

    /// Where core serves its metrics.
    ///
    /// # Errors
    ///
    /// When the rig was started without Crossplane.
    pub fn core_metrics(&self) -> Result<SocketAddr> {
        Ok(self.packages()?.crossplane.metrics)
    }

    fn packages(&self) -> Result<&Packages> {
        self.packages
            .as_ref()
            .context("the rig was started without Crossplane")
    }

    /// Applies a stream of YAML documents as administrator.
    ///
    /// # Errors
    ///
    /// Names the first object that was refused.
    pub async fn apply(&self, yaml: &str) -> Result<Vec<DynamicObject>> {
        apply::apply(&self.control_plane.client, yaml).await
    }

    fn daemons(&self) -> Vec<&Daemon> {
        let mut daemons: Vec<&Daemon> = self.control_plane.daemons.iter().collect();
        if let Some(packages) = &self.packages {
            daemons.extend([
                &packages.registry.daemon,
                &packages.crossplane.core,
                &packages.crossplane.rbac_manager,
            ]);
        }
        if let Some(flux) = &self.flux {
            daemons.extend([&flux.source_controller, &flux.helm_controller]);
        }
        daemons
    }

    /// Names and process ids of everything that runs.
    pub fn processes(&self) -> Vec<(String, u32)> {
        let pods = self.pods().unwrap_or_default();
        let daemons = self.daemons().into_iter();
        let all = daemons.chain(pods.iter().map(|pod| pod.program()));
        all.filter_map(|daemon| match daemon.state() {
            State::Running { pid } => Some((daemon.name().to_owned(), pid)),
            State::Pending | State::Waiting { .. } | State::Ended { .. } => None,
        })
        .collect()
    }

    /// What everything is doing, and the end of every log: for the message of a failed test.
    pub fn report(&self) -> String {
        let mut report = String::new();
        let pods = self.pods().unwrap_or_default();
        for daemon in self
            .daemons()
            .into_iter()
            .chain(pods.iter().map(|pod| pod.program()))
        {
            let _ = match daemon.state() {
                State::Pending => writeln!(report, "{} is not started", daemon.name()),
                State::Running { pid } => writeln!(report, "{} runs as {pid}", daemon.name()),
                State::Waiting { reason } => {
                    writeln!(report, "{} will be restarted, it {reason}", daemon.name())
                }
                State::Ended { reason } => writeln!(report, "{} {reason}", daemon.name()),
            };
        }
        report.push_str(&logs(self.scratch.path()));
        report
    }

    /// Ends everything in order and removes the temporary directory.
    pub async fn stop(mut self) {
        if let Some(packages) = &mut self.packages {
            packages.kubelet.stop().await;
            let crossplane = [&packages.crossplane.core, &packages.crossplane.rbac_manager];
            join_all(crossplane.map(Daemon::stop)).await;
        }
        // The API server waits for its store when that is gone first.
        for daemon in self.daemons().into_iter().rev() {
            daemon.stop().await;
        }
    }
}

impl std::fmt::Debug for Rig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rig")
            .field("dir", &self.scratch.path())
            .finish_non_exhaustive()
    }
}

/// What [`start`] has started.
struct Parts {
    control_plane: ControlPlane,
    packages: Option<Packages>,
    flux: Option<Flux>,
    block: Arc<Block>,
}

async fn start(options: &Options, scratch: &Scratch) -> Result<Parts> {
    let started = Instant::now();
    let control_plane = [
        &tools::ETCD,
        &tools::KUBE_APISERVER,
        &tools::KUBE_CONTROLLER_MANAGER,
    ];
    let packages = [&tools::CROSSPLANE, &tools::REGISTRY];
    let flux = [&tools::SOURCE_CONTROLLER, &tools::HELM_CONTROLLER];
    let mut needed = control_plane.to_vec();
    needed.extend(packages.iter().filter(|_| options.crossplane));
    needed.extend(flux.iter().filter(|_| options.flux));
    tools::build(needed).await?;
    let [etcd, api_server, controller_manager] = tools::prepare(control_plane).await?;
    let binaries = Binaries {
        etcd,
        api_server,
        controller_manager,
    };
    let crossplane = if options.crossplane {
        Some(tools::prepare(packages).await?)
    } else {
        None
    };
    let flux = if options.flux {
        Some(tools::prepare(flux).await?)
    } else {
        None
    };
    tracing::debug!(elapsed = ?started.elapsed(), "Tools are ready");

    let block = Arc::new(Block::claim()?);
    let control_plane =
        ControlPlane::start(&binaries, &block, scratch, &options.api_server_flags).await?;
    tracing::debug!(elapsed = ?started.elapsed(), "The API server is ready");
    let packages = async {
        match &crossplane {
            Some([core, crane]) => Ok(Some(
                start_packages(core, crane, &control_plane, &block, scratch, options).await?,
            )),
            None => Ok(None),
        }
    };
    let flux = async {
        match &flux {
            Some([source, helm]) => Ok(Some(
                Flux::start(source, helm, &control_plane, &block, scratch).await?,
            )),
            None => anyhow::Ok(None),
        }
    };
    let (packages, flux) = tokio::try_join!(packages, flux)?;
    tracing::debug!(elapsed = ?started.elapsed(), "The rig is ready");
    Ok(Parts {
        control_plane,
        packages,
        flux,
        block,
    })
}

async fn start_packages(
    core: &Installed,
    crane: &Installed,
    control_plane: &ControlPlane,
    block: &Arc<Block>,
    scratch: &Scratch,
    options: &Options,
) -> Result<Packages> {
    let registry = Registry::start(crane, block, scratch).await?;
    let node = Node {
        client: control_plane.client.clone(),
        kubeconfigs: control_plane.kubeconfigs.clone(),
        block: Arc::clone(block),
        pods: scratch.join("pods"),
        logs: scratch.join("logs"),
        images: Images::new(scratch.join("images"), &registry.host),
    };
    let kubelet = Kubelet::start(node, NAMESPACE);
    let proxy = Proxy::start(kubelet.resolver()).await?;
    let crossplane = Crossplane::start(
        core,
        control_plane,
        block,
        scratch,
        &options.activations,
        &proxy.url(),
    )
    .await?;
    Ok(Packages {
        registry,
        kubelet,
        proxy,
        crossplane,
    })
}

/// The ends of all logs in the rig's directory.
pub(crate) fn logs(dir: &Path) -> String {
    let mut paths: Vec<_> = std::fs::read_dir(dir.join("logs"))
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    paths.sort_by_key(std::fs::DirEntry::file_name);
    let mut report = String::new();
    for entry in paths {
        let text =
            tail(&entry.path(), REPORTED_BYTES).unwrap_or_else(|error| format!("{error:#}\n"));
        let _ = writeln!(
            report,
            "--- {}\n{}",
            entry.path().display(),
            text.trim_end()
        );
    }
    report
}
