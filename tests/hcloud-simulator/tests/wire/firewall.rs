//! Firewalls and their rules.

use std::time::Duration;

use hcloud_simulator::{ActionMode, DEFAULT_TOKEN, Options, Project, Simulator};
use serde_json::{Value, json};

use crate::client::{Answer, Client};

pub(crate) async fn start(actions: ActionMode) -> (Simulator, Client) {
    let options = Options {
        actions,
        ..Options::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let client = Client::new(&simulator);
    (simulator, client)
}

pub(crate) const AT_ONCE: ActionMode = ActionMode::Automatic(Duration::ZERO);

fn http_rule() -> Value {
    json!({ "direction": "in", "protocol": "tcp", "port": "80", "source_ips": ["0.0.0.0/0", "::/0"] })
}

pub(crate) async fn create(client: &Client, name: &str, more: Value) -> Answer {
    let mut body = json!({ "name": name });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    client.post("/firewalls", body).await
}

pub(crate) async fn created(client: &Client, name: &str, more: Value) -> u64 {
    let answer = create(client, name, more).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.body["firewall"]["id"].as_u64().unwrap()
}

pub(crate) async fn server(client: &Client, name: &str, more: Value) -> u64 {
    let mut body = json!({
        "name": name,
        "server_type": "cpx22",
        "image": "debian-13",
        "location": "nbg1",
    });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let answer = client.post("/servers", body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.body["server"]["id"].as_u64().unwrap()
}

pub(crate) fn of_server(id: u64) -> Value {
    json!({ "type": "server", "server": { "id": id } })
}

pub(crate) fn of_selector(selector: &str) -> Value {
    json!({ "type": "label_selector", "label_selector": { "selector": selector } })
}

pub(crate) async fn act(client: &Client, id: u64, command: &str, body: Value) -> Answer {
    client
        .post(&format!("/firewalls/{id}/actions/{command}"), body)
        .await
}

pub(crate) async fn read(client: &Client, id: u64) -> Value {
    client.get(&format!("/firewalls/{id}")).await.body["firewall"].clone()
}

pub(crate) async fn firewalls_of(client: &Client, server: u64) -> Value {
    let server = client.get(&format!("/servers/{server}")).await.body["server"].clone();
    server["public_net"]["firewalls"].clone()
}

pub(crate) fn change(simulator: &Simulator, change: impl FnOnce(&mut Project)) {
    let mut world = simulator.world();
    change(world.project_mut(DEFAULT_TOKEN).unwrap());
}

/// Command and resources of each action in an answer.
fn actions(answer: &Answer) -> Vec<(String, Value)> {
    let actions = answer.body["actions"].as_array().unwrap().iter();
    actions
        .map(|action| {
            (
                action["command"].as_str().unwrap().to_owned(),
                action["resources"].clone(),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_firewall_is_created_with_rules_and_resources() {
    let (_simulator, client) = start(AT_ONCE).await;
    let server = server(&client, "web", json!({})).await;
    let out = json!({
        "direction": "out",
        "protocol": "icmp",
        "destination_ips": ["2001:0db8::0/32"],
        "description": "ping",
    });
    let more = json!({
        "labels": { "a": "b" },
        "rules": [http_rule(), out],
        "apply_to": [of_server(server), of_selector("role=web")],
    });
    let answer = create(&client, "web", more).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let firewall = answer.body["firewall"].clone();
    let id = &firewall["id"];
    let rules = json!([
        {
            "direction": "in",
            "protocol": "tcp",
            "port": "80",
            "source_ips": ["0.0.0.0/0", "::/0"],
            "destination_ips": [],
            "description": null,
        },
        {
            "direction": "out",
            "protocol": "icmp",
            "port": null,
            "source_ips": [],
            "destination_ips": ["2001:db8::/32"],
            "description": "ping",
        },
    ]);
    assert_eq!(firewall["rules"], rules);
    let own = json!({ "id": id, "type": "firewall" });
    let expected = [
        ("set_firewall_rules".to_owned(), json!([own])),
        (
            "apply_firewall".to_owned(),
            json!([own, { "id": server, "type": "server" }]),
        ),
        ("apply_firewall".to_owned(), json!([own])),
    ];
    assert_eq!(actions(&answer), expected);
    let selected = json!({
        "type": "label_selector",
        "label_selector": { "selector": "role=web" },
        "applied_to_resources": [],
    });
    assert_eq!(firewall["applied_to"], json!([of_server(server), selected]));
    assert_eq!(
        client.get(&format!("/firewalls/{id}")).await.body["firewall"],
        firewall
    );
    assert_eq!(
        firewalls_of(&client, server).await,
        json!([{ "id": id, "status": "applied" }])
    );
}

#[tokio::test]
async fn a_rule_that_cannot_be_names_its_field() {
    let (_simulator, client) = start(AT_ONCE).await;
    let ips =
        |count: usize| -> Vec<String> { (0..count).map(|n| format!("10.0.{n}.0/24")).collect() };
    let rule = |changes: Value| {
        let mut rule = http_rule();
        rule.as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        rule
    };
    let table = [
        (rule(json!({ "direction": "up" })), "direction"),
        (rule(json!({ "direction": null })), "direction"),
        (rule(json!({ "protocol": "sctp" })), "protocol"),
        (rule(json!({ "port": null })), "port"),
        (rule(json!({ "port": "0" })), "port"),
        (rule(json!({ "port": "90-80" })), "port"),
        (rule(json!({ "protocol": "icmp" })), "port"),
        (rule(json!({ "protocol": "gre" })), "port"),
        (rule(json!({ "source_ips": [] })), "source_ips"),
        (rule(json!({ "source_ips": ["10.0.0.1"] })), "source_ips"),
        (rule(json!({ "source_ips": ["10.0.0.1/24"] })), "source_ips"),
        (rule(json!({ "source_ips": ips(101) })), "source_ips"),
        (
            rule(json!({ "destination_ips": ["10.0.0.0/8"] })),
            "destination_ips",
        ),
        (rule(json!({ "direction": "out" })), "destination_ips"),
        (
            rule(json!({ "description": "x".repeat(256) })),
            "description",
        ),
    ];
    let id = created(&client, "fw", json!({})).await;
    for (rule, field) in table {
        let answer = act(
            &client,
            id,
            "set_rules",
            json!({ "rules": [http_rule(), rule] }),
        )
        .await;
        assert_eq!(answer.refusal(), (422, "invalid_input"), "{rule}");
        let expected = format!("rules.1.{field}");
        assert_eq!(
            answer.body["error"]["details"]["fields"][0]["name"], expected,
            "{rule}"
        );
    }
    let good = [
        rule(json!({ "source_ips": ips(100) })),
        rule(json!({ "port": "any" })),
        rule(json!({ "protocol": "udp", "port": "1024-5000" })),
        rule(json!({ "protocol": "esp", "port": null })),
        rule(json!({ "source_ips": ["10.0.1.1/32", "2001:db8::8329/128"] })),
    ];
    for rule in good {
        let answer = act(&client, id, "set_rules", json!({ "rules": [rule] })).await;
        assert_eq!(answer.status, 201, "{rule}: {}", answer.text);
    }
}

#[tokio::test]
async fn there_are_at_most_fifty_rules_and_a_name_has_128_characters() {
    let (_simulator, client) = start(AT_ONCE).await;
    let id = created(&client, &"n".repeat(128), json!({})).await;
    let rules = |count| json!({ "rules": vec![http_rule(); count] });
    assert_eq!(act(&client, id, "set_rules", rules(50)).await.status, 201);
    let answer = act(&client, id, "set_rules", rules(51)).await;
    assert_eq!(answer.refusal(), (422, "invalid_input"));
    assert_eq!(
        answer.body["error"]["details"]["fields"][0]["name"],
        "rules"
    );
    let long = create(&client, &"n".repeat(129), json!({})).await;
    assert_eq!(long.refusal(), (422, "invalid_input"));
}

#[tokio::test]
async fn new_rules_reach_every_server_by_an_action() {
    let (simulator, client) = start(AT_ONCE).await;
    let (one, two) = (
        server(&client, "one", json!({})).await,
        server(&client, "two", json!({})).await,
    );
    let id = created(
        &client,
        "fw",
        json!({ "apply_to": [of_server(one), of_server(two)] }),
    )
    .await;
    simulator.actions().set_mode(ActionMode::Explicit);
    let answer = act(&client, id, "set_rules", json!({ "rules": [http_rule()] })).await;
    let own = json!({ "id": id, "type": "firewall" });
    let refresh = |server| {
        (
            "apply_firewall".to_owned(),
            json!([own, { "id": server, "type": "server" }]),
        )
    };
    let expected = [
        ("set_firewall_rules".to_owned(), json!([own])),
        refresh(one),
        refresh(two),
    ];
    assert_eq!(actions(&answer), expected);
    assert_eq!(
        read(&client, id).await["rules"],
        json!([]),
        "the action is still running"
    );
    let again = act(&client, id, "set_rules", json!({ "rules": [] })).await;
    assert_eq!(again.refusal(), (409, "conflict"));
    let renamed = client
        .put(&format!("/firewalls/{id}"), json!({ "name": "x" }))
        .await;
    assert_eq!(renamed.refusal(), (409, "conflict"));
    simulator.actions().drain();
    assert_eq!(read(&client, id).await["rules"][0]["port"], "80");
    simulator.actions().set_mode(AT_ONCE);
    assert_eq!(
        act(&client, id, "set_rules", json!({ "rules": [] }))
            .await
            .status,
        201
    );
    assert_eq!(read(&client, id).await["rules"], json!([]));
    let nothing = act(&client, id, "set_rules", json!({})).await;
    assert_eq!(
        nothing.refusal(),
        (422, "invalid_input"),
        "no rules are an empty list, not nothing"
    );
}

#[tokio::test]
async fn names_are_used_once_and_found() {
    let (simulator, client) = start(AT_ONCE).await;
    let id = created(&client, "a", json!({})).await;
    created(&client, "b", json!({ "labels": { "x": "y" } })).await;
    assert_eq!(
        create(&client, "a", json!({})).await.refusal(),
        (409, "uniqueness_error")
    );
    let path = format!("/firewalls/{id}");
    assert_eq!(
        client.put(&path, json!({ "name": "b" })).await.refusal(),
        (409, "uniqueness_error")
    );
    let updated = client
        .put(&path, json!({ "name": "c", "labels": { "x": "z" } }))
        .await;
    assert_eq!(updated.body["firewall"]["name"], "c", "{}", updated.text);
    let found = client.get("/firewalls?label_selector=x%3Dz&name=c").await;
    assert_eq!(found.body["firewalls"][0]["id"], id);
    change(&simulator, |project| project.quotas.set("firewalls", 2));
    assert_eq!(
        create(&client, "d", json!({})).await.refusal(),
        (403, "resource_limit_exceeded")
    );
}
