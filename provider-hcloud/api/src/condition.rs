//! Crossplane's condition: like the Kubernetes one, kept for each type at most once.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
pub enum ConditionStatus {
    /// The condition holds.
    True,
    /// The condition does not hold.
    False,
    /// Nothing is known yet.
    Unknown,
}

/// One aspect of the state of an object.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Type of this condition. At most one of each type applies at any time.
    #[serde(rename = "type")]
    pub type_: String,

    /// Whether the condition holds: True, False or Unknown.
    pub status: ConditionStatus,

    /// When this condition last changed.
    pub last_transition_time: Time,

    /// One word for the reason of the last change.
    pub reason: String,

    /// What happened, for a person to read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,

    /// The `metadata.generation` that this condition was computed for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

impl Condition {
    /// Whether `self` says the same as `other`; the time of the last change does not matter.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        self.type_ == other.type_
            && self.status == other.status
            && self.reason == other.reason
            && self.message == other.message
            && self.observed_generation == other.observed_generation
    }
}
