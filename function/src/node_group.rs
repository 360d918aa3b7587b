//! The renderer of a group of servers: from its spec to a placement group, servers and
//! their volumes.
//!
//! Servers that exist are looked after: what only a new server gets stays as it was, and
//! changes for which a server is switched off are made one server at a time.

use bytes::Bytes;
use provider_hcloud_api::{
    PlacementGroupParameters, PlacementGroupSpec, PlacementGroupType, ServerParameters, ServerSpec,
};

use crate::claim::node_group::{OBJECTS, objects};
use crate::claim::node_pool::GROUP;
use crate::claim::validate::Problem;
use crate::claim::{NodeGroupSpec, NodeGroupStatus, Problems};
use crate::composite::NodeGroup;
use crate::composition::{Composition, Condition, Desired, Status};
use crate::managed::{self, Owner, Part};
use crate::observed::Observed;
use crate::ready::{self, Readiness};

mod server;
pub(crate) mod turn;
mod volume;

use server::Server;
use volume::Volume;

/// Key of the placement group.
const PLACEMENT_GROUP: &str = "placement-group";

/// Renders a group of servers.
///
/// # Errors
///
/// When the spec contradicts itself.
pub fn compose(group: &NodeGroup, observed: &Observed) -> Result<Composition, Problems> {
    let spec = &group.spec;
    check(spec)?;
    let ordinals = spec.from..=spec.to;
    let mut servers: Vec<_> = ordinals
        .map(|ordinal| Server::read(spec, ordinal, observed))
        .collect();
    let owner = Owner::new(group, &spec.provider);
    let parameters = decide(group, owner, &mut servers);

    let mut rendering = Rendering {
        observed,
        owner,
        desired: Vec::new(),
        parts: Vec::new(),
    };
    if spec.spread || servers.iter().any(Server::is_placed) {
        rendering.placement_group(&group.identity.name);
    }
    let mut costs = Vec::with_capacity(servers.len());
    for (server, mut parameters) in servers.iter().zip(parameters) {
        let volumes = spec.machine.volumes.iter();
        let volumes: Vec<_> = volumes
            .map(|volume| Volume::read(volume, server, observed))
            .collect();
        // A server goes where its volumes are.
        if let Some(location) = volumes.iter().find_map(Volume::recorded_location) {
            parameters.locations = Some(vec![location.to_owned()]);
        }
        let only = match &spec.machine.locations[..] {
            [only] => Some(only.as_str()),
            _ => None,
        };
        rendering.server(server, parameters);
        costs.push(server.cost());
        for volume in &volumes {
            costs.push(volume.cost());
            let recorded = volume.recorded_location();
            if let Some(location) = recorded.or_else(|| server.location()).or(only) {
                rendering.volume(volume, location);
            }
        }
    }

    let rows: Vec<_> = servers.iter().map(Server::row).collect();
    let status = NodeGroupStatus {
        cost: managed::total(costs),
        current: count(rows.iter().filter(|row| row.id.is_some())),
        desired: count(rows.iter()),
        ready: count(rows.iter().filter(|row| row.ready)),
        servers: rows,
    };
    Ok(Composition {
        desired: rendering.desired,
        status: Status::NodeGroup(status),
        conditions: vec![
            Condition::yes(Condition::VALID, "Accepted"),
            managed::infrastructure(&rendering.parts),
        ],
    })
}

fn count(items: impl Iterator) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

