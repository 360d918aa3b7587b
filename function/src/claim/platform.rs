//! `XPlatform`: the claim's spec and status.

use provider_hcloud_api::managed::ProviderConfigReference;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::cluster::ClusterRequest;
use super::cost::Cost;
use super::firewall::FirewallRule;
use super::load_balancer::LoadBalancerRequest;
use super::machine::{LOCATION, NAME};
use super::network::{NetworkRequest, NetworkStatus};
use super::row::{ClusterRow, LoadBalancerRow};
use super::ssh::SshKey;
use super::teardown::Foreign;

/// A whole platform: the regions it lives in and how it is operated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlatformSpec {
    /// What fields that are left out default to. It cannot change.
    #[serde(default)]
    #[schemars(
        title = "Profile",
        extend("x-kubernetes-validations" = [json!({
            "rule": "self == oldSelf",
            "message": "profile cannot be changed: write what shall differ into the fields themselves",
        })])
    )]
    pub profile: Profile,

    /// Domain of the platform, for example example.org.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        title = "Domain",
        length(max = 253),
        regex(pattern = r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?$")
    )]
    pub domain: Option<String>,

    /// The cloud that the platform runs in, and the credentials for it.
    #[serde(default)]
    #[schemars(title = "Provider", extend("default" = {}))]
    pub provider: Provider,

    /// Where the platform runs. The name of a region stands for its network and all
    /// that lives in it: renaming one means removing it and adding another.
    #[schemars(
        title = "Regions",
        length(min = 1, max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub regions: Vec<Region>,

    /// How the platform is operated.
    #[serde(default)]
    #[schemars(title = "Operations", extend("default" = {}))]
    pub operations: Operations,
}

/// What fields that are left out default to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Three control-plane servers of 8 GB; k3s without what the platform replaces, tuned
    /// to notice a dead node within half a minute.
    #[default]
    Openova,
    /// The same on one server.
    OpenovaMinimal,
    /// One server as k3s itself sets it up.
    Homelab,
    /// Nothing: k3s as it is, and counts and server types have to be given.
    Custom,
}

/// The cloud and the credentials for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Provider {
    // In the order of their names, in which they are sent.
    /// The provider configuration that holds the endpoint and the credentials.
    #[serde(default)]
    #[schemars(title = "Provider configuration", extend("default" = {}))]
    pub config_ref: ProviderConfigReference,

    /// The cloud.
    #[serde(default, rename = "type")]
    #[schemars(title = "Cloud")]
    pub kind: ProviderType,
}

/// A cloud that platforms can run in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProviderType {
    /// Hetzner Cloud.
    #[default]
    Hetzner,
}

/// One place where the platform runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [json!({
    "rule": "self.location == oldSelf.location",
    "message": "location cannot be changed: add a region and remove this one",
})]))]
pub struct Region {
    /// Name of the region, unique in the platform.
    #[schemars(
        title = "Name",
        length(max = 20),
        regex(pattern = NAME)
    )]
    pub name: String,

    /// Location in the cloud, for example fsn1, nbg1, hel1, ash, hil or sin.
    #[schemars(
        title = "Location",
        length(max = 32),
        regex(pattern = LOCATION)
    )]
    pub location: String,

    /// The region's private network.
    #[serde(default)]
    #[schemars(title = "Network", extend("default" = {}))]
    pub network: NetworkRequest,

    /// What the region is for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Role", with = "RegionRole")]
    pub role: Option<RegionRole>,

    /// What may reach servers from the internet, in addition to what the platform needs.
    #[serde(default)]
    #[schemars(title = "Firewall", extend("default" = {}))]
    pub firewall: FirewallRequest,

    /// SSH keys that let root in on new servers. A region with servers needs one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "SSH keys",
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub ssh_keys: Vec<SshKey>,

    /// Load balancers, in addition to those in front of API servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "Load balancers",
        length(max = 8),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub load_balancers: Vec<LoadBalancerRequest>,

    /// Kubernetes clusters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "Clusters",
        length(max = 8),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub clusters: Vec<ClusterRequest>,
}

