//! ProviderConfigUsages: who uses which configuration.
//!
//! One namespaced kind serves both kinds of configuration, told apart by a label. The provider may not delete
//! usages; garbage collection does, with the managed resource that controls them.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use api::{
    ProviderConfigKind, ProviderConfigReference, ProviderConfigUsage, ProviderConfigUsageFields,
    ResourceReference,
};
use futures::{StreamExt, pin_mut};
use kube::{
    Api, Client, Resource,
    api::{ApiResource, Patch, PatchParams, PostParams},
    core::{ObjectMeta, PartialObjectMeta},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use tokio::sync::broadcast;
use tracing::warn;

use super::{
    cache::{Cache, NotListed},
    stored::Stored,
};

/// Label with the name of the configuration.
pub const CONFIG_NAME_LABEL: &str = "crossplane.io/provider-config";
/// Label with the kind of the configuration.
pub const CONFIG_KIND_LABEL: &str = "crossplane.io/provider-config-kind";

/// A configuration, wherever it is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ConfigKey {
    /// Its kind and name.
    pub reference: ProviderConfigReference,
    /// Its namespace, for a ProviderConfig.
    pub namespace: Option<String>,
}

impl ConfigKey {
    /// The configuration that something in `namespace` refers to.
    pub fn new(reference: ProviderConfigReference, namespace: &str) -> Self {
        let namespace = match reference.kind {
            ProviderConfigKind::ClusterProviderConfig => None,
            ProviderConfigKind::ProviderConfig => Some(namespace.to_owned()),
        };
        Self {
            reference,
            namespace,
        }
    }

    fn of_usage(meta: &ObjectMeta) -> Option<Self> {
        let labels = meta.labels.as_ref()?;
        let kind = match labels.get(CONFIG_KIND_LABEL)?.as_str() {
            "ClusterProviderConfig" => ProviderConfigKind::ClusterProviderConfig,
            "ProviderConfig" => ProviderConfigKind::ProviderConfig,
            _ => return None,
        };
        let name = labels.get(CONFIG_NAME_LABEL)?.clone();
        let reference = ProviderConfigReference { kind, name };
        Some(Self::new(reference, meta.namespace.as_deref()?))
    }
}

/// A usage cannot be recorded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not known whether it is recorded already.
    #[error("cannot track the usage of {config}: ProviderConfigUsages cannot be listed")]
    NotListed {
        /// What is used.
        config: ProviderConfigReference,
        /// Why.
        source: NotListed,
    },
    /// The write failed.
    #[error("cannot track the usage of {config}")]
    Write {
        /// What is used.
        config: ProviderConfigReference,
        /// Why.
        source: kube::Error,
    },
}

/// All usages: an index of a few words each, kept up to date by a watch.
pub struct Usages {
    client: Client,
    index: Mutex<Index>,
    listed: Cache,
    changes: broadcast::Sender<ConfigKey>,
}

impl fmt::Debug for Usages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Usages").finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Index {
    /// The configuration that a usage, named after the UID of its managed resource, stands for.
    by_name: HashMap<String, ConfigKey>,
    users: HashMap<ConfigKey, usize>,
}

impl Index {
    fn set(&mut self, name: &str, config: Option<ConfigKey>) -> Vec<ConfigKey> {
        let before = match &config {
            Some(config) => self.by_name.insert(name.to_owned(), config.clone()),
            None => self.by_name.remove(name),
        };
        if before == config {
            return Vec::new();
        }
        if let Some(before) = &before
            && let Some(users) = self.users.get_mut(before)
        {
            *users -= 1;
            if *users == 0 {
                self.users.remove(before);
            }
        }
        if let Some(config) = &config {
            *self.users.entry(config.clone()).or_default() += 1;
        }
        before.into_iter().chain(config).collect()
    }
}

