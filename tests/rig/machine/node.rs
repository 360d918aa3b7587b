//! The part of a kubelet: it registers its machine as a Node and says that it is ready. No pods run.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hcloud_simulator::Id;
use k8s_openapi::api::core::v1::Node;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Map, Value, json};

use super::api_server::Host;
use super::boot::{Machine, Part};
use crate::wait::{Hopeless, eventually};

const REGISTRATION: Duration = Duration::from_secs(60);
/// A kubelet with an external cloud provider keeps pods away until that one has seen the machine.
const UNINITIALIZED: &str = "node.cloudprovider.kubernetes.io/uninitialized";

/// What Kubernetes calls a server of Hetzner Cloud.
pub(super) fn provider_id(server: Id) -> String {
    format!("hcloud://{server}")
}

/// Registers a machine, with the identity of its kubelet.
pub(super) async fn register(
    client: &Client,
    machine: &Machine,
    host: &Host,
    server: Id,
) -> Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    let node: Node =
        serde_json::from_value(object(machine, host, server)?).context("make a Node")?;
    let provider_id = provider_id(server);
    eventually("the Node is registered", REGISTRATION, || async {
        match nodes.create(&PostParams::default(), &node).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                let found = nodes.get(&host.name).await.context("read the Node")?;
                let found = found.spec.and_then(|spec| spec.provider_id);
                // Its predecessor's goes when the cloud says that the server is gone.
                ensure!(
                    found.as_ref() == Some(&provider_id),
                    "Node {} belongs to {found:?}",
                    host.name
                );
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.is_forbidden() || status.code == 422 => {
                Err(Hopeless(format!("the Node is refused: {}", status.message)).into())
            }
            Err(error) => Err(error).context("create the Node"),
        }
    })
    .await?;
    let status = json!({ "status": status(machine, host) });
    nodes
        .patch_status(&host.name, &PatchParams::default(), &Patch::Merge(status))
        .await
        .context("report that the Node is ready")?;
    Ok(())
}

/// What k3s itself adds to the Node of a server.
pub(super) async fn mark_server(administrator: &Client, name: &str) -> Result<()> {
    let nodes: Api<Node> = Api::all(administrator.clone());
    let labels = json!({ "metadata": { "labels": {
        "node-role.kubernetes.io/control-plane": "true",
        "node-role.kubernetes.io/etcd": "true",
    } } });
    nodes
        .patch(name, &PatchParams::default(), &Patch::Merge(labels))
        .await
        .context("label the Node as a server")?;
    Ok(())
}

/// Removes the Node of a server that no longer exists, as the cloud controller manager does.
pub(super) async fn forget(administrator: &Client, name: &str, server: Id) -> Result<()> {
    let nodes: Api<Node> = Api::all(administrator.clone());
    let Some(node) = nodes.get_opt(name).await.context("read the Node")? else {
        return Ok(());
    };
    let own = node.spec.and_then(|spec| spec.provider_id) == Some(provider_id(server));
    if own {
        let deleted = nodes
            .delete(name, &kube::api::DeleteParams::default())
            .await;
        deleted.context("delete the Node")?;
    }
    Ok(())
}

fn object(machine: &Machine, host: &Host, server: Id) -> Result<Value> {
    let mut labels = Map::new();
    for (name, value) in [
        ("kubernetes.io/arch", "amd64"),
        ("kubernetes.io/hostname", host.name.as_str()),
        ("kubernetes.io/os", "linux"),
    ] {
        labels.insert(name.to_owned(), value.into());
    }
    for label in machine.config.list("node-label") {
        let parts = label.split_once('=');
        let (name, value) =
            parts.with_context(|| format!("node-label {label} is not name=value"))?;
        labels.insert(name.to_owned(), value.into());
    }
    let mut taints = vec![];
    for taint in machine.config.list("node-taint") {
        taints.push(self::taint(taint)?);
    }
    let mut provider = machine.config.list("kubelet-arg").iter();
    if !provider.any(|argument| argument == "cloud-provider=external") {
        bail!(
            "kubelet-arg has no cloud-provider=external: the cloud controller would not find its Nodes"
        );
    }
    taints.push(json!({ "key": UNINITIALIZED, "value": "true", "effect": "NoSchedule" }));
    Ok(json!({
        "metadata": { "name": host.name, "labels": labels },
        "spec": { "providerID": provider_id(server), "taints": taints },
    }))
}

fn taint(text: &str) -> Result<Value> {
    let form = || format!("node-taint {text} is not name=value:effect");
    let (rest, effect) = text.rsplit_once(':').with_context(form)?;
    let (name, value) = rest.split_once('=').unwrap_or((rest, ""));
    ensure!(!name.is_empty() && !effect.is_empty(), form());
    Ok(json!({ "key": name, "value": value, "effect": effect }))
}

fn status(machine: &Machine, host: &Host) -> Value {
    let role = match machine.part {
        Part::Initial(_) | Part::Server => "server",
        Part::Agent => "agent",
    };
    json!({
        "addresses": [
            { "type": "InternalIP", "address": host.private.to_string() },
            { "type": "Hostname", "address": host.name },
        ],
        "conditions": [{
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": format!("k3s {role} would run"),
        }],
        "nodeInfo": {
            "architecture": "amd64",
            "bootID": "",
            "containerRuntimeVersion": "",
            "kernelVersion": "",
            "kubeProxyVersion": "",
            "kubeletVersion": machine.version,
            "machineID": "",
            "operatingSystem": "linux",
            "osImage": "",
            "systemUUID": "",
        },
    })
}
