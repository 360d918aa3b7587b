use hcloud_simulator::{Fault, Simulator};
use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::{
    kind::{
        load_balancer::tests::setup,
        object::ObjectsOfProject,
        simulated::{self, absent, changed, deleted, made, recorded, resource, seen},
    },
    managed::External,
};

fn spec(spec: Value) -> FirewallParameters {
    serde_json::from_value(spec).unwrap()
}

fn observed(rules: &Value, applied_to: &Value) -> hcloud::Firewall {
    let firewall = json!({"id": 1, "name": "web", "rules": rules, "applied_to": applied_to});
    serde_json::from_value(firewall).unwrap()
}

fn judged(
    spec: &FirewallParameters,
    before: &[&str],
    firewall: &hcloud::Firewall,
) -> (FirewallObservation, Drift) {
    let before = FirewallObservation {
        own_label_selectors: before.iter().map(|s| (*s).to_owned()).collect(),
        ..FirewallObservation::default()
    };
    let report = report(spec, Some(&before), firewall);
    let drift = drift(spec, &report, firewall);
    (report, drift)
}

#[test]
fn rules_are_compared_as_a_set_and_their_addresses_too() {
    let ssh = json!({"direction": "in", "protocol": "tcp", "port": "22", "source_ips": ["::/0", "0.0.0.0/0"], "destination_ips": [], "description": null});
    let ping = json!({"direction": "in", "protocol": "icmp", "source_ips": ["0.0.0.0/0"], "destination_ips": []});
    let firewall = observed(&json!([ssh, ping]), &json!([]));
    let wanted = json!([
        {"direction": "in", "protocol": "icmp", "sourceIps": ["0.0.0.0/0"]},
        {"direction": "in", "protocol": "tcp", "port": "22", "sourceIps": ["0.0.0.0/0", "::/0"]},
    ]);
    let (_, drift) = judged(&spec(json!({"rules": wanted})), &[], &firewall);
    assert!(drift.is_empty(), "{drift}");
    let (_, drift) = judged(&spec(json!({})), &[], &firewall);
    assert!(drift.is_empty(), "not managed: {drift}");
    let (_, drift) = judged(&spec(json!({"rules": []})), &[], &firewall);
    assert_eq!(
        drift.to_string(),
        "rules: desired nothing more, observed in icmp 0.0.0.0/0, in tcp 22 0.0.0.0/0 ::/0"
    );
}

#[tokio::test]
async fn a_range_in_another_notation_is_the_same_range() {
    let (_simulator, project) = simulated::project().await;
    let firewalls = ObjectsOfProject::<Firewalls>::from(project);
    let desired = Desired::from(resource::<Firewall>(&json!({"rules": [
        {"direction": "in", "protocol": "icmp", "sourceIps": ["2001:DB8::/32", "2001:0db8::/32", "10.0.0.0/8"]},
        {"direction": "out", "protocol": "icmp", "destinationIps": ["2001:db8:0:0:1:0:0:0/80"]},
    ]})));
    let present = made(&firewalls, &desired).await;
    assert!(present.drift.is_empty(), "{}", present.drift);
    let rules = &present.at_provider.rules;
    assert_eq!(rules[0].source_ips, ["10.0.0.0/8", "2001:db8::/32"]);
    assert_eq!(rules[1].destination_ips, ["2001:db8:0:0:1::/80"]);
}

#[test]
fn selectors_of_others_stay_and_own_ones_go_when_they_are_no_longer_wanted() {
    let selector =
        |text: &str| json!({"type": "label_selector", "label_selector": {"selector": text}});
    let firewall = observed(
        &json!([]),
        &json!([selector("mine"), selector("theirs"), {"type": "server", "server": {"id": 9}}]),
    );
    let wanted = spec(json!({"labelSelectors": ["mine"]}));
    let (report, drift) = judged(&wanted, &[], &firewall);
    assert!(drift.is_empty(), "{drift}");
    assert_eq!(report.own_label_selectors, ["mine"]);
    assert_eq!(report.servers, [9]);

    let other = spec(json!({"labelSelectors": ["new"]}));
    let (report, drift) = judged(&other, &["mine"], &firewall);
    assert_eq!(
        drift.to_string(),
        "labelSelectors: desired new, observed mine"
    );
    let change = Change::of_selectors(&other, &report);
    assert_eq!(change.missing, ["new"]);
    assert_eq!(change.surplus, ["mine"]);
}

#[test]
fn any_is_the_range_of_all_ports() {
    let rule = |port: &str| Rule {
        port: Some(port.to_owned()),
        ..Rule::default()
    };
    assert_eq!(canonical(&rule("any")), canonical(&rule("1-65535")));
    assert_ne!(canonical(&rule("any")), canonical(&rule("80")));
}

/// Servers `a` to `d`, and a firewall that is applied to the first.
struct Stage {
    simulator: Simulator,
    project: Project,
    firewalls: ObjectsOfProject<Firewalls>,
    servers: Vec<u64>,
    present: PresentOf<Firewalls>,
}

impl Stage {
    async fn new() -> Self {
        let (simulator, project) = simulated::project().await;
        let mut servers = Vec::new();
        for name in ["a", "b", "c", "d"] {
            let server = setup::server(&project, name, &json!({})).await;
            servers.push(server.parse().unwrap());
        }
        let firewalls = ObjectsOfProject::<Firewalls>::from(project.clone());
        let firewall = on(&servers[..1]);
        let present = made(&firewalls, &firewall.into()).await;
        Self {
            simulator,
            project,
            firewalls,
            servers,
            present,
        }
    }

    fn id(&self) -> u64 {
        self.present.external_name.parse().unwrap()
    }

    /// The firewall with another spec, after what was last reported.
    fn becomes(&self, firewall: Firewall) -> Desired<Firewall> {
        recorded(firewall, &self.present)
    }

