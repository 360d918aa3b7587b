//! The kinds of resources. A kind is one file below this module, one field of [`Resources`] when it has state of its own,
//! and one entry of `KINDS`; nothing else in the crate names it.

pub(crate) mod action;
pub mod certificate;
pub(crate) mod datacenter;
pub mod firewall;
pub mod image;
pub mod iso;
pub mod load_balancer;
pub mod load_balancer_type;
pub mod location;
pub mod network;
pub mod placement_group;
pub mod pricing;
pub mod primary_ip;
pub mod server;
pub mod server_type;
pub mod ssh_key;
pub mod volume;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    action::ActionError,
    collection::{Collection, Id},
    project::Project,
    route::Route,
};

/// The objects of a project, by kind.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// `/certificates`.
    pub certificates: Collection<certificate::Certificate>,
    /// `/firewalls`.
    pub firewalls: Collection<firewall::Firewall>,
    /// How firewalls behave.
    pub firewalling: firewall::Behaviour,
    /// The snapshots and backups below `/images`.
    pub images: Collection<image::Image>,
    /// `/load_balancers`.
    pub load_balancers: Collection<load_balancer::LoadBalancer>,
    /// How load balancers behave.
    pub load_balancing: load_balancer::Behaviour,
    /// `/networks`.
    pub networks: Collection<network::Network>,
    /// `/placement_groups`.
    pub placement_groups: Collection<placement_group::PlacementGroup>,
    /// `/primary_ips`.
    pub primary_ips: Collection<primary_ip::PrimaryIp>,
    /// `/servers`.
    pub servers: Collection<server::Server>,
    /// `/ssh_keys`.
    pub ssh_keys: Collection<ssh_key::SshKey>,
    /// `/volumes`.
    pub volumes: Collection<volume::Volume>,
}

/// Every kind that the simulator serves.
pub(crate) static KINDS: &[&Kind] = &[
    &action::KIND,
    &certificate::KIND,
    &datacenter::KIND,
    &firewall::KIND,
    &image::KIND,
    &iso::KIND,
    &load_balancer::KIND,
    &load_balancer_type::KIND,
    &location::KIND,
    &network::KIND,
    &placement_group::KIND,
    &pricing::KIND,
    &primary_ip::KIND,
    &server::KIND,
    &server_type::KIND,
    &ssh_key::KIND,
    &volume::KIND,
];

/// What follows by itself from changes of other objects; run whenever the world is looked at.
pub(crate) static CONSEQUENCES: &[fn(&mut Project, Timestamp)] =
    &[firewall::follow, load_balancer::follow];

/// What the engine knows of a kind.
#[derive(Debug)]
pub(crate) struct Kind {
    /// The kind's name in bodies and in the `resources` of actions, for example `network`.
    pub(crate) name: &'static str,
    /// The kind's path and list key, for example `networks`.
    pub(crate) plural: &'static str,
    /// Its operations, without those on its actions.
    pub(crate) routes: &'static [Route],
    /// How actions change it, when they do; this also serves `/<plural>/…/actions`.
    pub(crate) changes: Option<Changes>,
}

/// How actions change a kind.
#[derive(Debug)]
pub(crate) struct Changes {
    /// Whether an object exists.
    pub(crate) exists: fn(&Project, Id) -> bool,
    /// Applies the change of an action that succeeds; an error makes it fail instead.
    pub(crate) apply: fn(&mut Project, Id, &Value) -> Result<(), ActionError>,
}
