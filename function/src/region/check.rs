//! What the schema of a region cannot say.

use crate::claim::RegionSpec;
use crate::claim::cluster::Distribution;
use crate::claim::validate::{Problem, network};

/// All problems of a region's spec, but for those of its firewall.
pub(super) fn problems(spec: &RegionSpec) -> Vec<Problem> {
    let mut problems = Vec::new();
    subnets(spec, &mut problems);
    network::routes(
        "spec.network",
        spec.network.cidr,
        &spec.network.routes,
        &mut problems,
    );
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
