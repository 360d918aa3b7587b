//! Certificates as Crossplane makes them: one authority, a server and a client that trust it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

const SERVER: &str = "function.bench";

/// Writes the server's `tls.crt`, `tls.key` and `ca.crt` to a directory, and returns what its client needs.
pub(crate) fn write(dir: &Path) -> Result<ClientTlsConfig> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let issue = |usage| -> Result<(String, String)> {
        let mut params = CertificateParams::new([SERVER.to_owned()])?;
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate()?;
        Ok((
            params.signed_by(&key, &authority)?.pem(),
            key.serialize_pem(),
        ))
    };
    let (certificate, key) = issue(ExtendedKeyUsagePurpose::ServerAuth)?;
    let authority = authority.pem();
    for (name, content) in [
        ("tls.crt", &certificate),
        ("tls.key", &key),
        ("ca.crt", &authority),
    ] {
        fs::write(dir.join(name), content).with_context(|| format!("write {name}"))?;
    }
    let (certificate, key) = issue(ExtendedKeyUsagePurpose::ClientAuth)?;
    Ok(ClientTlsConfig::new()
        .domain_name(SERVER)
        .ca_certificate(Certificate::from_pem(authority))
        .identity(Identity::from_pem(certificate, key)))
}
