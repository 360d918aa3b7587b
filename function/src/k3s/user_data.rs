//! The user data of a server: files, and the unit that is started.

use serde_json::json;

use super::config::{self, Start};
use super::{Architecture, Cluster, ControlPlane, Error, Node, Registries};
use crate::cloud_init::{self, File, Mode};
use crate::pki::{Authority, ClusterRoots, Secret};

/// Where a Hetzner server learns about itself.
const METADATA: &str = "http://169.254.169.254/hetzner/v1/metadata";

/// Recursive resolvers of Hetzner, for servers that no DHCP tells.
const RESOLVED: &str = "[Resolve]\nDNS=185.12.64.1 185.12.64.2\n";

const UNIT_OF_SERVER: &str = "k3s.service";
const UNIT_OF_AGENT: &str = "k3s-agent.service";

/// The user data of the server that initialises a cluster: ordinal 0, as long as etcd
/// does not exist. It alone carries the authorities with their keys.
///
/// # Errors
///
/// When an input contradicts itself, or the user data would be too large.
pub fn initialising_server(
    cluster: &Cluster,
    control_plane: &ControlPlane,
    node: &Node,
    roots: &ClusterRoots,
) -> Result<Secret, Error> {
    let config = config::server(cluster, control_plane, node, roots, Start::Initialise)?;
    document(cluster, node, roots, Role::Initialise, &config)
}

/// The user data of every other server.
///
/// # Errors
///
/// When an input contradicts itself, or the user data would be too large.
pub fn joining_server(
    cluster: &Cluster,
    control_plane: &ControlPlane,
    node: &Node,
    roots: &ClusterRoots,
) -> Result<Secret, Error> {
    let config = config::server(cluster, control_plane, node, roots, Start::Join)?;
    document(cluster, node, roots, Role::Join, &config)
}

/// The user data of the servers of a pool.
///
/// # Errors
///
/// When an input contradicts itself, or the user data would be too large.
pub fn agent(cluster: &Cluster, node: &Node, roots: &ClusterRoots) -> Result<Secret, Error> {
    let config = config::agent(cluster, node, roots)?;
    document(cluster, node, roots, Role::Agent, &config)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Initialise,
    Join,
    Agent,
}

impl Role {
    /// As the script at boot knows it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Initialise => "init",
            Self::Join => "server",
            Self::Agent => "agent",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Initialise | Self::Join => UNIT_OF_SERVER,
            Self::Agent => UNIT_OF_AGENT,
        }
    }
}

fn document(
    cluster: &Cluster,
    node: &Node,
    roots: &ClusterRoots,
    role: Role,
    config: &Secret,
) -> Result<Secret, Error> {
    let mut files = vec![File::new(
        "/etc/rancher/k3s/config.yaml",
        Mode::Private,
        config.expose(),
    )];
    if !cluster.registries.is_empty() {
        files.push(File::new(
            "/etc/rancher/k3s/registries.yaml",
            Mode::Private,
            registries(&cluster.registries).expose(),
        ));
    }
    if role == Role::Initialise {
        files.extend(authorities(roots));
    }
    files.push(File::new(
        "/etc/default/k3s-prepare",
        Mode::Private,
        environment(cluster, node, roots, role)?,
    ));
    files.push(File::new(
        "/usr/local/lib/k3s/prepare",
        Mode::Executable,
        include_str!("boot/prepare.sh"),
    ));
    files.push(File::new(
        "/usr/local/lib/k3s/guard-metadata",
        Mode::Executable,
        include_str!("boot/guard-metadata.sh"),
    ));
    files.push(File::new(
        "/etc/systemd/system/k3s-prepare.service",
        Mode::Public,
        include_str!("boot/prepare.service"),
    ));
    files.push(match role {
        Role::Initialise | Role::Join => File::new(
            "/etc/systemd/system/k3s.service",
            Mode::Public,
            include_str!("boot/k3s.service"),
        ),
        Role::Agent => File::new(
            "/etc/systemd/system/k3s-agent.service",
            Mode::Public,
            include_str!("boot/k3s-agent.service"),
        ),
    });

    let mut commands: Vec<&[&str]> = vec![&["systemctl", "daemon-reload"]];
    if node.gateway.is_some() {
        files.push(File::new(
            "/usr/local/lib/k3s/default-route",
            Mode::Executable,
            include_str!("boot/default-route.sh"),
        ));
        files.push(File::new(
            "/etc/systemd/system/k3s-default-route.service",
            Mode::Public,
            include_str!("boot/default-route.service"),
        ));
        files.push(File::new(
            "/etc/systemd/resolved.conf.d/hetzner.conf",
            Mode::Public,
            RESOLVED,
        ));
        commands.push(&["systemctl", "try-restart", "systemd-resolved.service"]);
        commands.push(&[
            "systemctl",
            "enable",
            "--now",
            "--no-block",
            "k3s-default-route.service",
        ]);
    }
    commands.push(&[
        "systemctl",
        "enable",
        "--now",
        "--no-block",
        "k3s-prepare.service",
    ]);
    Ok(cloud_init::document(&files, &commands)?)
}

