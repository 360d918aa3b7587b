//! One reconcile at a time, with a scripted external system behind it.

mod cluster;
mod credentials;
mod replacement;
mod writes;

use std::{
    borrow::Cow,
    pin::pin,
    sync::{Mutex, MutexGuard},
};

use api::{
    ClusterProviderConfig, LocalSecretKeySelector, Managed, ManagedSpec, ManagedStatus, Reference,
    ReferenceField, Slot,
};
use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Resource, ResourceExt,
    core::{DeserializeGuard, NamespaceResourceScope},
    runtime::{reflector, watcher::Event},
};
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinSet};

use self::cluster::Cluster;
use super::*;
use crate::{
    clock::SteppedClock,
    managed::{
        cache::Cache,
        credentials::{Change, Config, SecretValue, standing::Standing},
        desired::Desired,
        erased,
        external::{
            Connection, Connector, Created, Difference, External, Identity, Present, Remedy,
        },
        metrics::{KindState, Metrics},
        summary::Summary,
    },
};

const START: &str = "2026-11-21T08:00:00.7Z";

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Thing {
    metadata: ObjectMeta,
    #[serde(default)]
    spec: ThingSpec,
    status: Option<ThingStatus>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct ThingSpec {
    #[serde(flatten)]
    managed: ManagedSpec,
    #[serde(default)]
    for_provider: ThingParameters,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct ThingParameters {
    color: Option<String>,
    size: Option<u8>,
    owner: Option<String>,
    owner_ref: Option<Reference>,
    password_secret_ref: Option<LocalSecretKeySelector>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct ThingStatus {
    #[serde(flatten)]
    managed: ManagedStatus,
    at_provider: Option<String>,
}

impl Resource for Thing {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "Thing".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "example.org".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "things".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl Managed for Thing {
    type AtProvider = String;

    fn managed_spec(&self) -> &ManagedSpec {
        &self.spec.managed
    }

    fn reference_fields(&mut self) -> Vec<ReferenceField<'_>> {
        let spec = &mut self.spec.for_provider;
        vec![ReferenceField {
            path: "owner".to_owned(),
            kind: "Thing",
            slot: Slot::One {
                value: &mut spec.owner,
                reference: spec.owner_ref.as_ref(),
                selector: None,
            },
        }]
    }

    fn secret_keys(&self) -> Vec<(&'static str, &LocalSecretKeySelector)> {
        let password = self.spec.for_provider.password_secret_ref.iter();
        password.map(|key| ("passwordSecretRef", key)).collect()
    }

    fn managed_status(&self) -> Option<&ManagedStatus> {
        self.status.as_ref().map(|status| &status.managed)
    }

    fn managed_status_mut(&mut self) -> &mut ManagedStatus {
        &mut self.status.get_or_insert_default().managed
    }

    fn at_provider(&self) -> Option<&String> {
        self.status.as_ref()?.at_provider.as_ref()
    }

    fn set_at_provider(&mut self, at_provider: String) {
        self.status.get_or_insert_default().at_provider = Some(at_provider);
    }
}

type Hook = Box<dyn FnMut() -> Result<(), ExternalError> + Send>;

/// The external system: at most one thing.
struct Outside {
    exists: bool,
    creates: usize,
    deletes: usize,
    color: Option<String>,
    /// Another color overwrites what it holds; else it takes another thing.
    repaintable: bool,
    /// It is being overwritten.
    repainted: bool,
    updates: usize,
    /// Another difference, which an update does not remove.
    drift: Option<&'static str>,
    /// Why it is not usable and never will be.
    broken: Option<String>,
    /// It is not finished yet.
    unfinished: bool,
    settling: bool,
    /// Its name is known before it is created.
    foretold: bool,
    /// The credentials are refused.
    refused: bool,
    /// How it was looked at.
    looks: Vec<Look>,
    /// What else happens in a create, and how it ends.
    on_create: Hook,
}

#[derive(Clone)]
struct Things(Arc<Mutex<Outside>>);

impl Things {
    fn outside(&self) -> MutexGuard<'_, Outside> {
        self.0.lock().unwrap()
    }
}

impl Connector for Things {
    type Resource = Thing;
    type External = Self;

    async fn connect(&self, _: &Config) -> Result<Self, ExternalError> {
        Ok(self.clone())
    }
}

impl External for Things {
    type Resource = Thing;
    const IDENTITY: Identity = Identity::Findable;

    async fn observe(
        &self,
        desired: &Desired<Thing>,
        look: Look,
    ) -> Result<Observation<String>, ExternalError> {
        let mut outside = self.outside();
        outside.looks.push(look);
        if outside.refused {
            let refusal = Refusal {
                message: "no".to_owned(),
                changes_only: false,
            };
            let error = ExternalError::new("GET /things: no", Retry::OnChange);
            return Err(error.refusing(Some(refusal)));
        }
        if !outside.exists {
            return Ok(Observation::Absent);
        }
        let mut present = Present::new("7", "fine".to_owned());
        let wanted = desired.spec.for_provider.color.as_deref();
        let color = outside.color.as_deref().unwrap_or("none");
        if outside.repainted {
            present
                .drift
                .push(difference("painting", Remedy::Overwritten));
        } else if outside.repaintable && wanted.is_some_and(|wanted| wanted != color) {
            present.drift.push(difference("color", Remedy::Overwriting));
        } else {
            present.drift.check_fixed("color", wanted, color);
        }
        if let Some(field) = outside.drift {
            present.drift.push(difference(field, Remedy::InPlace));
        }
        if let Some(message) = &outside.broken {
            present.readiness = Readiness::Broken {
                message: message.clone(),
            };
        }
        if outside.settling {
            let recheck = Duration::from_secs(15);
            present.readiness = Readiness::Settling { recheck };
        }
        if outside.unfinished {
            let recheck = Duration::from_secs(5);
            present.readiness = Readiness::Creating { recheck };
        }
        if desired.spec.for_provider.size.is_none() {
            present.late_init = Some(json!({"size": 3}));
        }
        present
            .connection
            .insert("address", SecretValue::new(b"10.0.0.1".to_vec()));
        Ok(Observation::Present(present))
    }

    async fn foretell(&self, _: &Desired<Thing>) -> Result<Option<String>, ExternalError> {
        Ok(self.outside().foretold.then(|| "7".to_owned()))
    }

    async fn create(&self, desired: &Desired<Thing>) -> Result<Created, ExternalError> {
        let mut outside = self.outside();
        outside.creates += 1;
        (outside.on_create)()?;
        outside.exists = true;
        outside.broken = None;
        outside.color = desired.spec.for_provider.color.clone();
        let mut created = Created::named(7);
        let password = SecretValue::new(b"s3cret".to_vec());
        created.connection.insert("password", password);
        Ok(created)
    }

    async fn update(&self, _: &Desired<Thing>, _: &Present<String>) -> Result<(), ExternalError> {
        self.outside().updates += 1;
        Ok(())
    }

    async fn overwrite(
        &self,
        desired: &Desired<Thing>,
        _: &Present<String>,
    ) -> Result<Connection, ExternalError> {
        let mut outside = self.outside();
        outside.repainted = !outside.repainted;
        if outside.repainted {
            return Ok(Connection::new());
        }
        outside.color = desired.spec.for_provider.color.clone();
        let password = SecretValue::new(b"n3w".to_vec());
        Ok([("password", password)].into_iter().collect())
    }

    async fn delete(&self, _: &Desired<Thing>, _: &Present<String>) -> Result<(), ExternalError> {
        let mut outside = self.outside();
        outside.exists = false;
        outside.deletes += 1;
        Ok(())
    }
}

fn difference(field: &str, remedy: Remedy) -> Difference {
    Difference {
        field: field.to_owned(),
        desired: "red".to_owned(),
        observed: "none".to_owned(),
        remedy,
    }
}

/// A Secret with a token in base64.
fn secret(token: &str) -> Value {
    json!({"metadata": {"namespace": "system", "name": "token", "resourceVersion": token}, "data": {"token": token}})
}

struct Stage {
    cluster: Cluster,
    things: Things,
    hand: Arc<SteppedClock>,
    reconciler: Reconciler,
    /// How far the list of things is.
    listed: Cache,
    stop: watch::Sender<bool>,
    running: JoinSet<()>,
}

impl Stage {
    fn new() -> Self {
        let thing = json!({
            "apiVersion": "example.org/v1",
            "kind": "Thing",
            "metadata": {"name": "one", "namespace": "team", "uid": "u-1", "generation": 1, "resourceVersion": "1"},
            "spec": {"forProvider": {"size": 1}},
        });
        let progress = ProgressMap::default();
        progress.shown(&serde_json::from_value(thing.clone()).unwrap());
        let cluster = Cluster::new(thing, secret("b2xk"));
        let client = cluster.client();
        let hand = Arc::new(SteppedClock::new(START.parse().unwrap()));
        let clock = hand.clock();
        let (configs, mut writer) = reflector::store();
        let config: DeserializeGuard<ClusterProviderConfig> = serde_json::from_value(json!({
            "apiVersion": "hcloud.openova.io/v1alpha1",
            "kind": "ClusterProviderConfig",
            "metadata": {"name": "default"},
            "spec": {"credentials": {"source": "Secret", "secretRef": {"namespace": "system", "name": "token", "key": "token"}}},
        }))
        .unwrap();
        for event in [Event::Init, Event::InitApply(config), Event::InitDone] {
            writer.apply_watcher_event(&event);
        }
        let (namespaced, mut writer) = reflector::store();
        for event in [Event::Init, Event::InitDone] {
            writer.apply_watcher_event(&event);
        }
        let mut running = JoinSet::new();
        let usages = Arc::new(Usages::new(client.clone()));
        running.spawn({
            let usages = Arc::clone(&usages);
            async move { usages.watch().await }
        });
        let (recorder, events) = Recorder::new(client.clone(), "test", clock.clone());
        running.spawn(events);
        let things = Things(Arc::new(Mutex::new(Outside {
            exists: false,
            creates: 0,
            deletes: 0,
            color: None,
            repaintable: false,
            repainted: false,
            updates: 0,
            drift: None,
            broken: None,
            unfinished: false,
            settling: false,
            foretold: false,
            refused: false,
            looks: Vec::new(),
            on_create: Box::new(|| Ok(())),
        })));
        let kind = erased::kind(things.clone());
        let mut directory = Directory::default();
        let listed = directory.add(kind.names());
        let (stop, shutdown) = Shutdown::new();
        let reconciler = Reconciler {
            kind,
            client: client.clone(),
            credentials: Arc::new(Credentials::new(client, configs, namespaced)),
            usages,
            directory: Arc::new(directory),
            recorder,
            metrics: Metrics::new(&mut Registry::default()).kind("things", KindState::default),
            clock,
            settings: Settings::default(),
            shutdown,
            progress: Arc::new(progress),
        };
        Self {
            cluster,
            things,
            hand,
            reconciler,
            listed,
            stop,
            running,
        }
    }

    fn stored<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_value(self.cluster.state().thing.clone()).unwrap()
    }

    async fn reconcile(&self) -> Action {
        self.reconciler.reconcile(Arc::new(self.stored())).await
    }

    fn summary(&self) -> Summary {
        self.reconciler.kind.summary(&self.stored()).unwrap()
    }

    fn annotation(&self, key: &str) -> Option<String> {
        let thing: Thing = self.stored();
        thing.annotations().get(key).cloned()
    }

    fn condition(&self, type_: &str) -> api::Condition {
        let thing: Value = self.stored();
        let conditions: Vec<api::Condition> =
            serde_json::from_value(thing["status"]["conditions"].clone()).unwrap();
        let found = conditions.into_iter().find(|c| c.type_ == type_);
        found.unwrap()
    }

    /// Somebody deletes the thing, which the process before this one has created.
    fn delete_what_exists(&self) {
        self.things.outside().exists = true;
        let metadata = &mut self.cluster.state().thing["metadata"];
        metadata["finalizers"] = json!([FINALIZER]);
        metadata["annotations"] = json!({annotations::EXTERNAL_NAME: "7"});
        metadata["deletionTimestamp"] = json!("2026-11-21T08:00:00Z");
    }

    /// The reasons of all events, when everything is over.
    async fn events(mut self) -> Vec<String> {
        let cluster = self.cluster.clone();
        drop(self.reconciler);
        // The recorder's task ends with the last recorder; the watch of usages never does.
        self.running.join_next().await.unwrap().unwrap();
        cluster.state().events.clone()
    }
}

#[tokio::test]
async fn a_create_is_announced_carried_out_recorded_and_then_nothing_is_written() {
    let stage = Stage::new();
    assert_eq!(stage.reconcile().await, Action::requeue(Duration::ZERO));
    let path = "/apis/example.org/v1/namespaces/team/things/one";
    let writes = [
        format!("PATCH {path}"),
        format!("PATCH {path}"),
        format!("PUT {path}/status"),
    ];
    assert_eq!(stage.cluster.state().writes, writes);
    let second = Some("2026-11-21T08:00:00Z".to_owned());
    assert_eq!(stage.annotation(annotations::CREATE_PENDING), second);
    assert_eq!(stage.annotation(annotations::CREATE_SUCCEEDED), second);
    assert_eq!(
        stage.annotation(annotations::EXTERNAL_NAME).as_deref(),
        Some("7")
    );
    assert_eq!(stage.condition("Ready").reason, "Creating");

    stage.reconcile().await;
    assert_eq!(stage.condition("Ready").reason, "Available");
    assert_eq!(stage.cluster.state().writes.len(), 4);
    for _ in 0..3 {
        stage.hand.advance(Duration::from_secs(600));
        stage.reconcile().await;
    }
    assert_eq!(stage.cluster.state().writes.len(), 4);
    assert_eq!(stage.things.outside().creates, 1);
    assert_eq!(stage.events().await, ["CreatedExternalResource"]);
}

#[tokio::test]
async fn a_create_that_was_held_up_is_given_time_to_show_and_then_sent_again() {
    let stage = Stage::new();
    let hand = Arc::clone(&stage.hand);
    stage.things.outside().on_create = Box::new(move || {
        hand.advance(Duration::from_secs(30));
        Err(ExternalError::with_unknown_outcome("no answer"))
    });
    stage.reconcile().await;
    assert_eq!(stage.annotation(annotations::CREATE_FAILED), None);
    stage.things.outside().on_create = Box::new(|| Ok(()));
    stage.hand.advance(Duration::from_secs(9));
    stage.reconcile().await;
    assert_eq!(stage.things.outside().creates, 1, "it may still show");
    stage.hand.advance(Duration::from_secs(1));
    stage.reconcile().await;
    assert_eq!(stage.things.outside().creates, 2, "it never arrived");
    assert!(stage.annotation(annotations::CREATE_SUCCEEDED).is_some());
}

#[tokio::test]
async fn a_refusal_is_believed_the_second_time() {
    let stage = Stage::new();
    let refuse = || Err(ExternalError::new("there is one already", Retry::OnChange));
    stage.things.outside().on_create = Box::new(refuse);
    let soon = Action::requeue(Duration::from_secs(1));
    assert_eq!(stage.reconcile().await, soon);
    assert_ne!(stage.reconcile().await, soon, "not before the next poll");
    assert_eq!(stage.things.outside().creates, 2);

    // What was in the way is the work of a process that is gone.
    let stage = Stage::new();
    stage.things.outside().on_create = Box::new(refuse);
    assert_eq!(stage.reconcile().await, soon);
    stage.things.outside().exists = true;
    stage.reconcile().await;
    assert_eq!(
        stage.annotation(annotations::EXTERNAL_NAME).as_deref(),
        Some("7")
    );
    assert_eq!(stage.things.outside().creates, 1);
}

#[tokio::test]
async fn a_create_that_was_held_up_and_then_carried_out_is_adopted() {
    let stage = Stage::new();
    stage.things.outside().on_create =
        Box::new(|| Err(ExternalError::with_unknown_outcome("no answer")));
    stage.reconcile().await;
    stage.things.outside().exists = true;
    stage.reconcile().await;
    assert_eq!(
        stage.annotation(annotations::EXTERNAL_NAME).as_deref(),
        Some("7")
    );
    stage.reconcile().await;
    assert_eq!(stage.condition("Ready").reason, "Available");
    assert_eq!(stage.things.outside().creates, 1);
}

#[tokio::test]
async fn a_conflict_before_a_create_prevents_it_without_a_word() {
    let stage = Stage::new();
    stage.cluster.state().conflict = true;
    let action = stage.reconcile().await;
    assert_eq!(action, Action::requeue(Duration::from_secs(1)));
    assert_eq!(stage.things.outside().creates, 0);
    assert!(stage.cluster.state().writes.is_empty());
    stage.reconcile().await;
    assert_eq!(stage.things.outside().creates, 1);
    assert_eq!(stage.events().await, ["CreatedExternalResource"]);
}

#[tokio::test]
async fn conditions_name_the_generation_that_was_acted_on_not_a_later_one() {
    let stage = Stage::new();
    let cluster = stage.cluster.clone();
    stage.things.outside().on_create = Box::new(move || {
        let thing = &mut cluster.state().thing;
        thing["metadata"]["generation"] = json!(2);
        thing["metadata"]["resourceVersion"] = json!("100");
        Ok(())
    });
    stage.reconcile().await;
    assert_eq!(stage.condition("Synced").observed_generation, Some(1));
    stage.reconcile().await;
    assert_eq!(stage.condition("Synced").observed_generation, Some(2));
}

#[tokio::test]
async fn an_object_that_cannot_be_decoded_keeps_its_other_conditions_and_is_written_once() {
    let stage = Stage::new();
    stage.reconcile().await;
    stage.reconcile().await;
    stage.cluster.state().thing["spec"] = json!({"managementPolicies": "none"});
    let before = stage.cluster.state().writes.len();
    for _ in 0..2 {
        stage.hand.advance(Duration::from_secs(1));
        assert_eq!(stage.reconcile().await, Action::await_change());
    }
    assert_eq!(stage.cluster.state().writes.len(), before + 1);
    assert_eq!(stage.condition("Ready").reason, "Available");
    let synced = stage.condition("Synced");
    assert_eq!(synced.reason, "ReconcileError");
    assert!(synced.message.starts_with("cannot decode"), "{synced:?}");
}

#[tokio::test]
async fn what_others_have_looked_at_since_will_do_after_a_create_and_while_something_goes_on() {
    let stage = Stage::new();
    stage.things.outside().unfinished = true;
    stage.reconcile().await;
    stage.hand.advance(Duration::from_secs(3));
    let recheck = Duration::from_secs(5);
    assert_eq!(stage.reconcile().await, Action::requeue(recheck));
    stage.hand.advance(recheck);
    stage.things.outside().unfinished = false;
    stage.reconcile().await;
    stage.hand.advance(Duration::from_secs(600));
    stage.reconcile().await;
    let shared = |seconds| Look::Shared {
        max_age: Duration::from_secs(seconds),
    };
    let looks = stage.things.outside().looks.clone();
    assert_eq!(looks, [shared(600), shared(3), shared(5), shared(600)]);
}

#[tokio::test]
async fn what_settles_is_ready_and_looked_at_again() {
    let stage = Stage::new();
    stage.things.outside().settling = true;
    stage.reconcile().await;
    let action = stage.reconcile().await;
    assert_eq!(action, Action::requeue(Duration::from_secs(15)));
    assert_eq!(stage.condition("Ready").status, api::ConditionStatus::True);
    assert_eq!(stage.condition("Synced").status, api::ConditionStatus::True);
}

#[tokio::test]
async fn empty_fields_are_filled_once() {
    let stage = Stage::new();
    stage.cluster.state().thing["spec"] = json!({"forProvider": {}});
    for _ in 0..4 {
        stage.reconcile().await;
    }
    let thing: Thing = stage.stored();
    assert_eq!(thing.spec.for_provider.size, Some(3));
    assert_eq!(stage.condition("Ready").reason, "Available");
}

#[tokio::test]
async fn a_reference_is_waited_for_followed_and_never_written() {
    let stage = Stage::new();
    stage.cluster.state().thing["spec"]["forProvider"]["ownerRef"] = json!({"name": "other"});
    let before = stage.cluster.state().writes.len();
    assert_eq!(stage.reconcile().await, Action::await_change());
    assert_eq!(
        stage.cluster.state().writes.len(),
        before,
        "nothing is known that could be said"
    );
    stage.listed.fill();
    let action = stage.reconcile().await;
    assert_eq!(action, Action::requeue(Duration::from_secs(1)));
    let synced = stage.condition("Synced");
    assert!(
        synced
            .message
            .contains("spec.forProvider.owner: Thing other does not exist"),
        "{synced:?}"
    );
    assert_eq!(stage.things.outside().creates, 0);

    let directory = Arc::clone(&stage.reconciler.directory);
    let mut changes = pin!(directory.changes());
    let mut other: Thing = stage.stored();
    other.metadata.name = Some("other".to_owned());
    other
        .annotations_mut()
        .insert(annotations::EXTERNAL_NAME.to_owned(), "99".to_owned());
    directory.enter("Thing", &other.metadata);
    let change = changes.next().await.flatten().unwrap();
    assert!(change.concerns(Some("team"), &stage.summary()));
    stage.reconcile().await;
    stage.reconcile().await;
    assert_eq!(stage.condition("Ready").reason, "Available");
    let thing: Thing = stage.stored();
    assert_eq!(thing.spec.for_provider.owner, None);
}

#[tokio::test]
async fn a_reference_to_a_kind_that_is_not_activated_is_reported_and_followed_when_it_is() {
    let stage = Stage::new();
    stage.cluster.state().thing["spec"]["forProvider"]["ownerRef"] = json!({"name": "other"});
    stage.listed.idle();
    let mut changes = pin!(stage.reconciler.directory.changes());
    stage.reconcile().await;
    let synced = stage.condition("Synced");
    assert!(
        synced
            .message
            .contains("kind Thing is not activated: add things.example.org"),
        "{synced:?}"
    );
    stage.listed.awaited();
    let change = changes.next().await.flatten().unwrap();
    assert!(change.concerns(Some("team"), &stage.summary()));
    assert_eq!(stage.reconcile().await, Action::await_change());
}

#[tokio::test]
async fn a_request_to_stop_ends_a_reconcile_that_has_not_begun_to_change_anything() {
    let stage = Stage::new();
    stage.cluster.state().silent = true;
    let reconcile = stage.reconcile();
    let mut reconcile = pin!(reconcile);
    let waiting = tokio::time::timeout(Duration::from_millis(20), &mut reconcile);
    assert!(waiting.await.is_err(), "it waits for an answer");
    stage.stop.send_replace(true);
    let ended = tokio::time::timeout(Duration::from_secs(5), reconcile);
    assert_eq!(ended.await.unwrap(), Action::await_change());

    // What is begun is finished.
    let stage = Stage::new();
    let stop = stage.stop.clone();
    stage.things.outside().on_create = Box::new(move || {
        stop.send_replace(true);
        Ok(())
    });
    stage.reconcile().await;
    assert!(stage.annotation(annotations::EXTERNAL_NAME).is_some());
}

#[tokio::test]
async fn the_summary_of_an_object_says_what_it_uses_and_how_it_is() {
    let stage = Stage::new();
    stage.reconcile().await;
    stage.reconcile().await;
    let fine = stage.summary();
    assert!(fine.ready && fine.synced, "{fine:?}");
    assert!(fine.secrets.is_empty() && !fine.refers_to("Thing", "other"));

    stage.cluster.state().thing["spec"] = json!({
        "providerConfigRef": {"kind": "ProviderConfig", "name": "own"},
        "forProvider": {
            "size": 1,
            "ownerRef": {"name": "other"},
            "passwordSecretRef": {"name": "login", "key": "password"},
        },
    });
    stage.listed.fill();
    stage.reconcile().await;
    let waiting = stage.summary();
    assert!(waiting.ready && !waiting.synced, "{waiting:?}");
    assert_eq!(waiting.config.to_string(), "ProviderConfig/own");
    assert!(waiting.refers_to("Thing", "other") && !waiting.refers_to("Thing", "one"));
    let secret = |name: &str| {
        Change::Secret(SecretKey {
            namespace: "team".to_owned(),
            name: name.to_owned(),
        })
    };
    let credentials = &stage.reconciler.credentials;
    assert!(credentials.concerns(&secret("login"), Some("team"), &waiting));
    assert!(!credentials.concerns(&secret("login"), Some("other"), &waiting));
    assert!(!credentials.concerns(&secret("logout"), Some("team"), &waiting));
}

#[tokio::test]
async fn a_name_that_is_known_before_is_kept_until_the_create_has_a_result() {
    let created: fn() -> Result<(), ExternalError> = || Ok(());
    let refused = || Err(ExternalError::new("no", Retry::BackOff));
    let unanswered = || Err(ExternalError::with_unknown_outcome("no answer"));
    for (result, kept) in [(created, None), (refused, None), (unanswered, Some("7"))] {
        let stage = Stage::new();
        stage.things.outside().foretold = true;
        let cluster = stage.cluster.clone();
        stage.things.outside().on_create = Box::new(move || {
            let annotations = cluster.state().thing["metadata"]["annotations"].clone();
            assert_eq!(annotations[annotations::CREATE_NAME], "7");
            assert_eq!(annotations[annotations::EXTERNAL_NAME], Value::Null);
            result()
        });
        stage.reconcile().await;
        assert_eq!(stage.things.outside().creates, 1);
        let name = stage.annotation(annotations::CREATE_NAME);
        assert_eq!(name.as_deref(), kept);
    }

    // It was made after all.
    let stage = Stage::new();
    stage.things.outside().foretold = true;
    stage.things.outside().on_create = Box::new(unanswered);
    stage.reconcile().await;
    stage.things.outside().exists = true;
    stage.reconcile().await;
    assert_eq!(stage.annotation(annotations::CREATE_NAME), None);
    assert!(stage.annotation(annotations::EXTERNAL_NAME).is_some());
}
