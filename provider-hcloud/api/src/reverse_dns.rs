//! ReverseDNS: the name that a public address resolves to.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    managed::{ManagedSpec, ManagedStatus},
    reference::{Reference, ReferenceField, Selector},
    schema::{self, fixed, required},
};

/// Desired state of a reverse DNS entry.
#[derive(
    Clone, CustomResource, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize,
)]
#[kube(
    group = "hcloud.openova.io",
    version = "v1alpha1",
    kind = "ReverseDNS",
    plural = "reversedns",
    doc = "Reverse DNS in Hetzner Cloud: the name that a public address of a server, Primary IP or load balancer resolves to.",
    namespaced,
    status = "ReverseDNSStatus",
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
        json_path = ".status.atProvider.ipAddress"
    ),
    printcolumn(
        name = "DNS-PTR",
        type_ = "string",
        json_path = ".status.atProvider.dnsPtr"
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = required("dnsPtr"), validation = Rule::new("[has(self.forProvider.serverId) || has(self.forProvider.serverIdRef) || has(self.forProvider.serverIdSelector), has(self.forProvider.primaryIpId) || has(self.forProvider.primaryIpIdRef) || has(self.forProvider.primaryIpIdSelector), has(self.forProvider.loadBalancerId) || has(self.forProvider.loadBalancerIdRef) || has(self.forProvider.loadBalancerIdSelector)].filter(given, given).size() == 1 || !self.managementPolicies.exists(p, p == '*' || p == 'Create' || p == 'Update')").message("one of serverId, primaryIpId and loadBalancerId, by value or by reference, is required unless managementPolicies exclude Create and Update, and only one is possible"))]
pub struct ReverseDNSSpec {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedSpec,

    /// The reverse DNS entry as it should be. A field that is left out is not managed.
    pub for_provider: ReverseDNSParameters,
}

/// A reverse DNS entry as it should be.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.ipAddress) || !has(self.ipFamily)")
    .message("ipAddress and ipFamily exclude each other"))]
pub struct ReverseDNSParameters {
    /// Id of the server that has the address. It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::id")]
    #[x_kube(validation = fixed())]
    pub server_id: Option<String>,

    /// The same, as the name of a Server in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_id_ref: Option<Reference>,

    /// The same, as the labels of a Server in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_id_selector: Option<Selector>,

    /// Id of the Primary IP that has the address. It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::id")]
    #[x_kube(validation = fixed())]
    pub primary_ip_id: Option<String>,

    /// The same, as the name of a PrimaryIP in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_ip_id_ref: Option<Reference>,

    /// The same, as the labels of a PrimaryIP in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_ip_id_selector: Option<Selector>,

    /// Id of the load balancer that has the address. It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::id")]
    #[x_kube(validation = fixed())]
    pub load_balancer_id: Option<String>,

    /// The same, as the name of a LoadBalancer in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancer_id_ref: Option<Reference>,

    /// The same, as the labels of a LoadBalancer in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancer_id_selector: Option<Selector>,

    /// The address, one that the server, Primary IP or load balancer has. It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::ip")]
    #[x_kube(validation = fixed())]
    pub ip_address: Option<String>,

    /// Instead of `ipAddress`: ipv4 for the IPv4 address, ipv6 for the IPv6 address, or the first
    /// one of the IPv6 network. Default: the address of a Primary IP, the IPv4 address of a server
    /// or load balancer. It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = fixed())]
    pub ip_family: Option<IpFamily>,

    /// The name that the address resolves to. When this resource is deleted, Hetzner's default name
    /// (IPv4) or none (IPv6) takes its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 253),
        regex(
            pattern = r"^[A-Za-z0-9_]([-A-Za-z0-9_]{0,62})(\.[A-Za-z0-9_]([-A-Za-z0-9_]{0,62}))*\.?$"
        )
    )]
    pub dns_ptr: Option<String>,
}

/// Which of the addresses of a server or load balancer.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(description = "")]
pub enum IpFamily {
    /// The IPv4 address.
    Ipv4,
    /// The IPv6 address, or the first one of the network.
    Ipv6,
}

/// Observed state of a reverse DNS entry.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReverseDNSStatus {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedStatus,

    /// The reverse DNS entry as it is at Hetzner. Its external name is
    /// `<s, p or l>-<id>-<ip address>`: s for a server, p for a Primary IP, l for a load balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<ReverseDNSObservation>,
}

/// A reverse DNS entry as it is at Hetzner.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReverseDNSObservation {
    /// Id of the server that has the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_id: Option<i64>,

    /// Id of the Primary IP that has the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_ip_id: Option<i64>,

    /// Id of the load balancer that has the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancer_id: Option<i64>,

    /// The address.
    #[serde(default)]
    pub ip_address: String,

    /// The name that the address resolves to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_ptr: Option<String>,
}

crate::managed!(ReverseDNS, ReverseDNSObservation, {
    fn reference_fields(&mut self) -> Vec<ReferenceField<'_>> {
        let spec = &mut self.spec.for_provider;
        vec![
            ReferenceField::one(
                "serverId",
                "Server",
                &mut spec.server_id,
                spec.server_id_ref.as_ref(),
                spec.server_id_selector.as_ref(),
            ),
            ReferenceField::one(
                "primaryIpId",
                "PrimaryIP",
                &mut spec.primary_ip_id,
                spec.primary_ip_id_ref.as_ref(),
                spec.primary_ip_id_selector.as_ref(),
            ),
            ReferenceField::one(
                "loadBalancerId",
                "LoadBalancer",
                &mut spec.load_balancer_id,
                spec.load_balancer_id_ref.as_ref(),
                spec.load_balancer_id_selector.as_ref(),
            ),
        ]
    }
});
