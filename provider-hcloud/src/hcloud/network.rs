//! Networks, their subnets and their routes.
//!
//! Requests are the `hcloud` crate's models, which are complete for this type; answers are read by the tolerant structs
//! here. Creating and updating are synchronous, everything else is an action that these calls wait for.

use std::sync::Arc;

use serde::Deserialize;

use super::client::Client;
use super::error::Error;
use super::labels::Labels;
use super::resource::{Resource, Resources};
use super::tolerant;

pub use ::hcloud::models::subnet::Type as SubnetType;
pub use ::hcloud::models::{
    ChangeIpRangeOfNetworkRequest, CreateNetworkRequest, DeleteSubnetFromNetworkRequest,
    Route as RouteRequest, Subnet as SubnetRequest,
};

/// A private network.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Network {
    /// The API's id.
    pub id: u64,
    /// The name.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub name: String,
    /// The range of all its subnets, in CIDR notation.
    #[serde(default)]
    pub ip_range: Option<String>,
    /// The labels.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub labels: Labels,
    /// The subnets.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub subnets: Vec<Subnet>,
    /// The routes, also those that others have made.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub routes: Vec<Route>,
    /// Ids of the attached servers.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub servers: Vec<u64>,
    /// Ids of the attached load balancers.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub load_balancers: Vec<u64>,
    /// What is refused until it is lifted.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub protection: Protection,
    /// Whether routes are announced to a coupled vSwitch.
    #[serde(default)]
    pub expose_routes_to_vswitch: Option<bool>,
    /// When it was made, RFC 3339.
    #[serde(default)]
    pub created: Option<String>,
}

/// A part of a network in one network zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Subnet {
    /// `cloud`, `server` or `vswitch`, or what the API adds.
    #[serde(default, rename = "type", deserialize_with = "tolerant::or_default")]
    pub kind: String,
    /// The range in CIDR notation.
    #[serde(default)]
    pub ip_range: Option<String>,
    /// The network zone, for example `eu-central`.
    #[serde(default)]
    pub network_zone: Option<String>,
    /// The address of its gateway.
    #[serde(default)]
    pub gateway: Option<String>,
    /// The coupled vSwitch.
    #[serde(default)]
    pub vswitch_id: Option<u64>,
}

/// A route of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Route {
    /// Where it leads, in CIDR notation.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub destination: String,
    /// The address that traffic is sent to.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub gateway: String,
}

/// What an object is protected against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Protection {
    /// Being deleted.
    #[serde(default)]
    pub delete: Option<bool>,
}

impl Resource for Network {
    const COLLECTION: &'static str = "networks";
    const OBJECT: &'static str = "network";

    fn id(&self) -> u64 {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn protected(&self) -> bool {
        self.protection.delete.unwrap_or_default()
    }
}

impl Client {
    /// The networks of the project.
    pub fn networks(&self) -> Resources<'_, Network> {
        self.resources()
    }
}

impl Resources<'_, Network> {
    /// Grows the range of the network; the new one must contain the old one.
    pub async fn change_ip_range(&self, id: u64, ip_range: &str) -> Result<Arc<Network>, Error> {
        let request = ChangeIpRangeOfNetworkRequest::new(ip_range.to_owned());
        self.act(id, "change_ip_range", &request).await
    }

    /// Adds a subnet; without a range the API takes the first free /24.
    pub async fn add_subnet(&self, id: u64, subnet: &SubnetRequest) -> Result<Arc<Network>, Error> {
        self.act(id, "add_subnet", subnet).await
    }

    /// Removes the subnet with this range. The API refuses while servers or load balancers are in it.
    pub async fn delete_subnet(&self, id: u64, ip_range: &str) -> Result<Arc<Network>, Error> {
        let request = DeleteSubnetFromNetworkRequest::new(ip_range.to_owned());
        self.act(id, "delete_subnet", &request).await
    }

    /// Adds a route.
    pub async fn add_route(&self, id: u64, route: &RouteRequest) -> Result<Arc<Network>, Error> {
        self.act(id, "add_route", route).await
    }

    /// Removes the route with this destination and gateway.
    pub async fn delete_route(&self, id: u64, route: &RouteRequest) -> Result<Arc<Network>, Error> {
        self.act(id, "delete_route", route).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_read_with_unknown_fields_and_values() {
        let json = r#"{"id":4711,"name":"main","ip_range":"10.0.0.0/16","labels":{"env":"prod"},"created":"2026-11-20T10:00:00Z",
            "subnets":[{"type":"quantum","ip_range":"10.0.1.0/24","network_zone":"moon-east","gateway":"10.0.0.1","vswitch_id":null,"new":1}],
            "routes":[{"destination":"10.100.1.0/24","gateway":"10.0.1.1"}],"servers":[42],"load_balancers":[42],
            "protection":{"delete":true,"rebuild":false},"expose_routes_to_vswitch":false,"members":{"count":3}}"#;
        let network: Network = serde_json::from_str(json).unwrap();
        assert_eq!(network.subnets[0].kind, "quantum");
        assert_eq!(network.protection.delete, Some(true));
        assert_eq!(network.labels["env"], "prod");
    }

    #[test]
    fn a_network_is_read_when_every_other_field_is_missing_or_null() {
        let nulls = r#"{"id":1,"name":null,"ip_range":null,"labels":null,"subnets":null,"routes":null,"servers":null,
            "load_balancers":null,"protection":null,"expose_routes_to_vswitch":null,"created":null}"#;
        let missing: Network = serde_json::from_str(r#"{"id":1}"#).unwrap();
        let null: Network = serde_json::from_str(nulls).unwrap();
        assert_eq!(missing, null);
        assert_eq!(missing.protection.delete, None, "not known is not false");
    }
}
