//! VolumeAttachment: that a volume is attached to a server.
//!
//! A volume is attached to one server at most, so the volume alone is the key, and another server is a change in
//! place: detach, attach. It is detached only from a server that it was attached to for this resource, as the status
//! tells: a server that got it otherwise may have it mounted, and keeps it.

use std::{fmt, time::Duration};

use api::{VolumeAttachment, VolumeAttachmentObservation};

use super::{
    Error, Project,
    error::{later, refusal},
    parse_id,
    part::{PartKind, PresentOf},
    report_id, required_id,
};
use crate::{
    hcloud,
    managed::{Desired, Present, Readiness},
};

/// How soon to look again whether another server still has the volume.
const RECHECK: Duration = Duration::from_secs(10);

/// The kind VolumeAttachment.
#[derive(Debug)]
pub enum VolumeAttachments {}

/// The volume.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key(u64);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl PartKind for VolumeAttachments {
    type Resource = VolumeAttachment;
    type Parent = hcloud::Volume;
    type Key = Key;

    const FORM: &'static str = "<volume id>";

    fn parse(external_name: &str) -> Option<Key> {
        parse_id(external_name).map(Key)
    }

    fn key(resource: &VolumeAttachment) -> Result<Key, Error> {
        let volume = resource.spec.for_provider.volume_id.as_deref();
        Ok(Key(required_id("volumeId", volume)?))
    }

    fn parent(key: &Key) -> u64 {
        key.0
    }

    async fn present(
        _: &Project,
        desired: &Desired<VolumeAttachment>,
        key: &Key,
        volume: &hcloud::Volume,
    ) -> Result<Option<PresentOf<Self>>, Error> {
        let Some(server) = volume.server else {
            return Ok(None);
        };
        let ours = is_ours(desired, server);
        if !ours && desired.metadata.deletion_timestamp.is_some() {
            return Ok(None);
        }
        let report = VolumeAttachmentObservation {
            volume_id: report_id(key.0),
            server_id: ours.then(|| report_id(server)),
            linux_device: volume.linux_device.clone(),
        };
        let mut present = Present::new(key.to_string(), report);
        let wanted = desired.spec.for_provider.server_id.as_ref();
        present.drift.check("serverId", wanted, &server.to_string());
        if !ours {
            present.readiness = Readiness::Unavailable {
                message: held_elsewhere(key, server),
                recheck: RECHECK,
            };
        }
        Ok(Some(present))
    }

    async fn create(
        project: &Project,
        desired: &Desired<VolumeAttachment>,
        key: &Key,
    ) -> Result<(), Error> {
        let spec = &desired.spec.for_provider;
        let server = required_id("serverId", spec.server_id.as_deref())?;
        let automount = spec.automount.unwrap_or_default();
        let volumes = project.client.volumes();
        match volumes.attach(key.0, server, automount).await {
            // Somebody was quicker, or an earlier call whose answer was lost: the next look tells where it is.
            Err(error) if error.code() == Some("volume_already_attached") => {
                volumes.doubt(key.0);
                Err(refusal(error))
            }
            attached => attached.map(drop).map_err(refusal),
        }
    }

    /// Only detaches: the volume is then attached by nobody, and attaching it is a create.
    async fn update(
        project: &Project,
        desired: &Desired<VolumeAttachment>,
        key: &Key,
        _: &PresentOf<Self>,
    ) -> Result<(), Error> {
        let volumes = project.client.volumes();
        let volume = volumes.read(key.0, hcloud::Priority::Update).await?;
        let Some(server) = volume.and_then(|volume| volume.server) else {
            return Ok(());
        };
        if named(desired) == Some(server) {
            return Ok(());
        }
        if !is_ours(desired, server) {
            return Err(later(held_elsewhere(key, server)));
        }
        volumes.detach(key.0).await?;
        Ok(())
    }

    /// A volume that somebody has attached to another server meanwhile is left there.
    async fn delete(
        project: &Project,
        desired: &Desired<VolumeAttachment>,
        key: &Key,
    ) -> Result<(), Error> {
        let volumes = project.client.volumes();
        let volume = volumes.read(key.0, hcloud::Priority::Delete).await?;
        let Some(server) = volume.and_then(|volume| volume.server) else {
            return Ok(());
        };
        if is_ours(desired, server) {
            volumes.detach(key.0).await?;
        }
        Ok(())
    }
}

/// The server that the spec names.
fn named(resource: &VolumeAttachment) -> Option<u64> {
    parse_id(resource.spec.for_provider.server_id.as_deref()?)
}

/// Whether the volume is attached to this server for the resource: the spec names it, or no other, or it was reported.
fn is_ours(resource: &VolumeAttachment, server: u64) -> bool {
    let reported = resource
        .status
        .as_ref()
        .and_then(|s| s.at_provider.as_ref());
    named(resource).is_none_or(|named| named == server)
        || reported.and_then(|seen| seen.server_id) == Some(report_id(server))
}

fn held_elsewhere(key: &Key, server: u64) -> String {
    format!(
        "volume {key} is attached to server {server}, and not by this resource: detach it there or delete the VolumeAttachment that names that server; to take the attachment over, set spec.forProvider.serverId to {server} first"
    )
}

#[cfg(test)]
mod tests;
