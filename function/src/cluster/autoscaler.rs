//! Node templates for the cluster autoscaler.
//!
//! It reads them from the file that `HCLOUD_CLUSTER_CONFIG_FILE` names, one for each of
//! its node groups. Source: kubernetes/autoscaler,
//! `cluster-autoscaler/cloudprovider/hetzner/hetzner_manager.go`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::object_name;
use super::user_data::Document;
use crate::claim::machine::{Labels, Taint};
use crate::composite::Cluster;
use crate::name;
use crate::pki::Secret;

/// Key in the Secret.
pub(super) const KEY: &str = "cluster-config.json";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    images_for_arch: Images<'a>,
    node_configs: BTreeMap<String, NodeConfig<'a>>,
}

/// Hetzner's images have one name for both architectures.
#[derive(Clone, Copy, Serialize)]
struct Images<'a> {
    amd64: &'a str,
    arm64: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeConfig<'a> {
    cloud_init: &'a str,
    images_for_arch: Images<'a>,
    labels: &'a Labels,
    taints: &'a [Taint],
}

impl<'a> Images<'a> {
    fn new(image: &'a str) -> Self {
        Self {
            amd64: image,
            arm64: image,
        }
    }
}

/// The node templates of all pools that are autoscaled. A pool's node group is called
/// like the hosts of the pool, which is unique in the cloud project.
pub(super) fn config(cluster: &Cluster, documents: &[Document<'_>]) -> Option<Secret> {
    let mut node_configs = BTreeMap::new();
    for document in documents {
        let pool = document.owner.pool();
        let (Some(_), Some(text)) = (pool.autoscaling, &document.text) else {
            continue;
        };
        let object = object_name(cluster, &[&pool.name]);
        let config = NodeConfig {
            cloud_init: text.expose(),
            images_for_arch: Images::new(&pool.machine.image),
            labels: &pool.labels,
            taints: &pool.taints,
        };
        node_configs.insert(
            name::host_prefix(&cluster.identity.namespace, &object),
            config,
        );
    }
    let images_for_arch = node_configs.values().next()?.images_for_arch;
    let config = Config {
        images_for_arch,
        node_configs,
    };
    serde_json::to_string(&config).ok().map(Secret::new)
}
