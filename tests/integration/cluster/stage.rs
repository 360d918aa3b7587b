//! A tenant whose servers boot, and an example in it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hcloud_simulator::{DEFAULT_TOKEN, Id};
use http::Method;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::ObjectMeta;
use kube::{Api, Client, ResourceExt};
use rig::apply::documents;
use rig::machine::{Fleet, Options, Outcome, Range};
use rig::tree::{self, Node};
use rig::updates::Updates;
use rig::wait::eventually;
use serde_json::{Value, json};

use crate::boot::nodes;
use crate::client::by_hand;
use crate::landscape::left;
use crate::world::{SOON, Tenant, World, find_condition, types};

/// How long a platform with real API servers in it may take.
pub(crate) const LONG: Duration = Duration::from_secs(300);

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");

/// Kinds of composites below a claim.
const COMPOSITES: [&str; 5] = [
    "XRegion",
    "XCluster",
    "XLoadBalancer",
    "XNodePool",
    "XNodeGroup",
];

/// Kinds that composites compose beside other composites.
const COMPOSED: [&str; 14] = [
    "ConfigMap",
    "Firewall",
    "Inventory",
    "LoadBalancer",
    "LoadBalancerNetwork",
    "LoadBalancerService",
    "LoadBalancerTarget",
    "Network",
    "PlacementGroup",
    "Pricing",
    "SSHKey",
    "Secret",
    "Server",
    "Subnet",
];

pub(crate) struct Stage<'a> {
    pub(crate) tenant: Tenant<'a>,
    fleet: Fleet,
    claim: Value,
    updates: Updates,
}

impl<'a> Stage<'a> {
    /// A tenant, and the claim of an example for it.
    pub(crate) async fn start(world: &'a World, tenant: &str, example: &str) -> Result<Self> {
        let text = std::fs::read_to_string(Path::new(EXAMPLES).join(example))
            .with_context(|| format!("read {example}"))?;
        let mut objects = documents(&text)?.into_iter();
        let claim = objects.next().context("the example is empty")?;
        let mut claim = serde_json::to_value(claim)?;
        claim["metadata"]["namespace"] = json!(tenant);
        claim["spec"]["provider"]["configRef"] =
            json!({"kind": "ProviderConfig", "name": "default"});

        let range = Range::claim()?;
        let options = hcloud_simulator::Options {
            addresses: range.public(),
            ..hcloud_simulator::Options::default()
        };
        let tenant = world.tenant_with(tenant, options).await?;
        let options = Options { patience: LONG };
        let fleet = Fleet::watch(&tenant.simulator, range, options).await?;
        let kinds = COMPOSITES.iter().chain(&COMPOSED).chain(&["XPlatform"]);
        let kinds: Vec<_> = kinds.map(|kind| types(kind)).collect();
        let updates = Updates::watch(&tenant.client(), &kinds, &tenant.namespace).await?;
        Ok(Self {
            tenant,
            fleet,
            claim,
            updates,
        })
    }

    /// Applies the claim and runs a test's story; its failure tells what hinders the platform and what the machines did.
    pub(crate) async fn play(self, story: impl AsyncFnOnce(&Self) -> Result<()>) -> Result<()> {
        let result = async {
            self.tenant.apply(&self.claim).await?;
            story(&self).await
        };
        let result = match result.await {
            Ok(()) => Ok(()),
            Err(error) => Err(error.context(self.report().await)),
        };
        self.fleet.stop().await;
        result
    }

    async fn report(&self) -> String {
        let mut text = match self.tree().await {
            Ok(Some(tree)) => tree.describe(),
            Ok(None) => "the claim does not exist\n".to_owned(),
            Err(error) => format!("the tree cannot be read: {error:#}\n"),
        };
        text.push_str(&self.fleet.report());
        text
    }

    async fn tree(&self) -> Result<Option<Node>> {
        let namespace = Some(self.tenant.namespace.as_str());
        let client = self.tenant.client();
        tree::read(&client, &types("Platform"), namespace, self.name()).await
    }

