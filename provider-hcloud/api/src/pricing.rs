//! Pricing: the price list of the account. Only observed.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    managed::{ManagedSpec, ManagedStatus},
    price::{Amount, LocationPrice},
};

/// Desired state of a price list.
#[derive(
    Clone, CustomResource, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize,
)]
#[kube(
    group = "hcloud.openova.io",
    version = "v1alpha1",
    kind = "Pricing",
    doc = "The price list of a Hetzner Cloud account. It is only observed.",
    namespaced,
    status = "PricingStatus",
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
        name = "CURRENCY",
        type_ = "string",
        json_path = ".status.atProvider.currency"
    ),
    printcolumn(
        name = "OBSERVED",
        type_ = "string",
        json_path = ".status.atProvider.observedAt"
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct PricingSpec {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedSpec,

    /// There is one price list for each account; it is only read, whatever `managementPolicies` allow.
    pub for_provider: PricingParameters,
}

/// There is nothing to choose: the credentials decide.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PricingParameters {}

/// Observed state of a price list.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PricingStatus {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedStatus,

    /// The price list as it is at Hetzner. Its external name is `pricing`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<PricingObservation>,
}

/// A price list as it is at Hetzner.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PricingObservation {
    /// Currency of all prices, for example EUR.
    #[serde(default)]
    pub currency: String,

    /// Tax in percent, as decimal text.
    #[serde(default)]
    pub vat_rate: String,

    /// Images: for each GB and month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_per_gb_month: Option<Amount>,

    /// Volumes: for each GB and month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_per_gb_month: Option<Amount>,

    /// Backups of a server: surcharge on its price in percent, as decimal text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_backup_percentage: Option<String>,

    /// Primary IPs by type: ipv4, ipv6.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub primary_ips: Vec<TypePrices>,

    /// Floating IPs by type: ipv4, ipv6.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub floating_ips: Vec<TypePrices>,

    /// Servers by server type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub server_types: Vec<TypePrices>,

    /// Load balancers by load balancer type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub load_balancer_types: Vec<TypePrices>,

    /// The day on which the price list was read (UTC), for example 2026-11-03.
    #[serde(default)]
    pub observed_at: String,
}

/// What one type costs.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TypePrices {
    /// Name of the type.
    #[serde(default)]
    pub name: String,

    /// What it costs in each location.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prices: Vec<LocationPrice>,
}

crate::managed!(Pricing, PricingObservation);
