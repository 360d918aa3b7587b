//! Inventory: what others made in a network, such as a cloud controller manager, a CSI driver and an autoscaler.
//!
//! It is a view of the project: there is nothing to create, it is there as long as it is asked for, and its deletion
//! leaves everything alone. What it lists follows from the shared lists of servers, load balancers and volumes
//! (`census`); what it has listed before tells which volumes belonged to servers that are gone. With `sweep`, what is
//! listed is drift, and updating deletes it, after a look of its own at what is there at that moment.

use std::time::Duration;

use api::{Inventory, InventoryKind, InventoryObject, InventoryObservation};

use super::{Error, Project, access::Access, external_name, parse_id, report_id, required_id};
use crate::{
    hcloud::Priority,
    managed::{
        Created, Desired, Difference, External, ExternalError, Identity, Look, Observation,
        Present, Remedy, Retry,
    },
};

mod census;

use census::{Census, Lists};

/// How soon to try again to delete what is protected.
const PROTECTED: Duration = Duration::from_secs(60);
/// How soon to try again to delete a volume whose server is about to go.
const ATTACHED: Duration = Duration::from_secs(10);
/// How many objects a message names.
const NAMED: usize = 3;

/// Makes access to inventories.
pub type Inventories = Access<InventoriesOfProject>;

/// The inventories of one project.
#[derive(Clone, Debug)]
pub struct InventoriesOfProject {
    project: Project,
}

impl From<Project> for InventoriesOfProject {
    fn from(project: Project) -> Self {
        Self { project }
    }
}

/// The plan never asks to create what is always there.
#[derive(Debug, thiserror::Error)]
#[error("an inventory is not created: it is a view of what is there")]
struct View;

impl External for InventoriesOfProject {
    type Resource = Inventory;

    const IDENTITY: Identity = Identity::Findable;

    async fn observe(
        &self,
        desired: &Desired<Inventory>,
        look: Look,
    ) -> Result<Observation<InventoryObservation>, ExternalError> {
        if desired.metadata.deletion_timestamp.is_some() {
            return Ok(Observation::Absent);
        }
        let max_age = match look {
            Look::Shared { max_age } => max_age,
            Look::Direct => Duration::ZERO,
        };
        let seen = self.look(desired, max_age).await;
        self.project.finish(seen.map(Observation::Present))
    }

    async fn create(&self, _: &Desired<Inventory>) -> Result<Created, ExternalError> {
        Err(ExternalError::new(View, Retry::OnChange))
    }

    async fn update(
        &self,
        desired: &Desired<Inventory>,
        _: &Present<InventoryObservation>,
    ) -> Result<(), ExternalError> {
        let swept = match sweeps(desired) {
            true => self.sweep(desired).await,
            false => Ok(()),
        };
        self.project.finish(swept)
    }

    async fn delete(
        &self,
        _: &Desired<Inventory>,
        _: &Present<InventoryObservation>,
    ) -> Result<(), ExternalError> {
        Ok(())
    }
}

impl InventoriesOfProject {
    async fn look(
        &self,
        desired: &Desired<Inventory>,
        max_age: Duration,
    ) -> Result<Present<InventoryObservation>, Error> {
        let network = network(desired)?;
        let Census { managed, objects } = self.census(desired, network, max_age).await?;
        let report = InventoryObservation {
            network_id: report_id(network),
            count: i64::try_from(objects.len()).unwrap_or(i64::MAX),
            managed,
            objects,
        };
        let mut present = Present::new(network.to_string(), report);
        let found = &present.at_provider.objects;
        if sweeps(desired) && !found.is_empty() {
            present.drift.push(Difference {
                field: "sweep".to_owned(),
                desired: "nothing that others made".to_owned(),
                observed: summary(found),
                remedy: Remedy::InPlace,
            });
        }
        Ok(present)
    }

