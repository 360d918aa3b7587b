//! Kubernetes API types of provider-hcloud, group `hcloud.openova.io`.
//!
//! The types are the only source of the CRDs, and their doc comments are the reference that
//! `kubectl explain` shows. [`managed`] holds what every managed resource shares, each kind has a
//! file of its own, [`provider_config`] holds credentials and their usage. Nothing in here talks
//! to a server, so other programs can build and read these objects without a client.

pub mod condition;
pub mod managed;
#[expect(
    unreachable_pub,
    reason = "the schema derive repeats the structs in a private scope"
)]
pub mod network;
#[expect(
    clippy::duplicated_attributes,
    reason = "printer columns have types in common"
)]
pub mod provider_config;

pub use condition::{Condition, ConditionStatus};
pub use managed::{
    Managed, ManagedSpec, ManagedStatus, ManagementPolicy, ProviderConfigKind,
    ProviderConfigReference,
};
pub use network::{
    Network, NetworkObservation, NetworkParameters, NetworkRoute, NetworkSpec, NetworkStatus,
    NetworkSubnet,
};
pub use provider_config::{
    ClusterProviderConfig, ClusterProviderConfigSpec, Credentials, CredentialsSource,
    NamespacedCredentials, NamespacedSecretKeySelector, ProviderConfig, ProviderConfigSpec,
    ProviderConfigStatus, ProviderConfigUsage, ProviderConfigUsageFields, ResourceReference,
    SecretKeySelector,
};

/// API group of every kind in this crate.
pub const GROUP: &str = "hcloud.openova.io";

/// API version of every kind in this crate.
pub const VERSION: &str = "v1alpha1";

/// Label on external objects that carries the UID of the managed object they belong to.
pub const UID_LABEL: &str = "hcloud.openova.io/uid";
