//! Volumes.

use hcloud_simulator::Fault;
use http::Method;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Client},
    server_family::{act as act_on_server, all, by_hand, id, read, server, start, start_explicit},
};

async fn create(client: &Client, name: &str, more: Value) -> Answer {
    let mut body = json!({ "name": name, "size": 10, "location": "fsn1" });
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    client.post("/volumes", body).await
}

async fn volume(client: &Client, name: &str) -> u64 {
    let answer = create(client, name, json!({})).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    id(&answer.body["volume"])
}

async fn act(client: &Client, volume: u64, command: &str, body: Value) -> Answer {
    let path = format!("/volumes/{volume}/actions/{command}");
    client.post(&path, body).await
}

async fn get(client: &Client, volume: u64) -> Value {
    let answer = client.get(&format!("/volumes/{volume}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["volume"].clone()
}

#[tokio::test]
async fn a_volume_is_created_in_a_location() {
    let (simulator, client) = start_explicit().await;
    let more =
        json!({ "location": "hel1", "format": "xfs", "labels": { "a": "b" }, "automount": false });
    let answer = create(&client, "db", more).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(answer.body["action"]["command"], "create_volume");
    assert_eq!(answer.body["next_actions"], json!([]));
    let made = &answer.body["volume"];
    assert_eq!(
        (&made["status"], &made["server"]),
        (&json!("creating"), &Value::Null)
    );
    assert_eq!(
        (&made["size"], &made["format"]),
        (&json!(10), &json!("xfs"))
    );
    assert_eq!(made["location"]["name"], "hel1");
    assert_eq!(made["labels"], json!({ "a": "b" }));
    assert_eq!(made["protection"], json!({ "delete": false }));
    let device = format!("/dev/disk/by-id/scsi-0HC_Volume_{}", made["id"]);
    assert_eq!(made["linux_device"], device);
    let busy = client.delete(&format!("/volumes/{}", made["id"])).await;
    assert_eq!(busy.refusal(), (409, "conflict"));
    simulator.actions().drain();
    assert_eq!(get(&client, id(made)).await["status"], "available");
}

#[tokio::test]
async fn a_volume_created_for_a_server_is_attached_afterwards() {
    let (simulator, client) = start_explicit().await;
    let number = server(&client, "web", json!({})).await;
    let locked = create(&client, "v", json!({ "server": number, "location": null })).await;
    assert_eq!(locked.refusal(), (423, "locked"));
    simulator.actions().drain();
    let more = json!({ "server": number, "location": null, "format": "ext4", "automount": true });
    let answer = create(&client, "v", more).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(
        all(&answer.body["next_actions"], "command"),
        ["attach_volume"]
    );
    let number_of_volume = id(&answer.body["volume"]);
    let both =
        json!([{ "id": number_of_volume, "type": "volume" }, { "id": number, "type": "server" }]);
    assert_eq!(answer.body["next_actions"][0]["resources"], both);
    assert_eq!(read(&client, number).await["locked"], true);
    simulator.actions().complete_next();
    assert_eq!(get(&client, number_of_volume).await["server"], Value::Null);
    simulator.actions().complete_next();
    assert_eq!(get(&client, number_of_volume).await["server"], number);
    assert_eq!(
        read(&client, number).await["volumes"],
        json!([number_of_volume])
    );
}

#[tokio::test]
async fn a_volume_that_cannot_be_made_disappears_and_one_that_cannot_be_attached_stays() {
    let (simulator, client) = start().await;
    let number = server(&client, "web", json!({})).await;
    let fault = || Fault::on(Method::POST, "/volumes");
    simulator
        .faults()
        .inject(fault().fail_action("action_failed", "no"));
    let answer = create(&client, "a", json!({ "server": number })).await;
    assert_eq!(answer.body["action"]["status"], "error");
    assert_eq!(all(&answer.body["next_actions"], "status"), ["error"]);
    assert_eq!(client.get("/volumes").await.body["volumes"], json!([]));

    let locked = fault()
        .command("attach_volume")
        .fail_action("action_failed", "locked");
    simulator.faults().inject(locked);
    let answer = create(&client, "b", json!({ "server": number })).await;
    assert_eq!(answer.body["action"]["status"], "success");
    assert_eq!(answer.body["next_actions"][0]["error"]["message"], "locked");
    assert_eq!(
        get(&client, id(&answer.body["volume"])).await["server"],
        Value::Null
    );
}

#[tokio::test]
async fn bad_volumes_are_refused() {
    let (simulator, client) = start().await;
    volume(&client, "taken").await;
    let number = server(&client, "web", json!({})).await;
    by_hand(&simulator, |project| {
        project.capacity.full_of_volumes.insert("nbg1".to_owned());
    });
    let table = [
        (json!({ "size": 9 }), (422, "invalid_input")),
        (json!({ "size": 10_241 }), (422, "invalid_input")),
        (json!({ "size": null }), (422, "invalid_input")),
        (json!({ "name": "-a" }), (422, "invalid_input")),
        (json!({ "name": "taken" }), (409, "uniqueness_error")),
        (json!({ "location": "moon" }), (422, "invalid_input")),
        (json!({ "location": null }), (422, "invalid_input")),
        (
            json!({ "location": "hel1", "server": number }),
            (422, "invalid_input"),
        ),
        (json!({ "server": 1 }), (404, "not_found")),
        (json!({ "format": "ntfs" }), (422, "invalid_input")),
        (json!({ "automount": true }), (422, "invalid_input")),
        (
            json!({ "location": "nbg1" }),
            (422, "no_space_left_in_location"),
        ),
    ];
    for (change, expected) in table {
        let answer = create(&client, "new", change.clone()).await;
        assert_eq!(answer.refusal(), expected, "{change}: {}", answer.text);
    }
    by_hand(&simulator, |project| project.quotas.set("volumes", 1));
    let full = create(&client, "new", json!({})).await;
    assert_eq!(full.refusal(), (403, "resource_limit_exceeded"));
}

#[tokio::test]
async fn a_volume_is_attached_to_one_server_in_its_location() {
    let (simulator, client) = start().await;
    let one = server(&client, "one", json!({})).await;
    let far = server(&client, "far", json!({ "location": "hel1" })).await;
    let number = volume(&client, "v").await;
    let wrong = act(&client, number, "attach", json!({ "server": far })).await;
    assert_eq!(wrong.refusal(), (422, "invalid_input"));
    let nobody = act(&client, number, "attach", json!({ "server": 1 })).await;
    assert_eq!(nobody.refusal(), (404, "not_found"));
    let loose = act(&client, number, "detach", json!({})).await;
    assert_eq!(loose.refusal(), (422, "invalid_input"));
    let attached = act(
        &client,
        number,
        "attach",
        json!({ "server": one, "automount": true }),
    )
    .await;
    assert_eq!(attached.body["action"]["command"], "attach_volume");
    assert_eq!(get(&client, number).await["server"], one);
    let twice = act(&client, number, "attach", json!({ "server": one })).await;
    assert_eq!(twice.refusal(), (422, "volume_already_attached"));

    simulator
        .actions()
        .set_mode(hcloud_simulator::ActionMode::Explicit);
    act_on_server(&client, one, "poweroff", json!({})).await;
    let locked = act(&client, number, "detach", json!({})).await;
    assert_eq!(locked.refusal(), (423, "locked"));
    simulator.actions().drain();
    let path = format!("/volumes/{number}/actions/detach");
    let detached = client.send(Method::POST, &path, None).await;
    assert_eq!(detached.body["action"]["command"], "detach_volume");
    assert_eq!(get(&client, number).await["server"], one);
    simulator.actions().drain();
    assert_eq!(get(&client, number).await["server"], Value::Null);
}

#[tokio::test]
async fn a_server_has_room_for_sixteen_volumes() {
    let (_simulator, client) = start().await;
    let number = server(&client, "web", json!({})).await;
    for index in 0..16 {
        let answer = create(&client, &format!("v{index}"), json!({ "server": number })).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    let extra = volume(&client, "extra").await;
    let full = act(&client, extra, "attach", json!({ "server": number })).await;
    assert_eq!(full.refusal(), (403, "limit_exceeded_error"));
    let first = read(&client, number).await["volumes"][0].as_u64().unwrap();
    act(&client, first, "detach", json!({})).await;
    assert_eq!(
        act(&client, extra, "attach", json!({ "server": number }))
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn a_volume_only_grows() {
    let (_simulator, client) = start().await;
    let number = volume(&client, "v").await;
    let resized = act(&client, number, "resize", json!({ "size": 50 })).await;
    assert_eq!(resized.body["action"]["command"], "resize_volume");
    assert_eq!(get(&client, number).await["size"], 50);
    for size in [json!(50), json!(20), json!(10_241), Value::Null] {
        let refused = act(&client, number, "resize", json!({ "size": size })).await;
        assert_eq!(refused.refusal(), (422, "invalid_input"), "{size}");
    }
}

#[tokio::test]
async fn a_volume_must_be_detached_and_unprotected_to_be_deleted() {
    let (_simulator, client) = start().await;
    let number = server(&client, "web", json!({})).await;
    let made = create(&client, "v", json!({ "server": number })).await.body["volume"].clone();
    let (made, path) = (id(&made), format!("/volumes/{}", made["id"]));
    assert_eq!(client.delete(&path).await.refusal(), (422, "service_error"));
    act(&client, made, "detach", json!({})).await;
    act(
        &client,
        made,
        "change_protection",
        json!({ "delete": true }),
    )
    .await;
    assert_eq!(
        get(&client, made).await["protection"],
        json!({ "delete": true })
    );
    assert_eq!(client.delete(&path).await.refusal(), (423, "protected"));
    act(
        &client,
        made,
        "change_protection",
        json!({ "delete": false }),
    )
    .await;
    assert_eq!(client.delete(&path).await.status, 204);
    assert_eq!(client.get(&path).await.refusal(), (404, "not_found"));
}

#[tokio::test]
async fn volumes_are_renamed_labelled_and_listed() {
    let (_simulator, client) = start().await;
    let number = volume(&client, "a").await;
    volume(&client, "b").await;
    let path = format!("/volumes/{number}");
    let updated = client
        .put(&path, json!({ "name": "c", "labels": { "x": "y" } }))
        .await;
    assert_eq!(updated.body["volume"]["name"], "c");
    let taken = client.put(&path, json!({ "name": "b" })).await;
    assert_eq!(taken.refusal(), (409, "uniqueness_error"));
    for (query, expected) in [
        ("sort=name", vec!["b", "c"]),
        ("name=c", vec!["c"]),
        ("label_selector=x", vec!["c"]),
        ("status=available&sort=id", vec!["c", "b"]),
        ("status=creating", vec![]),
    ] {
        let list = client.get(&format!("/volumes?{query}")).await;
        assert_eq!(all(&list.body["volumes"], "name"), expected, "{query}");
    }
}
