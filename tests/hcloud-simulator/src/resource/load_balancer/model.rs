//! A load balancer as the simulator keeps it. What other objects know about it is kept there and not repeated here: its
//! public addresses are primary IPs, its private address is a member of a network.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Service, Target};
use crate::{
    collection::{Collection, Id, Object},
    label::Labels,
    project::Project,
    resource::{
        network::{Member, MemberKind, Network},
        primary_ip::{AddressFamily, AssigneeKind, PrimaryIp},
    },
};

/// A load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadBalancer {
    /// The load balancer's id.
    pub id: Id,
    /// Its name, unique in the project.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// When it was created.
    pub created: Timestamp,
    /// Its load balancer type.
    pub load_balancer_type: Id,
    /// The name of the location that it runs in.
    pub location: String,
    /// How it chooses a target.
    pub algorithm: Algorithm,
    /// What it listens for, in the order in which it was added.
    pub services: Vec<Service>,
    /// Where it sends what arrives, in the order in which it was added.
    pub targets: Vec<Target>,
    /// Whether it can be reached from the internet.
    pub public_interface: bool,
    /// True when it cannot be deleted.
    pub delete_protection: bool,
}

/// How a load balancer chooses a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// One after the other.
    #[default]
    RoundRobin,
    /// The one with the fewest connections.
    LeastConnections,
}

/// How load balancers of a project behave, beyond what a client can change. Nothing takes time unless a test says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Behaviour {
    /// How long a target's health is unknown after it was added.
    pub first_health_check: Duration,
    /// How long it takes until label selectors follow the labels of servers.
    pub selector_lag: Duration,
    /// How long a load balancer still shows a network that it was detached from.
    pub detach_lag: Duration,
    /// Whether the services of a new server are broken, until [`Server::healthy`] says that they work.
    ///
    /// [`Server::healthy`]: crate::resource::server::Server::healthy
    pub servers_start_broken: bool,
    /// The dedicated servers of the project's owner that can be `ip` targets, and whether they are healthy.
    pub dedicated_servers: BTreeMap<IpAddr, bool>,
}

impl Object for LoadBalancer {
    fn id(&self) -> Id {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Project {
    /// The project's load balancers.
    pub const fn load_balancers(&self) -> &Collection<LoadBalancer> {
        &self.resources.load_balancers
    }

    /// The project's load balancers, to be changed by hand.
    pub const fn load_balancers_mut(&mut self) -> &mut Collection<LoadBalancer> {
        &mut self.resources.load_balancers
    }

    /// How its load balancers behave, to be changed by hand.
    pub const fn load_balancing_mut(&mut self) -> &mut Behaviour {
        &mut self.resources.load_balancing
    }
}

impl LoadBalancer {
    /// The primary IP of this family that belongs to the load balancer.
    pub fn primary_ip<'a>(
        &self,
        project: &'a Project,
        family: AddressFamily,
    ) -> Option<&'a PrimaryIp> {
        let own = |ip: &&PrimaryIp| {
            ip.family() == family && ip.is_assigned_to(AssigneeKind::LoadBalancer, self.id)
        };
        project.primary_ips().iter().find(own)
    }

    /// Its public address of this family.
    pub fn address(&self, project: &Project, family: AddressFamily) -> Option<IpAddr> {
        self.primary_ip(project, family).map(host)
    }

    /// The network that the load balancer is attached to, and its place there.
    pub fn private_net<'a>(&self, project: &'a Project) -> Option<(&'a Network, &'a Member)> {
        project.networks().iter().find_map(|network| {
            let own =
                |member: &&Member| member.kind == MemberKind::LoadBalancer && member.id == self.id;
            Some((network, network.members.iter().find(own)?))
        })
    }

    /// The certificates that its services use.
    pub fn certificates(&self) -> BTreeSet<Id> {
        self.services
            .iter()
            .flat_map(Service::certificates)
            .collect()
    }

    pub(super) fn service(&self, listen_port: u16) -> Option<&Service> {
        self.services
            .iter()
            .find(|service| service.listen_port == listen_port)
    }
}

/// The address that a load balancer uses: of an IPv6 network, the first one.
fn host(ip: &PrimaryIp) -> IpAddr {
    match ip.ip {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() | 1).into(),
    }
}