/// The authorities where k3s looks for them before it makes its own.
/// Source: <https://docs.k3s.io/cli/certificate>.
fn authorities(roots: &ClusterRoots) -> Vec<File> {
    macro_rules! tls {
        ($file:literal) => {
            concat!("/var/lib/rancher/k3s/server/tls/", $file)
        };
    }
    let pairs: [(&'static str, &'static str, &Authority); 5] = [
        (tls!("server-ca.crt"), tls!("server-ca.key"), &roots.server),
        (tls!("client-ca.crt"), tls!("client-ca.key"), &roots.client),
        (
            tls!("request-header-ca.crt"),
            tls!("request-header-ca.key"),
            &roots.request_header,
        ),
        (
            tls!("etcd/server-ca.crt"),
            tls!("etcd/server-ca.key"),
            &roots.etcd_server,
        ),
        (
            tls!("etcd/peer-ca.crt"),
            tls!("etcd/peer-ca.key"),
            &roots.etcd_peer,
        ),
    ];
    let mut files = Vec::with_capacity(2 * pairs.len() + 1);
    for (certificate, key, authority) in pairs {
        files.push(File::new(certificate, Mode::Public, authority.pem()));
        files.push(File::new(key, Mode::Private, authority.key_pem().expose()));
    }
    files.push(File::new(
        tls!("service.key"),
        Mode::Private,
        roots.service_key_pem().expose(),
    ));
    files
}

/// What the script at boot is told. Every value is of a kind that needs no escaping
/// inside of single quotes.
fn environment(
    cluster: &Cluster,
    node: &Node,
    roots: &ClusterRoots,
    role: Role,
) -> Result<String, Error> {
    let release = &cluster.release;
    // A plus sign means a space in some mirrors.
    let version = release.version().to_string().replace('+', "%2B");
    let downloads = base_url(&cluster.downloads)?;
    let gateway = node.gateway.map(|gateway| gateway.to_string());
    let values: [(&str, &str); 12] = [
        ("ROLE", role.as_str()),
        ("UNIT", role.unit()),
        ("METADATA_URL", METADATA),
        ("NETWORK", &cluster.network.trunc().to_string()),
        ("JOIN_URL", &config::join_url(cluster.join)),
        ("CA_SHA256", &roots.server.hash()),
        ("DOWNLOAD_URL", &format!("{downloads}/{version}")),
        ("SHA256_AMD64", release.digest(Architecture::Amd64)),
        ("SHA256_ARM64", release.digest(Architecture::Arm64)),
        (
            "FLANNEL",
            if config::uses_flannel(cluster) {
                "true"
            } else {
                "false"
            },
        ),
        ("GATEWAY", gateway.as_deref().unwrap_or_default()),
        ("VERSION", &release.version().to_string()),
    ];
    Ok(values
        .iter()
        .map(|(name, value)| format!("{name}='{value}'\n"))
        .collect())
}

/// The base URL without a slash at its end.
fn base_url(url: &str) -> Result<&str, Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/%@+".contains(&byte);
    let host = ["https://", "http://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    match host {
        Some(host) if !host.trim_matches('/').is_empty() && host.bytes().all(plain) => {
            Ok(url.trim_end_matches('/'))
        }
        _ => Err(Error::Downloads {
            url: url.to_owned(),
        }),
    }
}

impl Registries {
    fn is_empty(&self) -> bool {
        self.mirrors.is_empty() && self.credentials.is_empty()
    }
}

/// `registries.yaml`, in JSON, which is YAML too.
/// Source: <https://docs.k3s.io/installation/private-registry>.
fn registries(registries: &Registries) -> Secret {
    let mut mirrors = serde_json::Map::new();
    for (registry, endpoints) in &registries.mirrors {
        mirrors.insert(registry.clone(), json!({ "endpoint": endpoints }));
    }
    let mut configs = serde_json::Map::new();
    for (host, login) in &registries.credentials {
        let auth = json!({"username": login.username, "password": login.password.expose()});
        configs.insert(host.clone(), json!({ "auth": auth }));
    }
    Secret::new(format!(
        "{:#}\n",
        json!({"mirrors": mirrors, "configs": configs})
    ))
}
