//! The provider with many objects, beside the floor of the same API server; and a whole platform with 400 servers.
//!
//! `cargo bench -p xplatform-tests --bench scale` builds the provider as it is shipped, says on standard error what it
//! does, and prints a table with the aims beside the figures; the measurements take about twelve minutes on two cores.
//! Parts by name: `-- burst thousand servers change steady large tree`.
//!
//! The floor is what the API server itself needs when a client writes the same objects as often as the provider does,
//! and does nothing else.

mod cluster;
mod program;
mod report;
mod shipped;
mod tree;

use std::io::Write;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use hcloud_simulator::{ActionMode, RateLimit};
use http::Method;
use k8s_openapi::api::core::v1::Event;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch,
    PatchParams, PostParams,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use cluster::Cluster;
use program::Program;
use report::{Table, milliseconds};

const PROVIDER: &str = "provider-hcloud";
const PARTS: [&str; 7] = [
    "burst", "thousand", "servers", "change", "steady", "large", "tree",
];

/// Objects that are created together and deleted together.
#[derive(Debug, Clone, Copy)]
struct Mass {
    objects: usize,
    /// Objects that the floor is measured with.
    floor: usize,
    /// The limit of reconciles in a second, where the default would be what is measured.
    rate: Option<&'static str>,
    /// What the provider's memory should be.
    memory: &'static str,
}

const BURST: Mass = Mass {
    objects: 300,
    floor: 300,
    rate: None,
    memory: "20 MiB",
};
const THOUSAND: Mass = Mass {
    objects: 1000,
    floor: 1000,
    rate: None,
    memory: "",
};
const LARGE: Mass = Mass {
    objects: 10_000,
    floor: 2000,
    rate: Some("500"),
    memory: "60 MiB",
};

/// Servers that are created together.
const SERVERS: usize = 100;
/// Objects whose steady state is watched.
const STEADY: usize = 1000;
/// Objects among which one is changed.
const CHANGED: usize = 300;
/// Changes whose way to the cloud is timed.
const CHANGES: usize = 200;
/// Times that the provider is killed.
const KILLS: usize = 5;
/// Clients that write at once.
const WRITERS: usize = 32;
/// How often it is asked whether something is done: the error of what is timed so.
const PAUSE: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(900);

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

