//! Servers of the simulated cloud that come to life: what a machine would do with its user data, done with real programs.
//!
//! ```text
//! user data ── cloud_config ──> files, commands ── boot ──> Machine (part, token, authorities, configuration)
//!
//! initial server   etcd and kube-apiserver, with certificates that the machine's own authorities sign
//! further server   checks where `server` leads and whose token it has; another kube-apiserver on the same etcd
//! agent            the same checks
//! all of them      register a Node with the identity of a kubelet
//! ```
//!
//! API servers listen at the public addresses of their servers, which lie in a [`Range`] of 127.0.0.0/8. A gateway plays
//! each load balancer: it forwards to healthy targets only. Private addresses lead nowhere on this host: who has one is looked
//! up in the simulator. k3s itself does not run; what it would do at its start is here: it issues certificates, compares the
//! hash in the token with the authority it meets, hands out the authorities of the cluster, and refuses a server whose
//! critical settings differ.

mod api_server;
mod boot;
mod cloud_config;
mod cluster;
mod config;
mod fleet;
mod gateway;
mod landscape;
mod life;
mod node;
mod pki;
mod range;
mod token;

pub use fleet::{Fleet, Options, Outcome, Report};
pub use range::Range;
