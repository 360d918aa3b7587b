//! One reconcile: gather what the plan needs, execute one step, write the status once.

mod connection;
mod execute;
mod record;
mod undecodable;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::{Api, Client, api::ApiResource, core::ObjectMeta, runtime::controller::Action};
use tracing::{Instrument, debug, info_span};

use super::{
    FINALIZER,
    annotations::{self, CreationMarks},
    conditions,
    controller::{Settings, Shutdown},
    credentials::{Config, Credentials, SecretKey},
    desired::{SecretError, Secrets},
    directory::{Directory, Unresolved},
    erased::{Kind, Managed},
    events::{Recorder, Severity},
    external::{ExternalError, Look, Observation, Readiness, Refusal, Retry, chain},
    metrics::KindMetrics,
    plan::{self, Outside, Situation, Step},
    policies::Policies,
    progress::ProgressMap,
    rate::{back_off, jitter, patience},
    stored::Stored,
    usage::{ConfigKey, Usages},
};
use crate::clock::Clock;

/// The reconciler of one kind.
pub struct Reconciler {
    /// The kind, and access to its external resources.
    pub kind: Arc<dyn Kind>,
    /// The Kubernetes client.
    pub client: Client,
    /// Configurations and Secrets.
    pub credentials: Arc<Credentials>,
    /// Who uses which configuration.
    pub usages: Arc<Usages>,
    /// What references lead to.
    pub directory: Arc<Directory>,
    /// Events.
    pub recorder: Recorder,
    /// Metrics of this kind.
    pub metrics: KindMetrics,
    /// The time.
    pub clock: Clock,
    /// Intervals and limits.
    pub settings: Settings,
    /// The request to stop: what has not begun to change anything is given up.
    pub shutdown: Shutdown,
    pub(super) progress: Arc<ProgressMap>,
}

impl fmt::Debug for Reconciler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconciler").finish_non_exhaustive()
    }
}

/// When to reconcile an object again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Again {
    /// When it changes.
    OnChange,
    /// At once: another step is known to follow.
    Now,
    /// After the back-off of the object.
    BackOff,
    /// After this time.
    After(Duration),
    /// After this time, and the later the more often.
    Patiently(Duration),
    /// At the next poll.
    AtPoll,
}

impl From<Retry> for Again {
    fn from(retry: Retry) -> Self {
        match retry {
            Retry::BackOff => Self::BackOff,
            Retry::After(time) => Self::After(time),
            Retry::Patiently(first) => Self::Patiently(first),
            Retry::OnChange => Self::AtPoll,
        }
    }
}

/// A write to Kubernetes failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}")]
struct WriteError {
    doing: &'static str,
    source: kube::Error,
}

impl WriteError {
    fn status(&self) -> Option<&kube::core::Status> {
        match &self.source {
            kube::Error::Api(status) => Some(status),
            _ => None,
        }
    }
}

/// What keeps a reconcile from a decision.
enum Obstacle {
    /// Whether something exists that the spec refers to shows when a list is there, which wakes the object.
    Listing(Unresolved),
    References(Unresolved),
    Connection(String),
    Observation(ExternalError),
}

/// The state of one reconcile.
struct Pass<'a> {
    reconciler: &'a Reconciler,
    uid: String,
    /// As it was read.
    before: &'a Stored,
    /// As it is to be, with its references resolved.
    object: Box<dyn Managed>,
    /// The credentials, once it is connected.
    config: Option<(ConfigKey, Config)>,
    deadline: tokio::time::Instant,
}

impl Reconciler {
    /// Reconciles one object and says when to come back.
    pub async fn reconcile(&self, watched: Arc<Stored>) -> Action {
        let stored = self.progress.newest(&watched);
        let object = match self.kind.decode(&stored) {
            Ok(object) => object,
            Err(error) => return self.report_undecodable(&stored, &error).await,
        };
        let meta = &stored.metadata;
        let span = info_span!(
            "reconcile",
            kind = self.names().kind,
            namespace = meta.namespace,
            resource = meta.name,
            generation = meta.generation,
            external_name = annotations::get(meta, annotations::EXTERNAL_NAME),
        );
        let mut pass = Pass {
            reconciler: self,
            uid: meta.uid.clone().unwrap_or_default(),
            before: &stored,
            object,
            config: None,
            deadline: tokio::time::Instant::now() + self.settings.timeout,
        };
        let again = async {
            match pass.run().await {
                Ok(again) => again,
                Err(failure) => pass.unwritten(&failure).await,
            }
        }
        .instrument(span)
        .await;
        self.schedule(&pass.uid, pass.object.meta(), again)
    }

