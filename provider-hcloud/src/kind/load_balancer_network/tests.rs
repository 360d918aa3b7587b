use std::time::Duration;

use hcloud_simulator::{DEFAULT_TOKEN, Fault};
use http::Method;
use serde_json::Value;

use super::*;
use crate::{
    kind::{
        load_balancer::tests::setup::{balancer, found, network, server, subnet},
        part::PartsOfProject,
        simulated::{self, absent, made, named, project, recorded, resource, seen},
    },
    managed::{External, Look, Observation, Retry},
};

fn attachments(project: &Project) -> PartsOfProject<LoadBalancerNetworks> {
    PartsOfProject::from(project.clone())
}

fn attachment(balancer: &str, more: &Value) -> LoadBalancerNetwork {
    let mut spec = json!({"loadBalancerId": balancer});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    resource(&spec)
}

/// The id of a network without subnets.
async fn bare_network(project: &Project) -> String {
    let request = json!({"name": "bare", "ip_range": "10.1.0.0/16"});
    let made = project.client.networks().create(&request).await;
    made.unwrap().id.to_string()
}

#[tokio::test]
async fn a_load_balancer_is_attached_its_address_is_filled_in_and_it_is_detached() {
    let (_simulator, project) = project().await;
    let (balancer, network) = (balancer(&project).await, network(&project).await);
    subnet(&project, &network, "10.0.2.0/24").await;
    let attachments = attachments(&project);
    let wanted = attachment(
        &balancer,
        &json!({"subnetId": format!("{network}-10.0.2.0/24")}),
    );
    let present = made(&attachments, &wanted.clone().into()).await;
    assert_eq!(present.external_name, format!("{balancer}-{network}"));
    assert_eq!(present.at_provider.ip, "10.0.2.1");
    assert_eq!(present.late_init, Some(json!({"ip": "10.0.2.1"})));
    assert!(present.drift.is_empty(), "{}", present.drift);
    assert_eq!(present.connection["privateIPv4"].expose(), b"10.0.2.1");

    let mut filled = wanted;
    filled.spec.for_provider.ip = Some("10.0.2.1".to_owned());
    let filled = recorded(filled, &present);
    assert_eq!(seen(&attachments, &filled).await.late_init, None);
    attachments.delete(&filled, &present).await.unwrap();
    assert!(absent(&attachments, &filled).await);
    attachments.delete(&filled, &present).await.unwrap();
}

#[tokio::test]
async fn another_address_or_subnet_needs_a_replacement() {
    let (_simulator, project) = project().await;
    let (balancer, network) = (balancer(&project).await, network(&project).await);
    let attachments = attachments(&project);
    let wanted = attachment(&balancer, &json!({"networkId": network, "ip": "10.0.1.7"}));
    let present = made(&attachments, &wanted.into()).await;
    assert_eq!(
        (present.at_provider.ip.as_str(), &present.late_init),
        ("10.0.1.7", &None)
    );
    for (fields, expected) in [
        (
            json!({"networkId": network, "ip": "10.0.1.8"}),
            "ip=10.0.1.8",
        ),
        (
            json!({"networkId": network, "ipRange": "10.0.2.0/24"}),
            "subnetId=10.0.2.0/24",
        ),
    ] {
        let moved = recorded(attachment(&balancer, &fields), &present);
        let present = seen(&attachments, &moved).await;
        assert_eq!(present.drift.replacement().as_deref(), Some(expected));
        assert!(!present.drift.in_place());
        assert_eq!(
            present.late_init, None,
            "an address that is wrong is not filled in"
        );
    }
}

#[tokio::test]
async fn only_one_network_is_possible_and_the_message_names_the_other() {
    let (_simulator, project) = project().await;
    let (balancer, first) = (balancer(&project).await, network(&project).await);
    let attachments = attachments(&project);
    made(
        &attachments,
        &attachment(&balancer, &json!({"networkId": first})).into(),
    )
    .await;
    let second = bare_network(&project).await;
    let wanted = attachment(&balancer, &json!({"networkId": second})).into();
    assert!(absent(&attachments, &wanted).await);
    let error = attachments.create(&wanted).await.unwrap_err();
    let expected = format!(
        "load balancer {balancer} is attached to network {first}, and one network is possible"
    );
    assert!(error.to_string().contains(&expected), "{error}");
    assert_eq!(error.retry(), Retry::BackOff);
}

#[tokio::test]
async fn a_network_without_a_free_address_is_tried_again() {
    let (_simulator, project) = project().await;
    let balancer = balancer(&project).await;
    let empty = bare_network(&project).await;
    let wanted = attachment(&balancer, &json!({"networkId": empty})).into();
    let error = attachments(&project).create(&wanted).await.unwrap_err();
    assert!(error.to_string().contains("no_subnet_available"), "{error}");
    assert_eq!(
        error.retry(),
        Retry::BackOff,
        "a subnet may be about to come"
    );
    subnet(&project, &empty, "10.1.1.0/24").await;
    made(&attachments(&project), &wanted).await;
}

