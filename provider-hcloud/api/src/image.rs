//! Image: what a server can be created from. Only observed.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    deprecation::Deprecation,
    managed::{ManagedSpec, ManagedStatus},
    schema,
};

/// Desired state of an image.
#[derive(
    Clone, CustomResource, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize,
)]
#[kube(
    group = "hcloud.openova.io",
    version = "v1alpha1",
    kind = "Image",
    doc = "An image of Hetzner Cloud that servers can be created from: a system, an app, a snapshot or a backup. It is only observed.",
    namespaced,
    status = "ImageStatus",
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
        name = "IMAGE",
        type_ = "string",
        json_path = ".status.atProvider.name"
    ),
    printcolumn(name = "TYPE", type_ = "string", json_path = ".status.atProvider.type"),
    printcolumn(
        name = "STATUS",
        type_ = "string",
        json_path = ".status.atProvider.status"
    ),
    printcolumn(
        name = "ARCHITECTURE",
        type_ = "string",
        json_path = ".status.atProvider.architecture"
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ImageSpec {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedSpec,

    /// Which image is meant. Images are only read, whatever `managementPolicies` allow.
    pub for_provider: ImageParameters,
}

/// Which image is meant. Of several that fit, the newest is taken.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.name), has(self.id), has(self.labelSelector)].filter(given, given).size() <= 1")
    .message("name, id and labelSelector exclude each other"))]
pub struct ImageParameters {
    /// Name of a system image or app, for example ubuntu-24.04. Default: `metadata.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,

    /// Id, instead of the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::id")]
    pub id: Option<String>,

    /// Selector for the labels of a snapshot, instead of the name, for example
    /// `os=talos,version=v1.11`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    pub label_selector: Option<String>,

    /// x86 or arm. Default: x86 for a name, any for labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub architecture: Option<String>,

    /// Whether an image that goes out of use may be taken. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_deprecated: Option<bool>,
}

/// Observed state of an image.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageStatus {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedStatus,

    /// The image as it is at Hetzner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<ImageObservation>,
}

/// An image as it is at Hetzner.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageObservation {
    /// Id at Hetzner; the external name.
    pub id: i64,

    /// Name at Hetzner; snapshots and backups have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,

    /// Description, for a person to read.
    #[serde(default)]
    pub description: String,

    /// system, app, snapshot or backup.
    #[serde(default, rename = "type")]
    pub type_: String,

    /// available, creating or unavailable.
    #[serde(default)]
    pub status: String,

    /// x86 or arm.
    #[serde(default)]
    pub architecture: String,

    /// Operating system, for example ubuntu.
    #[serde(default)]
    pub os_flavor: String,

    /// Version of the operating system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,

    /// Size of the disk that a server needs at least, in GB.
    #[serde(default)]
    pub disk_size: i64,

    /// Size of a snapshot or backup as it is stored and charged for, in GB, as decimal text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_size: Option<String>,

    /// Whether servers are created from it especially fast.
    #[serde(default)]
    pub rapid_deploy: bool,

    /// Id of the server that a snapshot or backup was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_from: Option<i64>,

    /// Id of the server that a backup belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_to: Option<i64>,

    /// When the image goes out of use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecation: Option<Deprecation>,

    /// All labels, those of other parties included.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,

    /// Whether Hetzner refuses to delete the image.
    #[serde(default)]
    pub delete_protection: bool,

    /// When the image was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
}

crate::managed!(Image, ImageObservation);
