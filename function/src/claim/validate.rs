//! From what was written to what can be worked with.
//!
//! [`PlatformSpec`] is what the API server let through; [`ValidPlatform`] is what the
//! planner accepts, and only this module makes one. All problems are collected, each
//! with the path of its field: a person mends them in one go.

mod cluster;
mod load_balancer;
pub(crate) mod network;
mod pool;

use std::fmt;

use super::cluster::{Distribution, EndpointRequest, KubeconfigSecret};
use super::firewall::FirewallRule;
use super::k3s::K3s;
use super::load_balancer::LoadBalancerRequest;
use super::machine::{Autoscaling, ExternalNode, Gpu, Labels, Machine, Taint};
use super::network::{NetworkRequest, Range, RangeError};
use super::platform::{PlatformSpec, Profile, Provider, Region, RegionRole};
use super::ssh::SshKey;

/// What is wrong with a field, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path of the field, for example `spec.regions[1].network.cidr`.
    pub path: String,
    /// What is wrong, then what to do. Ends with the part that a person acts on.
    pub message: String,
}

impl Problem {
    /// A problem of a field.
    pub fn new(path: impl Into<String>, message: impl fmt::Display) -> Self {
        Self {
            path: path.into(),
            message: message.to_string(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Everything that is wrong with a spec; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The problems, if there are any.
    pub fn of(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Self(problems))
        }
    }

    /// The value, unless there are problems.
    pub(crate) fn unless<T>(problems: Vec<Problem>, value: T) -> Result<T, Self> {
        Self::of(problems).map(|()| value)
    }

    /// The problems.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// A platform whose fields make sense each for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidPlatform {
    /// The cloud of everything in the platform, and the credentials for it.
    pub provider: Provider,
    /// The regions, in the order of the claim.
    pub regions: Vec<ValidRegion>,
    /// Whether deleting the claim is refused.
    pub protect: bool,
    /// Whether the platform is being taken down.
    pub teardown: bool,
    /// Whether what others made goes with it.
    pub sweep: bool,
    /// Approved steps of the plan.
    pub approve: Vec<String>,
}

/// A region whose fields make sense each for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidRegion {
    /// Unique in the platform.
    pub name: String,
    /// Location in the cloud.
    pub location: String,
    /// The range that the claim asks for.
    pub range: Option<Range>,
    /// The rest of what the claim says about the network.
    pub network: NetworkRequest,
    /// The ranges of the network's subnets, in the order of the claim.
    pub subnets: Vec<Range>,
    /// What is let in from the internet.
    pub firewall: Vec<FirewallRule>,
    /// Keys that let root in on servers.
    pub ssh_keys: Vec<SshKey>,
    /// Load balancers; their clusters and pools exist.
    pub load_balancers: Vec<LoadBalancerRequest>,
    /// Clusters.
    pub clusters: Vec<ValidCluster>,
    /// Its place in the claim.
    pub index: usize,
}

/// A cluster whose fields make sense each for itself, with all defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidCluster {
    /// Unique in its region.
    pub name: String,
    /// What it is used for.
    pub role: super::cluster::ClusterRole,
    /// What runs it.
    pub distribution: Distribution,
    /// Version that the claim asks for.
    pub version: Option<String>,
    /// Whether it is the cluster that Crossplane runs in.
    pub management: bool,
    /// Range of pods that the claim asks for.
    pub pods: Option<Range>,
    /// Range of services that the claim asks for.
    pub services: Option<Range>,
    /// Mesh id that the claim asks for.
    pub mesh_id: Option<u8>,
    /// How the API server is reached.
    pub endpoint: EndpointRequest,
    /// Secret with the kubeconfig of an external cluster.
    pub kubeconfig: Option<KubeconfigSecret>,
    /// The control plane, unless the cluster is external.
    pub control_plane: Option<ValidPool>,
    /// Whether workloads run on the control plane.
    pub schedulable: bool,
    /// Further pools.
    pub pools: Vec<ValidPool>,
    /// How k3s is set up.
    pub k3s: K3s,
    /// Path in the claim.
    pub path: String,
}

/// A pool whose fields make sense each for itself, with all defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidPool {
    /// Unique in its cluster.
    pub name: String,
    /// How many servers.
    pub count: u32,
    /// Bounds of the autoscaler.
    pub autoscaling: Option<Autoscaling>,
    /// Machines that others provide.
    pub external: Vec<ExternalNode>,
    /// How servers are made.
    pub machine: Machine,
    /// Labels of nodes.
    pub labels: Labels,
    /// Taints of nodes.
    pub taints: Vec<Taint>,
    /// Whether servers run on different hosts.
    pub spread: bool,
    /// GPUs of each node.
    pub gpu: Option<Gpu>,
    /// Path in the claim.
    pub path: String,
}

