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

/// How often the price list is asked for before it counts as not to be had.
const TRIES: usize = 2;
/// How long somebody who can do without the price list waits for it.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it is not asked for again by those who can do without it.
const FAILURE_HOLDS: Duration = Duration::from_secs(300);

/// What a client knows of the price list. Moments are elapsed on the clock.
#[derive(Debug, Default)]
struct Known {
    last: Option<(Duration, Arc<ReadPricing>)>,
    failed: Option<Duration>,
}

impl Known {
    fn as_of(&self, since: Duration) -> Option<&Arc<ReadPricing>> {
        let (read, list) = self.last.as_ref()?;
        (*read >= since).then_some(list)
    }
}

type Shared = Mutex<Known>;

impl Client {
    /// The price list, as it was at most `max_age` ago. Those who ask while it is read share the answer.
    pub async fn pricing(&self, max_age: Duration) -> Result<Arc<ReadPricing>, Error> {
        let known = self.slot::<Shared>();
        let mut known = known.lock().await;
        match known.as_of(self.clock().elapsed().saturating_sub(max_age)) {
            Some(list) => Ok(Arc::clone(list)),
            None => self.read_pricing(&mut known).await,
        }
    }

    /// As [`Self::pricing`], for those who can do without: they do not wait long, and get the last list while there is
    /// no newer one.
    pub async fn pricing_if_known(&self, max_age: Duration) -> Option<Arc<ReadPricing>> {
        let known = self.slot::<Shared>();
        let mut known = known.lock().await;
        let now = self.clock().elapsed();
        let is_current = known.as_of(now.saturating_sub(max_age)).is_some();
        let failed = known.failed;
        if !is_current && failed.is_none_or(|at| now.saturating_sub(at) >= FAILURE_HOLDS) {
            let read = async {
                for _ in 0..TRIES {
                    if let Err(error) = self.read_pricing(&mut known).await {
                        tracing::debug!(%error, "Prices are not known");
                    } else {
                        break;
                    }
                }
            };
            let in_time = tokio::select! {
                () = read => true,
                () = self.clock().sleep(PATIENCE) => false,
            };
            if !in_time {
                known.failed = Some(self.clock().elapsed());
            }
        }
        known.last.as_ref().map(|(_, list)| Arc::clone(list))
    }

    async fn read_pricing(&self, known: &mut Known) -> Result<Arc<ReadPricing>, Error> {
        let (started, read_at) = (self.clock().elapsed(), self.clock().now());
        let call = Call::get("/pricing".to_owned(), Priority::Poll);
        let name = call.name();
        let read = self.send(call).await.and_then(|answer| {
            member(&answer, "pricing").map_err(|source| Error::decode(name, false, source))
        });
        match read {
            Ok(pricing) => {
                let list = Arc::new(ReadPricing { pricing, read_at });
                known.last = Some((started, Arc::clone(&list)));
                known.failed = None;
                Ok(list)
            }
            Err(error) => {
                known.failed = Some(self.clock().elapsed());
                Err(error)
            }
        }
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
