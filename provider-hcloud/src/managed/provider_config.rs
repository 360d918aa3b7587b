//! The reconciler of provider configurations: counts users, keeps a configuration while it has some, and says whether
//! its credentials can be used.

use std::{
    fmt::{self, Debug},
    sync::Arc,
    time::Duration,
};

use api::{
    ClusterProviderConfig, Condition, ProviderConfig, ProviderConfigKind, ProviderConfigReference,
    ProviderConfigStatus,
};
use futures::{StreamExt, stream};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
    core::DeserializeGuard,
    runtime::{
        Controller, PredicateConfig, WatchStreamExt,
        controller::{self, Action},
        reflector::{self, ObjectRef, Store, store::Writer},
        watcher::{self, Event, watcher},
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use tracing::{debug, warn};

use super::{
    conditions::{self, Statement},
    controller::{Shutdown, lagging, strip},
    credentials::{Change, Credentials, SecretKey, change_of, standing::Standing},
    events::{Recorder, Severity},
    usage::{ConfigKey, Usages},
};
use crate::clock::Clock;

/// Finalizer that keeps a configuration while it is used.
pub const FINALIZER: &str = "in-use.crossplane.io";

const BLOCKING: &str = "Blocking deletion while usages still exist";
/// Credentials that nobody uses are looked at so often, which is often enough for their Secret to stay watched.
const RECHECK: Duration = Duration::from_secs(30 * 60);
const RETRY: Duration = Duration::from_secs(30);
/// Many managed resources often come and go together: count them once.
const DEBOUNCE: Duration = Duration::from_millis(500);

/// The two kinds of configuration, seen alike.
pub trait Configuration:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Serialize + Send + Sync + 'static
{
    /// Which kind it is.
    const KIND: ProviderConfigKind;

    /// Access to objects of this kind.
    fn api(client: Client, namespace: Option<&str>) -> Api<Self>;
    /// Access to all objects of this kind, also those that cannot be read.
    fn all(client: Client) -> Api<DeserializeGuard<Self>>;
    /// Namespace (when it is not the configuration's own), name and key of the Secret.
    fn secret_ref(&self) -> (Option<&str>, &str, &str);
    /// Base URL of the external API.
    fn endpoint(&self) -> Option<&str>;
    /// The status.
    fn status(&self) -> Option<&ProviderConfigStatus>;
    /// The status, made when there is none.
    fn status_mut(&mut self) -> &mut ProviderConfigStatus;
}

impl Configuration for ClusterProviderConfig {
    const KIND: ProviderConfigKind = ProviderConfigKind::ClusterProviderConfig;

    fn api(client: Client, _: Option<&str>) -> Api<Self> {
        Api::all(client)
    }

    fn all(client: Client) -> Api<DeserializeGuard<Self>> {
        Api::all(client)
    }

    fn secret_ref(&self) -> (Option<&str>, &str, &str) {
        let secret = &self.spec.credentials.secret_ref;
        (Some(&secret.namespace), &secret.name, &secret.key)
    }

    fn endpoint(&self) -> Option<&str> {
        self.spec.endpoint.as_deref()
    }

    fn status(&self) -> Option<&ProviderConfigStatus> {
        self.status.as_ref()
    }

    fn status_mut(&mut self) -> &mut ProviderConfigStatus {
        self.status.get_or_insert_default()
    }
}

impl Configuration for ProviderConfig {
    const KIND: ProviderConfigKind = ProviderConfigKind::ProviderConfig;

    fn api(client: Client, namespace: Option<&str>) -> Api<Self> {
        Api::namespaced(client, namespace.unwrap_or_default())
    }

    fn all(client: Client) -> Api<DeserializeGuard<Self>> {
        Api::all(client)
    }

    fn secret_ref(&self) -> (Option<&str>, &str, &str) {
        let secret = &self.spec.credentials.secret_ref;
        (None, &secret.name, &secret.key)
    }

    fn endpoint(&self) -> Option<&str> {
        self.spec.endpoint.as_deref()
    }

    fn status(&self) -> Option<&ProviderConfigStatus> {
        self.status.as_ref()
    }

    fn status_mut(&mut self) -> &mut ProviderConfigStatus {
        self.status.get_or_insert_default()
    }
}

/// What a reconcile of a configuration needs.
pub struct Accountant {
    /// The Kubernetes client.
    pub client: Client,
    /// Who uses what.
    pub usages: Arc<Usages>,
    /// To announce changes to, and to ask whether they can be used.
    pub credentials: Arc<Credentials>,
    /// Events.
    pub recorder: Recorder,
    /// The time.
    pub clock: Clock,
}

impl Debug for Accountant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accountant").finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("cannot update {kind} {name}")]
    Update {
        kind: ProviderConfigKind,
        name: String,
        source: Box<kube::Error>,
    },
}

