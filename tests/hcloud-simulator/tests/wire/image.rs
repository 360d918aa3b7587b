//! Images: those of Hetzner, and the snapshots and backups of a project.

use hcloud_simulator::{
    ActionMode, ApiDate, DEFAULT_TOKEN, Id, Options, Simulator,
    resource::image::{Image, ImageKind, Origin, delete_backups, named},
    resource::server_type::Architecture,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::client::Client;

async fn start() -> (Simulator, Client) {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let client = Client::new(&simulator);
    (simulator, client)
}

/// Puts a finished image of server 7 into the default project.
fn take(simulator: &Simulator, kind: ImageKind) -> Id {
    let mut world = simulator.world();
    let project = world.project_mut(DEFAULT_TOKEN).unwrap();
    let origin = Origin {
        id: 7,
        name: "web".to_owned(),
    };
    let base = named("debian-13", Architecture::Arm);
    let mut image = Image::taken(
        project.new_id(),
        kind,
        origin,
        base,
        40,
        Timestamp::UNIX_EPOCH,
    );
    image.finish();
    let id = image.id;
    project.resources.images.insert(image);
    id
}

async fn ids(client: &Client, query: &str) -> Vec<Id> {
    let answer = client.get(&format!("/images?per_page=50&{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let images = answer.body["images"].as_array().unwrap().iter();
    images.map(|image| image["id"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_distribution_has_one_image_for_each_architecture() {
    let (_simulator, client) = start().await;
    assert_eq!(
        ids(&client, "name=ubuntu-24.04").await,
        [161_547_269, 161_547_270]
    );
    assert_eq!(
        ids(&client, "name=ubuntu-24.04&architecture=arm").await,
        [161_547_270]
    );
    let image = client.get("/images/161547269").await.body["image"].clone();
    let expected = json!({
        "id": 161_547_269,
        "type": "system",
        "status": "available",
        "name": "ubuntu-24.04",
        "description": "Ubuntu 24.04",
        "image_size": null,
        "disk_size": 5.0,
        "created": "2024-04-25T13:26:27Z",
        "created_from": null,
        "bound_to": null,
        "os_flavor": "ubuntu",
        "os_version": "24.04",
        "architecture": "x86",
        "rapid_deploy": true,
        "protection": { "delete": false },
        "deprecation": null,
        "deleted": null,
        "labels": {},
    });
    assert_eq!(image, expected);
    for name in [
        "ubuntu-22.04",
        "debian-12",
        "debian-13",
        "fedora-43",
        "rocky-10",
        "alma-10",
    ] {
        assert_eq!(
            ids(&client, &format!("name={name}")).await.len(),
            2,
            "{name}"
        );
    }
}

#[tokio::test]
async fn deprecated_images_are_listed_only_when_asked_for() {
    for (api_date, field, expected) in [
        (
            ApiDate::June2026,
            "deprecated",
            json!("2026-08-31T00:00:00Z"),
        ),
        (
            ApiDate::November2026,
            "deprecation",
            json!({ "announced": "2026-08-31T00:00:00Z", "unavailable_after": "2026-11-30T00:00:00Z" }),
        ),
    ] {
        let options = Options {
            api_date,
            ..Options::default()
        };
        let simulator = Simulator::start(options).await.unwrap();
        let client = Client::new(&simulator);
        assert_eq!(ids(&client, "name=debian-11").await, [0_u64; 0]);
        let with = client
            .get("/images?name=debian-11&include_deprecated=true")
            .await;
        assert_eq!(with.body["images"][0][field], expected, "{api_date}");
    }
}

#[tokio::test]
async fn snapshots_and_backups_are_listed_with_the_images_of_hetzner() {
    let (simulator, client) = start().await;
    let (snapshot, backup) = (
        take(&simulator, ImageKind::Snapshot),
        take(&simulator, ImageKind::Backup),
    );
    assert_eq!(ids(&client, "type=snapshot").await, [snapshot]);
    assert_eq!(
        ids(&client, "type=backup&type=snapshot").await,
        [snapshot, backup]
    );
    assert_eq!(ids(&client, "bound_to=7").await, [backup]);
    assert_eq!(
        ids(&client, "type=snapshot&status=creating").await,
        [0_u64; 0]
    );
    assert_eq!(ids(&client, "type=app").await.len(), 2);
    let image = client.get(&format!("/images/{snapshot}")).await.body["image"].clone();
    for (field, value) in [
        ("name", Value::Null),
        ("description", json!("web")),
        ("created_from", json!({ "id": 7, "name": "web" })),
        ("image_size", json!(4.0)),
        ("disk_size", json!(40.0)),
        ("os_flavor", json!("debian")),
        ("architecture", json!("arm")),
    ] {
        assert_eq!(image[field], value, "{field}");
    }
    let labels = json!({ "labels": { "os": "talos" } });
    assert_eq!(
        client
            .put(&format!("/images/{snapshot}"), labels)
            .await
            .status,
        200
    );
    assert_eq!(ids(&client, "label_selector=os%3Dtalos").await, [snapshot]);
}

#[tokio::test]
async fn a_backup_becomes_a_snapshot_and_then_outlives_its_server() {
    let (simulator, client) = start().await;
    let (kept, lost) = (
        take(&simulator, ImageKind::Backup),
        take(&simulator, ImageKind::Backup),
    );
    let path = format!("/images/{kept}");
    let updated = client
        .put(&path, json!({ "type": "snapshot", "description": "kept" }))
        .await;
    let image = &updated.body["image"];
    assert_eq!(
        (&image["type"], &image["bound_to"], &image["description"]),
        (&json!("snapshot"), &Value::Null, &json!("kept"))
    );
    let back = client.put(&path, json!({ "type": "backup" })).await;
    assert_eq!(back.refusal(), (422, "invalid_input"));
    delete_backups(simulator.world().project_mut(DEFAULT_TOKEN).unwrap(), 7);
    assert_eq!(client.get(&path).await.status, 200);
    assert_eq!(
        client.get(&format!("/images/{lost}")).await.refusal(),
        (404, "not_found")
    );
}

#[tokio::test]
async fn a_protected_snapshot_stays_until_it_is_unprotected() {
    let (simulator, client) = start().await;
    let id = take(&simulator, ImageKind::Snapshot);
    let path = format!("/images/{id}");
    let protect = format!("{path}/actions/change_protection");
    let action = client.post(&protect, json!({ "delete": true })).await;
    assert_eq!(action.status, 201, "{}", action.text);
    assert_eq!(
        action.body["action"]["resources"],
        json!([{ "id": id, "type": "image" }])
    );
    assert_eq!(
        client.get(&path).await.body["image"]["protection"],
        json!({ "delete": true })
    );
    assert_eq!(client.delete(&path).await.refusal(), (423, "protected"));
    assert_eq!(
        client
            .post(&protect, json!({ "delete": false }))
            .await
            .status,
        201
    );
    assert_eq!(client.delete(&path).await.status, 204);
    assert_eq!(client.get(&path).await.refusal(), (404, "not_found"));
}

#[tokio::test]
async fn the_images_of_hetzner_cannot_be_changed_and_backups_not_protected() {
    let (simulator, client) = start().await;
    let system = "/images/161547269";
    assert_eq!(
        client.delete(system).await.refusal(),
        (422, "unsupported_error")
    );
    assert_eq!(
        client.put(system, json!({})).await.refusal(),
        (422, "unsupported_error")
    );
    let backup = take(&simulator, ImageKind::Backup);
    let path = format!("/images/{backup}/actions/change_protection");
    let protect = client.post(&path, json!({ "delete": true }));
    assert_eq!(protect.await.refusal(), (422, "unsupported_error"));
    assert_eq!(
        client.delete("/images/1").await.refusal(),
        (404, "not_found")
    );
}

#[tokio::test]
async fn a_snapshot_under_change_is_not_deleted() {
    let options = Options {
        actions: ActionMode::Explicit,
        ..Options::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let client = Client::new(&simulator);
    let path = format!("/images/{}", take(&simulator, ImageKind::Snapshot));
    let protect = format!("{path}/actions/change_protection");
    assert_eq!(
        client
            .post(&protect, json!({ "delete": false }))
            .await
            .status,
        201
    );
    assert_eq!(client.delete(&path).await.refusal(), (409, "conflict"));
    simulator.actions().drain();
    assert_eq!(client.delete(&path).await.status, 204);
}