#[tokio::test]
async fn what_is_attached_already_is_adopted() {
    let (simulator, project) = project().await;
    let (balancer, network) = (balancer(&project).await, network(&project).await);
    let wanted = attachment(&balancer, &json!({"networkId": network})).into();
    let lost = Fault::on(Method::POST, "/load_balancers/*/actions/attach_to_network").close_after();
    simulator.faults().inject(lost);
    let error = attachments(&project).create(&wanted).await.unwrap_err();
    assert!(error.outcome_unknown());
    attachments(&simulated::open(&simulator))
        .create(&wanted)
        .await
        .unwrap();
    assert_eq!(found(&project, &balancer).await.private_net.len(), 1);
}

#[tokio::test]
async fn a_network_that_still_shows_after_the_detachment_goes_with_the_next_look() {
    let (simulator, project) = project().await;
    let (balancer, network) = (balancer(&project).await, network(&project).await);
    let attachments = attachments(&project);
    let wanted = attachment(&balancer, &json!({"networkId": network}));
    let present = made(&attachments, &wanted.clone().into()).await;
    let wanted = recorded(wanted, &present);
    let lag = |lag| {
        let mut world = simulator.world();
        world
            .project_mut(DEFAULT_TOKEN)
            .unwrap()
            .load_balancing_mut()
            .detach_lag = lag;
    };
    lag(Duration::from_secs(3600));
    attachments.delete(&wanted, &present).await.unwrap();
    let stale = seen(&attachments, &wanted).await;
    attachments.delete(&wanted, &stale).await.unwrap();
    lag(Duration::ZERO);
    // What is known since the detachment is not trusted, however old a look may be.
    let look = Look::Shared {
        max_age: Duration::from_secs(3600),
    };
    let observation = attachments.observe(&wanted, look).await.unwrap();
    assert!(matches!(observation, Observation::Absent));
}

#[tokio::test]
async fn targets_of_others_hold_the_network_and_are_named() {
    let (_simulator, project) = project().await;
    let (balancer, network) = (balancer(&project).await, network(&project).await);
    let attachments = attachments(&project);
    let wanted = attachment(&balancer, &json!({"networkId": network}));
    let present = made(&attachments, &wanted.clone().into()).await;
    let server = server(
        &project,
        "server",
        &json!({"networks": [{"networkId": network}]}),
    )
    .await;
    let objects = project.client.load_balancers();
    let id = balancer.parse().unwrap();
    for destination in [
        Destination::LabelSelector("a=b".to_owned()),
        Destination::Server(server.parse().unwrap()),
    ] {
        objects
            .add_target(id, &destination, Some(true))
            .await
            .unwrap();
    }
    let wanted = recorded(wanted, &present);
    let error = attachments.delete(&wanted, &present).await.unwrap_err();
    let expected = format!(
        "still used by targets with private addresses (label selector a=b, server {server})"
    );
    assert!(error.to_string().contains(&expected), "{error}");
    assert!(matches!(error.retry(), Retry::Patiently(_)));
    assert_eq!(found(&project, &balancer).await.targets.len(), 2);

    objects.delete(id).await.unwrap();
    attachments.delete(&wanted, &present).await.unwrap();
    assert!(absent(&attachments, &wanted).await);
}

#[test]
fn private_targets_are_those_that_need_the_network() {
    let load_balancer = serde_json::from_value(json!({"id": 7, "targets": [
        {"type": "server", "server": {"id": 1}, "use_private_ip": true},
        {"type": "server", "server": {"id": 2}, "use_private_ip": false},
        {"type": "label_selector", "label_selector": {"selector": "a"}, "use_private_ip": true},
        {"type": "label_selector", "label_selector": {"selector": "b"}},
        {"type": "ip", "ip": {"ip": "10.0.3.4"}},
        {"type": "ip", "ip": {"ip": "203.0.113.1"}},
        {"type": "ip", "ip": {"ip": "2001:db8::1"}},
    ]}));
    assert_eq!(
        private_targets(&load_balancer.unwrap()),
        ["IP 10.0.3.4", "label selector a", "server 1"]
    );
}

#[test]
fn keys_are_read_as_they_are_written_and_made_of_the_spec() {
    for (text, expected) in [
        ("7-4711", Some("7-4711")),
        ("7", None),
        ("0-4711", None),
        ("7-x", None),
        ("7-4711-1", None),
    ] {
        let key = LoadBalancerNetworks::parse(text).map(|key| key.to_string());
        assert_eq!(key.as_deref(), expected, "{text}");
    }
    for (more, expected) in [
        (json!({"networkId": "4711"}), Ok("7-4711")),
        (json!({"subnetId": "4711-10.0.1.0/24"}), Ok("7-4711")),
        (
            json!({"subnetId": "4711-10.0.1.0/24", "networkId": "4712"}),
            Err("belongs to another network"),
        ),
        (json!({}), Err("this or subnetId is required")),
    ] {
        let key = LoadBalancerNetworks::key(&attachment("7", &more));
        match (key, expected) {
            (Ok(key), Ok(expected)) => assert_eq!(key.to_string(), expected),
            (Err(error), Err(expected)) => {
                let error = error.to_string();
                assert!(error.contains(expected), "{error}");
            }
            (key, expected) => panic!("{key:?} instead of {expected:?}"),
        }
    }
    let nowhere: LoadBalancerNetwork = named("one", &json!({"networkId": "4711"}));
    let error = LoadBalancerNetworks::key(&nowhere).unwrap_err().to_string();
    assert!(error.contains("loadBalancerId is required"), "{error}");
}
