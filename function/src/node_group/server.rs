//! One server of a group: as the spec wants it, as it is, and what of the spec it gets.

use std::collections::BTreeMap;

use provider_hcloud_api::{
    Reference, ServerImageChoice, ServerNetworkChoice, ServerObservation, ServerParameters,
    ServerPublicNet,
};

use crate::claim::NodeGroupSpec;
use crate::claim::cost::Cost;
use crate::claim::row::ServerRow;
use crate::composite::NodeGroup;
use crate::label;
use crate::managed::{self, Owner};
use crate::observed::Observed;
use crate::ready::{self, Readiness};

use super::turn;

/// Keys of the servers: this prefix and the ordinal.
const SERVER: &str = "server-";

/// Reason of an object that does not exist yet, or not for the first time.
const CREATING: &str = "Creating";

/// A server of the group.
pub(super) struct Server {
    pub(super) ordinal: u32,
    pub(super) key: String,
    pub(super) host: String,
    pub(super) readiness: Readiness,
    /// What the object says, once the server was created.
    recorded: Option<ServerParameters>,
    /// What the provider reported.
    pub(super) found: Option<ServerObservation>,
}

impl Server {
    pub(super) fn read(spec: &NodeGroupSpec, ordinal: u32, observed: &Observed) -> Self {
        let key = format!("{SERVER}{ordinal}");
        let object = observed.get(&key);
        let found = object.and_then(managed::at_provider);
        let found = found.filter(|found: &ServerObservation| found.id > 0);
        let recorded = object
            .filter(|_| found.is_some())
            .and_then(|object| managed::read(object, &["spec", "forProvider"]));
        Self {
            ordinal,
            host: spec.host(ordinal),
            readiness: ready::of(object, &[]),
            recorded,
            found,
            key,
        }
    }

    /// Where it is, once that is known.
    pub(super) fn location(&self) -> Option<&str> {
        let found = self.found.as_ref()?;
        Some(found.location.as_str()).filter(|location| !location.is_empty())
    }

    /// Whether its object refers to a placement group.
    pub(super) fn is_placed(&self) -> bool {
        let recorded = self.recorded.as_ref();
        recorded.is_some_and(|recorded| recorded.placement_group_id_ref.is_some())
    }

    /// What the server should be if there were only the new spec.
    pub(super) fn wanted(&self, group: &NodeGroup, owner: Owner<'_>) -> ServerParameters {
        let NodeGroup { identity, spec, .. } = group;
        let machine = &spec.machine;
        let site = &spec.site;
        let firewall = site.firewall.iter().filter(|_| machine.public.any());
        let user_data = spec.user_data.as_ref().map(|user_data| {
            let first = user_data.first.as_ref().filter(|_| self.ordinal == 0);
            first.unwrap_or(&user_data.secret_ref).clone()
        });
        ServerParameters {
            backups: Some(machine.backups),
            firewall_id_refs: firewall.map(Reference::to).collect(),
            image: Some(ServerImageChoice {
                name: Some(machine.image.clone()),
                ..ServerImageChoice::default()
            }),
            labels: labels(spec, owner, &identity.namespace),
            locations: Some(machine.locations.clone()),
            networks: Some(vec![ServerNetworkChoice {
                ip: spec
                    .address(self.ordinal)
                    .map(|address| address.to_string()),
                subnet_id_ref: Some(Reference::to(&site.subnet)),
                ..ServerNetworkChoice::default()
            }]),
            placement_group_id_ref: spec.spread.then(|| Reference::to(&identity.name)),
            public_net: Some(ServerPublicNet {
                ipv4_enabled: Some(machine.public.ipv4),
                ipv6_enabled: Some(machine.public.ipv6),
                ..ServerPublicNet::default()
            }),
            server_types: Some(machine.server_types.clone()),
            ssh_key_id_refs: site.ssh_keys.iter().map(Reference::to).collect(),
            user_data_secret_ref: user_data,
            ..ServerParameters::default()
        }
    }

