//! Kubernetes clusters: as a claim asks for them, and `XCluster` with all decided.

use std::net::Ipv4Addr;

use provider_hcloud_api::reference::LocalSecretKeySelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::k3s::K3s;
use super::machine::{LOCATION, Labels, NAME, Public, Taint, Volume, labels, yes};
use super::network::Range;
use super::node_pool::{NodePool, NodePoolRequest};
use super::platform::Provider;
use super::row::{ClusterRow, NodePoolRow};
use super::site::Site;

/// Name of the pool of the control plane; no other pool can have it.
pub const CONTROL_PLANE: &str = "cp";
/// Numbers of control-plane servers with which etcd keeps a majority.
pub const CONTROL_PLANE_COUNTS: [u32; 4] = [1, 3, 5, 7];

/// What a cluster is used for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterRole {
    /// Everything.
    #[default]
    All,
    /// Services of the platform.
    Infra,
    /// Workloads.
    Apps,
    /// The management of other clusters.
    Mgt,
    /// Workloads in a restricted zone.
    Rtz,
    /// What faces the internet.
    Dmz,
}

/// What runs the cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// k3s on servers of the platform.
    #[default]
    K3s,
    /// A cluster that exists: nothing is created for it.
    External,
}

impl Distribution {
    /// The distribution as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::K3s => "k3s",
            Self::External => "external",
        }
    }
}

/// How the API server is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EndpointType {
    /// At the public address of its load balancer, which the firewall of the cloud does
    /// not cover: the certificates of clients protect it.
    #[default]
    Public,
    /// At the address of its load balancer in the private network only.
    Private,
    /// By a name that you let lead to the public address of its load balancer.
    Dns,
}

/// Rules that a claim's cluster and a decided one share.
fn external_needs_access() -> serde_json::Value {
    json!({
        "rule": "(has(self.distribution) ? self.distribution : 'k3s') != 'external' || has(self.kubeconfigSecretRef) || has(self.management) && self.management",
        "message": "an external cluster needs kubeconfigSecretRef, or management: true for the cluster that Crossplane runs in",
    })
}

fn fixed_distribution() -> serde_json::Value {
    json!({
        "rule": "(has(self.distribution) ? self.distribution : 'k3s') == (has(oldSelf.distribution) ? oldSelf.distribution : 'k3s')",
        "message": "distribution cannot be changed: add a cluster and remove this one",
    })
}

/// A cluster, as a claim asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [external_needs_access(), fixed_distribution()]))]
pub struct ClusterRequest {
    /// Name of the cluster, unique in its region. Renaming a cluster means removing it
    /// and adding another.
    #[schemars(title = "Name", length(max = 20), regex(pattern = NAME))]
    pub name: String,

    /// What the cluster is used for.
    #[serde(default)]
    #[schemars(title = "Role")]
    pub role: ClusterRole,

    /// What runs the cluster. It cannot change.
    #[serde(default)]
    #[schemars(title = "Distribution")]
    pub distribution: Distribution,

    /// Version of the distribution, for example v1.31.4+k3s1. Default: the newest that is
    /// known when the cluster is added. A change applies to new servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        title = "Version",
        length(max = 32),
        regex(pattern = r"^v[0-9]+\.[0-9]+\.[0-9]+(\+[a-z0-9]+)?$")
    )]
    pub version: Option<String>,

    /// Whether this is the cluster that Crossplane runs in. At most one cluster of a
    /// platform is.
    #[serde(default)]
    #[schemars(title = "Management cluster")]
    pub management: bool,

    /// Address ranges inside the cluster.
    #[serde(default)]
    #[schemars(title = "Networking", extend("default" = {}))]
    pub networking: NetworkingRequest,

    /// How the API server is reached.
    #[serde(default)]
    #[schemars(title = "Endpoint", extend("default" = {}))]
    pub endpoint: EndpointRequest,

    /// For an external cluster: the Secret in the namespace of the claim with its
    /// kubeconfig.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Kubeconfig")]
    pub kubeconfig_secret_ref: Option<KubeconfigSecret>,

    /// The servers of the control plane.
    #[serde(default)]
    #[schemars(title = "Control plane", extend("default" = {}))]
    pub control_plane: ControlPlaneRequest,

    /// Pools of further servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "Node pools",
        length(max = 12),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub node_pools: Vec<NodePoolRequest>,

    /// How k3s is set up.
    #[serde(default)]
    #[schemars(title = "k3s", extend("default" = {}))]
    pub k3s: K3s,
}

