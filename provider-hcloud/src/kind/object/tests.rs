use api::{Firewall, Network, PlacementGroup, PrimaryIP, SSHKey, Volume, VolumeAttachment};
use hcloud_simulator::{DEFAULT_TOKEN, Fault, Options, Simulator, SteppedClock};
use http::Method;
use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::{
    kind::{
        firewall::Firewalls,
        network::Networks,
        part::PartsOfProject,
        placement_group::PlacementGroups,
        primary_ip::PrimaryIps,
        simulated::{self, absent, changed, made, named, recorded, resource, seen},
        ssh_key::SshKeys,
        volume::Volumes,
        volume_attachment::VolumeAttachments,
    },
    managed::{Readiness, Retry},
};

fn network(name: &str, more: &Value) -> Network {
    let mut spec = json!({"ipRange": "10.0.0.0/16"});
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    named(name, &spec)
}

#[tokio::test]
async fn a_name_that_is_taken_by_what_an_earlier_create_made_is_no_obstacle() {
    let (_simulator, project) = simulated::project().await;
    let networks = ObjectsOfProject::<Networks>::from(project);
    let mine = Desired::from(network("mine", &json!({"name": "net"})));
    let first = networks.create(&mine).await.unwrap();
    assert_eq!(networks.create(&mine).await.unwrap(), first);
    let theirs = Desired::from(network("theirs", &json!({"name": "net"})));
    let error = networks.create(&theirs).await.unwrap_err().to_string();
    assert!(error.contains("is taken by network"), "{error}");
}

#[tokio::test]
async fn name_labels_and_protection_are_compared_and_changed_and_labels_of_others_stay() {
    let (simulator, project) = simulated::project().await;
    let networks = ObjectsOfProject::<Networks>::from(project.clone());
    let silent = Desired::from(network("net", &json!({})));
    let id = made(&networks, &silent).await.at_provider.id;
    let id = u64::try_from(id).unwrap();
    let objects = project.client.networks();
    let found = objects.read(id, Priority::Poll).await.unwrap().unwrap();
    let mut labels = found.labels.clone();
    labels.insert("foreign".to_owned(), "x".to_owned());
    objects
        .update(id, &json!({"labels": labels}))
        .await
        .unwrap();

    let spec = json!({"name": "renamed", "labels": {"tier": "a"}, "deleteProtection": true});
    let desired = Desired::from(network("net", &spec));
    assert_eq!(
        changed(&networks, &desired).await,
        "name: desired renamed, observed net; labels[tier]: desired a, observed nothing; deleteProtection: desired true, observed false"
    );
    let present = seen(&networks, &desired).await;
    assert_eq!(present.readiness, Readiness::Available);
    assert_eq!(present.at_provider.labels["foreign"], "x");
    assert_eq!(present.at_provider.labels[UID_LABEL], "uid-of-net");

    let refused = networks.delete(&desired, &present).await.unwrap_err();
    assert!(
        refused.to_string().contains("deleteProtection is true"),
        "{refused}"
    );
    let refused = networks.delete(&silent, &present).await.unwrap_err();
    assert!(
        refused.to_string().contains("is protected at Hetzner"),
        "{refused}"
    );
    let unprotected = Desired::from(network("net", &json!({"deleteProtection": false})));
    networks.delete(&unprotected, &present).await.unwrap();
    networks.delete(&unprotected, &present).await.unwrap();
    let world = simulator.world();
    assert!(
        world
            .project(DEFAULT_TOKEN)
            .unwrap()
            .resources
            .networks
            .is_empty()
    );
}

#[tokio::test]
async fn a_firewall_follows_its_rules_and_selectors_and_leaves_those_of_others() {
    let (_simulator, project) = simulated::project().await;
    let firewalls = ObjectsOfProject::<Firewalls>::from(project.clone());
    let ssh =
        json!({"direction": "in", "protocol": "tcp", "port": "22", "sourceIps": ["0.0.0.0/0"]});
    let spec = json!({"rules": [ssh], "labelSelectors": ["role=web"]});
    let present = made(&firewalls, &Desired::from(resource::<Firewall>(&spec))).await;
    assert!(present.drift.is_empty(), "{}", present.drift);
    assert_eq!(present.at_provider.own_label_selectors, ["role=web"]);

    let theirs = [hcloud::firewall::Target::label_selector("theirs")];
    let id = u64::try_from(present.at_provider.id).unwrap();
    project.client.firewalls().apply(id, &theirs).await.unwrap();
    let other = json!({"rules": [], "labelSelectors": ["role=db"]});
    let desired = recorded(resource::<Firewall>(&other), &present);
    assert_eq!(
        changed(&firewalls, &desired).await,
        "rules: desired nothing more, observed in tcp 22 0.0.0.0/0; labelSelectors: desired role=db, observed role=web"
    );
    let present = seen(&firewalls, &desired).await;
    let held = firewalls.delete(&desired, &present).await.unwrap_err();
    assert!(held.to_string().contains("label selector theirs"), "{held}");
    project
        .client
        .firewalls()
        .take_away(id, &theirs)
        .await
        .unwrap();
    firewalls.delete(&desired, &present).await.unwrap();
    assert!(absent(&firewalls, &desired).await);
}

