//! Managed resources of every kind, as the API server stores them.
//!
//! Watches, stores, queues and requests work on this one type, so they are compiled once and not once for each kind.
//! A reconcile decodes what it works on, so an object that does not fit its kind is a matter of its own, and its kind
//! goes on.

mod json;

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use api::{Condition, Managed, ManagedStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use kube::{
    Resource,
    api::ApiResource,
    core::{DynamicResourceScope, ObjectMeta},
};
use serde::{Deserialize, Deserializer};

use self::json::Json;
use super::summary::Summary;

/// A managed resource of any kind.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct Stored {
    /// Its metadata, without the record of who wrote which field.
    #[serde(default, deserialize_with = "metadata")]
    pub metadata: ObjectMeta,
    #[serde(default)]
    spec: Option<Json>,
    #[serde(default)]
    status: Option<Json>,
    /// What is known of it without decoding it again; `None` before it was first decoded, and when it cannot be.
    #[serde(skip)]
    pub summary: Option<Summary>,
}

/// A stored object does not fit its kind.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(String);

impl From<serde_json::Error> for Unfit {
    fn from(error: serde_json::Error) -> Self {
        // The position is one in a text that nobody sees.
        let position = format!(" at line {} column {}", error.line(), error.column());
        let text = error.to_string();
        Self(text.strip_suffix(&position).unwrap_or(&text).to_owned())
    }
}

impl Stored {
    /// An object of which only the metadata are known.
    pub fn bare(metadata: ObjectMeta) -> Self {
        Self {
            metadata,
            ..Self::default()
        }
    }

    /// Decodes the object as one of the kind `R`. The status says only what was seen before, and is made anew: of one that
    /// does not fit, only what all kinds have is kept.
    ///
    /// # Errors
    /// When the spec does not fit.
    pub fn decode<R: Managed>(&self) -> Result<R, Unfit> {
        let whole = json::object([("spec", &self.spec), ("status", &self.status)]);
        let mut resource = match whole {
            Ok(resource) => resource,
            Err(_) => {
                let mut resource: R = self.decode_spec()?;
                *resource.managed_status_mut() = self.managed_status();
                resource
            }
        };
        resource.meta_mut().clone_from(&self.metadata);
        Ok(resource)
    }

    /// As [`Stored::decode`], with neither metadata nor status.
    ///
    /// # Errors
    /// When the spec does not fit.
    pub fn decode_spec<R: Managed>(&self) -> Result<R, Unfit> {
        Ok(json::object([("spec", &self.spec)])?)
    }

    /// The conditions, also of an object that does not fit its kind; none when they cannot be read.
    pub fn conditions(&self) -> Vec<Condition> {
        self.managed_status().conditions
    }

    fn managed_status(&self) -> ManagedStatus {
        let status = self.status.as_ref().and_then(|status| status.decode().ok());
        status.unwrap_or_default()
    }
}

impl Resource for Stored {
    /// The names of the kind.
    type DynamicType = Arc<ApiResource>;
    type Scope = DynamicResourceScope;

    fn kind(kind: &Arc<ApiResource>) -> Cow<'_, str> {
        kind.kind.as_str().into()
    }

    fn group(kind: &Arc<ApiResource>) -> Cow<'_, str> {
        kind.group.as_str().into()
    }

    fn version(kind: &Arc<ApiResource>) -> Cow<'_, str> {
        kind.version.as_str().into()
    }

    fn plural(kind: &Arc<ApiResource>) -> Cow<'_, str> {
        kind.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Metadata without `managedFields`. They are often larger than the object, and a list is decoded page by page before
/// anything could be dropped.
fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Kept {
        annotations: Option<BTreeMap<String, String>>,
        creation_timestamp: Option<Time>,
        deletion_grace_period_seconds: Option<i64>,
        deletion_timestamp: Option<Time>,
        finalizers: Option<Vec<String>>,
        generate_name: Option<String>,
        generation: Option<i64>,
        labels: Option<BTreeMap<String, String>>,
        name: Option<String>,
        namespace: Option<String>,
        owner_references: Option<Vec<OwnerReference>>,
        resource_version: Option<String>,
        self_link: Option<String>,
        uid: Option<String>,
    }

    let kept = Kept::deserialize(deserializer)?;
    Ok(ObjectMeta {
        annotations: kept.annotations,
        creation_timestamp: kept.creation_timestamp,
        deletion_grace_period_seconds: kept.deletion_grace_period_seconds,
        deletion_timestamp: kept.deletion_timestamp,
        finalizers: kept.finalizers,
        generate_name: kept.generate_name,
        generation: kept.generation,
        labels: kept.labels,
        managed_fields: None,
        name: kept.name,
        namespace: kept.namespace,
        owner_references: kept.owner_references,
        resource_version: kept.resource_version,
        self_link: kept.self_link,
        uid: kept.uid,
    })
}

