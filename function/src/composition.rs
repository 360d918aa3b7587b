//! What every composite resource results in: objects, a status and conditions.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;

use crate::claim::{
    API_VERSION, ClusterStatus, LoadBalancerStatus, NodeGroupStatus, NodePoolStatus,
    PlatformStatus, RegionStatus,
};
use crate::structpb::encode;

/// Everything that a composite resource should result in.
#[derive(Debug)]
pub struct Composition {
    /// The objects.
    pub desired: Vec<Desired>,
    /// The status of the composite resource, whole: what is left out is removed.
    pub status: Status,
    /// Its conditions, whole: what is left out becomes Unknown.
    pub conditions: Vec<Condition>,
}

/// An object that should exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Identifies the object within its composite for ever: another key is another
    /// object.
    pub key: String,
    /// The object as a `Struct`: everything that we want of it, nothing that we merely
    /// saw.
    pub object: Bytes,
    /// Whether it is ready.
    pub ready: bool,
}

/// The status of a composite resource of one of our kinds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Status {
    /// Of an `XPlatform`.
    Platform(PlatformStatus),
    /// Of an `XRegion`.
    Region(RegionStatus),
    /// Of an `XCluster`.
    Cluster(ClusterStatus),
    /// Of an `XNodePool`.
    NodePool(NodePoolStatus),
    /// Of an `XNodeGroup`.
    NodeGroup(NodeGroupStatus),
    /// Of an `XLoadBalancer`.
    LoadBalancer(LoadBalancerStatus),
}

/// An object that we compose.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Object<'a, Spec> {
    pub(crate) api_version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) metadata: Metadata<'a>,
    pub(crate) spec: Spec,
}

/// A nested composite resource as a `Struct`.
pub(crate) fn composite(
    kind: &'static str,
    name: &str,
    namespace: &str,
    labels: &BTreeMap<&'static str, String>,
    spec: impl Serialize,
) -> Bytes {
    let object = Object {
        api_version: API_VERSION,
        kind,
        metadata: Metadata {
            labels: borrowed(labels),
            name,
            namespace,
            ..Metadata::default()
        },
        spec,
    };
    object.encode()
}

/// Labels as [`Metadata`] has them.
pub(crate) fn borrowed<'a>(
    labels: &'a BTreeMap<&'static str, String>,
) -> BTreeMap<&'static str, &'a str> {
    let labels = labels.iter();
    labels.map(|(key, value)| (*key, value.as_str())).collect()
}

/// The metadata of an object that we compose.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Metadata<'a> {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<&'static str, &'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<&'static str, &'a str>,
    pub(crate) name: &'a str,
    pub(crate) namespace: &'a str,
}

impl<Spec: Serialize> Object<'_, Spec> {
    /// The object as a `Struct`.
    pub(crate) fn encode(&self) -> Bytes {
        encode(self).into()
    }
}

/// A condition of a composite resource, shown on its claim too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Its type.
    pub kind: &'static str,
    /// Whether it holds.
    pub holds: Holds,
    /// One word.
    pub reason: String,
    /// The text; the actionable part comes last.
    pub message: String,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It cannot be told.
    Unknown,
}

impl Condition {
    /// The spec makes sense.
    pub const VALID: &'static str = "Valid";
    /// Networks, machines and load balancers are ready.
    pub const INFRASTRUCTURE_READY: &'static str = "InfrastructureReady";
    /// Nothing waits for an approval.
    pub const CHANGES_APPLIED: &'static str = "ChangesApplied";

    /// A condition that holds.
    pub fn yes(kind: &'static str, reason: &str) -> Self {
        Self::new(kind, Holds::Yes, reason, String::new())
    }

    /// A condition that does not hold.
    pub fn no(kind: &'static str, reason: &str, message: String) -> Self {
        Self::new(kind, Holds::No, reason, message)
    }

    /// A condition.
    pub fn new(kind: &'static str, holds: Holds, reason: &str, message: String) -> Self {
        Self {
            kind,
            holds,
            reason: reason.to_owned(),
            message,
        }
    }
}
