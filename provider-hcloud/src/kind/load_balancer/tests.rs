pub(in crate::kind) mod setup;

use api::PrimaryIP;
use hcloud_simulator::{
    ActionMode, ApiDate, DEFAULT_TOKEN, Entry, Fault, Options, Simulator, log::Outcome,
};
use http::Method;
use serde_json::json;

use super::*;
use crate::{
    kind::{
        object::ObjectsOfProject,
        primary_ip::PrimaryIps,
        simulated::{self, absent, changed, made, named, project, recorded, resource, seen},
    },
    managed::{External, Retry},
};
use setup::{attach, found, network};

fn balancers(project: &Project) -> ObjectsOfProject<LoadBalancers> {
    ObjectsOfProject::from(project.clone())
}

async fn primary_ip(project: &Project, type_: &str) -> String {
    let ip: PrimaryIP = named(type_, &json!({"type": type_, "location": "fsn1"}));
    let ips = ObjectsOfProject::<PrimaryIps>::from(project.clone());
    made(&ips, &ip.into()).await.external_name
}

fn commands(simulator: &Simulator) -> Vec<String> {
    let mutations = simulator.log().mutations();
    let path = |entry: &Entry| entry.path.clone();
    let paths = mutations.iter().map(path);
    paths
        .map(|path| path.rsplit('/').next().unwrap_or_default().to_owned())
        .collect()
}

#[tokio::test]
async fn a_load_balancer_is_made_reported_and_deleted() {
    let (simulator, project) = project().await;
    let balancers = balancers(&project);
    let spec = json!({
        "name": "api", "loadBalancerType": "lb11", "location": "fsn1", "algorithm": "least_connections",
        "publicNet": {"enabled": true}, "labels": {"tier": "a"}, "deleteProtection": false,
    });
    let desired: LoadBalancer = resource(&spec);
    let present = made(&balancers, &desired.clone().into()).await;
    assert!(present.drift.is_empty(), "{}", present.drift);
    let report = &present.at_provider;
    assert_eq!(report.id.to_string(), present.external_name);
    assert_eq!(
        (report.name.as_str(), report.algorithm.as_str()),
        ("api", "least_connections")
    );
    assert_eq!(
        (report.location.as_str(), report.network_zone.as_str()),
        ("fsn1", "eu-central")
    );
    assert_eq!((report.max_services, report.targets), (Some(5), 0));
    assert!(report.public_interface && report.included_traffic.is_some());
    assert!(report.primary_ipv4_id.is_some() && report.primary_ipv6_id.is_some());
    let price = report.price.as_ref().unwrap();
    assert!(price.net_monthly.parse::<f64>().unwrap() > 1.0, "{price:?}");
    let ipv4 = report.public_ipv4.as_ref().unwrap();
    assert_eq!(present.connection["ipv4"].expose(), ipv4.as_bytes());
    assert!(present.connection.contains_key("ipv6"));

    let recorded = recorded(desired, &present);
    balancers.delete(&recorded, &present).await.unwrap();
    assert!(absent(&balancers, &recorded).await);
    balancers.delete(&recorded, &present).await.unwrap();
    let world = simulator.world();
    let project = world.project(DEFAULT_TOKEN).unwrap();
    assert!(project.load_balancers().is_empty() && project.primary_ips().is_empty());
}

#[tokio::test]
async fn a_load_balancer_can_be_changed_as_soon_as_it_is_made() {
    let (simulator, project) = project().await;
    let slow = ActionMode::Automatic(std::time::Duration::from_millis(50));
    simulator.actions().set_mode(slow);
    let spec = json!({"loadBalancerType": "lb11", "location": "fsn1"});
    let desired: LoadBalancer = resource(&spec);
    let made = balancers(&project).create(&desired.into()).await.unwrap();
    let id = made.external_name.parse().unwrap();
    let objects = project.client.load_balancers();
    objects.change_type(id, "lb21").await.unwrap();
    let refused = |entry: &Entry| entry.outcome == Outcome::Answered(409);
    assert!(!simulator.log().entries().iter().any(refused));
}

