//! Who is called what outside: the external names of all managed resources, and how references lead to them.
//!
//! crossplane-runtime reads the referenced object in every reconcile until it has written its external name into the
//! spec of the referring one. Here every controller enters what its own watch shows, so a reference costs no request,
//! is never written, and those who wait for one are woken as soon as it leads somewhere. Before a kind has been listed
//! nobody can tell whether a resource of it exists: its cache says how far it is.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use api::{Reference, ReferenceField, Resolution, Resolve, Selector, Slot};
use futures::{Stream, StreamExt, stream};
use kube::{api::ApiResource, core::ObjectMeta};
use tokio::sync::broadcast;

use super::{
    annotations,
    cache::{Cache, NotListed, State},
    controller::lagging,
    summary::Summary,
};

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

/// What others may refer to has changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// The external name or the labels of a resource, or whether it exists.
    Resource {
        /// Its kind.
        kind: String,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Whether the resources of a kind are known.
    Kind(String),
}

impl Change {
    /// The kind of what has changed.
    pub fn kind(&self) -> &str {
        match self {
            Self::Resource { kind, .. } | Self::Kind(kind) => kind,
        }
    }

    /// Whether a reference of a managed resource in `namespace` may now stand for something else.
    pub fn concerns(&self, namespace: Option<&str>, resource: &Summary) -> bool {
        match self {
            Self::Resource {
                kind,
                namespace: of,
                name,
            } => namespace == Some(of.as_str()) && resource.refers_to(kind, name),
            Self::Kind(kind) => resource.refers_to_any(kind),
        }
    }
}

/// All managed resources of all kinds.
#[derive(Debug)]
pub struct Directory {
    kinds: HashMap<String, Kind>,
    places: Mutex<Places>,
    changes: broadcast::Sender<Change>,
}

/// A kind that is listed, or will be once it is served.
#[derive(Debug)]
struct Kind {
    /// The name of its CRD.
    crd: String,
    cache: Cache,
}

type Places = HashMap<Place, BTreeMap<String, Entry>>;

impl Default for Directory {
    fn default() -> Self {
        Self {
            kinds: HashMap::new(),
            places: Mutex::default(),
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
    /// The resources of the kind are being listed: whether the referenced one exists shows when that is done.
    #[error("spec.forProvider.{path}: objects of kind {kind} are being listed")]
    Listing {
        /// The field.
        path: String,
        /// The kind that is referred to.
        kind: &'static str,
    },
    /// The resources of the kind cannot be listed.
    #[error("spec.forProvider.{path}: objects of kind {kind} cannot be listed")]
    Unlisted {
        /// The field.
        path: String,
        /// The kind that is referred to.
        kind: &'static str,
        /// Why.
        source: NotListed,
    },
    /// The kind is not served.
    #[error(
        "spec.forProvider.{path}: kind {kind} is not activated: add {crd} to spec.activate of a ManagedResourceActivationPolicy"
    )]
    NotActivated {
        /// The field.
        path: String,
        /// The kind that is referred to.
        kind: &'static str,
        /// The name of its CRD.
        crd: String,
    },
}

impl Unresolved {
    /// Whether the reference may stand for something that is not known: to go on without it would be a guess.
    fn is_unknown(&self) -> bool {
        matches!(self, Self::Listing { .. } | Self::Unlisted { .. })
    }
}

impl Directory {
    /// Adds a kind that references may lead to. Whoever lists it says in the cache how far that is.
    pub fn add(&mut self, kind: &ApiResource) -> Cache {
        let cache = Cache::default();
        let known = Kind {
            crd: format!("{}.{}", kind.plural, kind.group),
            cache: cache.clone(),
        };
        self.kinds.insert(kind.kind.clone(), known);
        cache
    }

