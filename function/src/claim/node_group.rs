//! `XNodeGroup`: ten servers of a pool at most.

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::cluster::UserData;
use super::cost::Cost;
use super::machine::{Machine, NAME, yes};
use super::node_pool::NodeRole;
use super::platform::Provider;
use super::row::ServerRow;
use super::site::Site;

/// Most objects of a group. Each change of one of them counts for the circuit breaker of
/// the group in Crossplane, and more of them open it while servers are made.
pub const OBJECTS: u32 = 25;

/// How many objects a group has: a placement group, and for each server the server and
/// two objects for each volume.
pub fn objects(servers: u32, volumes: usize) -> u32 {
    let volumes = u32::try_from(volumes).unwrap_or(u32::MAX);
    let of_each = volumes.saturating_mul(2).saturating_add(1);
    of_each.saturating_mul(servers).saturating_add(1)
}

/// At most ten servers of a pool. Planned by `XNodePool`; makes a placement group and
/// the servers with their volumes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    json!({
        "rule": "self.from <= self.to && self.to - self.from < 10",
        "message": "a group has 1 to 10 servers: to must be from + 0 to 9",
    }),
    json!({
        "rule": "self.from == oldSelf.from && self.hostPrefix == oldSelf.hostPrefix",
        "message": "from and hostPrefix cannot be changed: they are what servers are called",
    }),
    json!({
        "rule": "!has(oldSelf.firstAddress) || has(self.firstAddress) && self.firstAddress == oldSelf.firstAddress",
        "message": "firstAddress cannot be changed once it is set",
    }),
]))]
pub struct NodeGroupSpec {
    /// Name of the cluster's object. Load balancers find the servers by it.
    #[schemars(title = "Cluster", length(min = 1, max = 253))]
    pub cluster: String,

    /// Address of the server `from` in the private network; the others follow it. Left
    /// out, the cloud chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "First address", length(min = 7, max = 15))]
    pub first_address: Option<Ipv4Addr>,

    /// First ordinal.
    #[schemars(title = "First ordinal", range(min = 0, max = 9999))]
    pub from: u32,

    /// What servers are called, before a hyphen and their ordinal: objects, hosts and
    /// nodes alike. Unique in the cloud project.
    #[schemars(
        title = "Prefix of host names",
        length(max = 58),
        regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
    )]
    pub host_prefix: String,

    /// How the servers are made.
    #[schemars(title = "Machine")]
    pub machine: Machine,

    /// Name of the pool.
    #[schemars(title = "Pool", length(max = 20), regex(pattern = NAME))]
    pub pool: String,

    /// The cloud that the group runs in, and the credentials for it.
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

    /// Whether the servers run on different hosts of the cloud.
    #[serde(default = "yes")]
    #[schemars(title = "Spread")]
    pub spread: bool,

    /// Last ordinal.
    #[schemars(title = "Last ordinal", range(min = 0, max = 9999))]
    pub to: u32,

    /// User data of new servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "User data")]
    pub user_data: Option<UserData>,
}

impl NodeGroupSpec {
    /// What the server with this ordinal is called.
    pub fn host(&self, ordinal: u32) -> String {
        format!("{}-{ordinal}", self.host_prefix)
    }

    /// The private address of the server with this ordinal, where the group says so.
    pub fn address(&self, ordinal: u32) -> Option<Ipv4Addr> {
        let offset = ordinal.checked_sub(self.from)?;
        let first = self.first_address?.to_bits();
        first.checked_add(offset).map(Ipv4Addr::from_bits)
    }
}

/// What a group looks like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeGroupStatus {
    /// What the servers cost each month by the list price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// How many servers exist.
    #[serde(default)]
    pub current: u32,
    /// How many servers there should be.
    #[serde(default)]
    pub desired: u32,
    /// How many servers are ready.
    #[serde(default)]
    pub ready: u32,
    /// The servers, by their ordinals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<ServerRow>,
}

#[cfg(test)]
mod tests {
    use super::super::node_pool::GROUP;
    use super::*;

    #[test]
    fn a_group_without_volumes_always_fits() {
        assert_eq!(objects(GROUP, 0), 11);
        assert!(objects(GROUP, 0) <= OBJECTS);
        assert_eq!(objects(8, 1), OBJECTS);
        assert!(objects(GROUP, 1) > OBJECTS);
        assert!(objects(u32::MAX, usize::MAX) > OBJECTS);
    }
}
