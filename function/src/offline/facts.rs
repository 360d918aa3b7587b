//! What the cloud offers and what it costs: observed objects of the provider, from a file.

use std::collections::BTreeMap;

use provider_hcloud_api::{
    LoadBalancerTypeObservation, LocationPrice, Price, PricingObservation, ServerTypeObservation,
    TypePrices,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::document::{self, Document, Object};
use super::error::Error;

/// Group and version of the provider's kinds.
pub(super) const API_VERSION: &str = "hcloud.openova.io/v1alpha1";

/// Kinds that are facts. Locations and images are read and not needed: the price list
/// names all locations.
pub(super) const KINDS: [&str; 5] = [
    "Pricing",
    "ServerType",
    "LoadBalancerType",
    "Location",
    "Image",
];

/// Facts about the cloud. The default is that nothing is known.
#[derive(Debug, Default)]
pub struct Facts {
    /// The object of the price list.
    pricing: Option<Object>,
    list: PricingObservation,
    server_types: BTreeMap<String, ServerTypeObservation>,
    load_balancer_types: BTreeMap<String, LoadBalancerTypeObservation>,
}

impl Facts {
    /// Reads facts as `kubectl get pricings,servertypes,loadbalancertypes -o yaml` prints
    /// them: documents, or a List.
    ///
    /// # Errors
    ///
    /// When a document is no fact, or has not been observed.
    pub fn read(yaml: &str) -> Result<Self, Error> {
        let mut facts = Self::default();
        for document in document::read(yaml)? {
            facts.add(document)?;
        }
        Ok(facts)
    }

    fn add(&mut self, document: Document) -> Result<(), Error> {
        let kind = document.kind();
        match kind.as_str() {
            _ if document.api_version() != API_VERSION => return Err(no_fact(document)),
            "Pricing" => {
                if self.pricing.is_some() {
                    let (place, name) = (document.place.clone(), document.name());
                    return Err(Error::Repeated { place, kind, name });
                }
                self.list = observed(&document)?;
                self.pricing = Some(document.object);
            }
            "ServerType" => {
                let found: ServerTypeObservation = observed(&document)?;
                self.server_types.insert(found.name.clone(), found);
            }
            "LoadBalancerType" => {
                let found: LoadBalancerTypeObservation = observed(&document)?;
                self.load_balancer_types.insert(found.name.clone(), found);
            }
            other if KINDS.contains(&other) => {}
            _ => return Err(no_fact(document)),
        }
        Ok(())
    }

    /// The object of the price list, as it was given.
    pub(super) fn pricing(&self) -> Option<&Object> {
        self.pricing.as_ref()
    }

    /// What was observed of the price list.
    pub(super) fn price_list(&self) -> Option<&Value> {
        self.pricing.as_ref()?.get("status")?.get("atProvider")
    }

    /// Whether a server of a type can be had in a location: `None` where it is not sold,
    /// false where there is none at present. What nobody knows can be had.
    pub(super) fn offer(&self, server_type: &str, location: &str) -> Option<bool> {
        let known = self.server_types.get(server_type);
        if let Some(known) = known.filter(|known| !known.locations.is_empty()) {
            let mut locations = known.locations.iter();
            let offer = locations.find(|offer| offer.name == location)?;
            return Some(offer.available != Some(false));
        }
        if self.list.server_types.is_empty() {
            return Some(true);
        }
        at(&self.list.server_types, server_type, location).map(|_| true)
    }

    /// What a server costs, with its backups and its public IPv4 address.
    pub(super) fn server(
        &self,
        server_type: &str,
        location: &str,
        backups: bool,
        ipv4: bool,
    ) -> Option<Price> {
        let mut price = self.bare_server(server_type, location)?;
        if backups {
            let percent = self.list.server_backup_percentage.as_deref()?;
            price = price.with_surcharge(percent)?;
        }
        if ipv4 {
            price = price.plus(&self.listed(at(&self.list.primary_ips, "ipv4", location)?))?;
        }
        Some(price)
    }

    fn bare_server(&self, server_type: &str, location: &str) -> Option<Price> {
        if let Some(price) = at(&self.list.server_types, server_type, location) {
            return Some(self.listed(price));
        }
        let known = self.server_types.get(server_type)?;
        price(
            &known.prices,
            location,
            known.currency.as_deref(),
            known.prices_observed_at.as_deref(),
        )
    }

    /// What a load balancer costs.
    pub(super) fn load_balancer(&self, kind: &str, location: &str) -> Option<Price> {
        if let Some(price) = at(&self.list.load_balancer_types, kind, location) {
            return Some(self.listed(price));
        }
        let known = self.load_balancer_types.get(kind)?;
        price(
            &known.prices,
            location,
            known.currency.as_deref(),
            known.prices_observed_at.as_deref(),
        )
    }

    /// What a volume of so many GB costs.
    pub(super) fn volume(&self, size: u64) -> Option<Price> {
        let each = self.list.volume_per_gb_month.as_ref()?;
        let one = Price {
            currency: self.list.currency.clone(),
            net_monthly: each.net.clone(),
            gross_monthly: each.gross.clone(),
            observed_at: self.list.observed_at.clone(),
            ..Price::default()
        };
        one.times(size)
    }

    fn listed(&self, price: &LocationPrice) -> Price {
        monthly(price, &self.list.currency, &self.list.observed_at)
    }
}

fn no_fact(document: Document) -> Error {
    Error::NoFact {
        api_version: document.api_version(),
        kind: document.kind(),
        place: document.place,
    }
}

fn observed<T: DeserializeOwned>(document: &Document) -> Result<T, Error> {
    let found = document.object.get("status");
    let found = found.and_then(|status| status.get("atProvider"));
    let (place, kind, name) = (document.place.clone(), document.kind(), document.name());
    match found {
        Some(found) => serde_path_to_error::deserialize(found).map_err(|source| Error::BadFact {
            place,
            kind,
            name,
            source,
        }),
        None => Err(Error::Unobserved { place, kind, name }),
    }
}

fn at<'a>(types: &'a [TypePrices], name: &str, location: &str) -> Option<&'a LocationPrice> {
    let of_type = types.iter().find(|prices| prices.name == name)?;
    let mut prices = of_type.prices.iter();
    prices.find(|price| price.location == location)
}

