use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use kube::{
    client::Body,
    runtime::{
        reflector::{self, store::Writer},
        watcher::Event,
    },
};
use serde_json::{Value, json};

use super::*;
use crate::managed::external::chain;

/// How the API server answers about Secrets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Answer {
    Silent,
    Refused,
    Listed,
}

fn whole(status: u16, body: &Value) -> Response<Full<Bytes>> {
    let body = Full::new(Bytes::from(body.to_string()));
    Response::builder().status(status).body(body).unwrap()
}

fn client(secrets: watch::Receiver<Answer>) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let secrets = *secrets.borrow();
        async move {
            let watches = request
                .uri()
                .query()
                .is_some_and(|q| q.contains("watch=true"));
            Ok::<_, kube::Error>(match secrets {
                _ if watches => std::future::pending().await,
                Answer::Silent => std::future::pending().await,
                Answer::Refused => {
                    let message = "secrets is forbidden: no access";
                    whole(
                        403,
                        &json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "message": message, "code": 403}),
                    )
                }
                Answer::Listed => {
                    let secret = json!({"metadata": {"namespace": "system", "name": "token"}, "data": {"token": "dG9rZW4="}});
                    whole(
                        200,
                        &json!({"metadata": {"resourceVersion": "1"}, "items": [secret]}),
                    )
                }
            })
        }
    });
    Client::new(service, "default")
}

struct Stage {
    credentials: Credentials,
    secrets: watch::Sender<Answer>,
    configs: Writer<DeserializeGuard<ClusterProviderConfig>>,
}

impl Stage {
    fn new(answer: Answer) -> Self {
        let (secrets, receiver) = watch::channel(answer);
        let (cluster, configs) = reflector::store();
        let (namespaced, _) = reflector::store();
        Self {
            credentials: Credentials::new(client(receiver), cluster, namespaced),
            secrets,
            configs,
        }
    }

    fn list_configs(&mut self) {
        let config = serde_json::from_value(json!({
            "apiVersion": "hcloud.openova.io/v1alpha1",
            "kind": "ClusterProviderConfig",
            "metadata": {"name": "default"},
            "spec": {"credentials": {"source": "Secret", "secretRef": {"namespace": "system", "name": "token", "key": "token"}}},
        }));
        for event in [
            Event::Init,
            Event::InitApply(config.unwrap()),
            Event::InitDone,
        ] {
            self.configs.apply_watcher_event(&event);
        }
        self.credentials
            .cache(ProviderConfigKind::ClusterProviderConfig)
            .fill();
    }

    async fn resolve(&self, name: &str) -> Result<Config, String> {
        let reference = ProviderConfigReference {
            kind: ProviderConfigKind::ClusterProviderConfig,
            name: name.to_owned(),
        };
        let resolved = self.credentials.resolve("team", &reference).await;
        resolved.map_err(|error| chain(&error))
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_cannot_be_read_is_named_with_the_remedy() {
    for (answer, expected) in [
        (
            Answer::Refused,
            "cannot use ClusterProviderConfig/default: cannot read Secret system/token: secrets is forbidden: no access; \
             allow the provider's service account to get, list and watch Secrets in namespace system",
        ),
        (
            Answer::Silent,
            "cannot use ClusterProviderConfig/default: cannot read Secret system/token: the API server has not answered \
             yet; this is tried again until the API server answers",
        ),
    ] {
        let mut stage = Stage::new(answer);
        stage.list_configs();
        assert_eq!(stage.resolve("default").await.unwrap_err(), expected);
        assert_eq!(
            stage.credentials.awaits_secret(),
            answer == Answer::Silent,
            "a refusal does not make the pod unready: one tenant could do that"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_can_be_read_at_last_is_announced() {
    let mut stage = Stage::new(Answer::Refused);
    stage.list_configs();
    stage.resolve("default").await.unwrap_err();
    let mut changes = stage.credentials.changes();
    stage.secrets.send_replace(Answer::Listed);
    let change = tokio::time::timeout(Duration::from_secs(120), changes.recv());
    let change = change.await.expect("who was told is told again").unwrap();
    assert!(matches!(&change, Change::Secret(secret) if secret.name == "token"));
    let config = stage.resolve("default").await.unwrap();
    assert_eq!(config.secret.expose(), b"token");
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_watched_while_somebody_asks_for_it() {
    let mut stage = Stage::new(Answer::Listed);
    stage.list_configs();
    stage.resolve("default").await.unwrap();
    let minute = Duration::from_secs(60);
    let watched = |stage: &Stage| stage.credentials.secrets.lock().len();
    for _ in 0..4 {
        tokio::time::sleep(IDLE - minute).await;
        assert_eq!(watched(&stage), 1);
        stage.resolve("default").await.unwrap();
    }
    tokio::time::sleep(2 * IDLE).await;
    assert_eq!(watched(&stage), 0);
    let again = stage.resolve("default").await.unwrap();
    assert_eq!(again.secret.expose(), b"token");
    assert_eq!(watched(&stage), 1);
}

#[tokio::test(start_paused = true)]
async fn a_configuration_is_missing_only_when_the_list_is_there() {
    let mut stage = Stage::new(Answer::Listed);
    let unknown = stage.resolve("other").await.unwrap_err();
    assert_eq!(
        unknown,
        "cannot get ClusterProviderConfig/other: objects of its kind cannot be listed: the API server has not answered yet"
    );
    stage.list_configs();
    let missing = stage.resolve("other").await.unwrap_err();
    assert_eq!(
        missing,
        "cannot get ClusterProviderConfig/other: it does not exist"
    );
}
