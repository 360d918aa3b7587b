//! The renderer of a load balancer: from its spec to the load balancer, its place in the
//! network, its services and its targets.
//!
//! It is ready when it can pass connections on. Whether a target is healthy comes and
//! goes with what runs on the servers: the status tells it, and who depends on it reads
//! it there.

use provider_hcloud_api::{
    LoadBalancerAlgorithm, LoadBalancerHealth, LoadBalancerHealthCheck,
    LoadBalancerHealthCheckHttp, LoadBalancerHealthCheckProtocol, LoadBalancerNetworkObservation,
    LoadBalancerNetworkParameters, LoadBalancerNetworkSpec, LoadBalancerObservation,
    LoadBalancerParameters, LoadBalancerProtocol, LoadBalancerPublicNet,
    LoadBalancerServiceParameters, LoadBalancerServiceSpec, LoadBalancerSpec,
    LoadBalancerTargetObservation, LoadBalancerTargetParameters, LoadBalancerTargetSpec, Reference,
};

use crate::claim::cost::Cost;
use crate::claim::load_balancer::{Algorithm, Protocol, Service, Target};
use crate::claim::validate::Problem;
use crate::claim::{LoadBalancerStatus, Problems};
use crate::composite::LoadBalancer;
use crate::composition::{Composition, Condition, Desired, Status};
use crate::managed::{self, Owner, Part};
use crate::observed::Observed;
use crate::{label, name, ready};

/// Key of the load balancer.
const BALANCER: &str = "load-balancer";
/// Key of the attachment to the network.
const NETWORK: &str = "network";
/// Keys of the services: this prefix and the port.
const SERVICE: &str = "service-";
/// Keys of the targets: this prefix and a hash of the servers that are meant, because
/// that cannot be changed.
const TARGET: &str = "target-";

/// Renders a load balancer.
///
/// # Errors
///
/// When the spec contradicts itself.
pub fn compose(balancer: &LoadBalancer, observed: &Observed) -> Result<Composition, Problems> {
    check(balancer)?;
    let owner = Owner::new(balancer, &balancer.spec.provider);
    let name = balancer.identity.name.as_str();
    let spec = &balancer.spec.load_balancer;
    let mut desired = Vec::new();
    let mut parts = Vec::new();
    let mut attached = false;
    let mut push = |key: String, part: String, object| {
        let mut readiness = ready::of(observed.get(&key), &[]);
        if key == NETWORK {
            attached = readiness.ready;
        } else if key.starts_with(TARGET) && !attached {
            // The cloud refuses targets until the load balancer is attached.
            readiness.message.clear();
        }
        desired.push(Desired {
            key,
            object,
            ready: readiness.ready,
        });
        parts.push(Part::new(part, readiness));
    };

    let object = owner.object("LoadBalancer", name, balancer_spec(balancer, owner));
    push(BALANCER.to_owned(), "the load balancer".to_owned(), object);
    let object = owner.object("LoadBalancerNetwork", name, network_spec(balancer, owner));
    push(NETWORK.to_owned(), "its network".to_owned(), object);
    for service in &spec.services {
        let port = service.port.to_string();
        let object = owner.object(
            "LoadBalancerService",
            &name::join(name, &[&port]),
            service_spec(name, service, owner),
        );
        push([SERVICE, &port].concat(), format!("port {port}"), object);
    }
    let targets = targets(&spec.target, &balancer.identity.namespace);
    for target in &targets {
        let object = owner.object(
            "LoadBalancerTarget",
            &name::join(name, &[&target.hash]),
            target_spec(name, target, owner),
        );
        push(
            [TARGET, &target.hash].concat(),
            "the targets".to_owned(),
            object,
        );
    }

    let keys = targets.iter().map(|target| [TARGET, &target.hash].concat());
    Ok(Composition {
        desired,
        status: Status::LoadBalancer(status(observed, keys)),
        conditions: vec![
            Condition::yes(Condition::VALID, "Accepted"),
            managed::infrastructure(&parts),
        ],
    })
}

fn check(balancer: &LoadBalancer) -> Result<(), Problems> {
    let subnet = balancer.spec.site.subnet_cidr;
    match balancer.spec.load_balancer.address {
        Some(address) if !subnet.holds(address) => Err(Problem::new(
            "spec.loadBalancer.address",
            format_args!("{address} is not in the subnet {subnet}: choose an address in it"),
        )
        .into()),
        _ => Ok(()),
    }
}

fn balancer_spec(balancer: &LoadBalancer, owner: Owner<'_>) -> LoadBalancerSpec {
    let spec = &balancer.spec.load_balancer;
    LoadBalancerSpec {
        managed: owner.managed(),
        for_provider: LoadBalancerParameters {
            algorithm: Some(match spec.algorithm {
                Algorithm::RoundRobin => LoadBalancerAlgorithm::RoundRobin,
                Algorithm::LeastConnections => LoadBalancerAlgorithm::LeastConnections,
            }),
            labels: owner.labels_in_cloud(),
            load_balancer_type: Some(spec.kind.clone()),
            location: Some(balancer.spec.site.location.clone()),
            name: Some(owner.name_in_cloud(&balancer.identity.name)),
            public_net: Some(LoadBalancerPublicNet {
                enabled: Some(spec.public),
                ..LoadBalancerPublicNet::default()
            }),
            ..LoadBalancerParameters::default()
        },
    }
}

