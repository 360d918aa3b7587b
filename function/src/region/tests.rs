use serde_json::{Value, json};

use super::fixture::{Rendered, composite, hindered, observed, rendered, site};
use super::*;

fn pool(name: &str, count: u32) -> Value {
    json!({
        "name": name,
        "count": count,
        "machine": {"image": "ubuntu-24.04", "locations": ["fsn1"], "serverTypes": ["cx33"]},
    })
}

fn cluster(name: &str) -> Value {
    json!({
        "name": name,
        "controlPlane": pool("cp", 1),
        "endpoint": {"address": "10.0.1.10"},
        "networking": {"podCIDR": "10.42.0.0/16", "serviceCIDR": "10.96.0.0/16", "meshID": 1},
        "version": "v1.31.4+k3s1",
    })
}

fn external(name: &str) -> Value {
    json!({
        "name": name,
        "distribution": "external",
        "kubeconfigSecretRef": {"name": "its-kubeconfig"},
    })
}

fn spec() -> Value {
    json!({
        "clusters": [cluster("k3s"), external("old")],
        "loadBalancers": [{
            "name": "web",
            "services": [{"port": 443, "targetPort": 31443}],
            "target": {"cluster": "k3s", "pools": ["cp"]},
        }],
        "location": "fsn1",
        "network": {
            "cidr": "10.0.0.0/16",
            "routes": [{"destination": "0.0.0.0/0", "gateway": "10.0.1.2"}],
            "subnets": [{"name": "k3s", "cidr": "10.0.1.0/24"}],
        },
        "sshKeys": [
            {"name": "demo-admin", "publicKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA admin"},
            {"name": "shared"},
        ],
    })
}

fn render(spec: &Value, children: &[(String, Value)]) -> Result<Rendered, String> {
    rendered(compose(&composite("demo-fsn", spec), &observed(children)))
}

fn cost(monthly: &str) -> Value {
    json!({"asOf": "2026-11-03", "currency": "EUR", "monthly": monthly})
}

/// Everything exists and is ready.
fn all_exist(rendered: &Rendered) -> Vec<(String, Value)> {
    rendered.exist(|object| {
        Some(match object.key.as_str() {
            "cluster-old" => json!({"endpoint": "https://old.example.org"}),
            "cluster-k3s" => json!({
                "cost": cost("5.49"),
                "endpoint": "https://203.0.113.9:6443",
                "nodePools": [{"name": "cp", "current": 1, "desired": 1, "ready": 1, "servers": [{"name": "host", "ready": true}]}],
                "publicAddresses": ["203.0.113.8", "203.0.113.7"],
                "version": "v1.31.4+k3s1",
            }),
            "load-balancer-web" => json!({"cost": cost("5.39"), "healthy": true, "ipv4": "203.0.113.9"}),
            _ => json!({"atProvider": {"id": 42}}),
        })
    })
}

#[test]
fn everything_of_a_region_is_composed() {
    let rendered = render(&spec(), &[]).unwrap();
    let composed: Vec<_> = rendered.keys().into_iter().zip(rendered.names()).collect();
    let route = name::join("demo-fsn", &["0-0-0-0-0"]);
    assert_eq!(
        composed,
        [
            ("network", "demo-fsn"),
            ("subnet-k3s", "demo-fsn-k3s"),
            ("route-0.0.0.0/0", route.as_str()),
            ("firewall", "demo-fsn"),
            ("ssh-key-demo-admin", "demo-admin"),
            ("cluster-k3s", "demo-fsn-k3s"),
            ("cluster-old", "demo-fsn-old"),
            ("load-balancer-web", "demo-fsn-web"),
        ]
    );
    assert_eq!(
        rendered.wanted("network"),
        &json!({
            "ipRange": "10.0.0.0/16",
            "labels": {"compose.openova.io/platform": "demo", "compose.openova.io/region": "fsn"},
            "name": name::in_cloud("team", "demo-fsn"),
        })
    );
    assert_eq!(
        rendered.wanted("subnet-k3s"),
        &json!({"ipRange": "10.0.1.0/24", "location": "fsn1", "networkIdRef": {"name": "demo-fsn"}})
    );
    assert_eq!(
        rendered.wanted("route-0.0.0.0/0"),
        &json!({"destination": "0.0.0.0/0", "gateway": "10.0.1.2", "networkIdRef": {"name": "demo-fsn"}})
    );
}

