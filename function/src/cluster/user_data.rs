//! The user data of each role and pool: from the spec to what k3s is told.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;

use super::bucket::{self, Credentials};
use super::spec::Complete;
use super::{access, has_servers};
use crate::claim::Problems;
use crate::claim::k3s::{FlannelBackend, K3s, K3sPart};
use crate::claim::machine::{Taint, TaintEffect};
use crate::claim::node_pool::NodePool;
use crate::claim::validate::Problem;
use crate::composite::Cluster;
use crate::k3s::{self, Architecture};
use crate::pki::{ClusterRoots, Secret};

/// What user data are rendered from beside the spec.
pub(super) struct Inputs<'a> {
    pub(super) roots: &'a ClusterRoots,
    /// Who may write snapshots into the object store, once that is known.
    pub(super) bucket: Option<&'a Credentials>,
    /// Whether etcd exists: then every server joins.
    pub(super) initialised: bool,
}

/// User data of one role or pool.
pub(super) struct Document<'a> {
    pub(super) owner: Owner<'a>,
    /// `None` as long as something is missing for them.
    pub(super) text: Option<Secret>,
}

/// Whose user data they are.
#[derive(Clone, Copy)]
pub(super) enum Owner<'a> {
    /// The control-plane server with ordinal 0.
    First(&'a NodePool),
    /// Every other server of the control plane.
    Server(&'a NodePool),
    /// The servers of a pool.
    Agent(&'a NodePool),
}

impl<'a> Owner<'a> {
    pub(super) fn pool(&self) -> &'a NodePool {
        match self {
            Self::First(pool) | Self::Server(pool) | Self::Agent(pool) => pool,
        }
    }

    /// What the Secret is called, behind the name of the cluster.
    pub(super) fn name_parts(&self) -> Vec<&'a str> {
        match self {
            Self::First(_) => vec!["server", "first"],
            Self::Server(_) => vec!["server"],
            Self::Agent(pool) => vec!["agent", &pool.name],
        }
    }

    /// What identifies the Secret among all user data of the cluster.
    pub(super) fn key(&self) -> String {
        self.name_parts().join("-")
    }
}

impl Document<'_> {
    /// Whether servers, or people with servers of their own, refer to the Secret.
    pub(super) fn is_referred_to(&self) -> bool {
        let pool = self.owner.pool();
        has_servers(pool) || !pool.external.is_empty()
    }
}

/// Renders the user data of all roles and pools.
///
/// # Errors
///
/// When the spec contradicts itself, or user data would be too large: all problems of
/// all pools.
pub(super) fn render<'a>(
    cluster: &Cluster,
    spec: &Complete<'a>,
    inputs: &Inputs<'_>,
) -> Result<Vec<Document<'a>>, Problems> {
    let settings = &cluster.spec.cluster.k3s;
    let mut problems = Vec::new();
    let kubelet = arguments("kubelet", &settings.args.kubelet, &mut problems);
    let control_plane = control_plane(cluster, spec, inputs, &mut problems);
    let common = common(spec, settings).map_err(|error| problem_of_version(&error));
    let common = match common {
        Ok(common) => common,
        Err(problem) => {
            problems.push(problem);
            return Problems::unless(problems, Vec::new());
        }
    };
    Problems::of(problems)?;

    let mut renderer = Renderer {
        settings,
        documents: Vec::with_capacity(spec.node_pools.len() + 2),
        problems: Vec::new(),
    };
    let node = |pool: &NodePool| node(pool, &kubelet, &common);
    let pool = spec.control_plane;
    let mut server = node(pool);
    if !cluster.spec.cluster.schedulable {
        server.taints.insert(0, control_plane_taint());
    }
    let roots = inputs.roots;
    let path = "spec.cluster.controlPlane";
    let text = control_plane.as_ref().map(|control_plane| {
        let first = if inputs.initialised {
            k3s::joining_server
        } else {
            k3s::initialising_server
        };
        let join = k3s::joining_server(&common, control_plane, &server, roots);
        (first(&common, control_plane, &server, roots), join)
    });
    let (first, join) = text.unzip();
    renderer.add(path, Owner::First(pool), first);
    renderer.add(path, Owner::Server(pool), join);
    for (index, pool) in spec.node_pools.iter().enumerate() {
        let path = format!("spec.cluster.nodePools[{index}]");
        let text = k3s::agent(&common, &node(pool), roots);
        renderer.add(&path, Owner::Agent(pool), Some(text));
    }
    Problems::unless(renderer.problems, renderer.documents)
}

