//! Prices as they are reported.

use std::time::Duration;

use api::{Amount, LocationPrice, Price};
use jiff::tz::TimeZone;

use super::Project;
use crate::hcloud::{
    pricing::{ReadPricing, TypePrices},
    server_type,
};

/// How old a price list may be: prices change a few times a year.
pub(super) const LIST_AGE: Duration = Duration::from_secs(3600);

/// The price list, if it can be had: a price that is not known never holds anything up.
pub(super) async fn list(project: &Project) -> Option<std::sync::Arc<ReadPricing>> {
    project.client.pricing_if_known(LIST_AGE).await
}

/// The day of a price list: a report that named the second would change at every look.
pub(super) fn day(list: &ReadPricing) -> String {
    let read_at = list.read_at.to_zoned(TimeZone::UTC);
    read_at.strftime("%Y-%m-%d").to_string()
}

/// What one object of a type costs in a location.
pub(super) fn of_type(
    list: &ReadPricing,
    types: &[TypePrices],
    name: &str,
    location: &str,
) -> Option<Price> {
    let price = types
        .iter()
        .find(|prices| prices.of() == name)?
        .at(location)?;
    let monthly = price.price_monthly.clone().unwrap_or_default();
    let hourly = price.price_hourly.clone();
    Some(Price {
        currency: list.pricing.currency.clone(),
        net_monthly: monthly.net,
        gross_monthly: monthly.gross,
        net_hourly: hourly.as_ref().map(|amount| amount.net.clone()),
        gross_hourly: hourly.map(|amount| amount.gross),
        observed_at: day(list),
    })
}

/// What `size` GB cost for each month.
pub(super) fn of_size(
    list: &ReadPricing,
    each: Option<&server_type::Amount>,
    size: i64,
) -> Option<Price> {
    let each = each?;
    let one = Price {
        currency: list.pricing.currency.clone(),
        net_monthly: each.net.clone(),
        gross_monthly: each.gross.clone(),
        observed_at: day(list),
        ..Price::default()
    };
    one.times(u64::try_from(size).ok()?)
}

/// Prices of one type in all locations.
pub(super) fn in_locations(prices: &[server_type::Price]) -> Vec<LocationPrice> {
    let mut report: Vec<_> = prices
        .iter()
        .map(|price| LocationPrice {
            location: price.location.clone(),
            monthly: amount(price.price_monthly.as_ref()).unwrap_or_default(),
            hourly: amount(price.price_hourly.as_ref()),
            included_traffic: price.included_traffic.map(super::report_id),
            traffic_per_tb: amount(price.price_per_tb_traffic.as_ref()),
        })
        .collect();
    report.sort_by(|a, b| a.location.cmp(&b.location));
    report
}

/// An amount as it is reported.
pub(super) fn amount(amount: Option<&server_type::Amount>) -> Option<Amount> {
    amount.map(|amount| Amount {
        net: amount.net.clone(),
        gross: amount.gross.clone(),
    })
}