#[test]
fn clusters_and_load_balancers_are_told_where_they_stand() {
    let rendered = render(&spec(), &[]).unwrap();
    let mut expected = site();
    expected["sshKeys"] = json!(["demo-admin", "shared"]);
    let k3s = &rendered.get("cluster-k3s").object;
    assert_eq!(k3s["spec"]["site"], expected);
    assert_eq!(
        k3s["metadata"]["labels"]["compose.openova.io/cluster"],
        "k3s"
    );
    assert_eq!(rendered.get("cluster-old").object["spec"].get("site"), None);
    let web = &rendered.get("load-balancer-web").object["spec"];
    assert_eq!(web["site"], expected);
    assert_eq!(
        web["loadBalancer"]["target"],
        json!({"cluster": "demo-fsn-k3s", "pools": ["cp"]}),
        "the name of the cluster's object"
    );
}

#[test]
fn rows_costs_and_addresses_are_rolled_up() {
    let settled = render(&spec(), &all_exist(&render(&spec(), &[]).unwrap())).unwrap();
    assert_eq!(settled.waiting(), None);
    assert!(settled.desired.iter().all(|it| it.ready));
    assert_eq!(
        settled.status,
        json!({
            "clusters": [
                {
                    "cost": cost("5.49"),
                    "endpoint": "https://203.0.113.9:6443",
                    "meshID": 1,
                    "name": "k3s",
                    "nodePools": [{"name": "cp", "current": 1, "desired": 1, "ready": 1}],
                    "podCIDR": "10.42.0.0/16",
                    "ready": true,
                    "reason": "Available",
                    "serviceCIDR": "10.96.0.0/16",
                    "version": "v1.31.4+k3s1",
                },
                {
                    "endpoint": "https://old.example.org",
                    "name": "old",
                    "ready": true,
                    "reason": "Available",
                },
            ],
            "cost": cost("10.88"),
            "firewallID": "42",
            "loadBalancers": [{
                "cost": cost("5.39"),
                "healthy": true,
                "ipv4": "203.0.113.9",
                "name": "web",
                "ready": true,
                "reason": "Available",
            }],
            "network": {"cidr": "10.0.0.0/16", "id": "42"},
            "publicAddresses": ["203.0.113.7", "203.0.113.8"],
        })
    );
}

#[test]
fn addresses_are_told_when_all_are_known() {
    let mut spec = spec();
    spec["clusters"] = json!([cluster("k3s"), cluster("two")]);
    spec["network"]["subnets"] = json!([
        {"name": "k3s", "cidr": "10.0.1.0/24"},
        {"name": "two", "cidr": "10.0.2.0/24"},
    ]);
    let mut children = all_exist(&render(&spec, &[]).unwrap());
    let partly = render(&spec, &children).unwrap();
    assert_eq!(partly.status.get("publicAddresses"), None);
    assert_eq!(
        partly.status.get("cost"),
        None,
        "of cluster two it is not known"
    );

    for (key, child) in &mut children {
        if key == "cluster-two" {
            child["status"]["publicAddresses"] = json!(["203.0.113.1"]);
        }
    }
    let all = render(&spec, &children).unwrap();
    assert_eq!(
        all.status["publicAddresses"],
        json!(["203.0.113.1", "203.0.113.7", "203.0.113.8"])
    );
}

#[test]
fn what_is_not_needed_is_not_composed() {
    let bare = json!({"location": "fsn1", "network": {"cidr": "10.0.0.0/16"}});
    let rendered = render(&bare, &[]).unwrap();
    assert_eq!(rendered.keys(), ["network"]);
    assert_eq!(rendered.waiting(), Some(("Creating", "")));
}

