use api::Volume;
use hcloud_simulator::{Fault, Simulator};
use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::{
    kind::{
        load_balancer::tests::setup,
        object::ObjectsOfProject,
        part::PartsOfProject,
        simulated::{self, absent, changed, deleted, made, recorded, resource, seen},
        volume::Volumes,
    },
    managed::{External, Look, Observation, Retry},
};

/// A volume and three servers in one location.
struct Stage {
    simulator: Simulator,
    project: Project,
    attachments: PartsOfProject<VolumeAttachments>,
    volume: String,
    servers: Vec<String>,
}

impl Stage {
    async fn new() -> Self {
        let (simulator, project) = simulated::project().await;
        let volumes = ObjectsOfProject::<Volumes>::from(project.clone());
        let spec = json!({"size": 10, "location": "fsn1"});
        let volume = made(&volumes, &resource::<Volume>(&spec).into()).await;
        let mut servers = Vec::new();
        for name in ["a", "b", "c"] {
            servers.push(setup::server(&project, name, &json!({})).await);
        }
        Self {
            attachments: PartsOfProject::from(project.clone()),
            simulator,
            project,
            volume: volume.external_name,
            servers,
        }
    }

    fn to(&self, server: usize) -> VolumeAttachment {
        resource(&self.spec(server))
    }

    fn spec(&self, server: usize) -> Value {
        json!({"volumeId": self.volume, "serverId": self.servers[server]})
    }

    /// The server that has the volume.
    async fn holder(&self) -> Option<String> {
        let id = self.volume.parse().unwrap();
        let volumes = self.project.client.volumes();
        let volume = volumes.read(id, hcloud::Priority::Poll).await.unwrap();
        volume.unwrap().server.map(|server| server.to_string())
    }
}

#[tokio::test]
async fn a_volume_that_another_server_has_stays_there() {
    let stage = Stage::new().await;
    let attachments = &stage.attachments;
    let first = made(attachments, &stage.to(0).into()).await;
    let second = Desired::from(stage.to(1));
    let present = seen(attachments, &second).await;
    assert_eq!(present.at_provider.server_id, None);
    let expected = format!(
        "volume {} is attached to server {}, and not by this resource",
        stage.volume, stage.servers[0]
    );
    assert!(
        matches!(&present.readiness, Readiness::Unavailable { message, .. } if message.starts_with(&expected)),
        "{:?}",
        present.readiness
    );
    // Having been reported on does not make it its own.
    let second = recorded(stage.to(1), &present);
    for _ in 0..2 {
        let present = seen(attachments, &second).await;
        let error = attachments.update(&second, &present).await.unwrap_err();
        assert!(error.to_string().starts_with(&expected), "{error}");
        assert_eq!(error.retry(), Retry::BackOff);
    }
    assert_eq!(stage.holder().await.as_ref(), Some(&stage.servers[0]));

    let going = recorded(deleted(stage.to(1)), &present);
    assert!(
        absent(attachments, &going).await,
        "there is nothing to undo"
    );
    attachments.delete(&going, &present).await.unwrap();
    assert_eq!(stage.holder().await.as_ref(), Some(&stage.servers[0]));

    let going = recorded(deleted(stage.to(0)), &first);
    attachments.delete(&going, &first).await.unwrap();
    assert_eq!(stage.holder().await, None);
    assert!(absent(attachments, &second).await);
    made(attachments, &second).await;
}

#[tokio::test]
async fn another_server_is_a_change_in_place_also_after_a_crash_in_its_middle() {
    let stage = Stage::new().await;
    let attachments = &stage.attachments;
    let present = made(attachments, &stage.to(0).into()).await;
    let moved = recorded(stage.to(1), &present);
    let drifted = seen(attachments, &moved).await;
    assert_eq!(
        drifted.drift.to_string(),
        format!(
            "serverId: desired {}, observed {}",
            stage.servers[1], stage.servers[0]
        )
    );
    attachments.update(&moved, &drifted).await.unwrap();
    assert_eq!(stage.holder().await, None);

    let restarted = PartsOfProject::<VolumeAttachments>::from(simulated::open(&stage.simulator));
    assert!(absent(&restarted, &moved).await);
    let lost = Fault::on(Method::POST, "/volumes/*/actions/attach").close_after();
    stage.simulator.faults().inject(lost);
    assert!(restarted.create(&moved).await.is_err());
    let restarted = PartsOfProject::<VolumeAttachments>::from(simulated::open(&stage.simulator));
    let present = seen(&restarted, &moved).await;
    assert!(present.drift.is_empty(), "{}", present.drift);
    assert_eq!(stage.holder().await.as_ref(), Some(&stage.servers[1]));

    // Somebody takes it elsewhere between the report and the change.
    let id = stage.volume.parse().unwrap();
    let volumes = stage.project.client.volumes();
    volumes.detach(id).await.unwrap();
    let third = stage.servers[2].parse().unwrap();
    volumes.attach(id, third, false).await.unwrap();
    let back = recorded(stage.to(0), &present);
    let error = attachments.update(&back, &present).await.unwrap_err();
    assert!(
        error.to_string().contains("not by this resource"),
        "{error}"
    );
    assert_eq!(stage.holder().await.as_ref(), Some(&stage.servers[2]));
}

#[tokio::test]
async fn an_attachment_is_taken_over_by_naming_its_server_first() {
    let stage = Stage::new().await;
    let id = stage.volume.parse().unwrap();
    let volumes = stage.project.client.volumes();
    let first = stage.servers[0].parse().unwrap();
    volumes.attach(id, first, false).await.unwrap();
    let taken = seen(&stage.attachments, &stage.to(0).into()).await;
    assert!(taken.drift.is_empty() && taken.readiness == Readiness::Available);
    let moved = recorded(stage.to(1), &taken);
    let drifted = seen(&stage.attachments, &moved).await;
    stage.attachments.update(&moved, &drifted).await.unwrap();
    made(&stage.attachments, &moved).await;
    assert_eq!(changed(&stage.attachments, &moved).await, "");

    let unnamed = resource::<VolumeAttachment>(&json!({"volumeId": stage.volume}));
    let present = seen(&stage.attachments, &unnamed.into()).await;
    let holder = stage.servers[1].parse().unwrap();
    assert_eq!(present.at_provider.server_id, Some(holder));
}

#[tokio::test]
async fn a_volume_that_somebody_attaches_meanwhile_is_looked_at_again() {
    let stage = Stage::new().await;
    let late = Desired::from(stage.to(1));
    let look = || {
        let max_age = Duration::from_secs(600);
        stage.attachments.observe(&late, Look::Shared { max_age })
    };
    assert!(matches!(look().await.unwrap(), Observation::Absent));

    let other = PartsOfProject::<VolumeAttachments>::from(simulated::open(&stage.simulator));
    made(&other, &stage.to(0).into()).await;
    let error = stage.attachments.create(&late).await.unwrap_err();
    assert!(
        error.to_string().contains("volume_already_attached"),
        "{error}"
    );
    assert_eq!(error.retry(), Retry::BackOff);
    let Observation::Present(present) = look().await.unwrap() else {
        panic!("the list is as old as before")
    };
    assert!(matches!(present.readiness, Readiness::Unavailable { .. }));
}
