//! Safe-start: a kind is reconciled from when its CRD is established and serves the version that we speak.

use std::{borrow::Cow, collections::HashMap};

use futures::{StreamExt, pin_mut};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, Resource,
    api::ApiResource,
    core::{ClusterResourceScope, ObjectMeta},
    runtime::{WatchStreamExt, watcher::watch_object},
};
use serde::Deserialize;
use tracing::{debug, info};

use super::cache::{self, Cache};

/// The few fields of a CRD that matter here: schemas are large and are not kept.
#[derive(Clone, Debug, Deserialize)]
struct Crd {
    metadata: ObjectMeta,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Clone, Debug, Deserialize)]
struct Spec {
    versions: Vec<Version>,
}

#[derive(Clone, Debug, Deserialize)]
struct Version {
    name: String,
    served: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Status {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    type_: String,
    status: String,
}

impl Resource for Crd {
    type DynamicType = ();
    type Scope = ClusterResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        CustomResourceDefinition::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        CustomResourceDefinition::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        CustomResourceDefinition::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        CustomResourceDefinition::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl Crd {
    fn serves(&self, version: &str) -> bool {
        let conditions: HashMap<_, _> = self
            .status
            .conditions
            .iter()
            .map(|condition| (condition.type_.as_str(), condition.status.as_str()))
            .collect();
        let served = |v: &Version| v.name == version && v.served;
        conditions.get("Established") == Some(&"True") && self.spec.versions.iter().any(served)
    }
}

/// Waits until the kind is served. Watches one CRD by name, not those of the whole cluster.
///
/// Without the right to read CRDs (a package that does not declare safe-start) the kind is taken to be served: its
/// CRD was then installed with the package. While it is not served, its cache is idle.
pub async fn wait_until_served(kind: &ApiResource, client: Client, cache: &Cache) {
    let name = format!("{}.{}", kind.plural, kind.group);
    let states = watch_object(Api::<Crd>::all(client), &name).default_backoff();
    pin_mut!(states);
    while let Some(state) = states.next().await {
        match state {
            Ok(Some(crd)) if crd.serves(&kind.version) => {
                info!(crd = name, "Kind is served");
                return;
            }
            Ok(_) => {
                cache.idle();
                debug!(crd = name, "Kind is not served yet");
            }
            Err(error) if cache::status(&error).is_some_and(kube::core::Status::is_forbidden) => {
                info!(
                    crd = name,
                    "CRDs cannot be read: taking the kind to be served"
                );
                return;
            }
            Err(error) => {
                debug!(crd = name, %error, "Cannot watch the CRD");
                cache.fail(&error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crd(established: &str, served: bool) -> Crd {
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": "things.example.org"},
            "spec": {"versions": [{"name": "v1", "served": served, "schema": {"large": true}}]},
            "status": {"conditions": [{"type": "Established", "status": established}]},
        }))
        .unwrap()
    }

    #[test]
    fn a_kind_is_served_when_it_is_established_in_our_version() {
        assert!(crd("True", true).serves("v1"));
        assert!(!crd("False", true).serves("v1"));
        assert!(!crd("True", false).serves("v1"));
        assert!(!crd("True", true).serves("v2"));
    }
}
