//! Actions: how long they take and how they end.

use std::time::Duration;

use hcloud_simulator::{ActionError, ActionMode, Fault, Options, Simulator, SteppedClock};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::client::Client;

async fn start(actions: ActionMode) -> (Simulator, Client, SteppedClock, u64) {
    let steps = SteppedClock::new("2026-11-01T12:00:00Z".parse::<Timestamp>().unwrap());
    let options = Options {
        clock: steps.clock(),
        actions,
        ..Options::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let client = Client::new(&simulator);
    let id = client.create_network("n", "10.0.0.0/16").await;
    (simulator, client, steps, id)
}

async fn protect(client: &Client, network: u64) -> Value {
    let answer = client
        .post(
            &format!("/networks/{network}/actions/change_protection"),
            json!({ "delete": true }),
        )
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.body["action"].clone()
}

async fn is_protected(client: &Client, network: u64) -> bool {
    client.get(&format!("/networks/{network}")).await.body["network"]["protection"]["delete"]
        .as_bool()
        .unwrap()
}

#[tokio::test]
async fn an_action_that_takes_no_time_is_answered_finished() {
    let (_simulator, client, _steps, id) = start(ActionMode::Automatic(Duration::ZERO)).await;
    let action = protect(&client, id).await;
    assert_eq!(action["status"], "success");
    assert_eq!(action["progress"], 100);
    assert_eq!(action["finished"], "2026-11-01T12:00:00Z");
    assert_eq!(action["error"], Value::Null);
    assert!(is_protected(&client, id).await);
}

#[tokio::test]
async fn an_automatic_action_progresses_with_the_clock_and_takes_effect_at_its_end() {
    let (_simulator, client, steps, id) =
        start(ActionMode::Automatic(Duration::from_secs(10))).await;
    let action = protect(&client, id).await;
    assert_eq!(
        (&action["status"], &action["progress"]),
        (&json!("running"), &json!(0))
    );
    steps.advance(Duration::from_secs(4));
    let path = format!("/actions/{}", action["id"]);
    let running = client.get(&path).await.body["action"].clone();
    assert_eq!(
        (&running["status"], &running["progress"]),
        (&json!("running"), &json!(40))
    );
    assert_eq!(running["finished"], Value::Null);
    assert!(!is_protected(&client, id).await);
    steps.advance(Duration::from_secs(60));
    let finished = client.get(&path).await.body["action"].clone();
    assert_eq!(finished["status"], "success");
    assert_eq!(
        finished["finished"], "2026-11-01T12:00:10Z",
        "it finished when it was due, not when it was looked at"
    );
    assert!(is_protected(&client, id).await);
}

#[tokio::test]
async fn an_explicit_action_waits_for_the_test() {
    let (simulator, client, steps, id) = start(ActionMode::Explicit).await;
    let action = protect(&client, id).await;
    steps.advance(Duration::from_secs(3600));
    assert_eq!(
        client.get(&format!("/actions/{}", action["id"])).await.body["action"]["status"],
        "running"
    );
    assert_eq!(simulator.actions().running().len(), 1);
    let finished = simulator.actions().complete_next().unwrap();
    assert_eq!(json!(finished.id), action["id"]);
    assert!(is_protected(&client, id).await);
    assert!(simulator.actions().complete_next().is_none());
}

#[tokio::test]
async fn a_failed_action_says_why_and_changes_nothing() {
    let (simulator, client, _steps, id) = start(ActionMode::Explicit).await;
    let action = protect(&client, id).await;
    simulator
        .actions()
        .fail_next(&ActionError::new("action_failed", "the rack is on fire"));
    let failed = client.get(&format!("/actions/{}", action["id"])).await.body["action"].clone();
    assert_eq!(failed["status"], "error");
    assert_eq!(
        failed["error"],
        json!({ "code": "action_failed", "message": "the rack is on fire" })
    );
    assert!(!is_protected(&client, id).await);
}

#[tokio::test]
async fn a_fault_makes_one_command_slow_and_another_fail() {
    let (simulator, client, steps, id) = start(ActionMode::Automatic(Duration::ZERO)).await;
    let command = "/networks/*/actions/change_protection";
    simulator
        .faults()
        .inject(Fault::on(Method::POST, command).slow_action(Duration::from_secs(5)));
    simulator.faults().inject(
        Fault::on(Method::POST, command)
            .nth(2)
            .fail_action("locked", "try later"),
    );
    let slow = protect(&client, id).await;
    assert_eq!(slow["status"], "running");
    steps.advance(Duration::from_secs(5));
    assert!(is_protected(&client, id).await);
    let failing = protect(&client, id).await;
    assert_eq!(
        (&failing["status"], &failing["error"]["code"]),
        (&json!("error"), &json!("locked"))
    );
    assert_eq!(protect(&client, id).await["status"], "success");
}

#[tokio::test]
async fn actions_are_found_by_id_by_kind_and_by_object() {
    let (_simulator, client, _steps, id) = start(ActionMode::Automatic(Duration::ZERO)).await;
    let other = client.create_network("m", "10.0.0.0/16").await;
    let (first, second) = (
        protect(&client, id).await["id"].clone(),
        protect(&client, other).await["id"].clone(),
    );
    let ids = |answer: &crate::client::Answer| -> Vec<Value> {
        answer.body["actions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|action| action["id"].clone())
            .collect()
    };
    let table = [
        (
            format!("/actions?id={first}&id={second}"),
            vec![&first, &second],
        ),
        (
            format!("/actions?id={first}&id={second}&sort=id:desc"),
            vec![&second, &first],
        ),
        (
            format!("/actions?id={first}&id={second}&status=running"),
            vec![],
        ),
        ("/networks/actions".to_owned(), vec![&first, &second]),
        (format!("/networks/{other}/actions"), vec![&second]),
    ];
    for (path, expected) in table {
        let answer = client.get(&path).await;
        assert_eq!(ids(&answer).iter().collect::<Vec<_>>(), expected, "{path}");
        assert!(
            answer.body["meta"]["pagination"]["total_entries"].is_u64(),
            "{path}"
        );
    }
    for path in [
        format!("/actions/{first}"),
        format!("/networks/actions/{first}"),
        format!("/networks/{id}/actions/{first}"),
    ] {
        assert_eq!(
            client.get(&path).await.body["action"]["id"],
            first,
            "{path}"
        );
    }
    for path in [
        format!("/networks/{other}/actions/{first}"),
        "/actions/5".to_owned(),
        "/networks/5/actions".to_owned(),
    ] {
        assert_eq!(
            client.get(&path).await.refusal(),
            (404, "not_found"),
            "{path}"
        );
    }
    assert_eq!(
        client.get("/actions").await.refusal(),
        (422, "invalid_input"),
        "all actions cannot be listed"
    );
}