    /// What is in the network, from lists that are at most `max_age` old.
    async fn census(
        &self,
        desired: &Desired<Inventory>,
        network: u64,
        max_age: Duration,
    ) -> Result<Census, Error> {
        let client = &self.project.client;
        let before = desired.status.as_ref().and_then(|s| s.at_provider.as_ref());
        // What was seen in another network says nothing about this one.
        let before = before.filter(|before| before.network_id == report_id(network));
        // The network may go first; its volumes do not go with it.
        if before.is_none() && client.networks().by_id(network, max_age).await?.is_none() {
            let problem = format!("there is no network with the id {network}: write that of one");
            return Err(Error::field("networkId", problem));
        }
        let lists = Lists {
            load_balancers: client.load_balancers().all(max_age).await?,
            servers: client.servers().all(max_age).await?,
            volumes: client.volumes().all(max_age).await?,
        };
        let before = before.map_or(&[][..], |before| &before.objects);
        Ok(census::take(network, before, &lists))
    }

    /// Deletes what is there now, as far as it lets itself be deleted, also when a part is refused.
    async fn sweep(&self, desired: &Desired<Inventory>) -> Result<(), Error> {
        let network = network(desired)?;
        let census = self.census(desired, network, Duration::ZERO).await?;
        let mut protected = Vec::new();
        let mut attached = Vec::new();
        let mut refused = None;
        for object in census.objects {
            if object.delete_protection {
                protected.push(object);
                continue;
            }
            match self.remove(&object).await {
                Ok(Removal::Done) => {}
                Ok(Removal::Attached) => attached.push(object),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        if let Some(error) = refused {
            return Err(error);
        }
        if !protected.is_empty() {
            return Err(Error::Later {
                message: format!(
                    "protected at Hetzner against deletion: {}: lift the protection there, or set spec.forProvider.sweep to false to keep them",
                    summary(&protected)
                ),
                retry: Retry::After(PROTECTED),
            });
        }
        if !attached.is_empty() {
            return Err(Error::Later {
                message: format!(
                    "attached to servers of managed resources: {}: deleted when those servers are gone",
                    summary(&attached)
                ),
                retry: Retry::After(ATTACHED),
            });
        }
        Ok(())
    }

    async fn remove(&self, object: &InventoryObject) -> Result<Removal, Error> {
        let client = &self.project.client;
        let Ok(id) = u64::try_from(object.id) else {
            return Ok(Removal::Done);
        };
        match object.kind {
            InventoryKind::LoadBalancer => client.load_balancers().delete(id).await?,
            InventoryKind::Server => client.servers().delete(id).await?,
            InventoryKind::Volume => {
                // A server that has just been deleted has let go of it.
                let volumes = client.volumes();
                let volume = volumes.read(id, Priority::Delete).await?;
                if volume.is_some_and(|volume| volume.server.is_some()) {
                    return Ok(Removal::Attached);
                }
                volumes.delete(id).await?;
            }
        }
        Ok(Removal::Done)
    }
}

/// What came of a deletion.
enum Removal {
    /// It is gone.
    Done,
    /// It is attached to a server, which has to go first.
    Attached,
}

fn sweeps(desired: &Inventory) -> bool {
    desired.spec.for_provider.sweep == Some(true)
}

/// The network that the spec names, or that an inventory without one has always been about.
fn network(desired: &Inventory) -> Result<u64, Error> {
    match &desired.spec.for_provider.network_id {
        Some(id) => required_id("networkId", Some(id)),
        None => {
            external_name(desired, "the numeric id", parse_id)?.ok_or(Error::Required("networkId"))
        }
    }
}

/// Objects as messages list them: how many, and the first few.
fn summary(objects: &[InventoryObject]) -> String {
    let named: Vec<_> = objects.iter().take(NAMED).map(text).collect();
    let mut summary = named.join(", ");
    if let Some(more) = objects.len().checked_sub(NAMED).filter(|more| *more > 0) {
        summary.push_str(&format!(" and {more} more"));
    }
    summary
}

fn text(object: &InventoryObject) -> String {
    let kind = match object.kind {
        InventoryKind::LoadBalancer => "load balancer",
        InventoryKind::Server => "server",
        InventoryKind::Volume => "volume",
    };
    match &object.made_by {
        Some(maker) => format!("{kind} {} ({}, {maker})", object.id, object.name),
        None => format!("{kind} {} ({})", object.id, object.name),
    }
}

#[cfg(test)]
mod tests;
