use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::{
    hcloud::ServerType,
    kind::server::drift::tests::{server, wish},
    managed::{Remedy, Retry},
};

/// The server of these tests was created at eight.
const NOW: &str = "2026-11-21T08:00:20Z";

fn facts() -> Facts {
    let bigger = json!({"id": 2, "name": "cx33", "architecture": "x86", "storage_type": "local", "disk": 80});
    let bigger: ServerType = serde_json::from_value(bigger).unwrap();
    Facts {
        server_types: vec![Arc::new(bigger)],
        ..Facts::default()
    }
}

fn at(now: &str, spec: &Value, observed: &Value, facts: &Facts) -> Assessment {
    let (wish, server) = (wish(spec), server(observed));
    assess(&Situation {
        wish: &wish,
        server: &server,
        facts,
        failed_before: 0,
        now: now.parse().unwrap(),
    })
}

fn now(spec: &Value, observed: &Value) -> Assessment {
    at(NOW, spec, observed, &facts())
}

/// Names of the steps, and the fields of the differences.
fn told(assessment: &Assessment) -> String {
    let steps: Vec<_> = assessment
        .steps
        .iter()
        .map(|step| match step {
            Step::Mark(marks) => {
                let marks = marks.iter().map(|(key, value)| {
                    let key = key.trim_start_matches("hcloud.openova.io/");
                    if value.is_some() {
                        format!("+{key}")
                    } else {
                        format!("-{key}")
                    }
                });
                marks.collect::<Vec<_>>().join(" ")
            }
            step => {
                let text = format!("{step:?}");
                text.split('(').next().unwrap().to_owned()
            }
        })
        .collect();
    let fields: Vec<_> = assessment.drift.iter().map(|d| d.field.as_str()).collect();
    format!("{} | {}", fields.join(" "), steps.join(" "))
}

fn state(readiness: &Readiness) -> &'static str {
    match readiness {
        Readiness::Available => "available",
        Readiness::Settling { .. } => "settling",
        Readiness::Creating { .. } => "creating",
        Readiness::Unavailable { .. } => "unavailable",
        Readiness::Broken { .. } => "broken",
    }
}

fn pending(more: &Value) -> Value {
    let mut server = json!({"labels": {"hcloud.openova.io/setup": "pending"}});
    for (key, value) in more.as_object().unwrap() {
        server[key] = value.clone();
    }
    server
}

#[test]
fn a_new_server_is_set_up_step_by_step_from_wherever_it_is() {
    let placed = json!({"networks": [{"networkId": "7", "ip": "10.0.0.5"}]});
    let attached = json!([{"network": 7, "ip": "10.0.0.5"}]);
    let private = json!({"publicNet": {"ipv4Enabled": false, "ipv6Enabled": false}});
    let no_address = json!({"ipv4": null, "ipv6": null});
    #[rustfmt::skip]
    let rows: [(&str, Value, Value, &str); 10] = [
        ("it is being made", json!({}), json!({"status": "initializing", "locked": true}), " | "),
        ("it starts", json!({}), json!({"status": "starting"}), " | "),
        ("an action runs", json!({}), json!({"locked": true}), " | "),
        ("it runs", json!({}), json!({}), "setup | -setup"),
        ("it is to be attached first", placed.clone(), json!({"status": "off"}), "networks[0] powerState setup | Attach PowerOn -setup"),
        ("it is attached", placed.clone(), json!({"status": "off", "private_net": attached}), "powerState setup | PowerOn -setup"),
        ("it has been started", placed, json!({"private_net": attached}), "setup | -setup"),
        ("it has no interface yet", private, json!({"status": "off", "public_net": no_address}), " | "),
        ("it stays off", json!({"powerState": "Stopped"}), json!({"status": "off"}), "setup | -setup"),
        ("it starts from a drive", json!({"iso": "x"}), json!({"status": "off"}), "iso powerState setup | AttachIso PowerOn -setup"),
    ];
    for (name, spec, observed, expected) in rows {
        let assessment = now(&spec, &pending(&observed));
        assert_eq!(told(&assessment), expected, "{name}");
        assert_eq!(state(&assessment.readiness), "creating", "{name}");
        let remedies = assessment.drift.iter().map(|d| d.remedy);
        assert!(
            remedies.eq(vec![Remedy::Completion; assessment.drift.iter().len()]),
            "{name}: it belongs to the creation"
        );
    }
}

