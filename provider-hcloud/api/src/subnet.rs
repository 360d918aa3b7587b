//! Subnet: a part of the address space of a network, in one network zone.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    managed::{ManagedSpec, ManagedStatus},
    reference::{Reference, ReferenceField, Selector},
    schema::{self, fixed, required, required_reference},
};

/// Desired state of a subnet.
#[derive(
    Clone, CustomResource, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize,
)]
#[kube(
    group = "hcloud.openova.io",
    version = "v1alpha1",
    kind = "Subnet",
    doc = "A subnet of a network in Hetzner Cloud: the range that addresses of servers and load balancers in one network zone are taken from.",
    namespaced,
    status = "SubnetStatus",
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
        name = "ZONE",
        type_ = "string",
        json_path = ".status.atProvider.networkZone"
    ),
    printcolumn(
        name = "TYPE",
        type_ = "string",
        json_path = ".status.atProvider.type",
        priority = 1
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = required_reference("networkId"), validation = required("ipRange"), validation = Rule::new("has(self.forProvider.networkZone) || has(self.forProvider.location) || !self.managementPolicies.exists(p, p == '*' || p == 'Create')").message("forProvider.networkZone or forProvider.location is required unless managementPolicies exclude Create"))]
pub struct SubnetSpec {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedSpec,

    /// The subnet as it should be. A field that is left out is not managed.
    pub for_provider: SubnetParameters,
}

/// A subnet as it should be.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.networkZone) || !has(self.location)")
        .message("networkZone and location exclude each other: the zone is that of the location"),
    validation = Rule::new("has(self.vswitchId) == (has(self.type) && self.type == 'vswitch')")
        .message("vswitchId belongs to a subnet of type vswitch, and must be given there")
)]
pub struct SubnetParameters {
    /// Id of the network that the subnet is a part of. It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::id")]
    #[x_kube(validation = fixed())]
    pub network_id: Option<String>,

    /// The same, as the name of a Network in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_id_ref: Option<Reference>,

    /// The same, as the labels of a Network in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_id_selector: Option<Selector>,

    /// Address range in CIDR notation: a part of the range of the network, at least a /30, without
    /// overlap with other subnets and with destinations of routes. The first address of the network
    /// is reserved. It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::private_range")]
    #[x_kube(
        validation = Rule::new("!isCIDR(self) || cidr(self).prefixLength() <= 30")
            .message("must be a /30 or larger"),
        validation = fixed()
    )]
    pub ip_range: Option<String>,

    /// Network zone, for example eu-central: where servers and load balancers can be attached.
    /// To change it, the subnet has to be replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub network_zone: Option<String>,

    /// A location, for example fsn1, whose network zone is meant. Instead of `networkZone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub location: Option<String>,

    /// cloud (default) for servers and load balancers; vswitch to couple dedicated servers. To
    /// change it, the subnet has to be replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "type")]
    pub type_: Option<SubnetType>,

    /// Id of the vSwitch to couple, for a subnet of type vswitch. To change it, the subnet has to
    /// be replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::id")]
    pub vswitch_id: Option<String>,
}

/// What a subnet is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(description = "")]
pub enum SubnetType {
    /// Servers and load balancers of the cloud.
    Cloud,
    /// The older name of cloud.
    Server,
    /// Dedicated servers, by way of a vSwitch.
    Vswitch,
}

impl SubnetType {
    /// The type as the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::Server => "server",
            Self::Vswitch => "vswitch",
        }
    }
}

/// Observed state of a subnet.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubnetStatus {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedStatus,

    /// The subnet as it is at Hetzner. Its external name is `<network id>-<ip range>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<SubnetObservation>,
}

/// A subnet as it is at Hetzner.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubnetObservation {
    /// Id of the network.
    pub network_id: i64,

    /// Address range in CIDR notation.
    #[serde(default)]
    pub ip_range: String,

    /// cloud, server or vswitch.
    #[serde(default, rename = "type")]
    pub type_: String,

    /// Network zone.
    #[serde(default)]
    pub network_zone: String,

    /// Address of the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,

    /// Id of the coupled vSwitch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vswitch_id: Option<i64>,
}

crate::managed!(Subnet, SubnetObservation, {
    fn reference_fields(&mut self) -> Vec<ReferenceField<'_>> {
        let spec = &mut self.spec.for_provider;
        vec![ReferenceField::one(
            "networkId",
            "Network",
            &mut spec.network_id,
            spec.network_id_ref.as_ref(),
            spec.network_id_selector.as_ref(),
        )]
    }
});

/// Network id and range out of the external name of a subnet.
pub fn split_external_name(name: &str) -> Option<(&str, &str)> {
    name.split_once('-')
}
