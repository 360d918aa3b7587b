//! Pushes packages to a registry: the blobs that it lacks, the manifests, and the index under the tag.

pub(crate) mod credentials;

use std::net::IpAddr;

use http::HeaderValue;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};

use crate::build::Built;
use crate::definition::PUBLIC_REGISTRY;
use crate::image::{BuiltPackage, Image};
use crate::oci::{Blob, Digest, INDEX, MANIFEST};
use credentials::Credentials;

/// Why a push failed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum PushError {
    #[error("{address:?} is not a registry with a path, such as {PUBLIC_REGISTRY}")]
    Address { address: String },
    #[error("cannot set up the client for {registry}")]
    Client {
        registry: String,
        source: Box<OciDistributionError>,
    },
    #[error("{registry} does not let us push {repository}; check the credentials")]
    Authenticate {
        registry: String,
        repository: String,
        source: Box<OciDistributionError>,
    },
    #[error("cannot ask for {digest} at {reference}")]
    Query {
        reference: String,
        digest: Digest,
        source: Box<OciDistributionError>,
    },
    #[error("{reference} refuses {what} {digest}")]
    Upload {
        reference: String,
        what: &'static str,
        digest: Digest,
        source: Box<OciDistributionError>,
    },
    #[error(
        "{package} was built on {platform} and would not run on linux/amd64; \
         other than to this machine, push what was built on linux/amd64"
    )]
    NotRunnable {
        package: &'static str,
        platform: String,
    },
}

/// Where to push: a registry and a path in it; each package's name is appended.
#[derive(Debug, Clone)]
pub struct Registry {
    host: String,
    path: String,
    credentials: Credentials,
    plain_http: bool,
}

impl Registry {
    /// The registry at `address`, `HOST[:PORT]/PATH`, without credentials. Loopback addresses are spoken to by
    /// plain HTTP, as every OCI client does, all others by HTTPS.
    pub fn new(address: &str) -> Result<Self, PushError> {
        let invalid = || PushError::Address {
            address: address.to_owned(),
        };
        let (host, path) = address
            .trim_end_matches('/')
            .split_once('/')
            .ok_or_else(invalid)?;
        let named = format!("{host}/{path}/name:v0.0.0");
        // The parser gives a host that it does not take for one, such as "openova", the default registry.
        let reference: Reference = named.parse().map_err(|_| invalid())?;
        if reference.registry() != host {
            return Err(invalid());
        }
        Ok(Self {
            host: host.to_owned(),
            path: path.to_owned(),
            credentials: Credentials::Anonymous,
            plain_http: is_loopback(host),
        })
    }

    /// The host, with its port if one was given.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Authenticates with `credentials`.
    #[must_use]
    pub fn with_credentials(self, credentials: Credentials) -> Self {
        Self {
            credentials,
            ..self
        }
    }

    /// Speaks plain HTTP even though the host is not a loopback address.
    #[must_use]
    pub fn with_plain_http(self) -> Self {
        Self {
            plain_http: true,
            ..self
        }
    }

    fn client(&self) -> Result<Client, OciDistributionError> {
        // Fails only when a provider is installed already, and any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let loopback = is_loopback(&self.host);
        Client::try_from(ClientConfig {
            protocol: if self.plain_http {
                ClientProtocol::Http
            } else {
                ClientProtocol::Https
            },
            use_monolithic_push: true,
            user_agent: concat!("xplatform-package/", env!("CARGO_PKG_VERSION")),
            // A proxy from the environment cannot reach this machine's loopback addresses. Naming one here, with
            // the host excepted, is how the environment's is put out of use.
            http_proxy: loopback.then(|| "http://127.0.0.1".to_owned()),
            no_proxy: loopback.then(|| "localhost,127.0.0.0/8,::1".to_owned()),
            ..ClientConfig::default()
        })
    }

    /// Pushes one package under its tag.
    ///
    /// An image that holds no binary for linux/amd64 goes nowhere but to a loopback address.
    pub async fn push(&self, built: &BuiltPackage) -> Result<Pushed, PushError> {
        self.check_runnable(built)?;
        let client = self.client().map_err(|source| PushError::Client {
            registry: self.host.clone(),
            source: Box::new(source),
        })?;
        let repository = format!("{}/{}", self.path, built.package.name);
        let tagged = Reference::with_tag(self.host.clone(), repository.clone(), built.tag.clone());
        client
            .auth(
                &tagged,
                &self.credentials.to_auth(),
                RegistryOperation::Push,
            )
            .await
            .map_err(|source| PushError::Authenticate {
                registry: self.host.clone(),
                repository,
                source: Box::new(source),
            })?;

        let mut upload = Upload {
            client,
            tagged,
            uploaded: 0,
            present: 0,
        };
        for image in &built.images {
            upload.image(image).await?;
        }
        upload.manifest(&upload.tagged, &built.index, INDEX).await?;
        let Upload {
            tagged,
            uploaded,
            present,
            ..
        } = upload;
        Ok(Pushed {
            reference: tagged.whole(),
            digest: built.index.digest.clone(),
            uploaded,
            present,
        })
    }

