//! What the schema of a region cannot say.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::claim::RegionSpec;
use crate::claim::cluster::Distribution;
use crate::claim::network::{INTERNET, Range};
use crate::claim::validate::Problem;

/// The gateway of the public network, which the cloud does not accept in a private one.
const PUBLIC_GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 31, 1, 1);

/// All problems of a region's spec, but for those of its firewall.
pub(super) fn problems(spec: &RegionSpec) -> Vec<Problem> {
    let mut problems = Vec::new();
    subnets(spec, &mut problems);
    routes(spec, &mut problems);
    clusters(spec, &mut problems);
    load_balancers(spec, &mut problems);
    problems
}

fn subnets(spec: &RegionSpec, problems: &mut Vec<Problem>) {
    let network = spec.network.cidr;
    let subnets = &spec.network.subnets;
    for (index, subnet) in subnets.iter().enumerate() {
        let path = || format!("spec.network.subnets[{index}].cidr");
        if !network.contains(subnet.cidr) {
            problems.push(Problem::new(
                path(),
                format_args!(
                    "{} of subnet {} is not inside the network {network}: choose a range in it, or let the network grow",
                    subnet.cidr, subnet.name
                ),
            ));
        }
        for earlier in &subnets[..index] {
            if subnet.cidr.overlaps(earlier.cidr) {
                problems.push(Problem::new(
                    path(),
                    format_args!(
                        "{} of subnet {} overlaps {} of subnet {}: choose another range",
                        subnet.cidr, subnet.name, earlier.cidr, earlier.name
                    ),
                ));
            }
        }
    }
}

fn routes(spec: &RegionSpec, problems: &mut Vec<Problem>) {
    let network = spec.network.cidr;
    for (index, route) in spec.network.routes.iter().enumerate() {
        let path = format!("spec.network.routes[{index}]");
        let destination = &route.destination;
        if !is_destination(destination) {
            problems.push(Problem::new(
                format!("{path}.destination"),
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
                format!("{path}.gateway"),
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

fn clusters(spec: &RegionSpec, problems: &mut Vec<Problem>) {
    for (index, cluster) in spec.clusters.iter().enumerate() {
        let needs_subnet = cluster.distribution != Distribution::External;
        if needs_subnet && spec.network.subnet(&cluster.name).is_none() {
            problems.push(Problem::new(
                format!("spec.clusters[{index}].name"),
                format_args!(
                    "cluster {} has no subnet for its servers: add one with the name {} to spec.network.subnets",
                    cluster.name, cluster.name
                ),
            ));
        }
    }
}

fn load_balancers(spec: &RegionSpec, problems: &mut Vec<Problem>) {
    for (index, balancer) in spec.load_balancers.iter().enumerate() {
        let wanted = &balancer.target.cluster;
        let found = spec
            .clusters
            .iter()
            .find(|cluster| cluster.name == *wanted)
            .map(|cluster| cluster.distribution);
        let why = match found {
            None => "there is no such cluster in this region",
            Some(Distribution::External) => "an external cluster has no servers here",
            Some(Distribution::K3s) => continue,
        };
        problems.push(Problem::new(
            format!("spec.loadBalancers[{index}].target.cluster"),
            format_args!(
                "load balancer {} cannot reach cluster {wanted}: {why}; name a k3s cluster of this region",
                balancer.name
            ),
        ));
    }
}