/// What a region is for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RegionRole {
    /// Data flows from here to the others. One region of a platform at most.
    Primary,
    /// It takes over when the primary fails.
    Standby,
    /// One among equals.
    Peer,
}

/// What may reach servers of a region, as a claim asks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FirewallRequest {
    /// What is let in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(title = "Rules", length(max = 20))]
    pub rules: Vec<FirewallRule>,
}

/// How the platform is operated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Operations {
    /// What happens when the claim is deleted.
    #[serde(default)]
    #[schemars(title = "Deletion", extend("default" = {}))]
    pub deletion: Deletion,

    /// How changes reach servers that run.
    #[serde(default)]
    #[schemars(title = "Upgrade", extend("default" = {}))]
    pub upgrade: Upgrade,

    /// Steps of `status.plan` that may be carried out, by their hash; `automatic`
    /// approves every step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "Approved steps",
        length(max = 100),
        inner(length(max = 64)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub approve: Vec<String>,
}

/// What approves every step of the plan.
pub const APPROVE_ALL: &str = "automatic";

/// What happens when the claim is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    json!({
        "rule": "!has(self.teardown) || !self.teardown || has(self.protect) && !self.protect",
        "message": "teardown needs protect: false",
    }),
    json!({
        "rule": "!has(self.sweep) || !self.sweep || has(self.teardown) && self.teardown",
        "message": "sweep needs teardown: true",
    }),
]))]
pub struct Deletion {
    /// Refuse to delete the claim. Set it to false, wait until the platform has
    /// taken the change over, then delete.
    #[serde(default = "protect")]
    #[schemars(title = "Protect")]
    pub protect: bool,

    /// Take the platform down in order, clusters before the regions that they stand in,
    /// and keep nothing but the claim, which can be deleted then. Everything in the
    /// platform is lost. Needs `protect: false`.
    #[serde(default)]
    #[schemars(title = "Teardown")]
    pub teardown: bool,

    /// With a teardown, delete what others made in the networks of the platform, once
    /// its clusters are gone: load balancers, servers of autoscalers, and volumes that are
    /// or were attached to servers there, with all data on them. Without it the teardown
    /// lists them and waits until somebody has deleted them. In a network that existed
    /// before the platform nothing is deleted. Needs `teardown: true`.
    #[serde(default)]
    #[schemars(title = "Sweep")]
    pub sweep: bool,
}

/// How changes reach servers that run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Upgrade {
    /// What a change of version, image or user data does to servers that run.
    #[serde(default)]
    #[schemars(title = "Strategy")]
    pub strategy: UpgradeStrategy,
}

/// What a change of version, image or user data does to servers that run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UpgradeStrategy {
    /// Nothing: it applies to new servers.
    #[default]
    NewServers,
}

fn protect() -> bool {
    true
}

impl Default for Deletion {
    fn default() -> Self {
        Self {
            protect: protect(),
            teardown: false,
            sweep: false,
        }
    }
}

/// What a platform looks like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlatformStatus {
    /// What the platform costs each month by the list price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,

    /// One row for each region.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<RegionRow>,

    /// Steps that would destroy data or capacity. They wait for
    /// `spec.operations.approve`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<PlannedStep>,
}

/// A region in the status of a platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegionRow {
    // In the order of their names, in which they are sent.
    /// The region's clusters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<ClusterRow>,
    /// What the region costs each month by the list price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// What others made in the region's network, such as volumes, servers and load
    /// balancers of its clusters. Left out until somebody has looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign: Option<Foreign>,
    /// The region's load balancers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub load_balancers: Vec<LoadBalancerRow>,
    /// Location in the cloud.
    pub location: String,
    /// Why it is not ready, for a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Name of the region.
    pub name: String,
    /// The region's network.
    #[serde(default)]
    pub network: NetworkStatus,
    /// Whether everything of the region is ready.
    pub ready: bool,
    /// Why it is not ready, in one word.
    pub reason: String,
}

/// A step that would destroy data or capacity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedStep {
    /// Kind of the object.
    pub kind: String,
    /// Name of the object.
    pub name: String,
    /// What happens to it.
    pub action: String,
    /// Why.
    pub why: String,
    /// Identifies the step in `spec.operations.approve`; a changed step has another.
    pub hash: String,
}
