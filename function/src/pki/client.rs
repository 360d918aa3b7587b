//! Client certificates: who talks to an API server.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use p256::ecdsa::SigningKey;
use x509_cert::Certificate;

use super::authority::{key_from_pem, key_to_pem};
use super::certificate::{self, Profile};
use super::{Authority, Entropy, Error, PairError, Secret};

/// How long a client certificate is valid.
const LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);

/// The administrator whom Kubernetes knows without any binding: the group
/// `system:masters` may do everything, and k3s names its own administrator alike.
const ADMINISTRATOR: &str = "system:admin";
const ADMINISTRATORS: &str = "system:masters";

/// A client certificate and its key.
#[derive(Clone)]
pub struct ClientCertificate {
    pem: String,
    key_pem: Secret,
    certificate: Certificate,
}

impl ClientCertificate {
    /// Issues a certificate for the administrator, valid for a year.
    ///
    /// # Errors
    ///
    /// When the certificate cannot be encoded.
    pub fn administrator(
        authority: &Authority,
        entropy: &Entropy,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let entropy = entropy.scope(ADMINISTRATOR);
        let key: SigningKey = entropy.signing_key("key");
        let profile = Profile::Client {
            subject: certificate::name(ADMINISTRATOR, Some(ADMINISTRATORS))?,
            issuer: authority.certificate().tbs_certificate().subject().clone(),
        };
        let certificate = certificate::sign(
            profile,
            key.verifying_key(),
            authority.key(),
            &entropy,
            now,
            LIFETIME,
        )?;
        Ok(Self {
            pem: certificate::to_pem(&certificate)?,
            key_pem: key_to_pem(&key)?,
            certificate,
        })
    }

    /// Reads a certificate back.
    ///
    /// # Errors
    ///
    /// When certificate or key are not of our kind, or do not belong together.
    pub fn from_pem(pem: &str, key_pem: &str) -> Result<Self, PairError> {
        let certificate = certificate::from_pem(pem).ok_or(PairError::Certificate)?;
        let key = key_from_pem(key_pem).ok_or(PairError::Key)?;
        if certificate::verifying_key(&certificate).as_ref() != Some(key.verifying_key()) {
            return Err(PairError::Mismatch);
        }
        Ok(Self {
            pem: pem.to_owned(),
            key_pem: Secret::new(key_pem),
            certificate,
        })
    }

    /// The certificate as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The key as PEM (SEC 1).
    pub fn key_pem(&self) -> &Secret {
        &self.key_pem
    }

    /// When the certificate ceases to be valid.
    pub fn not_after(&self) -> Timestamp {
        certificate::validity(&self.certificate).1
    }

    /// Whether two thirds of its life are over: time to issue another.
    pub fn needs_renewal(&self, now: Timestamp) -> bool {
        let (not_before, not_after) = certificate::validity(&self.certificate);
        let life = not_after.duration_since(not_before);
        now.duration_since(not_before) >= life / 3 * 2
    }

    /// Whether this authority issued the certificate.
    pub fn is_issued_by(&self, authority: &Authority) -> bool {
        let issuer = self.certificate.tbs_certificate().issuer();
        issuer == authority.certificate().tbs_certificate().subject()
            && certificate::is_signed_by(&self.certificate, authority.key().verifying_key())
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClientCertificate")
            .field("not_after", &self.not_after())
            .finish_non_exhaustive()
    }
}
