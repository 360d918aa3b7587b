//! Servers: starting, stopping, and the rescue system.

use hcloud_simulator::{Fault, resource::server::Power};
use http::Method;
use serde_json::json;

use crate::server_family::{act, by_hand, done, read, server, server_off, start, start_explicit};

#[tokio::test]
async fn power_changes_pass_through_their_own_states() {
    let (simulator, client) = start_explicit().await;
    let number = server_off(&client, "web").await;
    simulator.actions().drain();
    assert_eq!(read(&client, number).await["status"], "off");
    let table = [
        ("poweron", "start_server", "starting", "running"),
        ("poweron", "start_server", "starting", "running"),
        ("reboot", "reboot_server", "running", "running"),
        ("reset", "reset_server", "running", "running"),
        ("shutdown", "shutdown_server", "stopping", "off"),
        ("reboot", "reboot_server", "off", "off"),
        ("reset", "reset_server", "off", "running"),
        ("poweroff", "stop_server", "stopping", "off"),
        ("poweroff", "stop_server", "stopping", "off"),
    ];
    for (command, action, meanwhile, afterwards) in table {
        let started = done(&client, number, command, json!({})).await;
        assert_eq!(started["command"], action);
        let now = read(&client, number).await;
        assert_eq!(
            (&now["status"], &now["locked"]),
            (&json!(meanwhile), &json!(true)),
            "{command}"
        );
        let locked = act(&client, number, "poweron", json!({})).await;
        assert_eq!(locked.refusal(), (423, "locked"), "{command}");
        simulator.actions().drain();
        assert_eq!(
            read(&client, number).await["status"],
            afterwards,
            "{command}"
        );
    }
}

#[tokio::test]
async fn a_power_change_that_fails_changes_nothing() {
    let (simulator, client) = start().await;
    let number = server(&client, "web", json!({})).await;
    let path = format!("/servers/{number}/actions/poweroff");
    let fault = Fault::on(Method::POST, path).fail_action("action_failed", "stuck");
    simulator.faults().inject(fault);
    let action = done(&client, number, "poweroff", json!({})).await;
    assert_eq!(action["status"], "error");
    assert_eq!(read(&client, number).await["status"], "running");
}

#[tokio::test]
async fn an_operating_system_may_ignore_a_shutdown() {
    let (simulator, client) = start().await;
    let number = server(&client, "deaf", json!({})).await;
    by_hand(&simulator, |project| {
        project
            .servers_mut()
            .get_mut(number)
            .unwrap()
            .obeys_shutdown = false;
    });
    let action = done(&client, number, "shutdown", json!({})).await;
    assert_eq!(action["status"], "success", "the request was delivered");
    assert_eq!(read(&client, number).await["status"], "running");
    done(&client, number, "poweroff", json!({})).await;
    assert_eq!(read(&client, number).await["status"], "off");
}

#[tokio::test]
async fn the_rescue_system_is_entered_once() {
    let (_simulator, client) = start().await;
    let number = server(&client, "web", json!({})).await;
    let enabled = act(
        &client,
        number,
        "enable_rescue",
        json!({ "type": "linux64" }),
    )
    .await;
    assert_eq!(enabled.status, 201, "{}", enabled.text);
    assert!(enabled.body["root_password"].is_string());
    assert_eq!(enabled.body["action"]["command"], "enable_rescue");
    assert_eq!(read(&client, number).await["rescue_enabled"], true);
    done(&client, number, "reset", json!({})).await;
    assert_eq!(read(&client, number).await["rescue_enabled"], false);

    let path = format!("/servers/{number}/actions/enable_rescue");
    let without_body = client.send(Method::POST, &path, None).await;
    assert_eq!(without_body.status, 201, "{}", without_body.text);
    done(&client, number, "disable_rescue", json!({})).await;
    assert_eq!(read(&client, number).await["rescue_enabled"], false);
    let unknown = act(
        &client,
        number,
        "enable_rescue",
        json!({ "type": "freebsd64" }),
    )
    .await;
    assert_eq!(unknown.refusal(), (422, "invalid_input"));
}

#[tokio::test]
async fn passwords_and_consoles_are_answered_with_their_actions() {
    let (simulator, client) = start().await;
    let number = server(&client, "web", json!({})).await;
    let reset = act(&client, number, "reset_password", json!({})).await;
    assert_eq!(reset.body["action"]["command"], "reset_password");
    assert!(reset.body["root_password"].is_string());
    let console = act(&client, number, "request_console", json!({})).await;
    assert_eq!(console.body["action"]["command"], "request_console");
    assert!(
        console.body["wss_url"]
            .as_str()
            .unwrap()
            .starts_with("wss://")
    );
    assert!(console.body["password"].is_string());
    by_hand(&simulator, |project| {
        project.servers_mut().get_mut(number).unwrap().power = Power::Off;
    });
    let off = act(&client, number, "reset_password", json!({})).await;
    assert_eq!(off.refusal(), (422, "invalid_input"));
}

#[tokio::test]
async fn actions_of_a_server_that_does_not_exist_are_not_found() {
    let (_simulator, client) = start().await;
    for command in ["poweron", "change_type", "attach_to_network", "rebuild"] {
        let answer = act(&client, 1, command, json!({})).await;
        assert_eq!(answer.refusal(), (404, "not_found"), "{command}");
    }
}
