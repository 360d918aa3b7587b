//! LoadBalancerTarget: where a load balancer passes connections on to, a part of the load balancer.
//!
//! A target is ready when the load balancer has it. Whether its servers are healthy is reported, and comes and goes
//! with what runs on them: a target that stops being ready would take down everything that is composed of it. But as
//! long as not all are healthy it is looked at more often, because somebody waits for the first of them.

use std::{fmt, time::Duration};

use api::{
    LoadBalancerHealth, LoadBalancerTarget, LoadBalancerTargetObservation,
    LoadBalancerTargetParameters, LoadBalancerTargetServer,
};

use super::{
    Error, Project,
    error::later,
    load_balancer::refusal_of_part,
    parse_id,
    part::{PartKind, PresentOf},
    report_id, required_id,
};
use crate::{
    hcloud::{
        self, Class, LoadBalancer, Priority,
        load_balancer::{Destination, Health, Target},
    },
    managed::{Desired, Present, Readiness},
};

/// How soon to look again at a target that is not healthy. All targets of a project share one list of its load
/// balancers, so this is what it costs at most, however many there are.
const UNHEALTHY: Duration = Duration::from_secs(15);

const HEALTHY: &str = "healthy";

/// The kind LoadBalancerTarget.
#[derive(Debug)]
pub enum LoadBalancerTargets {}

/// A target is found by its load balancer and its destination: there is one for each.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key {
    load_balancer: u64,
    destination: Destination,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.load_balancer;
        match &self.destination {
            Destination::Server(server) => write!(f, "{id}__server__{server}"),
            Destination::LabelSelector(selector) => write!(f, "{id}__label_selector__{selector}"),
            Destination::Ip(ip) => write!(f, "{id}__ip__{ip}"),
        }
    }
}

impl PartKind for LoadBalancerTargets {
    type Resource = LoadBalancerTarget;
    type Parent = LoadBalancer;
    type Key = Key;

    const FORM: &'static str = "<load balancer id>__server__<server id>, <load balancer id>__label_selector__<selector> or <load balancer id>__ip__<address>";

    fn parse(external_name: &str) -> Option<Key> {
        let (load_balancer, rest) = external_name.split_once("__")?;
        let destination = match rest.split_once("__")? {
            ("server", id) => Destination::Server(parse_id(id)?),
            ("label_selector", "") => return None,
            ("label_selector", selector) => Destination::LabelSelector(selector.to_owned()),
            ("ip", ip) => Destination::Ip(ip.parse().ok()?),
            _ => return None,
        };
        Some(Key {
            load_balancer: parse_id(load_balancer)?,
            destination,
        })
    }

    fn key(resource: &LoadBalancerTarget) -> Result<Key, Error> {
        let spec = &resource.spec.for_provider;
        let id = spec.load_balancer_id.as_deref();
        Ok(Key {
            load_balancer: required_id("loadBalancerId", id)?,
            destination: destination(spec)?,
        })
    }

    fn parent(key: &Key) -> u64 {
        key.load_balancer
    }

    async fn present(
        _: &Project,
        desired: &Desired<LoadBalancerTarget>,
        key: &Key,
        found: &LoadBalancer,
    ) -> Result<Option<PresentOf<Self>>, Error> {
        let Some(target) = found.target(&key.destination) else {
            return Ok(None);
        };
        let mut present = Present::new(key.to_string(), report(key, target));
        if present.at_provider.health != HEALTHY {
            present.readiness = Readiness::Settling { recheck: UNHEALTHY };
        }
        let wanted = desired.spec.for_provider.use_private_ip.as_ref();
        let observed = target.use_private_ip.unwrap_or_default();
        present.drift.check("usePrivateIp", wanted, &observed);
        Ok(Some(present))
    }

    async fn create(
        project: &Project,
        desired: &Desired<LoadBalancerTarget>,
        key: &Key,
    ) -> Result<(), Error> {
        add(project, key, desired.spec.for_provider.use_private_ip).await
    }

    /// The API knows no change of a target, so it is taken out and put in again, once it is known that it can be.
    async fn update(
        project: &Project,
        desired: &Desired<LoadBalancerTarget>,
        key: &Key,
        _: &PresentOf<Self>,
    ) -> Result<(), Error> {
        let wanted = desired.spec.for_provider.use_private_ip;
        check_reachable(project, key, wanted.unwrap_or_default()).await?;
        remove(project, key).await?;
        add(project, key, wanted).await
    }

    async fn delete(
        project: &Project,
        _: &Desired<LoadBalancerTarget>,
        key: &Key,
    ) -> Result<(), Error> {
        remove(project, key).await
    }
}

fn destination(spec: &LoadBalancerTargetParameters) -> Result<Destination, Error> {
    match (&spec.server_id, &spec.label_selector, &spec.ip) {
        (Some(id), None, None) => {
            let id = required_id("serverId", Some(id))?;
            Ok(Destination::Server(id))
        }
        (None, Some(selector), None) => Ok(Destination::LabelSelector(selector.clone())),
        (None, None, Some(ip)) => {
            let problem = || Error::field("ip", format!("{ip:?} is not an IP address"));
            ip.parse().map(Destination::Ip).map_err(|_| problem())
        }
        (None, None, None) => Err(Error::Required("serverId, labelSelector or ip")),
        _ => {
            let problem = "only one of serverId, labelSelector and ip is possible";
            Err(Error::field("serverId", problem))
        }
    }
}

