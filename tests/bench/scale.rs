//! The provider with many objects, beside the floor of the same API server; and a whole platform with 400 servers.
//!
//! `cargo bench -p xplatform-tests --bench scale` builds the provider as it is shipped and prints a table with the aims
//! beside the figures; it takes about five minutes. Parts by name: `-- burst servers large steady change recovery tree`.
//!
//! The floor is what the API server itself needs when a client writes the same objects as often as the provider does,
//! and does nothing else.

mod cluster;
mod program;
mod report;
mod shipped;
mod tree;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use hcloud_simulator::{ActionMode, RateLimit};
use http::Method;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch,
    PatchParams, PostParams,
};
use rig::wait::eventually;
use serde_json::{Value, json};
use tempfile::TempDir;

use cluster::Cluster;
use program::Program;
use report::{Table, milliseconds};

const PROVIDER: &str = "provider-hcloud";
/// Objects of a burst.
const BURST: usize = 300;
/// Servers that are created together.
const SERVERS: usize = 100;
/// Objects of the large project.
const LARGE: usize = 10_000;
/// Objects whose steady state is watched.
const STEADY: usize = 1000;
/// Changes whose way to the cloud is timed.
const CHANGES: usize = 200;
/// Clients that write at once.
const WRITERS: usize = 32;
const LONG: Duration = Duration::from_secs(900);

fn main() -> Result<()> {
    rig::launch::init();
    let args: Vec<String> = std::env::args().skip(1).collect();
    if !args.iter().any(|arg| arg == "--bench") {
        return Ok(());
    }
    let wanted = |name: &str| {
        let mut filters = args.iter().filter(|arg| !arg.starts_with('-')).peekable();
        filters.peek().is_none() || filters.any(|filter| filter == name)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let dir = TempDir::new().context("make a directory")?;
    let built = shipped::build()?;
    let binary = shipped::extract(&built, PROVIDER, dir.path())?;
    let mut table = Table::default();
    runtime.block_on(async {
        if wanted("burst") {
            burst(&mut table, &binary, Duration::ZERO).await?;
            burst(&mut table, &binary, Duration::from_millis(50)).await?;
        }
        if wanted("servers") {
            servers(&mut table, &binary, false).await?;
            servers(&mut table, &binary, true).await?;
        }
        if wanted("change") || wanted("recovery") {
            change_and_recovery(&mut table, &binary).await?;
        }
        if wanted("steady") {
            steady(&mut table, &binary).await?;
        }
        if wanted("large") {
            large(&mut table, &binary).await?;
        }
        if wanted("tree") {
            tree::measure(&mut table, &built).await?;
        }
        anyhow::Ok(())
    })?;
    table.print()
}

/// A kind of the provider, in the default namespace.
fn api(cluster: &Cluster, kind: &str) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk("hcloud.openova.io", "v1alpha1", kind);
    let resource = ApiResource::from_gvk(&gvk);
    Api::namespaced_with(cluster.rig.client(), "default", &resource)
}

fn object(kind: &str, name: &str, for_provider: &Value) -> Result<DynamicObject> {
    let object = json!({
        "apiVersion": "hcloud.openova.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"forProvider": for_provider},
    });
    serde_json::from_value(object).context("make an object")
}

fn network(index: usize) -> Result<DynamicObject> {
    object(
        "Network",
        &format!("bench-{index:05}"),
        &json!({"ipRange": "10.0.0.0/16"}),
    )
}

/// Creates objects, many at a time.
async fn create(api: &Api<DynamicObject>, objects: Vec<DynamicObject>) -> Result<()> {
    stream::iter(objects)
        .map(|object| async move { api.create(&PostParams::default(), &object).await.map(drop) })
        .buffer_unordered(WRITERS)
        .try_collect::<()>()
        .await
        .context("create the objects")
}

async fn delete_all(api: &Api<DynamicObject>) -> Result<()> {
    api.delete_collection(&DeleteParams::background(), &ListParams::default())
        .await
        .context("delete all")?;
    Ok(())
}

/// Waits until as many objects of a kind are ready as the provider's own gauge says.
async fn ready(program: &Program, kind: &str, count: usize) -> Result<()> {
    let gvk = format!("Kind={kind}\"");
    let name = "crossplane_managed_resource_ready";
    eventually(&format!("{count} of {kind} are ready"), LONG, || async {
        let metrics = cluster::get(program.address, "/metrics")?;
        let ready = cluster::sum(&metrics, name, &[&gvk])?;
        ensure!(ready == count as u64, "{ready} are");
        Ok(())
    })
    .await
}

