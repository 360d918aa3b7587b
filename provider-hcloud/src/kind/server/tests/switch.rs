use api::PlacementGroup;
use hcloud_simulator::{
    Fault,
    resource::primary_ip::{AddressFamily, PrimaryIp},
};
use http::Method;

use super::*;
use crate::kind::placement_group::PlacementGroups;

impl Stage {
    fn obey_shutdowns(&self, one: &One, obey: bool) {
        self.simulated(|project| {
            project
                .servers_mut()
                .get_mut(one.id())
                .unwrap()
                .obeys_shutdown = obey;
        });
    }

    fn commands(&self) -> Vec<String> {
        let calls = self.calls().into_iter();
        calls
            .filter_map(|call| {
                call.rsplit_once("actions/")
                    .map(|(_, command)| command.to_owned())
            })
            .collect()
    }
}

#[tokio::test]
async fn a_server_is_resized_in_place_with_a_crash_at_every_step() {
    let mut stage = Stage::new().await;
    let mut one = stage.ready(&json!({})).await;
    one.set(&json!({"serverType": "cx33"}));
    stage.simulator.log().clear();

    assert_eq!(
        stage.turn(&mut one).await,
        "serverType: desired cx33, observed cx23"
    );
    assert_eq!(stage.commands(), ["shutdown"]);
    assert!(label(&stage.server(one.id()), MAINTENANCE).is_some());
    stage.crash();
    assert_eq!(
        stage.turn(&mut one).await,
        "serverType: desired cx33, observed cx23"
    );
    assert_eq!(stage.commands(), ["shutdown", "change_type"]);
    stage.crash();
    let present = stage.look(&mut one).await;
    assert_eq!(present.readiness, Readiness::Available);
    assert!(present.drift.is_empty(), "{}", present.drift);
    assert_eq!(
        (one.report().server_type.as_str(), one.report().disk),
        ("cx33", 80)
    );
    stage.hand.advance(Duration::from_secs(61));
    stage.settle(&mut one).await;
    assert_eq!(label(&stage.server(one.id()), MAINTENANCE), None);
    assert_eq!(stage.power(&one), Power::Running);
}

#[tokio::test]
async fn a_server_that_does_not_shut_down_is_switched_off_when_its_time_is_over() {
    let stage = Stage::new().await;
    let mut one = stage
        .ready(&json!({"shutdownTimeout": 120, "keepDisk": true}))
        .await;
    stage.obey_shutdowns(&one, false);
    one.set(&json!({"serverType": "cx33"}));
    stage.simulator.log().clear();
    stage.turn(&mut one).await;
    let present = stage.look(&mut one).await;
    let message = unavailable(&present.readiness);
    assert!(
        message.contains("shuts down, so that serverType can change"),
        "{message}"
    );
    assert!(present.drift.is_empty(), "{}", present.drift);
    stage.hand.advance(Duration::from_secs(14));
    assert_eq!(stage.turn(&mut one).await, "", "it is given some time");
    stage.hand.advance(Duration::from_secs(105));
    stage.turn(&mut one).await;
    assert_eq!(stage.commands(), ["shutdown", "shutdown"]);
    stage.hand.advance(Duration::from_secs(2));
    stage.turn(&mut one).await;
    let cut = ["shutdown", "shutdown", "poweroff"];
    assert_eq!(stage.commands(), cut);
    stage.settle(&mut one).await;
    assert_eq!(stage.commands()[..3], cut);
    assert_eq!(stage.commands()[3..], ["change_type"]);
    let report = one.report();
    assert_eq!(
        (
            report.server_type.as_str(),
            report.disk,
            report.status.as_str()
        ),
        ("cx33", 40, "running")
    );
}

#[tokio::test]
async fn a_shutdown_that_was_not_sent_is_sent_by_the_next_process() {
    let mut stage = Stage::new().await;
    let mut one = stage.ready(&json!({})).await;
    one.set(&json!({"powerState": "Stopped"}));
    let refusal = Fault::on(Method::POST, "/servers/*/actions/shutdown").close_before();
    stage.simulator.faults().inject(refusal);
    let present = stage.look(&mut one).await;
    stage
        .servers()
        .update(&one.desired(), &present)
        .await
        .unwrap_err();
    assert_eq!(stage.power(&one), Power::Running);
    stage.crash();
    stage.settle(&mut one).await;
    assert_eq!(stage.power(&one), Power::Off);
    assert!(!stage.commands().iter().any(|command| command == "poweroff"));
}

