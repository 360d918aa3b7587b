//! Parts of a server as it should be.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    reference::{Reference, Selector},
    schema,
};

/// Whether a server runs.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[schemars(description = "")]
pub enum PowerState {
    /// The server runs.
    Running,
    /// The server is off. It costs the same.
    Stopped,
}

/// Which image a new server gets, in one of three ways.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.name), has(self.id), has(self.labelSelector)].filter(given, given).size() == 1")
    .message("give one of name, id and labelSelector"))]
pub struct ServerImageChoice {
    /// Name of a system image or app, for example ubuntu-24.04.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,

    /// Id of an image or snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::id")]
    pub id: Option<String>,

    /// Selector for the labels of a snapshot, for example `os=talos,version=v1.11`. Of several that
    /// match and fit the architecture, the newest is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub label_selector: Option<String>,
}

/// The public interface of a server. To change it, the server has to be off: it is shut down and
/// started again.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.ipv4Enabled) || self.ipv4Enabled || !(has(self.ipv4Id) || has(self.ipv4IdRef) || has(self.ipv4IdSelector))")
        .message("ipv4Id is not possible with ipv4Enabled false"),
    validation = Rule::new("!has(self.ipv6Enabled) || self.ipv6Enabled || !(has(self.ipv6Id) || has(self.ipv6IdRef) || has(self.ipv6IdSelector))")
        .message("ipv6Id is not possible with ipv6Enabled false")
)]
pub struct ServerPublicNet {
    /// Whether the server has a public IPv4 address, for a price. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv4_enabled: Option<bool>,

    /// Id of the Primary IP to use, in the location of the server. Default: a new one that goes with
    /// the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::id")]
    pub ipv4_id: Option<String>,

    /// The same, as the name of a PrimaryIP in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv4_id_ref: Option<Reference>,

    /// The same, as the labels of a PrimaryIP in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv4_id_selector: Option<Selector>,

    /// Whether the server has a public IPv6 network. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6_enabled: Option<bool>,

    /// Id of the Primary IP to use, in the location of the server. Default: a new one that goes with
    /// the server.
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

/// The attachment of a server to a network.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.networkId) || has(self.networkIdRef) || has(self.networkIdSelector) || has(self.subnetId) || has(self.subnetIdRef) || has(self.subnetIdSelector)")
        .message("networkId or subnetId is required, by value or by reference")
)]
pub struct ServerNetworkChoice {
    /// Id of the network. Not needed beside `subnetId`. When it changes, the server is detached from
    /// one network and attached to the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::id")]
    pub network_id: Option<String>,

    /// The same, as the name of a Network in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_id_ref: Option<Reference>,

    /// The same, as the labels of a Network in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_id_selector: Option<Selector>,

    /// External name of a subnet, `<network id>-<ip range>`, to attach to instead of just the network.
    /// When it changes, the server is detached and attached again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::subnet_id")]
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

    /// Address of the server in the network. Default: Hetzner chooses a free one. When it changes,
    /// the server is detached and attached again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::ipv4")]
    pub ip: Option<String>,

    /// Further addresses of the server in the network. They are not given out by DHCP: the server
    /// has to be configured with them. The list is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::alias_ips")]
    pub alias_ips: Option<Vec<String>>,
}

/// The rescue system of a server. Hetzner starts it once; the next start is from the disk again.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerRescue {
    /// Type of the rescue system. Default: linux64.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub type_: Option<String>,

    /// Names or ids of SSH keys that let root in. Default: those of the server, `sshKeys` and
    /// `sshKeyIds`. Without any, the rescue system is refused: the password that Hetzner makes for
    /// it is not published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 253)))]
    pub ssh_keys: Vec<String>,
}
