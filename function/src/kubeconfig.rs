//! The kubeconfig of a cluster, written before the cluster exists.
//!
//! Flux reads it through `kubeConfig.secretRef` (key [`KEY`]), `kubectl --kubeconfig`
//! as it is. The API server is reached at whatever address its load balancer has, and
//! recognised by a name that stands in every serving certificate
//! (`tls-server-name`), so no certificate has to wait for an address.

use std::fmt;
use std::net::IpAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::pki::{Authority, ClientCertificate, PairError, Secret};

/// Where Flux looks in the Secret.
pub const KEY: &str = "value";

/// Where an API server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Address or DNS name.
    pub host: Host,
    /// TCP port.
    pub port: u16,
}

/// Address or DNS name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// An address.
    Ip(IpAddr),
    /// A DNS name.
    Dns(String),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port;
        match &self.host {
            Host::Ip(IpAddr::V4(address)) => write!(formatter, "https://{address}:{port}"),
            Host::Ip(IpAddr::V6(address)) => write!(formatter, "https://[{address}]:{port}"),
            Host::Dns(name) => write!(formatter, "https://{name}:{port}"),
        }
    }
}

/// Writes the kubeconfig of a cluster: one cluster, one user, one context, all of the
/// cluster's name.
///
/// # Errors
///
/// When YAML cannot be written.
pub fn write(
    name: &str,
    endpoint: &Endpoint,
    tls_server_name: &str,
    server: &Authority,
    client: &ClientCertificate,
) -> Result<Secret, Error> {
    let config = Config {
        api_version: API_VERSION.to_owned(),
        kind: KIND.to_owned(),
        clusters: vec![NamedCluster {
            name: name.to_owned(),
            cluster: Cluster {
                server: endpoint.to_string(),
                certificate_authority_data: BASE64_STANDARD.encode(server.pem()),
                tls_server_name: tls_server_name.to_owned(),
            },
        }],
        users: vec![NamedUser {
            name: name.to_owned(),
            user: User {
                client_certificate_data: BASE64_STANDARD.encode(client.pem()),
                client_key_data: BASE64_STANDARD.encode(client.key_pem().expose()),
            },
        }],
        contexts: vec![NamedContext {
            name: name.to_owned(),
            context: Context {
                cluster: name.to_owned(),
                user: name.to_owned(),
            },
        }],
        current_context: name.to_owned(),
    };
    serde_saphyr::to_string(&config)
        .map(Secret::new)
        .map_err(|error| Error::Yaml(error.to_string()))
}

/// The client certificate in a kubeconfig that [`write()`] wrote, to be kept or renewed.
///
/// # Errors
///
/// When the document is not one of ours. Its contents are secret and not repeated.
pub fn read_client(kubeconfig: &str) -> Result<ClientCertificate, Error> {
    // The parser's message shows the text around the mistake.
    let config: Config =
        serde_saphyr::from_str(kubeconfig).map_err(|_| Error::Form("the document"))?;
    let [user] = config.users.as_slice() else {
        return Err(Error::Form("users"));
    };
    let text = |data: &str, field| {
        BASE64_STANDARD
            .decode(data)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .map(Secret::new)
            .ok_or(Error::Form(field))
    };
    let pem = text(
        &user.user.client_certificate_data,
        "client-certificate-data",
    )?;
    let key = text(&user.user.client_key_data, "client-key-data")?;
    ClientCertificate::from_pem(pem.expose(), key.expose()).map_err(Error::Client)
}

/// Why a kubeconfig cannot be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// YAML could not be written.
    #[error("cannot write a kubeconfig: {0}")]
    Yaml(String),
    /// Something is not as we write it.
    #[error("the kubeconfig is not one that was written here: look at {0}")]
    Form(&'static str),
    /// The client certificate is damaged.
    #[error("the client certificate in the kubeconfig: {0}")]
    Client(PairError),
}

