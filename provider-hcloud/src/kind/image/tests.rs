use hcloud_simulator::{
    DEFAULT_TOKEN, Id, Simulator,
    resource::image::{Image as Simulated, ImageKind, ImageStatus, Origin},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    kind::simulated::{project, resource},
    managed::Retry,
};

/// Puts a snapshot into the simulator and returns its id.
fn snapshot(simulator: &Simulator, labels: &Value, change: impl FnOnce(&mut Simulated)) -> Id {
    let mut world = simulator.world();
    let now = world.now();
    let project = world.project_mut(DEFAULT_TOKEN).unwrap();
    let id = project.new_id();
    let origin = Origin {
        id: 42,
        name: "web".to_owned(),
    };
    let mut image = Simulated::taken(id, ImageKind::Snapshot, origin, None, 40, now);
    image.finish();
    image.labels = serde_json::from_value(labels.clone()).unwrap();
    change(&mut image);
    project.resources.images.insert(image);
    id
}

async fn find(project: &Project, spec: &Value) -> Result<PresentOf<Images>, Error> {
    let image: Desired<Image> = resource::<Image>(spec).into();
    Images::find(project, &image, Duration::ZERO).await
}

#[tokio::test]
async fn an_image_is_found_by_name_for_an_architecture() {
    let (_simulator, project) = project().await;
    for (spec, architecture) in [
        (json!({"name": "debian-13"}), "x86"),
        (json!({"name": "debian-13", "architecture": "arm"}), "arm"),
    ] {
        let present = find(&project, &spec).await.unwrap();
        let report = present.at_provider;
        assert_eq!(report.id.to_string(), present.external_name);
        assert_eq!(
            (report.name.as_deref(), report.architecture.as_str()),
            (Some("debian-13"), architecture)
        );
        assert_eq!(
            (report.type_.as_str(), report.os_flavor.as_str()),
            ("system", "debian")
        );
        assert_eq!(present.readiness, Readiness::Available);
        let by_id = find(&project, &json!({"id": present.external_name}))
            .await
            .unwrap();
        assert_eq!(by_id.at_provider, report);
    }
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_answered_with_near_ones() {
    let (_simulator, project) = project().await;
    let error = find(&project, &json!({"name": "debian-14"}))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("there is no image \"debian-14\" for x86: choose one of debian-1"),
        "{error}"
    );
    let error = find(&project, &json!({})).await.unwrap_err().to_string();
    assert!(
        error.contains("there is no image \"one\""),
        "the name is that of the resource: {error}"
    );
    let error = find(&project, &json!({"id": "4711"}))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("id: there is no image with the id 4711"),
        "{error}"
    );
}

#[tokio::test]
async fn an_image_that_goes_out_of_use_is_taken_when_that_is_asked_for() {
    let (_simulator, project) = project().await;
    let error = find(&project, &json!({"name": "debian-11"}))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(
            "image \"debian-11\" goes out of use: choose another, for example one of debian-1"
        ),
        "{error}"
    );
    let present = find(
        &project,
        &json!({"name": "debian-11", "includeDeprecated": true}),
    )
    .await
    .unwrap();
    assert!(
        present
            .at_provider
            .deprecation
            .unwrap()
            .unavailable_after
            .is_some()
    );
    let by_id = find(&project, &json!({"id": present.external_name}))
        .await
        .unwrap();
    assert_eq!(
        by_id.external_name, present.external_name,
        "an id leaves no choice"
    );
}

#[tokio::test]
async fn the_newest_snapshot_with_the_labels_that_can_be_used_is_found() {
    let (simulator, project) = project().await;
    let spec = json!({"labelSelector": "os=talos"});
    let error = find(&project, &spec).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no snapshot with the labels os=talos that can be used"),
        "{error}"
    );
    let error = error.into_external(&project.clock);
    assert_eq!(error.retry(), Retry::BackOff, "it may be about to be made");

    let labels = json!({"os": "talos"});
    let old = jiff::SignedDuration::from_hours(1);
    snapshot(&simulator, &labels, |image| image.created -= old);
    let newest = snapshot(&simulator, &labels, |_| ());
    snapshot(&simulator, &labels, |image| image.created -= old);
    snapshot(&simulator, &labels, |image| {
        image.status = ImageStatus::Creating
    });
    snapshot(&simulator, &json!({"os": "debian"}), |_| ());
    let present = find(&project, &spec).await.unwrap();
    assert_eq!(present.external_name, newest.to_string());
    let report = present.at_provider;
    assert_eq!(
        (report.name, report.created_from, report.bound_to),
        (None, Some(42), None)
    );
    assert_eq!(
        (report.disk_size, report.image_size.as_deref()),
        (40, Some("4"))
    );
    let arm = json!({"labelSelector": "os=talos", "architecture": "arm"});
    let error = find(&project, &arm).await.unwrap_err().to_string();
    assert!(error.contains("for arm that can be used"), "{error}");
}

#[tokio::test]
async fn an_image_that_is_not_finished_is_not_ready() {
    let (simulator, project) = project().await;
    let id = snapshot(&simulator, &json!({}), |image| {
        image.status = ImageStatus::Creating
    });
    let spec = json!({"id": id.to_string()});
    let present = find(&project, &spec).await.unwrap();
    assert!(matches!(present.readiness, Readiness::Creating { .. }));
    let broken = snapshot(&simulator, &json!({}), |image| {
        image.status = ImageStatus::Unavailable
    });
    let present = find(&project, &json!({"id": broken.to_string()}))
        .await
        .unwrap();
    assert!(matches!(present.readiness, Readiness::Unavailable { .. }));
}