#[tokio::test]
async fn a_resize_that_cannot_be_had_leaves_the_server_running() {
    let mut stage = Stage::new().await;
    let mut one = stage
        .ready(&json!({"location": "fsn1", "shutdownTimeout": 0}))
        .await;
    stage.simulated(|project| project.capacity.sell_out("cx33", "fsn1"));
    stage.crash();
    one.set(&json!({"serverType": "cx33"}));
    stage.simulator.log().clear();
    let present = stage.look(&mut one).await;
    let error = stage
        .servers()
        .update(&one.desired(), &present)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("server type cx33 cannot be had in fsn1 at the moment"),
        "{error}"
    );
    assert!(stage.calls().is_empty(), "not even tried");

    // The list is too kind: it shows only when the server is off.
    stage.simulated(|project| project.capacity.fill_hosts("cx33", "fsn1"));
    stage.crash();
    stage.turn(&mut one).await;
    let present = stage.look(&mut one).await;
    let error = stage
        .servers()
        .update(&one.desired(), &present)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("placement_error"), "{error}");
    assert_eq!(stage.commands(), ["poweroff", "change_type", "poweron"]);
    assert_eq!(stage.power(&one), Power::Running);
    for _ in 0..2 {
        stage.hand.advance(Duration::from_secs(600));
        let present = stage.look(&mut one).await;
        assert_eq!(present.readiness, Readiness::Available);
        let error = stage
            .servers()
            .update(&one.desired(), &present)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("the change of serverType was refused"),
            "{error}"
        );
    }
    assert_eq!(
        stage.commands().len(),
        3,
        "not switched off again and again"
    );
    stage.simulated(|project| project.capacity.restock("cx33", "fsn1"));
    stage.hand.advance(Duration::from_secs(2401));
    stage.settle(&mut one).await;
    assert_eq!(one.report().server_type, "cx33");
}

#[tokio::test]
async fn power_follows_the_spec_and_otherwise_whoever_switches_it() {
    let stage = Stage::new().await;
    let mut one = stage.ready(&json!({})).await;
    let servers = stage.project.client.servers();
    servers.command(one.id(), "poweroff").await.unwrap();
    let present = stage.look(&mut one).await;
    assert_eq!(unavailable(&present.readiness), "the server is off");
    assert!(present.drift.is_empty());

    one.set(&json!({"powerState": "Running"}));
    assert_eq!(
        stage.settle(&mut one).await,
        ["powerState: desired Running, observed off"]
    );
    assert_eq!(stage.look(&mut one).await.readiness, Readiness::Available);

    one.set(&json!({"powerState": "Stopped"}));
    stage.simulator.log().clear();
    stage.settle(&mut one).await;
    assert_eq!(stage.commands(), ["shutdown"]);
    assert_eq!(stage.power(&one), Power::Off);
    assert_eq!(stage.look(&mut one).await.readiness, Readiness::Available);
    assert_eq!(label(&stage.server(one.id()), MAINTENANCE), None);

    servers.command(one.id(), "poweron").await.unwrap();
    stage.obey_shutdowns(&one, false);
    stage.turn(&mut one).await;
    stage.hand.advance(Duration::from_secs(61));
    stage.settle(&mut one).await;
    assert_eq!(stage.power(&one), Power::Off, "forced");
}

#[tokio::test]
async fn a_placement_group_is_joined_with_the_server_off_and_it_is_started_again() {
    let mut stage = Stage::new().await;
    let mut one = stage.ready(&json!({})).await;
    let group: PlacementGroup = resource(&json!({"type": "spread"}));
    let groups = ObjectsOfProject::<PlacementGroups>::from(stage.project.clone());
    let group = made(&groups, &group.into()).await.external_name;
    one.set(&json!({"placementGroupId": group}));
    stage.simulator.log().clear();
    stage.turn(&mut one).await;
    // The process ends when the server is in the group, and off.
    let start = Fault::on(Method::POST, "/servers/*/actions/poweron").close_before();
    stage.simulator.faults().inject(start);
    let present = stage.look(&mut one).await;
    stage
        .servers()
        .update(&one.desired(), &present)
        .await
        .unwrap_err();
    assert_eq!(stage.power(&one), Power::Off);
    stage.crash();
    stage.settle(&mut one).await;
    let expected = ["shutdown", "add_to_placement_group", "poweron", "poweron"];
    assert_eq!(stage.commands(), expected);
    assert_eq!(stage.power(&one), Power::Running);
    assert_eq!(one.report().placement_group.unwrap().to_string(), group);
    one.set(&json!({"placementGroupId": null}));
    stage.settle(&mut one).await;
    assert_eq!(one.report().placement_group, None);
    assert_eq!(stage.power(&one), Power::Running);
    assert_eq!(label(&stage.server(one.id()), MAINTENANCE), None);
}

