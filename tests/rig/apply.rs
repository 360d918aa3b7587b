//! Server-side apply of YAML documents of any kind.

use anyhow::{Context, Result};
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind, TypeMeta};
use kube::discovery::{self, Scope};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

/// The field manager of everything that the rig applies.
pub const FIELD_MANAGER: &str = "xplatform-rig";

/// The documents of a YAML stream; empty ones are left out.
pub fn documents(yaml: &str) -> Result<Vec<DynamicObject>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).context("read YAML documents")?;
    documents
        .into_iter()
        .filter(|document| !document.is_null())
        .map(|document| serde_json::from_value(document).context("read a Kubernetes object"))
        .collect()
}

/// Applies every document of a YAML stream in order, with force, and returns what the API server made of them.
///
/// # Errors
///
/// Names the first object that was refused; those before it are applied.
pub async fn apply(client: &Client, yaml: &str) -> Result<Vec<DynamicObject>> {
    let mut applied = Vec::new();
    for object in documents(yaml)? {
        applied.push(apply_one(client, &object).await?);
    }
    Ok(applied)
}

async fn apply_one(client: &Client, object: &DynamicObject) -> Result<DynamicObject> {
    let name = object.name_any();
    let types = object
        .types
        .as_ref()
        .with_context(|| format!("{name} has no kind"))?;
    let api = api_of(client, types, object.namespace().as_deref()).await?;
    let params = PatchParams::apply(FIELD_MANAGER).force();
    api.patch(&name, &params, &Patch::Apply(object))
        .await
        .with_context(|| format!("apply {} {name}", types.kind))
}

/// An API for a kind that is known only at run time. `namespace` is left out for kinds of the whole cluster.
pub async fn api_of(
    client: &Client,
    types: &TypeMeta,
    namespace: Option<&str>,
) -> Result<Api<DynamicObject>> {
    let kind = GroupVersionKind::try_from(types)
        .with_context(|| format!("read apiVersion {}", types.api_version))?;
    let (resource, scope) = find(client, &kind).await?;
    Ok(match (scope, namespace) {
        (Scope::Cluster, _) => Api::all_with(client.clone(), &resource),
        (Scope::Namespaced, Some(namespace)) => {
            Api::namespaced_with(client.clone(), namespace, &resource)
        }
        (Scope::Namespaced, None) => Api::default_namespaced_with(client.clone(), &resource),
    })
}

async fn find(client: &Client, kind: &GroupVersionKind) -> Result<(ApiResource, Scope)> {
    let (resource, capabilities) = discovery::pinned_kind(client, kind)
        .await
        .with_context(|| format!("find kind {} of {}", kind.kind, kind.api_version()))?;
    Ok((resource, capabilities.scope))
}
