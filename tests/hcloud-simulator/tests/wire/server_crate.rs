//! A client that we did not write: the `hcloud` crate runs a server through its life. It knows the API of 2025.

use hcloud::{
    apis::{
        configuration::Configuration, primary_ips_api as primary_ips, servers_api as servers,
        volumes_api as volumes,
    },
    models::{self, create_primary_ip_request::AssigneeType},
};
use hcloud_simulator::{ApiDate, DEFAULT_TOKEN, Options};
use serde_json::json;

use crate::server_family::{by_hand, network, with};

const CLOUD: &str = "https://api.hetzner.cloud/v1";

#[tokio::test]
async fn the_hcloud_crate_runs_a_server_through_its_life() {
    let (simulator, client) = with(Options {
        api_date: ApiDate::December2025,
        ..Options::default()
    })
    .await;
    let mut cloud = Configuration::new();
    let url = simulator.url();
    cloud.base_path_mapping.insert(CLOUD.to_owned(), url);
    cloud.bearer_access_token = Some(DEFAULT_TOKEN.to_owned());
    let net = network(&client, "n", "10.0.0.0/16", "10.0.1.0/24").await;
    let net = i64::try_from(net).unwrap();
    let group = json!({ "name": "g", "type": "spread" });
    let group = client.post("/placement_groups", group).await.body["placement_group"].clone();

    let mut request = models::CreatePrimaryIpRequest::new(
        AssigneeType::Server,
        "web".to_owned(),
        models::IpType::Ipv4,
    );
    request.location = Some("fsn1".to_owned());
    let params = primary_ips::CreatePrimaryIpParams {
        create_primary_ip_request: request,
    };
    let ip = primary_ips::create_primary_ip(&cloud, params)
        .await
        .unwrap();

    let mut request = models::CreateServerRequest::new(
        "ubuntu-24.04".to_owned(),
        "web".to_owned(),
        "cx23".to_owned(),
    );
    request.location = Some("fsn1".to_owned());
    request.networks = Some(vec![net]);
    request.placement_group = group["id"].as_i64();
    request.public_net = Some(Box::new(models::CreateServerRequestPublicNet {
        ipv4: Some(i32::try_from(ip.primary_ip.id).ok()),
        ..Default::default()
    }));
    let params = servers::CreateServerParams {
        create_server_request: request,
    };
    let created = servers::create_server(&cloud, params).await.unwrap();
    assert_eq!(created.next_actions.len(), 2);
    let id = created.server.id;

    let mut request = models::CreateVolumeRequest::new("v".to_owned(), 10);
    request.server = Some(id);
    let params = volumes::CreateVolumeParams {
        create_volume_request: request,
    };
    let volume = volumes::create_volume(&cloud, params).await.unwrap().volume;
    assert_eq!(volume.server, Some(id));

    let iso = servers::AttachIsoToServerParams {
        id,
        attach_iso_to_server_request: models::AttachIsoToServerRequest::new(
            "debian-13.1.0-amd64-netinst.iso".to_owned(),
        ),
    };
    servers::attach_iso_to_server(&cloud, iso).await.unwrap();
    let server = servers::get_server(&cloud, servers::GetServerParams { id })
        .await
        .unwrap();
    let server = server.server.unwrap();
    assert_eq!(server.private_net[0].ip.as_deref(), Some("10.0.1.1"));
    assert_eq!(server.volumes, Some(vec![volume.id]));
    assert_eq!(server.public_net.ipv4.unwrap().id, Some(ip.primary_ip.id));
    assert!(server.placement_group.is_some() && server.iso.is_some());

    let params = servers::DeleteServerParams { id };
    let deleted = servers::delete_server(&cloud, params).await.unwrap();
    assert_eq!(deleted.action.unwrap().command, "delete_server");
    by_hand(&simulator, |project| assert!(project.servers().is_empty()));
}
