//! The pools of a cluster: counts, addresses of servers, and changes that need approval.

use std::net::Ipv4Addr;

use super::address;
use super::facts::Facts;
use super::region::{Planner, Site};
use crate::claim::cluster::Cluster;
use crate::claim::machine::Machine;
use crate::claim::node_group::{OBJECTS, objects};
use crate::claim::node_pool::{GROUP, NodePool};
use crate::claim::validate::{Problem, ValidPool};
use crate::name;

/// The blocks of ten addresses of a cluster's subnet.
pub(super) struct Blocks {
    free: Vec<Ipv4Addr>,
}

impl Blocks {
    /// The blocks that no recorded pool has, the lowest last.
    pub(super) fn new(site: &Site<'_>, recorded: Option<&Cluster>) -> Self {
        let pools = recorded.iter().flat_map(|recorded| &recorded.node_pools);
        let taken: Vec<_> = pools.flat_map(|pool| &pool.first_addresses).collect();
        let mut free: Vec<_> = address::blocks(site.subnet)
            .filter(|block| !taken.contains(&block))
            .filter(|block| {
                let mut gateways = site.gateways.iter();
                !gateways.any(|gateway| address::in_block(*block, *gateway))
            })
            .collect();
        free.reverse();
        Self { free }
    }
}

/// Judges the server types and locations of a pool that nothing has been made of yet.
pub(super) fn judge(
    facts: &Facts,
    pool: &ValidPool,
    recorded: Option<&NodePool>,
    region: &str,
    problems: &mut Vec<Problem>,
) {
    if !pool.external.is_empty() {
        return;
    }
    let known = |list: fn(&Machine) -> &Vec<String>, name: &String| {
        recorded.is_some_and(|recorded| list(&recorded.machine).contains(name))
    };
    for (index, name) in pool.machine.server_types.iter().enumerate() {
        if !known(|machine| &machine.server_types, name) {
            facts.server_type(
                &format!("{}.serverTypes[{index}]", pool.path),
                name,
                problems,
            );
        }
    }
    for (index, name) in pool.machine.locations.iter().enumerate() {
        if name != region && !known(|machine| &machine.locations, name) {
            facts.location(&format!("{}.locations[{index}]", pool.path), name, problems);
        }
    }
}