    /// Every change from now on; `None` stands for changes that were missed.
    pub fn changes(&self) -> impl Stream<Item = Option<Change>> + Send + use<> {
        let kinds = self.kinds.iter().map(|(kind, Kind { cache, .. })| {
            let change = Change::Kind(kind.clone());
            cache.changes().map(move |()| Some(change.clone())).boxed()
        });
        stream::select(
            lagging(self.changes.subscribe()),
            stream::select_all(kinds.collect::<Vec<_>>()),
        )
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
            let mut places = self.lock();
            let entries = places.entry(place.clone()).or_default();
            entries.insert(name.clone(), entry.clone())
        };
        // Who refers to a kind that is being listed is woken once, when that is done.
        let listed = self.kinds.get(kind).is_none_or(|k| k.cache.is_filled());
        let changed = before.as_ref() != Some(&entry);
        if listed && changed && (before.is_some() || entry.external_name.is_some()) {
            self.announce(&place, &name);
        }
    }

    /// Removes an object that a watch shows to be gone.
    pub fn remove(&self, kind: &str, meta: &ObjectMeta) {
        let name = meta.name.as_deref().unwrap_or_default();
        let place = place(kind, meta);
        let gone = {
            let mut places = self.lock();
            let entries = places.get_mut(&place);
            entries.and_then(|entries| entries.remove(name))
        };
        if gone.is_some() {
            self.announce(&place, name);
        }
    }

    /// A watch has shown all objects of the kind, and these are they. To be called before its cache is filled.
    pub fn complete<'a>(&self, kind: &str, objects: impl Iterator<Item = &'a ObjectMeta>) {
        let alive: HashSet<(Place, &str)> = objects
            .map(|meta| (place(kind, meta), meta.name.as_deref().unwrap_or_default()))
            .collect();
        let mut gone = Vec::new();
        let mut places = self.lock();
        for (place, entries) in places.iter_mut().filter(|(place, _)| place.kind == kind) {
            entries.retain(|name, _| {
                let is_alive = alive.contains(&(place.clone(), name.as_str()));
                if !is_alive {
                    gone.push((place.clone(), name.clone()));
                }
                is_alive
            });
        }
        places.retain(|_, entries| !entries.is_empty());
        drop(places);
        for (place, name) in gone {
            self.announce(&place, &name);
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

    fn announce(&self, place: &Place, name: &str) {
        // Without a listener there is nobody to tell.
        let _ = self.changes.send(Change::Resource {
            kind: place.kind.clone(),
            namespace: place.namespace.clone(),
            name: name.to_owned(),
        });
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
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
            let selected = required(self.select(selector), policy)?.unwrap_or_default();
            if selected.is_empty() {
                required::<()>(Err(self.no_match()), policy)?;
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

    /// Whether all resources of the kind are known.
    fn listed(&self) -> Result<(), Unresolved> {
        let (path, kind) = (self.path.to_owned(), self.kind);
        let Some(Kind { crd, cache }) = self.directory.kinds.get(kind) else {
            let crd = kind.to_owned();
            return Err(Unresolved::NotActivated { path, kind, crd });
        };
        match cache.state() {
            State::Filled => Ok(()),
            State::Awaited => Err(Unresolved::Listing { path, kind }),
            State::Failing(source) => Err(Unresolved::Unlisted { path, kind, source }),
            State::Idle => Err(Unresolved::NotActivated {
                path,
                kind,
                crd: crd.clone(),
            }),
        }
    }

    fn external_name(&self, name: &str) -> Result<String, Unresolved> {
        // Asked first: what is not there before the list is may be there after it.
        let listed = self.listed();
        let places = self.directory.lock();
        let entries = places.get(&self.place());
        let (path, kind) = (self.path.to_owned(), self.kind);
        match entries.and_then(|entries| entries.get(name)) {
            Some(Entry {
                external_name: Some(external_name),
                ..
            }) => Ok(external_name.clone()),
            Some(Entry {
                external_name: None,
                ..
            }) => Err(Unresolved::Empty {
                path,
                kind,
                name: name.to_owned(),
            }),
            None => listed.and_then(|()| {
                let name = name.to_owned();
                Err(Unresolved::Unknown { path, kind, name })
            }),
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
        self.listed()?;
        let places = self.directory.lock();
        let same_controller = selector.match_controller_ref.unwrap_or_default();
        let fits = |entry: &Entry| {
            selector
                .match_labels
                .iter()
                .all(|(key, value)| entry.labels.get(key) == Some(value))
                && (!same_controller
                    || self.controller.is_some() && entry.controller.as_deref() == self.controller)
        };
        let entries = places.get(&self.place()).into_iter().flatten();
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

fn required<T>(
    found: Result<T, Unresolved>,
    policy: Option<&api::ReferencePolicy>,
) -> Result<Option<T>, Unresolved> {
    let optional = policy.is_some_and(|policy| policy.resolution == Resolution::Optional);
    match found {
        Ok(found) => Ok(Some(found)),
        Err(unresolved) if optional && !unresolved.is_unknown() => Ok(None),
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
