//! Machines: what servers are made of, in a claim and below it.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Pattern of the name of a region, a cluster, a pool or a load balancer.
pub const NAME: &str = r"^[a-z]([a-z0-9-]*[a-z0-9])?$";
/// Pattern of the name of a location.
pub const LOCATION: &str = r"^[a-z][a-z0-9-]*$";

/// How the servers of a pool are made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Machine {
    /// Whether the cloud makes a daily backup of each disk, for a surcharge.
    #[serde(default)]
    #[schemars(title = "Backups")]
    pub backups: bool,

    /// Image of new servers: the name of a system image, for example ubuntu-24.04.
    #[schemars(title = "Image", length(min = 1, max = 253))]
    pub image: String,

    /// Locations in order of preference, all in the network zone of the region.
    #[schemars(
        title = "Locations",
        length(min = 1, max = 6),
        inner(length(max = 32), regex(pattern = LOCATION))
    )]
    pub locations: Vec<String>,

    /// Whether the servers have public addresses.
    #[serde(default)]
    #[schemars(title = "Public addresses", extend("default" = {}))]
    pub public: Public,

    /// Server types in order of preference: the first that can be had is taken.
    #[schemars(
        title = "Server types",
        length(min = 1, max = 8),
        inner(length(min = 1, max = 32))
    )]
    pub server_types: Vec<String>,

    /// Volumes that every server gets, in addition to its disk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "Volumes",
        length(max = 8),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub volumes: Vec<Volume>,
}

/// The public addresses of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Public {
    /// Whether each server has a public IPv4 address, for a price.
    #[serde(default = "yes")]
    #[schemars(title = "IPv4")]
    pub ipv4: bool,

    /// Whether each server has a public IPv6 network.
    #[serde(default = "yes")]
    #[schemars(title = "IPv6")]
    pub ipv6: bool,
}

pub(super) fn yes() -> bool {
    true
}

impl Default for Public {
    fn default() -> Self {
        Self {
            ipv4: true,
            ipv6: true,
        }
    }
}

impl Public {
    /// Whether there is any public address.
    pub fn any(self) -> bool {
        self.ipv4 || self.ipv6
    }
}

/// A volume of each server of a pool. It goes with its server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Volume {
    /// File system of a new volume.
    #[serde(default)]
    #[schemars(title = "File system")]
    pub format: FileSystem,

    /// Name of the volume, unique in the pool.
    #[schemars(title = "Name", length(max = 20), regex(pattern = NAME))]
    pub name: String,

    /// Size in GB. It can only grow.
    #[schemars(title = "Size in GB", range(min = 10, max = 10240))]
    pub size: u32,
}

/// File system of a volume.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FileSystem {
    /// ext4.
    #[default]
    Ext4,
    /// XFS.
    Xfs,
}

/// A taint that the nodes of a pool register with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Taint {
    /// What happens to pods that do not tolerate the taint.
    #[schemars(title = "Effect")]
    pub effect: TaintEffect,

    /// Key.
    #[schemars(title = "Key", length(min = 1, max = 317))]
    pub key: String,

    /// Value.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(title = "Value", length(max = 63))]
    pub value: String,
}

/// What happens to pods that do not tolerate a taint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    /// They are not scheduled here.
    NoSchedule,
    /// They are scheduled here only when there is no other place.
    PreferNoSchedule,
    /// They are not scheduled here, and are evicted.
    NoExecute,
}

impl TaintEffect {
    /// The effect as Kubernetes spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        }
    }
}

/// Bounds within which the cluster autoscaler chooses the number of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [serde_json::json!({
    "rule": "self.min <= self.max",
    "message": "min must not be greater than max",
})]))]
pub struct Autoscaling {
    /// Most nodes.
    #[schemars(title = "Maximum", range(min = 1, max = 100))]
    pub max: u32,

    /// Fewest nodes.
    #[serde(default)]
    #[schemars(title = "Minimum", range(min = 0, max = 100))]
    pub min: u32,
}

/// Labels of nodes, in the syntax of Kubernetes.
pub(super) fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "title": "Labels",
        "maxProperties": 32,
        "additionalProperties": {
            "type": "string",
            "maxLength": 63,
            "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$",
        },
    })
}

/// Labels of nodes.
pub type Labels = BTreeMap<String, String>;

/// GPUs of each node of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gpu {
    /// How many each node has.
    #[schemars(title = "Count", range(min = 1, max = 16))]
    pub count: u32,

    /// Model, for example a10.
    #[schemars(title = "Model", length(min = 1, max = 63))]
    pub model: String,

    /// Vendor, for example nvidia.
    #[schemars(title = "Vendor", length(min = 1, max = 63))]
    pub vendor: String,
}

/// A machine that others provide; it joins the cluster with the user data of its pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalNode {
    /// Address at which the other nodes reach it.
    #[schemars(title = "Address", length(min = 7, max = 15))]
    pub address: std::net::Ipv4Addr,

    /// Name of the node.
    #[schemars(title = "Name", length(max = 63), regex(pattern = NAME))]
    pub name: String,
}
