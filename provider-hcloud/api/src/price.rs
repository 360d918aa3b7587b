//! Prices.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::money::Money;

/// What an object costs according to the price list of the account. The invoice may differ: older objects can have
/// older prices. Amounts are decimal numbers as text.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Price {
    /// Currency, for example EUR.
    #[serde(default)]
    pub currency: String,

    /// For each month, without tax. The most that a month costs, where there is an hourly price.
    #[serde(default)]
    pub net_monthly: String,

    /// For each month, with tax.
    #[serde(default)]
    pub gross_monthly: String,

    /// For each hour that began, without tax.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net_hourly: Option<String>,

    /// For each hour that began, with tax.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gross_hourly: Option<String>,

    /// The day on which the price list was read (UTC), for example 2026-11-03.
    #[serde(default)]
    pub observed_at: String,
}

impl Price {
    /// What both cost together. `None` when the currencies differ or an amount is no number: a sum that leaves something
    /// out would mislead.
    pub fn plus(&self, other: &Self) -> Option<Self> {
        if self.currency != other.currency {
            return None;
        }
        let observed_at = (&self.observed_at).min(&other.observed_at).clone();
        let price = self.each(|amount, other| amount.plus(other?), Some(other))?;
        Some(Self {
            observed_at,
            ..price
        })
    }

    /// What it costs with a surcharge of so many percent, as decimal text.
    pub fn with_surcharge(&self, percent: &str) -> Option<Self> {
        let percent = Money::parse(percent)?;
        self.each(|amount, _| amount.plus(amount.percent(percent)?), None)
    }

    /// What so many of it cost.
    pub fn times(&self, quantity: u64) -> Option<Self> {
        self.each(|amount, _| amount.times(quantity), None)
    }

    /// Computes each amount from it and its counterpart. An hourly amount without counterpart is not known.
    fn each(
        &self,
        compute: impl Fn(Money, Option<Money>) -> Option<Money>,
        other: Option<&Self>,
    ) -> Option<Self> {
        let amount = |of: fn(&Self) -> Option<&str>| {
            let other = other.and_then(of).and_then(Money::parse);
            compute(Money::parse(of(self)?)?, other).map(Money::exact)
        };
        Some(Self {
            net_monthly: amount(|price| Some(&price.net_monthly))?,
            gross_monthly: amount(|price| Some(&price.gross_monthly))?,
            net_hourly: amount(|price| price.net_hourly.as_deref()),
            gross_hourly: amount(|price| price.gross_hourly.as_deref()),
            ..self.clone()
        })
    }
}

/// An amount of money, as decimal numbers in text.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Amount {
    /// Without tax.
    #[serde(default)]
    pub net: String,

    /// With tax.
    #[serde(default)]
    pub gross: String,
}

/// What something costs in a location.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LocationPrice {
    /// Location.
    #[serde(default)]
    pub location: String,

    /// For each month. The most that a month costs, where there is an hourly price.
    #[serde(default)]
    pub monthly: Amount,

    /// For each hour that began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hourly: Option<Amount>,

    /// Traffic that is included for each month, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub included_traffic: Option<i64>,

    /// Further traffic: for each TB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic_per_tb: Option<Amount>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(monthly: &str, hourly: Option<&str>, currency: &str, observed_at: &str) -> Price {
        Price {
            currency: currency.to_owned(),
            net_monthly: monthly.to_owned(),
            gross_monthly: monthly.to_owned(),
            net_hourly: hourly.map(str::to_owned),
            gross_hourly: hourly.map(str::to_owned),
            observed_at: observed_at.to_owned(),
        }
    }

    #[test]
    fn prices_are_added_exactly() {
        let server = price("8.4900000000", Some("0.0136000000"), "EUR", "2026-11-03");
        let address = price("0.5", Some("0.0008"), "EUR", "2026-11-01");
        assert_eq!(
            server.plus(&address),
            Some(price("8.99", Some("0.0144"), "EUR", "2026-11-01"))
        );
        assert_eq!(
            server.with_surcharge("20.0000000000"),
            Some(price("10.188", Some("0.01632"), "EUR", "2026-11-03"))
        );
        let gigabyte = price("0.0572", None, "EUR", "2026-11-03");
        assert_eq!(
            gigabyte.times(50),
            Some(price("2.86", None, "EUR", "2026-11-03"))
        );
        let monthly = price("0.5", None, "EUR", "2026-11-03");
        assert_eq!(
            server.plus(&monthly),
            Some(price("8.99", None, "EUR", "2026-11-03"))
        );
    }

    #[test]
    fn a_sum_that_would_mislead_is_none() {
        let server = price("8.49", None, "EUR", "2026-11-03");
        assert_eq!(server.plus(&price("1", None, "USD", "2026-11-03")), None);
        assert_eq!(server.plus(&price("", None, "EUR", "2026-11-03")), None);
        assert_eq!(server.with_surcharge("a lot"), None);
    }
}
