//! Puts the parts together and runs them until the process is to stop.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use api::{ClusterProviderConfig, ProviderConfig};
use kube::Client;
use prometheus_client::registry::Registry;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::{
    cli::Args,
    clock::Clock,
    hcloud::{self, Clients},
    kind::Hetzner,
    managed::{
        Runtime, Settings,
        controller::Shutdown,
        credentials::Credentials,
        events::Recorder,
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
}

/// Runs the provider until `stop` completes, then finishes what runs.
///
/// # Errors
/// When it cannot start.
pub async fn run(args: &Args, stop: impl Future<Output = ()>) -> Result<(), Error> {
    let clock = Clock::system();
    let mut config = kube::Config::infer().await.map_err(Error::Cluster)?;
    // Watches end by themselves after five minutes; what is silent for longer is dead.
    config.read_timeout = Some(Duration::from_secs(330));
    let client = Client::try_from(config).map_err(Error::Client)?;

    let mut metrics = Registry::default();
    let kinds = Metrics::new(&mut metrics);
    let calls = hcloud::Metrics::default();
    calls.register(&mut metrics);
    let probe = Probe::bind(SocketAddr::new(args.bind_ip, args.metrics_port), metrics).await?;
    let clients = Clients::new(hcloud::Settings::default(), clock.clone(), calls)?;

    info!(
        version = env!("CARGO_PKG_VERSION"),
        provider = args.provider_name,
        namespace = args.pod_namespace,
        "Starting"
    );
    let (switch, shutdown) = Shutdown::new();
    let mut serving = JoinSet::new();
    serving.spawn(probe.serve());
    let mut running = start(
        args,
        &client,
        kinds,
        clients,
        &clock,
        &shutdown,
        &mut serving,
    );

    stop.await;
    info!("Stopping");
    switch.send_replace(true);
    let finished = async { while running.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, finished).await.is_err() {
        warn!("Some reconciles did not finish in time; they are resumed after the next start");
    }
    info!("Stopped");
    Ok(())
}

/// Starts all controllers; `serving` takes what has nothing to finish.
fn start(
    args: &Args,
    client: &Client,
    metrics: Metrics,
    clients: Clients,
    clock: &Clock,
    shutdown: &Shutdown,
    serving: &mut JoinSet<()>,
) -> JoinSet<()> {
    let (cluster_store, cluster_writer) = provider_config::store::<ClusterProviderConfig>();
    let (namespaced_store, namespaced_writer) = provider_config::store::<ProviderConfig>();
    let credentials = Arc::new(Credentials::new(
        client.clone(),
        cluster_store.clone(),
        namespaced_store.clone(),
    ));
    let usages = Arc::new(Usages::new(client.clone()));
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
    let name_of = |kind: api::ProviderConfigKind| kind.as_str().to_lowercase();
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

    let runtime = Runtime {
        client: client.clone(),
        credentials,
        usages,
        metrics,
        clock: clock.clone(),
        settings: Settings {
            poll: args.poll,
            sync: args.sync,
            concurrency: args.max_reconcile_rate,
            ..Settings::default()
        },
        bucket: Arc::new(Bucket::new(args.max_reconcile_rate, clock.clone())),
        shutdown: shutdown.clone(),
    };
    let hetzner = Hetzner::new(clients, clock.clone());
    for kind in registry::kinds() {
        running.spawn(kind.run(runtime.clone(), hetzner.clone()));
    }
    running
}
