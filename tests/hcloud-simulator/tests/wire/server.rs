//! The server as a whole: log, off and on, control API, stored state.

use std::time::Duration;

use hcloud_simulator::{ActionMode, DEFAULT_TOKEN, Options, Simulator};
use http::Method;
use serde_json::json;

use crate::client::Client;

#[tokio::test]
async fn the_log_tells_who_asked_what_and_what_was_answered() {
    let simulator = Simulator::start(Options::default().token("shop", "t"))
        .await
        .unwrap();
    let client = Client::new(&simulator).with_token(Some("t"));
    let id = client.create_network("n", "10.0.0.0/16").await;
    client.get("/networks?name=n").await;
    client
        .with_token(None)
        .delete(&format!("/networks/{id}"))
        .await;
    let entries = simulator.log().entries();
    let told: Vec<_> = entries
        .iter()
        .map(|entry| {
            (
                entry.project.as_deref(),
                entry.method.as_str(),
                entry.path.as_str(),
                entry.status(),
            )
        })
        .collect();
    let path = format!("/networks/{id}");
    let expected = [
        (Some("shop"), "POST", "/networks", Some(201)),
        (Some("shop"), "GET", "/networks", Some(200)),
        (None, "DELETE", path.as_str(), Some(401)),
    ];
    assert_eq!(told, expected);
    assert_eq!(entries[1].query.as_deref(), Some("name=n"));
    assert_eq!(simulator.log().of(&Method::DELETE, "/networks/*").len(), 1);
    simulator.log().clear();
    client.get("/networks").await;
    assert!(simulator.log().mutations().is_empty());
    assert_eq!(simulator.log().entries()[0].sequence, 4);
}

#[tokio::test]
async fn a_suspended_server_refuses_and_comes_back_on_its_port_with_its_state() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let client = Client::new(&simulator);
    let id = client.create_network("n", "10.0.0.0/16").await;
    let url = simulator.url();
    for _ in 0..3 {
        simulator.suspend().await.unwrap();
        assert!(
            client
                .try_send(Method::GET, "/networks", None)
                .await
                .is_none()
        );
        simulator.resume().await.unwrap();
        assert_eq!(client.get("/networks").await.body["networks"][0]["id"], id);
    }
    assert_eq!(simulator.url(), url);
}

#[tokio::test]
async fn a_stopped_or_dropped_server_leaves_its_port() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let address = simulator.address();
    simulator.stop().await;
    let again = Simulator::start(Options {
        address,
        ..Options::default()
    })
    .await
    .unwrap();
    let client = Client::new(&again);
    assert_eq!(client.get("/networks").await.status, 200);
    drop(again);
    while client
        .try_send(Method::GET, "/networks", None)
        .await
        .is_some()
    {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn two_simulators_share_nothing() {
    let (one, two) = tokio::join!(
        Simulator::start(Options::default()),
        Simulator::start(Options::default())
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    Client::new(&one).create_network("n", "10.0.0.0/16").await;
    assert!(
        two.world()
            .project(DEFAULT_TOKEN)
            .unwrap()
            .networks()
            .is_empty()
    );
    assert!(two.log().entries().is_empty());
}

#[tokio::test]
async fn state_is_saved_and_restored_without_tokens_and_with_running_actions() {
    let options = Options {
        actions: ActionMode::Automatic(Duration::from_secs(3600)),
        ..Options::default()
    };
    let simulator = Simulator::start(options.clone()).await.unwrap();
    let client = Client::new(&simulator);
    let id = client.create_network("n", "10.0.0.0/16").await;
    client
        .post(
            &format!("/networks/{id}/actions/change_protection"),
            json!({ "delete": true }),
        )
        .await;
    let saved = Client::control(&simulator).get("/state").await;
    assert_eq!(saved.status, 200);
    assert!(!saved.text.contains(DEFAULT_TOKEN));
    simulator.stop().await;

    let simulator = Simulator::start(options).await.unwrap();
    assert_eq!(
        Client::control(&simulator)
            .put("/state", saved.body)
            .await
            .status,
        204
    );
    let action = simulator.actions().complete_next().unwrap();
    assert_eq!(action.command, "change_protection");
    let client = Client::new(&simulator);
    assert_eq!(
        client.get(&format!("/networks/{id}")).await.body["network"]["protection"]["delete"],
        true
    );
    assert!(
        client.create_network("m", "10.0.0.0/16").await > action.id,
        "ids go on where they were"
    );
    let broken = Client::control(&simulator)
        .put("/state", json!({ "projects": { "default": {} } }))
        .await;
    assert_eq!(broken.status, 422);
    assert!(broken.text.contains("project default"), "{}", broken.text);
    assert_eq!(
        client.get("/networks").await.body["networks"]
            .as_array()
            .unwrap()
            .len(),
        2,
        "nothing was lost"
    );
}

#[tokio::test]
async fn the_control_api_shows_the_log_and_arms_faults() {
    let simulator = Simulator::start(Options {
        actions: ActionMode::Explicit,
        ..Options::default()
    })
    .await
    .unwrap();
    let (client, control) = (Client::new(&simulator), Client::control(&simulator));
    let fault = json!({ "method": "GET", "path": "/networks", "times": 1, "effect": { "html": { "status": 504 } } });
    let armed = control.post("/faults", fault).await;
    assert_eq!(armed.status, 201, "{}", armed.text);
    assert_eq!(client.get("/networks").await.status, 504);
    assert_eq!(control.get("/faults").await.body[0]["hits"], 1);
    assert_eq!(
        control
            .delete(&format!("/faults/{}", armed.body["id"]))
            .await
            .status,
        200
    );
    assert_eq!(control.get("/faults").await.body, json!([]));
    assert_eq!(client.get("/networks").await.status, 200);

    let id = client.create_network("n", "10.0.0.0/16").await;
    let protect = format!("/networks/{id}/actions/change_protection");
    client.post(&protect, json!({ "delete": true })).await;
    let running = control.get("/actions").await.body[0]["id"].clone();
    let failed = control
        .post(
            &format!("/actions/{running}/fail"),
            json!({ "code": "c", "message": "m" }),
        )
        .await;
    assert_eq!(failed.body["status"], "error");
    client.post(&protect, json!({ "delete": true })).await;
    assert_eq!(
        control.post("/actions/drain", json!(null)).await.body[0]["status"],
        "success"
    );

    let log = control.get("/log").await.body;
    assert_eq!(
        log.as_array().unwrap().len(),
        5,
        "the control API itself is not logged"
    );
    assert_eq!(log[0]["outcome"], json!({ "answered": 504 }));
    assert_eq!(control.delete("/log").await.status, 204);
    assert_eq!(control.get("/log").await.body, json!([]));
}
