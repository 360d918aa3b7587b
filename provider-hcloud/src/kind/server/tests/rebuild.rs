//! Disks that are overwritten with another image, or for other user data.

use hcloud_simulator::{Fault, resource::image};
use http::Method;

use super::*;
use crate::kind::server::mark::{IMAGE_SELECTOR, REBUILD, USER_DATA, digest};

const CALL: &str = "/servers/*/actions/rebuild";

impl Stage {
    /// What the reconciler does when somebody has approved it, and until it is done.
    async fn overwrite(&self, one: &mut One) -> Result<Connection, ExternalError> {
        let present = self.look(one).await;
        self.servers().overwrite(&one.desired(), &present).await
    }

    fn rebuilds(&self) -> usize {
        self.simulator.log().of(&Method::POST, CALL).len()
    }

    async fn is_being_overwritten(&self, one: &mut One) -> bool {
        self.look(one).await.drift.is_overwritten()
    }
}

fn id_of(name: &str) -> Option<Id> {
    use hcloud_simulator::resource::server_type::Architecture;
    image::named(name, Architecture::X86).map(|image| image.id)
}

#[tokio::test]
async fn another_image_and_other_user_data_are_written_to_the_disk_and_the_server_stays() {
    let stage = Stage::new().await;
    let mut one = One::new(&json!({}));
    one.user_data = Some("before".to_owned());
    stage.create(&mut one).await.unwrap();
    stage.settle(&mut one).await;
    let (before, addresses) = (stage.server(one.id()), one.report().public_ipv4.clone());

    one.set(&json!({"image": {"name": "ubuntu-24.04"}}));
    one.user_data = Some("after".to_owned());
    let drift = stage.look(&mut one).await.drift;
    assert!(drift.needs_replacement() && drift.can_be_overwritten() && !drift.in_place());
    let wanted = format!("image.name=ubuntu-24.04;userData={}", digest(b"after"));
    assert_eq!(drift.replacement(), Some(wanted));

    stage.simulator.log().clear();
    assert!(stage.overwrite(&mut one).await.unwrap().is_empty());
    assert_eq!(stage.calls(), ["PUT /servers/*"], "marked");
    assert!(stage.is_being_overwritten(&mut one).await);
    let told = stage.overwrite(&mut one).await.unwrap();
    assert!(told.contains_key("rootPassword"), "told only now");
    let turns = stage.settle(&mut one).await;
    assert_eq!(turns, ["rebuild: desired done, observed pending"]);

    let server = stage.server(one.id());
    assert_eq!(server.image, id_of("ubuntu-24.04"));
    assert_ne!(server.user_data, before.user_data);
    assert_eq!(one.report().public_ipv4, addresses);
    assert_eq!(label(&server, REBUILD), None);
    assert_eq!(label(&server, USER_DATA), Some(digest(b"after")));
    assert!(stage.look(&mut one).await.drift.is_empty());
    assert_eq!((stage.rebuilds(), stage.count()), (1, 1));
}

#[tokio::test]
async fn a_disk_is_not_overwritten_twice_whatever_is_lost_in_between() {
    let call = || Fault::on(Method::POST, CALL);
    for fault in [call().close_before(), call().close_after()] {
        let mut stage = Stage::new().await;
        let mut one = stage.ready(&json!({})).await;
        let ubuntu = |one: &mut One| one.set(&json!({"image": {"name": "ubuntu-24.04"}}));
        // An older rebuild is another one.
        ubuntu(&mut one);
        stage.overwrite(&mut one).await.unwrap();
        stage.overwrite(&mut one).await.unwrap();
        stage.settle(&mut one).await;
        one.set(&json!({"image": {"name": "debian-13"}}));

        stage.overwrite(&mut one).await.unwrap();
        stage.crash();
        let lost = stage.simulator.faults().inject(fault);
        let error = stage.overwrite(&mut one).await.unwrap_err();
        assert!(error.outcome_unknown(), "{error}");
        lost.reached(1).await;
        stage.crash();
        if stage.is_being_overwritten(&mut one).await {
            let error = stage.overwrite(&mut one).await.unwrap_err();
            assert!(error.to_string().contains("shows in a moment"), "{error}");
            stage.hand.advance(Duration::from_secs(10));
            stage.overwrite(&mut one).await.unwrap();
        }
        stage.crash();
        // Even when it is asked for once more, by someone who has not seen its end.
        let present = stage.look(&mut one).await;
        let servers = stage.servers();
        servers.overwrite(&one.desired(), &present).await.unwrap();
        stage.settle(&mut one).await;
        assert_eq!(stage.server(one.id()).image, id_of("debian-13"));
        let servers = stage.project.client.servers();
        let actions = servers.latest_actions(one.id(), 1).await.unwrap();
        let rebuilds = actions.iter().filter(|it| it.command == "rebuild_server");
        assert_eq!(rebuilds.count(), 2);
        assert!(stage.look(&mut one).await.drift.is_empty());
    }
}

