use hcloud_simulator::{ActionMode, DEFAULT_TOKEN, Fault, Simulator};
use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::{
    kind::{
        network::Networks,
        object::ObjectsOfProject,
        part::PartsOfProject,
        server::Servers,
        simulated::{self, absent, changed, made, named, project, recorded, resource, seen},
        subnet::Subnets,
    },
    managed::{External, Retry},
};

/// A server that is up, and a network with two subnets; their ids.
async fn pair(project: &Project) -> (String, String) {
    let network: api::Network = named("net", &json!({"ipRange": "10.0.0.0/16"}));
    let networks = ObjectsOfProject::<Networks>::from(project.clone());
    let network = made(&networks, &network.into()).await.external_name;
    let subnets = PartsOfProject::<Subnets>::from(project.clone());
    for range in ["10.0.1.0/24", "10.0.2.0/24"] {
        let spec = json!({"networkId": network, "ipRange": range, "type": "cloud", "networkZone": "eu-central"});
        let subnet: api::Subnet = resource(&spec);
        made(&subnets, &subnet.into()).await;
    }
    let spec = json!({"serverType": "cx23", "location": "fsn1", "image": {"name": "debian-13"}});
    let server: api::Server = named("server", &spec);
    let servers = ObjectsOfProject::<Servers>::from(project.clone());
    let server = made(&servers, &server.into()).await.external_name;
    (server, network)
}

fn attachment(server: &str, more: &Value) -> ServerNetwork {
    let mut spec = json!({"serverId": server});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    resource(&spec)
}

fn attachments(project: &Project) -> PartsOfProject<ServerNetworks> {
    PartsOfProject::from(project.clone())
}

fn attached(simulator: &Simulator) -> usize {
    let world = simulator.world();
    let project = world.project(DEFAULT_TOKEN).unwrap();
    project
        .networks()
        .iter()
        .map(|network| network.members.len())
        .sum()
}

#[tokio::test]
async fn a_server_is_attached_its_address_is_filled_in_and_it_is_detached() {
    let (simulator, project) = project().await;
    let (server, network) = pair(&project).await;
    let attachments = attachments(&project);
    let wanted = attachment(
        &server,
        &json!({"subnetId": format!("{network}-10.0.2.0/24")}),
    );
    let present = made(&attachments, &wanted.clone().into()).await;
    assert_eq!(present.external_name, format!("{server}-{network}"));
    assert_eq!(present.at_provider.ip, "10.0.2.1");
    assert_eq!(present.late_init, Some(json!({"ip": "10.0.2.1"})));
    assert!(present.drift.is_empty(), "{}", present.drift);
    assert_eq!(present.connection["privateIPv4"].expose(), b"10.0.2.1");

    let mut with_aliases = wanted;
    with_aliases.spec.for_provider.alias_ips = Some(vec!["10.0.2.9".to_owned()]);
    let with_aliases = recorded(with_aliases, &present);
    let drift = changed(&attachments, &with_aliases).await;
    assert_eq!(drift, "aliasIps: desired 10.0.2.9, observed none");

    let present = seen(&attachments, &with_aliases).await;
    attachments.delete(&with_aliases, &present).await.unwrap();
    assert!(absent(&attachments, &with_aliases).await);
    attachments.delete(&with_aliases, &present).await.unwrap();
    assert_eq!(attached(&simulator), 0);
}

#[tokio::test]
async fn another_address_or_subnet_needs_a_replacement() {
    let (_simulator, project) = project().await;
    let (server, network) = pair(&project).await;
    let attachments = attachments(&project);
    let wanted = attachment(&server, &json!({"networkId": network, "ip": "10.0.1.7"}));
    let present = made(&attachments, &wanted.into()).await;
    assert_eq!(present.late_init, None);
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
        let moved = recorded(attachment(&server, &fields), &present);
        let present = seen(&attachments, &moved).await;
        assert_eq!(present.drift.replacement().as_deref(), Some(expected));
        assert!(!present.drift.in_place());
    }
}

#[tokio::test]
async fn what_is_attached_already_is_adopted() {
    let (simulator, project) = project().await;
    let (server, network) = pair(&project).await;
    let wanted = attachment(&server, &json!({"networkId": network})).into();
    let lost = Fault::on(Method::POST, "/servers/*/actions/attach_to_network").close_after();
    simulator.faults().inject(lost);
    let error = attachments(&project).create(&wanted).await.unwrap_err();
    assert!(error.outcome_unknown());
    attachments(&simulated::open(&simulator))
        .create(&wanted)
        .await
        .unwrap();
    assert_eq!(attached(&simulator), 1);
}

#[tokio::test]
async fn an_attachment_waits_for_a_locked_server_and_says_so() {
    let (simulator, project) = project().await;
    let (server, network) = pair(&project).await;
    let locked = Fault::on(Method::POST, "/servers/*/actions/attach_to_network").always();
    let locked = simulator
        .faults()
        .inject(locked.answer(423, "locked", "server is locked"));
    simulator.actions().set_mode(ActionMode::Explicit);
    let wanted = attachment(&server, &json!({"networkId": network})).into();
    let error = attachments(&project).create(&wanted).await.unwrap_err();
    assert!(
        error.to_string().contains("server is locked (locked)"),
        "{error}"
    );
    assert!(matches!(error.retry(), Retry::Patiently(_)) && !error.outcome_unknown());
    simulator.faults().remove(locked.id());
    simulator
        .actions()
        .set_mode(ActionMode::Automatic(std::time::Duration::ZERO));
    attachments(&project).create(&wanted).await.unwrap();
}

#[tokio::test]
async fn an_address_that_cannot_be_had_for_now_is_asked_for_again_soon() {
    let (_simulator, project) = project().await;
    let (server, network) = pair(&project).await;
    let attachments = attachments(&project);
    for (more, code) in [
        (json!({"ip": "10.0.3.5"}), "(no_subnet_available)"),
        (json!({"ip": "10.0.1.255"}), "(ip_not_available)"),
    ] {
        let mut spec = more;
        spec["networkId"] = json!(network);
        let wanted = attachment(&server, &spec).into();
        let error = attachments.create(&wanted).await.unwrap_err();
        assert!(error.to_string().contains(code), "{error}");
        assert_eq!(error.retry(), Retry::BackOff);
    }
}

#[tokio::test]
async fn an_attachment_of_a_server_that_is_gone_is_gone() {
    let (_simulator, project) = project().await;
    let (server, network) = pair(&project).await;
    let wanted = attachment(&server, &json!({"networkId": network}));
    let present = made(&attachments(&project), &wanted.clone().into()).await;
    project
        .client
        .servers()
        .delete(server.parse().unwrap())
        .await
        .unwrap();
    let mut wanted = recorded(wanted, &present);
    assert!(absent(&attachments(&project), &wanted).await);
    let mut unresolved = (*wanted).clone();
    unresolved.spec.for_provider = api::ServerNetworkParameters::default();
    unresolved.metadata.deletion_timestamp =
        Some(serde_json::from_value(json!("2026-11-21T08:00:00Z")).unwrap());
    wanted = unresolved.into();
    assert!(
        absent(&attachments(&project), &wanted).await,
        "references lead nowhere any more"
    );
}

#[test]
fn an_external_name_is_read_as_it_is_written() {
    for (text, expected) in [
        ("42-4711", Some("42-4711")),
        ("42", None),
        ("42-0", None),
        ("x-4711", None),
        ("42-4711-1", None),
    ] {
        let key = ServerNetworks::parse(text).map(|key| key.to_string());
        assert_eq!(key.as_deref(), expected, "{text}");
    }
}