#[test]
fn the_rescue_system_is_recorded_before_the_first_start() {
    let assessment = now(
        &json!({"rescue": {"sshKeys": ["me"]}}),
        &pending(&json!({"status": "off"})),
    );
    assert_eq!(
        told(&assessment),
        "rescue powerState setup | EnableRescue +rescue PowerOn -setup"
    );
}

#[test]
fn what_needs_a_replacement_or_the_server_off_waits_until_the_server_is_set_up() {
    let spec = json!({"image": {"name": "debian-12"}, "serverType": "cx33"});
    assert_eq!(told(&now(&spec, &pending(&json!({})))), "setup | -setup");
}

#[test]
fn a_failed_creation_is_repeated_at_once_and_then_ever_later() {
    let failed = Facts {
        failure: Some("it did not start".to_owned()),
        ..Facts::default()
    };
    let (wish, server) = (
        wish(&json!({})),
        server(&pending(&json!({"status": "off"}))),
    );
    let after = |failed_before: i64, now: &str| {
        let now = now.parse().unwrap();
        let situation = Situation {
            wish: &wish,
            server: &server,
            facts: &failed,
            failed_before,
            now,
        };
        let assessment = assess(&situation);
        assert_eq!(told(&assessment), " | ");
        state(&assessment.readiness)
    };
    assert_eq!(after(0, "2026-11-21T08:00:00Z"), "broken");
    assert_eq!(after(1, "2026-11-21T08:00:29Z"), "unavailable");
    assert_eq!(after(1, "2026-11-21T08:00:30Z"), "broken");
    assert_eq!(after(2, "2026-11-21T08:01:59Z"), "unavailable");
    assert_eq!(after(2, "2026-11-21T08:02:00Z"), "broken");
    assert_eq!(after(99, "2026-11-21T08:59:59Z"), "unavailable");
    assert_eq!(after(99, "2026-11-21T09:00:00Z"), "broken");
}

#[test]
fn the_looks_at_a_new_server_become_slower() {
    let recheck = |now: &str| match at(
        now,
        &json!({}),
        &pending(&json!({"status": "initializing"})),
        &facts(),
    )
    .readiness
    {
        Readiness::Creating { recheck } => recheck.as_secs(),
        other => panic!("{other:?}"),
    };
    let looks = ["08:00:00", "08:00:15", "08:00:40", "08:20:00"]
        .map(|at| recheck(&format!("2026-11-21T{at}Z")));
    assert_eq!(looks, [2, 3, 8, 10]);
}

fn stamp(purpose: &str, since: &str) -> String {
    Stamp::new(since.parse().unwrap(), purpose).to_string()
}

fn marked(key: &str, value: &str, more: &Value) -> Value {
    let mut server = json!({"labels": {format!("hcloud.openova.io/{key}"): value}});
    for (key, value) in more.as_object().unwrap() {
        server[key] = value.clone();
    }
    server
}