    fn names(&self) -> &Arc<ApiResource> {
        self.kind.names()
    }

    fn api(&self, meta: &ObjectMeta) -> Api<Stored> {
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        Api::namespaced_with(self.client.clone(), namespace, self.names())
    }

    fn schedule(&self, uid: &str, meta: &ObjectMeta, again: Again) -> Action {
        let failures = self.progress.with(uid, |progress| {
            progress.failures = match again {
                Again::BackOff | Again::Patiently(_) => progress.failures.saturating_add(1),
                Again::OnChange | Again::Now | Again::After(_) | Again::AtPoll => 0,
            };
            progress.failures
        });
        match again {
            Again::OnChange => Action::await_change(),
            Again::Now => Action::requeue(Duration::ZERO),
            Again::BackOff => Action::requeue(back_off(failures)),
            Again::After(time) => Action::requeue(time),
            Again::Patiently(first) => Action::requeue(patience(first, failures)),
            Again::AtPoll => {
                let interval = self.poll_interval(meta);
                Action::requeue(jitter(interval, self.seed(uid)))
            }
        }
    }

    fn poll_interval(&self, meta: &ObjectMeta) -> Duration {
        annotations::poll_interval(meta, self.settings.poll_floor).unwrap_or(self.settings.poll)
    }

    fn seed(&self, uid: &str) -> u64 {
        let position = uid.bytes().fold(0_u64, |seed, byte| {
            seed.wrapping_mul(31).wrapping_add(u64::from(byte))
        });
        position.wrapping_add(u64::try_from(self.clock.elapsed().as_millis()).unwrap_or_default())
    }
}

