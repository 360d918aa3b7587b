//! A certificate authority: a root certificate and its key.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use p256::SecretKey;
use p256::ecdsa::SigningKey;
use p256::pkcs8::LineEnding;
use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::ext::pkix::BasicConstraints;

use super::certificate::{self, Profile};
use super::{Entropy, Error, Secret};

/// How long a root is valid. Nobody renews roots: k3s does not, and new ones would
/// mean new trust on every node. So they outlive the cluster.
const LIFETIME: SignedDuration = SignedDuration::from_hours(20 * 365 * 24);

/// A certificate authority.
#[derive(Clone)]
pub struct Authority {
    /// Exactly as it is stored: k3s hashes the bytes of the file.
    pem: String,
    key_pem: Secret,
    certificate: Certificate,
    key: SigningKey,
}

impl Authority {
    /// Makes a new authority. `role` and `cluster` stand in its subject.
    pub(super) fn generate(
        role: &str,
        cluster: &str,
        entropy: &Entropy,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let entropy = entropy.scope(role);
        let key = entropy.signing_key("key");
        let profile = Profile::Authority {
            subject: certificate::name(role, Some(cluster))?,
        };
        let certificate =
            certificate::sign(profile, key.verifying_key(), &key, &entropy, now, LIFETIME)?;
        Ok(Self {
            pem: certificate::to_pem(&certificate)?,
            key_pem: key_to_pem(&key)?,
            certificate,
            key,
        })
    }

    /// Reads an authority back.
    pub(super) fn from_pem(pem: &str, key_pem: &str) -> Result<Self, PairError> {
        let certificate = certificate::from_pem(pem).ok_or(PairError::Certificate)?;
        let key = key_from_pem(key_pem).ok_or(PairError::Key)?;
        if certificate::verifying_key(&certificate).as_ref() != Some(key.verifying_key()) {
            return Err(PairError::Mismatch);
        }
        let constraints = certificate
            .tbs_certificate()
            .get_extension::<BasicConstraints>();
        let is_authority = matches!(constraints, Ok(Some((_, constraints))) if constraints.ca);
        if !is_authority || !certificate::is_signed_by(&certificate, key.verifying_key()) {
            return Err(PairError::NotARoot);
        }
        Ok(Self {
            pem: pem.to_owned(),
            key_pem: Secret::new(key_pem),
            certificate,
            key,
        })
    }

    /// The root certificate as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The key as PEM (SEC 1), as k3s writes its own.
    pub fn key_pem(&self) -> &Secret {
        &self.key_pem
    }

    /// SHA-256 of the PEM file, in hexadecimal: what k3s puts into a token to
    /// recognise the cluster. It holds for a file with exactly one certificate.
    pub fn hash(&self) -> String {
        hex(&Sha256::digest(self.pem.as_bytes()))
    }

    pub(super) fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    pub(super) fn key(&self) -> &SigningKey {
        &self.key
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Authority")
            .field("hash", &self.hash())
            .finish_non_exhaustive()
    }
}

/// What is wrong with a certificate and its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PairError {
    /// Not a certificate.
    #[error("is not exactly one certificate in PEM")]
    Certificate,
    /// Not a key.
    #[error("is not an EC P-256 key in PEM (\"EC PRIVATE KEY\")")]
    Key,
    /// Certificate and key do not belong together.
    #[error("certificate and key do not belong together")]
    Mismatch,
    /// The certificate is no authority, or another one signed it.
    #[error("is not the self-signed certificate of an authority")]
    NotARoot,
}

/// A key in the format that k3s, kube-apiserver and Go's TLS all read.
pub(super) fn key_to_pem(key: &SigningKey) -> Result<Secret, Error> {
    SecretKey::from(key)
        .to_sec1_pem(LineEnding::LF)
        .map(Secret::from)
        .map_err(|_| Error::Key)
}

pub(super) fn key_from_pem(pem: &str) -> Option<SigningKey> {
    SecretKey::from_sec1_pem(pem).ok().map(SigningKey::from)
}

/// Bytes in lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digits = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(digits[usize::from(digit)]))
        .collect()
}
