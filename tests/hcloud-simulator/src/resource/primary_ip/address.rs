//! Which public addresses there are, and their names in reverse DNS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::AddressFamily;
use crate::collection::Id;

/// Where public IPv4 addresses are taken from. IPv6 networks always lie in the documentation range 2001:db8::/32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressPool {
    /// 198.18.0.0/15, which is routed nowhere.
    #[default]
    Unrouted,
    /// 127.0.0.0/8 without 127.0.0.0/16: something that listens on such an address can play the server.
    Loopback,
    /// The hosts of this range: simulators whose servers are played at the same time each need a part of 127.0.0.0/8.
    Range(Ipv4Net),
}

/// An IPv6 primary IP is a network of this size.
pub(super) const IPV6_PREFIX: u8 = 64;
/// Addresses of one /24 that look like those of a host.
const HOSTS: u64 = 254;

impl AddressPool {
    /// The address of the primary IP with this id. `is_taken` knows those that others have.
    pub(super) fn address(
        self,
        family: AddressFamily,
        id: Id,
        is_taken: impl Fn(IpAddr) -> bool,
    ) -> IpAddr {
        let wanted = match family {
            AddressFamily::Ipv4 => self.ipv4(id),
            AddressFamily::Ipv6 => return ipv6(id),
        };
        let mut candidates = (1..self.size()).map(|step| self.ipv4(id + step));
        if is_taken(wanted.into()) {
            let free = candidates.find(|ip| !is_taken((*ip).into()));
            free.unwrap_or(wanted).into()
        } else {
            wanted.into()
        }
    }

    fn size(self) -> u64 {
        match self {
            Self::Unrouted => 512 * HOSTS,
            Self::Loopback => 255 * 256 * HOSTS,
            Self::Range(range) => (1 << (range.max_prefix_len() - range.prefix_len())).max(3) - 2,
        }
    }

    fn ipv4(self, id: Id) -> Ipv4Addr {
        let number = id % self.size();
        let first = match self {
            Self::Unrouted => Ipv4Addr::new(198, 18, 0, 0),
            Self::Loopback => Ipv4Addr::new(127, 1, 0, 0),
            Self::Range(range) => {
                let offset = u32::try_from(number + 1).unwrap_or(1);
                return Ipv4Addr::from_bits(range.network().to_bits().saturating_add(offset));
            }
        };
        let offset = number / HOSTS * 256 + number % HOSTS + 1;
        Ipv4Addr::from_bits(
            first
                .to_bits()
                .saturating_add(u32::try_from(offset).unwrap_or(1)),
        )
    }
}

fn ipv6(id: Id) -> IpAddr {
    let network = u128::from(id & u64::from(u32::MAX)) << IPV6_PREFIX;
    Ipv6Addr::from_bits(0x2001_0db8 << 96 | network).into()
}

/// True when `address` belongs to the primary IP `ip`: it is the same, or inside the same /64.
pub(super) fn covers(ip: IpAddr, address: IpAddr) -> bool {
    match (ip, address) {
        (IpAddr::V4(ip), IpAddr::V4(address)) => ip == address,
        (IpAddr::V6(ip), IpAddr::V6(address)) => {
            ip.to_bits() >> IPV6_PREFIX == address.to_bits() >> IPV6_PREFIX
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// The name of an address that nobody has named: IPv4 addresses have one.
pub(super) fn default_name(ip: IpAddr) -> Option<String> {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            Some(format!("static.{d}.{c}.{b}.{a}.clients.your-server.de"))
        }
        IpAddr::V6(_) => None,
    }
}

/// A name that an address may point to.
pub(crate) fn dns_name(text: &str) -> Result<String, String> {
    let is_label = |label: &str| {
        let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len())
            && label.bytes().all(inside)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.len() <= 253 && name.split('.').all(is_label) {
        Ok(text.to_owned())
    } else {
        Err(format!("'{text}' is not a domain name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_follow_the_id_and_a_taken_one_is_passed_over() {
        let nobody = |_| false;
        let table = [
            (AddressPool::Unrouted, 0, "198.18.0.1"),
            (AddressPool::Unrouted, 253, "198.18.0.254"),
            (AddressPool::Unrouted, 254, "198.18.1.1"),
            (AddressPool::Unrouted, 512 * 254 - 1, "198.19.255.254"),
            (AddressPool::Unrouted, 512 * 254, "198.18.0.1"),
            (AddressPool::Loopback, 0, "127.1.0.1"),
            (
                AddressPool::Loopback,
                255 * 256 * 254 - 1,
                "127.255.255.254",
            ),
        ];
        for (pool, id, expected) in table {
            let address = pool.address(AddressFamily::Ipv4, id, nobody);
            assert_eq!(address.to_string(), expected, "{pool:?} {id}");
        }
        let range = AddressPool::Range("127.200.0.0/30".parse().unwrap());
        let hosts = [0, 1, 2].map(|id| range.address(AddressFamily::Ipv4, id, nobody).to_string());
        assert_eq!(hosts, ["127.200.0.1", "127.200.0.2", "127.200.0.1"]);
        let first: IpAddr = "198.18.0.1".parse().unwrap();
        let next = AddressPool::Unrouted.address(AddressFamily::Ipv4, 0, |ip| ip == first);
        assert_eq!(next.to_string(), "198.18.0.2");
        let network = AddressPool::Loopback.address(AddressFamily::Ipv6, 0x0010_0001, nobody);
        assert_eq!(network.to_string(), "2001:db8:10:1::");
    }

    #[test]
    fn an_ipv6_primary_ip_covers_its_network() {
        let table = [
            ("198.18.0.1", "198.18.0.1", true),
            ("198.18.0.1", "198.18.0.2", false),
            ("2001:db8:1:2::", "2001:db8:1:2::", true),
            ("2001:db8:1:2::", "2001:db8:1:2:ffff::1", true),
            ("2001:db8:1:2::", "2001:db8:1:3::1", false),
            ("2001:db8:1:2::", "198.18.0.1", false),
        ];
        for (ip, address, expected) in table {
            let covered = covers(ip.parse().unwrap(), address.parse().unwrap());
            assert_eq!(covered, expected, "{ip} {address}");
        }
    }

    #[test]
    fn names_are_checked() {
        for good in ["a", "server.example.com", "server.example.com.", "_x.y-z"] {
            assert_eq!(dns_name(good), Ok(good.to_owned()));
        }
        for bad in ["", ".", "a..b", "-a.b", "a b", "ä.de", &"a".repeat(64)] {
            assert!(dns_name(bad).is_err(), "{bad}");
        }
    }
}