impl Usages {
    /// Knows nothing until [`Usages::watch`] runs.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            index: Mutex::default(),
            listed: Cache::default(),
            changes: broadcast::Sender::new(1024),
        }
    }

    /// Configurations whose number of users has changed, from now on.
    pub fn changes(&self) -> broadcast::Receiver<ConfigKey> {
        self.changes.subscribe()
    }

    /// Whether the usages are known.
    pub fn cache(&self) -> &Cache {
        &self.listed
    }

    /// How many managed resources use the configuration. Waits for the first list.
    pub async fn users(&self, config: &ConfigKey) -> usize {
        self.listed.filled().await;
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        index.users.get(config).copied().unwrap_or_default()
    }

    /// Records that `resource`, of this kind, uses a configuration: one write when it is new or has changed, none
    /// otherwise.
    ///
    /// # Errors
    /// When the write fails.
    pub async fn track(
        &self,
        kind: &Arc<ApiResource>,
        resource: &Stored,
        reference: &ProviderConfigReference,
    ) -> Result<(), Error> {
        let meta = resource.meta();
        let uid = meta.uid.as_deref().unwrap_or_default();
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        let config = ConfigKey::new(reference.clone(), namespace);
        let listed = self.listed.listed().await;
        listed.map_err(|source| Error::NotListed {
            config: reference.clone(),
            source,
        })?;
        let known = {
            let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
            index.by_name.get(uid).cloned()
        };
        if known.as_ref() == Some(&config) {
            return Ok(());
        }
        let usages = Api::<ProviderConfigUsage>::namespaced(self.client.clone(), namespace);
        let usage = usage_of(kind, resource, uid, reference);
        let created = match known {
            None => usages.create(&PostParams::default(), &usage).await,
            Some(_) => {
                usages
                    .patch(uid, &PatchParams::default(), &Patch::Merge(&usage))
                    .await
            }
        };
        let written = match created {
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                usages
                    .patch(uid, &PatchParams::default(), &Patch::Merge(&usage))
                    .await
            }
            other => other,
        };
        written.map_err(|source| Error::Write {
            config: reference.clone(),
            source,
        })?;
        self.set(uid, Some(config));
        Ok(())
    }

    /// Keeps the index up to date, until the task is dropped.
    pub async fn watch(&self) {
        let usages = Api::<PartialObjectMeta<ProviderConfigUsage>>::all(self.client.clone());
        let events = watcher(usages, watcher::Config::default()).default_backoff();
        pin_mut!(events);
        let mut listed = HashMap::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(usage)) => {
                    let (name, config) = entry(&usage);
                    listed.insert(name, config);
                }
                Ok(Event::InitDone) => {
                    self.replace(std::mem::take(&mut listed));
                    self.listed.fill();
                }
                Ok(Event::Apply(usage)) => {
                    let (name, config) = entry(&usage);
                    self.set(&name, config);
                }
                Ok(Event::Delete(usage)) => self.set(&entry(&usage).0, None),
                Err(error) => {
                    warn!(%error, "Cannot watch ProviderConfigUsages");
                    self.listed.fail(&error);
                }
            }
        }
    }

    fn set(&self, name: &str, config: Option<ConfigKey>) {
        let changed = {
            let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
            index.set(name, config)
        };
        for config in changed {
            let _ = self.changes.send(config);
        }
    }

    fn replace(&self, listed: HashMap<String, Option<ConfigKey>>) {
        let gone: Vec<String> = {
            let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
            let names = index.by_name.keys();
            names
                .filter(|name| !listed.contains_key(*name))
                .cloned()
                .collect()
        };
        for name in gone {
            self.set(&name, None);
        }
        for (name, config) in listed {
            self.set(&name, config);
        }
    }
}

/// A usage without a controller is a leftover that nothing will ever delete: it does not count.
fn entry(usage: &PartialObjectMeta<ProviderConfigUsage>) -> (String, Option<ConfigKey>) {
    let meta = usage.meta();
    let controlled = meta
        .owner_references
        .iter()
        .flatten()
        .any(|owner| owner.controller == Some(true));
    let config = ConfigKey::of_usage(meta).filter(|_| controlled);
    (meta.name.clone().unwrap_or_default(), config)
}

fn usage_of(
    kind: &Arc<ApiResource>,
    resource: &Stored,
    uid: &str,
    reference: &ProviderConfigReference,
) -> ProviderConfigUsage {
    let resource_ref = ResourceReference {
        api_version: kind.api_version.clone(),
        kind: kind.kind.clone(),
        name: resource.meta().name.clone().unwrap_or_default(),
        uid: Some(uid.to_owned()),
    };
    let mut usage = ProviderConfigUsage::new(
        uid,
        ProviderConfigUsageFields {
            provider_config_ref: reference.clone(),
            resource_ref,
        },
    );
    usage.metadata.labels = Some(
        [
            (CONFIG_NAME_LABEL.to_owned(), reference.name.clone()),
            (CONFIG_KIND_LABEL.to_owned(), reference.kind.to_string()),
        ]
        .into(),
    );
    usage.metadata.owner_references = resource.controller_owner_ref(kind).map(|owner| vec![owner]);
    usage
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ConfigKey {
        let reference = ProviderConfigReference {
            name: name.to_owned(),
            ..ProviderConfigReference::default()
        };
        ConfigKey::new(reference, "anywhere")
    }

    #[test]
    fn users_are_counted_and_a_change_names_both_configurations() {
        let mut index = Index::default();
        assert_eq!(index.set("u1", Some(key("a"))), [key("a")]);
        assert_eq!(index.set("u2", Some(key("a"))), [key("a")]);
        assert_eq!(index.users[&key("a")], 2);
        assert_eq!(index.set("u2", Some(key("a"))), []);
        assert_eq!(index.set("u2", Some(key("b"))), [key("a"), key("b")]);
        assert_eq!(index.set("u2", None), [key("b")]);
        assert_eq!(index.users.len(), 1);
    }

    #[test]
    fn a_cluster_configuration_has_no_namespace() {
        assert_eq!(key("a").namespace, None);
        let reference = ProviderConfigReference {
            kind: ProviderConfigKind::ProviderConfig,
            name: "a".to_owned(),
        };
        let namespaced = ConfigKey::new(reference, "team");
        assert_eq!(namespaced.namespace.as_deref(), Some("team"));
    }
}