#[tokio::test]
async fn an_ssh_key_and_a_placement_group_are_made_renamed_and_removed() {
    let (_simulator, project) = simulated::project().await;
    let keys = ObjectsOfProject::<SshKeys>::from(project.clone());
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXJ6T8vXkTMEzGqYmW5V9e5d1yiTtyqzxa2oOqXdYq1";
    let spec = json!({"publicKey": key, "labels": {"team": "a"}});
    let present = made(&keys, &Desired::from(resource::<SSHKey>(&spec))).await;
    assert!(present.drift.is_empty(), "{}", present.drift);
    let spec = json!({"publicKey": format!("{key} me"), "name": "other"});
    let desired = recorded(resource::<SSHKey>(&spec), &present);
    assert_eq!(
        changed(&keys, &desired).await,
        "name: desired other, observed one"
    );
    keys.delete(&desired, &present).await.unwrap();
    assert!(absent(&keys, &desired).await);

    let groups = ObjectsOfProject::<PlacementGroups>::from(project);
    let desired = Desired::from(resource::<PlacementGroup>(&json!({})));
    let present = made(&groups, &desired).await;
    assert_eq!(present.at_provider.type_, "spread");
    groups.delete(&desired, &present).await.unwrap();
    assert!(absent(&groups, &desired).await);
}

#[tokio::test]
async fn an_address_and_a_volume_have_prices_and_a_volume_only_grows() {
    let (simulator, project) = simulated::project().await;
    let ips = ObjectsOfProject::<PrimaryIps>::from(project.clone());
    let spec = json!({"type": "ipv4", "location": "fsn1"});
    let desired = Desired::from(resource::<PrimaryIP>(&spec));
    let present = made(&ips, &desired).await;
    assert!(present.drift.is_empty(), "{}", present.drift);
    let price = present.at_provider.price.clone().unwrap();
    assert_eq!(
        (price.currency.as_str(), price.observed_at.len()),
        ("EUR", 10)
    );
    ips.delete(&desired, &present).await.unwrap();

    let volumes = ObjectsOfProject::<Volumes>::from(project.clone());
    let size = |size: i64| json!({"size": size, "location": "fsn1", "format": "ext4"});
    let present = made(&volumes, &Desired::from(resource::<Volume>(&size(10)))).await;
    assert!(present.at_provider.price.is_some());
    let grown = recorded(resource::<Volume>(&size(20)), &present);
    assert_eq!(
        changed(&volumes, &grown).await,
        "size: desired 20, observed 10"
    );
    let shrunk = recorded(resource::<Volume>(&size(10)), &present);
    let present = seen(&volumes, &shrunk).await;
    assert_eq!(present.drift.replacement().as_deref(), Some("size=10"));

    let attachments = PartsOfProject::<VolumeAttachments>::from(project);
    let spec = json!({"volumeId": present.external_name, "serverId": "4711"});
    let nowhere = Desired::from(resource::<VolumeAttachment>(&spec));
    assert!(absent(&attachments, &nowhere).await);
    assert!(attachments.create(&nowhere).await.is_err());
    let taken = Fault::on(Method::POST, "/volumes/*/actions/attach");
    let taken = taken.answer(422, "volume_already_attached", "it is attached");
    simulator.faults().inject(taken);
    let error = attachments.create(&nowhere).await.unwrap_err();
    assert_eq!(error.retry(), Retry::BackOff, "{error}");
    volumes.delete(&shrunk, &present).await.unwrap();
    assert!(absent(&volumes, &shrunk).await);
}

#[tokio::test]
async fn a_predecessor_that_a_list_still_shows_is_not_taken_for_what_was_created() {
    let steps = SteppedClock::new(Timestamp::UNIX_EPOCH);
    let options = Options {
        clock: steps.clock(),
        ..Options::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let networks = ObjectsOfProject::<Networks>::from(simulated::open(&simulator));
    let desired = Desired::from(network("net", &json!({})));
    let old = made(&networks, &desired).await;
    let mut waiting = network("net", &json!({}));
    let annotations = waiting.meta_mut().annotations.get_or_insert_default();
    let pending = (
        "crossplane.io/external-create-pending",
        "1970-01-01T00:00:02Z",
    );
    annotations.insert(pending.0.to_owned(), pending.1.to_owned());
    let waiting = recorded(waiting, &old);
    let second = || steps.advance(Duration::from_secs(1));
    let stale = Fault::on(Method::GET, "/networks").always();
    let stale = simulator
        .faults()
        .inject(stale.stale(Duration::from_secs(2)));
    second();
    networks.delete(&desired, &old).await.unwrap();
    second();
    // Its answer is lost.
    let new = networks.create(&desired).await.unwrap();
    assert!(
        absent(&networks, &waiting).await,
        "the list shows the old one"
    );
    assert!(stale.hits() > 0);
    second();
    second();
    assert_eq!(
        seen(&networks, &waiting).await.external_name,
        new.external_name
    );
}
