//! Checks of clusters.

use std::collections::BTreeMap;

use super::{Problem, ValidCluster, name, pool, range, unique};
use crate::claim::cluster::{ClusterRequest, Distribution, EndpointType};
use crate::claim::k3s::K3s;
use crate::claim::platform::{Profile, Region};
use crate::k3s::{Architecture, Release};

/// Checks the clusters of a region.
pub(super) fn all(
    region_path: &str,
    region: &Region,
    profile: Profile,
    problems: &mut Vec<Problem>,
) -> Vec<ValidCluster> {
    let mut clusters: Vec<ValidCluster> = Vec::with_capacity(region.clusters.len());
    for (index, request) in region.clusters.iter().enumerate() {
        let path = format!("{region_path}.clusters[{index}]");
        unique(&path, "cluster", &request.name, &clusters, problems);
        name(&path, &request.name, problems);
        clusters.push(cluster(path, request, region, profile, problems));
    }
    clusters
}

fn cluster(
    path: String,
    request: &ClusterRequest,
    region: &Region,
    profile: Profile,
    problems: &mut Vec<Problem>,
) -> ValidCluster {
    let networking = &request.networking;
    let pods = range(
        &format!("{path}.networking.podCIDR"),
        networking.pod_cidr.as_deref(),
        problems,
    );
    let services = range(
        &format!("{path}.networking.serviceCIDR"),
        networking.service_cidr.as_deref(),
        problems,
    );
    let (control_plane, pools) = match request.distribution {
        Distribution::External => {
            external(&path, request, problems);
            (None, Vec::new())
        }
        Distribution::K3s => {
            k3s(&path, request, problems);
            let control_plane =
                pool::control_plane(&path, region, &request.control_plane, profile, problems);
            let pools = pool::all(&path, region, &request.node_pools, profile, problems);
            (Some(control_plane), pools)
        }
    };
    let schedulable = request.control_plane.schedulable;
    if control_plane.is_some() && schedulable == Some(false) && pools.is_empty() {
        problems.push(Problem::new(
            format!("{path}.controlPlane.schedulable"),
            format_args!(
                "cluster {} has no pool, so workloads have no other place: set it to true, or add a pool",
                request.name
            ),
        ));
    }
    ValidCluster {
        name: request.name.clone(),
        role: request.role,
        distribution: request.distribution,
        version: request.version.clone(),
        management: request.management,
        pods,
        services,
        mesh_id: networking.mesh_id,
        endpoint: request.endpoint.clone(),
        kubeconfig: request.kubeconfig_secret_ref.clone(),
        control_plane,
        schedulable: schedulable.unwrap_or(pools.is_empty()),
        pools,
        k3s: match request.distribution {
            Distribution::K3s => profile.k3s(&request.k3s),
            Distribution::External => K3s::default(),
        },
        path,
    }
}

fn external(path: &str, request: &ClusterRequest, problems: &mut Vec<Problem>) {
    if request.kubeconfig_secret_ref.is_none() && !request.management {
        problems.push(Problem::new(
            format!("{path}.kubeconfigSecretRef"),
            format_args!(
                "cluster {} is external and nothing says how to reach it: name the Secret with its kubeconfig, or set management to true for the cluster that Crossplane runs in",
                request.name
            ),
        ));
    }
    if !request.node_pools.is_empty() {
        problems.push(Problem::new(
            format!("{path}.nodePools"),
            format_args!(
                "cluster {} is external and its servers are not made here: remove the pools",
                request.name
            ),
        ));
    }
}

fn k3s(path: &str, request: &ClusterRequest, problems: &mut Vec<Problem>) {
    if request.management {
        problems.push(Problem::new(
            format!("{path}.management"),
            "the cluster that Crossplane runs in exists already: set distribution to external, or management to false",
        ));
    }
    if request.kubeconfig_secret_ref.is_some() {
        problems.push(Problem::new(
            format!("{path}.kubeconfigSecretRef"),
            format_args!(
                "the kubeconfig of cluster {} is made here: remove the reference, or set distribution to external",
                request.name
            ),
        ));
    }
    let wants_host = request.endpoint.kind == EndpointType::Dns;
    if wants_host != request.endpoint.host.is_some() {
        problems.push(Problem::new(
            format!("{path}.endpoint.host"),
            "an endpoint of the type dns needs a host, and no other has one: add it or remove it",
        ));
    }
    if let Some(version) = &request.version {
        release(path, version, &request.k3s, problems);
    }
    let args = &request.k3s.args;
    let lists = [
        ("apiServer", &args.api_server),
        ("controllerManager", &args.controller_manager),
        ("etcd", &args.etcd),
        ("kubelet", &args.kubelet),
        ("scheduler", &args.scheduler),
    ];
    for (list, args) in lists {
        for (index, arg) in args.iter().enumerate() {
            if arg.starts_with('-') || !arg.contains('=') {
                problems.push(Problem::new(
                    format!("{path}.k3s.args.{list}[{index}]"),
                    format_args!(
                        "{arg:?} is not an argument: write it as name=value, without dashes"
                    ),
                ));
            }
        }
    }
}

/// What is installed is checked against its digest, which has to be known.
fn release(path: &str, version: &str, k3s: &K3s, problems: &mut Vec<Problem>) {
    let sha256 = k3s.install.sha256.clone().unwrap_or_default();
    let digests: BTreeMap<_, _> = [
        (Architecture::Amd64, sha256.amd64),
        (Architecture::Arm64, sha256.arm64),
    ]
    .into_iter()
    .filter_map(|(architecture, digest)| Some((architecture, digest?)))
    .collect();
    if let Err(error) = Release::new(version, &digests) {
        problems.push(Problem::new(format!("{path}.version"), error));
    }
}
