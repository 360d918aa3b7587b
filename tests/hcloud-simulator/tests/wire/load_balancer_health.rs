//! The health of a load balancer's targets.

use std::time::Duration;

use hcloud_simulator::{ApiDate, DEFAULT_TOKEN, Options, Simulator, SteppedClock};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    client::Client,
    load_balancer::{change, start},
    load_balancer_target::{add, added, of_ip, of_selector, of_server, server, targets},
};

#[tokio::test]
async fn a_dedicated_server_is_a_target_by_its_address() {
    let (simulator, client) = start().await;
    let id = client.create_load_balancer("n").await;
    change(&simulator, |project| {
        let dedicated = &mut project.load_balancing_mut().dedicated_servers;
        dedicated.insert("203.0.113.1".parse().unwrap(), true);
        dedicated.insert("2001:db8:ffff::1".parse().unwrap(), false);
    });
    added(&client, id, of_ip("203.0.113.1")).await;
    added(&client, id, of_ip("2001:DB8:ffff:0::1")).await;
    client
        .balance(id, "add_service", json!({ "protocol": "http" }))
        .await;
    let health = |status: Value| json!([status]);
    let expected = json!([
        {
            "type": "ip",
            "ip": { "ip": "203.0.113.1" },
            "health_status": health(json!({ "listen_port": 80, "status": "healthy" })),
        },
        {
            "type": "ip",
            "ip": { "ip": "2001:db8:ffff::1" },
            "health_status": health(json!({
                "listen_port": 80,
                "status": "unhealthy",
                "detail": "unexpected_http_status",
                "http_status_code": 503,
            })),
        },
    ]);
    assert_eq!(targets(&client, id).await, expected);
    let again = add(&client, id, of_ip("203.0.113.1")).await;
    assert_eq!(again.refusal(), (422, "target_already_defined"));
    let foreign = add(&client, id, of_ip("203.0.113.2")).await;
    assert_eq!(foreign.refusal(), (422, "ip_not_owned"));
    let own = client.load_balancer(id).await["public_net"].clone();
    for family in ["ipv4", "ipv6"] {
        let cloud = add(&client, id, of_ip(own[family]["ip"].as_str().unwrap())).await;
        assert_eq!(
            cloud.refusal(),
            (422, "cloud_resource_ip_not_allowed"),
            "{family}"
        );
    }
    client
        .balance(id, "remove_target", of_ip("2001:db8:ffff::1"))
        .await;
    assert_eq!(targets(&client, id).await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn health_follows_the_server_and_tells_why_not() {
    let (simulator, client) = start().await;
    let id = client.create_load_balancer("n").await;
    let one = server(&client, "one", json!({ "labels": { "role": "web" } })).await;
    let tcp = json!({ "protocol": "tcp", "listen_port": 6443, "destination_port": 6443 });
    for service in [json!({ "protocol": "http" }), tcp] {
        client.balance(id, "add_service", service).await;
    }
    added(&client, id, of_server(one)).await;
    added(&client, id, of_selector("role=web")).await;
    let health = async || {
        let targets = targets(&client, id).await;
        let direct = targets[0]["health_status"].clone();
        assert_eq!(targets[1]["targets"][0]["health_status"], direct);
        direct
    };
    let healthy = json!([
        { "listen_port": 80, "status": "healthy" },
        { "listen_port": 6443, "status": "healthy" },
    ]);
    assert_eq!(health().await, healthy);
    let set = |healthy: bool| {
        change(&simulator, |project| {
            project.servers_mut().get_mut(one).unwrap().healthy = healthy;
        });
    };
    set(false);
    let broken = json!([
        {
            "listen_port": 80,
            "status": "unhealthy",
            "detail": "unexpected_http_status",
            "http_status_code": 503,
        },
        { "listen_port": 6443, "status": "unhealthy", "detail": "layer4_no_connection" },
    ]);
    assert_eq!(health().await, broken);
    set(true);
    client
        .post(&format!("/servers/{one}/actions/poweroff"), json!({}))
        .await;
    let silent = json!([
        { "listen_port": 80, "status": "unhealthy", "detail": "layer4_timeout" },
        { "listen_port": 6443, "status": "unhealthy", "detail": "layer4_timeout" },
    ]);
    assert_eq!(health().await, silent);
    simulator.world().api_date = ApiDate::June2026;
    assert_eq!(
        health().await[0],
        json!({ "listen_port": 80, "status": "unhealthy" })
    );
    client
        .post(&format!("/servers/{one}/actions/poweron"), json!({}))
        .await;
    assert_eq!(health().await, healthy);
}

#[tokio::test]
async fn health_is_unknown_until_the_first_check() {
    let steps = SteppedClock::new("2026-11-01T12:00:00Z".parse::<Timestamp>().unwrap());
    let simulator = Simulator::start(Options {
        clock: steps.clock(),
        ..Options::default()
    })
    .await
    .unwrap();
    let client = Client::new(&simulator);
    change(&simulator, |project| {
        project.load_balancing_mut().first_health_check = Duration::from_secs(15);
    });
    let id = client.create_load_balancer("n").await;
    client
        .balance(id, "add_service", json!({ "protocol": "http" }))
        .await;
    let one = server(&client, "one", json!({})).await;
    added(&client, id, of_server(one)).await;
    let status = async || targets(&client, id).await[0]["health_status"][0]["status"].clone();
    assert_eq!(status().await, "unknown");
    steps.advance(Duration::from_secs(14));
    assert_eq!(status().await, "unknown");
    steps.advance(Duration::from_secs(1));
    assert_eq!(status().await, "healthy");
}

#[tokio::test]
async fn a_server_that_starts_broken_gets_connections_once_it_is_well() {
    let (simulator, client) = start().await;
    change(&simulator, |project| {
        project.load_balancing_mut().servers_start_broken = true;
    });
    let id = client.create_load_balancer("n").await;
    let one = server(&client, "one", json!({ "labels": { "role": "web" } })).await;
    let two = server(&client, "two", json!({})).await;
    added(&client, id, of_selector("role=web")).await;
    added(&client, id, of_server(two)).await;
    let healthy = || {
        let world = simulator.shared_world();
        let world = world.lock();
        let project = world.project(DEFAULT_TOKEN).unwrap();
        let load_balancer = project.load_balancers().get(id).unwrap();
        load_balancer.healthy_servers(project, world.now())
    };
    assert_eq!(healthy(), [0; 0]);
    change(&simulator, |project| {
        for id in [one, two] {
            project.servers_mut().get_mut(id).unwrap().healthy = true;
        }
    });
    assert_eq!(healthy(), [one, two]);
    client
        .post(&format!("/servers/{one}/actions/poweroff"), json!({}))
        .await;
    assert_eq!(healthy(), [two]);
}
