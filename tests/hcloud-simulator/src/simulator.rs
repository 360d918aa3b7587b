//! A running simulator and what it is started with.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::{net::TcpSocket, task::JoinHandle};

use crate::{
    action::{ActionMode, Actions},
    api_date::ApiDate,
    clock::Clock,
    fault::FaultPlan,
    log::RequestLog,
    rate_limit::RateLimit,
    request::BASE_PATH,
    resource::primary_ip::AddressPool,
    route::Router,
    server::{self, Shared},
    world::{Access, SharedWorld, World},
};

/// The token of the default project. Some clients insist on the 64 characters of a real one.
pub const DEFAULT_TOKEN: &str = "simulatorsimulatorsimulatorsimulatorsimulatorsimulatorsimulators";

const DEFAULT_PROJECT: &str = "default";
const BACKLOG: u32 = 1024;

/// What a simulator is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// Where time comes from.
    pub clock: Clock,
    /// When actions finish.
    pub actions: ActionMode,
    /// Which state of the API is served.
    pub api_date: ApiDate,
    /// Where public addresses are taken from.
    pub addresses: AddressPool,
    /// The request budget of each project.
    pub rate_limit: RateLimit,
    /// The tokens to accept; [`DEFAULT_TOKEN`] when there are none.
    pub grants: Vec<Grant>,
}

/// A token and what it opens. Its Debug output does not contain the token.
#[derive(Clone)]
pub struct Grant {
    project: String,
    token: String,
    access: Access,
}

impl std::fmt::Debug for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grant")
            .field("project", &self.project)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

impl Default for Options {
    /// A free loopback port, the real clock, actions that finish at once, the API's rate limit, and [`DEFAULT_TOKEN`]
    /// unless tokens are added.
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            clock: Clock::real(),
            actions: ActionMode::Automatic(Duration::ZERO),
            api_date: ApiDate::default(),
            addresses: AddressPool::default(),
            rate_limit: RateLimit::default(),
            grants: Vec::new(),
        }
    }
}

impl Options {
    /// Adds a token; tokens of the same project see the same objects.
    #[must_use]
    pub fn token(mut self, project: impl Into<String>, token: impl Into<String>) -> Self {
        self.grants.push(Grant {
            project: project.into(),
            token: token.into(),
            access: Access::ReadWrite,
        });
        self
    }

    /// Adds a token that may only read.
    #[must_use]
    pub fn read_only_token(mut self, project: impl Into<String>, token: impl Into<String>) -> Self {
        self.grants.push(Grant {
            project: project.into(),
            token: token.into(),
            access: Access::ReadOnly,
        });
        self
    }
}

/// Why a simulator does not start or come back.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The reason.
        source: std::io::Error,
    },
}

/// A running simulator: one world, one port. Dropping it stops it.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    shared: Arc<Shared>,
    switch: tokio::sync::Mutex<Switch>,
}

#[derive(Debug)]
enum Switch {
    On(Serving),
    /// Bound but not listening: clients are refused, and nobody else gets the port.
    Off(TcpSocket),
    Stopped,
}

#[derive(Debug)]
struct Serving(JoinHandle<()>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Simulator {
    /// Starts a simulator on the current tokio runtime.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let Options {
            address,
            clock,
            actions,
            api_date,
            addresses,
            rate_limit,
            mut grants,
        } = options;
        if grants.is_empty() {
            grants.push(Grant {
                project: DEFAULT_PROJECT.to_owned(),
                token: DEFAULT_TOKEN.to_owned(),
                access: Access::ReadWrite,
            });
        }
        let mut world = World::new(clock.clone(), actions, rate_limit, api_date);
        world.addresses = addresses;
        for Grant {
            project,
            token,
            access,
        } in grants
        {
            world.add_token(&project, &token, access);
        }
        let shared = Arc::new(Shared {
            world: Arc::new(Mutex::new(world)),
            faults: FaultPlan::default(),
            log: RequestLog::default(),
            clock,
            router: Router::new(),
        });
        let refused = |source| StartError::Listen { address, source };
        let listener = server::reserve(address)
            .and_then(|socket| socket.listen(BACKLOG))
            .map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let serving = Serving(tokio::spawn(server::serve(listener, Arc::clone(&shared))));
        Ok(Self {
            address,
            shared,
            switch: tokio::sync::Mutex::new(Switch::On(serving)),
        })
    }

    /// The base URL of the Cloud API, ending in `/v1`.
    pub fn url(&self) -> String {
        format!("http://{}{BASE_PATH}", self.address)
    }

    /// The base URL of the control API.
    pub fn control_url(&self) -> String {
        format!("http://{}{}", self.address, crate::control::PREFIX)
    }

    /// The address it listens on.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The world, locked: look at it, change it, and let it go before awaiting anything.
    pub fn world(&self) -> MutexGuard<'_, World> {
        World::lock(&self.shared.world)
    }

    /// The world, for keeping.
    pub fn shared_world(&self) -> SharedWorld {
        SharedWorld(Arc::clone(&self.shared.world))
    }

    /// The fault plan.
    pub fn faults(&self) -> &FaultPlan {
        &self.shared.faults
    }

    /// The request log.
    pub fn log(&self) -> &RequestLog {
        &self.shared.log
    }

    /// The hand on running actions.
    pub fn actions(&self) -> Actions {
        Actions(Arc::clone(&self.shared.world))
    }

    /// Switches the server off: every connection is closed and new ones are refused. The state stays.
    pub async fn suspend(&self) -> Result<(), StartError> {
        let mut switch = self.switch.lock().await;
        if let Switch::On(serving) = &mut *switch {
            close(serving).await;
            let refused = |source| StartError::Listen {
                address: self.address,
                source,
            };
            *switch = Switch::Off(server::reserve(self.address).map_err(refused)?);
        }
        Ok(())
    }

    /// Switches the server on again, on the same port and with the same state.
    pub async fn resume(&self) -> Result<(), StartError> {
        let mut switch = self.switch.lock().await;
        match std::mem::replace(&mut *switch, Switch::Stopped) {
            Switch::Off(socket) => {
                let refused = |source| StartError::Listen {
                    address: self.address,
                    source,
                };
                let listener = socket.listen(BACKLOG).map_err(refused)?;
                let serving = tokio::spawn(server::serve(listener, Arc::clone(&self.shared)));
                *switch = Switch::On(Serving(serving));
            }
            other => *switch = other,
        }
        Ok(())
    }

    /// Stops the server and returns when its port is free.
    pub async fn stop(mut self) {
        if let Switch::On(serving) = self.switch.get_mut() {
            close(serving).await;
        }
    }
}

async fn close(serving: &mut Serving) {
    serving.0.abort();
    // The error says that the task was aborted, which is what was asked for.
    let _ = (&mut serving.0).await;
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.shared.faults.abort_all();
    }
}
