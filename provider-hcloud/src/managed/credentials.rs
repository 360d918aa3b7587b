//! From a managed resource to the credentials that it is to use.
//!
//! Nothing is read in a reconcile: configurations come from their watches, and every Secret that a configuration
//! names is watched on its own while it is in use, so a corrected Secret is noticed at once.

pub mod standing;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use api::{ClusterProviderConfig, ProviderConfig, ProviderConfigKind, ProviderConfigReference};
use futures::{StreamExt, pin_mut};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client, ResourceExt,
    core::DeserializeGuard,
    runtime::{
        WatchStreamExt,
        reflector::{ObjectRef, Store},
        watcher::watch_object,
    },
};
use tokio::{
    sync::{broadcast, watch},
    time::Instant,
};
use tracing::debug;

use self::standing::{Standing, Standings};
use super::{
    cache::{Cache, NotListed},
    external::chain,
    provider_config::Configuration,
    summary::Summary,
    usage::ConfigKey,
};

/// Bytes that are never printed.
#[derive(Clone, Eq, PartialEq)]
pub struct SecretValue(Vec<u8>);

impl SecretValue {
    /// Wraps secret bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes. Not to be logged, stored or reported.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

/// What a managed resource is to connect with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// The configuration that was used.
    pub reference: ProviderConfigReference,
    /// Base URL of the external API, when the configuration names one.
    pub endpoint: Option<String>,
    /// The value of the Secret's key.
    pub secret: SecretValue,
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration does not exist.
    #[error("cannot get {0}: it does not exist")]
    NoConfig(ProviderConfigReference),
    /// The configuration cannot be read.
    #[error("cannot read {config}: {problem}")]
    InvalidConfig {
        /// The configuration.
        config: ProviderConfigReference,
        /// What is wrong with it.
        problem: String,
    },
    /// The Secret does not exist.
    #[error("cannot get Secret {secret} of {config}: it does not exist")]
    NoSecret {
        /// The configuration.
        config: ProviderConfigReference,
        /// The Secret.
        secret: SecretKey,
    },
    /// The Secret has no such key, or an empty one.
    #[error("Secret {secret} of {config} has no value for key {key}")]
    NoKey {
        /// The configuration.
        config: ProviderConfigReference,
        /// The Secret.
        secret: SecretKey,
        /// The key.
        key: String,
    },
    /// It is not known whether the configuration exists.
    #[error("cannot get {config}: objects of its kind cannot be listed")]
    NotListed {
        /// The configuration.
        config: ProviderConfigReference,
        /// Why.
        source: NotListed,
    },
    /// The Secret of a configuration cannot be read.
    #[error("cannot use {config}")]
    Unusable {
        /// The configuration.
        config: ProviderConfigReference,
        /// Why.
        source: UnreadableSecret,
    },
    /// There is nothing to delete an external resource with.
    #[error(
        "{0}, and the external resource cannot be deleted without: create it again, or let spec.providerConfigRef name a configuration that has a token for the same project"
    )]
    NeededToDelete(Box<Self>),
    /// A Secret cannot be read.
    #[error(transparent)]
    Unreadable(#[from] UnreadableSecret),
}

/// A Secret cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read Secret {secret}: {reason}; {}", self.remedy())]
pub struct UnreadableSecret {
    secret: SecretKey,
    reason: NotListed,
}

impl UnreadableSecret {
    fn remedy(&self) -> String {
        let namespace = &self.secret.namespace;
        if self.reason.forbidden {
            format!(
                "allow the provider's service account to get, list and watch Secrets in namespace {namespace}"
            )
        } else {
            "this is tried again until the API server answers".to_owned()
        }
    }
}

/// Namespace and name of a Secret.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct SecretKey {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl fmt::Display for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Credentials that may have changed: whoever uses them should try again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// A configuration was created, changed or deleted.
    Config {
        /// Its namespace, for a ProviderConfig.
        namespace: Option<String>,
        /// Its kind and name.
        reference: ProviderConfigReference,
    },
    /// A Secret was created, changed or deleted.
    Secret(SecretKey),
}

/// A Secret that nobody has asked for so long is watched no longer. Who uses one asks at every drift check, or more often.
const IDLE: Duration = Duration::from_secs(3600);

type SecretState = Option<Arc<Secret>>;

/// A Secret that is watched.
#[derive(Clone)]
struct Watched {
    cache: Cache,
    state: watch::Receiver<SecretState>,
    asked: Instant,
}

/// The Secrets that are watched.
#[derive(Clone, Default)]
struct Secrets(Arc<Mutex<HashMap<SecretKey, Watched>>>);

impl Secrets {
    fn lock(&self) -> MutexGuard<'_, HashMap<SecretKey, Watched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets a Secret that nobody asks for any more.
    fn forget_idle(&self, key: &SecretKey) -> bool {
        let mut secrets = self.lock();
        let idle = secrets.get(key).is_none_or(|it| it.asked.elapsed() >= IDLE);
        if idle {
            secrets.remove(key);
        }
        idle
    }
}

