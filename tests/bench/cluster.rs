//! An API server with the provider's kinds, a simulated cloud, and the provider as a process of its own beside them.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use hcloud_simulator::{DEFAULT_TOKEN, Simulator};
use rig::wait::eventually;
use rig::{Options, Rig};
use serde_json::json;

use crate::program::Program;

const SOON: Duration = Duration::from_secs(120);

/// The API server and the cloud.
pub(crate) struct Cluster {
    pub(crate) rig: Rig,
    pub(crate) simulator: Simulator,
}

impl Cluster {
    /// Starts both and installs the kinds.
    pub(crate) async fn start(options: hcloud_simulator::Options) -> Result<Self> {
        let rig = Rig::start(Options {
            crossplane: false,
            ..Options::default()
        })
        .await?;
        let simulator = Simulator::start(options).await?;
        let cluster = Self { rig, simulator };
        match install(&cluster.rig, &cluster.simulator).await {
            Ok(()) => Ok(cluster),
            Err(error) => Err(cluster
                .stop::<()>(Err(error))
                .await
                .err()
                .unwrap_or_else(|| anyhow::anyhow!("not installed"))),
        }
    }

    /// Stops both; a failure gets the logs.
    pub(crate) async fn stop<T>(self, result: Result<T>) -> Result<T> {
        let result = result.map_err(|error| error.context(self.rig.report()));
        self.simulator.stop().await;
        self.rig.stop().await;
        result
    }
}

/// The kinds, and a configuration that leads to the simulator.
async fn install(rig: &Rig, simulator: &Simulator) -> Result<()> {
    let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../package/provider-hcloud/crds");
    for entry in std::fs::read_dir(&crds).with_context(|| format!("read {}", crds.display()))? {
        let path = entry?.path();
        let yaml =
            std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        rig.apply(&yaml).await?;
    }
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "hcloud", "namespace": "default"},
        "stringData": {"token": DEFAULT_TOKEN},
    });
    let config = json!({
        "apiVersion": "hcloud.openova.io/v1alpha1",
        "kind": "ClusterProviderConfig",
        "metadata": {"name": "default"},
        "spec": {
            "endpoint": simulator.url(),
            "credentials": {"source": "Secret", "secretRef": {"namespace": "default", "name": "hcloud", "key": "token"}},
        },
    });
    let objects = format!("{secret}\n---\n{config}\n");
    eventually("the API server serves the new kinds", SOON, || {
        rig.apply(&objects)
    })
    .await?;
    Ok(())
}

/// Starts the provider.
pub(crate) fn provider(binary: &Path, rig: &Rig, args: &[&str]) -> Result<Program> {
    let fixed = ["--bind-ip", "127.0.0.1", "--metrics-port", "0"];
    let args = fixed.iter().chain(args).map(OsStr::new);
    Program::start(
        binary,
        args,
        &[("KUBECONFIG", rig.kubeconfig().as_os_str())],
    )
}

/// The sum of all values of a metric whose line has all of `labels`.
pub(crate) fn sum(metrics: &str, name: &str, labels: &[&str]) -> Result<u64> {
    let mut sum = 0;
    for line in metrics.lines() {
        let of_metric = line
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(['{', ' ']));
        if of_metric && labels.iter().all(|label| line.contains(label)) {
            let value = line.rsplit(' ').next().unwrap_or_default();
            sum += value
                .parse::<u64>()
                .with_context(|| format!("read {line:?}"))?;
        }
    }
    Ok(sum)
}

/// Asks for a path over HTTP/1.1, and returns the answer with its head.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut connection = std::net::TcpStream::connect(address).context("connect")?;
    write!(
        connection,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .context("send")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).context("receive")?;
    Ok(answer)
}
