//! The life of one machine, from its first boot until its server is switched off.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddrV4};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use hcloud_simulator::Id;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::api_server::{self, Host};
use super::boot::{Machine, Part};
use super::cluster::{Cluster, Place};
use super::fleet::{Outcome, Shared};
use super::landscape::Landscape;
use super::node;
use super::pki::{Authorities, Subject};
use super::token::hash;
use crate::daemon::{Daemon, State};
use crate::wait::{Hopeless, eventually};

/// A server as it is when its life begins.
pub(super) struct Birth {
    pub(super) server: Id,
    pub(super) name: String,
    pub(super) rebuilds: usize,
    pub(super) user_data: String,
}

/// A cluster, reached through its load balancer.
struct Reached {
    cluster: Arc<Cluster>,
    /// Where the load balancer listens on this host.
    door: SocketAddrV4,
}

/// Boots a machine and keeps it alive. It ends with the reason for which it does not live, or not any longer.
pub(super) async fn live(shared: &Shared, birth: &Birth) -> Result<Infallible> {
    let started = tokio::time::Instant::now();
    let machine = Machine::from_user_data(&birth.user_data)?;
    let host = settle(shared, birth, &machine).await?;
    for (path, file) in &machine.files.files {
        host.write(path, file)?;
    }
    let server = match &machine.part {
        Part::Initial(authorities) => {
            let cluster = initialise(shared, birth, &machine, authorities).await?;
            let daemon = serve(shared, birth, &machine, &host, &cluster).await?;
            Some((cluster, daemon))
        }
        Part::Server => {
            let Reached { cluster, .. } = reach(shared, birth, &machine).await?;
            let daemon = serve(shared, birth, &machine, &host, &cluster).await?;
            Some((cluster, daemon))
        }
        Part::Agent => {
            let Reached { cluster, door } = reach(shared, birth, &machine).await?;
            join(
                &machine,
                &host,
                birth,
                &cluster,
                door,
                &machine.join.host.to_string(),
            )
            .await?;
            None
        }
    };
    shared.set_health(birth.server, true);
    shared.record(
        birth.server,
        Outcome::Booted {
            after: started.elapsed(),
        },
    );
    tracing::debug!(server = %birth.name, elapsed = ?started.elapsed(), "A machine has booted");
    match &server {
        Some((cluster, api_server)) => tokio::select! {
            ended = end(api_server) => bail!("kube-apiserver {ended}"),
            ended = end(&cluster.etcd) => bail!("etcd {ended}"),
        },
        None => std::future::pending().await,
    }
}

/// Waits for the private network, as the script that prepares the machine does.
async fn settle(shared: &Shared, birth: &Birth, machine: &Machine) -> Result<Host> {
    let what = format!("the machine has an address in {}", machine.network);
    let (private, address) = eventually(&what, shared.options.patience, || async {
        let landscape = shared.landscape();
        let server = landscape
            .servers
            .get(&birth.server)
            .context("the server is gone")?;
        let mut networks = server.private.iter();
        let private = networks.find(|private| private.range == machine.network);
        let private = shared.waiting(
            birth.server,
            private.with_context(|| {
                format!("no network of the server has the range {}", machine.network)
            }),
        )?;
        Ok((private.address, shared.address(birth.server, server.public)))
    })
    .await?;
    let id = birth.server;
    Ok(Host {
        name: birth.name.to_lowercase(),
        private,
        address,
        disk: shared
            .dir()
            .join(format!("machines/{id}-{}", birth.rebuilds)),
        log: shared.log(&format!("{}-{id}", birth.name)),
    })
}

/// Makes the machine's cluster, which happens once in the life of its authorities.
async fn initialise(
    shared: &Shared,
    birth: &Birth,
    machine: &Machine,
    authorities: &Arc<Authorities>,
) -> Result<Arc<Cluster>> {
    let authority = hash(&authorities.server.certificate);
    let landscape = shared.landscape();
    let targets = targets(&landscape, birth.server, machine).map(|(targets, _)| targets);
    for target in targets.into_iter().flatten() {
        if let Some(other) = shared.served_by(target)
            && other.authority != authority
        {
            bail!(
                "{} leads to another cluster already: to initialise etcd would make a second one",
                machine.join
            );
        }
    }
    let address = shared
        .found(&authority, (birth.server, birth.rebuilds))
        .map_err(|first| {
            anyhow!(
                "etcd of this cluster was initialised by server {first} already: a second time would make a second cluster"
            )
        })?;
    if let Some(cluster) = shared.cluster(&authority) {
        return Ok(cluster);
    }
    let cluster = Cluster::initialise(
        machine,
        Arc::clone(authorities),
        Place {
            etcd: &shared.programs.etcd,
            address,
            dir: &shared.dir().join(format!("clusters/{authority}")),
            log: &shared.log(&format!("etcd-{}", birth.name)),
        },
    )
    .await?;
    let cluster = Arc::new(cluster);
    shared.add_cluster(&cluster);
    Ok(cluster)
}

