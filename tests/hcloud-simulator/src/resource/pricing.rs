//! `/pricing`: what everything costs, and the form in which server types and load balancer types repeat their part of it.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    error::ApiError,
    resource::{
        Kind,
        load_balancer_type::LOAD_BALANCER_TYPES,
        location::{LOCATIONS, Location},
        server_type::SERVER_TYPES,
    },
    route::{Call, Reply, Route},
};

pub(crate) static KIND: Kind = Kind {
    name: "pricing",
    plural: "pricing",
    routes: &[Route::get("/pricing", get)],
    changes: None,
};

const CURRENCY: &str = "EUR";
const VAT_PERCENT: u64 = 19;
/// A monthly price buys about this many hours.
const HOURS: u64 = 624;
const TIB: u64 = 1 << 40;

/// A net amount in ten-thousandths of the currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(u64);

impl Amount {
    const fn cents(cents: u64) -> Self {
        Self(cents * 100)
    }

    /// What one hour costs at this monthly price.
    const fn hourly(self) -> Self {
        Self((self.0 + HOURS / 2) / HOURS)
    }

    /// The amount without VAT, as the API writes it.
    pub fn net(self) -> String {
        format!("{}.{:04}000000", self.0 / 10_000, self.0 % 10_000)
    }

    /// The amount with VAT, as the API writes it.
    pub fn gross(self) -> String {
        let gross = self.0 * (100 + VAT_PERCENT);
        format!("{}.{:06}0000000000", gross / 1_000_000, gross % 1_000_000)
    }

    pub(crate) fn body(self) -> Value {
        json!({ "net": self.net(), "gross": self.gross() })
    }
}

/// What something costs in one location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tariff {
    /// For one hour.
    pub hourly: Amount,
    /// For one month at most.
    pub monthly: Amount,
    /// Bytes of outgoing traffic that are included in a month.
    pub included_traffic: u64,
    /// For each further TB of outgoing traffic.
    pub traffic: Amount,
}

/// Monthly net prices in cents, by region; `None` where it is not sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    europe: Option<u64>,
    america: Option<u64>,
    singapore: Option<u64>,
}

impl Prices {
    pub(super) const fn europe(europe: u64) -> Self {
        Self {
            europe: Some(europe),
            america: None,
            singapore: None,
        }
    }

    pub(super) const fn europe_and_singapore(europe: u64, singapore: u64) -> Self {
        Self {
            singapore: Some(singapore),
            ..Self::europe(europe)
        }
    }

    pub(super) const fn overseas(america: u64, singapore: u64) -> Self {
        Self {
            europe: None,
            america: Some(america),
            singapore: Some(singapore),
        }
    }

    /// Sold everywhere, a little dearer overseas.
    pub(super) const fn everywhere(europe: u64) -> Self {
        Self {
            europe: Some(europe),
            america: Some(europe + europe / 10),
            singapore: Some(europe + europe / 5),
        }
    }

    /// The price in a location.
    pub fn at(&self, location: &Location) -> Option<Tariff> {
        let (cents, included_traffic, traffic) = match location.network_zone {
            "eu-central" => (self.europe, 20 * TIB, 100),
            "ap-southeast" => (self.singapore, TIB / 2, 740),
            _ => (self.america, TIB, 100),
        };
        let monthly = Amount::cents(cents?);
        Some(Tariff {
            hourly: monthly.hourly(),
            monthly,
            included_traffic,
            traffic: Amount::cents(traffic),
        })
    }

    /// The prices as server types and load balancer types list them.
    pub(super) fn body(&self) -> Value {
        self.listed(|location, tariff| {
            json!({
                "location": location,
                "price_hourly": tariff.hourly.body(),
                "price_monthly": tariff.monthly.body(),
                "included_traffic": tariff.included_traffic,
                "price_per_tb_traffic": tariff.traffic.body(),
            })
        })
    }

    fn listed(&self, item: impl Fn(&str, Tariff) -> Value) -> Value {
        LOCATIONS
            .iter()
            .filter_map(|location| Some(item(location.name, self.at(location)?)))
            .collect()
    }
}

const PRIMARY_IPV4: Prices = Prices::everywhere(50);
const PRIMARY_IPV6: Prices = Prices::everywhere(0);
const FLOATING_IPV4: Prices = Prices::everywhere(300);
const FLOATING_IPV6: Prices = Prices::everywhere(100);
const IMAGE_GB: Amount = Amount(143);
const VOLUME_GB: Amount = Amount(572);

fn get(_: &mut Call<'_>) -> Result<Reply, ApiError> {
    Ok(Reply::json(
        StatusCode::OK,
        json!({ "pricing": document() }),
    ))
}

fn document() -> Value {
    let primary = |kind: &str, prices: Prices| {
        let prices = prices.listed(|location, tariff| {
            json!({
                "location": location,
                "price_hourly": tariff.hourly.body(),
                "price_monthly": tariff.monthly.body(),
            })
        });
        json!({ "type": kind, "prices": prices })
    };
    let floating = |kind: &str, prices: Prices| {
        let prices = prices.listed(
            |location, tariff| json!({ "location": location, "price_monthly": tariff.monthly.body() }),
        );
        json!({ "type": kind, "prices": prices })
    };
    let server_types = SERVER_TYPES
        .iter()
        .map(|kind| json!({ "id": kind.id, "name": kind.name, "prices": kind.prices.body() }));
    let load_balancer_types = LOAD_BALANCER_TYPES
        .iter()
        .map(|kind| json!({ "id": kind.id, "name": kind.name, "prices": kind.prices.body() }));
    json!({
        "currency": CURRENCY,
        "vat_rate": format!("{VAT_PERCENT}.000000"),
        "image": { "price_per_gb_month": IMAGE_GB.body() },
        "volume": { "price_per_gb_month": VOLUME_GB.body() },
        "server_backup": { "percentage": "20.0000000000" },
        "traffic": { "price_per_tb": Amount(0).body() },
        "floating_ip": { "price_monthly": Amount::cents(300).body() },
        "floating_ips": [floating("ipv4", FLOATING_IPV4), floating("ipv6", FLOATING_IPV6)],
        "primary_ips": [primary("ipv4", PRIMARY_IPV4), primary("ipv6", PRIMARY_IPV6)],
        "server_types": server_types.collect::<Vec<_>>(),
        "load_balancer_types": load_balancer_types.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_the_api_writes_them() {
        let month = Amount::cents(549);
        assert_eq!(
            (month.net(), month.gross()),
            ("5.4900000000".to_owned(), "6.5331000000000000".to_owned())
        );
        let hour = month.hourly();
        assert_eq!(
            (hour.net(), hour.gross()),
            ("0.0088000000".to_owned(), "0.0104720000000000".to_owned())
        );
    }

    #[test]
    fn a_price_belongs_to_the_places_of_sale() {
        let sold_in = |prices: Prices| -> Vec<&str> {
            let sold = LOCATIONS
                .iter()
                .filter(|location| prices.at(location).is_some());
            sold.map(|location| location.name).collect()
        };
        assert_eq!(sold_in(Prices::europe(1)), ["fsn1", "nbg1", "hel1"]);
        assert_eq!(
            sold_in(Prices::europe_and_singapore(1, 1)),
            ["fsn1", "nbg1", "hel1", "sin"]
        );
        assert_eq!(sold_in(Prices::overseas(1, 1)), ["ash", "hil", "sin"]);
        assert_eq!(sold_in(Prices::everywhere(1)).len(), 6);
    }
}
