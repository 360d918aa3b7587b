//! LoadBalancerNetwork: the attachment of a load balancer to a network, a part of the load balancer.
//!
//! A load balancer is attached to one network at most. Detaching would take out the targets that it reaches through
//! the network, whoever has added them, so the attachment waits until they are gone.

use api::{LoadBalancerNetwork, LoadBalancerNetworkObservation};
use serde_json::json;

use super::{
    Error, Project,
    error::{later, refusal},
    part::{InNetwork, PartKind, PresentOf},
    report_id, required_id,
    server::{Attachment, Fields},
};
use crate::{
    hcloud::{self, Priority, load_balancer::Destination},
    managed::{Desired, Present, credentials::SecretValue},
};

/// The kind LoadBalancerNetwork.
#[derive(Debug)]
pub enum LoadBalancerNetworks {}

impl PartKind for LoadBalancerNetworks {
    type Resource = LoadBalancerNetwork;
    type Parent = hcloud::LoadBalancer;
    type Key = InNetwork;

    const FORM: &'static str = "<load balancer id>-<network id>";

    fn parse(external_name: &str) -> Option<InNetwork> {
        InNetwork::parse(external_name)
    }

    fn key(resource: &LoadBalancerNetwork) -> Result<InNetwork, Error> {
        let id = resource.spec.for_provider.load_balancer_id.as_deref();
        Ok(InNetwork {
            parent: required_id("loadBalancerId", id)?,
            network: attachment(resource)?.network,
        })
    }

    fn parent(key: &InNetwork) -> u64 {
        key.parent
    }

    async fn present(
        _: &Project,
        desired: &Desired<LoadBalancerNetwork>,
        key: &InNetwork,
        found: &hcloud::LoadBalancer,
    ) -> Result<Option<PresentOf<Self>>, Error> {
        let Some(observed) = found.attachment(key.network) else {
            return Ok(None);
        };
        let report = LoadBalancerNetworkObservation {
            load_balancer_id: report_id(key.parent),
            network_id: report_id(key.network),
            ip: observed.ip.clone(),
        };
        let mut present = Present::new(key.to_string(), report);
        if desired.metadata.deletion_timestamp.is_some() {
            return Ok(Some(present));
        }
        let wanted = attachment(desired)?;
        if let Some(misplaced) = wanted.misplaced(observed) {
            let wanted = misplaced.desired.as_str();
            let drift = &mut present.drift;
            drift.check_fixed(misplaced.field, Some(wanted), observed.ip.as_str());
        } else if wanted.ip.is_none() {
            present.late_init = Some(json!({"ip": observed.ip}));
        }
        let ip = SecretValue::new(observed.ip.clone().into_bytes());
        present.connection.insert("privateIPv4", ip);
        Ok(Some(present))
    }

    async fn create(
        project: &Project,
        desired: &Desired<LoadBalancerNetwork>,
        key: &InNetwork,
    ) -> Result<(), Error> {
        let load_balancers = project.client.load_balancers();
        let Attachment { ip, range, .. } = attachment(desired)?;
        let range = range.map(|range| range.to_string());
        let attached = load_balancers.attach(key.parent, key.network, ip, range);
        let Err(error) = attached.await else {
            return Ok(());
        };
        if error.code() != Some("load_balancer_already_attached") {
            return Err(refusal(error));
        }
        let found = load_balancers.read(key.parent, Priority::Create).await?;
        let other = found.as_ref().and_then(|found| found.private_net.first());
        match other.map(|net| net.network) {
            // By an earlier create whose answer was lost, or by somebody else.
            Some(network) if network == key.network => Ok(()),
            Some(network) => Err(later(format!(
                "load balancer {} is attached to network {network}, and one network is possible: delete the LoadBalancerNetwork that attaches it there, or detach it",
                key.parent
            ))),
            // It was detached from there a moment ago.
            None => Err(refusal(error)),
        }
    }

    async fn delete(
        project: &Project,
        _: &Desired<LoadBalancerNetwork>,
        key: &InNetwork,
    ) -> Result<(), Error> {
        let load_balancers = project.client.load_balancers();
        let Some(found) = load_balancers.read(key.parent, Priority::Delete).await? else {
            return Ok(());
        };
        if found.attachment(key.network).is_none() {
            return Ok(());
        }
        let holders = private_targets(&found);
        if !holders.is_empty() {
            return Err(Error::Held {
                object: "the network of load balancer",
                id: key.parent,
                holders: format!("targets with private addresses ({})", holders.join(", ")),
            });
        }
        Ok(load_balancers.detach(key.parent, key.network).await?)
    }
}

/// The targets that are reached through the network, as messages list them.
fn private_targets(load_balancer: &hcloud::LoadBalancer) -> Vec<String> {
    let targets = load_balancer.targets.iter();
    let mut texts: Vec<_> = targets
        .filter_map(|target| {
            let by_private_ip = target.use_private_ip.unwrap_or_default();
            match target.destination()? {
                Destination::Server(id) if by_private_ip => Some(format!("server {id}")),
                Destination::LabelSelector(selector) if by_private_ip => {
                    Some(format!("label selector {selector}"))
                }
                Destination::Ip(std::net::IpAddr::V4(ip)) if ip.is_private() => {
                    Some(format!("IP {ip}"))
                }
                Destination::Server(_) | Destination::LabelSelector(_) | Destination::Ip(_) => None,
            }
        })
        .collect();
    texts.sort_unstable();
    texts
}

fn attachment(resource: &LoadBalancerNetwork) -> Result<Attachment, Error> {
    let spec = &resource.spec.for_provider;
    let fields = Fields {
        network_id: spec.network_id.as_deref(),
        subnet_id: spec.subnet_id.as_deref(),
        ip_range: spec.ip_range.as_deref(),
        ip: spec.ip.as_deref(),
        ..Fields::default()
    };
    fields.read()
}

#[cfg(test)]
mod tests;
