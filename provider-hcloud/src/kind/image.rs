//! Image: a fact of the cloud, or of the project when it is a snapshot.

use std::{sync::Arc, time::Duration};

use api::{Image, ImageObservation};
use kube::ResourceExt;

use super::{
    Error, Project,
    error::later,
    fact::{FactKind, PresentOf},
    near, parse_id, report_id, report_time,
    server_type::deprecation,
};
use crate::{
    hcloud::{
        self,
        image::{Query, newest},
    },
    managed::{Desired, Present, Readiness},
};

/// The architecture of an image that is given by name.
const DEFAULT_ARCHITECTURE: &str = "x86";
/// How soon to look again whether an image is finished.
const RECHECK: Duration = Duration::from_secs(10);

/// The kind Image.
#[derive(Debug)]
pub enum Images {}

impl FactKind for Images {
    type Resource = Image;

    async fn find(
        project: &Project,
        desired: &Desired<Image>,
        max_age: Duration,
    ) -> Result<PresentOf<Self>, Error> {
        let spec = &desired.spec.for_provider;
        let architecture = spec.architecture.as_deref();
        let found = match (&spec.id, &spec.label_selector) {
            (Some(id), _) => by_id(project, id, max_age).await?,
            (None, Some(selector)) => by_labels(project, selector, architecture).await?,
            (None, None) => {
                let name = spec.name.clone().unwrap_or_else(|| desired.name_any());
                let architecture = architecture.unwrap_or(DEFAULT_ARCHITECTURE);
                let with_deprecated = spec.include_deprecated.unwrap_or_default();
                by_name(project, &name, architecture, with_deprecated, max_age).await?
            }
        };
        let mut present = Present::new(found.id.to_string(), report(&found));
        present.readiness = readiness(&found);
        Ok(present)
    }
}

async fn by_id(
    project: &Project,
    id: &str,
    max_age: Duration,
) -> Result<Arc<hcloud::Image>, Error> {
    let known = match parse_id(id) {
        Some(id) => project.client.images().by_id(id, max_age).await?,
        None => None,
    };
    known.ok_or_else(|| Error::field("id", format!("there is no image with the id {id}")))
}

async fn by_labels(
    project: &Project,
    selector: &str,
    architecture: Option<&str>,
) -> Result<Arc<hcloud::Image>, Error> {
    let query = Query {
        label_selector: Some(selector),
        architecture,
        kind: Some("snapshot"),
        status: Some("available"),
        ..Query::default()
    };
    let found = newest(project.client.images().matching(&query).await?);
    // It may be about to be made.
    let missing = || {
        let which = architecture.map_or_else(String::new, |of| format!(" for {of}"));
        later(format!(
            "spec.forProvider.labelSelector: there is no snapshot with the labels {selector}{which} that can be used"
        ))
    };
    found.map(Arc::new).ok_or_else(missing)
}

async fn by_name(
    project: &Project,
    name: &str,
    architecture: &str,
    with_deprecated: bool,
    max_age: Duration,
) -> Result<Arc<hcloud::Image>, Error> {
    let images = project.client.images();
    let query = Query {
        name: Some(name),
        architecture: Some(architecture),
        ..Query::default()
    };
    let found = images.matching(&query).await?;
    let (old, current): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|image| image.deprecation.is_some());
    if let Some(current) = newest(current) {
        return Ok(Arc::new(current));
    }
    let old = newest(old);
    if let Some(old) = &old
        && with_deprecated
    {
        return Ok(Arc::new(old.clone()));
    }
    let all = images.all(max_age).await?;
    let others = all
        .iter()
        .filter(|image| image.architecture == architecture);
    let others = others.map(|image| image.name.as_str());
    let near = near(name, others.filter(|name| !name.is_empty()));
    let problem = match old {
        Some(_) => format!(
            "image {name:?} goes out of use: choose another, for example one of {near}, or set includeDeprecated: true"
        ),
        None => format!("there is no image {name:?} for {architecture}: choose one of {near}"),
    };
    Err(Error::field("name", problem))
}

fn readiness(image: &hcloud::Image) -> Readiness {
    match image.status.as_str() {
        "creating" => Readiness::Creating { recheck: RECHECK },
        "unavailable" => Readiness::Unavailable {
            message: format!(
                "image {} cannot be used: it is unavailable at Hetzner",
                image.id
            ),
            recheck: RECHECK,
        },
        _ => Readiness::Available,
    }
}

fn report(image: &hcloud::Image) -> ImageObservation {
    ImageObservation {
        id: report_id(image.id),
        name: Some(image.name.clone()).filter(|name| !name.is_empty()),
        description: image.description.clone(),
        type_: image.kind.clone(),
        status: image.status.clone(),
        architecture: image.architecture.clone(),
        os_flavor: image.os_flavor.clone(),
        os_version: image.os_version.clone(),
        // Gigabytes come with a decimal point and are whole.
        disk_size: image.disk_size.unwrap_or_default().round() as i64,
        image_size: image.image_size.map(|gigabytes| gigabytes.to_string()),
        rapid_deploy: image.rapid_deploy.unwrap_or_default(),
        created_from: image.created_from.map(|server| report_id(server.id)),
        bound_to: image.bound_to.map(report_id),
        deprecation: deprecation(image.deprecation.as_ref()),
        labels: image.labels.clone(),
        delete_protection: image.protection.delete.unwrap_or_default(),
        created: report_time(image.created.as_deref()),
    }
}

#[cfg(test)]
mod tests;
