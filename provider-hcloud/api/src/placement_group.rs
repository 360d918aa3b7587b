//! PlacementGroup: servers that run on different hosts.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    managed::{ManagedSpec, ManagedStatus},
    schema::{self, name_fits},
};

/// Longest name that is accepted.
pub const NAME_MAX_LENGTH: u32 = 63;

/// Desired state of a placement group.
#[derive(
    Clone, CustomResource, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize,
)]
#[kube(
    group = "hcloud.openova.io",
    version = "v1alpha1",
    kind = "PlacementGroup",
    doc = "A placement group in Hetzner Cloud: its servers, ten at most, run on different hosts.",
    namespaced,
    status = "PlacementGroupStatus",
    derive = "Default",
    derive = "PartialEq",
    category = "crossplane",
    category = "managed",
    category = "hcloud",
    printcolumn(
        name = "READY",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "SYNCED",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Synced')].status"
    ),
    printcolumn(
        name = "EXTERNAL-NAME",
        type_ = "string",
        json_path = ".metadata.annotations.crossplane\\.io/external-name"
    ),
    printcolumn(
        name = "TYPE",
        type_ = "string",
        json_path = ".status.atProvider.type"
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    validation = name_fits(NAME_MAX_LENGTH)
)]
#[serde(rename_all = "camelCase")]
pub struct PlacementGroupSpec {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedSpec,

    /// The placement group as it should be. A field that is left out is not managed.
    pub for_provider: PlacementGroupParameters,
}

/// A placement group as it should be.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlacementGroupParameters {
    /// Name at Hetzner, unique in the project. Default: `metadata.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub name: Option<String>,

    /// How servers are placed. Default and only type: spread, every server on a host of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "type")]
    pub type_: Option<PlacementGroupType>,

    /// Labels at Hetzner. They are merged: labels that others put on the placement group stay, and a label
    /// that is taken out here is left there. Keys and values follow the rules of Kubernetes labels;
    /// the prefixes `hetzner.cloud/` and `hcloud.openova.io/` are reserved.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::labels")]
    pub labels: BTreeMap<String, String>,
}

/// How servers are placed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(description = "")]
pub enum PlacementGroupType {
    /// Every server on a host of its own.
    #[default]
    Spread,
}

impl PlacementGroupType {
    /// The type as the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spread => "spread",
        }
    }
}

/// Observed state of a placement group.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlacementGroupStatus {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedStatus,

    /// The placement group as it is at Hetzner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<PlacementGroupObservation>,
}

/// A placement group as it is at Hetzner.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlacementGroupObservation {
    /// Id at Hetzner; the external name.
    pub id: i64,

    /// Name at Hetzner.
    #[serde(default)]
    pub name: String,

    /// How servers are placed.
    #[serde(default, rename = "type")]
    pub type_: String,

    /// Ids of the servers in the group, in ascending order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<i64>,

    /// All labels, those of other parties included.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,

    /// When the placement group was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
}

crate::managed!(PlacementGroup, PlacementGroupObservation);
