//! Load balancers as a whole: their life, type, addresses and limits.

use std::time::Duration;

use hcloud_simulator::{ActionError, ActionMode, DEFAULT_TOKEN, Options, Project, Simulator};
use serde_json::{Value, json};

use crate::client::{Answer, Client};

pub(crate) async fn start() -> (Simulator, Client) {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let client = Client::new(&simulator);
    (simulator, client)
}

impl Client {
    /// Creates a load balancer that must be accepted and gives its id.
    pub(crate) async fn create_load_balancer(&self, name: &str) -> u64 {
        let body = json!({ "name": name, "load_balancer_type": "lb11", "location": "fsn1" });
        let answer = self.post("/load_balancers", body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.body["load_balancer"]["id"].as_u64().unwrap()
    }

    pub(crate) async fn load_balancer(&self, id: u64) -> Value {
        let answer = self.get(&format!("/load_balancers/{id}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body["load_balancer"].clone()
    }

    pub(crate) async fn balance(&self, id: u64, command: &str, body: Value) -> Answer {
        self.post(&format!("/load_balancers/{id}/actions/{command}"), body)
            .await
    }
}

/// Changes the default project by hand.
pub(crate) fn change(simulator: &Simulator, change: impl FnOnce(&mut Project)) {
    let mut world = simulator.world();
    change(world.project_mut(DEFAULT_TOKEN).unwrap());
}

/// The fields that an `invalid_input` names.
pub(crate) fn invalid_fields(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.refusal(), (422, "invalid_input"), "{}", answer.text);
    let fields = answer.body["error"]["details"]["fields"]
        .as_array()
        .unwrap();
    fields
        .iter()
        .map(|field| field["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_load_balancer_is_created_with_everything_that_the_api_fills_in() {
    let (_simulator, client) = start().await;
    let body = json!({
        "name": "Web Frontend",
        "load_balancer_type": "lb11",
        "network_zone": "eu-central",
        "labels": { "env": "prod" },
    });
    let answer = client.post("/load_balancers", body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let created = &answer.body["load_balancer"];
    let action = &answer.body["action"];
    assert_eq!(
        (&action["command"], &action["status"], &action["resources"]),
        (
            &json!("create_load_balancer"),
            &json!("success"),
            &json!([{ "id": created["id"], "type": "load_balancer" }])
        )
    );
    assert_eq!(created["name"], "Web Frontend");
    assert_eq!(created["location"]["network_zone"], "eu-central");
    assert_eq!(created["load_balancer_type"]["name"], "lb11");
    assert_eq!(created["algorithm"], json!({ "type": "round_robin" }));
    assert_eq!(created["protection"], json!({ "delete": false }));
    assert_eq!(created["labels"], json!({ "env": "prod" }));
    for empty in ["services", "targets", "private_net"] {
        assert_eq!(created[empty], json!([]), "{empty}");
    }
    for unknown in ["outgoing_traffic", "ingoing_traffic"] {
        assert_eq!(created.get(unknown), Some(&Value::Null), "{unknown}");
    }
    assert_eq!(created["included_traffic"], 20_u64 << 40);
    let read = client.load_balancer(created["id"].as_u64().unwrap()).await;
    assert_eq!(read, *created);
}

#[tokio::test]
async fn a_type_is_named_by_id_or_name_and_a_place_by_location_or_zone() {
    let (_simulator, client) = start().await;
    let create = async |name: &str, kind: Value, place: &str, value: Value| {
        let mut body = json!({ "name": name, "load_balancer_type": kind });
        body[place] = value;
        client.post("/load_balancers", body).await
    };
    let table = [
        (json!("lb21"), "location", json!("hel1"), ("lb21", "hel1")),
        (json!(2), "location", json!(3), ("lb21", "hel1")),
        (
            json!("3"),
            "network_zone",
            json!("us-east"),
            ("lb31", "ash"),
        ),
    ];
    for (index, (kind, place, value, expected)) in table.into_iter().enumerate() {
        let answer = create(&format!("n{index}"), kind, place, value).await;
        let created = &answer.body["load_balancer"];
        let names = (
            &created["load_balancer_type"]["name"],
            &created["location"]["name"],
        );
        assert_eq!(
            names,
            (&json!(expected.0), &json!(expected.1)),
            "{}",
            answer.text
        );
    }
    let table = [
        (
            json!("lb12"),
            "location",
            json!("fsn1"),
            "load_balancer_type",
        ),
        (json!(null), "location", json!("fsn1"), "load_balancer_type"),
        (json!("lb11"), "location", json!("mars"), "location"),
        (json!("lb11"), "location", json!(null), "location"),
        (json!("lb11"), "network_zone", json!("mars"), "network_zone"),
    ];
    for (kind, place, value, field) in table {
        let answer = create("refused", kind, place, value).await;
        assert!(invalid_fields(&answer).contains(&field), "{}", answer.text);
    }
    let body = json!({ "name": "n", "load_balancer_type": 1, "location": "ash", "network_zone": "eu-central" });
    let answer = client.post("/load_balancers", body).await;
    assert_eq!(invalid_fields(&answer), ["network_zone"]);
}

#[tokio::test]
async fn names_are_checked_and_used_once() {
    let (_simulator, client) = start().await;
    let id = client.create_load_balancer("n").await;
    let body =
        |name: &str| json!({ "name": name, "load_balancer_type": "lb11", "location": "fsn1" });
    let again = client.post("/load_balancers", body("n")).await;
    assert_eq!(again.refusal(), (409, "uniqueness_error"));
    for bad in ["", " n", "n ", &"n".repeat(129)] {
        let answer = client.post("/load_balancers", body(bad)).await;
        assert_eq!(invalid_fields(&answer), ["name"], "{bad:?}");
    }
    assert_eq!(
        client
            .post("/load_balancers", body(&"n".repeat(128)))
            .await
            .status,
        201
    );
    let other = client.create_load_balancer("m").await;
    let path = format!("/load_balancers/{other}");
    let renamed = client.put(&path, json!({ "name": "n" })).await;
    assert_eq!(renamed.refusal(), (409, "uniqueness_error"));
    let renamed = client
        .put(&path, json!({ "name": "o", "labels": { "a": "b" } }))
        .await;
    assert_eq!(renamed.body["load_balancer"]["name"], "o");
    assert_eq!(renamed.body["load_balancer"]["labels"], json!({ "a": "b" }));
    let list = client.get("/load_balancers?name=n").await;
    assert_eq!(list.body["load_balancers"][0]["id"], id);
    let list = client.get("/load_balancers?label_selector=a%3Db").await;
    assert_eq!(list.body["meta"]["pagination"]["total_entries"], 1);
    assert_eq!(list.body["load_balancers"][0]["id"], other);
    let missing = client.put("/load_balancers/1", json!({})).await;
    assert_eq!(missing.refusal(), (404, "not_found"));
}

#[tokio::test]
async fn a_delete_takes_an_action_after_which_the_load_balancer_and_its_addresses_are_gone() {
    let simulator = Simulator::start(Options {
        actions: ActionMode::Explicit,
        ..Options::default()
    })
    .await
    .unwrap();
    let client = Client::new(&simulator);
    let id = client.create_load_balancer("n").await;
    simulator.actions().drain();
    let path = format!("/load_balancers/{id}");
    let answer = client.delete(&path).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(answer.body["action"]["command"], "delete_load_balancer");
    assert_eq!(
        client.get(&path).await.status,
        200,
        "not before the action ends"
    );
    simulator.actions().drain();
    assert_eq!(client.get(&path).await.refusal(), (404, "not_found"));
    assert_eq!(client.delete(&path).await.refusal(), (404, "not_found"));
    let world = simulator.world();
    let project = world.project(DEFAULT_TOKEN).unwrap();
    assert!(project.primary_ips().is_empty());
}

#[tokio::test]
async fn a_protected_load_balancer_is_not_deleted() {
    let (_simulator, client) = start().await;
    let id = client.create_load_balancer("n").await;
    let protect = async |delete: bool| {
        let body = json!({ "delete": delete });
        client.balance(id, "change_protection", body).await
    };
    assert_eq!(
        protect(true).await.body["action"]["command"],
        "change_protection"
    );
    assert_eq!(client.load_balancer(id).await["protection"]["delete"], true);
    let path = format!("/load_balancers/{id}");
    assert_eq!(client.delete(&path).await.refusal(), (423, "protected"));
    protect(false).await;
    assert_eq!(client.delete(&path).await.status, 201);
}

#[tokio::test]
async fn the_algorithm_changes_to_one_that_exists() {
    let (_simulator, client) = start().await;
    let id = client.create_load_balancer("n").await;
    let change = async |kind: &str| {
        client
            .balance(id, "change_algorithm", json!({ "type": kind }))
            .await
    };
    assert_eq!(change("least_connections").await.status, 201);
    let algorithm = client.load_balancer(id).await["algorithm"].clone();
    assert_eq!(algorithm, json!({ "type": "least_connections" }));
    assert_eq!(invalid_fields(&change("random").await), ["type"]);
}

#[tokio::test]
async fn a_type_can_shrink_only_when_everything_fits() {
    let (_simulator, client) = start().await;
    let id = client.create_load_balancer("n").await;
    let change = async |kind: Value| {
        let body = json!({ "load_balancer_type": kind });
        client.balance(id, "change_type", body).await
    };
    assert_eq!(change(json!("lb11")).await.status, 201, "to the same type");
    assert_eq!(change(json!(2)).await.status, 201);
    assert_eq!(
        client.load_balancer(id).await["load_balancer_type"]["name"],
        "lb21"
    );
    for port in 1..=6 {
        let service = json!({ "protocol": "tcp", "listen_port": port, "destination_port": 80 });
        assert_eq!(client.balance(id, "add_service", service).await.status, 201);
    }
    let refused = change(json!("lb11")).await;
    assert_eq!(refused.refusal(), (422, "invalid_load_balancer_type"));
    client
        .balance(id, "delete_service", json!({ "listen_port": 1 }))
        .await;
    assert_eq!(change(json!("lb11")).await.status, 201);
    assert_eq!(
        invalid_fields(&change(json!("lb99")).await),
        ["load_balancer_type"]
    );
}

#[tokio::test]
async fn one_change_runs_at_a_time() {
    let simulator = Simulator::start(Options {
        actions: ActionMode::Automatic(Duration::from_secs(3600)),
        ..Options::default()
    })
    .await
    .unwrap();
    let client = Client::new(&simulator);
    let id = client.create_load_balancer("n").await;
    let change = json!({ "type": "least_connections" });
    let busy = client.balance(id, "change_algorithm", change.clone()).await;
    assert_eq!(busy.refusal(), (409, "conflict"), "it is being created");
    simulator.actions().drain();
    assert_eq!(
        client.balance(id, "change_algorithm", change).await.status,
        201
    );
    for (command, body) in [
        ("change_protection", json!({ "delete": true })),
        ("add_service", json!({ "protocol": "http" })),
        (
            "add_target",
            json!({ "type": "server", "server": { "id": 1 } }),
        ),
        ("attach_to_network", json!({ "network": 1 })),
        ("enable_public_interface", json!(null)),
    ] {
        let busy = client.balance(id, command, body).await;
        assert_eq!(busy.refusal(), (409, "conflict"), "{command}");
    }
    let busy = client.delete(&format!("/load_balancers/{id}")).await;
    assert_eq!(busy.refusal(), (409, "conflict"));
    simulator
        .actions()
        .fail_next(&ActionError::new("action_failed", "no"));
    let algorithm = client.load_balancer(id).await["algorithm"].clone();
    assert_eq!(
        algorithm,
        json!({ "type": "round_robin" }),
        "the change failed"
    );
}

#[tokio::test]
async fn a_quota_limits_load_balancers() {
    let (simulator, client) = start().await;
    change(&simulator, |project| {
        project.quotas.set("load_balancers", 1)
    });
    client.create_load_balancer("n").await;
    let body = json!({ "name": "m", "load_balancer_type": "lb11", "location": "fsn1" });
    let answer = client.post("/load_balancers", body).await;
    assert_eq!(answer.refusal(), (403, "resource_limit_exceeded"));
}

#[tokio::test]
async fn the_actions_of_a_load_balancer_are_listed() {
    let (_simulator, client) = start().await;
    let id = client.create_load_balancer("n").await;
    client
        .balance(id, "change_protection", json!({ "delete": true }))
        .await;
    client
        .balance(id, "enable_public_interface", json!(null))
        .await;
    let answer = client.get(&format!("/load_balancers/{id}/actions")).await;
    let commands: Vec<&Value> = answer.body["actions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|action| &action["command"])
        .collect();
    assert_eq!(
        commands,
        [
            "create_load_balancer",
            "change_protection",
            "enable_public_interface"
        ]
    );
}

#[tokio::test]
async fn a_refused_create_leaves_nothing_behind() {
    let (simulator, client) = start().await;
    let body = json!({
        "name": "n",
        "load_balancer_type": "lb11",
        "location": "fsn1",
        "targets": [{ "type": "server", "server": { "id": 7 } }],
    });
    let answer = client.post("/load_balancers", body).await;
    assert_eq!(answer.refusal(), (404, "not_found"));
    let world = simulator.world();
    let project = world.project(DEFAULT_TOKEN).unwrap();
    assert!(project.load_balancers().is_empty() && project.primary_ips().is_empty());
}
