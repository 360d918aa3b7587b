//! A network as the simulator keeps it, and as the API writes it.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::rule;
use crate::{
    clock::wire,
    collection::{Collection, Id, Object},
    label::Labels,
    project::Project,
};

/// A private network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// The network's id.
    pub id: Id,
    /// Its name, unique in the project.
    pub name: String,
    /// The range that spans all subnets.
    pub ip_range: Ipv4Net,
    /// Its labels.
    pub labels: Labels,
    /// Its subnets, in the order in which they were added.
    pub subnets: Vec<Subnet>,
    /// Its routes, in the order in which they were added.
    pub routes: Vec<NetworkRoute>,
    /// True when it cannot be deleted.
    pub delete_protection: bool,
    /// Whether its routes are known behind its vSwitch.
    pub expose_routes_to_vswitch: bool,
    /// When it was created.
    pub created: Timestamp,
    /// What is attached to it.
    pub members: Vec<Member>,
}

/// A part of a network's range in one network zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// What it connects.
    #[serde(rename = "type")]
    pub kind: SubnetKind,
    /// Its range.
    pub ip_range: Ipv4Net,
    /// Its network zone, for example `eu-central`.
    pub network_zone: String,
    /// The vSwitch of a `vswitch` subnet.
    pub vswitch_id: Option<i64>,
}

/// What a subnet connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubnetKind {
    /// Cloud servers and load balancers.
    Cloud,
    /// The deprecated name of `cloud`.
    Server,
    /// Dedicated servers behind a vSwitch.
    Vswitch,
}

/// Where packets for a destination are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkRoute {
    /// Packets for these addresses …
    pub destination: Ipv4Net,
    /// … go to this one.
    pub gateway: Ipv4Addr,
}

/// A server or load balancer in a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The id of the server or load balancer.
    pub id: Id,
    /// Which of the two it is.
    #[serde(rename = "type")]
    pub kind: MemberKind,
    /// Its address in the network.
    pub ip: Ipv4Addr,
    /// Its further addresses.
    pub alias_ips: Vec<Ipv4Addr>,
    /// The subnet that its address lies in.
    pub subnet: Ipv4Net,
    /// How far its attachment is.
    pub status: MemberStatus,
}

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberKind {
    /// A cloud server.
    Server,
    /// A load balancer.
    LoadBalancer,
}

/// How far the attachment of a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberStatus {
    /// Attached and up to date.
    Ok,
    /// Being attached.
    Attaching,
    /// Being detached.
    Detaching,
    /// Being changed.
    Updating,
    /// The last change failed.
    Error,
}

impl Object for Network {
    fn id(&self) -> Id {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Project {
    /// The project's networks.
    pub const fn networks(&self) -> &Collection<Network> {
        &self.resources.networks
    }

    /// The project's networks, to be changed by hand.
    pub const fn networks_mut(&mut self) -> &mut Collection<Network> {
        &mut self.resources.networks
    }

    /// Adds an empty network as another client would, without any of the API's checks.
    pub fn add_network(
        &mut self,
        name: impl Into<String>,
        ip_range: Ipv4Net,
        now: Timestamp,
    ) -> Id {
        let network = Network::new(self.new_id(), name.into(), ip_range, now);
        let id = network.id;
        self.networks_mut().insert(network);
        id
    }
}

impl Network {
    pub(super) const fn new(id: Id, name: String, ip_range: Ipv4Net, created: Timestamp) -> Self {
        Self {
            id,
            name,
            ip_range,
            labels: Labels::new(),
            subnets: Vec::new(),
            routes: Vec::new(),
            delete_protection: false,
            expose_routes_to_vswitch: false,
            created,
            members: Vec::new(),
        }
    }

    /// The address that every subnet routes through: the first one of the whole range.
    pub fn gateway(&self) -> Ipv4Addr {
        rule::first_address(self.ip_range)
    }

    pub(super) fn body(&self) -> Value {
        let ids = |kind| {
            self.members
                .iter()
                .filter(|m| m.kind == kind)
                .map(|m| m.id)
                .collect::<Vec<Id>>()
        };
        let subnet = |subnet: &Subnet| {
            json!({
                "type": subnet.kind,
                "ip_range": subnet.ip_range,
                "network_zone": subnet.network_zone,
                "gateway": self.gateway(),
                "vswitch_id": subnet.vswitch_id,
            })
        };
        json!({
            "id": self.id,
            "name": self.name,
            "ip_range": self.ip_range,
            "subnets": self.subnets.iter().map(subnet).collect::<Vec<_>>(),
            "routes": self.routes,
            "servers": ids(MemberKind::Server),
            "load_balancers": ids(MemberKind::LoadBalancer),
            "protection": { "delete": self.delete_protection },
            "labels": self.labels,
            "created": wire(self.created),
            "expose_routes_to_vswitch": self.expose_routes_to_vswitch,
        })
    }
}
