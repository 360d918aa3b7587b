//! The provider's part: a real API server, a simulated cloud, and the provider as a process of its own beside them.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hcloud_simulator::{DEFAULT_TOKEN, Simulator};
use rig::wait::eventually;
use rig::{Options, Rig};
use serde_json::json;

use crate::program::Program;
use crate::{Table, median, milliseconds};

const OF: &str = "provider";
const STARTS: usize = 20;
/// Networks that are reconciled again and again.
const NETWORKS: usize = 100;
const RECONCILES: u64 = 1000;
const SOON: Duration = Duration::from_secs(120);

pub(crate) async fn measure(table: &mut Table, binary: &Path) -> Result<()> {
    let rig = Rig::start(Options {
        crossplane: false,
        ..Options::default()
    })
    .await?;
    let simulator = Simulator::start(hcloud_simulator::Options::default()).await?;
    let measured = with(table, binary, &rig, &simulator).await;
    let measured = measured.map_err(|error| error.context(rig.report()));
    simulator.stop().await;
    rig.stop().await;
    measured
}

async fn with(table: &mut Table, binary: &Path, rig: &Rig, simulator: &Simulator) -> Result<()> {
    install(rig, simulator).await?;
    let start = || start(binary, rig.kubeconfig());

    let (mut starts, mut stops) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let started = Instant::now();
        let program = start()?;
        ensure!(
            get(program.address, "/readyz")?.starts_with("HTTP/1.1 200"),
            "it is not ready"
        );
        starts.push(started.elapsed());
        stops.push(program.terminate()?);
    }
    table.row(
        OF,
        "start to ready, median of 20",
        milliseconds(median(starts)),
        "",
    );
    table.row(
        OF,
        "SIGTERM to exit, median of 20",
        milliseconds(median(stops)),
        "",
    );

    let program = start()?;
    // Idle is when all watches have their first list: a network is reconciled only then.
    rig.apply(&network(0)).await?;
    reconciled(&program, 1).await?;
    table.memory(OF, "idle", program.memory()?, "");
    for index in 1..NETWORKS {
        rig.apply(&network(index)).await?;
    }
    let (before, cpu) = (reconciles(&program)?, program.cpu()?);
    let after = reconciled(&program, before + RECONCILES).await?;
    let each = (program.cpu()? - cpu) / u32::try_from(after - before)?;
    table.memory(
        OF,
        &format!("after {after} reconciles"),
        program.memory()?,
        "20 MiB (300 objects)",
    );
    table.row(OF, "CPU for a reconcile", milliseconds(each), "");
    Ok(())
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

fn network(index: usize) -> String {
    json!({
        "apiVersion": "hcloud.openova.io/v1alpha1",
        "kind": "Network",
        "metadata": {"name": format!("bench-{index:03}"), "namespace": "default"},
        "spec": {
            "providerConfigRef": {"kind": "ClusterProviderConfig", "name": "default"},
            "forProvider": {"ipRange": format!("10.{index}.0.0/16")},
        },
    })
    .to_string()
}

/// Starts the provider; everything is reconciled once a second.
fn start(binary: &Path, kubeconfig: &Path) -> Result<Program> {
    let args = [
        "--bind-ip",
        "127.0.0.1",
        "--metrics-port",
        "0",
        "--poll",
        "1s",
    ]
    .map(OsStr::new);
    Program::start(binary, args, &[("KUBECONFIG", kubeconfig.as_os_str())])
}

/// Waits until there were this many reconciles, and returns how many there were.
async fn reconciled(program: &Program, count: u64) -> Result<u64> {
    eventually(&format!("{count} reconciles"), SOON, || async {
        let reconciles = reconciles(program)?;
        ensure!(reconciles >= count, "there were {reconciles}");
        Ok(reconciles)
    })
    .await
}

fn reconciles(program: &Program) -> Result<u64> {
    let metrics = get(program.address, "/metrics")?;
    let counts = metrics
        .lines()
        .filter(|line| line.starts_with("provider_reconciles_total"));
    counts
        .map(|line| {
            let count = line.rsplit(' ').next().unwrap_or_default();
            count
                .parse::<u64>()
                .with_context(|| format!("read {line:?}"))
        })
        .sum()
}

/// Asks for a path over HTTP/1.1, and returns the answer with its head.
fn get(address: SocketAddr, path: &str) -> Result<String> {
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
