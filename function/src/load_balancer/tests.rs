use serde_json::{Value, json};

use super::*;
use crate::region::fixture::{
    Rendered, composite, hindered, observed, ready as conditions_ready, rendered, site,
};

fn spec() -> Value {
    json!({
        "loadBalancer": {
            "address": "10.0.1.5",
            "name": "web",
            "services": [
                {"port": 443, "targetPort": 31443, "proxyProtocol": true},
                {"port": 80, "targetPort": 31080, "protocol": "http", "healthPath": "/healthz"},
            ],
            "target": {"cluster": "demo-fsn-k3s"},
        },
        "site": site(),
    })
}

fn render(spec: &Value, children: &[(String, Value)]) -> Result<Rendered, String> {
    rendered(compose(
        &composite("demo-fsn-web", spec),
        &observed(children),
    ))
}

fn with_pools(pools: &[&str]) -> Value {
    let mut spec = spec();
    spec["loadBalancer"]["target"]["pools"] = json!(pools);
    spec
}

fn target_keys(rendered: &Rendered) -> Vec<&str> {
    let mut keys = rendered.keys();
    keys.retain(|key| key.starts_with(TARGET));
    keys
}

/// Everything exists; each target has servers with this health of its services.
fn all_exist(rendered: &Rendered, health: &[&[&str]]) -> Vec<(String, Value)> {
    rendered.exist(|object| {
        Some(match object.object["kind"].as_str().unwrap() {
            "LoadBalancer" => json!({"atProvider": {
                "id": 9,
                "publicInterface": true,
                "publicIpv4": "203.0.113.9",
                "publicIpv6": "2001:db8::9",
                "price": {"currency": "EUR", "netMonthly": "5.39", "observedAt": "2026-11-03"},
            }}),
            "LoadBalancerNetwork" => {
                json!({"atProvider": {"loadBalancerId": 9, "networkId": 7, "ip": "10.0.1.5"}})
            }
            "LoadBalancerTarget" => {
                let server = |services: &&[&str]| {
                    let services = services.iter().enumerate();
                    let services = services
                        .map(|(port, status)| json!({"listenPort": port, "status": status}));
                    json!({"serverId": 1, "healthStatus": services.collect::<Vec<_>>()})
                };
                let servers: Vec<_> = health.iter().map(server).collect();
                json!({"atProvider": {"loadBalancerId": 9, "servers": servers}})
            }
            _ => json!({}),
        })
    })
}

#[test]
fn a_load_balancer_is_composed_whole() {
    let rendered = render(&spec(), &[]).unwrap();
    let target = target_keys(&rendered)[0];
    assert_eq!(
        rendered.keys(),
        [
            "load-balancer",
            "network",
            "service-443",
            "service-80",
            target
        ]
    );
    assert_eq!(
        rendered.wanted("load-balancer"),
        &json!({
            "algorithm": "round_robin",
            "labels": {"compose.openova.io/platform": "demo", "compose.openova.io/region": "fsn"},
            "loadBalancerType": "lb11",
            "location": "fsn1",
            "name": name::in_cloud("team", "demo-fsn-web"),
            "publicNet": {"enabled": true},
        })
    );
    assert_eq!(
        rendered.wanted("network"),
        &json!({
            "ip": "10.0.1.5",
            "loadBalancerIdRef": {"name": "demo-fsn-web"},
            "subnetIdRef": {"name": "demo-fsn-k3s"},
        })
    );
    assert_eq!(
        rendered.wanted("service-443"),
        &json!({
            "destinationPort": 31443,
            "healthCheck": {"port": 31443, "protocol": "tcp"},
            "listenPort": 443,
            "loadBalancerIdRef": {"name": "demo-fsn-web"},
            "protocol": "tcp",
            "proxyProtocol": true,
        })
    );
    assert_eq!(
        rendered.wanted("service-80")["healthCheck"],
        json!({"http": {"path": "/healthz"}, "port": 31080, "protocol": "http"})
    );
    assert_eq!(
        rendered.wanted(target),
        &json!({
            "labelSelector": format!("compose.openova.io/cluster={}", label::in_cloud("team", "demo-fsn-k3s")),
            "loadBalancerIdRef": {"name": "demo-fsn-web"},
            "usePrivateIp": true,
        })
    );
}

