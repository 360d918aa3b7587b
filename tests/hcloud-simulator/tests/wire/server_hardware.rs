//! Servers: types, disks, images, backups and ISOs.

use hcloud_simulator::Fault;
use http::Method;
use serde_json::{Value, json};

use crate::server_family::{
    act, all, by_hand, done, read, server, server_off, start, start_explicit,
};

#[tokio::test]
async fn a_larger_type_may_leave_the_disk_and_so_the_way_back() {
    let (_simulator, client) = start().await;
    let number = server_off(&client, "web").await;
    let to = |name: &str, upgrade: bool| json!({ "server_type": name, "upgrade_disk": upgrade });
    let action = done(&client, number, "change_type", to("cx33", false)).await;
    assert_eq!(action["command"], "change_server_type");
    let now = read(&client, number).await;
    assert_eq!(now["server_type"]["name"], "cx33");
    assert_eq!(
        (&now["primary_disk_size"], &now["status"]),
        (&json!(40), &json!("running"))
    );
    let running = act(&client, number, "change_type", to("cx23", false)).await;
    assert_eq!(running.refusal(), (422, "server_not_stopped"));

    done(&client, number, "poweroff", json!({})).await;
    done(&client, number, "change_type", to("cx23", false)).await;
    done(&client, number, "poweroff", json!({})).await;
    done(&client, number, "change_type", to("cx33", true)).await;
    assert_eq!(read(&client, number).await["primary_disk_size"], 80);
    done(&client, number, "poweroff", json!({})).await;
    let smaller = act(&client, number, "change_type", to("cx23", false)).await;
    assert_eq!(smaller.refusal(), (422, "invalid_server_type"));
}

#[tokio::test]
async fn types_that_do_not_fit_are_refused() {
    let (simulator, client) = start().await;
    let number = server_off(&client, "web").await;
    by_hand(&simulator, |project| {
        project.capacity.sell_out("cx43", "fsn1");
        project.capacity.fill_hosts("cx53", "fsn1");
    });
    let table = [
        (
            json!({ "server_type": "cx23", "upgrade_disk": true }),
            (422, "invalid_server_type"),
        ),
        (
            json!({ "server_type": "cax21", "upgrade_disk": true }),
            (422, "invalid_server_type"),
        ),
        (
            json!({ "server_type": "cpx31", "upgrade_disk": true }),
            (422, "invalid_server_type"),
        ),
        (
            json!({ "server_type": "huge", "upgrade_disk": true }),
            (422, "invalid_input"),
        ),
        (json!({ "server_type": "cx33" }), (422, "invalid_input")),
        (json!({ "upgrade_disk": true }), (422, "invalid_input")),
        (
            json!({ "server_type": "cx43", "upgrade_disk": true }),
            (412, "resource_unavailable"),
        ),
        (
            json!({ "server_type": "cx53", "upgrade_disk": true }),
            (422, "placement_error"),
        ),
    ];
    for (body, expected) in table {
        let answer = act(&client, number, "change_type", body.clone()).await;
        assert_eq!(answer.refusal(), expected, "{body}");
    }
    assert_eq!(read(&client, number).await["status"], "off");
}

#[tokio::test]
async fn a_server_migrates_while_its_type_changes_and_is_rebuilt_in_its_own_state() {
    let (simulator, client) = start_explicit().await;
    let number = server_off(&client, "web").await;
    simulator.actions().drain();
    let body = json!({ "server_type": "cx33", "upgrade_disk": true });
    done(&client, number, "change_type", body).await;
    assert_eq!(read(&client, number).await["status"], "migrating");
    simulator.actions().drain();
    let rebuild = act(&client, number, "rebuild", json!({ "image": "debian-13" })).await;
    assert_eq!(rebuild.body["action"]["command"], "rebuild_server");
    assert!(rebuild.body["root_password"].is_string());
    assert_eq!(read(&client, number).await["status"], "rebuilding");
    simulator.actions().drain();
    let now = read(&client, number).await;
    assert_eq!(
        (&now["status"], &now["image"]["name"]),
        (&json!("running"), &json!("debian-13"))
    );
}

#[tokio::test]
async fn a_rebuild_keeps_user_data_unless_it_is_given_anew() {
    let (simulator, client) = start().await;
    let number = server(&client, "web", json!({ "user_data": "first" })).await;
    let user_data = || {
        by_hand(&simulator, |project| {
            let server = project.servers().get(number).unwrap();
            server
                .user_data
                .as_ref()
                .map(|data| data.as_str().to_owned())
        })
    };
    done(&client, number, "rebuild", json!({ "image": "debian-13" })).await;
    assert_eq!(user_data().as_deref(), Some("first"));
    let again = json!({ "image": "ubuntu-24.04", "user_data": "second" });
    done(&client, number, "rebuild", again).await;
    assert_eq!(user_data().as_deref(), Some("second"));
    for image in [json!("minix"), json!(161_547_270), Value::Null] {
        let refused = act(&client, number, "rebuild", json!({ "image": image })).await;
        assert_eq!(refused.refusal(), (422, "invalid_input"), "{image}");
    }
}

