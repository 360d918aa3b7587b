//! LoadBalancer. Its services, targets and network are kinds of their own, and what others add to it is theirs.
//!
//! The API takes a public interface that is off only together with a network, so a new load balancer begins with it on
//! and without services; it is switched off when the network is attached.

use api::{
    LoadBalancer, LoadBalancerAlgorithm, LoadBalancerObservation, LoadBalancerParameters,
    LoadBalancerPrivateNet, LoadBalancerPublicNet,
};

use super::{
    Error, Project,
    error::{later, refusal},
    fact::{self, FACTS_AGE},
    location, near,
    object::{Common, ObjectKind, PresentOf},
    parse_id, price, report_id, report_time,
};
use crate::{
    hcloud::{
        self, Class,
        labels::Labels,
        load_balancer::{Algorithm, CreateLoadBalancerRequest, CreatePublicNet, PublicIp},
    },
    managed::{Connection, Created, Desired, Drift, Present, credentials::SecretValue},
};

/// The kind LoadBalancer.
#[derive(Debug)]
pub enum LoadBalancers {}

impl ObjectKind for LoadBalancers {
    type Resource = LoadBalancer;
    type Object = hcloud::LoadBalancer;

    fn common(resource: &LoadBalancer) -> Common<'_> {
        let spec = &resource.spec.for_provider;
        Common {
            name: spec.name.as_deref(),
            labels: &spec.labels,
            delete_protection: spec.delete_protection,
        }
    }

    async fn present(
        project: &Project,
        desired: &Desired<LoadBalancer>,
        found: &hcloud::LoadBalancer,
    ) -> Result<PresentOf<Self>, Error> {
        let mut report = report(found);
        let connection = connection(&report);
        let (type_, location) = (&found.load_balancer_type.name, &found.location.name);
        report.price = price::list(project).await.and_then(|list| {
            price::of_type(&list, &list.pricing.load_balancer_types, type_, location)
        });
        let mut present = Present::new(found.id.to_string(), report);
        present.drift = drift(&desired.spec.for_provider, found);
        present.connection = connection;
        Ok(present)
    }

    async fn create(
        project: &Project,
        desired: &Desired<LoadBalancer>,
        name: String,
        labels: Labels,
    ) -> Result<Created, Error> {
        let spec = &desired.spec.for_provider;
        let type_ = spec.load_balancer_type.as_deref();
        let type_ = type_.ok_or(Error::Required("loadBalancerType"))?;
        let (location, network_zone) = match (&spec.location, &spec.network_zone) {
            (Some(name), _) => {
                let location = location::named(project, "location", name).await?;
                (Some(location.name.clone()), None)
            }
            (None, Some(zone)) => (None, Some(network_zone(project, zone).await?)),
            (None, None) => return Err(Error::Required("location or networkZone")),
        };
        let request = CreateLoadBalancerRequest {
            name,
            labels,
            load_balancer_type: type_name(project, type_).await?,
            location,
            network_zone,
            algorithm: spec.algorithm.map(|algorithm| Algorithm {
                kind: algorithm.as_str().to_owned(),
            }),
            public_net: addresses(spec.public_net.as_ref())?,
        };
        let made = project.client.load_balancers().make(&request).await;
        Ok(Created::named(made.map_err(refusal)?.id))
    }

    /// Each change is tried, also when another is refused.
    async fn update(
        project: &Project,
        desired: &Desired<LoadBalancer>,
        id: u64,
        present: &PresentOf<Self>,
    ) -> Result<(), Error> {
        let spec = &desired.spec.for_provider;
        let drift = &present.drift;
        let load_balancers = project.client.load_balancers();
        let mut outcome = Ok(());
        if drift.touches("algorithm")
            && let Some(algorithm) = spec.algorithm
        {
            let changed = load_balancers.change_algorithm(id, algorithm.as_str());
            outcome = outcome.and(changed.await.map(drop).map_err(Error::Api));
        }
        if drift.touches("loadBalancerType")
            && let Some(name) = &spec.load_balancer_type
        {
            let changed = async {
                let name = type_name(project, name).await?;
                let changed = load_balancers.change_type(id, &name).await;
                changed.map(drop).map_err(refusal)
            };
            outcome = outcome.and(changed.await);
        }
        if drift.touches("publicNet.enabled")
            && let Some(on) = spec.public_net.as_ref().and_then(|public| public.enabled)
        {
            outcome = outcome.and(switch(project, id, on, &present.at_provider).await);
        }
        outcome
    }
}

/// A refusal of a part, of which the type of the load balancer allows so many only: others may go, or the type change.
pub(super) fn refusal_of_part(error: hcloud::Error) -> Error {
    match error.class() {
        Class::Quota => later(error.to_string()),
        _ => refusal(error),
    }
}

async fn switch(
    project: &Project,
    id: u64,
    on: bool,
    seen: &LoadBalancerObservation,
) -> Result<(), Error> {
    if !on && seen.private_nets.is_empty() {
        return Err(later(format!(
            "the public interface of load balancer {id} stays on until the load balancer is attached to a network: create a LoadBalancerNetwork"
        )));
    }
    let load_balancers = project.client.load_balancers();
    let switched = load_balancers.switch_public_interface(id, on).await;
    switched.map(drop).map_err(refusal)
}

