//! Placement groups.

use hcloud_simulator::{DEFAULT_TOKEN, Options, Simulator};
use serde_json::{Value, json};

use crate::client::Client;

async fn start() -> (Simulator, Client) {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let client = Client::new(&simulator);
    (simulator, client)
}

async fn create(client: &Client, name: &str) -> u64 {
    let answer = client
        .post(
            "/placement_groups",
            json!({ "name": name, "type": "spread" }),
        )
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.body["placement_group"]["id"].as_u64().unwrap()
}

async fn server(client: &Client, name: &str, group: u64) -> crate::client::Answer {
    let body = json!({
        "name": name,
        "server_type": "cpx22",
        "image": "debian-13",
        "location": "nbg1",
        "placement_group": group,
    });
    client.post("/servers", body).await
}

#[tokio::test]
async fn a_group_lives_from_creation_to_deletion() {
    let (simulator, client) = start().await;
    let body = json!({ "name": "cp", "type": "spread", "labels": { "role": "cp" } });
    let created = client.post("/placement_groups", body).await;
    assert_eq!(
        (created.status, &created.body["action"]),
        (201, &Value::Null)
    );
    let group = created.body["placement_group"].clone();
    assert_eq!(
        (&group["type"], &group["servers"]),
        (&json!("spread"), &json!([]))
    );
    let path = format!("/placement_groups/{}", group["id"]);
    assert_eq!(client.get(&path).await.body["placement_group"], group);
    let listed = client
        .get("/placement_groups?type=spread&label_selector=role%3Dcp")
        .await;
    assert_eq!(listed.body["placement_groups"], json!([group]));

    let updated = client
        .put(&path, json!({ "name": "workers", "labels": {} }))
        .await;
    let group = &updated.body["placement_group"];
    assert_eq!(
        (&group["name"], &group["labels"]),
        (&json!("workers"), &json!({}))
    );
    assert_eq!(client.delete(&path).await.status, 204);
    assert_eq!(client.get(&path).await.refusal(), (404, "not_found"));
    assert!(
        simulator
            .world()
            .project(DEFAULT_TOKEN)
            .unwrap()
            .placement_groups()
            .is_empty()
    );
}

#[tokio::test]
async fn names_are_used_once_and_spread_is_the_only_type() {
    let (_simulator, client) = start().await;
    let first = create(&client, "a").await;
    let second = create(&client, "b").await;
    let again = client
        .post(
            "/placement_groups",
            json!({ "name": "a", "type": "spread" }),
        )
        .await;
    assert_eq!(again.refusal(), (409, "uniqueness_error"));
    let renamed = client
        .put(
            &format!("/placement_groups/{second}"),
            json!({ "name": "a" }),
        )
        .await;
    assert_eq!(renamed.refusal(), (409, "uniqueness_error"));
    let kept = client
        .put(
            &format!("/placement_groups/{first}"),
            json!({ "name": "a" }),
        )
        .await;
    assert_eq!(kept.status, 200, "its own name is free");
    for body in [
        json!({ "name": "c", "type": "pack" }),
        json!({ "name": "c" }),
    ] {
        let answer = client.post("/placement_groups", body).await;
        assert_eq!(answer.refusal(), (422, "invalid_input"));
        assert_eq!(answer.body["error"]["details"]["fields"][0]["name"], "type");
    }
}

#[tokio::test]
async fn a_group_with_servers_lists_them_and_stays() {
    let (_simulator, client) = start().await;
    let group = create(&client, "cp").await;
    let server = server(&client, "cp-1", group).await.body["server"].clone();
    assert_eq!(server["placement_group"]["id"], group);
    let path = format!("/placement_groups/{group}");
    assert_eq!(
        client.get(&path).await.body["placement_group"]["servers"],
        json!([server["id"]])
    );
    assert_eq!(
        client.delete(&path).await.refusal(),
        (422, "resource_in_use")
    );
    assert_eq!(
        client
            .delete(&format!("/servers/{}", server["id"]))
            .await
            .status,
        200
    );
    assert_eq!(client.delete(&path).await.status, 204);
}

#[tokio::test]
async fn a_group_has_room_for_ten_servers() {
    let (_simulator, client) = start().await;
    let group = create(&client, "workers").await;
    for index in 0..10 {
        let created = server(&client, &format!("w-{index}"), group).await;
        assert_eq!(created.status, 201, "{}", created.text);
    }
    let refused = server(&client, "w-10", group).await;
    assert_eq!(
        refused.refusal(),
        (422, "placement_group_member_limit_reached")
    );
}
