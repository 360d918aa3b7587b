//! The targets of load balancers and their health.

use std::time::Duration;

use hcloud_simulator::{ActionMode, Options, Simulator, SteppedClock};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Client},
    load_balancer::{change, invalid_fields, start},
};

/// Creates a running server and gives its id.
pub(crate) async fn server(client: &Client, name: &str, more: Value) -> u64 {
    let mut body = json!({
        "name": name,
        "server_type": "cpx22",
        "image": "ubuntu-24.04",
        "location": "hel1",
    });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let answer = client.post("/servers", body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.body["server"]["id"].as_u64().unwrap()
}

/// A network with one subnet, and its id.
async fn network(client: &Client) -> u64 {
    let subnet =
        json!({ "type": "cloud", "ip_range": "10.0.1.0/24", "network_zone": "eu-central" });
    let body = json!({ "name": "net", "ip_range": "10.0.0.0/16", "subnets": [subnet] });
    let answer = client.post("/networks", body).await;
    answer.body["network"]["id"].as_u64().unwrap()
}

pub(crate) fn of_server(id: u64) -> Value {
    json!({ "type": "server", "server": { "id": id } })
}

pub(crate) fn of_selector(selector: &str) -> Value {
    json!({ "type": "label_selector", "label_selector": { "selector": selector } })
}

pub(crate) fn of_ip(ip: &str) -> Value {
    json!({ "type": "ip", "ip": { "ip": ip } })
}

fn private(mut target: Value) -> Value {
    target["use_private_ip"] = json!(true);
    target
}

pub(crate) async fn add(client: &Client, id: u64, target: Value) -> Answer {
    client.balance(id, "add_target", target).await
}

pub(crate) async fn added(client: &Client, id: u64, target: Value) {
    let answer = add(client, id, target).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(answer.body["action"]["command"], "add_target");
}

pub(crate) async fn targets(client: &Client, id: u64) -> Value {
    client.load_balancer(id).await["targets"].clone()
}

/// The servers that the first target stands for.
async fn selected(client: &Client, id: u64) -> Vec<u64> {
    let targets = targets(client, id).await;
    let members = targets[0]["targets"].as_array().unwrap();
    members
        .iter()
        .map(|member| member["server"]["id"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn a_server_is_added_once_and_removed_once() {
    let (_simulator, client) = start().await;
    let id = client.create_load_balancer("n").await;
    let server = server(&client, "s", json!({})).await;
    added(&client, id, of_server(server)).await;
    let expected = json!([{
        "type": "server",
        "server": { "id": server },
        "health_status": [],
        "use_private_ip": false,
    }]);
    assert_eq!(targets(&client, id).await, expected);
    let seen = client.get(&format!("/servers/{server}")).await.body["server"].clone();
    assert_eq!(seen["load_balancers"], json!([id]));
    let again = add(&client, id, of_server(server)).await;
    assert_eq!(again.refusal(), (422, "target_already_defined"));
    let remove = async || client.balance(id, "remove_target", of_server(server)).await;
    assert_eq!(remove().await.body["action"]["command"], "remove_target");
    assert_eq!(targets(&client, id).await, json!([]));
    assert_eq!(
        remove().await.refusal(),
        (404, "load_balancer_target_not_found")
    );
}

#[tokio::test]
async fn a_target_names_exactly_what_its_type_says() {
    let (_simulator, client) = start().await;
    let id = client.create_load_balancer("n").await;
    let table = [
        (json!({}), "type"),
        (json!({ "type": "subnet" }), "type"),
        (json!({ "type": "server" }), "server"),
        (json!({ "type": "server", "server": {} }), "server.id"),
        (json!({ "type": "label_selector" }), "label_selector"),
        (of_selector(""), "label_selector.selector"),
        (of_selector("a=b,"), "label_selector.selector"),
        (
            of_selector(&format!("a={}", "b".repeat(999))),
            "label_selector.selector",
        ),
        (of_ip("ten"), "ip.ip"),
        (private(of_ip("203.0.113.1")), "use_private_ip"),
    ];
    for (target, field) in table {
        let answer = add(&client, id, target.clone()).await;
        assert_eq!(invalid_fields(&answer), [field], "{target}");
    }
    let missing = add(&client, id, of_server(5)).await;
    assert_eq!(missing.refusal(), (404, "not_found"));
}

#[tokio::test]
async fn private_targets_share_the_network_of_the_load_balancer() {
    let (_simulator, client) = start().await;
    let network = network(&client).await;
    let id = client.create_load_balancer("n").await;
    let inside = server(&client, "inside", json!({ "networks": [network] })).await;
    let outside = server(&client, "outside", json!({})).await;
    for target in [of_server(inside), of_selector("a")] {
        let refused = add(&client, id, private(target)).await;
        assert_eq!(
            refused.refusal(),
            (422, "load_balancer_not_attached_to_network")
        );
    }
    client
        .balance(id, "attach_to_network", json!({ "network": network }))
        .await;
    let refused = add(&client, id, private(of_server(outside))).await;
    assert_eq!(
        refused.refusal(),
        (422, "resolve_cloud_private_targets_error")
    );
    added(&client, id, private(of_server(inside))).await;
    client
        .balance(id, "disable_public_interface", json!(null))
        .await;
    for target in [of_server(outside), of_selector("a")] {
        let refused = add(&client, id, target).await;
        assert_eq!(
            refused.refusal(),
            (422, "load_balancer_public_interface_disabled")
        );
        let message =
            "load balancer public interface is disabled, cannot add target using public IP";
        assert_eq!(refused.body["error"]["message"], message);
    }
    client
        .balance(id, "detach_from_network", json!({ "network": network }))
        .await;
    assert_eq!(
        targets(&client, id).await,
        json!([]),
        "it goes with the network"
    );
}

#[tokio::test]
async fn public_targets_need_a_public_ipv4_and_keep_it() {
    let (_simulator, client) = start().await;
    let id = client.create_load_balancer("n").await;
    let net = json!({ "public_net": { "enable_ipv4": false, "enable_ipv6": true } });
    let without = server(&client, "without", net).await;
    let refused = add(&client, id, of_server(without)).await;
    assert_eq!(
        refused.refusal(),
        (422, "resolve_cloud_public_targets_error")
    );
    let with = server(&client, "with", json!({})).await;
    added(&client, id, of_server(with)).await;
    client
        .post(&format!("/servers/{with}/actions/poweroff"), json!({}))
        .await;
    let seen = client.get(&format!("/servers/{with}")).await.body["server"].clone();
    let ip = &seen["public_net"]["ipv4"]["id"];
    let unassign = async || {
        let path = format!("/primary_ips/{ip}/actions/unassign");
        client.post(&path, json!({})).await
    };
    assert_eq!(
        unassign().await.refusal(),
        (422, "server_is_load_balancer_target")
    );
    client.balance(id, "remove_target", of_server(with)).await;
    assert_eq!(unassign().await.status, 201);
}

#[tokio::test]
async fn a_target_goes_with_its_server_or_the_network_of_its_server() {
    let (_simulator, client) = start().await;
    let network = network(&client).await;
    let id = client.create_load_balancer("n").await;
    client
        .balance(id, "attach_to_network", json!({ "network": network }))
        .await;
    let leaver = server(&client, "leaver", json!({ "networks": [network] })).await;
    let deleted = server(&client, "deleted", json!({})).await;
    added(&client, id, private(of_server(leaver))).await;
    added(&client, id, of_server(deleted)).await;
    client.delete(&format!("/servers/{deleted}")).await;
    let left = targets(&client, id).await;
    assert_eq!(
        (left.as_array().unwrap().len(), &left[0]["server"]["id"]),
        (1, &json!(leaver))
    );
    let detach = format!("/servers/{leaver}/actions/detach_from_network");
    let detached = client.post(&detach, json!({ "network": network })).await;
    assert_eq!(detached.status, 201, "{}", detached.text);
    assert_eq!(targets(&client, id).await, json!([]));
}

#[tokio::test]
async fn a_label_selector_follows_the_labels_of_servers() {
    let (_simulator, client) = start().await;
    let id = client.create_load_balancer("n").await;
    let one = server(&client, "one", json!({ "labels": { "role": "web" } })).await;
    let two = server(&client, "two", json!({ "labels": { "role": "db" } })).await;
    added(&client, id, of_selector("role=web")).await;
    let target = &targets(&client, id).await[0];
    let member = json!({
        "type": "server",
        "server": { "id": one },
        "health_status": [],
        "use_private_ip": false,
    });
    let expected = json!({
        "type": "label_selector",
        "label_selector": { "selector": "role=web" },
        "targets": [member],
        "use_private_ip": false,
    });
    assert_eq!(*target, expected);
    let label = async |server: u64, role: &str| {
        let body = json!({ "labels": { "role": role } });
        client.put(&format!("/servers/{server}"), body).await
    };
    label(two, "web").await;
    assert_eq!(selected(&client, id).await, [one, two]);
    label(one, "db").await;
    assert_eq!(selected(&client, id).await, [two]);
    client.delete(&format!("/servers/{two}")).await;
    assert_eq!(selected(&client, id).await, [0_u64; 0]);
    let again = add(&client, id, of_selector("role=web")).await;
    assert_eq!(again.refusal(), (422, "target_already_defined"));
    client
        .balance(id, "remove_target", of_selector("role=web"))
        .await;
    assert_eq!(targets(&client, id).await, json!([]));
}

#[tokio::test]
async fn a_private_label_selector_stands_for_the_servers_of_the_network() {
    let (_simulator, client) = start().await;
    let network = network(&client).await;
    let id = client.create_load_balancer("n").await;
    client
        .balance(id, "attach_to_network", json!({ "network": network }))
        .await;
    let labels = json!({ "role": "web" });
    let inside = json!({ "labels": labels, "networks": [network] });
    let inside = server(&client, "inside", inside).await;
    let outside = server(&client, "outside", json!({ "labels": labels })).await;
    added(&client, id, private(of_selector("role"))).await;
    assert_eq!(selected(&client, id).await, [inside]);
    let attach = format!("/servers/{outside}/actions/attach_to_network");
    client.post(&attach, json!({ "network": network })).await;
    assert_eq!(selected(&client, id).await, [inside, outside]);
}

#[tokio::test]
async fn label_selectors_can_lag_behind_but_deleted_servers_are_gone() {
    let steps = SteppedClock::new("2026-11-01T12:00:00Z".parse::<Timestamp>().unwrap());
    let simulator = Simulator::start(Options {
        clock: steps.clock(),
        ..Options::default()
    })
    .await
    .unwrap();
    let client = Client::new(&simulator);
    change(&simulator, |project| {
        project.load_balancing_mut().selector_lag = Duration::from_secs(5);
    });
    let id = client.create_load_balancer("n").await;
    let one = server(&client, "one", json!({ "labels": { "role": "web" } })).await;
    added(&client, id, of_selector("role=web")).await;
    assert_eq!(selected(&client, id).await, [0_u64; 0]);
    steps.advance(Duration::from_secs(4));
    assert_eq!(selected(&client, id).await, [0_u64; 0]);
    steps.advance(Duration::from_secs(1));
    assert_eq!(selected(&client, id).await, [one]);
    client.delete(&format!("/servers/{one}")).await;
    assert_eq!(selected(&client, id).await, [0_u64; 0]);
}

#[tokio::test]
async fn a_private_address_belongs_to_a_vswitch_subnet_of_the_network() {
    let (_simulator, client) = start().await;
    let network = network(&client).await;
    let id = client.create_load_balancer("n").await;
    let target = || of_ip("10.0.9.5");
    let refused = add(&client, id, target()).await;
    assert_eq!(
        refused.refusal(),
        (422, "load_balancer_not_attached_to_network")
    );
    client
        .balance(id, "attach_to_network", json!({ "network": network }))
        .await;
    let refused = add(&client, id, target()).await;
    assert_eq!(refused.refusal(), (422, "network_has_no_vswitch_subnet"));
    let subnet = json!({
        "type": "vswitch",
        "ip_range": "10.0.9.0/24",
        "network_zone": "eu-central",
        "vswitch_id": 7,
    });
    let path = format!("/networks/{network}/actions/add_subnet");
    assert_eq!(client.post(&path, subnet).await.status, 201);
    let refused = add(&client, id, of_ip("10.0.1.5")).await;
    assert_eq!(refused.refusal(), (422, "ip_not_in_vswitch_subnet"));
    added(&client, id, target()).await;
    let disabled = client
        .balance(id, "disable_public_interface", json!(null))
        .await;
    assert_eq!(disabled.status, 201, "such a target is private");
}

#[tokio::test]
async fn a_type_limits_targets_of_all_kinds() {
    let (simulator, client) = start().await;
    let id = client.create_load_balancer("n").await;
    change(&simulator, |project| {
        let dedicated = &mut project.load_balancing_mut().dedicated_servers;
        dedicated.extend((1..=25).map(|host| ([203, 0, 113, host].into(), true)));
    });
    for host in 1..=24 {
        added(&client, id, of_ip(&format!("203.0.113.{host}"))).await;
    }
    let labels = json!({ "labels": { "role": "web" } });
    server(&client, "one", labels.clone()).await;
    server(&client, "two", labels).await;
    let refused = add(&client, id, of_selector("role=web")).await;
    assert_eq!(refused.refusal(), (403, "resource_limit_exceeded"));
    added(&client, id, of_ip("203.0.113.25")).await;
    client
        .balance(id, "change_type", json!({ "load_balancer_type": "lb21" }))
        .await;
    added(&client, id, of_selector("role=web")).await;
    client
        .balance(id, "remove_target", of_ip("203.0.113.1"))
        .await;
    let refused = client
        .balance(id, "change_type", json!({ "load_balancer_type": "lb11" }))
        .await;
    assert_eq!(refused.refusal(), (422, "invalid_load_balancer_type"));
}

#[tokio::test]
async fn targets_of_a_new_load_balancer_are_checked_like_added_ones() {
    let (simulator, client) = start().await;
    let network = network(&client).await;
    let inside = server(&client, "inside", json!({ "networks": [network] })).await;
    let create = async |targets: Value, network: Value| {
        let body = json!({
            "name": "n",
            "load_balancer_type": "lb11",
            "location": "fsn1",
            "network": network,
            "targets": targets,
        });
        client.post("/load_balancers", body).await
    };
    let twice = json!([of_server(inside), of_server(inside)]);
    let twice = create(twice, json!(null)).await;
    assert_eq!(twice.refusal(), (422, "target_already_defined"));
    let lonely = create(json!([private(of_server(inside))]), json!(null)).await;
    assert_eq!(
        lonely.refusal(),
        (422, "load_balancer_not_attached_to_network")
    );
    let unknown = create(json!([of_server(inside), { "type": "x" }]), json!(null)).await;
    assert_eq!(invalid_fields(&unknown), ["targets.1.type"]);

    simulator.actions().set_mode(ActionMode::Explicit);
    let created = create(json!([private(of_server(inside))]), json!(network)).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let id = created.body["load_balancer"]["id"].as_u64().unwrap();
    simulator.actions().drain();
    let body = client.load_balancer(id).await;
    assert_eq!(body["targets"][0]["server"]["id"], inside);
    assert_eq!(body["private_net"][0]["network"], network);
}
