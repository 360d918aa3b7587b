//! One client for each endpoint and token, and the way of a single call: budget, transport, retry.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::OwnedMutexGuard;

use super::action::Waiting;
use super::budget::{Division, Priority};
use super::error::{ApiError, Error};
use super::gate::{Gate, Pass};
use super::lock;
use super::metrics::Metrics;
use super::resource::{Resource, Resources};
use super::retry::{self, Backoff, Retry};
use super::snapshot::{Seen, Snapshot};
use super::transport::{Endpoint, Failure, Token, Transport};
use crate::clock::Clock;

/// How clients behave; the same for all of a process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name and version that the API sees.
    pub user_agent: HeaderValue,
    /// Longest time for making a connection.
    pub connect_timeout: Duration,
    /// Longest time for one request, from asking for a connection to the last byte of its answer.
    pub request_timeout: Duration,
    /// Largest body of an answer, in bytes.
    pub answer_limit: usize,
    /// The part of a project's request budget that is left to its other clients, 0 to 1.
    pub budget_for_others: f64,
    /// Most requests of one token that are on their way at once.
    pub in_flight: u32,
    /// Longest time that a call waits for the request budget before it fails with
    /// [`Class::RateLimited`](super::Class::RateLimited).
    pub budget_wait: Duration,
    /// Waits between the tries of a call.
    pub backoff: Backoff,
    /// Time until an action is looked at first, and at first between two looks.
    pub action_interval: Duration,
    /// Clients that nobody has asked for and nobody has held for this long are dropped.
    pub idle: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            user_agent: HeaderValue::from_static(concat!(
                "provider-hcloud/",
                env!("CARGO_PKG_VERSION")
            )),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            answer_limit: 16 * 1024 * 1024,
            budget_for_others: 0.5,
            in_flight: 16,
            // Well below the time of a reconcile, which makes several calls.
            budget_wait: Duration::from_secs(20),
            backoff: Backoff::default(),
            action_interval: Duration::from_millis(500),
            idle: Duration::from_secs(3600),
        }
    }
}

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up TLS for the Hetzner Cloud API")]
pub struct TlsError(#[from] rustls::Error);

/// All clients of a process; cheap to clone.
#[derive(Clone, Debug)]
pub struct Clients(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    settings: Settings,
    clock: Clock,
    metrics: Metrics,
    transport: Transport,
    /// By the hash of endpoint and token, with the moment at which each was last asked for.
    clients: Mutex<HashMap<[u8; 32], (Client, Duration)>>,
}

impl Clients {
    /// An empty pool.
    pub fn new(settings: Settings, clock: Clock, metrics: Metrics) -> Result<Self, TlsError> {
        let transport = Transport::new(&settings)?;
        Ok(Self(Arc::new(Pool {
            settings,
            clock,
            metrics,
            transport,
            clients: Mutex::default(),
        })))
    }

    /// The client for this endpoint and token: always the same one, as long as it is used.
    pub fn get(&self, endpoint: &Endpoint, token: &Token) -> Client {
        let pool = &self.0;
        let now = pool.clock.elapsed();
        let mut clients = lock(&pool.clients);
        clients.retain(|_, (client, asked)| {
            let used =
                Arc::strong_count(&client.0) > 1 || now.saturating_sub(*asked) < pool.settings.idle;
            if !used {
                pool.metrics.forget(&client.0.credential);
            }
            used
        });
        let key = key(endpoint, token);
        let (client, asked) = clients
            .entry(key)
            .or_insert_with(|| (Client::new(pool, endpoint, token, &key), now));
        *asked = now;
        client.clone()
    }

    /// How many clients there are.
    pub fn len(&self) -> usize {
        lock(&self.0.clients).len()
    }

    /// Whether there is no client.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn key(endpoint: &Endpoint, token: &Token) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(endpoint.as_str());
    hash.update([0]);
    hash.update(token.authorization());
    hash.finalize().into()
}

/// The API as one token sees it at one endpoint; cheap to clone.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    endpoint: Endpoint,
    token: Token,
    /// Names the endpoint and token in metrics without giving anything away.
    credential: String,
    settings: Settings,
    clock: Clock,
    metrics: Metrics,
    transport: Transport,
    gate: Gate,
    waiting: Waiting,
    /// Counts the events whose order matters to snapshots.
    events: AtomicU64,
    slots: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
    turns: Mutex<HashMap<(&'static str, u64), Turn>>,
}

/// Held by the one that changes an object.
type Turn = Arc<tokio::sync::Mutex<()>>;

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = self.0.endpoint.as_str();
        f.debug_struct("Client")
            .field("endpoint", &endpoint)
            .finish_non_exhaustive()
    }
}