/// Runs the reconciler of one kind of configuration until shutdown.
pub async fn run<C: Configuration>(
    accountant: Arc<Accountant>,
    store: Store<DeserializeGuard<C>>,
    writer: Writer<DeserializeGuard<C>>,
    shutdown: Shutdown,
) {
    let announcer = Arc::clone(&accountant.credentials);
    let listed = accountant.credentials.cache(C::KIND).clone();
    let filling = listed.clone();
    let configs = watcher(
        C::all(accountant.client.clone()),
        watcher::Config::default(),
    )
    .default_backoff()
    .modify(strip)
    .reflect(writer)
    .inspect(move |event| match event {
        Ok(Event::InitDone) => {
            filling.fill();
        }
        Ok(_) => {}
        Err(error) => filling.fail(error),
    })
    .touched_objects()
    .predicate_filter(
        |config: &DeserializeGuard<C>| {
            let meta = config.meta();
            Some(hash(&(meta.generation, &meta.deletion_timestamp.is_some())))
        },
        PredicateConfig::default(),
    )
    .inspect(move |config| {
        if let Ok(config) = config {
            announcer.announce(change_of(config));
        }
    });
    let stopping = shutdown.clone();
    let known = store.clone();
    let changed = stream::select(
        lagging(accountant.usages.changes()),
        lagging(accountant.credentials.standings().changes()),
    );
    let changed = changed.flat_map(move |changed| {
        stream::iter(match changed {
            Some(key) => object_ref::<C>(&key).into_iter().collect(),
            None => those(&known, |_| true),
        })
    });
    let known = store.clone();
    let resupplied = lagging(accountant.credentials.changes()).flat_map(move |change| {
        stream::iter(match change {
            Some(Change::Secret(secret)) => those(&known, |config| reads(config, &secret)),
            Some(Change::Config { .. }) => Vec::new(),
            None => those(&known, |_| true),
        })
    });
    Controller::for_stream(configs, store)
        .with_config(
            controller::Config::default()
                .debounce(DEBOUNCE)
                .concurrency(4),
        )
        .reconcile_on(stream::select(changed, resupplied))
        .graceful_shutdown_on(shutdown.requested())
        .run(
            move |config, accountant| {
                let stop = stopping.requested();
                async move {
                    // What it writes follows from what it reads: the next process does what is left undone.
                    tokio::select! {
                        biased;
                        result = reconcile::<C>(config, accountant) => result,
                        () = stop => Ok(Action::await_change()),
                    }
                }
            },
            |_, error, _| retry(error),
            accountant,
        )
        // Without its first list a controller waits for ever, also when it is told to stop.
        .take_until(shutdown.before_filled(listed))
        .for_each(async |result| {
            if let Err(error) = result {
                debug!(%error, kind = %C::KIND, "A configuration was not reconciled");
            }
        })
        .await;
}

/// The stores that [`run`] fills.
pub fn store<C: Configuration>() -> (Store<DeserializeGuard<C>>, Writer<DeserializeGuard<C>>) {
    reflector::store()
}

fn hash(value: &impl std::hash::Hash) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn object_ref<C: Configuration>(key: &ConfigKey) -> Option<ObjectRef<DeserializeGuard<C>>> {
    let reference = ObjectRef::new(&key.reference.name);
    (key.reference.kind == C::KIND).then(|| match &key.namespace {
        Some(namespace) => reference.within(namespace),
        None => reference,
    })
}

/// The configurations that `concerned` holds for.
fn those<C: Configuration>(
    store: &Store<DeserializeGuard<C>>,
    concerned: impl Fn(&DeserializeGuard<C>) -> bool,
) -> Vec<ObjectRef<DeserializeGuard<C>>> {
    let configs = store.state();
    let concerned = configs.iter().filter(|config| concerned(config));
    concerned
        .map(|config| ObjectRef::from_obj(&**config))
        .collect()
}

