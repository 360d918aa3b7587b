//! The renderer of a region: from its spec to its network, firewall and SSH keys, and to
//! the clusters and load balancers in it.
//!
//! The objects of the network carry the region's name, those inside it the region's name
//! and their own. What stands in the region refers to them by name ([`Site`]), so that
//! nothing has to wait for an id.

use bytes::Bytes;
use provider_hcloud_api::{
    FirewallParameters, FirewallRule, FirewallSpec, NetworkParameters, NetworkSpec, Reference,
    RouteParameters, RouteSpec, SSHKeyParameters, SSHKeySpec, SubnetParameters, SubnetSpec,
};

use crate::claim::cluster::{Cluster, Distribution};
use crate::claim::load_balancer::{LoadBalancer, Target};
use crate::claim::network::{NetworkStatus, Route, Subnet};
use crate::claim::node_pool::NodePool;
use crate::claim::row::{ClusterRow, LoadBalancerRow};
use crate::claim::site::Site;
use crate::claim::{
    ClusterSpec, ClusterStatus, LoadBalancerSpec, LoadBalancerStatus, Problems, RegionSpec,
    RegionStatus,
};
use crate::composite::Region;
use crate::composition::{Composition, Condition, Desired, Status, composite};
use crate::observed::Observed;
use crate::ready::{self, Readiness};
use crate::{label, name};

mod check;
mod firewall;
mod inventory;

use crate::managed::{self, Owner, Part};

/// Key of the network.
const NETWORK: &str = "network";
/// Keys of the subnets: this prefix and the subnet's name.
const SUBNET: &str = "subnet-";
/// Keys of the routes: this prefix and the destination.
const ROUTE: &str = "route-";
/// Key of the firewall.
const FIREWALL: &str = "firewall";
/// Keys of the SSH keys: this prefix and the name of the object.
const SSH_KEY: &str = "ssh-key-";
/// Keys of the clusters: this prefix and the cluster's name.
const CLUSTER: &str = "cluster-";
/// Keys of the load balancers: this prefix and the load balancer's name.
const LOAD_BALANCER: &str = "load-balancer-";

/// What tells why a nested composite resource is not ready.
const CAUSES: [&str; 2] = [Condition::VALID, Condition::INFRASTRUCTURE_READY];

/// Renders a region.
///
/// # Errors
///
/// When the spec contradicts itself.
pub fn compose(region: &Region, observed: &Observed) -> Result<Composition, Problems> {
    let spec = &region.spec;
    let mut problems = check::problems(spec);
    let rules = firewall::rules(&spec.firewall, &mut problems);
    Problems::of(problems)?;

    let mut rendering = Rendering {
        names: Names(&region.identity.name),
        region,
        observed,
        desired: Vec::new(),
        parts: Vec::new(),
    };
    rendering.network();
    if has_servers(spec) || !spec.firewall.is_empty() {
        rendering.firewall(rules);
    }
    let told = rendering.inventory();
    rendering.ssh_keys();
    let clusters = spec
        .clusters
        .iter()
        .map(|cluster| rendering.cluster(cluster));
    let (clusters, addresses): (Vec<_>, Vec<_>) = clusters.unzip();
    let balancers = spec.load_balancers.iter();
    let load_balancers: Vec<_> = balancers.map(|it| rendering.load_balancer(it)).collect();

    let id = |key: &str| managed::id(observed.get(key)?);
    let status = RegionStatus {
        cost: cost(spec, &clusters, &load_balancers),
        clusters,
        firewall_id: id(FIREWALL),
        foreign: told.foreign,
        load_balancers,
        network: NetworkStatus {
            cidr: Some(spec.network.cidr),
            id: id(NETWORK),
        },
        public_addresses: public_addresses(addresses),
        teardown: told.stage,
    };
    Ok(Composition {
        desired: rendering.desired,
        status: Status::Region(status),
        conditions: vec![
            Condition::yes(Condition::VALID, "Accepted"),
            managed::infrastructure(&rendering.parts),
        ],
    })
}

fn has_servers(spec: &RegionSpec) -> bool {
    spec.clusters.iter().any(runs_here)
}

/// Whether the servers of the cluster stand in the region.
fn runs_here(cluster: &Cluster) -> bool {
    cluster.distribution != Distribution::External
}

