//! Pricing: the price list of the account.

use std::time::Duration;

use api::{Pricing, PricingObservation, TypePrices};

use super::{
    Error, Project,
    fact::{FactKind, PresentOf},
    price,
};
use crate::{
    hcloud::pricing::{self, ReadPricing},
    managed::{Desired, Present},
};

/// The kind Pricing.
#[derive(Debug)]
pub enum PriceLists {}

impl FactKind for PriceLists {
    type Resource = Pricing;

    async fn find(
        project: &Project,
        _: &Desired<Pricing>,
        max_age: Duration,
    ) -> Result<PresentOf<Self>, Error> {
        let list = project.client.pricing(max_age).await?;
        Ok(Present::new("pricing", report(&list)))
    }
}

fn report(list: &ReadPricing) -> PricingObservation {
    let pricing = &list.pricing;
    PricingObservation {
        currency: pricing.currency.clone(),
        vat_rate: pricing.vat_rate.clone(),
        image_per_gb_month: price::amount(pricing.image.price_per_gb_month.as_ref()),
        volume_per_gb_month: price::amount(pricing.volume.price_per_gb_month.as_ref()),
        server_backup_percentage: pricing.server_backup.percentage.clone(),
        primary_ips: of_types(&pricing.primary_ips),
        floating_ips: of_types(&pricing.floating_ips),
        server_types: of_types(&pricing.server_types),
        load_balancer_types: of_types(&pricing.load_balancer_types),
        observed_at: price::day(list),
    }
}

fn of_types(types: &[pricing::TypePrices]) -> Vec<TypePrices> {
    let mut report: Vec<_> = types
        .iter()
        .map(|prices| TypePrices {
            name: prices.of().to_owned(),
            prices: price::in_locations(&prices.prices),
        })
        .collect();
    report.sort_by(|a, b| a.name.cmp(&b.name));
    report
}
