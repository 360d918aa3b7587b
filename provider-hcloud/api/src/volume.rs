//! Volume: block storage that a server of the same location can be given.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    managed::{ManagedSpec, ManagedStatus},
    price::Price,
    schema::{self, name_fits, required},
};

/// Longest name that is accepted.
pub const NAME_MAX_LENGTH: u32 = 64;

/// Desired state of a volume.
#[derive(
    Clone, CustomResource, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize,
)]
#[kube(
    group = "hcloud.openova.io",
    version = "v1alpha1",
    kind = "Volume",
    doc = "A volume in Hetzner Cloud: block storage that can be attached to one server of the same location at a time.",
    namespaced,
    status = "VolumeStatus",
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
        name = "STATUS",
        type_ = "string",
        json_path = ".status.atProvider.status"
    ),
    printcolumn(
        name = "SIZE",
        type_ = "integer",
        json_path = ".status.atProvider.size"
    ),
    printcolumn(
        name = "LOCATION",
        type_ = "string",
        json_path = ".status.atProvider.location"
    ),
    printcolumn(
        name = "SERVER",
        type_ = "integer",
        json_path = ".status.atProvider.serverId"
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    validation = name_fits(NAME_MAX_LENGTH)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = required("size"), validation = required("location"))]
pub struct VolumeSpec {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedSpec,

    /// The volume as it should be. A field that is left out is not managed.
    pub for_provider: VolumeParameters,
}

/// A volume as it should be.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeParameters {
    /// Name at Hetzner, unique in the project. Letters, digits, dashes, underscores and dots, with
    /// a letter or digit at both ends. Default: `metadata.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 64),
        regex(pattern = r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")
    )]
    pub name: Option<String>,

    /// Size in GB, from 10 to 10240. It can grow in place, also while attached (the file system is
    /// grown by whoever uses it); it cannot shrink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 10, max = 10240))]
    pub size: Option<i64>,

    /// Location, for example fsn1. The server that it is attached to must be there too. To
    /// change it, the volume has to be replaced, and what is stored on it is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub location: Option<String>,

    /// File system that a new volume is formatted with: xfs or ext4. Without it the volume stays
    /// unformatted. It says nothing about a volume that exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<VolumeFormat>,

    /// Labels at Hetzner. They are merged: labels that others put on the volume stay, and a label
    /// that is taken out here is left there. Keys and values follow the rules of Kubernetes labels;
    /// the prefixes `hetzner.cloud/` and `hcloud.openova.io/` are reserved.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::labels")]
    pub labels: BTreeMap<String, String>,

    /// Whether Hetzner refuses to delete the volume. While true, deleting this resource is
    /// refused as well; set it to false first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_protection: Option<bool>,
}

/// File systems that Hetzner formats a volume with.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(description = "")]
pub enum VolumeFormat {
    /// XFS.
    Xfs,
    /// Ext4.
    Ext4,
}

impl VolumeFormat {
    /// The file system as the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Xfs => "xfs",
            Self::Ext4 => "ext4",
        }
    }
}

/// Observed state of a volume.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeStatus {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedStatus,

    /// The volume as it is at Hetzner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<VolumeObservation>,
}

/// A volume as it is at Hetzner.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeObservation {
    /// Id at Hetzner; the external name.
    pub id: i64,

    /// Name at Hetzner.
    #[serde(default)]
    pub name: String,

    /// creating or available.
    #[serde(default)]
    pub status: String,

    /// Size in GB.
    #[serde(default)]
    pub size: i64,

    /// Location.
    #[serde(default)]
    pub location: String,

    /// Id of the server that it is attached to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_id: Option<i64>,

    /// Path of the device on that server.
    #[serde(default)]
    pub linux_device: String,

    /// File system that it was formatted with when it was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,

    /// All labels, those of other parties included.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,

    /// Whether Hetzner refuses to delete the volume.
    #[serde(default)]
    pub delete_protection: bool,

    /// What it costs according to the price list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,

    /// When the volume was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
}

crate::managed!(Volume, VolumeObservation);
