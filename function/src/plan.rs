//! The planner: from a valid claim and what exists to the composite resources of a
//! platform.
//!
//! ```text
//! claim ─allocate─> Allocated ─┐
//! observed ─record─> Recorded ─┼─region─> RegionSpec ─> XRegion
//! facts, approved steps ───────┘
//! ```
//!
//! What was allocated is recorded in the specs of the children and wins over every
//! new wish: adding or removing a region, a cluster or a pool never moves another. What
//! would destroy data or capacity becomes a step of the plan, and until that step is
//! approved that part of the child is emitted as it is.

mod address;
mod allocate;
mod facts;
mod pool;
mod record;
mod region;
mod step;
mod teardown;

use std::collections::BTreeMap;

use bytes::Bytes;
use provider_hcloud_api::managed::{ManagedSpec, ManagementPolicy, ProviderConfigReference};
use provider_hcloud_api::pricing::{PricingParameters, PricingSpec};
use serde::Serialize;
use serde_json::json;

use self::allocate::allocate;
use self::facts::{Facts, PRICING};
use self::record::Recorded;
use self::region::{Neighbours, Planner};
use self::step::Steps;
use crate::claim::API_VERSION;
use crate::claim::cost::Cost;
use crate::claim::firewall::Peer;
use crate::claim::network::{InterRegion, NetworkStatus, Range};
use crate::claim::platform::{PlatformStatus, RegionRow};
use crate::claim::ssh::SshKey;
use crate::claim::validate::{Problems, ValidPlatform, ValidRegion};
use crate::composite::{self, Identity};
use crate::composition::{Composition, Condition, Desired, Metadata, Object, Status, composite};
use crate::managed::{self, Part};
use crate::observed::Observed;
use crate::ready::{self, Readiness};
use crate::structpb::View;
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
    let mut existing = Recorded::all(observed);
    if claim.teardown {
        return Ok(teardown::platform(identity, &existing, claim.sweep));
    }
    let allocated = allocate(claim, &existing)?;
    let priced = claim.regions.iter().any(has_servers);
    let price_list = ready::of(observed.get(PRICING), &[]);
    // Names of types are judged by the price list: a new platform waits for it, so that a misspelt one is refused before
    // anything is made.
    let judged = !priced || price_list.ready || !existing.is_empty();
    let facts = Facts::read(observed);
    let mut planner = Planner {
        platform: &identity.name,
        provider: &claim.provider,
        facts: &facts,
        steps: Steps::new(&claim.approve),
        problems: Vec::new(),
    };
    let mut desired = Vec::with_capacity(claim.regions.len() + 2);
    let mut status = PlatformStatus::default();
    let mut parts = Vec::with_capacity(claim.regions.len());
    let connected = connected(claim, &existing);
    let neighbours: Vec<_> = claim
        .regions
        .iter()
        .map(|region| {
            let keys = region.ssh_keys.iter();
            Neighbours {
                peers: peers(region, &connected, existing.get(region.name.as_str())),
                ssh_keys: keys
                    .map(|key| ssh_key(identity, claim, region, key, &existing))
                    .collect(),
            }
        })
        .collect();
    let added: Vec<_> = claim
        .regions
        .iter()
        .filter(|region| !existing.contains_key(region.name.as_str()))
        .map(|region| (region.name.clone(), region.location.clone()))
        .collect();

    let planned = claim.regions.iter().zip(allocated).zip(neighbours);
    for ((region, allocated), neighbours) in planned {
        let child = existing.remove(region.name.as_str());
        let ready = ready::of(
            child.as_ref().map(|child| child.object),
            &[Condition::VALID, Condition::INFRASTRUCTURE_READY],
        );
        let range = allocated.range;
        let spec = planner.region(region, allocated, neighbours, child.as_ref());
        if judged {
            desired.push(Desired {
                key: [REGION, &region.name].concat(),
                object: region_object(identity, &region.name, &spec),
                ready: ready.ready,
            });
        }
        status.regions.push(row(region, range, &ready, child));
        parts.push(Part::new(format!("region {}", region.name), ready));
    }
    // What is left is in the claim no more.
    for (region, child) in existing {
        let why = removal(region, &child, &added);
        let object = child.object.text(&["metadata", "name"]).unwrap_or_default();
        if !planner.steps.may("XRegion", object, "Delete", why) {
            desired.push(as_it_is(identity, region, child.object));
        }
    }
    Problems::of(planner.problems)?;

    if priced {
        let ready = price_list.ready;
        desired.push(pricing(identity, &claim.provider.config_ref, ready));
    }
    if !judged {
        parts.push(Part::new("the price list", price_list));
    }
    if claim.protect {
        desired.push(protection(identity, root_kind, observed));
    }
    let conditions = vec![
        Condition::yes(Condition::VALID, "Accepted"),
        managed::infrastructure(&parts),
        planner.steps.condition(),
    ];
    status.cost = cost(&status.regions);
    status.plan = planner.steps.into_plan();
    Ok(Composition {
        desired,
        status: Status::Platform(status),
        conditions,
    })
}

