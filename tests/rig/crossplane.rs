//! Crossplane core and its RBAC manager, with the permissions of the chart and not more.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::{Api, Client};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::apply::apply;
use crate::chart::{self, NAMESPACE};
use crate::control_plane::{ControlPlane, alive};
use crate::daemon::{Daemon, Invocation, Restart};
use crate::kubeconfig::Identity;
use crate::loopback::Block;
use crate::scratch::Scratch;
use crate::tools::Installed;
use crate::wait::eventually;

const START: Duration = Duration::from_secs(60);

/// As a kubelet would, only sooner: tests wait for it.
const RESTART: Restart = Restart::Always {
    first: Duration::from_millis(500),
    cap: Duration::from_secs(10),
};

const CORE: &str = "crossplane";
const RBAC_MANAGER: &str = "rbac-manager";
const WEBHOOK_SERVICE: &str = "crossplane-webhooks";
const CA_SECRET: &str = "crossplane-root-ca";
const SERVER_SECRET: &str = "crossplane-tls-server";
const CLIENT_SECRET: &str = "crossplane-tls-client";

/// Running Crossplane.
#[derive(Debug)]
pub(crate) struct Crossplane {
    pub(crate) core: Daemon,
    pub(crate) rbac_manager: Daemon,
    pub(crate) metrics: SocketAddr,
    _identities: [Identity; 2],
}

impl Crossplane {
    /// Installs and starts Crossplane. Core sends its calls of functions to the proxy at `https_proxy`.
    pub(crate) async fn start(
        installed: &Installed,
        control_plane: &ControlPlane,
        block: &Block,
        scratch: &Scratch,
        activations: &[String],
        https_proxy: &str,
    ) -> Result<Self> {
        let client = &control_plane.client;
        let webhook_port = block.port()?;
        install(
            client,
            &installed.dir("cluster/charts/crossplane"),
            webhook_port,
        )
        .await?;
        let core_identity = identity(control_plane, scratch, CORE).await?;
        let rbac_identity = identity(control_plane, scratch, RBAC_MANAGER).await?;
        aggregated(client).await?;

        let rbac_manager = Invocation::new(&installed.binary)
            .args([
                "rbac",
                "start",
                "--provider-clusterrole=crossplane:allowed-provider-permissions",
            ])
            .env("KUBECONFIG", &rbac_identity.kubeconfig);
        let metrics_port = block.port()?;
        let core = Core {
            binary: &installed.binary,
            kubeconfig: &core_identity.kubeconfig,
            webhook_port,
            metrics_port,
        };
        core.initialise(installed, activations, scratch).await?;
        // It watches kinds that the initialisation brings, and exits when they are missing.
        let rbac_manager = Daemon::start(
            RBAC_MANAGER,
            rbac_manager,
            scratch.log(RBAC_MANAGER),
            RESTART,
        );
        let core = core.start(client, block, scratch, https_proxy).await?;
        Ok(Self {
            core,
            rbac_manager,
            metrics: SocketAddr::from((Ipv4Addr::LOCALHOST, metrics_port)),
            _identities: [core_identity, rbac_identity],
        })
    }
}

async fn install(client: &Client, chart: &Path, webhook_port: u16) -> Result<()> {
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {NAMESPACE}\n");
    apply(client, &namespace).await?;
    apply(client, &chart::permissions(chart)?).await?;
    // The API server looks the name up itself: without a service network it reaches the webhooks by an external name. It
    // still expects a certificate for the service.
    let service = format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {WEBHOOK_SERVICE}\n  namespace: {NAMESPACE}\nspec:\n  \
         type: ExternalName\n  externalName: 127.0.0.1\n  ports:\n  - port: {webhook_port}\n"
    );
    apply(client, &service).await?;
    Ok(())
}

async fn identity(control_plane: &ControlPlane, scratch: &Scratch, name: &str) -> Result<Identity> {
    let dir = scratch.join("secrets").join(name);
    fs::create_dir(&dir).with_context(|| format!("create {}", dir.display()))?;
    control_plane
        .kubeconfigs
        .identity(&control_plane.client, NAMESPACE, name, &dir)
        .await
}