/// Address ranges inside a cluster, as a claim asks for them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkingRequest {
    /// Addresses of pods. Default: the lowest free of 10.42.0.0/16, 10.43.0.0/16 and so
    /// on. It cannot change.
    #[serde(default, rename = "podCIDR", skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Pod addresses", with = "Option<Range>")]
    pub pod_cidr: Option<String>,

    /// Addresses of services. Default: the lowest free of 10.96.0.0/16, 10.97.0.0/16 and
    /// so on. It cannot change.
    #[serde(
        default,
        rename = "serviceCIDR",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(title = "Service addresses", with = "Option<Range>")]
    pub service_cidr: Option<String>,

    /// Id in the mesh of clusters, unique in the platform. Default: the lowest free. It
    /// cannot change.
    #[serde(default, rename = "meshID", skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Mesh id", range(min = 1, max = 255))]
    pub mesh_id: Option<u8>,
}

/// How the API server is reached, as a claim asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [json!({
    "rule": "(has(self.type) && self.type == 'dns') == has(self.host)",
    "message": "host is required for the type dns, and only allowed there",
})]))]
pub struct EndpointRequest {
    /// Name that leads to the load balancer, for the type dns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        title = "Host",
        length(max = 253),
        regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
    )]
    pub host: Option<String>,

    /// Type of the load balancer in front of the API servers.
    #[serde(default = "default_load_balancer_type")]
    #[schemars(title = "Load balancer type", length(min = 1, max = 32))]
    pub load_balancer_type: String,

    /// Where clients find the API server.
    #[serde(default, rename = "type")]
    #[schemars(title = "Type")]
    pub kind: EndpointType,
}

impl Default for EndpointRequest {
    fn default() -> Self {
        Self {
            host: None,
            load_balancer_type: default_load_balancer_type(),
            kind: EndpointType::default(),
        }
    }
}

pub(super) fn default_load_balancer_type() -> String {
    "lb11".to_owned()
}

/// A Secret with a kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KubeconfigSecret {
    /// Key in the Secret.
    #[serde(default = "kubeconfig_key")]
    #[schemars(title = "Key", length(min = 1, max = 253))]
    pub key: String,

    /// Name of the Secret.
    #[schemars(title = "Name", length(min = 1, max = 253))]
    pub name: String,
}

fn kubeconfig_key() -> String {
    "value".to_owned()
}

/// The servers of the control plane, as a claim asks for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ControlPlaneRequest {
    /// How many servers: 1, 3, 5 or 7, so that etcd keeps a majority when one fails. It
    /// can grow and not shrink. Default: as the profile says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Count", extend("enum" = [1, 3, 5, 7]))]
    pub count: Option<u32>,

    /// Server types in order of preference. Default: as the profile says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        title = "Server types",
        length(min = 1, max = 8),
        inner(length(min = 1, max = 32))
    )]
    pub server_types: Option<Vec<String>>,

    /// Whether workloads run here too. Without another pool they must. Default: true
    /// where there is no other pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Schedulable")]
    pub schedulable: Option<bool>,

    /// Locations in order of preference, in the network zone of the region. Default: the
    /// region's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        title = "Locations",
        length(min = 1, max = 6),
        inner(length(max = 32), regex(pattern = LOCATION))
    )]
    pub locations: Option<Vec<String>>,

    /// Image of new servers. Default: ubuntu-24.04.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Image", length(min = 1, max = 253))]
    pub image: Option<String>,

    /// Labels of the nodes.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    #[schemars(schema_with = "labels")]
    pub labels: Labels,

    /// Whether the cloud makes a daily backup of each disk, for a surcharge.
    #[serde(default)]
    #[schemars(title = "Backups")]
    pub backups: bool,

    /// Whether the servers have public addresses.
    #[serde(default)]
    #[schemars(title = "Public addresses", extend("default" = {}))]
    pub public: Public,

    /// Whether the servers run on different hosts of the cloud, ten at most together.
    #[serde(default = "yes")]
    #[schemars(title = "Spread")]
    pub spread: bool,

    /// Volumes that every server gets, in addition to its disk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "Volumes",
        length(max = 8),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub volumes: Vec<Volume>,

    /// Taints of the nodes, in addition to that of a control plane without workloads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(title = "Taints", length(max = 16))]
    pub taints: Vec<Taint>,
}

