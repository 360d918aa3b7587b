//! Locations: where servers, load balancers, volumes and addresses are. They change about once a year.

use serde::Deserialize;

use super::client::Client;
use super::labels::Labels;
use super::resource::{Resource, Resources};
use super::tolerant;

/// A location.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Location {
    /// The API's id.
    pub id: u64,
    /// The name, for example `fsn1`.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub name: String,
    /// Where it is, in words.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub description: String,
    /// The country, ISO 3166-1 alpha-2.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub country: String,
    /// The city.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub city: String,
    /// Degrees north.
    #[serde(default)]
    pub latitude: Option<f64>,
    /// Degrees east.
    #[serde(default)]
    pub longitude: Option<f64>,
    /// The network zone, for example `eu-central`.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub network_zone: String,
    /// Locations have none.
    #[serde(skip)]
    no_labels: Labels,
}

impl Resource for Location {
    const COLLECTION: &'static str = "locations";
    const OBJECT: &'static str = "location";
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
    /// The locations.
    pub fn locations(&self) -> Resources<'_, Location> {
        self.resources()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_read_with_and_without_its_fields() {
        let json =
            r#"{"id":1,"name":"fsn1","network_zone":"eu-central","latitude":50.47,"new":[]}"#;
        let location: Location = serde_json::from_str(json).unwrap();
        assert_eq!(location.network_zone, "eu-central");
        assert_eq!(location.latitude, Some(50.47));
        let bare: Location = serde_json::from_str(r#"{"id":1,"name":null,"city":null}"#).unwrap();
        assert_eq!(bare.city, "");
    }
}
