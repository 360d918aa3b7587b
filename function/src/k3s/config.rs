//! `/etc/rancher/k3s/config.yaml`: the flags of k3s, one key each.
//! Source: <https://docs.k3s.io/cli/server> and <https://docs.k3s.io/cli/agent>.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::{
    Bucket, Cluster, ControlPlane, Effect, Error, FlannelBackend, Node, PORT, Snapshots, Taint,
};
use crate::cloud_init::quoted;
use crate::pki::{ClusterRoots, Secret};

/// Arguments of the kubelet that decide who a node is.
const OURS_KUBELET: &[&str] = &[
    "cloud-provider",
    "hostname-override",
    "node-ip",
    "node-labels",
    "provider-id",
    "register-with-taints",
];

/// Arguments of the API server that decide whom it trusts and how it is reached.
const OURS_API_SERVER: &[&str] = &[
    "advertise-address",
    "bind-address",
    "client-ca-file",
    "encryption-provider-config",
    "etcd-servers",
    "requestheader-client-ca-file",
    "secure-port",
    "service-account-key-file",
    "service-account-signing-key-file",
    "service-cluster-ip-range",
    "tls-cert-file",
    "tls-private-key-file",
];

/// Labels below kubernetes.io that a kubelet may give its node, besides those with a
/// prefix of [`ALLOWED_PREFIXES`]. Source: Kubernetes,
/// `staging/src/k8s.io/kubelet/pkg/apis/well_known_labels.go`.
const ALLOWED_LABELS: &[&str] = &[
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];
const ALLOWED_PREFIXES: &[&str] = &["kubelet.kubernetes.io", "node.kubernetes.io"];
const KUBERNETES: &[&str] = &["kubernetes.io", "k8s.io"];

/// How a server comes into the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// It initialises etcd.
    Initialise,
    /// It joins those that are there.
    Join,
}

/// The configuration of a server.
pub(super) fn server(
    cluster: &Cluster,
    control_plane: &ControlPlane,
    node: &Node,
    roots: &ClusterRoots,
    start: Start,
) -> Result<Secret, Error> {
    let ControlPlane { dns, services, .. } = *control_plane;
    if !services.contains(&dns) {
        return Err(Error::Dns { dns, services });
    }
    let arguments = &control_plane.arguments;
    refuse("k3s.args.apiServer", &arguments.api_server, OURS_API_SERVER)?;

    let mut config = Config::default();
    match start {
        Start::Initialise => config.flag("cluster-init", true),
        Start::Join => config.text("server", &join_url(cluster.join)),
    }
    config.text("token", roots.server_token().to_text().expose());
    config.text("agent-token", roots.agent_token().password.expose());
    let join = cluster.join.to_string();
    let names = [&control_plane.name, &join]
        .into_iter()
        .chain(&control_plane.extra_names);
    config.list("tls-san", names);
    config.text("cluster-cidr", &control_plane.pods.to_string());
    config.text("service-cidr", &services.to_string());
    config.text("cluster-dns", &dns.to_string());
    config.text("flannel-backend", cluster.flannel.as_str());
    config.flag("disable-network-policy", !control_plane.network_policy);
    config.flag("disable-kube-proxy", !control_plane.kube_proxy);
    // Hetzner's cloud controller manager takes the place of the one in k3s.
    config.flag("disable-cloud-controller", true);
    let mut disabled = control_plane.disabled.clone();
    disabled.sort_unstable();
    disabled.dedup();
    config.list(
        "disable",
        disabled.into_iter().map(super::Component::as_str),
    );
    config.flag("secrets-encryption", control_plane.secrets_encryption);
    snapshots(&mut config, control_plane.snapshots.as_ref());
    config.list("kube-apiserver-arg", pairs(&arguments.api_server));
    config.list(
        "kube-controller-manager-arg",
        pairs(&arguments.controller_manager),
    );
    config.list("kube-scheduler-arg", pairs(&arguments.scheduler));
    config.list("etcd-arg", pairs(&arguments.etcd));
    if let Some(registry) = &cluster.system_registry {
        config.text("system-default-registry", registry);
    }
    of_node(&mut config, node)?;
    Ok(config.finish())
}