    fn check_runnable(&self, built: &BuiltPackage) -> Result<(), PushError> {
        let Some(image) = built
            .images
            .iter()
            .find(|image| image.platform.architecture == "amd64")
        else {
            return Ok(());
        };
        if built.package.binary.is_none() || image.runnable || is_loopback(&self.host) {
            return Ok(());
        }
        let platform = built
            .images
            .first()
            .map_or_else(String::new, |image| image.platform.to_string());
        Err(PushError::NotRunnable {
            package: built.package.name,
            platform,
        })
    }
}

/// A package that is in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The full name, with the tag.
    pub reference: String,
    /// The digest of the index.
    pub digest: Digest,
    /// Bytes of layers and configurations that were sent.
    pub uploaded: u64,
    /// Bytes that the registry had.
    pub present: u64,
}

/// Pushes all packages, one after the other.
pub async fn push(built: &Built, registry: &Registry) -> Result<Vec<Pushed>, PushError> {
    let mut pushed = Vec::new();
    for package in built.packages() {
        pushed.push(registry.push(package).await?);
    }
    Ok(pushed)
}

/// One package on its way.
struct Upload {
    client: Client,
    tagged: Reference,
    uploaded: u64,
    present: u64,
}

impl Upload {
    async fn image(&mut self, image: &Image) -> Result<(), PushError> {
        for blob in image.layers.iter().chain([&image.config]) {
            self.blob(blob).await?;
        }
        // To the client the digest is a tag. The request is the same, but given a digest the client panics when
        // the answer has no Location header.
        let by_digest = Reference::with_tag(
            self.tagged.registry().to_owned(),
            self.tagged.repository().to_owned(),
            image.manifest.digest.to_string(),
        );
        self.manifest(&by_digest, &image.manifest, MANIFEST).await
    }

    async fn blob(&mut self, blob: &Blob) -> Result<(), PushError> {
        if self.exists(blob).await? {
            self.present += blob.size();
            return Ok(());
        }
        let sent = self
            .client
            .push_blob(&self.tagged, blob.data.clone(), blob.digest.as_str())
            .await;
        match sent {
            Ok(_location) => {}
            // The client takes an accepted blob without a Location header, as go-containerregistry's registry
            // answers, for a failure. Whether it was one, the registry knows.
            Err(OciDistributionError::RegistryNoLocationError) if self.exists(blob).await? => {}
            Err(source) => return Err(self.refused("the blob", blob, source)),
        }
        self.uploaded += blob.size();
        Ok(())
    }

    async fn exists(&self, blob: &Blob) -> Result<bool, PushError> {
        let exists = self
            .client
            .blob_exists(&self.tagged, blob.digest.as_str())
            .await;
        exists.map_err(|source| PushError::Query {
            reference: self.tagged.whole(),
            digest: blob.digest.clone(),
            source: Box::new(source),
        })
    }

    /// Sends the bytes as they are: encoding them again could change the digest.
    async fn manifest(
        &self,
        reference: &Reference,
        manifest: &Blob,
        media_type: &'static str,
    ) -> Result<(), PushError> {
        self.client
            .push_manifest_raw(
                reference,
                manifest.data.clone(),
                HeaderValue::from_static(media_type),
            )
            .await
            .map_err(|source| self.refused("the manifest", manifest, source))?;
        Ok(())
    }

    fn refused(&self, what: &'static str, blob: &Blob, source: OciDistributionError) -> PushError {
        PushError::Upload {
            reference: self.tagged.whole(),
            what,
            digest: blob.digest.clone(),
            source: Box::new(source),
        }
    }
}

impl Credentials {
    fn to_auth(&self) -> RegistryAuth {
        match self {
            Self::Anonymous => RegistryAuth::Anonymous,
            Self::Basic { username, password } => {
                RegistryAuth::Basic(username.clone(), password.clone())
            }
        }
    }
}

/// Whether `host`, with or without a port, is this machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _port)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _port)| name),
    };
    name == "localhost"
        || name.ends_with(".localhost")
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
