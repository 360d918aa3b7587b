use super::*;
use crate::managed::Retry;

impl Stage {
    async fn delete(&self, one: &mut One) -> Result<(), ExternalError> {
        one.resource.metadata.deletion_timestamp =
            Some(serde_json::from_value(json!("2026-11-21T08:00:00Z")).unwrap());
        let present = self.look(one).await;
        self.servers().delete(&one.desired(), &present).await
    }
}

#[tokio::test]
async fn a_protected_server_is_deleted_when_the_spec_lifts_the_protection() {
    let stage = Stage::new().await;
    let mut one = stage.ready(&json!({"deleteProtection": true})).await;
    assert!(one.report().delete_protection && one.report().rebuild_protection);
    let error = stage.delete(&mut one).await.unwrap_err();
    assert!(
        error.to_string().contains("deleteProtection is true"),
        "{error}"
    );
    assert_eq!(stage.count(), 1);
    one.set(&json!({"deleteProtection": false}));
    stage.delete(&mut one).await.unwrap();
    assert_eq!(stage.count(), 0);
    assert!(stage.find(&mut one).await.is_none());
}

#[tokio::test]
async fn a_server_is_deleted_although_what_its_spec_refers_to_is_gone() {
    let stage = Stage::new().await;
    let mut one = stage.ready(&json!({})).await;
    one.set(&json!({"firewallIds": ["not resolved"], "serverType": "gone"}));
    stage.delete(&mut one).await.unwrap();
    assert_eq!(stage.count(), 0);
}

#[tokio::test]
async fn a_server_is_shut_down_before_its_deletion_when_the_spec_says_so() {
    let mut stage = Stage::new().await;
    let spec = json!({"shutdownBeforeDeletion": true, "shutdownTimeout": 30});
    for obeys in [true, false] {
        let mut one = stage.ready(&spec).await;
        stage.simulated(|project| {
            project
                .servers_mut()
                .get_mut(one.id())
                .unwrap()
                .obeys_shutdown = obeys
        });
        stage.simulator.log().clear();
        let error = stage.delete(&mut one).await.unwrap_err();
        assert!(
            error.to_string().contains("shuts down before its deletion"),
            "{error}"
        );
        assert!(matches!(error.retry(), Retry::Patiently(_)));
        stage.crash();
        if !obeys {
            stage.hand.advance(Duration::from_secs(29));
            stage.delete(&mut one).await.unwrap_err();
            stage.hand.advance(Duration::from_secs(2));
        }
        stage.delete(&mut one).await.unwrap();
        let mut calls = vec!["PUT /servers/*"];
        let asked = ["POST /servers/*/actions/shutdown", "PUT /servers/*"];
        calls.extend(asked.repeat(if obeys { 1 } else { 2 }));
        calls.push("DELETE /servers/*");
        assert_eq!(stage.calls(), calls);
        assert_eq!(stage.count(), 0);
    }
}

#[tokio::test]
async fn a_server_that_somebody_has_protected_is_not_shut_down_for_a_deletion_that_is_refused() {
    let stage = Stage::new().await;
    let mut one = stage.ready(&json!({"shutdownBeforeDeletion": true})).await;
    let servers = stage.project.client.servers();
    servers.change_protection(one.id(), true).await.unwrap();
    stage.simulator.log().clear();
    for _ in 0..2 {
        let error = stage.delete(&mut one).await.unwrap_err().to_string();
        assert!(error.contains("is protected at Hetzner"), "{error}");
        stage.hand.advance(Duration::from_secs(3600));
    }
    assert!(stage.calls().is_empty(), "{:?}", stage.calls());
}

#[tokio::test]
async fn a_server_is_deleted_although_its_labels_would_be_refused() {
    let stage = Stage::new().await;
    let mut one = stage.ready(&json!({})).await;
    one.set(&json!({"labels": {"a/b/c": "x"}}));
    stage.delete(&mut one).await.unwrap();
    assert_eq!(stage.count(), 0);
}

#[tokio::test]
async fn a_server_that_does_not_run_yet_is_given_its_time_and_asked_when_it_runs() {
    let spec = json!({"shutdownBeforeDeletion": true, "shutdownTimeout": 30});
    for starts in [true, false] {
        let stage = Stage::with(ActionMode::Explicit).await;
        let mut one = One::new(&spec);
        stage.create(&mut one).await.unwrap();
        stage.simulator.log().clear();
        let error = stage.delete(&mut one).await.unwrap_err();
        assert!(matches!(error.retry(), Retry::Patiently(_)), "{error}");
        assert_eq!(stage.calls(), ["PUT /servers/*"]);
        stage.hand.advance(Duration::from_secs(29));
        if starts {
            stage.simulator.actions().drain();
            let automatic = ActionMode::Automatic(Duration::ZERO);
            stage.simulator.actions().set_mode(automatic);
            stage.delete(&mut one).await.unwrap_err();
            let asked = ["POST /servers/*/actions/shutdown", "PUT /servers/*"];
            assert_eq!(stage.calls()[1..], asked);
            stage.delete(&mut one).await.unwrap();
        } else {
            stage.delete(&mut one).await.unwrap_err();
            assert_eq!(stage.calls(), ["PUT /servers/*"]);
            stage.hand.advance(Duration::from_secs(2));
            // The API has the last word about a server that it is working on.
            let _ = stage.delete(&mut one).await;
        }
        assert_eq!(stage.calls().last().unwrap(), "DELETE /servers/*");
    }
}
