//! LoadBalancerType: what load balancers can be had, and for what price. Only observed.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    deprecation::Deprecation,
    managed::{ManagedSpec, ManagedStatus},
    price::LocationPrice,
    schema,
};

/// Desired state of a load balancer type.
#[derive(
    Clone, CustomResource, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize,
)]
#[kube(
    group = "hcloud.openova.io",
    version = "v1alpha1",
    kind = "LoadBalancerType",
    doc = "A load balancer type of Hetzner Cloud: its limits and what it costs. It is only observed.",
    namespaced,
    status = "LoadBalancerTypeStatus",
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
        name = "SERVICES",
        type_ = "integer",
        json_path = ".status.atProvider.maxServices"
    ),
    printcolumn(
        name = "TARGETS",
        type_ = "integer",
        json_path = ".status.atProvider.maxTargets"
    ),
    printcolumn(
        name = "CONNECTIONS",
        type_ = "integer",
        json_path = ".status.atProvider.maxConnections"
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerTypeSpec {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedSpec,

    /// Which load balancer type is meant. Load balancer types are only read, whatever `managementPolicies` allow.
    pub for_provider: LoadBalancerTypeParameters,
}

/// Which load balancer type is meant.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.name) || !has(self.id)").message("name and id exclude each other"))]
pub struct LoadBalancerTypeParameters {
    /// Name, for example lb11. Default: `metadata.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub name: Option<String>,

    /// Id, instead of the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::id")]
    pub id: Option<String>,
}

/// Observed state of a load balancer type.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerTypeStatus {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedStatus,

    /// The load balancer type as it is at Hetzner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<LoadBalancerTypeObservation>,
}

/// A load balancer type as it is at Hetzner.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerTypeObservation {
    /// Id at Hetzner; the external name.
    pub id: i64,

    /// Name at Hetzner.
    #[serde(default)]
    pub name: String,

    /// Description, for a person to read.
    #[serde(default)]
    pub description: String,

    /// How many services are possible.
    #[serde(default)]
    pub max_services: i64,

    /// How many targets are possible.
    #[serde(default)]
    pub max_targets: i64,

    /// How many connections are possible at a time.
    #[serde(default)]
    pub max_connections: i64,

    /// How many certificates are possible.
    #[serde(default)]
    pub max_assigned_certificates: i64,

    /// When the type goes out of use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecation: Option<Deprecation>,

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

crate::managed!(LoadBalancerType, LoadBalancerTypeObservation);