#[tokio::test]
async fn a_deletion_is_over_also_where_the_api_answers_without_an_action() {
    let options = Options {
        api_date: ApiDate::June2026,
        ..Options::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let project = simulated::open(&simulator);
    let balancers = balancers(&project);
    let spec = json!({"loadBalancerType": "lb11", "networkZone": "eu-central", "publicNet": {"ipv4Id": "7"}});
    let desired: LoadBalancer = resource(&spec);
    let present = made(&balancers, &desired.clone().into()).await;
    assert!(
        present.drift.is_empty(),
        "ids that are not told are not compared: {}",
        present.drift
    );
    let recorded = recorded(desired, &present);
    balancers.delete(&recorded, &present).await.unwrap();
    assert!(absent(&balancers, &recorded).await);
}

#[tokio::test]
async fn type_algorithm_name_and_protection_change_in_place_and_nothing_else_is_sent() {
    let (simulator, project) = project().await;
    let balancers = balancers(&project);
    let spec = json!({"loadBalancerType": "lb11", "networkZone": "eu-central"});
    let present = made(&balancers, &resource::<LoadBalancer>(&spec).into()).await;
    let spec = json!({
        "name": "renamed", "loadBalancerType": "lb21", "networkZone": "eu-central", "algorithm": "least_connections",
        "deleteProtection": true,
    });
    let desired = recorded(resource::<LoadBalancer>(&spec), &present);
    simulator.log().clear();
    let drift = changed(&balancers, &desired).await;
    assert_eq!(
        drift,
        "loadBalancerType: desired lb21, observed lb11; algorithm: desired least_connections, observed round_robin; \
         name: desired renamed, observed one; deleteProtection: desired true, observed false"
    );
    let sent = commands(&simulator);
    assert_eq!(sent.len(), 4, "{sent:?}");
    assert_eq!(
        sent[1..],
        ["change_protection", "change_algorithm", "change_type"]
    );
    let present = seen(&balancers, &desired).await;
    assert_eq!(present.at_provider.max_targets, Some(75));

    let refused = balancers.delete(&desired, &present).await.unwrap_err();
    assert!(
        refused.to_string().contains("deleteProtection is true"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_refused_change_does_not_keep_others_from_being_made() {
    let (simulator, project) = project().await;
    let balancers = balancers(&project);
    let spec = json!({"loadBalancerType": "lb11", "location": "fsn1"});
    let present = made(&balancers, &resource::<LoadBalancer>(&spec).into()).await;
    let locked = Fault::on(Method::POST, "/load_balancers/*/actions/change_algorithm").always();
    let locked = simulator
        .faults()
        .inject(locked.answer(423, "locked", "busy"));
    let spec =
        json!({"loadBalancerType": "lb21", "location": "fsn1", "algorithm": "least_connections"});
    let desired = recorded(resource::<LoadBalancer>(&spec), &present);
    let present = seen(&balancers, &desired).await;
    let error = balancers.update(&desired, &present).await.unwrap_err();
    assert!(error.to_string().contains("busy (locked)"), "{error}");
    assert!(
        matches!(error.retry(), Retry::Patiently(_)),
        "{:?}",
        error.retry()
    );
    simulator.faults().remove(locked.id());
    assert_eq!(
        changed(&balancers, &desired).await,
        "algorithm: desired least_connections, observed round_robin"
    );
}

#[tokio::test]
async fn a_type_or_place_that_does_not_exist_is_named_with_near_ones() {
    let (simulator, project) = project().await;
    let balancers = balancers(&project);
    for (spec, expected) in [
        (
            json!({"loadBalancerType": "lb12", "location": "fsn1"}),
            "loadBalancerType: there is no load balancer type \"lb12\": choose one of lb11",
        ),
        (
            json!({"loadBalancerType": "lb11", "location": "fsn2"}),
            "location: there is no location \"fsn2\": choose one of fsn1",
        ),
        (
            json!({"loadBalancerType": "lb11", "networkZone": "eu-west"}),
            "networkZone: there is no network zone \"eu-west\": choose one of eu-central",
        ),
        (
            json!({"loadBalancerType": "lb11"}),
            "location or networkZone is required",
        ),
        (json!({"location": "fsn1"}), "loadBalancerType is required"),
    ] {
        let desired: Desired<LoadBalancer> = resource::<LoadBalancer>(&spec).into();
        let error = balancers.create(&desired).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.retry(), Retry::OnChange);
    }
    assert!(simulator.log().mutations().is_empty());
    let present = made(
        &balancers,
        &resource::<LoadBalancer>(&json!({"loadBalancerType": "lb11", "location": "fsn1"})).into(),
    )
    .await;
    let unknown = json!({"loadBalancerType": "lb12", "location": "fsn1"});
    let unknown = recorded(resource::<LoadBalancer>(&unknown), &present);
    let present = seen(&balancers, &unknown).await;
    let error = balancers
        .update(&unknown, &present)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("choose one of lb11"), "{error}");
}

#[tokio::test]
async fn existing_primary_ips_are_used_kept_and_compared() {
    let (simulator, project) = project().await;
    let balancers = balancers(&project);
    let (ipv4, ipv6) = (
        primary_ip(&project, "ipv4").await,
        primary_ip(&project, "ipv6").await,
    );
    let spec = |ipv4: &str, ipv6: &str| {
        let public = json!({"ipv4Id": ipv4, "ipv6Id": ipv6});
        resource::<LoadBalancer>(
            &json!({"loadBalancerType": "lb11", "location": "fsn1", "publicNet": public}),
        )
    };
    let present = made(&balancers, &spec(&ipv4, &ipv6).into()).await;
    assert!(present.drift.is_empty(), "{}", present.drift);
    assert_eq!(
        present.at_provider.primary_ipv4_id.unwrap().to_string(),
        ipv4
    );

    let other = recorded(spec("4711", &ipv6), &present);
    let drift = seen(&balancers, &other).await.drift;
    assert!(!drift.in_place());
    assert_eq!(
        drift.replacement().as_deref(),
        Some("publicNet.ipv4Id=4711")
    );

    let taken: LoadBalancer = named(
        "second",
        &json!({"loadBalancerType": "lb11", "location": "fsn1", "publicNet": {"ipv4Id": ipv4}}),
    );
    let error = balancers.create(&taken.into()).await.unwrap_err();
    assert!(error.to_string().contains("primary_ip_assigned"), "{error}");
    assert_eq!(
        error.retry(),
        Retry::BackOff,
        "it may be about to become free"
    );

    let desired = recorded(spec(&ipv4, &ipv6), &present);
    balancers.delete(&desired, &present).await.unwrap();
    let world = simulator.world();
    assert_eq!(world.project(DEFAULT_TOKEN).unwrap().primary_ips().len(), 2);
}

#[tokio::test]
async fn the_public_interface_goes_off_when_a_network_is_there_and_on_again() {
    let (simulator, project) = project().await;
    let balancers = balancers(&project);
    let spec = |on: bool| {
        let public = json!({"enabled": on});
        resource::<LoadBalancer>(
            &json!({"loadBalancerType": "lb11", "location": "fsn1", "publicNet": public}),
        )
    };
    let present = made(&balancers, &spec(false).into()).await;
    assert_eq!(
        present.drift.to_string(),
        "publicNet.enabled: desired false, observed true"
    );
    let off = recorded(spec(false), &present);
    simulator.log().clear();
    let error = balancers.update(&off, &present).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("until the load balancer is attached to a network"),
        "{error}"
    );
    assert_eq!(error.retry(), Retry::BackOff);
    assert!(
        simulator.log().mutations().is_empty(),
        "what cannot work is not sent"
    );

    let network = network(&project).await;
    attach(&project, &present.external_name, &network).await;
    assert_eq!(
        changed(&balancers, &off).await,
        "publicNet.enabled: desired false, observed true"
    );
    let private = seen(&balancers, &off).await;
    assert_eq!(private.at_provider.private_nets[0].ip, "10.0.1.1");
    assert_eq!(private.connection["privateIPv4"].expose(), b"10.0.1.1");
    let on = recorded(spec(true), &present);
    assert_eq!(
        changed(&balancers, &on).await,
        "publicNet.enabled: desired true, observed false"
    );
}

#[tokio::test]
async fn services_targets_and_labels_of_others_are_no_differences_and_stay() {
    let (_simulator, project) = project().await;
    let balancers = balancers(&project);
    let spec = json!({"loadBalancerType": "lb11", "location": "fsn1", "labels": {"tier": "a"}});
    let desired: LoadBalancer = resource(&spec);
    let present = made(&balancers, &desired.clone().into()).await;
    let id = present.external_name.parse().unwrap();
    let objects = project.client.load_balancers();
    let mut labels = present.at_provider.labels.clone();
    labels.insert("hcloud-ccm/service-uid".to_owned(), "u".to_owned());
    objects
        .update(id, &json!({"labels": labels}))
        .await
        .unwrap();
    let service = json!({"protocol": "tcp", "listen_port": 443, "destination_port": 31443});
    objects.act(id, "add_service", &service).await.unwrap();
    let target = json!({"type": "label_selector", "label_selector": {"selector": "a=b"}});
    objects.act(id, "add_target", &target).await.unwrap();

    let desired = recorded(desired, &present);
    let present = seen(&balancers, &desired).await;
    assert!(present.drift.is_empty(), "{}", present.drift);
    assert_eq!(
        (
            present.at_provider.listen_ports.as_slice(),
            present.at_provider.targets
        ),
        (&[443][..], 1)
    );
    let mut more = spec.clone();
    more["labels"]["zone"] = json!("b");
    let more = recorded(resource::<LoadBalancer>(&more), &present);
    changed(&balancers, &more).await;
    let found = found(&project, &present.external_name).await;
    assert_eq!(found.labels["hcloud-ccm/service-uid"], "u");
    assert_eq!((found.services.len(), found.targets.len()), (1, 1));
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_found_by_its_label() {
    let (simulator, project) = project().await;
    let spec = json!({"loadBalancerType": "lb11", "location": "fsn1"});
    let desired: Desired<LoadBalancer> = resource::<LoadBalancer>(&spec).into();
    simulator
        .faults()
        .inject(Fault::on(Method::POST, "/load_balancers").close_after());
    let error = balancers(&project).create(&desired).await.unwrap_err();
    assert!(error.outcome_unknown());
    let again = balancers(&simulated::open(&simulator));
    let present = seen(&again, &desired).await;
    assert_eq!(
        again.create(&desired).await.unwrap().external_name,
        present.external_name
    );
}

#[test]
fn every_field_is_compared_and_what_is_left_out_is_not() {
    let found: hcloud::LoadBalancer = serde_json::from_value(json!({
        "id": 7, "name": "lb", "load_balancer_type": {"id": 1, "name": "lb11"}, "algorithm": {"type": "round_robin"},
        "location": {"id": 1, "name": "fsn1", "network_zone": "eu-central"},
        "public_net": {"enabled": true, "ipv4": {"id": 11, "ip": "192.0.2.1"}, "ipv6": {"ip": "2001:db8::1"}},
    }))
    .unwrap();
    for (spec, in_place, replacement) in [
        (json!({}), "", None),
        (
            json!({"loadBalancerType": "lb11", "location": "fsn1", "networkZone": "eu-central"}),
            "",
            None,
        ),
        (
            json!({"loadBalancerType": "lb31"}),
            "loadBalancerType: desired lb31, observed lb11",
            None,
        ),
        (json!({"algorithm": "round_robin"}), "", None),
        (
            json!({"algorithm": "least_connections"}),
            "algorithm: desired least_connections, observed round_robin",
            None,
        ),
        (
            json!({"location": "nbg1"}),
            "location: desired nbg1, observed fsn1",
            Some("location=nbg1"),
        ),
        (
            json!({"networkZone": "us-east"}),
            "networkZone: desired us-east, observed eu-central",
            Some("networkZone=us-east"),
        ),
        (json!({"publicNet": {}}), "", None),
        (
            json!({"publicNet": {"enabled": false}}),
            "publicNet.enabled: desired false, observed true",
            None,
        ),
        (
            json!({"publicNet": {"ipv4Id": "11", "ipv6Id": "12"}}),
            "",
            None,
        ),
        (
            json!({"publicNet": {"ipv4Id": "12"}}),
            "publicNet.ipv4Id: desired 12, observed 11",
            Some("publicNet.ipv4Id=12"),
        ),
    ] {
        let parameters = serde_json::from_value(spec.clone()).unwrap();
        let drift = drift(&parameters, &found);
        assert_eq!(drift.to_string(), in_place, "{spec}");
        assert_eq!(drift.replacement().as_deref(), replacement, "{spec}");
    }
}
