use api::{LoadBalancerNetwork, Network, Route, ServerNetwork, Subnet};
use hcloud_simulator::DEFAULT_TOKEN;
use serde_json::json;

use super::*;
use crate::kind::{
    load_balancer::tests::setup,
    load_balancer_network::LoadBalancerNetworks,
    network::Networks,
    object::ObjectsOfProject,
    route::Routes,
    server_network::ServerNetworks,
    simulated::{self, absent, changed, deleted, made, recorded, resource, seen},
    subnet::Subnets,
};

/// The id of a network 10.0.0.0/16, as specs name it.
async fn network(project: &Project) -> String {
    let networks = ObjectsOfProject::<Networks>::from(project.clone());
    let network = Desired::from(resource::<Network>(&json!({"ipRange": "10.0.0.0/16"})));
    made(&networks, &network).await.external_name
}

#[tokio::test]
async fn a_subnet_is_added_found_by_its_key_and_removed() {
    let (simulator, project) = simulated::project().await;
    let network = network(&project).await;
    let subnets = PartsOfProject::<Subnets>::from(project);
    let spec = json!({"networkId": network, "ipRange": "10.0.1.0/24", "location": "nbg1"});
    let desired: Desired<Subnet> = resource::<Subnet>(&spec).into();
    assert!(absent(&subnets, &desired).await);
    let foretold = subnets.foretell(&desired).await.unwrap();
    let present = made(&subnets, &desired).await;
    assert_eq!(present.external_name, format!("{network}-10.0.1.0/24"));
    assert_eq!(foretold.as_deref(), Some(present.external_name.as_str()));
    assert_eq!(present.at_provider.network_zone, "eu-central");
    assert!(present.drift.is_empty(), "{}", present.drift);

    let mut moved = spec.clone();
    moved["location"] = json!("ash");
    let moved = recorded(resource::<Subnet>(&moved), &present);
    let drift = seen(&subnets, &moved).await.drift;
    assert_eq!(drift.replacement().as_deref(), Some("networkZone=us-east"));

    let mut typo_spec = spec.clone();
    typo_spec["location"] = json!("nbg2");
    let typo: Desired<Subnet> = resource::<Subnet>(&typo_spec).into();
    let error = subnets.create(&typo).await.unwrap_err().to_string();
    assert!(
        error.contains("no location \"nbg2\": choose one of nbg1"),
        "{error}"
    );

    let typo = resource::<Subnet>(&typo_spec);
    let kept = recorded(typo.clone(), &present);
    assert!(subnets.observe(&kept, Look::Direct).await.is_err());
    let going = recorded(deleted(typo), &present);
    let drift = seen(&subnets, &going).await.drift;
    assert!(drift.is_empty(), "what is to go is not compared: {drift}");

    subnets.delete(&going, &present).await.unwrap();
    subnets.delete(&going, &present).await.unwrap();
    assert!(absent(&subnets, &going).await);
    let world = simulator.world();
    assert_eq!(
        world
            .project(DEFAULT_TOKEN)
            .unwrap()
            .resources
            .networks
            .len(),
        1
    );
}

#[tokio::test]
async fn a_subnet_that_is_held_names_those_with_addresses_in_it() {
    let (_simulator, project) = simulated::project().await;
    let network = setup::network(&project).await;
    setup::subnet(&project, &network, "10.0.2.0/24").await;
    let attach = async |name: &str, ip: &str, aliases: &[&str]| {
        let server = setup::server(&project, name, &json!({})).await;
        let spec = json!({"serverId": server, "networkId": network, "ip": ip, "aliasIps": aliases});
        let attachments = PartsOfProject::<ServerNetworks>::from(project.clone());
        made(&attachments, &resource::<ServerNetwork>(&spec).into()).await;
        server
    };
    let inside = attach("inside", "10.0.1.5", &[]).await;
    let aliased = attach("aliased", "10.0.2.4", &["10.0.1.6"]).await;
    attach("outside", "10.0.2.5", &[]).await;
    let balancer = setup::balancer(&project).await;
    let spec = json!({"loadBalancerId": balancer, "networkId": network, "ip": "10.0.1.9"});
    let attachments = PartsOfProject::<LoadBalancerNetworks>::from(project.clone());
    made(&attachments, &resource::<LoadBalancerNetwork>(&spec).into()).await;

    let subnets = PartsOfProject::<Subnets>::from(project);
    let spec = json!({"networkId": network, "ipRange": "10.0.1.0/24", "networkZone": "eu-central"});
    let desired = Desired::from(deleted(resource::<Subnet>(&spec)));
    let present = seen(&subnets, &desired).await;
    let error = subnets.delete(&desired, &present).await.unwrap_err();
    let error = error.to_string();
    let expected = format!(
        "subnet of network {network} is still used by servers {inside}, {aliased} and load balancers {balancer} with addresses out of 10.0.1.0/24"
    );
    assert!(error.starts_with(&expected), "{error}");
}

#[tokio::test]
async fn a_route_of_others_with_another_destination_is_left_alone() {
    let (_simulator, project) = simulated::project().await;
    let network = network(&project).await;
    let routes = PartsOfProject::<Routes>::from(project);
    let route = |destination: &str| {
        let spec = json!({"networkId": network, "destination": destination, "gateway": "10.0.1.1"});
        Desired::from(resource::<Route>(&spec))
    };
    let (ours, foreign) = (route("10.100.0.0/16"), route("10.101.0.0/16"));
    made(&routes, &foreign).await;
    let present = made(&routes, &ours).await;
    routes.delete(&ours, &present).await.unwrap();
    assert!(absent(&routes, &ours).await);
    assert_eq!(changed(&routes, &foreign).await, "");
}

#[tokio::test]
async fn a_part_is_deleted_by_its_external_name_when_its_references_are_lost() {
    let (_simulator, project) = simulated::project().await;
    let network = network(&project).await;
    let routes = PartsOfProject::<Routes>::from(project);
    let spec = json!({"networkId": network, "destination": "10.100.0.0/16", "gateway": "10.0.1.1"});
    let desired = Desired::from(resource::<Route>(&spec));
    let present = made(&routes, &desired).await;

    let lost = deleted(resource::<Route>(
        &json!({"networkIdRef": {"name": "gone"}}),
    ));
    let never_made = Desired::from(lost.clone());
    assert!(absent(&routes, &never_made).await);
    let mut unresolved = lost.clone();
    let name = present.external_name.clone();
    unresolved.metadata.annotations = Some([(annotations::CREATE_NAME.to_owned(), name)].into());
    let found = seen(&routes, &unresolved.into()).await;
    assert_eq!(found.external_name, present.external_name);
    let lost = recorded(lost, &present);
    let found = seen(&routes, &lost).await;
    routes.delete(&lost, &found).await.unwrap();
    assert!(absent(&routes, &desired).await);
}

#[tokio::test]
async fn a_parent_that_is_gone_takes_its_parts_along() {
    let (_simulator, project) = simulated::project().await;
    let routes = PartsOfProject::<Routes>::from(project);
    let spec = json!({"networkId": "4711", "destination": "10.100.0.0/16", "gateway": "10.0.1.1"});
    let desired = Desired::from(resource::<Route>(&spec));
    assert!(absent(&routes, &desired).await);
    let error = routes.create(&desired).await.unwrap_err().to_string();
    assert!(error.contains("4711"), "{error}");
    let nowhere = Desired::from(resource::<Route>(&json!({"destination": "10.100.0.0/16"})));
    let error = routes.observe(&nowhere, Look::Direct).await.unwrap_err();
    assert!(
        error.to_string().contains("networkId is required"),
        "{error}"
    );
}
