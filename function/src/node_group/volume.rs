//! The volumes of a server.

use provider_hcloud_api::{
    Reference, VolumeAttachmentParameters, VolumeAttachmentSpec, VolumeFormat, VolumeObservation,
    VolumeParameters, VolumeSpec,
};

use crate::claim::cost::Cost;
use crate::claim::machine::{self, FileSystem};
use crate::managed::{self, Owner};
use crate::name;
use crate::observed::Observed;

use super::server::Server;

/// A volume of a server.
pub(super) struct Volume<'a> {
    spec: &'a machine::Volume,
    /// Of the server, the volume and the attachment.
    host: &'a str,
    pub(super) name: String,
    /// Key of the volume.
    pub(super) key: String,
    /// Key of the attachment.
    pub(super) attachment_key: String,
    /// Where the volume is, once it is decided: for ever.
    recorded: Option<String>,
    found: Option<VolumeObservation>,
}

impl<'a> Volume<'a> {
    pub(super) fn read(spec: &'a machine::Volume, server: &'a Server, observed: &Observed) -> Self {
        let part = format!("{}-{}", server.ordinal, spec.name);
        let key = format!("volume-{part}");
        let object = observed.get(&key);
        let recorded = object.and_then(|it| it.text(&["spec", "forProvider", "location"]));
        Self {
            spec,
            host: &server.host,
            name: name::join(&server.host, &[&spec.name]),
            attachment_key: format!("attachment-{part}"),
            recorded: recorded.map(ToOwned::to_owned),
            found: object.and_then(managed::at_provider),
            key,
        }
    }

    /// Where the volume is, once it is decided.
    pub(super) fn recorded_location(&self) -> Option<&str> {
        self.recorded.as_deref()
    }

    pub(super) fn volume(&self, location: &str, owner: Owner<'_>) -> VolumeSpec {
        VolumeSpec {
            managed: owner.managed(),
            for_provider: VolumeParameters {
                format: Some(match self.spec.format {
                    FileSystem::Ext4 => VolumeFormat::Ext4,
                    FileSystem::Xfs => VolumeFormat::Xfs,
                }),
                labels: owner.labels_in_cloud(),
                location: Some(location.to_owned()),
                size: Some(i64::from(self.spec.size)),
                ..VolumeParameters::default()
            },
        }
    }

    pub(super) fn attachment(&self, owner: Owner<'_>) -> VolumeAttachmentSpec {
        VolumeAttachmentSpec {
            managed: owner.managed(),
            for_provider: VolumeAttachmentParameters {
                automount: Some(true),
                server_id_ref: Some(Reference::to(self.host)),
                volume_id_ref: Some(Reference::to(&self.name)),
                ..VolumeAttachmentParameters::default()
            },
        }
    }

    pub(super) fn cost(&self) -> Option<Cost> {
        self.found.as_ref()?.price.as_ref().map(Cost::from)
    }
}
