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
    match project.client.pricing(LIST_AGE).await {
        Ok(list) => Some(list),
        Err(error) => {
            tracing::debug!(%error, "Prices are not known");
            None
        }
    }
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
    Some(Price {
        currency: list.pricing.currency.clone(),
        net_monthly: times(&each.net, size)?,
        gross_monthly: times(&each.gross, size)?,
        net_hourly: None,
        gross_hourly: None,
        observed_at: day(list),
    })
}

/// `amount` times `count`, exactly: amounts are decimal text, and money is not for binary fractions.
fn times(amount: &str, count: i64) -> Option<String> {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let product = digits.checked_mul(i128::from(count))?;
    let places = u32::try_from(fraction.len()).ok()?;
    let scale = 10_i128.checked_pow(places)?;
    let (whole, rest) = (product.checked_div(scale)?, product.checked_rem(scale)?);
    if places == 0 {
        return Some(whole.to_string());
    }
    let sign = if product < 0 && whole == 0 { "-" } else { "" };
    let width = fraction.len();
    Some(format!("{sign}{whole}.{:0width$}", rest.abs()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_multiplied_exactly() {
        for (amount, count, expected) in [
            ("0.0572", 10, Some("0.5720")),
            ("0.0572000000000000", 10240, Some("585.7280000000000000")),
            ("1", 3, Some("3")),
            ("0.50", 0, Some("0.00")),
            ("-0.5", 1, Some("-0.5")),
            ("a lot", 1, None),
            ("", 1, None),
        ] {
            assert_eq!(
                times(amount, count).as_deref(),
                expected,
                "{amount} x {count}"
            );
        }
    }
}
