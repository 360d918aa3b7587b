use api::{LoadBalancer, PrimaryIP, Server};
use hcloud_simulator::Fault;
use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::{
    kind::{
        load_balancer::{
            LoadBalancers,
            tests::setup::{balancer, server},
        },
        object::ObjectsOfProject,
        primary_ip::PrimaryIps,
        server::Servers,
        simulated::{self, absent, changed, made, named, project, recorded, resource, seen},
    },
    managed::{Retry, annotations},
};

fn entries(project: &Project) -> EntriesOfProject {
    EntriesOfProject {
        project: project.clone(),
    }
}

/// An entry with the name a.example, unless the fields say otherwise.
fn entry(fields: &Value) -> ReverseDNS {
    let mut spec = json!({"dnsPtr": "a.example"});
    for (key, value) in fields.as_object().unwrap() {
        spec[key] = value.clone();
    }
    resource(&spec)
}

fn deleted(entry: &Desired<ReverseDNS>) -> Desired<ReverseDNS> {
    let mut entry = (**entry).clone();
    let at = serde_json::from_value(json!("2026-11-21T08:00:00Z")).unwrap();
    entry.metadata.deletion_timestamp = Some(at);
    entry.into()
}

/// The id and address of a Primary IP.
async fn primary_ip(project: &Project, type_: &str) -> (String, String) {
    let ips = ObjectsOfProject::<PrimaryIps>::from(project.clone());
    let ip: PrimaryIP = named(type_, &json!({"type": type_, "location": "fsn1"}));
    let present = made(&ips, &ip.into()).await;
    (present.external_name, present.at_provider.address)
}

/// Names an address, changes the name, and restores Hetzner's own.
async fn live(project: &Project, fields: &Value, external_name: &str) {
    let entries = entries(project);
    let desired = entry(fields);
    assert!(
        absent(&entries, &desired.clone().into()).await,
        "Hetzner's own name is no entry"
    );
    let foretold = entries.foretell(&desired.clone().into()).await.unwrap();
    assert_eq!(foretold.as_deref(), Some(external_name));
    let present = made(&entries, &desired.clone().into()).await;
    assert_eq!(present.external_name, external_name);
    assert_eq!(present.at_provider.dns_ptr.as_deref(), Some("a.example"));
    assert!(present.drift.is_empty(), "{}", present.drift);

    let mut lost = (*deleted(&desired.clone().into())).clone();
    let parameters = &mut lost.spec.for_provider;
    parameters.server_id = None;
    parameters.primary_ip_id = None;
    parameters.load_balancer_id = None;
    assert!(absent(&entries, &lost.clone().into()).await);
    let name = (
        annotations::CREATE_NAME.to_owned(),
        external_name.to_owned(),
    );
    lost.metadata.annotations = Some([name].into());
    assert_eq!(
        seen(&entries, &lost.into()).await.external_name,
        external_name
    );

    let mut renamed = fields.clone();
    renamed["dnsPtr"] = json!("b.example");
    let renamed = recorded(entry(&renamed), &present);
    assert_eq!(
        changed(&entries, &renamed).await,
        "dnsPtr: desired b.example, observed a.example"
    );
    let present = seen(&entries, &renamed).await;

    let deleted = deleted(&renamed);
    entries
        .delete(&deleted, &seen(&entries, &deleted).await)
        .await
        .unwrap();
    assert!(absent(&entries, &deleted).await);
    entries.delete(&deleted, &present).await.unwrap();
    assert!(absent(&entries, &recorded(entry(fields), &present)).await);
}

