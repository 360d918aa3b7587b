use api::Server as Resource;
use serde_json::{Value, json};

use super::*;
use crate::{kind::simulated::resource, managed::Desired};

/// The spec, read.
pub(in crate::kind::server) fn wish(spec: &Value) -> Wish {
    let desired: Desired<Resource> = resource::<Resource>(spec).into();
    Wish::read(&desired).unwrap()
}

/// A running cx23 in fsn1 with both public addresses, made from debian-13; `change` replaces fields.
pub(in crate::kind::server) fn server(change: &Value) -> Server {
    let mut server = json!({
        "id": 42,
        "name": "one",
        "status": "running",
        "created": "2026-11-21T08:00:00Z",
        "labels": {},
        "server_type": {"id": 114, "name": "cx23", "architecture": "x86", "storage_type": "local", "disk": 40},
        "location": {"id": 1, "name": "fsn1", "network_zone": "eu-central"},
        "image": {"id": 7, "name": "debian-13", "description": "Debian 13"},
        "public_net": {
            "ipv4": {"id": 4, "ip": "192.0.2.4"},
            "ipv6": {"id": 6, "ip": "2001:db8::/64"},
            "firewalls": [],
        },
        "private_net": [],
        "primary_disk_size": 40,
    });
    for (key, value) in change.as_object().unwrap() {
        server[key] = value.clone();
    }
    serde_json::from_value(server).unwrap()
}

fn known() -> Vec<Arc<ServerType>> {
    let rows = [
        ("cx23", "x86", 40, true),
        ("cx33", "x86", 80, true),
        ("cx43", "x86", 160, false),
        ("cpx11", "x86", 20, true),
        ("cax21", "arm", 80, true),
    ];
    let read = |(index, (name, architecture, disk, available)): (
        usize,
        (&str, &str, u64, bool),
    )| {
        let server_type = json!({
            "id": index + 1, "name": name, "architecture": architecture, "storage_type": "local", "disk": disk,
            "locations": [{"name": "fsn1", "available": available}],
        });
        Arc::new(serde_json::from_value(server_type).unwrap())
    };
    rows.into_iter().enumerate().map(read).collect()
}

fn differences(spec: &Value, observed: &Value) -> Vec<String> {
    differences_of(spec, observed, false)
}

fn differences_of(spec: &Value, observed: &Value, own_placement_group: bool) -> Vec<String> {
    let (wish, server) = (wish(spec), server(observed));
    let facts = Facts {
        server_types: known(),
        own_firewalls: BTreeSet::from([4, 9]),
        own_placement_group,
        by_label: BTreeSet::from([9]),
        ..Facts::default()
    };
    let marks = Marks::of(&server.labels);
    let all = changes(&wish, &server, &marks, &facts);
    all.iter()
        .map(|Change { difference, way }| format!("{difference} -> {way:?}"))
        .collect()
}

/// What is different, and the beginning of how it is removed.
type Row<'a> = (&'a str, Value, Value, &'a [&'a str]);

