use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::pki::{ClusterRoots, Entropy};
use crate::region::fixture::{Rendered, composite, observed, rendered, site};
use crate::respond::Ttl;
use crate::run;
use crate::structpb::encode;

mod access;
mod autoscaler;
mod bucket;
mod external;
mod roots;
mod user_data;

const NAME: &str = "demo-fsn-k3s";
const NOW: &str = "2026-11-21T12:00:00Z";

fn pool(name: &str, count: u32) -> Value {
    json!({
        "name": name,
        "count": count,
        "machine": {"image": "ubuntu-24.04", "locations": ["fsn1"], "serverTypes": ["cx33"]},
    })
}

fn spec() -> Value {
    json!({
        "cluster": {
            "name": "k3s",
            "controlPlane": pool("cp", 3),
            "endpoint": {"address": "10.0.1.254"},
            "networking": {"podCIDR": "10.42.0.0/16", "serviceCIDR": "10.96.0.0/16", "meshID": 1},
            "nodePools": [pool("work", 2)],
            "version": "v1.36.4+k3s1",
        },
        "site": site(),
    })
}

/// A cluster and the world around it.
#[derive(Clone)]
struct Stage {
    spec: Value,
    status: Value,
    children: Vec<(String, Value)>,
    required: BTreeMap<String, v1::Resources>,
    environment: Environment,
    /// What the load balancer says.
    balancer: Value,
}

impl Stage {
    fn new(spec: Value) -> Self {
        Self {
            spec,
            status: json!({}),
            children: Vec::new(),
            required: BTreeMap::new(),
            environment: environment(NOW, 1),
            balancer: json!({
                "cost": cost("5.39"),
                "healthy": true,
                "ipv4": "203.0.113.9",
                "privateIP": "10.0.1.254",
            }),
        }
    }

    /// A cluster that has come to rest.
    fn settled(spec: Value) -> Self {
        let mut stage = Self::new(spec);
        for call in 0.. {
            let before = stage.children.len();
            stage.step();
            if stage.children.len() == before {
                return stage;
            }
            assert!(call < 5, "it does not come to rest");
        }
        stage
    }

    /// The cluster of [`spec`] that has come to rest.
    fn at_rest() -> Self {
        static STAGE: LazyLock<Stage> = LazyLock::new(|| Stage::settled(spec()));
        STAGE.clone()
    }

    fn render(&self) -> Result<Rendered, String> {
        let composite_object = encode(&json!({"status": self.status}));
        rendered(compose(
            &composite(NAME, &self.spec),
            &Call {
                composite: View::new(&composite_object),
                observed: &observed(&self.children),
                required: &self.required,
                environment: &self.environment,
            },
        ))
    }

    /// The same through the front door.
    fn run(&self) -> v1::RunFunctionResponse {
        let composite = json!({
            "apiVersion": "compose.openova.io/v1alpha1",
            "kind": "XCluster",
            "metadata": {"name": NAME, "namespace": "team"},
            "spec": self.spec,
            "status": self.status,
        });
        let children = self.children.iter();
        let request = v1::RunFunctionRequest {
            observed: Some(v1::State {
                composite: Some(resource(&composite)),
                resources: children
                    .map(|(key, object)| (key.clone(), resource(object)))
                    .collect(),
            }),
            required_resources: self.required.clone(),
            ..v1::RunFunctionRequest::default()
        };
        run::run(request, Ttl::default(), &self.environment).unwrap()
    }

    /// Another call, with other randomness, after which everything exists.
    fn step(&mut self) -> Rendered {
        let rendered = self.render().unwrap();
        self.children = rendered.exist(|object| {
            Some(match object.key.strip_prefix(POOL) {
                Some(_) => pool_status(&object.object["spec"]["pool"]),
                None if object.key == API => self.balancer.clone(),
                None => json!({}),
            })
        });
        self.status = rendered.status.clone();
        self.environment.entropy = self.environment.entropy.scope("another call");
        rendered
    }

    fn child(&mut self, key: &str) -> &mut Value {
        let mut children = self.children.iter_mut();
        &mut children.find(|(it, _)| it == key).unwrap().1
    }

    fn lose(&mut self, key: &str) {
        self.children.retain(|(it, _)| it != key);
    }
}

fn resource(object: &Value) -> v1::Resource {
    v1::Resource {
        resource: encode(object).into(),
        ..v1::Resource::default()
    }
}

