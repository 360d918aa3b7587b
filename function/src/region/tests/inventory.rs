//! What others made in the network.

use super::*;

/// The objects of a rendering, with an inventory that looks like this.
fn with_inventory(rendered: &Rendered, status: &Value) -> Vec<(String, Value)> {
    rendered.exist(|object| {
        Some(match object.key.as_str() {
            "inventory" => status.clone(),
            _ => json!({"atProvider": {"id": 42}}),
        })
    })
}

fn object(kind: &str, name: &str, maker: Option<&str>) -> Value {
    let mut object = json!({"kind": kind, "id": 1, "name": name, "location": "fsn1"});
    if let Some(maker) = maker {
        object["madeBy"] = json!(maker);
    }
    object
}

fn seen(managed: u32, objects: &[Value]) -> Value {
    json!({"networkId": 42, "count": objects.len(), "managed": managed, "objects": objects})
}

/// The region without clusters and load balancers, in a teardown.
fn emptied(teardown: &str) -> Value {
    let mut spec = spec();
    spec["clusters"] = json!([]);
    spec["loadBalancers"] = json!([]);
    spec["teardown"] = json!(teardown);
    spec
}

/// A rendering of `spec`, with an inventory that exists and looks like this.
fn after(spec: &Value, status: &Value) -> Rendered {
    let before = render(&self::spec(), &[]).unwrap();
    render(spec, &with_inventory(&before, status)).unwrap()
}

fn annotations(rendered: &Rendered) -> &Value {
    &rendered.get("inventory").object["metadata"]["annotations"]
}

#[test]
fn a_network_with_servers_has_an_inventory_that_only_looks() {
    let mut existing = spec();
    existing["network"]["existing"] = json!("4711");
    for spec in [spec(), existing] {
        let rendered = render(&spec, &[]).unwrap();
        let inventory = &rendered.get("inventory").object;
        assert_eq!(inventory["spec"]["managementPolicies"], json!(["Observe"]));
        assert_eq!(
            rendered.wanted("inventory"),
            &json!({"networkIdRef": {"name": "demo-fsn"}})
        );
        assert_eq!(inventory["metadata"].get("annotations"), None);
        assert_eq!(rendered.status.get("foreign"), None);
    }
    let mut spec = spec();
    spec["clusters"] = json!([external("old")]);
    spec["loadBalancers"] = json!([]);
    assert!(!render(&spec, &[]).unwrap().keys().contains(&"inventory"));
}

#[test]
fn what_others_made_is_counted_and_the_first_are_named() {
    let mut objects = vec![
        object(
            "LoadBalancer",
            "a1",
            Some("hcloud-cloud-controller-manager"),
        ),
        object("Server", "node-1", Some("cluster-autoscaler")),
        object("Volume", "by-hand", None),
    ];
    objects.extend((0..4).map(|n| object("Volume", &format!("pvc-{n}"), Some("csi-driver"))));
    let settled = after(&spec(), &json!({"atProvider": seen(3, &objects)}));
    assert_eq!(
        settled.status["foreign"],
        json!({"count": 7, "names": [
            "load balancer a1 of hcloud-cloud-controller-manager",
            "server node-1 of cluster-autoscaler",
            "volume by-hand",
            "volume pvc-0 of csi-driver",
            "volume pvc-1 of csi-driver",
        ]})
    );
    assert_eq!(settled.status.get("teardown"), None);
    assert!(settled.get("inventory").ready);
}

#[test]
fn the_inventory_stays_when_the_clusters_are_gone() {
    let mut spec = spec();
    spec["clusters"] = json!([]);
    spec["loadBalancers"] = json!([]);
    let kept = after(&spec, &json!({"atProvider": seen(0, &[])}));
    assert_eq!(kept.status["foreign"], json!({"count": 0}));
    assert!(kept.get("inventory").ready);
    assert_eq!(annotations(&kept), &Value::Null);
}

#[test]
fn a_teardown_looks_before_the_clusters_go_and_again_afterwards() {
    let volume = object("Volume", "pvc-0", Some("csi-driver"));
    let mut going = spec();
    going["teardown"] = json!("keep");
    let look = |handled: &str, managed: u32| {
        let seen = seen(managed, std::slice::from_ref(&volume));
        json!({"atProvider": seen, "lastHandledReconcileAt": handled})
    };
    let asked = after(&going, &look("", 3));
    let before = annotations(&asked)["crossplane.io/reconcile-requested-at"].clone();
    let before = before.as_str().unwrap();
    assert_eq!(annotations(&asked)["crossplane.io/poll-interval"], "15s");
    assert_eq!(asked.status.get("teardown"), None);
    assert_eq!(asked.waiting(), Some(("TearingDown", "")));
    assert_eq!(after(&going, &look(before, 3)).status["teardown"], "listed");

    // The look before says nothing about the time afterwards.
    let emptied = emptied("keep");
    let asked = after(&emptied, &look(before, 0));
    assert_eq!(asked.status.get("teardown"), None);
    let afterwards = annotations(&asked)["crossplane.io/reconcile-requested-at"].clone();
    let afterwards = afterwards.as_str().unwrap();
    assert_ne!(before, afterwards);
    assert_eq!(
        after(&emptied, &look(afterwards, 1)).status["teardown"],
        "listed"
    );
    let vacant = after(&emptied, &look(afterwards, 0));
    assert_eq!(vacant.status["teardown"], "vacant");
    assert_eq!(vacant.status["foreign"]["count"], 1);
    assert!(!vacant.get("inventory").ready);
    assert_eq!(vacant.wanted("inventory").get("sweep"), None);

    let clear = json!({"atProvider": seen(0, &[]), "lastHandledReconcileAt": afterwards});
    assert!(after(&emptied, &clear).get("inventory").ready);
}

#[test]
fn nothing_is_swept_while_a_server_of_the_platform_is_there() {
    let volume = object("Volume", "pvc-0", Some("csi-driver"));
    let swept = |spec: &Value, handled: &str, managed: u32| {
        let seen = seen(managed, std::slice::from_ref(&volume));
        let status = json!({"atProvider": seen, "lastHandledReconcileAt": handled});
        let rendered = after(spec, &status);
        let policies = &rendered.get("inventory").object["spec"]["managementPolicies"];
        let sweep = rendered.wanted("inventory")["sweep"] == true;
        assert_eq!(sweep, *policies == json!(["*"]), "{policies}");
        sweep
    };
    let emptied = emptied("sweep");
    let mut going = spec();
    going["teardown"] = json!("sweep");
    for (spec, handled, managed, expected) in [
        (&going, "teardown", 3, false),
        (&going, "teardown", 0, false),
        (&emptied, "teardown", 0, false),
        (&emptied, "teardown-without-clusters", 1, false),
        (&emptied, "teardown-without-clusters", 0, true),
    ] {
        assert_eq!(
            swept(spec, handled, managed),
            expected,
            "{handled} {managed}"
        );
    }
}

#[test]
fn what_hinders_a_sweep_is_told() {
    let status = json!({
        "atProvider": seen(0, &[object("Server", "precious", None)]),
        "conditions": hindered("update failed: protected at Hetzner"),
        "lastHandledReconcileAt": "teardown-without-clusters",
    });
    let rendered = after(&emptied("sweep"), &status);
    assert_eq!(
        rendered.waiting(),
        Some((
            "ReconcileError",
            "waiting for the inventory of what others made in the network: update failed: protected at Hetzner"
        ))
    );
}
