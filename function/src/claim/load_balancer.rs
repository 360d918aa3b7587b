//! Load balancers of a region: as a claim asks for them, and `XLoadBalancer`.

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::cluster::default_load_balancer_type;
use super::cost::Cost;
use super::machine::{NAME, yes};
use super::platform::Provider;
use super::row::LoadBalancerRow;
use super::site::Site;

/// A load balancer, as a claim asks for it. It reaches its targets through the private
/// network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoadBalancerRequest {
    /// Name of the load balancer, unique in its region.
    #[schemars(title = "Name", length(max = 20), regex(pattern = NAME))]
    pub name: String,

    /// Type of the load balancer.
    #[serde(default = "default_load_balancer_type", rename = "type")]
    #[schemars(title = "Type", length(min = 1, max = 32))]
    pub kind: String,

    /// Whether it has public addresses. The firewall of the region does not cover it.
    #[serde(default = "yes")]
    #[schemars(title = "Public")]
    pub public: bool,

    /// How it chooses among targets.
    #[serde(default)]
    #[schemars(title = "Algorithm")]
    pub algorithm: Algorithm,

    /// The cluster of this region whose servers are the targets.
    #[schemars(title = "Cluster", length(max = 20), regex(pattern = NAME))]
    pub cluster: String,

    /// The pools of that cluster that are targets; `cp` is the control plane. Default:
    /// all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "Pools",
        length(max = 13),
        inner(length(max = 20), regex(pattern = NAME)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub pools: Vec<String>,

    /// What it passes on.
    #[schemars(
        title = "Services",
        length(min = 1, max = 15),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["port"])
    )]
    pub services: Vec<Service>,
}

/// How a load balancer chooses among targets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// One after the other.
    #[default]
    RoundRobin,
    /// The one with the fewest connections.
    LeastConnections,
}

/// Connections to a port, which are passed on to a port of the targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Service {
    /// Path that answers with 2xx or 3xx when a target is healthy, by HTTP. Default: a
    /// target is healthy when it accepts connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        title = "Health check path",
        length(max = 256),
        regex(pattern = r"^/\S*$")
    )]
    pub health_path: Option<String>,

    /// Port that the load balancer listens on.
    #[schemars(title = "Port", range(min = 1, max = 65535))]
    pub port: u16,

    /// What it understands of the connections.
    #[serde(default)]
    #[schemars(title = "Protocol")]
    pub protocol: Protocol,

    /// Whether targets learn the client's address by the PROXY protocol, which they have
    /// to understand.
    #[serde(default)]
    #[schemars(title = "PROXY protocol")]
    pub proxy_protocol: bool,

    /// Port of the targets.
    #[schemars(title = "Target port", range(min = 1, max = 65535))]
    pub target_port: u16,
}

/// What a load balancer understands of a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Nothing: it is passed on as it is.
    #[default]
    Tcp,
    /// HTTP: requests are distributed.
    Http,
}

/// A load balancer with everything decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [json!({
    "rule": "!has(oldSelf.address) || has(self.address) && self.address == oldSelf.address",
    "message": "address cannot be changed once it is set",
})]))]
pub struct LoadBalancer {
    /// Address in the subnet. Left out, the cloud chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Private address", length(min = 7, max = 15))]
    pub address: Option<Ipv4Addr>,

    /// How it chooses among targets.
    #[serde(default)]
    #[schemars(title = "Algorithm")]
    pub algorithm: Algorithm,

    /// Name of the load balancer, unique in its region.
    #[schemars(title = "Name", length(max = 20), regex(pattern = NAME))]
    pub name: String,

    /// Whether it has public addresses.
    #[serde(default = "yes")]
    #[schemars(title = "Public")]
    pub public: bool,

    /// What it passes on.
    #[schemars(
        title = "Services",
        length(min = 1, max = 15),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["port"])
    )]
    pub services: Vec<Service>,

    /// The servers that it passes connections on to.
    #[schemars(title = "Target")]
    pub target: Target,

    /// Type of the load balancer.
    #[serde(default = "default_load_balancer_type", rename = "type")]
    #[schemars(title = "Type", length(min = 1, max = 32))]
    pub kind: String,
}

/// Servers of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Target {
    /// In the list of an `XRegion`: name of the cluster there. In an `XLoadBalancer`:
    /// name of the cluster's object.
    #[schemars(title = "Cluster", length(min = 1, max = 253))]
    pub cluster: String,

    /// The pools; `cp` is the control plane. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "Pools",
        length(max = 13),
        inner(length(max = 20), regex(pattern = NAME)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub pools: Vec<String>,
}

/// One load balancer and where it stands. Planned by `XRegion` for each of its load
/// balancers; makes the load balancer with its network, services and target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoadBalancerSpec {
    /// The load balancer.
    #[schemars(title = "Load balancer")]
    pub load_balancer: LoadBalancer,

    /// The cloud that it runs in, and the credentials for it.
    #[serde(default)]
    #[schemars(title = "Provider", extend("default" = {}))]
    pub provider: Provider,

    /// Where it stands.
    #[schemars(title = "Site")]
    pub site: Site,
}

/// What a load balancer looks like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerStatus {
    /// What it costs each month by the list price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Whether a target is healthy. How many there are and how each of them does tell the
    /// targets themselves: here it would change with each of them.
    #[serde(default)]
    pub healthy: bool,
    /// Id in the cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Public IPv4 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv4: Option<String>,
    /// Public IPv6 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<String>,
    /// Address in the private network.
    #[serde(default, rename = "privateIP", skip_serializing_if = "Option::is_none")]
    pub private_ip: Option<String>,
}

impl LoadBalancerStatus {
    /// The row of this load balancer in the statuses above it; readiness is for the
    /// caller to fill in.
    pub fn row(self, name: &str) -> LoadBalancerRow {
        LoadBalancerRow {
            cost: self.cost,
            healthy: self.healthy,
            id: self.id,
            ipv4: self.ipv4,
            ipv6: self.ipv6,
            name: name.to_owned(),
            private_ip: self.private_ip,
            ..LoadBalancerRow::default()
        }
    }
}
