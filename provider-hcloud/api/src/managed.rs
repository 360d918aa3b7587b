//! What every managed resource shares: parts of spec and status, and access to them.

use std::fmt::{self, Debug, Display};

use kube::core::NamespaceResourceScope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    condition::Condition,
    reference::{LocalSecretKeySelector, LocalSecretReference, ReferenceField},
};

/// How the message of `Synced=False` begins while a reference leads to nothing yet: the
/// resource that is referred to has not been made.
pub const UNRESOLVED: &str = "cannot resolve references";

/// One thing that the provider may do with the external resource.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
pub enum ManagementPolicy {
    /// Read the external resource and report its state.
    Observe,
    /// Create the external resource when it does not exist.
    Create,
    /// Change the external resource when it differs from the spec.
    Update,
    /// Delete the external resource when the managed resource is deleted.
    Delete,
    /// Fill empty fields of the spec from the external resource.
    LateInitialize,
    /// All of the above.
    #[serde(rename = "*")]
    All,
}

impl Display for ManagementPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Observe => "Observe",
            Self::Create => "Create",
            Self::Update => "Update",
            Self::Delete => "Delete",
            Self::LateInitialize => "LateInitialize",
            Self::All => "*",
        })
    }
}

/// The two kinds of provider configuration.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    Deserialize,
    Eq,
    Hash,
    JsonSchema,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
)]
pub enum ProviderConfigKind {
    /// A configuration that every namespace may use.
    #[default]
    ClusterProviderConfig,
    /// A configuration in the namespace of the managed resource.
    ProviderConfig,
}

impl ProviderConfigKind {
    /// The kind as Kubernetes spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClusterProviderConfig => "ClusterProviderConfig",
            Self::ProviderConfig => "ProviderConfig",
        }
    }
}

impl Display for ProviderConfigKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which provider configuration, and so which credentials, to use.
#[derive(
    Clone, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
pub struct ProviderConfigReference {
    /// ClusterProviderConfig, or ProviderConfig for one in the namespace of this resource.
    #[serde(default)]
    pub kind: ProviderConfigKind,

    /// Name of the provider configuration.
    #[serde(default = "default_config_name")]
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

impl Default for ProviderConfigReference {
    fn default() -> Self {
        Self {
            kind: ProviderConfigKind::default(),
            name: default_config_name(),
        }
    }
}

impl Display for ProviderConfigReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

fn default_config_name() -> String {
    "default".to_owned()
}

fn default_policies() -> Vec<ManagementPolicy> {
    vec![ManagementPolicy::All]
}

/// The part of the spec that does not depend on the kind.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ManagedSpec {
    /// What the provider may do with the external resource. The default, `["*"]`, is everything;
    /// `["Observe"]` only reads; an empty list pauses.
    #[serde(default = "default_policies")]
    #[schemars(length(max = 6), extend("x-kubernetes-list-type" = "set"))]
    pub management_policies: Vec<ManagementPolicy>,

    /// Which provider configuration to use: its credentials decide in which project of the cloud
    /// the external resource lives.
    #[serde(default)]
    pub provider_config_ref: ProviderConfigReference,

    /// A Secret of this namespace that connection details are written to, where the kind has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_connection_secret_to_ref: Option<LocalSecretReference>,
}

impl Default for ManagedSpec {
    fn default() -> Self {
        Self {
            management_policies: default_policies(),
            provider_config_ref: ProviderConfigReference::default(),
            write_connection_secret_to_ref: None,
        }
    }
}

/// The part of the status that does not depend on the kind.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ManagedStatus {
    /// Ready: the external resource can be used. Synced: the last reconcile succeeded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["type"]
    ))]
    pub conditions: Vec<Condition>,

    /// The `metadata.generation` that was last reconciled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// The last value of the annotation `crossplane.io/reconcile-requested-at` that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}

impl ManagedStatus {
    /// The condition of this type, if there is one.
    pub fn condition(&self, type_: &str) -> Option<&Condition> {
        self.conditions.iter().find(|c| c.type_ == type_)
    }
}

/// Access to the shared parts of a managed resource. No behaviour: that is the runtime's.
pub trait Managed:
    kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Serialize
    + Send
    + Sync
    + 'static
{
    /// What is reported of the external resource, `status.atProvider`.
    type AtProvider: Clone + Debug + PartialEq + Send + Sync;

    /// The shared part of the spec.
    fn managed_spec(&self) -> &ManagedSpec;

    /// The shared part of the status, once there is one.
    fn managed_status(&self) -> Option<&ManagedStatus>;

    /// The shared part of the status, made when there is none.
    fn managed_status_mut(&mut self) -> &mut ManagedStatus;

    /// What was last reported of the external resource.
    fn at_provider(&self) -> Option<&Self::AtProvider>;

    /// Replaces what is reported of the external resource.
    fn set_at_provider(&mut self, at_provider: Self::AtProvider);

    /// The fields of the spec that may be given by reference, in a fixed order.
    fn reference_fields(&mut self) -> Vec<ReferenceField<'_>> {
        Vec::new()
    }

    /// The keys of Secrets that the spec names, with the path of each below `spec.forProvider`.
    fn secret_keys(&self) -> Vec<(&'static str, &LocalSecretKeySelector)> {
        Vec::new()
    }
}

/// Implements [`Managed`] for a kind whose spec and status flatten the shared parts as `managed`, and whose
/// observation is `status.at_provider`. What follows the types goes into the implementation.
#[macro_export]
macro_rules! managed {
    ($kind:ty, $at_provider:ty $(, { $($more:tt)* })?) => {
        impl $crate::managed::Managed for $kind {
            type AtProvider = $at_provider;

            fn managed_spec(&self) -> &$crate::managed::ManagedSpec {
                &self.spec.managed
            }

            fn managed_status(&self) -> Option<&$crate::managed::ManagedStatus> {
                self.status.as_ref().map(|status| &status.managed)
            }

            fn managed_status_mut(&mut self) -> &mut $crate::managed::ManagedStatus {
                &mut self.status.get_or_insert_default().managed
            }

            fn at_provider(&self) -> Option<&$at_provider> {
                self.status.as_ref()?.at_provider.as_ref()
            }

            fn set_at_provider(&mut self, at_provider: $at_provider) {
                self.status.get_or_insert_default().at_provider = Some(at_provider);
            }

            $($($more)*)?
        }
    };
}
