//! LoadBalancerType: a fact of the cloud.

use std::{sync::Arc, time::Duration};

use api::{LoadBalancerType, LoadBalancerTypeObservation};
use kube::ResourceExt;

use super::{
    Error, Project,
    fact::{self, FactKind, PresentOf},
    price, report_id,
    server_type::deprecation,
};
use crate::{
    hcloud,
    managed::{Desired, Present},
};

/// The kind LoadBalancerType.
#[derive(Debug)]
pub enum LoadBalancerTypes {}

impl FactKind for LoadBalancerTypes {
    type Resource = LoadBalancerType;

    async fn find(
        project: &Project,
        desired: &Desired<LoadBalancerType>,
        max_age: Duration,
    ) -> Result<PresentOf<Self>, Error> {
        let spec = &desired.spec.for_provider;
        let name = spec.name.clone().unwrap_or_else(|| desired.name_any());
        let (named, id) = (("name", name.as_str()), spec.id.as_deref());
        let found: Arc<hcloud::LoadBalancerType> =
            fact::named(project, "load balancer type", named, id, max_age).await?;
        let list = price::list(project).await;
        let report = LoadBalancerTypeObservation {
            id: report_id(found.id),
            name: found.name.clone(),
            description: found.description.clone(),
            max_services: report_id(found.max_services),
            max_targets: report_id(found.max_targets),
            max_connections: report_id(found.max_connections),
            max_assigned_certificates: report_id(found.max_assigned_certificates),
            deprecation: deprecation(found.deprecation.as_ref()),
            prices: price::in_locations(&found.prices),
            currency: list.as_ref().map(|list| list.pricing.currency.clone()),
            prices_observed_at: list.as_ref().map(|list| price::day(list)),
        };
        Ok(Present::new(found.id.to_string(), report))
    }
}
