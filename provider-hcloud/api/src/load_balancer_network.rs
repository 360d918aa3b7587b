//! LoadBalancerNetwork: the attachment of a load balancer to a network.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    managed::{ManagedSpec, ManagedStatus},
    reference::{Reference, ReferenceField, Selector},
    schema::{self, fixed, required_network, required_reference},
};

/// Desired state of an attachment.
#[derive(
    Clone, CustomResource, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize,
)]
#[kube(
    group = "hcloud.openova.io",
    version = "v1alpha1",
    kind = "LoadBalancerNetwork",
    doc = "Attaches a load balancer in Hetzner Cloud to a network; one network is possible. Deleting it waits until no target is reached through the network.",
    namespaced,
    status = "LoadBalancerNetworkStatus",
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
        name = "LOAD-BALANCER",
        type_ = "integer",
        json_path = ".status.atProvider.loadBalancerId"
    ),
    printcolumn(
        name = "NETWORK",
        type_ = "integer",
        json_path = ".status.atProvider.networkId"
    ),
    printcolumn(name = "IP", type_ = "string", json_path = ".status.atProvider.ip"),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = required_reference("loadBalancerId"), validation = required_network())]
pub struct LoadBalancerNetworkSpec {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedSpec,

    /// The attachment as it should be. A field that is left out is not managed.
    pub for_provider: LoadBalancerNetworkParameters,
}

/// An attachment as it should be.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerNetworkParameters {
    /// Id of the load balancer. It cannot change.
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

    /// Id of the network. It cannot change. Not needed beside `subnetId`.
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

    /// External name of a subnet, `<network id>-<ip range>`, to attach to instead of just the network.
    /// It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::subnet_id")]
    #[x_kube(validation = fixed())]
    pub subnet_id: Option<String>,

    /// The same, as the name of a Subnet in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet_id_ref: Option<Reference>,

    /// The same, as the labels of a Subnet in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet_id_selector: Option<Selector>,

    /// Range of the subnet that an address is taken from, where there is neither `subnetId` nor
    /// `ip`. Default: Hetzner chooses a subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::private_range")]
    pub ip_range: Option<String>,

    /// Address of the load balancer in the network. Default: Hetzner chooses a free one. To change
    /// it, the load balancer has to be detached and attached again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::ipv4")]
    pub ip: Option<String>,
}

/// Observed state of an attachment.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerNetworkStatus {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedStatus,

    /// The attachment as it is at Hetzner. Its external name is `<load balancer id>-<network id>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<LoadBalancerNetworkObservation>,
}

/// An attachment as it is at Hetzner.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerNetworkObservation {
    /// Id of the load balancer.
    pub load_balancer_id: i64,

    /// Id of the network.
    pub network_id: i64,

    /// Address of the load balancer in the network.
    #[serde(default)]
    pub ip: String,
}

crate::managed!(LoadBalancerNetwork, LoadBalancerNetworkObservation, {
    fn reference_fields(&mut self) -> Vec<ReferenceField<'_>> {
        let spec = &mut self.spec.for_provider;
        vec![
            ReferenceField::one(
                "loadBalancerId",
                "LoadBalancer",
                &mut spec.load_balancer_id,
                spec.load_balancer_id_ref.as_ref(),
                spec.load_balancer_id_selector.as_ref(),
            ),
            ReferenceField::one(
                "networkId",
                "Network",
                &mut spec.network_id,
                spec.network_id_ref.as_ref(),
                spec.network_id_selector.as_ref(),
            ),
            ReferenceField::one(
                "subnetId",
                "Subnet",
                &mut spec.subnet_id,
                spec.subnet_id_ref.as_ref(),
                spec.subnet_id_selector.as_ref(),
            ),
        ]
    }
});
