//! A simulated cloud whose servers boot, and what an operator does there.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use function_xplatform::kubeconfig::{self, Endpoint, Host};
use function_xplatform::pki::{Authority, ClientCertificate, ClusterRoots, Entropy};
use hcloud_simulator::{Clock, DEFAULT_TOKEN, Id, Simulator};
use http::Method;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use rig::machine::{Fleet, Options, Outcome, Range};
use serde_json::{Value, json};

use super::user_data::Plan;
use crate::client::call;
use crate::world::SOON;

pub(crate) struct Stage {
    pub(crate) simulator: Simulator,
    pub(crate) fleet: Fleet,
}

/// A cluster's place in the cloud.
pub(crate) struct Site {
    pub(crate) network: Id,
    pub(crate) balancer: Id,
    pub(crate) plan: Plan,
}

impl Stage {
    pub(crate) async fn start(patience: Duration) -> Result<Self> {
        let range = Range::claim()?;
        let options = hcloud_simulator::Options {
            addresses: range.public(),
            ..hcloud_simulator::Options::default()
        };
        let simulator = Simulator::start(options).await?;
        let fleet = Fleet::watch(&simulator, range, Options { patience }).await?;
        Ok(Self { simulator, fleet })
    }

    /// Runs a test's story; its failure tells what the machines did.
    pub(crate) async fn play(self, story: impl AsyncFnOnce(&Self) -> Result<()>) -> Result<()> {
        let result = story(&self).await;
        let result = result.map_err(|error| error.context(self.fleet.report()));
        self.fleet.stop().await;
        result
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Result<Value> {
        self.call(Method::POST, path, body).await
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Value) -> Result<Value> {
        let url = format!("{}{path}", self.simulator.url());
        call(method, &url, Some(DEFAULT_TOKEN), body).await
    }

    /// A network with a load balancer that leads to the servers of a cluster, and the plan of that cluster.
    pub(crate) async fn site(&self, name: &str, second_octet: u8) -> Result<Site> {
        let (network, join) = (
            format!("10.{second_octet}.0.0/16"),
            format!("10.{second_octet}.1.5"),
        );
        let subnet = format!("10.{second_octet}.1.0/24");
        let subnet = json!({"type": "cloud", "ip_range": subnet, "network_zone": "eu-central"});
        let created = json!({"name": name, "ip_range": network, "subnets": [subnet]});
        let created = self.post("/networks", created).await?;
        let id = id(&created["network"])?;
        let balancer = json!({
            "name": name,
            "load_balancer_type": "lb11",
            "location": "fsn1",
            "services": [{"protocol": "tcp", "listen_port": 6443, "destination_port": 6443}],
        });
        let created = self.post("/load_balancers", balancer).await?;
        let balancer = self::id(&created["load_balancer"])?;
        let path = |action: &str| format!("/load_balancers/{balancer}/actions/{action}");
        let place = json!({"network": id, "ip": join});
        self.post(&path("attach_to_network"), place).await?;
        let target = json!({
            "type": "label_selector",
            "label_selector": {"selector": format!("cluster={name},role=server")},
            "use_private_ip": true,
        });
        self.post(&path("add_target"), target).await?;
        Ok(Site {
            network: id,
            balancer,
            plan: Plan {
                roots: roots(name)?,
                name: format!("{name}.example.org"),
                network,
                join,
            },
        })
    }

    /// Creates a server in a network, with labels `cluster` and `role`.
    pub(crate) async fn server(
        &self,
        network: Id,
        name: &str,
        (cluster, role): (&str, &str),
        user_data: &str,
    ) -> Result<Id> {
        let body = json!({
            "name": name,
            "server_type": "cpx22",
            "image": "ubuntu-24.04",
            "location": "fsn1",
            "networks": [network],
            "labels": {"cluster": cluster, "role": role},
            "user_data": user_data,
        });
        let created = self.post("/servers", body).await?;
        id(&created["server"])
    }

    pub(crate) async fn delete_server(&self, id: Id) -> Result<()> {
        self.call(Method::DELETE, &format!("/servers/{id}"), json!({}))
            .await?;
        Ok(())
    }

    /// Waits until a machine has booted.
    pub(crate) async fn booted(&self, server: Id) -> Result<Duration> {
        match self.fleet.outcome(server, SOON).await? {
            Outcome::Booted { after } => Ok(after),
            other => bail!("server {server} has not booted: {other:?}"),
        }
    }

    /// Waits until a machine has failed for a reason with these words.
    pub(crate) async fn failed(&self, server: Id, words: &str) -> Result<()> {
        match self.fleet.outcome(server, SOON).await? {
            Outcome::Failed { reason } => {
                ensure!(reason.contains(words), "expected {words:?}, got {reason:?}");
                Ok(())
            }
            other => bail!("expected a failure for {words:?}, but the machine is {other:?}"),
        }
    }

    /// The health of the servers behind a load balancer, by id, as the cloud tells it.
    pub(crate) async fn health(&self, balancer: Id) -> Result<Vec<(Id, String)>> {
        let path = format!("/load_balancers/{balancer}");
        let found = self.call(Method::GET, &path, json!({})).await?;
        let targets = found["load_balancer"]["targets"][0]["targets"].as_array();
        let mut health: Vec<_> = targets
            .context("the load balancer has no target")?
            .iter()
            .filter_map(|target| {
                let status = target["health_status"][0]["status"].as_str()?;
                Some((target["server"]["id"].as_u64()?, status.to_owned()))
            })
            .collect();
        health.sort();
        Ok(health)
    }

    /// A client with the kubeconfig that the function composes for these authorities. It points to the public address of the
    /// site's load balancer.
    pub(crate) async fn kubectl(
        &self,
        site: &Site,
        server: &Authority,
        client: &Authority,
        name: &str,
    ) -> Result<Client> {
        let path = format!("/load_balancers/{}", site.balancer);
        let found = self.call(Method::GET, &path, json!({})).await?;
        let address = &found["load_balancer"]["public_net"]["ipv4"]["ip"];
        let address = address
            .as_str()
            .context("the load balancer has no public address")?;
        let administrator = ClientCertificate::administrator(
            client,
            &Entropy::from_system()?,
            Clock::real().now(),
        )?;
        let endpoint = Endpoint {
            host: Host::Ip(address.parse()?),
            port: 6443,
        };
        let kubeconfig = kubeconfig::write("c", &endpoint, name, server, &administrator)?;
        let kubeconfig = Kubeconfig::from_yaml(kubeconfig.expose())?;
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await?;
        Ok(Client::try_from(config)?)
    }
}

/// New roots of trust.
pub(crate) fn roots(cluster: &str) -> Result<ClusterRoots> {
    Ok(ClusterRoots::generate(
        cluster,
        &Entropy::from_system()?,
        Clock::real().now(),
    )?)
}

fn id(object: &Value) -> Result<Id> {
    object["id"]
        .as_u64()
        .with_context(|| format!("no id in {object}"))
}
