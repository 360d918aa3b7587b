//! The order of a teardown, and what it says about what others made.

use super::*;

fn spec(teardown: bool, sweep: bool) -> Value {
    json!({
        "regions": [{"name": "a", "location": "fsn1"}],
        "operations": {"deletion": {"protect": false, "teardown": teardown, "sweep": sweep}},
    })
}

fn cluster() -> Value {
    json!({
        "name": "main",
        "endpoint": {"address": "10.0.1.10"},
        "networking": {"podCIDR": "10.42.0.0/16", "serviceCIDR": "10.96.0.0/16", "meshID": 1},
        "version": "v1.31.4+k3s1",
    })
}

/// Region a with this in its spec and status.
fn with(spec: &Value, status: &Value) -> Value {
    let mut object = region("fsn1", "10.0.0.0/16");
    for (key, value) in spec.as_object().unwrap() {
        object["spec"][key] = value.clone();
    }
    object["status"] = status.clone();
    object
}

fn left(count: u32) -> Value {
    let names: Vec<_> = (0..count.min(2))
        .map(|n| format!("volume pvc-{n}"))
        .collect();
    match names.is_empty() {
        true => json!({"count": count}),
        false => json!({"count": count, "names": names}),
    }
}

/// The spec of the region in the next step, its row's message and the message of the condition.
fn next(sweep: bool, region: Value) -> (Option<Value>, String, String) {
    let planned = plan(spec(true, sweep), &[("region-a", region)]).unwrap();
    let condition = planned
        .conditions
        .iter()
        .find(|condition| condition.kind == Condition::INFRASTRUCTURE_READY);
    let object = planned.desired.first().map(|desired| {
        assert!(!desired.ready);
        desired.object["spec"].clone()
    });
    let row = &planned.status["regions"][0];
    assert_eq!(row.is_null(), object.is_none());
    let message = row["message"].as_str().unwrap_or_default().to_owned();
    (object, message, condition.unwrap().message.clone())
}

#[test]
fn what_others_made_is_listed_before_the_clusters_go() {
    let full = |status: &Value| with(&json!({"clusters": [cluster()]}), status);
    for (sweep, teardown) in [(false, "keep"), (true, "sweep")] {
        let (object, message, _) = next(sweep, full(&json!({"foreign": left(0)})));
        let object = object.unwrap();
        assert_eq!(object["teardown"], teardown);
        assert_eq!(object["clusters"][0]["name"], "main");
        assert_eq!(message, "what others made in its network is listed first");
    }
    let listed = json!({"foreign": left(1), "teardown": "listed"});
    let (object, message, _) = next(false, full(&listed));
    let object = object.unwrap();
    assert_eq!(object.get("clusters"), None);
    assert_eq!(object["teardown"], "keep");
    assert_eq!(message, "its clusters and load balancers go first");
}

#[test]
fn a_region_stays_until_its_clusters_have_left_the_network() {
    for status in [
        json!({"foreign": left(0)}),
        json!({"foreign": left(0), "teardown": "listed"}),
    ] {
        let (object, message, _) = next(false, with(&json!({"teardown": "keep"}), &status));
        assert_eq!(object.unwrap()["teardown"], "keep");
        assert_eq!(message, "its clusters and load balancers go first");
    }
}

#[test]
fn what_others_made_keeps_the_region_and_is_swept_only_when_the_claim_says_so() {
    let vacant = |count| {
        let status = json!({"foreign": left(count), "teardown": "vacant"});
        with(&json!({"teardown": "keep"}), &status)
    };
    let (object, message, condition) = next(false, vacant(3));
    assert_eq!(object.unwrap()["teardown"], "keep");
    let keeps = "what others made in its network keeps it: volume pvc-0, volume pvc-1 and 1 more: \
                 delete it, or set spec.operations.deletion.sweep to true";
    assert_eq!(message, keeps);
    assert_eq!(condition, format!("region a waits: {keeps}"));

    let (object, message, _) = next(true, vacant(2));
    assert_eq!(object.unwrap()["teardown"], "sweep");
    assert_eq!(
        message,
        "what others made in its network goes first: volume pvc-0, volume pvc-1"
    );
    for sweep in [false, true] {
        assert_eq!(next(sweep, vacant(0)).0, None);
    }
}

#[test]
fn what_hinders_a_sweep_is_in_the_row() {
    let status = json!({
        "foreign": left(1),
        "teardown": "vacant",
        "conditions": [{
            "type": "InfrastructureReady",
            "status": "False",
            "reason": "ReconcileError",
            "message": "waiting: it is protected",
        }],
    });
    let (_, message, condition) = next(true, with(&json!({"teardown": "sweep"}), &status));
    assert_eq!(message, "waiting: it is protected");
    assert_eq!(condition, "region a waits: waiting: it is protected");
}

#[test]
fn an_inventory_that_nobody_has_seen_is_not_waited_for() {
    let (object, message, _) = next(true, with(&json!({"clusters": [cluster()]}), &json!({})));
    assert_eq!(object.unwrap().get("clusters"), None);
    assert_eq!(message, "its clusters and load balancers go first");
    assert_eq!(next(true, with(&json!({}), &json!({}))).0, None);
}

#[test]
fn a_network_that_was_there_before_is_neither_waited_for_nor_swept() {
    let network = json!({"cidr": "10.0.0.0/16", "existing": "4711"});
    let status = json!({"foreign": left(3)});
    let full = json!({"clusters": [cluster()], "network": network});
    let (object, ..) = next(true, with(&full, &status));
    assert_eq!(object.unwrap().get("clusters"), None);
    let empty = json!({"network": network});
    assert_eq!(next(true, with(&empty, &status)).0, None);
}

#[test]
fn a_teardown_that_is_called_off_ends_in_every_region() {
    let status = json!({"foreign": left(1), "teardown": "vacant"});
    let torn = with(&json!({"teardown": "sweep"}), &status);
    let mut removed = torn.clone();
    removed["spec"]["network"]["cidr"] = json!("10.1.0.0/16");
    let children = [("region-a", torn), ("region-removed", removed)];
    let planned = plan(spec(false, false), &children).unwrap();
    let regions: Vec<_> = planned
        .desired
        .iter()
        .filter(|desired| desired.key.starts_with(REGION))
        .map(|desired| desired.object["spec"].get("teardown"))
        .collect();
    assert_eq!(regions, [None, None]);
    assert_eq!(planned.status["regions"][0]["foreign"], left(1));
}

#[test]
fn who_removes_a_region_or_a_cluster_is_told_what_stays() {
    let note = "; what others made in its network does not go with it and has to be deleted by hand: \
                volume pvc-0, volume pvc-1 and 1 more";
    let subnets = json!([{"name": "main", "cidr": "10.0.1.0/24"}]);
    let full = json!({
        "clusters": [cluster()],
        "network": {"cidr": "10.0.0.0/16", "subnets": subnets},
    });
    let whys = |status: &Value| {
        let other = json!({"network": {"cidr": "10.1.0.0/16"}});
        let children = [
            ("region-a", with(&full, status)),
            ("region-b", with(&other, status)),
        ];
        let planned = plan(spec(false, false), &children).unwrap();
        let steps = planned.status["plan"].as_array().unwrap();
        let whys: Vec<_> = steps
            .iter()
            .map(|step| step["why"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(whys.len(), 2, "{whys:?}");
        whys
    };
    for why in whys(&json!({"foreign": left(3)})) {
        assert!(why.ends_with(note), "{why}");
    }
    for why in whys(&json!({"foreign": left(0)})) {
        assert!(!why.contains("others"), "{why}");
    }
}