#[test]
fn a_change_that_needs_the_server_off_goes_through_its_stations() {
    let spec = json!({"serverType": "cx33"});
    let begun = |at: &str| stamp("serverType=cx33", at);
    let recent = begun("2026-11-21T08:00:00Z");
    let asked_at = |at: &str| {
        let stamp = Stamp::parse(&recent).unwrap();
        stamp.asked(at.parse().unwrap()).to_string()
    };
    let asked = asked_at("2026-11-21T08:00:06Z");
    let asked_in_vain = asked_at("2026-11-21T08:00:05Z");
    let long_ago = begun("2026-11-21T07:59:20Z");
    let off = json!({"status": "off"});
    let bigger = json!({"server_type": {"id": 2, "name": "cx33"}});
    #[rustfmt::skip]
    let rows: [(&str, Value, &str, &str); 10] = [
        ("it runs", json!({}), "serverType | +maintenance -refused Shutdown +maintenance", "available"),
        ("it could not be asked", marked("maintenance", &recent, &json!({})), "serverType | Shutdown +maintenance", "unavailable"),
        ("it shuts down", marked("maintenance", &asked, &json!({})), " | ", "unavailable"),
        ("it was not heard", marked("maintenance", &asked_in_vain, &json!({})), "serverType | Shutdown +maintenance", "unavailable"),
        ("it is stopping", marked("maintenance", &recent, &json!({"status": "stopping"})), " | ", "unavailable"),
        ("it does not obey", marked("maintenance", &long_ago, &json!({})), "serverType | PowerOff", "available"),
        ("it is off", marked("maintenance", &recent, &off), "serverType | ChangeType", "unavailable"),
        ("it is being moved", marked("maintenance", &recent, &json!({"status": "migrating"})), " | ", "unavailable"),
        ("it is done", marked("maintenance", &long_ago, &bigger), "maintenance | -maintenance", "available"),
        ("a shutdown may still be on its way", marked("maintenance", &recent, &bigger), " | ", "available"),
    ];
    for (name, observed, expected, readiness) in rows {
        let assessment = now(&spec, &observed);
        assert_eq!(told(&assessment), expected, "{name}");
        assert_eq!(state(&assessment.readiness), readiness, "{name}");
    }
}

#[test]
fn another_purpose_begins_anew() {
    let other = stamp("placementGroupId=6", "2026-11-21T07:00:00Z");
    let assessment = now(
        &json!({"serverType": "cx33"}),
        &marked("maintenance", &other, &json!({})),
    );
    assert_eq!(
        told(&assessment),
        "serverType | +maintenance -refused Shutdown +maintenance"
    );
}

#[test]
fn power_is_cut_at_once_when_a_shutdown_may_take_no_time() {
    let spec = json!({"serverType": "cx33", "shutdownTimeout": 0});
    assert_eq!(
        told(&now(&spec, &json!({}))),
        "serverType | +maintenance -refused PowerOff"
    );
}

#[test]
fn a_server_is_started_again_by_whoever_stopped_it() {
    let group = json!({"placementGroupId": "6"});
    let ours = stamp("placementGroupId=6", "2026-11-21T08:00:00Z");
    let off = json!({"status": "off"});
    let joined = json!({"status": "off", "placement_group": {"id": 6}});
    #[rustfmt::skip]
    let rows: [(&str, Value, Value, &str); 6] = [
        ("changed and started in one go", group.clone(), marked("maintenance", &ours, &off), "placementGroupId powerState | JoinPlacementGroup PowerOn -maintenance"),
        ("changed before a crash", group.clone(), marked("maintenance", &ours, &joined), "powerState | PowerOn -maintenance"),
        ("stopped by somebody else", group, off.clone(), "placementGroupId | JoinPlacementGroup"),
        ("to be running", json!({"powerState": "Running"}), off.clone(), "powerState | PowerOn"),
        ("to be off", json!({"powerState": "Stopped", "placementGroupId": "6"}), marked("maintenance", &ours, &off), "placementGroupId | JoinPlacementGroup"),
        ("off for good", json!({"powerState": "Stopped"}), marked("maintenance", &ours, &off), "maintenance | -maintenance"),
    ];
    for (name, spec, observed, expected) in rows {
        assert_eq!(told(&now(&spec, &observed)), expected, "{name}");
    }
}

#[test]
fn a_change_that_was_refused_is_not_tried_again_for_an_hour() {
    let spec = json!({"serverType": "cx33"});
    let refused = marked(
        "refused",
        &stamp("serverType=cx33", "2026-11-21T07:30:00Z"),
        &json!({}),
    );
    let assessment = now(&spec, &refused);
    assert_eq!(told(&assessment), "serverType | ");
    assert_eq!(state(&assessment.readiness), "available");
    let (message, retry) = assessment.held.unwrap();
    assert!(
        message.contains("the change of serverType was refused")
            && message.contains("2026-11-21T08:30:00Z"),
        "{message}"
    );
    assert_eq!(retry, Retry::After(HELD));

    let shutdown = "serverType | +maintenance -refused Shutdown +maintenance";
    assert_eq!(
        told(&at("2026-11-21T08:30:00Z", &spec, &refused, &facts())),
        shutdown,
        "an hour later"
    );
    let other = marked(
        "refused",
        &stamp("serverType=cx43", "2026-11-21T07:30:00Z"),
        &json!({}),
    );
    assert_eq!(
        told(&now(&spec, &other)),
        shutdown,
        "that was another change"
    );
    let done = marked(
        "refused",
        &stamp("serverType=cx33", "2026-11-21T07:30:00Z"),
        &json!({"server_type": {"id": 2, "name": "cx33"}}),
    );
    assert_eq!(told(&now(&spec, &done)), "refused | -refused");
}

