//! What was decided earlier: it is recorded in the specs of the regions.

use std::collections::BTreeMap;

use super::REGION;
use crate::claim::cluster::Cluster;
use crate::claim::load_balancer::LoadBalancer;
use crate::claim::node_pool::NodePool;
use crate::claim::{RegionSpec, RegionStatus};
use crate::composite;
use crate::managed;
use crate::observed::Observed;
use crate::structpb::View;

/// A region that exists.
#[derive(Debug)]
pub(super) struct Recorded<'a> {
    /// The object.
    pub(super) object: View<'a>,
    /// Its spec. `Err` when a later or earlier version of this function wrote something
    /// that this one does not understand.
    pub(super) spec: Result<RegionSpec, String>,
    /// Its status, as far as it has one.
    pub(super) status: RegionStatus,
}

impl<'a> Recorded<'a> {
    fn read(object: View<'a>) -> Self {
        Self {
            object,
            spec: composite::typed_spec(object).map_err(|error| error.to_string()),
            status: managed::read(object, &["status"]).unwrap_or_default(),
        }
    }

    /// All regions that exist, by their names.
    pub(super) fn all(observed: &'a Observed) -> BTreeMap<&'a str, Self> {
        let children = observed.with_prefix(REGION);
        children
            .map(|(region, child)| (region, Self::read(child)))
            .collect()
    }

    /// Its spec, where it can be read.
    pub(super) fn spec(&self) -> Result<&RegionSpec, &str> {
        self.spec.as_ref().map_err(String::as_str)
    }

    /// A cluster of it.
    pub(super) fn cluster(&self, name: &str) -> Option<&Cluster> {
        let clusters = &self.spec().ok()?.clusters;
        clusters.iter().find(|cluster| cluster.name == name)
    }

    /// A load balancer of it.
    pub(super) fn load_balancer(&self, name: &str) -> Option<&LoadBalancer> {
        let balancers = &self.spec().ok()?.load_balancers;
        balancers.iter().find(|balancer| balancer.name == name)
    }
}

/// A pool of a cluster.
pub(super) fn pool<'a>(cluster: &'a Cluster, name: &str) -> Option<&'a NodePool> {
    cluster.node_pools.iter().find(|pool| pool.name == name)
}
