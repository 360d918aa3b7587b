//! A cluster: what its servers share, and what it asks of those that join.

use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::boot::{Machine, Part};
use super::config::{Config, arguments};
use super::pki::{Authorities, Issued, Subject};
use super::token::hash;
use crate::control_plane::random_token;
use crate::daemon::{Daemon, Invocation, Restart};
use crate::wait::eventually;

const FREE: Duration = Duration::from_secs(10);
const ENCRYPTION: &str = "encryption-config.json";

/// A cluster that was initialised. Its etcd ends with it. Its Debug output does not contain its passwords.
pub(super) struct Cluster {
    pub(super) authorities: Arc<Authorities>,
    /// The [`hash`] of the authority of its servers.
    pub(super) authority: String,
    pub(super) store: Store,
    /// How the API servers encrypt Secrets.
    pub(super) encryption: Option<PathBuf>,
    config: Config,
    server_password: String,
    agent_password: String,
    pub(super) etcd: Daemon,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("authority", &self.authority)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// How API servers reach the cluster's etcd.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub(super) url: String,
    pub(super) authority: PathBuf,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// Where a cluster's etcd runs, and with which program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) etcd: &'a Path,
    pub(super) address: Ipv4Addr,
    pub(super) dir: &'a Path,
    pub(super) log: &'a Path,
}

impl Cluster {
    /// Initialises a cluster as its first server does.
    pub(super) async fn initialise(
        machine: &Machine,
        authorities: Arc<Authorities>,
        place: Place<'_>,
    ) -> Result<Self> {
        let Place {
            etcd,
            address,
            dir,
            log,
        } = place;
        let agent_password = machine.config.text("agent-token");
        let agent_password = agent_password.unwrap_or(&machine.token.password).to_owned();
        fs::create_dir_all(dir).context("create the directory of etcd")?;
        let path = |name: &str| dir.join(name);
        let hosts = [address.to_string(), "127.0.0.1".into(), "localhost".into()];
        let subject = |name, hosts| Subject {
            name,
            organization: None,
            hosts,
        };
        let server = authorities
            .etcd_server
            .issue(subject("etcd-server", &hosts))?;
        let (server_certificate, server_key) = server.write(dir, "server")?;
        let peer = authorities.etcd_peer.issue(subject("etcd-peer", &hosts))?;
        let (peer_certificate, peer_key) = peer.write(dir, "peer")?;
        let client = authorities.etcd_server.issue(subject("etcd-client", &[]))?;
        let (certificate, key) = client.write(dir, "client")?;
        let authority = path("server-ca.crt");
        fs::write(&authority, &authorities.etcd_server.certificate)
            .context("write the authority of etcd")?;
        let peer_authority = path("peer-ca.crt");
        fs::write(&peer_authority, &authorities.etcd_peer.certificate)
            .context("write the authority of peers")?;
        let url = |port| format!("https://{}", SocketAddrV4::new(address, port));
        let text = |path: &Path| path.display().to_string();
        let defaults = [
            ("name", "first".to_owned()),
            ("data-dir", text(&path("data"))),
            ("listen-client-urls", url(2379)),
            ("advertise-client-urls", url(2379)),
            ("listen-peer-urls", url(2380)),
            ("initial-advertise-peer-urls", url(2380)),
            ("initial-cluster", format!("first={}", url(2380))),
            ("cert-file", text(&server_certificate)),
            ("key-file", text(&server_key)),
            ("trusted-ca-file", text(&authority)),
            ("client-cert-auth", "true".to_owned()),
            ("peer-cert-file", text(&peer_certificate)),
            ("peer-key-file", text(&peer_key)),
            ("peer-trusted-ca-file", text(&peer_authority)),
            ("peer-client-cert-auth", "true".to_owned()),
            // Nothing has to survive the rig.
            ("unsafe-no-fsync", "true".to_owned()),
            ("log-level", "warn".to_owned()),
        ];
        let arguments = arguments(defaults, machine.config.list("etcd-arg"));
        let invocation = Invocation::new(etcd).args(
            arguments
                .into_iter()
                .map(|(name, value)| format!("--{name}={value}")),
        );
        free(SocketAddrV4::new(address, 2379)).await?;
        Ok(Self {
            authority: hash(&authorities.server.certificate),
            authorities,
            store: Store {
                url: url(2379),
                authority,
                certificate,
                key,
            },
            encryption: encryption(&machine.config, dir)?,
            config: machine.config.clone(),
            server_password: machine.token.password.clone(),
            agent_password,
            etcd: Daemon::start("etcd", invocation, log, Restart::Never),
        })
    }

