//! The roots of one cluster, and the Secret that holds them.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use p256::ecdsa::SigningKey;
use sha2::{Digest, Sha256};

use super::authority::{hex, key_from_pem, key_to_pem};
use super::{Authority, Entropy, Error, PairError, Secret, Token, TokenUser, token};

const SERVER_CA: &str = "server-ca";
const CLIENT_CA: &str = "client-ca";
const REQUEST_HEADER_CA: &str = "request-header-ca";
const ETCD_SERVER_CA: &str = "etcd-server-ca";
const ETCD_PEER_CA: &str = "etcd-peer-ca";
const SERVICE_KEY: &str = "service.key";
const SERVER_TOKEN: &str = "server-token";
const AGENT_TOKEN: &str = "agent-token";

/// Everything that must stay the same for as long as a cluster lives.
#[derive(Clone)]
pub struct ClusterRoots {
    /// Signs what API servers and kubelets serve with.
    pub server: Authority,
    /// Signs clients of the API server.
    pub client: Authority,
    /// Signs the API server's requests to extension API servers.
    pub request_header: Authority,
    /// Signs what etcd serves with, and its clients.
    pub etcd_server: Authority,
    /// Signs the members of etcd towards each other.
    pub etcd_peer: Authority,
    /// Signs the tokens of service accounts (PEM, SEC 1).
    service_key_pem: Secret,
    service_key: SigningKey,
    /// Password of joining servers.
    server_password: Secret,
    /// Password of joining agents.
    agent_password: Secret,
}

impl ClusterRoots {
    /// Makes the roots of a cluster, once in its life.
    ///
    /// # Errors
    ///
    /// When the cluster's name or the time cannot stand in a certificate.
    pub fn generate(cluster: &str, entropy: &Entropy, now: Timestamp) -> Result<Self, Error> {
        let entropy = entropy.scope(cluster);
        let authority = |role| Authority::generate(role, cluster, &entropy, now);
        let service_key = entropy.signing_key(SERVICE_KEY);
        Ok(Self {
            server: authority(SERVER_CA)?,
            client: authority(CLIENT_CA)?,
            request_header: authority(REQUEST_HEADER_CA)?,
            etcd_server: authority(ETCD_SERVER_CA)?,
            etcd_peer: authority(ETCD_PEER_CA)?,
            service_key_pem: key_to_pem(&service_key)?,
            service_key,
            server_password: token::password(&entropy, SERVER_TOKEN),
            agent_password: token::password(&entropy, AGENT_TOKEN),
        })
    }

    /// The data of the Secret: `<authority>.crt` and `<authority>.key` of each
    /// authority, `service.key`, `server-token` and `agent-token` (passwords alone).
    pub fn to_data(&self) -> BTreeMap<String, Vec<u8>> {
        let authorities = self
            .authorities()
            .into_iter()
            .flat_map(|(name, authority)| {
                [
                    (format!("{name}.crt"), authority.pem()),
                    (format!("{name}.key"), authority.key_pem().expose()),
                ]
            });
        let others = [
            (SERVICE_KEY, &self.service_key_pem),
            (SERVER_TOKEN, &self.server_password),
            (AGENT_TOKEN, &self.agent_password),
        ];
        let others = others
            .into_iter()
            .map(|(key, secret)| (key.to_owned(), secret.expose()));
        authorities
            .chain(others)
            .map(|(key, text)| (key, text.as_bytes().to_vec()))
            .collect()
    }

    /// Reads the roots from the data of a Secret.
    ///
    /// # Errors
    ///
    /// When a key is missing, unknown, or holds something else than it should. The
    /// error names the key and never its value.
    pub fn from_data(data: &BTreeMap<String, Vec<u8>>) -> Result<Self, DataError> {
        let mut data = Data(data.clone());
        let server = data.authority(SERVER_CA)?;
        let client = data.authority(CLIENT_CA)?;
        let request_header = data.authority(REQUEST_HEADER_CA)?;
        let etcd_server = data.authority(ETCD_SERVER_CA)?;
        let etcd_peer = data.authority(ETCD_PEER_CA)?;
        let service_key_pem = Secret::new(data.take(SERVICE_KEY)?);
        let service_key =
            key_from_pem(service_key_pem.expose()).ok_or_else(|| DataError::Authority {
                key: SERVICE_KEY.to_owned(),
                source: PairError::Key,
            })?;
        let server_password = data.password(SERVER_TOKEN)?;
        let agent_password = data.password(AGENT_TOKEN)?;
        if let Some(key) = data.0.into_keys().next() {
            return Err(DataError::Unknown { key });
        }
        Ok(Self {
            server,
            client,
            request_header,
            etcd_server,
            etcd_peer,
            service_key_pem,
            service_key,
            server_password,
            agent_password,
        })
    }

