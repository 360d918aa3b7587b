//! A large platform from one claim: what it takes from apply to Ready. The servers do not boot.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use crossplane_proto::v1;
use function_xplatform::environment::Environment;
use function_xplatform::respond::Ttl;
use function_xplatform::run::run;
use function_xplatform::structpb::encode;
use hcloud_simulator::{ActionMode, DEFAULT_TOKEN, RateLimit, Simulator};
use kube::ResourceExt;
use kube::api::{DynamicObject, ListParams};
use kube::core::TypeMeta;
use package::Built;
use prost::Message;
use rig::apply::api_of;
use rig::updates::Updates;
use rig::wait::eventually;
use rig::xplatform::CLAIMS;
use rig::{Options, Rig};
use serde_json::{Value, json};

use crate::program::Memory;
use crate::report::Table;

const REGIONS: usize = 8;
/// Servers of each region: three for the control plane, the others in a pool.
const SERVERS: usize = 50;
const CONTROL_PLANE: usize = 3;
/// Requests an hour. With the 3,600 that a new project has, of which the provider leaves half to others, they would be all
/// that is measured: 400 servers with fixed addresses need 1,900.
const LIMIT: u32 = 36_000;
/// How long actions of the simulated cloud take.
const ACTION: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(1200);
const NAMESPACE: &str = "default";
/// Public keys whose private keys nobody has: the cloud takes each once.
const SSH_KEYS: [&str; 2] = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBW605CuChGxp2BjAbN2gpZzfd8i51FReX7BgOZH9X3H bench",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBW605CuChGxp2BjAbN2gpZzfd8i51FReX7BgOZH9X3I bench",
];
/// Which object of its composite an object is.
const KEY: &str = "crossplane.io/composition-resource-name";

const COMPOSITES: [&str; 5] = [
    "XRegion",
    "XCluster",
    "XLoadBalancer",
    "XNodePool",
    "XNodeGroup",
];
const MANAGED: [&str; 10] = [
    "Firewall",
    "Inventory",
    "LoadBalancer",
    "LoadBalancerNetwork",
    "LoadBalancerService",
    "LoadBalancerTarget",
    "Network",
    "PlacementGroup",
    "Server",
    "Subnet",
];

/// A whole control plane with the packages as they are shipped, and one claim with 8 regions, 8 clusters and 400 servers.
pub(crate) async fn measure(table: &mut Table, built: &Built) -> Result<()> {
    let rig = Rig::start(Options::default()).await?;
    let simulator = Simulator::start(hcloud_simulator::Options {
        actions: ActionMode::Automatic(ACTION),
        rate_limit: RateLimit {
            limit: LIMIT,
            interval: Duration::from_secs(3600) / LIMIT,
        },
        ..hcloud_simulator::Options::default()
    })
    .await?;
    let measured = async {
        rig.publish(built).await?;
        rig.install_xplatform(built, CLAIMS).await?;
        rig.apply(&provider_config(&simulator)).await?;
        // Core watches a kind several times when several composites compose it for the first time at the same moment.
        become_ready(&rig, &claim("first", SSH_KEYS[0], 1, CONTROL_PLANE)).await?;
        platform(table, &rig, &simulator).await
    };
    let measured = measured.await.map_err(|error| error.context(rig.report()));
    rig.stop().await;
    simulator.stop().await;
    measured
}

fn provider_config(simulator: &Simulator) -> String {
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "hcloud", "namespace": NAMESPACE},
        "stringData": {"token": DEFAULT_TOKEN},
    });
    let config = json!({
        "apiVersion": "hcloud.openova.io/v1alpha1",
        "kind": "ClusterProviderConfig",
        "metadata": {"name": "default"},
        "spec": {
            "endpoint": simulator.url(),
            "credentials": {"source": "Secret", "secretRef": {"namespace": NAMESPACE, "name": "hcloud", "key": "token"}},
        },
    });
    format!("{secret}\n---\n{config}\n")
}

fn claim(name: &str, ssh_key: &str, regions: usize, servers: usize) -> Value {
    let locations = ["fsn1", "nbg1", "hel1"];
    let regions: Vec<_> = (0..regions)
        .map(|index| {
            let mut cluster = json!({"name": "main", "controlPlane": {"count": CONTROL_PLANE}});
            if servers > CONTROL_PLANE {
                cluster["nodePools"] = json!([{"name": "work", "count": servers - CONTROL_PLANE}]);
            }
            json!({
                "name": format!("r{index}"),
                "location": locations[index % locations.len()],
                "sshKeys": [{"name": "admin", "publicKey": ssh_key}],
                "clusters": [cluster],
            })
        })
        .collect();
    json!({
        "apiVersion": "compose.openova.io/v1alpha1",
        "kind": "Platform",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"regions": regions},
    })
}

fn types(kind: &str) -> TypeMeta {
    let managed = MANAGED.contains(&kind);
    let group = if managed { "hcloud" } else { "compose" };
    TypeMeta {
        api_version: format!("{group}.openova.io/v1alpha1"),
        kind: kind.to_owned(),
    }
}

async fn all(rig: &Rig, kind: &str) -> Result<Vec<DynamicObject>> {
    let api = api_of(&rig.client(), &types(kind), Some(NAMESPACE)).await?;
    let listed = api.list(&ListParams::default()).await;
    Ok(listed.with_context(|| format!("list {kind}"))?.items)
}

