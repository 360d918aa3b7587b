//! The composite resource that a request is about: which kind, which name, which
//! spec.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::claim::validate::{Problem, Problems};
use crate::claim::{
    ClusterSpec, LoadBalancerSpec, NodeGroupSpec, NodePoolSpec, PlatformSpec, RegionSpec,
};
use crate::label;
use crate::structpb::view::{ValueView, View};
use crate::structpb::{Mismatch, deserializer};

/// A composite resource of a kind that this function composes.
#[derive(Debug)]
pub enum Composite {
    /// `XPlatform`.
    Platform(Platform),
    /// `XRegion`.
    Region(Region),
    /// `XCluster`.
    Cluster(Box<Cluster>),
    /// `XNodePool`.
    NodePool(NodePool),
    /// `XNodeGroup`.
    NodeGroup(NodeGroup),
    /// `XLoadBalancer`.
    LoadBalancer(LoadBalancer),
}

/// Where a composite resource lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// What its objects are named after: the claim's name where there is a claim.
    pub name: String,
    /// The namespace of everything that it composes.
    pub namespace: String,
}

/// An `XPlatform`.
#[derive(Debug)]
pub struct Platform {
    /// Name and namespace.
    pub identity: Identity,
    /// Kind of the object that people delete: the claim or, without one, the
    /// composite itself.
    pub root_kind: &'static str,
    /// The spec.
    pub spec: PlatformSpec,
}

/// A composite resource below the claim, or one that was written by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nested<Spec> {
    /// Name and namespace.
    pub identity: Identity,
    /// Those of its labels that say what it belongs to ([`crate::label`]): what it
    /// composes carries them too.
    pub labels: BTreeMap<&'static str, String>,
    /// The spec.
    pub spec: Spec,
}

/// An `XRegion`.
pub type Region = Nested<RegionSpec>;
/// An `XCluster`.
pub type Cluster = Nested<ClusterSpec>;
/// An `XNodePool`.
pub type NodePool = Nested<NodePoolSpec>;
/// An `XNodeGroup`.
pub type NodeGroup = Nested<NodeGroupSpec>;
/// An `XLoadBalancer`.
pub type LoadBalancer = Nested<LoadBalancerSpec>;

/// Why a composite resource cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a kind of ours.
    #[error(
        "this function does not compose kind {0:?}: use it in the Compositions of its own package only"
    )]
    Kind(String),
    /// The spec is not valid.
    #[error("{0}")]
    Spec(Problems),
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Spec(problem.into())
    }
}

/// Fields that Crossplane adds to the spec of a claim or a composite resource.
const MACHINERY: [&str; 12] = [
    "claimRef",
    "compositeDeletePolicy",
    "compositionRef",
    "compositionRevisionRef",
    "compositionRevisionSelector",
    "compositionSelector",
    "compositionUpdatePolicy",
    "crossplane",
    "publishConnectionDetailsTo",
    "resourceRef",
    "resourceRefs",
    "writeConnectionSecretToRef",
];

/// The spec of a claim or composite resource without what Crossplane added.
pub fn spec(object: View<'_>) -> Map<String, Value> {
    let mut spec = match object.json(&["spec"]) {
        Some(Value::Object(spec)) => spec,
        _ => Map::new(),
    };
    for field in MACHINERY {
        spec.remove(field);
    }
    spec
}

impl Composite {
    /// Reads a composite resource.
    ///
    /// # Errors
    ///
    /// When the kind is not ours, or when the spec is not valid.
    pub fn read(object: View<'_>) -> Result<Self, Error> {
        let kind = object.text(&["kind"]).unwrap_or_default();
        match kind {
            "XPlatform" => Platform::read(object).map(Self::Platform),
            "XRegion" => Nested::read(object).map(Self::Region),
            "XCluster" => Nested::read(object).map(Box::new).map(Self::Cluster),
            "XNodePool" => Nested::read(object).map(Self::NodePool),
            "XNodeGroup" => Nested::read(object).map(Self::NodeGroup),
            "XLoadBalancer" => Nested::read(object).map(Self::LoadBalancer),
            other => Err(Error::Kind(other.to_owned())),
        }
    }
}