#[test]
fn an_existing_network_is_only_observed() {
    let mut spec = spec();
    spec["network"]["existing"] = json!("4711");
    let rendered = render(&spec, &[]).unwrap();
    let network = &rendered.get("network").object;
    assert_eq!(
        network["metadata"]["annotations"],
        json!({"crossplane.io/external-name": "4711"})
    );
    assert_eq!(network["spec"]["managementPolicies"], json!(["Observe"]));
    assert_eq!(network["spec"]["forProvider"], json!({}));
}

#[test]
fn what_hinders_something_inside_is_told_once_and_without_counts() {
    let children = render(&spec(), &[]).unwrap().exist(|object| {
        (object.key == "subnet-k3s").then(|| json!({"conditions": hindered("range is taken")}))
    });
    assert_eq!(
        render(&spec(), &children).unwrap().waiting(),
        Some(("ReconcileError", "waiting for subnet k3s: range is taken"))
    );
}

#[test]
fn names_at_the_length_limit_fit_and_differ() {
    let mut spec = spec();
    let long = "n".repeat(20);
    spec["clusters"] = json!([cluster(&long)]);
    spec["network"]["subnets"] = json!([{"name": long, "cidr": "10.0.1.0/24"}]);
    spec["loadBalancers"][0]["target"]["cluster"] = json!(long);
    for name in ["r".repeat(63), format!("{}-x", "r".repeat(61))] {
        let rendered = rendered(compose(&composite(&name, &spec), &observed(&[]))).unwrap();
        assert_ne!(
            rendered.get(&format!("cluster-{long}")).object["metadata"]["name"],
            rendered.get("load-balancer-web").object["metadata"]["name"],
        );
    }
}

fn rules(firewall: &Value) -> Result<Vec<String>, String> {
    let mut spec = spec();
    spec["firewall"] = firewall.clone();
    let rendered = render(&spec, &[])?;
    let rules = rendered.wanted("firewall")["rules"]
        .as_array()
        .unwrap()
        .clone();
    let text = rules.iter().map(|rule| {
        let sources = rule["sourceIps"].as_array().unwrap();
        let sources: Vec<_> = sources.iter().filter_map(Value::as_str).collect();
        format!(
            "{} {} from {}",
            rule["protocol"].as_str().unwrap(),
            rule["port"].as_str().unwrap_or("-"),
            sources.join(" ")
        )
    });
    Ok(text.collect())
}

#[test]
fn the_firewall_lets_in_what_is_needed() {
    let everybody = "icmp - from 0.0.0.0/0 ::/0";
    assert_eq!(rules(&json!({})).unwrap(), [everybody]);
    let firewall = json!({
        "peers": [
            {"name": "nbg", "addresses": ["203.0.113.7", "2001:db8:7::1"]},
            {"name": "hel", "addresses": ["203.0.113.7", "2001:db8:8::/64"]},
            {"name": "new", "addresses": []},
        ],
        "rules": [{"description": "ssh", "protocol": "tcp", "port": "22", "sources": ["198.51.100.0/24"]}],
    });
    let peers = "2001:db8:7::/64 2001:db8:8::/64 203.0.113.7/32";
    assert_eq!(
        rules(&firewall).unwrap(),
        [
            everybody.to_owned(),
            format!("udp 51871 from {peers}"),
            format!("tcp 32379 from {peers}"),
            "tcp 22 from 198.51.100.0/24".to_owned(),
        ]
    );
}

#[test]
fn many_peers_make_several_rules_and_too_many_are_refused() {
    let peers = |count: u32| {
        let addresses: Vec<_> = (0..count)
            .map(|n| format!("198.18.{}.{}", n / 250, n % 250))
            .collect();
        let chunks = addresses.chunks(200).enumerate();
        let peers =
            chunks.map(|(n, addresses)| json!({"name": format!("r{n}"), "addresses": addresses}));
        json!({"peers": peers.collect::<Vec<_>>()})
    };
    assert_eq!(rules(&peers(100)).unwrap().len(), 3);
    assert_eq!(rules(&peers(101)).unwrap().len(), 5);
    assert_eq!(
        rules(&peers(2401)).err().unwrap(),
        "spec.firewall: rules and peers make 51 rules, and the cloud takes 50 for a firewall: merge rules, \
         or have fewer servers with public addresses in other regions"
    );
}