#[tokio::test]
async fn public_addresses_are_exchanged_and_those_that_came_with_the_server_are_deleted() {
    let mut stage = Stage::new().await;
    let network = stage.network("net", "10.0.0.0/16", "10.0.1.0/24").await;
    let mut one = stage
        .ready(&json!({"location": "fsn1", "networks": [{"networkId": network}]}))
        .await;
    let reserved: api::PrimaryIP = resource(&json!({"type": "ipv4", "location": "fsn1"}));
    let ips = ObjectsOfProject::<crate::kind::primary_ip::PrimaryIps>::from(stage.project.clone());
    let reserved = made(&ips, &reserved.into()).await.external_name;
    let addresses = |stage: &Stage| stage.simulated(|project| project.primary_ips().len());
    assert_eq!(addresses(&stage), 3);

    one.set(&json!({"publicNet": {"ipv4Id": reserved, "ipv6Enabled": false}}));
    stage.turn(&mut one).await;
    // The process ends between taking the first address away and deleting it.
    stage
        .simulator
        .faults()
        .inject(Fault::on(Method::DELETE, "/primary_ips/*").close_before());
    let present = stage.look(&mut one).await;
    stage
        .servers()
        .update(&one.desired(), &present)
        .await
        .unwrap_err();
    assert_eq!(addresses(&stage), 3);
    stage.crash();
    let turns = stage.settle(&mut one).await;
    assert!(
        turns[0].starts_with("publicNet.ipv4: desired Primary IP"),
        "{turns:?}"
    );
    let report = one.report();
    assert_eq!(report.primary_ipv4_id.unwrap().to_string(), reserved);
    assert_eq!(
        (report.public_ipv6.clone(), report.status.as_str()),
        (None, "running")
    );
    assert_eq!(addresses(&stage), 1, "only the reserved one is left");

    one.set(&json!({"publicNet": {"ipv4Enabled": false, "ipv6Enabled": true}}));
    stage.settle(&mut one).await;
    let report = one.report();
    assert_eq!(report.public_ipv4, None);
    assert!(report.public_ipv6.is_some());
    assert_eq!(
        addresses(&stage),
        2,
        "the reserved one is kept, and there is a new one"
    );
    let own = stage.simulated(|project| {
        let server = project.servers().get(one.id()).unwrap();
        server
            .primary_ip(project, AddressFamily::Ipv6)
            .unwrap()
            .clone()
    });
    assert!(own.auto_delete);
}

/// The Primary IPs of the project.
fn addresses(stage: &Stage) -> Vec<PrimaryIp> {
    stage.simulated(|project| project.primary_ips().iter().cloned().collect())
}

/// A Primary IP with a managed resource called `name`; its id.
async fn primary_ip(stage: &Stage, name: &str, auto_delete: bool) -> String {
    let spec = json!({"type": "ipv4", "location": "fsn1", "autoDelete": auto_delete});
    let ip: api::PrimaryIP = named(name, &spec);
    let ips = ObjectsOfProject::<crate::kind::primary_ip::PrimaryIps>::from(stage.project.clone());
    made(&ips, &ip.into()).await.external_name
}

/// A server in fsn1 without an IPv4 address.
async fn without_ipv4(stage: &Stage) -> One {
    let public = json!({"ipv4Enabled": false});
    let spec = json!({"location": "fsn1", "publicNet": public, "shutdownTimeout": 0});
    stage.ready(&spec).await
}