    /// Takes back what only a new server gets: the provider would ask for a replacement.
    /// User data stays the present one, so that a server that has to be made again does
    /// not start a cluster of its own.
    pub(super) fn keep_fixed(&self, wanted: &mut ServerParameters) {
        let Some(recorded) = &self.recorded else {
            return;
        };
        wanted.image.clone_from(&recorded.image);
        wanted.ssh_key_id_refs.clone_from(&recorded.ssh_key_id_refs);
        if recorded.placement_group_id_ref.is_some() {
            wanted
                .placement_group_id_ref
                .clone_from(&recorded.placement_group_id_ref);
        }
        let fits = |locations: &Vec<String>| {
            let here = self.location();
            here.is_none_or(|here| locations.iter().any(|location| location == here))
        };
        if !wanted.locations.as_ref().is_some_and(fits) {
            wanted.locations.clone_from(&recorded.locations);
        }
    }

    /// How it stands with changes for which the server is switched off.
    pub(super) fn turn(&self, wanted: &ServerParameters) -> turn::Member {
        let Some(recorded) = &self.recorded else {
            return turn::Member {
                waits: false,
                works: self.readiness.ready,
            };
        };
        let waits = recorded.public_net != wanted.public_net
            || recorded.placement_group_id_ref != wanted.placement_group_id_ref
            || self.has_none_of(wanted) && recorded.server_types != wanted.server_types;
        turn::Member {
            waits,
            works: self.readiness.ready && !self.has_none_of(recorded),
        }
    }

    /// Whether its type is none of these, so that it has to change.
    fn has_none_of(&self, parameters: &ServerParameters) -> bool {
        let has = self.found.as_ref().map(|found| found.server_type.as_str());
        let types = parameters.server_types.as_ref();
        let (Some(has), Some(types)) = (has.filter(|has| !has.is_empty()), types) else {
            return false;
        };
        types.iter().all(|wanted| wanted != has)
    }

    /// Takes back the changes for which it would be switched off, until it is its turn.
    pub(super) fn hold(&self, wanted: &mut ServerParameters) {
        if let Some(recorded) = &self.recorded {
            wanted.server_types.clone_from(&recorded.server_types);
            wanted.public_net.clone_from(&recorded.public_net);
            wanted
                .placement_group_id_ref
                .clone_from(&recorded.placement_group_id_ref);
        }
    }

    /// Its row. What it is like is told once it has been created: before, it changes with
    /// every step.
    pub(super) fn row(&self) -> ServerRow {
        let row = ServerRow {
            name: self.host.clone(),
            ready: self.readiness.ready,
            ..ServerRow::default()
        };
        let Some(found) = self.told() else {
            return row;
        };
        let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let ipv4 = found.public_ipv4.clone();
        ServerRow {
            address: ipv4.or_else(|| found.public_ipv6.clone()),
            id: Some(found.id.to_string()),
            location: text(&found.location),
            price: self.cost(),
            private_ip: found.private_nets.iter().find_map(|net| text(&net.ip)),
            server_type: text(&found.server_type),
            state: text(&found.status),
            ..row
        }
    }

    /// What it costs, without its volumes.
    pub(super) fn cost(&self) -> Option<Cost> {
        self.told()?.price.as_ref().map(Cost::from)
    }

    /// What the provider reported, once it has been created.
    fn told(&self) -> Option<&ServerObservation> {
        let found = self.found.as_ref();
        found.filter(|_| self.readiness.reason != CREATING)
    }
}

/// Labels of a server in the cloud: load balancers find it by cluster and pool.
fn labels(spec: &NodeGroupSpec, owner: Owner<'_>, namespace: &str) -> BTreeMap<String, String> {
    let mut labels = owner.labels_in_cloud();
    labels.extend([
        (
            label::CLUSTER.to_owned(),
            label::in_cloud(namespace, &spec.cluster),
        ),
        (label::POOL.to_owned(), spec.pool.clone()),
        (label::ROLE.to_owned(), spec.role.as_str().to_owned()),
    ]);
    labels
}
