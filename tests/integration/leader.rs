//! Two providers on one control plane: one works, and the other takes over.
//!
//! The control plane is one of its own, because here the providers run beside Crossplane instead of under it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use http::Method;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::Api;
use rig::daemon::{Daemon, Invocation, Restart, State};
use rig::wait::eventually;
use rig::{Options, Rig};
use rustix::process::Signal;
use serde_json::json;

use crate::cli::yaml_files;
use crate::function::get;
use crate::images::{named, unpack};
use crate::tests;
use crate::world::{SOON, Tenant, World};

tests!(a_leader_that_ends_or_dies_is_followed);

const NAMESPACE: &str = "crossplane-system";
const LEASE: &str = "crossplane-leader-election-provider-hcloud";
const CRDS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../package/provider-hcloud/crds"
);
/// Far less than the time for which a Lease is valid.
const AT_ONCE: Duration = Duration::from_secs(10);

async fn a_leader_that_ends_or_dies_is_followed(world: &World) -> Result<()> {
    let image = tempfile::tempdir()?;
    unpack(
        named(world.built().await?, "provider-hcloud")?,
        image.path(),
    )?;
    let options = Options {
        crossplane: false,
        ..Options::default()
    };
    let rig = Rig::start(options).await?;
    let binary = image.path().join("provider-hcloud");
    let result = hand_over(&rig, binary).await;
    let result = result.map_err(|error| error.context(rig.report()));
    rig.stop().await;
    result
}

async fn hand_over(rig: &Rig, binary: PathBuf) -> Result<()> {
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    rig.apply(&namespace.to_string()).await?;
    for file in yaml_files(Path::new(CRDS))? {
        rig.apply(&std::fs::read_to_string(&file)?).await?;
    }
    let tenant = eventually("the provider's kinds are served", SOON, || {
        Tenant::create(rig, "elections")
    })
    .await?;
    let stage = Stage {
        rig,
        binary,
        tenant: &tenant,
    };

    let one = stage.provider("one");
    stage.leader("one").await?;
    let two = stage.provider("two");
    eventually("the second waits for its turn", SOON, || async {
        ensure!(read(&two)?.contains("Another process leads"));
        Ok(())
    })
    .await?;
    stage.network("a", "10.0.0.0/16").await?;
    // Whoever waits is ready, or a rolling update would never come to its end.
    get(served_on(&two)?, "/readyz").await?;
    ensure!(stage.leads(&one).await? && !stage.leads(&two).await?);

    let asked = Instant::now();
    one.stop().await;
    let State::Ended { reason } = one.state() else {
        anyhow::bail!("the first is {:?}", one.state());
    };
    ensure!(reason.contains("exit status: 0"), "{reason}");
    let lease = stage.leader("two").await?;
    ensure!(
        asked.elapsed() < AT_ONCE,
        "only after {:?}",
        asked.elapsed()
    );
    ensure!(lease.lease_transitions == Some(1), "{lease:?}");
    stage.network("b", "10.1.0.0/16").await?;

    let three = stage.provider("three");
    eventually("the third waits for its turn", SOON, || async {
        ensure!(read(&three)?.contains("Another process leads"));
        Ok(())
    })
    .await?;
    two.signal(Signal::KILL);
    let lease = stage.leader("three").await?;
    ensure!(lease.lease_transitions == Some(2), "{lease:?}");
    stage.network("c", "10.2.0.0/16").await?;
    ensure!(stage.leads(&three).await?);
    three.stop().await;

    let creates = tenant.simulator.log().of(&Method::POST, "/networks");
    ensure!(creates.len() == 3, "each was created once: {creates:?}");
    Ok(())
}

struct Stage<'a> {
    rig: &'a Rig,
    binary: PathBuf,
    tenant: &'a Tenant<'a>,
}

impl Stage<'_> {
    fn provider(&self, name: &str) -> Daemon {
        let invocation = Invocation::new(&self.binary)
            .args([
                "--leader-election",
                "--bind-ip=127.0.0.1",
                "--metrics-port=0",
            ])
            .arg(format!("--pod-name={name}"))
            .env("KUBECONFIG", self.rig.kubeconfig());
        let log = self.rig.dir().join(format!("logs/provider-{name}.log"));
        Daemon::start(name, invocation, log, Restart::Never)
    }

    /// Waits until the Lease names a pod, and returns what it says.
    async fn leader(&self, pod: &str) -> Result<LeaseSpec> {
        let leases: Api<Lease> = Api::namespaced(self.rig.client(), NAMESPACE);
        eventually(&format!("{pod} leads"), SOON, || async {
            let lease = leases.get(LEASE).await?.spec.unwrap_or_default();
            let holder = lease.holder_identity.clone().unwrap_or_default();
            ensure!(
                holder.split('_').next() == Some(pod),
                "the holder is {holder:?}"
            );
            Ok(lease)
        })
        .await
    }

    /// Whether a provider says of itself that it leads.
    async fn leads(&self, provider: &Daemon) -> Result<bool> {
        let metrics = get(served_on(provider)?, "/metrics").await?;
        let line = format!("leader_election_master_status{{name=\"{LEASE}\"}} ");
        let value = metrics.lines().find_map(|found| found.strip_prefix(&line));
        Ok(value.context("no metric says who leads")? == "1")
    }

    /// Whoever leads makes a network.
    async fn network(&self, name: &str, range: &str) -> Result<()> {
        let network = self.tenant.network(name, json!({"ipRange": range}));
        self.tenant.apply(&network).await?;
        self.tenant.ready("Network", name).await?;
        Ok(())
    }
}

fn read(provider: &Daemon) -> Result<String> {
    std::fs::read_to_string(provider.log()).context("read a provider's log")
}

/// Where a provider serves, as it says in its log.
fn served_on(provider: &Daemon) -> Result<SocketAddr> {
    let log = read(provider)?;
    let address = log.lines().find_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        line["address"].as_str()?.parse().ok()
    });
    address.with_context(|| format!("{} names no address", provider.name()))
}
