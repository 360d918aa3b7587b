//! All machines of one simulator: boots what appears, ends what goes, and tells what became of each.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use anyhow::{Context, Result};
use hcloud_simulator::{Id, SharedWorld, Simulator};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::api_server::{PORT, Programs};
use super::cluster::Cluster;
use super::gateway::Gateway;
use super::landscape::{Landscape, Server};
use super::life::{self, Birth};
use super::node;
use super::range::Range;
use crate::rig::logs;
use crate::scratch::Scratch;
use crate::tools;

/// How often the simulator is looked at.
const TICK: Duration = Duration::from_millis(50);
/// Ports below belong to root.
const FIRST_PORT: u16 = 1024;

/// How machines behave.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a machine waits for its private network, and for its join address to lead to a cluster, before it has
    /// failed. A real one would wait for ever.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(120),
        }
    }
}

/// What became of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It boots.
    Booting {
        /// What it waits for.
        waiting: String,
    },
    /// It serves, and its Node is registered.
    Booted {
        /// How long that took.
        after: Duration,
    },
    /// It will not serve, or does so no longer.
    Failed {
        /// Why.
        reason: String,
    },
    /// Its server is switched off.
    Off,
    /// Its server has no user data: it is healthy and does nothing.
    Idle,
}

/// A machine and what became of it. Machines of deleted servers are remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The server's id.
    pub server: Id,
    /// Its name.
    pub name: String,
    /// What became of it.
    pub outcome: Outcome,
    /// False once the server was deleted.
    pub exists: bool,
}

/// The machines of a simulator. Dropping it ends all of them.
#[derive(Debug)]
pub struct Fleet {
    shared: Arc<Shared>,
    keeper: JoinHandle<()>,
}

