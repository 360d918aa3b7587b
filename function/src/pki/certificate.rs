//! X.509 certificates: what they say, and how they are signed.

use jiff::{SignedDuration, Timestamp};
use p256::ecdsa::{DerSignature, SigningKey, VerifyingKey};
use x509_cert::Certificate;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder, CertificateBuilder};
use x509_cert::certificate::TbsCertificate;
use x509_cert::der::oid::db::rfc5280::ID_KP_CLIENT_AUTH;
use x509_cert::der::pem::LineEnding;
use x509_cert::der::{DateTime, DecodePem, EncodePem};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages,
    SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, ToExtension};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{SubjectPublicKeyInfo, SubjectPublicKeyInfoRef};
use x509_cert::time::{Time, Validity};

use super::Error;
use super::entropy::Entropy;

/// How long before it was made a certificate is already valid: clocks differ.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_hours(1);
/// Length of a serial number in bytes. RFC 5280 allows 20.
const SERIAL: usize = 16;

/// What a certificate is for.
#[derive(Debug, Clone)]
pub(super) enum Profile {
    /// The root of an authority, signed by itself.
    Authority {
        /// Whom it names.
        subject: Name,
    },
    /// A client, signed by an authority.
    Client {
        /// Whom it names.
        subject: Name,
        /// The authority.
        issuer: Name,
    },
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, subject: &Name) -> Name {
        match self {
            Self::Authority { .. } => subject.clone(),
            Self::Client { issuer, .. } => issuer.clone(),
        }
    }

    fn get_subject(&self) -> Name {
        match self {
            Self::Authority { subject } | Self::Client { subject, .. } => subject.clone(),
        }
    }

    fn build_extensions(
        &self,
        key: SubjectPublicKeyInfoRef<'_>,
        issuer_key: SubjectPublicKeyInfoRef<'_>,
        tbs: &TbsCertificate,
    ) -> x509_cert::builder::Result<Vec<Extension>> {
        let subject = tbs.subject();
        let mut extensions = Vec::with_capacity(4);
        let mut add = |extension: Extension| extensions.push(extension);
        match self {
            Self::Authority { .. } => {
                let usages =
                    KeyUsages::DigitalSignature | KeyUsages::KeyCertSign | KeyUsages::CRLSign;
                let constraints = BasicConstraints {
                    ca: true,
                    path_len_constraint: None,
                };
                add(KeyUsage(usages).to_extension(subject, &[])?);
                add(constraints.to_extension(subject, &[])?);
                // k3s recognises by this identifier whether a certificate on its disk
                // comes from this authority.
                add(SubjectKeyIdentifier::try_from(key)?.to_extension(subject, &[])?);
            }
            Self::Client { .. } => {
                let usages = KeyUsage(KeyUsages::DigitalSignature.into());
                let purposes = ExtendedKeyUsage(vec![ID_KP_CLIENT_AUTH]);
                let constraints = BasicConstraints {
                    ca: false,
                    path_len_constraint: None,
                };
                add(usages.to_extension(subject, &[])?);
                add(purposes.to_extension(subject, &[])?);
                add(constraints.to_extension(subject, &[])?);
                add(AuthorityKeyIdentifier::try_from(issuer_key)?.to_extension(subject, &[])?);
            }
        }
        Ok(extensions)
    }
}

/// Signs a certificate for a key.
///
/// # Errors
///
/// When the certificate cannot be encoded.
pub(super) fn sign(
    profile: Profile,
    key: &VerifyingKey,
    signer: &SigningKey,
    entropy: &Entropy,
    now: Timestamp,
    lifetime: SignedDuration,
) -> Result<Certificate, Error> {
    let failed = |error: &dyn std::fmt::Display| Error::Certificate(error.to_string());
    let mut serial = entropy.bytes("serial");
    // Positive, and never shortened by leading zeros.
    serial[0] = serial[0] & 0x7f | 0x40;
    let serial = SerialNumber::new(&serial[..SERIAL]).map_err(|error| failed(&error))?;
    let validity = Validity::new(
        time(
            now.saturating_sub(CLOCK_SKEW)
                .map_err(|_| Error::Time(now))?,
        )?,
        time(now.saturating_add(lifetime).map_err(|_| Error::Time(now))?)?,
    );
    let key = SubjectPublicKeyInfo::from_key(key).map_err(|error| failed(&error))?;
    CertificateBuilder::new(profile, serial, validity, key)
        .and_then(|builder| builder.build::<_, DerSignature>(signer))
        .map_err(|error| failed(&error))
}

/// The certificate as PEM, with a line feed at the end of each line.
pub(super) fn to_pem(certificate: &Certificate) -> Result<String, Error> {
    certificate
        .to_pem(LineEnding::LF)
        .map_err(|error| Error::Certificate(error.to_string()))
}

/// Reads exactly one certificate.
pub(super) fn from_pem(pem: &str) -> Option<Certificate> {
    // A second certificate would change the meaning of a file: k3s hashes a bundle
    // differently.
    if pem.matches("-----BEGIN ").count() != 1 {
        return None;
    }
    Certificate::from_pem(pem).ok()
}

/// A subject of a common name and, when there is one, an organisation.
///
/// # Errors
///
/// When a part has characters that mean something in the notation of names.
pub(super) fn name(common: &str, organisation: Option<&str>) -> Result<Name, Error> {
    for part in [Some(common), organisation].into_iter().flatten() {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte);
        if part.is_empty() || !part.bytes().all(plain) {
            return Err(Error::Subject {
                name: part.to_owned(),
            });
        }
    }
    let text = organisation.map_or_else(
        || format!("CN={common}"),
        |organisation| format!("CN={common},O={organisation}"),
    );
    text.parse()
        .map_err(|error: x509_cert::der::Error| Error::Certificate(error.to_string()))
}

/// The key that a certificate certifies, when it is of our kind.
pub(super) fn verifying_key(certificate: &Certificate) -> Option<VerifyingKey> {
    let key = certificate.tbs_certificate().subject_public_key_info();
    VerifyingKey::from_sec1_bytes(key.subject_public_key.as_bytes()?).ok()
}

/// Whether this key signed the certificate.
pub(super) fn is_signed_by(certificate: &Certificate, key: &VerifyingKey) -> bool {
    use p256::ecdsa::signature::Verifier;
    use x509_cert::der::Encode;

    let signature = certificate
        .signature()
        .as_bytes()
        .and_then(|bytes| DerSignature::from_bytes(bytes).ok());
    let (Some(signature), Ok(signed)) = (signature, certificate.tbs_certificate().to_der()) else {
        return false;
    };
    key.verify(&signed, &signature).is_ok()
}

/// When the certificate begins and ceases to be valid.
pub(super) fn validity(certificate: &Certificate) -> (Timestamp, Timestamp) {
    let validity = certificate.tbs_certificate().validity();
    // Both are within the years 1970 to 9999, as are timestamps.
    let timestamp = |time: Time| {
        let seconds = time.to_unix_duration().as_secs();
        i64::try_from(seconds)
            .ok()
            .and_then(|seconds| Timestamp::from_second(seconds).ok())
            .unwrap_or(Timestamp::MAX)
    };
    (
        timestamp(validity.not_before),
        timestamp(validity.not_after),
    )
}

fn time(at: Timestamp) -> Result<Time, Error> {
    u64::try_from(at.as_second())
        .ok()
        .and_then(|seconds| {
            DateTime::from_unix_duration(std::time::Duration::from_secs(seconds)).ok()
        })
        .map(Time::from)
        .ok_or(Error::Time(at))
}
