//! k3s: what the servers of a cluster are told at their first boot.
//!
//! A role has one user data for all its servers: [`initialising_server`] for the
//! server that begins the cluster, [`joining_server`] for every other one, [`agent`]
//! for the servers of a pool. What differs from server to server (its name, address
//! and id) a server learns from the metadata service.
//!
//! ```text
//! ClusterRoots ─┐
//! Cluster ──────┼─ config ─> /etc/rancher/k3s/config.yaml ─┐
//! ControlPlane ─┤            authorities, units, scripts ──┼─ cloud_init ─> user data
//! Node ─────────┘                                          ┘
//! ```
//!
//! Only the initialising server carries keys of authorities. The others show a token
//! that names the authority they must find, and fetch the rest from the cluster.

mod config;
mod release;
mod user_data;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::cloud_init::TooLarge;
use crate::pki::Secret;

pub use release::{Architecture, Release, Version, known_versions};
pub use user_data::{agent, initialising_server, joining_server};

/// Where the binaries of releases are, unless somebody mirrors them.
pub const DOWNLOADS: &str = "https://github.com/k3s-io/k3s/releases/download";

/// Port of the API server and of what nodes join through.
pub const PORT: u16 = 6443;

/// What all nodes of a cluster have in common.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The release, with its digests.
    pub release: Release,
    /// Base URL of the binaries: `<base>/<version>/k3s` and `…/k3s-arm64`.
    pub downloads: String,
    /// The region's network, of which every node has an address.
    pub network: Ipv4Net,
    /// The load balancer's fixed private address, through which nodes join.
    pub join: Ipv4Addr,
    /// Who connects pods.
    pub flannel: FlannelBackend,
    /// Registry that all of k3s's own images come from, when not their own.
    pub system_registry: Option<String>,
    /// Mirrors of registries, and what is needed to use them.
    pub registries: Registries,
}

/// How flannel, which k3s brings, connects pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlannelBackend {
    /// Not at all: another CNI is installed.
    None,
    /// VXLAN between nodes.
    Vxlan,
    /// Routes between nodes of one network.
    HostGateway,
    /// WireGuard between nodes.
    Wireguard,
}

impl FlannelBackend {
    fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Vxlan => "vxlan",
            Self::HostGateway => "host-gw",
            Self::Wireguard => "wireguard-native",
        }
    }
}

/// What only servers are told. k3s wants most of it to be the same on all of them.
#[derive(Debug, Clone)]
pub struct ControlPlane {
    /// The stable name of the API server, which stands in every serving certificate
    /// and in the kubeconfig.
    pub name: String,
    /// Further names and addresses for the serving certificates.
    pub extra_names: Vec<String>,
    /// Addresses of pods.
    pub pods: Ipv4Net,
    /// Addresses of services.
    pub services: Ipv4Net,
    /// Address of the cluster's DNS, inside of `services`.
    pub dns: Ipv4Addr,
    /// What k3s would install and should not.
    pub disabled: Vec<Component>,
    /// Whether k3s enforces network policies. Another CNI does that itself.
    pub network_policy: bool,
    /// Whether kube-proxy runs. Cilium can replace it.
    pub kube_proxy: bool,
    /// Whether Secrets are encrypted in etcd. k3s cannot switch that on later.
    pub secrets_encryption: bool,
    /// Snapshots of etcd; none are taken without.
    pub snapshots: Option<Snapshots>,
    /// Arguments of the processes inside of k3s.
    pub arguments: Arguments,
}

/// The address that k3s gives to the DNS of a cluster with these services: the tenth.
pub fn dns_address(services: Ipv4Net) -> Option<Ipv4Addr> {
    let address = Ipv4Addr::from_bits(services.network().to_bits().checked_add(10)?);
    services.contains(&address).then_some(address)
}

/// Something that k3s installs by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// The cluster's DNS.
    CoreDns,
    /// Volumes on the node's own disk.
    LocalStorage,
    /// Usage of nodes and pods.
    MetricsServer,
    /// Load balancers on the nodes themselves.
    ServiceLb,
    /// The ingress controller.
    Traefik,
}

impl Component {
    fn as_str(self) -> &'static str {
        match self {
            Self::CoreDns => "coredns",
            Self::LocalStorage => "local-storage",
            Self::MetricsServer => "metrics-server",
            Self::ServiceLb => "servicelb",
            Self::Traefik => "traefik",
        }
    }
}

/// Arguments of processes inside of k3s: name without dashes, and value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Of kube-apiserver.
    pub api_server: BTreeMap<String, String>,
    /// Of kube-controller-manager.
    pub controller_manager: BTreeMap<String, String>,
    /// Of kube-scheduler.
    pub scheduler: BTreeMap<String, String>,
    /// Of etcd.
    pub etcd: BTreeMap<String, String>,
}

