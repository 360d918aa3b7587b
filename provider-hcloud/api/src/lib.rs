//! Kubernetes API types of provider-hcloud, group `hcloud.openova.io`.
//!
//! The types are the only source of the CRDs, and their doc comments are the reference that
//! `kubectl explain` shows. [`managed`](mod@managed) holds what every managed resource shares, each kind has a
//! file of its own, [`provider_config`] holds credentials and their usage. Nothing in here talks
//! to a server, so other programs can build and read these objects without a client.
//!
//! Enums that are optional fields have no description of their own in the schema: it would take the place of the
//! field's.

#![expect(
    unreachable_pub,
    reason = "the schema derive repeats the structs in a private scope"
)]
#![expect(
    clippy::duplicated_attributes,
    reason = "printer columns have types in common"
)]

pub mod condition;
pub mod deprecation;
pub mod firewall;
pub mod image;
pub mod inventory;
pub mod load_balancer;
pub mod load_balancer_network;
pub mod load_balancer_service;
pub mod load_balancer_target;
pub mod load_balancer_type;
pub mod location;
pub mod managed;
pub mod money;
pub mod network;
pub mod placement_group;
pub mod price;
pub mod pricing;
pub mod primary_ip;
pub mod provider_config;
pub mod reference;
pub mod reverse_dns;
pub mod route;
mod schema;
pub mod server;
pub mod server_network;
pub mod server_type;
pub mod ssh_key;
pub mod subnet;
pub mod volume;
pub mod volume_attachment;

pub use condition::{Condition, ConditionStatus};
pub use deprecation::Deprecation;
pub use firewall::{
    Firewall, FirewallDirection, FirewallLabelSelector, FirewallObservation, FirewallParameters,
    FirewallProtocol, FirewallRule, FirewallSpec, FirewallStatus, ObservedFirewallRule,
};
pub use image::{Image, ImageObservation, ImageParameters, ImageSpec, ImageStatus};
pub use inventory::{
    Inventory, InventoryKind, InventoryObject, InventoryObservation, InventoryParameters,
    InventorySpec, InventoryStatus,
};
pub use load_balancer::{
    LoadBalancer, LoadBalancerAlgorithm, LoadBalancerObservation, LoadBalancerParameters,
    LoadBalancerPrivateNet, LoadBalancerPublicNet, LoadBalancerSpec, LoadBalancerStatus,
};
pub use load_balancer_network::{
    LoadBalancerNetwork, LoadBalancerNetworkObservation, LoadBalancerNetworkParameters,
    LoadBalancerNetworkSpec, LoadBalancerNetworkStatus,
};
pub use load_balancer_service::{
    LoadBalancerHealthCheck, LoadBalancerHealthCheckHttp, LoadBalancerHealthCheckProtocol,
    LoadBalancerProtocol, LoadBalancerService, LoadBalancerServiceHttp,
    LoadBalancerServiceObservation, LoadBalancerServiceParameters, LoadBalancerServiceSpec,
    LoadBalancerServiceStatus, ObservedHealthCheck, ObservedServiceHttp,
};
pub use load_balancer_target::{
    LoadBalancerHealth, LoadBalancerTarget, LoadBalancerTargetObservation,
    LoadBalancerTargetParameters, LoadBalancerTargetServer, LoadBalancerTargetSpec,
    LoadBalancerTargetStatus,
};
pub use load_balancer_type::{
    LoadBalancerType, LoadBalancerTypeObservation, LoadBalancerTypeParameters,
    LoadBalancerTypeSpec, LoadBalancerTypeStatus,
};
pub use location::{
    Location, LocationObservation, LocationParameters, LocationSpec, LocationStatus,
};
pub use managed::{
    Managed, ManagedSpec, ManagedStatus, ManagementPolicy, ProviderConfigKind,
    ProviderConfigReference,
};
pub use network::{
    Network, NetworkObservation, NetworkParameters, NetworkRoute, NetworkSpec, NetworkStatus,
    NetworkSubnet,
};
pub use placement_group::{
    PlacementGroup, PlacementGroupObservation, PlacementGroupParameters, PlacementGroupSpec,
    PlacementGroupStatus, PlacementGroupType,
};
pub use price::{Amount, LocationPrice, Price};
pub use pricing::{
    Pricing, PricingObservation, PricingParameters, PricingSpec, PricingStatus, TypePrices,
};
pub use primary_ip::{
    DnsPtr, PrimaryIP, PrimaryIPObservation, PrimaryIPParameters, PrimaryIPSpec, PrimaryIPStatus,
    PrimaryIPType,
};
pub use provider_config::{
    ClusterProviderConfig, ClusterProviderConfigSpec, Credentials, CredentialsSource,
    NamespacedCredentials, NamespacedSecretKeySelector, ProviderConfig, ProviderConfigSpec,
    ProviderConfigStatus, ProviderConfigUsage, ProviderConfigUsageFields, ResourceReference,
    SecretKeySelector,
};
pub use reference::{
    LocalSecretKeySelector, LocalSecretReference, Reference, ReferenceField, ReferencePolicy,
    Resolution, Resolve, Selector, Slot,
};
pub use reverse_dns::{
    IpFamily, ReverseDNS, ReverseDNSObservation, ReverseDNSParameters, ReverseDNSSpec,
    ReverseDNSStatus,
};
pub use route::{Route, RouteObservation, RouteParameters, RouteSpec, RouteStatus};
pub use server::{
    PowerState, Server, ServerImage, ServerImageChoice, ServerNetworkChoice, ServerObservation,
    ServerParameters, ServerPrivateNet, ServerPublicNet, ServerRescue, ServerSpec, ServerStatus,
};
pub use server_network::{
    ServerNetwork, ServerNetworkObservation, ServerNetworkParameters, ServerNetworkSpec,
    ServerNetworkStatus,
};
pub use server_type::{
    ServerType, ServerTypeLocation, ServerTypeObservation, ServerTypeParameters, ServerTypeSpec,
    ServerTypeStatus,
};
pub use ssh_key::{SSHKey, SSHKeyObservation, SSHKeyParameters, SSHKeySpec, SSHKeyStatus};
pub use subnet::{
    Subnet, SubnetObservation, SubnetParameters, SubnetSpec, SubnetStatus, SubnetType,
};
pub use volume::{
    Volume, VolumeFormat, VolumeObservation, VolumeParameters, VolumeSpec, VolumeStatus,
};
pub use volume_attachment::{
    VolumeAttachment, VolumeAttachmentObservation, VolumeAttachmentParameters,
    VolumeAttachmentSpec, VolumeAttachmentStatus,
};

/// API group of every kind in this crate.
pub const GROUP: &str = "hcloud.openova.io";

/// API version of every kind in this crate.
pub const VERSION: &str = "v1alpha1";

/// Label on external objects that carries the UID of the managed object they belong to.
pub const UID_LABEL: &str = "hcloud.openova.io/uid";

#[cfg(test)]
mod tests;
