//! `function-xplatform`: a Crossplane composition function that turns a `Platform`
//! into a tree of composite resources, and the leaves of that tree into managed
//! resources.
//!
//! ```text
//! bytes ─ server ─> request ─ composite ─> Composite (which kind, typed spec)
//!    XPlatform:  claim ─claim::validate─> ValidPlatform ─plan─> Composition
//!    XRegion:    spec ─region─> Composition
//!    XCluster, XNodePool, XNodeGroup, XLoadBalancer: likewise
//! Composition + observed ─respond─> desired, status, conditions, results, TTL
//! ```
//!
//! Every stage is pure and synchronous, and accepts only the type that the stage
//! before it makes; [`server`] alone knows tonic and tokio. The same input gives the
//! same bytes.
//!
//! - [`claim`]: what people write, and its checks; the source of the schemas in [`xrd`].
//! - [`plan`], [`region`], [`cluster`], [`node_pool`], [`node_group`], [`load_balancer`]:
//!   what a composite resource results in.
//! - [`pki`], [`k3s`], [`kubeconfig`]: what servers become a cluster from, and how it
//!   is reached.
//! - [`respond`]: the rules of Crossplane that are the same for every kind.
//! - [`structpb`]: how objects travel.
//! - [`offline`]: the whole tree of a claim without a cluster.

pub mod claim;
pub mod cli;
pub mod cloud_init;
pub mod cluster;
pub mod composite;
pub mod composition;
pub mod environment;
pub mod k3s;
pub mod kubeconfig;
pub mod label;
pub mod load_balancer;
mod managed;
mod metrics;
pub mod name;
pub mod node_group;
pub mod node_pool;
pub mod observed;
pub mod offline;
pub mod pki;
pub mod plan;
pub mod ready;
pub mod region;
pub mod respond;
pub mod run;
pub mod server;
pub mod structpb;
pub mod xrd;