async fn add(project: &Project, key: &Key, use_private_ip: Option<bool>) -> Result<(), Error> {
    let load_balancers = project.client.load_balancers();
    let (id, destination) = (key.load_balancer, &key.destination);
    match load_balancers
        .add_target(id, destination, use_private_ip)
        .await
    {
        // By an earlier create whose answer was lost, or by somebody else.
        Err(error) if error.code() == Some("target_already_defined") => {
            load_balancers.doubt(id);
            Ok(())
        }
        added => added.map(drop).map_err(refusal_of_part),
    }
}

async fn remove(project: &Project, key: &Key) -> Result<(), Error> {
    let load_balancers = project.client.load_balancers();
    match load_balancers
        .remove_target(key.load_balancer, &key.destination)
        .await
    {
        // It went with its server or the network.
        Err(error)
            if error.class() == Class::NotFound
                || error.code() == Some("load_balancer_target_not_found") =>
        {
            load_balancers.doubt(key.load_balancer);
            Ok(())
        }
        removed => removed.map(drop).map_err(refusal_of_part),
    }
}

/// Whether the load balancer could put the target in again, as far as can be told.
async fn check_reachable(project: &Project, key: &Key, privately: bool) -> Result<(), Error> {
    let id = key.load_balancer;
    let load_balancers = project.client.load_balancers();
    let Some(found) = load_balancers.read(id, Priority::Update).await? else {
        return Ok(());
    };
    let network = found.private_net.first().map(|net| net.network);
    let obstacle = match (privately, network) {
        (true, None) => Some(format!("load balancer {id} is not attached to a network")),
        (false, _) if found.public_net.enabled == Some(false) => {
            Some(format!("the public interface of load balancer {id} is off"))
        }
        (_, network) => match key.destination {
            Destination::Server(server) => {
                let servers = project.client.servers();
                let server = servers.read(server, Priority::Update).await?;
                server.and_then(|server| unreachable(&server, privately, network))
            }
            Destination::LabelSelector(_) | Destination::Ip(_) => None,
        },
    };
    obstacle.map_or(Ok(()), |obstacle| {
        Err(later(format!(
            "spec.forProvider.usePrivateIp cannot become {privately} while {obstacle}: the target stays as it is"
        )))
    })
}

fn unreachable(server: &hcloud::Server, privately: bool, network: Option<u64>) -> Option<String> {
    let id = server.id;
    match network {
        Some(network) if privately && server.attachment(network).is_none() => {
            Some(format!("server {id} is not attached to network {network}"))
        }
        _ if !privately && server.public_net.ipv4.is_none() => {
            Some(format!("server {id} has no public IPv4 address"))
        }
        _ => None,
    }
}

fn report(key: &Key, target: &Target) -> LoadBalancerTargetObservation {
    let (mut server_id, mut label_selector, mut ip) = (None, None, None);
    match &key.destination {
        Destination::Server(id) => server_id = Some(report_id(*id)),
        Destination::LabelSelector(selector) => label_selector = Some(selector.clone()),
        Destination::Ip(address) => ip = Some(address.to_string()),
    }
    let mut servers: Vec<_> = target
        .targets
        .iter()
        .filter_map(|member| {
            Some(LoadBalancerTargetServer {
                server_id: report_id(member.server?.id),
                health_status: health_of(&member.health_status),
            })
        })
        .collect();
    servers.sort_by_key(|server| server.server_id);
    let members = target
        .targets
        .iter()
        .flat_map(|member| &member.health_status);
    LoadBalancerTargetObservation {
        load_balancer_id: report_id(key.load_balancer),
        type_: target.kind.clone(),
        server_id,
        label_selector,
        ip,
        use_private_ip: target.use_private_ip.unwrap_or_default(),
        health: summary(target.health_status.iter().chain(members)).to_owned(),
        health_status: health_of(&target.health_status),
        servers,
    }
}

fn health_of(found: &[Health]) -> Vec<LoadBalancerHealth> {
    let mut health: Vec<_> = found
        .iter()
        .map(|health| LoadBalancerHealth {
            listen_port: health.listen_port,
            status: health.status.clone(),
            detail: health.detail.clone(),
            http_status_code: health.http_status_code,
        })
        .collect();
    health.sort_by_key(|health| health.listen_port);
    health
}

/// One bad part is bad news; good news takes all of them, and at least one.
fn summary<'a>(health: impl Iterator<Item = &'a Health>) -> &'static str {
    let mut summary = None;
    for part in health {
        match part.status.as_str() {
            "unhealthy" => return "unhealthy",
            HEALTHY => summary = summary.or(Some(HEALTHY)),
            _ => summary = Some("unknown"),
        }
    }
    summary.unwrap_or("unknown")
}

#[cfg(test)]
mod tests;
