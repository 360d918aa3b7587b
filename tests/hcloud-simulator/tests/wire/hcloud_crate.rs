//! A client that we did not write: the `hcloud` crate, whose strict models decode every answer.

mod catalog;

use hcloud::{
    apis::{
        Error, actions_api as actions, configuration::Configuration, locations_api as locations,
        networks_api as networks,
    },
    models,
};
use hcloud_simulator::{DEFAULT_TOKEN, Options, Simulator};

const CLOUD: &str = "https://api.hetzner.cloud/v1";

fn configuration(simulator: &Simulator) -> Configuration {
    let mut configuration = Configuration::new();
    configuration
        .base_path_mapping
        .insert(CLOUD.to_owned(), simulator.url());
    configuration.bearer_access_token = Some(DEFAULT_TOKEN.to_owned());
    configuration
}

#[tokio::test]
async fn the_hcloud_crate_runs_a_network_through_its_life() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let cloud = configuration(&simulator);

    let mut request =
        models::CreateNetworkRequest::new("10.0.0.0/16".to_owned(), "main".to_owned());
    request.labels = Some([("env".to_owned(), "prod".to_owned())].into());
    let params = networks::CreateNetworkParams {
        create_network_request: request,
    };
    let id = networks::create_network(&cloud, params)
        .await
        .unwrap()
        .network
        .unwrap()
        .id;

    let params = networks::ListNetworksParams {
        label_selector: Some("env in (prod)".to_owned()),
        sort: Some(vec!["name:asc".to_owned(), "id:desc".to_owned()]),
        ..Default::default()
    };
    let list = networks::list_networks(&cloud, params).await.unwrap();
    assert_eq!(
        list.networks
            .iter()
            .map(|network| network.id)
            .collect::<Vec<_>>(),
        [id]
    );
    assert_eq!(list.meta.pagination.total_entries, Some(1));

    let replace_network_request = models::ReplaceNetworkRequest {
        name: Some("renamed".to_owned()),
        expose_routes_to_vswitch: Some(true),
        ..Default::default()
    };
    let params = networks::ReplaceNetworkParams {
        id,
        replace_network_request,
    };
    networks::replace_network(&cloud, params).await.unwrap();

    let mut subnet = models::Subnet::new("eu-central".to_owned(), models::subnet::Type::Cloud);
    subnet.ip_range = Some("10.0.1.0/24".to_owned());
    let params = networks::AddSubnetToNetworkParams { id, subnet };
    let added = networks::add_subnet_to_network(&cloud, params)
        .await
        .unwrap();
    let route = models::Route::new("10.244.0.0/24".to_owned(), "10.0.1.2".to_owned());
    let params = networks::AddRouteToNetworkParams {
        id,
        route: route.clone(),
    };
    networks::add_route_to_network(&cloud, params)
        .await
        .unwrap();
    let change_ip_range_of_network_request =
        models::ChangeIpRangeOfNetworkRequest::new("10.0.0.0/8".to_owned());
    let params = networks::ChangeIpRangeOfNetworkParams {
        id,
        change_ip_range_of_network_request,
    };
    networks::change_ip_range_of_network(&cloud, params)
        .await
        .unwrap();

    let network = networks::get_network(&cloud, networks::GetNetworkParams { id })
        .await
        .unwrap()
        .network
        .unwrap();
    assert_eq!(
        (network.name.as_str(), network.ip_range.as_str()),
        ("renamed", "10.0.0.0/8")
    );
    assert!(network.expose_routes_to_vswitch);
    assert_eq!(network.subnets[0].gateway, "10.0.0.1");
    assert_eq!(network.routes, std::slice::from_ref(&route));

    let params = actions::GetMultipleActionsParams {
        id: vec![added.action.id],
    };
    let polled = actions::get_multiple_actions(&cloud, params).await.unwrap();
    assert_eq!(polled.actions[0].status, models::action::Status::Success);

    let params = networks::DeleteRouteFromNetworkParams { id, route };
    networks::delete_route_from_network(&cloud, params)
        .await
        .unwrap();
    let delete_subnet_from_network_request =
        models::DeleteSubnetFromNetworkRequest::new("10.0.1.0/24".to_owned());
    let params = networks::DeleteSubnetFromNetworkParams {
        id,
        delete_subnet_from_network_request,
    };
    networks::delete_subnet_from_network(&cloud, params)
        .await
        .unwrap();
    let history = networks::list_actions_for_network(
        &cloud,
        networks::ListActionsForNetworkParams {
            id,
            ..Default::default()
        },
    );
    let commands: Vec<String> = history
        .await
        .unwrap()
        .actions
        .into_iter()
        .map(|action| action.command)
        .collect();
    assert_eq!(
        commands,
        [
            "add_subnet",
            "add_route",
            "change_ip_range",
            "delete_route",
            "delete_subnet"
        ]
    );

    networks::delete_network(&cloud, networks::DeleteNetworkParams { id })
        .await
        .unwrap();
    assert!(
        simulator
            .world()
            .project(DEFAULT_TOKEN)
            .unwrap()
            .networks()
            .is_empty()
    );
}

#[tokio::test]
async fn the_hcloud_crate_reads_locations_and_errors() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let cloud = configuration(&simulator);
    let found = locations::list_locations(&cloud, locations::ListLocationsParams::default())
        .await
        .unwrap();
    assert_eq!(found.locations.len(), 6);

    let error = networks::get_network(&cloud, networks::GetNetworkParams { id: 5 })
        .await
        .unwrap_err();
    let Error::ResponseError(response) = error else {
        panic!("not an API error: {error}")
    };
    assert_eq!(response.status, 404);
    let Some(networks::GetNetworkError::DefaultResponse(body)) = response.entity else {
        panic!("not the API's error body: {}", response.content)
    };
    assert_eq!(body.error.code, "not_found");
}