/// Waits until there is no object of a kind left.
async fn gone(api: &Api<DynamicObject>) -> Result<()> {
    eventually("all are gone", LONG, || async {
        let left = api.list_metadata(&ListParams::default().limit(1)).await?;
        ensure!(left.items.is_empty(), "some are left");
        Ok(())
    })
    .await
}

/// Requests that the API server has had for the provider's kinds, watches, lists and events left out.
async fn kubernetes_requests(cluster: &Cluster) -> Result<u64> {
    let request = http::Request::get("/metrics")
        .body(Vec::new())
        .context("make a request")?;
    let metrics = cluster
        .rig
        .client()
        .request_text(request)
        .await
        .context("read the metrics of the API server")?;
    let mut count = 0;
    for verb in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        let verb = format!("verb=\"{verb}\"");
        let labels = ["group=\"hcloud.openova.io\"", verb.as_str()];
        count += cluster::sum(&metrics, "apiserver_request_total", &labels)?;
    }
    Ok(count)
}

fn hetzner_requests(cluster: &Cluster) -> usize {
    cluster.simulator.log().entries().len()
}

fn each(total: u64, objects: usize) -> String {
    format!("{:.2}", total as f64 / objects as f64)
}

/// Objects that are created and deleted together, and the floor.
async fn burst(table: &mut Table, binary: &Path, action: Duration) -> Result<()> {
    let cluster = Cluster::start(hcloud_simulator::Options {
        actions: ActionMode::Automatic(action),
        ..hcloud_simulator::Options::default()
    })
    .await?;
    let measured = with_burst(table, binary, &cluster, action).await;
    cluster.stop(measured).await
}

async fn with_burst(
    table: &mut Table,
    binary: &Path,
    cluster: &Cluster,
    action: Duration,
) -> Result<()> {
    let of = format!("actions {} ms", action.as_millis());
    let networks = api(cluster, "Network");
    let objects = || (0..BURST).map(network).collect::<Result<Vec<_>>>();
    if action.is_zero() {
        let floor = floor(&networks, objects()?).await?;
        table.row(
            &of,
            &format!("{BURST} objects, floor"),
            milliseconds(floor),
            "",
        );
    }

    let program = cluster::provider(binary, &cluster.rig, &[])?;
    ready(&program, "Network", 0).await?;
    let (kubernetes, hetzner) = (
        kubernetes_requests(cluster).await?,
        hetzner_requests(cluster),
    );
    let started = Instant::now();
    create(&networks, objects()?).await?;
    ready(&program, "Network", BURST).await?;
    let took = started.elapsed();
    // The bench's own: one create each.
    let kubernetes = kubernetes_requests(cluster).await? - kubernetes - BURST as u64;
    let hetzner = (hetzner_requests(cluster) - hetzner) as u64;
    table.row(
        &of,
        &format!("{BURST} created, to Ready"),
        milliseconds(took),
        "2 x floor",
    );
    table.row(
        &of,
        "Kubernetes requests for each",
        each(kubernetes, BURST),
        "5",
    );
    table.row(&of, "Hetzner requests for each", each(hetzner, BURST), "");
    table.memory(&of, &format!("with {BURST}"), program.memory()?, "20 MiB");

    let started = Instant::now();
    delete_all(&networks).await?;
    gone(&networks).await?;
    table.row(
        &of,
        &format!("{BURST} deleted, to gone"),
        milliseconds(started.elapsed()),
        "2 x floor",
    );
    program.terminate()?;
    Ok(())
}

/// What the API server needs for a create, two patches and a status write of each object.
async fn floor(api: &Api<DynamicObject>, objects: Vec<DynamicObject>) -> Result<Duration> {
    let started = Instant::now();
    stream::iter(objects)
        .map(|object| async move {
            let name = object.metadata.name.clone().unwrap_or_default();
            api.create(&PostParams::default(), &object).await?;
            for value in ["1", "2"] {
                let patch = json!({"metadata": {"annotations": {"bench": value}}});
                let params = PatchParams::default();
                api.patch(&name, &params, &Patch::Merge(&patch)).await?;
            }
            let status = json!({"status": {"observedGeneration": 1}});
            api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status))
                .await?;
            Ok::<(), kube::Error>(())
        })
        .buffer_unordered(WRITERS)
        .try_collect::<()>()
        .await
        .context("write the floor")?;
    let took = started.elapsed();
    delete_all(api).await?;
    gone(api).await?;
    Ok(took)
}

