//! The rig: a real Crossplane control plane, without containers.
//!
//! [`Rig::start`] brings up etcd, kube-apiserver, kube-controller-manager, an OCI registry, Crossplane core and its RBAC manager
//! as plain programs in a temporary directory, with free ports, as any user. What is missing of a cluster is replaced by two
//! small parts: the [`kubelet`] stand-in runs what Deployments name, and the [`proxy`] connects core to functions.
//!
//! ```text
//! tools ──> control_plane ──> crossplane ──> (packages installed by tests) ──> Deployments ──> kubelet
//!                                  └── HTTPS_PROXY ──> proxy ──────── Service ───────────────────┘
//! ```
//!
//! Everything dies with the program that uses the rig: its `main` calls [`launch::init`] first.

pub mod apply;
mod chart;
mod control_plane;
mod crossplane;
pub mod daemon;
pub mod flux;
pub mod interceptor;
mod kubeconfig;
pub mod kubelet;
pub mod launch;
mod loopback;
pub mod machine;
pub mod package;
pub mod proxy;
mod registry;
mod rig;
mod scratch;
pub mod tools;
pub mod tree;
pub mod updates;
pub mod wait;
mod xplatform;

pub use rig::{Options, Rig};