struct Renderer<'a, 'k> {
    settings: &'k K3s,
    documents: Vec<Document<'a>>,
    problems: Vec<Problem>,
}

impl<'a> Renderer<'a, '_> {
    fn add(&mut self, path: &str, owner: Owner<'a>, text: Option<Result<Secret, k3s::Error>>) {
        match text.transpose() {
            Ok(text) => self.documents.push(Document { owner, text }),
            Err(error) => {
                let problem = problem(&error, path, owner.pool(), self.settings);
                // What all pools have in common is told once.
                if !self.problems.contains(&problem) {
                    self.problems.push(problem);
                }
            }
        }
    }
}

/// What all nodes have in common.
fn common(spec: &Complete<'_>, settings: &K3s) -> Result<k3s::Cluster, k3s::Error> {
    let install = &settings.install;
    let sha256 = install.sha256.clone().unwrap_or_default();
    let digests = [
        (Architecture::Amd64, sha256.amd64),
        (Architecture::Arm64, sha256.arm64),
    ];
    let digests: BTreeMap<_, _> = digests
        .into_iter()
        .filter_map(|(architecture, digest)| Some((architecture, digest?)))
        .collect();
    let downloads = install.mirror.as_deref().unwrap_or(k3s::DOWNLOADS);
    Ok(k3s::Cluster {
        release: k3s::Release::new(spec.version, &digests)?,
        downloads: downloads.to_owned(),
        network: spec.site.network_cidr.into(),
        join: spec.endpoint.address,
        flannel: match settings.flannel_backend {
            None | Some(FlannelBackend::Vxlan) => k3s::FlannelBackend::Vxlan,
            Some(FlannelBackend::None) => k3s::FlannelBackend::None,
            Some(FlannelBackend::HostGw) => k3s::FlannelBackend::HostGateway,
            Some(FlannelBackend::WireguardNative) => k3s::FlannelBackend::Wireguard,
        },
        system_registry: install.system_registry.clone(),
        registries: k3s::Registries::default(),
    })
}

/// What only servers are told; `None` as long as the credentials of the object store are
/// not known.
fn control_plane(
    cluster: &Cluster,
    spec: &Complete<'_>,
    inputs: &Inputs<'_>,
    problems: &mut Vec<Problem>,
) -> Option<k3s::ControlPlane> {
    let settings = &cluster.spec.cluster.k3s;
    let args = &settings.args;
    let arguments = k3s::Arguments {
        api_server: arguments("apiServer", &args.api_server, problems),
        controller_manager: arguments("controllerManager", &args.controller_manager, problems),
        scheduler: arguments("scheduler", &args.scheduler, problems),
        etcd: arguments("etcd", &args.etcd, problems),
    };
    let services: Ipv4Net = spec.services.into();
    let disabled = settings.disable.iter().flatten();
    Some(k3s::ControlPlane {
        name: access::server_name(cluster),
        extra_names: spec.endpoint.host.iter().cloned().collect(),
        pods: spec.pods.into(),
        services,
        dns: k3s::dns_address(services)?,
        disabled: disabled.map(|part| component(*part)).collect(),
        network_policy: !settings.disable_network_policy.unwrap_or_default(),
        kube_proxy: !settings.disable_kube_proxy.unwrap_or_default(),
        secrets_encryption: settings.secrets_encryption.unwrap_or(true),
        snapshots: Some(snapshots(cluster, inputs.bucket)?),
        arguments,
    })
}

fn component(part: K3sPart) -> k3s::Component {
    match part {
        K3sPart::Coredns => k3s::Component::CoreDns,
        K3sPart::LocalStorage => k3s::Component::LocalStorage,
        K3sPart::MetricsServer => k3s::Component::MetricsServer,
        K3sPart::Servicelb => k3s::Component::ServiceLb,
        K3sPart::Traefik => k3s::Component::Traefik,
    }
}

/// Snapshots of etcd, where the spec is silent as k3s makes them.
fn snapshots(cluster: &Cluster, credentials: Option<&Credentials>) -> Option<k3s::Snapshots> {
    const SCHEDULE: &str = "0 */12 * * *";
    const RETENTION: u32 = 5;
    const REGION: &str = "us-east-1";

    let settings = cluster.spec.cluster.k3s.etcd_snapshots.clone();
    let settings = settings.unwrap_or_default();
    let bucket = match (bucket::store(&cluster.spec), credentials) {
        (None, _) => None,
        (Some(_), None) => return None,
        (Some(store), Some(credentials)) => Some(k3s::Bucket {
            endpoint: store.endpoint.clone(),
            region: store.region.clone().unwrap_or_else(|| REGION.to_owned()),
            name: store.bucket.clone(),
            folder: store
                .folder
                .clone()
                .unwrap_or_else(|| cluster.identity.name.clone()),
            access_key: credentials.access_key.clone(),
            secret_key: credentials.secret_key.clone(),
        }),
    };
    Some(k3s::Snapshots {
        schedule: settings.schedule.unwrap_or_else(|| SCHEDULE.to_owned()),
        retention: settings.retention.unwrap_or(RETENTION),
        bucket,
    })
}

