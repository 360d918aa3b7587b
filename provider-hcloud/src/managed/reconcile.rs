//! One reconcile: gather what the plan needs, execute one step, write the status once.

mod execute;
mod record;
mod undecodable;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use api::{ConditionStatus, Managed};
use jiff::Timestamp;
use kube::{
    Api, Client, Resource, ResourceExt, core::DeserializeGuard, runtime::controller::Action,
};
use tracing::{Instrument, debug, info_span, warn};

use super::{
    FINALIZER,
    annotations::{self, CreationMarks},
    conditions,
    controller::Settings,
    credentials::Credentials,
    events::{Recorder, Severity},
    external::{Connector, External, ExternalError, Look, Observation, Retry, chain},
    metrics::KindMetrics,
    plan::{self, Outside, Situation, Step},
    policies::Policies,
    progress::ProgressMap,
    rate::{Bucket, back_off, jitter},
    usage::Usages,
};
use crate::clock::Clock;

/// The reconciler of one kind.
pub struct Reconciler<C: Connector> {
    /// Access to the external system.
    pub connector: C,
    /// The Kubernetes client.
    pub client: Client,
    /// Configurations and Secrets.
    pub credentials: Arc<Credentials>,
    /// Who uses which configuration.
    pub usages: Arc<Usages>,
    /// Events.
    pub recorder: Recorder,
    /// Metrics of this kind.
    pub metrics: KindMetrics,
    /// The time.
    pub clock: Clock,
    /// Intervals and limits.
    pub settings: Settings,
    /// The limit for all kinds together.
    pub bucket: Arc<Bucket>,
    pub(super) progress: Arc<ProgressMap<C::Resource>>,
}

impl<C: Connector> fmt::Debug for Reconciler<C> {
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
    /// At the next poll.
    AtPoll,
}

