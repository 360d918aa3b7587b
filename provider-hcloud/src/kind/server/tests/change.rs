use api::Firewall;
use http::Method;

use super::*;
use crate::kind::firewall::Firewalls;

#[tokio::test]
async fn networks_are_attached_moved_and_detached_in_place() {
    let stage = Stage::new().await;
    let a = stage.network("a", "10.1.0.0/16", "10.1.1.0/24").await;
    let b = stage.network("b", "10.2.0.0/16", "10.2.1.0/24").await;
    let mut one = stage.ready(&json!({"networks": [{"networkId": a}]})).await;

    one.set(&json!({"networks": [{"networkId": a, "ip": "10.1.1.9"}, {"subnetId": format!("{b}-10.2.1.0/24"), "aliasIps": ["10.2.1.50"]}]}));
    stage.simulator.log().clear();
    stage.settle(&mut one).await;
    let nets: Vec<_> = one
        .report()
        .private_nets
        .iter()
        .map(|net| (net.ip.clone(), net.alias_ips.clone()))
        .collect();
    assert_eq!(
        nets,
        [
            ("10.1.1.9".to_owned(), vec![]),
            ("10.2.1.1".to_owned(), vec!["10.2.1.50".to_owned()])
        ]
    );
    let commands = [
        "detach_from_network",
        "attach_to_network",
        "attach_to_network",
    ];
    assert_eq!(
        stage.calls(),
        commands.map(|command| format!("POST /servers/*/actions/{command}"))
    );

    one.set(&json!({"networks": [{"networkId": b, "aliasIps": []}]}));
    let turns = stage.settle(&mut one).await;
    assert!(
        turns[0].contains(&format!("networks: desired without network {a}")),
        "{turns:?}"
    );
    assert!(
        turns[0].contains("networks[0].aliasIps: desired none, observed 10.2.1.50"),
        "{turns:?}"
    );
    assert_eq!(one.report().private_nets.len(), 1);
    one.set(&json!({"networks": null}));
    assert!(stage.settle(&mut one).await.is_empty(), "no longer managed");
    assert_eq!(stage.power(&one), Power::Running, "never switched off");
}

async fn firewall(stage: &Stage, name: &str, spec: &Value) -> String {
    let firewall: Firewall = named(name, spec);
    let firewalls = ObjectsOfProject::<Firewalls>::from(stage.project.clone());
    made(&firewalls, &firewall.into()).await.external_name
}

#[tokio::test]
async fn firewalls_are_applied_and_taken_away_but_for_those_of_others() {
    let stage = Stage::new().await;
    let by_label = firewall(&stage, "label", &json!({"labelSelectors": ["tier=a"]})).await;
    let first = firewall(&stage, "first", &json!({})).await;
    let second = firewall(&stage, "second", &json!({})).await;
    let mut one = stage
        .ready(&json!({"labels": {"tier": "a"}, "firewallIds": [first]}))
        .await;
    let ids = |one: &One| {
        let mut ids: Vec<_> = one
            .report()
            .firewalls
            .iter()
            .map(ToString::to_string)
            .collect();
        ids.sort();
        ids
    };
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    assert_eq!(ids(&one), sorted(vec![by_label.clone(), first.clone()]));
    one.set(&json!({"firewallIds": [second]}));
    let turns = stage.settle(&mut one).await;
    assert_eq!(
        turns,
        [format!("firewallIds: desired {second}, observed {first}")]
    );
    assert_eq!(ids(&one), sorted(vec![by_label.clone(), second]));
    let by_hand: Id = firewall(&stage, "hand", &json!({})).await.parse().unwrap();
    let firewalls = stage.project.client.firewalls();
    let target = Target::server(one.id());
    firewalls.apply(by_hand, &[target]).await.unwrap();
    stage.project.client.servers().doubt(one.id());
    assert!(stage.settle(&mut one).await.is_empty(), "not ours");
    one.set(&json!({"firewallIds": null}));
    stage.settle(&mut one).await;
    assert_eq!(ids(&one), sorted(vec![by_label, by_hand.to_string()]));
    assert!(one.report().own_firewalls.is_empty());
}

