//! Who is called what outside: the external names of all managed resources, and how references lead to them.
//!
//! crossplane-runtime reads the referenced object in every reconcile until it has written its external name into the
//! spec of the referring one. Here every controller enters what its own watch shows, so a reference costs no request,
//! is never written, and those who wait for one are woken as soon as it leads somewhere.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use api::{Reference, ReferenceField, Resolution, Resolve, Selector, Slot};
use kube::core::ObjectMeta;
use tokio::sync::broadcast;

use super::{annotations, summary::Summary};

/// One managed resource, as others may refer to it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Entry {
    external_name: Option<String>,
    labels: BTreeMap<String, String>,
    controller: Option<String>,
}

/// The resources of one kind in one namespace.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Place {
    kind: String,
    namespace: String,
}

/// What others may refer to has changed: an external name, labels, or whether the resource exists.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    kind: String,
    namespace: String,
    name: String,
}

impl Change {
    /// Whether a reference of a managed resource in `namespace` may now stand for something else.
    pub fn concerns(&self, namespace: Option<&str>, resource: &Summary) -> bool {
        namespace == Some(self.namespace.as_str()) && resource.refers_to(&self.kind, &self.name)
    }
}

/// All managed resources of all kinds.
#[derive(Debug)]
pub struct Directory {
    state: Mutex<State>,
    changes: broadcast::Sender<Change>,
}

#[derive(Debug, Default)]
struct State {
    places: HashMap<Place, BTreeMap<String, Entry>>,
    /// Kinds whose watch has shown everything at least once.
    complete: HashSet<String>,
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            changes: broadcast::Sender::new(1024),
        }
    }
}

/// Why a reference does not stand for anything.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unresolved {
    /// The referenced resource does not exist.
    #[error("spec.forProvider.{path}: {kind} {name} does not exist in this namespace")]
    Unknown {
        /// The field.
        path: String,
        /// The kind that is referred to.
        kind: &'static str,
        /// The name that is referred to.
        name: String,
    },
    /// The referenced resource has no external name yet.
    #[error(
        "spec.forProvider.{path}: {kind} {name} has no external name yet: referenced field was empty"
    )]
    Empty {
        /// The field.
        path: String,
        /// The kind that is referred to.
        kind: &'static str,
        /// The name that is referred to.
        name: String,
    },
    /// No resource fits the selector.
    #[error("spec.forProvider.{path}: no {kind} in this namespace matches the selector")]
    NoMatch {
        /// The field.
        path: String,
        /// The kind that is selected.
        kind: &'static str,
    },
    /// Several resources fit a selector of one.
    #[error(
        "spec.forProvider.{path}: the selector matches several of kind {kind} ({}): add labels until it matches one", names.join(", ")
    )]
    Ambiguous {
        /// The field.
        path: String,
        /// The kind that is selected.
        kind: &'static str,
        /// The names of those that fit.
        names: Vec<String>,
    },
    /// The resources of the kind are not known yet.
    #[error(
        "spec.forProvider.{path}: the provider does not watch {kind} (yet): is that kind activated?"
    )]
    NotWatched {
        /// The field.
        path: String,
        /// The kind that is referred to.
        kind: &'static str,
    },
}

impl Unresolved {
    /// Whether it passes when the lists are there that a process starts with.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::NotWatched { .. })
    }
}

impl Directory {
    /// Every change from now on.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Enters what a watch shows of an object.
    pub fn enter(&self, kind: &str, meta: &ObjectMeta) {
        let name = meta.name.clone().unwrap_or_default();
        let entry = Entry {
            external_name: annotations::get(meta, annotations::EXTERNAL_NAME).map(str::to_owned),
            labels: meta.labels.clone().unwrap_or_default(),
            controller: controller(meta).map(str::to_owned),
        };
        let place = place(kind, meta);
        let before = {
            let mut state = self.lock();
            let entries = state.places.entry(place.clone()).or_default();
            entries.insert(name.clone(), entry.clone())
        };
        if before.as_ref() != Some(&entry) && (before.is_some() || entry.external_name.is_some()) {
            self.announce(&place, &name);
        }
    }

