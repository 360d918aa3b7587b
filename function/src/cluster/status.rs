//! What a cluster tells about its pools.

use super::spec::Complete;
use super::{CAUSES, POOL, has_servers};
use crate::claim::node_pool::NodePool;
use crate::claim::row::NodePoolRow;
use crate::claim::{ClusterStatus, LoadBalancerStatus, NodePoolStatus};
use crate::managed;
use crate::observed::Observed;
use crate::ready;

/// The status, but for what follows from the roots.
pub(super) fn of(
    spec: &Complete<'_>,
    observed: &Observed,
    balancer: &LoadBalancerStatus,
) -> ClusterStatus {
    let mut costs = vec![balancer.cost.clone()];
    let mut addresses = Some(Vec::new());
    let mut node_pools = Vec::with_capacity(spec.node_pools.len() + 1);
    for (_, pool) in spec.pools() {
        let object = observed.get(&[POOL, &pool.name].concat());
        let status: Option<NodePoolStatus> =
            object.and_then(|object| managed::read(object, &["status"]));
        let status = status.unwrap_or_default();
        if pool.count > 0 {
            costs.push(status.cost.clone());
        }
        addresses = addresses
            .zip(public_addresses(pool, &status))
            .map(|(mut all, more)| {
                all.extend(more);
                all
            });
        let mut row = NodePoolRow {
            current: status.current,
            desired: pool.count,
            name: pool.name.clone(),
            ready: status.ready,
            servers: status.servers,
            ..NodePoolRow::default()
        };
        let readiness = ready::of(object, &CAUSES);
        if has_servers(pool) && !readiness.ready {
            row.message = readiness.message;
            row.reason = readiness.reason;
        }
        node_pools.push(row);
    }
    let mut public_addresses = addresses.unwrap_or_default();
    public_addresses.sort_unstable();
    ClusterStatus {
        cost: managed::total(costs),
        node_pools,
        public_addresses,
        version: Some(spec.version.to_owned()),
        ..ClusterStatus::default()
    }
}

/// `None` as long as not every server of the pool has its own.
fn public_addresses(pool: &NodePool, status: &NodePoolStatus) -> Option<Vec<String>> {
    if !pool.machine.public.any() {
        return Some(Vec::new());
    }
    let servers = usize::try_from(pool.count).ok()?;
    let found: Option<Vec<_>> = status
        .servers
        .iter()
        .map(|server| server.address.clone())
        .collect();
    found.filter(|found| found.len() == servers)
}
