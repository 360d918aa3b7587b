//! What the API allows networks, subnets and routes to be. Pure functions; nothing here changes anything.

use std::net::Ipv4Addr;

use http::StatusCode;
use ipnet::Ipv4Net;

use super::{Network, NetworkRoute, Subnet, SubnetKind};
use crate::{collection::Collection, error::ApiError, resource::location};

/// The gateway of the public interface of every server.
pub(super) const PUBLIC_GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 31, 1, 1);
/// RFC 1918.
const PRIVATE: [Ipv4Net; 3] = [
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
];
const MAX_SUBNETS: usize = 50;
const MAX_ROUTES: usize = 100;
const SMALLEST_NETWORK: u8 = 24;
const SMALLEST_SUBNET: u8 = 30;

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Violation {
    #[error("{field} {message}")]
    Invalid {
        field: &'static str,
        message: String,
    },
    #[error("{0}")]
    Limit(String),
    #[error("vSwitch {0} is already used by a network")]
    VswitchUsed(i64),
}

impl Violation {
    /// The API's refusal; `prefix` leads to the object that the field belongs to.
    pub(super) fn refusal(&self, prefix: &str) -> ApiError {
        match self {
            Self::Invalid { field, message } => {
                ApiError::invalid_field(format!("{prefix}{field}"), message)
            }
            Self::Limit(message) => ApiError::limit_exceeded(message),
            Self::VswitchUsed(_) => ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "vswitch_id_already_used",
                self.to_string(),
            ),
        }
    }
}

fn invalid(field: &'static str, message: impl Into<String>) -> Violation {
    Violation::Invalid {
        field,
        message: message.into(),
    }
}

/// A subnet as it is asked for; without a range the API picks one.
#[derive(Clone, Debug)]
pub(super) struct SubnetRequest {
    pub(super) kind: SubnetKind,
    pub(super) ip_range: Option<Ipv4Net>,
    pub(super) network_zone: String,
    pub(super) vswitch_id: Option<i64>,
}

/// The first address that can be used in a range.
pub(super) fn first_address(range: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from_bits(range.network().to_bits().saturating_add(1))
}

/// An IPv4 range in CIDR notation.
pub(super) fn range(text: &str) -> Result<Ipv4Net, String> {
    let range: Ipv4Net = text
        .parse()
        .map_err(|_| format!("'{text}' is not an IPv4 range in CIDR notation"))?;
    if range.addr() != range.network() {
        return Err(format!(
            "'{text}' has host bits set: the range is {}",
            range.trunc()
        ));
    }
    Ok(range)
}

/// An IPv4 address.
pub(super) fn address(text: &str) -> Result<Ipv4Addr, String> {
    text.parse()
        .map_err(|_| format!("'{text}' is not an IPv4 address"))
}

/// The range of a whole network.
pub(super) fn network_range(text: &str) -> Result<Ipv4Net, String> {
    let range = range(text)?;
    if !is_private(range) {
        return Err(format!(
            "'{text}' is not one of the private ranges of RFC 1918"
        ));
    }
    if range.prefix_len() > SMALLEST_NETWORK {
        return Err(format!("'{text}' is smaller than /{SMALLEST_NETWORK}"));
    }
    Ok(range)
}

/// A subnet type.
pub(super) fn subnet_kind(text: &str) -> Result<SubnetKind, String> {
    match text {
        "cloud" => Ok(SubnetKind::Cloud),
        "server" => Ok(SubnetKind::Server),
        "vswitch" => Ok(SubnetKind::Vswitch),
        _ => Err(format!("'{text}' is not one of cloud, server, vswitch")),
    }
}

/// A network zone that exists.
pub(super) fn network_zone(text: &str) -> Result<String, String> {
    if location::is_network_zone(text) {
        Ok(text.to_owned())
    } else {
        Err(format!("'{text}' is not a network zone"))
    }
}

/// Gives a subnet without a range the first free /24, or the whole range of a network that is no larger.
pub(super) fn place(network: &Network, request: SubnetRequest) -> Result<Subnet, Violation> {
    let prefix = SMALLEST_NETWORK.max(network.ip_range.prefix_len());
    let free = || {
        let mut ranges = network.ip_range.subnets(prefix).ok()?;
        ranges.find(|range| check_free(network, *range).is_ok())
    };
    let ip_range = request
        .ip_range
        .or_else(free)
        .ok_or_else(|| invalid("ip_range", "is missing and no range is free"))?;
    Ok(Subnet {
        kind: request.kind,
        ip_range,
        network_zone: request.network_zone,
        vswitch_id: request.vswitch_id,
    })
}

