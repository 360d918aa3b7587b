//! What a k3s cluster needs of its spec.

use crate::claim::cluster::Endpoint;
use crate::claim::network::Range;
use crate::claim::node_pool::{NodePool, NodeRole};
use crate::claim::site::Site;
use crate::claim::validate::Problem;
use crate::claim::{ClusterSpec, Problems};

const NEEDED: &str = "a k3s cluster cannot do without: add it";

fn missing(spec: &ClusterSpec) -> Vec<Problem> {
    let cluster = &spec.cluster;
    let networking = &cluster.networking;
    let fields = [
        ("site", spec.site.is_some()),
        ("cluster.endpoint", cluster.endpoint.is_some()),
        ("cluster.controlPlane", cluster.control_plane.is_some()),
        ("cluster.version", cluster.version.is_some()),
        ("cluster.networking.podCIDR", networking.pod_cidr.is_some()),
        (
            "cluster.networking.serviceCIDR",
            networking.service_cidr.is_some(),
        ),
    ];
    let missing = fields.into_iter().filter(|(_, given)| !given);
    missing
        .map(|(path, _)| Problem::new(format!("spec.{path}"), NEEDED))
        .collect()
}

/// The spec of a cluster with servers, with all that such a cluster needs.
pub(super) struct Complete<'a> {
    pub(super) site: &'a Site,
    pub(super) endpoint: &'a Endpoint,
    pub(super) control_plane: &'a NodePool,
    pub(super) node_pools: &'a [NodePool],
    pub(super) version: &'a str,
    pub(super) pods: Range,
    pub(super) services: Range,
}

impl<'a> Complete<'a> {
    /// # Errors
    ///
    /// When something is missing, or two pools have one name.
    pub(super) fn of(spec: &'a ClusterSpec) -> Result<Self, Problems> {
        Problems::of(missing(spec))?;
        let cluster = &spec.cluster;
        let networking = &cluster.networking;
        let (
            Some(site),
            Some(endpoint),
            Some(control_plane),
            Some(version),
            Some(pods),
            Some(services),
        ) = (
            &spec.site,
            &cluster.endpoint,
            &cluster.control_plane,
            &cluster.version,
            networking.pod_cidr,
            networking.service_cidr,
        )
        else {
            return Err(Problem::new("spec", NEEDED).into());
        };
        let complete = Self {
            site,
            endpoint,
            control_plane,
            node_pools: &cluster.node_pools,
            version,
            pods,
            services,
        };
        Problems::unless(complete.repeated_names(), complete)
    }

    /// All pools, that of the control plane first.
    pub(super) fn pools(&self) -> impl Iterator<Item = (NodeRole, &'a NodePool)> + use<'a> {
        let workers = self.node_pools.iter().map(|pool| (NodeRole::Worker, pool));
        std::iter::once((NodeRole::ControlPlane, self.control_plane)).chain(workers)
    }

    /// Whether the cluster autoscaler makes nodes of a pool.
    pub(super) fn is_autoscaled(&self) -> bool {
        self.node_pools
            .iter()
            .any(|pool| pool.autoscaling.is_some())
    }

    fn repeated_names(&self) -> Vec<Problem> {
        let names: Vec<_> = self.pools().map(|(_, pool)| pool.name.as_str()).collect();
        let repeated = |index: &usize| names[..=*index].contains(&names[index + 1]);
        (0..self.node_pools.len())
            .filter(repeated)
            .map(|index| {
                Problem::new(
                    format!("spec.cluster.nodePools[{index}].name"),
                    format_args!(
                        "{:?} is the name of another pool of this cluster too: give this pool another name",
                        names[index + 1]
                    ),
                )
            })
            .collect()
    }
}
