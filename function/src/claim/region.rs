//! `XRegion`: one region of a platform, or one written by hand.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::cluster::Cluster;
use super::cost::Cost;
use super::firewall::Firewall;
use super::load_balancer::LoadBalancer;
use super::machine::LOCATION;
use super::network::{Network, NetworkStatus};
use super::platform::Provider;
use super::row::{ClusterRow, LoadBalancerRow};
use super::ssh::SshKey;
use super::teardown::{Foreign, Teardown, TeardownStage};

/// One region: its network and all that lives in it. Planned by `XPlatform` for each of
/// its regions, with everything allocated; makes the network with its subnets and
/// routes, the firewall, the SSH keys, an `XCluster` for each cluster and an
/// `XLoadBalancer` for each load balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [json!({
    "rule": "self.location == oldSelf.location",
    "message": "location cannot be changed: a region cannot move",
})]))]
pub struct RegionSpec {
    // In the order of their names, in which they are sent.
    /// Kubernetes clusters. The servers of a k3s cluster stand in the subnet of the
    /// cluster's name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "Clusters",
        length(max = 8),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub clusters: Vec<Cluster>,

    /// What may reach servers from the internet.
    #[serde(default, skip_serializing_if = "Firewall::is_empty")]
    #[schemars(title = "Firewall")]
    pub firewall: Firewall,

    /// Load balancers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "Load balancers",
        length(max = 8),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub load_balancers: Vec<LoadBalancer>,

    /// Location in the cloud, for example fsn1, nbg1, hel1, ash, hil or sin.
    #[schemars(title = "Location", length(max = 32), regex(pattern = LOCATION))]
    pub location: String,

    /// The region's private network.
    #[schemars(title = "Network")]
    pub network: Network,

    /// The cloud that the region runs in, and the credentials for it.
    #[serde(default)]
    #[schemars(title = "Provider", extend("default" = {}))]
    pub provider: Provider,

    /// SSH keys that let root in on new servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "SSH keys",
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub ssh_keys: Vec<SshKey>,

    /// Set when the region is about to go: what becomes of what others made in its
    /// network, such as volumes and load balancers of its clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Teardown", with = "Teardown")]
    pub teardown: Option<Teardown>,
}

/// What a region looks like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegionStatus {
    /// One row for each cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<ClusterRow>,

    /// What the region costs each month by the list price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,

    /// Id of the firewall in the cloud.
    #[serde(
        default,
        rename = "firewallID",
        skip_serializing_if = "Option::is_none"
    )]
    pub firewall_id: Option<String>,

    /// What others made in the network, such as volumes, servers and load balancers of
    /// clusters. Left out until somebody has looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign: Option<Foreign>,

    /// One row for each load balancer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub load_balancers: Vec<LoadBalancerRow>,

    /// The region's network.
    #[serde(default)]
    pub network: NetworkStatus,

    /// Public addresses of all servers, sorted. Empty until every server has its own:
    /// other regions open their firewalls to them, which shall happen once and not for
    /// each server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_addresses: Vec<String>,

    /// How far the teardown of the region is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TeardownStage")]
    pub teardown: Option<TeardownStage>,
}
