//! The targets of a load balancer: what they are and which of them the API accepts.

use std::{collections::BTreeSet, net::IpAddr};

use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::LoadBalancer;
use crate::{
    collection::Id,
    error::ApiError,
    label::Selector,
    project::Project,
    request::Fields,
    resource::{
        load_balancer_type::LoadBalancerType,
        network::{Network, SubnetKind},
        primary_ip::AddressFamily,
        server::Server,
    },
};

const MAX_SELECTOR: usize = 1000;

/// Where a load balancer sends what arrives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// What it names; this is its identity.
    pub destination: Destination,
    /// Whether servers are reached through the load balancer's network.
    pub use_private_ip: bool,
    /// When it was added.
    pub added: Timestamp,
    /// The servers that a label selector stands for.
    pub members: Vec<Selected>,
    /// Since when the label selector stands for other servers than `members`.
    pub outdated_since: Option<Timestamp>,
}

/// What a target names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// One cloud server.
    Server(Id),
    /// The cloud servers whose labels match.
    LabelSelector(String),
    /// A dedicated server.
    Ip(IpAddr),
}

/// A server that a label selector stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selected {
    /// The server.
    pub server: Id,
    /// Since when.
    pub since: Timestamp,
}

/// A target as it is asked for.
#[derive(Clone, Debug)]
pub(super) struct TargetRequest {
    pub(super) destination: Destination,
    pub(super) use_private_ip: bool,
}

impl TargetRequest {
    pub(super) fn into_target(self, now: Timestamp) -> Target {
        Target {
            destination: self.destination,
            use_private_ip: self.use_private_ip,
            added: now,
            members: Vec::new(),
            outdated_since: None,
        }
    }
}

impl Target {
    /// True when traffic leaves through the public interface.
    pub(super) const fn is_public(&self) -> bool {
        match &self.destination {
            Destination::Server(_) | Destination::LabelSelector(_) => !self.use_private_ip,
            Destination::Ip(ip) => !is_private(*ip),
        }
    }

    /// The cloud servers that it stands for.
    fn servers(&self) -> impl Iterator<Item = Id> {
        self.servers_since().map(|(id, _)| id)
    }

    /// The cloud servers that it stands for, and since when.
    pub(super) fn servers_since(&self) -> impl Iterator<Item = (Id, Timestamp)> {
        let named = match self.destination {
            Destination::Server(id) => Some((id, self.added)),
            Destination::LabelSelector(_) | Destination::Ip(_) => None,
        };
        let selected = self.members.iter();
        named
            .into_iter()
            .chain(selected.map(|member| (member.server, member.since)))
    }

    fn size(&self) -> usize {
        match self.destination {
            Destination::Server(_) | Destination::Ip(_) => 1,
            Destination::LabelSelector(_) => self.members.len(),
        }
    }
}

/// The load balancers that a server is a target of.
pub(crate) fn serving(project: &Project, server: Id) -> Vec<Id> {
    let serves = |load_balancer: &&LoadBalancer| {
        let mut targets = load_balancer.targets.iter();
        targets.any(|target| target.servers().any(|id| id == server))
    };
    let load_balancers = project.load_balancers().iter().filter(serves);
    load_balancers
        .map(|load_balancer| load_balancer.id)
        .collect()
}

/// True when a load balancer sends traffic to the public IPv4 of a server.
pub(crate) fn uses_public_ip_of(project: &Project, server: Id) -> bool {
    project
        .load_balancers()
        .iter()
        .flat_map(|load_balancer| &load_balancer.targets)
        .any(|target| target.is_public() && target.servers().any(|id| id == server))
}

/// A target in a request.
pub(super) fn read(fields: &mut Fields) -> Option<TargetRequest> {
    let kind = fields.required::<String>("type")?;
    let destination = match kind.as_str() {
        "server" => {
            fields.required::<serde_json::Value>("server");
            fields.nested("server", |server| {
                server.required("id").map(Destination::Server)
            })
        }
        "label_selector" => {
            fields.required::<serde_json::Value>("label_selector");
            fields.nested("label_selector", |target| {
                let selector = target.parsed("selector", selector)?;
                Some(Destination::LabelSelector(selector))
            })
        }
        "ip" => {
            fields.required::<serde_json::Value>("ip");
            fields.nested("ip", |target| {
                target.parsed("ip", address).map(Destination::Ip)
            })
        }
        other => {
            let message = format!("'{other}' is not one of server, label_selector, ip");
            fields.refuse("type", message);
            None
        }
    };
    let use_private_ip = fields.optional("use_private_ip").unwrap_or_default();
    if use_private_ip && matches!(destination, Some(Destination::Ip(_))) {
        fields.refuse("use_private_ip", "is not allowed for type ip");
    }
    Some(TargetRequest {
        destination: destination?,
        use_private_ip,
    })
}

/// The selector as it was written, when it is one.
fn selector(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("must not be empty".to_owned());
    }
    if text.chars().count() > MAX_SELECTOR {
        return Err(format!("is longer than {MAX_SELECTOR} characters"));
    }
    match Selector::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse()
        .map_err(|_| format!("'{text}' is not an IP address"))
}

const fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private(),
        IpAddr::V6(_) => false,
    }
}

/// Whether a load balancer of this type, attached to `network`, may have one more target.
pub(super) fn check(
    project: &Project,
    load_balancer: &LoadBalancer,
    kind: &LoadBalancerType,
    network: Option<&Network>,
    target: &Target,
) -> Result<(), ApiError> {
    let named = |other: &Target| other.destination == target.destination;
    if load_balancer.targets.iter().any(named) {
        return Err(refused(
            "target_already_defined",
            "target is already defined",
        ));
    }
    if target.is_public() && !load_balancer.public_interface {
        return Err(refused(
            "load_balancer_public_interface_disabled",
            "load balancer public interface is disabled, cannot add target using public IP",
        ));
    }
    if !target.is_public() && network.is_none() {
        return Err(not_attached());
    }
    let size = match &target.destination {
        Destination::Server(id) => {
            check_server(project, network, *id, target.use_private_ip)?;
            1
        }
        Destination::Ip(ip) => {
            check_ip(project, network, *ip)?;
            1
        }
        Destination::LabelSelector(text) => {
            selected(project, text, network, target.use_private_ip).len()
        }
    };
    let existing: usize = load_balancer.targets.iter().map(Target::size).sum();
    let LoadBalancerType {
        name, max_targets, ..
    } = kind;
    if existing + size > *max_targets {
        return Err(ApiError::limit_exceeded(format!(
            "a load balancer of type {name} has at most {max_targets} targets"
        )));
    }
    Ok(())
}

/// Whether the targets of a load balancer fit into a type.
pub(super) fn fit(kind: &LoadBalancerType, targets: &[Target]) -> bool {
    targets.iter().map(Target::size).sum::<usize>() <= kind.max_targets
}

fn check_server(
    project: &Project,
    network: Option<&Network>,
    id: Id,
    use_private_ip: bool,
) -> Result<(), ApiError> {
    let server = project
        .servers()
        .get(id)
        .ok_or_else(|| ApiError::not_found("server", id))?;
    if is_reachable(project, network, server, use_private_ip) {
        Ok(())
    } else if use_private_ip {
        Err(refused(
            "resolve_cloud_private_targets_error",
            format!("server {id} is not attached to the network of the load balancer"),
        ))
    } else {
        Err(refused(
            "resolve_cloud_public_targets_error",
            format!("server {id} has no public IPv4 address"),
        ))
    }
}

fn check_ip(project: &Project, network: Option<&Network>, ip: IpAddr) -> Result<(), ApiError> {
    if let (IpAddr::V4(ip), Some(network), true) = (ip, network, is_private(ip)) {
        let mut vswitches = network
            .subnets
            .iter()
            .filter(|subnet| subnet.kind == SubnetKind::Vswitch)
            .peekable();
        return if vswitches.peek().is_none() {
            Err(refused(
                "network_has_no_vswitch_subnet",
                format!("network {} has no subnet of type vswitch", network.id),
            ))
        } else if vswitches.any(|subnet| subnet.ip_range.contains(&ip)) {
            Ok(())
        } else {
            Err(refused(
                "ip_not_in_vswitch_subnet",
                format!("IP {ip} is in no vswitch subnet of network {}", network.id),
            ))
        };
    }
    let is_within = |own: IpAddr| match (own, ip) {
        (IpAddr::V6(own), IpAddr::V6(ip)) => own.to_bits() >> 64 == ip.to_bits() >> 64,
        (own, ip) => own == ip,
    };
    if project.primary_ips().iter().any(|own| is_within(own.ip)) {
        return Err(refused(
            "cloud_resource_ip_not_allowed",
            format!("IP {ip} belongs to a cloud resource"),
        ));
    }
    let dedicated = &project.resources.load_balancing.dedicated_servers;
    if dedicated.contains_key(&ip) {
        Ok(())
    } else {
        Err(refused(
            "ip_not_owned",
            format!("IP {ip} is not owned by the owner of the project"),
        ))
    }
}

pub(super) fn is_reachable(
    project: &Project,
    network: Option<&Network>,
    server: &Server,
    use_private_ip: bool,
) -> bool {
    if use_private_ip {
        network.is_some_and(|network| server.private_ip(project, network.id).is_some())
    } else {
        server.primary_ip(project, AddressFamily::Ipv4).is_some()
    }
}

/// The servers that a label selector stands for now.
pub(super) fn selected(
    project: &Project,
    text: &str,
    network: Option<&Network>,
    use_private_ip: bool,
) -> BTreeSet<Id> {
    let Ok(selector) = Selector::parse(text) else {
        return BTreeSet::new();
    };
    project
        .servers()
        .iter()
        .filter(|server| selector.matches(&server.labels))
        .filter(|server| is_reachable(project, network, server, use_private_ip))
        .map(|server| server.id)
        .collect()
}

pub(super) fn not_attached() -> ApiError {
    refused(
        "load_balancer_not_attached_to_network",
        "load balancer is not attached to a network",
    )
}

fn refused(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
}