impl Pass<'_> {
    async fn run(&mut self) -> Result<Again, WriteError> {
        let now = self.reconciler.clock.now();
        self.note_first_reconcile(now);
        let requested = self.note_request();
        let stop = self.reconciler.shutdown.requested();
        let decided = tokio::select! {
            biased;
            decided = self.decide(requested, now) => decided,
            () = stop => return Ok(Again::OnChange),
        };
        let (reason, doing, text, retry) = match decided {
            Ok((step, seen)) => return self.execute(step, seen, now).await,
            Err(Obstacle::Listing(unresolved)) => {
                debug!(%unresolved, "Waiting for a list");
                return Ok(Again::OnChange);
            }
            Err(Obstacle::References(unresolved)) => (
                "CannotResolveResourceReferences",
                api::managed::UNRESOLVED,
                chain(&unresolved),
                Retry::BackOff,
            ),
            Err(Obstacle::Connection(problem)) => (
                "CannotConnectToProvider",
                "connect failed",
                problem,
                Retry::BackOff,
            ),
            Err(Obstacle::Observation(error)) => (
                "CannotObserveExternalResource",
                "observe failed",
                chain(&error),
                error.retry(),
            ),
        };
        self.failed(reason, doing, &text, None, retry).await
    }

    /// Gathers what the plan asks for until it names a step. Nothing outside is changed.
    async fn decide(
        &mut self,
        requested: bool,
        now: Timestamp,
    ) -> Result<(Step, Option<Observation<()>>), Obstacle> {
        let mut fresh_look_wanted = self.fresh_look_wanted(requested);
        let mut seen: Option<Observation<()>> = None;
        let mut shared = false;
        let mut resolved = false;
        let mut gathered = false;
        loop {
            match self.plan(seen.as_ref(), shared, resolved, fresh_look_wanted, now) {
                Step::Resolve => {
                    self.resolve()?;
                    resolved = true;
                }
                Step::Observe { direct } => {
                    fresh_look_wanted = direct;
                    shared = !direct;
                    if !gathered {
                        self.gather().await.map_err(Obstacle::Connection)?;
                        gathered = true;
                    }
                    let observed = self.observe(direct).await;
                    seen = Some(observed.map_err(Obstacle::Observation)?);
                }
                step => return Ok((step, seen)),
            }
        }
    }

    fn resolve(&mut self) -> Result<(), Obstacle> {
        let fields = self.object.reference_fields();
        let directory = &self.reconciler.directory;
        let resolved = directory.resolve(&self.before.metadata, fields);
        resolved.map_err(|unresolved| match unresolved {
            Unresolved::Listing { .. } => Obstacle::Listing(unresolved),
            unresolved => Obstacle::References(unresolved),
        })
    }

    fn note_first_reconcile(&self, now: Timestamp) {
        let never = self
            .object
            .status()
            .is_none_or(|status| status.condition(conditions::SYNCED).is_none());
        if never {
            let counted = self.reconciler.progress.with(&self.uid, |progress| {
                std::mem::replace(&mut progress.awaiting_first_ready, true)
            });
            if !counted && let Some(age) = self.age(now) {
                self.reconciler.metrics.first_reconciled(age);
            }
        }
    }

    fn age(&self, now: Timestamp) -> Option<Duration> {
        let created = self.object.meta().creation_timestamp.as_ref()?.0;
        Some(Duration::try_from(now.duration_since(created)).unwrap_or_default())
    }

    /// The token of a request that has not been acted on. It is written with the next status.
    fn note_request(&mut self) -> bool {
        if is_paused(&*self.object) {
            return false;
        }
        let meta = self.object.meta();
        let Some(token) = annotations::get(meta, annotations::RECONCILE_REQUESTED_AT) else {
            return false;
        };
        let handled = self
            .object
            .status()
            .and_then(|status| status.last_handled_reconcile_at.as_deref());
        if handled == Some(token) {
            return false;
        }
        let token = token.to_owned();
        self.event(
            Severity::Normal,
            "ReconcileRequestHandled",
            "Handling reconcile request",
        );
        self.object.status_mut().last_handled_reconcile_at = Some(token);
        true
    }

    fn fresh_look_wanted(&self, requested: bool) -> bool {
        requested
            || self
                .reconciler
                .progress
                .with(&self.uid, |progress| progress.look_directly)
    }

    fn plan(
        &self,
        seen: Option<&Observation<()>>,
        shared: bool,
        resolved: bool,
        fresh_look_wanted: bool,
        now: Timestamp,
    ) -> Step {
        let meta = self.object.meta();
        let finalizers = meta.finalizers.as_deref().unwrap_or_default();
        let policies = &self.object.spec().management_policies;
        let policies = if self.reconciler.settings.management_policies {
            Policies::new(policies)
        } else {
            Policies::without_the_feature(policies)
        };
        let replacement = match seen {
            Some(Observation::Present(present)) => present.drift.replacement(),
            Some(Observation::Absent) | None => None,
        };
        plan::next(&Situation {
            paused: annotations::is_paused(meta),
            policies: if self.reconciler.kind.read_only() {
                policies.map(Policies::read_only)
            } else {
                policies
            },
            deleting: meta.deletion_timestamp.is_some(),
            finalizer: finalizers.iter().any(|f| f == FINALIZER),
            other_finalizers: finalizers.iter().any(|f| f != FINALIZER),
            marks: CreationMarks::of(meta),
            external_name: annotations::get(meta, annotations::EXTERNAL_NAME),
            identity: self.reconciler.kind.identity(),
            fresh_look_wanted,
            delete_requested: self
                .reconciler
                .progress
                .with(&self.uid, |progress| progress.delete_requested),
            approved_replacement: annotations::approved_replacement(meta),
            approval_stands: annotations::get(meta, annotations::REPLACE).is_some(),
            resolved,
            outside: match seen {
                None => Outside::Unseen,
                Some(Observation::Absent) if shared => Outside::AbsentShared,
                Some(Observation::Absent) => Outside::Absent,
                Some(Observation::Present(present)) => Outside::Present {
                    external_name: &present.external_name,
                    drifted: present.drift.in_place(),
                    unfinished: present.drift.is_unfinished(),
                    replacement: replacement.as_deref(),
                    overwritable: present.drift.can_be_overwritten(),
                    overwritten: present.drift.is_overwritten(),
                    unfit: present.drift.needs_replacement(),
                    broken: matches!(present.readiness, Readiness::Broken { .. }),
                    late_init: present.late_init.is_some(),
                },
            },
            now,
            grace: self.reconciler.settings.creation_grace,
            settle: self.reconciler.settings.creation_settle,
        })
    }

    /// Usage first (unless it is being deleted), then configuration and Secret, then the external client, then the Secrets that the spec names.
    async fn gather(&mut self) -> Result<(), String> {
        let deadline = self.deadline;
        match tokio::time::timeout_at(deadline, self.connect()).await {
            Ok(result) => result,
            Err(_) => Err("deadline exceeded".to_owned()),
        }
    }

    async fn connect(&mut self) -> Result<(), String> {
        let reconciler = self.reconciler;
        let namespace = self.before.metadata.namespace.as_deref();
        let namespace = namespace.unwrap_or_default();
        let reference = self.object.spec().provider_config_ref.clone();
        let credentials = &reconciler.credentials;
        let config = if self.before.metadata.deletion_timestamp.is_some() {
            // What exists outside was tracked when it was created. Garbage collection may have removed that since, and
            // in a namespace that is being deleted nothing can be created.
            credentials.resolve_to_delete(namespace, &reference).await
        } else {
            let tracked = reconciler
                .usages
                .track(reconciler.names(), self.before, &reference)
                .await;
            tracked.map_err(|error| chain(&error))?;
            credentials.resolve(namespace, &reference).await
        };
        let config = config.map_err(|error| chain(&error))?;
        let connected = self.object.connect(&config).await;
        let key = ConfigKey::new(reference, namespace);
        if let Err(error) = connected {
            let problem = chain(&error);
            let refusal = Refusal {
                message: problem.clone(),
                changes_only: false,
            };
            let now = reconciler.clock.elapsed();
            let standings = reconciler.credentials.standings();
            standings.refuse(&key, &config, &refusal, now);
            return Err(problem);
        }
        self.config = Some((key, config));
        let secrets = self.secrets().await;
        self.object.desire(secrets);
        Ok(())
    }

    /// The Secrets that the spec names.
    async fn secrets(&self) -> Secrets {
        let namespace = self.before.metadata.namespace.as_deref();
        let mut secrets = Secrets::new();
        for (field, selector) in self.object.secret_keys() {
            let key = SecretKey {
                namespace: namespace.unwrap_or_default().to_owned(),
                name: selector.name.clone(),
            };
            let value = self.reconciler.credentials.value(&key, &selector.key).await;
            let value = value
                .map_err(|error| SecretError::Unreadable {
                    field,
                    name: selector.name.clone(),
                    problem: chain(&error),
                })
                .and_then(|value| {
                    value.ok_or_else(|| SecretError::Missing {
                        field,
                        name: selector.name.clone(),
                        key: selector.key.clone(),
                    })
                });
            secrets.insert(field, value);
        }
        secrets
    }

    /// Reports what the answer to a call that was made at this moment says of the credentials.
    fn judge<T>(&self, result: &Result<T, ExternalError>, asked: Duration, call: Call) {
        let Some((key, config)) = &self.config else {
            return;
        };
        let standings = self.reconciler.credentials.standings();
        match result {
            Ok(_) if call == Call::Unanswered => {}
            Ok(_) => standings.accept(key, config, asked, call == Call::Change),
            Err(error) => {
                if let Some(refusal) = error.refusal() {
                    let now = self.reconciler.clock.elapsed();
                    standings.refuse(key, config, refusal, now);
                }
            }
        }
    }

    async fn observe(&mut self, direct: bool) -> Result<Observation<()>, ExternalError> {
        let asked = self.reconciler.clock.elapsed();
        let look = if direct {
            // Until the look succeeds, an older one will not do.
            self.want_fresh_look();
            Look::Direct
        } else {
            let progress = &self.reconciler.progress;
            let since = progress.with(&self.uid, |progress| progress.look_since);
            // What was seen before the credentials were refused is not seen with them.
            let refused = self.config.as_ref().and_then(|(key, config)| {
                let standings = self.reconciler.credentials.standings();
                standings.refused_at(key, config)
            });
            let poll = self.reconciler.poll_interval(self.object.meta());
            let ages = since.into_iter().chain(refused);
            Look::Shared {
                max_age: ages.fold(poll, |age, since| age.min(asked.saturating_sub(since))),
            }
        };
        let observed = within(self.deadline, self.object.observe(look)).await;
        let named = annotations::get(self.object.meta(), annotations::EXTERNAL_NAME).is_some();
        let call = match observed {
            // That something without a name is not there may be known without a call.
            Ok(Observation::Absent) if !(direct && named) => Call::Unanswered,
            _ => Call::Look,
        };
        self.judge(&observed, asked, call);
        let observation = observed?;
        self.reconciler.progress.with(&self.uid, |progress| {
            progress.look_since = None;
            progress.look_directly &= !direct;
        });
        debug!(?observation, "Observed");
        Ok(observation)
    }
}

/// What a call was for, as far as its success says something of the credentials.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Call {
    Look,
    Change,
    /// There may have been none.
    Unanswered,
}

/// What has no answer by the deadline has an unknown outcome.
async fn within<T>(
    deadline: tokio::time::Instant,
    call: impl Future<Output = Result<T, ExternalError>>,
) -> Result<T, ExternalError> {
    match tokio::time::timeout_at(deadline, call).await {
        Ok(result) => result,
        Err(_) => Err(ExternalError::with_unknown_outcome("deadline exceeded")),
    }
}

fn is_paused(object: &dyn Managed) -> bool {
    annotations::is_paused(object.meta()) || object.spec().management_policies.is_empty()
}

#[cfg(test)]
mod tests;
