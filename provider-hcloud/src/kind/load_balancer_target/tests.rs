use hcloud_simulator::{DEFAULT_TOKEN, Fault, Simulator};
use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::{
    kind::{
        load_balancer::tests::setup::{attach, balancer, found, network, server},
        load_balancer_service::LoadBalancerServices,
        part::PartsOfProject,
        simulated::{self, absent, changed, made, project, recorded, resource, seen},
    },
    managed::{External, Readiness, Retry},
};

fn targets(project: &Project) -> PartsOfProject<LoadBalancerTargets> {
    PartsOfProject::from(project.clone())
}

fn target(balancer: &str, more: &Value) -> LoadBalancerTarget {
    let mut spec = json!({"loadBalancerId": balancer});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    resource(&spec)
}

async fn listen(project: &Project, balancer: &str) {
    let spec = json!({"loadBalancerId": balancer, "protocol": "tcp", "listenPort": 443, "destinationPort": 443});
    let services = PartsOfProject::<LoadBalancerServices>::from(project.clone());
    made(
        &services,
        &resource::<api::LoadBalancerService>(&spec).into(),
    )
    .await;
}

fn set_healthy(simulator: &Simulator, server: &str, healthy: bool) {
    let mut world = simulator.world();
    let servers = world.project_mut(DEFAULT_TOKEN).unwrap().servers_mut();
    servers.get_mut(server.parse().unwrap()).unwrap().healthy = healthy;
}

#[tokio::test]
async fn a_server_is_a_target_with_its_health_reported_and_is_ready_all_the_time() {
    let (simulator, project) = project().await;
    let balancer = balancer(&project).await;
    listen(&project, &balancer).await;
    let server = server(&project, "server", &json!({})).await;
    let targets = targets(&project);
    let desired = target(&balancer, &json!({"serverId": server}));
    let present = made(&targets, &desired.clone().into()).await;
    assert_eq!(
        present.external_name,
        format!("{balancer}__server__{server}")
    );
    assert!(present.drift.is_empty(), "{}", present.drift);
    let desired = recorded(desired, &present);
    for (healthy, expected) in [(true, "healthy"), (false, "unhealthy")] {
        set_healthy(&simulator, &server, healthy);
        let present = seen(&targets, &desired).await;
        let looked_at_again = matches!(present.readiness, Readiness::Settling { .. });
        assert_eq!(looked_at_again, !healthy, "{:?}", present.readiness);
        let report = present.at_provider;
        assert_eq!(report.health, expected);
        assert_eq!(
            (
                report.health_status.len(),
                report.health_status[0].listen_port
            ),
            (1, 443)
        );
        assert_eq!(report.health_status[0].status, expected);
        assert_eq!(report.health_status[0].detail.is_some(), !healthy);
    }
    targets.delete(&desired, &present).await.unwrap();
    assert!(absent(&targets, &desired).await);
    targets.delete(&desired, &present).await.unwrap();
}

#[tokio::test]
async fn a_selector_is_a_target_and_its_members_are_reported() {
    let (simulator, project) = project().await;
    let balancer = balancer(&project).await;
    listen(&project, &balancer).await;
    let targets = targets(&project);
    let desired = target(
        &balancer,
        &json!({"labelSelector": "role=web,tier in (a, b)"}),
    );
    let present = made(&targets, &desired.clone().into()).await;
    assert_eq!(
        present.external_name,
        format!("{balancer}__label_selector__role=web,tier in (a, b)")
    );
    assert_eq!(
        present.at_provider.health, "unknown",
        "nothing is healthy where there is nothing"
    );
    let mut servers = Vec::new();
    for name in ["one", "two"] {
        servers.push(
            server(
                &project,
                name,
                &json!({"labels": {"role": "web", "tier": "a"}}),
            )
            .await,
        );
    }
    let desired = recorded(desired, &present);
    let report = seen(&targets, &desired).await.at_provider;
    let ids: Vec<_> = report
        .servers
        .iter()
        .map(|server| server.server_id.to_string())
        .collect();
    assert_eq!((ids, report.health.as_str()), (servers.clone(), "healthy"));
    set_healthy(&simulator, &servers[1], false);
    let report = seen(&targets, &desired).await.at_provider;
    assert_eq!(report.health, "unhealthy");
    assert_eq!(report.servers[0].health_status[0].status, "healthy");
}

