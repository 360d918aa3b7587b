//! The spec of a region: what the claim asks for, what was allocated, and what nobody
//! has approved to remove yet.

use std::net::Ipv4Addr;

use super::allocate::{Allocated, Networking};
use super::facts::Facts;
use super::record::{self, Recorded};
use super::step::Steps;
use super::{address, pool, teardown};
use crate::claim::RegionSpec;
use crate::claim::cluster::{Cluster, Distribution, Endpoint, Networking as ClusterNetworking};
use crate::claim::firewall::{Firewall, Peer};
use crate::claim::load_balancer::{LoadBalancer, LoadBalancerRequest, Target};
use crate::claim::network::{Network, Range, Subnet};
use crate::claim::node_pool::NodePool;
use crate::claim::platform::Provider;
use crate::claim::ssh::SshKey;
use crate::claim::validate::{Problem, ValidCluster, ValidRegion, network};
use crate::{k3s, name};

/// Most servers and load balancers that the cloud attaches to a network.
const ATTACHMENTS: u32 = 100;

/// What the regions of a platform have in common while they are planned.
pub(super) struct Planner<'a> {
    /// Name of the platform.
    pub(super) platform: &'a str,
    pub(super) provider: &'a Provider,
    pub(super) facts: &'a Facts,
    pub(super) steps: Steps<'a>,
    pub(super) problems: Vec<Problem>,
}

/// What a region gets from the others.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    /// Those that it is connected with, and their addresses.
    pub(super) peers: Vec<Peer>,
    /// Its SSH keys; what another region makes has no public key here.
    pub(super) ssh_keys: Vec<SshKey>,
}

/// A cluster while it is planned.
pub(super) struct Site<'a> {
    /// Name of the cluster's object.
    pub(super) object: &'a str,
    pub(super) region: &'a str,
    pub(super) cluster: &'a ValidCluster,
    pub(super) subnet: Range,
    /// Gateways of routes: servers that the platform does not know have these addresses.
    pub(super) gateways: &'a [Ipv4Addr],
}

