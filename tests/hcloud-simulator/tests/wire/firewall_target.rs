//! What firewalls are applied to.

use std::time::Duration;

use hcloud_simulator::{ActionError, ActionMode, Fault, Options, Simulator, SteppedClock};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Client},
    firewall::{
        AT_ONCE, act, change, create, created, firewalls_of, of_selector, of_server, read, server,
        start,
    },
};

async fn apply(client: &Client, id: u64, targets: &[Value]) -> Answer {
    act(
        client,
        id,
        "apply_to_resources",
        json!({ "apply_to": targets }),
    )
    .await
}

async fn remove(client: &Client, id: u64, targets: &[Value]) -> Answer {
    act(
        client,
        id,
        "remove_from_resources",
        json!({ "remove_from": targets }),
    )
    .await
}

#[tokio::test]
async fn a_server_is_pending_until_the_action_ends_and_forgotten_when_it_fails() {
    let (simulator, client) = start(AT_ONCE).await;
    let server = server(&client, "web", json!({})).await;
    let id = created(&client, "fw", json!({})).await;
    simulator.actions().set_mode(ActionMode::Explicit);
    let status = |status: &str| json!([{ "id": id, "status": status }]);

    assert_eq!(apply(&client, id, &[of_server(server)]).await.status, 201);
    assert_eq!(firewalls_of(&client, server).await, status("pending"));
    simulator
        .actions()
        .fail_next(&ActionError::new("action_failed", "no"));
    assert_eq!(firewalls_of(&client, server).await, json!([]));
    assert_eq!(read(&client, id).await["applied_to"], json!([]));

    assert_eq!(apply(&client, id, &[of_server(server)]).await.status, 201);
    simulator.actions().drain();
    assert_eq!(firewalls_of(&client, server).await, status("applied"));

    assert_eq!(remove(&client, id, &[of_server(server)]).await.status, 201);
    assert_eq!(
        firewalls_of(&client, server).await,
        status("applied"),
        "the removal is still running"
    );
    simulator.actions().drain();
    assert_eq!(firewalls_of(&client, server).await, json!([]));
}

#[tokio::test]
async fn an_answer_can_carry_an_action_that_fails() {
    let (simulator, client) = start(AT_ONCE).await;
    let server = server(&client, "web", json!({})).await;
    let id = created(&client, "fw", json!({})).await;
    let path = "/firewalls/*/actions/apply_to_resources";
    simulator
        .faults()
        .inject(Fault::on(Method::POST, path).fail_action("action_failed", "no"));
    let answer = apply(&client, id, &[of_server(server)]).await;
    assert_eq!(
        answer.body["actions"][0]["status"], "error",
        "{}",
        answer.text
    );
    assert_eq!(firewalls_of(&client, server).await, json!([]));
}

