//! The planner: from a valid claim and what exists to the composite resources of a
//! platform.
//!
//! What was allocated is recorded in the specs of the children and wins over every
//! new wish: adding or removing a region never moves another. What would destroy
//! data becomes a step of the plan, and until that step is approved the child is
//! emitted as it is.

use std::collections::BTreeMap;

use bytes::Bytes;
use provider_hcloud_api::managed::ProviderConfigReference;
use serde::Serialize;
use serde_json::json;

use crate::claim::network::{Network, NetworkStatus, Range};
use crate::claim::platform::{
    APPROVE_ALL, PlannedStep, PlatformStatus, Provider, ProviderType, RegionRow,
};
use crate::claim::validate::{Problem, Problems, ValidPlatform, ValidRegion};
use crate::claim::{API_VERSION, RegionSpec};
use crate::composite::{self, Identity};
use crate::composition::{Composition, Condition, Desired, Metadata, Object, Status, summary};
use crate::observed::Observed;
use crate::ready::{self, Readiness};
use crate::structpb::view::{ValueView, View};
use crate::{label, name};

/// Keys of the regions: this prefix and the region's name.
const REGION: &str = "region-";
/// Key of the Usage that protects the claim.
const PROTECTION: &str = "protection";

/// Plans a platform.
///
/// # Errors
///
/// When the claim contradicts itself or what exists.
pub fn platform(
    identity: &Identity,
    root_kind: &str,
    claim: &ValidPlatform,
    observed: &Observed,
) -> Result<Composition, Problems> {
    let mut existing: BTreeMap<_, _> = observed
        .with_prefix(REGION)
        .map(|(region, child)| (region, Existing::read(child)))
        .collect();
    let networks = allocate(claim, &existing)?;
    let mut desired = Vec::with_capacity(claim.regions.len() + 1);
    let mut status = PlatformStatus::default();
    let mut readiness = Vec::with_capacity(claim.regions.len());

    for (region, range) in claim.regions.iter().zip(networks) {
        let child = existing.remove(region.name.as_str());
        let ready = ready::of(
            child.as_ref().map(|child| child.object),
            &[Condition::VALID, Condition::INFRASTRUCTURE_READY],
        );
        let spec = region_spec(&claim.config, region, range);
        desired.push(Desired {
            key: [REGION, &region.name].concat(),
            object: region_object(identity, &region.name, &spec),
            ready: ready.ready,
        });
        status
            .regions
            .push(row(region, range, &ready, child.as_ref()));
        readiness.push((region.name.as_str(), ready));
    }
    // What is left is in the claim no more.
    for (region, child) in existing {
        let removed = removed_region(identity, region, child.object);
        let approved = claim
            .approve
            .iter()
            .any(|hash| *hash == removed.step.hash || hash == APPROVE_ALL);
        if !approved {
            desired.push(removed.as_it_is);
            status.plan.push(removed.step);
        }
    }
    if claim.protect {
        desired.push(protection(identity, root_kind, observed));
    }

    let conditions = vec![
        Condition::yes(Condition::VALID, "Accepted"),
        summary(
            Condition::INFRASTRUCTURE_READY,
            readiness.iter().map(|(name, ready)| (*name, ready)),
        ),
        changes_applied(&status.plan),
    ];
    Ok(Composition {
        desired,
        status: Status::Platform(status),
        conditions,
    })
}

/// A region that exists, and what was decided about it for good.
struct Existing<'a> {
    object: View<'a>,
    location: Option<&'a str>,
    range: Option<Range>,
}

impl<'a> Existing<'a> {
    fn read(object: View<'a>) -> Self {
        let spec = object.get("spec").and_then(ValueView::object);
        let [location, network] = spec.map_or([None; 2], |spec| spec.pick(["location", "network"]));
        let cidr = network
            .and_then(ValueView::object)
            .and_then(|network| network.text(&["cidr"]));
        Self {
            object,
            location: location.and_then(ValueView::text),
            range: cidr.and_then(|cidr| cidr.parse().ok()),
        }
    }
}

/// Decides the range of every region's network: recorded, else asked for, else the
/// lowest free slot.
fn allocate(
    claim: &ValidPlatform,
    existing: &BTreeMap<&str, Existing<'_>>,
) -> Result<Vec<Range>, Problems> {
    let mut problems = Vec::new();
    let mut decided: Vec<Option<Range>> = Vec::with_capacity(claim.regions.len());
    for region in &claim.regions {
        let child = existing.get(region.name.as_str());
        check_location(region, child, &mut problems);
        decided.push(match (child.and_then(|child| child.range), region.range) {
            (Some(recorded), Some(asked)) if !asked.contains(recorded) => {
                problems.push(Problem::new(
                    format!("{}.network.cidr", region.path()),
                    format_args!(
                        "the network of region {} is {recorded} and can only grow: write {recorded} or a range that contains it",
                        region.name
                    ),
                ));
                Some(asked)
            }
            (recorded, asked) => asked.or(recorded),
        });
    }
    check_overlaps(claim, &decided, &mut problems);

    let mut used: Vec<Range> = decided.iter().flatten().copied().collect();
    used.extend(existing.values().filter_map(|child| child.range));
    let mut ranges = Vec::with_capacity(decided.len());
    for (region, range) in claim.regions.iter().zip(decided) {
        let range = range.or_else(|| {
            (0..=u8::MAX)
                .map(Range::of_slot)
                .find(|slot| !used.iter().any(|range| range.overlaps(*slot)))
        });
        match range {
            Some(range) => {
                used.push(range);
                ranges.push(range);
            }
            None => problems.push(Problem::new(
                format!("{}.network.cidr", region.path()),
                "no 10.x.0.0/16 is free in this platform: write the range that this region shall have",
            )),
        }
    }
    Problems::of(problems)?;
    Ok(ranges)
}

