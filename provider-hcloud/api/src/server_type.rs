//! ServerType: what servers can be had, where, and for what price. Only observed.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    deprecation::Deprecation,
    managed::{ManagedSpec, ManagedStatus},
    price::LocationPrice,
    schema,
};

/// Desired state of a server type.
#[derive(
    Clone, CustomResource, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize,
)]
#[kube(
    group = "hcloud.openova.io",
    version = "v1alpha1",
    kind = "ServerType",
    doc = "A server type of Hetzner Cloud: cores, memory, disk, where it can be had, and what it costs. It is only observed.",
    namespaced,
    status = "ServerTypeStatus",
    derive = "Default",
    derive = "PartialEq",
    category = "crossplane",
    category = "managed",
    category = "hcloud",
    printcolumn(
        name = "READY",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "SYNCED",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Synced')].status"
    ),
    printcolumn(
        name = "EXTERNAL-NAME",
        type_ = "string",
        json_path = ".metadata.annotations.crossplane\\.io/external-name"
    ),
    printcolumn(
        name = "CORES",
        type_ = "integer",
        json_path = ".status.atProvider.cores"
    ),
    printcolumn(
        name = "MEMORY",
        type_ = "integer",
        json_path = ".status.atProvider.memory"
    ),
    printcolumn(
        name = "DISK",
        type_ = "integer",
        json_path = ".status.atProvider.disk"
    ),
    printcolumn(
        name = "ARCHITECTURE",
        type_ = "string",
        json_path = ".status.atProvider.architecture"
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ServerTypeSpec {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedSpec,

    /// Which server type is meant. Server types are only read, whatever `managementPolicies` allow.
    pub for_provider: ServerTypeParameters,
}

/// Which server type is meant.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.name) || !has(self.id)").message("name and id exclude each other"))]
pub struct ServerTypeParameters {
    /// Name, for example cx23. Default: `metadata.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub name: Option<String>,

    /// Id, instead of the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::id")]
    pub id: Option<String>,
}

/// Observed state of a server type.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerTypeStatus {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedStatus,

    /// The server type as it is at Hetzner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<ServerTypeObservation>,
}

/// A server type as it is at Hetzner.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerTypeObservation {
    /// Id at Hetzner; the external name.
    pub id: i64,

    /// Name at Hetzner.
    #[serde(default)]
    pub name: String,

    /// Description, for a person to read.
    #[serde(default)]
    pub description: String,

    /// Category, for example cost_optimized.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,

    /// Number of cores.
    #[serde(default)]
    pub cores: i64,

    /// Memory in GB.
    #[serde(default)]
    pub memory: i64,

    /// Size of the disk in GB.
    #[serde(default)]
    pub disk: i64,

    /// shared or dedicated.
    #[serde(default)]
    pub cpu_type: String,

    /// x86 or arm.
    #[serde(default)]
    pub architecture: String,

    /// local or network.
    #[serde(default)]
    pub storage_type: String,

    /// Where servers of this type can be had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<ServerTypeLocation>,

    /// What it costs in each location according to the price list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prices: Vec<LocationPrice>,

    /// Currency of the prices, for example EUR.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,

    /// The day on which the price list was read (UTC), for example 2026-11-03.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices_observed_at: Option<String>,
}

/// A server type in a location.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerTypeLocation {
    /// Location.
    #[serde(default)]
    pub name: String,

    /// Whether a server can be had now. Absent: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<bool>,

    /// Whether Hetzner recommends the type there. Absent: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommended: Option<bool>,

    /// When the type goes out of use there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecation: Option<Deprecation>,
}

crate::managed!(ServerType, ServerTypeObservation);
