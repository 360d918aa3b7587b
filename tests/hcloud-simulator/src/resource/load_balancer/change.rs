//! What actions do to a load balancer when they succeed.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Algorithm, Destination, LoadBalancer, Service, Target};
use crate::{
    action::{ActionError, NewAction, ResourceRef},
    collection::Id,
    project::Project,
    resource::{
        network::{Member, MemberKind, MemberStatus, address::Place},
        primary_ip::{self, AssigneeKind},
    },
};

/// What an action does to a load balancer when it succeeds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    Create,
    Delete,
    Algorithm(Algorithm),
    Type(Id),
    Protect { delete: bool },
    DnsPtr { ip: IpAddr, dns_ptr: Option<String> },
    AddService(Service),
    UpdateService(Service),
    DeleteService { listen_port: u16 },
    AddTarget(Target),
    RemoveTarget(Destination),
    Attach { network: Id },
    Detach { network: Id, ip: Ipv4Addr },
    PublicInterface { enabled: bool },
}

impl Change {
    pub(super) const fn command(&self) -> &'static str {
        match self {
            Self::Create => "create_load_balancer",
            Self::Delete => "delete_load_balancer",
            Self::Algorithm(_) => "change_algorithm",
            Self::Type(_) => "change_type",
            Self::Protect { .. } => "change_protection",
            Self::DnsPtr { .. } => "change_dns_ptr",
            Self::AddService(_) => "add_service",
            Self::UpdateService(_) => "update_service",
            Self::DeleteService { .. } => "delete_service",
            Self::AddTarget(_) => "add_target",
            Self::RemoveTarget(_) => "remove_target",
            Self::Attach { .. } => "attach_to_network",
            Self::Detach { .. } => "detach_from_network",
            Self::PublicInterface { enabled: true } => "enable_public_interface",
            Self::PublicInterface { enabled: false } => "disable_public_interface",
        }
    }

    /// The network that takes part.
    pub(super) const fn network(&self) -> Option<Id> {
        match self {
            Self::Attach { network } | Self::Detach { network, .. } => Some(*network),
            _ => None,
        }
    }

    /// The action that makes it happen.
    pub(super) fn action(&self, load_balancer: Id) -> NewAction {
        let target = ResourceRef::new("load_balancer", load_balancer);
        let action = NewAction::new(self.command(), target, json!(self));
        match self.network() {
            Some(network) => action.with(ResourceRef::new("network", network)),
            None => action,
        }
    }
}

pub(super) fn apply(project: &mut Project, id: Id, change: &Value) -> Result<(), ActionError> {
    let failed = |message: String| ActionError::new("action_failed", message);
    let change = Change::deserialize(change).map_err(|error| failed(error.to_string()))?;
    let missing = || failed(format!("load balancer {id} does not exist"));
    match change {
        Change::Create | Change::Attach { .. } => mark(project, id, MemberStatus::Ok),
        Change::Detach { .. } => leave(project, id),
        Change::Delete => remove(project, id),
        Change::DnsPtr { ip, dns_ptr } => primary_ip::set_dns_ptr(project, ip, dns_ptr),
        change => {
            let load_balancer = project.load_balancers_mut().get_mut(id);
            alter(load_balancer.ok_or_else(missing)?, change);
        }
    }
    Ok(())
}

fn alter(load_balancer: &mut LoadBalancer, change: Change) {
    match change {
        Change::Algorithm(algorithm) => load_balancer.algorithm = algorithm,
        Change::Type(id) => load_balancer.load_balancer_type = id,
        Change::Protect { delete } => load_balancer.delete_protection = delete,
        Change::AddService(service) => load_balancer.services.push(service),
        Change::UpdateService(service) => {
            let port = service.listen_port;
            let current = load_balancer.services.iter_mut();
            for current in current.filter(|current| current.listen_port == port) {
                current.clone_from(&service);
            }
        }
        Change::DeleteService { listen_port } => load_balancer
            .services
            .retain(|service| service.listen_port != listen_port),
        Change::AddTarget(target) => load_balancer.targets.push(target),
        Change::RemoveTarget(destination) => load_balancer
            .targets
            .retain(|target| target.destination != destination),
        Change::PublicInterface { enabled } => load_balancer.public_interface = enabled,
        Change::Create
        | Change::Delete
        | Change::DnsPtr { .. }
        | Change::Attach { .. }
        | Change::Detach { .. } => {}
    }
}

/// Takes a load balancer away, with its place in its network and its addresses.
pub(super) fn remove(project: &mut Project, id: Id) {
    leave(project, id);
    primary_ip::release(project, AssigneeKind::LoadBalancer, id);
    project.load_balancers_mut().remove(id);
}

/// Reserves its place in a network.
pub(super) fn join(project: &mut Project, id: Id, network: Id, place: Place) {
    if let Some(network) = project.networks_mut().get_mut(network) {
        network.members.push(Member {
            id,
            kind: MemberKind::LoadBalancer,
            ip: place.ip,
            alias_ips: Vec::new(),
            subnet: place.subnet,
            status: MemberStatus::Attaching,
        });
    }
}

fn leave(project: &mut Project, id: Id) {
    for network in networks(project) {
        if let Some(network) = project.networks_mut().get_mut(network) {
            network.members.retain(|member| !is(member, id));
        }
    }
}

/// Says how far it is in its network.
pub(super) fn mark(project: &mut Project, id: Id, status: MemberStatus) {
    for network in networks(project) {
        let network = project.networks_mut().get_mut(network);
        let members = network.into_iter().flat_map(|network| &mut network.members);
        for member in members.filter(|member| is(member, id)) {
            member.status = status;
        }
    }
}

fn networks(project: &Project) -> Vec<Id> {
    project
        .networks()
        .iter()
        .map(|network| network.id)
        .collect()
}

fn is(member: &Member, load_balancer: Id) -> bool {
    member.kind == MemberKind::LoadBalancer && member.id == load_balancer
}
