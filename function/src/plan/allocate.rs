//! What is decided once and for good: networks, addresses of pods and services, mesh
//! ids.
//!
//! What is recorded wins, then what the claim asks for, then the lowest free slot. A
//! contradiction between the first two is a problem, never a move.

use std::collections::BTreeMap;

use super::record::Recorded;
use crate::claim::cluster::Distribution;
use crate::claim::network::Range;
use crate::claim::validate::{Problem, Problems, ValidCluster, ValidPlatform, ValidRegion};

/// What was decided for a region of the claim.
#[derive(Debug)]
pub(super) struct Allocated {
    /// Range of the network.
    pub(super) range: Range,
    /// For each of its clusters, in the order of the claim.
    pub(super) clusters: Vec<Networking>,
}

/// What was decided for a cluster.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Networking {
    /// Addresses of pods; none are known of an external cluster that does not say.
    pub(super) pods: Option<Range>,
    /// Addresses of services.
    pub(super) services: Option<Range>,
    /// Id in the mesh.
    pub(super) mesh_id: Option<u8>,
}

/// Slots of networks, those first that neither pods nor services take by themselves.
fn network_slots() -> impl Iterator<Item = u8> {
    (0..POD_SLOT).chain(150..=u8::MAX).chain(POD_SLOT..150)
}

/// First slot of pods: 10.42.0.0/16, as k3s has it.
const POD_SLOT: u8 = 42;
/// First slot of services: 10.96.0.0/16, as kubeadm has it.
const SERVICE_SLOT: u8 = 96;
/// Slots of each.
const SLOTS: u8 = SERVICE_SLOT - POD_SLOT;

/// Decides for all regions of the claim.
///
/// # Errors
///
/// All contradictions, and what nothing is free for.
pub(super) fn allocate(
    claim: &ValidPlatform,
    existing: &BTreeMap<&str, Recorded<'_>>,
) -> Result<Vec<Allocated>, Problems> {
    let mut problems = Vec::new();
    let networks: Vec<_> = claim
        .regions
        .iter()
        .map(|region| network(region, existing.get(region.name.as_str()), &mut problems))
        .collect();
    let clusters: Vec<Vec<Networking>> = claim
        .regions
        .iter()
        .map(|region| {
            let recorded = existing.get(region.name.as_str());
            let decide = |cluster| networking(cluster, recorded, &mut problems);
            region.clusters.iter().map(decide).collect()
        })
        .collect();
    check_overlaps(claim, &networks, &clusters, &mut problems);
    check_mesh_ids(claim, &clusters, &mut problems);

    let mut used = Used::of(existing);
    used.ranges.extend(networks.iter().flatten());
    for cluster in clusters.iter().flatten() {
        used.ranges
            .extend(cluster.pods.iter().chain(&cluster.services));
        used.mesh_ids.extend(cluster.mesh_id);
    }
    let mut allocated = Vec::with_capacity(networks.len());
    for ((region, range), mut networkings) in claim.regions.iter().zip(networks).zip(clusters) {
        let range = range.or_else(|| used.take(network_slots()));
        for (cluster, networking) in region.clusters.iter().zip(&mut networkings) {
            complete(cluster, networking, &mut used, &mut problems);
        }
        match range {
            Some(range) => allocated.push(Allocated {
                range,
                clusters: networkings,
            }),
            None => problems.push(Problem::new(
                format!("{}.network.cidr", region.path()),
                "no 10.x.0.0/16 is free in this platform: write the range that this region shall have",
            )),
        }
    }
    Problems::unless(problems, allocated)
}

/// What is taken, by what is in the claim and by what still exists beside it.
#[derive(Debug, Default)]
struct Used {
    ranges: Vec<Range>,
    mesh_ids: Vec<u8>,
}

impl Used {
    fn of(existing: &BTreeMap<&str, Recorded<'_>>) -> Self {
        let mut used = Self::default();
        for spec in existing
            .values()
            .filter_map(|recorded| recorded.spec().ok())
        {
            used.ranges.push(spec.network.cidr);
            for cluster in &spec.clusters {
                let networking = &cluster.networking;
                used.ranges.extend(networking.pod_cidr);
                used.ranges.extend(networking.service_cidr);
                used.mesh_ids.extend(networking.mesh_id);
            }
        }
        used
    }

