//! etcd, kube-apiserver and kube-controller-manager.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use crate::daemon::{Daemon, Invocation, Restart, State};
use crate::kubeconfig::{Credential, Kubeconfigs};
use crate::loopback::Block;
use crate::scratch::Scratch;
use crate::tools::Installed;
use crate::wait::{Hopeless, eventually};

const START: Duration = Duration::from_secs(60);

/// The requests that one client may send in a second. The API server is the limit in a rig, not its clients' manners.
const CLIENT_RATE: &str = "1000";

/// The programs of the control plane.
#[derive(Debug)]
pub(crate) struct Binaries {
    pub(crate) etcd: Installed,
    pub(crate) api_server: Installed,
    pub(crate) controller_manager: Installed,
}

/// A running control plane.
pub(crate) struct ControlPlane {
    pub(crate) client: Client,
    pub(crate) kubeconfigs: Kubeconfigs,
    /// The administrator's kubeconfig.
    pub(crate) admin: PathBuf,
    /// The URL of etcd.
    pub(crate) store: String,
    pub(crate) daemons: Vec<Daemon>,
}

impl ControlPlane {
    /// Starts everything and waits until the API server is ready.
    pub(crate) async fn start(
        binaries: &Binaries,
        block: &Block,
        scratch: &Scratch,
        extra_api_server_flags: &[String],
    ) -> Result<Self> {
        let (etcd, store) = start_etcd(binaries, block, scratch)?;

        let port = block.port()?;
        let certificates = scratch.join("api-server");
        let token = random_token()?;
        let tokens = scratch.join("secrets/tokens.csv");
        fs::write(
            &tokens,
            format!("{token},administrator,administrator,system:masters\n"),
        )
        .context("write the administrator's token")?;
        // The API server makes itself a key and a certificate; the key also signs service account tokens.
        let key = certificates.join("apiserver.key");
        let api_server = Invocation::new(&binaries.api_server.binary)
            .arg(format!("--etcd-servers={store}"))
            .args([
                "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1",
                "--endpoint-reconciler-type=none",
            ])
            .arg(format!("--secure-port={port}"))
            .arg(format!("--cert-dir={}", certificates.display()))
            .arg(format!("--token-auth-file={}", tokens.display()))
            .args([
                "--authorization-mode=RBAC",
                "--service-account-issuer=https://kubernetes.default.svc",
            ])
            .arg(format!(
                "--service-account-signing-key-file={}",
                key.display()
            ))
            .arg(format!("--service-account-key-file={}", key.display()))
            .args([
                "--service-cluster-ip-range=10.0.0.0/24",
                "--allow-privileged=true",
                "--profiling=false",
            ])
            // No pods are created, and their service accounts' tokens are not mounted by the API server.
            .arg("--disable-admission-plugins=ServiceAccount")
            .args(extra_api_server_flags);
        let api_server = Daemon::start(
            "kube-apiserver",
            api_server,
            scratch.log("kube-apiserver"),
            Restart::Never,
        );

        let kubeconfigs = Kubeconfigs {
            server: format!("https://127.0.0.1:{port}"),
            authority: certificates.join("apiserver.crt"),
        };
        eventually("the API server has made its certificate", START, || async {
            alive(&etcd)?;
            alive(&api_server)?;
            fs::metadata(&kubeconfigs.authority).context("look for the certificate")
        })
        .await?;
        let admin = scratch.join("kubeconfig");
        kubeconfigs.write(&admin, &Credential::Token(token))?;
        let client = connect(&admin).await?;
        eventually("the API server is ready", START, || async {
            alive(&etcd)?;
            alive(&api_server)?;
            ready(&client).await
        })
        .await?;

        let controller_manager = Invocation::new(&binaries.controller_manager.binary)
            .arg(format!("--kubeconfig={}", admin.display()))
            // Without the controllers of Deployments, whose status the stand-in for the kubelet writes.
            .arg(
                "--controllers=garbage-collector-controller,namespace-controller,serviceaccount-controller,\
                 serviceaccount-token-controller,clusterrole-aggregation-controller",
            )
            .arg(format!("--service-account-private-key-file={}", key.display()))
            .args(["--leader-elect=false", "--secure-port=0", "--profiling=false"])
            .arg(format!("--kube-api-qps={CLIENT_RATE}"))
            .arg(format!("--kube-api-burst={CLIENT_RATE}"));
        let log = scratch.log("kube-controller-manager");
        let controller_manager = Daemon::start(
            "kube-controller-manager",
            controller_manager,
            log,
            Restart::Never,
        );
        Ok(Self {
            client,
            kubeconfigs,
            admin,
            store,
            daemons: vec![etcd, api_server, controller_manager],
        })
    }
}

fn start_etcd(binaries: &Binaries, block: &Block, scratch: &Scratch) -> Result<(Daemon, String)> {
    let clients = format!("http://127.0.0.1:{}", block.port()?);
    let peers = format!("http://127.0.0.1:{}", block.port()?);
    let etcd = Invocation::new(&binaries.etcd.binary)
        .arg("--name=rig")
        .arg(format!("--data-dir={}", scratch.join("etcd").display()))
        .arg(format!("--listen-client-urls={clients}"))
        .arg(format!("--advertise-client-urls={clients}"))
        .arg(format!("--listen-peer-urls={peers}"))
        .arg(format!("--initial-advertise-peer-urls={peers}"))
        .arg(format!("--initial-cluster=rig={peers}"))
        // Nothing has to survive the rig.
        .args(["--unsafe-no-fsync", "--log-level=warn"]);
    Ok((
        Daemon::start("etcd", etcd, scratch.log("etcd"), Restart::Never),
        clients,
    ))
}

/// A client with the identity that a kubeconfig names.
pub(crate) async fn connect(kubeconfig: &std::path::Path) -> Result<Client> {
    let context = || format!("connect with {}", kubeconfig.display());
    let file = Kubeconfig::read_from(kubeconfig).with_context(context)?;
    let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    Client::try_from(config.with_context(context)?).with_context(context)
}

pub(crate) async fn ready(client: &Client) -> Result<()> {
    let request = http::Request::get("/readyz")
        .body(Vec::new())
        .context("make the request for readiness")?;
    // "Not yet" is an error in the eyes of the client, which would log it.
    let answer = client
        .request_text(request)
        .with_subscriber(NoSubscriber::default());
    answer.await.context("ask for readiness")?;
    Ok(())
}

/// Fails when a program that must run has ended.
pub(crate) fn alive(daemon: &Daemon) -> Result<()> {
    if let State::Ended { reason } = daemon.state() {
        return Err(Hopeless(format!("{} {reason}", daemon.name())).into());
    }
    Ok(())
}

pub(crate) fn random_token() -> Result<String> {
    let mut bytes = [0_u8; 24];
    fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("read random bytes for the administrator's token")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