#[test]
fn every_pool_is_a_target_that_stays_when_others_come_and_go() {
    let both = render(&with_pools(&["cp", "work"]), &[]).unwrap();
    let one = render(&with_pools(&["work"]), &[]).unwrap();
    assert_eq!(target_keys(&both).len(), 2);
    assert_eq!(target_keys(&both)[1], target_keys(&one)[0]);
    let selector = one.wanted(target_keys(&one)[0])["labelSelector"]
        .as_str()
        .unwrap();
    assert!(
        selector.ends_with(",compose.openova.io/pool=work"),
        "{selector}"
    );

    // What a target means cannot be changed: other servers are another object.
    let mut other = with_pools(&["work"]);
    other["loadBalancer"]["target"]["cluster"] = json!("demo-fsn-other");
    let other = render(&other, &[]).unwrap();
    assert_ne!(target_keys(&one), target_keys(&other));
    assert_ne!(
        one.get(target_keys(&one)[0]).object["metadata"]["name"],
        other.get(target_keys(&other)[0]).object["metadata"]["name"]
    );
}

#[test]
fn a_target_is_healthy_when_all_its_services_are() {
    let rendered = render(&spec(), &[]).unwrap();
    let cases: [(&[&[&str]], bool); 6] = [
        (&[], false),
        (&[&[]], false),
        (&[&["unknown", "healthy"]], false),
        (&[&["healthy", "unhealthy"], &["healthy", "healthy"]], true),
        (&[&["healthy"], &["unhealthy"]], true),
        (&[&["healthy"], &["healthy"]], true),
    ];
    for (health, healthy) in cases {
        let settled = render(&spec(), &all_exist(&rendered, health)).unwrap();
        assert_eq!(settled.status["healthy"], healthy, "{health:?}");
        assert_eq!(settled.waiting(), None, "it passes on what comes");
    }
}

#[test]
fn the_status_has_the_addresses() {
    let first = render(&spec(), &[]).unwrap();
    let mut children = all_exist(&first, &[&["healthy"]]);
    let settled = render(&spec(), &children).unwrap();
    assert_eq!(
        settled.status,
        json!({
            "cost": {"asOf": "2026-11-03", "currency": "EUR", "monthly": "5.39"},
            "healthy": true,
            "id": "9",
            "ipv4": "203.0.113.9",
            "ipv6": "2001:db8::9",
            "privateIP": "10.0.1.5",
        })
    );
    children[0].1["status"]["atProvider"]["publicInterface"] = json!(false);
    let private = render(&spec(), &children).unwrap();
    assert_eq!(private.status.get("ipv4"), None, "nobody is reached there");
}

#[test]
fn it_is_not_ready_until_it_is_attached() {
    let first = render(&spec(), &[]).unwrap();
    for (conditions, expected) in [
        (conditions_ready(), None),
        (
            hindered("no such subnet"),
            Some(("ReconcileError", "waiting for its network: no such subnet")),
        ),
    ] {
        let mut children = all_exist(&first, &[]);
        children[1].1["status"]["conditions"] = conditions;
        assert_eq!(render(&spec(), &children).unwrap().waiting(), expected);
    }
}

#[test]
fn its_address_must_be_in_the_subnet() {
    let mut spec = spec();
    spec["loadBalancer"]["address"] = json!("10.0.2.5");
    assert_eq!(
        render(&spec, &[]).unwrap_err(),
        "spec.loadBalancer.address: 10.0.2.5 is not in the subnet 10.0.1.0/24: choose an address in it"
    );
}
