//! `XPlatform`: the claim's spec and status.

use provider_hcloud_api::managed::ProviderConfigReference;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::network::{NetworkRequest, NetworkStatus};

/// A whole platform: the regions it lives in and how it is operated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlatformSpec {
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
        regex(pattern = r"^[a-z]([a-z0-9-]*[a-z0-9])?$")
    )]
    pub name: String,

    /// Location in the cloud, for example fsn1, nbg1, hel1, ash, hil or sin.
    #[schemars(
        title = "Location",
        length(max = 32),
        regex(pattern = r"^[a-z][a-z0-9-]*$")
    )]
    pub location: String,

    /// The region's private network.
    #[serde(default)]
    #[schemars(title = "Network", extend("default" = {}))]
    pub network: NetworkRequest,
}

/// How the platform is operated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Operations {
    /// What happens when the claim is deleted.
    #[serde(default)]
    #[schemars(title = "Deletion", extend("default" = {}))]
    pub deletion: Deletion,

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
pub struct Deletion {
    /// Refuse to delete the claim. Set it to false, wait until the platform has
    /// taken the change over, then delete.
    #[serde(default = "protect")]
    #[schemars(title = "Protect")]
    pub protect: bool,
}

fn protect() -> bool {
    true
}

impl Default for Deletion {
    fn default() -> Self {
        Self { protect: protect() }
    }
}

/// What a platform looks like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlatformStatus {
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