fn has_servers(region: &ValidRegion) -> bool {
    let mut clusters = region.clusters.iter();
    clusters.any(|cluster| cluster.control_plane.is_some())
}

/// The sum of all regions, once each that has servers knows its own.
fn cost(regions: &[RegionRow]) -> Option<Cost> {
    let unknown = |row: &RegionRow| row.cost.is_none() && !row.clusters.is_empty();
    if regions.iter().any(unknown) {
        return None;
    }
    Cost::sum(regions.iter().filter_map(|row| row.cost.as_ref()))
}

/// The regions that are connected with each other, and the public addresses of each:
/// none until all its servers have theirs.
fn connected<'a>(
    claim: &'a ValidPlatform,
    existing: &'a BTreeMap<&str, Recorded<'_>>,
) -> Vec<(&'a str, &'a [String])> {
    let regions = claim.regions.iter().filter(|region| is_connected(region));
    regions
        .map(|region| {
            let recorded = existing.get(region.name.as_str());
            let addresses = recorded.map_or(&[][..], |it| &it.status.public_addresses);
            (region.name.as_str(), addresses)
        })
        .collect()
}

fn is_connected(region: &ValidRegion) -> bool {
    region.network.inter_region != InterRegion::None
}

/// The regions that a region is connected with. Until all servers of one have addresses,
/// those that were known before stay.
fn peers(
    region: &ValidRegion,
    connected: &[(&str, &[String])],
    recorded: Option<&Recorded<'_>>,
) -> Vec<Peer> {
    if !is_connected(region) {
        return Vec::new();
    }
    let recorded = recorded.and_then(|recorded| recorded.spec().ok());
    let before: &[Peer] = recorded.map_or(&[], |spec| &spec.firewall.peers);
    let known = connected.iter().filter_map(|&(name, now)| {
        if !now.is_empty() {
            return Some((name, now));
        }
        let before = before.iter().find(|peer| peer.name == name)?;
        Some((name, &before.addresses))
    });
    let others = known.filter(|(name, _)| *name != region.name);
    others
        .map(|(name, addresses)| Peer {
            addresses: addresses.to_vec(),
            name: name.to_owned(),
        })
        .collect()
}