#[test]
fn a_refusal_starts_only_a_server_again_that_was_stopped_for_it() {
    let spec = json!({"serverType": "cx33"});
    let ours = stamp("serverType=cx33", "2026-11-21T08:00:00Z");
    let off = json!({"status": "off"});
    assert!(
        now(&spec, &marked("maintenance", &ours, &off))
            .refusal
            .is_some()
    );
    assert!(now(&spec, &off).refusal.is_none());
}

#[test]
fn power_is_switched_only_when_the_spec_says_so() {
    let off = json!({"status": "off"});
    let unmanaged = now(&json!({}), &off);
    assert_eq!(
        (told(&unmanaged).as_str(), state(&unmanaged.readiness)),
        (" | ", "unavailable")
    );
    let wanted = now(&json!({"powerState": "Stopped"}), &off);
    assert_eq!(
        (told(&wanted).as_str(), state(&wanted.readiness)),
        (" | ", "available")
    );
    let running = now(&json!({"powerState": "Stopped"}), &json!({}));
    assert_eq!(
        told(&running),
        "powerState | +maintenance -refused Shutdown +maintenance"
    );
}

#[test]
fn a_reset_that_is_due_is_not_forgotten() {
    #[rustfmt::skip]
    let rows: [(&str, Value, Value, &str); 6] = [
        ("a drive is filled", json!({"iso": "x"}), json!({}), "iso | +restart AttachIso Reset -restart"),
        ("it was filled before a crash", json!({"iso": "x"}), marked("restart", "iso", &json!({"iso": {"id": 1, "name": "x"}})), "restart | Reset -restart"),
        ("rescue is begun", json!({"rescue": {}, "sshKeys": ["me"]}), json!({}), "rescue | EnableRescue +restart +rescue Reset -restart"),
        ("it was prepared before a crash", json!({}), marked("restart", "rescue", &json!({"rescue_enabled": true})), "restart | Reset -restart"),
        ("it was started before a crash", json!({}), marked("restart", "rescue", &json!({})), "restart | -restart"),
        ("it is off anyway", json!({}), marked("restart", "iso", &json!({"status": "off"})), "restart | -restart"),
    ];
    for (name, spec, observed, expected) in rows {
        assert_eq!(told(&now(&spec, &observed)), expected, "{name}");
    }
}

#[test]
fn a_replacement_is_reported_when_nothing_else_goes_on() {
    let spec = json!({"image": {"name": "debian-12"}, "placementGroupId": "6"});
    let begun = Stamp::new(
        "2026-11-21T08:00:00Z".parse().unwrap(),
        "placementGroupId=6",
    );
    let asked = begun.asked(NOW.parse().unwrap()).to_string();
    let waiting = now(&spec, &marked("maintenance", &asked, &json!({})));
    assert_eq!(told(&waiting), " | ", "looked at again soon");
    let done = now(&spec, &json!({"placement_group": {"id": 6}}));
    assert_eq!(
        done.drift.replacement().as_deref(),
        Some("image.name=debian-12")
    );
}

#[test]
fn a_server_without_any_interface_is_not_started() {
    let bare = json!({"status": "off", "public_net": {"ipv4": null, "ipv6": null}});
    let assessment = now(&json!({"powerState": "Running"}), &bare);
    assert_eq!(told(&assessment), " | ");
    let Readiness::Unavailable { message, .. } = assessment.readiness else {
        panic!("{:?}", assessment.readiness);
    };
    assert!(message.contains("no network interface"), "{message}");
}