#[tokio::test]
async fn what_a_firewall_cannot_be_applied_to_is_refused() {
    let (_simulator, client) = start(AT_ONCE).await;
    let subnet =
        json!({ "type": "cloud", "ip_range": "10.0.1.0/24", "network_zone": "eu-central" });
    let network = json!({ "name": "net", "ip_range": "10.0.0.0/16", "subnets": [subnet] });
    let network = client.post("/networks", network).await.body["network"]["id"].clone();
    let private = json!({
        "public_net": { "enable_ipv4": false, "enable_ipv6": false },
        "networks": [network],
    });
    let (public, private) = (
        server(&client, "web", json!({})).await,
        server(&client, "db", private).await,
    );
    let id = created(
        &client,
        "fw",
        json!({ "apply_to": [of_server(public), of_selector("a=b")] }),
    )
    .await;
    let table = [
        (of_server(public), (422, "firewall_already_applied")),
        (of_selector("a=b"), (422, "firewall_already_applied")),
        (of_server(private), (422, "private_net_only_server")),
        (of_server(1), (404, "firewall_resource_not_found")),
        (of_selector(""), (422, "invalid_input")),
        (of_selector("a in"), (422, "invalid_input")),
        (json!({ "type": "server" }), (422, "invalid_input")),
        (json!({ "type": "label_selector" }), (422, "invalid_input")),
        (
            json!({ "type": "volume", "server": { "id": public } }),
            (422, "invalid_input"),
        ),
    ];
    for (target, expected) in table {
        assert_eq!(
            apply(&client, id, std::slice::from_ref(&target))
                .await
                .refusal(),
            expected,
            "{target}"
        );
    }
    let twice = create(
        &client,
        "x",
        json!({ "apply_to": [of_server(public), of_server(public)] }),
    )
    .await;
    assert_eq!(twice.refusal(), (422, "server_already_added"));
    let missing = create(&client, "x", json!({ "apply_to": [of_server(1)] })).await;
    assert_eq!(missing.refusal(), (422, "firewall_resource_not_found"));
    let nothing = act(&client, id, "apply_to_resources", json!({})).await;
    assert_eq!(nothing.refusal(), (422, "invalid_input"));
    assert_eq!(
        client.get("/firewalls").await.body["firewalls"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn what_is_not_applied_is_removed_without_an_action() {
    let (_simulator, client) = start(AT_ONCE).await;
    let server = server(&client, "web", json!({})).await;
    let id = created(&client, "fw", json!({})).await;
    let answer = remove(&client, id, &[of_server(server), of_selector("a=b")]).await;
    assert_eq!((answer.status, &answer.body["actions"]), (201, &json!([])));
    assert_eq!(
        remove(&client, id, &[of_server(1)]).await.refusal(),
        (404, "firewall_resource_not_found")
    );
}

#[tokio::test]
async fn a_label_selector_finds_servers_as_their_labels_change() {
    let (_simulator, client) = start(AT_ONCE).await;
    let web = server(&client, "web", json!({ "labels": { "role": "web" } })).await;
    let other = server(&client, "other", json!({})).await;
    let id = created(
        &client,
        "fw",
        json!({ "apply_to": [of_selector("role=web")] }),
    )
    .await;
    let found = |firewall: Value| firewall["applied_to"][0]["applied_to_resources"].clone();
    assert_eq!(found(read(&client, id).await), json!([of_server(web)]));
    assert_eq!(
        firewalls_of(&client, web).await,
        json!([{ "id": id, "status": "applied" }])
    );
    let by_hand = remove(&client, id, &[of_server(web)]).await;
    assert_eq!(
        by_hand.refusal(),
        (422, "firewall_managed_by_label_selector")
    );

    let labels = json!({ "labels": { "role": "web" } });
    assert_eq!(
        client
            .put(&format!("/servers/{other}"), labels)
            .await
            .status,
        200
    );
    assert_eq!(
        client
            .put(&format!("/servers/{web}"), json!({ "labels": {} }))
            .await
            .status,
        200
    );
    assert_eq!(found(read(&client, id).await), json!([of_server(other)]));
    assert_eq!(firewalls_of(&client, web).await, json!([]));

    assert_eq!(
        remove(&client, id, &[of_selector("role=web")]).await.status,
        201
    );
    assert_eq!(read(&client, id).await["applied_to"], json!([]));
}

#[tokio::test]
async fn a_label_selector_can_lag_behind() {
    let steps = SteppedClock::new(Timestamp::from_second(1_000).unwrap());
    let options = Options {
        clock: steps.clock(),
        ..Options::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let client = Client::new(&simulator);
    let lag = Duration::from_secs(3);
    change(&simulator, |project| {
        project.resources.firewalling.selector_lag = lag
    });
    let web = server(&client, "web", json!({ "labels": { "role": "web" } })).await;
    let late = server(&client, "late", json!({})).await;
    let id = created(
        &client,
        "fw",
        json!({ "apply_to": [of_selector("role=web")] }),
    )
    .await;
    assert_eq!(
        firewalls_of(&client, web).await,
        json!([{ "id": id, "status": "applied" }])
    );
    let labels = json!({ "labels": { "role": "web" } });
    assert_eq!(
        client.put(&format!("/servers/{late}"), labels).await.status,
        200
    );
    assert_eq!(firewalls_of(&client, late).await, json!([]));
    steps.advance(Duration::from_secs(2));
    assert_eq!(firewalls_of(&client, late).await, json!([]));
    steps.advance(Duration::from_secs(1));
    assert_eq!(
        firewalls_of(&client, late).await,
        json!([{ "id": id, "status": "applied" }])
    );
}

#[tokio::test]
async fn a_firewall_in_use_stays_and_one_whose_servers_are_gone_does_not() {
    let (_simulator, client) = start(AT_ONCE).await;
    let server = server(&client, "web", json!({})).await;
    let id = created(&client, "fw", json!({ "apply_to": [of_server(server)] })).await;
    let path = format!("/firewalls/{id}");
    assert_eq!(
        client.delete(&path).await.refusal(),
        (422, "resource_in_use")
    );
    assert_eq!(
        client.delete(&format!("/servers/{server}")).await.status,
        200
    );
    assert_eq!(read(&client, id).await["applied_to"], json!([]));
    assert_eq!(client.delete(&path).await.status, 204);
    assert_eq!(client.get(&path).await.refusal(), (404, "not_found"));

    let id = created(&client, "fw", json!({ "apply_to": [of_selector("a=b")] })).await;
    let path = format!("/firewalls/{id}");
    assert_eq!(
        client.delete(&path).await.refusal(),
        (422, "resource_in_use"),
        "though it finds nothing"
    );
    assert_eq!(remove(&client, id, &[of_selector("a=b")]).await.status, 201);
    assert_eq!(client.delete(&path).await.status, 204);
}

#[tokio::test]
async fn a_server_has_at_most_five_firewalls() {
    let (_simulator, client) = start(AT_ONCE).await;
    let server = server(&client, "web", json!({ "labels": { "role": "web" } })).await;
    for name in ["a", "b", "c", "d"] {
        created(&client, name, json!({ "apply_to": [of_server(server)] })).await;
    }
    let fifth = created(
        &client,
        "e",
        json!({ "apply_to": [of_selector("role=web")] }),
    )
    .await;
    assert_eq!(
        firewalls_of(&client, server)
            .await
            .as_array()
            .unwrap()
            .len(),
        5
    );
    let sixth = created(&client, "f", json!({})).await;
    assert_eq!(
        apply(&client, sixth, &[of_server(server)]).await.refusal(),
        (403, "resource_limit_exceeded")
    );
    assert_eq!(
        apply(&client, sixth, &[of_selector("role=web")])
            .await
            .status,
        201
    );
    assert_eq!(
        firewalls_of(&client, server)
            .await
            .as_array()
            .unwrap()
            .len(),
        5,
        "it is passed over"
    );
    assert_eq!(
        apply(&client, fifth, &[of_server(server)]).await.status,
        201,
        "it is there already"
    );
}

#[tokio::test]
async fn a_new_server_can_have_firewalls_from_the_start() {
    let (_simulator, client) = start(AT_ONCE).await;
    let id = created(&client, "fw", json!({})).await;
    let server = server(&client, "web", json!({ "firewalls": [{ "firewall": id }] })).await;
    assert_eq!(
        firewalls_of(&client, server).await,
        json!([{ "id": id, "status": "applied" }])
    );
    assert_eq!(
        read(&client, id).await["applied_to"],
        json!([of_server(server)])
    );
}
