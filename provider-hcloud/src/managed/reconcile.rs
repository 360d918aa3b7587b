//! One reconcile: gather what the plan needs, execute one step, write the status once.

mod connection;
mod execute;
mod record;
mod undecodable;

use std::{collections::BTreeMap, fmt, future::Future, sync::Arc, time::Duration};

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
    credentials::{Credentials, SecretKey},
    desired::{Desired, SecretError},
    directory::Directory,
    events::{Recorder, Severity},
    external::{Connector, External, ExternalError, Look, Observation, Readiness, Retry, chain},
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
    /// As it is to be, with its references resolved.
    object: C::Resource,
    deadline: tokio::time::Instant,
}

/// What is needed to act: access to the external system, and what is to be brought about there.
struct Gathered<C: Connector> {
    external: C::External,
    desired: Desired<C::Resource>,
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
        let mut resolved = false;
        let mut gathered: Option<Gathered<C>> = None;
        loop {
            let direct = match self.plan(seen.as_ref(), shared, resolved, situation_look, now) {
                Step::Resolve => {
                    if let Err(unresolved) = self.reconciler.directory.resolve(&mut self.object) {
                        let message = unresolved.to_string();
                        return self
                            .failed(
                                "CannotResolveResourceReferences",
                                "cannot resolve references",
                                &message,
                                None,
                                Retry::BackOff,
                            )
                            .await;
                    }
                    resolved = true;
                    continue;
                }
                Step::Observe { direct } => direct,
                step => return self.execute(step, gathered.as_ref(), seen, now).await,
            };
            situation_look = direct;
            shared = !direct;
            let known = match gathered.take() {
                Some(known) => known,
                None => match self.gather().await {
                    Ok(known) => known,
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
            match self.observe(&known, direct).await {
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
            gathered = Some(known);
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
        resolved: bool,
        fresh_look_wanted: bool,
        now: Timestamp,
    ) -> Step {
        let meta = self.object.meta();
        let finalizers = self.object.finalizers();
        let policies = &self.object.managed_spec().management_policies;
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
            policies: if C::READ_ONLY {
                policies.map(Policies::read_only)
            } else {
                policies
            },
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
            approved_replacement: annotations::get(meta, annotations::REPLACE),
            resolved,
            outside: match seen {
                None => Outside::Unseen,
                Some(Observation::Absent) if shared => Outside::AbsentShared,
                Some(Observation::Absent) => Outside::Absent,
                Some(Observation::Present(present)) => Outside::Present {
                    external_name: &present.external_name,
                    drifted: present.drift.in_place(),
                    replacement: replacement.as_deref(),
                    broken: matches!(present.readiness, Readiness::Broken { .. }),
                    late_init: present.late_init.is_some(),
                },
            },
            now,
            grace: self.reconciler.settings.creation_grace,
            settle: self.reconciler.settings.creation_settle,
        })
    }

    /// Usage first, then configuration and Secret, then the external client, then the Secrets that the spec names.
    async fn gather(&self) -> Result<Gathered<C>, String> {
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
            let external = connected.map_err(|error| chain(&error))?;
            let mut secrets = BTreeMap::new();
            for (field, selector) in self.object.secret_keys() {
                let key = SecretKey {
                    namespace: namespace.to_owned(),
                    name: selector.name.clone(),
                };
                let value = reconciler.credentials.value(&key, &selector.key).await;
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
            Ok(Gathered {
                external,
                desired: Desired::new(self.object.clone(), secrets),
            })
        };
        match tokio::time::timeout_at(self.deadline, connecting).await {
            Ok(result) => result,
            Err(_) => Err("deadline exceeded".to_owned()),
        }
    }

    async fn observe(
        &self,
        gathered: &Gathered<C>,
        direct: bool,
    ) -> Result<Observation<<C::Resource as Managed>::AtProvider>, ExternalError> {
        let look = if direct {
            // Until the look succeeds, an older one will not do.
            self.want_fresh_look();
            Look::Direct
        } else {
            let progress = &self.reconciler.progress;
            let since = progress.with(&self.uid, |progress| progress.look_since);
            let age = since.map(|since| self.reconciler.clock.elapsed().saturating_sub(since));
            let poll = self.reconciler.poll_interval(&self.object);
            Look::Shared {
                max_age: age.map_or(poll, |age| age.min(poll)),
            }
        };
        let observation = self
            .within_deadline(gathered.external.observe(&gathered.desired, look))
            .await?;
        self.reconciler.progress.with(&self.uid, |progress| {
            progress.look_since = None;
            progress.look_directly &= !direct;
        });
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
