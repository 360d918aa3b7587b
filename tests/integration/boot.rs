//! Servers boot from their user data, and the kubeconfig that was made before them opens the cluster that they make.

mod stage;
mod user_data;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Node, Secret};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};
use rig::wait::eventually;
use serde_json::json;

use self::stage::{Stage, roots};
use self::user_data::{Part, Plan, ROLE_LABEL};
use crate::tests;
use crate::world::{SOON, World};

tests!(
    a_kubeconfig_lists_the_nodes_and_a_successor_joins,
    a_machine_that_must_not_join_fails_and_tells_why,
    a_second_initialisation_of_etcd_fails,
);

/// Names and provider ids of the nodes, sorted.
pub(crate) async fn nodes(client: &Client) -> Result<Vec<(String, String)>> {
    let nodes: Api<Node> = Api::all(client.clone());
    let nodes = nodes.list(&ListParams::default()).await?.items.into_iter();
    let mut found: Vec<_> = nodes
        .filter_map(|node| Some((node.metadata.name?, node.spec?.provider_id?)))
        .collect();
    found.sort();
    Ok(found)
}

fn expected(nodes: &[(&str, u64)]) -> Vec<(String, String)> {
    let nodes = nodes.iter();
    nodes
        .map(|(name, id)| ((*name).to_owned(), format!("hcloud://{id}")))
        .collect()
}

async fn a_kubeconfig_lists_the_nodes_and_a_successor_joins(_: &World) -> Result<()> {
    let stage = Stage::start(SOON).await?;
    Box::pin(stage.play(async |stage: &Stage| {
        let site = stage.site("c1", 1).await?;
        let (plan, own, network) = (&site.plan, &site.plan.roots, site.network);
        let role = |role| ("c1", role);
        // All at once: those that join wait for the first.
        let first = stage
            .server(
                network,
                "c1-cp-0",
                role("server"),
                &plan.composed(Part::Initial)?,
            )
            .await?;
        let second = stage
            .server(
                network,
                "c1-cp-1",
                role("server"),
                &plan.composed(Part::Server)?,
            )
            .await?;
        let agent = stage
            .server(
                network,
                "c1-pool-0",
                role("agent"),
                &plan.composed(Part::Agent)?,
            )
            .await?;
        for server in [first, second, agent] {
            let after = stage.booted(server).await?;
            tracing::debug!(server, ?after, "Booted");
        }
        let healthy = "healthy".to_owned();
        let health = stage.health(site.balancer).await?;
        ensure!(
            health == [(first, healthy.clone()), (second, healthy.clone())],
            "{health:?}"
        );

        let kubectl = stage
            .kubectl(&site, &own.server, &own.client, &plan.name)
            .await?;
        let found = nodes(&kubectl).await?;
        let all = [
            ("c1-cp-0", first),
            ("c1-cp-1", second),
            ("c1-pool-0", agent),
        ];
        ensure!(found == expected(&all), "{found:?}");
        worker_is_labelled_and_tainted(&kubectl).await?;

        stage.delete_server(first).await?;
        let third = stage
            .server(
                network,
                "c1-cp-0",
                role("server"),
                &plan.composed(Part::Server)?,
            )
            .await?;
        stage.booted(third).await?;
        let found = nodes(&kubectl).await?;
        let all = [
            ("c1-cp-0", third),
            ("c1-cp-1", second),
            ("c1-pool-0", agent),
        ];
        ensure!(found == expected(&all), "{found:?}");
        let health = stage.health(site.balancer).await?;
        ensure!(
            health == [(second, healthy.clone()), (third, healthy)],
            "{health:?}"
        );
        ensure!(stage.fleet.failures().is_empty());
        Ok(())
    }))
    .await
}