    fn name(&self) -> &str {
        self.claim["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// Waits until the platform and everything below it is ready, and gives the claim.
    pub(crate) async fn ready(&self) -> Result<Value> {
        let what = format!("platform {} is ready", self.name());
        eventually(&what, LONG, || async {
            let claim = self.tenant.get("Platform", self.name()).await?;
            let tree = self.tree().await?.context("the claim does not exist")?;
            for condition in ["Synced", "Ready", "Valid", "InfrastructureReady"] {
                let found = find_condition(&claim, condition)?;
                ensure!(found["status"] == "True", "{condition} is {found}");
            }
            let idle = tree
                .flattened()
                .into_iter()
                .find(|(_, node)| node.ready.as_deref() == Some("False"));
            if let Some((_, node)) = idle {
                bail!("{} {} is not ready: {}", node.kind, node.name, node.message);
            }
            Ok(serde_json::to_value(claim)?)
        })
        .await
    }

    /// Names and provider ids of the servers in the cloud whose names contain a text, sorted.
    pub(crate) fn servers(&self, part: &str) -> Result<Vec<(String, String)>> {
        let cloud = self.tenant.simulator.world();
        let project = cloud.project(DEFAULT_TOKEN).context("the project")?;
        let mut servers: Vec<_> = project
            .servers()
            .iter()
            .filter(|server| server.name.contains(part))
            .map(|server| (server.name.clone(), format!("hcloud://{}", server.id)))
            .collect();
        servers.sort();
        Ok(servers)
    }

    /// Waits until there are so many servers in a region, and gives them as [`Self::servers`] does.
    pub(crate) async fn servers_are(
        &self,
        region: &str,
        count: usize,
    ) -> Result<Vec<(String, String)>> {
        let what = format!("{region} has {count} servers");
        eventually(&what, LONG, || async {
            let servers = self.servers(region)?;
            ensure!(servers.len() == count, "it has {servers:?}");
            Ok(servers)
        })
        .await
    }

    /// Name and id of the first server of the control plane in a region.
    pub(crate) fn first_server(&self, region: &str) -> Result<(String, Id)> {
        let cloud = self.tenant.simulator.world();
        let project = cloud.project(DEFAULT_TOKEN).context("the project")?;
        let mut servers = project.servers().iter();
        let first = servers.find(|server| {
            server.name.contains(region)
                && server.name.contains("-cp-")
                && server.name.ends_with("-0")
        });
        let first = first.with_context(|| format!("{region} has no first server"))?;
        Ok((first.name.clone(), first.id))
    }

    pub(crate) async fn delete_server(&self, id: Id) -> Result<()> {
        by_hand(
            &self.tenant,
            Method::DELETE,
            &format!("/servers/{id}"),
            json!({}),
        )
        .await?;
        Ok(())
    }

    /// Waits until a machine has booted.
    pub(crate) async fn booted(&self, server: Id) -> Result<()> {
        match self.fleet.outcome(server, LONG).await? {
            Outcome::Booted { .. } => Ok(()),
            other => bail!("server {server} has not booted: {other:?}"),
        }
    }

    /// Names and provider ids in the rows of servers of all objects of a kind, sorted.
    pub(crate) async fn server_rows(&self, kind: &str) -> Result<Vec<(String, String)>> {
        let mut found = Vec::new();
        for object in self.tenant.list(kind).await? {
            let pools = object.data["status"]["nodePools"].as_array();
            let servers = pools
                .into_iter()
                .flatten()
                .filter_map(|pool| pool["servers"].as_array())
                .flatten();
            for server in servers {
                let text = |field: &str| {
                    let text = server[field].as_str();
                    text.with_context(|| format!("a server without {field}: {server}"))
                };
                text("type")?;
                text("privateIP")?;
                let id = format!("hcloud://{}", text("id")?);
                found.push((text("name")?.to_owned(), id));
            }
        }
        found.sort();
        Ok(found)
    }

    /// A client with the kubeconfig in the Secret that the claim names for a cluster.
    pub(crate) async fn kubectl(&self, region: &str, cluster: &str) -> Result<Client> {
        let claim = self.tenant.get("Platform", self.name()).await?;
        let by_name = |rows: &Value, name: &str| {
            let mut rows = rows.as_array().into_iter().flatten();
            let row = rows.find(|row| row["name"] == name).cloned();
            row.with_context(|| format!("the claim has no row {name}"))
        };
        let region = by_name(&claim.data["status"]["regions"], region)?;
        let cluster = by_name(&region["clusters"], cluster)?;
        let name = cluster["kubeconfigSecret"].as_str().context("the Secret")?;
        let secrets: Api<Secret> = Api::namespaced(self.tenant.client(), &self.tenant.namespace);
        let mut data = secrets.get(name).await?.data.unwrap_or_default();
        let kubeconfig = data.remove("value").context("the key value")?;
        let kubeconfig = Kubeconfig::from_yaml(std::str::from_utf8(&kubeconfig.0)?)?;
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await?;
        ensure!(
            cluster["endpoint"] == config.cluster_url.to_string().trim_end_matches('/'),
            "{cluster} has not the endpoint of {}",
            config.cluster_url
        );
        Ok(Client::try_from(config)?)
    }

    /// Waits until a cluster lists the servers in the cloud whose names contain a text as its nodes, and tells how many.
    pub(crate) async fn lists(&self, kubectl: &Client, part: &str) -> Result<usize> {
        let what = format!("the nodes are the servers of {part}");
        eventually(&what, SOON, || async {
            let (nodes, servers) = (nodes(kubectl).await?, self.servers(part)?);
            ensure!(nodes == servers, "nodes {nodes:?}, servers {servers:?}");
            Ok(nodes.len())
        })
        .await
    }

    /// Changes the claim and applies it.
    pub(crate) async fn apply_with(&self, change: impl FnOnce(&mut Value) + Send) -> Result<()> {
        let mut claim = self.claim.clone();
        change(&mut claim);
        self.tenant.apply(&claim).await
    }

    /// No circuit breaker of a cluster, or of what is below one, came near to opening.
    pub(crate) fn no_breaker_opened(&self) -> Result<()> {
        let above = ["XPlatform", "XRegion"];
        let tightest = self.updates.tightest(&above);
        let (composite, tokens) = tightest.context("nothing was updated")?;
        ensure!(
            tokens > 0.0,
            "the updates of what {composite} composes open its circuit breaker:\n{}",
            self.updates.report()
        );
        Ok(())
    }

    /// Deletes the claim; nothing must be left, neither in the cloud nor in the namespace.
    pub(crate) async fn delete(&self) -> Result<()> {
        let unprotect = json!({"spec": {"operations": {"deletion": {"protect": false}}}});
        self.tenant
            .patch("Platform", self.name(), unprotect)
            .await?;
        let protection = format!("{}-protection", self.name());
        self.tenant.gone("Usage", &protection).await?;
        self.tenant.delete("Platform", self.name()).await?;
        eventually("the platform is gone", LONG, || async {
            for kind in COMPOSITES.iter().rev().chain(&["Platform"]) {
                let names: Vec<_> = self.tenant.list(kind).await?;
                let names: Vec<_> = names.iter().map(ResourceExt::name_any).collect();
                ensure!(names.is_empty(), "{kind}: {names:?}");
            }
            let left = left(&self.tenant)?;
            ensure!(left.is_empty(), "{left:?}");
            Ok(())
        })
        .await?;
        eventually("nothing that it composed is left", SOON, || async {
            let (client, namespace) = (self.tenant.client(), &self.tenant.namespace);
            let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
            let maps: Api<ConfigMap> = Api::namespaced(client, namespace);
            let composed = |metadata: ObjectMeta| {
                let owners = metadata.owner_references.unwrap_or_default();
                metadata.name.filter(|_| !owners.is_empty())
            };
            let all = ListParams::default();
            let secrets = secrets.list_metadata(&all).await?.items.into_iter();
            let maps = maps.list_metadata(&all).await?.items.into_iter();
            let secrets = secrets.filter_map(|secret| composed(secret.metadata));
            let maps = maps.filter_map(|map| composed(map.metadata));
            let names: Vec<_> = secrets.chain(maps).collect();
            ensure!(names.is_empty(), "{names:?}");
            Ok(())
        })
        .await
    }
}
