//! The provider's part: a real API server, a simulated cloud, and the provider as a process of its own beside them.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rig::Rig;
use rig::wait::eventually;
use serde_json::json;

use crate::cluster::{self, Cluster, get};
use crate::median;
use crate::program::Program;
use crate::report::{Table, milliseconds};

const OF: &str = "provider";
const STARTS: usize = 20;
/// Networks that are reconciled again and again.
const NETWORKS: usize = 100;
const RECONCILES: u64 = 1000;
const SOON: Duration = Duration::from_secs(120);

pub(crate) async fn measure(table: &mut Table, binary: &Path) -> Result<()> {
    let cluster = Cluster::start(hcloud_simulator::Options::default()).await?;
    let measured = with(table, binary, &cluster.rig).await;
    cluster.stop(measured).await
}

async fn with(table: &mut Table, binary: &Path, rig: &Rig) -> Result<()> {
    let start = || start(binary, rig);

    let (mut starts, mut stops) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let started = Instant::now();
        let program = start()?;
        ready(&program).await?;
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
fn start(binary: &Path, rig: &Rig) -> Result<Program> {
    cluster::provider(binary, rig, &["--poll", "1s"])
}

/// Waits until everything is listed.
async fn ready(program: &Program) -> Result<()> {
    let started = Instant::now();
    while !get(program.address, "/readyz")?.starts_with("HTTP/1.1 200") {
        ensure!(started.elapsed() < SOON, "it is not ready");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
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
    cluster::sum(
        &get(program.address, "/metrics")?,
        "provider_reconciles_total",
        &[],
    )
}
