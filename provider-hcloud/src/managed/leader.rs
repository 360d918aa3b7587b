//! Leader election by Lease: of several processes one reconciles, the others wait.
//!
//! ```text
//! Seen (what the Lease says, and since when on our own clock) ─> decide (PURE) ─> Take | Renew | Wait | Lost
//! ```
//!
//! A Lease counts as expired when it was *seen* unchanged for its duration, so clocks need not agree. Every write names
//! the version that it follows, so two cannot take the same Lease. A leader that cannot renew gives up while the others
//! still have to wait. A leader that ends in order empties the Lease, and the next one takes over within a second.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{Api, Client, api::PostParams, core::ObjectMeta};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};
use rustls::crypto::ring;
use tracing::{debug, info, warn};

use super::external::chain;
use crate::clock::Clock;

/// Others take over when the Lease was not renewed for this long. Crossplane's own 60 s would leave a platform alone for
/// longer after a crash.
const DURATION: Duration = Duration::from_secs(30);
/// A leader that could not renew for this long gives up. The rest of the duration is the margin for what it still runs.
const DEADLINE: Duration = Duration::from_secs(20);
/// How often a leader renews.
const RENEW: Duration = Duration::from_secs(8);
/// How often others look, and a failed request is repeated.
const RETRY: Duration = Duration::from_secs(1);
/// A request without an answer is given up after this time.
const REQUEST: Duration = Duration::from_secs(5);
/// So long a process that ends tries to hand the Lease over.
const RELEASE: Duration = Duration::from_secs(1);

/// The Lease as it was seen.
#[derive(Clone, Debug)]
struct Seen {
    /// `None` when there is none.
    lease: Option<Lease>,
    /// Since when it is in this state, on the monotonic clock of this process. For a Lease of our own: when its last
    /// renewal was sent.
    since: Duration,
}

impl Seen {
    fn spec(&self) -> Option<&LeaseSpec> {
        self.lease.as_ref()?.spec.as_ref()
    }

    /// Who holds the Lease; nobody when it was released.
    fn holder(&self) -> Option<&str> {
        let holder = self.spec()?.holder_identity.as_deref();
        holder.filter(|holder| !holder.is_empty())
    }

    /// For how long the holder has asked to be left alone.
    fn duration(&self) -> Duration {
        let seconds = self.spec().and_then(|spec| spec.lease_duration_seconds);
        let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
        seconds.map_or(DURATION, Duration::from_secs)
    }

    fn version(&self) -> Option<&str> {
        self.lease.as_ref()?.metadata.resource_version.as_deref()
    }

    /// Takes note of a look at the Lease. What has not changed keeps its age.
    fn note(&mut self, lease: Option<Lease>, now: Duration) {
        let seen = Self { lease, since: now };
        if seen.version() != self.version() {
            *self = seen;
        }
    }
}

/// Whether this process leads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Role {
    Candidate,
    Leader,
}

/// What to do next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    /// Write ourselves into the Lease.
    Take,
    /// Write that we are still there; at most so much time is left for it.
    Renew(Duration),
    /// Nothing for this long.
    Wait(Duration),
    /// We lead no longer.
    Lost(Lost),
}

/// Why a process leads no longer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Lost {
    /// The Lease is somebody else's, or deleted.
    #[error("the lease was taken away")]
    Taken,
    /// The Lease could not be renewed in time.
    #[error("the lease could not be renewed for {} s", DEADLINE.as_secs())]
    Expired,
}

fn decide(role: Role, seen: &Seen, me: &str, now: Duration) -> Step {
    let age = now.saturating_sub(seen.since);
    match (role, seen.holder()) {
        (Role::Leader, Some(holder)) if holder == me => match DEADLINE.checked_sub(age) {
            None | Some(Duration::ZERO) => Step::Lost(Lost::Expired),
            Some(left) => match RENEW.checked_sub(age) {
                None | Some(Duration::ZERO) => Step::Renew(left),
                Some(early) => Step::Wait(early),
            },
        },
        (Role::Leader, _) => Step::Lost(Lost::Taken),
        (Role::Candidate, None) => Step::Take,
        // The answer to an earlier try was lost.
        (Role::Candidate, Some(holder)) if holder == me => Step::Take,
        (Role::Candidate, Some(_)) => match seen.duration().checked_sub(age) {
            None | Some(Duration::ZERO) => Step::Take,
            Some(left) => Step::Wait(left),
        },
    }
}

