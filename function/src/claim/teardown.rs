//! What others made in the network of a region, such as a cluster's cloud controller
//! manager, CSI driver and autoscaler, and how a region goes in a teardown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What others made in the network of a region.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Foreign {
    // In the order of their names, in which they are sent.
    /// How many load balancers, servers and volumes others made.
    #[serde(default)]
    pub count: u32,
    /// The first few of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// What becomes of what others made when a region is taken down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Teardown {
    /// It is listed, and the region waits until somebody has deleted it.
    Keep,
    /// It is deleted once the region's clusters are gone.
    Sweep,
}

/// How far the teardown of a region is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TeardownStage {
    /// What others made is known as it was when the teardown began.
    Listed,
    /// No server and no load balancer of the platform is left.
    Vacant,
}