const API_VERSION: &str = "v1";
const KIND: &str = "Config";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Config {
    #[serde(rename = "apiVersion")]
    api_version: String,
    kind: String,
    clusters: Vec<NamedCluster>,
    users: Vec<NamedUser>,
    contexts: Vec<NamedContext>,
    current_context: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Cluster {
    server: String,
    certificate_authority_data: String,
    tls_server_name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedUser {
    name: String,
    user: User,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct User {
    client_certificate_data: String,
    client_key_data: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Context {
    cluster: String,
    user: String,
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use jiff::Timestamp;
    use serde_json::Value;

    use super::*;
    use crate::pki::{ClusterRoots, Entropy};

    fn kubeconfig(endpoint: &Endpoint) -> (ClusterRoots, ClientCertificate, Secret) {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let entropy = Entropy::from_seed([7; 32]);
        let roots = ClusterRoots::generate("prod-fsn1-main", &entropy, now).unwrap();
        let client = ClientCertificate::administrator(&roots.client, &entropy, now).unwrap();
        let text = write(
            "prod-fsn1-main",
            endpoint,
            "main.fsn1.prod.internal",
            &roots.server,
            &client,
        )
        .unwrap();
        (roots, client, text)
    }

    fn endpoint() -> Endpoint {
        Endpoint {
            host: Host::Ip([203, 0, 113, 7].into()),
            port: 6443,
        }
    }

    #[test]
    fn a_kubeconfig_names_the_server_and_whom_to_trust() {
        let (roots, client, text) = kubeconfig(&endpoint());
        let mut document: Value = serde_saphyr::from_str(text.expose()).unwrap();
        let decode = |value: &mut Value| {
            let text = value.take();
            String::from_utf8(BASE64_STANDARD.decode(text.as_str().unwrap()).unwrap()).unwrap()
        };
        let trusted = decode(&mut document["clusters"][0]["cluster"]["certificate-authority-data"]);
        assert_eq!(trusted, roots.server.pem());
        let user = &mut document["users"][0]["user"];
        assert_eq!(decode(&mut user["client-certificate-data"]), client.pem());
        let key = decode(&mut user["client-key-data"]);
        assert_eq!(key, client.key_pem().expose());
        expect![[r#"
            apiVersion: v1
            clusters:
            - cluster:
                certificate-authority-data: null
                server: https://203.0.113.7:6443
                tls-server-name: main.fsn1.prod.internal
              name: prod-fsn1-main
            contexts:
            - context:
                cluster: prod-fsn1-main
                user: prod-fsn1-main
              name: prod-fsn1-main
            current-context: prod-fsn1-main
            kind: Config
            users:
            - name: prod-fsn1-main
              user:
                client-certificate-data: null
                client-key-data: null
        "#]]
        .assert_eq(&serde_saphyr::to_string(&document).unwrap());
    }

    #[test]
    fn an_ipv6_address_stands_in_brackets() {
        for (host, expected) in [
            (
                Host::Ip([203, 0, 113, 7].into()),
                "https://203.0.113.7:6443",
            ),
            (
                Host::Ip("2001:db8::7".parse().unwrap()),
                "https://[2001:db8::7]:6443",
            ),
            (
                Host::Dns("api.example.org".to_owned()),
                "https://api.example.org:6443",
            ),
        ] {
            let endpoint = Endpoint { host, port: 6443 };
            assert_eq!(endpoint.to_string(), expected);
        }
    }

    #[test]
    fn the_client_is_read_back() {
        let (roots, client, text) = kubeconfig(&endpoint());
        let read = read_client(text.expose()).unwrap();
        assert_eq!(read.pem(), client.pem());
        assert_eq!(read.key_pem(), client.key_pem());
        assert!(read.is_issued_by(&roots.client));
    }

    #[test]
    fn another_document_is_not_ours() {
        let (roots, client, text) = kubeconfig(&endpoint());
        let other_key = BASE64_STANDARD.encode(roots.client.key_pem().expose());
        let key = BASE64_STANDARD.encode(client.key_pem().expose());
        let text = text.expose();
        let errors: Vec<_> = [
            String::new(),
            text.replace("users:", "people:"),
            text.replace(&key, "!"),
            text.replace(&key, &other_key),
        ]
        .iter()
        .map(|text| read_client(text).unwrap_err().to_string())
        .collect();
        expect![[r#"
            [
                "the kubeconfig is not one that was written here: look at the document",
                "the kubeconfig is not one that was written here: look at the document",
                "the kubeconfig is not one that was written here: look at client-key-data",
                "the client certificate in the kubeconfig: certificate and key do not belong together",
            ]
        "#]].assert_debug_eq(&errors);
    }
}