impl Default for ControlPlaneRequest {
    fn default() -> Self {
        Self {
            count: None,
            server_types: None,
            schedulable: None,
            locations: None,
            image: None,
            labels: Labels::new(),
            backups: false,
            public: Public::default(),
            spread: yes(),
            volumes: Vec::new(),
            taints: Vec::new(),
        }
    }
}

/// A cluster with everything decided. Planned for a platform by the planner, which
/// records in it what it allocated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    external_needs_access(),
    fixed_distribution(),
    json!({
        "rule": "(has(self.distribution) ? self.distribution : 'k3s') == 'external' || has(self.controlPlane) && has(self.endpoint) && has(self.version) && has(self.networking.podCIDR) && has(self.networking.serviceCIDR)",
        "message": "a k3s cluster needs controlPlane, endpoint, version, networking.podCIDR and networking.serviceCIDR",
    }),
    json!({
        "rule": "!has(self.controlPlane) || !has(oldSelf.controlPlane) || self.controlPlane.count >= oldSelf.controlPlane.count",
        "message": "the control plane can grow and not shrink",
    }),
    json!({
        "rule": "!has(self.controlPlane) || self.controlPlane.count in [1, 3, 5, 7]",
        "message": "a control plane has 1, 3, 5 or 7 servers",
    }),
]))]
pub struct Cluster {
    /// The servers of the control plane. Left out for an external cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Control plane")]
    pub control_plane: Option<NodePool>,

    /// What runs the cluster.
    #[serde(default)]
    #[schemars(title = "Distribution")]
    pub distribution: Distribution,

    /// How the API server is reached. Left out for an external cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Endpoint")]
    pub endpoint: Option<Endpoint>,

    /// How k3s is set up.
    #[serde(default)]
    #[schemars(title = "k3s", extend("default" = {}))]
    pub k3s: K3s,

    /// For an external cluster: the Secret in this namespace with its kubeconfig.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Kubeconfig")]
    pub kubeconfig_secret_ref: Option<KubeconfigSecret>,

    /// Whether this is the cluster that Crossplane runs in.
    #[serde(default)]
    #[schemars(title = "Management cluster")]
    pub management: bool,

    /// Name of the cluster, unique in its region.
    #[schemars(title = "Name", length(max = 20), regex(pattern = NAME))]
    pub name: String,

    /// Address ranges inside the cluster.
    #[serde(default)]
    #[schemars(title = "Networking", extend("default" = {}))]
    pub networking: Networking,

    /// Pools of further servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "Node pools",
        length(max = 12),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub node_pools: Vec<NodePool>,

    /// What the cluster is used for.
    #[serde(default)]
    #[schemars(title = "Role")]
    pub role: ClusterRole,

    /// Whether workloads run on the control plane too.
    #[serde(default = "yes")]
    #[schemars(title = "Schedulable control plane")]
    pub schedulable: bool,

    /// Version of the distribution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        title = "Version",
        length(max = 32),
        regex(pattern = r"^v[0-9]+\.[0-9]+\.[0-9]+(\+[a-z0-9]+)?$")
    )]
    pub version: Option<String>,
}

