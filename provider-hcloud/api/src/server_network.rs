//! ServerNetwork: the attachment of a server to a network.

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
    kind = "ServerNetwork",
    doc = "Attaches a server in Hetzner Cloud to a network. Instead of the list of networks in the Server, for example when another team owns it.",
    namespaced,
    status = "ServerNetworkStatus",
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
        name = "SERVER",
        type_ = "integer",
        json_path = ".status.atProvider.serverId"
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
#[x_kube(validation = required_reference("serverId"), validation = required_network())]
pub struct ServerNetworkSpec {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedSpec,

    /// The attachment as it should be. A field that is left out is not managed.
    pub for_provider: ServerNetworkParameters,
}

/// An attachment as it should be.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerNetworkParameters {
    /// Id of the server. It cannot change.
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

    /// Address of the server in the network. Default: Hetzner chooses a free one. To change it, the
    /// server has to be detached and attached again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::ipv4")]
    pub ip: Option<String>,

    /// Further addresses of the server in the network. They are not given out by DHCP: the server
    /// has to be configured with them. The list is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::alias_ips")]
    pub alias_ips: Option<Vec<String>>,
}

/// Observed state of an attachment.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerNetworkStatus {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedStatus,

    /// The attachment as it is at Hetzner. Its external name is `<server id>-<network id>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<ServerNetworkObservation>,
}

/// An attachment as it is at Hetzner.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerNetworkObservation {
    /// Id of the server.
    pub server_id: i64,

    /// Id of the network.
    pub network_id: i64,

    /// Address of the server in the network.
    #[serde(default)]
    pub ip: String,

    /// Further addresses of the server in the network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alias_ips: Vec<String>,

    /// Hardware address of the server's interface in the network.
    #[serde(default)]
    pub mac_address: String,
}

crate::managed!(ServerNetwork, ServerNetworkObservation, {
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
