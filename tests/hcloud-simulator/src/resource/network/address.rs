//! Which address a server or load balancer gets in a network. Pure functions; nothing here changes anything.

use std::net::Ipv4Addr;

use http::StatusCode;
use ipnet::Ipv4Net;

use super::{Member, Network, Subnet, SubnetKind, rule};
use crate::error::ApiError;

const MAX_MEMBERS: usize = 100;

/// What is asked for when something is attached to a network.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wish {
    /// This very address.
    pub(crate) ip: Option<Ipv4Addr>,
    /// The subnet with this range.
    pub(crate) ip_range: Option<Ipv4Net>,
}

/// An address in a subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) ip: Ipv4Addr,
    pub(crate) subnet: Ipv4Net,
}

/// The place that a new member in `zone` gets. Without a wish it is the first free address of the last subnet, by range.
pub(crate) fn place(network: &Network, zone: &str, wish: Wish) -> Result<Place, ApiError> {
    if network.members.len() >= MAX_MEMBERS {
        return Err(ApiError::limit_exceeded(format!(
            "a network has at most {MAX_MEMBERS} attached resources"
        )));
    }
    if let Wish {
        ip: Some(ip),
        ip_range: Some(range),
    } = wish
        && !range.contains(&ip)
    {
        return Err(ApiError::invalid_field(
            "ip",
            format!("{ip} is not inside {range}"),
        ));
    }
    let fits = |subnet: &&Subnet| {
        subnet.kind != SubnetKind::Vswitch
            && subnet.network_zone == zone
            && wish.ip_range.is_none_or(|range| range == subnet.ip_range)
            && wish.ip.is_none_or(|ip| subnet.ip_range.contains(&ip))
    };
    let mut subnets: Vec<Ipv4Net> = network
        .subnets
        .iter()
        .filter(fits)
        .map(|subnet| subnet.ip_range)
        .collect();
    subnets.sort_unstable();
    let free = |subnet: Ipv4Net| {
        let mut addresses = subnet.hosts();
        let ip = match wish.ip {
            Some(ip) => Some(ip).filter(|ip| is_available(network, subnet, *ip)),
            None => addresses.find(|ip| is_available(network, subnet, *ip)),
        };
        ip.map(|ip| Place { ip, subnet })
    };
    let refused = |code, message| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, message);
    match (subnets.iter().rev().copied().find_map(free), wish.ip) {
        (Some(place), _) => Ok(place),
        (None, Some(ip)) if !subnets.is_empty() => Err(refused(
            "ip_not_available",
            format!("IP {ip} is not available in network {}", network.id),
        )),
        (None, _) => Err(refused(
            "no_subnet_available",
            format!(
                "no subnet or IP of network zone {zone} is available in network {}",
                network.id
            ),
        )),
    }
}

/// True when an address of a subnet belongs to nobody and is not reserved.
pub(crate) fn is_available(network: &Network, subnet: Ipv4Net, ip: Ipv4Addr) -> bool {
    let reserved = [
        network.gateway(),
        subnet.network(),
        subnet.broadcast(),
        rule::PUBLIC_GATEWAY,
    ];
    let taken = |member: &Member| member.ip == ip || member.alias_ips.contains(&ip);
    subnet.contains(&ip) && !reserved.contains(&ip) && !network.members.iter().any(taken)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::resource::network::{MemberKind, MemberStatus};

    fn network() -> Network {
        let subnet = |range: &str, zone: &str, kind| Subnet {
            kind,
            ip_range: range.parse().unwrap(),
            network_zone: zone.to_owned(),
            vswitch_id: None,
        };
        let mut network = Network::new(
            1,
            "n".to_owned(),
            "10.0.0.0/16".parse().unwrap(),
            Timestamp::UNIX_EPOCH,
        );
        network.subnets = vec![
            subnet("10.0.2.0/30", "eu-central", SubnetKind::Cloud),
            subnet("10.0.0.0/24", "eu-central", SubnetKind::Cloud),
            subnet("10.0.3.0/24", "us-east", SubnetKind::Cloud),
            subnet("10.0.4.0/24", "eu-central", SubnetKind::Vswitch),
        ];
        network
    }

    fn occupy(network: &mut Network, ip: &str, alias_ips: &[&str]) {
        network.members.push(Member {
            id: 5,
            kind: MemberKind::Server,
            ip: ip.parse().unwrap(),
            alias_ips: alias_ips.iter().map(|ip| ip.parse().unwrap()).collect(),
            subnet: "10.0.0.0/24".parse().unwrap(),
            status: MemberStatus::Ok,
        });
    }

    fn placed(network: &Network, zone: &str, ip: &str, range: &str) -> String {
        let wish = Wish {
            ip: ip.parse().ok(),
            ip_range: range.parse().ok(),
        };
        match place(network, zone, wish) {
            Ok(place) => format!("{} in {}", place.ip, place.subnet),
            Err(error) => error.code.into_owned(),
        }
    }

    #[test]
    fn wishes_are_granted_from_subnets_of_the_zone() {
        let table = [
            ("eu-central", "", "", "10.0.2.1 in 10.0.2.0/30"),
            ("us-east", "", "", "10.0.3.1 in 10.0.3.0/24"),
            ("us-west", "", "", "no_subnet_available"),
            ("eu-central", "", "10.0.0.0/24", "10.0.0.2 in 10.0.0.0/24"),
            ("eu-central", "", "10.0.3.0/24", "no_subnet_available"),
            ("eu-central", "", "10.0.4.0/24", "no_subnet_available"),
            ("eu-central", "10.0.0.9", "", "10.0.0.9 in 10.0.0.0/24"),
            ("eu-central", "10.0.0.1", "", "ip_not_available"),
            ("eu-central", "10.0.0.0", "", "ip_not_available"),
            ("eu-central", "10.0.0.255", "", "ip_not_available"),
            ("eu-central", "10.0.9.9", "", "no_subnet_available"),
            ("eu-central", "10.0.0.9", "10.0.2.0/30", "invalid_input"),
        ];
        for (zone, ip, range, expected) in table {
            assert_eq!(
                placed(&network(), zone, ip, range),
                expected,
                "{zone} {ip} {range}"
            );
        }
    }

    #[test]
    fn an_address_is_given_once_and_a_full_subnet_gives_way_to_the_one_before() {
        let mut network = network();
        occupy(&mut network, "10.0.2.1", &["10.0.2.2", "10.0.0.2"]);
        let free = placed(&network, "eu-central", "", "");
        assert_eq!(free, "10.0.0.3 in 10.0.0.0/24");
        for taken in ["10.0.2.1", "10.0.0.2"] {
            let refused = placed(&network, "eu-central", taken, "");
            assert_eq!(refused, "ip_not_available", "{taken}");
        }
        let full = placed(&network, "eu-central", "", "10.0.2.0/30");
        assert_eq!(full, "no_subnet_available");
    }
}
