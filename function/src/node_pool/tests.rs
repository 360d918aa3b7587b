use serde_json::{Value, json};

use super::*;
use crate::region::fixture::{Rendered, composite, observed, rendered, site};

fn spec(count: u32, types: &[&str]) -> Value {
    json!({
        "cluster": "demo-fsn-k3s",
        "pool": {
            "count": count,
            "firstAddresses": (0..count.div_ceil(10)).map(|group| format!("10.0.1.{}", 20 + group * 20)).collect::<Vec<_>>(),
            "machine": {"image": "ubuntu-24.04", "locations": ["fsn1"], "serverTypes": types},
            "name": "work",
        },
        "site": site(),
        "userData": {"secretRef": {"name": "demo-fsn-k3s-work", "key": "user-data"}},
    })
}

fn render(spec: &Value, children: &[(String, Value)]) -> Rendered {
    let pool = composite("demo-fsn-k3s-work", spec);
    rendered(compose(&pool, &observed(children))).unwrap()
}

/// Every group exists and is ready, with servers of this type.
fn all_exist(rendered: &Rendered, server_type: &str) -> Vec<(String, Value)> {
    rendered.exist(|group| {
        let spec = &group.object["spec"];
        let ordinals = spec["from"].as_u64().unwrap()..=spec["to"].as_u64().unwrap();
        let servers: Vec<_> = ordinals
            .map(|ordinal| json!({"name": format!("host-{ordinal}"), "ready": true, "type": server_type, "id": "1"}))
            .collect();
        Some(json!({
            "current": servers.len(),
            "desired": servers.len(),
            "ready": servers.len(),
            "cost": {"asOf": "2026-11-03", "currency": "EUR", "monthly": format!("{}.50", servers.len())},
            "servers": servers,
        }))
    })
}

#[test]
fn a_pool_has_a_hundred_servers_at_most() {
    let pool = |count: u32| {
        let mut spec = spec(0, &["cx33"]);
        spec["pool"]["count"] = json!(count);
        rendered(compose(
            &composite("demo-fsn-k3s-work", &spec),
            &observed(&[]),
        ))
    };
    assert_eq!(pool(100).unwrap().desired.len(), 10);
    for count in [101, u32::MAX] {
        assert_eq!(
            pool(count).unwrap_err(),
            format!(
                "spec.pool.count: a pool has 100 servers at most, not {count}: use several pools"
            )
        );
    }
}

#[test]
fn ten_servers_make_a_group() {
    let cases = [
        (0, vec![]),
        (1, vec![("group-0", 0, 0, "10.0.1.20")]),
        (10, vec![("group-0", 0, 9, "10.0.1.20")]),
        (
            11,
            vec![
                ("group-0", 0, 9, "10.0.1.20"),
                ("group-1", 10, 10, "10.0.1.40"),
            ],
        ),
    ];
    for (count, expected) in cases {
        let rendered = render(&spec(count, &["cx33"]), &[]);
        let groups: Vec<_> = rendered
            .desired
            .iter()
            .map(|group| {
                let spec = &group.object["spec"];
                (
                    group.key.as_str(),
                    spec["from"].as_u64().unwrap(),
                    spec["to"].as_u64().unwrap(),
                    spec["firstAddress"].as_str().unwrap(),
                )
            })
            .collect();
        assert_eq!(groups, expected, "{count}");
        assert_eq!(rendered.status["desired"], count);
    }
}

#[test]
fn a_group_is_complete_by_itself() {
    let rendered = render(&spec(1, &["cx33"]), &[]);
    let group = &rendered.get("group-0").object;
    assert_eq!(group["metadata"]["name"], "demo-fsn-k3s-work-0");
    assert_eq!(
        group["metadata"]["labels"]["compose.openova.io/region"],
        "fsn"
    );
    assert_eq!(
        group["spec"],
        json!({
            "cluster": "demo-fsn-k3s",
            "firstAddress": "10.0.1.20",
            "from": 0,
            "hostPrefix": name::host_prefix("team", "demo-fsn-k3s-work"),
            "machine": {
                "backups": false,
                "image": "ubuntu-24.04",
                "locations": ["fsn1"],
                "public": {"ipv4": true, "ipv6": true},
                "serverTypes": ["cx33"],
            },
            "pool": "work",
            "provider": {"configRef": {"kind": "ClusterProviderConfig", "name": "default"}, "type": "hetzner"},
            "role": "worker",
            "site": site(),
            "spread": true,
            "to": 0,
            "userData": {"secretRef": {"name": "demo-fsn-k3s-work", "key": "user-data"}},
        })
    );
}

