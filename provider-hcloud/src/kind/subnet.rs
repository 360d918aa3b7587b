//! Subnet: a part of a network.

use std::{fmt, net::Ipv4Addr, time::Duration};

use api::{Subnet, SubnetObservation, SubnetType as Type};
use ipnet::Ipv4Net;

use super::{
    Error, Project,
    error::holders,
    location, parse_id,
    part::{PartKind, PresentOf},
    report_id, required_id,
};
use crate::{
    hcloud::{
        self, Class,
        network::{SubnetRequest, SubnetType},
    },
    managed::{Desired, Present},
};

/// How old the lists may be out of which the holders of a subnet are named.
const HOLDERS_AGE: Duration = Duration::from_secs(10);

/// The kind Subnet.
#[derive(Debug)]
pub enum Subnets {}

/// A subnet is found by its network and its range.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key {
    network: u64,
    range: Ipv4Net,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.network, self.range)
    }
}

impl PartKind for Subnets {
    type Resource = Subnet;
    type Parent = hcloud::Network;
    type Key = Key;

    const FORM: &'static str = "<network id>-<ip range>";

    fn parse(external_name: &str) -> Option<Key> {
        let (network, range) = external_name.split_once('-')?;
        Some(Key {
            network: parse_id(network)?,
            range: range.parse::<Ipv4Net>().ok()?.trunc(),
        })
    }

    fn key(resource: &Subnet) -> Result<Key, Error> {
        let spec = &resource.spec.for_provider;
        let range = spec.ip_range.as_deref().ok_or(Error::Required("ipRange"))?;
        let range: Ipv4Net = range
            .parse()
            .map_err(|_| Error::field("ipRange", format!("{range:?} is not an IPv4 network")))?;
        Ok(Key {
            network: required_id("networkId", spec.network_id.as_deref())?,
            range: range.trunc(),
        })
    }

    fn parent(key: &Key) -> u64 {
        key.network
    }

    async fn present(
        project: &Project,
        desired: &Desired<Subnet>,
        key: &Key,
        network: &hcloud::Network,
    ) -> Result<Option<PresentOf<Self>>, Error> {
        let same = |range: &str| range.parse() == Ok(key.range);
        let found = network
            .subnets
            .iter()
            .find(|subnet| subnet.ip_range.as_deref().is_some_and(same));
        let Some(subnet) = found else {
            return Ok(None);
        };
        let zone = subnet.network_zone.clone().unwrap_or_default();
        let mut present = Present::new(
            key.to_string(),
            SubnetObservation {
                network_id: report_id(network.id),
                ip_range: key.range.to_string(),
                type_: subnet.kind.clone(),
                network_zone: zone.clone(),
                gateway: subnet.gateway.clone(),
                vswitch_id: subnet.vswitch_id.map(report_id),
            },
        );
        // What is to go need not be as the spec says, and a spec that names nothing real must not hold it up.
        if desired.metadata.deletion_timestamp.is_some() {
            return Ok(Some(present));
        }
        let spec = &desired.spec.for_provider;
        let wanted = zone_of(project, desired).await?;
        let drift = &mut present.drift;
        drift.check_fixed("networkZone", wanted.as_ref(), &zone);
        let type_ = spec.type_.map(Type::as_str);
        drift.check_fixed("type", type_, subnet.kind.as_str());
        let vswitch = subnet.vswitch_id.unwrap_or_default().to_string();
        drift.check_fixed("vswitchId", spec.vswitch_id.as_ref(), &vswitch);
        Ok(Some(present))
    }

    async fn create(project: &Project, desired: &Desired<Subnet>, key: &Key) -> Result<(), Error> {
        let spec = &desired.spec.for_provider;
        let zone = zone_of(project, desired).await?;
        let zone = zone.ok_or(Error::Required("networkZone"))?;
        let type_ = match spec.type_ {
            None | Some(Type::Cloud) => SubnetType::Cloud,
            Some(Type::Server) => SubnetType::Server,
            Some(Type::Vswitch) => SubnetType::Vswitch,
        };
        let mut request = SubnetRequest::new(zone, type_);
        request.ip_range = Some(key.range.to_string());
        if let Some(vswitch) = &spec.vswitch_id {
            let id = required_id("vswitchId", Some(vswitch))?;
            request.vswitch_id = Some(report_id(id));
        }
        let networks = project.client.networks();
        networks.add_subnet(key.network, &request).await?;
        Ok(())
    }

    async fn delete(project: &Project, _: &Desired<Subnet>, key: &Key) -> Result<(), Error> {
        let networks = project.client.networks();
        match networks
            .delete_subnet(key.network, &key.range.to_string())
            .await
        {
            // The API says in words only that servers or load balancers are in it.
            Err(error) if error.class() == Class::Other || error.class() == Class::InUse => {
                let known = known_holders(project, key).await;
                let who = match known.as_str() {
                    "" => "servers or load balancers",
                    known => known,
                };
                Err(Error::Held {
                    object: "subnet of network",
                    id: key.network,
                    holders: format!("{who} with addresses out of {} ({error})", key.range),
                })
            }
            deleted => deleted.map(drop).map_err(Error::Api),
        }
    }
}

/// The servers and load balancers with addresses in the subnet, as messages list them; empty when none are known.
async fn known_holders(project: &Project, key: &Key) -> String {
    let holds = |network: u64, ip: &str| {
        network == key.network && ip.parse().is_ok_and(|ip: Ipv4Addr| key.range.contains(&ip))
    };
    // The refusal is to be told also when nobody can be named.
    let servers = project.client.servers().all(HOLDERS_AGE).await;
    let servers: Vec<u64> = servers
        .unwrap_or_default()
        .iter()
        .filter(|server| {
            server.private_net.iter().any(|net| {
                let mut ips = net.alias_ips.iter().chain([&net.ip]);
                ips.any(|ip| holds(net.network, ip))
            })
        })
        .map(|server| server.id)
        .collect();
    let load_balancers = project.client.load_balancers().all(HOLDERS_AGE).await;
    let load_balancers: Vec<u64> = load_balancers
        .unwrap_or_default()
        .iter()
        .filter(|found| {
            let mut nets = found.private_net.iter();
            nets.any(|net| holds(net.network, &net.ip))
        })
        .map(|found| found.id)
        .collect();
    holders(&[("servers", &servers), ("load balancers", &load_balancers)])
}

/// The network zone that the spec names, directly or by a location.
async fn zone_of(project: &Project, desired: &Subnet) -> Result<Option<String>, Error> {
    let spec = &desired.spec.for_provider;
    match &spec.location {
        Some(name) => Ok(Some(
            location::named(project, "location", name)
                .await?
                .network_zone
                .clone(),
        )),
        None => Ok(spec.network_zone.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_name_is_read_as_it_is_written() {
        for (text, expected) in [
            ("4711-10.0.1.0/24", Some("4711-10.0.1.0/24")),
            ("4711-10.0.1.9/24", Some("4711-10.0.1.0/24")),
            ("4711", None),
            ("0-10.0.1.0/24", None),
            ("4711-10.0.1.0", None),
            ("x-10.0.1.0/24", None),
        ] {
            let key = Subnets::parse(text).map(|key| key.to_string());
            assert_eq!(key.as_deref(), expected, "{text}");
        }
    }
}
