//! Provider configurations (credentials) and the record of who uses them.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{condition::Condition, managed::ProviderConfigReference};

/// Where credentials come from.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum CredentialsSource {
    /// A key of a Secret.
    #[default]
    Secret,
}

fn default_key() -> String {
    "token".to_owned()
}

/// A key of a Secret in the namespace of the object that refers to it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SecretKeySelector {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// Key in the Secret.
    #[serde(default = "default_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// A key of a Secret in any namespace.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct NamespacedSecretKeySelector {
    /// Namespace of the Secret.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,

    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// Key in the Secret.
    #[serde(default = "default_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// Credentials of a ProviderConfig.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// Where the credentials come from.
    #[serde(default)]
    pub source: CredentialsSource,

    /// The Secret in the namespace of this configuration. Its value is the bare API token, or a
    /// JSON object with `token` and, optionally, `endpoint`.
    pub secret_ref: SecretKeySelector,
}

/// Credentials of a ClusterProviderConfig.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespacedCredentials {
    /// Where the credentials come from.
    #[serde(default)]
    pub source: CredentialsSource,

    /// The Secret. Its value is the bare API token, or a JSON object with `token` and,
    /// optionally, `endpoint`.
    pub secret_ref: NamespacedSecretKeySelector,
}

/// Desired state of a ProviderConfig.
#[derive(Clone, CustomResource, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "hcloud.openova.io",
    version = "v1alpha1",
    kind = "ProviderConfig",
    doc = "Credentials for Hetzner Cloud that managed resources of the same namespace may use. It reads Secrets of its own namespace only.",
    namespaced,
    status = "ProviderConfigStatus",
    derive = "PartialEq",
    category = "crossplane",
    category = "provider",
    category = "hcloud",
    printcolumn(
        name = "READY",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "SECRET-NAME",
        type_ = "string",
        json_path = ".spec.credentials.secretRef.name"
    ),
    printcolumn(
        name = "ENDPOINT",
        type_ = "string",
        json_path = ".spec.endpoint",
        priority = 1
    ),
    printcolumn(name = "USERS", type_ = "integer", json_path = ".status.users"),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ProviderConfigSpec {
    /// Credentials for the API; they decide which project is used.
    pub credentials: Credentials,

    /// Base URL of the API, for a proxy or a stand-in. Default: `https://api.hetzner.cloud/v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 2048),
        regex(pattern = r"^https?://[^\s/?#]+(/[^\s?#]*)?$")
    )]
    pub endpoint: Option<String>,
}

/// Desired state of a ClusterProviderConfig.
#[derive(Clone, CustomResource, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "hcloud.openova.io",
    version = "v1alpha1",
    kind = "ClusterProviderConfig",
    doc = "Credentials for Hetzner Cloud that managed resources of every namespace may use.",
    status = "ProviderConfigStatus",
    derive = "PartialEq",
    category = "crossplane",
    category = "provider",
    category = "hcloud",
    printcolumn(
        name = "READY",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "SECRET-NAMESPACE",
        type_ = "string",
        json_path = ".spec.credentials.secretRef.namespace"
    ),
    printcolumn(
        name = "SECRET-NAME",
        type_ = "string",
        json_path = ".spec.credentials.secretRef.name"
    ),
    printcolumn(
        name = "ENDPOINT",
        type_ = "string",
        json_path = ".spec.endpoint",
        priority = 1
    ),
    printcolumn(name = "USERS", type_ = "integer", json_path = ".status.users"),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterProviderConfigSpec {
    /// Credentials for the API; they decide which project is used.
    pub credentials: NamespacedCredentials,

    /// Base URL of the API, for a proxy or a stand-in. Default: `https://api.hetzner.cloud/v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 2048),
        regex(pattern = r"^https?://[^\s/?#]+(/[^\s?#]*)?$")
    )]
    pub endpoint: Option<String>,
}

/// Observed state of a provider configuration.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderConfigStatus {
    /// Ready: whether the credentials can be used. False with reason Unavailable when the Secret or its key is missing,
    /// with reason Unauthorized and Hetzner's own message when the API refuses the token, and True again when it
    /// accepts it or the Secret has changed. Terminating: deleted, but still used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["type"]
    ))]
    pub conditions: Vec<Condition>,

    /// Number of managed resources that use this configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<i64>,
}

/// The managed resource that uses a configuration.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceReference {
    /// API version of the managed resource.
    pub api_version: String,

    /// Kind of the managed resource.
    pub kind: String,

    /// Name of the managed resource.
    pub name: String,

    /// UID of the managed resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// One managed resource uses one configuration, of either kind. Written by the provider; deleted
/// with the managed resource by garbage collection.
#[derive(Clone, CustomResource, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "hcloud.openova.io",
    version = "v1alpha1",
    kind = "ProviderConfigUsage",
    doc = "Records that a managed resource uses a ProviderConfig or ClusterProviderConfig, so that the configuration is not deleted while it is needed. Written by the provider.",
    namespaced,
    no_spec,
    derive = "PartialEq",
    category = "crossplane",
    category = "provider",
    category = "hcloud",
    printcolumn(
        name = "CONFIG-KIND",
        type_ = "string",
        json_path = ".providerConfigRef.kind"
    ),
    printcolumn(
        name = "CONFIG-NAME",
        type_ = "string",
        json_path = ".providerConfigRef.name"
    ),
    printcolumn(
        name = "RESOURCE-KIND",
        type_ = "string",
        json_path = ".resourceRef.kind"
    ),
    printcolumn(
        name = "RESOURCE-NAME",
        type_ = "string",
        json_path = ".resourceRef.name"
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ProviderConfigUsageFields {
    /// The configuration that is used.
    pub provider_config_ref: ProviderConfigReference,

    /// The managed resource that uses it.
    pub resource_ref: ResourceReference,
}
