//! The connection Secret.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
    core::ObjectMeta,
};
use serde_json::json;

use super::{Pass, record::answered};
use crate::managed::external::Connection;

/// Type of the Secrets that Crossplane writes connection details to.
const SECRET_TYPE: &str = "connection.crossplane.io/v1alpha1";

/// Connection details cannot be published.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("cannot write the connection Secret {name}")]
    Write { name: String, source: kube::Error },
    #[error(
        "Secret {0} exists and is not a connection Secret of this resource: choose another spec.writeConnectionSecretToRef.name, or delete it"
    )]
    Foreign(String),
}

impl Pass<'_> {
    /// Adds connection details to the Secret that the spec names. What else it holds stays. Like the external resource,
    /// what was published is compared at every poll, and made again when somebody has changed or deleted it.
    pub(super) async fn publish(&self, connection: &Connection) -> Result<(), Error> {
        let Some(reference) = &self.object.spec().write_connection_secret_to_ref else {
            return Ok(());
        };
        if connection.is_empty() {
            return Ok(());
        }
        let name = &reference.name;
        let hash = hash(name, connection);
        let progress = &self.reconciler.progress;
        let now = self.reconciler.clock.elapsed();
        let poll = self.reconciler.poll_interval(self.object.meta());
        let published = progress.with(&self.uid, |progress| progress.published);
        // The next poll may come a tenth early.
        if published.is_some_and(|(held, at)| held == hash && now - at < poll - poll / 10) {
            return Ok(());
        }
        let namespace = self
            .before
            .metadata
            .namespace
            .as_deref()
            .unwrap_or_default();
        let secrets = Api::<Secret>::namespaced(self.reconciler.client.clone(), namespace);
        let failed = |source| Error::Write {
            name: name.clone(),
            source,
        };
        let data = connection
            .iter()
            .map(|(key, value)| ((*key).to_owned(), ByteString(value.expose().to_vec())));
        match answered(secrets.get_opt(name)).await.map_err(failed)? {
            None => {
                let secret = Secret {
                    metadata: ObjectMeta {
                        name: Some(name.clone()),
                        owner_references: Some(self.owned(None)),
                        ..ObjectMeta::default()
                    },
                    type_: Some(SECRET_TYPE.to_owned()),
                    data: Some(data.collect()),
                    ..Secret::default()
                };
                let params = PostParams::default();
                let created = answered(secrets.create(&params, &secret)).await;
                created.map_err(failed)?;
            }
            Some(secret) if self.is_foreign(&secret) => return Err(Error::Foreign(name.clone())),
            Some(secret) => {
                let stored = secret.data.as_ref();
                let differs = |(key, value): &(String, ByteString)| {
                    stored.and_then(|stored| stored.get(key)) != Some(value)
                };
                let changed: BTreeMap<_, _> = data.filter(differs).collect();
                let mut patch = json!({});
                if !changed.is_empty() {
                    patch["data"] = json!(changed);
                }
                if controller(&secret).is_none() {
                    patch["metadata"] = json!({
                        "ownerReferences": self.owned(secret.metadata.owner_references),
                        "resourceVersion": secret.metadata.resource_version,
                    });
                }
                if patch != json!({}) {
                    let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
                    let patched = answered(secrets.patch(name, &params, &patch)).await;
                    patched.map_err(failed)?;
                }
            }
        }
        progress.with(&self.uid, |progress| progress.published = Some((hash, now)));
        Ok(())
    }

    /// A Secret that somebody else controls, or that nobody controls and is of another type.
    fn is_foreign(&self, secret: &Secret) -> bool {
        match controller(secret) {
            Some(owner) => owner.uid != self.uid,
            None => secret.type_.as_deref() != Some(SECRET_TYPE),
        }
    }

    /// These owners, and the managed resource as the one that controls.
    fn owned(&self, owners: Option<Vec<OwnerReference>>) -> Vec<OwnerReference> {
        let mut owners = owners.unwrap_or_default();
        owners.retain(|owner| owner.uid != self.uid);
        owners.extend(self.before.controller_owner_ref(self.reconciler.names()));
        owners
    }
}

fn controller(secret: &Secret) -> Option<&OwnerReference> {
    let owners = secret.owner_references();
    owners.iter().find(|owner| owner.controller == Some(true))
}

fn hash(name: &str, connection: &Connection) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    for (key, value) in connection {
        key.hash(&mut hasher);
        value.expose().hash(&mut hasher);
    }
    hasher.finish()
}
