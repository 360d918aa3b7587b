//! Server types: what servers there are, where, whether they can be had, and for how much.

use serde::Deserialize;

use super::client::Client;
use super::labels::Labels;
use super::resource::{Resource, Resources};
use super::tolerant;

/// A server type.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct ServerType {
    /// The API's id.
    pub id: u64,
    /// The name, for example `cx23`.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub name: String,
    /// What it is, in words.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub description: String,
    /// The group that it belongs to, in words.
    #[serde(default)]
    pub category: Option<String>,
    /// Number of cores.
    #[serde(default)]
    pub cores: Option<u64>,
    /// Memory in GB.
    #[serde(default)]
    pub memory: Option<f64>,
    /// Disk in GB.
    #[serde(default)]
    pub disk: Option<f64>,
    /// `shared` or `dedicated`, or what the API adds.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub cpu_type: String,
    /// `local` or `network`, or what the API adds.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub storage_type: String,
    /// `x86` or `arm`, or what the API adds.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub architecture: String,
    /// Where it is sold.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub locations: Vec<TypeLocation>,
    /// What it costs.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub prices: Vec<Price>,
    /// That it goes away everywhere.
    #[serde(default)]
    pub deprecation: Option<Deprecation>,
    /// Server types have none.
    #[serde(skip)]
    no_labels: Labels,
}

/// A location in which a server type is sold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct TypeLocation {
    /// The API's id of the location.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub id: u64,
    /// The name of the location.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub name: String,
    /// Whether it can be ordered at the moment; not told before April 2026.
    #[serde(default)]
    pub available: Option<bool>,
    /// Whether Hetzner recommends it.
    #[serde(default)]
    pub recommended: Option<bool>,
    /// That it goes away there.
    #[serde(default)]
    pub deprecation: Option<Deprecation>,
}

/// That something goes away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Deprecation {
    /// Since when that is known, RFC 3339.
    #[serde(default)]
    pub announced: Option<String>,
    /// From when on it cannot be ordered any more, RFC 3339.
    #[serde(default)]
    pub unavailable_after: Option<String>,
}

/// What something costs in a location.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Price {
    /// The name of the location.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub location: String,
    /// For each hour.
    #[serde(default)]
    pub price_hourly: Option<Amount>,
    /// For each month, the most that it costs.
    #[serde(default)]
    pub price_monthly: Option<Amount>,
    /// Traffic that is included for each month, in bytes.
    #[serde(default)]
    pub included_traffic: Option<u64>,
    /// Further traffic.
    #[serde(default)]
    pub price_per_tb_traffic: Option<Amount>,
}

/// An amount of money, decimal numbers as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Amount {
    /// Without tax.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub net: String,
    /// With tax.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub gross: String,
}

impl ServerType {
    /// How it is sold in `location`; `None` where it is not.
    pub fn offer(&self, location: &str) -> Option<&TypeLocation> {
        self.locations.iter().find(|offer| offer.name == location)
    }
}

impl Resource for ServerType {
    const COLLECTION: &'static str = "server_types";
    const OBJECT: &'static str = "server_type";
    const PROTECTIONS: &'static [&'static str] = &[];

    fn id(&self) -> u64 {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn labels(&self) -> &Labels {
        &self.no_labels
    }
}

impl Client {
    /// The server types.
    pub fn server_types(&self) -> Resources<'_, ServerType> {
        self.resources()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_type_is_read_with_and_without_its_fields() {
        let json = r#"{"id":114,"name":"cx23","cores":2,"memory":4.0,"disk":40,"architecture":"risc-v","deprecation":null,"new":{},
            "locations":[{"id":1,"name":"fsn1","available":false,"deprecation":{"announced":"2026-01-01T00:00:00Z"}},{"id":2,"name":null}],
            "prices":[{"location":"fsn1","price_hourly":{"net":"0.0088","gross":"0.0105"},"price_monthly":null,"included_traffic":21990232555520}]}"#;
        let server_type: ServerType = serde_json::from_str(json).unwrap();
        assert_eq!(server_type.architecture, "risc-v");
        assert_eq!(server_type.offer("fsn1").unwrap().available, Some(false));
        assert_eq!(server_type.offer("nbg1"), None);
        let bare: ServerType = serde_json::from_str(r#"{"id":1,"locations":null}"#).unwrap();
        assert_eq!((bare.cores, bare.prices.len()), (None, 0));
    }
}