    /// Whether the cluster lets a machine in that has come to it.
    pub(super) fn admit(&self, machine: &Machine) -> Result<()> {
        ensure!(
            machine.token.authority == self.authority,
            "the token is for a cluster with authority {}, but {} leads to one with authority {}",
            machine.token.authority,
            machine.join,
            self.authority
        );
        let password = &machine.token.password;
        match machine.part {
            Part::Initial(_) => bail!("a server that initialises a cluster cannot join one"),
            Part::Agent => ensure!(
                *password == self.agent_password,
                "the password in the token is not that of the cluster's agents"
            ),
            Part::Server => {
                ensure!(
                    *password == self.server_password,
                    "the password in the token is not that of the cluster's servers"
                );
                if let Some(setting) = self.config.critical_difference(&machine.config) {
                    bail!(
                        "{setting} differs from the first server's: servers of a cluster share it"
                    );
                }
                let agents = machine.config.text("agent-token").unwrap_or(password);
                ensure!(
                    agents == self.agent_password,
                    "agent-token differs from the first server's"
                );
            }
        }
        Ok(())
    }

    /// A client of an API server, with an identity that the cluster issues.
    pub(super) async fn client(
        &self,
        server: SocketAddrV4,
        host: &str,
        subject: Subject<'_>,
    ) -> Result<Client> {
        let Issued { certificate, key } = self.authorities.client.issue(subject)?;
        let encode = |text: &[u8]| STANDARD.encode(text);
        let config: Kubeconfig = serde_json::from_value(json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "machine",
            "clusters": [{ "name": "machine", "cluster": {
                "server": format!("https://{server}"),
                "tls-server-name": host,
                "certificate-authority-data": encode(&self.authorities.server.certificate),
            }}],
            "users": [{ "name": "machine", "user": {
                "client-certificate-data": encode(certificate.as_bytes()),
                "client-key-data": encode(key.as_bytes()),
            }}],
            "contexts": [{ "name": "machine", "context": { "cluster": "machine", "user": "machine" } }],
        }))
        .context("make a kubeconfig")?;
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(config, &options).await;
        Client::try_from(config.context("read a kubeconfig")?).context("make a client")
    }

    /// A client with the rights of the cluster's own controllers.
    pub(super) async fn administrator(&self, server: SocketAddrV4) -> Result<Client> {
        let subject = Subject {
            name: "system:admin",
            organization: Some("system:masters"),
            hosts: &[],
        };
        self.client(server, "localhost", subject).await
    }
}

impl Issued {
    /// Writes certificate and key, and says where.
    pub(super) fn write(&self, dir: &Path, name: &str) -> Result<(PathBuf, PathBuf)> {
        let [certificate, key] = ["crt", "key"].map(|suffix| dir.join(format!("{name}.{suffix}")));
        fs::write(&certificate, &self.certificate)
            .and_then(|()| fs::write(&key, &self.key))
            .with_context(|| format!("write certificate and key {name}"))?;
        Ok((certificate, key))
    }
}

/// Waits until a program that was killed has let go of its address.
pub(super) async fn free(address: SocketAddrV4) -> Result<()> {
    eventually("the address is free", FREE, || async {
        TcpListener::bind(address).with_context(|| format!("try {address}"))?;
        Ok(())
    })
    .await
}

/// With `secrets-encryption` k3s makes a key once for the cluster.
fn encryption(config: &Config, dir: &Path) -> Result<Option<PathBuf>> {
    if !config.flag("secrets-encryption") {
        return Ok(None);
    }
    let path = dir.join(ENCRYPTION);
    if path.exists() {
        return Ok(Some(path));
    }
    let key = Sha256::digest(random_token()?);
    let config = json!({
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{
            "resources": ["secrets"],
            "providers": [
                { "aescbc": { "keys": [{ "name": "key", "secret": STANDARD.encode(key) }] } },
                { "identity": {} },
            ],
        }],
    });
    fs::write(&path, config.to_string()).context("write the encryption of Secrets")?;
    Ok(Some(path))
}