/// Servers that are created together, with and without a fixed address.
async fn servers(table: &mut Table, binary: &Path, fixed: bool) -> Result<()> {
    let cluster = Cluster::start(hcloud_simulator::Options {
        actions: ActionMode::Automatic(Duration::from_millis(50)),
        ..hcloud_simulator::Options::default()
    })
    .await?;
    let measured = with_servers(table, binary, &cluster, fixed).await;
    cluster.stop(measured).await
}

async fn with_servers(
    table: &mut Table,
    binary: &Path,
    cluster: &Cluster,
    fixed: bool,
) -> Result<()> {
    let of = if fixed { "fixed address" } else { "no network" };
    let program = cluster::provider(binary, &cluster.rig, &[])?;
    if fixed {
        let network = object("Network", "net", &json!({"ipRange": "10.0.0.0/16"}))?;
        create(&api(cluster, "Network"), vec![network]).await?;
        let subnet = json!({"networkIdRef": {"name": "net"}, "ipRange": "10.0.0.0/24", "networkZone": "eu-central"});
        create(
            &api(cluster, "Subnet"),
            vec![object("Subnet", "sub", &subnet)?],
        )
        .await?;
        ready(&program, "Subnet", 1).await?;
    }
    let servers = (0..SERVERS).map(|index| {
        let mut spec = json!({"serverTypes": ["cpx22"], "locations": ["fsn1"], "image": {"name": "ubuntu-24.04"}});
        if fixed {
            spec["networks"] = json!([{"networkIdRef": {"name": "net"}, "ip": format!("10.0.0.{}", index + 2)}]);
        }
        object("Server", &format!("server-{index:03}"), &spec)
    });
    let before = hetzner_requests(cluster);
    let started = Instant::now();
    create(&api(cluster, "Server"), servers.collect::<Result<_>>()?).await?;
    ready(&program, "Server", SERVERS).await?;
    let took = started.elapsed();
    let requests = (hetzner_requests(cluster) - before) as u64;
    let aim = if fixed { "8" } else { "4" };
    table.row(
        of,
        &format!("{SERVERS} servers, to Ready"),
        milliseconds(took),
        "",
    );
    table.row(
        of,
        "Hetzner requests for each",
        each(requests, SERVERS),
        aim,
    );
    program.terminate()?;
    Ok(())
}

/// How long a change of a spec takes to the cloud, and a killed provider to its first reconcile.
async fn change_and_recovery(table: &mut Table, binary: &Path) -> Result<()> {
    let cluster = Cluster::start(plenty()).await?;
    let measured = with_changes(table, binary, &cluster).await;
    cluster.stop(measured).await
}

/// A project whose request budget is no limit.
fn plenty() -> hcloud_simulator::Options {
    hcloud_simulator::Options {
        actions: ActionMode::Automatic(Duration::ZERO),
        rate_limit: RateLimit {
            limit: 10_000_000,
            ..RateLimit::default()
        },
        ..hcloud_simulator::Options::default()
    }
}