    /// SHA-256, in hexadecimal, by which these roots are recognised. It is recorded
    /// outside of the Secret: when the Secret is lost, or replaced by another, that
    /// shows. It reveals nothing: keys enter it by their public half, the passwords
    /// are as random as a hash.
    pub fn fingerprint(&self) -> String {
        let mut digest = Sha256::new();
        for (name, authority) in self.authorities() {
            digest.update(name);
            digest.update(authority.hash());
        }
        digest.update(SERVICE_KEY);
        digest.update(self.service_key.verifying_key().to_sec1_point(true));
        for (name, password) in [
            (SERVER_TOKEN, &self.server_password),
            (AGENT_TOKEN, &self.agent_password),
        ] {
            digest.update(name);
            digest.update(password.expose());
        }
        hex(&digest.finalize())
    }

    /// The key that signs the tokens of service accounts, as PEM (SEC 1).
    pub fn service_key_pem(&self) -> &Secret {
        &self.service_key_pem
    }

    /// The token with which servers join.
    pub fn server_token(&self) -> Token {
        Token::new(&self.server, TokenUser::Server, &self.server_password)
    }

    /// The token with which agents join.
    pub fn agent_token(&self) -> Token {
        Token::new(&self.server, TokenUser::Agent, &self.agent_password)
    }

    fn authorities(&self) -> [(&'static str, &Authority); 5] {
        [
            (SERVER_CA, &self.server),
            (CLIENT_CA, &self.client),
            (REQUEST_HEADER_CA, &self.request_header),
            (ETCD_SERVER_CA, &self.etcd_server),
            (ETCD_PEER_CA, &self.etcd_peer),
        ]
    }
}

impl fmt::Debug for ClusterRoots {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClusterRoots")
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

/// Why the data of a Secret are not the roots of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A key is not there.
    #[error("key {key:?} is missing")]
    Missing {
        /// The key.
        key: String,
    },
    /// A key is there that means nothing.
    #[error("key {key:?} does not belong there")]
    Unknown {
        /// The key.
        key: String,
    },
    /// A value is not text.
    #[error("key {key:?} is not text")]
    NotText {
        /// The key.
        key: String,
    },
    /// A certificate or key is not what it should be.
    #[error("key {key:?}: {source}")]
    Authority {
        /// The key.
        key: String,
        /// What is wrong.
        source: PairError,
    },
    /// A password is not one of ours.
    #[error("key {key:?} is not 64 lower-case hexadecimal digits")]
    Password {
        /// The key.
        key: String,
    },
}

/// The data of a Secret that were not read yet.
struct Data(BTreeMap<String, Vec<u8>>);

impl Data {
    fn take(&mut self, key: &str) -> Result<String, DataError> {
        let key = key.to_owned();
        match self.0.remove(&key).map(String::from_utf8) {
            Some(Ok(text)) => Ok(text),
            Some(Err(_)) => Err(DataError::NotText { key }),
            None => Err(DataError::Missing { key }),
        }
    }

    fn authority(&mut self, name: &str) -> Result<Authority, DataError> {
        let certificate = format!("{name}.crt");
        let key = format!("{name}.key");
        let pem = self.take(&certificate)?;
        let key_pem = Secret::new(self.take(&key)?);
        Authority::from_pem(&pem, key_pem.expose()).map_err(|source| DataError::Authority {
            key: if source == PairError::Key {
                key
            } else {
                certificate
            },
            source,
        })
    }

    fn password(&mut self, key: &str) -> Result<Secret, DataError> {
        let text = Secret::new(self.take(key)?);
        if token::is_password(text.expose()) {
            Ok(text)
        } else {
            Err(DataError::Password {
                key: key.to_owned(),
            })
        }
    }
}
