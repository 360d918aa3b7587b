use hcloud_simulator::Fault;
use http::Method;

use super::*;

#[tokio::test]
async fn nothing_is_changed_while_the_actions_of_the_creation_run() {
    let stage = Stage::with(ActionMode::Explicit).await;
    let mut one = One::new(&json!({"deleteProtection": true}));
    stage.create(&mut one).await.unwrap();
    for _ in ["create_server", "start_server"] {
        let present = stage.look(&mut one).await;
        assert!(
            matches!(present.readiness, Readiness::Creating { .. }),
            "{present:?}"
        );
        assert!(present.drift.is_empty(), "{}", present.drift);
        stage.simulator.actions().complete_next().unwrap();
    }
    let present = stage.look(&mut one).await;
    assert_eq!(
        present.drift.to_string(),
        "setup: desired done, observed pending"
    );
}

#[tokio::test]
async fn a_fixed_address_is_attached_before_the_first_start_with_a_crash_at_every_step() {
    let mut stage = Stage::new().await;
    let network = stage.network("net", "10.0.0.0/16", "10.0.1.0/24").await;
    let choice = json!({"networkId": network, "ip": "10.0.1.77", "aliasIps": ["10.0.1.78"]});
    let mut one = One::new(&json!({"networks": [choice]}));
    stage.create(&mut one).await.unwrap();
    assert_eq!(stage.power(&one), Power::Off);

    // Each of these calls is the last of a process; the one after it is cut off.
    for (step, expected) in [
        (
            "/servers/*/actions/attach_to_network",
            "networks[0]: desired network",
        ),
        (
            "/servers/*/actions/poweron",
            "powerState: desired Running, observed off",
        ),
        ("/servers/*", "setup: desired done, observed pending"),
    ] {
        let method = if step.ends_with('*') {
            Method::PUT
        } else {
            Method::POST
        };
        stage
            .simulator
            .faults()
            .inject(Fault::on(method, step).close_after());
        let present = stage.look(&mut one).await;
        assert!(
            present.drift.to_string().starts_with(expected),
            "{}",
            present.drift
        );
        assert!(matches!(present.readiness, Readiness::Creating { .. }));
        let lost = stage
            .servers()
            .update(&one.desired(), &present)
            .await
            .unwrap_err();
        assert!(lost.outcome_unknown(), "{lost}");
        stage.crash();
    }
    let present = stage.look(&mut one).await;
    assert_eq!(present.readiness, Readiness::Available);
    assert!(present.drift.is_empty(), "{}", present.drift);
    assert_eq!(one.report().private_nets[0].ip, "10.0.1.77");
    assert_eq!(one.report().private_nets[0].alias_ips, ["10.0.1.78"]);
    assert_eq!(stage.power(&one), Power::Running);
    let attached = stage
        .simulator
        .log()
        .of(&Method::POST, "/servers/*/actions/attach_to_network");
    assert_eq!(attached.len(), 1);
}

#[tokio::test]
async fn without_a_crash_a_fixed_address_takes_one_change() {
    let stage = Stage::new().await;
    let network = stage.network("net", "10.0.0.0/16", "10.0.1.0/24").await;
    let mut one = One::new(&json!({"networks": [{"networkId": network, "ip": "10.0.1.77"}]}));
    stage.simulator.log().clear();
    stage.create(&mut one).await.unwrap();
    assert_eq!(stage.settle(&mut one).await.len(), 1);
    let calls = [
        "POST /servers",
        "POST /servers/*/actions/attach_to_network",
        "POST /servers/*/actions/poweron",
        "PUT /servers/*",
    ];
    assert_eq!(stage.calls(), calls);
}

#[tokio::test]
async fn a_server_without_public_addresses_starts_when_it_is_attached() {
    let stage = Stage::new().await;
    let network = stage.network("net", "10.0.0.0/16", "10.0.1.0/24").await;
    let private = json!({"ipv4Enabled": false, "ipv6Enabled": false});
    let mut one = One::new(&json!({"publicNet": private, "networks": [{"networkId": network}]}));
    stage.create(&mut one).await.unwrap();
    assert_eq!(stage.power(&one), Power::Off);
    stage.settle(&mut one).await;
    assert_eq!(stage.power(&one), Power::Running);
    assert_eq!(one.report().public_ipv4, None);

    // Attached by somebody else, later.
    let mut two = One::named("two", &json!({"publicNet": private}));
    stage.create(&mut two).await.unwrap();
    stage.settle(&mut two).await;
    let present = stage.look(&mut two).await;
    assert!(matches!(present.readiness, Readiness::Creating { .. }));
    assert_eq!(stage.power(&two), Power::Off);
    let request = json!({"network": network.parse::<u64>().unwrap()});
    stage
        .project
        .client
        .servers()
        .act(two.id(), "attach_to_network", &request)
        .await
        .unwrap();
    stage.settle(&mut two).await;
    assert_eq!(stage.look(&mut two).await.readiness, Readiness::Available);
    assert_eq!(stage.power(&two), Power::Running);
}

#[tokio::test]
async fn a_server_that_is_to_be_off_is_never_started() {
    let stage = Stage::new().await;
    let one = stage.ready(&json!({"powerState": "Stopped"})).await;
    assert_eq!(stage.power(&one), Power::Off);
    let started = stage
        .simulator
        .log()
        .of(&Method::POST, "/servers/*/actions/poweron");
    assert!(started.is_empty());
    assert_eq!(label(&stage.server(one.id()), mark::SETUP), None);
}

