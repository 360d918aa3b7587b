mod cluster;
mod refused;
mod teardown;

use std::collections::BTreeMap;

use crossplane_proto::v1;
use serde_json::{Value, json};

use super::*;
use crate::claim::validate;
use crate::structpb::{decode, encode};

fn identity() -> Identity {
    Identity {
        name: "demo".to_owned(),
        namespace: "team".to_owned(),
    }
}

fn claim(spec: Value) -> ValidPlatform {
    validate::platform(serde_json::from_value(spec).unwrap()).unwrap()
}

fn observed(children: &[(&str, Value)]) -> Observed {
    let resources: BTreeMap<_, _> = children
        .iter()
        .map(|(key, object)| {
            let resource = encode(object.as_object().unwrap()).into();
            (
                (*key).to_owned(),
                v1::Resource {
                    resource,
                    ..v1::Resource::default()
                },
            )
        })
        .collect();
    Observed::new(resources)
}

fn region(location: &str, cidr: &str) -> Value {
    json!({
        "metadata": {"name": "demo-x"},
        "spec": {"location": location, "network": {"cidr": cidr}, "crossplane": {"resourceRefs": []}},
    })
}

/// A composition, decoded.
#[derive(Debug)]
struct Planned {
    desired: Vec<PlannedObject>,
    status: Value,
    conditions: Vec<Condition>,
}

#[derive(Debug, PartialEq)]
struct PlannedObject {
    key: String,
    object: Value,
    ready: bool,
}

/// Plans with a price list that says nothing, unless it is among the children.
fn plan(spec: Value, children: &[(&str, Value)]) -> Result<Planned, String> {
    let mut children = children.to_vec();
    if children.iter().all(|(key, _)| *key != PRICING) {
        let ready = json!({"type": "Ready", "status": "True", "reason": "Available"});
        children.push((PRICING, json!({"status": {"conditions": [ready]}})));
    }
    plan_from(spec, &children)
}

fn plan_from(spec: Value, children: &[(&str, Value)]) -> Result<Planned, String> {
    let composition = platform(&identity(), "Platform", &claim(spec), &observed(children))
        .map_err(|problems| problems.to_string())?;
    let desired = composition
        .desired
        .into_iter()
        .map(|desired| PlannedObject {
            key: desired.key,
            object: decode(&desired.object).unwrap().into(),
            ready: desired.ready,
        });
    Ok(Planned {
        desired: desired.collect(),
        status: serde_json::to_value(composition.status).unwrap(),
        conditions: composition.conditions,
    })
}

/// Key and range of every planned region.
fn ranges(composition: &Planned) -> Vec<(&str, &str)> {
    composition
        .desired
        .iter()
        .filter(|desired| desired.key.starts_with(REGION))
        .map(|desired| {
            (
                desired.key.as_str(),
                desired.object["spec"]["network"]["cidr"].as_str().unwrap(),
            )
        })
        .collect()
}

#[test]
fn regions_take_the_lowest_free_slots() {
    let composition = plan(
        json!({"regions": [
            {"name": "a", "location": "fsn1"},
            {"name": "b", "location": "nbg1", "network": {"cidr": "10.0.0.0/15"}},
            {"name": "c", "location": "hel1"},
        ]}),
        &[],
    )
    .unwrap();
    assert_eq!(
        ranges(&composition),
        [
            ("region-a", "10.2.0.0/16"),
            ("region-b", "10.0.0.0/15"),
            ("region-c", "10.3.0.0/16"),
        ]
    );
}

#[test]
fn recorded_ranges_win_and_a_removed_region_keeps_its_own_until_it_is_gone() {
    let composition = plan(
        json!({"regions": [
            {"name": "new", "location": "fsn1"},
            {"name": "old", "location": "nbg1"},
        ]}),
        &[
            ("region-old", region("nbg1", "10.0.0.0/16")),
            ("region-gone", region("hel1", "10.1.0.0/16")),
        ],
    )
    .unwrap();
    assert_eq!(
        ranges(&composition),
        [
            ("region-new", "10.2.0.0/16"),
            ("region-old", "10.0.0.0/16"),
            ("region-gone", "10.1.0.0/16"),
        ]
    );
}