fn price(
    prices: &[LocationPrice],
    location: &str,
    currency: Option<&str>,
    observed_at: Option<&str>,
) -> Option<Price> {
    let price = prices.iter().find(|price| price.location == location)?;
    Some(monthly(price, currency?, observed_at?))
}

fn monthly(price: &LocationPrice, currency: &str, observed_at: &str) -> Price {
    let hourly = price.hourly.as_ref();
    Price {
        currency: currency.to_owned(),
        net_monthly: price.monthly.net.clone(),
        gross_monthly: price.monthly.gross.clone(),
        net_hourly: hourly.map(|amount| amount.net.clone()),
        gross_hourly: hourly.map(|amount| amount.gross.clone()),
        observed_at: observed_at.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(kind: &str, name: &str, found: &str) -> String {
        format!(
            "---\napiVersion: hcloud.openova.io/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nstatus:\n  atProvider: {found}\n"
        )
    }

    const LIST: &str = "{currency: EUR, observedAt: '2026-11-03', volumePerGbMonth: {net: '0.0572', gross: '0.068068'}, serverBackupPercentage: '20', primaryIps: [{name: ipv4, prices: [{location: fsn1, monthly: {net: '0.5', gross: '0.595'}}]}], serverTypes: [{name: cx33, prices: [{location: fsn1, monthly: {net: '8.4900000000', gross: '10.1031000000'}}]}]}";

    #[test]
    fn prices_come_from_the_list_and_else_from_the_type() {
        let special = "{id: 7, name: special, currency: EUR, pricesObservedAt: '2026-11-01', locations: [{name: hel1, available: false}], prices: [{location: hel1, monthly: {net: '1', gross: '2'}}]}";
        let yaml = fact("Pricing", "account", LIST) + &fact("ServerType", "special", special);
        let facts = Facts::read(&yaml).unwrap();

        let server = |kind: &str, location: &str, backups: bool, ipv4: bool| {
            let price = facts.server(kind, location, backups, ipv4)?;
            assert_eq!(price.currency, "EUR");
            Some((price.net_monthly, price.observed_at))
        };
        let of = |net: &str, day: &str| Some((net.to_owned(), day.to_owned()));
        let bare = server("cx33", "fsn1", false, false);
        assert_eq!(bare, of("8.4900000000", "2026-11-03"));
        assert_eq!(
            server("cx33", "fsn1", true, true),
            of("10.688", "2026-11-03")
        );
        let special = server("special", "hel1", false, false);
        assert_eq!(special, of("1", "2026-11-01"));
        let special = facts.server("special", "hel1", false, false).unwrap();
        assert_eq!(special.gross_monthly, "2");
        // No address is sold there.
        assert_eq!(server("special", "hel1", false, true), None);
        assert_eq!(server("cx33", "hel1", false, false), None);
        assert_eq!(facts.load_balancer("lb11", "fsn1"), None);
        assert_eq!(facts.volume(50).unwrap().net_monthly, "2.86");

        assert_eq!(facts.offer("cx33", "fsn1"), Some(true));
        assert_eq!(facts.offer("cx33", "hel1"), None);
        assert_eq!(facts.offer("special", "hel1"), Some(false));
        assert_eq!(Facts::default().offer("any", "where"), Some(true));
    }

    #[test]
    fn what_is_no_fact_is_refused() {
        let cases = [
            (
                fact("Server", "a", "{id: 1}"),
                "document 1: hcloud.openova.io/v1alpha1 Server is no fact about the cloud: hcloud.openova.io/v1alpha1 Pricing, ServerType, LoadBalancerType, Location, Image are",
            ),
            (
                "apiVersion: hcloud.openova.io/v1alpha1\nkind: Pricing\nmetadata: {name: a}\n"
                    .to_owned(),
                "document 1: Pricing a has no status.atProvider: wait until it is Ready and read it again (kubectl get -o yaml)",
            ),
            (
                fact("Pricing", "a", LIST) + &fact("Pricing", "b", LIST),
                "document 2: Pricing b is in the file twice: remove one",
            ),
            (
                fact("Pricing", "a", "{currency: [EUR]}"),
                "document 1: Pricing a: status.atProvider",
            ),
        ];
        for (yaml, expected) in cases {
            assert_eq!(Facts::read(&yaml).unwrap_err().to_string(), expected);
        }
    }
}