#[tokio::test]
async fn an_address_is_a_target() {
    let (simulator, project) = project().await;
    let balancer = balancer(&project).await;
    let targets = targets(&project);
    let desired = target(&balancer, &json!({"ip": "203.0.113.7"}));
    let error = targets.create(&desired.clone().into()).await.unwrap_err();
    assert!(error.to_string().contains("ip_not_owned"), "{error}");
    assert_eq!(error.retry(), Retry::OnChange);
    {
        let mut world = simulator.world();
        let behaviour = world
            .project_mut(DEFAULT_TOKEN)
            .unwrap()
            .load_balancing_mut();
        behaviour
            .dedicated_servers
            .insert("203.0.113.7".parse().unwrap(), true);
    }
    let present = made(&targets, &desired.clone().into()).await;
    assert_eq!(
        present.external_name,
        format!("{balancer}__ip__203.0.113.7")
    );
    assert_eq!(present.at_provider.ip.as_deref(), Some("203.0.113.7"));
    targets
        .delete(&recorded(desired, &present), &present)
        .await
        .unwrap();
    assert!(found(&project, &balancer).await.targets.is_empty());
}

#[tokio::test]
async fn a_private_target_waits_for_the_network() {
    let (_simulator, project) = project().await;
    let (balancer, network) = (balancer(&project).await, network(&project).await);
    let server = server(
        &project,
        "server",
        &json!({"networks": [{"networkId": network}]}),
    )
    .await;
    let targets = targets(&project);
    let desired = target(
        &balancer,
        &json!({"serverId": server, "usePrivateIp": true}),
    );
    let error = targets.create(&desired.clone().into()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("load_balancer_not_attached_to_network"),
        "{error}"
    );
    assert_eq!(error.retry(), Retry::BackOff);
    attach(&project, &balancer, &network).await;
    let present = made(&targets, &desired.into()).await;
    assert!(present.at_provider.use_private_ip && present.drift.is_empty());
}

#[tokio::test]
async fn the_way_to_a_target_changes_only_when_the_other_way_is_open() {
    let (simulator, project) = project().await;
    let (balancer, network) = (balancer(&project).await, network(&project).await);
    let server = server(&project, "server", &json!({})).await;
    let targets = targets(&project);
    let spec = |privately: bool| {
        target(
            &balancer,
            &json!({"serverId": server, "usePrivateIp": privately}),
        )
    };
    let present = made(&targets, &spec(false).into()).await;
    let wanted = recorded(spec(true), &present);
    let present = seen(&targets, &wanted).await;
    assert_eq!(
        present.drift.to_string(),
        "usePrivateIp: desired true, observed false"
    );
    let refused = async |expected: &str| {
        simulator.log().clear();
        let error = targets.update(&wanted, &present).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.retry(), Retry::BackOff);
        assert!(simulator.log().mutations().is_empty());
    };
    refused("is not attached to a network: the target stays as it is").await;
    attach(&project, &balancer, &network).await;
    refused(&format!(
        "server {server} is not attached to network {network}"
    ))
    .await;
    let attachment = json!({"network": network.parse::<u64>().unwrap()});
    let servers = project.client.servers();
    servers
        .act(server.parse().unwrap(), "attach_to_network", &attachment)
        .await
        .unwrap();
    assert_eq!(
        changed(&targets, &wanted).await,
        "usePrivateIp: desired true, observed false"
    );

    let back = recorded(spec(false), &present);
    assert_eq!(
        changed(&targets, &back).await,
        "usePrivateIp: desired false, observed true"
    );
    let silent = recorded(target(&balancer, &json!({"serverId": server})), &present);
    changed(&targets, &wanted).await;
    assert!(
        seen(&targets, &silent).await.drift.is_empty(),
        "what is left out is not managed"
    );
    assert_eq!(found(&project, &balancer).await.targets.len(), 1);
}

