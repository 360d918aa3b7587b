//! VolumeAttachment: that a volume is attached to a server.
//!
//! A volume is attached to one server at most, so the volume alone is the key, and another server is a change in
//! place: detach, attach.

use std::fmt;

use api::{VolumeAttachment, VolumeAttachmentObservation};

use super::{
    Error, Project,
    error::refusal,
    parse_id,
    part::{PartKind, PresentOf},
    report_id, required_id,
};
use crate::{
    hcloud,
    managed::{Desired, Present},
};

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
        let report = VolumeAttachmentObservation {
            volume_id: report_id(key.0),
            server_id: Some(report_id(server)),
            linux_device: volume.linux_device.clone(),
        };
        let mut present = Present::new(key.to_string(), report);
        let wanted = desired.spec.for_provider.server_id.as_ref();
        present.drift.check("serverId", wanted, &server.to_string());
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
        let attached = volumes.attach(key.0, server, automount).await;
        attached.map(drop).map_err(refusal)
    }

    /// Only detaches: the volume is then attached by nobody, and attaching it is a create.
    async fn update(
        project: &Project,
        _: &Desired<VolumeAttachment>,
        key: &Key,
        _: &PresentOf<Self>,
    ) -> Result<(), Error> {
        project.client.volumes().detach(key.0).await?;
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
        let wanted = desired.spec.for_provider.server_id.as_deref();
        let reported = desired.status.as_ref().and_then(|s| s.at_provider.as_ref());
        let ours = wanted.and_then(parse_id) == Some(server)
            || reported.and_then(|seen| seen.server_id) == Some(report_id(server));
        if ours {
            volumes.detach(key.0).await?;
        }
        Ok(())
    }
}
