//! The roots of trust of a cluster, made before any of its servers exists.
//!
//! Whoever makes the certificate authorities of a cluster can write its kubeconfig
//! without asking the cluster: no server calls home. The [`ClusterRoots`] are made
//! once, live in a Secret, and are read back from it ever after; client certificates
//! are issued from them and issued again in time.
//!
//! Nothing here does I/O. Randomness ([`Entropy`]) and time are inputs, and the same
//! inputs give the same bytes: keys come from the entropy, signatures are
//! deterministic (RFC 6979).

mod authority;
mod certificate;
mod client;
mod entropy;
mod roots;
mod secret;
mod token;

pub use authority::{Authority, PairError};
pub use client::ClientCertificate;
pub use entropy::Entropy;
pub use roots::{ClusterRoots, DataError};
pub use secret::Secret;
pub use token::{Token, TokenError, TokenUser};

/// Why a key or certificate could not be made. None of these is expected from the
/// names that the claim allows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name cannot stand in the subject of a certificate.
    #[error(
        "{name:?} cannot be part of a certificate's subject: use letters, digits, '-', '.' and ':'"
    )]
    Subject {
        /// The name.
        name: String,
    },
    /// The certificate could not be built or signed.
    #[error("cannot make a certificate: {0}")]
    Certificate(String),
    /// The point in time is outside of what a certificate can express.
    #[error("{0} is not a time that a certificate can carry")]
    Time(jiff::Timestamp),
    /// A key could not be written as PEM.
    #[error("cannot write a key as PEM")]
    Key,
}

#[cfg(test)]
mod tests;
