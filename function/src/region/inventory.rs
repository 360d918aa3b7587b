//! The inventory of the network: what others made in it.
//!
//! It is there while clusters have servers in the network, and afterwards: what they left
//! behind is known from nowhere else. A teardown asks for two looks at the cloud, one
//! before the clusters go, because a volume whose server is gone is only known when it was
//! seen before, and one after they were told to go. Nothing is deleted before the last
//! server of the platform is gone: what a cluster has made it would make again.

use provider_hcloud_api::{
    InventoryKind, InventoryObject, InventoryObservation, InventoryParameters, InventorySpec,
    Reference,
};

use super::{Rendering, has_servers};
use crate::claim::RegionSpec;
use crate::claim::teardown::{Foreign, Teardown, TeardownStage};
use crate::composition::Desired;
use crate::managed::{self, Part};
use crate::ready;

/// Key of the inventory.
pub(super) const INVENTORY: &str = "inventory";

/// Asks for one look at the cloud.
const REQUEST: &str = "crossplane.io/reconcile-requested-at";
/// The look before the clusters go.
const BEFORE: &str = "teardown";
/// The look after they were told to go.
const AFTER: &str = "teardown-without-clusters";

/// How often to look, in place of the provider's own interval.
const POLL_INTERVAL: &str = "crossplane.io/poll-interval";
/// While somebody waits for what is left to go.
const SOON: &str = "15s";

/// How many objects are named.
const NAMED: usize = 5;

/// What is told of the network.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Nothing as long as nobody has looked.
    pub(super) foreign: Option<Foreign>,
    /// Nothing unless the region is being taken down.
    pub(super) stage: Option<TeardownStage>,
}

impl Rendering<'_> {
    /// Composes the inventory where there is something to keep track of.
    pub(super) fn inventory(&mut self) -> Told {
        let spec = &self.region.spec;
        let child = self.observed.get(INVENTORY);
        if child.is_none() && !has_servers(spec) {
            return Told::default();
        }
        let seen: Option<InventoryObservation> = child.and_then(managed::at_provider);
        let request = spec
            .teardown
            .map(|_| if is_empty(spec) { AFTER } else { BEFORE });
        let handled = child.and_then(|child| child.text(&["status", "lastHandledReconcileAt"]));
        let vacant = is_empty(spec) && seen.as_ref().is_some_and(|seen| seen.managed == 0);
        let stage = request
            .filter(|request| handled == Some(request))
            .map(|_| match vacant {
                true => TeardownStage::Vacant,
                false => TeardownStage::Listed,
            });
        let foreign = seen.map(|seen| foreign(&seen));

        let sweep = spec.teardown == Some(Teardown::Sweep) && stage == Some(TeardownStage::Vacant);
        let owner = self.owner();
        let object = owner.annotated(
            "Inventory",
            self.names.of_region(),
            request
                .map(|request| [(POLL_INTERVAL, SOON), (REQUEST, request)].into())
                .unwrap_or_default(),
            InventorySpec {
                managed: if sweep {
                    owner.managed()
                } else {
                    owner.only_observed()
                },
                for_provider: InventoryParameters {
                    network_id_ref: Some(Reference::to(self.names.of_region())),
                    sweep: sweep.then_some(true),
                    ..InventoryParameters::default()
                },
            },
        );
        let mut readiness = ready::of(child, &[]);
        // What a teardown waits for changes in the cloud, which is not watched.
        let clear = stage == Some(TeardownStage::Vacant)
            && foreign.as_ref().is_some_and(|foreign| foreign.count == 0);
        if spec.teardown.is_some() && readiness.ready && !clear {
            readiness.ready = false;
            "TearingDown".clone_into(&mut readiness.reason);
        }
        self.desired.push(Desired {
            key: INVENTORY.to_owned(),
            object,
            ready: readiness.ready,
        });
        self.parts.push(Part::new(
            "the inventory of what others made in the network",
            readiness,
        ));
        Told { foreign, stage }
    }
}

/// Whether everything that the region was for has been dropped from its spec.
fn is_empty(spec: &RegionSpec) -> bool {
    spec.clusters.is_empty() && spec.load_balancers.is_empty()
}

fn foreign(seen: &InventoryObservation) -> Foreign {
    Foreign {
        count: u32::try_from(seen.count).unwrap_or_default(),
        names: seen.objects.iter().take(NAMED).map(named).collect(),
    }
}

fn named(object: &InventoryObject) -> String {
    let kind = match object.kind {
        InventoryKind::LoadBalancer => "load balancer",
        InventoryKind::Server => "server",
        InventoryKind::Volume => "volume",
    };
    match &object.made_by {
        Some(maker) => format!("{kind} {} of {maker}", object.name),
        None => format!("{kind} {}", object.name),
    }
}
