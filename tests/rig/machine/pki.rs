//! The authorities of a cluster, and the certificates that k3s issues from them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use anyhow::{Context, Result, bail, ensure};
use p256::SecretKey;
use p256::pkcs8::EncodePrivateKey;
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::cloud_config::{CloudConfig, File};

/// Where k3s keeps them.
pub(super) const DIRECTORY: &str = "/var/lib/rancher/k3s/server/tls";
const SECRET_MODE: u32 = 0o600;

/// What the first server of a cluster brings along, and further ones fetch from it.
#[derive(Debug)]
pub(super) struct Authorities {
    pub(super) server: Authority,
    pub(super) client: Authority,
    pub(super) request_header: Authority,
    pub(super) etcd_server: Authority,
    pub(super) etcd_peer: Authority,
    /// The files with their paths below [`DIRECTORY`], among them `service.key`.
    pub(super) files: BTreeMap<String, File>,
}

/// A certificate that signs others, and its key.
pub(super) struct Authority {
    /// The certificate's file, byte by byte.
    pub(super) certificate: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// A certificate and its key, as PEM.
pub(super) struct Issued {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// Whom a certificate is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) name: &'a str,
    pub(super) organization: Option<&'a str>,
    /// Names and addresses under which a server is reached; a client has none.
    pub(super) hosts: &'a [String],
}

impl Authorities {
    /// Reads them from the files of the first server.
    pub(super) fn read(config: &CloudConfig) -> Result<Self> {
        let prefix = format!("{DIRECTORY}/");
        let files: BTreeMap<String, File> = config
            .files
            .iter()
            .filter_map(|(path, file)| Some((path.strip_prefix(&prefix)?.to_owned(), file.clone())))
            .collect();
        for (name, file) in &files {
            let is_key = name.ends_with(".key");
            ensure!(
                !is_key || file.mode == SECRET_MODE,
                "{prefix}{name} has mode {:04o}: a key is for root alone, {SECRET_MODE:04o}",
                file.mode
            );
        }
        let service_key = files
            .get("service.key")
            .context("there is no service.key")?;
        key(&service_key.content).context("read service.key")?;
        let authority = |name: &str| {
            Authority::read(&files, name).with_context(|| format!("read authority {name}"))
        };
        Ok(Self {
            server: authority("server-ca")?,
            client: authority("client-ca")?,
            request_header: authority("request-header-ca")?,
            etcd_server: authority("etcd/server-ca")?,
            etcd_peer: authority("etcd/peer-ca")?,
            files,
        })
    }
}

impl Authority {
    fn read(files: &BTreeMap<String, File>, name: &str) -> Result<Self> {
        let file = |suffix: &str| {
            // An authority without its key is not used by k3s: it silently makes another one.
            let file = files.get(&format!("{name}.{suffix}"));
            file.with_context(|| format!("there is no {name}.{suffix}"))
        };
        let certificate = file("crt")?.content.clone();
        let key_file = &file("key")?.content;
        let der = CertificateDer::from_pem_slice(&certificate).context("read the certificate")?;
        ensure!(
            CertificateDer::pem_slice_iter(&certificate).count() == 1,
            "the file does not hold exactly one certificate"
        );
        let private = PrivateKeyDer::from_pem_slice(key_file).context("read the key")?;
        CertifiedKey::from_der(vec![der.clone()], private, &ring::default_provider())
            .context("match certificate and key")?;
        let issuer =
            Issuer::from_ca_cert_der(&der, key(key_file)?).context("read the certificate")?;
        ensure!(
            issuer.key_usages().is_empty()
                || issuer.key_usages().contains(&KeyUsagePurpose::KeyCertSign),
            "the certificate may not sign others"
        );
        Ok(Self {
            certificate,
            issuer,
        })
    }

    /// Issues a certificate, as k3s does at its start.
    pub(super) fn issue(&self, subject: Subject<'_>) -> Result<Issued> {
        let Subject {
            name,
            organization,
            hosts,
        } = subject;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        if let Some(organization) = organization {
            let kind = DnType::OrganizationName;
            params.distinguished_name.push(kind, organization);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if !hosts.is_empty() {
            // A member of etcd is both to its peers.
            let server = ExtendedKeyUsagePurpose::ServerAuth;
            params.extended_key_usages.push(server);
        }
        params.use_authority_key_identifier_extension = true;
        for host in hosts {
            params.subject_alt_names.push(match host.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(
                    host.as_str()
                        .try_into()
                        .with_context(|| format!("name {host}"))?,
                ),
            });
        }
        let key = KeyPair::generate().context("make a key")?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .with_context(|| format!("issue a certificate for {name}"))?;
        Ok(Issued {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// A private key in one of the forms that k3s reads. Only P-256 is needed.
fn key(pem: &[u8]) -> Result<KeyPair> {
    let key = match PrivateKeyDer::from_pem_slice(pem).context("read the key")? {
        PrivateKeyDer::Pkcs8(key) => key.secret_pkcs8_der().to_vec(),
        PrivateKeyDer::Sec1(key) => {
            let key = SecretKey::from_sec1_der(key.secret_sec1_der());
            let key = key.ok().context("the key is not on the curve P-256")?;
            key.to_pkcs8_der()
                .ok()
                .context("convert the key")?
                .as_bytes()
                .to_vec()
        }
        _ => bail!("the key is not on the curve P-256"),
    };
    KeyPair::try_from(key.as_slice()).context("read the key")
}