impl Planner<'_> {
    /// Plans a region.
    pub(super) fn region(
        &mut self,
        region: &ValidRegion,
        allocated: Allocated,
        neighbours: Neighbours,
        recorded: Option<&Recorded<'_>>,
    ) -> RegionSpec {
        self.judge_types(region, recorded);
        let object = name::join(self.platform, &[&region.name]);
        let subnets = self.subnets(region, allocated.range, recorded);
        let gateways: Vec<_> = region
            .network
            .routes
            .iter()
            .map(|route| route.gateway)
            .collect();
        let mut clusters = Vec::with_capacity(region.clusters.len());
        for (cluster, networking) in region.clusters.iter().zip(allocated.clusters) {
            let object = name::join(&object, &[&cluster.name]);
            let recorded = recorded.and_then(|recorded| recorded.cluster(&cluster.name));
            let site = subnets
                .iter()
                .find(|subnet| subnet.name == cluster.name)
                .map(|subnet| Site {
                    object: &object,
                    region: &region.name,
                    cluster,
                    subnet: subnet.cidr,
                    gateways: &gateways,
                });
            clusters.push(self.cluster(cluster, networking, site.as_ref(), recorded));
        }
        let mut spec = RegionSpec {
            clusters,
            firewall: Firewall {
                peers: neighbours.peers,
                rules: region.firewall.clone(),
            },
            load_balancers: Vec::with_capacity(region.load_balancers.len()),
            location: region.location.clone(),
            network: Network {
                cidr: allocated.range,
                existing: region.network.existing.clone(),
                routes: region.network.routes.clone(),
                subnets,
            },
            provider: self.provider.clone(),
            ssh_keys: neighbours.ssh_keys,
            teardown: None,
        };
        self.removed_clusters(&object, recorded, &mut spec);
        self.load_balancers(&object, region, recorded, &mut spec);
        self.check_attachments(region, &spec);
        network::routes(
            &format!("{}.network", region.path()),
            spec.network.cidr,
            &spec.network.routes,
            &mut self.problems,
        );
        spec
    }

    /// Judges names of things in the cloud that nothing has been made of yet: what runs
    /// may be of a type that is not sold any more.
    fn judge_types(&mut self, region: &ValidRegion, recorded: Option<&Recorded<'_>>) {
        let Self {
            facts, problems, ..
        } = self;
        if recorded.is_none() {
            facts.location(
                &format!("{}.location", region.path()),
                &region.location,
                problems,
            );
        }
        for cluster in &region.clusters {
            let known = recorded.and_then(|recorded| recorded.cluster(&cluster.name));
            if let Some(control_plane) = &cluster.control_plane {
                let known = known.and_then(|known| known.control_plane.as_ref());
                pool::judge(facts, control_plane, known, &region.location, problems);
                if known.is_none() {
                    facts.load_balancer_type(
                        &format!("{}.endpoint.loadBalancerType", cluster.path),
                        &cluster.endpoint.load_balancer_type,
                        problems,
                    );
                }
            }
            for pool in &cluster.pools {
                let known = known.and_then(|known| record::pool(known, &pool.name));
                pool::judge(facts, pool, known, &region.location, problems);
            }
        }
        for (index, balancer) in region.load_balancers.iter().enumerate() {
            if recorded.is_none_or(|recorded| recorded.load_balancer(&balancer.name).is_none()) {
                facts.load_balancer_type(
                    &format!("{}.loadBalancers[{index}].type", region.path()),
                    &balancer.kind,
                    problems,
                );
            }
        }
    }

    /// The subnets of the claim, and one for each cluster with servers.
    fn subnets(
        &mut self,
        region: &ValidRegion,
        network: Range,
        recorded: Option<&Recorded<'_>>,
    ) -> Vec<Subnet> {
        let recorded: &[Subnet] = recorded
            .and_then(|recorded| recorded.spec().ok())
            .map_or(&[], |spec| &spec.network.subnets);
        let mut subnets = Vec::with_capacity(region.subnets.len() + region.clusters.len());
        for (index, (request, range)) in region
            .network
            .subnets
            .iter()
            .zip(&region.subnets)
            .enumerate()
        {
            let path = format!("{}.network.subnets[{index}].cidr", region.path());
            let before = recorded.iter().find(|subnet| subnet.name == request.name);
            if let Some(before) = before.filter(|before| before.cidr != *range) {
                self.problems.push(Problem::new(
                    path.as_str(),
                    format_args!(
                        "subnet {} is {} and cannot change: write {}, or add a subnet with another name",
                        request.name, before.cidr, before.cidr
                    ),
                ));
            } else if let Some(other) = recorded
                .iter()
                .find(|other| other.name != request.name && other.cidr.overlaps(*range))
            {
                self.problems.push(Problem::new(
                    path.as_str(),
                    format_args!(
                        "{range} overlaps {} of the subnet {}: choose another range",
                        other.cidr, other.name
                    ),
                ));
            }
            if !network.contains(*range) {
                self.problems.push(Problem::new(
                    path,
                    format_args!(
                        "{range} is not inside {network} of the network: choose a range inside it"
                    ),
                ));
            }
            subnets.push(Subnet {
                cidr: *range,
                name: request.name.clone(),
            });
        }
        let mut used: Vec<Range> = subnets.iter().map(|subnet| subnet.cidr).collect();
        used.extend(recorded.iter().map(|subnet| subnet.cidr));
        for cluster in &region.clusters {
            let named = |subnet: &&Subnet| subnet.name == cluster.name;
            if cluster.distribution == Distribution::External || subnets.iter().any(|s| named(&s)) {
                continue;
            }
            let cidr = match recorded.iter().find(named) {
                Some(subnet) => Some(subnet.cidr),
                None => free_block(network, &used),
            };
            match cidr {
                Some(cidr) => {
                    used.push(cidr);
                    subnets.push(Subnet {
                        cidr,
                        name: cluster.name.clone(),
                    });
                }
                None => self.problems.push(Problem::new(
                    format!("{}.network.cidr", region.path()),
                    format_args!(
                        "{network} has no free /24 for cluster {}: write a larger range that contains it",
                        cluster.name
                    ),
                )),
            }
        }
        subnets
    }

    fn cluster(
        &mut self,
        cluster: &ValidCluster,
        networking: Networking,
        site: Option<&Site<'_>>,
        recorded: Option<&Cluster>,
    ) -> Cluster {
        let mut planned = Cluster {
            control_plane: None,
            distribution: cluster.distribution,
            endpoint: None,
            k3s: cluster.k3s.clone(),
            kubeconfig_secret_ref: cluster.kubeconfig.clone(),
            management: cluster.management,
            name: cluster.name.clone(),
            networking: ClusterNetworking {
                mesh_id: networking.mesh_id,
                pod_cidr: networking.pods,
                service_cidr: networking.services,
            },
            node_pools: Vec::with_capacity(cluster.pools.len()),
            role: cluster.role,
            schedulable: cluster.schedulable,
            version: cluster.version.clone(),
        };
        let (Some(site), Some(control_plane)) = (site, &cluster.control_plane) else {
            return planned;
        };
        planned.version = cluster
            .version
            .clone()
            .or_else(|| recorded?.version.clone())
            .or_else(|| Some(k3s::known_versions().next()?.to_string()));
        planned.endpoint = Some(Endpoint {
            address: recorded
                .and_then(|recorded| recorded.endpoint.as_ref())
                .map_or_else(|| address::api(site.subnet), |endpoint| endpoint.address),
            host: cluster.endpoint.host.clone(),
            load_balancer_type: cluster.endpoint.load_balancer_type.clone(),
            kind: cluster.endpoint.kind,
        });
        let before = recorded.and_then(|recorded| recorded.control_plane.as_ref());
        planned.control_plane = Some(self.control_plane(site, control_plane, before));
        let mut blocks = pool::Blocks::new(site, recorded);
        for pool in &cluster.pools {
            let before = recorded.and_then(|recorded| record::pool(recorded, &pool.name));
            let pool = self.pool(site, pool, &mut blocks, before);
            planned.node_pools.push(pool);
        }
        self.removed_pools(site, recorded, &mut planned);
        planned
    }

    fn removed_pools(
        &mut self,
        site: &Site<'_>,
        recorded: Option<&Cluster>,
        planned: &mut Cluster,
    ) {
        let Some(recorded) = recorded else { return };
        for pool in &recorded.node_pools {
            if record::pool(planned, &pool.name).is_some() || is_empty(pool) {
                continue;
            }
            let why = format!(
                "pool {} is not in the claim any more; its {} go without being drained",
                pool.name,
                servers(pool)
            );
            let object = name::join(site.object, &[&pool.name]);
            if !self.steps.may("XNodePool", &object, "Delete", why) {
                planned.node_pools.push(pool.clone());
            }
        }
    }

    /// Clusters that are recorded and no longer in the claim stay, with their subnets,
    /// until their removal is approved.
    fn removed_clusters(
        &mut self,
        object: &str,
        recorded: Option<&Recorded<'_>>,
        spec: &mut RegionSpec,
    ) {
        let Some(region) = recorded else { return };
        let Ok(recorded) = region.spec() else { return };
        for cluster in &recorded.clusters {
            if spec
                .clusters
                .iter()
                .any(|planned| planned.name == cluster.name)
            {
                continue;
            }
            let why = match cluster.distribution {
                // Nothing of it was made here.
                Distribution::External => continue,
                Distribution::K3s => format!(
                    "cluster {} is not in the claim any more; its {} servers, their volumes and all that runs on them go with it{}",
                    cluster.name,
                    cluster
                        .control_plane
                        .iter()
                        .chain(&cluster.node_pools)
                        .map(|pool| pool.count)
                        .sum::<u32>(),
                    teardown::warning(&region.status)
                ),
            };
            let object = name::join(object, &[&cluster.name]);
            if self.steps.may("XCluster", &object, "Delete", why) {
                continue;
            }
            spec.clusters.push(cluster.clone());
            if spec.network.subnet(&cluster.name).is_none() {
                let subnet = recorded.network.subnet(&cluster.name);
                spec.network.subnets.extend(subnet.cloned());
            }
        }
    }

    fn load_balancers(
        &mut self,
        object: &str,
        region: &ValidRegion,
        recorded: Option<&Recorded<'_>>,
        spec: &mut RegionSpec,
    ) {
        let before: &[LoadBalancer] = recorded
            .and_then(|recorded| recorded.spec().ok())
            .map_or(&[], |spec| &spec.load_balancers);
        let mut used: Vec<_> = before
            .iter()
            .filter_map(|balancer| balancer.address)
            .collect();
        for (index, request) in region.load_balancers.iter().enumerate() {
            let path = format!("{}.loadBalancers[{index}]", region.path());
            let before = before.iter().find(|before| before.name == request.name);
            let address = match before {
                Some(before) if before.target.cluster != request.cluster => {
                    self.problems.push(Problem::new(
                        format!("{path}.cluster"),
                        format_args!(
                            "load balancer {} has an address in the subnet of cluster {} and cannot move to {}: add a load balancer with another name and remove this one",
                            request.name, before.target.cluster, request.cluster
                        ),
                    ));
                    continue;
                }
                Some(before) => before.address,
                None => spec.network.subnet(&request.cluster).and_then(|subnet| {
                    address::load_balancers(subnet.cidr).find(|free| !used.contains(free))
                }),
            };
            if address.is_none()
                && before.is_none()
                && spec.network.subnet(&request.cluster).is_some()
            {
                self.problems.push(Problem::new(
                    format!("{path}.cluster"),
                    format_args!(
                        "the subnet of cluster {} has no free address for a load balancer: remove one that is being removed by approving its step",
                        request.cluster
                    ),
                ));
            }
            used.extend(address);
            spec.load_balancers.push(load_balancer(request, address));
        }
        for balancer in before {
            let kept = spec
                .load_balancers
                .iter()
                .any(|planned| planned.name == balancer.name);
            let asked = region
                .load_balancers
                .iter()
                .any(|request| request.name == balancer.name);
            // It goes with the cluster that it leads to.
            let leads_nowhere = !spec
                .clusters
                .iter()
                .any(|cluster| cluster.name == balancer.target.cluster);
            if kept || asked || leads_nowhere {
                continue;
            }
            let why = format!(
                "load balancer {} is not in the claim any more; its addresses are given back",
                balancer.name
            );
            let object = name::join(object, &[&balancer.name]);
            if !self.steps.may("XLoadBalancer", &object, "Delete", why) {
                spec.load_balancers.push(balancer.clone());
            }
        }
    }

    fn check_attachments(&mut self, region: &ValidRegion, spec: &RegionSpec) {
        let mut attached = u32::try_from(spec.load_balancers.len()).unwrap_or(u32::MAX);
        for cluster in &spec.clusters {
            attached = attached.saturating_add(u32::from(cluster.endpoint.is_some()));
            for pool in cluster.control_plane.iter().chain(&cluster.node_pools) {
                attached = attached.saturating_add(capacity(pool));
            }
        }
        if attached > ATTACHMENTS {
            self.problems.push(Problem::new(
                format!("{}.clusters", region.path()),
                format_args!(
                    "region {} can have {attached} servers and load balancers, and a network of the cloud takes {ATTACHMENTS}: lower counts and maxima by {}, or move pools to another region",
                    region.name,
                    attached - ATTACHMENTS
                ),
            ));
        }
    }
}