impl ValidRegion {
    /// Path of the region in the claim.
    pub fn path(&self) -> String {
        region_path(self.index)
    }
}

fn region_path(index: usize) -> String {
    format!("spec.regions[{index}]")
}

/// Checks each field for itself.
///
/// # Errors
///
/// All problems, in the order of the fields.
pub fn platform(spec: PlatformSpec) -> Result<ValidPlatform, Problems> {
    let mut problems = Vec::new();
    if spec.regions.is_empty() {
        problems.push(Problem::new(
            "spec.regions",
            "a platform needs at least one region: add one",
        ));
    }
    let mut regions: Vec<ValidRegion> = Vec::with_capacity(spec.regions.len());
    let mut primary = None;
    for (index, request) in spec.regions.into_iter().enumerate() {
        let path = region_path(index);
        unique(&path, "region", &request.name, &regions, &mut problems);
        name(&path, &request.name, &mut problems);
        if request.role == Some(RegionRole::Primary)
            && let Some(earlier) = primary.replace(index)
        {
            problems.push(Problem::new(
                format!("{path}.role"),
                format_args!(
                    "{} is the primary region already: make one of them standby or peer",
                    region_path(earlier)
                ),
            ));
        }
        regions.push(region(request, spec.profile, index, &mut problems));
    }
    one_management_cluster(&regions, &mut problems);
    one_key_of_a_name(&regions, &mut problems);
    let deletion = spec.operations.deletion;
    if deletion.teardown && deletion.protect {
        problems.push(Problem::new(
            "spec.operations.deletion.teardown",
            "the platform is protected: set spec.operations.deletion.protect to false too",
        ));
    }
    if deletion.sweep && !deletion.teardown {
        problems.push(Problem::new(
            "spec.operations.deletion.sweep",
            "only a teardown sweeps: set spec.operations.deletion.teardown to true too, or remove sweep",
        ));
    }
    let platform = ValidPlatform {
        provider: spec.provider,
        regions,
        protect: deletion.protect,
        teardown: deletion.teardown,
        sweep: deletion.sweep,
        approve: spec.operations.approve,
    };
    Problems::unless(problems, platform)
}

fn region(
    region: Region,
    profile: Profile,
    index: usize,
    problems: &mut Vec<Problem>,
) -> ValidRegion {
    let path = region_path(index);
    let range = range(
        &format!("{path}.network.cidr"),
        region.network.cidr.as_deref(),
        problems,
    );
    if region.network.existing.is_some() && region.network.cidr.is_none() {
        problems.push(Problem::new(
            format!("{path}.network.cidr"),
            "the range of an existing network is not known: write the range that it has",
        ));
    }
    let subnets = subnets(&path, &region.network, problems);
    for (rule, request) in region.firewall.rules.iter().enumerate() {
        network::rule(&format!("{path}.firewall.rules[{rule}]"), request, problems);
    }
    let clusters = cluster::all(&path, &region, profile, problems);
    load_balancer::all(&path, &region.load_balancers, &clusters, problems);
    if region.ssh_keys.is_empty() && clusters.iter().any(|c| c.control_plane.is_some()) {
        problems.push(Problem::new(
            format!("{path}.sshKeys"),
            "a region with servers needs an SSH key, or the cloud mails passwords for root: add one with name and publicKey",
        ));
    }
    ValidRegion {
        name: region.name,
        location: region.location,
        range,
        subnets,
        network: region.network,
        firewall: region.firewall.rules,
        ssh_keys: region.ssh_keys,
        load_balancers: region.load_balancers,
        clusters,
        index,
    }
}

/// What has a name that must be unique among its neighbours.
trait Named {
    fn name(&self) -> &str;
    fn path(&self) -> String;
}

impl Named for ValidRegion {
    fn name(&self) -> &str {
        &self.name
    }

    fn path(&self) -> String {
        Self::path(self)
    }
}

impl Named for ValidCluster {
    fn name(&self) -> &str {
        &self.name
    }

    fn path(&self) -> String {
        self.path.clone()
    }
}

impl Named for ValidPool {
    fn name(&self) -> &str {
        &self.name
    }

    fn path(&self) -> String {
        self.path.clone()
    }
}