/// There must not be too many servers and volumes, and the addresses of all servers must
/// be in the subnet.
fn check(spec: &NodeGroupSpec) -> Result<(), Problems> {
    let servers = spec
        .to
        .checked_sub(spec.from)
        .map(|more| more.saturating_add(1));
    let Some(servers) = servers.filter(|servers| *servers <= GROUP) else {
        return Err(Problem::new(
            "spec.to",
            format_args!(
                "a group has 1 to {GROUP} servers, not those from {} to {}: write {0} to {}",
                spec.from,
                spec.to,
                spec.from.saturating_add(GROUP - 1)
            ),
        )
        .into());
    };
    let objects = objects(servers, spec.machine.volumes.len());
    if objects > OBJECTS {
        return Err(Problem::new(
            "spec.machine.volumes",
            format_args!(
                "{servers} servers with their volumes make a group of {objects} objects, and {OBJECTS} are the most: make the group smaller, or the volumes fewer"
            ),
        )
        .into());
    }
    let Some(first) = spec.first_address else {
        return Ok(());
    };
    let subnet = spec.site.subnet_cidr;
    let last = spec.address(spec.to).filter(|last| *last != subnet.last());
    if subnet.holds(first) && last.is_some_and(|last| subnet.holds(last)) {
        return Ok(());
    }
    Err(Problem::new(
        "spec.firstAddress",
        format_args!(
            "the servers {} to {} from {first} on do not fit into the subnet {subnet}: choose an address with room for all of them",
            spec.from, spec.to
        ),
    )
    .into())
}

/// What each server should be now. One whose turn it is to be switched off counts as not
/// ready from then on.
fn decide(group: &NodeGroup, owner: Owner<'_>, servers: &mut [Server]) -> Vec<ServerParameters> {
    let mut wanted = Vec::with_capacity(servers.len());
    let mut turns = Vec::with_capacity(servers.len());
    for server in servers.iter() {
        let mut parameters = server.wanted(group, owner);
        server.keep_fixed(&mut parameters);
        turns.push(server.turn(&parameters));
        wanted.push(parameters);
    }
    let chosen = turn::of(&turns);
    for (index, (server, parameters)) in servers.iter_mut().zip(&mut wanted).enumerate() {
        if chosen == Some(index) {
            server.readiness = updating();
        } else if turns[index].waits {
            server.hold(parameters);
        }
    }
    wanted
}

/// Of what is about to be interrupted.
pub(crate) fn updating() -> Readiness {
    Readiness {
        ready: false,
        reason: "Updating".to_owned(),
        message: String::new(),
    }
}

struct Rendering<'a> {
    observed: &'a Observed,
    owner: Owner<'a>,
    desired: Vec<Desired>,
    parts: Vec<Part>,
}

impl Rendering<'_> {
    fn push(&mut self, key: &str, part: String, readiness: Readiness, object: Bytes) {
        self.desired.push(Desired {
            key: key.to_owned(),
            object,
            ready: readiness.ready,
        });
        self.parts.push(Part::new(part, readiness));
    }

    fn readiness(&self, key: &str) -> Readiness {
        ready::of(self.observed.get(key), &[])
    }

    fn placement_group(&mut self, name: &str) {
        let spec = PlacementGroupSpec {
            managed: self.owner.managed(),
            for_provider: PlacementGroupParameters {
                labels: self.owner.labels_in_cloud(),
                name: Some(self.owner.name_in_cloud(name)),
                type_: Some(PlacementGroupType::Spread),
            },
        };
        let object = self.owner.object("PlacementGroup", name, spec);
        let readiness = self.readiness(PLACEMENT_GROUP);
        self.push(
            PLACEMENT_GROUP,
            "the placement group".to_owned(),
            readiness,
            object,
        );
    }

    fn server(&mut self, server: &Server, parameters: ServerParameters) {
        let spec = ServerSpec {
            managed: self.owner.managed(),
            for_provider: parameters,
        };
        let object = self.owner.object("Server", &server.host, spec);
        let part = format!("server {}", server.host);
        self.push(&server.key, part, server.readiness.clone(), object);
    }

    fn volume(&mut self, volume: &Volume<'_>, location: &str) {
        let spec = volume.volume(location, self.owner);
        let object = self.owner.object("Volume", &volume.name, spec);
        let readiness = self.readiness(&volume.key);
        self.push(
            &volume.key,
            format!("volume {}", volume.name),
            readiness,
            object,
        );

        let spec = volume.attachment(self.owner);
        let object = self.owner.object("VolumeAttachment", &volume.name, spec);
        let readiness = self.readiness(&volume.attachment_key);
        let part = format!("the attachment of volume {}", volume.name);
        self.push(&volume.attachment_key, part, readiness, object);
    }
}

#[cfg(test)]
mod tests;
