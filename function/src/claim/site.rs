//! Where servers and load balancers stand.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::machine::LOCATION;
use super::network::Range;

/// Where servers and load balancers stand: the objects of a region, by their names in
/// this namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Site {
    /// Name of the Firewall of servers with public addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Firewall", length(min = 1, max = 253))]
    pub firewall: Option<String>,

    /// Location in the cloud.
    #[schemars(title = "Location", length(max = 32), regex(pattern = LOCATION))]
    pub location: String,

    /// Name of the Network.
    #[schemars(title = "Network", length(min = 1, max = 253))]
    pub network: String,

    /// Address range of the network.
    #[serde(rename = "networkCIDR")]
    #[schemars(title = "Range of the network")]
    pub network_cidr: Range,

    /// Names of the SSHKeys that let root in on new servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "SSH keys",
        length(max = 32),
        inner(length(min = 1, max = 253))
    )]
    pub ssh_keys: Vec<String>,

    /// Name of the Subnet.
    #[schemars(title = "Subnet", length(min = 1, max = 253))]
    pub subnet: String,

    /// Address range of the subnet.
    #[serde(rename = "subnetCIDR")]
    #[schemars(title = "Range of the subnet")]
    pub subnet_cidr: Range,
}