fn network_spec(balancer: &LoadBalancer, owner: Owner<'_>) -> LoadBalancerNetworkSpec {
    let address = balancer.spec.load_balancer.address;
    LoadBalancerNetworkSpec {
        managed: owner.managed(),
        for_provider: LoadBalancerNetworkParameters {
            ip: address.map(|address| address.to_string()),
            load_balancer_id_ref: Some(Reference::to(&balancer.identity.name)),
            subnet_id_ref: Some(Reference::to(&balancer.spec.site.subnet)),
            ..LoadBalancerNetworkParameters::default()
        },
    }
}

fn service_spec(balancer: &str, service: &Service, owner: Owner<'_>) -> LoadBalancerServiceSpec {
    let target_port = Some(i64::from(service.target_port));
    let (check, http) = match &service.health_path {
        None => (LoadBalancerHealthCheckProtocol::Tcp, None),
        Some(path) => (
            LoadBalancerHealthCheckProtocol::Http,
            Some(LoadBalancerHealthCheckHttp {
                path: Some(path.clone()),
                ..LoadBalancerHealthCheckHttp::default()
            }),
        ),
    };
    LoadBalancerServiceSpec {
        managed: owner.managed(),
        for_provider: LoadBalancerServiceParameters {
            destination_port: target_port,
            health_check: Some(LoadBalancerHealthCheck {
                http,
                port: target_port,
                protocol: Some(check),
                ..LoadBalancerHealthCheck::default()
            }),
            listen_port: Some(i64::from(service.port)),
            load_balancer_id_ref: Some(Reference::to(balancer)),
            protocol: Some(match service.protocol {
                Protocol::Tcp => LoadBalancerProtocol::Tcp,
                Protocol::Http => LoadBalancerProtocol::Http,
            }),
            proxy_protocol: Some(service.proxy_protocol),
            ..LoadBalancerServiceParameters::default()
        },
    }
}

/// Servers, by their labels in the cloud.
struct Servers {
    selector: String,
    /// Of what the selector depends on.
    hash: String,
}

/// One target for each pool, so that a pool that is added or removed leaves the others
/// alone; without pools one for the whole cluster.
fn targets(target: &Target, namespace: &str) -> Vec<Servers> {
    let cluster = label::in_cloud(namespace, &target.cluster);
    let of_cluster = format!("{}={cluster}", label::CLUSTER);
    if target.pools.is_empty() {
        return vec![Servers {
            selector: of_cluster,
            hash: name::hash(&[cluster.as_str()]),
        }];
    }
    let pools = target.pools.iter().map(|pool| Servers {
        selector: format!("{of_cluster},{}={pool}", label::POOL),
        hash: name::hash(&[cluster.as_str(), pool]),
    });
    pools.collect()
}

fn target_spec(balancer: &str, target: &Servers, owner: Owner<'_>) -> LoadBalancerTargetSpec {
    LoadBalancerTargetSpec {
        managed: owner.managed(),
        for_provider: LoadBalancerTargetParameters {
            label_selector: Some(target.selector.clone()),
            load_balancer_id_ref: Some(Reference::to(balancer)),
            use_private_ip: Some(true),
            ..LoadBalancerTargetParameters::default()
        },
    }
}

fn status(observed: &Observed, targets: impl Iterator<Item = String>) -> LoadBalancerStatus {
    let balancer: Option<LoadBalancerObservation> =
        observed.get(BALANCER).and_then(managed::at_provider);
    let balancer = balancer.unwrap_or_default();
    let found_network: Option<LoadBalancerNetworkObservation> =
        observed.get(NETWORK).and_then(managed::at_provider);
    let mut status = LoadBalancerStatus {
        cost: balancer.price.as_ref().map(Cost::from),
        id: observed.get(BALANCER).and_then(managed::id),
        ipv4: balancer.public_ipv4.filter(|_| balancer.public_interface),
        ipv6: balancer.public_ipv6.filter(|_| balancer.public_interface),
        // The load balancer itself is looked at again much later.
        private_ip: found_network
            .map(|found| found.ip)
            .filter(|ip| !ip.is_empty()),
        ..LoadBalancerStatus::default()
    };
    for key in targets {
        let target = observed.get(&key).and_then(managed::at_provider);
        let target: LoadBalancerTargetObservation = target.unwrap_or_default();
        let mut servers = target.servers.iter();
        status.healthy |= servers.any(|server| is_healthy(&server.health_status));
    }
    status
}

fn is_healthy(services: &[LoadBalancerHealth]) -> bool {
    !services.is_empty() && services.iter().all(|service| service.status == "healthy")
}

#[cfg(test)]
mod tests;
