use expect_test::expect;
use serde_json::{Value, json};

use super::*;
use crate::region::fixture::{
    Rendered, RenderedObject, composite, hindered, observed, rendered, site,
};

fn spec(from: u32, to: u32, machine: &Value) -> Value {
    json!({
        "cluster": "demo-fsn-k3s",
        "firstAddress": "10.0.1.20",
        "from": from,
        "hostPrefix": "demo-fsn-k3s-work-abc123",
        "machine": machine,
        "pool": "work",
        "site": site(),
        "to": to,
        "userData": {
            "first": {"name": "demo-fsn-k3s-init", "key": "user-data"},
            "secretRef": {"name": "demo-fsn-k3s-work", "key": "user-data"},
        },
    })
}

fn machine() -> Value {
    json!({"image": "ubuntu-24.04", "locations": ["fsn1", "nbg1"], "serverTypes": ["cx33", "cpx31"]})
}

fn render(spec: &Value, children: &[(String, Value)]) -> Result<Rendered, String> {
    rendered(compose(
        &composite("demo-fsn-k3s-work-0", spec),
        &observed(children),
    ))
}

/// A server as the provider reports it.
fn report(ordinal: u32, server_type: &str) -> Value {
    json!({
        "id": 100 + ordinal,
        "name": "any",
        "status": "running",
        "serverType": server_type,
        "location": "fsn1",
        "publicIpv4": format!("203.0.113.{ordinal}"),
        "privateNets": [{"networkId": 7, "ip": format!("10.0.1.{}", 20 + ordinal)}],
        "price": {"currency": "EUR", "netMonthly": "5.49", "observedAt": "2026-11-03"},
    })
}

fn ordinal(object: &RenderedObject) -> u32 {
    object.key.strip_prefix("server-").unwrap().parse().unwrap()
}

/// Everything exists and is ready; servers have this type.
fn all_exist(rendered: &Rendered, server_type: &str) -> Vec<(String, Value)> {
    rendered.exist(|object| {
        Some(match object.object["kind"].as_str().unwrap() {
            "Server" => json!({"atProvider": report(ordinal(object), server_type)}),
            "Volume" => json!({"atProvider": {
                "id": 300,
                "price": {"currency": "EUR", "netMonthly": "0.51", "observedAt": "2026-11-02"},
            }}),
            _ => json!({"atProvider": {"id": 200}}),
        })
    })
}

