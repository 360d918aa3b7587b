//! SSHKey: a public key that new servers let in.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    managed::{ManagedSpec, ManagedStatus},
    schema::{self, name_fits, required},
};

/// Longest name that is accepted.
pub const NAME_MAX_LENGTH: u32 = 63;

/// Desired state of an SSH key.
#[derive(
    Clone, CustomResource, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize,
)]
#[kube(
    group = "hcloud.openova.io",
    version = "v1alpha1",
    kind = "SSHKey",
    doc = "A public SSH key in Hetzner Cloud that new servers can be given.",
    namespaced,
    status = "SSHKeyStatus",
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
        name = "FINGERPRINT",
        type_ = "string",
        json_path = ".status.atProvider.fingerprint"
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    validation = name_fits(NAME_MAX_LENGTH)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = required("publicKey"))]
pub struct SSHKeySpec {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedSpec,

    /// The SSH key as it should be. A field that is left out is not managed.
    pub for_provider: SSHKeyParameters,
}

/// An SSH key as it should be.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SSHKeyParameters {
    /// Name at Hetzner, unique in the project. Default: `metadata.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub name: Option<String>,

    /// The public key as in a line of `authorized_keys`, for example `ssh-ed25519 AAAA… comment`.
    /// Unique in the project. To change it, the key has to be replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 16384),
        regex(pattern = r"^[a-z0-9@.-]+ +[A-Za-z0-9+/]+=*( [^\r\n]*)?\s*$")
    )]
    pub public_key: Option<String>,

    /// Labels at Hetzner. They are merged: labels that others put on the SSH key stay, and a label
    /// that is taken out here is left there. Keys and values follow the rules of Kubernetes labels;
    /// the prefixes `hetzner.cloud/` and `hcloud.openova.io/` are reserved.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::labels")]
    pub labels: BTreeMap<String, String>,
}

/// Observed state of an SSH key.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SSHKeyStatus {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedStatus,

    /// The SSH key as it is at Hetzner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<SSHKeyObservation>,
}

/// An SSH key as it is at Hetzner.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SSHKeyObservation {
    /// Id at Hetzner; the external name.
    pub id: i64,

    /// Name at Hetzner.
    #[serde(default)]
    pub name: String,

    /// MD5 fingerprint of the public key.
    #[serde(default)]
    pub fingerprint: String,

    /// The public key.
    #[serde(default)]
    pub public_key: String,

    /// All labels, those of other parties included.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,

    /// When the SSH key was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
}

crate::managed!(SSHKey, SSHKeyObservation);
