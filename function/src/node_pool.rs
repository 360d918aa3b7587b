//! The renderer of a pool: from its spec to groups of servers.
//!
//! A change for which servers are switched off reaches one group after the other, and in
//! each group one server after the other.

use crate::claim::machine::Machine;
use crate::claim::node_pool::OrdinalGroup;
use crate::claim::{NodeGroupSpec, NodeGroupStatus, NodePoolStatus, Problems};
use crate::composite::NodePool;
use crate::composition::{Composition, Condition, Desired, Status, composite};
use crate::managed::{self, Part};
use crate::name;
use crate::node_group::{self, turn};
use crate::observed::Observed;
use crate::ready::{self, Readiness};

/// Keys of the groups: this prefix and the group's number.
const GROUP: &str = "group-";

/// Renders a pool.
///
/// # Errors
///
/// When the spec contradicts itself.
pub fn compose(pool: &NodePool, observed: &Observed) -> Result<Composition, Problems> {
    let mut groups: Vec<_> = pool
        .spec
        .pool
        .groups()
        .map(|ordinals| Group::read(pool, ordinals, observed))
        .collect();
    let turns: Vec<_> = groups.iter().map(Group::turn).collect();
    let chosen = turn::of(&turns);
    for (index, group) in groups.iter_mut().enumerate() {
        if chosen == Some(index) {
            group.readiness = node_group::updating();
        } else if turns[index].waits {
            group.hold();
        }
    }

    let namespace = &pool.identity.namespace;
    // What is above repeats the counts, and shall not change with each server.
    let settled = groups.iter().all(|group| group.readiness.ready);
    let sum = |count: fn(&NodeGroupStatus) -> u32| {
        settled.then(|| groups.iter().map(|group| count(&group.status)).sum())
    };
    let mut status = NodePoolStatus {
        cost: managed::total(groups.iter().map(|group| group.status.cost.clone())),
        current: sum(|status| status.current),
        desired: pool.spec.pool.count,
        ready: sum(|status| status.ready),
        servers: Vec::new(),
    };
    let mut desired = Vec::with_capacity(groups.len());
    let mut parts = Vec::with_capacity(groups.len());
    for group in groups {
        if group.readiness.ready {
            status.servers.extend(group.status.servers);
        }
        desired.push(Desired {
            object: composite(
                "XNodeGroup",
                &group.name,
                namespace,
                &pool.labels,
                group.spec,
            ),
            ready: group.readiness.ready,
            key: group.key,
        });
        parts.push(Part::new(format!("group {}", group.name), group.readiness));
    }
    Ok(Composition {
        desired,
        status: Status::NodePool(status),
        conditions: vec![
            Condition::yes(Condition::VALID, "Accepted"),
            managed::infrastructure(&parts),
        ],
    })
}

/// A group of the pool: what it should be, and what it is.
struct Group {
    key: String,
    name: String,
    spec: NodeGroupSpec,
    /// How its servers are made at present, once it exists.
    recorded: Option<Recorded>,
    readiness: Readiness,
    status: NodeGroupStatus,
}

struct Recorded {
    machine: Machine,
    spread: bool,
}

impl Group {
    fn read(pool: &NodePool, ordinals: OrdinalGroup, observed: &Observed) -> Self {
        let key = format!("{GROUP}{}", ordinals.index);
        let object = observed.get(&key);
        let recorded = object.and_then(|object| {
            Some(Recorded {
                machine: managed::read(object, &["spec", "machine"])?,
                spread: object.json(&["spec", "spread"])?.as_bool()?,
            })
        });
        let status = object.and_then(|object| managed::read(object, &["status"]));
        let causes = [Condition::VALID, Condition::INFRASTRUCTURE_READY];
        Self {
            name: name::join(&pool.identity.name, &[&ordinals.index.to_string()]),
            spec: group_spec(pool, ordinals),
            recorded,
            readiness: ready::of(object, &causes),
            status: status.unwrap_or_default(),
            key,
        }
    }

    /// How it stands with changes for which its servers are switched off.
    fn turn(&self) -> turn::Member {
        let Self { spec, recorded, .. } = self;
        let waits = recorded.as_ref().is_some_and(|recorded| {
            let (was, wanted) = (&recorded.machine, &spec.machine);
            let other_types = was.server_types != wanted.server_types
                && self.has_other_than(&wanted.server_types);
            let placed = spec.spread && !recorded.spread;
            self.status.current > 0 && (other_types || placed || was.public != wanted.public)
        });
        let changing = recorded
            .as_ref()
            .is_some_and(|was| self.has_other_than(&was.machine.server_types));
        turn::Member {
            waits,
            works: self.readiness.ready && !changing,
        }
    }

    /// Whether a server of it has none of these types.
    fn has_other_than(&self, types: &[String]) -> bool {
        let rows = self.status.servers.iter();
        let mut found = rows.filter_map(|row| row.server_type.as_ref());
        found.any(|found| !types.contains(found))
    }

    /// Takes back the changes for which servers are switched off, until it is its turn.
    fn hold(&mut self) {
        if let Some(recorded) = &self.recorded {
            let machine = &mut self.spec.machine;
            machine.public = recorded.machine.public;
            machine
                .server_types
                .clone_from(&recorded.machine.server_types);
            self.spec.spread = recorded.spread;
        }
    }
}

fn group_spec(pool: &NodePool, ordinals: OrdinalGroup) -> NodeGroupSpec {
    let NodePool { identity, spec, .. } = pool;
    NodeGroupSpec {
        cluster: spec.cluster.clone(),
        first_address: ordinals.first_address,
        from: ordinals.from,
        host_prefix: name::host_prefix(&identity.namespace, &identity.name),
        machine: spec.pool.machine.clone(),
        pool: spec.pool.name.clone(),
        provider: spec.provider.clone(),
        role: spec.role,
        site: spec.site.clone(),
        spread: spec.pool.spread,
        to: ordinals.to,
        user_data: spec.user_data.clone(),
    }
}

#[cfg(test)]
mod tests;