#[tokio::test]
async fn backups_are_switched_on_and_off() {
    let stage = Stage::new().await;
    let mut one = stage.ready(&json!({"backups": true})).await;
    let price = |one: &One| one.report().price.clone().unwrap().net_monthly;
    assert!(one.report().backup_window.is_some());
    assert_eq!(price(&one), "7.088");
    let shared = Look::Shared {
        max_age: Duration::from_secs(600),
    };
    let Observation::Present(present) = stage
        .servers()
        .observe(&one.desired(), shared)
        .await
        .unwrap()
    else {
        panic!("it is gone");
    };
    assert!(
        present.drift.is_empty(),
        "what is shared is as it was left: {}",
        present.drift
    );
    one.set(&json!({"backups": false}));
    stage.settle(&mut one).await;
    assert_eq!(one.report().backup_window, None);
    assert_eq!(price(&one), "5.99");
}

#[tokio::test]
async fn a_change_of_the_drive_and_of_the_rescue_system_resets_the_server_once() {
    let mut stage = Stage::new().await;
    stage.key("me").await;
    let mut one = stage.ready(&json!({})).await;

    one.set(&json!({"iso": "systemrescue-11.00-amd64.iso"}));
    stage.simulator.log().clear();
    stage.settle(&mut one).await;
    let expected = [
        "PUT /servers/*",
        "POST /servers/*/actions/attach_iso",
        "POST /servers/*/actions/reset",
        "PUT /servers/*",
    ];
    assert_eq!(stage.calls(), expected);

    // The process ends before the reset.
    let reset = hcloud_simulator::Fault::on(Method::POST, "/servers/*/actions/reset");
    stage.simulator.faults().inject(reset.close_before());
    one.set(&json!({"iso": ""}));
    let present = stage.look(&mut one).await;
    stage
        .servers()
        .update(&one.desired(), &present)
        .await
        .unwrap_err();
    stage.crash();
    stage.simulator.log().clear();
    assert_eq!(
        stage.settle(&mut one).await,
        ["restart: desired done, observed iso"]
    );
    assert_eq!(
        stage.calls(),
        ["POST /servers/*/actions/reset", "PUT /servers/*"]
    );
    assert_eq!(one.report().iso, None);

    one.set(&json!({"rescue": {"sshKeys": ["me"]}}));
    stage.simulator.log().clear();
    stage.settle(&mut one).await;
    let expected = [
        "POST /servers/*/actions/enable_rescue",
        "PUT /servers/*",
        "POST /servers/*/actions/reset",
        "PUT /servers/*",
    ];
    assert_eq!(stage.calls(), expected);
    assert_eq!(label(&stage.server(one.id()), mark::RESTART), None);

    stage.simulator.log().clear();
    assert!(stage.settle(&mut one).await.is_empty());
    one.set(&json!({"rescue": {"sshKeys": ["nobody"]}}));
    let present = stage.look(&mut one).await;
    let error = stage
        .servers()
        .update(&one.desired(), &present)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("rescue.sshKeys[0]: there is no SSH key \"nobody\" in the project: it has"),
        "{error}"
    );
}

#[tokio::test]
async fn a_rescue_that_comes_back_is_carried_out_again_and_one_that_goes_is_called_off() {
    let stage = Stage::new().await;
    stage.key("me").await;
    let mut one = stage.ready(&json!({})).await;
    let rescued = |stage: &Stage| {
        let log = stage.simulator.log();
        log.of(&Method::POST, "/servers/*/actions/enable_rescue")
            .len()
    };
    for times in 1..=2 {
        one.set(&json!({"rescue": {"sshKeys": ["me"]}}));
        stage.settle(&mut one).await;
        assert_eq!(rescued(&stage), times);
        one.set(&json!({"rescue": null}));
        stage.settle(&mut one).await;
        assert_eq!(label(&stage.server(one.id()), mark::RESCUE), None);
    }

    // The process ends when the rescue system is prepared, and the server not yet reset.
    let reset = hcloud_simulator::Fault::on(Method::POST, "/servers/*/actions/reset");
    stage.simulator.faults().inject(reset.close_before());
    one.set(&json!({"rescue": {"sshKeys": ["me"]}}));
    let present = stage.look(&mut one).await;
    let servers = stage.servers();
    servers.update(&one.desired(), &present).await.unwrap_err();
    assert!(stage.server(one.id()).rescue_enabled);
    one.set(&json!({"rescue": null}));
    stage.simulator.log().clear();
    stage.settle(&mut one).await;
    assert!(!stage.server(one.id()).rescue_enabled);
    let reset = stage
        .simulator
        .log()
        .of(&Method::POST, "/servers/*/actions/reset");
    assert!(reset.is_empty(), "there is nothing to start into");
}