#[tokio::test]
async fn a_rebuild_that_takes_time_is_seen_to_its_end() {
    let stage = Stage::new().await;
    let mut one = stage.ready(&json!({})).await;
    one.set(&json!({"image": {"name": "ubuntu-24.04"}}));
    stage.overwrite(&mut one).await.unwrap();
    stage.simulator.actions().set_mode(ActionMode::Explicit);
    stage.overwrite(&mut one).await.unwrap();
    let present = stage.look(&mut one).await;
    assert!(present.drift.is_empty(), "{}", present.drift);
    assert_eq!(unavailable(&present.readiness), "the server is rebuilding");
    let error = stage.overwrite(&mut one).await.unwrap_err();
    assert!(error.to_string().contains("its rebuild waits"), "{error}");
    while stage.simulator.actions().complete_next().is_some() {}
    stage.settle(&mut one).await;
    assert_eq!(stage.rebuilds(), 1);
    assert!(stage.look(&mut one).await.drift.is_empty());
}

#[tokio::test]
async fn a_rebuild_that_fails_or_is_no_longer_wanted_has_to_be_approved_again() {
    let stage = Stage::new().await;
    let mut one = stage.ready(&json!({})).await;
    one.set(&json!({"image": {"name": "ubuntu-24.04"}}));
    stage.overwrite(&mut one).await.unwrap();
    let fails = Fault::on(Method::POST, CALL).fail_action("action_failed", "no disk");
    stage.simulator.faults().inject(fails);
    stage.overwrite(&mut one).await.unwrap();
    let present = stage.look(&mut one).await;
    let servers = stage.servers();
    let error = servers.update(&one.desired(), &present).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("the rebuild has failed: ") && text.contains("no disk"),
        "{text}"
    );
    assert!(stage.settle(&mut one).await.is_empty());
    let drift = stage.look(&mut one).await.drift;
    let wanted = Some("image.name=ubuntu-24.04".to_owned());
    assert_eq!(drift.replacement(), wanted);

    stage.overwrite(&mut one).await.unwrap();
    one.set(&json!({"image": {"name": "debian-13"}}));
    stage.simulator.log().clear();
    assert!(stage.overwrite(&mut one).await.unwrap().is_empty());
    let turns = stage.settle(&mut one).await;
    assert_eq!(
        turns,
        ["rebuild: desired nothing, observed pending for an older spec"]
    );
    assert_eq!(stage.rebuilds(), 0);
    assert_eq!(stage.server(one.id()).image, id_of("debian-13"));
}

