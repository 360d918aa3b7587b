//! Puts the parts together and runs them until the process is to stop.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use api::{ClusterProviderConfig, ProviderConfig, ProviderConfigKind, ProviderConfigUsage};
use kube::{Client, Resource};
use prometheus_client::registry::Registry;
use tokio::{sync::watch, task::JoinSet};
use tracing::{info, warn};

use crate::{
    cli::Args,
    clock::Clock,
    hcloud::{self, Clients},
    kind::Hetzner,
    managed::{
        Runtime, Settings,
        cache::{Cache, Caches},
        controller::{self, Shutdown},
        credentials::Credentials,
        directory::Directory,
        events::Recorder,
        leader::{self, Elector, Lost},
        metrics::Metrics,
        provider_config::{self, Accountant, Configuration},
        rate::Bucket,
        usage::Usages,
    },
    probe::{ListenError, Probe},
    registry,
};

/// Running steps may take this long after the request to stop.
const GRACE: Duration = Duration::from_secs(4);
/// The name of the Lease begins with this, as with every provider.
const LEASE_PREFIX: &str = "crossplane-leader-election-";

/// Why the provider cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration of the Kubernetes client.
    #[error("cannot find the cluster: neither KUBECONFIG nor a service account can be used")]
    Cluster(#[source] kube::config::InferConfigError),
    /// The Kubernetes client.
    #[error("cannot make a Kubernetes client")]
    Client(#[source] kube::Error),
    /// The Hetzner client.
    #[error(transparent)]
    Tls(#[from] hcloud::TlsError),
    /// The endpoints.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Another process may lead now.
    #[error("this process leads no longer")]
    Lost(#[from] Lost),
    /// A controller is gone. Without it a kind would be left alone and nobody would notice.
    #[error("a controller has ended by itself")]
    ControllerEnded,
}

/// Runs the provider until `stop` completes, then finishes what runs.
///
/// # Errors
/// When it cannot start, and when it cannot go on: it is to be started again then.
pub async fn run(args: &Args, stop: impl Future<Output = ()>) -> Result<(), Error> {
    let mut config = kube::Config::infer().await.map_err(Error::Cluster)?;
    // Watches end by themselves after five minutes; what is silent for longer is dead.
    config.read_timeout = Some(Duration::from_secs(330));
    let client = Client::try_from(config).map_err(Error::Client)?;
    run_on(client, args, stop).await
}

async fn run_on(client: Client, args: &Args, stop: impl Future<Output = ()>) -> Result<(), Error> {
    let clock = Clock::system();
    let mut metrics = Registry::default();
    let kinds = Metrics::new(&mut metrics);
    kinds.count_at_most_every(args.poll_state_metric, clock.clone());
    let elections = leader::Metrics::new(&mut metrics);
    let calls = hcloud::Metrics::default();
    calls.register(&mut metrics);
    let caches = Caches::default();
    let starting = Cache::default();
    caches.add("controllers", &starting);
    let address = SocketAddr::new(args.bind_ip, args.metrics_port);
    let probe = Probe::bind(address, metrics, caches.clone()).await?;
    let requests = hcloud::Settings {
        budget_for_others: 1.0 - f64::from(args.request_share) / 100.0,
        ..hcloud::Settings::default()
    };
    let clients = Clients::new(requests, clock.clone(), calls)?;

    info!(
        version = env!("CARGO_PKG_VERSION"),
        provider = args.provider_name,
        namespace = args.pod_namespace,
        "Starting"
    );
    let mut serving = JoinSet::new();
    serving.spawn(probe.serve());
    tokio::pin!(stop);
    let mut leadership = None;
    if args.leader_election {
        // Who waits for its turn is ready for it.
        starting.idle();
        let elector = Elector::new(
            client.clone(),
            &args.pod_namespace,
            format!("{LEASE_PREFIX}{}", args.provider_name),
            leader::identity(&args.pod_name),
            clock.clone(),
            elections,
        );
        tokio::select! {
            acquired = elector.acquire() => leadership = Some(acquired),
            () = &mut stop => return Ok(()),
        }
    }

    let (switch, shutdown) = Shutdown::new();
    let common = Common {
        client,
        metrics: kinds,
        clients,
        clock: clock.clone(),
        caches,
        shutdown,
    };
    let mut running = start(args, common, &mut serving);
    starting.fill();

    let outcome = {
        let mut lost = pin!(async {
            match &mut leadership {
                Some(leadership) => leadership.keep().await,
                None => std::future::pending().await,
            }
        });
        tokio::select! {
            () = stop => finish(&switch, &mut running, lost.as_mut()).await,
            lost = &mut lost => Err(Error::Lost(lost)),
            Some(_) = running.join_next() => Err(Error::ControllerEnded),
        }
    };
    // Whoever leads next must be alone.
    running.shutdown().await;
    if let Some(leadership) = leadership
        && !matches!(outcome, Err(Error::Lost(_)))
    {
        leadership.release().await;
    }
    info!("Stopped");
    outcome
}

/// Asks everybody to stop and gives them the time for it.
async fn finish(
    switch: &watch::Sender<bool>,
    running: &mut JoinSet<()>,
    lost: impl Future<Output = Lost>,
) -> Result<(), Error> {
    info!("Stopping");
    switch.send_replace(true);
    let finished = async { while running.join_next().await.is_some() {} };
    tokio::select! {
        ended = tokio::time::timeout(GRACE, finished) => {
            if ended.is_err() {
                warn!("Some reconciles did not finish in time; they are resumed after the next start");
            }
            Ok(())
        }
        lost = lost => Err(Error::Lost(lost)),
    }
}

/// What the controllers are made of.
struct Common {
    client: Client,
    metrics: Metrics,
    clients: Clients,
    clock: Clock,
    caches: Caches,
    shutdown: Shutdown,
}

/// Starts all controllers; `serving` takes what has nothing to finish.
fn start(args: &Args, common: Common, serving: &mut JoinSet<()>) -> JoinSet<()> {
    let Common {
        client,
        metrics,
        clients,
        clock,
        caches,
        shutdown,
    } = common;
    let (cluster_store, cluster_writer) = provider_config::store::<ClusterProviderConfig>();
    let (namespaced_store, namespaced_writer) = provider_config::store::<ProviderConfig>();
    let credentials = Arc::new(Credentials::new(
        client.clone(),
        cluster_store.clone(),
        namespaced_store.clone(),
    ));
    let usages = Arc::new(Usages::new(client.clone()));
    for kind in [
        ProviderConfigKind::ClusterProviderConfig,
        ProviderConfigKind::ProviderConfig,
    ] {
        caches.add(kind.as_str(), credentials.cache(kind));
    }
    caches.add(ProviderConfigUsage::kind(&()).as_ref(), usages.cache());
    caches.add_check("Secrets", {
        let credentials = Arc::clone(&credentials);
        move || credentials.awaits_secret()
    });
    serving.spawn({
        let usages = Arc::clone(&usages);
        async move { usages.watch().await }
    });

    let mut running = JoinSet::new();
    let accountant = |kind: &str| {
        let name = format!("providerconfig/{kind}.{}", api::GROUP);
        let (recorder, events) = Recorder::new(client.clone(), &name, clock.clone());
        let accountant = Accountant {
            client: client.clone(),
            usages: Arc::clone(&usages),
            credentials: Arc::clone(&credentials),
            recorder,
            clock: clock.clone(),
        };
        (Arc::new(accountant), events)
    };
    let name_of = |kind: ProviderConfigKind| kind.as_str().to_lowercase();
    let (cluster, events) = accountant(&name_of(ClusterProviderConfig::KIND));
    serving.spawn(events);
    running.spawn(provider_config::run(
        cluster,
        cluster_store,
        cluster_writer,
        shutdown.clone(),
    ));
    let (namespaced, events) = accountant(&name_of(ProviderConfig::KIND));
    serving.spawn(events);
    running.spawn(provider_config::run(
        namespaced,
        namespaced_store,
        namespaced_writer,
        shutdown.clone(),
    ));

    let hetzner = Hetzner::new(clients, clock.clone());
    let mut directory = Directory::default();
    let kinds: Vec<_> = registry::kinds()
        .into_iter()
        .map(|kind| {
            let kind = kind.with(hetzner.clone());
            let listed = directory.add(kind.names());
            (kind, listed)
        })
        .collect();
    let runtime = Runtime {
        client,
        credentials,
        usages,
        directory: Arc::new(directory),
        caches,
        metrics,
        clock: clock.clone(),
        settings: Settings {
            poll: args.poll,
            poll_floor: args.min_poll_interval,
            sync: args.sync,
            concurrency: args.max_reconcile_rate,
            management_policies: args.enable_management_policies,
            creation_grace: args.creation_grace,
            creation_settle: args.creation_settle,
            ..Settings::default()
        },
        bucket: Arc::new(Bucket::new(args.max_reconcile_rate, clock)),
        shutdown,
    };
    for (kind, listed) in kinds {
        running.spawn(controller::run(runtime.clone(), kind, listed));
    }
    running
}

#[cfg(test)]
mod tests;