async fn with_changes(table: &mut Table, binary: &Path, cluster: &Cluster) -> Result<()> {
    let of = format!("{BURST} objects");
    let networks = api(cluster, "Network");
    let program = cluster::provider(binary, &cluster.rig, &[])?;
    create(&networks, (0..BURST).map(network).collect::<Result<_>>()?).await?;
    ready(&program, "Network", BURST).await?;

    let mut times = Vec::new();
    for index in 0..CHANGES {
        let name = format!("bench-{:05}", index % BURST);
        let puts = || {
            cluster
                .simulator
                .log()
                .of(&Method::PUT, "/networks/{id}")
                .len()
        };
        let before = puts();
        let patch = json!({"spec": {"forProvider": {"labels": {"round": index.to_string()}}}});
        let started = Instant::now();
        networks
            .patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
            .await?;
        while puts() == before {
            ensure!(
                started.elapsed() < LONG,
                "the change of {name} does not arrive"
            );
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        times.push(started.elapsed());
    }
    times.sort_unstable();
    let at = |share: usize| {
        times
            .get(times.len() * share / 100)
            .copied()
            .unwrap_or_default()
    };
    table.row(
        &of,
        "change of a spec to the cloud, p50",
        milliseconds(at(50)),
        "",
    );
    table.row(
        &of,
        "change of a spec to the cloud, p99",
        milliseconds(at(99)),
        "300 ms",
    );

    // Something has to be done when it comes back: the reconcile that does it is the first that can be seen.
    drop(program);
    let patch = json!({"spec": {"forProvider": {"labels": {"round": "after the kill"}}}});
    networks
        .patch(
            "bench-00000",
            &PatchParams::default(),
            &Patch::Merge(&patch),
        )
        .await?;
    let puts = || {
        cluster
            .simulator
            .log()
            .of(&Method::PUT, "/networks/{id}")
            .len()
    };
    let before = puts();
    let started = Instant::now();
    let program = cluster::provider(binary, &cluster.rig, &[])?;
    while puts() == before {
        ensure!(started.elapsed() < LONG, "nothing is reconciled");
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    table.row(
        &of,
        "start after kill -9 to a change made",
        milliseconds(started.elapsed()),
        "500 ms",
    );
    program.terminate()?;
    Ok(())
}

/// What it costs that nothing happens. Polls come twenty times as often as by default, so that six of them can be waited
/// for; requests are then counted for one hour of the default.
async fn steady(table: &mut Table, binary: &Path) -> Result<()> {
    let cluster = Cluster::start(plenty()).await?;
    let measured = with_steady(table, binary, &cluster).await;
    cluster.stop(measured).await
}

async fn with_steady(table: &mut Table, binary: &Path, cluster: &Cluster) -> Result<()> {
    const POLL: Duration = Duration::from_secs(30);
    let of = format!("{STEADY} steady");
    let networks = api(cluster, "Network");
    let program = cluster::provider(binary, &cluster.rig, &["--poll", "30s"])?;
    create(&networks, (0..STEADY).map(network).collect::<Result<_>>()?).await?;
    ready(&program, "Network", STEADY).await?;
    tokio::time::sleep(POLL).await;
    let (kubernetes, hetzner) = (
        kubernetes_requests(cluster).await?,
        hetzner_requests(cluster),
    );
    let cpu = program.cpu()?;
    tokio::time::sleep(2 * POLL).await;
    let hetzner = (hetzner_requests(cluster) - hetzner) / 2;
    let kubernetes = kubernetes_requests(cluster).await? - kubernetes;
    let cpu = (program.cpu()? - cpu) / 2;
    table.row(
        &of,
        "Hetzner requests in an hour (6 polls)",
        (hetzner * 6).to_string(),
        "150",
    );
    table.row(
        &of,
        "Kubernetes requests in 2 polls",
        kubernetes.to_string(),
        "0",
    );
    table.row(&of, "CPU for a poll of all", milliseconds(cpu), "");
    table.memory(&of, &format!("with {STEADY}"), program.memory()?, "");
    program.terminate()?;
    Ok(())
}

/// Memory with very many objects.
async fn large(table: &mut Table, binary: &Path) -> Result<()> {
    let cluster = Cluster::start(plenty()).await?;
    let measured = with_many(table, binary, &cluster).await;
    cluster.stop(measured).await
}

async fn with_many(table: &mut Table, binary: &Path, cluster: &Cluster) -> Result<()> {
    let of = format!("{LARGE} objects");
    let networks = api(cluster, "Network");
    let program = cluster::provider(binary, &cluster.rig, &[])?;
    let started = Instant::now();
    create(&networks, (0..LARGE).map(network).collect::<Result<_>>()?).await?;
    ready(&program, "Network", LARGE).await?;
    table.row(
        &of,
        "created, to Ready",
        milliseconds(started.elapsed()),
        "",
    );
    table.memory(&of, "after creating them", program.memory()?, "60 MiB");
    program.terminate()?;
    let started = Instant::now();
    let program = cluster::provider(binary, &cluster.rig, &[])?;
    ready(&program, "Network", LARGE).await?;
    table.row(
        &of,
        "start to all known",
        milliseconds(started.elapsed()),
        "",
    );
    eventually("all are looked at", LONG, || async {
        let metrics = cluster::get(program.address, "/metrics")?;
        let reconciles = cluster::sum(&metrics, "provider_reconciles_total", &[])?;
        ensure!(reconciles >= LARGE as u64, "{reconciles} are");
        Ok(())
    })
    .await?;
    table.memory(&of, "after a start", program.memory()?, "60 MiB");
    program.terminate()?;
    Ok(())
}
