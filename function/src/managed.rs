//! Managed resources as composites of this function compose and read them, and what
//! the readiness of several objects amounts to.

use std::collections::BTreeMap;

use bytes::Bytes;
use provider_hcloud_api::managed::{ManagedSpec, ManagementPolicy};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::claim::cost::Cost;
use crate::claim::platform::Provider;
use crate::composite::{Identity, Nested};
use crate::composition::{self, Condition, Metadata, Object};
use crate::label;
use crate::name;
use crate::ready::Readiness;
use crate::structpb::view::ValueView;
use crate::structpb::{View, deserializer};

/// Group and version of the provider's kinds.
const API_VERSION: &str = "hcloud.openova.io/v1alpha1";

/// Names the external resource that a managed resource stands for.
const EXTERNAL_NAME: &str = "crossplane.io/external-name";

/// A composite that composes managed resources.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner<'a> {
    identity: &'a Identity,
    labels: &'a BTreeMap<&'static str, String>,
    provider: &'a Provider,
}

impl<'a> Owner<'a> {
    /// The owner of what this composite composes.
    pub(crate) fn new<Spec>(composite: &'a Nested<Spec>, provider: &'a Provider) -> Self {
        Self {
            identity: &composite.identity,
            labels: &composite.labels,
            provider,
        }
    }

    /// A managed resource as a `Struct`.
    pub(crate) fn object(&self, kind: &'static str, name: &str, spec: impl Serialize) -> Bytes {
        self.annotated(kind, name, BTreeMap::new(), spec)
    }

    /// A managed resource that stands for an external resource with this external name.
    pub(crate) fn existing(
        &self,
        kind: &'static str,
        name: &str,
        external_name: &str,
        spec: impl Serialize,
    ) -> Bytes {
        self.annotated(kind, name, [(EXTERNAL_NAME, external_name)].into(), spec)
    }

    /// A managed resource with annotations.
    pub(crate) fn annotated(
        &self,
        kind: &'static str,
        name: &str,
        annotations: BTreeMap<&'static str, &str>,
        spec: impl Serialize,
    ) -> Bytes {
        let object = Object {
            api_version: API_VERSION,
            kind,
            metadata: Metadata {
                annotations,
                labels: composition::borrowed(self.labels),
                name,
                namespace: &self.identity.namespace,
            },
            spec,
        };
        object.encode()
    }

    /// The part of a spec that does not depend on the kind.
    pub(crate) fn managed(&self) -> ManagedSpec {
        ManagedSpec {
            provider_config_ref: self.provider.config_ref.clone(),
            ..ManagedSpec::default()
        }
    }

    /// The same, for what others look after.
    pub(crate) fn only_observed(&self) -> ManagedSpec {
        ManagedSpec {
            management_policies: vec![ManagementPolicy::Observe],
            ..self.managed()
        }
    }

    /// What the object with this name is called in the cloud.
    pub(crate) fn name_in_cloud(&self, name: &str) -> String {
        name::in_cloud(&self.identity.namespace, name)
    }

    /// Labels of objects in the cloud, for people: the platform and the region.
    pub(crate) fn labels_in_cloud(&self) -> BTreeMap<String, String> {
        [label::PLATFORM, label::REGION]
            .into_iter()
            .filter_map(|key| Some((key.to_owned(), self.labels.get(key)?.clone())))
            .collect()
    }
}

/// A part of an observed object, when it is there and as it should be.
pub(crate) fn read<T: DeserializeOwned>(object: View<'_>, path: &[&str]) -> Option<T> {
    let part = object.at(path).and_then(ValueView::object)?;
    T::deserialize(deserializer(part.entries())).ok()
}

/// What the provider reported of the external resource.
pub(crate) fn at_provider<T: DeserializeOwned>(object: View<'_>) -> Option<T> {
    read(object, &["status", "atProvider"])
}

/// The id of the external resource.
pub(crate) fn id(object: View<'_>) -> Option<String> {
    let id = object.at(&["status", "atProvider", "id"])?.integer()?;
    Some(id.to_string())
}

/// The sum of what all parts cost; `None` as long as one of them is not known.
pub(crate) fn total(costs: impl IntoIterator<Item = Option<Cost>>) -> Option<Cost> {
    let costs: Option<Vec<_>> = costs.into_iter().collect();
    Cost::sum(&costs?)
}

/// An object that others wait for: what to call it, and whether it is ready.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) readiness: Readiness,
}

impl Part {
    pub(crate) fn new(name: impl Into<String>, readiness: Readiness) -> Self {
        Self {
            name: name.into(),
            readiness,
        }
    }
}

/// Whether all parts are ready. It names the first one that is hindered and has no text
/// otherwise: what is above repeats it, and shall not change with each part.
pub(crate) fn infrastructure<'a>(
    parts: impl IntoIterator<Item = &'a Part, IntoIter: Clone>,
) -> Condition {
    const KIND: &str = Condition::INFRASTRUCTURE_READY;
    let mut waiting = parts.into_iter().filter(|part| !part.readiness.ready);
    let hindered = waiting
        .clone()
        .find(|part| !part.readiness.message.is_empty());
    match (hindered, waiting.next()) {
        (Some(Part { name, readiness }), _) => Condition::no(
            KIND,
            &readiness.reason,
            format!("waiting for {name}: {}", readiness.message),
        ),
        (None, Some(first)) => Condition::no(KIND, &first.readiness.reason, String::new()),
        (None, None) => Condition::yes(KIND, "Available"),
    }
}
