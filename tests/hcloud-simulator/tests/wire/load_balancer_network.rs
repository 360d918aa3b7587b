//! Load balancers in private networks, and their public interface.

use std::time::Duration;

use hcloud_simulator::{ActionError, ActionMode, Options, Simulator, SteppedClock};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Client},
    load_balancer::{change, invalid_fields, start},
};

/// A network with the subnets 10.0.0.0/24 and 10.0.1.0/24 of eu-central, and its id.
async fn network(client: &Client, name: &str) -> u64 {
    let subnet =
        |range: &str| json!({ "type": "cloud", "ip_range": range, "network_zone": "eu-central" });
    let body = json!({
        "name": name,
        "ip_range": "10.0.0.0/16",
        "subnets": [subnet("10.0.1.0/24"), subnet("10.0.0.0/24")],
    });
    let answer = client.post("/networks", body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.body["network"]["id"].as_u64().unwrap()
}

async fn attach(client: &Client, id: u64, body: Value) -> Answer {
    client.balance(id, "attach_to_network", body).await
}

async fn private_net(client: &Client, id: u64) -> Value {
    client.load_balancer(id).await["private_net"].clone()
}

#[tokio::test]
async fn an_attached_load_balancer_shows_on_both_sides_until_it_is_detached() {
    let (_simulator, client) = start().await;
    let network = network(&client, "net").await;
    let id = client.create_load_balancer("n").await;
    let attached = attach(&client, id, json!({ "network": network })).await;
    assert_eq!(attached.status, 201, "{}", attached.text);
    let action = &attached.body["action"];
    assert_eq!(action["command"], "attach_to_network");
    let resources =
        json!([{ "id": id, "type": "load_balancer" }, { "id": network, "type": "network" }]);
    assert_eq!(action["resources"], resources);
    let expected = json!([{ "network": network, "ip": "10.0.1.1" }]);
    assert_eq!(private_net(&client, id).await, expected);
    let path = format!("/networks/{network}");
    let seen = client.get(&path).await.body["network"]["load_balancers"].clone();
    assert_eq!(seen, json!([id]));
    let members = client.get(&format!("{path}/members")).await.body["members"].clone();
    let member = json!({
        "type": "load_balancer",
        "id": id,
        "ip": "10.0.1.1",
        "alias_ips": [],
        "subnet": "10.0.1.0/24",
        "status": "ok",
    });
    assert_eq!(members, json!([member]));
    let subnet = json!({ "ip_range": "10.0.1.0/24" });
    let busy = client
        .post(&format!("{path}/actions/delete_subnet"), subnet)
        .await;
    assert_eq!(busy.refusal(), (422, "service_error"));

    let detach = async |network: u64| {
        let body = json!({ "network": network });
        client.balance(id, "detach_from_network", body).await
    };
    let elsewhere = detach(network + 1).await;
    assert_eq!(elsewhere.refusal(), (404, "not_found"));
    assert_eq!(
        detach(network).await.body["action"]["command"],
        "detach_from_network"
    );
    assert_eq!(private_net(&client, id).await, json!([]));
    let seen = client.get(&path).await.body["network"]["load_balancers"].clone();
    assert_eq!(seen, json!([]));
    assert_eq!(detach(network).await.refusal(), (404, "not_found"));
}

#[tokio::test]
async fn an_address_or_a_subnet_can_be_asked_for() {
    let (_simulator, client) = start().await;
    let network = network(&client, "net").await;
    let taken = client.create_load_balancer("taken").await;
    attach(
        &client,
        taken,
        json!({ "network": network, "ip": "10.0.0.2" }),
    )
    .await;
    let id = client.create_load_balancer("n").await;
    let table = [
        (json!({ "ip": "10.0.0.9" }), "10.0.0.9"),
        (json!({ "ip_range": "10.0.0.0/24" }), "10.0.0.3"),
        (
            json!({ "ip_range": "10.0.1.0/24", "ip": "10.0.1.7" }),
            "10.0.1.7",
        ),
    ];
    for (mut wish, expected) in table {
        wish["network"] = json!(network);
        assert_eq!(attach(&client, id, wish).await.status, 201);
        assert_eq!(private_net(&client, id).await[0]["ip"], expected);
        let detached = client
            .balance(id, "detach_from_network", json!({ "network": network }))
            .await;
        assert_eq!(detached.status, 201);
    }
    let table = [
        (json!({ "ip": "10.0.0.2" }), "ip_not_available"),
        (json!({ "ip": "10.0.0.1" }), "ip_not_available"),
        (json!({ "ip": "10.0.7.1" }), "no_subnet_available"),
        (json!({ "ip_range": "10.0.7.0/24" }), "no_subnet_available"),
        (
            json!({ "ip_range": "10.0.1.0/24", "ip": "10.0.0.9" }),
            "invalid_input",
        ),
        (json!({ "ip": "ten" }), "invalid_input"),
    ];
    for (mut wish, code) in table {
        wish["network"] = json!(network);
        let refused = attach(&client, id, wish.clone()).await;
        assert_eq!(refused.refusal(), (422, code), "{wish}");
    }
    let missing = attach(&client, id, json!({ "network": 5 })).await;
    assert_eq!(missing.refusal(), (404, "not_found"));
    assert_eq!(
        invalid_fields(&attach(&client, id, json!({})).await),
        ["network"]
    );
    assert_eq!(private_net(&client, id).await, json!([]));
}

#[tokio::test]
async fn only_subnets_of_its_zone_are_available() {
    let (_simulator, client) = start().await;
    let network = network(&client, "net").await;
    let body =
        json!({ "name": "n", "load_balancer_type": "lb11", "location": "ash", "network": network });
    let refused = client.post("/load_balancers", body).await;
    assert_eq!(refused.refusal(), (422, "no_subnet_available"));
}

#[tokio::test]
async fn it_is_attached_to_one_network_only() {
    let (_simulator, client) = start().await;
    let (one, two) = (network(&client, "one").await, network(&client, "two").await);
    let id = client.create_load_balancer("n").await;
    attach(&client, id, json!({ "network": one })).await;
    for network in [one, two] {
        let again = attach(&client, id, json!({ "network": network })).await;
        assert_eq!(again.refusal(), (422, "load_balancer_already_attached"));
    }
}

#[tokio::test]
async fn a_network_that_is_being_changed_takes_nobody() {
    let simulator = Simulator::start(Options {
        actions: ActionMode::Explicit,
        ..Options::default()
    })
    .await
    .unwrap();
    let client = Client::new(&simulator);
    let network = network(&client, "net").await;
    let (one, two) = (
        client.create_load_balancer("one").await,
        client.create_load_balancer("two").await,
    );
    simulator.actions().drain();
    let member = async || {
        let path = format!("/networks/{network}/members");
        client.get(&path).await.body["members"][0]["status"].clone()
    };
    attach(&client, one, json!({ "network": network })).await;
    let refused = attach(&client, two, json!({ "network": network })).await;
    assert_eq!(refused.refusal(), (409, "conflict"));
    let path = format!("/networks/{network}/actions/change_protection");
    let refused = client.post(&path, json!({ "delete": true })).await;
    assert_eq!(refused.refusal(), (409, "conflict"));
    assert_eq!(member().await, "attaching");
    assert_eq!(
        private_net(&client, one).await,
        json!([]),
        "not before the action ends"
    );
    simulator
        .actions()
        .fail_next(&ActionError::new("action_failed", "no"));
    assert_eq!(
        member().await,
        json!(null),
        "nothing is left of a failed attachment"
    );

    attach(&client, one, json!({ "network": network })).await;
    simulator.actions().drain();
    assert_eq!(member().await, "ok");
    client
        .balance(one, "detach_from_network", json!({ "network": network }))
        .await;
    assert_eq!(member().await, "detaching");
    simulator
        .actions()
        .fail_next(&ActionError::new("action_failed", "no"));
    assert_eq!(member().await, "ok");
    assert_eq!(private_net(&client, one).await[0]["network"], network);
}

#[tokio::test]
async fn a_new_load_balancer_can_be_attached_and_hidden_from_the_internet() {
    let (_simulator, client) = start().await;
    let network = network(&client, "net").await;
    let create = async |body: Value| {
        let mut all = json!({ "name": "n", "load_balancer_type": "lb11", "location": "fsn1" });
        all.as_object_mut()
            .unwrap()
            .extend(body.as_object().unwrap().clone());
        client.post("/load_balancers", all).await
    };
    let lonely = create(json!({ "public_interface": false })).await;
    assert_eq!(
        lonely.refusal(),
        (422, "load_balancer_not_attached_to_network")
    );
    let missing = create(json!({ "network": 5 })).await;
    assert_eq!(missing.refusal(), (404, "not_found"));
    let created = create(json!({ "public_interface": false, "network": network })).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let body = &created.body["load_balancer"];
    assert_eq!(body["public_net"]["enabled"], false);
    assert!(
        body["public_net"]["ipv4"]["ip"].is_string(),
        "it keeps its addresses"
    );
    assert_eq!(body["private_net"][0]["network"], network);
}

#[tokio::test]
async fn a_create_that_fails_leaves_a_load_balancer_without_a_network() {
    let simulator = Simulator::start(Options {
        actions: ActionMode::Explicit,
        ..Options::default()
    })
    .await
    .unwrap();
    let client = Client::new(&simulator);
    let network = network(&client, "net").await;
    let body = json!({
        "name": "n",
        "load_balancer_type": "lb11",
        "location": "fsn1",
        "network": network,
    });
    let created = client.post("/load_balancers", body).await;
    let id = created.body["load_balancer"]["id"].as_u64().unwrap();
    simulator
        .actions()
        .fail_next(&ActionError::new("action_failed", "no"));
    assert_eq!(private_net(&client, id).await, json!([]));
    let members = client.get(&format!("/networks/{network}/members")).await;
    assert_eq!(members.body["members"], json!([]));
}

#[tokio::test]
async fn the_public_interface_is_switched_off_only_with_a_network() {
    let (_simulator, client) = start().await;
    let network = network(&client, "net").await;
    let id = client.create_load_balancer("n").await;
    let switch = async |command: &str| client.balance(id, command, json!(null)).await;
    let enabled = async || client.load_balancer(id).await["public_net"]["enabled"].clone();
    let refused = switch("disable_public_interface").await;
    assert_eq!(
        refused.refusal(),
        (422, "load_balancer_not_attached_to_network")
    );
    attach(&client, id, json!({ "network": network })).await;
    let target = json!({ "type": "label_selector", "label_selector": { "selector": "a=b" } });
    client.balance(id, "add_target", target.clone()).await;
    let refused = switch("disable_public_interface").await;
    assert_eq!(refused.refusal(), (422, "targets_without_use_private_ip"));
    client.balance(id, "remove_target", target).await;
    assert_eq!(switch("disable_public_interface").await.status, 201);
    assert_eq!(enabled().await, false);
    assert_eq!(switch("enable_public_interface").await.status, 201);
    assert_eq!(switch("enable_public_interface").await.status, 201, "again");
    assert_eq!(enabled().await, true);
}

#[tokio::test]
async fn a_deleted_load_balancer_leaves_its_network_and_a_deleted_network_its_load_balancer() {
    let (_simulator, client) = start().await;
    let network = network(&client, "net").await;
    let (one, two) = (
        client.create_load_balancer("one").await,
        client.create_load_balancer("two").await,
    );
    for id in [one, two] {
        attach(&client, id, json!({ "network": network })).await;
    }
    let private = json!({
        "type": "label_selector",
        "label_selector": { "selector": "a=b" },
        "use_private_ip": true,
    });
    assert_eq!(client.balance(two, "add_target", private).await.status, 201);
    client.delete(&format!("/load_balancers/{one}")).await;
    let path = format!("/networks/{network}");
    let seen = client.get(&path).await.body["network"]["load_balancers"].clone();
    assert_eq!(seen, json!([two]));
    assert_eq!(client.delete(&path).await.status, 204);
    let left = client.load_balancer(two).await;
    assert_eq!(
        (&left["private_net"], &left["targets"]),
        (&json!([]), &json!([]))
    );
}

#[tokio::test]
async fn a_detached_network_can_go_on_showing_for_a_moment() {
    let steps = SteppedClock::new("2026-11-01T12:00:00Z".parse::<Timestamp>().unwrap());
    let simulator = Simulator::start(Options {
        clock: steps.clock(),
        ..Options::default()
    })
    .await
    .unwrap();
    change(&simulator, |project| {
        project.load_balancing_mut().detach_lag = Duration::from_secs(4);
    });
    let client = Client::new(&simulator);
    let network = network(&client, "net").await;
    let id = client.create_load_balancer("n").await;
    attach(&client, id, json!({ "network": network })).await;
    let attached = private_net(&client, id).await;
    client
        .balance(id, "detach_from_network", json!({ "network": network }))
        .await;
    steps.advance(Duration::from_secs(3));
    assert_eq!(private_net(&client, id).await, attached);
    steps.advance(Duration::from_secs(1));
    assert_eq!(private_net(&client, id).await, json!([]));
}
