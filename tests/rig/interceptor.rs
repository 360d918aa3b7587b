//! A reverse proxy between one controller and all that it talks to: the API server, and a cloud's API below `/v1/`.
//!
//! It names, counts and records every request, and can do harm at any one of them: let the process die before or after
//! it, answer an error, lose the answer, tamper with what a watch delivers. A controller that watches the whole cluster
//! sees one namespace through it, and of the kinds only those that it is told to show; so many controllers can share an
//! API server without seeing each other.

mod exchange;
mod name;
mod watching;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use name::{Call, Server};
pub use watching::{EventEffect, EventFault};

/// What a controller is shown of the cluster.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The one namespace.
    pub namespace: String,
    /// The group of its custom resources.
    pub group: String,
    /// Those of them that are not in namespaces, by their plurals.
    pub cluster_wide: Vec<String>,
    /// The kinds that are served, by their plurals; the CRDs of others do not seem to exist.
    pub served: Vec<String>,
}

/// The `nth` call of its name, from 1 on, since [`Interceptor::arm`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    /// The call.
    pub call: Call,
    /// Which of them.
    pub nth: usize,
}

impl std::fmt::Display for Occurrence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} #{}", self.call, self.nth)
    }
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// At a request.
    Request {
        /// Which one.
        at: Occurrence,
        /// What happens.
        effect: Effect,
    },
    /// At an event of a watch.
    Event(EventFault),
}

/// What happens at a request.
#[derive(Clone, Debug)]
pub enum Effect {
    /// The process dies before the request arrives.
    DieBefore,
    /// The request takes effect, and the process dies before the answer arrives.
    DieAfter,
    /// The request has no effect and this answer.
    Answer(Answer),
    /// The request takes effect, and the connection is closed instead of an answer.
    Lose,
}

/// An answer that does not come from the server.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// A running interceptor. Dropping it closes every connection.
#[derive(Debug)]
pub struct Interceptor {
    address: SocketAddr,
    shared: Arc<Shared>,
    _acceptor: JoinSet<()>,
}

struct Shared {
    api: Client,
    cloud: SocketAddr,
    scope: Scope,
    state: watch::Sender<State>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct State {
    /// Counts the processes that were served.
    life: u64,
    /// The process of this life counts as dead: nothing of it arrives any more, and nothing reaches it.
    dead: bool,
    /// Requests that were passed on and not answered yet, without watches.
    under_way: usize,
    /// The watches that are open, with how many of each.
    watches: BTreeMap<String, usize>,
    /// The calls since the last [`Interceptor::arm`].
    record: Vec<Occurrence>,
    /// The events that were delivered since then, by watch.
    events: BTreeMap<String, usize>,
    fault: Option<Fault>,
    struck: bool,
    /// The next attempt to watch these is told that its version is too old.
    expired: BTreeSet<String>,
    /// The last answer to each list.
    lists: BTreeMap<String, Bytes>,
    /// Answers to give once more instead of newer ones.
    stale: BTreeMap<String, Bytes>,
}

/// What is to be done about a request.
enum Verdict {
    /// Nothing: it comes from a dead process.
    Silence,
    Forward,
    ForwardThenDie,
    ForwardThenClose,
    Answer(Answer),
}

impl Interceptor {
    /// Starts to listen on a free port.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn start(api: Client, cloud: SocketAddr, scope: Scope) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("listen for a controller")?;
        let address = listener
            .local_addr()
            .context("read the interceptor's address")?;
        let shared = Arc::new(Shared {
            api,
            cloud,
            scope,
            state: watch::Sender::default(),
        });
        let mut acceptor = JoinSet::new();
        acceptor.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            _acceptor: acceptor,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins a new record, and arms a fault for what comes from now on; it strikes once.
    pub fn arm(&self, fault: Option<Fault>) {
        self.shared.state.send_modify(|state| {
            state.record.clear();
            state.events.clear();
            state.expired.clear();
            state.fault = fault;
            state.struck = false;
        });
    }

    /// The calls since [`Interceptor::arm`].
    pub fn record(&self) -> Vec<Occurrence> {
        self.shared.state.borrow().record.clone()
    }

    /// The events that watches have delivered since [`Interceptor::arm`], by watch.
    pub fn events(&self) -> BTreeMap<String, usize> {
        self.shared.state.borrow().events.clone()
    }

    /// Whether a fault is armed, or has struck.
    pub fn is_armed(&self) -> bool {
        self.shared.state.borrow().fault.is_some()
    }