#[test]
fn all_problems_are_told_at_once() {
    let mut spec = spec();
    spec["clusters"] = json!([cluster("lost"), external("old")]);
    spec["loadBalancers"] = json!([
        {"name": "a", "services": [{"port": 1, "targetPort": 1}], "target": {"cluster": "nowhere"}},
        {"name": "b", "services": [{"port": 1, "targetPort": 1}], "target": {"cluster": "old"}},
    ]);
    spec["network"]["subnets"] = json!([
        {"name": "in", "cidr": "10.0.1.0/24"},
        {"name": "out", "cidr": "10.1.1.0/24"},
        {"name": "again", "cidr": "10.0.0.0/20"},
    ]);
    spec["network"]["routes"] = json!([
        {"destination": "8.8.8.0/24", "gateway": "10.0.1.2"},
        {"destination": "10.9.0.1/16", "gateway": "10.0.0.1"},
    ]);
    spec["firewall"] = json!({
        "peers": [{"name": "nbg", "addresses": ["nonsense"]}],
        "rules": [
            {"protocol": "tcp", "port": "900-80", "sources": ["10.0.0.1/8", "everywhere"]},
            {"protocol": "tcp", "port": "70000", "sources": ["0.0.0.0/0"]},
        ],
    });
    let ports = "is not a port or a range of ports: write one from 1 to 65535, or the lower one, a hyphen and the higher one";
    let destination = "is neither 0.0.0.0/0 nor a private IPv4 range that starts at its first address: write it like 10.8.0.0/16";
    assert_eq!(
        render(&spec, &[])
            .unwrap_err()
            .split("; spec")
            .collect::<Vec<_>>(),
        [
            "spec.network.subnets[1].cidr: 10.1.1.0/24 of subnet out is not inside the network 10.0.0.0/16: choose a range in it, or let the network grow",
            ".network.subnets[2].cidr: 10.0.0.0/20 of subnet again overlaps 10.0.1.0/24 of subnet in: choose another range",
            &format!(".network.routes[0].destination: \"8.8.8.0/24\" {destination}"),
            &format!(".network.routes[1].destination: \"10.9.0.1/16\" {destination}"),
            ".network.routes[1].gateway: 10.0.0.1 cannot be a gateway in the network 10.0.0.0/16: write the private address of the server that passes packets on",
            ".clusters[0].name: cluster lost has no subnet for its servers: add one with the name lost to spec.network.subnets",
            ".loadBalancers[0].target.cluster: load balancer a cannot reach cluster nowhere: there is no such cluster in this region; name a k3s cluster of this region",
            ".loadBalancers[1].target.cluster: load balancer b cannot reach cluster old: an external cluster has no servers here; name a k3s cluster of this region",
            ".firewall.peers[0].addresses[0]: \"nonsense\" is neither an address nor a range: write it like 203.0.113.7 or 2001:db8::/64",
            ".firewall.rules[0].sources[0]: \"10.0.0.1/8\" is not a range that starts at its first address: write 10.0.0.0/8",
            ".firewall.rules[0].sources[1]: \"everywhere\" is not a range that starts at its first address: write it like 203.0.113.0/24, or 0.0.0.0/0 and ::/0 for everybody",
            &format!(".firewall.rules[0].port: 900-80 {ports}"),
            &format!(".firewall.rules[1].port: 70000 {ports}"),
        ]
    );
}

#[test]
fn the_same_input_gives_the_same_objects() {
    let children = all_exist(&render(&spec(), &[]).unwrap());
    assert_eq!(render(&spec(), &children), render(&spec(), &children));
}