#[tokio::test]
async fn a_server_that_did_not_start_is_made_again_elsewhere_and_that_is_counted() {
    let stage = Stage::new().await;
    let fault = Fault::on(Method::POST, "/servers").command("start_server");
    stage
        .simulator
        .faults()
        .inject(fault.fail_action("placement_error", "no room"));
    let mut one = One::new(&json!({"locations": ["fsn1", "nbg1"], "deleteProtection": true}));
    stage.create(&mut one).await.unwrap();
    let first = one.id();

    let present = stage.look(&mut one).await;
    let Readiness::Broken { message } = &present.readiness else {
        panic!("{present:?}");
    };
    assert_eq!(
        message,
        "creation failed: action start_server failed: no room (placement_error)"
    );
    assert!(present.drift.is_empty(), "{}", present.drift);
    stage.look(&mut one).await;
    assert_eq!(one.report().failed_creations, 1, "counted once");
    stage
        .servers()
        .delete(&one.desired(), &present)
        .await
        .unwrap();
    assert_eq!(stage.count(), 0);
    assert!(stage.find(&mut one).await.is_none());

    stage.create(&mut one).await.unwrap();
    assert_ne!(one.id(), first);
    stage.settle(&mut one).await;
    let present = stage.look(&mut one).await;
    assert_eq!(present.readiness, Readiness::Available);
    let report = one.report();
    assert_eq!(
        (report.failed_creations, report.location.as_str()),
        (1, "nbg1")
    );
    let last = report.last_failed_creation.as_deref().unwrap();
    assert_eq!(
        last,
        format!("server {first}: action start_server failed: no room (placement_error)")
    );
    assert!(stage.server(one.id()).protected);
}

#[tokio::test]
async fn a_server_that_was_not_attached_is_made_again() {
    let mut stage = Stage::new().await;
    let network = stage.network("net", "10.0.0.0/16", "10.0.1.0/24").await;
    let fault = Fault::on(Method::POST, "/servers").command("attach_to_network");
    stage
        .simulator
        .faults()
        .inject(fault.fail_action("service_error", "try later"));
    let mut one = One::new(&json!({"networks": [{"networkId": network}]}));
    stage.create(&mut one).await.unwrap();
    stage.crash();
    let present = stage.look(&mut one).await;
    assert!(
        matches!(&present.readiness, Readiness::Broken { message } if message.contains("attach_to_network")),
        "{present:?}"
    );
}

#[tokio::test]
async fn a_server_whose_first_start_failed_is_made_again() {
    let mut stage = Stage::new().await;
    let network = stage.network("net", "10.0.0.0/16", "10.0.1.0/24").await;
    let fault = Fault::on(Method::POST, "/servers/*/actions/poweron");
    stage
        .simulator
        .faults()
        .inject(fault.fail_action("placement_error", "no room"));
    let mut one = One::new(&json!({"networks": [{"networkId": network, "ip": "10.0.1.77"}]}));
    stage.create(&mut one).await.unwrap();
    let present = stage.look(&mut one).await;
    let error = stage
        .servers()
        .update(&one.desired(), &present)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no room"), "{error}");
    stage.crash();
    let present = stage.look(&mut one).await;
    assert!(
        matches!(&present.readiness, Readiness::Broken { message } if message.contains("start_server failed: no room")),
        "{present:?}"
    );
    stage
        .servers()
        .delete(&one.desired(), &present)
        .await
        .unwrap();
    stage.create(&mut one).await.unwrap();
    stage.settle(&mut one).await;
    assert_eq!(stage.look(&mut one).await.readiness, Readiness::Available);
    assert_eq!(one.report().private_nets[0].ip, "10.0.1.77");
}

#[tokio::test]
async fn what_fails_again_is_kept_for_a_while() {
    let stage = Stage::new().await;
    let fault = Fault::on(Method::POST, "/servers")
        .command("start_server")
        .always();
    stage
        .simulator
        .faults()
        .inject(fault.fail_action("placement_error", "no room"));
    let mut one = One::new(&json!({}));
    stage.create(&mut one).await.unwrap();
    let present = stage.look(&mut one).await;
    stage
        .servers()
        .delete(&one.desired(), &present)
        .await
        .unwrap();
    stage.create(&mut one).await.unwrap();
    let present = stage.look(&mut one).await;
    let message = unavailable(&present.readiness);
    assert!(
        message.contains("no room") && message.contains("created again at"),
        "{message}"
    );
    stage.hand.advance(Duration::from_secs(60));
    let present = stage.look(&mut one).await;
    assert!(
        matches!(present.readiness, Readiness::Broken { .. }),
        "{present:?}"
    );
    assert_eq!(one.report().failed_creations, 2);
}

#[tokio::test]
async fn a_drive_and_the_rescue_system_are_there_at_the_first_start() {
    let stage = Stage::new().await;
    stage.key("me").await;
    let iso = "systemrescue-11.00-amd64.iso";
    let one = stage
        .ready(&json!({"iso": iso, "rescue": {}, "sshKeys": ["me"]}))
        .await;
    let commands: Vec<_> = stage
        .calls()
        .into_iter()
        .filter(|call| call.contains("actions"))
        .collect();
    let expected = ["attach_iso", "enable_rescue", "poweron"];
    assert_eq!(
        commands,
        expected.map(|command| format!("POST /servers/*/actions/{command}"))
    );
    assert_eq!(
        one.report().iso.as_deref(),
        Some("systemrescue-11.00-amd64.iso")
    );
    assert!(one.report().rescue_hash.is_some());
}
