//! External resources that are deleted to be created again.

use super::*;

#[tokio::test]
async fn a_replacement_waits_until_an_annotation_names_it_and_is_done_once() {
    let stage = Stage::new();
    stage.reconcile().await;
    stage.reconcile().await;
    let spec = |color: &str| json!({"forProvider": {"size": 1, "color": color}});
    stage.cluster.state().thing["spec"] = spec("red");
    stage.reconcile().await;
    let synced = stage.condition("Synced");
    assert_eq!(synced.reason, "ReconcileError");
    assert!(
        synced.message.contains("color: desired red, observed none")
            && synced
                .message
                .contains("crossplane.io/replace: \"color=red\""),
        "{synced:?}"
    );
    stage.cluster.state().thing["metadata"]["annotations"]["crossplane.io/replace"] =
        json!("color=red");
    stage.reconcile().await;
    assert_eq!(stage.things.outside().deletes, 1);
    stage.reconcile().await;
    stage.reconcile().await;
    assert_eq!(stage.things.outside().creates, 2);
    assert_eq!(stage.condition("Ready").reason, "Available");
    stage.cluster.state().thing["spec"] = spec("blue");
    stage.reconcile().await;
    assert_eq!(stage.things.outside().deletes, 1, "that was not approved");
}

#[tokio::test]
async fn what_was_never_usable_is_created_again() {
    let stage = Stage::new();
    stage.reconcile().await;
    stage.things.outside().broken = Some("it did not start".to_owned());
    stage.reconcile().await;
    stage.reconcile().await;
    stage.reconcile().await;
    let (creates, deletes) = {
        let outside = stage.things.outside();
        (outside.creates, outside.deletes)
    };
    assert_eq!((creates, deletes), (2, 1));
    assert_eq!(stage.condition("Ready").reason, "Available");
    let events = stage.events().await;
    assert!(
        events.contains(&"ReplacingExternalResource".to_owned()),
        "{events:?}"
    );
}

#[tokio::test]
async fn a_create_after_a_replacement_is_one_of_its_own() {
    let stage = Stage::new();
    stage.reconcile().await;
    stage.things.outside().broken = Some("it did not start".to_owned());
    stage.reconcile().await;
    let cluster = stage.cluster.clone();
    stage.things.outside().on_create = Box::new(move || {
        let thing: Thing = serde_json::from_value(cluster.state().thing.clone()).unwrap();
        let marks = CreationMarks::of(&thing.metadata);
        // All of this happens within a second.
        assert!(marks.incomplete_since().is_some(), "{marks:?}");
        Err(ExternalError::with_unknown_outcome("no answer"))
    });
    stage.reconcile().await;
    assert_eq!(stage.things.outside().creates, 2);
    stage.hand.advance(Duration::from_secs(5));
    stage.reconcile().await;
    assert_eq!(stage.things.outside().creates, 2, "it may still show");
}

#[tokio::test]
async fn an_approval_is_for_one_replacement_until_it_is_given_anew() {
    let stage = Stage::new();
    stage.cluster.state().thing["spec"]["forProvider"]["color"] = json!("red");
    let by_hand = |stage: &Stage| stage.things.outside().color = Some("blue".to_owned());
    let approve = |stage: &Stage, approval: Value| {
        let patch = &mut stage.cluster.state().thing["metadata"]["annotations"];
        patch["crossplane.io/replace"] = approval;
    };
    stage.reconcile().await;
    by_hand(&stage);
    approve(&stage, json!("color=red"));
    for _ in 0..3 {
        stage.reconcile().await;
    }
    let counts = |stage: &Stage| {
        let outside = stage.things.outside();
        (outside.deletes, outside.creates)
    };
    assert_eq!(counts(&stage), (1, 2));
    assert_eq!(stage.condition("Synced").status, api::ConditionStatus::True);

    by_hand(&stage);
    stage.reconcile().await;
    let synced = stage.condition("Synced");
    assert!(
        synced
            .message
            .contains("remove the annotation of the last time and set"),
        "{synced:?}"
    );
    approve(&stage, json!(""));
    stage.reconcile().await;
    assert_eq!(counts(&stage), (1, 2));
    assert_eq!(stage.annotation(annotations::REPLACED), None);
    approve(&stage, json!("color=red"));
    for _ in 0..3 {
        stage.reconcile().await;
    }
    assert_eq!(counts(&stage), (2, 3));
    let writes = stage.cluster.state().writes.len();
    stage.reconcile().await;
    assert_eq!(stage.cluster.state().writes.len(), writes);
}

#[tokio::test]
async fn what_an_external_resource_holds_is_overwritten_once_when_that_is_approved() {
    let stage = Stage::new();
    stage.cluster.state().thing["spec"]["writeConnectionSecretToRef"] = json!({"name": "login"});
    for _ in 0..3 {
        stage.reconcile().await;
    }
    stage.things.outside().repaintable = true;
    stage.cluster.state().published.clear();
    stage.cluster.state().thing["spec"]["forProvider"]["color"] = json!("red");
    stage.reconcile().await;
    let synced = stage.condition("Synced");
    assert!(
        synced
            .message
            .contains("this overwrites what the external resource holds. To have that done, set the annotation crossplane.io/replace: \"color=red\""),
        "{synced:?}"
    );
    stage.cluster.state().thing["metadata"]["annotations"]["crossplane.io/replace"] =
        json!("color=red");
    stage.reconcile().await;
    assert!(stage.things.outside().repainted, "it has begun");
    assert_eq!(stage.annotation(annotations::REPLACED), None);
    stage.reconcile().await;
    let red = Some("color=red".to_owned());
    assert_eq!(stage.annotation(annotations::REPLACED), red);
    assert_eq!(stage.things.outside().color.as_deref(), Some("red"));
    assert_eq!(stage.cluster.state().published, ["password"]);
    stage.reconcile().await;
    assert_eq!(stage.condition("Synced").status, api::ConditionStatus::True);
    {
        let outside = stage.things.outside();
        assert_eq!((outside.deletes, outside.creates), (0, 1));
    }

    stage.things.outside().color = Some("blue".to_owned());
    stage.reconcile().await;
    stage.reconcile().await;
    let synced = stage.condition("Synced");
    assert!(
        synced
            .message
            .contains("remove the annotation of the last time and set"),
        "{synced:?}"
    );
    assert_eq!(stage.things.outside().color.as_deref(), Some("blue"));
    let events = stage.events().await;
    let begun = events
        .iter()
        .filter(|reason| *reason == "OverwritingExternalResource");
    assert_eq!(begun.count(), 1, "{events:?}");
}
