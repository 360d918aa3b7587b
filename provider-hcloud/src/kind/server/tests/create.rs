use std::collections::BTreeSet;

use api::PlacementGroup;
use hcloud_simulator::{Fault, resource::image};
use http::Method;

use super::*;
use crate::{kind::placement_group::PlacementGroups, managed::Retry};

#[tokio::test]
async fn a_server_is_made_as_the_spec_says_and_marked_until_it_is_ready() {
    let stage = Stage::new().await;
    let network = stage.network("net", "10.0.0.0/16", "10.0.1.0/24").await;
    let group: PlacementGroup = resource(&json!({"type": "spread"}));
    let groups = ObjectsOfProject::<PlacementGroups>::from(stage.project.clone());
    let group = made(&groups, &group.into()).await.external_name;
    let mut one = One::new(&json!({
        "location": "nbg1", "labels": {"tier": "a"}, "networks": [{"networkId": network}], "placementGroupId": group,
        "userDataSecretRef": {"name": "boot", "key": "userData"},
    }));
    one.user_data = Some("#cloud-config".to_owned());
    let created = stage.create(&mut one).await.unwrap();
    assert!(created.connection.contains_key("rootPassword"));

    let server = stage.server(one.id());
    assert_eq!(server.name, "one");
    assert_eq!(server.user_data.as_ref().unwrap().as_str(), "#cloud-config");
    assert_eq!(label(&server, mark::SETUP).as_deref(), Some("pending"));
    assert_eq!(label(&server, "tier").as_deref(), Some("a"));

    let present = stage.look(&mut one).await;
    assert!(matches!(present.readiness, Readiness::Creating { .. }));
    assert_eq!(
        present.drift.to_string(),
        "setup: desired done, observed pending"
    );
    stage.settle(&mut one).await;
    let present = stage.look(&mut one).await;
    assert_eq!(present.readiness, Readiness::Available);
    assert_eq!(label(&stage.server(one.id()), mark::SETUP), None);

    let ServerObservation {
        status,
        server_type,
        cores,
        memory,
        disk,
        location,
        network_zone,
        image,
        public_ipv4,
        public_ipv6,
        primary_ipv4_id,
        private_nets,
        placement_group,
        price,
        user_data_hash,
        failed_creations,
        ..
    } = one.report();
    assert_eq!((status.as_str(), server_type.as_str()), ("running", "cx23"));
    assert_eq!((*cores, *memory, *disk), (2, 4, 40));
    assert_eq!(
        (location.as_str(), network_zone.as_str()),
        ("nbg1", "eu-central")
    );
    assert_eq!(image.as_ref().unwrap().name.as_deref(), Some("debian-13"));
    assert_eq!(private_nets[0].ip, "10.0.1.1");
    assert_eq!(placement_group.unwrap().to_string(), group);
    assert!(primary_ipv4_id.is_some() && user_data_hash.is_some());
    assert_eq!(*failed_creations, 0);
    let price = price.as_ref().unwrap();
    assert_eq!(price.currency, "EUR");
    assert_eq!(price.net_monthly, "5.99", "the type's 5.49 and the address");
    let text = |key: &str| String::from_utf8(present.connection[key].expose().to_vec()).unwrap();
    assert_eq!(Some(text("ipv4")), *public_ipv4);
    assert_eq!(Some(text("ipv6")), *public_ipv6);
    assert_eq!(text("privateIPv4"), "10.0.1.1");
}

#[tokio::test]
async fn without_capacity_the_next_candidate_is_taken_in_the_same_create() {
    let stage = Stage::new().await;
    stage.simulated(|project| {
        project.capacity.sell_out("cx23", "fsn1");
        project.capacity.fill_hosts("cx23", "nbg1");
    });
    let mut one =
        One::new(&json!({"serverTypes": ["cx23", "cpx22"], "locations": ["fsn1", "nbg1"]}));
    stage.simulator.log().clear();
    stage.create(&mut one).await.unwrap();
    // What the list says to be sold out is not even asked for; what has no host shows only then.
    assert_eq!(stage.calls(), ["POST /servers", "POST /servers"]);
    stage.settle(&mut one).await;
    let report = one.report();
    assert_eq!(
        (report.server_type.as_str(), report.location.as_str()),
        ("cpx22", "fsn1")
    );
    assert_eq!(stage.count(), 1);
}

#[tokio::test]
async fn when_nothing_can_be_had_the_error_names_what_was_tried_and_it_is_tried_again() {
    let stage = Stage::new().await;
    stage.simulated(|project| {
        project.capacity.sell_out("cx23", "fsn1");
        project.capacity.fill_hosts("cx23", "nbg1");
    });
    let mut one = One::new(&json!({"locations": ["fsn1", "nbg1"]}));
    let error = stage.create(&mut one).await.unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("tried cx23 in nbg1: ") && message.contains("(placement_error)"),
        "{message}"
    );
    assert!(
        message.contains("; cx23 in fsn1: ") && message.contains("(resource_unavailable)"),
        "{message}"
    );
    assert!(
        message.ends_with(": it is tried again every 5 minutes, and when the spec changes"),
        "{message}"
    );
    assert_eq!(error.retry(), Retry::After(drift::SOLD_OUT));
    assert!(!error.outcome_unknown());
    stage.simulated(|project| project.capacity.restock("cx23", "nbg1"));
    stage.create(&mut one).await.unwrap();
}