    /// Whether the fault has struck.
    pub fn has_struck(&self) -> bool {
        self.shared.state.borrow().struck
    }

    /// Returns when the fault has struck.
    pub async fn struck(&self) {
        self.until(|state| state.struck && (state.dead || !state.fatal()))
            .await;
    }

    /// Returns when all these watches are open, named by the paths of their calls.
    pub async fn watching(&self, watches: &[String]) {
        self.until(|state| {
            watches
                .iter()
                .all(|watch| state.watches.contains_key(watch))
        })
        .await;
    }

    /// Returns when no request is under way.
    pub async fn quiet(&self) {
        self.until(|state| state.under_way == 0).await;
    }

    /// Follows the number of calls.
    pub async fn more_calls_than(&self, calls: usize) {
        self.until(|state| state.record.len() > calls).await;
    }

    /// From now on nothing of the process arrives any more.
    pub fn bury(&self) {
        self.shared.state.send_modify(|state| state.dead = true);
    }

    /// Gets ready for a new process: closes all connections of the last one and disarms the fault.
    pub fn revive(&self) {
        self.shared.state.send_modify(|state| {
            state.life += 1;
            state.dead = false;
            state.fault = None;
            state.watches.clear();
            state.stale.clear();
        });
    }

    /// Answers the next list of this resource, by its plural, as the last one was answered, however old that is by now.
    ///
    /// Whether there is one.
    pub fn show_stale(&self, plural: &str) -> bool {
        self.shared.state.send_if_modified(|state| {
            let list = state.lists.get(plural).cloned();
            list.map(|list| state.stale.insert(plural.to_owned(), list))
                .is_some()
        })
    }

    /// Whether every old list has been asked for that [`Interceptor::show_stale`] has put there.
    pub fn has_shown_stale(&self) -> bool {
        self.shared.state.borrow().stale.is_empty()
    }

    async fn until(&self, condition: impl FnMut(&State) -> bool) {
        // The sender lives in self, so waiting cannot fail.
        let _ = self.shared.state.subscribe().wait_for(condition).await;
    }
}

impl State {
    fn fatal(&self) -> bool {
        matches!(
            &self.fault,
            Some(Fault::Request {
                effect: Effect::DieBefore | Effect::DieAfter,
                ..
            })
        )
    }

    fn begin(&mut self, life: u64, call: &Call) -> Verdict {
        if self.dead || life != self.life {
            return Verdict::Silence;
        }
        let nth = 1 + self
            .record
            .iter()
            .filter(|other| other.call == *call)
            .count();
        let at = Occurrence {
            call: call.clone(),
            nth,
        };
        let effect = match &self.fault {
            Some(Fault::Request { at: wanted, effect }) if !self.struck && *wanted == at => {
                self.struck = true;
                Some(effect.clone())
            }
            _ => None,
        };
        self.record.push(at);
        let verdict = match effect {
            None => Verdict::Forward,
            Some(Effect::DieBefore) => {
                self.dead = true;
                Verdict::Silence
            }
            Some(Effect::DieAfter) => Verdict::ForwardThenDie,
            Some(Effect::Lose) => Verdict::ForwardThenClose,
            Some(Effect::Answer(answer)) => Verdict::Answer(answer),
        };
        let forwards = matches!(
            verdict,
            Verdict::Forward | Verdict::ForwardThenDie | Verdict::ForwardThenClose
        );
        self.under_way += usize::from(forwards);
        verdict
    }
}

impl Shared {
    fn begin(&self, life: u64, call: &Call) -> Verdict {
        let mut verdict = Verdict::Silence;
        self.state
            .send_modify(|state| verdict = state.begin(life, call));
        verdict
    }

    /// Whether something can still reach the process of this life.
    fn is_dead(&self, life: u64) -> bool {
        let state = self.state.borrow();
        state.dead || state.life != life
    }

    fn life(&self) -> u64 {
        self.state.borrow().life
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // An error here concerns one connection, or a lack of descriptors that others will report.
                let Ok((stream, _)) = accepted else { continue };
                let _ = stream.set_nodelay(true);
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    let life = shared.life();
                    let mut lives = shared.state.subscribe();
                    // What it returns is a lock, which must not outlive it.
                    let replaced = async {
                        let _ = lives.wait_for(|state| state.life != life).await;
                    };
                    let answering = Arc::clone(&shared);
                    let service = service_fn(move |request| {
                        exchange::answer(Arc::clone(&answering), life, request)
                    });
                    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    tokio::select! {
                        // An error here is a closed connection: the client's choice, or a fault's.
                        _ = serving => {}
                        () = replaced => {}
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