impl Fleet {
    /// Boots every server of the simulator from now on. The simulator takes its public addresses from the range.
    ///
    /// # Errors
    ///
    /// When a program of the control plane cannot be built.
    pub async fn watch(simulator: &Simulator, range: Range, options: Options) -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let tools = [
            &tools::ETCD,
            &tools::KUBE_APISERVER,
            &tools::KUBE_CONTROLLER_MANAGER,
        ];
        let [etcd, api_server, controller_manager] = tools::prepare(tools).await?;
        let world = simulator.shared_world();
        start_broken(&world);
        let shared = Arc::new(Shared {
            world,
            range,
            scratch: Scratch::create()?,
            programs: AllPrograms {
                etcd: etcd.binary,
                server: Programs {
                    api_server: api_server.binary,
                    controller_manager: controller_manager.binary,
                },
            },
            options,
            landscape: watch::Sender::default(),
            reports: watch::Sender::default(),
            state: Mutex::default(),
        });
        let keeper = tokio::spawn(keep(Arc::clone(&shared)));
        Ok(Self { shared, keeper })
    }

    /// Every machine that there is or was, by ascending id of its server.
    pub fn reports(&self) -> Vec<Report> {
        self.shared.reports.borrow().values().cloned().collect()
    }

    /// The machines that failed, with their reasons.
    pub fn failures(&self) -> Vec<(String, String)> {
        let reports = self.reports().into_iter();
        let failures = reports.filter_map(|report| match report.outcome {
            Outcome::Failed { reason } => Some((report.name, reason)),
            _ => None,
        });
        failures.collect()
    }

    /// Waits until a machine has booted or failed.
    ///
    /// # Errors
    ///
    /// When it has done neither before the deadline.
    pub async fn outcome(&self, server: Id, deadline: Duration) -> Result<Outcome> {
        let mut reports = self.shared.reports.subscribe();
        let settled = reports.wait_for(|reports| {
            let outcome = reports.get(&server).map(|report| &report.outcome);
            matches!(
                outcome,
                Some(Outcome::Booted { .. } | Outcome::Failed { .. } | Outcome::Idle)
            )
        });
        let settled = timeout(deadline, settled).await;
        let settled = settled.ok().and_then(Result::ok).as_deref().cloned();
        let found = settled.and_then(|mut reports| reports.remove(&server));
        match found {
            Some(report) => Ok(report.outcome),
            None => {
                let reports = self.shared.reports.borrow();
                let now = reports.get(&server).map(|report| &report.outcome);
                anyhow::bail!(
                    "server {server} has neither booted nor failed within {deadline:?}: {now:?}"
                )
            }
        }
    }

    /// Where a load balancer listens on this host for one of its ports: at its public address, or at a hidden one without.
    pub fn door(&self, balancer: Id, port: u16) -> Option<SocketAddrV4> {
        self.shared.door(balancer, port)
    }

    /// What became of each machine, and the ends of the logs: for the message of a failed test.
    pub fn report(&self) -> String {
        let mut text = String::new();
        for Report {
            server,
            name,
            outcome,
            exists,
        } in self.reports()
        {
            let gone = if exists { "" } else { " (deleted)" };
            let _ = writeln!(text, "server {server} {name}{gone}: {outcome:?}");
        }
        text.push_str(&logs(self.shared.dir()));
        text
    }

    /// Ends all machines.
    pub async fn stop(mut self) {
        self.keeper.abort();
        // It was asked to end; how it did does not matter.
        let _ = (&mut self.keeper).await;
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Lets load balancers wait for the machines.
fn start_broken(world: &SharedWorld) {
    let mut world = world.lock();
    let names: Vec<String> = world.projects().map(|(name, _)| name.to_owned()).collect();
    for name in names {
        if let Some(project) = world.project_named_mut(&name) {
            project.load_balancing_mut().servers_start_broken = true;
        }
    }
}

/// What the machines know of each other and of the cloud.
#[derive(Debug)]
pub(super) struct Shared {
    world: SharedWorld,
    range: Range,
    scratch: Scratch,
    pub(super) programs: AllPrograms,
    pub(super) options: Options,
    landscape: watch::Sender<Arc<Landscape>>,
    reports: watch::Sender<BTreeMap<Id, Report>>,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct AllPrograms {
    pub(super) etcd: PathBuf,
    pub(super) server: Programs,
}

#[derive(Debug, Default)]
struct State {
    /// The clusters by authority. They live as long as one of their servers: their data are on its disk.
    clusters: BTreeMap<String, Weak<Cluster>>,
    /// Which cluster the API server of a machine serves.
    serving: BTreeMap<Id, Arc<Cluster>>,
    /// Who initialised the cluster with an authority, ever.
    founders: BTreeMap<String, Founder>,
    /// Where machines without a public address listen.
    addresses: BTreeMap<Id, Ipv4Addr>,
    /// Where load balancers listen.
    doors: BTreeMap<(Id, u16), SocketAddrV4>,
}

#[derive(Clone, Copy, Debug)]
struct Founder {
    machine: (Id, usize),
    /// Where the cluster's etcd listens.
    address: Ipv4Addr,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn dir(&self) -> &Path {
        self.scratch.path()
    }

    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.scratch.log(name)
    }

    pub(super) fn landscape(&self) -> Arc<Landscape> {
        Arc::clone(&self.landscape.borrow())
    }

    /// Where a machine listens on this host.
    pub(super) fn address(&self, server: Id, public: Option<Ipv4Addr>) -> Ipv4Addr {
        if let Some(public) = public.filter(|public| self.range.contains(*public)) {
            return public;
        }
        let hidden = || self.range.hidden();
        *self.state().addresses.entry(server).or_insert_with(hidden)
    }

    pub(super) fn door(&self, balancer: Id, port: u16) -> Option<SocketAddrV4> {
        self.state().doors.get(&(balancer, port)).copied()
    }

    pub(super) fn served_by(&self, server: Id) -> Option<Arc<Cluster>> {
        self.state().serving.get(&server).cloned()
    }

    pub(super) fn cluster(&self, authority: &str) -> Option<Arc<Cluster>> {
        self.state().clusters.get(authority)?.upgrade()
    }

    /// Lets a machine initialise the cluster with an authority, and says where its etcd listens.
    ///
    /// # Errors
    ///
    /// The server that has done so before.
    pub(super) fn found(&self, authority: &str, machine: (Id, usize)) -> Result<Ipv4Addr, Id> {
        let mut state = self.state();
        let founder = state.founders.entry(authority.to_owned());
        let founder = founder.or_insert_with(|| Founder {
            machine,
            address: self.range.hidden(),
        });
        if founder.machine == machine {
            Ok(founder.address)
        } else {
            Err(founder.machine.0)
        }
    }

    pub(super) fn add_cluster(&self, cluster: &Arc<Cluster>) {
        let authority = cluster.authority.clone();
        self.state()
            .clusters
            .insert(authority, Arc::downgrade(cluster));
    }

    pub(super) fn serves(&self, server: Id, cluster: &Arc<Cluster>) {
        self.state().serving.insert(server, Arc::clone(cluster));
    }

    pub(super) fn set_health(&self, server: Id, healthy: bool) {
        let landscape = self.landscape();
        let Some(Server { project, .. }) = landscape.servers.get(&server) else {
            return;
        };
        let mut world = self.world.lock();
        let project = world.project_named_mut(project);
        if let Some(server) = project.and_then(|project| project.servers_mut().get_mut(server)) {
            server.healthy = healthy;
        }
    }

    pub(super) fn record(&self, server: Id, outcome: Outcome) {
        self.reports.send_if_modified(|reports| {
            let report = reports.get_mut(&server);
            report.is_some_and(|report| {
                let changed = report.outcome != outcome;
                report.outcome = outcome;
                changed
            })
        });
    }

    /// Tells what a machine waits for, when it does.
    pub(super) fn waiting<T>(&self, server: Id, found: Result<T>) -> Result<T> {
        if let Err(error) = &found {
            let waiting = format!("{error:#}");
            self.record(server, Outcome::Booting { waiting });
        }
        found
    }
}

/// A machine that lives. Dropping it ends it.
#[derive(Debug)]
struct Life {
    rebuilds: usize,
    name: String,
    task: JoinHandle<()>,
}

impl Drop for Life {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Follows the simulator.
async fn keep(shared: Arc<Shared>) {
    let mut lives: BTreeMap<Id, Life> = BTreeMap::new();
    let mut gateways: BTreeMap<(Id, u16), Gateway> = BTreeMap::new();
    let mut errands = JoinSet::new();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        while errands.try_join_next().is_some() {}
        let landscape = Arc::new(Landscape::of(&shared.world.lock()));
        shared.landscape.send_if_modified(|current| {
            let changed = *current != landscape;
            *current = Arc::clone(&landscape);
            changed
        });
        let ended: Vec<Id> = lives
            .iter()
            .filter(|(id, life)| {
                let server = landscape.servers.get(id);
                server.is_none_or(|server| !server.running || server.rebuilds != life.rebuilds)
            })
            .map(|(id, _)| *id)
            .collect();
        for id in ended {
            if let Some(life) = lives.remove(&id) {
                end(&shared, &landscape, id, life, &mut errands).await;
            }
        }
        follow(&shared, &landscape, &mut gateways).await;
        for (id, server) in &landscape.servers {
            if server.running && !lives.contains_key(id) {
                lives.insert(*id, begin(&shared, *id, server));
            }
        }
    }
}

fn begin(shared: &Arc<Shared>, id: Id, server: &Server) -> Life {
    let user_data = {
        let world = shared.world.lock();
        let mut projects = world.projects();
        let found = projects.find_map(|(_, project)| project.servers().get(id));
        let text = found.and_then(|server| server.user_data.as_ref());
        text.map(|text| text.as_str().to_owned())
    };
    let outcome = match &user_data {
        Some(_) => Outcome::Booting {
            waiting: "its turn".to_owned(),
        },
        None => Outcome::Idle,
    };
    shared.reports.send_modify(|reports| {
        let report = Report {
            server: id,
            name: server.name.clone(),
            outcome,
            exists: true,
        };
        reports.insert(id, report);
    });
    let birth = user_data.map(|user_data| Birth {
        server: id,
        name: server.name.clone(),
        rebuilds: server.rebuilds,
        user_data,
    });
    let keeper = Arc::clone(shared);
    let task = tokio::spawn(async move {
        let Some(birth) = birth else {
            keeper.set_health(id, true);
            return;
        };
        let Err(error) = Box::pin(life::live(&keeper, &birth)).await;
        let reason = format!("{error:#}");
        tracing::debug!(server = %birth.name, %reason, "A machine has failed");
        keeper.set_health(id, false);
        keeper.record(id, Outcome::Failed { reason });
    });
    Life {
        rebuilds: server.rebuilds,
        name: server.name.clone(),
        task,
    }
}

/// Cuts the power of a machine, and lets go of what it held.
async fn end(
    shared: &Arc<Shared>,
    landscape: &Landscape,
    id: Id,
    mut life: Life,
    errands: &mut JoinSet<()>,
) {
    life.task.abort();
    // Its programs are killed when the task is gone.
    let _ = (&mut life.task).await;
    let exists = landscape.servers.contains_key(&id);
    shared.set_health(id, false);
    shared.reports.send_modify(|reports| {
        if let Some(report) = reports.get_mut(&id) {
            report.exists = exists;
            if !matches!(report.outcome, Outcome::Failed { .. }) {
                report.outcome = Outcome::Off;
            }
        }
    });
    let remaining = {
        let mut state = shared.state();
        state.serving.remove(&id);
        let serving = state.serving.iter();
        serving
            .map(|(id, cluster)| (*id, Arc::clone(cluster)))
            .collect::<Vec<_>>()
    };
    if exists {
        return;
    }
    for (server, cluster) in remaining {
        let Some(found) = landscape.servers.get(&server) else {
            continue;
        };
        let endpoint = SocketAddrV4::new(shared.address(server, found.public), PORT);
        let name = life.name.to_lowercase();
        errands.spawn(async move {
            let forgotten = async {
                let administrator = cluster.administrator(endpoint).await?;
                node::forget(&administrator, &name, id).await
            };
            if let Err(error) = forgotten.await.context("forget a server that is gone") {
                tracing::debug!(server = %name, error = format!("{error:#}"), "A Node stays");
            }
        });
    }
}

/// Opens, moves, and closes what load balancers listen on, and sends them to healthy targets.
async fn follow(
    shared: &Shared,
    landscape: &Landscape,
    gateways: &mut BTreeMap<(Id, u16), Gateway>,
) {
    let mut wanted = BTreeMap::new();
    for balancer in &landscape.balancers {
        let address = shared.address(balancer.id, balancer.public);
        let services = balancer.services.iter();
        for (listen, port) in services.filter(|(listen, _)| *listen >= FIRST_PORT) {
            let targets = balancer.targets.iter().filter_map(|id| {
                let server = landscape.servers.get(id)?;
                Some(SocketAddrV4::new(shared.address(*id, server.public), *port))
            });
            wanted.insert(
                (balancer.id, *listen),
                (
                    SocketAddrV4::new(address, *listen),
                    targets.collect::<Vec<_>>(),
                ),
            );
        }
    }
    gateways.retain(|key, gateway| {
        let wanted = wanted.get(key);
        wanted.is_some_and(|(address, _)| *address == gateway.address)
    });
    for (key, (address, targets)) in wanted {
        let gateway = match gateways.entry(key) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(closed) => match Gateway::open(address).await {
                Ok(gateway) => closed.insert(gateway),
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::debug!(error, "A load balancer does not listen yet");
                    continue;
                }
            },
        };
        gateway.forward_to(targets);
    }
    let doors = gateways
        .iter()
        .map(|(key, gateway)| (*key, gateway.address));
    shared.state().doors = doors.collect();
}