async fn worker_is_labelled_and_tainted(kubectl: &Client) -> Result<()> {
    let nodes: Api<Node> = Api::all(kubectl.clone());
    let node = nodes.get("c1-pool-0").await?;
    let labels = node.metadata.labels.unwrap_or_default();
    ensure!(
        labels.get(ROLE_LABEL).map(String::as_str) == Some("Agent"),
        "{labels:?}"
    );
    let taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
    for (key, effect) in [
        ("example.org/only", "NoExecute"),
        (
            "node.cloudprovider.kubernetes.io/uninitialized",
            "NoSchedule",
        ),
    ] {
        let mut taints = taints.iter();
        let found = taints.any(|taint| taint.key == key && taint.effect == effect);
        ensure!(found, "the Node has no taint {key}: {taints:?}");
    }
    let status = node.status.context("the Node has no status")?;
    let ready = status.conditions.unwrap_or_default();
    ensure!(
        ready
            .iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
    );
    Ok(())
}

async fn a_machine_that_must_not_join_fails_and_tells_why(_: &World) -> Result<()> {
    let stage = Stage::start(Duration::from_secs(3)).await?;
    Box::pin(stage.play(async |stage: &Stage| {
        let site = stage.site("c2", 2).await?;
        let (plan, own) = (&site.plan, &site.plan.roots);
        let other = Plan {
            roots: roots("c2")?,
            ..plan.clone()
        };
        let first = stage
            .server(
                site.network,
                "first",
                ("c2", "server"),
                &plan.initial().text()?,
            )
            .await?;
        stage.booted(first).await?;

        let other_token = other.roots.server_token();
        let password = format!(
            "K10{}::server:{}",
            plan.roots.server.hash(),
            other_token.password.expose()
        );
        let agent_password = format!(
            "K10{}::node:{}",
            plan.roots.server.hash(),
            other_token.password.expose()
        );
        let elsewhere = Plan {
            join: "10.2.1.9".to_owned(),
            ..plan.clone()
        };
        let foreign = Plan {
            network: "10.3.0.0/16".to_owned(),
            ..plan.clone()
        };
        let cases = [
            (
                "other-agent",
                other.agent(),
                "the token is for a cluster with authority",
            ),
            (
                "other-server",
                other.server(),
                "the token is for a cluster with authority",
            ),
            (
                "password",
                plan.server().with("token", json!(password)),
                "is not that of the cluster's servers",
            ),
            (
                "agent-password",
                plan.agent().with("token", json!(agent_password)),
                "is not that of the cluster's agents",
            ),
            (
                "elsewhere",
                elsewhere.agent(),
                "no load balancer has 10.2.1.9 in network 10.2.0.0/16",
            ),
            (
                "network",
                foreign.agent(),
                "no network of the server has the range 10.3.0.0/16",
            ),
            (
                "services",
                plan.server().with("service-cidr", json!("10.99.0.0/16")),
                "service-cidr differs from the first server's",
            ),
            (
                "flag",
                plan.server()
                    .with("kube-apiserver-arg", json!(["no-such-flag=1"])),
                "unknown flag",
            ),
            (
                "component",
                plan.server()
                    .with("kube-controller-manager-arg", json!(["no-such-flag=1"])),
                "unknown flag",
            ),
            (
                "label",
                plan.agent().with(
                    "node-label",
                    json!(["node-role.kubernetes.io/control-plane=true"]),
                ),
                "is not allowed to set the following labels",
            ),
            (
                "provider",
                plan.agent().with("kubelet-arg", json!([])),
                "has no cloud-provider=external",
            ),
            (
                "address",
                plan.server().with("server", json!("https://10.2.1.9:6443")),
                "server is 10.2.1.9:6443, but JOIN_URL 10.2.1.5:6443",
            ),
            (
                "authority",
                plan.server()
                    .with_setting("CA_SHA256", &other.roots.server.hash()),
                "CA_SHA256 in /etc/default/k3s-prepare is",
            ),
            (
                "key",
                plan.initial().with("key", json!("x")),
                "k3s does not know key",
            ),
        ];
        let mut machines = Vec::new();
        for (name, user_data, words) in &cases {
            let id = stage
                .server(site.network, name, ("c2", "other"), &user_data.text()?)
                .await?;
            machines.push((id, *words));
        }
        for (id, words) in machines {
            stage.failed(id, words).await?;
        }

        // Who asks for the wrong name, or trusts the wrong authority, gets no answer.
        let kubectl = stage
            .kubectl(&site, &own.server, &own.client, &plan.name)
            .await?;
        ensure!(nodes(&kubectl).await? == expected(&[("first", first)]));
        let kubectl = stage
            .kubectl(&site, &own.server, &own.client, "c3.example.org")
            .await?;
        refused(&kubectl, "not valid for name").await?;
        let kubectl = stage
            .kubectl(&site, &other.roots.server, &own.client, &plan.name)
            .await?;
        refused(&kubectl, "invalid peer certificate").await?;
        let kubectl = stage
            .kubectl(&site, &own.server, &other.roots.client, &plan.name)
            .await?;
        refused(&kubectl, "Unauthorized").await
    }))
    .await
}