fn check(rows: &[Row<'_>]) {
    for (name, spec, observed, expected) in rows {
        let found = differences(spec, observed);
        assert_eq!(found.len(), expected.len(), "{name}: {found:?}");
        for (found, expected) in found.iter().zip(*expected) {
            assert!(found.starts_with(expected), "{name}: {found}");
        }
    }
}

#[test]
fn what_the_spec_leaves_out_is_not_compared() {
    let busy = json!({
        "private_net": [{"network": 7, "ip": "10.0.0.2"}],
        "public_net": {"ipv4": null, "ipv6": null, "firewalls": [{"id": 3}]},
        "backup_window": "22-02", "iso": {"id": 1, "name": "x"}, "placement_group": {"id": 5},
        "labels": {"hcloud.openova.io/user-data": "a", "hcloud.openova.io/ssh-keys": "b", "hcloud.openova.io/image-selector": "c"},
    });
    assert_eq!(differences(&json!({}), &busy), Vec::<String>::new());
}

#[test]
fn networks_are_attached_detached_and_moved() {
    let one = json!({"private_net": [{"network": 7, "ip": "10.0.1.5", "alias_ips": ["10.0.1.9"]}]});
    check(&[
        (
            "same",
            json!({"networks": [{"networkId": "7"}]}),
            one.clone(),
            &[],
        ),
        (
            "same address",
            json!({"networks": [{"networkId": "7", "ip": "10.0.1.5"}]}),
            one.clone(),
            &[],
        ),
        (
            "missing",
            json!({"networks": [{"networkId": "7"}, {"subnetId": "8-10.9.0.0/24", "ip": "10.9.0.5"}]}),
            one.clone(),
            &[
                "networks[1]: desired network 8, observed not attached -> Now([Attach(AttachRequest { network: 8, ip: Some(10.9.0.5)",
            ],
        ),
        (
            "surplus first",
            json!({"networks": [{"networkId": "8"}]}),
            one.clone(),
            &[
                "networks: desired without network 7, observed attached -> Now([Detach(7)])",
                "networks[0]: desired network 8",
            ],
        ),
        (
            "another address",
            json!({"networks": [{"networkId": "7", "ip": "10.0.1.6"}]}),
            one.clone(),
            &["networks[0].ip: desired 10.0.1.6, observed 10.0.1.5 -> Now([Detach(7), Attach("],
        ),
        (
            "another subnet",
            json!({"networks": [{"subnetId": "7-10.0.2.0/24"}]}),
            one.clone(),
            &[
                "networks[0].subnetId: desired 10.0.2.0/24, observed 10.0.1.5 -> Now([Detach(7), Attach(",
            ],
        ),
        (
            "other further addresses",
            json!({"networks": [{"networkId": "7", "aliasIps": ["10.0.1.8"]}]}),
            one,
            &[
                "networks[0].aliasIps: desired 10.0.1.8, observed 10.0.1.9 -> Now([AliasIps(7, [10.0.1.8])])",
            ],
        ),
    ]);
}

#[test]
fn firewalls_of_others_stay() {
    let with = |ids: &[u64]| {
        let firewalls: Vec<_> = ids.iter().map(|id| json!({"id": id})).collect();
        json!({"public_net": {"firewalls": firewalls}})
    };
    check(&[
        (
            "by label",
            json!({"firewallIds": ["3"]}),
            with(&[3, 9]),
            &[],
        ),
        (
            "missing and surplus",
            json!({"firewallIds": ["3"]}),
            with(&[4, 9]),
            &["firewallIds: desired 3, observed 4 -> Now([ApplyFirewall(3), TakeFirewallAway(4)])"],
        ),
        (
            "none at all",
            json!({"firewallIds": []}),
            with(&[4]),
            &["firewallIds: desired none, observed 4 -> Now([TakeFirewallAway(4)])"],
        ),
        (
            "no list any more",
            json!({}),
            with(&[4]),
            &["firewallIds: desired none, observed 4 -> Now([TakeFirewallAway(4)])"],
        ),
        (
            "applied by others",
            json!({"firewallIds": ["3"]}),
            with(&[3, 5]),
            &[],
        ),
        ("never managed", json!({}), with(&[5]), &[]),
    ]);
}

#[test]
fn backups_the_drive_and_the_rescue_system_are_changed_in_place() {
    let digest = wish(&json!({"rescue": {}})).rescue_digest().unwrap();
    let of_me = wish(&json!({"rescue": {"sshKeys": ["me"]}}));
    let of_me = of_me.rescue_digest().unwrap();
    let rescued = json!({"labels": {"hcloud.openova.io/rescue": digest}});
    let mut prepared = rescued.clone();
    prepared["rescue_enabled"] = json!(true);
    let iso = json!({"iso": {"id": 9, "name": "tools.iso"}});
    check(&[
        (
            "backups on",
            json!({"backups": true}),
            json!({}),
            &["backups: desired true, observed false -> Now([EnableBackup])"],
        ),
        (
            "backups off",
            json!({"backups": false}),
            json!({"backup_window": "22-02"}),
            &["backups: desired false, observed true -> Now([DisableBackup])"],
        ),
        ("by name", json!({"iso": "tools.iso"}), iso.clone(), &[]),
        ("by id", json!({"iso": "9"}), iso.clone(), &[]),
        ("empty", json!({"iso": ""}), json!({}), &[]),
        (
            "put in",
            json!({"iso": "tools.iso"}),
            json!({}),
            &["iso: desired tools.iso, observed none -> Restart([AttachIso(\"tools.iso\")])"],
        ),
        (
            "take out",
            json!({"iso": ""}),
            iso,
            &["iso: desired none, observed tools.iso -> Restart([DetachIso])"],
        ),
        (
            "rescued",
            json!({"rescue": {"type": "linux64"}}),
            rescued.clone(),
            &[],
        ),
        (
            "nobody could get in",
            json!({"rescue": {}}),
            json!({}),
            &[&format!(
                "rescue: desired {digest}, observed never -> Held {{ message: \"spec.forProvider.rescue.sshKeys: without an SSH key"
            )],
        ),
        (
            "never rescued",
            json!({"rescue": {}, "sshKeyIds": ["7"]}),
            json!({}),
            &[&format!(
                "rescue: desired {digest}, observed never -> Restart([EnableRescue])"
            )],
        ),
        (
            "prepared by somebody",
            json!({"rescue": {"sshKeys": ["me"]}}),
            json!({"rescue_enabled": true}),
            &[&format!(
                "rescue: desired {of_me}, observed never -> Restart([DisableRescue, EnableRescue])"
            )],
        ),
        (
            "prepared by somebody, and not managed",
            json!({}),
            json!({"rescue_enabled": true}),
            &[],
        ),
        (
            "taken out after it was started",
            json!({}),
            rescued,
            &[&format!(
                "rescue: desired none, observed {digest} -> Now([Mark([(\"hcloud.openova.io/rescue\", None)])])"
            )],
        ),
        (
            "taken out before it was started",
            json!({}),
            prepared,
            &[&format!(
                "rescue: desired none, observed {digest} -> Now([DisableRescue, Mark([(\"hcloud.openova.io/rescue\", None)])])"
            )],
        ),
    ]);
}

#[test]
fn only_a_placement_group_that_the_spec_named_is_left() {
    let grouped = json!({"placement_group": {"id": 5}});
    let left = ["placementGroupId: desired none, observed 5 -> Off([LeavePlacementGroup])"];
    assert_eq!(differences_of(&json!({}), &grouped, true), left);
    assert!(differences_of(&json!({}), &grouped, false).is_empty());
}

#[test]
fn the_placement_group_and_public_addresses_are_changed_with_the_server_off() {
    let bare = json!({"public_net": {"ipv4": null, "ipv6": null}});
    let grouped = json!({"placement_group": {"id": 5}});
    let mut being_made = bare.clone();
    being_made["labels"] = json!({"hcloud.openova.io/new-ipv6": "pending"});
    check(&[
        (
            "same group",
            json!({"placementGroupId": "5"}),
            grouped.clone(),
            &[],
        ),
        (
            "join",
            json!({"placementGroupId": "6"}),
            json!({}),
            &["placementGroupId: desired 6, observed none -> Off([JoinPlacementGroup(6)])"],
        ),
        (
            "move",
            json!({"placementGroupId": "6"}),
            grouped,
            &[
                "placementGroupId: desired 6, observed 5 -> Off([LeavePlacementGroup, JoinPlacementGroup(6)])",
            ],
        ),
        (
            "any",
            json!({"publicNet": {"ipv4Enabled": true, "ipv6Enabled": true}}),
            json!({}),
            &[],
        ),
        (
            "none of one",
            json!({"publicNet": {"ipv4Enabled": false}}),
            json!({}),
            &[
                "publicNet.ipv4Enabled: desired false, observed true -> Off([Mark([(\"hcloud.openova.io/released-ipv4\", Some(\"4\"))]), Unassign(4), DeleteAddress(4), Mark([(\"hcloud.openova.io/released-ipv4\", None)])])",
            ],
        ),
        (
            "a new one",
            json!({"publicNet": {"ipv6Enabled": true}}),
            bare.clone(),
            &[
                "publicNet.ipv6Enabled: desired true, observed false -> Off([Mark([(\"hcloud.openova.io/new-ipv6\", Some(\"pending\"))]), NewAddress(\"ipv6\"), Mark([(\"hcloud.openova.io/new-ipv6\", None)])])",
            ],
        ),
        (
            "a new one that is being made",
            json!({"publicNet": {"ipv6Enabled": true}}),
            being_made.clone(),
            &["publicNet.ipv6Enabled: desired true, observed false -> Off("],
        ),
        (
            "a new one that is wanted no more",
            json!({"publicNet": {"ipv6Enabled": false}}),
            being_made,
            &[
                "publicNet.ipv6: desired no unused Primary IP, observed pending -> Now([DeleteUnusedAddresses(\"ipv6\"), Mark([(\"hcloud.openova.io/new-ipv6\", None)])])",
            ],
        ),
        (
            "one that was taken away and is wanted again",
            json!({"publicNet": {"ipv4Id": "11"}}),
            json!({"labels": {"hcloud.openova.io/released-ipv4": "11"}, "public_net": {"ipv4": null}}),
            &["publicNet.ipv4Id: desired Primary IP 11, observed none -> Off([Assign(11)])"],
        ),
        (
            "this one",
            json!({"publicNet": {"ipv4Id": "4"}}),
            json!({}),
            &[],
        ),
        (
            "another one",
            json!({"publicNet": {"ipv4Id": "11"}}),
            json!({}),
            &[
                "publicNet.ipv4Id: desired Primary IP 11, observed Primary IP 4 -> Off([Mark([(\"hcloud.openova.io/released-ipv4\", Some(\"4\"))]), Unassign(4), DeleteAddress(4), Mark([(\"hcloud.openova.io/released-ipv4\", None)]), Assign(11)])",
            ],
        ),
        (
            "first one",
            json!({"publicNet": {"ipv4Id": "11"}}),
            bare,
            &["publicNet.ipv4Id: desired Primary IP 11, observed none -> Off([Assign(11)])"],
        ),
    ]);
}

#[test]
fn a_server_type_is_changed_where_that_is_possible() {
    check(&[
        (
            "any of them",
            json!({"serverTypes": ["cx33", "cx23"]}),
            json!({}),
            &[],
        ),
        (
            "another",
            json!({"serverType": "cx33"}),
            json!({}),
            &["serverType: desired cx33, observed cx23 -> Off([ChangeType(\"cx33\")])"],
        ),
        (
            "the first that can be had",
            json!({"serverTypes": ["cx43", "cax21", "cx33"]}),
            json!({}),
            &[
                "serverType: desired cx43 or cax21 or cx33, observed cx23 -> Off([ChangeType(\"cx33\")])",
            ],
        ),
        (
            "sold out",
            json!({"serverType": "cx43"}),
            json!({}),
            &[
                "serverType: desired cx43, observed cx23 -> Held { message: \"server type cx43 cannot be had in fsn1",
            ],
        ),
        (
            "architecture",
            json!({"serverType": "cax21"}),
            json!({}),
            &["serverType: desired cax21, observed cx23 -> Replacement"],
        ),
        (
            "smaller disk",
            json!({"serverType": "cpx11"}),
            json!({}),
            &["serverType: desired cpx11, observed cx23 -> Replacement"],
        ),
        (
            "kept disk",
            json!({"serverType": "cpx11"}),
            json!({"primary_disk_size": 20}),
            &["serverType: desired cpx11, observed cx23 -> Off([ChangeType(\"cpx11\")])"],
        ),
        (
            "one that is sold no more and one that fits",
            json!({"serverTypes": ["cx22", "cx33"]}),
            json!({}),
            &["serverType: desired cx22 or cx33, observed cx23 -> Off([ChangeType(\"cx33\")])"],
        ),
        (
            "unknown",
            json!({"serverType": "cx99"}),
            json!({}),
            &[
                "serverType: desired cx99, observed cx23 -> Held { message: \"spec.forProvider.serverType: there is no server type \\\"cx99\\\"",
            ],
        ),
    ]);
}

#[test]
fn what_only_a_new_server_gets_needs_a_replacement_and_what_is_not_known_is_not_compared() {
    let keys = wish(&json!({"sshKeys": ["me", "7"]}))
        .ssh_keys_digest()
        .unwrap();
    let labels = json!({"labels": {"hcloud.openova.io/ssh-keys": keys}});
    let by_selector = wish(&json!({"image": {"labelSelector": "os=talos"}}));
    let selector = by_selector.image_selector_digest().unwrap();
    let selected = json!({"labels": {"hcloud.openova.io/image-selector": selector}});
    check(&[
        (
            "image",
            json!({"image": {"name": "debian-12"}}),
            json!({}),
            &["image.name: desired debian-12, observed debian-13 -> Rebuild"],
        ),
        (
            "image by id",
            json!({"image": {"id": "8"}}),
            json!({}),
            &["image.id: desired 8, observed 7 -> Rebuild"],
        ),
        (
            "image is gone",
            json!({"image": {"id": "8"}}),
            json!({"image": null}),
            &[],
        ),
        (
            "a newer snapshot",
            json!({"image": {"labelSelector": "os=talos"}}),
            json!({}),
            &[],
        ),
        (
            "in the list",
            json!({"locations": ["nbg1", "fsn1"]}),
            json!({}),
            &[],
        ),
        (
            "out of the list",
            json!({"locations": ["nbg1", "hel1"]}),
            json!({}),
            &["location: desired nbg1 or hel1, observed fsn1 -> Replacement"],
        ),
        (
            "the same keys",
            json!({"sshKeyIds": ["7"], "sshKeys": ["me"]}),
            labels.clone(),
            &[],
        ),
        (
            "other keys",
            json!({"sshKeys": ["me"]}),
            labels,
            &["sshKeys: desired "],
        ),
        ("adopted", json!({"sshKeys": ["me"]}), json!({}), &[]),
        (
            "made without keys",
            json!({"sshKeys": ["me"]}),
            json!({"labels": {"hcloud.openova.io/ssh-keys": "none"}}),
            &["sshKeys: desired "],
        ),
        (
            "the same selector",
            json!({"image": {"labelSelector": "os=talos"}}),
            selected.clone(),
            &[],
        ),
        (
            "another selector",
            json!({"image": {"labelSelector": "os=flatcar"}}),
            selected,
            &[
                "image.labelSelector: desired os=flatcar, observed an image of another choice -> Rebuild",
            ],
        ),
        (
            "a selector instead of a name",
            json!({"image": {"labelSelector": "os=talos"}}),
            json!({"labels": {"hcloud.openova.io/image-selector": "none"}}),
            &[
                "image.labelSelector: desired os=talos, observed an image of another choice -> Rebuild",
            ],
        ),
    ]);
}

#[test]
fn changed_user_data_is_for_the_next_server() {
    let recorded = json!({"labels": {"hcloud.openova.io/user-data": "before"}});
    let mut wish = wish(&json!({}));
    wish.user_data = Some("after".to_owned());
    let found = |server: &Server| fixed(&wish, server, &Marks::of(&server.labels));
    let [Change { difference, way }] = &found(&server(&recorded))[..] else {
        panic!("one difference");
    };
    assert_eq!(
        difference.to_string(),
        "userData: desired after, observed before"
    );
    assert_eq!(*way, Way::Succession);
    assert!(found(&server(&json!({}))).is_empty(), "adopted");
    let without = json!({"labels": {"hcloud.openova.io/user-data": "none"}});
    assert_eq!(found(&server(&without))[0].way, Way::Succession);
}
