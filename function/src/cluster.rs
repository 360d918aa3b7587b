//! The renderer of a cluster: from its spec to its roots of trust, user data, kubeconfig
//! and API load balancer, and to the pools of its servers.
//!
//! ```text
//! entropy ─> roots ─> Secret ─observed─┬─ user data ─> Secrets ─> XNodePool
//!                                      ├─ node templates ─> Secret of the autoscaler
//!            XLoadBalancer ─address────┴─ kubeconfig ─> Secret
//!                          ─healthy───── "etcd is initialised" ─> ConfigMap
//! ```
//!
//! The roots are made once. Nothing is rendered from them before their Secret is
//! observed, and when it is lost everything stays as it is until it is restored.
//!
//! A server reads its user data when it is created and never again, and its reference to
//! them never changes: what changes is the content of the Secret. So the first server
//! initialises etcd, and the one that takes its place one day joins.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use crossplane_proto::v1;
use provider_hcloud_api::reference::LocalSecretKeySelector;

use crate::claim::cluster::{Distribution, EndpointType, UserData};
use crate::claim::load_balancer::{Algorithm, LoadBalancer, Protocol, Service, Target};
use crate::claim::node_pool::{NodePool, NodeRole};
use crate::claim::validate::Problem;
use crate::claim::{
    ClusterSpec, ClusterStatus, LoadBalancerSpec, LoadBalancerStatus, NodePoolSpec, Problems,
};
use crate::composite::Cluster;
use crate::composition::{Composition, Condition, Desired, Status, composite};
use crate::environment::Environment;
use crate::k3s;
use crate::managed::{self, Part};
use crate::observed::Observed;
use crate::ready::{self, Readiness};
use crate::structpb::View;
use crate::{label, name};

mod access;
mod autoscaler;
mod bucket;
mod data;
mod roots;
mod spec;
mod status;
mod user_data;

use roots::Roots;
use spec::Complete;
use user_data::Document;

pub use bucket::requirements;

/// Key of the Secret with the roots of trust.
const ROOTS: &str = "pki";
/// Key of the Secret with the kubeconfig.
const KUBECONFIG: &str = "kubeconfig";
/// Key of the ConfigMap that exists once etcd is initialised.
const ETCD: &str = "etcd";
/// Key of the load balancer in front of the API servers.
const API: &str = "api";
/// Last part of its name. The hyphen adds a hash: load balancers of regions lie one part
/// higher, and could come to the same name otherwise.
const API_NAME: &str = "kube-api";
/// Key of the Secret with the node templates of the cluster autoscaler.
const AUTOSCALER: &str = "autoscaler";
/// Keys of the Secrets with user data: this prefix and whose they are.
const USER_DATA: &str = "user-data-";
/// Keys of the pools: this prefix and the pool's name.
const POOL: &str = "pool-";

/// Key in each Secret with user data.
const USER_DATA_KEY: &str = "user-data";
/// Key in [`ETCD`] with the fingerprint of the roots that etcd was initialised with.
const FINGERPRINT: &str = "caFingerprint";

/// What tells why a nested composite resource is not ready.
const CAUSES: [&str; 2] = [Condition::VALID, Condition::INFRASTRUCTURE_READY];

/// What a cluster is composed from beside its spec.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The composite resource as it is.
    pub composite: View<'a>,
    /// What it composed earlier.
    pub observed: &'a Observed,
    /// Crossplane's answers to its [`requirements`].
    pub required: &'a BTreeMap<String, v1::Resources>,
    /// The time, and randomness.
    pub environment: &'a Environment,
}

impl fmt::Debug for Call<'_> {
    /// Without what exists: there are Secrets in it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Call")
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

/// Renders a cluster.
///
/// # Errors
///
/// When the spec contradicts itself, or when the roots of a cluster that exists are
/// lost or damaged.
pub fn compose(cluster: &Cluster, call: &Call<'_>) -> Result<Composition, Problems> {
    match cluster.spec.cluster.distribution {
        Distribution::External => external(&cluster.spec),
        Distribution::K3s => servers(cluster, call),
    }
}

/// A cluster that others made: there is nothing to do but to say how it is reached.
fn external(spec: &ClusterSpec) -> Result<Composition, Problems> {
    let cluster = &spec.cluster;
    let kubeconfig = cluster.kubeconfig_secret_ref.as_ref();
    if kubeconfig.is_none() && !cluster.management {
        return Err(Problem::new(
            "spec.cluster.kubeconfigSecretRef",
            "an external cluster is reached by the kubeconfig in a Secret: name the Secret, or set management to true for the cluster that Crossplane runs in",
        )
        .into());
    }
    Ok(Composition {
        desired: Vec::new(),
        status: Status::Cluster(ClusterStatus {
            kubeconfig_secret: kubeconfig.map(|secret| secret.name.clone()),
            version: cluster.version.clone(),
            ..ClusterStatus::default()
        }),
        conditions: vec![
            Condition::yes(Condition::VALID, "Accepted"),
            Condition::yes(Condition::INFRASTRUCTURE_READY, "Available"),
        ],
    })
}

