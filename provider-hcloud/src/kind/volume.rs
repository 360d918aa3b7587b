//! Volume: block storage. Attaching it is the business of a VolumeAttachment.

use std::time::Duration;

use api::{Volume, VolumeFormat, VolumeObservation};

use super::{
    Error, Project, location,
    object::{Common, ObjectKind, PresentOf},
    price, report_id, report_time,
};
use crate::{
    hcloud::{self, labels::Labels, volume::CreateVolumeRequest},
    managed::{Created, Desired, Present, Readiness},
};

/// How soon to look again whether a new volume is finished.
const RECHECK: Duration = Duration::from_secs(2);

/// The kind Volume.
#[derive(Debug)]
pub enum Volumes {}

impl ObjectKind for Volumes {
    type Resource = Volume;
    type Object = hcloud::Volume;

    fn common(resource: &Volume) -> Common<'_> {
        let spec = &resource.spec.for_provider;
        Common {
            name: spec.name.as_deref(),
            labels: &spec.labels,
            delete_protection: spec.delete_protection,
        }
    }

    async fn present(
        project: &Project,
        desired: &Desired<Volume>,
        volume: &hcloud::Volume,
    ) -> Result<PresentOf<Self>, Error> {
        let spec = &desired.spec.for_provider;
        let size = volume.size.unwrap_or_default();
        let price = price::list(project).await.and_then(|list| {
            let each = list.pricing.volume.price_per_gb_month.as_ref();
            price::of_size(&list, each, size)
        });
        let report = VolumeObservation {
            id: report_id(volume.id),
            name: volume.name.clone(),
            status: volume.status.clone(),
            size,
            location: volume.location.name.clone(),
            server_id: volume.server.map(report_id),
            linux_device: volume.linux_device.clone(),
            format: volume.format.clone(),
            labels: volume.labels.clone(),
            delete_protection: volume.protection.delete.unwrap_or_default(),
            price,
            created: report_time(volume.created.as_deref()),
        };
        let mut present = Present::new(volume.id.to_string(), report);
        if volume.status == "creating" {
            present.readiness = Readiness::Creating { recheck: RECHECK };
        }
        let drift = &mut present.drift;
        match &spec.size {
            Some(wanted) if *wanted < size => drift.check_fixed("size", Some(wanted), &size),
            wanted => drift.check("size", wanted.as_ref(), &size),
        }
        drift.check_fixed("location", spec.location.as_ref(), &volume.location.name);
        Ok(present)
    }

    async fn create(
        project: &Project,
        desired: &Desired<Volume>,
        name: String,
        labels: Labels,
    ) -> Result<Created, Error> {
        let spec = &desired.spec.for_provider;
        let location = spec.location.as_ref().ok_or(Error::Required("location"))?;
        let request = CreateVolumeRequest {
            name,
            labels,
            size: spec.size.ok_or(Error::Required("size"))?,
            location: location::named(project, "location", location)
                .await?
                .name
                .clone(),
            format: spec.format.map(VolumeFormat::as_str),
        };
        let volume = project.client.volumes().create(&request).await?;
        Ok(Created::named(volume.id))
    }

    async fn update(
        project: &Project,
        desired: &Desired<Volume>,
        id: u64,
        present: &PresentOf<Self>,
    ) -> Result<(), Error> {
        if let Some(size) = desired.spec.for_provider.size
            && size > present.at_provider.size
        {
            project.client.volumes().resize(id, size).await?;
        }
        Ok(())
    }

    /// The API refuses while the volume is attached, and a server that uses it would lose data otherwise.
    async fn before_delete(
        _: &Project,
        _: &Desired<Volume>,
        volume: &hcloud::Volume,
    ) -> Result<(), Error> {
        match volume.server {
            None => Ok(()),
            Some(server) => Err(Error::Held {
                object: "volume",
                id: volume.id,
                holders: format!("server {server}"),
            }),
        }
    }
}