#[tokio::test]
async fn keys_user_data_and_a_selector_that_a_server_was_made_without_are_reported() {
    let stage = Stage::new().await;
    let mut one = stage.ready(&json!({})).await;
    assert_eq!(one.report().user_data_hash, None);
    one.set(&json!({"sshKeys": ["me"], "image": {"labelSelector": "os=talos"}}));
    one.user_data = Some("after".to_owned());
    let replacement = stage.look(&mut one).await.drift.replacement().unwrap();
    for field in ["image.labelSelector=os=talos", "sshKeys=", "userData="] {
        assert!(replacement.contains(field), "{replacement}");
    }
    assert_eq!(one.report().user_data_hash, None);
}

#[tokio::test]
async fn an_address_that_a_network_does_not_have_yet_is_asked_for_again_soon() {
    let stage = Stage::new().await;
    let network = stage.network("net", "10.0.0.0/16", "10.0.1.0/24").await;
    let mut one = stage.ready(&json!({})).await;
    one.set(&json!({"networks": [{"networkId": network, "ip": "10.0.2.5"}]}));
    let present = stage.look(&mut one).await;
    let servers = stage.servers();
    let error = servers.update(&one.desired(), &present).await.unwrap_err();
    assert!(
        error.to_string().contains("(no_subnet_available)"),
        "{error}"
    );
    assert_eq!(error.retry(), crate::managed::Retry::BackOff);
}

#[tokio::test]
async fn what_only_a_new_server_gets_is_reported_and_nothing_is_done() {
    let stage = Stage::new().await;
    let mut one = One::new(
        &json!({"locations": ["fsn1"], "userDataSecretRef": {"name": "boot", "key": "userData"}}),
    );
    one.user_data = Some("before".to_owned());
    stage.create(&mut one).await.unwrap();
    stage.settle(&mut one).await;
    one.set(&json!({"locations": ["nbg1", "hel1"], "image": {"name": "ubuntu-24.04"}, "serverType": "cax11"}));
    one.user_data = Some("after".to_owned());
    stage.simulator.log().clear();
    assert!(stage.settle(&mut one).await.is_empty());
    let present = stage.look(&mut one).await;
    assert_eq!(present.readiness, Readiness::Available);
    let digest = mark::digest(b"after");
    assert_eq!(
        present.drift.replacement(),
        Some(format!(
            "serverType=cax11;image.name=ubuntu-24.04;location=nbg1 or hel1;userData={digest}"
        ))
    );
    assert!(stage.calls().is_empty());
    assert!(!format!("{present:?}").contains("after\""));
}

#[tokio::test]
async fn a_locked_server_waits_and_says_for_what() {
    let stage = Stage::new().await;
    let mut one = stage.ready(&json!({})).await;
    stage.simulator.actions().set_mode(ActionMode::Explicit);
    let servers = stage.project.client.servers();
    let snapshot = json!({"type": "snapshot"});
    let backup = servers.run(one.id(), "create_image", Some(&snapshot));
    let later = async {
        stage
            .simulator
            .log()
            .until(|entries| {
                entries
                    .iter()
                    .any(|entry| entry.is(&Method::GET, "/actions"))
            })
            .await;
        one.set(&json!({"backups": true}));
        let present = stage.look(&mut one).await;
        stage.simulator.log().clear();
        let error = stage
            .servers()
            .update(&one.desired(), &present)
            .await
            .unwrap_err();
        assert!(stage.calls().is_empty());
        stage.simulator.actions().drain();
        error.to_string()
    };
    let (backup, error) = tokio::join!(backup, later);
    backup.unwrap();
    assert!(
        error
            .contains("is locked by a running action: backups: desired true, observed false waits"),
        "{error}"
    );
}