#[tokio::test]
async fn addresses_of_all_parents_are_named_renamed_and_lose_their_names() {
    let (_simulator, project) = project().await;
    for type_ in ["ipv4", "ipv6"] {
        let (id, address) = primary_ip(&project, type_).await;
        live(
            &project,
            &json!({"primaryIpId": id}),
            &format!("p-{id}-{address}"),
        )
        .await;
    }
    let server = server(&project, "server", &json!({})).await;
    let observed: Desired<Server> = named::<Server>("server", &json!({})).into();
    let servers = ObjectsOfProject::<Servers>::from(project.clone());
    let report = seen(&servers, &observed).await.at_provider;
    let (ipv4, ipv6) = (report.public_ipv4.unwrap(), report.public_ipv6.unwrap());
    live(
        &project,
        &json!({"serverId": server}),
        &format!("s-{server}-{ipv4}"),
    )
    .await;
    live(
        &project,
        &json!({"serverId": server, "ipFamily": "ipv6"}),
        &format!("s-{server}-{ipv6}"),
    )
    .await;
    let inner = format!(
        "{}:5",
        ipv6.trim_end_matches(":1").trim_end_matches(':').to_owned() + ":"
    );
    live(
        &project,
        &json!({"serverId": server, "ipAddress": inner}),
        &format!("s-{server}-{inner}"),
    )
    .await;

    let balancer = balancer(&project).await;
    let observed: Desired<LoadBalancer> = named::<LoadBalancer>("lb", &json!({})).into();
    let balancers = ObjectsOfProject::<LoadBalancers>::from(project.clone());
    let report = seen(&balancers, &observed).await.at_provider;
    let (ipv4, ipv6) = (report.public_ipv4.unwrap(), report.public_ipv6.unwrap());
    live(
        &project,
        &json!({"loadBalancerId": balancer}),
        &format!("l-{balancer}-{ipv4}"),
    )
    .await;
    live(
        &project,
        &json!({"loadBalancerId": balancer, "ipFamily": "ipv6"}),
        &format!("l-{balancer}-{ipv6}"),
    )
    .await;
}

#[tokio::test]
async fn an_address_that_the_parent_does_not_have_is_refused_and_named() {
    let (_simulator, project) = project().await;
    let entries = entries(&project);
    let (id, address) = primary_ip(&project, "ipv4").await;
    let expected = format!(
        "ipAddress: Primary IP {id} does not have the address 192.0.2.77: it has {address}"
    );
    let wrong = entry(&json!({"primaryIpId": id, "ipAddress": "192.0.2.77"})).into();
    for error in [
        entries
            .observe(&wrong, Look::Direct)
            .await
            .map(drop)
            .unwrap_err(),
        entries.create(&wrong).await.map(drop).unwrap_err(),
    ] {
        assert!(error.to_string().contains(&expected), "{error}");
        assert_eq!(error.retry(), Retry::OnChange);
    }
    let six = entry(&json!({"primaryIpId": id, "ipFamily": "ipv6"})).into();
    let error = entries.create(&six).await.unwrap_err();
    assert!(error.to_string().contains("has no IPv6 address"), "{error}");
    let gone = entry(&json!({"loadBalancerId": "4711"})).into();
    assert!(absent(&entries, &gone).await);
    let error = entries.create(&gone).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("load balancer 4711 does not exist"),
        "{error}"
    );
}

#[tokio::test]
async fn a_name_that_somebody_else_has_given_is_taken_over_and_not_taken_away() {
    let (_simulator, project) = project().await;
    let entries = entries(&project);
    let (id, address) = primary_ip(&project, "ipv4").await;
    let foreign = async |name: &str| {
        let ips = project.client.primary_ips();
        ips.change_dns_ptr(id.parse().unwrap(), &address, Some(name))
            .await
            .unwrap();
    };
    foreign("theirs.example").await;
    let desired = entry(&json!({"primaryIpId": id}));
    let present = seen(&entries, &desired.clone().into()).await;
    assert_eq!(
        present.drift.to_string(),
        "dnsPtr: desired a.example, observed theirs.example"
    );
    let desired = recorded(desired, &present);
    changed(&entries, &desired).await;
    let desired = recorded((*desired).clone(), &seen(&entries, &desired).await);

    foreign("A.Example").await;
    assert!(
        seen(&entries, &desired).await.drift.is_empty(),
        "case says nothing"
    );
    foreign("other.example").await;
    assert!(
        absent(&entries, &deleted(&desired)).await,
        "it is not ours any more"
    );
    let ips = project.client.primary_ips();
    let ip = ips
        .read(id.parse().unwrap(), Priority::Poll)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ip.dns_ptr[0].dns_ptr, "other.example");
}