/// The Lease as a new leader writes it.
fn taken(seen: &Seen, mut lease: Lease, me: &str, now: Timestamp) -> Lease {
    let before = seen.spec().and_then(|spec| spec.lease_transitions);
    lease.spec = Some(LeaseSpec {
        holder_identity: Some(me.to_owned()),
        lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
        acquire_time: Some(MicroTime(now)),
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(before.map_or(0, |count| count.saturating_add(1))),
        ..LeaseSpec::default()
    });
    lease
}

fn renewed(mut lease: Lease, now: Timestamp) -> Lease {
    lease.spec.get_or_insert_default().renew_time = Some(MicroTime(now));
    lease
}

/// The Lease as a leader leaves it: nobody's, and the next one need not wait.
fn released(mut lease: Lease, now: Timestamp) -> Lease {
    let spec = lease.spec.get_or_insert_default();
    spec.holder_identity = Some(String::new());
    spec.lease_duration_seconds = Some(1);
    spec.renew_time = Some(MicroTime(now));
    lease
}

/// A name for this process that no other has, not even in the same pod.
pub fn identity(pod: &str) -> String {
    let mut random = [0; 16];
    // Cannot fail with ring; were it to, the pod's name would still tell processes apart.
    let _ = ring::default_provider().secure_random.fill(&mut random);
    format!("{pod}_{:032x}", u128::from_be_bytes(random))
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct NameLabel {
    name: String,
}

/// The gauge under which client-go's elections show.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Family<NameLabel, Gauge>);

impl Metrics {
    /// A gauge that `registry` will expose.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "leader_election_master_status",
            "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master",
            metrics.0.clone(),
        );
        metrics
    }

    fn set(&self, name: &str, leads: bool) {
        let name = name.to_owned();
        let gauge = self.0.get_or_create(&NameLabel { name });
        gauge.set(i64::from(leads));
    }
}

/// One process in an election.
#[derive(Debug)]
pub struct Elector {
    leases: Api<Lease>,
    name: String,
    me: String,
    clock: Clock,
    metrics: Metrics,
}

impl Elector {
    /// Takes part as `me` in the election for the Lease `name` in `namespace`.
    pub fn new(
        client: Client,
        namespace: &str,
        name: String,
        me: String,
        clock: Clock,
        metrics: Metrics,
    ) -> Self {
        metrics.set(&name, false);
        Self {
            leases: Api::namespaced(client, namespace),
            name,
            me,
            clock,
            metrics,
        }
    }

    /// Waits until this process leads.
    pub async fn acquire(self) -> Leadership {
        let mut seen: Option<Seen> = None;
        let mut known = None;
        info!(
            lease = self.name,
            identity = self.me,
            "Waiting for the lease"
        );
        loop {
            let now = self.clock.elapsed();
            match self.within(REQUEST, self.leases.get_opt(&self.name)).await {
                Ok(lease) => match &mut seen {
                    Some(seen) => seen.note(lease, now),
                    None => seen = Some(Seen { lease, since: now }),
                },
                Err(error) => warn!(error = chain(&error), "Cannot read the lease"),
            }
            if let Some(seen) = &seen {
                if let Some(holder) = seen.holder()
                    && known.as_deref() != Some(holder)
                {
                    info!(lease = self.name, leader = holder, "Another process leads");
                    known = Some(holder.to_owned());
                }
                if decide(Role::Candidate, seen, &self.me, now) == Step::Take
                    && let Some(held) = self.take(seen).await
                {
                    info!(lease = self.name, "Leading");
                    self.metrics.set(&self.name, true);
                    return Leadership {
                        elector: self,
                        held,
                    };
                }
            }
            self.clock.sleep(RETRY).await;
        }
    }

