//! References: how one managed resource names another of its namespace, and Secrets.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a reference that leads nowhere is an error.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Resolution {
    /// The resource waits until the reference can be resolved.
    #[default]
    Required,
    /// The resource goes on without.
    Optional,
}

/// When a reference is resolved.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Resolve {
    /// Only while the field that it stands for is empty.
    #[default]
    IfNotPresent,
    /// Always; the field that it stands for is overridden.
    Always,
}

/// How a reference is resolved.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ReferencePolicy {
    /// Required (default): the resource waits until the referenced one exists. Optional: it goes on without.
    #[serde(default)]
    pub resolution: Resolution,

    /// IfNotPresent (default): a value in the spec wins. Always: the reference wins.
    #[serde(default)]
    pub resolve: Resolve,
}

/// A managed resource in the same namespace. Its external name is the value that is meant.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Reference {
    /// Name of the managed resource.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// How the reference is resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<ReferencePolicy>,
}

impl Reference {
    /// The managed resource called `name`.
    pub fn to(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            policy: None,
        }
    }
}

/// Managed resources in the same namespace, chosen by label.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Selector {
    /// Labels that the managed resource must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,

    /// Only resources with the same controller as this one: composed by the same composite resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_controller_ref: Option<bool>,

    /// How the selector is resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<ReferencePolicy>,
}

/// The name of a Secret in the same namespace.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct LocalSecretReference {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// A key of a Secret in the same namespace.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct LocalSecretKeySelector {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// Key in the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// A field of a spec that may be given by reference: where it stands, and the three ways to fill it.
#[derive(Debug)]
pub struct ReferenceField<'a> {
    /// Path of the field below `spec.forProvider`, for example `networks[0].networkId`.
    pub path: String,
    /// Kind of the managed resources that can be referred to, of the same API group.
    pub kind: &'static str,
    /// The field and its references.
    pub slot: Slot<'a>,
}

/// A field that holds one or several external names, with what may stand for it.
#[derive(Debug)]
pub enum Slot<'a> {
    /// One external name.
    One {
        /// The field.
        value: &'a mut Option<String>,
        /// Its reference.
        reference: Option<&'a Reference>,
        /// Its selector.
        selector: Option<&'a Selector>,
    },
    /// Any number of external names.
    Many {
        /// The field.
        values: &'a mut Vec<String>,
        /// Its references.
        references: &'a [Reference],
        /// Its selector.
        selector: Option<&'a Selector>,
    },
}

impl<'a> ReferenceField<'a> {
    /// A field that holds one external name of a `kind`.
    pub fn one(
        path: impl Into<String>,
        kind: &'static str,
        value: &'a mut Option<String>,
        reference: Option<&'a Reference>,
        selector: Option<&'a Selector>,
    ) -> Self {
        let slot = Slot::One {
            value,
            reference,
            selector,
        };
        Self {
            path: path.into(),
            kind,
            slot,
        }
    }

    /// A field that holds any number of external names of a `kind`; none when nothing refers to any, so that a
    /// list that was left out stays left out.
    pub fn many(
        path: impl Into<String>,
        kind: &'static str,
        values: &'a mut Option<Vec<String>>,
        references: &'a [Reference],
        selector: Option<&'a Selector>,
    ) -> Option<Self> {
        if references.is_empty() && selector.is_none() {
            return None;
        }
        let slot = Slot::Many {
            values: values.get_or_insert_default(),
            references,
            selector,
        };
        Some(Self {
            path: path.into(),
            kind,
            slot,
        })
    }
}