#[tokio::test]
async fn targets_of_others_stay_and_one_that_is_there_is_adopted() {
    let (simulator, project) = project().await;
    let balancer = balancer(&project).await;
    let id = balancer.parse().unwrap();
    let foreign = Destination::LabelSelector("a=b".to_owned());
    project
        .client
        .load_balancers()
        .add_target(id, &foreign, None)
        .await
        .unwrap();
    let desired = target(&balancer, &json!({"labelSelector": "c=d"}));
    let lost = Fault::on(Method::POST, "/load_balancers/*/actions/add_target").close_after();
    simulator.faults().inject(lost);
    let error = targets(&project)
        .create(&desired.clone().into())
        .await
        .unwrap_err();
    assert!(error.outcome_unknown());
    let again = targets(&simulated::open(&simulator));
    again.create(&desired.clone().into()).await.unwrap();
    let present = seen(&again, &desired.clone().into()).await;
    again
        .delete(&recorded(desired, &present), &present)
        .await
        .unwrap();
    let found = found(&project, &balancer).await;
    let left: Vec<_> = found.targets.iter().map(Target::destination).collect();
    assert_eq!(left, [Some(foreign)]);
}

#[tokio::test]
async fn a_target_goes_with_its_server_and_its_load_balancer() {
    let (_simulator, project) = project().await;
    let balancer = balancer(&project).await;
    let server = server(&project, "server", &json!({})).await;
    let targets = targets(&project);
    let desired = target(&balancer, &json!({"serverId": server}));
    let present = made(&targets, &desired.clone().into()).await;
    let desired = recorded(desired, &present);
    project
        .client
        .servers()
        .delete(server.parse().unwrap())
        .await
        .unwrap();
    assert!(absent(&targets, &desired).await);
    targets.delete(&desired, &present).await.unwrap();
    let error = targets.create(&desired).await.unwrap_err();
    assert_eq!(error.retry(), Retry::BackOff, "{error}");
    project
        .client
        .load_balancers()
        .delete(balancer.parse().unwrap())
        .await
        .unwrap();
    assert!(absent(&targets, &desired).await);
    targets.delete(&desired, &present).await.unwrap();
}

#[test]
fn one_bad_part_is_bad_news_and_good_news_takes_all() {
    for (parts, expected) in [
        (&[][..], "unknown"),
        (&["healthy"], "healthy"),
        (&["healthy", "healthy"], "healthy"),
        (&["healthy", "unknown"], "unknown"),
        (&["unknown", "healthy"], "unknown"),
        (&["unknown", "unhealthy"], "unhealthy"),
        (&["healthy", "dizzy"], "unknown"),
    ] {
        let parts: Vec<_> = parts
            .iter()
            .map(|status| Health {
                status: (*status).to_owned(),
                ..Health::default()
            })
            .collect();
        assert_eq!(summary(parts.iter()), expected, "{parts:?}");
    }
}

#[test]
fn keys_are_read_as_they_are_written_and_made_of_the_spec() {
    for (text, expected) in [
        ("7__server__42", Some("7__server__42")),
        (
            "7__label_selector__a__b=c",
            Some("7__label_selector__a__b=c"),
        ),
        ("7__ip__2001:DB8::1", Some("7__ip__2001:db8::1")),
        ("7__ip__10.0.0", None),
        ("7__server__x", None),
        ("7__label_selector__", None),
        ("7__moon__1", None),
        ("0__server__42", None),
        ("7__server", None),
    ] {
        let key = LoadBalancerTargets::parse(text).map(|key| key.to_string());
        assert_eq!(key.as_deref(), expected, "{text}");
    }
    for (more, expected) in [
        (json!({"serverId": "42"}), "7__server__42"),
        (json!({"labelSelector": "a=b"}), "7__label_selector__a=b"),
        (json!({"ip": "203.0.113.1"}), "7__ip__203.0.113.1"),
        (json!({}), "serverId, labelSelector or ip is required"),
        (
            json!({"serverId": "42", "ip": "203.0.113.1"}),
            "only one of serverId",
        ),
        (
            json!({"ip": "10.0.0"}),
            "ip: \"10.0.0\" is not an IP address",
        ),
    ] {
        let key = LoadBalancerTargets::key(&target("7", &more));
        let text = key.map_or_else(|error| error.to_string(), |key| key.to_string());
        assert!(text.contains(expected), "{text}");
    }
}
