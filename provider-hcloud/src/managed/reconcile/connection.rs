//! The connection Secret.

use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
    core::ObjectMeta,
};
use serde_json::json;

use super::Pass;
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
    /// Adds connection details to the Secret that the spec names. What it holds already stays, and what this process
    /// has published before is not written again.
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
        if progress.with(&self.uid, |progress| progress.published == Some(hash)) {
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
        match secrets.get_opt(name).await.map_err(failed)? {
            None => {
                let owner = self.before.controller_owner_ref(self.reconciler.names());
                let secret = Secret {
                    metadata: ObjectMeta {
                        name: Some(name.clone()),
                        owner_references: owner.map(|owner| vec![owner]),
                        ..ObjectMeta::default()
                    },
                    type_: Some(SECRET_TYPE.to_owned()),
                    data: Some(data.collect()),
                    ..Secret::default()
                };
                let created = secrets.create(&PostParams::default(), &secret).await;
                created.map_err(failed)?;
            }
            Some(secret) if self.is_foreign(&secret) => return Err(Error::Foreign(name.clone())),
            Some(secret) => {
                let stored = secret.data.unwrap_or_default();
                let changed: serde_json::Map<_, _> = data
                    .filter(|(key, value)| stored.get(key) != Some(value))
                    .map(|(key, value)| (key, json!(value)))
                    .collect();
                if !changed.is_empty() {
                    let patch = Patch::Merge(json!({"data": changed}));
                    let patched = secrets.patch(name, &PatchParams::default(), &patch).await;
                    patched.map_err(failed)?;
                }
            }
        }
        progress.with(&self.uid, |progress| progress.published = Some(hash));
        Ok(())
    }

    /// A Secret that somebody else controls, or that nobody controls and is of another type.
    fn is_foreign(&self, secret: &Secret) -> bool {
        let controller = secret
            .owner_references()
            .iter()
            .find(|owner| owner.controller == Some(true));
        match controller {
            Some(owner) => owner.uid != self.uid,
            None => secret.type_.as_deref() != Some(SECRET_TYPE),
        }
    }
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