/// An external cluster costs nothing here; of everything else the price must be known.
fn cost(
    spec: &RegionSpec,
    clusters: &[ClusterRow],
    load_balancers: &[LoadBalancerRow],
) -> Option<crate::claim::cost::Cost> {
    let clusters = spec.clusters.iter().zip(clusters);
    let clusters = clusters.filter(|(cluster, _)| runs_here(cluster));
    let clusters = clusters.map(|(_, row)| row.cost.clone());
    managed::total(clusters.chain(load_balancers.iter().map(|row| row.cost.clone())))
}

/// All addresses, sorted; none as long as a cluster that has some has not told its own.
fn public_addresses(clusters: Vec<Option<Vec<String>>>) -> Vec<String> {
    let all: Option<Vec<Vec<String>>> = clusters.into_iter().collect();
    let mut addresses = all.unwrap_or_default().concat();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

fn has_public_servers(cluster: &Cluster) -> bool {
    let public = |pool: &NodePool| pool.count > 0 && pool.machine.public.any();
    let control_plane = cluster.control_plane.iter();
    control_plane.chain(&cluster.node_pools).any(public)
}

/// What the objects of a region are called.
#[derive(Clone, Copy)]
struct Names<'a>(&'a str);

impl Names<'_> {
    /// The network and the firewall.
    fn of_region(&self) -> &str {
        self.0
    }

    /// What has a name of its own in the region.
    fn inside(&self, name: &str) -> String {
        name::join(self.0, &[name])
    }

    fn of_route(&self, destination: &str) -> String {
        self.inside(&destination.replace(['.', '/'], "-"))
    }
}

struct Rendering<'a> {
    names: Names<'a>,
    region: &'a Region,
    observed: &'a Observed,
    desired: Vec<Desired>,
    parts: Vec<Part>,
}