    /// Takes the first of some slots that is free.
    fn take(&mut self, slots: impl IntoIterator<Item = u8>) -> Option<Range> {
        let free = slots
            .into_iter()
            .map(Range::of_slot)
            .find(|slot| !self.ranges.iter().any(|range| range.overlaps(*slot)))?;
        self.ranges.push(free);
        Some(free)
    }
}

fn network(
    region: &ValidRegion,
    recorded: Option<&Recorded<'_>>,
    problems: &mut Vec<Problem>,
) -> Option<Range> {
    let Some(recorded) = recorded else {
        return region.range;
    };
    let spec = match recorded.spec() {
        Ok(spec) => spec,
        Err(error) => {
            problems.push(Problem::new(
                region.path(),
                format_args!(
                    "what was allocated for region {} cannot be read from its XRegion ({error}): mend the spec of the XRegion, or run the version of the function that wrote it",
                    region.name
                ),
            ));
            return region.range;
        }
    };
    if spec.location != region.location {
        problems.push(Problem::new(
            format!("{}.location", region.path()),
            format_args!(
                "region {} is in {} and cannot move to {}: add a region there and remove this one",
                region.name, spec.location, region.location
            ),
        ));
    }
    if spec.network.existing != region.network.existing {
        problems.push(Problem::new(
            format!("{}.network.existing", region.path()),
            format_args!(
                "region {} {} and cannot change to another network: {}",
                region.name,
                match &spec.network.existing {
                    Some(id) => format!("stands in the existing network {id}"),
                    None => "has a network of its own".to_owned(),
                },
                match &spec.network.existing {
                    Some(id) => format!("write {id}"),
                    None => "leave it out".to_owned(),
                },
            ),
        ));
    }
    let recorded = spec.network.cidr;
    match region.range {
        Some(asked) if asked.first() != recorded.first() || !asked.contains(recorded) => {
            problems.push(Problem::new(
                format!("{}.network.cidr", region.path()),
                format_args!(
                    "the network of region {} is {recorded} and can only grow at its end: write {recorded}, or the same with a shorter prefix",
                    region.name
                ),
            ));
            Some(asked)
        }
        asked => asked.or(Some(recorded)),
    }
}

fn networking(
    cluster: &ValidCluster,
    recorded: Option<&Recorded<'_>>,
    problems: &mut Vec<Problem>,
) -> Networking {
    let recorded = recorded.and_then(|recorded| recorded.cluster(&cluster.name));
    if let Some(recorded) = recorded
        && recorded.distribution != cluster.distribution
    {
        problems.push(Problem::new(
            format!("{}.distribution", cluster.path),
            format_args!(
                "cluster {} is {} and cannot become {}: add a cluster with another name and remove this one",
                cluster.name,
                recorded.distribution.as_str(),
                cluster.distribution.as_str()
            ),
        ));
    }
    let recorded = recorded.map(|recorded| &recorded.networking);
    Networking {
        pods: settled(
            cluster,
            "podCIDR",
            recorded.and_then(|recorded| recorded.pod_cidr),
            cluster.pods,
            problems,
        ),
        services: settled(
            cluster,
            "serviceCIDR",
            recorded.and_then(|recorded| recorded.service_cidr),
            cluster.services,
            problems,
        ),
        mesh_id: settled(
            cluster,
            "meshID",
            recorded.and_then(|recorded| recorded.mesh_id),
            cluster.mesh_id,
            problems,
        ),
    }
}

/// What is recorded, else what is asked for.
fn settled<T: Copy + PartialEq + std::fmt::Display>(
    cluster: &ValidCluster,
    field: &str,
    recorded: Option<T>,
    asked: Option<T>,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    if let (Some(recorded), Some(asked)) = (recorded, asked)
        && recorded != asked
    {
        problems.push(Problem::new(
            format!("{}.networking.{field}", cluster.path),
            format_args!(
                "cluster {} has {recorded} and cannot change to {asked}: write {recorded}, or leave {field} out",
                cluster.name
            ),
        ));
    }
    recorded.or(asked)
}

/// A range that is decided, for the check of overlaps.
struct Taken<'a> {
    region: &'a ValidRegion,
    range: Range,
    /// Of which cluster it is the range, and of what in it; else it is the network's.
    part: Option<(&'a ValidCluster, Part)>,
}

/// What in a cluster has a range.
#[derive(Clone, Copy)]
enum Part {
    Pods,
    Services,
}