/// Most servers that a pool can have.
fn capacity(pool: &NodePool) -> u32 {
    pool.autoscaling
        .map_or(pool.count, |bounds| bounds.max.max(pool.count))
}

fn is_empty(pool: &NodePool) -> bool {
    pool.count == 0 && pool.autoscaling.is_none()
}

fn servers(pool: &NodePool) -> String {
    match (pool.autoscaling, pool.count) {
        (Some(bounds), _) => format!("servers, {} at most,", bounds.max),
        (None, 1) => "1 server".to_owned(),
        (None, count) => format!("{count} servers"),
    }
}

fn load_balancer(request: &LoadBalancerRequest, address: Option<Ipv4Addr>) -> LoadBalancer {
    LoadBalancer {
        address,
        algorithm: request.algorithm,
        name: request.name.clone(),
        public: request.public,
        services: request.services.clone(),
        target: Target {
            cluster: request.cluster.clone(),
            pools: request.pools.clone(),
        },
        kind: request.kind.clone(),
    }
}

/// The lowest free /24 of a network. The first one is taken last: people expect it for
/// what they do by hand.
fn free_block(network: Range, used: &[Range]) -> Option<Range> {
    let blocks = (1..).map_while(|number| network.block(number));
    blocks
        .chain(network.block(0))
        .find(|block| !used.iter().any(|range| range.overlaps(*block)))
}