impl<'a> Rendering<'a> {
    fn owner(&self) -> Owner<'a> {
        Owner::new(self.region, &self.region.spec.provider)
    }

    fn push(&mut self, key: String, part: String, causes: &[&str], object: Bytes) -> Readiness {
        let readiness = ready::of(self.observed.get(&key), causes);
        self.desired.push(Desired {
            key,
            object,
            ready: readiness.ready,
        });
        self.parts.push(Part::new(part, readiness.clone()));
        readiness
    }

    fn network(&mut self) {
        let network = &self.region.spec.network;
        let object = network_object(self.owner(), self.names, &self.region.spec);
        self.push(NETWORK.to_owned(), "the network".to_owned(), &[], object);
        for subnet in &network.subnets {
            let object = self.subnet(subnet);
            let part = format!("subnet {}", subnet.name);
            self.push([SUBNET, &subnet.name].concat(), part, &[], object);
        }
        for route in &network.routes {
            let object = self.route(route);
            let part = format!("the route to {}", route.destination);
            self.push([ROUTE, &route.destination].concat(), part, &[], object);
        }
    }

    fn subnet(&self, subnet: &Subnet) -> Bytes {
        let owner = self.owner();
        let spec = SubnetSpec {
            managed: owner.managed(),
            for_provider: SubnetParameters {
                ip_range: Some(subnet.cidr.to_string()),
                location: Some(self.region.spec.location.clone()),
                network_id_ref: Some(Reference::to(self.names.of_region())),
                ..SubnetParameters::default()
            },
        };
        owner.object("Subnet", &self.names.inside(&subnet.name), spec)
    }

    fn route(&self, route: &Route) -> Bytes {
        let owner = self.owner();
        let spec = RouteSpec {
            managed: owner.managed(),
            for_provider: RouteParameters {
                destination: Some(route.destination.clone()),
                gateway: Some(route.gateway.to_string()),
                network_id_ref: Some(Reference::to(self.names.of_region())),
                ..RouteParameters::default()
            },
        };
        owner.object("Route", &self.names.of_route(&route.destination), spec)
    }

    fn firewall(&mut self, rules: Vec<FirewallRule>) {
        let owner = self.owner();
        let name = self.names.of_region();
        let spec = FirewallSpec {
            managed: owner.managed(),
            for_provider: FirewallParameters {
                labels: owner.labels_in_cloud(),
                name: Some(owner.name_in_cloud(name)),
                rules: Some(rules),
                ..FirewallParameters::default()
            },
        };
        let object = owner.object("Firewall", name, spec);
        self.push(FIREWALL.to_owned(), "the firewall".to_owned(), &[], object);
    }

    /// A key without its text exists already: others made it.
    fn ssh_keys(&mut self) {
        let owner = self.owner();
        for key in &self.region.spec.ssh_keys {
            let Some(public_key) = &key.public_key else {
                continue;
            };
            let spec = SSHKeySpec {
                managed: owner.managed(),
                for_provider: SSHKeyParameters {
                    labels: owner.labels_in_cloud(),
                    name: Some(owner.name_in_cloud(&key.name)),
                    public_key: Some(public_key.clone()),
                },
            };
            let object = owner.object("SSHKey", &key.name, spec);
            let part = format!("SSH key {}", key.name);
            self.push([SSH_KEY, &key.name].concat(), part, &[], object);
        }
    }

    /// The row of a cluster and its public addresses, once it has told them.
    fn cluster(&mut self, cluster: &Cluster) -> (ClusterRow, Option<Vec<String>>) {
        let key = [CLUSTER, &cluster.name].concat();
        let spec = ClusterSpec {
            cluster: cluster.clone(),
            provider: self.region.spec.provider.clone(),
            site: self.site(&cluster.name).filter(|_| runs_here(cluster)),
        };
        let mut labels = self.region.labels.clone();
        labels.insert(label::CLUSTER, cluster.name.clone());
        let object = composite(
            "XCluster",
            &self.names.inside(&cluster.name),
            &self.region.identity.namespace,
            &labels,
            spec,
        );
        let status: ClusterStatus = self.status(&key);
        let addresses = status.public_addresses.clone();
        let told = !addresses.is_empty() || !has_public_servers(cluster);
        let part = format!("cluster {}", cluster.name);
        let readiness = self.push(key, part, &CAUSES, object);
        let row = ClusterRow {
            message: readiness.message,
            ready: readiness.ready,
            reason: readiness.reason,
            ..status.row(cluster)
        };
        (row, told.then_some(addresses))
    }

    fn load_balancer(&mut self, balancer: &LoadBalancer) -> LoadBalancerRow {
        let key = [LOAD_BALANCER, &balancer.name].concat();
        let cluster = &balancer.target.cluster;
        let status: LoadBalancerStatus = self.status(&key);
        // A load balancer stands in the subnet of its cluster, which the check has found.
        let object = self.site(cluster).map(|site| {
            composite(
                "XLoadBalancer",
                &self.names.inside(&balancer.name),
                &self.region.identity.namespace,
                &self.region.labels,
                LoadBalancerSpec {
                    load_balancer: LoadBalancer {
                        target: Target {
                            cluster: self.names.inside(cluster),
                            pools: balancer.target.pools.clone(),
                        },
                        ..balancer.clone()
                    },
                    provider: self.region.spec.provider.clone(),
                    site,
                },
            )
        });
        let Some(object) = object else {
            return status.row(&balancer.name);
        };
        let part = format!("load balancer {}", balancer.name);
        let readiness = self.push(key, part, &CAUSES, object);
        LoadBalancerRow {
            message: readiness.message,
            ready: readiness.ready,
            reason: readiness.reason,
            ..status.row(&balancer.name)
        }
    }

    fn status<T: Default + serde::de::DeserializeOwned>(&self, key: &str) -> T {
        let child = self.observed.get(key);
        child
            .and_then(|child| managed::read(child, &["status"]))
            .unwrap_or_default()
    }

    /// Where the servers of a cluster stand.
    fn site(&self, cluster: &str) -> Option<Site> {
        let RegionSpec {
            location,
            network,
            ssh_keys,
            ..
        } = &self.region.spec;
        let subnet = network.subnet(cluster)?;
        Some(Site {
            firewall: Some(self.names.of_region().to_owned()),
            location: location.clone(),
            network: self.names.of_region().to_owned(),
            network_cidr: network.cidr,
            ssh_keys: ssh_keys.iter().map(|key| key.name.clone()).collect(),
            subnet: self.names.inside(&subnet.name),
            subnet_cidr: subnet.cidr,
        })
    }
}

fn network_object(owner: Owner<'_>, names: Names<'_>, spec: &RegionSpec) -> Bytes {
    let name = names.of_region();
    if let Some(id) = &spec.network.existing {
        let observed = NetworkSpec {
            managed: owner.only_observed(),
            for_provider: NetworkParameters::default(),
        };
        return owner.existing("Network", name, id, observed);
    }
    let spec = NetworkSpec {
        managed: owner.managed(),
        for_provider: NetworkParameters {
            ip_range: Some(spec.network.cidr.to_string()),
            labels: owner.labels_in_cloud(),
            name: Some(owner.name_in_cloud(name)),
            ..NetworkParameters::default()
        },
    };
    owner.object("Network", name, spec)
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