#[cfg(test)]
mod tests {
    use api::{Network, Subnet};
    use kube::core::{ObjectList, WatchEvent};
    use serde_json::json;

    use super::*;

    const OBJECT: &str = r#"{
        "apiVersion": "hcloud.openova.io/v1alpha1",
        "kind": "Network",
        "metadata": {
            "name": "one", "namespace": "team", "uid": "u", "labels": {"a": "b"}, "annotations": {"c": "d"},
            "generateName": "o", "generation": 3, "resourceVersion": "7", "selfLink": "/one", "finalizers": ["f"],
            "creationTimestamp": "2026-11-21T08:00:00Z",
            "deletionTimestamp": "2026-11-21T09:00:00Z", "deletionGracePeriodSeconds": 5,
            "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": "o", "controller": true}],
            "managedFields": [{"manager": "m", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {}}}]
        },
        "spec": {"forProvider": {"ipRange": "10.0.0.0/16", "labels": {"é": "1"}}, "managementPolicies": ["Observe"]},
        "status": {"atProvider": {"id": 9007199254740993, "ipRange": "10.0.0.0/16"}, "conditions": []}
    }"#;

    fn stored() -> Stored {
        serde_json::from_str(OBJECT).unwrap()
    }

    #[test]
    fn what_is_decoded_is_what_was_stored() {
        let mut direct: Network = serde_json::from_str(OBJECT).unwrap();
        direct.metadata.managed_fields = None;
        assert_eq!(stored().decode::<Network>().unwrap(), direct);
        assert_eq!(
            direct.status.unwrap().at_provider.unwrap().id,
            9_007_199_254_740_993
        );
    }

    #[test]
    fn a_watch_event_is_read_whichever_of_its_fields_comes_first() {
        for text in [
            format!(r#"{{"type": "MODIFIED", "object": {OBJECT}}}"#),
            format!(r#"{{"object": {OBJECT}, "type": "MODIFIED"}}"#),
        ] {
            match serde_json::from_str(&text).unwrap() {
                WatchEvent::<Stored>::Modified(found) => assert_eq!(found, stored()),
                other => panic!("{other:?} out of {text}"),
            }
        }
    }

    #[test]
    fn a_list_is_read_whatever_the_order_of_its_fields() {
        for text in [
            format!(
                r#"{{"kind": "NetworkList", "apiVersion": "x/v1", "metadata": {{}}, "items": [{OBJECT}]}}"#
            ),
            format!(
                r#"{{"items": [{OBJECT}], "metadata": {{}}, "apiVersion": "x/v1", "kind": "NetworkList"}}"#
            ),
        ] {
            let list: ObjectList<Stored> = serde_json::from_str(&text).unwrap();
            assert_eq!(list.items, [stored()]);
        }
    }

    #[test]
    fn what_does_not_fit_its_kind_is_an_error_of_its_own() {
        let odd = json!({"metadata": {"name": "odd"}, "spec": {"forProvider": {"type": "none"}}});
        let odd: Stored = serde_json::from_value(odd).unwrap();
        assert_eq!(odd.metadata.name.as_deref(), Some("odd"));
        let error = odd.decode::<Subnet>().unwrap_err().to_string();
        assert!(
            error.contains("`none`") && !error.contains("column"),
            "{error}"
        );
        let empty = Stored::default().decode::<Network>().unwrap_err();
        assert!(empty.to_string().contains("`spec`"), "{empty}");
    }

    #[test]
    fn of_a_status_that_does_not_fit_what_all_kinds_have_is_kept() {
        let condition = r#"{"type": "Ready", "status": "True", "reason": "Available", "lastTransitionTime": "2026-11-21T08:00:00Z"}"#;
        let odd = format!(
            r#"{{"metadata": {{"name": "odd"}}, "spec": {{"forProvider": {{"ipRange": "10.0.0.0/16"}}}},
            "status": {{"atProvider": 1, "lastHandledReconcileAt": "one", "conditions": [{condition}]}}}}"#
        );
        let odd: Stored = serde_json::from_str(&odd).unwrap();
        let network = odd.decode::<Network>().unwrap();
        assert_eq!(network.metadata.name.as_deref(), Some("odd"));
        let range = network.spec.for_provider.ip_range.as_deref();
        assert_eq!(range, Some("10.0.0.0/16"));
        let status = network.managed_status().unwrap();
        assert_eq!(status.last_handled_reconcile_at.as_deref(), Some("one"));
        assert_eq!(status.conditions, odd.conditions());
        assert_eq!(status.conditions[0].reason, "Available");
        assert_eq!(network.at_provider(), None);
        let spec = odd.decode_spec::<Network>().unwrap().spec;
        assert_eq!(spec, network.spec);

        let odder = r#"{"metadata": {}, "spec": {"forProvider": {}}, "status": {"conditions": 1}}"#;
        let odder: Stored = serde_json::from_str(odder).unwrap();
        assert!(odder.decode::<Network>().is_ok());
    }
}
