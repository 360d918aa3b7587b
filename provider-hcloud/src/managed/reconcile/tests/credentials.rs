//! What becomes of managed resources when their credentials change, are refused or are gone.

use super::*;

#[tokio::test]
async fn a_corrected_secret_concerns_those_who_use_it() {
    let stage = Stage::new();
    stage.reconcile().await;
    let mut changes = stage.reconciler.credentials.changes();
    stage.cluster.change_secret(secret("bmV3"));
    let change = tokio::time::timeout(Duration::from_secs(20), changes.recv());
    let change = change.await.expect("a change is announced").unwrap();
    assert!(matches!(change, Change::Secret(_)), "{change:?}");
    let thing: Thing = stage.stored();
    let credentials = &stage.reconciler.credentials;
    assert!(credentials.concerns(&change, Some("team"), &stage.summary()));
    let config = credentials.resolve("team", &thing.spec.managed.provider_config_ref);
    assert_eq!(config.await.unwrap().secret.expose(), b"new");
}

#[tokio::test]
async fn what_is_deleted_with_its_namespace_goes_though_nothing_can_be_created_there() {
    let stage = Stage::new();
    stage.cluster.state().terminating = true;
    stage.delete_what_exists();
    stage.reconcile().await;
    assert_eq!(stage.condition("Ready").reason, "Deleting");
    stage.reconcile().await;
    assert_eq!(stage.things.outside().deletes, 1);
    let thing: Thing = stage.stored();
    assert!(thing.finalizers().is_empty(), "{:?}", thing.finalizers());
}

#[tokio::test]
async fn what_is_deleted_after_its_credentials_is_deleted_with_those_that_were_used_last() {
    let stage = Stage::new();
    stage.reconcile().await;
    let mut changes = stage.reconciler.credentials.changes();
    stage.cluster.delete_secret();
    let change = tokio::time::timeout(Duration::from_secs(20), changes.recv());
    change.await.expect("a change is announced").unwrap();
    stage.reconcile().await;
    let synced = stage.condition("Synced");
    assert!(
        synced
            .message
            .starts_with("connect failed: cannot get Secret system/token"),
        "nothing else is done with them: {synced:?}"
    );
    stage.delete_what_exists();
    stage.reconcile().await;
    assert_eq!(stage.things.outside().deletes, 1);
}

#[tokio::test]
async fn what_cannot_be_deleted_without_credentials_says_what_to_do() {
    let stage = Stage::new();
    stage.cluster.state().secret = Value::Null;
    stage.delete_what_exists();
    stage.reconcile().await;
    let synced = stage.condition("Synced");
    assert!(
        synced.message.contains("spec.providerConfigRef"),
        "{synced:?}"
    );
    assert_eq!(stage.things.outside().deletes, 0);
}

#[tokio::test]
async fn the_configuration_hears_when_its_credentials_are_refused_and_accepted() {
    let stage = Stage::new();
    let credentials = Arc::clone(&stage.reconciler.credentials);
    let thing: Thing = stage.stored();
    let config = ConfigKey::new(thing.spec.managed.provider_config_ref, "team");
    stage.reconcile().await;
    stage.things.outside().refused = true;
    stage.reconcile().await;
    let synced = stage.condition("Synced");
    assert_eq!(synced.message, "observe failed: GET /things: no");
    let refused = Standing::Refused("no".to_owned());
    assert_eq!(credentials.standing(&config).await, refused);

    // What is shared may have been seen before: only what was seen since will do.
    stage.things.outside().refused = false;
    stage.hand.advance(Duration::from_secs(7));
    stage.reconcile().await;
    let max_age = Duration::from_secs(7);
    assert_eq!(
        stage.things.outside().looks.last(),
        Some(&Look::Shared { max_age })
    );
    assert_eq!(credentials.standing(&config).await, Standing::Usable);

    stage.cluster.delete_secret();
    let mut changes = credentials.changes();
    changes.recv().await.unwrap();
    let missing = credentials.standing(&config).await;
    assert!(matches!(&missing, Standing::Missing(why) if why.contains("does not exist")));
}