/// The name of an existing type.
async fn type_name(project: &Project, name: &str) -> Result<String, Error> {
    let named = ("loadBalancerType", name);
    let found = fact::named::<hcloud::LoadBalancerType>(
        project,
        "load balancer type",
        named,
        None,
        FACTS_AGE,
    );
    Ok(found.await?.name.clone())
}

/// The name of an existing network zone.
async fn network_zone(project: &Project, name: &str) -> Result<String, Error> {
    let locations = project.client.locations().all(FACTS_AGE).await?;
    let zones = || {
        locations
            .iter()
            .map(|location| location.network_zone.as_str())
    };
    if zones().any(|zone| zone == name) {
        return Ok(name.to_owned());
    }
    let near = near(name, zones());
    let problem = format!("there is no network zone {name:?}: choose one of {near}");
    Err(Error::field("networkZone", problem))
}

fn addresses(public: Option<&LoadBalancerPublicNet>) -> Result<CreatePublicNet, Error> {
    let id = |field: &str, value: Option<&String>| {
        let id = value.map(|value| {
            let problem = || Error::field(field, format!("{value:?} is not an id"));
            parse_id(value).ok_or_else(problem)
        });
        id.transpose()
    };
    Ok(CreatePublicNet {
        ipv4: id(
            "publicNet.ipv4Id",
            public.and_then(|net| net.ipv4_id.as_ref()),
        )?,
        ipv6: id(
            "publicNet.ipv6Id",
            public.and_then(|net| net.ipv6_id.as_ref()),
        )?,
    })
}

/// The differences that are the load balancer's own.
fn drift(spec: &LoadBalancerParameters, found: &hcloud::LoadBalancer) -> Drift {
    // Exhaustive, so that a new field is compared or the compiler asks why not.
    let LoadBalancerParameters {
        name: _,
        load_balancer_type,
        location,
        network_zone,
        algorithm,
        public_net,
        labels: _,
        delete_protection: _,
    } = spec;
    let mut drift = Drift::default();
    let type_ = &found.load_balancer_type.name;
    drift.check("loadBalancerType", load_balancer_type.as_ref(), type_);
    drift.check_fixed("location", location.as_ref(), &found.location.name);
    let zone = &found.location.network_zone;
    drift.check_fixed("networkZone", network_zone.as_ref(), zone);
    let algorithm = algorithm.map(LoadBalancerAlgorithm::as_str);
    drift.check("algorithm", algorithm, found.algorithm.kind.as_str());
    if let Some(public) = public_net {
        let seen = &found.public_net;
        let enabled = seen.enabled.unwrap_or(true);
        drift.check("publicNet.enabled", public.enabled.as_ref(), &enabled);
        let mut address = |field: &str, wanted: Option<&String>, seen: &PublicIp| {
            // An API that does not tell the id cannot be compared with.
            if let Some(id) = seen.id {
                drift.check_fixed(field, wanted, &id.to_string());
            }
        };
        address("publicNet.ipv4Id", public.ipv4_id.as_ref(), &seen.ipv4);
        address("publicNet.ipv6Id", public.ipv6_id.as_ref(), &seen.ipv6);
    }
    drift
}

fn report(found: &hcloud::LoadBalancer) -> LoadBalancerObservation {
    let private_nets = found.private_net.iter().map(|net| LoadBalancerPrivateNet {
        network_id: report_id(net.network),
        ip: net.ip.clone(),
    });
    let mut listen_ports: Vec<_> = found.services.iter().map(|s| s.listen_port).collect();
    listen_ports.sort_unstable();
    let type_ = &found.load_balancer_type;
    let limit = |limit: u64| (limit > 0).then(|| report_id(limit));
    LoadBalancerObservation {
        id: report_id(found.id),
        name: found.name.clone(),
        load_balancer_type: type_.name.clone(),
        location: found.location.name.clone(),
        network_zone: found.location.network_zone.clone(),
        algorithm: found.algorithm.kind.clone(),
        public_interface: found.public_net.enabled.unwrap_or(true),
        public_ipv4: address(&found.public_net.ipv4),
        public_ipv6: address(&found.public_net.ipv6),
        primary_ipv4_id: found.public_net.ipv4.id.map(report_id),
        primary_ipv6_id: found.public_net.ipv6.id.map(report_id),
        private_nets: private_nets.collect(),
        listen_ports,
        targets: i64::try_from(found.targets.len()).unwrap_or(i64::MAX),
        max_services: limit(type_.max_services),
        max_targets: limit(type_.max_targets),
        max_connections: limit(type_.max_connections),
        max_assigned_certificates: limit(type_.max_assigned_certificates),
        labels: found.labels.clone(),
        delete_protection: found.protection.delete.unwrap_or_default(),
        included_traffic: found.included_traffic.map(report_id),
        price: None,
        created: report_time(found.created.as_deref()),
    }
}

fn address(ip: &PublicIp) -> Option<String> {
    ip.ip.clone().filter(|ip| !ip.is_empty())
}

/// What others need to reach the load balancer.
fn connection(report: &LoadBalancerObservation) -> Connection {
    let private = report.private_nets.first().map(|net| &net.ip);
    [
        ("ipv4", report.public_ipv4.as_ref()),
        ("ipv6", report.public_ipv6.as_ref()),
        ("privateIPv4", private),
    ]
    .into_iter()
    .filter_map(|(key, ip)| Some((key, SecretValue::new(ip?.clone().into_bytes()))))
    .collect()
}

#[cfg(test)]
pub(super) mod tests;