/// All configurations, and the Secrets that they name.
pub struct Credentials {
    client: Client,
    cluster: Store<DeserializeGuard<ClusterProviderConfig>>,
    namespaced: Store<DeserializeGuard<ProviderConfig>>,
    cluster_cache: Cache,
    namespaced_cache: Cache,
    secrets: Secrets,
    standings: Standings,
    changes: broadcast::Sender<Change>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl Credentials {
    /// Reads configurations from the given stores; [`Credentials::announce`] tells when one has changed.
    pub fn new(
        client: Client,
        cluster: Store<DeserializeGuard<ClusterProviderConfig>>,
        namespaced: Store<DeserializeGuard<ProviderConfig>>,
    ) -> Self {
        Self {
            client,
            cluster,
            namespaced,
            cluster_cache: Cache::default(),
            namespaced_cache: Cache::default(),
            secrets: Secrets::default(),
            standings: Standings::default(),
            changes: broadcast::Sender::new(256),
        }
    }

    /// Whether the configurations of a kind are known. Who fills the stores says so here.
    pub fn cache(&self, kind: ProviderConfigKind) -> &Cache {
        match kind {
            ProviderConfigKind::ClusterProviderConfig => &self.cluster_cache,
            ProviderConfigKind::ProviderConfig => &self.namespaced_cache,
        }
    }

    /// Whether a Secret was asked for of which nothing is known yet, not even why.
    pub fn awaits_secret(&self) -> bool {
        let secrets = self.secrets.lock();
        secrets.values().any(|watched| watched.cache.is_untried())
    }

    /// Every change from now on.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Tells everybody about a change.
    pub fn announce(&self, change: Change) {
        // Without a listener there is nobody to tell.
        let _ = self.changes.send(change);
    }

    /// Whether a managed resource in `namespace` uses what has changed.
    pub fn concerns(&self, change: &Change, namespace: Option<&str>, resource: &Summary) -> bool {
        let reference = &resource.config;
        match change {
            Change::Config {
                namespace: of,
                reference: changed,
            } => reference == changed && (of.is_none() || of.as_deref() == namespace),
            Change::Secret(secret) => {
                let named = namespace == Some(secret.namespace.as_str())
                    && resource.secrets.contains(&secret.name);
                let source = self.source(namespace.unwrap_or_default(), reference);
                named || source.is_ok_and(|source| source.secret == *secret)
            }
        }
    }

    /// The credentials that a managed resource in `namespace` is to use.
    ///
    /// # Errors
    /// When a part of the chain from the reference to the Secret's key is missing.
    pub async fn resolve(
        &self,
        namespace: &str,
        reference: &ProviderConfigReference,
    ) -> Result<Config, Error> {
        let source = match self.source(namespace, reference) {
            Err(Error::NoConfig(config)) => {
                // Missing, or not listed yet.
                let listed = self.cache(reference.kind).listed().await;
                listed.map_err(|source| Error::NotListed { config, source })?;
                self.source(namespace, reference)?
            }
            found => found?,
        };
        let secret = self.secret(&source.secret).await;
        let secret = secret.map_err(|source| Error::Unusable {
            config: reference.clone(),
            source,
        })?;
        let Some(secret) = secret else {
            return Err(Error::NoSecret {
                config: reference.clone(),
                secret: source.secret,
            });
        };
        let value = secret
            .data
            .as_ref()
            .and_then(|data| data.get(&source.key))
            .filter(|value| !value.0.is_empty());
        let Some(value) = value else {
            return Err(Error::NoKey {
                config: reference.clone(),
                secret: source.secret,
                key: source.key,
            });
        };
        let config = Config {
            reference: reference.clone(),
            endpoint: source.endpoint,
            secret: SecretValue::new(value.0.clone()),
        };
        let key = ConfigKey::new(reference.clone(), namespace);
        self.standings.resolved(key, &config);
        Ok(config)
    }

    /// The credentials for deleting an external resource. When a namespace is deleted, its configurations and Secrets go
    /// before the resources that need them, and cannot be created again: those that this process has used last will do.
    ///
    /// # Errors
    /// As [`Credentials::resolve`], when this process has never used any.
    pub async fn resolve_to_delete(
        &self,
        namespace: &str,
        reference: &ProviderConfigReference,
    ) -> Result<Config, Error> {
        match self.resolve(namespace, reference).await {
            Err(gone @ (Error::NoConfig(_) | Error::NoSecret { .. })) => {
                let key = ConfigKey::new(reference.clone(), namespace);
                let last = self.standings.last(&key);
                last.ok_or_else(|| Error::NeededToDelete(Box::new(gone)))
            }
            resolved => resolved,
        }
    }

    /// Whether the external system accepts what configurations resolve to.
    pub fn standings(&self) -> &Standings {
        &self.standings
    }

    /// Whether a configuration can be used, as far as is known.
    pub async fn standing(&self, config: &ConfigKey) -> Standing {
        let namespace = config.namespace.as_deref().unwrap_or_default();
        match self.resolve(namespace, &config.reference).await {
            Ok(_) => self.standings.of(config),
            Err(error) => Standing::Missing(chain(&error)),
        }
    }

    fn source(
        &self,
        namespace: &str,
        reference: &ProviderConfigReference,
    ) -> Result<Source, Error> {
        match reference.kind {
            ProviderConfigKind::ClusterProviderConfig => source(
                reference,
                namespace,
                self.cluster.get(&ObjectRef::new(&reference.name)),
            ),
            ProviderConfigKind::ProviderConfig => source(
                reference,
                namespace,
                self.namespaced
                    .get(&ObjectRef::new(&reference.name).within(namespace)),
            ),
        }
    }

    /// The value of one key of a Secret; `None` when there is no such Secret, key or value.
    ///
    /// # Errors
    /// When the Secret cannot be watched.
    pub async fn value(&self, secret: &SecretKey, key: &str) -> Result<Option<SecretValue>, Error> {
        let secret = self.secret(secret).await?;
        let value = secret
            .as_ref()
            .and_then(|secret| secret.data.as_ref()?.get(key))
            .filter(|value| !value.0.is_empty());
        Ok(value.map(|value| SecretValue::new(value.0.clone())))
    }

    async fn secret(&self, key: &SecretKey) -> Result<SecretState, UnreadableSecret> {
        let watched = {
            let mut secrets = self.secrets.lock();
            let known = secrets.entry(key.clone());
            let watched = known.or_insert_with(|| self.watch_secret(key));
            watched.asked = Instant::now();
            watched.clone()
        };
        let listed = watched.cache.listed().await;
        listed.map_err(|reason| UnreadableSecret {
            secret: key.clone(),
            reason,
        })?;
        let state = watched.state.borrow();
        Ok(state.clone())
    }

    /// One watch for each Secret that is in use.
    fn watch_secret(&self, key: &SecretKey) -> Watched {
        let (sender, state) = watch::channel(None);
        let cache = Cache::default();
        let watched = Watched {
            cache: cache.clone(),
            state,
            asked: Instant::now(),
        };
        let api = Api::<Secret>::namespaced(self.client.clone(), &key.namespace);
        let secrets = self.secrets.clone();
        let changes = self.changes.clone();
        let key = key.clone();
        tokio::spawn(async move {
            let states = watch_object(api, &key.name).default_backoff();
            pin_mut!(states);
            let mut look = tokio::time::interval(IDLE);
            loop {
                let state = tokio::select! {
                    state = states.next() => state,
                    _ = look.tick() => {
                        if secrets.forget_idle(&key) {
                            return;
                        }
                        continue;
                    }
                };
                let state = match state {
                    None => return,
                    Some(Ok(state)) => state.map(Arc::new),
                    Some(Err(error)) => {
                        debug!(%error, secret = %key, "Cannot watch a Secret");
                        cache.fail(&error);
                        continue;
                    }
                };
                let before = sender.send_replace(state.clone());
                // Who asks for the first state waits for it, unless it was told that there is none.
                let first = cache.is_untried();
                let told = cache.fill();
                if told || (!first && data(&before) != data(&state)) {
                    debug!(secret = %key, "Credentials have changed");
                    let _ = changes.send(Change::Secret(key.clone()));
                }
            }
        });
        watched
    }
}

/// What of a Secret matters; its metadata may change as it likes.
fn data(state: &SecretState) -> Option<&BTreeMap<String, ByteString>> {
    state.as_ref()?.data.as_ref()
}

struct Source {
    secret: SecretKey,
    key: String,
    endpoint: Option<String>,
}

fn source<C: Configuration>(
    reference: &ProviderConfigReference,
    namespace: &str,
    config: Option<Arc<DeserializeGuard<C>>>,
) -> Result<Source, Error> {
    let config = config.ok_or_else(|| Error::NoConfig(reference.clone()))?;
    let config = config.0.as_ref().map_err(|invalid| Error::InvalidConfig {
        config: reference.clone(),
        problem: invalid.error.clone(),
    })?;
    let (secret_namespace, name, key) = config.secret_ref();
    Ok(Source {
        secret: SecretKey {
            // A namespaced configuration reads Secrets of its own namespace only.
            namespace: secret_namespace.map_or_else(|| namespace.to_owned(), ToOwned::to_owned),
            name: name.to_owned(),
        },
        key: key.to_owned(),
        endpoint: config.endpoint().map(ToOwned::to_owned),
    })
}

/// The change that a watch event of a configuration announces.
pub fn change_of<C: Configuration>(config: &DeserializeGuard<C>) -> Change {
    Change::Config {
        namespace: config.namespace(),
        reference: ProviderConfigReference {
            kind: C::KIND,
            name: config.name_any(),
        },
    }
}

#[cfg(test)]
mod tests;