/// Core's role has no rules until the controller manager has gathered them.
async fn aggregated(client: &Client) -> Result<()> {
    let roles: Api<ClusterRole> = Api::all(client.clone());
    eventually("core's role is aggregated", START, || async {
        let role = roles.get(CORE).await?;
        ensure!(
            role.rules.is_some_and(|rules| !rules.is_empty()),
            "the role has no rules"
        );
        Ok(())
    })
    .await
}

struct Core<'a> {
    binary: &'a Path,
    kubeconfig: &'a Path,
    webhook_port: u16,
    metrics_port: u16,
}

impl Core<'_> {
    fn invocation(&self) -> Invocation {
        Invocation::new(self.binary)
            .env("KUBECONFIG", self.kubeconfig)
            .env("POD_NAMESPACE", NAMESPACE)
            .env("POD_SERVICE_ACCOUNT", CORE)
            .env("TLS_SERVER_SECRET_NAME", SERVER_SECRET)
            .env("TLS_CLIENT_SECRET_NAME", CLIENT_SECRET)
    }

    /// What the chart does in an init container.
    async fn initialise(
        &self,
        installed: &Installed,
        activations: &[String],
        scratch: &Scratch,
    ) -> Result<()> {
        let init = self
            .invocation()
            .args(["core", "init"])
            .args(
                activations
                    .iter()
                    .map(|glob| format!("--activation={glob}")),
            )
            .env("CRDS_PATH", installed.dir("cluster/crds"))
            .env(
                "WEBHOOK_CONFIGS_PATH",
                installed.dir("cluster/webhookconfigurations"),
            )
            .env("WEBHOOK_SERVICE_NAME", WEBHOOK_SERVICE)
            .env("WEBHOOK_SERVICE_NAMESPACE", NAMESPACE)
            .env("WEBHOOK_SERVICE_PORT", self.webhook_port.to_string())
            .env("TLS_CA_SECRET_NAME", CA_SECRET);
        // It fails while the API server does not serve the new kinds yet, and is made to be run again.
        let log = scratch.log("crossplane-init");
        eventually("core is initialised", START, || init.run(&log)).await
    }

    async fn start(
        &self,
        client: &Client,
        block: &Block,
        scratch: &Scratch,
        https_proxy: &str,
    ) -> Result<Daemon> {
        let health_port = block.port()?;
        let cache = scratch.join("packages");
        fs::create_dir(&cache).context("create the package cache")?;
        let start = self
            .invocation()
            .args(["core", "start"])
            .env(
                "TLS_SERVER_CERTS_DIR",
                dump(client, SERVER_SECRET, scratch).await?,
            )
            .env(
                "TLS_CLIENT_CERTS_DIR",
                dump(client, CLIENT_SECRET, scratch).await?,
            )
            .env("XPKG_CACHE_DIR", cache)
            .env("WEBHOOK_PORT", self.webhook_port.to_string())
            .env("METRICS_PORT", self.metrics_port.to_string())
            .env("HEALTH_PROBE_PORT", health_port.to_string())
            .env("HTTPS_PROXY", https_proxy)
            .env("NO_PROXY", "");
        let core = Daemon::start(CORE, start, scratch.log(CORE), RESTART);
        eventually("core is ready", START, || async {
            alive(&core)?;
            healthy(health_port).await
        })
        .await?;
        Ok(core)
    }
}

/// Writes the contents of a Secret of Crossplane's to a directory, as a volume would.
async fn dump(client: &Client, name: &str, scratch: &Scratch) -> Result<PathBuf> {
    let secret = Api::<Secret>::namespaced(client.clone(), NAMESPACE)
        .get(name)
        .await;
    let secret = secret.with_context(|| format!("read Secret {name}"))?;
    let dir = scratch.join("secrets").join(name);
    fs::create_dir(&dir).with_context(|| format!("create {}", dir.display()))?;
    for (key, value) in secret.data.unwrap_or_default() {
        fs::write(dir.join(&key), value.0)
            .with_context(|| format!("write {key} of Secret {name}"))?;
    }
    Ok(dir)
}

async fn healthy(port: u16) -> Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .context("connect to core's health port")?;
    stream
        .write_all(b"GET /readyz HTTP/1.0\r\nHost: core\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    ensure!(
        answer.starts_with("HTTP/1.0 200"),
        "core answers {}",
        answer.lines().next().unwrap_or_default()
    );
    Ok(())
}