/// Address ranges inside a cluster. What is set cannot change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [json!({
    "rule": "(!has(oldSelf.podCIDR) || has(self.podCIDR) && self.podCIDR == oldSelf.podCIDR) && (!has(oldSelf.serviceCIDR) || has(self.serviceCIDR) && self.serviceCIDR == oldSelf.serviceCIDR) && (!has(oldSelf.meshID) || has(self.meshID) && self.meshID == oldSelf.meshID)",
    "message": "podCIDR, serviceCIDR and meshID cannot be changed once they are set",
})]))]
pub struct Networking {
    /// Id in the mesh of clusters.
    #[serde(default, rename = "meshID", skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Mesh id", range(min = 1, max = 255))]
    pub mesh_id: Option<u8>,

    /// Addresses of pods.
    #[serde(default, rename = "podCIDR", skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Pod addresses")]
    pub pod_cidr: Option<Range>,

    /// Addresses of services.
    #[serde(
        default,
        rename = "serviceCIDR",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(title = "Service addresses")]
    pub service_cidr: Option<Range>,
}

/// How the API server of a cluster is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    json!({
        "rule": "(has(self.type) && self.type == 'dns') == has(self.host)",
        "message": "host is required for the type dns, and only allowed there",
    }),
    json!({
        "rule": "self.address == oldSelf.address",
        "message": "address cannot be changed: nodes join at it",
    }),
]))]
pub struct Endpoint {
    /// Address of the load balancer in the subnet of the cluster; nodes join at it. It
    /// cannot change.
    #[schemars(title = "Private address", length(min = 7, max = 15))]
    pub address: Ipv4Addr,

    /// Name that leads to the load balancer, for the type dns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        title = "Host",
        length(max = 253),
        regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
    )]
    pub host: Option<String>,

    /// Type of the load balancer.
    #[serde(default = "default_load_balancer_type")]
    #[schemars(title = "Load balancer type", length(min = 1, max = 32))]
    pub load_balancer_type: String,

    /// Where clients find the API server.
    #[serde(default, rename = "type")]
    #[schemars(title = "Type")]
    pub kind: EndpointType,
}

/// One cluster and where it stands. Planned by `XRegion` for each of its clusters;
/// makes its certificates, tokens, user data, kubeconfig and API load balancer, and an
/// `XNodePool` for the control plane and for each pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterSpec {
    /// The cluster.
    #[schemars(title = "Cluster")]
    pub cluster: Cluster,

    /// The cloud that the cluster runs in, and the credentials for it.
    #[serde(default)]
    #[schemars(title = "Provider", extend("default" = {}))]
    pub provider: Provider,

    /// Where its servers stand. Left out for an external cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Site")]
    pub site: Option<Site>,
}

/// What a cluster looks like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// Fingerprint of the certificate authority of the API server (SHA-256): it shows
    /// that the Secret with the roots was lost when it is no longer that of the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_fingerprint: Option<String>,

    /// What the cluster costs each month by the list price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<super::cost::Cost>,

    /// URL of the API server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,

    /// Name of the Secret with the kubeconfig, in the key `value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig_secret: Option<String>,

    /// The pools, that of the control plane first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub node_pools: Vec<NodePoolRow>,

    /// Public addresses of all servers, sorted; empty until each server has its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_addresses: Vec<String>,

    /// Version that new servers get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl ClusterStatus {
    /// The row of this cluster in the statuses above it; readiness is for the caller to
    /// fill in.
    pub fn row(self, cluster: &Cluster) -> ClusterRow {
        let mut node_pools = self.node_pools;
        for pool in &mut node_pools {
            pool.servers = Vec::new();
        }
        ClusterRow {
            cost: self.cost,
            endpoint: self.endpoint,
            kubeconfig_secret: self.kubeconfig_secret,
            mesh_id: cluster.networking.mesh_id,
            name: cluster.name.clone(),
            node_pools,
            pod_cidr: cluster.networking.pod_cidr,
            service_cidr: cluster.networking.service_cidr,
            version: self.version,
            ..ClusterRow::default()
        }
    }
}

/// A key of the Secret with user data that a cluster renders for a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserData {
    /// Where the server with the ordinal 0 finds its user data, when it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "First server")]
    pub first: Option<LocalSecretKeySelector>,

    /// Where servers find their user data.
    #[schemars(title = "Secret")]
    pub secret_ref: LocalSecretKeySelector,
}