fn environment(now: &str, seed: u8) -> Environment {
    Environment {
        now: now.parse().unwrap(),
        entropy: Entropy::from_seed([seed; 32]),
    }
}

fn cost(monthly: &str) -> Value {
    json!({"asOf": "2026-11-03", "currency": "EUR", "monthly": monthly})
}

/// All servers of the pool are there.
fn pool_status(pool: &Value) -> Value {
    let count = pool["count"].as_u64().unwrap();
    let name = pool["name"].as_str().unwrap();
    let servers = (0..count).map(|ordinal| {
        let tenth = if name == "cp" { 1 } else { 2 };
        json!({"name": format!("{name}-{ordinal}"), "ready": true, "address": format!("203.0.113.{tenth}{ordinal}")})
    });
    let servers: Vec<_> = servers.collect();
    let mut status =
        json!({"current": count, "desired": count, "ready": count, "servers": servers});
    if count > 0 {
        status["cost"] = cost(&format!("{count}.50"));
    }
    status
}

/// A value of a Secret.
fn text(object: &Value, key: &str) -> String {
    let bytes = BASE64_STANDARD.decode(object["data"][key].as_str().unwrap());
    String::from_utf8(bytes.unwrap()).unwrap()
}

fn documents(rendered: &Rendered) -> Vec<(String, String)> {
    let objects = rendered.desired.iter();
    objects
        .filter_map(|object| {
            let owner = object.key.strip_prefix(USER_DATA)?;
            Some((owner.to_owned(), text(&object.object, USER_DATA_KEY)))
        })
        .collect()
}

#[test]
fn the_first_call_makes_what_needs_no_roots() {
    let first = Stage::new(spec()).render().unwrap();
    assert_eq!(first.keys(), ["pki", "api"]);
    let roots = &first.get("pki").object;
    assert_eq!(roots["metadata"]["name"], "demo-fsn-k3s-pki");
    assert_eq!(roots["immutable"], true);
    assert_eq!(roots["data"].as_object().unwrap().len(), 13);
    assert_eq!(first.waiting(), Some(("Creating", "")));
    assert_eq!(first.status.get("caFingerprint"), None);
    assert_eq!(
        first.status["nodePools"][0],
        json!({"desired": 3, "name": "cp", "reason": "Creating"}),
        "counts are told once they stand"
    );
}

#[test]
fn the_second_call_makes_what_follows_from_the_roots() {
    let mut stage = Stage::new(spec());
    stage.balancer =
        json!({"conditions": [{"type": "Ready", "status": "False", "reason": "Creating"}]});
    stage.step();
    let second = stage.step();
    let composed: Vec<_> = second.keys().into_iter().zip(second.names()).collect();
    let api = name::join("demo-fsn-k3s", &[API_NAME]);
    assert_eq!(
        composed,
        [
            ("pki", "demo-fsn-k3s-pki"),
            ("api", api.as_str()),
            ("user-data-server-first", "demo-fsn-k3s-server-first"),
            ("user-data-server", "demo-fsn-k3s-server"),
            ("user-data-agent-work", "demo-fsn-k3s-agent-work"),
            ("pool-cp", "demo-fsn-k3s-cp"),
        ],
        "one of a kind that is new"
    );
    let third = stage.step();
    assert_eq!(third.keys().len(), second.keys().len() + 1);
    let user_data = |key: &str| &third.get(key).object["spec"]["userData"];
    let reference = |name: &str| json!({"name": name, "key": "user-data"});
    assert_eq!(
        user_data("pool-cp"),
        &json!({
            "first": reference("demo-fsn-k3s-server-first"),
            "secretRef": reference("demo-fsn-k3s-server"),
        })
    );
    assert_eq!(
        user_data("pool-work"),
        &json!({"secretRef": reference("demo-fsn-k3s-agent-work")})
    );
    let pool = &second.get("pool-cp").object;
    assert_eq!(pool["spec"]["role"], "control-plane");
    assert_eq!(pool["metadata"]["labels"]["compose.openova.io/pool"], "cp");
    assert_eq!(second.status.get("endpoint"), None);
}

