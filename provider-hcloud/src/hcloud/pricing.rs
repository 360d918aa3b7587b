//! The price list of the account: one document, read as a whole.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::budget::Priority;
use super::client::{Call, Client};
use super::error::Error;
use super::resource::member;
use super::server_type::{Amount, Price};
use super::tolerant;

/// The price list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Pricing {
    /// Currency of all prices.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub currency: String,
    /// Tax in percent.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub vat_rate: String,
    /// Images.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub image: PerGb,
    /// Volumes.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub volume: PerGb,
    /// Backups.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub server_backup: Surcharge,
    /// Primary IPs, by type.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub primary_ips: Vec<TypePrices>,
    /// Floating IPs, by type.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub floating_ips: Vec<TypePrices>,
    /// Servers, by server type.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub server_types: Vec<TypePrices>,
    /// Load balancers, by load balancer type.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub load_balancer_types: Vec<TypePrices>,
}

/// What something costs by its size.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct PerGb {
    /// For each GB and month.
    #[serde(default)]
    pub price_per_gb_month: Option<Amount>,
}

/// What something costs on top of something else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Surcharge {
    /// In percent.
    #[serde(default)]
    pub percentage: Option<String>,
}

/// What one type costs in each location.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct TypePrices {
    /// The name of the type, where types have ids.
    #[serde(default)]
    pub name: Option<String>,
    /// The name of the type, where types have none.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// The prices.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub prices: Vec<Price>,
}

impl TypePrices {
    /// The name of the type.
    pub fn of(&self) -> &str {
        let name = self.name.as_deref().or(self.kind.as_deref());
        name.unwrap_or_default()
    }

    /// The price in a location.
    pub fn at(&self, location: &str) -> Option<&Price> {
        self.prices.iter().find(|price| price.location == location)
    }
}

/// A price list, and when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPricing {
    /// The list.
    pub pricing: Pricing,
    /// When it was read.
    pub read_at: Timestamp,
}

/// The last price list of a client, with the moment at which it was read, elapsed on the clock.
#[derive(Debug, Default)]
struct Last(Mutex<Option<(Duration, Arc<ReadPricing>)>>);

impl Client {
    /// The price list, as it was at most `max_age` ago. Those who ask while it is read share the answer.
    pub async fn pricing(&self, max_age: Duration) -> Result<Arc<ReadPricing>, Error> {
        let last = self.slot::<Last>();
        let mut last = last.0.lock().await;
        let now = self.clock().elapsed();
        if let Some((read, pricing)) = last.as_ref()
            && now.saturating_sub(*read) <= max_age
        {
            return Ok(Arc::clone(pricing));
        }
        let read_at = self.clock().now();
        let call = Call::get("/pricing".to_owned(), Priority::Poll);
        let name = call.name();
        let answer = self.send(call).await?;
        let pricing =
            member(&answer, "pricing").map_err(|source| Error::decode(name, false, source))?;
        let pricing = Arc::new(ReadPricing { pricing, read_at });
        *last = Some((now, Arc::clone(&pricing)));
        Ok(pricing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_list_is_read_with_unknown_and_without_known_fields() {
        let json = r#"{"currency":"EUR","vat_rate":"19.00","moon":{},"volume":{"price_per_gb_month":{"net":"0.0572","gross":"0.0681"}},
            "primary_ips":[{"type":"ipv4","prices":[{"location":"fsn1","price_monthly":{"net":"0.5","gross":"0.595"}}]}],
            "server_types":[{"id":1,"name":"cx23","prices":[]}]}"#;
        let pricing: Pricing = serde_json::from_str(json).unwrap();
        assert_eq!(pricing.primary_ips[0].of(), "ipv4");
        assert!(pricing.primary_ips[0].at("fsn1").is_some());
        assert_eq!(pricing.server_types[0].of(), "cx23");
        let bare: Pricing = serde_json::from_str("{}").unwrap();
        assert_eq!(bare, Pricing::default());
    }
}