/// The cloud takes a public key once, so one region makes it for all that name it: the
/// one that made it before, else the first.
fn ssh_key(
    identity: &Identity,
    claim: &ValidPlatform,
    region: &ValidRegion,
    key: &SshKey,
    existing: &BTreeMap<&str, Recorded<'_>>,
) -> SshKey {
    let wanted_by = |region: &&ValidRegion| {
        let mut keys = region.ssh_keys.iter();
        keys.any(|other| other.name == key.name && other.public_key.is_some())
    };
    let mut makers = claim.regions.iter().filter(wanted_by);
    if key.public_key.is_none() && makers.clone().next().is_none() {
        return key.clone();
    }
    let object = name::join(&identity.name, &[&key.name]);
    let made_by = |region: &&ValidRegion| {
        let recorded = existing.get(region.name.as_str());
        let spec = recorded.and_then(|recorded| recorded.spec().ok());
        spec.is_some_and(|spec| {
            let mut keys = spec.ssh_keys.iter();
            keys.any(|recorded| recorded.name == object && recorded.public_key.is_some())
        })
    };
    let maker = makers.clone().find(made_by).or_else(|| makers.next());
    SshKey {
        name: object,
        public_key: maker
            .filter(|maker| maker.name == region.name)
            .and_then(|_| key.public_key.clone()),
    }
}

fn region_object(identity: &Identity, region: &str, spec: &impl Serialize) -> Bytes {
    let labels = [
        (label::PLATFORM, label::value(&identity.name)),
        (label::REGION, region.to_owned()),
    ];
    composite(
        "XRegion",
        &name::join(&identity.name, &[region]),
        &identity.namespace,
        &labels.into(),
        spec,
    )
}

fn row(
    region: &ValidRegion,
    range: Range,
    ready: &Readiness,
    child: Option<Recorded<'_>>,
) -> RegionRow {
    let status = child.map(|child| child.status).unwrap_or_default();
    RegionRow {
        clusters: status.clusters,
        cost: status.cost,
        foreign: status.foreign,
        load_balancers: status.load_balancers,
        location: region.location.clone(),
        message: ready.message.clone(),
        name: region.name.clone(),
        network: NetworkStatus {
            cidr: Some(range),
            id: status.network.id,
        },
        ready: ready.ready,
        reason: ready.reason.clone(),
    }
}

/// Why a region that exists would be removed, and what would go with it.
fn removal(region: &str, child: &Recorded<'_>, added: &[(String, String)]) -> String {
    let range = child
        .object
        .text(&["spec", "network", "cidr"])
        .unwrap_or("an unknown range");
    let mut why = format!(
        "region {region} is not in spec.regions any more; its network {range} and all that lives in it go with it"
    );
    let location = child.object.text(&["spec", "location"]).unwrap_or_default();
    // A region cannot be renamed: who tries to does not want to lose it.
    if let Some((new, _)) = added.iter().find(|(_, other)| other == location) {
        why.push_str(&format!(
            " (region {new} in the same location is another one: if {region} was to be renamed, write {region} again)"
        ));
    }
    why.push_str(&teardown::warning(&child.status));
    why
}

/// A child whose removal waits for approval. No teardown goes on in it.
fn as_it_is(identity: &Identity, region: &str, child: View<'_>) -> Desired {
    let mut spec = composite::spec(child);
    spec.remove("teardown");
    Desired {
        key: [REGION, region].concat(),
        object: region_object(identity, region, &spec),
        ready: ready::of(Some(child), &[]).ready,
    }
}

/// The price list, which is only read: names and prices of what the cloud offers.
fn pricing(identity: &Identity, config: &ProviderConfigReference, ready: bool) -> Desired {
    let platform = label::value(&identity.name);
    let object = Object {
        api_version: "hcloud.openova.io/v1alpha1",
        kind: "Pricing",
        metadata: Metadata {
            labels: [(label::PLATFORM, platform.as_str())].into(),
            name: &name::join(&identity.name, &[PRICING]),
            namespace: &identity.namespace,
            ..Metadata::default()
        },
        spec: PricingSpec {
            managed: ManagedSpec {
                management_policies: vec![ManagementPolicy::Observe],
                provider_config_ref: config.clone(),
                ..ManagedSpec::default()
            },
            for_provider: PricingParameters {},
        },
    };
    Desired {
        key: PRICING.to_owned(),
        object: object.encode(),
        ready,
    }
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
            ..Metadata::default()
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