#[test]
fn the_status_is_the_sum_of_the_groups() {
    let spec = spec(11, &["cx33"]);
    let children = all_exist(&render(&spec, &[]), "cx33");
    let settled = render(&spec, &children);
    assert_eq!(settled.waiting(), None);
    let status = &settled.status;
    assert_eq!(
        (&status["desired"], &status["current"], &status["ready"]),
        (&json!(11), &json!(11), &json!(11))
    );
    assert_eq!(status["cost"]["monthly"], "12.00");
    let servers = status["servers"].as_array().unwrap();
    assert_eq!(servers.len(), 11);
    assert_eq!(servers[10]["name"], "host-10");

    let partly = render(&spec, &children[..1]);
    assert_eq!(partly.status.get("current"), None, "it changes");
    assert_eq!(
        partly.status["servers"].as_array().unwrap(),
        &servers[..10],
        "of the group that is ready"
    );
    assert_eq!(
        partly.status.get("cost"),
        None,
        "of one group it is not known"
    );
    assert_eq!(partly.waiting(), Some(("Creating", "")));
}

#[test]
fn an_empty_pool_is_ready() {
    let rendered = render(&spec(0, &["cx33"]), &[]);
    assert_eq!(rendered.waiting(), None);
    assert_eq!(
        rendered.status,
        json!({"current": 0, "desired": 0, "ready": 0})
    );
}

#[test]
fn a_group_that_is_hindered_is_named_with_its_cause() {
    let spec = spec(11, &["cx33"]);
    let first = render(&spec, &[]);
    let conditions = json!([
        {"type": "InfrastructureReady", "status": "False", "reason": "ReconcileError", "message": "waiting for server x: sold out"},
        {"type": "Ready", "status": "False", "reason": "Creating", "message": "3 of 9"},
    ]);
    let children =
        first.exist(|group| (group.key == "group-1").then(|| json!({"conditions": conditions})));
    assert_eq!(
        render(&spec, &children).waiting(),
        Some((
            "ReconcileError",
            "waiting for group demo-fsn-k3s-work-1: waiting for server x: sold out"
        ))
    );
}

#[test]
fn groups_change_one_after_the_other() {
    let old = render(&spec(21, &["cx33"]), &[]);
    let new = spec(21, &["ccx13"]);
    let mut children = all_exist(&old, "cx33");
    let types = |rendered: &Rendered| -> Vec<_> {
        let groups = rendered.desired.iter();
        groups
            .map(|group| group.object["spec"]["machine"]["serverTypes"][0].clone())
            .collect()
    };
    for turn in 0..3 {
        let expected: Vec<_> = (0..3)
            .map(|group| if group <= turn { "ccx13" } else { "cx33" })
            .collect();
        let rendered = render(&new, &children);
        assert_eq!(types(&rendered), expected);
        assert!(!rendered.desired[turn].ready);
        children[turn].1["spec"] = rendered.desired[turn].object["spec"].clone();
        assert_eq!(
            types(&render(&new, &children)),
            expected,
            "nobody else starts"
        );
        for server in children[turn].1["status"]["servers"]
            .as_array_mut()
            .unwrap()
        {
            server["type"] = json!("ccx13");
        }
    }
    assert_eq!(types(&render(&new, &children)), ["ccx13"; 3]);
    assert_eq!(render(&new, &children).waiting(), None);
}

#[test]
fn what_interrupts_nothing_reaches_all_groups_at_once() {
    let old = render(&spec(11, &["cx33"]), &[]);
    let mut new = spec(11, &["ccx13", "cx33"]);
    new["pool"]["machine"]["image"] = json!("debian-13");
    let rendered = render(&new, &all_exist(&old, "cx33"));
    for group in &rendered.desired {
        assert_eq!(group.object["spec"]["machine"]["serverTypes"][0], "ccx13");
        assert_eq!(group.object["spec"]["machine"]["image"], "debian-13");
        assert!(group.ready);
    }
}
