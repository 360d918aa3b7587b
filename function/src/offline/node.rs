//! The tree that was rendered.

use std::fmt;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::document::{Object, identity};
use crate::structpb::decode;

/// An object and what it composes.
#[derive(Clone)]
pub struct Node {
    /// Key of the object within its parent; empty for the root.
    pub key: String,
    /// The object as it is composed. A Secret has no values.
    pub object: Object,
    /// Its status when everything works. Ids and addresses in it are made up.
    pub status: Object,
    /// What it composes, in the order of the keys.
    pub children: Vec<Self>,
    /// The object with its status and, in a Secret, its values.
    observed: Bytes,
}

impl fmt::Debug for Node {
    /// Without the values of Secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Node")
            .field("key", &self.key)
            .field("object", &self.object)
            .field("children", &self.children)
            .finish_non_exhaustive()
    }
}

impl Node {
    pub(super) fn new(
        key: String,
        mut object: Object,
        status: Object,
        observed: Bytes,
        children: Vec<Self>,
    ) -> Self {
        conceal(&mut object);
        Self {
            key,
            object,
            status,
            children,
            observed,
        }
    }

    /// The object as Crossplane would observe it: with its status and, in a Secret, with
    /// its values, which are made from entropy that everybody knows.
    pub fn observed(&self) -> Object {
        decode(&self.observed).unwrap_or_default()
    }

    /// Its kind.
    pub fn kind(&self) -> &str {
        identity(&self.object)[0]
    }

    /// Its name.
    pub fn name(&self) -> &str {
        identity(&self.object)[2]
    }

    /// The object and all below it, parents first.
    pub(super) fn all(nodes: &[Self]) -> Vec<&Self> {
        fn add<'a>(all: &mut Vec<&'a Node>, nodes: &'a [Node]) {
            for node in nodes {
                all.push(node);
                add(all, &node.children);
            }
        }
        let mut all = Vec::new();
        add(&mut all, nodes);
        all
    }
}

/// The data of a Secret.
pub(super) fn secret_data(object: &Object) -> Option<&Map<String, Value>> {
    let data = object
        .get("data")
        .filter(|_| identity(object)[0] == "Secret");
    data?.as_object()
}

/// Empties the values of a Secret: they are made of entropy that everybody knows, and
/// nobody shall take them for secrets.
fn conceal(object: &mut Object) {
    if secret_data(object).is_none() {
        return;
    }
    let data = object.get_mut("data").and_then(Value::as_object_mut);
    for value in data.into_iter().flat_map(Map::values_mut) {
        *value = json!("");
    }
}