impl From<Retry> for Again {
    fn from(retry: Retry) -> Self {
        match retry {
            Retry::BackOff => Self::BackOff,
            Retry::After(time) => Self::After(time),
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

/// The state of one reconcile.
struct Pass<'a, C: Connector> {
    reconciler: &'a Reconciler<C>,
    api: Api<C::Resource>,
    uid: String,
    /// As it was read, to tell whether the status changes.
    before: Arc<C::Resource>,
    /// As it is to be.
    object: C::Resource,
    deadline: tokio::time::Instant,
}

impl<C: Connector> Reconciler<C> {
    /// Reconciles one object and says when to come back.
    pub async fn reconcile(&self, watched: Arc<DeserializeGuard<C::Resource>>) -> Action {
        self.bucket.take().await;
        let object = match &watched.0 {
            Ok(object) => self.progress.newest(&Arc::new(object.clone())),
            Err(invalid) => return self.report_undecodable(&watched, &invalid.error).await,
        };
        let meta = object.meta();
        let span = info_span!(
            "reconcile",
            kind = %C::Resource::kind(&()),
            namespace = meta.namespace,
            resource = meta.name,
            generation = meta.generation,
            external_name = annotations::get(meta, annotations::EXTERNAL_NAME),
        );
        let uid = object.uid().unwrap_or_default();
        let mut pass = Pass {
            reconciler: self,
            api: self.api(meta.namespace.as_deref()),
            uid: uid.clone(),
            object: (*object).clone(),
            before: object,
            deadline: tokio::time::Instant::now() + self.settings.timeout,
        };
        let again = async {
            match pass.run().await {
                Ok(again) => again,
                Err(failure) => retry_write(&failure),
            }
        }
        .instrument(span)
        .await;
        self.schedule(&uid, &pass.object, again)
    }

    fn api(&self, namespace: Option<&str>) -> Api<C::Resource> {
        Api::namespaced(self.client.clone(), namespace.unwrap_or_default())
    }

    fn schedule(&self, uid: &str, object: &C::Resource, again: Again) -> Action {
        let failures = self.progress.with(uid, |progress| {
            progress.failures = match again {
                Again::BackOff => progress.failures.saturating_add(1),
                Again::OnChange | Again::Now | Again::After(_) | Again::AtPoll => 0,
            };
            progress.failures
        });
        match again {
            Again::OnChange => Action::await_change(),
            Again::Now => Action::requeue(Duration::ZERO),
            Again::BackOff => Action::requeue(back_off(failures)),
            Again::After(time) => Action::requeue(time),
            Again::AtPoll => {
                let interval = self.poll_interval(object);
                Action::requeue(jitter(interval, self.seed(uid)))
            }
        }
    }

    fn poll_interval(&self, object: &C::Resource) -> Duration {
        annotations::poll_interval(object.meta(), self.settings.poll_floor)
            .unwrap_or(self.settings.poll)
    }

    fn seed(&self, uid: &str) -> u64 {
        let position = uid.bytes().fold(0_u64, |seed, byte| {
            seed.wrapping_mul(31).wrapping_add(u64::from(byte))
        });
        position.wrapping_add(u64::try_from(self.clock.elapsed().as_millis()).unwrap_or_default())
    }
}

impl<C: Connector> Pass<'_, C> {
    async fn run(&mut self) -> Result<Again, WriteError> {
        let now = self.reconciler.clock.now();
        self.note_first_reconcile(now);
        let requested = self.note_request();
        let mut situation_look = self.fresh_look_wanted(requested);
        let mut seen: Option<Observation<_>> = None;
        let mut shared = false;
        let mut external = None;
        loop {
            let step = self.plan(seen.as_ref(), shared, situation_look, now);
            debug!(?step, "Planned");
            let Step::Observe { direct } = step else {
                return self.execute(step, external.as_ref(), seen, now).await;
            };
            situation_look = direct;
            shared = !direct;
            let connected = match external.take() {
                Some(connected) => connected,
                None => match self.connect().await {
                    Ok(connected) => connected,
                    Err(message) => {
                        return self
                            .failed(
                                "CannotConnectToProvider",
                                "connect failed",
                                &message,
                                None,
                                Retry::BackOff,
                            )
                            .await;
                    }
                },
            };
            match self.observe(&connected, direct).await {
                Ok(observation) => seen = Some(observation),
                Err(error) => {
                    return self
                        .failed(
                            "CannotObserveExternalResource",
                            "observe failed",
                            &error,
                            None,
                            error.retry(),
                        )
                        .await;
                }
            }
            external = Some(connected);
        }
    }

    fn note_first_reconcile(&self, now: Timestamp) {
        let never = self
            .object
            .managed_status()
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
        if is_paused(&self.object) {
            return false;
        }
        let meta = self.object.meta();
        let Some(token) = annotations::get(meta, annotations::RECONCILE_REQUESTED_AT) else {
            return false;
        };
        let handled = self
            .object
            .managed_status()
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
        self.object.managed_status_mut().last_handled_reconcile_at = Some(token);
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
        seen: Option<&Observation<<C::Resource as Managed>::AtProvider>>,
        shared: bool,
        fresh_look_wanted: bool,
        now: Timestamp,
    ) -> Step {
        let meta = self.object.meta();
        let finalizers = self.object.finalizers();
        plan::next(&Situation {
            paused: annotations::is_paused(meta),
            policies: Policies::new(&self.object.managed_spec().management_policies),
            deleting: meta.deletion_timestamp.is_some(),
            finalizer: finalizers.iter().any(|f| f == FINALIZER),
            other_finalizers: finalizers.iter().any(|f| f != FINALIZER),
            marks: CreationMarks::of(meta),
            external_name: annotations::get(meta, annotations::EXTERNAL_NAME),
            identity: C::IDENTITY,
            fresh_look_wanted,
            delete_requested: self
                .reconciler
                .progress
                .with(&self.uid, |progress| progress.delete_requested),
            outside: match seen {
                None => Outside::Unseen,
                Some(Observation::Absent) if shared => Outside::AbsentShared,
                Some(Observation::Absent) => Outside::Absent,
                Some(Observation::Present(present)) => Outside::Present {
                    external_name: &present.external_name,
                    drifted: !present.drift.is_empty(),
                },
            },
            now,
            grace: self.reconciler.settings.creation_grace,
            settle: self.reconciler.settings.creation_settle,
        })
    }

    /// Usage first, then configuration and Secret, then the external client.
    async fn connect(&self) -> Result<C::External, String> {
        let reconciler = self.reconciler;
        let spec = self.object.managed_spec();
        let namespace = self.object.meta().namespace.as_deref().unwrap_or_default();
        let connecting = async {
            let tracked = reconciler.usages.track(&self.object).await;
            tracked.map_err(|error| chain(&error))?;
            let config = reconciler
                .credentials
                .resolve(namespace, &spec.provider_config_ref)
                .await
                .map_err(|error| chain(&error))?;
            let connected = reconciler.connector.connect(&config).await;
            connected.map_err(|error| chain(&error))
        };
        match tokio::time::timeout_at(self.deadline, connecting).await {
            Ok(result) => result,
            Err(_) => Err("deadline exceeded".to_owned()),
        }
    }

    async fn observe(
        &self,
        external: &C::External,
        direct: bool,
    ) -> Result<Observation<<C::Resource as Managed>::AtProvider>, ExternalError> {
        let look = if direct {
            // Until the look succeeds, an older one will not do.
            self.want_fresh_look();
            Look::Direct
        } else {
            Look::Shared {
                max_age: self.reconciler.poll_interval(&self.object),
            }
        };
        let observation = self
            .within_deadline(external.observe(&self.object, look))
            .await?;
        if direct {
            let progress = &self.reconciler.progress;
            progress.with(&self.uid, |progress| progress.look_directly = false);
        }
        debug!(?observation, "Observed");
        Ok(observation)
    }

    /// What has no answer by the deadline has an unknown outcome.
    async fn within_deadline<T>(
        &self,
        call: impl Future<Output = Result<T, ExternalError>>,
    ) -> Result<T, ExternalError> {
        match tokio::time::timeout_at(self.deadline, call).await {
            Ok(result) => result,
            Err(_) => Err(ExternalError::with_unknown_outcome("deadline exceeded")),
        }
    }
}

/// A conflict is no news: somebody else was quicker, the watch will show what they wrote.
fn retry_write(failure: &WriteError) -> Again {
    if failure.status().is_some_and(|status| status.is_not_found()) {
        return Again::OnChange;
    }
    if failure.status().is_some_and(|status| status.is_conflict()) {
        debug!(doing = failure.doing, "Conflict");
    } else {
        warn!(error = chain(failure), "Cannot write to Kubernetes");
    }
    Again::BackOff
}

fn is_paused<R: Managed>(object: &R) -> bool {
    annotations::is_paused(object.meta()) || object.managed_spec().management_policies.is_empty()
}

/// Whether a condition of an object is true.
pub(super) fn holds<R: Managed>(object: &R, condition: &str) -> bool {
    let status = object.managed_status();
    let condition = status.and_then(|status| status.condition(condition));
    condition.is_some_and(|condition| condition.status == ConditionStatus::True)
}

#[cfg(test)]
mod tests;