async fn refused(kubectl: &Client, words: &str) -> Result<()> {
    match nodes(kubectl).await {
        Ok(nodes) => anyhow::bail!("expected {words:?}, got {nodes:?}"),
        Err(error) => {
            let message = format!("{error:#}");
            ensure!(message.contains(words), "expected {words:?}, got {message}");
            Ok(())
        }
    }
}

async fn a_second_initialisation_of_etcd_fails(_: &World) -> Result<()> {
    let stage = Stage::start(Duration::from_secs(3)).await?;
    Box::pin(stage.play(async |stage: &Stage| {
        let site = stage.site("c3", 3).await?;
        let (plan, own, network) = (&site.plan, &site.plan.roots, site.network);
        // Nobody could join: the certificate is not valid for the address at which the others look.
        let bare = plan.initial().with("tls-san", json!([plan.name]));
        let first = stage
            .server(network, "first", ("c3", "server"), &bare.text()?)
            .await?;
        stage.booted(first).await?;
        let agent = stage
            .server(network, "agent", ("c3", "agent"), &plan.agent().text()?)
            .await?;
        stage
            .failed(agent, "certificate not valid for name")
            .await?;

        let again = stage
            .server(network, "again", ("c3", "server"), &plan.initial().text()?)
            .await?;
        stage
            .failed(again, &format!("was initialised by server {first} already"))
            .await?;
        let other = Plan {
            roots: roots("c3")?,
            ..plan.clone()
        };
        let anew = stage
            .server(network, "anew", ("c3", "server"), &other.initial().text()?)
            .await?;
        stage
            .failed(anew, "leads to another cluster already")
            .await?;

        // What is switched off and on is the same machine, with its data.
        let kubectl = stage
            .kubectl(&site, &own.server, &own.client, &plan.name)
            .await?;
        let secrets: Api<Secret> = Api::namespaced(kubectl.clone(), "default");
        let secret = Secret {
            metadata: kube::core::ObjectMeta {
                name: Some("kept".to_owned()),
                ..Default::default()
            },
            string_data: Some(BTreeMap::from([("key".to_owned(), "value".to_owned())])),
            ..Secret::default()
        };
        secrets.create(&PostParams::default(), &secret).await?;
        stage
            .post(&format!("/servers/{first}/actions/poweroff"), json!({}))
            .await?;
        eventually("nobody answers", SOON, || async {
            ensure!(nodes(&kubectl).await.is_err());
            Ok(())
        })
        .await?;
        stage
            .post(&format!("/servers/{first}/actions/poweron"), json!({}))
            .await?;
        eventually("the Secret is read again", SOON, || async {
            let read = secrets.get("kept").await?;
            let value = read
                .data
                .and_then(|mut data| data.remove("key"))
                .context("no key")?;
            ensure!(value.0 == b"value");
            Ok(())
        })
        .await
    }))
    .await
}
