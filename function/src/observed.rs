//! What exists: observed objects, read where they lie.

use std::collections::BTreeMap;

use crossplane_proto::v1;

use crate::structpb::view::{ValueView, View};

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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Condition<'a> {
    kind: &'a str,
    status: Option<ValueView<'a>>,
    reason: Option<ValueView<'a>>,
    message: Option<ValueView<'a>>,
    generation: Option<ValueView<'a>>,
}

impl<'a> Condition<'a> {
    fn read(condition: View<'a>) -> Self {
        let mut read = Self::default();
        for (name, value) in condition.entries().filter_map(Result::ok) {
            match name {
                b"type" => read.kind = text(Some(value)),
                b"status" => read.status = Some(value),
                b"reason" => read.reason = Some(value),
                b"message" => read.message = Some(value),
                b"observedGeneration" => read.generation = Some(value),
                _ => {}
            }
        }
        read
    }

    /// `True`, `False` or `Unknown`.
    pub fn status(&self) -> &'a str {
        text(self.status)
    }

    /// One word.
    pub fn reason(&self) -> &'a str {
        text(self.reason)
    }

    /// The text.
    pub fn message(&self) -> &'a str {
        text(self.message)
    }

    /// The generation of the object that it speaks of, where it says so.
    pub fn generation(&self) -> Option<i64> {
        self.generation?.integer()
    }
}

fn text(value: Option<ValueView<'_>>) -> &str {
    value.and_then(ValueView::text).unwrap_or_default()
}

/// The conditions of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditions<'a>(Vec<Condition<'a>>);

/// Objects rarely have more conditions.
const TYPICAL_CONDITIONS: usize = 8;

impl<'a> Conditions<'a> {
    /// Reads the conditions in the status of an object.
    pub fn read(object: View<'a>) -> Self {
        let mut conditions = Vec::with_capacity(TYPICAL_CONDITIONS);
        if let Some(list) = object.at(&["status", "conditions"]) {
            let items = list.items().filter_map(|item| item.object());
            conditions.extend(items.map(Condition::read));
        }
        Self(conditions)
    }

    /// The condition of this type.
    pub fn get(&self, kind: &str) -> Option<&Condition<'a>> {
        self.0.iter().find(|condition| condition.kind == kind)
    }
}
