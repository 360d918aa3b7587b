//! A volume as the simulator keeps it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::KIND;
use crate::{
    clock::wire,
    collection::{Collection, Id, Object},
    label::Labels,
    project::Project,
    resource::location,
};

/// A block device that outlives servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// The volume's id.
    pub id: Id,
    /// Its name, unique in the project.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Its size in GB.
    pub size: u32,
    /// The name of the location that it lies in.
    pub location: String,
    /// The server that it is attached to.
    pub server: Option<Id>,
    /// The file system that it was formatted with.
    pub format: Option<String>,
    /// True when it cannot be deleted.
    pub delete_protection: bool,
    /// When it was created.
    pub created: Timestamp,
}

impl Object for Volume {
    fn id(&self) -> Id {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Project {
    /// The project's volumes.
    pub const fn volumes(&self) -> &Collection<Volume> {
        &self.resources.volumes
    }

    /// The project's volumes, to be changed by hand.
    pub const fn volumes_mut(&mut self) -> &mut Collection<Volume> {
        &mut self.resources.volumes
    }
}

impl Volume {
    pub(super) fn body(&self, project: &Project) -> Value {
        let being_made = project
            .running_on(KIND.name, self.id)
            .is_some_and(|action| action.command == "create_volume");
        json!({
            "id": self.id,
            "name": self.name,
            "labels": self.labels,
            "created": wire(self.created),
            "size": self.size,
            "location": location::named(&self.location),
            "server": self.server,
            "status": if being_made { "creating" } else { "available" },
            "format": self.format,
            "linux_device": format!("/dev/disk/by-id/scsi-0HC_Volume_{}", self.id),
            "protection": { "delete": self.delete_protection },
        })
    }
}