/// Whether a subnet may be added; `others` are all networks of the project.
pub(super) fn subnet(
    others: &Collection<Network>,
    network: &Network,
    subnet: &Subnet,
) -> Result<(), Violation> {
    if network.subnets.len() >= MAX_SUBNETS {
        return Err(Violation::Limit(format!(
            "a network has at most {MAX_SUBNETS} subnets"
        )));
    }
    match (subnet.kind, subnet.vswitch_id) {
        (SubnetKind::Vswitch, None) => {
            return Err(invalid("vswitch_id", "is required for type vswitch"));
        }
        (SubnetKind::Vswitch, Some(id)) => {
            let used = |network: &Network| {
                network
                    .subnets
                    .iter()
                    .any(|subnet| subnet.vswitch_id == Some(id))
            };
            if used(network) || others.iter().any(used) {
                return Err(Violation::VswitchUsed(id));
            }
        }
        (SubnetKind::Cloud | SubnetKind::Server, Some(_)) => {
            return Err(invalid("vswitch_id", "is only allowed for type vswitch"));
        }
        (SubnetKind::Cloud | SubnetKind::Server, None) => {}
    }
    let range = subnet.ip_range;
    if !network.ip_range.contains(&range) {
        return Err(invalid(
            "ip_range",
            format!(
                "{range} is not inside the network's range {}",
                network.ip_range
            ),
        ));
    }
    if range.prefix_len() > SMALLEST_SUBNET {
        return Err(invalid(
            "ip_range",
            format!("{range} is smaller than /{SMALLEST_SUBNET}"),
        ));
    }
    check_free(network, range)
}

fn check_free(network: &Network, range: Ipv4Net) -> Result<(), Violation> {
    if let Some(other) = network
        .subnets
        .iter()
        .find(|subnet| overlap(subnet.ip_range, range))
    {
        return Err(invalid(
            "ip_range",
            format!("{range} overlaps with subnet {}", other.ip_range),
        ));
    }
    let mut destinations = network.routes.iter().map(|route| route.destination);
    match destinations.find(|destination| !is_default(*destination) && overlap(*destination, range))
    {
        Some(destination) => Err(invalid(
            "ip_range",
            format!("{range} overlaps with the route to {destination}"),
        )),
        None => Ok(()),
    }
}

/// Whether a subnet may be removed.
pub(super) fn subnet_removal(network: &Network, range: Ipv4Net) -> Result<(), ApiError> {
    if !network
        .subnets
        .iter()
        .any(|subnet| subnet.ip_range == range)
    {
        return Err(ApiError::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("subnet {range} not found"),
        ));
    }
    if network.members.iter().any(|member| member.subnet == range) {
        // Clients compare this text to tell it from other service errors.
        let message = "cannot remove subnet because servers are attached to it";
        return Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "service_error",
            message,
        ));
    }
    Ok(())
}

/// Whether a route may be added. The default route counts as overlapping only with itself.
pub(super) fn route(network: &Network, route: &NetworkRoute) -> Result<(), Violation> {
    if network.routes.len() >= MAX_ROUTES {
        return Err(Violation::Limit(format!(
            "a network has at most {MAX_ROUTES} routes"
        )));
    }
    let NetworkRoute {
        destination,
        gateway,
    } = *route;
    if !is_default(destination) {
        if !is_private(destination) {
            let message =
                format!("{destination} is neither a private range of RFC 1918 nor 0.0.0.0/0");
            return Err(invalid("destination", message));
        }
        if destination.contains(&PUBLIC_GATEWAY) {
            return Err(invalid(
                "destination",
                format!("{destination} overlaps with {PUBLIC_GATEWAY}"),
            ));
        }
        if let Some(subnet) = network
            .subnets
            .iter()
            .find(|subnet| overlap(subnet.ip_range, destination))
        {
            return Err(invalid(
                "destination",
                format!("{destination} overlaps with subnet {}", subnet.ip_range),
            ));
        }
    }
    let collides = |other: Ipv4Net| {
        if is_default(other) || is_default(destination) {
            other == destination
        } else {
            overlap(other, destination)
        }
    };
    if let Some(other) = network
        .routes
        .iter()
        .find(|other| collides(other.destination))
    {
        return Err(invalid(
            "destination",
            format!(
                "{destination} overlaps with the route to {}",
                other.destination
            ),
        ));
    }
    if gateway == first_address(network.ip_range) {
        return Err(invalid(
            "gateway",
            format!("{gateway} is the first address of the network"),
        ));
    }
    if gateway == PUBLIC_GATEWAY {
        return Err(invalid(
            "gateway",
            format!("{gateway} is the gateway of public interfaces"),
        ));
    }
    let behind_vswitch =
        |subnet: &&Subnet| subnet.kind == SubnetKind::Vswitch && subnet.ip_range.contains(&gateway);
    match network.subnets.iter().find(behind_vswitch) {
        Some(subnet) => Err(invalid(
            "gateway",
            format!("{gateway} is behind the vSwitch of {}", subnet.ip_range),
        )),
        None => Ok(()),
    }
}

/// Whether a network's range may become `range`: addresses are only added at its end.
pub(super) fn extension(network: &Network, range: Ipv4Net) -> Result<(), Violation> {
    let first = network.ip_range.network();
    if range.network() == first && range.contains(&network.ip_range) {
        Ok(())
    } else {
        Err(invalid(
            "ip_range",
            format!(
                "{range} is not {} with a shorter prefix: a network can only grow, and goes on to start with {first}",
                network.ip_range
            ),
        ))
    }
}

fn overlap(a: Ipv4Net, b: Ipv4Net) -> bool {
    a.contains(&b) || b.contains(&a)
}

fn is_default(range: Ipv4Net) -> bool {
    range.prefix_len() == 0
}

fn is_private(range: Ipv4Net) -> bool {
    PRIVATE.iter().any(|block| block.contains(&range))
}

#[cfg(test)]
mod tests;
