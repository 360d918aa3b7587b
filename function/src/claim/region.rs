//! `XRegion`: one region of a platform, or one written by hand.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::network::{Network, NetworkStatus};
use super::platform::Provider;

/// One region: its network and all that lives in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [json!({
    "rule": "self.location == oldSelf.location",
    "message": "location cannot be changed: a region cannot move",
})]))]
pub struct RegionSpec {
    // In the order of their names, in which they are sent.
    /// Location in the cloud, for example fsn1, nbg1, hel1, ash, hil or sin.
    #[schemars(
        title = "Location",
        length(max = 32),
        regex(pattern = r"^[a-z][a-z0-9-]*$")
    )]
    pub location: String,

    /// The region's private network.
    #[schemars(title = "Network")]
    pub network: Network,

    /// The cloud that the region runs in, and the credentials for it.
    #[serde(default)]
    #[schemars(title = "Provider", extend("default" = {}))]
    pub provider: Provider,
}

/// What a region looks like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegionStatus {
    /// The region's network.
    #[serde(default)]
    pub network: NetworkStatus,
}
