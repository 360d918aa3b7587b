//! Route: a part of a network.

use std::fmt;

use api::{Route, RouteObservation};
use ipnet::Ipv4Net;

use super::{
    Error, Project, parse_id,
    part::{PartKind, PresentOf},
    report_id, required_id,
};
use crate::{
    hcloud::{self, network::RouteRequest},
    managed::{Desired, Present},
};

/// The kind Route.
#[derive(Debug)]
pub enum Routes {}

/// A route is found by its network and its destination: there is one for each destination.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key {
    network: u64,
    destination: Ipv4Net,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.network, self.destination)
    }
}

impl PartKind for Routes {
    type Resource = Route;
    type Parent = hcloud::Network;
    type Key = Key;

    const FORM: &'static str = "<network id>-<destination>";

    fn parse(external_name: &str) -> Option<Key> {
        let (network, destination) = external_name.split_once('-')?;
        Some(Key {
            network: parse_id(network)?,
            destination: destination.parse::<Ipv4Net>().ok()?.trunc(),
        })
    }

    fn key(resource: &Route) -> Result<Key, Error> {
        let spec = &resource.spec.for_provider;
        let destination = spec.destination.as_deref();
        let destination = destination.ok_or(Error::Required("destination"))?;
        let destination: Ipv4Net = destination.parse().map_err(|_| {
            let problem = format!("{destination:?} is not an IPv4 network");
            Error::field("destination", problem)
        })?;
        Ok(Key {
            network: required_id("networkId", spec.network_id.as_deref())?,
            destination: destination.trunc(),
        })
    }

    fn parent(key: &Key) -> u64 {
        key.network
    }

    async fn present(
        _: &Project,
        desired: &Desired<Route>,
        key: &Key,
        network: &hcloud::Network,
    ) -> Result<Option<PresentOf<Self>>, Error> {
        let Some(route) = find(network, key) else {
            return Ok(None);
        };
        let mut present = Present::new(
            key.to_string(),
            RouteObservation {
                network_id: report_id(network.id),
                destination: route.destination.clone(),
                gateway: route.gateway.clone(),
            },
        );
        let gateway = desired.spec.for_provider.gateway.as_deref();
        present
            .drift
            .check_fixed("gateway", gateway, route.gateway.as_str());
        Ok(Some(present))
    }

    async fn create(project: &Project, desired: &Desired<Route>, key: &Key) -> Result<(), Error> {
        let gateway = desired.spec.for_provider.gateway.clone();
        let gateway = gateway.ok_or(Error::Required("gateway"))?;
        let request = RouteRequest::new(key.destination.to_string(), gateway);
        let networks = project.client.networks();
        networks.add_route(key.network, &request).await?;
        Ok(())
    }

    /// The API removes a route by destination and gateway; the gateway is the one that is there.
    async fn delete(project: &Project, _: &Desired<Route>, key: &Key) -> Result<(), Error> {
        let networks = project.client.networks();
        let network = networks.read(key.network, hcloud::Priority::Delete).await?;
        let Some(route) = network.as_deref().and_then(|network| find(network, key)) else {
            return Ok(());
        };
        let request = RouteRequest::new(route.destination.clone(), route.gateway.clone());
        networks.delete_route(key.network, &request).await?;
        Ok(())
    }
}

fn find<'n>(network: &'n hcloud::Network, key: &Key) -> Option<&'n hcloud::network::Route> {
    let mut routes = network.routes.iter();
    routes.find(|route| route.destination.parse() == Ok(key.destination))
}