fn servers(cluster: &Cluster, call: &Call<'_>) -> Result<Composition, Problems> {
    let spec = Complete::of(&cluster.spec)?;
    let roots = Roots::of(cluster, call)?;
    let bucket = bucket::credentials(&cluster.spec, call)?;
    let initialised = call.observed.get(ETCD).is_some();
    let inputs = user_data::Inputs {
        roots: &roots.roots,
        bucket: bucket.as_ref(),
        initialised,
    };
    // Rendered with roots that nobody may use yet, too: what cannot be rendered is refused
    // before anything exists.
    let documents = user_data::render(cluster, &spec, &inputs)?;

    let balancer = call.observed.get(API);
    let balancer: Option<LoadBalancerStatus> =
        balancer.and_then(|object| managed::read(object, &["status"]));
    let balancer = balancer.unwrap_or_default();
    let endpoint = access::endpoint(spec.endpoint, &balancer);

    let mut rendering = Rendering {
        cluster,
        observed: call.observed,
        desired: Vec::new(),
        parts: Vec::new(),
    };
    rendering.roots(&roots);
    let reachable = endpoint.is_some() && balancer.healthy;
    rendering.api(&spec, reachable, initialised);
    let mut status = status::of(&spec, call.observed, &balancer);
    if roots.observed {
        let fingerprint = roots.roots.fingerprint();
        let kubeconfig = access::kubeconfig(cluster, endpoint.as_ref(), &roots.roots, call)?;
        if let Some(kubeconfig) = kubeconfig {
            status.kubeconfig_secret =
                Some(rendering.secret(KUBECONFIG, &[KUBECONFIG], &kubeconfig));
        }
        if initialised || balancer.healthy {
            rendering.etcd(&fingerprint);
        }
        rendering.user_data(&documents);
        rendering.autoscaler(&spec, &documents);
        rendering.pools(&spec, &documents);
        status.ca_fingerprint = Some(fingerprint);
    }
    status.endpoint = endpoint.map(|endpoint| endpoint.to_string());
    Ok(Composition {
        desired: rendering.desired,
        status: Status::Cluster(status),
        conditions: vec![
            Condition::yes(Condition::VALID, "Accepted"),
            managed::infrastructure(&rendering.parts),
        ],
    })
}

/// What an object of a cluster is called.
fn object_name(cluster: &Cluster, parts: &[&str]) -> String {
    name::join(&cluster.identity.name, parts)
}

struct Rendering<'a> {
    cluster: &'a Cluster,
    observed: &'a Observed,
    desired: Vec<Desired>,
    parts: Vec<Part>,
}

