//! What exists: observed objects, read where they lie.

use std::collections::BTreeMap;

use crossplane_proto::v1;

use crate::structpb::View;

/// The resources that a composite composed earlier, by their key.
#[derive(Debug, Default)]
pub struct Observed {
    resources: BTreeMap<String, v1::Resource>,
}

impl Observed {
    /// Wraps the observed resources of a request.
    pub fn new(resources: BTreeMap<String, v1::Resource>) -> Self {
        Self { resources }
    }

    /// Whether nothing has been composed yet.
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    /// The resource with this key.
    pub fn get(&self, key: &str) -> Option<View<'_>> {
        let resource = self.resources.get(key)?;
        Some(View::new(&resource.resource))
    }

    /// All resources whose key starts with this prefix: the rest of the key, and the
    /// resource.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, View<'a>)> {
        self.resources.iter().filter_map(move |(key, resource)| {
            let rest = key.strip_prefix(prefix)?;
            Some((rest, View::new(&resource.resource)))
        })
    }
}

/// A status condition of an observed object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition<'a> {
    /// `True`, `False` or `Unknown`.
    pub status: &'a str,
    /// One word.
    pub reason: &'a str,
    /// The text.
    pub message: &'a str,
    /// The generation of the object that it speaks of, where it says so.
    pub generation: Option<i64>,
}

/// The condition of this type.
pub fn condition<'a>(object: View<'a>, kind: &str) -> Option<Condition<'a>> {
    object
        .at(&["status", "conditions"])?
        .items()
        .filter_map(|item| item.object())
        .find(|item| item.text(&["type"]) == Some(kind))
        .map(|item| Condition {
            status: item.text(&["status"]).unwrap_or_default(),
            reason: item.text(&["reason"]).unwrap_or_default(),
            message: item.text(&["message"]).unwrap_or_default(),
            generation: item
                .get("observedGeneration")
                .and_then(|value| value.integer()),
        })
}
