//! PrimaryIP: a public address that outlives the server or load balancer it is assigned to.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    managed::{ManagedSpec, ManagedStatus},
    price::Price,
    reference::{Reference, ReferenceField, Selector},
    schema::{self, name_fits, required},
};

/// Longest name that is accepted.
pub const NAME_MAX_LENGTH: u32 = 63;

/// Desired state of a Primary IP.
#[derive(
    Clone, CustomResource, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize,
)]
#[kube(
    group = "hcloud.openova.io",
    version = "v1alpha1",
    kind = "PrimaryIP",
    doc = "A Primary IP in Hetzner Cloud: a public address of a server or load balancer that is kept when they go.",
    namespaced,
    status = "PrimaryIPStatus",
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
        name = "IP",
        type_ = "string",
        json_path = ".status.atProvider.address"
    ),
    printcolumn(
        name = "LOCATION",
        type_ = "string",
        json_path = ".status.atProvider.location"
    ),
    printcolumn(
        name = "ASSIGNEE",
        type_ = "integer",
        json_path = ".status.atProvider.assigneeId"
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
    ),
    validation = name_fits(NAME_MAX_LENGTH)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = required("type"), validation = required("location"))]
pub struct PrimaryIPSpec {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedSpec,

    /// The Primary IP as it should be. A field that is left out is not managed.
    pub for_provider: PrimaryIPParameters,
}

/// A Primary IP as it should be.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.autoDelete) || !has(self.deleteProtection) || !self.autoDelete || !self.deleteProtection")
    .message("deleteProtection is only possible without autoDelete"))]
pub struct PrimaryIPParameters {
    /// Name at Hetzner, unique in the project. Default: `metadata.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub name: Option<String>,

    /// ipv4 for one address, ipv6 for a /64 network. To change it, the Primary IP has to be
    /// replaced, and the address changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "type")]
    pub type_: Option<PrimaryIPType>,

    /// Location, for example fsn1. What it is assigned to must be there too. To change
    /// it, the Primary IP has to be replaced, and the address changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub location: Option<String>,

    /// Id of a server that the Primary IP is assigned to while that server is off. It has to be one
    /// that is made elsewhere: a Server that is not only observed names its Primary IPs in its own
    /// `publicNet`, and is stopped and started for that. When this is taken out, the assignment stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::id")]
    pub assignee_id: Option<String>,

    /// The same, as the name of a Server in this namespace that is only observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee_id_ref: Option<Reference>,

    /// The same, as the labels of a Server in this namespace that is only observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee_id_selector: Option<Selector>,

    /// Whether Hetzner deletes it together with what it is assigned to. Default: false. A server or
    /// load balancer names its Primary IPs in its own `publicNet`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_delete: Option<bool>,

    /// Labels at Hetzner. They are merged: labels that others put on the Primary IP stay, and a label
    /// that is taken out here is left there. Keys and values follow the rules of Kubernetes labels;
    /// the prefixes `hetzner.cloud/` and `hcloud.openova.io/` are reserved.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::labels")]
    pub labels: BTreeMap<String, String>,

    /// Whether Hetzner refuses to delete the Primary IP. While true, deleting this resource is
    /// refused as well; set it to false first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_protection: Option<bool>,
}

/// Version of the Internet Protocol.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(description = "")]
pub enum PrimaryIPType {
    /// One IPv4 address.
    Ipv4,
    /// A /64 network of IPv6 addresses.
    Ipv6,
}

impl PrimaryIPType {
    /// The type as the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }
}

/// Observed state of a Primary IP.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PrimaryIPStatus {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedStatus,

    /// The Primary IP as it is at Hetzner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<PrimaryIPObservation>,
}

/// A Primary IP as it is at Hetzner.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PrimaryIPObservation {
    /// Id at Hetzner; the external name.
    pub id: i64,

    /// Name at Hetzner.
    #[serde(default)]
    pub name: String,

    /// ipv4 or ipv6.
    #[serde(default, rename = "type")]
    pub type_: String,

    /// The address; for IPv6 the first one of the network.
    #[serde(default)]
    pub address: String,

    /// The network of an IPv6 Primary IP, in CIDR notation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,

    /// Location.
    #[serde(default)]
    pub location: String,

    /// Id of what it is assigned to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee_id: Option<i64>,

    /// What it is assigned to: server or load_balancer; unassigned.
    #[serde(default)]
    pub assignee_type: String,

    /// Whether Hetzner deletes it together with what it is assigned to.
    #[serde(default)]
    pub auto_delete: bool,

    /// Whether Hetzner has blocked it after abuse.
    #[serde(default)]
    pub blocked: bool,

    /// Names that its addresses resolve to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_ptrs: Vec<DnsPtr>,

    /// All labels, those of other parties included.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,

    /// Whether Hetzner refuses to delete the Primary IP.
    #[serde(default)]
    pub delete_protection: bool,

    /// What it costs according to the price list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,

    /// When the Primary IP was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
}

/// The name that an address resolves to.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DnsPtr {
    /// The address.
    #[serde(default)]
    pub ip: String,

    /// The name.
    #[serde(default)]
    pub dns_ptr: String,
}

crate::managed!(PrimaryIP, PrimaryIPObservation, {
    fn reference_fields(&mut self) -> Vec<ReferenceField<'_>> {
        let spec = &mut self.spec.for_provider;
        vec![ReferenceField::one(
            "assigneeId",
            "Server",
            &mut spec.assignee_id,
            spec.assignee_id_ref.as_ref(),
            spec.assignee_id_selector.as_ref(),
        )]
    }
});