/// Whether a configuration reads this Secret.
fn reads<C: Configuration>(config: &DeserializeGuard<C>, secret: &SecretKey) -> bool {
    config.0.as_ref().is_ok_and(|config| {
        let (namespace, name, _) = config.secret_ref();
        let namespace = namespace.or_else(|| config.meta().namespace.as_deref());
        name == secret.name && namespace == Some(secret.namespace.as_str())
    })
}

fn retry(error: &Error) -> Action {
    let conflict = match error {
        Error::Update { source, .. } => {
            matches!(&**source, kube::Error::Api(status) if status.is_conflict())
        }
    };
    if conflict {
        return Action::requeue(Duration::from_secs(1));
    }
    warn!(
        error = super::external::chain(error),
        "Cannot reconcile a configuration"
    );
    Action::requeue(RETRY)
}

async fn reconcile<C: Configuration>(
    config: Arc<DeserializeGuard<C>>,
    accountant: Arc<Accountant>,
) -> Result<Action, Error> {
    let Ok(config) = &config.0 else {
        // Who refers to it says so in its own condition.
        return Ok(Action::await_change());
    };
    let name = config.name_any();
    let failed = |source| Error::Update {
        kind: C::KIND,
        name: name.clone(),
        source: Box::new(source),
    };
    let key = ConfigKey {
        reference: ProviderConfigReference {
            kind: C::KIND,
            name: name.clone(),
        },
        namespace: config.namespace(),
    };
    let users = accountant.usages.users(&key).await;
    let deleting = config.meta().deletion_timestamp.is_some();
    let held = config
        .finalizers()
        .iter()
        .any(|finalizer| finalizer == FINALIZER);
    let api = C::api(accountant.client.clone(), key.namespace.as_deref());

    if deleting && users == 0 {
        if held {
            set_finalizers(&api, config, |finalizers| {
                finalizers.retain(|f| f != FINALIZER)
            })
            .await
            .map_err(failed)?;
        }
        return Ok(Action::await_change());
    }
    let mut config = config.clone();
    if !deleting && !held {
        config = set_finalizers(&api, &config, |finalizers| {
            finalizers.push(FINALIZER.to_owned())
        })
        .await
        .map_err(failed)?;
    }
    let standing = accountant.credentials.standing(&key).await;
    let before = config.status().cloned();
    let generation = config.meta().generation;
    let now = accountant.clock.now();
    let status = config.status_mut();
    status.users = Some(i64::try_from(users).unwrap_or(i64::MAX));
    if let Some(ready) = readiness(standing, users > 0, &status.conditions) {
        conditions::mark(&mut status.conditions, ready, generation, now);
    }
    if deleting {
        let in_use = conditions::in_use(BLOCKING);
        conditions::mark(&mut status.conditions, in_use, generation, now);
    }
    if config.status() != before.as_ref() {
        if deleting {
            accountant.recorder.record(
                config.object_ref(&()),
                Severity::Warning,
                "UsageAccounting",
                BLOCKING,
                None,
            );
        }
        api.replace_status(&name, &PostParams::default(), &config)
            .await
            .map_err(failed)?;
    }
    Ok(match users {
        0 => Action::requeue(RECHECK),
        _ => Action::await_change(),
    })
}

/// What to say of the credentials; `None` leaves what was said before.
fn readiness(standing: Standing, used: bool, said: &[Condition]) -> Option<Statement> {
    match standing {
        Standing::Usable => Some(conditions::available()),
        Standing::Refused(message) => Some(conditions::unauthorized(&message)),
        Standing::Missing(problem) => Some(conditions::unavailable(&problem)),
        // What the process before this one was told holds until those who use the credentials have tried them.
        Standing::Untried => {
            let refused = |c: &Condition| {
                c.type_ == conditions::READY && c.reason == conditions::UNAUTHORIZED
            };
            (!used || !said.iter().any(refused)).then(conditions::available)
        }
    }
}

async fn set_finalizers<C: Configuration>(
    api: &Api<C>,
    config: &C,
    change: impl FnOnce(&mut Vec<String>),
) -> Result<C, kube::Error> {
    let mut finalizers = config.finalizers().to_vec();
    change(&mut finalizers);
    let patch = json!({"metadata": {
        "finalizers": finalizers,
        "resourceVersion": config.resource_version(),
    }});
    api.patch(
        &config.name_any(),
        &PatchParams::default(),
        &Patch::Merge(&patch),
    )
    .await
}

#[cfg(test)]
mod tests;
