//! Location: a fact of the cloud.

use std::{sync::Arc, time::Duration};

use api::{Location, LocationObservation};
use kube::ResourceExt;

use super::{
    Error, Project,
    fact::{self, FACTS_AGE, FactKind, PresentOf},
    report_id,
};
use crate::{
    hcloud,
    managed::{Desired, Present},
};

/// The kind Location.
#[derive(Debug)]
pub enum Locations {}

impl FactKind for Locations {
    type Resource = Location;

    async fn find(
        project: &Project,
        desired: &Desired<Location>,
        max_age: Duration,
    ) -> Result<PresentOf<Self>, Error> {
        let spec = &desired.spec.for_provider;
        let name = spec.name.clone().unwrap_or_else(|| desired.name_any());
        let (named, id) = (("name", name.as_str()), spec.id.as_deref());
        let found: Arc<hcloud::Location> =
            fact::named(project, "location", named, id, max_age).await?;
        let report = LocationObservation {
            id: report_id(found.id),
            name: found.name.clone(),
            description: found.description.clone(),
            city: found.city.clone(),
            country: found.country.clone(),
            network_zone: found.network_zone.clone(),
            latitude: found.latitude.map(|degrees| degrees.to_string()),
            longitude: found.longitude.map(|degrees| degrees.to_string()),
        };
        Ok(Present::new(found.id.to_string(), report))
    }
}

/// The location called `name`, which the spec of another kind gives in `field`.
///
/// # Errors
/// When there is none; the error names those that come near.
pub(super) async fn named(
    project: &Project,
    field: &str,
    name: &str,
) -> Result<Arc<hcloud::Location>, Error> {
    fact::named(project, "location", (field, name), None, FACTS_AGE).await
}