    async fn look(&mut self, desired: &Desired<Firewall>) {
        self.present = seen(&self.firewalls, desired).await;
    }

    /// As people or other controllers do it.
    async fn apply_by_hand(&self, server: u64) {
        let firewalls = self.project.client.firewalls();
        let target = [Target::server(server)];
        firewalls.apply(self.id(), &target).await.unwrap();
    }

    /// The servers that the firewall is applied to.
    async fn applied(&self) -> Vec<u64> {
        let firewalls = self.project.client.firewalls();
        let firewall = firewalls.read(self.id(), hcloud::Priority::Poll).await;
        let mut servers: Vec<_> = applied_servers(&firewall.unwrap().unwrap()).collect();
        servers.sort_unstable();
        servers
    }
}

/// A firewall that names these servers.
fn on(servers: &[u64]) -> Firewall {
    let ids: Vec<_> = servers.iter().map(ToString::to_string).collect();
    resource(&json!({"serverIds": ids}))
}

#[tokio::test]
async fn servers_are_added_and_removed_and_those_of_others_stay() {
    let mut stage = Stage::new().await;
    let [a, b, c, d] = stage.servers[..] else {
        panic!("four servers")
    };
    assert!(stage.present.drift.is_empty(), "{}", stage.present.drift);
    assert_eq!(stage.present.at_provider.own_servers, [report_id(a)]);
    stage.apply_by_hand(d).await;

    let desired = stage.becomes(on(&[c, b, b]));
    let expected = format!("serverIds: desired {b} and {c}, observed {a}");
    assert_eq!(changed(&stage.firewalls, &desired).await, expected);
    assert_eq!(stage.applied().await, [b, c, d]);
    stage.look(&desired).await;
    let report = &stage.present.at_provider;
    assert_eq!(report.own_servers, [b, c].map(report_id));
    assert_eq!(report.servers, [b, c, d].map(report_id));

    let unmanaged = stage.becomes(resource(&json!({})));
    assert_eq!(changed(&stage.firewalls, &unmanaged).await, "");
    assert_eq!(stage.applied().await, [b, c, d]);

    let none = stage.becomes(on(&[]));
    let expected = format!("serverIds: desired nothing more, observed {b} and {c}");
    assert_eq!(changed(&stage.firewalls, &none).await, expected);
    assert_eq!(stage.applied().await, [d]);
}

#[tokio::test]
async fn own_servers_are_released_before_the_deletion_and_others_hold_it() {
    let mut stage = Stage::new().await;
    let (a, d) = (stage.servers[0], stage.servers[3]);
    stage.apply_by_hand(d).await;
    // A list that has become unreadable does not hold it up.
    let spec = json!({"serverIds": ["not resolved"]});
    let going = stage.becomes(deleted(resource(&spec)));
    stage.look(&going).await;
    let held = stage.firewalls.delete(&going, &stage.present).await;
    let held = held.unwrap_err().to_string();
    assert!(held.contains(&format!("used by servers {d}:")), "{held}");
    assert_eq!(stage.applied().await, [a, d]);

    let firewalls = stage.project.client.firewalls();
    let target = [Target::server(d)];
    firewalls.take_away(stage.id(), &target).await.unwrap();
    stage
        .firewalls
        .delete(&going, &stage.present)
        .await
        .unwrap();
    assert!(absent(&stage.firewalls, &going).await);
}

#[tokio::test]
async fn a_lost_answer_neither_repeats_nor_forgets_an_application() {
    let mut stage = Stage::new().await;
    let (a, b) = (stage.servers[0], stage.servers[1]);
    let both = stage.becomes(on(&[a, b]));
    stage.look(&both).await;
    let lost = Fault::on(Method::POST, "/firewalls/*/actions/apply_to_resources").close_after();
    stage.simulator.faults().inject(lost);
    let error = stage.firewalls.update(&both, &stage.present).await;
    assert!(error.unwrap_err().outcome_unknown());
    // With what was seen before, as a process does whose list is old.
    stage.firewalls.update(&both, &stage.present).await.unwrap();

    let restarted = ObjectsOfProject::<Firewalls>::from(simulated::open(&stage.simulator));
    stage.present = seen(&restarted, &both).await;
    assert!(stage.present.drift.is_empty(), "{}", stage.present.drift);
    assert_eq!(stage.present.at_provider.own_servers, [a, b].map(report_id));
    let none = stage.becomes(on(&[]));
    changed(&restarted, &none).await;
    assert!(stage.applied().await.is_empty());
}

#[tokio::test]
async fn one_server_that_is_gone_leaves_none_of_the_others_open() {
    let mut stage = Stage::new().await;
    let [a, b, c, _] = stage.servers[..] else {
        panic!("four servers")
    };
    let desired = stage.becomes(on(&[a, b, 4711, c]));
    stage.look(&desired).await;
    let error = stage.firewalls.update(&desired, &stage.present).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("4711"), "{error}");
    assert_eq!(stage.applied().await, [a, b, c]);

    let unreadable = stage.becomes(resource(&json!({"serverIds": [a.to_string(), "x"]})));
    let error = stage.firewalls.update(&unreadable, &stage.present).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("spec.forProvider.serverIds[1]: \"x\" is not an id"),
        "{error}"
    );

    // A server that goes takes its application along, also in the middle of a change.
    let none = stage.becomes(on(&[]));
    stage.look(&none).await;
    stage.present.at_provider.own_servers.push(4711);
    stage.firewalls.update(&none, &stage.present).await.unwrap();
    assert_eq!(
        changed(&stage.firewalls, &none)
            .await
            .matches(" and ")
            .count(),
        2
    );
    assert!(stage.applied().await.is_empty());
}
