//! A client that we did not write: the `hcloud` crate runs a load balancer through its life. It knows the API of 2025.

use hcloud::{
    apis::{configuration::Configuration, load_balancers_api as api},
    models::{self, load_balancer_add_target, load_balancer_service},
};
use hcloud_simulator::{ApiDate, DEFAULT_TOKEN, Options, Simulator};
use serde_json::json;

use crate::client::Client;

const CLOUD: &str = "https://api.hetzner.cloud/v1";

#[tokio::test]
async fn the_hcloud_crate_runs_a_load_balancer_through_its_life() {
    let simulator = Simulator::start(Options {
        api_date: ApiDate::December2025,
        ..Options::default()
    })
    .await
    .unwrap();
    let mut cloud = Configuration::new();
    let url = simulator.url();
    cloud.base_path_mapping.insert(CLOUD.to_owned(), url);
    cloud.bearer_access_token = Some(DEFAULT_TOKEN.to_owned());
    let network: i64 = {
        let subnet = json!({ "type": "cloud", "network_zone": "eu-central" });
        let body = json!({ "name": "net", "ip_range": "10.0.0.0/16", "subnets": [subnet] });
        let answer = Client::new(&simulator).post("/networks", body).await;
        answer.body["network"]["id"].as_i64().unwrap()
    };

    let mut request = models::CreateLoadBalancerRequest::new("lb11".to_owned(), "lb".to_owned());
    request.location = Some("nbg1".to_owned());
    request.network = Some(network);
    let params = api::CreateLoadBalancerParams {
        create_load_balancer_request: request,
    };
    let created = api::create_load_balancer(&cloud, params).await.unwrap();
    assert_eq!(created.action.command, "create_load_balancer");
    let id = created.load_balancer.id;

    let check = models::LoadBalancerServiceHealthCheck::new(
        15,
        80,
        models::load_balancer_service_health_check::Protocol::Http,
        3,
        10,
    );
    let http = load_balancer_service::Protocol::Http;
    let service = models::LoadBalancerService::new(80, check, 80, http, false);
    let params = api::AddServiceParams {
        id,
        load_balancer_service: service,
    };
    api::add_service(&cloud, params).await.unwrap();

    let mut target =
        models::LoadBalancerAddTarget::new(load_balancer_add_target::Type::LabelSelector);
    target.label_selector = Some(Box::new(models::LabelSelector::new("a=b".to_owned())));
    target.use_private_ip = Some(true);
    let params = api::AddTargetParams {
        id,
        load_balancer_add_target: target,
    };
    api::add_target(&cloud, params).await.unwrap();
    let params = api::DisablePublicInterfaceOfLoadBalancerParams { id };
    api::disable_public_interface_of_load_balancer(&cloud, params)
        .await
        .unwrap();

    let params = api::ListLoadBalancersParams {
        name: Some("lb".to_owned()),
        ..Default::default()
    };
    let list = api::list_load_balancers(&cloud, params).await.unwrap();
    let [found] = list.load_balancers.as_slice() else {
        panic!("not one load balancer: {list:?}")
    };
    assert_eq!(found.id, id);
    assert!(!found.public_net.enabled);
    assert_eq!(found.private_net[0].network, Some(network));
    let http = found.services[0].http.as_ref().unwrap();
    assert_eq!(http.cookie_name.as_deref(), Some("HCLBSTICKY"));
    let selector = found.targets[0].label_selector.as_ref().unwrap();
    assert_eq!(selector.selector, "a=b");

    api::delete_load_balancer(&cloud, api::DeleteLoadBalancerParams { id })
        .await
        .unwrap();
    let world = simulator.world();
    let project = world.project(DEFAULT_TOKEN).unwrap();
    assert!(project.load_balancers().is_empty());
}