#[test]
fn a_cluster_comes_to_rest_and_tells_how_it_is_reached() {
    let stage = Stage::at_rest();
    let settled = stage.render().unwrap();
    assert_eq!(settled.waiting(), None);
    assert!(settled.desired.iter().all(|object| object.ready));
    let row = |name: &str, count: u64| {
        let mut row = pool_status(&json!({"name": name, "count": count}));
        row["name"] = json!(name);
        row.as_object_mut().unwrap().remove("cost");
        row
    };
    assert_eq!(
        settled.status,
        json!({
            "caFingerprint": stage.status["caFingerprint"],
            "cost": cost("11.39"),
            "endpoint": "https://203.0.113.9:6443",
            "kubeconfigSecret": "demo-fsn-k3s-kubeconfig",
            "nodePools": [row("cp", 3), row("work", 2)],
            "publicAddresses": ["203.0.113.10", "203.0.113.11", "203.0.113.12", "203.0.113.20", "203.0.113.21"],
            "version": "v1.36.4+k3s1",
        })
    );
    let mut later = Stage::at_rest();
    later.environment = environment("2026-12-24T18:00:00Z", 99);
    assert_eq!(settled, later.render().unwrap(), "whatever the randomness");
}

#[test]
fn the_same_call_gives_the_same_objects() {
    let stage = Stage::new(spec());
    assert_eq!(stage.render(), stage.render());
}

#[test]
fn addresses_and_cost_are_told_when_all_are_known() {
    let mut stage = Stage::at_rest();
    let work = stage.child("pool-work");
    work["status"]["servers"][1]
        .as_object_mut()
        .unwrap()
        .remove("address");
    work["status"].as_object_mut().unwrap().remove("cost");
    let status = stage.render().unwrap().status;
    assert_eq!(status.get("publicAddresses"), None);
    assert_eq!(status.get("cost"), None);
}

#[test]
fn the_load_balancer_leads_to_the_control_plane() {
    let first = Stage::new(spec()).render().unwrap();
    let balancer = &first.get("api").object["spec"];
    assert_eq!(
        balancer["loadBalancer"],
        json!({
            "address": "10.0.1.254",
            "algorithm": "round-robin",
            "name": "api",
            "public": true,
            "services": [{"port": 6443, "protocol": "tcp", "proxyProtocol": false, "targetPort": 6443}],
            "target": {"cluster": "demo-fsn-k3s", "pools": ["cp"]},
            "type": "lb11",
        })
    );
    assert_eq!(balancer["site"], site());
}

#[test]
fn a_cluster_is_ready_when_its_api_answers() {
    let mut stage = Stage::new(spec());
    stage.balancer["healthy"] = json!(false);
    stage.step();
    stage.step();
    let starting = stage.step();
    assert!(!starting.keys().contains(&ETCD));
    assert!(!starting.get("api").ready);
    assert_eq!(starting.waiting(), Some(("Creating", "")));

    let mut stage = Stage::at_rest();
    stage.child("api")["status"]["healthy"] = json!(false);
    let down = stage.render().unwrap();
    assert!(!down.get("api").ready);
    assert_eq!(
        down.waiting(),
        Some((
            "Unavailable",
            "waiting for the API server: no server of the control plane accepts connections at port 6443: look at k3s on the servers of pool cp"
        ))
    );
}

#[test]
fn what_hinders_a_pool_is_told_in_its_row() {
    let mut stage = Stage::at_rest();
    stage.child("pool-work")["status"]["conditions"] = json!([
        {"type": "InfrastructureReady", "status": "False", "reason": "ReconcileError", "message": "sold out"},
    ]);
    let hindered = stage.render().unwrap();
    let row = &hindered.status["nodePools"][1];
    assert_eq!(
        (&row["reason"], &row["message"]),
        (&json!("ReconcileError"), &json!("sold out"))
    );
    assert_eq!(
        hindered.waiting(),
        Some(("ReconcileError", "waiting for pool work: sold out"))
    );
}

#[test]
fn secrets_are_in_secrets_only() {
    let stage = Stage::at_rest();
    let settled = stage.render().unwrap();
    let roots = &settled.get("pki").object;
    let mut secrets = vec![text(roots, "server-token"), text(roots, "agent-token")];
    for (key, value) in roots["data"].as_object().unwrap() {
        if key.ends_with(".key") {
            secrets.push(text(roots, key).lines().nth(1).unwrap().to_owned());
            secrets.push(value.as_str().unwrap().to_owned());
        }
    }
    let mut shown = format!("{} {:?}", settled.status, settled.conditions);
    for object in &settled.desired {
        if object.object["kind"] != "Secret" {
            shown.push_str(&object.object.to_string());
        }
    }
    for secret in secrets {
        assert!(secret.len() > 40 && !shown.contains(&secret), "{shown}");
    }
}
