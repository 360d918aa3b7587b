//! The client of the Hetzner Cloud API.
//!
//! ```text
//! Clients ─get(endpoint, token)─> Client ─networks()─> Resources<Network>
//!                                   │
//!   by_id, by_label, by_name, all ──┼─> Snapshot: one shared list per resource type, single-flight refresh
//!   create, update, delete, act ────┼─> request ─> Gate (budget) ─> Transport ─> retry::decide ─> answer
//!   actions that take time ─────────┴─> Actions: one poller, 25 ids per request
//! ```
//!
//! - A [`Client`] stands for one endpoint and one token. [`Clients`] hands out the same one for the same pair, so
//!   that everything which uses a token shares its request budget, its snapshots and its action poller.
//! - Reads name the age that they accept (`max_age`); they are answered from the shared list, which is fetched again
//!   only when it is older. A list alone never proves that an object is gone: [`Resources::by_id`] asks once more.
//! - Mutations return when the API says that they are done, with the object as it then is, and leave it in the
//!   snapshot. A mutation is sent again only when it is proven that nothing happened; a lost answer is
//!   [`Class::OutcomeUnknown`] and the caller's to resolve, by looking for what it may have made.
//! - Every failure is an [`Error`] with a [`Class`]; what to do is decided by the class, never by a text.
//! - A further resource type is one file of the shape of [`network`]: its tolerant structs, its path, its calls.
//!
//! The API has no idempotency token; its rules are those of <https://docs.hetzner.cloud>.

pub mod action;
mod budget;
mod client;
pub mod error;
pub mod firewall;
mod gate;
pub mod image;
pub mod labels;
pub mod load_balancer;
pub mod load_balancer_type;
pub mod location;
mod metrics;
pub mod network;
mod page;
pub mod placement_group;
pub mod pricing;
pub mod primary_ip;
pub mod resource;
mod retry;
pub mod server;
pub mod server_type;
mod snapshot;
pub mod ssh_key;
mod tolerant;
mod transport;
pub mod volume;

pub use action::Action;
pub use budget::Priority;
pub use client::{Client, Clients, Settings, TlsError};
pub use error::{Class, Error};
pub use firewall::Firewall;
pub use image::Image;
pub use load_balancer::LoadBalancer;
pub use load_balancer_type::LoadBalancerType;
pub use location::Location;
pub use metrics::Metrics;
pub use network::Network;
pub use placement_group::PlacementGroup;
pub use primary_ip::PrimaryIp;
pub use resource::{Resource, Resources};
pub use retry::Backoff;
pub use server::Server;
pub use server_type::ServerType;
pub use ssh_key::SshKey;
pub use transport::{Endpoint, InvalidEndpoint, InvalidToken, Token};
pub use volume::Volume;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The address of the public API.
pub const DEFAULT_ENDPOINT: &str = "https://api.hetzner.cloud/v1";

/// Locks `mutex`. What is locked here stays consistent between statements, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
