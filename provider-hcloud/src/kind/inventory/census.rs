//! What others made in a network. Pure.

use std::{collections::BTreeSet, sync::Arc};

use api::{InventoryKind, InventoryObject, UID_LABEL};

use crate::{
    hcloud::{LoadBalancer, Server, Volume, labels::Labels},
    kind::report_id,
};

/// All objects of the project that can be in a network.
pub(super) struct Lists {
    pub(super) load_balancers: Vec<Arc<LoadBalancer>>,
    pub(super) servers: Vec<Arc<Server>>,
    pub(super) volumes: Vec<Arc<Volume>>,
}

/// What is in a network.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Census {
    /// How many servers and load balancers of managed resources are attached to it.
    pub(super) managed: i64,
    /// What others made, in the order in which it is deleted.
    pub(super) objects: Vec<InventoryObject>,
}

/// Takes the census. An object belongs to it only because it is attached to the network or to a server in it; or, as a
/// volume, because it was so when `before` was taken. No label makes anything belong to it, ours keeps it out.
pub(super) fn take(network: u64, before: &[InventoryObject], lists: &Lists) -> Census {
    let balancers = lists.load_balancers.iter();
    let balancers = balancers.filter(|it| it.attachment(network).is_some());
    let servers = lists.servers.iter();
    let servers = servers.filter(|it| it.attachment(network).is_some());

    let inside: BTreeSet<_> = servers.clone().map(|server| server.id).collect();
    let ours = balancers.clone().filter(|it| is_ours(&it.labels)).count()
        + servers.clone().filter(|it| is_ours(&it.labels)).count();

    let mut objects: Vec<_> = balancers
        .filter(|it| !is_ours(&it.labels))
        .map(|it| load_balancer(it))
        .collect();
    objects.extend(
        servers
            .filter(|it| !is_ours(&it.labels))
            .map(|it| server(it)),
    );
    for found in lists.volumes.iter().filter(|it| !is_ours(&it.labels)) {
        let known = before
            .iter()
            .find(|known| known.kind == InventoryKind::Volume && known.id == report_id(found.id));
        let known = known.map(|known| known.server_id);
        let last = match found.server {
            Some(server) if inside.contains(&server) => Some(Some(report_id(server))),
            // Its server left the network, and has kept it.
            Some(server) => known.filter(|last| *last == Some(report_id(server))),
            None => known,
        };
        objects.extend(last.map(|server| volume(found, server)));
    }
    Census {
        managed: i64::try_from(ours).unwrap_or(i64::MAX),
        objects,
    }
}

/// Whether a managed resource stands for the object, be it one of another cluster.
fn is_ours(labels: &Labels) -> bool {
    labels.contains_key(UID_LABEL)
}

fn load_balancer(found: &LoadBalancer) -> InventoryObject {
    let by_ccm = found.labels.contains_key("hcloud-ccm/service-uid");
    InventoryObject {
        kind: InventoryKind::LoadBalancer,
        id: report_id(found.id),
        name: found.name.clone(),
        made_by: by_ccm.then(|| "hcloud-cloud-controller-manager".to_owned()),
        location: found.location.name.clone(),
        server_id: None,
        delete_protection: found.protection.delete.unwrap_or_default(),
    }
}

fn server(found: &Server) -> InventoryObject {
    let by_autoscaler = found.labels.contains_key("hcloud/node-group");
    InventoryObject {
        kind: InventoryKind::Server,
        id: report_id(found.id),
        name: found.name.clone(),
        made_by: by_autoscaler.then(|| "cluster-autoscaler".to_owned()),
        location: found.location_name().to_owned(),
        server_id: None,
        delete_protection: found.protection.delete.unwrap_or_default(),
    }
}

fn volume(found: &Volume, server: Option<i64>) -> InventoryObject {
    // Old drivers set no labels; the names are those that the provisioner gives.
    let by_driver = found
        .labels
        .get("managed-by")
        .is_some_and(|by| by == "csi-driver")
        || found.name.starts_with("pvc-");
    InventoryObject {
        kind: InventoryKind::Volume,
        id: report_id(found.id),
        name: found.name.clone(),
        made_by: by_driver.then(|| "csi-driver".to_owned()),
        location: found.location.name.clone(),
        server_id: server,
        delete_protection: found.protection.delete.unwrap_or_default(),
    }
}