impl Platform {
    fn read(object: View<'_>) -> Result<Self, Error> {
        let claim = object.at(&["spec", "claimRef"]).and_then(|c| c.object());
        let (identity, root_kind) = match claim {
            Some(claim) => (
                Identity {
                    name: text(claim, &["name"]),
                    namespace: text(claim, &["namespace"]),
                },
                "Platform",
            ),
            None => (own_identity(object), "XPlatform"),
        };
        if identity.namespace.is_empty() {
            return Err(Problem::new(
                "spec.claimRef",
                "an XPlatform without a claim has no namespace to live in: delete it and create a Platform in a namespace",
            )
            .into());
        }
        Ok(Self {
            identity,
            root_kind,
            spec: typed_spec(object)?,
        })
    }
}

impl<Spec: DeserializeOwned> Nested<Spec> {
    fn read(object: View<'_>) -> Result<Self, Error> {
        Ok(Self {
            identity: own_identity(object),
            labels: label::OWNERS
                .into_iter()
                .filter_map(|key| {
                    let value = object.text(&["metadata", "labels", key])?;
                    Some((key, value.to_owned()))
                })
                .collect(),
            spec: typed_spec(object)?,
        })
    }
}

fn own_identity(object: View<'_>) -> Identity {
    Identity {
        name: text(object, &["metadata", "name"]),
        namespace: text(object, &["metadata", "namespace"]),
    }
}

fn text(object: View<'_>, path: &[&str]) -> String {
    object.text(path).unwrap_or_default().to_owned()
}

/// Reads the spec of a composite resource strictly: a field that nobody knows is a
/// mistake that would otherwise be ignored in silence.
///
/// # Errors
///
/// What is wrong, with its path inside the spec.
pub(crate) fn typed_spec<T: DeserializeOwned>(object: View<'_>) -> Result<T, Mismatch> {
    let spec = object.get("spec").and_then(ValueView::object);
    let entries = spec.into_iter().flat_map(View::entries);
    let machinery = |name: &[u8]| MACHINERY.iter().any(|field| field.as_bytes() == name);
    let ours = entries.filter(|entry| !matches!(entry, Ok((name, _)) if machinery(name)));
    T::deserialize(deserializer(ours))
}

impl From<Mismatch> for Error {
    fn from(mismatch: Mismatch) -> Self {
        let path = match mismatch.path() {
            "" => "spec".to_owned(),
            path => format!("spec.{path}"),
        };
        Problem::new(path, mismatch.why()).into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::structpb::encode;

    fn platform(metadata: &Value, spec: &Value) -> Result<Platform, String> {
        let object = encode(&json!({"kind": "XPlatform", "metadata": metadata, "spec": spec}));
        match Composite::read(View::new(&object)) {
            Ok(Composite::Platform(platform)) => Ok(platform),
            Ok(other) => Err(format!("{other:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn a_platform_is_named_after_what_a_person_wrote() {
        let regions = json!([{"name": "a", "location": "fsn1"}]);
        let claimed = platform(
            &json!({"name": "demo-x7x2k"}),
            &json!({
                "claimRef": {"name": "demo", "namespace": "team"},
                "resourceRefs": [],
                "regions": regions,
            }),
        )
        .unwrap();
        let written = platform(
            &json!({"name": "demo", "namespace": "team"}),
            &json!({"crossplane": {"resourceRefs": []}, "regions": regions}),
        )
        .unwrap();
        assert_eq!(claimed.identity, written.identity);
        assert_eq!(claimed.spec, written.spec);
        assert_eq!(
            (claimed.root_kind, written.root_kind),
            ("Platform", "XPlatform")
        );
    }

    #[test]
    fn a_platform_of_no_namespace_needs_a_claim() {
        let spec = json!({"regions": [{"name": "a", "location": "fsn1"}]});
        assert_eq!(
            platform(&json!({"name": "demo"}), &spec).unwrap_err(),
            "spec.claimRef: an XPlatform without a claim has no namespace to live in: delete it and create a Platform in a namespace"
        );
    }
}
