//! Pools of servers: as a claim asks for them, and `XNodePool` with all decided.

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::cluster::UserData;
use super::cost::Cost;
use super::machine::{
    Autoscaling, ExternalNode, Gpu, LOCATION, Labels, Machine, NAME, Public, Taint, Volume, labels,
    yes,
};
use super::platform::Provider;
use super::row::ServerRow;
use super::site::Site;

/// Most servers of an `XNodeGroup`, and of a placement group of the cloud.
pub const GROUP: u32 = 10;

/// Most servers of a pool. The schema says the same; what no API server has seen is
/// checked by it.
pub const SERVERS: u32 = 100;

/// A pool, as a claim asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [json!({
    "rule": "[has(self.count), has(self.autoscaling), has(self.external)].filter(given, given).size() == 1",
    "message": "give one of count, autoscaling and external",
})]))]
pub struct NodePoolRequest {
    /// Name of the pool, unique in its cluster. Renaming a pool means removing it and
    /// adding another.
    #[schemars(title = "Name", length(max = 20), regex(pattern = NAME))]
    pub name: String,

    /// How many servers. When it shrinks, the servers with the highest numbers go, after
    /// approval and without being drained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Count", range(min = 0, max = 100))]
    pub count: Option<u32>,

    /// Bounds within which the cluster autoscaler chooses the number of nodes, instead of
    /// a count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Autoscaling")]
    pub autoscaling: Option<Autoscaling>,

    /// Machines that others provide, instead of servers of the cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        title = "External nodes",
        length(min = 1, max = 100),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub external: Option<Vec<ExternalNode>>,

    /// Server types in order of preference. Default: as the profile says. When a server
    /// has none of them any more, it is changed in place, after approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        title = "Server types",
        length(min = 1, max = 8),
        inner(length(min = 1, max = 32))
    )]
    pub server_types: Option<Vec<String>>,

    /// Locations in order of preference, in the network zone of the region. Default: the
    /// region's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        title = "Locations",
        length(min = 1, max = 6),
        inner(length(max = 32), regex(pattern = LOCATION))
    )]
    pub locations: Option<Vec<String>>,

    /// Image of new servers. Default: ubuntu-24.04.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Image", length(min = 1, max = 253))]
    pub image: Option<String>,

    /// Labels of the nodes.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    #[schemars(schema_with = "labels")]
    pub labels: Labels,

    /// Taints of the nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(title = "Taints", length(max = 16))]
    pub taints: Vec<Taint>,

    /// Whether the servers run on different hosts of the cloud, ten at most together.
    #[serde(default = "yes")]
    #[schemars(title = "Spread")]
    pub spread: bool,

    /// Whether the servers have public addresses. Without any they need a route to the
    /// internet in the network of the region.
    #[serde(default)]
    #[schemars(title = "Public addresses", extend("default" = {}))]
    pub public: Public,

    /// Volumes that every server gets, in addition to its disk. Only with a count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "Volumes",
        length(max = 8),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub volumes: Vec<Volume>,

    /// Whether the cloud makes a daily backup of each disk, for a surcharge. Only with a
    /// count.
    #[serde(default)]
    #[schemars(title = "Backups")]
    pub backups: bool,

    /// GPUs of each node. Hetzner Cloud has none: only for external nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "GPUs")]
    pub gpu: Option<Gpu>,
}

/// A pool with everything decided.
///
/// Its servers have the ordinals 0 to `count` - 1. Ten consecutive ordinals make a
/// group (an `XNodeGroup`, and a placement group of the cloud) with ten consecutive
/// addresses, of which the first is recorded in `firstAddresses`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    json!({
        "rule": "!has(self.firstAddresses) || self.firstAddresses.size() * 10 >= self.count",
        "message": "firstAddresses needs one address for each ten servers",
    }),
    json!({
        "rule": "!has(oldSelf.firstAddresses) || !has(self.firstAddresses) || (self.firstAddresses.size() < oldSelf.firstAddresses.size() ? self.firstAddresses.all(a, a in oldSelf.firstAddresses) : oldSelf.firstAddresses.all(a, a in self.firstAddresses))",
        "message": "firstAddresses cannot be changed: addresses can only be added and removed at its end",
    }),
]))]
pub struct NodePool {
    /// Bounds within which the cluster autoscaler chooses the number of nodes; `count`
    /// is 0 then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Autoscaling")]
    pub autoscaling: Option<Autoscaling>,

    /// How many servers.
    #[serde(default)]
    #[schemars(title = "Count", range(min = 0, max = 100))]
    pub count: u32,

    /// Machines that others provide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "External nodes",
        length(max = 100),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub external: Vec<ExternalNode>,

