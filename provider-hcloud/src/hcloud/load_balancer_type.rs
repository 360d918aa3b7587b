//! Load balancer types: what load balancers there are, and for how much.

use serde::Deserialize;

use super::client::Client;
use super::labels::Labels;
use super::resource::{Resource, Resources};
use super::server_type::{Deprecation, Price};
use super::tolerant;

/// A load balancer type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct LoadBalancerType {
    /// The API's id.
    pub id: u64,
    /// The name, for example `lb11`.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub name: String,
    /// What it is, in words.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub description: String,
    /// Most connections at a time.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub max_connections: u64,
    /// Most services.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub max_services: u64,
    /// Most targets.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub max_targets: u64,
    /// Most certificates.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub max_assigned_certificates: u64,
    /// That it goes away.
    #[serde(default)]
    pub deprecation: Option<Deprecation>,
    /// What it costs.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub prices: Vec<Price>,
    /// Load balancer types have none.
    #[serde(skip)]
    no_labels: Labels,
}

impl Resource for LoadBalancerType {
    const COLLECTION: &'static str = "load_balancer_types";
    const OBJECT: &'static str = "load_balancer_type";
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
    /// The load balancer types.
    pub fn load_balancer_types(&self) -> Resources<'_, LoadBalancerType> {
        self.resources()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_balancer_type_is_read_with_and_without_its_fields() {
        let json = r#"{"id":1,"name":"lb11","max_targets":25,"prices":[{"location":"fsn1"}],"deprecated":null}"#;
        let type_: LoadBalancerType = serde_json::from_str(json).unwrap();
        assert_eq!((type_.max_targets, type_.max_services), (25, 0));
        let bare: LoadBalancerType = serde_json::from_str(r#"{"id":1}"#).unwrap();
        assert!(bare.prices.is_empty());
    }
}
