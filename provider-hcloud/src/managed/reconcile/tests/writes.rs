//! What is written to Kubernetes, and what happens when it cannot be.

use super::{cluster::merge, *};

#[tokio::test]
async fn what_is_told_only_once_is_published_also_when_the_external_name_cannot_be_recorded() {
    let stage = Stage::new();
    stage.cluster.state().thing["spec"]["writeConnectionSecretToRef"] = json!({"name": "login"});
    stage.cluster.state().forbidden = Some(annotations::EXTERNAL_NAME);
    stage.reconcile().await;
    assert_eq!(stage.annotation(annotations::EXTERNAL_NAME), None);
    assert_eq!(stage.cluster.state().published, ["password"]);
}

#[tokio::test]
async fn a_write_that_is_refused_is_reported() {
    let stage = Stage::new();
    stage.cluster.state().forbidden = Some(annotations::CREATE_PENDING);
    let action = stage.reconcile().await;
    assert_eq!(action, Action::requeue(Duration::from_secs(1)));
    assert_eq!(stage.things.outside().creates, 0);
    let synced = stage.condition("Synced");
    assert_eq!(synced.reason, "ReconcileError");
    assert!(
        synced.message.starts_with("cannot announce the creation: ")
            && synced.message.contains("Forbidden"),
        "{synced:?}"
    );
    let writes = stage.cluster.state().writes.len();
    stage.reconcile().await;
    assert_eq!(stage.cluster.state().writes.len(), writes);
    let events = stage.events().await;
    assert_eq!(events, ["CannotUpdateManagedResource"; 2]);
}

#[tokio::test]
async fn the_connection_secret_is_compared_at_every_poll_and_made_again() {
    let stage = Stage::new();
    stage.cluster.state().thing["spec"]["writeConnectionSecretToRef"] = json!({"name": "login"});
    stage.reconcile().await;
    stage.reconcile().await;
    let published = |stage: &Stage| stage.cluster.state().published.clone();
    assert_eq!(published(&stage), ["password", "address"]);
    let poll = Duration::from_secs(600);
    for _ in 0..3 {
        let reads = stage.cluster.state().connection_reads;
        for _ in 0..3 {
            stage.reconcile().await;
        }
        assert_eq!(stage.cluster.state().connection_reads, reads);
        stage.hand.advance(poll);
        stage.reconcile().await;
        assert_eq!(stage.cluster.state().connection_reads, reads + 1);
    }
    assert_eq!(published(&stage).len(), 2, "what is there is not written");

    let held = stage.cluster.state().connection["data"]["address"].take();
    stage.hand.advance(poll);
    stage.reconcile().await;
    assert_eq!(stage.cluster.state().connection["data"]["address"], held);
    stage.cluster.state().connection = Value::Null;
    stage.hand.advance(poll);
    stage.reconcile().await;
    let connection = stage.cluster.state().connection.clone();
    assert_eq!(connection["data"]["address"], held);
    assert_eq!(connection["metadata"]["ownerReferences"][0]["uid"], "u-1");
}

#[tokio::test]
async fn a_connection_secret_that_nobody_controls_is_taken_over_with_its_other_owners() {
    let stage = Stage::new();
    stage.cluster.state().thing["spec"]["writeConnectionSecretToRef"] = json!({"name": "login"});
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": "o-1"});
    stage.cluster.state().connection = json!({
        "metadata": {"name": "login", "ownerReferences": [owner], "resourceVersion": "3"},
        "type": "connection.crossplane.io/v1alpha1",
        "data": {"more": "eA=="},
    });
    stage.reconcile().await;
    let connection = stage.cluster.state().connection.clone();
    let owners = &connection["metadata"]["ownerReferences"];
    assert_eq!(owners[0], owner);
    assert_eq!(
        (&owners[1]["uid"], &owners[1]["controller"]),
        (&json!("u-1"), &json!(true))
    );
    assert_eq!(connection["data"]["more"], "eA==");
    assert!(!connection["data"]["password"].is_null());
}

#[tokio::test(start_paused = true)]
async fn a_write_without_an_answer_is_given_up_and_nothing_is_created() {
    let stage = Stage::new();
    stage.cluster.state().unanswered = Some(annotations::CREATE_PENDING);
    let reconcile = tokio::time::timeout(Duration::from_secs(31), stage.reconcile());
    let action = reconcile.await.expect("it is given up");
    assert_eq!(action, Action::requeue(Duration::from_secs(1)));
    assert_eq!(stage.things.outside().creates, 0);
    let synced = stage.condition("Synced");
    assert!(
        synced.message.contains("no answer within 30 s"),
        "{synced:?}"
    );
}

#[tokio::test]
async fn nothing_is_changed_for_an_object_that_is_older_than_the_process() {
    let stage = Stage::new();
    stage.things.outside().exists = true;
    stage.things.outside().drift = Some("size");
    let metadata =
        json!({"finalizers": [FINALIZER], "annotations": {annotations::EXTERNAL_NAME: "7"}});
    merge(&mut stage.cluster.state().thing["metadata"], metadata);
    let listed: Arc<Stored> = Arc::new(stage.stored());
    // The process before this one has seen, and done, what is wanted now.
    stage.cluster.state().thing["metadata"]["resourceVersion"] = json!("9");
    stage.cluster.state().thing["spec"]["forProvider"]["color"] = json!("red");
    stage.things.outside().color = Some("red".to_owned());
    let action = stage.reconciler.reconcile(Arc::clone(&listed)).await;
    assert_eq!(action, Action::requeue(Duration::ZERO));
    assert_eq!(stage.things.outside().updates, 0);
    // The watch has not caught up, but what was read counts.
    stage.reconciler.reconcile(listed).await;
    assert_eq!(stage.things.outside().updates, 1);
}

#[tokio::test]
async fn an_update_of_several_steps_goes_on_at_once_and_one_that_does_not_take_backs_off() {
    let stage = Stage::new();
    stage.reconcile().await;
    stage.reconcile().await;
    let at_once = Action::requeue(Duration::ZERO);
    let drift = |stage: &Stage, size: &'static str| stage.things.outside().drift = Some(size);
    for step in ["big", "bigger", "biggest"] {
        drift(&stage, step);
        assert_eq!(stage.reconcile().await, at_once, "{step}");
    }
    for step in ["a", "b", "c", "d", "e", "f", "g"] {
        drift(&stage, step);
        assert_eq!(stage.reconcile().await, at_once, "{step}");
    }
    drift(&stage, "another every time");
    assert_ne!(stage.reconcile().await, at_once);
    for step in ["biggest", "big"] {
        drift(&stage, step);
        assert_ne!(stage.reconcile().await, at_once, "{step} again");
    }
    stage.things.outside().drift = None;
    stage.reconcile().await;
    drift(&stage, "big");
    assert_eq!(stage.reconcile().await, at_once);
}
