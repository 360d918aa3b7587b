//! What may reach servers from the internet.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::machine::NAME;

/// What may reach the servers of a region from the internet. Private networks are not
/// filtered, and neither are load balancers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Firewall {
    /// Other regions of the mesh: the ports between clusters are open to their servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "Peers",
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub peers: Vec<Peer>,

    /// What else is let in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(title = "Rules", length(max = 20))]
    pub rules: Vec<FirewallRule>,
}

impl Firewall {
    /// Whether nothing is let in.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty() && self.rules.is_empty()
    }
}

/// Another region of the mesh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Peer {
    /// Public addresses of its servers, sorted; IPv6 networks with their prefix.
    #[schemars(title = "Addresses", length(max = 200), inner(length(max = 43)))]
    pub addresses: Vec<String>,

    /// Name of the region.
    #[schemars(title = "Name", length(max = 20), regex(pattern = NAME))]
    pub name: String,
}

/// Traffic that is let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [json!({
    "rule": "has(self.port) == (self.protocol in ['tcp', 'udp'])",
    "message": "port is required for the protocols tcp and udp, and only allowed there",
})]))]
pub struct FirewallRule {
    /// What the rule is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(title = "Description", length(max = 255))]
    pub description: String,

    /// Port, or range of ports like 30000-32767.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        title = "Port",
        length(max = 11),
        regex(pattern = r"^[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?$")
    )]
    pub port: Option<String>,

    /// Network protocol.
    #[schemars(title = "Protocol")]
    pub protocol: FirewallProtocol,

    /// Where the traffic may come from, in CIDR notation: 0.0.0.0/0 and ::/0 for
    /// everybody.
    #[schemars(
        title = "Sources",
        length(min = 1, max = 100),
        inner(length(min = 3, max = 43))
    )]
    pub sources: Vec<String>,
}

/// Network protocol of a firewall rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FirewallProtocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP.
    Icmp,
}
