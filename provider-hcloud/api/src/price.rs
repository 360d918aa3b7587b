//! Prices.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
