//! Network: a private network, the address space that servers and load balancers share.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    managed::{ManagedSpec, ManagedStatus},
    schema,
};

/// Longest name of a network that is accepted.
pub const NAME_MAX_LENGTH: u32 = 63;

/// Desired state of a network.
#[derive(
    Clone, CustomResource, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize,
)]
#[kube(
    group = "hcloud.openova.io",
    version = "v1alpha1",
    kind = "Network",
    doc = "A private network in Hetzner Cloud: an address space that servers and load balancers are attached to.",
    namespaced,
    status = "NetworkStatus",
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
        name = "IP-RANGE",
        type_ = "string",
        json_path = ".status.atProvider.ipRange"
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    validation = Rule::new(
        "has(self.spec.forProvider.name) || self.metadata.name.size() <= 63"
    ).message(
        "metadata.name is longer than the 63 characters of a network's name: set spec.forProvider.name"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "has(self.forProvider.ipRange) || !self.managementPolicies.exists(p, p == '*' || p == 'Create' || p == 'Update')"
).message(
    "forProvider.ipRange is required unless managementPolicies exclude Create and Update"
))]
pub struct NetworkSpec {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedSpec,

    /// The network as it should be. A field that is left out is not managed.
    pub for_provider: NetworkParameters,
}

/// A network as it should be.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkParameters {
    /// Name at Hetzner, unique in the project. Default: `metadata.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub name: Option<String>,

    /// Address space in CIDR notation, out of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16. It can
    /// grow in place at its end (10.0.0.0/16 to 10.0.0.0/14, but not 10.1.0.0/16 to 10.0.0.0/15): the
    /// first address stays, and it cannot shrink. Servers learn the new range when they boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 18))]
    #[x_kube(
        validation = Rule::new("isCIDR(self) && cidr(self).ip().family() == 4")
            .message("must be an IPv4 network in CIDR notation, for example 10.0.0.0/16"),
        validation = Rule::new("!isCIDR(self) || cidr(self) == cidr(self).masked()")
            .message("has bits set after the prefix: write the first address of the network, for example 10.0.0.0/16"),
        validation = Rule::new("!isCIDR(self) || cidr('10.0.0.0/8').containsCIDR(self) || cidr('172.16.0.0/12').containsCIDR(self) || cidr('192.168.0.0/16').containsCIDR(self)")
            .message("must lie in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
    )]
    pub ip_range: Option<String>,

    /// Labels at Hetzner. They are merged: labels that others put on the network stay, and a label
    /// that is taken out here is left there. Keys and values follow the rules of Kubernetes labels;
    /// the prefixes `hetzner.cloud/` and `hcloud.openova.io/` are reserved.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::labels")]
    pub labels: BTreeMap<String, String>,

    /// Whether the routes of this network are announced to a vSwitch coupled with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expose_routes_to_vswitch: Option<bool>,

    /// Whether Hetzner refuses to delete the network. While true, deleting this resource is
    /// refused as well; set it to false first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_protection: Option<bool>,
}

/// Observed state of a network.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkStatus {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedStatus,

    /// The network as it is at Hetzner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<NetworkObservation>,
}

/// A network as it is at Hetzner.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkObservation {
    /// Id at Hetzner; the external name.
    pub id: i64,

    /// Name at Hetzner.
    #[serde(default)]
    pub name: String,

    /// Address space in CIDR notation.
    #[serde(default)]
    pub ip_range: String,

    /// All labels, those of other parties included.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,

    /// Subnets in the order of their address ranges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subnets: Vec<NetworkSubnet>,

    /// Routes in the order of their destinations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<NetworkRoute>,

    /// When the network was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,

    /// Whether the routes of this network are announced to a vSwitch coupled with it.
    #[serde(default)]
    pub expose_routes_to_vswitch: bool,

    /// Whether Hetzner refuses to delete the network.
    #[serde(default)]
    pub delete_protection: bool,
}

/// A subnet of a network.
#[derive(
    Clone, Debug, Default, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "camelCase")]
pub struct NetworkSubnet {
    /// Address range in CIDR notation.
    #[serde(default)]
    pub ip_range: String,

    /// cloud, server (deprecated) or vswitch.
    #[serde(default, rename = "type")]
    pub type_: String,

    /// Network zone, for example eu-central.
    #[serde(default)]
    pub network_zone: String,

    /// Address of the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,

    /// Id of the coupled vSwitch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vswitch_id: Option<i64>,
}

/// A route of a network.
#[derive(
    Clone, Debug, Default, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "camelCase")]
pub struct NetworkRoute {
    /// Destination in CIDR notation.
    #[serde(default)]
    pub destination: String,

    /// Address of the gateway.
    #[serde(default)]
    pub gateway: String,
}

crate::managed!(Network, NetworkObservation);