#[test]
fn a_removed_region_stays_as_it_is_until_the_step_is_approved() {
    let spec = |approve: Value| {
        json!({
            "regions": [{"name": "a", "location": "fsn1"}],
            "operations": {"approve": approve},
        })
    };
    let children = [
        ("region-a", region("fsn1", "10.0.0.0/16")),
        ("region-b", region("nbg1", "10.1.0.0/16")),
    ];

    let waiting = plan(spec(json!([])), &children).unwrap();
    let kept = &waiting.desired[1];
    assert_eq!(kept.key, "region-b");
    assert_eq!(
        kept.object["spec"],
        json!({"location": "nbg1", "network": {"cidr": "10.1.0.0/16"}}),
        "the observed spec without Crossplane's own fields"
    );
    let step = &waiting.status["plan"][0];
    assert_eq!(step["kind"], "XRegion");
    let hash = step["hash"].as_str().unwrap();
    let pending = waiting
        .conditions
        .iter()
        .find(|condition| condition.kind == Condition::CHANGES_APPLIED)
        .unwrap();
    assert!(pending.message.contains(hash), "{}", pending.message);

    for approve in [json!([hash]), json!(["automatic"])] {
        let approved = plan(spec(approve.clone()), &children).unwrap();
        assert_eq!(ranges(&approved).len(), 1, "{approve}");
        assert_eq!(approved.status.get("plan"), None, "{approve}");
    }
    let other = plan(spec(json!(["somethingelse"])), &children).unwrap();
    assert_eq!(ranges(&other).len(), 2);
}

#[test]
fn a_network_grows_but_neither_shrinks_nor_moves() {
    let children = [("region-a", region("fsn1", "10.0.0.0/16"))];
    let with = |cidr: &str| {
        plan(
            json!({"regions": [{"name": "a", "location": "fsn1", "network": {"cidr": cidr}}]}),
            &children,
        )
    };
    assert_eq!(
        ranges(&with("10.0.0.0/14").unwrap()),
        [("region-a", "10.0.0.0/14")]
    );
    for cidr in ["10.0.0.0/17", "10.1.0.0/16"] {
        assert_eq!(
            with(cidr).unwrap_err(),
            "spec.regions[0].network.cidr: the network of region a is 10.0.0.0/16 and can only grow at its end: \
             write 10.0.0.0/16, or the same with a shorter prefix"
        );
    }
    let second = plan(
        json!({"regions": [{"name": "a", "location": "fsn1", "network": {"cidr": "10.0.0.0/15"}}]}),
        &[("region-a", region("fsn1", "10.1.0.0/16"))],
    );
    assert!(second.unwrap_err().contains("10.1.0.0/16, or the same"));
}

#[test]
fn a_region_cannot_move() {
    let error = plan(
        json!({"regions": [{"name": "a", "location": "nbg1"}]}),
        &[("region-a", region("fsn1", "10.0.0.0/16"))],
    )
    .unwrap_err();
    assert_eq!(
        error,
        "spec.regions[0].location: region a is in fsn1 and cannot move to nbg1: \
         add a region there and remove this one"
    );
}

#[test]
fn connected_regions_must_not_overlap_and_the_message_names_both_fields() {
    let spec = |inter_region: &str| {
        json!({"regions": [
            {"name": "a", "location": "fsn1", "network": {"cidr": "10.0.0.0/16"}},
            {"name": "b", "location": "nbg1", "network": {"cidr": "10.0.0.0/8", "interRegion": inter_region}},
        ]})
    };
    assert_eq!(
        plan(spec("wireguard-public"), &[]).unwrap_err(),
        "spec.regions[1].network.cidr: 10.0.0.0/8 of region b overlaps 10.0.0.0/16 of region a \
         (spec.regions[0].network.cidr): choose another range, or isolate one of them with interRegion: none"
    );
    assert!(plan(spec("none"), &[]).is_ok());
}

#[test]
fn a_full_address_space_is_refused() {
    let error = plan(
        json!({"regions": [
            {"name": "a", "location": "fsn1", "network": {"cidr": "10.0.0.0/8"}},
            {"name": "b", "location": "nbg1"},
        ]}),
        &[],
    )
    .unwrap_err();
    assert_eq!(
        error,
        "spec.regions[1].network.cidr: no 10.x.0.0/16 is free in this platform: \
         write the range that this region shall have"
    );
}

#[test]
fn protection_is_a_usage_of_the_claim_and_can_be_switched_off() {
    let regions = json!([{"name": "a", "location": "fsn1"}]);
    let protected = plan(json!({"regions": regions}), &[]).unwrap();
    let usage = protected.desired.last().unwrap();
    assert_eq!(usage.object["kind"], "Usage");
    assert_eq!(usage.object["spec"]["of"]["kind"], "Platform");
    assert_eq!(usage.object["spec"]["of"]["resourceRef"]["name"], "demo");

    let open = plan(
        json!({"regions": regions, "operations": {"deletion": {"protect": false}}}),
        &[],
    )
    .unwrap();
    assert!(open.desired.iter().all(|desired| desired.key != PROTECTION));
}

#[test]
fn the_same_input_gives_the_same_objects() {
    let spec =
        json!({"regions": [{"name": "a", "location": "fsn1"}, {"name": "b", "location": "fsn1"}]});
    let once = plan(spec.clone(), &[]).unwrap();
    let again = plan(spec, &[]).unwrap();
    assert_eq!(once.desired, again.desired);
}