impl Planner<'_> {
    /// Plans the control plane, which never shrinks.
    pub(super) fn control_plane(
        &mut self,
        site: &Site<'_>,
        pool: &ValidPool,
        recorded: Option<&NodePool>,
    ) -> NodePool {
        if let Some(recorded) = recorded.filter(|recorded| recorded.count > pool.count) {
            self.problems.push(Problem::new(
                format!("{}.count", pool.path),
                format_args!(
                    "the control plane of cluster {} has {} servers and can only grow: write {} or more",
                    site.cluster.name, recorded.count, recorded.count
                ),
            ));
        }
        let object = self.object_name(site, pool);
        let mut planned = self.existing(&object, pool, recorded);
        planned.first_addresses = match recorded {
            Some(recorded) => recorded.first_addresses.clone(),
            None => vec![address::control_plane(site.subnet)],
        };
        self.check_objects("the control plane", pool, &planned);
        planned
    }

    /// Plans a pool. Servers go from its end, after approval.
    pub(super) fn pool(
        &mut self,
        site: &Site<'_>,
        pool: &ValidPool,
        blocks: &mut Blocks,
        recorded: Option<&NodePool>,
    ) -> NodePool {
        let object = self.object_name(site, pool);
        let mut planned = self.existing(&object, pool, recorded);
        if let Some(recorded) = recorded.filter(|recorded| recorded.count > pool.count) {
            let why = format!(
                "from {} to {} servers: {} without being drained",
                recorded.count,
                pool.count,
                match recorded.count - pool.count {
                    1 => format!("number {} goes", pool.count),
                    _ => format!("numbers {} to {} go", pool.count, recorded.count - 1),
                }
            );
            if !self.steps.may("XNodePool", &object, "ScaleIn", why) {
                planned.count = recorded.count;
                planned.autoscaling = recorded.autoscaling;
            }
        }
        let groups = usize::try_from(planned.count.div_ceil(GROUP)).unwrap_or(usize::MAX);
        let mut addresses = recorded.map_or_else(Vec::new, |recorded| {
            let mut addresses = recorded.first_addresses.clone();
            addresses.truncate(groups);
            addresses
        });
        while addresses.len() < groups {
            let Some(block) = blocks.free.pop() else {
                self.problems.push(Problem::new(
                    format!("{}.count", pool.path),
                    format_args!(
                        "the subnet {} of cluster {} has no room for pool {}: lower its count to {}, or make the pools fewer and larger (each ten servers of a pool take ten addresses)",
                        site.subnet,
                        site.cluster.name,
                        pool.name,
                        addresses.len() * GROUP as usize
                    ),
                ));
                break;
            };
            addresses.push(block);
        }
        planned.first_addresses = addresses;
        self.check_objects(&format!("pool {}", pool.name), pool, &planned);
        planned
    }

    /// The volumes of a group's servers are objects of the group.
    fn check_objects(&mut self, what: &str, pool: &ValidPool, planned: &NodePool) {
        let volumes = planned.machine.volumes.len();
        let of_group = planned.count.min(GROUP);
        if objects(of_group, volumes) <= OBJECTS {
            return;
        }
        let each = |volumes| match volumes {
            0 => "no volume".to_owned(),
            1 => "1 volume".to_owned(),
            more => format!("{more} volumes"),
        };
        let servers = (0..of_group).rfind(|servers| objects(*servers, volumes) <= OBJECTS);
        let remedy = if pool.machine.volumes.len() < volumes {
            // A claim that is refused has no plan whose steps could be approved.
            "those that are not in the claim any more go first: approve that before others are added".to_owned()
        } else {
            let fewer = (0..volumes).rfind(|volumes| objects(of_group, *volumes) <= OBJECTS);
            format!(
                "spread the servers over several pools, or give each {}",
                each(fewer.unwrap_or_default())
            )
        };
        self.problems.push(Problem::new(
            format!("{}.volumes", pool.path),
            format_args!(
                "{what} has {} servers with {} each, and {} servers of a pool can have so many: {remedy}",
                planned.count,
                each(volumes),
                servers.unwrap_or_default(),
            ),
        ));
    }

    /// The name of the pool's object. What its servers are called follows from it.
    fn object_name(&mut self, site: &Site<'_>, pool: &ValidPool) -> String {
        let object = name::join(site.object, &[&pool.name]);
        let whole = [self.platform, site.region, &site.cluster.name, &pool.name].join("-");
        let length = whole.len().max(object.len());
        let excess = length.saturating_sub(name::HOST_PREFIX_NAME_MAX);
        if excess > 0 && pool.external.is_empty() {
            self.problems.push(Problem::new(
                format!("{}.name", pool.path.trim_end_matches(".controlPlane")),
                format_args!(
                    "servers of {whole} would have host names of more than {} characters: shorten the names of the platform, the region, the cluster or the pool by {excess} in all",
                    name::MAX
                ),
            ));
        }
        object
    }

    /// What the claim asks for, as far as nothing is lost by it or the loss is approved.
    fn existing(
        &mut self,
        object: &str,
        pool: &ValidPool,
        recorded: Option<&NodePool>,
    ) -> NodePool {
        let mut planned = NodePool {
            autoscaling: pool.autoscaling,
            count: pool.count,
            external: pool.external.clone(),
            first_addresses: Vec::new(),
            gpu: pool.gpu.clone(),
            labels: pool.labels.clone(),
            machine: pool.machine.clone(),
            name: pool.name.clone(),
            spread: pool.spread,
            taints: pool.taints.clone(),
        };
        let Some(recorded) = recorded.filter(|recorded| recorded.count > 0) else {
            return planned;
        };
        self.server_types(object, &mut planned.machine, &recorded.machine);
        self.addresses(object, &mut planned.machine, &recorded.machine);
        self.backups(object, &mut planned.machine, &recorded.machine);
        self.volumes(object, pool, &mut planned.machine, &recorded.machine);
        planned
    }

    fn server_types(&mut self, object: &str, planned: &mut Machine, recorded: &Machine) {
        let dropped: Vec<_> = recorded
            .server_types
            .iter()
            .filter(|name| !planned.server_types.contains(name))
            .map(String::as_str)
            .collect();
        if dropped.is_empty() {
            return;
        }
        let why = format!(
            "servers of the type {} become {}, one after the other: each is shut down, changed and started again",
            dropped.join(" or "),
            planned.server_types.join(" or ")
        );
        if !self.steps.may("XNodePool", object, "Resize", why) {
            planned.server_types.clone_from(&recorded.server_types);
        }
    }

    fn addresses(&mut self, object: &str, planned: &mut Machine, recorded: &Machine) {
        if planned.public == recorded.public {
            return;
        }
        let describe = |machine: &Machine| match (machine.public.ipv4, machine.public.ipv6) {
            (true, true) => "IPv4 and IPv6",
            (true, false) => "IPv4",
            (false, true) => "IPv6",
            (false, false) => "none",
        };
        let why = format!(
            "public addresses change from {} to {}: each server is shut down and started again, and addresses that go are lost",
            describe(recorded),
            describe(planned)
        );
        if !self.steps.may("XNodePool", object, "ChangeAddresses", why) {
            planned.public = recorded.public;
        }
    }

    fn backups(&mut self, object: &str, planned: &mut Machine, recorded: &Machine) {
        if planned.backups || !recorded.backups {
            return;
        }
        let why = "backups are switched off, and the cloud deletes those that exist".to_owned();
        if !self.steps.may("XNodePool", object, "DeleteBackups", why) {
            planned.backups = true;
        }
    }

    fn volumes(
        &mut self,
        object: &str,
        pool: &ValidPool,
        planned: &mut Machine,
        recorded: &Machine,
    ) {
        let mut kept = Vec::new();
        for before in &recorded.volumes {
            let place = planned
                .volumes
                .iter()
                .position(|volume| volume.name == before.name);
            match place {
                Some(place) if planned.volumes[place].size < before.size => {
                    self.problems.push(Problem::new(
                        format!("{}.volumes[{place}].size", pool.path),
                        format_args!(
                            "volume {} has {} GB and can only grow: write {} or more",
                            before.name, before.size, before.size
                        ),
                    ));
                }
                Some(_) => {}
                None => {
                    let why = format!(
                        "volume {} of {} GB is not in the claim any more; that of each server is deleted with its data",
                        before.name, before.size
                    );
                    if !self.steps.may("XNodePool", object, "DeleteVolumes", why) {
                        kept.push(before.clone());
                    }
                }
            }
        }
        planned.volumes.append(&mut kept);
    }
}