#[tokio::test]
async fn a_server_that_waits_in_a_shortage_takes_two_requests_each_time_and_tries_every_place() {
    const PLACES: [&str; 3] = ["fsn1", "nbg1", "hel1"];
    let mut stage = Stage::new().await;
    snapshot(&stage, "talos").await;
    stage.simulated(|project| {
        for place in PLACES {
            project.capacity.sell_out("cx23", place);
        }
    });
    stage.crash();
    let spec = json!({"locations": PLACES, "image": {"labelSelector": "os=talos"}});
    let mut one = One::named("two", &spec);
    // What all servers share is asked for before.
    stage.create(&mut one).await.unwrap_err();
    let mut tried = BTreeSet::new();
    for _ in PLACES {
        stage.hand.advance(drift::SOLD_OUT);
        stage.simulator.log().clear();
        let error = stage.create(&mut one).await.unwrap_err().to_string();
        assert_eq!(stage.calls(), ["POST /servers"]);
        let images = stage.simulator.log().of(&Method::GET, "/images");
        assert_eq!(images.len(), 1);
        assert_eq!(stage.simulator.log().entries().len(), 2);
        tried.extend(PLACES.into_iter().filter(|place| error.contains(place)));
    }
    assert_eq!(tried, BTreeSet::from(PLACES));
}

#[tokio::test]
async fn an_image_is_looked_up_once_for_all_candidates_of_an_architecture() {
    let stage = Stage::new().await;
    snapshot(&stage, "talos").await;
    stage.simulated(|project| {
        project.capacity.fill_hosts("cx23", "fsn1");
        project.capacity.fill_hosts("cx23", "nbg1");
    });
    let spec =
        json!({"locations": ["fsn1", "nbg1", "hel1"], "image": {"labelSelector": "os=talos"}});
    let mut one = One::named("two", &spec);
    stage.simulator.log().clear();
    stage.create(&mut one).await.unwrap();
    assert_eq!(stage.calls(), ["POST /servers"; 3]);
    let images = stage.simulator.log().of(&Method::GET, "/images");
    assert_eq!(images.len(), 1);
}

#[tokio::test]
async fn a_type_that_is_sold_no_more_is_left_out_and_named_when_nothing_else_can_be_had() {
    let stage = Stage::new().await;
    let mut one = One::new(&json!({"serverTypes": ["cx22", "cx23"], "locations": ["fsn1"]}));
    stage.simulated(|project| project.capacity.fill_hosts("cx23", "fsn1"));
    let error = stage.create(&mut one).await.unwrap_err().to_string();
    assert!(
        error.contains("there is no server type \"cx22\": choose one of cx23"),
        "{error}"
    );
    stage.simulated(|project| project.capacity.restock("cx23", "fsn1"));
    stage.create(&mut one).await.unwrap();
}

#[tokio::test]
async fn what_stands_in_the_way_of_a_create_for_now_is_tried_again_soon() {
    let stage = Stage::new().await;
    let address: api::PrimaryIP = named("ip", &json!({"type": "ipv4", "location": "fsn1"}));
    let ips = ObjectsOfProject::<crate::kind::primary_ip::PrimaryIps>::from(stage.project.clone());
    let address = made(&ips, &address.into()).await.external_name;
    let spec = json!({"location": "fsn1", "publicNet": {"ipv4Id": address}});
    let first = stage.ready(&spec).await;
    let mut second = One::named("second", &spec);
    let error = stage.create(&mut second).await.unwrap_err();
    assert!(
        error.to_string().contains("(primary_ip_assigned)"),
        "{error}"
    );
    assert_eq!(error.retry(), Retry::BackOff);
    stage
        .project
        .client
        .servers()
        .delete(first.id())
        .await
        .unwrap();
    stage.create(&mut second).await.unwrap();
}

/// A snapshot with the label `os`.
async fn snapshot(stage: &Stage, os: &str) {
    let source = stage.ready(&json!({})).await;
    let request = json!({"type": "snapshot", "labels": {"os": os}});
    let servers = stage.project.client.servers();
    servers
        .act(source.id(), "create_image", &request)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_does_not_exist_is_named_with_what_comes_near() {
    let stage = Stage::new().await;
    #[rustfmt::skip]
    let rows = [
        (json!({"serverType": "cx22"}), "spec.forProvider.serverType: there is no server type \"cx22\": choose one of cx23"),
        (json!({"serverTypes": ["cx22", "cx99"]}), "spec.forProvider.serverTypes: there is no server type \"cx22\": choose one of cx23"),
        (json!({"rescue": {}}), "spec.forProvider.rescue.sshKeys: without an SSH key nobody can get into the rescue system"),
        (json!({"location": "fsn9"}), "spec.forProvider.location: there is no location \"fsn9\": choose one of fsn1"),
        (json!({"locations": ["fsn1", "x"]}), "spec.forProvider.locations[1]: there is no location \"x\""),
        (json!({"location": "ash"}), "the server types are not sold there, but cx23 in"),
        (json!({"image": {"name": "debian-31"}}), "spec.forProvider.image.name: there is no image \"debian-31\" for x86: choose one of debian-1"),
        (json!({"image": {"id": "1"}}), "spec.forProvider.image.id: there is no image with id 1"),
        (json!({"image": {"labelSelector": "os=talos"}}), "spec.forProvider.image.labelSelector: no available snapshot for x86 matches \"os=talos\""),
    ];
    for (spec, expected) in rows {
        let error = stage.create(&mut One::new(&spec)).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.retry(), Retry::OnChange, "{error}");
    }
    assert_eq!(stage.count(), 0);
}