#[tokio::test]
async fn a_selector_and_user_data_alone_are_rebuilt_with_the_image_that_they_stand_for() {
    let stage = Stage::new().await;
    let mut one = stage.ready(&json!({})).await;
    let snapshot = json!({"type": "snapshot", "labels": {"os": "talos"}});
    let servers = stage.project.client.servers();
    let made = servers.act(one.id(), "create_image", &snapshot);
    made.await.unwrap();
    let talos = stage.simulated(|project| {
        let mut images = project.resources.images.iter();
        let talos = images.find(|image| image.labels.contains_key("os"));
        talos.map(|image| image.id)
    });
    one.set(&json!({"image": {"labelSelector": "os=talos"}}));
    stage.overwrite(&mut one).await.unwrap();
    stage.overwrite(&mut one).await.unwrap();
    stage.settle(&mut one).await;
    let server = stage.server(one.id());
    assert_eq!(server.image, talos);
    assert_eq!(label(&server, IMAGE_SELECTOR), Some(digest(b"os=talos")));

    one.user_data = Some("after".to_owned());
    let drift = stage.look(&mut one).await.drift;
    assert!(!drift.needs_replacement() && drift.replacement().is_some());
    stage.overwrite(&mut one).await.unwrap();
    stage.overwrite(&mut one).await.unwrap();
    stage.settle(&mut one).await;
    let server = stage.server(one.id());
    assert_eq!(server.image, talos);
    assert!(server.user_data.is_some());
    assert!(stage.look(&mut one).await.drift.is_empty());
}

#[tokio::test]
async fn a_rebuild_that_cannot_be_is_refused_before_anything_is_lost() {
    let stage = Stage::new().await;
    let mut one = stage.ready(&json!({"rebuildProtection": true})).await;
    one.set(&json!({"image": {"name": "debian-31"}}));
    stage.simulator.log().clear();
    let error = stage.overwrite(&mut one).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("spec.forProvider.rebuildProtection: the server is protected"),
        "{text}"
    );
    assert!(stage.calls().is_empty());

    one.set(&json!({"rebuildProtection": false}));
    stage.overwrite(&mut one).await.unwrap();
    let error = stage.overwrite(&mut one).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("spec.forProvider.image.name: there is no image \"debian-31\" for x86"),
        "{text}"
    );
    assert_eq!(stage.server(one.id()).image, id_of("debian-13"));
}

#[tokio::test]
async fn an_approval_that_is_taken_back_before_the_rebuild_ends_it() {
    let stage = Stage::new().await;
    let mut one = stage.ready(&json!({})).await;
    one.set(&json!({"image": {"name": "ubuntu-24.04"}}));
    stage.overwrite(&mut one).await.unwrap();
    assert!(stage.is_being_overwritten(&mut one).await);
    // Without the annotation the reconciler updates.
    let turns = stage.settle(&mut one).await;
    assert_eq!(turns, ["rebuild: desired done, observed pending"]);
    assert_eq!(label(&stage.server(one.id()), REBUILD), None);
    assert_eq!(stage.rebuilds(), 0);
}

#[tokio::test]
async fn nothing_is_done_on_an_older_look() {
    let stage = Stage::new().await;
    let mut one = stage.ready(&json!({})).await;
    one.set(&json!({"image": {"name": "ubuntu-24.04"}}));
    let unmarked = stage.look(&mut one).await;
    stage.overwrite(&mut one).await.unwrap();
    let marked = stage.look(&mut one).await;
    let servers = stage.servers();
    servers.overwrite(&one.desired(), &unmarked).await.unwrap();
    assert_eq!(stage.rebuilds(), 0);
    stage.settle(&mut one).await;
    servers.overwrite(&one.desired(), &marked).await.unwrap();
    assert_eq!(stage.rebuilds(), 0);
    assert_eq!(label(&stage.server(one.id()), REBUILD), None);
}

#[tokio::test]
async fn what_the_server_was_switched_off_for_comes_before_a_rebuild() {
    let stage = Stage::new().await;
    let mut one = stage.ready(&json!({"shutdownTimeout": 0})).await;
    one.set(&json!({"serverType": "cx33", "image": {"name": "ubuntu-24.04"}}));
    while stage.power(&one) == Power::Running {
        assert!(!stage.turn(&mut one).await.is_empty());
    }
    let drift = stage.look(&mut one).await.drift;
    assert!(drift.touches("serverType") && drift.replacement().is_none());
    stage.settle(&mut one).await;
    assert_eq!(stage.power(&one), Power::Running);
    let drift = stage.look(&mut one).await.drift;
    assert!(drift.replacement().is_some() && drift.can_be_overwritten());
}