    /// For each group of ten servers the address of its first one in the private
    /// network; the others follow it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "First addresses",
        length(max = 10),
        inner(length(min = 7, max = 15))
    )]
    pub first_addresses: Vec<Ipv4Addr>,

    /// GPUs of each node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "GPUs")]
    pub gpu: Option<Gpu>,

    /// Labels of the nodes.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    #[schemars(schema_with = "labels")]
    pub labels: Labels,

    /// How the servers are made.
    #[schemars(title = "Machine")]
    pub machine: Machine,

    /// Name of the pool, unique in its cluster.
    #[schemars(title = "Name", length(max = 20), regex(pattern = NAME))]
    pub name: String,

    /// Whether the servers run on different hosts of the cloud, ten at most together.
    #[serde(default = "yes")]
    #[schemars(title = "Spread")]
    pub spread: bool,

    /// Taints of the nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(title = "Taints", length(max = 16))]
    pub taints: Vec<Taint>,
}

/// Ten consecutive ordinals of a pool at most, and where their addresses start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrdinalGroup {
    /// Number of the group, from 0.
    pub index: u32,
    /// Its first ordinal.
    pub from: u32,
    /// Its last ordinal.
    pub to: u32,
    /// Private address of the first ordinal, where the pool says so.
    pub first_address: Option<Ipv4Addr>,
}

impl NodePool {
    /// The groups of ten servers at most that the pool consists of.
    pub fn groups(&self) -> impl Iterator<Item = OrdinalGroup> {
        (0..self.count.div_ceil(GROUP)).map(|index| OrdinalGroup {
            index,
            from: index * GROUP,
            to: (index * GROUP + GROUP).min(self.count) - 1,
            first_address: usize::try_from(index)
                .ok()
                .and_then(|index| self.first_addresses.get(index))
                .copied(),
        })
    }
}

/// What the nodes of a pool do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NodeRole {
    /// They run the API server and etcd.
    ControlPlane,
    /// They run workloads only.
    #[default]
    Worker,
}

impl NodeRole {
    /// The role as it is written, in labels too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ControlPlane => "control-plane",
            Self::Worker => "worker",
        }
    }
}

/// One pool and where it stands. Planned by `XCluster` for the control plane and each
/// of its pools; makes an `XNodeGroup` for each ten servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodePoolSpec {
    /// Name of the cluster's object. Load balancers find the servers by it.
    #[schemars(title = "Cluster", length(min = 1, max = 253))]
    pub cluster: String,

    /// The pool.
    #[schemars(title = "Pool")]
    pub pool: NodePool,

    /// The cloud that the pool runs in, and the credentials for it.
    #[serde(default)]
    #[schemars(title = "Provider", extend("default" = {}))]
    pub provider: Provider,

    /// What the nodes do.
    #[serde(default)]
    #[schemars(title = "Role")]
    pub role: NodeRole,

    /// Where the servers stand.
    #[schemars(title = "Site")]
    pub site: Site,

    /// User data of new servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "User data")]
    pub user_data: Option<UserData>,
}

/// What a pool looks like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodePoolStatus {
    /// What the servers cost each month by the list price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// How many servers exist. Left out while groups change: the groups count theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<u32>,
    /// How many servers there should be.
    #[serde(default)]
    pub desired: u32,
    /// How many servers are ready. Left out while groups change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<u32>,
    /// The servers of all groups that are ready, by their ordinals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<ServerRow>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pool(count: u32, first_addresses: &[&str]) -> NodePool {
        serde_json::from_value(json!({
            "name": "work",
            "count": count,
            "firstAddresses": first_addresses,
            "machine": {"image": "ubuntu-24.04", "locations": ["fsn1"], "serverTypes": ["cx33"]},
        }))
        .unwrap()
    }

    #[test]
    fn ten_consecutive_ordinals_make_a_group() {
        let cases = [
            (0, vec![]),
            (1, vec![(0, 0)]),
            (10, vec![(0, 9)]),
            (11, vec![(0, 9), (10, 10)]),
            (30, vec![(0, 9), (10, 19), (20, 29)]),
        ];
        for (count, expected) in cases {
            let pool = pool(count, &[]);
            let groups: Vec<_> = pool.groups().map(|group| (group.from, group.to)).collect();
            assert_eq!(groups, expected, "{count}");
        }
    }

    #[test]
    fn a_group_starts_at_its_recorded_address() {
        let pool = pool(12, &["10.0.1.40", "10.0.1.20"]);
        let addresses: Vec<_> = pool
            .groups()
            .map(|group| group.first_address.unwrap().to_string())
            .collect();
        assert_eq!(addresses, ["10.0.1.40", "10.0.1.20"]);
    }
}