#[tokio::test]
async fn hetzners_own_name_can_be_observed_and_asked_for() {
    let (_simulator, project) = project().await;
    let entries = entries(&project);
    let (id, address) = primary_ip(&project, "ipv4").await;
    let octets: Vec<_> = address.split('.').rev().collect();
    let own = format!("static.{}.clients.your-server.de", octets.join("."));
    let observed = resource::<ReverseDNS>(&json!({"primaryIpId": id}));
    let present = seen(&entries, &observed.into()).await;
    assert_eq!(present.at_provider.dns_ptr.as_deref(), Some(own.as_str()));
    let wanted = entry(&json!({"primaryIpId": id, "dnsPtr": own}));
    let present = seen(&entries, &wanted.clone().into()).await;
    assert!(
        absent(&entries, &deleted(&recorded(wanted, &present))).await,
        "there is nothing to restore"
    );
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_has_named_the_address() {
    let (simulator, project) = project().await;
    let (id, _) = primary_ip(&project, "ipv4").await;
    let desired = entry(&json!({"primaryIpId": id}));
    let lost = Fault::on(Method::POST, "/primary_ips/*/actions/change_dns_ptr").close_after();
    simulator.faults().inject(lost);
    let error = entries(&project)
        .create(&desired.clone().into())
        .await
        .unwrap_err();
    assert!(error.outcome_unknown());
    let again = entries(&simulated::open(&simulator));
    let desired: Desired<ReverseDNS> = desired.into();
    let present = seen(&again, &desired).await;
    assert!(present.drift.is_empty());
    let deleted = deleted(&desired);
    again
        .delete(&deleted, &seen(&again, &deleted).await)
        .await
        .unwrap();
    assert!(absent(&again, &deleted).await);
}

#[tokio::test]
async fn an_entry_goes_with_its_parent_and_follows_it_to_another() {
    let (_simulator, project) = project().await;
    let entries = entries(&project);
    let (id, address) = primary_ip(&project, "ipv4").await;
    let desired = entry(&json!({"primaryIpId": id}));
    let present = made(&entries, &desired.clone().into()).await;
    let moved = recorded(entry(&json!({"primaryIpId": "4711"})), &present);
    let drift = seen(&entries, &moved).await.drift;
    assert_eq!(
        drift.replacement(),
        Some(format!("identity=p-4711-{address}"))
    );
    project
        .client
        .primary_ips()
        .delete(id.parse().unwrap())
        .await
        .unwrap();
    let desired = recorded(desired, &present);
    assert!(absent(&entries, &desired).await);
    entries.delete(&desired, &present).await.unwrap();
    let lost =
        deleted(&resource::<ReverseDNS>(&json!({"primaryIpIdRef": {"name": "gone"}})).into());
    assert!(absent(&entries, &lost).await);
}

#[test]
fn keys_are_read_as_they_are_written() {
    for (text, expected) in [
        ("s-42-192.0.2.1", Some("s-42-192.0.2.1")),
        ("p-42-2001:DB8::1", Some("p-42-2001:db8::1")),
        ("l-42-192.0.2.1", Some("l-42-192.0.2.1")),
        ("f-42-192.0.2.1", None),
        ("s-0-192.0.2.1", None),
        ("s-42", None),
        ("s-42-x", None),
        ("42-192.0.2.1", None),
    ] {
        let key = Key::parse(text).map(|key| key.to_string());
        assert_eq!(key.as_deref(), expected, "{text}");
    }
}

#[test]
fn one_parent_is_asked_for_and_only_one() {
    for (fields, expected) in [
        (json!({"serverId": "42"}), "server 42"),
        (json!({"primaryIpId": "42"}), "Primary IP 42"),
        (json!({"loadBalancerId": "42"}), "load balancer 42"),
        (
            json!({}),
            "serverId, primaryIpId or loadBalancerId is required",
        ),
        (
            json!({"serverId": "42", "loadBalancerId": "7"}),
            "only one of serverId",
        ),
        (
            json!({"primaryIpId": "x"}),
            "primaryIpId: \"x\" is not an id",
        ),
    ] {
        let parent = parent(&entry(&fields).spec.for_provider);
        let text = parent.map_or_else(|error| error.to_string(), |parent| parent.to_string());
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn names_are_compared_as_dns_does() {
    assert!(same("a.example", "A.example."));
    assert!(!same("a.example", "b.example"));
    let ip = "192.0.2.1".parse().unwrap();
    assert!(is_default(ip, "static.1.2.0.192.clients.your-server.de"));
    assert!(!is_default(ip, "static.192.0.2.1.clients.your-server.de"));
    assert!(!is_default("2001:db8::1".parse().unwrap(), ""));
}
