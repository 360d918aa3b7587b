//! The rules of a region's firewall: what servers let in from the internet, and nothing
//! that they do not need.
//!
//! The API and node ports need no rule: load balancers reach servers through the private
//! network, which is not filtered.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use provider_hcloud_api::{FirewallDirection, FirewallProtocol, FirewallRule};

use crate::claim::firewall::{self, Firewall};
use crate::claim::validate::{Problem, network};

/// Most rules of a firewall in the cloud.
const RULES: usize = 50;
/// Most ranges of a rule.
const RANGES: usize = 100;
/// Everybody.
const ANYWHERE: [&str; 2] = ["0.0.0.0/0", "::/0"];
/// Port of Cilium's encryption between nodes.
const WIREGUARD: &str = "51871";
/// Node port of Cilium's `ClusterMesh` API server.
const CLUSTER_MESH: &str = "32379";
/// The network of an IPv6 address: each server has one.
const IPV6_PREFIX: u8 = 64;

/// The rules, as far as the spec makes sense; what does not is added to the problems.
pub(super) fn rules(firewall: &Firewall, problems: &mut Vec<Problem>) -> Vec<FirewallRule> {
    let mut rules = vec![FirewallRule {
        description: Some("ping and path MTU discovery".to_owned()),
        protocol: FirewallProtocol::Icmp,
        source_ips: ANYWHERE.map(str::to_owned).to_vec(),
        ..FirewallRule::default()
    }];
    let peers: Vec<String> = peers(firewall, problems).into_iter().collect();
    for sources in peers.chunks(RANGES) {
        rules.push(FirewallRule {
            description: Some("WireGuard between regions".to_owned()),
            port: Some(WIREGUARD.to_owned()),
            protocol: FirewallProtocol::Udp,
            source_ips: sources.to_vec(),
            ..FirewallRule::default()
        });
        rules.push(FirewallRule {
            description: Some("ClusterMesh between regions".to_owned()),
            port: Some(CLUSTER_MESH.to_owned()),
            protocol: FirewallProtocol::Tcp,
            source_ips: sources.to_vec(),
            ..FirewallRule::default()
        });
    }
    for (index, rule) in firewall.rules.iter().enumerate() {
        network::rule(&format!("spec.firewall.rules[{index}]"), rule, problems);
        rules.push(of_user(rule));
    }
    if rules.len() > RULES {
        problems.push(Problem::new(
            "spec.firewall",
            format_args!(
                "rules and peers make {} rules, and the cloud takes {RULES} for a firewall: merge rules, or have fewer servers with public addresses in other regions",
                rules.len()
            ),
        ));
    }
    rules
}

fn of_user(rule: &firewall::FirewallRule) -> FirewallRule {
    FirewallRule {
        description: Some(rule.description.clone()).filter(|text| !text.is_empty()),
        destination_ips: Vec::new(),
        direction: FirewallDirection::In,
        port: rule.port.clone(),
        protocol: match rule.protocol {
            firewall::FirewallProtocol::Tcp => FirewallProtocol::Tcp,
            firewall::FirewallProtocol::Udp => FirewallProtocol::Udp,
            firewall::FirewallProtocol::Icmp => FirewallProtocol::Icmp,
        },
        source_ips: rule.sources.clone(),
    }
}

/// The ranges that the servers of other regions send from, each once and in order.
fn peers(firewall: &Firewall, problems: &mut Vec<Problem>) -> BTreeSet<String> {
    let mut ranges = BTreeSet::new();
    for (index, peer) in firewall.peers.iter().enumerate() {
        for (position, text) in peer.addresses.iter().enumerate() {
            match range_of(text) {
                Some(range) => {
                    ranges.insert(range.to_string());
                }
                None => problems.push(Problem::new(
                    format!("spec.firewall.peers[{index}].addresses[{position}]"),
                    format_args!("{text:?} is neither an address nor a range: write it like 203.0.113.7 or 2001:db8::/64"),
                )),
            }
        }
    }
    ranges
}

fn range_of(text: &str) -> Option<IpNet> {
    if let Ok(range) = text.parse::<IpNet>() {
        return Some(range.trunc());
    }
    let prefix = |address: &IpAddr| match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => IPV6_PREFIX,
    };
    let address: IpAddr = text.parse().ok()?;
    Some(IpNet::new(address, prefix(&address)).ok()?.trunc())
}