impl Taken<'_> {
    fn what(&self) -> String {
        match self.part {
            None => format!("region {}", self.region.name),
            Some((cluster, Part::Pods)) => format!("the pods of cluster {}", cluster.name),
            Some((cluster, Part::Services)) => format!("the services of cluster {}", cluster.name),
        }
    }

    fn path(&self) -> String {
        match self.part {
            None => format!("{}.network.cidr", self.region.path()),
            Some((cluster, Part::Pods)) => format!("{}.networking.podCIDR", cluster.path),
            Some((cluster, Part::Services)) => format!("{}.networking.serviceCIDR", cluster.path),
        }
    }

    /// Whether the two ranges may not overlap.
    fn must_differ_from(&self, other: &Self) -> bool {
        let (one, other) = (self.region, other.region);
        one.index == other.index || one.network.must_differ_from(&other.network)
    }
}

fn check_overlaps(
    claim: &ValidPlatform,
    networks: &[Option<Range>],
    clusters: &[Vec<Networking>],
    problems: &mut Vec<Problem>,
) {
    let mut taken: Vec<Taken<'_>> = Vec::with_capacity(networks.len());
    for (region, range) in claim.regions.iter().zip(networks) {
        taken.extend(range.map(|range| Taken {
            region,
            range,
            part: None,
        }));
    }
    for (region, networkings) in claim.regions.iter().zip(clusters) {
        for (cluster, networking) in region.clusters.iter().zip(networkings) {
            let parts = [
                (Part::Pods, networking.pods),
                (Part::Services, networking.services),
            ];
            for (part, range) in parts {
                taken.extend(range.map(|range| Taken {
                    region,
                    range,
                    part: Some((cluster, part)),
                }));
            }
        }
    }
    for (index, item) in taken.iter().enumerate() {
        for earlier in &taken[..index] {
            if !item.range.overlaps(earlier.range) || !item.must_differ_from(earlier) {
                continue;
            }
            let remedy = if item.part.is_none() && earlier.part.is_none() {
                "choose another range, or isolate one of them with interRegion: none"
            } else {
                "choose another range"
            };
            problems.push(Problem::new(
                item.path(),
                format_args!(
                    "{} of {} overlaps {} of {} ({}): {remedy}",
                    item.range,
                    item.what(),
                    earlier.range,
                    earlier.what(),
                    earlier.path()
                ),
            ));
        }
    }
}

fn check_mesh_ids(
    claim: &ValidPlatform,
    clusters: &[Vec<Networking>],
    problems: &mut Vec<Problem>,
) {
    let mut seen: BTreeMap<u8, &ValidCluster> = BTreeMap::new();
    let all = claim.regions.iter().flat_map(|region| &region.clusters);
    for (cluster, networking) in all.zip(clusters.iter().flatten()) {
        let Some(id) = networking.mesh_id else {
            continue;
        };
        if id == 0 {
            problems.push(Problem::new(
                format!("{}.networking.meshID", cluster.path),
                "0 is not a mesh id: write a number from 1 to 255, or leave it out",
            ));
        } else if let Some(earlier) = seen.insert(id, cluster) {
            problems.push(Problem::new(
                format!("{}.networking.meshID", cluster.path),
                format_args!(
                    "{id} is the mesh id of cluster {} too ({}.networking.meshID): choose another",
                    earlier.name, earlier.path
                ),
            ));
        }
    }
}

/// Decides what is still open.
fn complete(
    cluster: &ValidCluster,
    networking: &mut Networking,
    used: &mut Used,
    problems: &mut Vec<Problem>,
) {
    if cluster.distribution == Distribution::K3s {
        let slots = [
            ("podCIDR", POD_SLOT, &mut networking.pods),
            ("serviceCIDR", SERVICE_SLOT, &mut networking.services),
        ];
        for (field, first, range) in slots {
            if range.is_none() {
                *range = used.take(first..first + SLOTS);
            }
            if range.is_none() {
                problems.push(Problem::new(
                    format!("{}.networking.{field}", cluster.path),
                    format_args!(
                        "no range from 10.{first}.0.0/16 to 10.{}.0.0/16 is free in this platform: write the range that this cluster shall have",
                        first + SLOTS - 1
                    ),
                ));
            }
        }
    }
    if networking.mesh_id.is_none() {
        networking.mesh_id = (1..=u8::MAX).find(|id| !used.mesh_ids.contains(id));
        match networking.mesh_id {
            Some(id) => used.mesh_ids.push(id),
            None => problems.push(Problem::new(
                format!("{}.networking.meshID", cluster.path),
                "all 255 mesh ids are taken: remove a cluster",
            )),
        }
    }
}
