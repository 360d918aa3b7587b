//! The claim: what a platform engineer writes, and what is written back; and the specs
//! of the composite resources below it.
//!
//! ```text
//! XPlatform      the claim; decides and allocates
//! └─ XRegion     network, firewall, SSH keys
//!    ├─ XCluster certificates, tokens, user data, kubeconfig, API load balancer
//!    │  └─ XNodePool
//!    │     └─ XNodeGroup   placement group, servers, volumes
//!    └─ XLoadBalancer
//! ```
//!
//! A spec below the claim is complete by itself: the planner fills it in, and it can be
//! written by hand. Types called `…Request` are what a claim asks for; the types without
//! that suffix are what was decided, and what is recorded in them stays.
//!
//! The types here are the only source of the claim's schema: the XRD, its forms and
//! its documentation are generated from them ([`crate::xrd`]), so every doc comment
//! on a field is user documentation. The API server enforces what a schema and CEL
//! can say; [`validate`] refuses the rest.

pub mod cluster;
pub mod cost;
pub mod firewall;
pub mod k3s;
pub mod load_balancer;
pub mod machine;
pub mod network;
pub mod node_group;
pub mod node_pool;
pub mod platform;
pub mod profile;
pub mod region;
pub mod row;
pub mod site;
pub mod ssh;
pub mod teardown;
pub mod validate;

pub use cluster::{ClusterSpec, ClusterStatus};
pub use load_balancer::{LoadBalancerSpec, LoadBalancerStatus};
pub use node_group::{NodeGroupSpec, NodeGroupStatus};
pub use node_pool::{NodePoolSpec, NodePoolStatus};
pub use platform::{PlatformSpec, PlatformStatus};
pub use region::{RegionSpec, RegionStatus};
pub use validate::{Problem, Problems};

/// API group of all composite resources.
pub const GROUP: &str = "compose.openova.io";
/// Version of all composite resources.
pub const VERSION: &str = "v1alpha1";
/// Group and version of all composite resources.
pub const API_VERSION: &str = "compose.openova.io/v1alpha1";

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::de::DeserializeOwned;
    use serde_json::json;

    use super::*;

    /// What is left out whole, and what is there without any field, must be the same:
    /// the API server fills in the one, and nobody fills in the other.
    fn agrees<T: DeserializeOwned + Default + Debug + PartialEq>() {
        let empty: T = serde_json::from_value(json!({})).unwrap();
        assert_eq!(empty, T::default());
    }

    #[test]
    fn what_is_left_out_is_like_what_is_empty() {
        agrees::<cluster::ControlPlaneRequest>();
        agrees::<cluster::EndpointRequest>();
        agrees::<cluster::Networking>();
        agrees::<cluster::NetworkingRequest>();
        agrees::<firewall::Firewall>();
        agrees::<k3s::EtcdSnapshots>();
        agrees::<k3s::K3s>();
        agrees::<k3s::K3sArgs>();
        agrees::<k3s::K3sInstall>();
        agrees::<machine::Public>();
        agrees::<network::NetworkRequest>();
        agrees::<platform::Deletion>();
        agrees::<platform::FirewallRequest>();
        agrees::<platform::Operations>();
        agrees::<platform::Provider>();
        agrees::<platform::Upgrade>();
    }
}