impl Client {
    fn new(pool: &Pool, endpoint: &Endpoint, token: &Token, key: &[u8; 32]) -> Self {
        let settings = pool.settings.clone();
        let division = Division {
            others: settings.budget_for_others.clamp(0.0, 1.0),
            in_flight: settings.in_flight.max(1),
        };
        let credential = key[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        Self(Arc::new(Inner {
            endpoint: endpoint.clone(),
            token: token.clone(),
            credential,
            gate: Gate::new(pool.clock.clone(), division, settings.budget_wait),
            settings,
            clock: pool.clock.clone(),
            metrics: pool.metrics.clone(),
            transport: pool.transport.clone(),
            waiting: Waiting::default(),
            events: AtomicU64::new(1),
            slots: Mutex::default(),
            turns: Mutex::default(),
        }))
    }

    /// The address that this client talks to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// The objects of one type.
    pub fn resources<T: Resource>(&self) -> Resources<'_, T> {
        Resources::new(self)
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(super) fn waiting(&self) -> &Waiting {
        &self.0.waiting
    }

    /// The present, as an event after all former ones.
    pub(super) fn seen(&self) -> Seen {
        Seen {
            order: self.0.events.fetch_add(1, Ordering::Relaxed),
            at: self.0.clock.elapsed(),
        }
    }

    /// The one snapshot of a type.
    pub(super) fn snapshot<T: Resource>(&self) -> Arc<Snapshot<T>> {
        self.slot()
    }

    /// The one value of a type that lives as long as the client.
    pub(super) fn slot<T: Default + Any + Send + Sync>(&self) -> Arc<T> {
        let mut slots = lock(&self.0.slots);
        let slot = slots
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Arc::new(T::default()));
        // The entry of a type is only ever its own value, so the second arm is never taken.
        Arc::clone(slot).downcast().unwrap_or_default()
    }

    /// Waits until no other change of this object is going on here.
    pub(super) async fn turn(&self, collection: &'static str, id: u64) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = lock(&self.0.turns);
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry((collection, id)).or_default())
        };
        turn.lock_owned().await
    }

    /// Sends a call until it is answered or must be given up, and returns the body of its answer.
    pub(super) async fn send(&self, call: Call) -> Result<Bytes, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match self.try_once(&call).await {
                Ok(body) => return Ok(body),
                Err(error) => error,
            };
            let settings = &self.0.settings;
            match retry::decide(&error, tries, settings.backoff, jitter()) {
                Retry::No => return Err(error),
                Retry::WithBudget => {}
                Retry::After(wait) => {
                    tracing::debug!(call = %call.name(), class = error.class().as_str(), ?wait, "Trying again");
                    self.0.clock.sleep(wait).await;
                }
            }
        }
    }

    /// Waits for the budget, sends the call once and counts it.
    async fn try_once(&self, call: &Call) -> Result<Bytes, Error> {
        let inner = &self.0;
        let entered = inner.gate.enter(call.priority).await;
        let pass = entered.map_err(|too_long| Error::Budget {
            call: call.name(),
            retry_at: inner.clock.now() + too_long.wait,
        })?;
        let result = self.exchange(call, pass).await;
        let endpoint = format!("{} {}", call.method, call.endpoint);
        inner.metrics.called(&endpoint, result.as_ref().map(drop));
        result
    }

    async fn exchange(&self, call: &Call, pass: Pass<'_>) -> Result<Bytes, Error> {
        let inner = &self.0;
        let uri = format!("{}{}{}", inner.endpoint.as_str(), call.path, call.query);
        let (method, body) = (call.method.clone(), call.body.clone());
        let sent = inner.clock.elapsed();
        let answer = inner
            .transport
            .exchange(method, uri, &inner.token, body)
            .await;
        let duration = inner.clock.elapsed().saturating_sub(sent);
        let answer = match answer {
            Ok(answer) => answer,
            Err(Failure { reach, source }) => {
                tracing::debug!(call = %call.name(), ?reach, ?duration, error = %source, "No answer");
                return Err(Error::Transport {
                    call: call.name(),
                    reach,
                    mutation: call.mutation(),
                    source,
                });
            }
        };
        let status = answer.status;
        let correlation_id = answer.header("x-correlation-id");
        tracing::debug!(call = %call.name(), status, ?duration, correlation_id, "Answered");
        let refusal = pass.answered(status, &answer.headers);
        let remaining = inner.gate.remaining();
        inner.metrics.remaining(&inner.credential, remaining);
        if (200..300).contains(&status) {
            return Ok(answer.body);
        }
        let mut error = ApiError::from_answer(status, &answer.body, call.mutation());
        error.retry_at = refusal.map(|wait| inner.clock.now() + wait);
        Err(Error::api(call.name(), error))
    }
}

/// One request, before it has a token and an address.
#[derive(Debug)]
pub(super) struct Call {
    method: Method,
    path: String,
    /// The path with its ids left out, for metrics.
    endpoint: String,
    /// Encoded, with its question mark; or empty.
    query: String,
    body: Option<Bytes>,
    priority: Priority,
}

impl Call {
    pub(super) fn get(path: String, priority: Priority) -> Self {
        Self::change(Method::GET, path, priority)
    }

    pub(super) fn change(method: Method, path: String, priority: Priority) -> Self {
        Self {
            method,
            endpoint: path.clone(),
            path,
            query: String::new(),
            body: None,
            priority,
        }
    }

    /// Names the path in metrics.
    pub(super) fn endpoint(mut self, endpoint: String) -> Self {
        self.endpoint = endpoint;
        self
    }

    pub(super) fn query(mut self, query: &str) -> Self {
        self.query = format!("?{query}");
        self
    }

    pub(super) fn json(mut self, body: &(impl Serialize + ?Sized)) -> Result<Self, Error> {
        let body = serde_json::to_vec(body).map_err(|source| Error::Encode {
            call: self.name(),
            source: Arc::new(source),
        })?;
        self.body = Some(body.into());
        Ok(self)
    }

    /// Method and path, as messages name the call.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn mutation(&self) -> bool {
        self.method != Method::GET
    }
}

/// `text` as a part of a query.
pub(super) fn encode(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A number in 0..1. It only spreads retries, so the seeds that every hash map gets are random enough.
fn jitter() -> f64 {
    let bits = RandomState::new().hash_one(()) >> 32;
    bits as f64 / f64::from(u32::MAX)
}
