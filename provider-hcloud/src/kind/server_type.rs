//! ServerType: a fact of the cloud.

use std::{sync::Arc, time::Duration};

use api::{Deprecation, ServerType, ServerTypeLocation, ServerTypeObservation};
use kube::ResourceExt;

use super::{
    Error, Project,
    fact::{self, FactKind, PresentOf},
    price, report_id, report_time,
};
use crate::{
    hcloud::{self, server_type},
    managed::{Desired, Present},
};

/// The kind ServerType.
#[derive(Debug)]
pub enum ServerTypes {}

impl FactKind for ServerTypes {
    type Resource = ServerType;

    async fn find(
        project: &Project,
        desired: &Desired<ServerType>,
        max_age: Duration,
    ) -> Result<PresentOf<Self>, Error> {
        let spec = &desired.spec.for_provider;
        let name = spec.name.clone().unwrap_or_else(|| desired.name_any());
        let (named, id) = (("name", name.as_str()), spec.id.as_deref());
        let found: Arc<hcloud::ServerType> =
            fact::named(project, "server type", named, id, max_age).await?;
        let list = price::list(project).await;
        let report = ServerTypeObservation {
            currency: list.as_ref().map(|list| list.pricing.currency.clone()),
            prices_observed_at: list.as_ref().map(|list| price::day(list)),
            ..report(&found)
        };
        Ok(Present::new(found.id.to_string(), report))
    }
}

fn report(found: &hcloud::ServerType) -> ServerTypeObservation {
    let mut locations: Vec<_> = found
        .locations
        .iter()
        .map(|location| ServerTypeLocation {
            name: location.name.clone(),
            available: location.available,
            recommended: location.recommended,
            deprecation: deprecation(location.deprecation.as_ref()),
        })
        .collect();
    locations.sort_by(|a, b| a.name.cmp(&b.name));
    ServerTypeObservation {
        id: report_id(found.id),
        name: found.name.clone(),
        description: found.description.clone(),
        category: found.category.clone(),
        cores: found.cores.map(report_id).unwrap_or_default(),
        memory: whole(found.memory),
        disk: whole(found.disk),
        cpu_type: found.cpu_type.clone(),
        architecture: found.architecture.clone(),
        storage_type: found.storage_type.clone(),
        locations,
        prices: price::in_locations(&found.prices),
        currency: None,
        prices_observed_at: None,
    }
}

/// Gigabytes come with a decimal point and are whole.
fn whole(gigabytes: Option<f64>) -> i64 {
    gigabytes.unwrap_or_default().round() as i64
}

/// How something goes out of use, as it is reported.
pub(super) fn deprecation(found: Option<&server_type::Deprecation>) -> Option<Deprecation> {
    found.map(|found| Deprecation {
        announced: report_time(found.announced.as_deref()),
        unavailable_after: report_time(found.unavailable_after.as_deref()),
    })
}