impl Arguments {
    /// For clusters that should notice a lost node within seconds and live on small
    /// servers.
    pub fn small() -> Self {
        let arguments = |list: &[(&str, &str)]| {
            list.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        Self {
            api_server: arguments(&[("default-watch-cache-size", "50")]),
            controller_manager: arguments(&[
                ("node-monitor-grace-period", "20s"),
                ("node-monitor-period", "5s"),
            ]),
            scheduler: BTreeMap::new(),
            etcd: arguments(&[("quota-backend-bytes", "1073741824")]),
        }
    }
}

/// Snapshots of etcd.
#[derive(Debug, Clone)]
pub struct Snapshots {
    /// When, as cron writes it.
    pub schedule: String,
    /// How many are kept.
    pub retention: u32,
    /// Where they are kept besides the server's own disk.
    pub bucket: Option<Bucket>,
}

/// A bucket in an object store that speaks S3.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Host, without `https://`.
    pub endpoint: String,
    /// Region of the store.
    pub region: String,
    /// Name of the bucket.
    pub name: String,
    /// Folder in the bucket: one for each cluster.
    pub folder: String,
    /// Who reads and writes.
    pub access_key: Secret,
    /// With what.
    pub secret_key: Secret,
}

/// What the nodes of one role or pool have in common.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// Labels that a node gives itself.
    pub labels: BTreeMap<String, String>,
    /// Taints that it registers with.
    pub taints: Vec<Taint>,
    /// Arguments of the kubelet.
    pub kubelet: BTreeMap<String, String>,
    /// The way out for servers without a public address: the gateway of the private
    /// network.
    pub gateway: Option<Ipv4Addr>,
}

/// Keeps pods off a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value, possibly empty.
    pub value: String,
    /// What happens to pods that do not tolerate it.
    pub effect: Effect,
}

/// What a taint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Pods are not scheduled.
    NoSchedule,
    /// Pods are scheduled if there is no other node.
    PreferNoSchedule,
    /// Pods that run already are evicted too.
    NoExecute,
}

impl Effect {
    fn as_str(self) -> &'static str {
        match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        }
    }
}

/// Mirrors of image registries, in the form of k3s's `registries.yaml`.
#[derive(Debug, Clone, Default)]
pub struct Registries {
    /// Where to look instead: registry to URLs, in order.
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// How to log in: host of a mirror to its credentials.
    pub credentials: BTreeMap<String, Credentials>,
}

/// A login.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// User.
    pub username: String,
    /// Password.
    pub password: Secret,
}

/// Why no user data can be written. Fields are named by their path below the cluster
/// or pool that the mistake is in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The version is not one of k3s.
    #[error("{version:?} is not a version of k3s, like {example}")]
    Version {
        /// What was given.
        version: String,
        /// A version that is known.
        example: &'static str,
    },
    /// Nobody said what the binary must look like.
    #[error(
        "the SHA-256 of k3s {version} is not known: give it in k3s.install.sha256, or use one of {known}"
    )]
    UnknownRelease {
        /// What was given.
        version: String,
        /// Versions that are known.
        known: String,
    },
    /// A digest is none.
    #[error(
        "k3s.install.sha256.{}: {digest:?} is not a SHA-256 in lower-case hexadecimal",
        architecture.as_str()
    )]
    Digest {
        /// Of which binary.
        architecture: Architecture,
        /// What was given.
        digest: String,
    },
    /// The base URL cannot be used.
    #[error(
        "k3s.install.mirror: {url:?} is not an http or https URL of letters, digits and -._~:/%@+"
    )]
    Downloads {
        /// What was given.
        url: String,
    },
    /// The kubelet would refuse to start.
    #[error(
        "labels: a node cannot give itself the label {key:?}: below kubernetes.io and k8s.io only node.kubernetes.io/…, kubelet.kubernetes.io/… and a few well-known labels are allowed; use another prefix"
    )]
    Label {
        /// Key of the label.
        key: String,
    },
    /// An argument is set by us.
    #[error("{field}: the argument {name:?} is set by the platform: leave it out")]
    Reserved {
        /// Which list of arguments.
        field: &'static str,
        /// Name of the argument.
        name: String,
    },
    /// The DNS address is no service address.
    #[error("networking: the address {dns} of the cluster's DNS is not in {services}")]
    Dns {
        /// Address of the DNS.
        dns: Ipv4Addr,
        /// Addresses of services.
        services: Ipv4Net,
    },
    /// The user data does not fit.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

#[cfg(test)]
mod tests;
