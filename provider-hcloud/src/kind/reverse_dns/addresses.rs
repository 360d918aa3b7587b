//! The public addresses of servers, Primary IPs and load balancers, and their names.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use api::IpFamily;
use ipnet::Ipv6Net;

use crate::hcloud::{LoadBalancer, PrimaryIp, Server, primary_ip::DnsPtr};

/// Public addresses, and the names of those that have one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Addresses {
    ipv4: Option<Ipv4Addr>,
    ipv6: Option<Ipv6Net>,
    names: BTreeMap<IpAddr, String>,
}

impl Addresses {
    /// Whether the address is one of them.
    pub(super) fn has(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(ip) => self.ipv4 == Some(ip),
            IpAddr::V6(ip) => self.ipv6.is_some_and(|network| network.contains(&ip)),
        }
    }

    /// The name of an address.
    pub(super) fn name(&self, ip: IpAddr) -> Option<&str> {
        self.names.get(&ip).map(String::as_str)
    }

    /// The address of a family, of an IPv6 network the first one that can be used. Without a family the IPv4 address,
    /// or with `any` the one that there is.
    ///
    /// # Errors
    /// The family of which there is none.
    pub(super) fn of_family(
        &self,
        family: Option<IpFamily>,
        any: bool,
    ) -> Result<IpAddr, &'static str> {
        let ipv4 = || self.ipv4.map(IpAddr::V4);
        let ipv6 = || self.ipv6.map(|network| IpAddr::V6(first(network)));
        match family {
            None if any => ipv4().or_else(ipv6).ok_or("public"),
            None | Some(IpFamily::Ipv4) => ipv4().ok_or("IPv4"),
            Some(IpFamily::Ipv6) => ipv6().ok_or("IPv6"),
        }
    }

    /// Adds an address or network in the API's notation.
    fn add(&mut self, text: &str) {
        if let Ok(ip) = text.parse() {
            self.ipv4 = Some(ip);
        } else if let Ok(network) = text.parse::<Ipv6Net>() {
            self.ipv6 = Some(network.trunc());
        } else if let Ok(ip) = text.parse::<Ipv6Addr>() {
            self.ipv6 = Some(ip.into());
        }
    }

    /// Adds a name; without an address it is that of `single`.
    fn add_name(&mut self, ip: &str, single: &str, name: &str) {
        let ip = if ip.is_empty() { single } else { ip };
        if let Ok(ip) = ip.parse()
            && !name.is_empty()
        {
            self.names.insert(ip, name.to_owned());
        }
    }

    fn add_with_names(&mut self, address: &str, names: &[DnsPtr]) {
        self.add(address);
        for DnsPtr { ip, dns_ptr } in names {
            self.add_name(ip, address, dns_ptr);
        }
    }
}

fn first(network: Ipv6Net) -> Ipv6Addr {
    let address = network.network();
    match network.prefix_len() {
        128 => address,
        _ => Ipv6Addr::from_bits(address.to_bits() | 1),
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.ipv4, self.ipv6) {
            (None, None) => f.write_str("none"),
            (Some(ipv4), None) => fmt::Display::fmt(&ipv4, f),
            (None, Some(ipv6)) => fmt::Display::fmt(&ipv6, f),
            (Some(ipv4), Some(ipv6)) => write!(f, "{ipv4} and {ipv6}"),
        }
    }
}

impl From<&Server> for Addresses {
    fn from(server: &Server) -> Self {
        let mut addresses = Self::default();
        let public = &server.public_net;
        for ip in public.ipv4.iter().chain(&public.ipv6) {
            addresses.add_with_names(&ip.ip, &ip.dns_ptr);
        }
        addresses
    }
}

impl From<&PrimaryIp> for Addresses {
    fn from(ip: &PrimaryIp) -> Self {
        let mut addresses = Self::default();
        addresses.add_with_names(&ip.ip, &ip.dns_ptr);
        addresses
    }
}

impl From<&LoadBalancer> for Addresses {
    fn from(load_balancer: &LoadBalancer) -> Self {
        let mut addresses = Self::default();
        let public = &load_balancer.public_net;
        for public in [&public.ipv4, &public.ipv6] {
            if let Some(ip) = &public.ip {
                addresses.add(ip);
                addresses.add_name("", ip, public.dns_ptr.as_deref().unwrap_or_default());
            }
        }
        addresses
    }
}
