//! SSH keys.

use hcloud_simulator::{DEFAULT_TOKEN, Options, Simulator};
use serde_json::json;

use crate::client::Client;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
const OTHER_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP/+/fz7+vn49/b19PPy8fDv7u3s6+rp6Ofm5eTj4uHg";
/// What `ssh-keygen -E md5 -lf` prints for `KEY`.
const FINGERPRINT: &str = "0f:a2:0a:d7:38:3e:65:45:08:6b:63:84:1c:ff:dc:ba";

async fn start() -> (Simulator, Client) {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let client = Client::new(&simulator);
    (simulator, client)
}

#[tokio::test]
async fn a_key_lives_from_creation_to_deletion() {
    let (simulator, client) = start().await;
    let body =
        json!({ "name": "me", "public_key": format!("{KEY} me@home\n"), "labels": { "a": "b" } });
    let created = client.post("/ssh_keys", body).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let key = created.body["ssh_key"].clone();
    assert_eq!(key["fingerprint"], FINGERPRINT);
    assert_eq!(key["public_key"], format!("{KEY} me@home"));
    assert_eq!(key["labels"], json!({ "a": "b" }));
    let path = format!("/ssh_keys/{}", key["id"]);
    assert_eq!(client.get(&path).await.body["ssh_key"], key);

    let updated = client
        .put(&path, json!({ "name": "you", "labels": {} }))
        .await;
    assert_eq!(updated.body["ssh_key"]["name"], "you");
    assert_eq!(updated.body["ssh_key"]["labels"], json!({}));
    assert_eq!(client.delete(&path).await.status, 204);
    assert_eq!(client.get(&path).await.refusal(), (404, "not_found"));
    assert!(
        simulator
            .world()
            .project(DEFAULT_TOKEN)
            .unwrap()
            .ssh_keys()
            .is_empty()
    );
}

#[tokio::test]
async fn names_and_fingerprints_are_used_once() {
    let (_simulator, client) = start().await;
    let create = |name: &'static str, key: &'static str| {
        let client = &client;
        async move {
            client
                .post("/ssh_keys", json!({ "name": name, "public_key": key }))
                .await
        }
    };
    assert_eq!(create("a", KEY).await.status, 201);
    let same_name = create("a", OTHER_KEY).await;
    assert_eq!(same_name.refusal(), (409, "uniqueness_error"));
    assert_eq!(
        same_name.body["error"]["details"]["fields"][0]["name"],
        "name"
    );
    let same_key = create("b", KEY).await;
    assert_eq!(same_key.refusal(), (409, "uniqueness_error"));
    assert_eq!(
        same_key.body["error"]["details"]["fields"][0]["name"],
        "public_key"
    );
    let other = create("b", OTHER_KEY).await.body["ssh_key"]["id"].clone();
    let path = format!("/ssh_keys/{other}");
    let renamed = client.put(&path, json!({ "name": "a" })).await;
    assert_eq!(renamed.refusal(), (409, "uniqueness_error"));
    assert_eq!(
        client.put(&path, json!({ "name": "b" })).await.status,
        200,
        "its own name is free"
    );
}

#[tokio::test]
async fn keys_are_found_by_name_fingerprint_and_label() {
    let (_simulator, client) = start().await;
    for (name, key) in [("a", KEY), ("b", OTHER_KEY)] {
        let body = json!({ "name": name, "public_key": key, "labels": { "owner": name } });
        assert_eq!(client.post("/ssh_keys", body).await.status, 201);
    }
    for query in [
        "name=a".to_owned(),
        format!("fingerprint={FINGERPRINT}"),
        "label_selector=owner%3Da".to_owned(),
    ] {
        let found = client.get(&format!("/ssh_keys?{query}")).await.body["ssh_keys"].clone();
        let names: Vec<_> = found
            .as_array()
            .unwrap()
            .iter()
            .map(|key| &key["name"])
            .collect();
        assert_eq!(names, ["a"], "{query}");
    }
}

#[tokio::test]
async fn what_is_not_a_public_key_is_invalid_input() {
    let (_simulator, client) = start().await;
    for body in [
        json!({ "name": "a", "public_key": "ssh-rsa nonsense" }),
        json!({ "name": "a" }),
    ] {
        let answer = client.post("/ssh_keys", body).await;
        assert_eq!(answer.refusal(), (422, "invalid_input"));
        assert_eq!(
            answer.body["error"]["details"]["fields"][0]["name"],
            "public_key"
        );
    }
}

#[tokio::test]
async fn a_quota_refuses_one_key_too_many() {
    let (simulator, client) = start().await;
    simulator
        .world()
        .project_mut(DEFAULT_TOKEN)
        .unwrap()
        .quotas
        .set("ssh_keys", 1);
    assert_eq!(
        client
            .post("/ssh_keys", json!({ "name": "a", "public_key": KEY }))
            .await
            .status,
        201
    );
    let body = json!({ "name": "b", "public_key": OTHER_KEY });
    let refused = client.post("/ssh_keys", body.clone()).await;
    assert_eq!(refused.refusal(), (403, "resource_limit_exceeded"));
    assert_eq!(
        refused.body["error"]["details"]["limits"],
        json!([{ "name": "ssh_key_limit" }])
    );
    simulator
        .world()
        .project_mut(DEFAULT_TOKEN)
        .unwrap()
        .quotas
        .lift("ssh_keys");
    assert_eq!(client.post("/ssh_keys", body).await.status, 201);
}