#[test]
fn a_server_is_composed_whole() {
    let rendered = render(&spec(0, 1, &machine()), &[]).unwrap();
    assert_eq!(rendered.keys(), ["placement-group", "server-0", "server-1"]);
    expect![[r#"
        {
          "apiVersion": "hcloud.openova.io/v1alpha1",
          "kind": "Server",
          "metadata": {
            "labels": {
              "compose.openova.io/platform": "demo",
              "compose.openova.io/region": "fsn"
            },
            "name": "demo-fsn-k3s-work-abc123-1",
            "namespace": "team"
          },
          "spec": {
            "forProvider": {
              "backups": false,
              "firewallIdRefs": [
                {
                  "name": "demo-fsn"
                }
              ],
              "image": {
                "name": "ubuntu-24.04"
              },
              "labels": {
                "compose.openova.io/cluster": "demo-fsn-k3s-1sbd1w",
                "compose.openova.io/platform": "demo",
                "compose.openova.io/pool": "work",
                "compose.openova.io/region": "fsn",
                "compose.openova.io/role": "worker"
              },
              "locations": [
                "fsn1",
                "nbg1"
              ],
              "networks": [
                {
                  "ip": "10.0.1.21",
                  "subnetIdRef": {
                    "name": "demo-fsn-k3s"
                  }
                }
              ],
              "placementGroupIdRef": {
                "name": "demo-fsn-k3s-work-0"
              },
              "publicNet": {
                "ipv4Enabled": true,
                "ipv6Enabled": true
              },
              "serverTypes": [
                "cx33",
                "cpx31"
              ],
              "sshKeyIdRefs": [
                {
                  "name": "demo-admin"
                }
              ],
              "userDataSecretRef": {
                "key": "user-data",
                "name": "demo-fsn-k3s-work"
              }
            },
            "managementPolicies": [
              "*"
            ],
            "providerConfigRef": {
              "kind": "ClusterProviderConfig",
              "name": "default"
            }
          }
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&rendered.get("server-1").object).unwrap());
    assert_eq!(rendered.waiting(), Some(("Creating", "")));
    assert_eq!(
        rendered.status,
        json!({
            "current": 0,
            "desired": 2,
            "ready": 0,
            "servers": [
                {"name": "demo-fsn-k3s-work-abc123-0", "ready": false},
                {"name": "demo-fsn-k3s-work-abc123-1", "ready": false},
            ],
        })
    );
}

#[test]
fn only_the_server_with_ordinal_0_can_have_user_data_of_its_own() {
    let first = render(&spec(0, 1, &machine()), &[]).unwrap();
    let secret = |rendered: &Rendered, key: &str| {
        rendered.wanted(key)["userDataSecretRef"]["name"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(secret(&first, "server-0"), "demo-fsn-k3s-init");
    assert_eq!(secret(&first, "server-1"), "demo-fsn-k3s-work");
    let later = render(&spec(10, 10, &machine()), &[]).unwrap();
    assert_eq!(secret(&later, "server-10"), "demo-fsn-k3s-work");

    let mut joining = spec(0, 1, &machine());
    joining["userData"].as_object_mut().unwrap().remove("first");
    let joining = render(&joining, &all_exist(&first, "cx33")).unwrap();
    assert_eq!(
        secret(&joining, "server-0"),
        "demo-fsn-k3s-work",
        "a server that is made again joins"
    );
}

#[test]
fn ten_servers_have_consecutive_names_and_addresses() {
    let rendered = render(&spec(10, 19, &machine()), &[]).unwrap();
    assert_eq!(rendered.desired.len(), 11);
    for (offset, server) in rendered.desired[1..].iter().enumerate() {
        assert_eq!(server.key, format!("server-{}", 10 + offset));
        assert_eq!(
            server.object["metadata"]["name"],
            format!("demo-fsn-k3s-work-abc123-{}", 10 + offset)
        );
        assert_eq!(
            server.object["spec"]["forProvider"]["networks"][0]["ip"],
            format!("10.0.1.{}", 20 + offset)
        );
    }
}

#[test]
fn names_at_the_length_limit_fit() {
    let mut long = spec(9999, 9999, &machine());
    long["hostPrefix"] = json!("h".repeat(58));
    long["firstAddress"] = Value::Null;
    long["machine"]["volumes"] = json!([{"name": "d".repeat(20), "size": 10}]);
    long["machine"]["locations"] = json!(["fsn1"]);
    let name = "g".repeat(63);
    let rendered = rendered(compose(&composite(&name, &long), &observed(&[]))).unwrap();
    assert_eq!(rendered.names()[1], format!("{}-9999", "h".repeat(58)));
    assert_eq!(
        rendered.wanted("placement-group")["name"]
            .as_str()
            .unwrap()
            .len(),
        63
    );
}

#[test]
fn addresses_must_fit_into_the_subnet() {
    for (first, fits) in [
        ("10.0.1.20", true),
        ("10.0.1.245", true),
        ("10.0.1.246", false),
        ("10.0.2.20", false),
        ("10.0.0.250", false),
    ] {
        let mut spec = spec(10, 19, &machine());
        spec["firstAddress"] = json!(first);
        let expected = format!(
            "spec.firstAddress: the servers 10 to 19 from {first} on do not fit into the subnet 10.0.1.0/24: \
             choose an address with room for all of them"
        );
        assert_eq!(render(&spec, &[]).err(), (!fits).then_some(expected));
    }
}

#[test]
fn a_group_has_no_more_objects_than_crossplane_copes_with() {
    let with = |from, to, volumes: usize| {
        let mut machine = machine();
        let volumes = (0..volumes).map(|index| json!({"name": format!("v{index}"), "size": 10}));
        machine["volumes"] = volumes.collect();
        machine["locations"] = json!(["fsn1"]);
        render(&spec(from, to, &machine), &[])
    };
    for (to, volumes) in [(9, 0), (7, 1), (3, 2), (0, 8)] {
        let objects = with(0, to, volumes).unwrap().desired.len();
        assert!(objects <= 25, "{objects}");
    }
    let too_many = |servers: u32, objects: u32| {
        format!(
            "spec.machine.volumes: {servers} servers with their volumes make a group of {objects} objects, and 25 are the most: make the group smaller, or the volumes fewer"
        )
    };
    assert_eq!(with(0, 8, 1).unwrap_err(), too_many(9, 28));
    assert_eq!(with(10, 11, 8).unwrap_err(), too_many(2, 35));
    let ordinals = |from: u32, to: u32| {
        format!(
            "spec.to: a group has 1 to 10 servers, not those from {from} to {to}: write {from} to {}",
            from.saturating_add(9)
        )
    };
    for (from, to) in [(0, 10), (5, 4), (0, u32::MAX), (u32::MAX, 0)] {
        assert_eq!(with(from, to, 0).unwrap_err(), ordinals(from, to));
    }
}

#[test]
fn without_public_addresses_there_is_no_firewall() {
    let mut private = machine();
    private["public"] = json!({"ipv4": false, "ipv6": false});
    let rendered = render(&spec(0, 0, &private), &[]).unwrap();
    let server = rendered.wanted("server-0");
    assert_eq!(server.get("firewallIdRefs"), None);
    assert_eq!(
        server["publicNet"],
        json!({"ipv4Enabled": false, "ipv6Enabled": false})
    );
}

#[test]
fn rows_tell_what_the_provider_reports_and_costs_are_summed() {
    let mut machine = machine();
    machine["volumes"] = json!([{"name": "data", "size": 20}]);
    let spec = spec(0, 1, &machine);
    let first = render(&spec, &[]).unwrap();
    let second = render(&spec, &all_exist(&first, "cx33")).unwrap();
    let children = all_exist(&second, "cx33");
    let settled = render(&spec, &children).unwrap();
    assert_eq!(settled.waiting(), None);
    assert!(settled.desired.iter().all(|it| it.ready));
    let rows = [0, 1].map(|ordinal| {
        json!({
            "address": format!("203.0.113.{ordinal}"),
            "id": format!("{}", 100 + ordinal),
            "location": "fsn1",
            "name": format!("demo-fsn-k3s-work-abc123-{ordinal}"),
            "price": {"asOf": "2026-11-03", "currency": "EUR", "monthly": "5.49"},
            "privateIP": format!("10.0.1.{}", 20 + ordinal),
            "ready": true,
            "state": "running",
            "type": "cx33",
        })
    });
    assert_eq!(
        settled.status,
        json!({
            "cost": {"asOf": "2026-11-02", "currency": "EUR", "monthly": "12.00"},
            "current": 2,
            "desired": 2,
            "ready": 2,
            "servers": rows,
        })
    );
    assert_eq!(settled, render(&spec, &children).unwrap(), "deterministic");

    let mut unpriced = children;
    let report = &mut unpriced[1].1["status"]["atProvider"];
    report.as_object_mut().unwrap().remove("price");
    let unknown = render(&spec, &unpriced).unwrap();
    assert_eq!(
        unknown.status.get("cost"),
        None,
        "a sum of the rest would mislead"
    );
}

#[test]
fn a_server_that_is_being_created_shows_no_progress() {
    let spec = spec(0, 0, &machine());
    let first = render(&spec, &[]).unwrap();
    let course = ["initializing", "off", "starting"].map(|state| {
        let creating = first.exist(|object| {
            let conditions = json!([{"type": "Ready", "status": "False", "reason": "Creating", "message": state}]);
            (object.key == "server-0").then(|| {
                let mut report = report(0, "cx33");
                report["status"] = json!(state);
                json!({"atProvider": report, "conditions": conditions})
            })
        });
        let rendered = render(&spec, &creating).unwrap();
        (rendered.status, rendered.conditions)
    });
    assert_eq!(course[0].0, first.status);
    assert!(course.iter().all(|step| *step == course[0]));
}

#[test]
fn what_hinders_a_server_is_told_with_its_name() {
    let spec = spec(0, 2, &machine());
    let first = render(&spec, &[]).unwrap();
    let children = first.exist(|object| {
        (object.key == "server-1").then(|| json!({"conditions": hindered("sold out")}))
    });
    let rendered = render(&spec, &children).unwrap();
    assert_eq!(
        rendered.waiting(),
        Some((
            "ReconcileError",
            "waiting for server demo-fsn-k3s-work-abc123-1: sold out"
        ))
    );
}

#[test]
fn a_volume_stands_where_its_server_is_and_holds_it_there() {
    let mut machine = machine();
    machine["volumes"] = json!([{"name": "data", "size": 20, "format": "xfs"}]);
    let spec = spec(0, 0, &machine);
    let first = render(&spec, &[]).unwrap();
    assert_eq!(
        first.keys(),
        ["placement-group", "server-0"],
        "the cloud chooses between two locations"
    );
    let second = render(&spec, &all_exist(&first, "cx33")).unwrap();
    assert_eq!(
        second.keys(),
        [
            "placement-group",
            "server-0",
            "volume-0-data",
            "attachment-0-data"
        ]
    );
    assert_eq!(
        second.wanted("volume-0-data")["location"],
        "fsn1",
        "where the server was found"
    );
    assert_eq!(
        second.wanted("server-0")["locations"],
        json!(["fsn1", "nbg1"])
    );

    // The server was deleted: its successor goes to the volume.
    let mut children = all_exist(&second, "cx33");
    children.retain(|(key, _)| key != "server-0");
    let third = render(&spec, &children).unwrap();
    assert_eq!(third.wanted("server-0")["locations"], json!(["fsn1"]));
    assert_eq!(third.keys(), second.keys(), "nothing is dropped");
}

#[test]
fn in_a_single_location_volumes_need_not_wait() {
    let mut machine = machine();
    machine["locations"] = json!(["hel1"]);
    machine["volumes"] = json!([{"name": "data", "size": 20}]);
    let rendered = render(&spec(0, 0, &machine), &[]).unwrap();
    assert_eq!(rendered.wanted("volume-0-data")["location"], "hel1");
    assert_eq!(
        rendered.wanted("attachment-0-data"),
        &json!({
            "automount": true,
            "serverIdRef": {"name": "demo-fsn-k3s-work-abc123-0"},
            "volumeIdRef": {"name": "demo-fsn-k3s-work-abc123-0-data"},
        })
    );
}

#[test]
fn what_only_a_new_server_gets_stays_on_those_that_exist() {
    let first = render(&spec(0, 0, &machine()), &[]).unwrap();
    let mut changed = spec(
        0,
        1,
        &json!({"image": "debian-13", "locations": ["hel1"], "serverTypes": ["cpx31", "cx33"]}),
    );
    changed["site"]["sshKeys"] = json!(["demo-other"]);
    changed["spread"] = json!(false);
    let rendered = render(&changed, &all_exist(&first, "cx33")).unwrap();

    let old = rendered.wanted("server-0");
    assert_eq!(old["image"], json!({"name": "ubuntu-24.04"}));
    assert_eq!(old["locations"], json!(["fsn1", "nbg1"]));
    assert_eq!(old["sshKeyIdRefs"], json!([{"name": "demo-admin"}]));
    assert_eq!(
        old["placementGroupIdRef"],
        json!({"name": "demo-fsn-k3s-work-0"})
    );
    assert_eq!(
        old["serverTypes"],
        json!(["cpx31", "cx33"]),
        "another order interrupts nothing"
    );
    let new = rendered.wanted("server-1");
    assert_eq!(new["image"], json!({"name": "debian-13"}));
    assert_eq!(new["locations"], json!(["hel1"]));
    assert_eq!(new["sshKeyIdRefs"], json!([{"name": "demo-other"}]));
    assert_eq!(new.get("placementGroupIdRef"), None);
    assert!(
        rendered.keys().contains(&"placement-group"),
        "a server is still in it"
    );
}

#[test]
fn servers_change_their_type_one_after_the_other() {
    let old = spec(0, 2, &machine());
    let mut machine = machine();
    machine["serverTypes"] = json!(["ccx13"]);
    let new = spec(0, 2, &machine);
    let mut children = all_exist(&render(&old, &[]).unwrap(), "cx33");
    let types = |rendered: &Rendered| {
        (0..3)
            .map(|ordinal| rendered.wanted(&format!("server-{ordinal}"))["serverTypes"][0].clone())
            .collect::<Vec<_>>()
    };
    let ready = |rendered: &Rendered| -> Vec<bool> {
        rendered.desired[1..].iter().map(|it| it.ready).collect()
    };

    for turn in 0..3 {
        let expected: Vec<_> = (0..3)
            .map(|ordinal| if ordinal <= turn { "ccx13" } else { "cx33" })
            .collect();
        let rendered = render(&new, &children).unwrap();
        assert_eq!(types(&rendered), expected);
        assert!(!ready(&rendered)[turn], "about to be switched off");
        assert_eq!(ready(&rendered).iter().filter(|ready| **ready).count(), 2);

        // Crossplane has written the spec, and the provider has not looked at it yet.
        for (key, child) in &mut children {
            child["spec"] = rendered.get(key).object["spec"].clone();
        }
        assert_eq!(
            types(&render(&new, &children).unwrap()),
            expected,
            "nobody else starts"
        );

        let server = &mut children[1 + turn].1["status"];
        server["atProvider"]["serverType"] = json!("ccx13");
    }
    let done = render(&new, &children).unwrap();
    assert_eq!(types(&done), ["ccx13"; 3]);
    assert_eq!(done.waiting(), None);
}

#[test]
fn public_addresses_change_one_server_at_a_time_too() {
    let old = spec(0, 1, &machine());
    let mut machine = machine();
    machine["public"] = json!({"ipv4": false});
    let children = all_exist(&render(&old, &[]).unwrap(), "cx33");
    let rendered = render(&spec(0, 1, &machine), &children).unwrap();
    assert_eq!(
        rendered.wanted("server-0")["publicNet"]["ipv4Enabled"],
        false
    );
    assert_eq!(
        rendered.wanted("server-1")["publicNet"]["ipv4Enabled"],
        true
    );
}
