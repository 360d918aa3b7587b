//! Checks of what is in a network: routes, and what its firewall lets in. Those of a claim and those of a region are alike.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};

use super::Problem;
use crate::claim::firewall::{FirewallProtocol, FirewallRule};
use crate::claim::network::{INTERNET, Range, Route};

/// The gateway of the public network, which the cloud does not accept in a private one.
const PUBLIC_GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 31, 1, 1);

/// Checks the routes of a network with this range; `path` is that of the network.
pub(crate) fn routes(path: &str, network: Range, routes: &[Route], problems: &mut Vec<Problem>) {
    for (index, route) in routes.iter().enumerate() {
        let destination = &route.destination;
        if !is_destination(destination) {
            problems.push(Problem::new(
                format!("{path}.routes[{index}].destination"),
                format_args!(
                    "{destination:?} is neither {INTERNET} nor a private IPv4 range that starts at its first address: write it like 10.8.0.0/16"
                ),
            ));
        }
        if !network.holds(route.gateway)
            || route.gateway == first_usable(network)
            || route.gateway == PUBLIC_GATEWAY
        {
            problems.push(Problem::new(
                format!("{path}.routes[{index}].gateway"),
                format_args!(
                    "{} cannot be a gateway in the network {network}: write the private address of the server that passes packets on",
                    route.gateway
                ),
            ));
        }
    }
}

/// The first address of a network is its own gateway.
fn first_usable(network: Range) -> Ipv4Addr {
    Ipv4Addr::from_bits(network.first().to_bits() | 1)
}

fn is_destination(text: &str) -> bool {
    let Ok(range) = text.parse::<Ipv4Net>() else {
        return false;
    };
    let private = range.network().is_private() && range.broadcast().is_private();
    range.trunc() == range && (text == INTERNET || private)
}

/// Checks what is let in; `path` is that of the rule.
pub(crate) fn rule(path: &str, rule: &FirewallRule, problems: &mut Vec<Problem>) {
    let wants_port = rule.protocol != FirewallProtocol::Icmp;
    if wants_port != rule.port.is_some() {
        problems.push(Problem::new(
            format!("{path}.port"),
            "the protocols tcp and udp need a port, and icmp has none: add it or remove it",
        ));
    }
    for (index, source) in rule.sources.iter().enumerate() {
        let what_to_do = match source.parse::<IpNet>() {
            Err(_) => {
                "write it like 203.0.113.0/24, or 0.0.0.0/0 and ::/0 for everybody".to_owned()
            }
            Ok(range) if range.trunc() != range => format!("write {}", range.trunc()),
            Ok(_) => continue,
        };
        problems.push(Problem::new(
            format!("{path}.sources[{index}]"),
            format_args!(
                "{source:?} is not a range that starts at its first address: {what_to_do}"
            ),
        ));
    }
    if let Some(port) = rule.port.as_deref().filter(|port| !is_ports(port)) {
        problems.push(Problem::new(
            format!("{path}.port"),
            format_args!("{port} is not a port or a range of ports: write one from 1 to 65535, or the lower one, a hyphen and the higher one"),
        ));
    }
}

fn is_ports(text: &str) -> bool {
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    match text.split_once('-') {
        None => port(text).is_some(),
        Some((low, high)) => {
            matches!((port(low), port(high)), (Some(low), Some(high)) if low <= high)
        }
    }
}