    /// Removes an object that a watch shows to be gone.
    pub fn remove(&self, kind: &str, meta: &ObjectMeta) {
        let name = meta.name.as_deref().unwrap_or_default();
        let place = place(kind, meta);
        let gone = {
            let mut state = self.lock();
            let entries = state.places.get_mut(&place);
            entries.and_then(|entries| entries.remove(name))
        };
        if gone.is_some() {
            self.announce(&place, name);
        }
    }

    /// A watch has shown all objects of the kind, and these are they.
    pub fn complete<'a>(&self, kind: &str, objects: impl Iterator<Item = &'a ObjectMeta>) {
        let alive: HashSet<(Place, &str)> = objects
            .map(|meta| (place(kind, meta), meta.name.as_deref().unwrap_or_default()))
            .collect();
        let mut state = self.lock();
        for (place, entries) in &mut state.places {
            if place.kind == kind {
                entries.retain(|name, _| alive.contains(&(place.clone(), name.as_str())));
            }
        }
        state.places.retain(|_, entries| !entries.is_empty());
        let first = state.complete.insert(kind.to_owned());
        if first {
            let places = state.places.iter().filter(|(place, _)| place.kind == kind);
            for (place, entries) in places {
                entries.keys().for_each(|name| self.announce(place, name));
            }
        }
    }

    /// Fills the fields that are given by reference, of the managed resource with this metadata.
    ///
    /// # Errors
    /// The first required reference that stands for nothing.
    pub fn resolve(
        &self,
        meta: &ObjectMeta,
        fields: Vec<ReferenceField<'_>>,
    ) -> Result<(), Unresolved> {
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        for ReferenceField { path, kind, slot } in fields {
            let search = Search {
                directory: self,
                namespace,
                controller: controller(meta),
                path: &path,
                kind,
            };
            match slot {
                Slot::One {
                    value,
                    reference,
                    selector,
                } => search.fill_one(value, reference, selector)?,
                Slot::Many {
                    values,
                    references,
                    selector,
                } => search.fill_many(values, references, selector)?,
            }
        }
        Ok(())
    }

    /// The name of the managed resource in `namespace` that has this external name.
    pub fn name_of(&self, kind: &str, namespace: &str, external_name: &str) -> Option<String> {
        let state = self.lock();
        let place = Place {
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
        };
        let found = state
            .places
            .get(&place)?
            .iter()
            .find(|(_, entry)| entry.external_name.as_deref() == Some(external_name));
        found.map(|(name, _)| name.clone())
    }

    fn announce(&self, place: &Place, name: &str) {
        // Without a listener there is nobody to tell.
        let _ = self.changes.send(Change {
            kind: place.kind.clone(),
            namespace: place.namespace.clone(),
            name: name.to_owned(),
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Search<'a> {
    directory: &'a Directory,
    namespace: &'a str,
    controller: Option<&'a str>,
    path: &'a str,
    kind: &'static str,
}

impl Search<'_> {
    fn fill_one(
        &self,
        value: &mut Option<String>,
        reference: Option<&Reference>,
        selector: Option<&Selector>,
    ) -> Result<(), Unresolved> {
        let (found, policy) = if let Some(selector) = selector
            && (reference.is_none() || always(selector.policy.as_ref()))
        {
            let policy = selector.policy.as_ref();
            if value.is_some() && !always(policy) {
                return Ok(());
            }
            (self.select_one(selector), policy)
        } else if let Some(reference) = reference {
            let policy = reference.policy.as_ref();
            if value.is_some() && !always(policy) {
                return Ok(());
            }
            (self.external_name(&reference.name), policy)
        } else {
            return Ok(());
        };
        if let Some(found) = required(found, policy)? {
            *value = Some(found);
        }
        Ok(())
    }

    fn fill_many(
        &self,
        values: &mut Vec<String>,
        references: &[Reference],
        selector: Option<&Selector>,
    ) -> Result<(), Unresolved> {
        let mut found = Vec::new();
        let mut wanted = false;
        for reference in references {
            let policy = reference.policy.as_ref();
            if values.is_empty() || always(policy) {
                wanted = true;
                found.extend(required(self.external_name(&reference.name), policy)?);
            }
        }
        if let Some(selector) = selector
            && (values.is_empty() || always(selector.policy.as_ref()))
        {
            wanted = true;
            let policy = selector.policy.as_ref();
            let selected = self.select(selector)?;
            if selected.is_empty() {
                required(Err(self.no_match()), policy).map(|_: Option<String>| ())?;
            }
            for name in selected {
                found.extend(required(self.external_name(&name), policy)?);
            }
        }
        if wanted {
            found.sort();
            found.dedup();
            *values = found;
        }
        Ok(())
    }

    fn external_name(&self, name: &str) -> Result<String, Unresolved> {
        let state = self.directory.lock();
        let entry = state
            .places
            .get(&self.place())
            .and_then(|entries| entries.get(name));
        let (path, kind) = (self.path.to_owned(), self.kind);
        let name = name.to_owned();
        match entry {
            None if !state.complete.contains(kind) => Err(Unresolved::NotWatched { path, kind }),
            None => Err(Unresolved::Unknown { path, kind, name }),
            Some(Entry {
                external_name: None,
                ..
            }) => Err(Unresolved::Empty { path, kind, name }),
            Some(Entry {
                external_name: Some(external_name),
                ..
            }) => Ok(external_name.clone()),
        }
    }

    fn select_one(&self, selector: &Selector) -> Result<String, Unresolved> {
        let names = self.select(selector)?;
        match names.as_slice() {
            [] => Err(self.no_match()),
            [name] => self.external_name(name),
            _ => Err(Unresolved::Ambiguous {
                path: self.path.to_owned(),
                kind: self.kind,
                names,
            }),
        }
    }

    fn select(&self, selector: &Selector) -> Result<Vec<String>, Unresolved> {
        let state = self.directory.lock();
        if !state.complete.contains(self.kind) {
            return Err(Unresolved::NotWatched {
                path: self.path.to_owned(),
                kind: self.kind,
            });
        }
        let same_controller = selector.match_controller_ref.unwrap_or_default();
        let fits = |entry: &Entry| {
            selector
                .match_labels
                .iter()
                .all(|(key, value)| entry.labels.get(key) == Some(value))
                && (!same_controller
                    || self.controller.is_some() && entry.controller.as_deref() == self.controller)
        };
        let entries = state.places.get(&self.place()).into_iter().flatten();
        Ok(entries
            .filter(|(_, entry)| fits(entry))
            .map(|(name, _)| name.clone())
            .collect())
    }

    fn no_match(&self) -> Unresolved {
        Unresolved::NoMatch {
            path: self.path.to_owned(),
            kind: self.kind,
        }
    }

    fn place(&self) -> Place {
        Place {
            kind: self.kind.to_owned(),
            namespace: self.namespace.to_owned(),
        }
    }
}

fn always(policy: Option<&api::ReferencePolicy>) -> bool {
    policy.is_some_and(|policy| policy.resolve == Resolve::Always)
}

fn required(
    found: Result<String, Unresolved>,
    policy: Option<&api::ReferencePolicy>,
) -> Result<Option<String>, Unresolved> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(_) if policy.is_some_and(|policy| policy.resolution == Resolution::Optional) => {
            Ok(None)
        }
        Err(unresolved) => Err(unresolved),
    }
}

fn place(kind: &str, meta: &ObjectMeta) -> Place {
    Place {
        kind: kind.to_owned(),
        namespace: meta.namespace.clone().unwrap_or_default(),
    }
}

fn controller(meta: &ObjectMeta) -> Option<&str> {
    let owners = meta.owner_references.as_deref().unwrap_or_default();
    let controller = owners.iter().find(|owner| owner.controller == Some(true))?;
    Some(controller.uid.as_str())
}

#[cfg(test)]
mod tests;
