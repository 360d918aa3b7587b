//! How types and images go out of use.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something goes out of use.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deprecation {
    /// When that was announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced: Option<Time>,

    /// From when on nothing new can be made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable_after: Option<Time>,
}