/// Starts the API server, lets the load balancer see it, and registers the machine there.
async fn serve(
    shared: &Shared,
    birth: &Birth,
    machine: &Machine,
    host: &Host,
    cluster: &Arc<Cluster>,
) -> Result<Daemon> {
    let daemon = api_server::start(&shared.programs.server, cluster, machine, host).await?;
    shared.serves(birth.server, cluster);
    shared.set_health(birth.server, true);
    // The kubelet of a server goes to the API server beside it.
    let endpoint = host.endpoint();
    join(machine, host, birth, cluster, endpoint, "127.0.0.1").await?;
    let administrator = cluster.administrator(endpoint).await?;
    node::mark_server(&administrator, &host.name).await?;
    Ok(daemon)
}

/// Registers a machine through an API server, with a certificate that the cluster issues to its kubelet.
async fn join(
    machine: &Machine,
    host: &Host,
    birth: &Birth,
    cluster: &Cluster,
    endpoint: SocketAddrV4,
    name: &str,
) -> Result<()> {
    let kubelet = format!("system:node:{}", host.name);
    let subject = Subject {
        name: &kubelet,
        organization: Some("system:nodes"),
        hosts: &[],
    };
    let client = cluster.client(endpoint, name, subject).await?;
    node::register(&client, machine, host, birth.server).await
}

/// Goes where the join address leads, and makes sure that it is the cluster that the token names.
async fn reach(shared: &Shared, birth: &Birth, machine: &Machine) -> Result<Reached> {
    let what = format!("{} leads to the cluster", machine.join);
    let trial = || async {
        let reached = try_reach(shared, birth, machine).await;
        shared.waiting(birth.server, reached)
    };
    eventually(&what, shared.options.patience, trial).await
}

async fn try_reach(shared: &Shared, birth: &Birth, machine: &Machine) -> Result<Reached> {
    let landscape = shared.landscape();
    let (targets, balancer) = targets(&landscape, birth.server, machine)?;
    let door = shared
        .door(balancer, machine.join.port)
        .with_context(|| format!("nobody listens at {}", machine.join))?;
    let mut clusters: Vec<Arc<Cluster>> = targets
        .iter()
        .filter_map(|target| shared.served_by(*target))
        .collect();
    clusters.dedup_by(|one, other| one.authority == other.authority);
    let cluster = match clusters.as_slice() {
        [] => bail!("no healthy server is behind {}", machine.join),
        [cluster] => Arc::clone(cluster),
        _ => {
            return Err(hopeless(&anyhow!(
                "{} leads to several clusters",
                machine.join
            )));
        }
    };
    cluster.admit(machine).map_err(|error| hopeless(&error))?;
    handshake(&cluster, door, machine.join.host.into()).await?;
    Ok(Reached { cluster, door })
}

/// The healthy servers behind the load balancer at the join address, and that load balancer.
fn targets(landscape: &Landscape, server: Id, machine: &Machine) -> Result<(Vec<Id>, Id)> {
    let server = landscape
        .servers
        .get(&server)
        .context("the server is gone")?;
    let mut networks = server.private.iter();
    let network = networks.find(|private| private.range == machine.network);
    let network = network.context("the machine has left its network")?;
    let join = machine.join;
    let balancer = landscape
        .balancer_at(network.network, join.host)
        .with_context(|| {
            format!(
                "no load balancer has {} in network {}",
                join.host, machine.network
            )
        })?;
    let mut services = balancer.services.iter();
    let service = services.find(|(listen, _)| *listen == join.port);
    let (_, port) = service.with_context(|| format!("no TCP service listens at {join}"))?;
    if *port != api_server::PORT {
        bail!(
            "the service at {join} leads to port {port}, not to {}",
            api_server::PORT
        );
    }
    Ok((balancer.targets.clone(), balancer.id))
}

/// Opens a TLS connection through the load balancer, for the address by which the machine knows it.
async fn handshake(cluster: &Cluster, door: SocketAddrV4, name: IpAddr) -> Result<()> {
    let mut roots = RootCertStore::empty();
    let authority = &cluster.authorities.server.certificate;
    let authority = CertificateDer::from_pem_slice(authority).context("read the authority")?;
    roots.add(authority).context("trust the authority")?;
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(door)
        .await
        .context("connect to the load balancer")?;
    let connector = TlsConnector::from(Arc::new(config));
    match connector.connect(ServerName::from(name), stream).await {
        Ok(_) => Ok(()),
        Err(error) if is_refusal(&error) => Err(hopeless(
            &anyhow!(error).context(format!("TLS to {name} fails")),
        )),
        Err(error) => Err(error).with_context(|| format!("TLS to {name}")),
    }
}

fn is_refusal(error: &io::Error) -> bool {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

fn hopeless(error: &anyhow::Error) -> anyhow::Error {
    Hopeless(format!("{error:#}")).into()
}

async fn end(daemon: &Daemon) -> String {
    let mut state = daemon.watch();
    let ended = state.wait_for(|state| matches!(state, State::Ended { .. }));
    match ended.await.as_deref() {
        Ok(State::Ended { reason }) => reason.clone(),
        Ok(_) | Err(_) => "is gone".to_owned(),
    }
}
