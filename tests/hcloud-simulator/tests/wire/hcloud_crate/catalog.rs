//! What the crate of December 2025 makes of the catalog, and of the kinds that only have names, labels and rules.

use hcloud::{
    apis::{
        certificates_api as certificates, datacenters_api as datacenters,
        firewalls_api as firewalls, images_api as images, isos_api as isos,
        load_balancer_types_api as load_balancer_types, placement_groups_api as placement_groups,
        pricing_api as pricing, server_types_api as server_types, ssh_keys_api as ssh_keys,
    },
    models,
};
use hcloud_simulator::{ApiDate, DEFAULT_TOKEN, Options, Simulator};

use super::configuration;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

async fn start(api_date: ApiDate) -> Simulator {
    let options = Options {
        api_date,
        ..Options::default()
    };
    Simulator::start(options).await.unwrap()
}

#[tokio::test]
async fn it_reads_the_catalog_of_its_time() {
    for api_date in [ApiDate::December2025, ApiDate::June2026] {
        let simulator = start(api_date).await;
        let cloud = configuration(&simulator);
        let params = server_types::ListServerTypesParams::default();
        let found = server_types::list_server_types(&cloud, params)
            .await
            .unwrap();
        assert!(found.server_types.iter().any(|one| one.name == "cx23"));
        let params = load_balancer_types::ListLoadBalancerTypesParams::default();
        let found = load_balancer_types::list_load_balancer_types(&cloud, params)
            .await
            .unwrap();
        assert_eq!(found.load_balancer_types.len(), 3);
        let params = images::ListImagesParams {
            include_deprecated: Some(true),
            ..Default::default()
        };
        let found = images::list_images(&cloud, params).await.unwrap();
        assert!(found.images.iter().any(|image| image.deprecated.is_some()));
        let found = isos::list_isos(&cloud, isos::ListIsosParams::default())
            .await
            .unwrap();
        assert!(!found.isos.is_empty());
        let found = pricing::list_prices(&cloud).await.unwrap();
        assert_eq!(found.pricing.currency, "EUR");
        let params = datacenters::ListDataCentersParams::default();
        let found = datacenters::list_data_centers(&cloud, params)
            .await
            .unwrap();
        assert_eq!(found.datacenters.len(), 6);
    }
}

#[tokio::test]
async fn it_cannot_read_server_types_any_more() {
    let simulator = start(ApiDate::November2026).await;
    let cloud = configuration(&simulator);
    let params = server_types::ListServerTypesParams::default();
    let error = server_types::list_server_types(&cloud, params)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("deprecated"), "{error}");
}

#[tokio::test]
async fn it_creates_and_reads_keys_groups_certificates_and_firewalls() {
    let simulator = start(ApiDate::November2026).await;
    let cloud = configuration(&simulator);
    let create_ssh_key_request = models::CreateSshKeyRequest::new("key".to_owned(), KEY.to_owned());
    let params = ssh_keys::CreateSshKeyParams {
        create_ssh_key_request,
    };
    let key = ssh_keys::create_ssh_key(&cloud, params)
        .await
        .unwrap()
        .ssh_key;
    assert_eq!(key.name, "key");

    let request = models::CreatePlacementgroupRequest::new(
        "group".to_owned(),
        models::create_placementgroup_request::Type::Spread,
    );
    let params = placement_groups::CreatePlacementgroupParams {
        create_placementgroup_request: request,
    };
    let created = placement_groups::create_placementgroup(&cloud, params)
        .await
        .unwrap();
    assert_eq!(created.placement_group.name, "group");

    let mut request = models::CreateCertificateRequest::new("managed".to_owned());
    request.r#type = Some(models::create_certificate_request::Type::Managed);
    request.domain_names = Some(vec!["example.com".to_owned()]);
    let params = certificates::CreateCertificateParams {
        create_certificate_request: request,
    };
    let created = certificates::create_certificate(&cloud, params)
        .await
        .unwrap();
    assert!(created.action.flatten().is_some());
    assert_eq!(created.certificate.domain_names, ["example.com"]);

    let mut rule = models::Rule::new(models::rule::Direction::In, models::rule::Protocol::Tcp);
    rule.port = Some(Some("80".to_owned()));
    rule.source_ips = Some(vec!["0.0.0.0/0".to_owned()]);
    let mut target = models::FirewallResource::new(models::firewall_resource::Type::LabelSelector);
    target.label_selector = Some(Box::new(models::LabelSelector::new("role=web".to_owned())));
    let mut create_firewall_request = models::CreateFirewallRequest::new("fw".to_owned());
    create_firewall_request.rules = Some(vec![rule]);
    create_firewall_request.apply_to = Some(vec![target]);
    let params = firewalls::CreateFirewallParams {
        create_firewall_request,
    };
    firewalls::create_firewall(&cloud, params).await.unwrap();
    let params = firewalls::ListFirewallsParams::default();
    let found = firewalls::list_firewalls(&cloud, params)
        .await
        .unwrap()
        .firewalls;
    assert_eq!(found[0].rules[0].port.as_deref(), Some("80"));
    assert_eq!(found[0].applied_to.len(), 1);
    assert_eq!(
        simulator
            .world()
            .project(DEFAULT_TOKEN)
            .unwrap()
            .firewalls()
            .len(),
        1
    );
}
