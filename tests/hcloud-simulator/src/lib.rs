//! A stateful Hetzner Cloud API over real HTTP, for tests and sandboxes.
//!
//! ```text
//! TCP ─ server ─> ApiRequest ─ World::admit (path, token, rate limit) ─> Admission
//!                 Admission ─ fault::FaultPlan (may answer, hold, close) ─> handler(&mut Call) ─> Reply
//! ```
//!
//! Every handler is a plain function on the locked [`World`]; waiting (slow and held answers) happens only at the edge,
//! in `server`. Time comes from a [`Clock`], so a test decides when an action finishes and when a budget refills.
//! The engine names no kind of resource: a kind is one file under `resource/` and its entry in `resource.rs`.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use hcloud_simulator::{DEFAULT_TOKEN, Fault, Options, Simulator};
//!
//! let simulator = Simulator::start(Options::default()).await?;
//! simulator.faults().inject(Fault::on(http::Method::POST, "/networks").close_after());
//! // … point a client at simulator.url() with DEFAULT_TOKEN; its first create is applied, the answer is lost …
//! assert_eq!(simulator.world().project(DEFAULT_TOKEN).map(|project| project.networks().len()), Some(0));
//! simulator.stop().await;
//! # Ok::<(), hcloud_simulator::StartError>(())
//! # }).unwrap();
//! ```

pub mod action;
mod api_date;
pub mod capacity;
mod clock;
mod collection;
mod control;
mod deprecation;
mod error;
pub mod fault;
mod label;
mod listing;
pub mod log;
mod project;
mod rate_limit;
mod request;
pub mod resource;
mod route;
mod server;
mod simulator;
mod world;

pub use action::{Action, ActionError, ActionMode, Actions};
pub use api_date::{ApiDate, ApiDateError};
pub use capacity::{Capacity, Quotas};
pub use clock::{Clock, SteppedClock};
pub use collection::{Collection, Id, Object};
pub use deprecation::Deprecation;
pub use error::ApiError;
pub use fault::{Fault, FaultPlan, Injection};
pub use label::{Labels, Selector, SelectorError};
pub use log::{Entry, RequestLog};
pub use project::Project;
pub use rate_limit::{Bucket, RateLimit, Standing};
pub use resource::primary_ip::AddressPool;
pub use simulator::{DEFAULT_TOKEN, Grant, Options, Simulator, StartError};
pub use world::{Access, RestoreError, SavedState, SharedWorld, World};