impl Rendering<'_> {
    fn push(&mut self, key: &str, part: String, readiness: Readiness, object: Bytes) {
        self.desired.push(Desired {
            key: key.to_owned(),
            object,
            ready: readiness.ready,
        });
        self.parts.push(Part::new(part, readiness));
    }

    /// Of an object that is ready as soon as it exists.
    fn existence(&self, key: &str) -> Readiness {
        let ready = self.observed.get(key).is_some();
        let reason = if ready { "Available" } else { "Creating" };
        Readiness {
            ready,
            reason: reason.to_owned(),
            message: String::new(),
        }
    }

    fn roots(&mut self, roots: &Roots) {
        let name = object_name(self.cluster, &[ROOTS]);
        let object = data::immutable_secret(self.cluster, &name, &roots.written);
        let readiness = self.existence(ROOTS);
        self.push(ROOTS, format!("Secret {name}"), readiness, object);
    }

    /// A Secret that follows from the roots; gives its name.
    fn secret(&mut self, key: &str, parts: &[&str], written: &BTreeMap<String, String>) -> String {
        let name = object_name(self.cluster, parts);
        let object = data::secret(self.cluster, &name, written);
        let readiness = self.existence(key);
        self.push(key, format!("Secret {name}"), readiness, object);
        name
    }

    fn etcd(&mut self, fingerprint: &str) {
        let name = object_name(self.cluster, &[ETCD]);
        let facts = [
            (FINGERPRINT.to_owned(), fingerprint.to_owned()),
            ("initialised".to_owned(), "true".to_owned()),
        ];
        let object = data::config_map(self.cluster, &name, &facts.into());
        let readiness = self.existence(ETCD);
        self.push(ETCD, format!("ConfigMap {name}"), readiness, object);
    }

    /// The load balancer, which is ready when the API answers behind it.
    fn api(&mut self, spec: &Complete<'_>, reachable: bool, initialised: bool) {
        let balancer = ready::of(self.observed.get(API), &CAUSES);
        let readiness = match (balancer.ready, reachable) {
            (false, _) | (true, true) => balancer,
            (true, false) => Readiness {
                ready: false,
                reason: if initialised {
                    "Unavailable"
                } else {
                    "Creating"
                }
                .to_owned(),
                message: if initialised {
                    format!(
                        "no server of the control plane accepts connections at port {}: look at k3s on the servers of pool {}",
                        k3s::PORT,
                        spec.control_plane.name
                    )
                } else {
                    String::new()
                },
            },
        };
        let Cluster {
            identity, labels, ..
        } = self.cluster;
        let service = Service {
            health_path: None,
            port: k3s::PORT,
            protocol: Protocol::Tcp,
            proxy_protocol: false,
            target_port: k3s::PORT,
        };
        let object = composite(
            "XLoadBalancer",
            &object_name(self.cluster, &[API_NAME]),
            &identity.namespace,
            labels,
            LoadBalancerSpec {
                load_balancer: LoadBalancer {
                    address: Some(spec.endpoint.address),
                    algorithm: Algorithm::default(),
                    name: API.to_owned(),
                    public: spec.endpoint.kind != EndpointType::Private,
                    services: vec![service],
                    target: Target {
                        cluster: identity.name.clone(),
                        pools: vec![spec.control_plane.name.clone()],
                    },
                    kind: spec.endpoint.load_balancer_type.clone(),
                },
                provider: self.cluster.spec.provider.clone(),
                site: spec.site.clone(),
            },
        );
        self.push(API, "the API server".to_owned(), readiness, object);
    }

    /// User data that cannot be rendered at present stay as they are.
    fn user_data(&mut self, documents: &[Document<'_>]) {
        for document in documents
            .iter()
            .filter(|document| document.is_referred_to())
        {
            let key = [USER_DATA, &document.owner.key()].concat();
            let written = match &document.text {
                Some(text) => data::one(USER_DATA_KEY, text),
                None => match self.observed.get(&key) {
                    Some(object) => data::written(object),
                    None => continue,
                },
            };
            self.secret(&key, &document.owner.name_parts(), &written);
        }
    }

    fn autoscaler(&mut self, spec: &Complete<'_>, documents: &[Document<'_>]) {
        let config = autoscaler::config(self.cluster, documents);
        if let Some(config) = config.filter(|_| spec.is_autoscaled()) {
            let written = data::one(autoscaler::KEY, &config);
            self.secret(AUTOSCALER, &[AUTOSCALER], &written);
        }
    }

    /// The pools, the first of them alone: core starts a watch for every object of a kind
    /// that it does not watch yet.
    fn pools(&mut self, spec: &Complete<'_>, documents: &[Document<'_>]) {
        let is_watched = self.observed.with_prefix(POOL).next().is_some();
        let pools: Vec<_> = spec
            .pools()
            .filter(|(_, pool)| has_servers(pool))
            .filter_map(|(role, pool)| Some((role, pool, self.references(role, pool, documents)?)))
            .take(if is_watched { usize::MAX } else { 1 })
            .collect();
        for (role, pool, user_data) in pools {
            let Cluster {
                identity, labels, ..
            } = self.cluster;
            let key = [POOL, &pool.name].concat();
            let readiness = ready::of(self.observed.get(&key), &CAUSES);
            let mut labels = labels.clone();
            labels.insert(label::POOL, pool.name.clone());
            let object = composite(
                "XNodePool",
                &object_name(self.cluster, &[&pool.name]),
                &identity.namespace,
                &labels,
                NodePoolSpec {
                    cluster: identity.name.clone(),
                    pool: pool.clone(),
                    provider: self.cluster.spec.provider.clone(),
                    role,
                    site: spec.site.clone(),
                    user_data: Some(user_data),
                },
            );
            self.push(&key, format!("pool {}", pool.name), readiness, object);
        }
    }

    /// Where the servers of a pool find their user data. `None` as long as these do not
    /// exist and cannot be rendered, and the pool does not exist either.
    fn references(
        &self,
        role: NodeRole,
        pool: &NodePool,
        documents: &[Document<'_>],
    ) -> Option<UserData> {
        let of_pool = documents
            .iter()
            .filter(|document| document.owner.pool().name == pool.name);
        let mut selectors = of_pool.map(|document| {
            let pool_exists = || self.observed.get(&[POOL, &pool.name].concat()).is_some();
            (document.text.is_some() || pool_exists()).then(|| LocalSecretKeySelector {
                name: object_name(self.cluster, &document.owner.name_parts()),
                key: USER_DATA_KEY.to_owned(),
            })
        });
        let first = selectors.next()??;
        Some(match role {
            NodeRole::Worker => UserData {
                first: None,
                secret_ref: first,
            },
            NodeRole::ControlPlane => UserData {
                first: Some(first),
                secret_ref: selectors.next()??,
            },
        })
    }
}

/// Whether there is something to make for a pool: neither others provide its nodes, nor
/// the autoscaler alone makes them.
fn has_servers(pool: &NodePool) -> bool {
    pool.count > 0 || pool.autoscaling.is_none() && pool.external.is_empty()
}

#[cfg(test)]
mod tests;