fn is_true(object: &DynamicObject, condition: &str) -> bool {
    let conditions = object.data["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|found| found["type"] == condition && found["status"] == "True")
}

/// Applies a claim and waits until it and every composite of the control plane are ready.
async fn become_ready(rig: &Rig, claim: &Value) -> Result<Duration> {
    let started = Instant::now();
    rig.apply(&claim.to_string()).await?;
    let name = claim["metadata"]["name"].as_str().unwrap_or_default();
    let platforms = api_of(&rig.client(), &types("Platform"), Some(NAMESPACE)).await?;
    eventually(&format!("platform {name} is ready"), LONG, || async {
        let claim = platforms.get(name).await?;
        ensure!(
            is_true(&claim, "Ready"),
            "{}",
            claim.data["status"]["conditions"]
        );
        for kind in COMPOSITES {
            let composites = all(rig, kind).await?;
            let ready = composites.iter().filter(|it| is_true(it, "Ready")).count();
            ensure!(ready == composites.len(), "{kind}: {ready} are ready");
        }
        Ok(())
    })
    .await?;
    Ok(started.elapsed())
}

async fn platform(table: &mut Table, rig: &Rig, simulator: &Simulator) -> Result<()> {
    let total = REGIONS * SERVERS;
    let of = format!("{REGIONS} regions");
    let kinds: Vec<_> = COMPOSITES
        .iter()
        .chain(&MANAGED)
        .chain(&["XPlatform"])
        .map(|kind| types(kind))
        .collect();
    let updates = Updates::watch(&rig.client(), &kinds, NAMESPACE).await?;
    let kubernetes = kubernetes_requests(rig).await?;
    simulator.log().clear();
    let large = claim("large", SSH_KEYS[1], REGIONS, SERVERS);
    let took = become_ready(rig, &large).await?;
    let kubernetes = kubernetes_requests(rig).await? - kubernetes;
    let hetzner = simulator.log().entries().len();

    let mut row = |figure: &str, value: String| table.row(&of, figure, value, "");
    row(
        &format!("{total} servers, apply to Ready"),
        format!("{:.1} s", took.as_secs_f64()),
    );
    row("Hetzner requests", hetzner.to_string());
    row("  for each server", per(hetzner, total));
    row("writes to Kubernetes", kubernetes.to_string());
    row("  for each server", per(kubernetes, total));
    for kind in COMPOSITES {
        row(
            &format!("updates of {kind}"),
            updates.of_kind(kind).to_string(),
        );
    }
    let (composite, tokens) = updates.tightest(&[]).context("nothing was updated")?;
    row(
        "tightest circuit breaker",
        format!("{composite}: {tokens:.0} tokens left"),
    );
    let opened = updates.opened();
    row("circuit breakers that opened", opened.len().to_string());
    for composite in opened.iter().take(5) {
        row("", composite.clone());
    }
    let (name, bytes) = largest_response(rig).await?;
    row(
        "largest response of the function",
        format!("{bytes} bytes ({name})"),
    );
    for (name, pid) in rig.processes() {
        table.memory(&of, &name, Memory::of(pid)?, "");
    }
    Ok(())
}

fn per(requests: usize, objects: usize) -> String {
    format!("{:.2}", requests as f64 / objects as f64)
}

/// Writes that the API server has had for our kinds.
async fn kubernetes_requests(rig: &Rig) -> Result<usize> {
    let request = http::Request::get("/metrics").body(Vec::new())?;
    let metrics = rig.client().request_text(request).await?;
    let of_ours = |line: &&str| {
        line.starts_with("apiserver_request_total{")
            && line.contains("openova.io\"")
            && ["POST", "PUT", "PATCH", "APPLY", "DELETE"]
                .iter()
                .any(|verb| line.contains(&format!("verb=\"{verb}\"")))
    };
    let mut sum = 0;
    for line in metrics.lines().filter(of_ours) {
        let value = line.rsplit(' ').next().unwrap_or_default();
        sum += value.parse::<usize>().with_context(|| line.to_owned())?;
    }
    Ok(sum)
}

/// The composite with the largest response to what core asks now.
async fn largest_response(rig: &Rig) -> Result<(String, usize)> {
    let mut objects = BTreeMap::new();
    for kind in COMPOSITES.iter().chain(&MANAGED) {
        for object in all(rig, kind).await? {
            objects.insert(((*kind).to_owned(), object.name_any()), object);
        }
    }
    for object in all(rig, "XPlatform").await? {
        objects.insert(("XPlatform".to_owned(), object.name_any()), object);
    }
    let mut largest = (String::new(), 0);
    for ((kind, name), composite) in &objects {
        if !kind.starts_with('X') {
            continue;
        }
        let of_composite = |object: &&DynamicObject| {
            let mut owners = object.owner_references().iter();
            owners.any(|owner| {
                owner.controller == Some(true) && &owner.name == name && &owner.kind == kind
            })
        };
        let resources = objects.values().filter(of_composite).filter_map(|object| {
            let key = object.annotations().get(KEY)?.clone();
            Some((key, resource(object).ok()?))
        });
        let request = v1::RunFunctionRequest {
            observed: Some(v1::State {
                composite: Some(resource(composite)?),
                resources: resources.collect(),
            }),
            ..v1::RunFunctionRequest::default()
        };
        let response = run(request, Ttl::default(), &Environment::reproducible())?;
        let bytes = response.encoded_len();
        if bytes > largest.1 {
            largest = (format!("{kind} {name}"), bytes);
        }
    }
    Ok(largest)
}

fn resource(object: &DynamicObject) -> Result<v1::Resource> {
    let object = serde_json::to_value(object).context("read an object")?;
    let object = object.as_object().context("an object is no object")?;
    Ok(v1::Resource {
        resource: encode(object).into(),
        ..v1::Resource::default()
    })
}