    async fn take(&self, seen: &Seen) -> Option<Seen> {
        let since = self.clock.elapsed();
        let params = PostParams::default();
        let written = match seen.lease.clone() {
            None => {
                let lease = Lease {
                    metadata: ObjectMeta {
                        name: Some(self.name.clone()),
                        ..ObjectMeta::default()
                    },
                    ..Lease::default()
                };
                let lease = taken(seen, lease, &self.me, self.clock.now());
                self.within(REQUEST, self.leases.create(&params, &lease))
                    .await
            }
            Some(lease) => {
                let lease = taken(seen, lease, &self.me, self.clock.now());
                self.within(REQUEST, self.replace(&lease)).await
            }
        };
        match written {
            Ok(lease) => Some(Seen {
                lease: Some(lease),
                since,
            }),
            Err(error) if error.is_conflict() => {
                debug!(lease = self.name, "Somebody else was quicker");
                None
            }
            Err(error) => {
                warn!(error = chain(&error), "Cannot take the lease");
                None
            }
        }
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, kube::Error> {
        let params = PostParams::default();
        #[expect(
            clippy::disallowed_methods,
            reason = "a Lease belongs to its holder as a whole, and only the version that was seen may be written over"
        )]
        self.leases.replace(&self.name, &params, lease).await
    }

    async fn within<T>(
        &self,
        limit: Duration,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, RequestError> {
        tokio::select! {
            result = request => Ok(result?),
            () = self.clock.sleep(limit) => Err(RequestError::NoAnswer(limit.as_secs())),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum RequestError {
    #[error("the API server refuses")]
    Refused(#[from] kube::Error),
    #[error("the API server has not answered within {0} s")]
    NoAnswer(u64),
}

impl RequestError {
    /// The Lease is not as it was seen.
    fn is_conflict(&self) -> bool {
        let Self::Refused(kube::Error::Api(status)) = self else {
            return false;
        };
        status.is_conflict() || status.is_already_exists() || status.is_not_found()
    }
}

/// The Lease is ours.
#[derive(Debug)]
pub struct Leadership {
    elector: Elector,
    held: Seen,
}

impl Leadership {
    /// Renews the Lease for as long as that works. May be dropped at any time and called again.
    pub async fn keep(&mut self) -> Lost {
        let elector = &self.elector;
        loop {
            let now = elector.clock.elapsed();
            match decide(Role::Leader, &self.held, &elector.me, now) {
                Step::Wait(time) => elector.clock.sleep(time).await,
                Step::Lost(lost) => {
                    elector.metrics.set(&elector.name, false);
                    return lost;
                }
                Step::Take => return Lost::Taken,
                Step::Renew(left) => {
                    if let Err(error) = renew(elector, &mut self.held, left, now).await {
                        warn!(error = chain(&error), "Cannot renew the lease");
                        elector.clock.sleep(RETRY.min(left)).await;
                    }
                }
            }
        }
    }

    /// Hands the Lease over: whoever waits for it can have it at once.
    pub async fn release(self) {
        let Self { elector, mut held } = self;
        let releasing = async {
            // A renewal that was broken off may have been carried out: then this is the second try.
            for _ in 0..2 {
                let Some(lease) = held.lease.clone() else {
                    return Ok(());
                };
                match elector.replace(&released(lease, elector.clock.now())).await {
                    Err(kube::Error::Api(status)) if status.is_conflict() => {
                        held.lease = elector.leases.get_opt(&elector.name).await?;
                    }
                    result => return result.map(drop),
                }
                if held.holder() != Some(&elector.me) {
                    return Ok(());
                }
            }
            Ok(())
        };
        elector.metrics.set(&elector.name, false);
        match elector.within(RELEASE, releasing).await {
            Ok(()) => info!(lease = elector.name, "Released the lease"),
            Err(error) => warn!(
                error = chain(&error),
                "Cannot release the lease; the next leader waits until it expires"
            ),
        }
    }
}

async fn renew(
    elector: &Elector,
    held: &mut Seen,
    left: Duration,
    now: Duration,
) -> Result<(), RequestError> {
    let limit = REQUEST.min(left);
    let Some(lease) = held.lease.clone() else {
        return Ok(());
    };
    let lease = renewed(lease, elector.clock.now());
    match elector.within(limit, elector.replace(&lease)).await {
        Ok(lease) => {
            *held = Seen {
                lease: Some(lease),
                since: now,
            };
            Ok(())
        }
        Err(error) if error.is_conflict() => {
            // Somebody has written it: a rival, a person, or we ourselves and the answer was lost.
            let request = elector.leases.get_opt(&elector.name);
            held.lease = elector.within(limit, request).await?;
            Ok(())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
