//! Builds the Crossplane packages of XPlatform as OCI images and pushes them, without Docker.
//!
//! ```text
//! PACKAGES ─compile─> static binaries ─┐
//!    └─ crossplane.yaml, objects ─stream─> package.yaml ─image─> Image, index ─layout─> OCI layout, .xpkg ─push─> registry
//! ```
//!
//! A package is a directory `package/<directory>/` with a `crossplane.yaml`, and a row of [`PACKAGES`].
//! The same inputs give the same bytes: archive entries are sorted and carry no owner and no time, JSON
//! keys are sorted, and the binaries are compiled with every path of the building machine replaced.
//! `package build --compare DIRECTORY` checks that against the output of another checkout.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use package::{BuildOptions, Registry, build};
//!
//! let built = build(&BuildOptions::default(), &mut |_| {})?;
//! let registry = Registry::new("127.0.0.1:5000/openova")?;
//! for pushed in package::push(&built, &registry).await? {
//!     println!("{} {}", pushed.reference, pushed.digest);
//! }
//! # Ok(())
//! # }
//! ```

mod build;
mod compile;
mod definition;
#[cfg(test)]
mod fixture;
mod image;
mod layer;
mod layout;
mod oci;
mod push;
mod stream;

pub use build::{BuildError, BuildOptions, Built, Progress, build, load};
pub use compile::CompileError;
pub use definition::{Kind, PACKAGES, PUBLIC_REGISTRY, Package};
pub use image::{BuiltPackage, Image};
pub use layout::LayoutError;
pub use oci::{Blob, Digest, DigestError, Platform};
pub use push::credentials::{Credentials, CredentialsError};
pub use push::{PushError, Pushed, Registry, push};
pub use stream::StreamError;

/// The version of a release; its tag is this with a leading `v`.
pub use semver::Version;
