//! A teardown: everything goes in an order that can be observed, and nothing that others
//! made goes unless the claim says so.

use std::collections::BTreeMap;

use super::record::Recorded;
use super::{REGION, region_object};
use crate::claim::RegionSpec;
use crate::claim::RegionStatus;
use crate::claim::platform::{PlatformStatus, RegionRow};
use crate::claim::teardown::{Foreign, Teardown, TeardownStage};
use crate::composite::Identity;
use crate::composition::{Composition, Condition, Desired, Status};
use crate::ready;

/// What a region waits for.
#[derive(Debug)]
enum Step<'a> {
    /// What others made in its network is looked at, while it can still be told.
    List,
    /// Its clusters and load balancers go.
    Empty,
    /// What others made in its network goes.
    Clear(&'a Foreign),
    /// Nothing: it goes.
    Drop,
}

/// The step that a region is at, as its spec and its status tell.
///
/// A region whose inventory nobody has seen does not wait for it. Nor does one in a
/// network that the platform did not make: that network stays, and so does what others
/// have in it.
fn step<'a>(spec: &RegionSpec, status: &'a RegionStatus) -> Step<'a> {
    let full = !spec.clusters.is_empty() || !spec.load_balancers.is_empty();
    let foreign = status.foreign.as_ref();
    let Some(foreign) = foreign.filter(|_| spec.network.existing.is_none()) else {
        return if full { Step::Empty } else { Step::Drop };
    };
    match status.teardown {
        None if full => Step::List,
        Some(_) if full => Step::Empty,
        // Its clusters were told to go and have not gone, or nobody has looked since.
        None | Some(TeardownStage::Listed) => Step::Empty,
        Some(TeardownStage::Vacant) if foreign.count == 0 => Step::Drop,
        Some(TeardownStage::Vacant) => Step::Clear(foreign),
    }
}

/// Takes everything down: what others made is listed, then clusters and load balancers go,
/// then what others made, then the regions that they stood in. Each step is seen in the
/// specs and statuses that are observed.
pub(super) fn platform(
    identity: &Identity,
    existing: &BTreeMap<&str, Recorded<'_>>,
    sweep: bool,
) -> Composition {
    let mut desired = Vec::new();
    let mut status = PlatformStatus::default();
    let mut blocked = None;
    for (region, child) in existing {
        // What cannot be read cannot be emptied and goes as a whole.
        let Ok(spec) = child.spec() else { continue };
        let step = step(spec, &child.status);
        let message = match &step {
            Step::Drop => continue,
            Step::List => "what others made in its network is listed first".to_owned(),
            Step::Empty => "its clusters and load balancers go first".to_owned(),
            Step::Clear(foreign) if sweep => {
                format!(
                    "what others made in its network goes first: {}",
                    listed(foreign)
                )
            }
            Step::Clear(foreign) => format!(
                "what others made in its network keeps it: {}: delete it, or set spec.operations.deletion.sweep to true",
                listed(foreign)
            ),
        };
        // A protected object cannot be swept, for example.
        let hindered = ready::of(
            Some(child.object),
            &[Condition::VALID, Condition::INFRASTRUCTURE_READY],
        );
        let message = match (&step, hindered.message.is_empty()) {
            (Step::Clear(_), false) => hindered.message,
            _ => message,
        };
        if matches!(step, Step::Clear(_)) && blocked.is_none() {
            blocked = Some(format!("region {region} waits: {message}"));
        }
        let mut spec = RegionSpec {
            teardown: Some(match sweep {
                true => Teardown::Sweep,
                false => Teardown::Keep,
            }),
            ..spec.clone()
        };
        if !matches!(step, Step::List) {
            spec.clusters.clear();
            spec.load_balancers.clear();
        }
        status.regions.push(RegionRow {
            clusters: Vec::new(),
            cost: None,
            foreign: child.status.foreign.clone(),
            load_balancers: Vec::new(),
            location: spec.location.clone(),
            message,
            name: (*region).to_owned(),
            network: child.status.network.clone(),
            ready: false,
            reason: "TearingDown".to_owned(),
        });
        desired.push(Desired {
            key: [REGION, region].concat(),
            object: region_object(identity, region, &spec),
            ready: false,
        });
    }
    let (reason, message) = match blocked {
        _ if existing.is_empty() => (
            "TornDown",
            "the platform has been taken down: delete the claim, or set spec.operations.deletion.teardown to false to build it again".to_owned(),
        ),
        Some(blocked) => ("TearingDown", blocked),
        None => (
            "TearingDown",
            "the platform is being taken down: wait until status.regions is empty, then delete the claim".to_owned(),
        ),
    };
    Composition {
        desired,
        status: Status::Platform(status),
        conditions: vec![
            Condition::yes(Condition::VALID, "Accepted"),
            Condition::no(Condition::INFRASTRUCTURE_READY, reason, message),
            Condition::yes(Condition::CHANGES_APPLIED, "NothingPending"),
        ],
    }
}

/// What is said to who is about to remove something from a region; nothing where others
/// made nothing in its network.
pub(super) fn warning(status: &RegionStatus) -> String {
    match &status.foreign {
        Some(foreign) if foreign.count > 0 => format!(
            "; what others made in its network does not go with it and has to be deleted by hand: {}",
            listed(foreign)
        ),
        Some(_) | None => String::new(),
    }
}

fn listed(foreign: &Foreign) -> String {
    let named = foreign.names.join(", ");
    let count = usize::try_from(foreign.count).unwrap_or(usize::MAX);
    match count.saturating_sub(foreign.names.len()) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
