//! LoadBalancer: distributes connections over servers.

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
pub const NAME_MAX_LENGTH: u32 = 128;

/// Desired state of a load balancer.
#[derive(
    Clone, CustomResource, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize,
)]
#[kube(
    group = "hcloud.openova.io",
    version = "v1alpha1",
    kind = "LoadBalancer",
    doc = "A load balancer in Hetzner Cloud: it distributes connections over servers. Its services, targets and network are resources of their own.",
    namespaced,
    status = "LoadBalancerStatus",
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
        name = "TYPE",
        type_ = "string",
        json_path = ".status.atProvider.loadBalancerType"
    ),
    printcolumn(
        name = "LOCATION",
        type_ = "string",
        json_path = ".status.atProvider.location"
    ),
    printcolumn(
        name = "IPV4",
        type_ = "string",
        json_path = ".status.atProvider.publicIpv4"
    ),
    printcolumn(
        name = "PRIVATE-IP",
        type_ = "string",
        json_path = ".status.atProvider.privateNets[0].ip"
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    validation = name_fits(NAME_MAX_LENGTH)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = required("loadBalancerType"), validation = Rule::new("has(self.forProvider.location) || has(self.forProvider.networkZone) || !self.managementPolicies.exists(p, p == '*' || p == 'Create')").message("forProvider.location or forProvider.networkZone is required unless managementPolicies exclude Create"))]
pub struct LoadBalancerSpec {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedSpec,

    /// The load balancer as it should be. A field that is left out is not managed.
    pub for_provider: LoadBalancerParameters,
}

/// A load balancer as it should be.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.location) || !has(self.networkZone)")
    .message("location and networkZone exclude each other"))]
pub struct LoadBalancerParameters {
    /// Name at Hetzner, unique in the project. Default: `metadata.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^\S(.*\S)?$"))]
    pub name: Option<String>,

    /// Load balancer type, for example lb11: how many services, targets, certificates and
    /// connections are possible. It changes in place, as far as what is in use fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub load_balancer_type: Option<String>,

    /// Location, for example fsn1. To change it, the load balancer has to be replaced, and its
    /// addresses change unless they are Primary IPs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub location: Option<String>,

    /// Network zone, for example eu-central, where it does not matter which location of the zone.
    /// Instead of `location`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub network_zone: Option<String>,

    /// How connections are distributed. Default: round_robin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<LoadBalancerAlgorithm>,

    /// The public interface. Default: on, with addresses that go with the load balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_net: Option<LoadBalancerPublicNet>,

    /// Labels at Hetzner. They are merged: labels that others put on the load balancer stay, and a label
    /// that is taken out here is left there. Keys and values follow the rules of Kubernetes labels;
    /// the prefixes `hetzner.cloud/` and `hcloud.openova.io/` are reserved.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::labels")]
    pub labels: BTreeMap<String, String>,

    /// Whether Hetzner refuses to delete the load balancer. While true, deleting this resource is
    /// refused as well; set it to false first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_protection: Option<bool>,
}

/// How a load balancer distributes connections.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(description = "")]
pub enum LoadBalancerAlgorithm {
    /// To one target after the other.
    RoundRobin,
    /// To the target with the fewest connections.
    LeastConnections,
}

impl LoadBalancerAlgorithm {
    /// The algorithm as the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::LeastConnections => "least_connections",
        }
    }
}

/// The public interface of a load balancer.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerPublicNet {
    /// Whether the public interface is on. It can only be off while the load balancer is attached to
    /// a network and all its targets are reached through it, so a new load balancer begins with it on
    /// and is switched off when its LoadBalancerNetwork is there. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,

    /// Id of the Primary IP to use, in the same location. Default: a new one that goes with the load
    /// balancer. To change it, the load balancer has to be replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::id")]
    pub ipv4_id: Option<String>,

    /// The same, as the name of a PrimaryIP in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv4_id_ref: Option<Reference>,

    /// The same, as the labels of a PrimaryIP in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv4_id_selector: Option<Selector>,

    /// Id of the Primary IP to use, in the same location. Default: a new one that goes with the load
    /// balancer. To change it, the load balancer has to be replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::id")]
    pub ipv6_id: Option<String>,

    /// The same, as the name of a PrimaryIP in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6_id_ref: Option<Reference>,

    /// The same, as the labels of a PrimaryIP in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6_id_selector: Option<Selector>,
}

/// Observed state of a load balancer.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerStatus {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedStatus,

    /// The load balancer as it is at Hetzner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<LoadBalancerObservation>,
}

/// A load balancer as it is at Hetzner.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerObservation {
    /// Id at Hetzner; the external name.
    pub id: i64,

    /// Name at Hetzner.
    #[serde(default)]
    pub name: String,

    /// Load balancer type.
    #[serde(default)]
    pub load_balancer_type: String,

    /// Location.
    #[serde(default)]
    pub location: String,

    /// Network zone of the location.
    #[serde(default)]
    pub network_zone: String,

    /// How connections are distributed.
    #[serde(default)]
    pub algorithm: String,

    /// Whether the public interface is on.
    #[serde(default)]
    pub public_interface: bool,

    /// Public IPv4 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_ipv4: Option<String>,

    /// Public IPv6 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_ipv6: Option<String>,

    /// Id of the Primary IP of the IPv4 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_ipv4_id: Option<i64>,

    /// Id of the Primary IP of the IPv6 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_ipv6_id: Option<i64>,

    /// Attachments to networks; at most one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub private_nets: Vec<LoadBalancerPrivateNet>,

    /// Ports that the services listen on, in ascending order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listen_ports: Vec<i64>,

    /// Number of targets; a label selector counts as one.
    #[serde(default)]
    pub targets: i64,

    /// How many services are possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_services: Option<i64>,

    /// How many targets are possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_targets: Option<i64>,

    /// How many connections are possible at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<i64>,

    /// How many certificates are possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_assigned_certificates: Option<i64>,

    /// All labels, those of other parties included.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,

    /// Whether Hetzner refuses to delete the load balancer.
    #[serde(default)]
    pub delete_protection: bool,

    /// Traffic that is included in the price for each month, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub included_traffic: Option<i64>,

    /// What it costs according to the price list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,

    /// When the load balancer was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
}

/// The attachment of a load balancer to a network, as it is.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerPrivateNet {
    /// Id of the network.
    pub network_id: i64,

    /// Address of the load balancer in the network.
    #[serde(default)]
    pub ip: String,
}

crate::managed!(LoadBalancer, LoadBalancerObservation, {
    fn reference_fields(&mut self) -> Vec<ReferenceField<'_>> {
        let Some(public) = &mut self.spec.for_provider.public_net else {
            return Vec::new();
        };
        vec![
            ReferenceField::one(
                "publicNet.ipv4Id",
                "PrimaryIP",
                &mut public.ipv4_id,
                public.ipv4_id_ref.as_ref(),
                public.ipv4_id_selector.as_ref(),
            ),
            ReferenceField::one(
                "publicNet.ipv6Id",
                "PrimaryIP",
                &mut public.ipv6_id,
                public.ipv6_id_ref.as_ref(),
                public.ipv6_id_selector.as_ref(),
            ),
        ]
    }
});
