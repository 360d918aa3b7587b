//! Crossplane provider for Hetzner Cloud.
//!
//! - [`managed`]: the managed-resource runtime. Knows Kubernetes and Crossplane, neither a cloud nor a kind.
//! - [`hcloud`]: the client of the Hetzner Cloud API. Knows nothing of Kubernetes.
//! - [`kind`]: one file for each kind, where the two meet.
//! - [`registry`]: the list of kinds; CRDs and controllers follow from it.
//! - [`provider`]: puts it all together and runs it; [`cli`] holds its flags, [`probe`] its HTTP endpoints.
//! - [`clock`]: time as an input.

pub mod cli;
pub mod clock;
pub mod hcloud;
pub mod kind;
pub mod managed;
pub mod probe;
pub mod provider;
pub mod registry;