/// The configuration of an agent.
pub(super) fn agent(cluster: &Cluster, node: &Node, roots: &ClusterRoots) -> Result<Secret, Error> {
    let mut config = Config::default();
    config.text("server", &join_url(cluster.join));
    config.text("token", roots.agent_token().to_text().expose());
    of_node(&mut config, node)?;
    Ok(config.finish())
}

/// Where nodes join.
pub(super) fn join_url(address: Ipv4Addr) -> String {
    format!("https://{address}:{PORT}")
}

/// Whether flannel has to be told which interface is the private one.
pub(super) fn uses_flannel(cluster: &Cluster) -> bool {
    cluster.flannel != FlannelBackend::None
}

fn of_node(config: &mut Config, node: &Node) -> Result<(), Error> {
    refuse("kubelet", &node.kubelet, OURS_KUBELET)?;
    if let Some(key) = node.labels.keys().find(|key| !is_allowed(key)) {
        return Err(Error::Label { key: key.clone() });
    }
    // Without a cloud controller manager of its own, k3s leaves this to us.
    let external = std::iter::once("cloud-provider=external".to_owned());
    config.list("kubelet-arg", external.chain(pairs(&node.kubelet)));
    config.list("node-label", pairs(&node.labels));
    config.list("node-taint", node.taints.iter().map(taint));
    Ok(())
}

fn snapshots(config: &mut Config, snapshots: Option<&Snapshots>) {
    let Some(snapshots) = snapshots else {
        config.flag("etcd-disable-snapshots", true);
        return;
    };
    config.text("etcd-snapshot-schedule-cron", &snapshots.schedule);
    config.text("etcd-snapshot-retention", &snapshots.retention.to_string());
    let Some(bucket) = &snapshots.bucket else {
        return;
    };
    let Bucket {
        endpoint,
        region,
        name,
        folder,
        access_key,
        secret_key,
    } = bucket;
    config.flag("etcd-s3", true);
    config.text("etcd-s3-endpoint", endpoint);
    config.text("etcd-s3-region", region);
    config.text("etcd-s3-bucket", name);
    config.text("etcd-s3-folder", folder);
    config.text("etcd-s3-access-key", access_key.expose());
    config.text("etcd-s3-secret-key", secret_key.expose());
}

fn refuse(
    field: &'static str,
    arguments: &BTreeMap<String, String>,
    ours: &[&str],
) -> Result<(), Error> {
    match arguments.keys().find(|name| ours.contains(&name.as_str())) {
        Some(name) => Err(Error::Reserved {
            field,
            name: name.clone(),
        }),
        None => Ok(()),
    }
}

fn is_allowed(label: &str) -> bool {
    let below = |prefix: &str, domains: &[&str]| {
        domains.iter().any(|domain| {
            prefix
                .strip_suffix(domain)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    };
    let Some((prefix, _)) = label.split_once('/') else {
        return true;
    };
    !below(prefix, KUBERNETES) || below(prefix, ALLOWED_PREFIXES) || ALLOWED_LABELS.contains(&label)
}

fn pairs(map: &BTreeMap<String, String>) -> impl Iterator<Item = String> {
    map.iter().map(|(name, value)| format!("{name}={value}"))
}

fn taint(taint: &Taint) -> String {
    let Taint { key, value, effect } = taint;
    let effect: Effect = *effect;
    if value.is_empty() {
        return format!("{key}:{}", effect.as_str());
    }
    format!("{key}={value}:{}", effect.as_str())
}

/// The file as it grows. Every text is quoted: YAML 1.1, which k3s reads, would take
/// some for numbers or times.
#[derive(Default)]
struct Config(String);

impl Config {
    fn flag(&mut self, key: &str, value: bool) {
        self.0.push_str(&format!("{key}: {value}\n"));
    }

    fn text(&mut self, key: &str, value: &str) {
        self.0.push_str(&format!("{key}: {}\n", quoted(value)));
    }

    fn list<T: AsRef<str>>(&mut self, key: &str, values: impl IntoIterator<Item = T>) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() {
            return;
        }
        self.0.push_str(&format!("{key}:\n"));
        for value in values {
            self.0.push_str(&format!("- {}\n", quoted(value.as_ref())));
        }
    }

    fn finish(self) -> Secret {
        Secret::new(self.0)
    }
}