#[tokio::test]
async fn a_snapshot_is_taken_and_starts_other_servers() {
    let (simulator, client) = start_explicit().await;
    let number = server(&client, "web", json!({})).await;
    simulator.actions().drain();
    let body = json!({ "description": "golden", "labels": { "a": "b" } });
    let taken = act(&client, number, "create_image", body).await;
    assert_eq!(taken.status, 201, "{}", taken.text);
    let image = taken.body["image"].clone();
    assert_eq!(
        (&image["type"], &image["status"]),
        (&json!("snapshot"), &json!("creating"))
    );
    assert_eq!(
        (&image["description"], &image["labels"]),
        (&json!("golden"), &json!({ "a": "b" }))
    );
    assert_eq!(
        image["created_from"],
        json!({ "id": number, "name": "web" })
    );
    assert_eq!(
        taken.body["action"]["resources"],
        json!([{ "id": number, "type": "server" }, { "id": image["id"], "type": "image" }])
    );
    simulator.actions().drain();
    let path = format!("/images/{}", image["id"]);
    assert_eq!(client.get(&path).await.body["image"]["status"], "available");
    let copy = server(&client, "copy", json!({ "image": image["id"] })).await;
    assert_eq!(read(&client, copy).await["image"]["id"], image["id"]);
}

#[tokio::test]
async fn an_image_that_cannot_be_taken_disappears() {
    let (simulator, client) = start().await;
    let number = server(&client, "web", json!({})).await;
    let fault = Fault::on(Method::POST, "/servers/*/actions/create_image");
    simulator
        .faults()
        .inject(fault.fail_action("action_failed", "disk"));
    let taken = act(&client, number, "create_image", json!({})).await;
    assert_eq!(taken.body["action"]["status"], "error");
    let list = client.get("/images?type=snapshot").await.body["images"].clone();
    assert_eq!(list, json!([]));
}

#[tokio::test]
async fn backups_need_to_be_enabled_and_go_when_they_are_disabled() {
    let (_simulator, client) = start().await;
    let number = server(&client, "web", json!({})).await;
    let backup = json!({ "type": "backup" });
    let refused = act(&client, number, "create_image", backup.clone()).await;
    assert_eq!(refused.refusal(), (422, "invalid_input"));
    let action = done(&client, number, "enable_backup", json!({})).await;
    assert_eq!(action["command"], "enable_backup");
    assert!(read(&client, number).await["backup_window"].is_string());
    let made = act(&client, number, "create_image", backup).await;
    assert_eq!(made.body["image"]["bound_to"], number);
    act(
        &client,
        number,
        "create_image",
        json!({ "type": "snapshot" }),
    )
    .await;
    done(&client, number, "disable_backup", json!({})).await;
    assert_eq!(read(&client, number).await["backup_window"], Value::Null);
    let list = client.get("/images?type=snapshot&type=backup").await.body["images"].clone();
    assert_eq!(all(&list, "type"), ["snapshot"]);
    let unknown = act(&client, number, "create_image", json!({ "type": "tape" })).await;
    assert_eq!(unknown.refusal(), (422, "invalid_input"));
}

#[tokio::test]
async fn a_quota_limits_images_too() {
    let (simulator, client) = start().await;
    let number = server(&client, "web", json!({})).await;
    by_hand(&simulator, |project| project.quotas.set("images", 1));
    assert_eq!(
        act(&client, number, "create_image", json!({})).await.status,
        201
    );
    let full = act(&client, number, "create_image", json!({})).await;
    assert_eq!(full.refusal(), (403, "resource_limit_exceeded"));
}

#[tokio::test]
async fn one_iso_at_a_time_is_in_the_drive() {
    let (_simulator, client) = start().await;
    let number = server(&client, "web", json!({})).await;
    let isos = client.get("/isos?architecture=x86").await.body["isos"].clone();
    for iso in [&isos[0]["name"], &isos[1]["id"]] {
        let action = done(&client, number, "attach_iso", json!({ "iso": iso })).await;
        assert_eq!(action["command"], "attach_iso");
    }
    assert_eq!(read(&client, number).await["iso"], isos[1]);
    let arm = client.get("/isos?architecture=arm").await.body["isos"].clone();
    for iso in [&arm[0]["name"], &json!("nothing.iso"), &Value::Null] {
        let refused = act(&client, number, "attach_iso", json!({ "iso": iso })).await;
        assert_eq!(refused.refusal(), (422, "invalid_input"), "{iso}");
    }
    for _ in 0..2 {
        let action = done(&client, number, "detach_iso", json!({})).await;
        assert_eq!(action["status"], "success");
        assert_eq!(read(&client, number).await["iso"], Value::Null);
    }
}
