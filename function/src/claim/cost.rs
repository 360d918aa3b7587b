//! What things cost according to the price list that the provider observed.

use provider_hcloud_api::money::Money;
use provider_hcloud_api::price::Price;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What something costs each month by the list price, without tax. The invoice may
/// differ: older objects can have older prices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// The day on which the oldest of the prices was read (UTC), for example 2026-11-03.
    pub as_of: String,
    /// Currency, for example EUR.
    pub currency: String,
    /// Amount for each month, a decimal number.
    pub monthly: String,
}

impl From<&Price> for Cost {
    fn from(price: &Price) -> Self {
        Self {
            as_of: price.observed_at.clone(),
            currency: price.currency.clone(),
            monthly: price.net_monthly.clone(),
        }
    }
}

impl Cost {
    /// The sum of some costs: exact, with two decimal places at least. `None` when
    /// there is nothing to add, when an amount is no decimal number, or when the
    /// currencies differ: a sum that leaves something out would mislead.
    pub fn sum<'a>(costs: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let mut costs = costs.into_iter();
        let first = costs.next()?;
        let mut as_of = first.as_of.as_str();
        let mut total = Money::parse(&first.monthly)?;
        for cost in costs {
            if cost.currency != first.currency {
                return None;
            }
            as_of = as_of.min(&cost.as_of);
            total = total.plus(Money::parse(&cost.monthly)?)?;
        }
        Some(Self {
            as_of: as_of.to_owned(),
            currency: first.currency.clone(),
            monthly: total.exact(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(monthly: &str, currency: &str, as_of: &str) -> Cost {
        Cost {
            as_of: as_of.to_owned(),
            currency: currency.to_owned(),
            monthly: monthly.to_owned(),
        }
    }

    #[test]
    fn a_sum_is_exact_and_as_old_as_its_oldest_price() {
        let costs = [
            cost("5.4900000000", "EUR", "2026-11-03"),
            cost("0.5", "EUR", "2026-11-01"),
            cost("7", "EUR", "2026-11-02"),
        ];
        assert_eq!(Cost::sum(&costs), Some(cost("12.99", "EUR", "2026-11-01")));
        assert_eq!(
            Cost::sum(&costs[..1]).unwrap().monthly,
            "5.49",
            "two places at least, no more than needed"
        );
        assert_eq!(Cost::sum(&costs[1..2]).unwrap().monthly, "0.50");
    }

    #[test]
    fn a_sum_that_would_mislead_is_none() {
        let good = cost("1", "EUR", "2026-11-03");
        assert_eq!(Cost::sum([]), None);
        for bad in [
            cost("1", "USD", "2026-11-03"),
            cost("", "EUR", "2026-11-03"),
            cost("free", "EUR", "2026-11-03"),
            cost("-1", "EUR", "2026-11-03"),
            cost("0.0000000000000000001", "EUR", "2026-11-03"),
        ] {
            assert_eq!(Cost::sum([&good, &bad]), None, "{bad:?}");
        }
    }
}
