//! How k3s is set up.

use provider_hcloud_api::reference::LocalSecretReference;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How k3s is set up. What a claim leaves out follows its profile; what a cluster that
/// is written by hand leaves out is as k3s itself has it. Changes reach new servers
/// only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct K3s {
    /// Further arguments of the parts of Kubernetes, each `name=value` without dashes.
    /// Together with the profile's: an argument that is given here replaces that of the
    /// same name.
    #[serde(default, skip_serializing_if = "K3sArgs::is_empty")]
    #[schemars(title = "Arguments")]
    pub args: K3sArgs,

    /// Parts of k3s that are not installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        title = "Disabled parts",
        length(max = 8),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub disable: Option<Vec<K3sPart>>,

    /// Whether kube-proxy is left out, for a CNI that replaces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Without kube-proxy")]
    pub disable_kube_proxy: Option<bool>,

    /// Whether the network policies of k3s are left out, for a CNI that brings its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Without network policies")]
    pub disable_network_policy: Option<bool>,

    /// Snapshots of etcd. By default k3s keeps five, made every twelve hours, on the
    /// disks of the servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Snapshots of etcd")]
    pub etcd_snapshots: Option<EtcdSnapshots>,

    /// Flannel's backend; none for a CNI that is installed separately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Flannel backend", with = "FlannelBackend")]
    pub flannel_backend: Option<FlannelBackend>,

    /// Where k3s is downloaded from.
    #[serde(default, skip_serializing_if = "K3sInstall::is_default")]
    #[schemars(title = "Installation")]
    pub install: K3sInstall,

    /// Whether Secrets are encrypted in etcd. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Encryption of Secrets")]
    pub secrets_encryption: Option<bool>,
}

/// A part of k3s that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum K3sPart {
    /// The DNS server of the cluster.
    Coredns,
    /// The storage class on the disks of the nodes.
    LocalStorage,
    /// The metrics of nodes and pods.
    MetricsServer,
    /// The load balancer on the nodes.
    Servicelb,
    /// The ingress controller.
    Traefik,
}

impl K3sPart {
    /// The part as k3s spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Coredns => "coredns",
            Self::LocalStorage => "local-storage",
            Self::MetricsServer => "metrics-server",
            Self::Servicelb => "servicelb",
            Self::Traefik => "traefik",
        }
    }
}

/// Backend of flannel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FlannelBackend {
    /// Flannel is left out.
    None,
    /// VXLAN.
    Vxlan,
    /// Routes on each host.
    HostGw,
    /// WireGuard of the kernel.
    WireguardNative,
}

impl FlannelBackend {
    /// The backend as k3s spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Vxlan => "vxlan",
            Self::HostGw => "host-gw",
            Self::WireguardNative => "wireguard-native",
        }
    }
}

/// Arguments of the parts of Kubernetes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct K3sArgs {
    /// Of the API server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "API server",
        length(max = 32),
        inner(length(max = 256), regex(pattern = r"^[a-z][a-z0-9-]*=.*$"))
    )]
    pub api_server: Vec<String>,

    /// Of the controller manager.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "Controller manager",
        length(max = 32),
        inner(length(max = 256), regex(pattern = r"^[a-z][a-z0-9-]*=.*$"))
    )]
    pub controller_manager: Vec<String>,

    /// Of etcd.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "etcd",
        length(max = 32),
        inner(length(max = 256), regex(pattern = r"^[a-z][a-z0-9-]*=.*$"))
    )]
    pub etcd: Vec<String>,

    /// Of the kubelets of all nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "Kubelet",
        length(max = 32),
        inner(length(max = 256), regex(pattern = r"^[a-z][a-z0-9-]*=.*$"))
    )]
    pub kubelet: Vec<String>,

    /// Of the scheduler.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "Scheduler",
        length(max = 32),
        inner(length(max = 256), regex(pattern = r"^[a-z][a-z0-9-]*=.*$"))
    )]
    pub scheduler: Vec<String>,
}

impl K3sArgs {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Snapshots of etcd.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EtcdSnapshots {
    /// How many are kept. Default: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Retention", range(min = 1, max = 1000))]
    pub retention: Option<u32>,

    /// An object store that gets a copy of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Object store")]
    pub s3: Option<S3>,

    /// When they are made, in cron's syntax. Default: `0 */12 * * *`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Schedule", length(min = 9, max = 100))]
    pub schedule: Option<String>,
}

/// An object store that speaks S3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct S3 {
    /// Bucket.
    #[schemars(title = "Bucket", length(min = 3, max = 63))]
    pub bucket: String,

    /// Secret in the namespace of the claim with the keys `accessKey` and `secretKey`.
    #[schemars(title = "Credentials")]
    pub credentials_secret_ref: LocalSecretReference,

    /// Host of the store, for example fsn1.your-objectstorage.com.
    #[schemars(title = "Endpoint", length(min = 1, max = 253))]
    pub endpoint: String,

    /// Folder in the bucket. Default: the name of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Folder", length(min = 1, max = 253))]
    pub folder: Option<String>,

    /// Region of the store, where it has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Region", length(min = 1, max = 63))]
    pub region: Option<String>,
}

/// Where k3s is downloaded from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct K3sInstall {
    /// A web server that has the files of k3s' releases, each below the version, instead
    /// of GitHub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        title = "Mirror",
        length(max = 512),
        regex(pattern = r"^https?://[^\s/]+(/[^\s]*)?$")
    )]
    pub mirror: Option<String>,

    /// SHA-256 checksum of the binary, for each architecture. Needed for versions that
    /// the function does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Checksum")]
    pub sha256: Option<Checksums>,

    /// Registry that all images of k3s itself come from, for nodes that do not reach
    /// docker.io.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        title = "System registry",
        length(max = 253),
        regex(pattern = r"^[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?(/[a-z0-9._/-]+)?$")
    )]
    pub system_registry: Option<String>,
}

impl K3sInstall {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// SHA-256 checksums of the binary of k3s.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Checksums {
    /// For x86-64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "x86-64", length(max = 64), regex(pattern = r"^[0-9a-f]{64}$"))]
    pub amd64: Option<String>,

    /// For 64-bit ARM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "ARM", length(max = 64), regex(pattern = r"^[0-9a-f]{64}$"))]
    pub arm64: Option<String>,
}
