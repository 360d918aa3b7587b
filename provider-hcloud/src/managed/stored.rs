//! Managed resources of every kind, as the API server stores them.
//!
//! Watches, stores, queues and requests work on this one type, so they are compiled once and not once for each kind.
//! A reconcile decodes what it works on, so an object that does not fit its kind is a matter of its own, and its kind
//! goes on.

use std::{borrow::Cow, sync::Arc};

use api::{Condition, Managed};
use kube::{
    Resource,
    api::ApiResource,
    core::{DynamicResourceScope, ObjectMeta},
};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::summary::Summary;

/// A managed resource of any kind.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct Stored {
    /// Its metadata.
    #[serde(default)]
    pub metadata: ObjectMeta,
    #[serde(default)]
    spec: Option<Json>,
    #[serde(default)]
    status: Option<Json>,
    /// What is known of it without decoding it again; `None` before it was first decoded, and when it cannot be.
    #[serde(skip)]
    pub summary: Option<Summary>,
}

impl Stored {
    /// Decodes the object as one of the kind `R`.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn decode<R: Managed>(&self) -> Result<R, serde_json::Error> {
        let mut resource = R::deserialize(self.value()?)?;
        resource.meta_mut().clone_from(&self.metadata);
        Ok(resource)
    }

    /// The conditions, also of an object that does not fit its kind; none when they cannot be read.
    pub fn conditions(&self) -> Vec<Condition> {
        #[derive(Deserialize)]
        struct Status {
            #[serde(default)]
            conditions: Vec<Condition>,
        }

        let Some(Json(text)) = &self.status else {
            return Vec::new();
        };
        let status = serde_json::from_str(text);
        status.map_or_else(|_| Vec::new(), |Status { conditions }| conditions)
    }

    /// Everything but the metadata, which is decoded already.
    fn value(&self) -> Result<Value, serde_json::Error> {
        let mut object = Map::new();
        object.insert("metadata".to_owned(), Value::Object(Map::new()));
        for (field, json) in [("spec", &self.spec), ("status", &self.status)] {
            if let Some(Json(text)) = json {
                object.insert(field.to_owned(), serde_json::from_str(text)?);
            }
        }
        Ok(Value::Object(object))
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

/// JSON as text, which takes a fraction of the memory that a tree of values takes.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Json(Box<str>);

impl<'de> Deserialize<'de> for Json {
    /// By way of a value: serde_json's raw values cannot be read out of what serde has buffered, as it does with a
    /// watch event whose `object` comes before its `type`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Ok(Self(value.to_string().into()))
    }
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
        "metadata": {"name": "one", "namespace": "team", "uid": "u", "labels": {"a": "b"}},
        "spec": {"forProvider": {"ipRange": "10.0.0.0/16", "labels": {"é": "1"}}, "managementPolicies": ["Observe"]},
        "status": {"atProvider": {"id": 9007199254740993, "ipRange": "10.0.0.0/16"}, "conditions": []}
    }"#;

    fn stored() -> Stored {
        serde_json::from_str(OBJECT).unwrap()
    }

    #[test]
    fn what_is_decoded_is_what_was_stored() {
        let direct: Network = serde_json::from_str(OBJECT).unwrap();
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
        assert!(error.contains("`none`"), "{error}");
        let empty = Stored::default().decode::<Network>().unwrap_err();
        assert!(empty.to_string().contains("`spec`"), "{empty}");
    }
}
