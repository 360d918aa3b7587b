use serde_json::{Value, json};

use super::*;
use crate::kind::{
    object::ObjectsOfProject,
    simulated::{self, made, resource},
};

fn spec(spec: Value) -> FirewallParameters {
    serde_json::from_value(spec).unwrap()
}

fn observed(rules: &Value, applied_to: &Value) -> hcloud::Firewall {
    let firewall = json!({"id": 1, "name": "web", "rules": rules, "applied_to": applied_to});
    serde_json::from_value(firewall).unwrap()
}

fn seen(
    spec: &FirewallParameters,
    before: &[&str],
    firewall: &hcloud::Firewall,
) -> (FirewallObservation, Drift) {
    let before: Vec<_> = before.iter().map(|s| (*s).to_owned()).collect();
    let report = report(spec, &before, firewall);
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
    let (_, drift) = seen(&spec(json!({"rules": wanted})), &[], &firewall);
    assert!(drift.is_empty(), "{drift}");
    let (_, drift) = seen(&spec(json!({})), &[], &firewall);
    assert!(drift.is_empty(), "not managed: {drift}");
    let (_, drift) = seen(&spec(json!({"rules": []})), &[], &firewall);
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
    let (report, drift) = seen(&wanted, &[], &firewall);
    assert!(drift.is_empty(), "{drift}");
    assert_eq!(report.own_label_selectors, ["mine"]);
    assert_eq!(report.servers, [9]);

    let other = spec(json!({"labelSelectors": ["new"]}));
    let (report, drift) = seen(&other, &["mine"], &firewall);
    assert_eq!(
        drift.to_string(),
        "labelSelectors: desired new, observed mine"
    );
    let (missing, surplus) = selectors_to_change(&other, &report);
    assert_eq!(missing, [Target::label_selector("new")]);
    assert_eq!(surplus, [Target::label_selector("mine")]);
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