fn check_location(region: &ValidRegion, child: Option<&Existing<'_>>, problems: &mut Vec<Problem>) {
    let recorded = child.and_then(|child| child.location);
    if let Some(recorded) = recorded.filter(|recorded| *recorded != region.location) {
        problems.push(Problem::new(
            format!("{}.location", region.path()),
            format_args!(
                "region {} is in {recorded} and cannot move to {}: add a region there and remove this one",
                region.name, region.location
            ),
        ));
    }
}

fn check_overlaps(claim: &ValidPlatform, decided: &[Option<Range>], problems: &mut Vec<Problem>) {
    let known: Vec<_> = claim
        .regions
        .iter()
        .zip(decided)
        .filter_map(|(region, range)| Some((region, (*range)?)))
        .collect();
    for (index, (region, range)) in known.iter().enumerate() {
        for (earlier, other) in &known[..index] {
            if range.overlaps(*other) && region.network.must_differ_from(&earlier.network) {
                problems.push(Problem::new(
                    format!("{}.network.cidr", region.path()),
                    format_args!(
                        "{range} of region {} overlaps {other} of region {} ({}.network.cidr): choose another range, or isolate one of them with interRegion: none",
                        region.name, earlier.name, earlier.path()
                    ),
                ));
            }
        }
    }
}

fn region_spec(config: &ProviderConfigReference, region: &ValidRegion, range: Range) -> RegionSpec {
    RegionSpec {
        provider: Provider {
            kind: ProviderType::Hetzner,
            config_ref: config.clone(),
        },
        location: region.location.clone(),
        network: Network { cidr: range },
    }
}

fn region_object(identity: &Identity, region: &str, spec: &impl Serialize) -> Bytes {
    let platform = label::value(&identity.name);
    let object = Object {
        api_version: API_VERSION,
        kind: "XRegion",
        metadata: Metadata {
            labels: [
                (label::PLATFORM, platform.as_str()),
                (label::REGION, region),
            ]
            .into(),
            name: &name::join(&identity.name, &[region]),
            namespace: &identity.namespace,
        },
        spec,
    };
    object.encode()
}

fn row(
    region: &ValidRegion,
    range: Range,
    ready: &Readiness,
    child: Option<&Existing<'_>>,
) -> RegionRow {
    RegionRow {
        name: region.name.clone(),
        location: region.location.clone(),
        ready: ready.ready,
        reason: ready.reason.clone(),
        message: ready.message.clone(),
        network: NetworkStatus {
            cidr: Some(range),
            id: child
                .and_then(|child| child.object.text(&["status", "network", "id"]))
                .map(ToOwned::to_owned),
        },
    }
}

/// A region that exists and is no longer in the claim.
struct Removed {
    step: PlannedStep,
    as_it_is: Desired,
}

fn removed_region(identity: &Identity, region: &str, child: View<'_>) -> Removed {
    let name = child
        .text(&["metadata", "name"])
        .unwrap_or_default()
        .to_owned();
    let range = child
        .text(&["spec", "network", "cidr"])
        .unwrap_or("an unknown range");
    Removed {
        step: planned(
            "XRegion",
            name,
            "Delete",
            format!(
                "region {region} is not in spec.regions any more; its network {range} and all that lives in it go with it"
            ),
        ),
        as_it_is: Desired {
            key: [REGION, region].concat(),
            object: region_object(identity, region, &composite::spec(child)),
            ready: ready::of(Some(child), &[]).ready,
        },
    }
}

fn planned(kind: &str, name: String, action: &str, why: String) -> PlannedStep {
    let hash = name::hash(&[kind, name.as_str(), action, why.as_str()]);
    PlannedStep {
        kind: kind.to_owned(),
        name,
        action: action.to_owned(),
        why,
        hash,
    }
}

fn changes_applied(plan: &[PlannedStep]) -> Condition {
    let Some(first) = plan.first() else {
        return Condition::yes(Condition::CHANGES_APPLIED, "NothingPending");
    };
    Condition::no(
        Condition::CHANGES_APPLIED,
        "ApprovalRequired",
        format!(
            "{} in status.plan, first: {} {} {}: to approve, add {} to spec.operations.approve",
            match plan.len() {
                1 => "1 step".to_owned(),
                steps => format!("{steps} steps"),
            },
            first.action,
            first.kind,
            first.name,
            first.hash
        ),
    )
}

/// A Usage without a user: as long as it exists, deleting the claim is refused with
/// its reason.
fn protection(identity: &Identity, root_kind: &str, observed: &Observed) -> Desired {
    let platform = label::value(&identity.name);
    let usage = Object {
        api_version: "protection.crossplane.io/v1beta1",
        kind: "Usage",
        metadata: Metadata {
            labels: [(label::PLATFORM, platform.as_str())].into(),
            name: &name::join(&identity.name, &[PROTECTION]),
            namespace: &identity.namespace,
        },
        spec: json!({
            "of": {
                "apiVersion": API_VERSION,
                "kind": root_kind,
                "resourceRef": {"name": identity.name},
            },
            "reason": "the platform is protected: set spec.operations.deletion.protect to false first",
        }),
    };
    Desired {
        key: PROTECTION.to_owned(),
        object: usage.encode(),
        ready: ready::of(observed.get(PROTECTION), &[]).ready,
    }
}

#[cfg(test)]
mod tests;
