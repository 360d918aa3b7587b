//! The claim: what a platform engineer writes, and what is written back.
//!
//! The types here are the only source of the claim's schema: the XRD, its forms and
//! its documentation are generated from them ([`crate::xrd`]), so every doc comment
//! on a field is user documentation. The API server enforces what a schema and CEL
//! can say; [`validate`] refuses the rest.

pub mod network;
pub mod platform;
pub mod region;
pub mod validate;

pub use platform::{PlatformSpec, PlatformStatus};
pub use region::{RegionSpec, RegionStatus};
pub use validate::{Problem, Problems};

/// API group of all composite resources.
pub const GROUP: &str = "compose.openova.io";
/// Version of all composite resources.
pub const VERSION: &str = "v1alpha1";
/// Group and version of all composite resources.
pub const API_VERSION: &str = "compose.openova.io/v1alpha1";