fn unique(path: &str, what: &str, name: &str, earlier: &[impl Named], problems: &mut Vec<Problem>) {
    if let Some(earlier) = earlier.iter().find(|earlier| earlier.name() == name) {
        problems.push(Problem::new(
            format!("{path}.name"),
            format_args!(
                "{name:?} is the name of {} too: give this {what} another name",
                earlier.path()
            ),
        ));
    }
}

/// Longest name of a region, a cluster, a pool or a load balancer.
const NAME_MAX: usize = 20;

/// The schema says the same; a claim that no API server has seen is checked here.
fn name(path: &str, name: &str, problems: &mut Vec<Problem>) {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = name.len() <= NAME_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.bytes().all(allowed);
    if !fits {
        problems.push(Problem::new(
            format!("{path}.name"),
            format_args!(
                "{name:?} is not a name: take at most {NAME_MAX} lower-case letters, digits and hyphens, a letter first and no hyphen last"
            ),
        ));
    }
}

fn range(path: &str, text: Option<&str>, problems: &mut Vec<Problem>) -> Option<Range> {
    match text.map(str::parse).transpose() {
        Ok(range) => range,
        Err(error) => {
            let error: RangeError = error;
            problems.push(Problem::new(path, error));
            None
        }
    }
}

fn subnets(path: &str, network: &NetworkRequest, problems: &mut Vec<Problem>) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::with_capacity(network.subnets.len());
    for (index, subnet) in network.subnets.iter().enumerate() {
        let path = format!("{path}.network.subnets[{index}]");
        if network.subnets[..index]
            .iter()
            .any(|earlier| earlier.name == subnet.name)
        {
            problems.push(Problem::new(
                format!("{path}.name"),
                format_args!(
                    "another subnet of this network is called {:?} too: give this one another name",
                    subnet.name
                ),
            ));
        }
        let path = format!("{path}.cidr");
        let Some(range) = range(&path, Some(&subnet.cidr), problems) else {
            continue;
        };
        if let Some(other) = ranges.iter().find(|other| other.overlaps(range)) {
            problems.push(Problem::new(
                path,
                format_args!("{range} overlaps the subnet {other}: choose another range"),
            ));
        }
        ranges.push(range);
    }
    ranges
}

fn one_management_cluster(regions: &[ValidRegion], problems: &mut Vec<Problem>) {
    let clusters = regions.iter().flat_map(|region| &region.clusters);
    let mut management = clusters.filter(|cluster| cluster.management);
    let Some(first) = management.next() else {
        return;
    };
    problems.extend(management.map(|cluster| {
        Problem::new(
            format!("{}.management", cluster.path),
            format_args!(
                "{} is the management cluster already, and Crossplane runs in one: set one of them to false",
                first.path
            ),
        )
    }));
}

/// Keys are objects of one namespace: two regions may name the same key, not two
/// different ones.
fn one_key_of_a_name(regions: &[ValidRegion], problems: &mut Vec<Problem>) {
    let mut seen: Vec<(&SshKey, String)> = Vec::new();
    for region in regions {
        for (index, key) in region.ssh_keys.iter().enumerate() {
            let path = format!("{}.sshKeys[{index}]", region.path());
            let differs = |(earlier, _): &&(&SshKey, String)| {
                earlier.name == key.name
                    && earlier.public_key.is_some()
                    && key.public_key.is_some()
                    && earlier.public_key != key.public_key
            };
            if let Some((_, earlier)) = seen.iter().find(differs) {
                problems.push(Problem::new(
                    format!("{path}.publicKey"),
                    format_args!(
                        "{earlier} has another public key with the name {:?}: give this key another name",
                        key.name
                    ),
                ));
            }
            seen.push((key, path));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(spec: serde_json::Value) -> Vec<String> {
        match platform(serde_json::from_value(spec).unwrap()) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_platform_needs_a_region() {
        assert_eq!(
            problems(json!({"regions": []})),
            ["spec.regions: a platform needs at least one region: add one"]
        );
    }

    #[test]
    fn all_problems_are_reported_at_once_with_their_paths() {
        let found = problems(json!({"regions": [
            {"name": "a", "location": "fsn1", "network": {"cidr": "10.0.0.0/40"}},
            {"name": "a", "location": "nbg1", "network": {"cidr": "10.0.0.1/16"}},
        ]}));
        assert_eq!(
            found,
            [
                "spec.regions[0].network.cidr: \"10.0.0.0/40\" is not an IPv4 range: write it like 10.0.0.0/16",
                "spec.regions[1].name: \"a\" is the name of spec.regions[0] too: give this region another name",
                "spec.regions[1].network.cidr: 10.0.0.1/16 does not start at its first address: write 10.0.0.0/16",
            ]
        );
    }
}
