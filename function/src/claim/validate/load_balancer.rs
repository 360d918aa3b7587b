//! Checks of load balancers.

use super::{Problem, ValidCluster, name};
use crate::claim::cluster::Distribution;
use crate::claim::load_balancer::LoadBalancerRequest;

/// Most load balancers that have a cluster for their target, beside that in front of its
/// API servers: so many addresses of its subnet are set aside.
pub(crate) const FOR_EACH_CLUSTER: usize = 4;

/// Checks the load balancers of a region.
pub(super) fn all(
    region: &str,
    requests: &[LoadBalancerRequest],
    clusters: &[ValidCluster],
    problems: &mut Vec<Problem>,
) {
    for (index, request) in requests.iter().enumerate() {
        let path = format!("{region}.loadBalancers[{index}]");
        let earlier = &requests[..index];
        if let Some(place) = earlier.iter().position(|other| other.name == request.name) {
            problems.push(Problem::new(
                format!("{path}.name"),
                format_args!(
                    "{:?} is the name of {region}.loadBalancers[{place}] too: give this load balancer another name",
                    request.name
                ),
            ));
        }
        name(&path, &request.name, problems);
        target(&path, request, clusters, problems);
        let siblings = earlier
            .iter()
            .filter(|other| other.cluster == request.cluster);
        if siblings.count() == FOR_EACH_CLUSTER {
            problems.push(Problem::new(
                format!("{path}.cluster"),
                format_args!(
                    "cluster {} has {FOR_EACH_CLUSTER} load balancers already, and its subnet has no addresses for more: remove one, or add services to another one",
                    request.cluster
                ),
            ));
        }
        for (place, service) in request.services.iter().enumerate() {
            if request.services[..place]
                .iter()
                .any(|other| other.port == service.port)
            {
                problems.push(Problem::new(
                    format!("{path}.services[{place}].port"),
                    format_args!(
                        "another service of this load balancer listens on {} too: choose another port",
                        service.port
                    ),
                ));
            }
        }
    }
}

fn target(
    path: &str,
    request: &LoadBalancerRequest,
    clusters: &[ValidCluster],
    problems: &mut Vec<Problem>,
) {
    let Some(cluster) = clusters
        .iter()
        .find(|cluster| cluster.name == request.cluster)
    else {
        let names: Vec<_> = clusters
            .iter()
            .map(|cluster| cluster.name.as_str())
            .collect();
        problems.push(Problem::new(
            format!("{path}.cluster"),
            if names.is_empty() {
                format!(
                    "there is no cluster {:?} in this region: add it to clusters",
                    request.cluster
                )
            } else {
                format!(
                    "there is no cluster {:?} in this region: take one of {}",
                    request.cluster,
                    names.join(", ")
                )
            },
        ));
        return;
    };
    if cluster.distribution == Distribution::External {
        problems.push(Problem::new(
            format!("{path}.cluster"),
            format_args!(
                "cluster {} is external and has no servers here: take a cluster with servers",
                cluster.name
            ),
        ));
        return;
    }
    let pools = cluster.control_plane.iter().chain(&cluster.pools);
    let names: Vec<_> = pools.map(|pool| pool.name.as_str()).collect();
    for (index, pool) in request.pools.iter().enumerate() {
        if !names.contains(&pool.as_str()) {
            problems.push(Problem::new(
                format!("{path}.pools[{index}]"),
                format_args!(
                    "cluster {} has no pool {pool:?}: take one of {}",
                    cluster.name,
                    names.join(", ")
                ),
            ));
        }
    }
}
