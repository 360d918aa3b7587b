//! The managed-resource runtime: Crossplane's contract for a provider, for any kind of any cloud.
//!
//! ```text
//! watch ─> Reconciler: gather ─> plan::next (PURE: Situation -> Step) ─> one external mutation ─> one status write
//! ```
//!
//! - [`external`] is what a kind implements: observe, create, update, delete. [`erased`] hides its types from the rest,
//!   which works on [`stored`] objects and decodes one to reconcile it; [`summary`] is what is known without.
//! - [`plan`] decides; it follows the branches of crossplane-runtime's managed reconciler in their order, and says
//!   where and why it deviates.
//! - [`reconcile`] gathers what the plan needs, executes the one step, and records the result.
//! - [`provider_config`], [`credentials`] and [`usage`] are the ProviderConfig family.
//! - [`controller`] runs one kind; [`activation`] waits until the kind is served (safe-start); [`cache`] knows what has
//!   been listed.
//! - [`leader`] lets one of several processes do all this.
//!
//! Strings that people and other programs know (annotations, reasons, finalizers, metric names) are Crossplane's.

pub mod activation;
pub mod annotations;
pub mod cache;
pub mod conditions;
pub mod controller;
pub mod credentials;
pub mod desired;
pub mod directory;
pub mod erased;
pub mod events;
pub mod external;
pub mod leader;
pub mod metrics;
pub mod plan;
pub mod policies;
mod progress;
pub mod provider_config;
pub mod rate;
pub mod reconcile;
pub mod stored;
pub mod summary;
pub mod usage;

pub use controller::{Runtime, Settings};
pub use credentials::SecretValue;
pub use desired::Desired;
pub use external::{
    Connection, Connector, Created, Difference, Drift, External, ExternalError, Identity, Look,
    Observation, Present, Readiness, Remedy, Retry,
};

/// Finalizer that keeps a managed resource until its external resource is gone.
pub const FINALIZER: &str = "finalizer.managedresource.crossplane.io";