fn main() -> Result<()> {
    rig::launch::init();
    let args: Vec<String> = std::env::args().skip(1).collect();
    if !args.iter().any(|arg| arg == "--bench") {
        return Ok(());
    }
    let filters: Vec<_> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    if let Some(unknown) = filters.iter().find(|f| !PARTS.contains(&f.as_str())) {
        bail!("{unknown} is not a part: choose of {}", PARTS.join(", "));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let dir = TempDir::new().context("make a directory")?;
    say("Building the packages");
    let built = shipped::build()?;
    let binary = shipped::extract(&built, PROVIDER, dir.path())?;
    let mut table = Table::default();
    let mut failed = Vec::new();
    for part in PARTS {
        if !filters.is_empty() && filters.iter().all(|filter| *filter != part) {
            continue;
        }
        say(&format!("Part {part}"));
        let measured = runtime.block_on(async {
            match part {
                "burst" => mass(&mut table, &binary, BURST).await,
                "thousand" => mass(&mut table, &binary, THOUSAND).await,
                "servers" => {
                    servers(&mut table, &binary, false).await?;
                    servers(&mut table, &binary, true).await
                }
                "change" => change(&mut table, &binary).await,
                "steady" => steady(&mut table, &binary).await,
                "tree" => tree::measure(&mut table, &built).await,
                _ => mass(&mut table, &binary, LARGE).await,
            }
        });
        // What was measured before is printed all the same.
        if let Err(error) = measured {
            say(&format!("Part {part} failed: {error:#}"));
            failed.push(part);
        }
    }
    table.print()?;
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

fn say(what: &str) {
    let seconds = STARTED.elapsed().as_secs();
    // Nobody may be listening.
    let _ = writeln!(std::io::stderr(), "[{seconds:>4} s] {what}");
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

fn name(index: usize) -> String {
    format!("bench-{index:05}")
}

fn networks(count: usize) -> Result<Vec<DynamicObject>> {
    let network = |index| object("Network", &name(index), &json!({"ipRange": "10.0.0.0/16"}));
    (0..count).map(network).collect()
}

/// Does something for each of them, many at a time.
async fn each<T>(
    all: impl IntoIterator<Item = T>,
    act: impl AsyncFn(T) -> Result<(), kube::Error>,
) -> Result<(), kube::Error> {
    let act = &act;
    stream::iter(all)
        .map(|one| async move { act(one).await })
        .buffer_unordered(WRITERS)
        .try_collect()
        .await
}

async fn create(api: &Api<DynamicObject>, objects: Vec<DynamicObject>) -> Result<()> {
    let created = each(objects, async |object| {
        api.create(&PostParams::default(), &object).await.map(drop)
    });
    created.await.context("create the objects")
}

async fn delete(api: &Api<DynamicObject>, names: impl IntoIterator<Item = String>) -> Result<()> {
    let deleted = each(names, async |name| {
        api.delete(&name, &DeleteParams::background())
            .await
            .map(drop)
    });
    deleted.await.context("delete the objects")
}

/// Waits until `check` has nothing more to say; what it says is shown from time to time.
async fn until(what: &str, mut check: impl AsyncFnMut() -> Result<Option<String>>) -> Result<()> {
    const SHOWN: Duration = Duration::from_secs(15);
    let started = Instant::now();
    let mut shown = started;
    while let Some(state) = check().await? {
        ensure!(
            started.elapsed() < LONG,
            "not within {} s: {what}: {state}",
            LONG.as_secs()
        );
        if shown.elapsed() > SHOWN {
            say(&format!("Waiting until {what}: {state}"));
            shown = Instant::now();
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

fn get(program: &Program, path: &str) -> Result<String> {
    tokio::task::block_in_place(|| cluster::get(program.address, path))
}

/// Starts the provider and waits until it has listed everything.
async fn start(binary: &Path, cluster: &Cluster, more: &[&str]) -> Result<Program> {
    let args = [&["--poll-state-metric", "20ms"], more].concat();
    let program = cluster::provider(binary, &cluster.rig, &args)?;
    until("the provider is ready", async || {
        let answer = get(&program, "/readyz")?;
        let ready = answer.starts_with("HTTP/1.1 200");
        Ok((!ready).then_some(answer))
    })
    .await?;
    Ok(program)
}

/// Waits until as many objects of a kind are ready as the provider's own gauge says.
async fn ready(program: &Program, kind: &str, count: usize) -> Result<()> {
    let gvk = format!("Kind={kind}\"");
    until(&format!("{count} of {kind} are ready"), async || {
        let metrics = get(program, "/metrics")?;
        let ready = cluster::sum(&metrics, "crossplane_managed_resource_ready", &[&gvk])?;
        Ok((ready != count as u64).then(|| format!("{ready} are")))
    })
    .await
}

/// Waits until there is no object of a kind left.
async fn gone(api: &Api<DynamicObject>) -> Result<()> {
    until("all are gone", async || {
        let left = api.list_metadata(&ListParams::default().limit(1)).await?;
        let more = left.metadata.remaining_item_count.unwrap_or_default();
        Ok((!left.items.is_empty()).then(|| format!("{} are left", more + 1)))
    })
    .await
}

/// Requests so far.
#[derive(Debug, Clone, Copy)]
struct Requests {
    /// Writes of the provider's kinds, its usages among them. The provider reads them by watches only; what the garbage
    /// collector reads and deletes is left out.
    writes: u64,
    /// Writes of events.
    events: u64,
    hetzner: u64,
}

impl Requests {
    async fn of(cluster: &Cluster) -> Result<Self> {
        let request = http::Request::get("/metrics").body(Vec::new());
        let request = request.context("make a request")?;
        let client = cluster.rig.client();
        let metrics = client.request_text(request).await;
        let metrics = metrics.context("read the metrics of the API server")?;
        let count = |labels: &[&str]| -> Result<u64> {
            let mut count = 0;
            for verb in ["POST", "PUT", "PATCH"] {
                let verb = format!("verb=\"{verb}\"");
                let labels = [labels, &[verb.as_str()]].concat();
                count += cluster::sum(&metrics, "apiserver_request_total", &labels)?;
            }
            Ok(count)
        };
        let log = cluster.simulator.log().entries();
        Ok(Self {
            writes: count(&["group=\"hcloud.openova.io\""])?,
            events: count(&["group=\"\"", "resource=\"events\""])?,
            hetzner: log.last().map_or(0, |entry| entry.sequence),
        })
    }

    fn since(self, before: Self) -> Self {
        Self {
            writes: self.writes - before.writes,
            events: self.events - before.events,
            hetzner: self.hetzner - before.hetzner,
        }
    }
}

fn for_each(total: u64, objects: usize) -> String {
    format!("{:.2}", total as f64 / objects as f64)
}

/// A project whose request budget is no limit.
fn plenty() -> hcloud_simulator::Options {
    hcloud_simulator::Options {
        rate_limit: RateLimit {
            limit: 10_000_000,
            ..RateLimit::default()
        },
        ..hcloud_simulator::Options::default()
    }
}

/// Objects that are created and deleted together, and the floor.
async fn mass(table: &mut Table, binary: &Path, mass: Mass) -> Result<()> {
    let cluster = Cluster::start(plenty()).await?;
    let measured = with_mass(table, binary, &cluster, mass).await;
    cluster.stop(measured).await
}

async fn with_mass(table: &mut Table, binary: &Path, cluster: &Cluster, mass: Mass) -> Result<()> {
    let Mass {
        objects,
        floor: sample,
        rate,
        memory,
    } = mass;
    let of = match rate {
        None => format!("{objects} objects"),
        Some(rate) => format!("{objects}, {rate} a s"),
    };
    let args = rate.map_or_else(Vec::new, |rate| vec!["--max-reconcile-rate", rate]);
    let api = api(cluster, "Network");
    say("The floor");
    let floor = floor(cluster, sample).await?;
    let times = u32::try_from(objects / sample)?;
    let of_floor = match times {
        1 => "floor".to_owned(),
        times => format!("floor ({times} x {sample})"),
    };
    table.row(
        &of,
        &format!("created, {of_floor}"),
        milliseconds(floor.created * times),
        "",
    );

    say("The provider: created, to Ready");
    let program = start(binary, cluster, &args).await?;
    table.memory(&of, "idle", program.memory()?, "");
    let before = Requests::of(cluster).await?;
    let (started, cpu) = (Instant::now(), program.cpu()?);
    create(&api, networks(objects)?).await?;
    ready(&program, "Network", objects).await?;
    let took = started.elapsed();
    table.row(&of, "created, to Ready", milliseconds(took), "2 x floor");
    let cpu = program.cpu()? - cpu;
    table.row(
        &of,
        "CPU for each",
        milliseconds(cpu / u32::try_from(objects)?),
        "",
    );
    // Events are written in the background.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let requests = Requests::of(cluster).await?.since(before);
    // The creates are the bench's own.
    let writes = requests.writes - objects as u64;
    table.row(
        &of,
        "Kubernetes writes for each",
        for_each(writes, objects),
        "5",
    );
    table.row(
        &of,
        "events for each",
        for_each(requests.events, objects),
        "",
    );
    table.row(
        &of,
        "Hetzner requests for each",
        for_each(requests.hetzner, objects),
        "",
    );
    table.memory(&of, "after creating them", program.memory()?, memory);

    let stopped = program.terminate()?;
    table.row(&of, "SIGTERM to exit", milliseconds(stopped), "");
    say("The provider: started again");
    let started = Instant::now();
    let program = start(binary, cluster, &args).await?;
    table.row(
        &of,
        "start to all listed",
        milliseconds(started.elapsed()),
        "",
    );
    until("all are looked at", async || {
        let metrics = get(&program, "/metrics")?;
        let reconciles = cluster::sum(&metrics, "provider_reconciles_total", &[])?;
        Ok((reconciles < objects as u64).then(|| format!("{reconciles} are")))
    })
    .await?;
    table.row(
        &of,
        "start to all looked at",
        milliseconds(started.elapsed()),
        "",
    );
    table.memory(&of, "after a start", program.memory()?, memory);

    say("The provider: deleted, to gone");
    table.row(
        &of,
        &format!("deleted, {of_floor}"),
        milliseconds(floor.deleted * times),
        "",
    );
    let started = Instant::now();
    delete(&api, (0..objects).map(name)).await?;
    gone(&api).await?;
    let took = started.elapsed();
    table.row(&of, "deleted, to gone", milliseconds(took), "2 x floor");
    table.memory(&of, "after deleting them", program.memory()?, "");
    program.terminate()?;
    Ok(())
}

/// What the API server needs by itself.
struct Floor {
    created: Duration,
    deleted: Duration,
}

/// The provider's writes for each object, in its order: the announcement of a create, the usage, the external name, the
/// status before and after the external resource can be used, an event; then the status of the deletion, the finalizer,
/// an event.
async fn floor(cluster: &Cluster, objects: usize) -> Result<Floor> {
    let (api, usages) = (api(cluster, "Network"), api(cluster, "ProviderConfigUsage"));
    let events = Api::<Event>::namespaced(cluster.rig.client(), "default");
    let (post, patch) = (PostParams::default(), PatchParams::default());
    let event = |name: &str| -> Result<Event, kube::Error> {
        let event = json!({
            "metadata": {"generateName": format!("{name}."), "namespace": "default"},
            "involvedObject": {"kind": "Network", "namespace": "default", "name": name},
            "reason": "CreatedExternalResource",
            "message": "Successfully requested creation of external resource",
            "type": "Normal",
        });
        serde_json::from_value(event).map_err(kube::Error::SerdeError)
    };
    let condition = |type_: &str, reason: &str| {
        json!({
            "type": type_, "status": "True", "reason": reason, "observedGeneration": 1,
            "lastTransitionTime": "2026-11-21T08:00:00Z",
        })
    };
    let marked = async |name: &str, ready: &str| {
        let conditions = [
            condition("Ready", ready),
            condition("Synced", "ReconcileSuccess"),
        ];
        let status = Patch::Merge(json!({"status": {
            "atProvider": {"id": 4_711, "ipRange": "10.0.0.0/16"},
            "conditions": conditions,
            "observedGeneration": 1,
        }}));
        api.patch_status(name, &patch, &status).await
    };

    let started = Instant::now();
    let created = each(networks(objects)?, async |object| {
        let name = object.metadata.name.clone().unwrap_or_default();
        api.create(&post, &object).await?;
        let announced = json!({"metadata": {
            "finalizers": ["bench.openova.io/floor"],
            "annotations": {"bench.openova.io/pending": "2026-11-21T08:00:00Z"},
        }});
        api.patch(&name, &patch, &Patch::Merge(announced)).await?;
        usages.create(&post, &usage(&name)?).await?;
        let recorded = json!({"metadata": {
            "annotations": {"bench.openova.io/name": "4711", "bench.openova.io/succeeded": "2026-11-21T08:00:00Z"},
        }});
        api.patch(&name, &patch, &Patch::Merge(recorded)).await?;
        marked(&name, "Creating").await?;
        events.create(&post, &event(&name)?).await?;
        marked(&name, "Available").await?;
        Ok(())
    });
    created.await.context("write the floor")?;
    let created = started.elapsed();

    let started = Instant::now();
    let deleted = each((0..objects).map(name), async |name| {
        api.delete(&name, &DeleteParams::background()).await?;
        marked(&name, "Deleting").await?;
        events.create(&post, &event(&name)?).await?;
        let released = json!({"metadata": {"finalizers": null}});
        api.patch(&name, &patch, &Patch::Merge(released)).await?;
        Ok(())
    });
    deleted.await.context("write the floor")?;
    gone(&api).await?;
    let deleted = started.elapsed();
    delete(&usages, (0..objects).map(name)).await?;
    Ok(Floor { created, deleted })
}

/// A usage that nobody controls: the provider does not count it, and the garbage collector leaves it alone.
fn usage(name: &str) -> Result<DynamicObject, kube::Error> {
    let usage = json!({
        "apiVersion": "hcloud.openova.io/v1alpha1",
        "kind": "ProviderConfigUsage",
        "metadata": {"name": name, "namespace": "default"},
        "providerConfigRef": {"kind": "ClusterProviderConfig", "name": "default"},
        "resourceRef": {"apiVersion": "hcloud.openova.io/v1alpha1", "kind": "Network", "name": name},
    });
    serde_json::from_value(usage).map_err(kube::Error::SerdeError)
}

/// Servers that are created together, with and without a fixed address, in a project with Hetzner's own request budget.
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
    let program = start(binary, cluster, &[]).await?;
    if fixed {
        let network = object("Network", "net", &json!({"ipRange": "10.0.0.0/16"}))?;
        create(&api(cluster, "Network"), vec![network]).await?;
        let subnet = json!({"networkIdRef": {"name": "net"}, "ipRange": "10.0.0.0/24", "networkZone": "eu-central"});
        let subnet = object("Subnet", "sub", &subnet)?;
        create(&api(cluster, "Subnet"), vec![subnet]).await?;
        ready(&program, "Subnet", 1).await?;
    }
    let servers = (0..SERVERS).map(|index| {
        let mut spec = json!({"serverTypes": ["cpx22"], "locations": ["fsn1"], "image": {"name": "ubuntu-24.04"}});
        if fixed {
            spec["networks"] = json!([{"subnetIdRef": {"name": "sub"}, "ip": format!("10.0.0.{}", index + 2)}]);
        }
        object("Server", &format!("server-{index:03}"), &spec)
    });
    let before = Requests::of(cluster).await?;
    let started = Instant::now();
    create(&api(cluster, "Server"), servers.collect::<Result<_>>()?).await?;
    ready(&program, "Server", SERVERS).await?;
    let took = started.elapsed();
    let requests = Requests::of(cluster).await?.since(before);
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
        for_each(requests.hetzner, SERVERS),
        aim,
    );
    program.terminate()?;
    Ok(())
}

/// How long a change of a spec takes to the cloud, and a killed provider to its first reconcile.
async fn change(table: &mut Table, binary: &Path) -> Result<()> {
    let cluster = Cluster::start(plenty()).await?;
    let measured = with_changes(table, binary, &cluster).await;
    cluster.stop(measured).await
}

async fn with_changes(table: &mut Table, binary: &Path, cluster: &Cluster) -> Result<()> {
    let of = format!("{CHANGED} objects");
    let api = api(cluster, "Network");
    let program = start(binary, cluster, &[]).await?;
    create(&api, networks(CHANGED)?).await?;
    ready(&program, "Network", CHANGED).await?;

    say("Changes");
    let mut times = Vec::new();
    for round in 0..CHANGES {
        cluster.simulator.log().clear();
        let started = Instant::now();
        label(&api, round).await?;
        changed(cluster).await?;
        times.push(started.elapsed());
    }
    let figure = "change of a spec to the cloud";
    for (share, aim) in [(50, ""), (99, "300 ms")] {
        let time = milliseconds(percentile(&mut times, share));
        table.row(&of, &format!("{figure}, p{share}"), time, aim);
    }

    // Something has to be done when it comes back: the reconcile that does it is the first that can be seen.
    let (mut program, mut times) = (program, Vec::new());
    for round in CHANGES..CHANGES + KILLS {
        say("Killing the provider");
        drop(program);
        label(&api, round).await?;
        cluster.simulator.log().clear();
        let started = Instant::now();
        program = cluster::provider(binary, &cluster.rig, &["--poll-state-metric", "20ms"])?;
        changed(cluster).await?;
        times.push(started.elapsed());
    }
    for (share, aim) in [(50, "500 ms"), (100, "")] {
        let time = milliseconds(percentile(&mut times, share));
        let figure = format!("start after kill -9 to a change, p{share}");
        table.row(&of, &figure, time, aim);
    }
    program.terminate()?;
    Ok(())
}

/// Changes one of the objects.
async fn label(api: &Api<DynamicObject>, round: usize) -> Result<()> {
    let patch = json!({"spec": {"forProvider": {"labels": {"round": round.to_string()}}}});
    let name = name(round % CHANGED);
    api.patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .context("change a spec")?;
    Ok(())
}

/// Waits until a network was changed in the cloud since its log was cleared.
async fn changed(cluster: &Cluster) -> Result<()> {
    let log = cluster.simulator.log();
    let arrived = log.until(|entries| {
        let mut entries = entries.iter();
        entries.any(|entry| entry.is(&Method::PUT, "/networks/*"))
    });
    let arrived = tokio::time::timeout(LONG, arrived).await;
    arrived.context("the change does not arrive")
}

/// The time within which `share` percent of all lie.
fn percentile(times: &mut [Duration], share: usize) -> Duration {
    times.sort_unstable();
    let position = (times.len() * share / 100).min(times.len().saturating_sub(1));
    times.get(position).copied().unwrap_or_default()
}

/// What it costs that nothing happens. Polls come nine times as often as by default, so that some of them can be waited
/// for; requests are then counted for one hour of the default. A poll of all is one list, whoever asks for it, so its cost
/// does not depend on how often it comes, as long as that is not so often that single objects are read instead.
async fn steady(table: &mut Table, binary: &Path) -> Result<()> {
    let cluster = Cluster::start(plenty()).await?;
    let measured = with_steady(table, binary, &cluster).await;
    cluster.stop(measured).await
}

async fn with_steady(table: &mut Table, binary: &Path, cluster: &Cluster) -> Result<()> {
    const POLL: Duration = Duration::from_secs(65);
    const POLLS: u32 = 2;
    /// Polls in an hour by default.
    const HOURLY: f64 = 6.0;
    let of = format!("{STEADY} steady");
    let api = api(cluster, "Network");
    let program = start(binary, cluster, &["--poll", "65s"]).await?;
    create(&api, networks(STEADY)?).await?;
    ready(&program, "Network", STEADY).await?;
    say("Waiting until all have been polled");
    tokio::time::sleep(POLL * 3 / 2).await;
    let (before, cpu) = (Requests::of(cluster).await?, program.cpu()?);
    say(&format!("Watching {POLLS} polls"));
    tokio::time::sleep(POLL * POLLS).await;
    let requests = Requests::of(cluster).await?.since(before);
    let cpu = program.cpu()? - cpu;
    let hourly = requests.hetzner as f64 / f64::from(POLLS) * HOURLY;
    table.row(
        &of,
        "Hetzner requests in an hour (6 polls)",
        format!("{hourly:.0}"),
        "150",
    );
    let writes = requests.writes + requests.events;
    table.row(
        &of,
        &format!("Kubernetes writes in {POLLS} polls"),
        writes.to_string(),
        "0",
    );
    table.row(&of, "CPU for a poll of all", milliseconds(cpu / POLLS), "");
    table.memory(&of, "with all", program.memory()?, "");
    program.terminate()?;
    Ok(())
}