#[tokio::test]
async fn user_data_that_hetzner_would_refuse_is_refused_before_any_request() {
    let stage = Stage::new().await;
    let mut one = One::new(&json!({"userDataSecretRef": {"name": "boot", "key": "userData"}}));
    one.user_data = Some("x".repeat(32 * 1024 + 1));
    stage.simulator.log().clear();
    let error = stage.create(&mut one).await.unwrap_err().to_string();
    assert!(
        error.contains("spec.forProvider.userDataSecretRef: the user data has 32769 bytes"),
        "{error}"
    );
    assert!(stage.simulator.log().entries().is_empty());
    one.user_data = Some("x".repeat(32 * 1024));
    stage.create(&mut one).await.unwrap();
}

#[tokio::test]
async fn an_image_is_the_newest_snapshot_that_a_selector_finds_for_the_architecture() {
    let stage = Stage::new().await;
    let source = stage.ready(&json!({})).await;
    let servers = stage.project.client.servers();
    for os in ["talos", "talos", "other"] {
        let request = json!({"type": "snapshot", "labels": {"os": os}});
        servers
            .act(source.id(), "create_image", &request)
            .await
            .unwrap();
    }
    let newest = stage.simulated(|project| {
        let images = project.resources.images.iter();
        let talos = images.filter(|image| image.labels.get("os").is_some_and(|os| os == "talos"));
        talos.map(|image| image.id).max().unwrap()
    });
    let mut one = One::named("two", &json!({"image": {"labelSelector": "os=talos"}}));
    stage.create(&mut one).await.unwrap();
    assert_eq!(stage.server(one.id()).image, Some(newest));
    let mut arm = One::named(
        "three",
        &json!({"serverTypes": ["cax11"], "image": {"labelSelector": "os=talos"}}),
    );
    let error = stage.create(&mut arm).await.unwrap_err().to_string();
    assert!(error.contains("no available snapshot for arm"), "{error}");
    let debian = image::named(
        "debian-13",
        hcloud_simulator::resource::server_type::Architecture::Arm,
    );
    let mut arm = One::named("three", &json!({"serverTypes": ["cax11"]}));
    stage.create(&mut arm).await.unwrap();
    assert_eq!(stage.server(arm.id()).image, debian.map(|image| image.id));
}

#[tokio::test]
async fn a_create_without_an_answer_is_found_by_its_label_and_set_up() {
    let mut stage = Stage::new().await;
    let mut one = One::new(&json!({}));
    stage
        .simulator
        .faults()
        .inject(Fault::on(Method::POST, "/servers").close_after());
    let error = stage.create(&mut one).await.unwrap_err();
    assert!(error.outcome_unknown());
    stage.crash();
    let present = stage.look(&mut one).await;
    one.adopt(present.external_name.parse().unwrap());
    stage.settle(&mut one).await;
    assert_eq!(stage.look(&mut one).await.readiness, Readiness::Available);
    assert_eq!(stage.count(), 1);
}

#[tokio::test]
async fn a_server_of_somebody_else_is_adopted_by_its_id_and_compared_in_what_is_known() {
    let stage = Stage::new().await;
    let mut theirs = One::named("theirs", &json!({"sshKeys": []}));
    theirs.user_data = Some("#!/bin/sh".to_owned());
    stage.create(&mut theirs).await.unwrap();
    stage.simulated(|project| {
        project
            .servers_mut()
            .get_mut(theirs.id())
            .unwrap()
            .labels
            .clear()
    });

    let mut one = One::named(
        "mine",
        &json!({"name": "theirs", "labels": {"tier": "a"}, "sshKeys": ["me"]}),
    );
    one.user_data = Some("#cloud-config".to_owned());
    one.adopt(theirs.id());
    let present = stage.look(&mut one).await;
    assert_eq!(present.readiness, Readiness::Available);
    assert_eq!(
        present.drift.replacement(),
        None,
        "neither keys nor user data are known"
    );
    stage.settle(&mut one).await;
    let server = stage.server(one.id());
    assert_eq!(
        label(&server, "hcloud.openova.io/uid").as_deref(),
        Some("uid-of-mine")
    );
    assert_eq!(label(&server, "tier").as_deref(), Some("a"));
    assert_eq!(label(&server, mark::SETUP), None);
}