#[tokio::test]
async fn an_address_with_a_managed_resource_of_its_own_is_kept_when_the_server_gets_another() {
    let stage = Stage::new().await;
    let first = primary_ip(&stage, "first", true).await;
    let second = primary_ip(&stage, "second", false).await;
    let public = json!({"ipv4Id": first, "ipv6Enabled": false});
    let mut one = stage
        .ready(&json!({"location": "fsn1", "publicNet": public, "shutdownTimeout": 0}))
        .await;
    one.set(&json!({"publicNet": {"ipv4Id": second, "ipv6Enabled": false}}));
    stage.settle(&mut one).await;
    assert_eq!(one.report().primary_ipv4_id.unwrap().to_string(), second);
    let left = addresses(&stage);
    let first = left.iter().find(|ip| ip.id.to_string() == first).unwrap();
    assert!(first.auto_delete && first.assignee.is_none());
    assert_eq!(label(&stage.server(one.id()), mark::RELEASED_IPV4), None);
}

#[tokio::test]
async fn a_new_address_that_was_made_and_not_assigned_is_taken_by_the_next_process() {
    let mut stage = Stage::new().await;
    let mut one = without_ipv4(&stage).await;
    one.set(&json!({"publicNet": {"ipv4Enabled": true}}));
    stage.turn(&mut one).await;
    let assign = Fault::on(Method::POST, "/primary_ips/*/actions/assign");
    stage.simulator.faults().inject(assign.close_before());
    let present = stage.look(&mut one).await;
    let servers = stage.servers();
    servers.update(&one.desired(), &present).await.unwrap_err();
    let made = addresses(&stage);
    let made = made.iter().find(|ip| ip.assignee.is_none()).unwrap();
    assert_eq!(made.labels[mark::MADE_FOR], "uid-of-one");
    assert!(!made.labels.contains_key(api::UID_LABEL));
    stage.crash();
    stage.settle(&mut one).await;
    let report = one.report();
    assert_eq!(report.primary_ipv4_id, i64::try_from(made.id).ok());
    assert_eq!(addresses(&stage).len(), 2);
    assert_eq!(label(&stage.server(one.id()), mark::NEW_IPV4), None);
}

#[tokio::test]
async fn a_new_address_that_was_made_and_not_assigned_goes_with_the_wish_or_the_server() {
    for deleted in [true, false] {
        let mut stage = Stage::new().await;
        let kept = primary_ip(&stage, "kept", true).await;
        let mut one = without_ipv4(&stage).await;
        one.set(&json!({"publicNet": {"ipv4Enabled": true}}));
        stage.turn(&mut one).await;
        let assign = Fault::on(Method::POST, "/primary_ips/*/actions/assign");
        stage.simulator.faults().inject(assign.close_before());
        let present = stage.look(&mut one).await;
        let servers = stage.servers();
        servers.update(&one.desired(), &present).await.unwrap_err();
        assert_eq!(addresses(&stage).len(), 3);
        stage.crash();
        if deleted {
            let present = stage.look(&mut one).await;
            let servers = stage.servers();
            servers.delete(&one.desired(), &present).await.unwrap();
        } else {
            one.set(&json!({"publicNet": {"ipv4Enabled": false}}));
            stage.settle(&mut one).await;
            assert_eq!(label(&stage.server(one.id()), mark::NEW_IPV4), None);
        }
        let unassigned: Vec<_> = addresses(&stage)
            .iter()
            .filter(|ip| ip.assignee.is_none())
            .map(|ip| ip.id.to_string())
            .collect();
        assert_eq!(unassigned, [kept], "deleted: {deleted}");
    }
}

#[tokio::test]
async fn an_address_of_somebody_else_is_not_taken_for_its_name() {
    let stage = Stage::new().await;
    let theirs = primary_ip(&stage, "one-ipv4", false).await;
    let mut one = without_ipv4(&stage).await;
    one.set(&json!({"publicNet": {"ipv4Enabled": true}}));
    stage.turn(&mut one).await;
    let present = stage.look(&mut one).await;
    let servers = stage.servers();
    let error = servers.update(&one.desired(), &present).await.unwrap_err();
    let expected = format!(
        "spec.forProvider.publicNet.ipv4Enabled: the name of a new address, one-ipv4, is taken by Primary IP {theirs}"
    );
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert_eq!(stage.power(&one), Power::Running, "it was started again");
    assert_eq!(one.report().public_ipv4, None);
}
