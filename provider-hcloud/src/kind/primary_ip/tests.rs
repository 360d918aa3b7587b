use api::Server;

use super::*;
use crate::{
    hcloud::server::{CreateServerPublicNet, CreateServerRequest},
    kind::{
        object::ObjectsOfProject,
        server::Servers,
        simulated::{self, deleted, made, named, recorded, resource, seen},
    },
    managed::External,
};

fn primary(more: &Value) -> PrimaryIP {
    let mut spec = json!({"type": "ipv4", "location": "fsn1"});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    resource(&spec)
}

/// A server that nobody manages; its id.
async fn foreign(project: &Project, name: &str, location: &str, on: bool) -> u64 {
    let request = CreateServerRequest {
        name: name.to_owned(),
        labels: Labels::new(),
        server_type: "cx23".to_owned(),
        image: "debian-13".to_owned(),
        location: Some(location.to_owned()),
        start_after_create: on,
        ssh_keys: Vec::new(),
        user_data: None,
        networks: Vec::new(),
        firewalls: Vec::new(),
        placement_group: None,
        public_net: Some(CreateServerPublicNet {
            enable_ipv4: false,
            enable_ipv6: true,
            ipv4: None,
            ipv6: None,
        }),
    };
    let made = project.client.servers().make(&request).await.unwrap();
    made.server.id
}

#[tokio::test]
async fn an_assignment_waits_until_the_servers_are_off_and_goes_with_the_address() {
    let (_simulator, project) = simulated::project().await;
    let a = foreign(&project, "a", "fsn1", false).await;
    let b = foreign(&project, "b", "fsn1", false).await;
    let ips = ObjectsOfProject::<PrimaryIps>::from(project.clone());
    let free = made(&ips, &primary(&json!({})).into()).await;
    let to = |server: u64| {
        let spec = json!({"assigneeId": server.to_string()});
        recorded(primary(&spec), &free)
    };
    let assignee = async |desired: &Desired<PrimaryIP>| {
        let present = seen(&ips, desired).await;
        present.at_provider.assignee_id.map(|id| id.unsigned_abs())
    };
    for id in [a, b] {
        simulated::changed(&ips, &to(id)).await;
        assert_eq!(assignee(&to(id)).await, Some(id));
    }
    let unmanaged = recorded(primary(&json!({})), &free);
    assert!(seen(&ips, &unmanaged).await.drift.is_empty());

    let servers = project.client.servers();
    servers.command(b, "poweron").await.unwrap();
    let back = to(a);
    let present = seen(&ips, &back).await;
    let error = ips.update(&back, &present).await.unwrap_err().to_string();
    let begin = format!("spec.forProvider.assigneeId: server {b} is running, and Primary IP");
    assert!(error.starts_with(&begin), "{error}");
    assert_eq!(assignee(&back).await, Some(b), "nothing half done");

    let named = primary(&json!({"assigneeIdRef": {"name": "b"}}));
    let going = recorded(deleted(named), &free);
    let present = seen(&ips, &going).await;
    let error = ips.delete(&going, &present).await.unwrap_err().to_string();
    assert!(error.contains(&format!("server {b}")), "{error}");
    servers.command(b, "poweroff").await.unwrap();
    ips.delete(&going, &present).await.unwrap();
    assert!(simulated::absent(&ips, &going).await);
}

#[tokio::test]
async fn an_assignment_that_cannot_be_takes_nothing_away() {
    let (_simulator, project) = simulated::project().await;
    let holder = foreign(&project, "a", "fsn1", false).await;
    let elsewhere = foreign(&project, "b", "nbg1", false).await;
    let ips = ObjectsOfProject::<PrimaryIps>::from(project.clone());
    let free = made(&ips, &primary(&json!({})).into()).await;
    let to = |server: &str| recorded(primary(&json!({"assigneeId": server})), &free);
    simulated::changed(&ips, &to(&holder.to_string())).await;

    let second: PrimaryIP = named("two", &json!({"type": "ipv4", "location": "fsn1"}));
    let other = made(&ips, &second.into()).await;
    let full = foreign(&project, "c", "fsn1", false).await;
    let taken: PrimaryIP = named(
        "two",
        &json!({"type": "ipv4", "location": "fsn1", "assigneeId": full.to_string()}),
    );
    simulated::changed(&ips, &recorded(taken, &other)).await;

    let servers = ObjectsOfProject::<Servers>::from(project.clone());
    let spec = json!({"serverType": "cx23", "image": {"name": "debian-13"}, "location": "fsn1"});
    let managed = made(&servers, &resource::<Server>(&spec).into()).await;
    for (server, problem) in [
        (
            elsewhere.to_string(),
            "is in nbg1, and the Primary IP is in fsn1",
        ),
        (full.to_string(), "already"),
        (
            managed.external_name,
            "is a managed resource: name the Primary IP in its publicNet",
        ),
    ] {
        let desired = to(&server);
        let present = seen(&ips, &desired).await;
        let error = ips
            .update(&desired, &present)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(problem), "{error}");
        let found = seen(&ips, &desired).await.at_provider.assignee_id;
        assert_eq!(found.map(i64::unsigned_abs), Some(holder));
    }
}

#[tokio::test]
async fn an_assignment_to_nothing_is_refused() {
    let (_simulator, project) = simulated::project().await;
    let ips = ObjectsOfProject::<PrimaryIps>::from(project);
    let free = made(&ips, &primary(&json!({})).into()).await;
    let nobody = recorded(primary(&json!({"assigneeId": "7"})), &free);
    let present = seen(&ips, &nobody).await;
    let error = ips.update(&nobody, &present).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "spec.forProvider.assigneeId: there is no server with id 7 in the project"
    );
}

#[test]
fn a_report_has_an_address_also_for_a_network_and_tells_what_is_unassigned() {
    let ip = |ip: Value| report(&serde_json::from_value(ip).unwrap());
    let six =
        ip(json!({"id": 1, "type": "ipv6", "ip": "2001:db8:1::/64", "assignee_type": "server"}));
    assert_eq!(six.address, "2001:db8:1::1");
    assert_eq!(six.network.as_deref(), Some("2001:db8:1::/64"));
    assert_eq!(six.assignee_type, "unassigned");
    let four = ip(json!({"id": 1, "ip": "192.0.2.1", "assignee_id": 7, "assignee_type": "server"}));
    assert_eq!((four.address.as_str(), four.network), ("192.0.2.1", None));
    assert_eq!(four.assignee_type, "server");
}