fn arguments(list: &str, args: &[String], problems: &mut Vec<Problem>) -> BTreeMap<String, String> {
    let mut arguments = BTreeMap::new();
    for (index, arg) in args.iter().enumerate() {
        match arg.split_once('=') {
            Some((name, value)) if !name.is_empty() && !name.starts_with('-') => {
                arguments.insert(name.to_owned(), value.to_owned());
            }
            _ => problems.push(Problem::new(
                format!("spec.cluster.k3s.args.{list}[{index}]"),
                format_args!("{arg:?} is not of the form name=value: write it without dashes"),
            )),
        }
    }
    arguments
}

fn node(pool: &NodePool, kubelet: &BTreeMap<String, String>, common: &k3s::Cluster) -> k3s::Node {
    // What k3s is downloaded from may have no IPv6 address.
    let needs_gateway = !pool.machine.public.ipv4;
    k3s::Node {
        labels: pool.labels.clone(),
        taints: pool.taints.iter().map(taint).collect(),
        kubelet: kubelet.clone(),
        gateway: common.network.hosts().next().filter(|_| needs_gateway),
    }
}

fn taint(taint: &Taint) -> k3s::Taint {
    k3s::Taint {
        key: taint.key.clone(),
        value: taint.value.clone(),
        effect: match taint.effect {
            TaintEffect::NoSchedule => k3s::Effect::NoSchedule,
            TaintEffect::PreferNoSchedule => k3s::Effect::PreferNoSchedule,
            TaintEffect::NoExecute => k3s::Effect::NoExecute,
        },
    }
}

fn control_plane_taint() -> k3s::Taint {
    k3s::Taint {
        key: "node-role.kubernetes.io/control-plane".to_owned(),
        value: String::new(),
        effect: k3s::Effect::NoSchedule,
    }
}

fn problem_of_version(error: &k3s::Error) -> Problem {
    match error {
        k3s::Error::Version { .. } | k3s::Error::UnknownRelease { .. } => {
            Problem::new("spec.cluster.version", error)
        }
        other => below("spec.cluster", other),
    }
}

fn problem(error: &k3s::Error, path: &str, pool: &NodePool, settings: &K3s) -> Problem {
    match error {
        k3s::Error::Label { .. } => below(path, error),
        k3s::Error::Reserved {
            field: "kubelet", ..
        } => below("spec.cluster.k3s.args", error),
        k3s::Error::TooLarge(_) => Problem::new(
            largest(path, pool, settings),
            format_args!("pool {}: {error}", pool.name),
        ),
        other => problem_of_version(other),
    }
}

/// The texts begin with the path of the field below the cluster or pool.
fn below(path: &str, error: &k3s::Error) -> Problem {
    let text = error.to_string();
    match text.split_once(": ") {
        Some((field, message)) => Problem::new(format!("{path}.{field}"), message),
        None => Problem::new(path, text),
    }
}

/// The field that contributes most to the user data of a pool.
fn largest(path: &str, pool: &NodePool, settings: &K3s) -> String {
    let labels = pool
        .labels
        .iter()
        .map(|(key, value)| key.len() + value.len());
    let taints = pool.taints.iter();
    let taints = taints.map(|taint| taint.key.len() + taint.value.len());
    let args = |list: &[String]| list.iter().map(String::len).sum::<usize>();
    let of_cluster = |field: &str| format!("spec.cluster.k3s.args.{field}");
    let all = &settings.args;
    let fields = [
        (args(&all.kubelet), of_cluster("kubelet")),
        (args(&all.api_server), of_cluster("apiServer")),
        (
            args(&all.controller_manager),
            of_cluster("controllerManager"),
        ),
        (args(&all.etcd), of_cluster("etcd")),
        (args(&all.scheduler), of_cluster("scheduler")),
        (taints.sum(), format!("{path}.taints")),
        (labels.sum(), format!("{path}.labels")),
    ];
    let largest = fields.into_iter().max_by_key(|(size, _)| *size);
    largest.map_or_else(|| path.to_owned(), |(_, field)| field)
}
