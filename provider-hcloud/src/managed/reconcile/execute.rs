//! The one step of a reconcile: one external mutation at most, then the status.

use std::time::Duration;

use api::Managed;
use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use serde_json::json;
use tracing::{debug, info, warn};

use super::{Again, Pass, WriteError};
use crate::managed::{
    FINALIZER,
    annotations::{self, CreationMarks},
    conditions::{self, Statement},
    events::Severity,
    external::{Connector, External, ExternalError, Observation, Present, Readiness, Retry, chain},
    plan::Step,
};

/// Event and message of crossplane-runtime for an external resource that is not there.
const MISSING: &str = "observe failed: external resource does not exist";
const PAUSED: &str =
    "Reconciliation is paused either through the `spec.managementPolicies` or the pause annotation";
const UNKNOWN_CREATE: &str = "cannot determine creation result - remove the crossplane.io/external-create-pending annotation if it is safe to proceed";

type PresentIn<C> = Present<<<C as Connector>::Resource as Managed>::AtProvider>;

impl<C: Connector> Pass<'_, C> {
    pub(super) async fn execute(
        &mut self,
        step: Step,
        external: Option<&C::External>,
        seen: Option<Observation<<C::Resource as Managed>::AtProvider>>,
        now: Timestamp,
    ) -> Result<Again, WriteError> {
        self.reconciler.metrics.stepped(name_of(&step));
        if let Some(Observation::Present(present)) = &seen {
            self.object.set_at_provider(present.at_provider.clone());
        }
        let present = match seen {
            Some(Observation::Present(present)) => Some(present),
            Some(Observation::Absent) | None => None,
        };
        match (step, external, present) {
            (Step::Pause, ..) => self.pause().await,
            (Step::RefusePolicies(unsupported), ..) => {
                let message = unsupported.to_string();
                self.event(
                    Severity::Warning,
                    "CannotUseInvalidManagementPolicy",
                    &message,
                );
                self.mark(conditions::reconcile_error(&message));
                self.write_status(Again::OnChange).await
            }
            (Step::RefuseUnknownCreate, ..) => {
                self.event(
                    Severity::Warning,
                    "CannotInitializeManagedResource",
                    UNKNOWN_CREATE,
                );
                self.mark(conditions::creating());
                self.mark(conditions::reconcile_error(UNKNOWN_CREATE));
                self.write_status(Again::OnChange).await
            }
            (Step::Missing, ..) => {
                self.event(
                    Severity::Warning,
                    "CannotObserveExternalResource",
                    "external resource does not exist",
                );
                self.mark(conditions::reconcile_error(MISSING));
                self.write_status(Again::AtPoll).await
            }
            (Step::AwaitCreated, ..) => {
                self.event(
                    Severity::Normal,
                    "PendingExternalResource",
                    "Waiting for external resource existence to be confirmed",
                );
                self.want_fresh_look();
                Ok(Again::BackOff)
            }
            (Step::AwaitFinalizers, ..) => {
                debug!("Waiting for the finalizers of others");
                Ok(Again::BackOff)
            }
            (Step::Release, ..) => self.release(now).await,
            (Step::Create, Some(external), _) => self.create(external, now).await,
            (Step::Record, _, Some(present)) => self.record(&present, now).await,
            (Step::Update, Some(external), Some(present)) => self.update(external, &present).await,
            (Step::Delete, Some(external), Some(present)) => self.delete(external, &present).await,
            (Step::Steady, _, Some(present)) => self.steady(&present, now).await,
            // The plan asks for these only after an observation.
            (
                Step::Observe { .. }
                | Step::Create
                | Step::Record
                | Step::Update
                | Step::Delete
                | Step::Steady,
                ..,
            ) => Ok(Again::Now),
        }
    }

    async fn pause(&mut self) -> Result<Again, WriteError> {
        self.mark(conditions::reconcile_paused());
        if self.status_changed() {
            self.event(Severity::Normal, "ReconciliationPaused", PAUSED);
        }
        self.write_status(Again::OnChange).await
    }

    async fn release(&mut self, now: Timestamp) -> Result<Again, WriteError> {
        let finalizers: Vec<_> = self
            .object
            .finalizers()
            .iter()
            .filter(|f| *f != FINALIZER)
            .collect();
        let ours = finalizers.len() < self.object.finalizers().len();
        if ours {
            let patch = self.guarded(json!({"finalizers": finalizers}));
            self.patch("remove the finalizer", &patch).await?;
            let since = self.object.meta().deletion_timestamp.as_ref();
            if let Some(since) = since {
                let after = Duration::try_from(now.duration_since(since.0)).unwrap_or_default();
                self.reconciler.metrics.deleted(after);
            }
            info!("Released");
        }
        Ok(Again::OnChange)
    }

    async fn create(
        &mut self,
        external: &C::External,
        now: Timestamp,
    ) -> Result<Again, WriteError> {
        let mut metadata = self.with_finalizer();
        metadata["annotations"] =
            json!({annotations::CREATE_PENDING: annotations::format_time(now)});
        let patch = self.guarded(metadata);
        self.patch("announce the creation", &patch).await?;

        let started = self.reconciler.clock.elapsed();
        self.want_fresh_look();
        let created = self.within_deadline(external.create(&self.object)).await;
        let duration = self.reconciler.clock.elapsed().saturating_sub(started);
        self.mark(conditions::creating());
        match created {
            Ok(external_name) => {
                info!(external_name, ?duration, "Created");
                let done = annotations::format_time(self.reconciler.clock.now());
                self.patch_critical(json!({
                    annotations::EXTERNAL_NAME: external_name,
                    annotations::CREATE_SUCCEEDED: done,
                }))
                .await?;
                self.event(
                    Severity::Normal,
                    "CreatedExternalResource",
                    "Successfully requested creation of external resource",
                );
                self.mark(conditions::reconcile_success());
                self.write_status(Again::Now).await
            }
            Err(error) => {
                // Without an answer the create stays pending, and the next observations tell how it ended. The time to
                // settle begins now: a create that was held up for long may be carried out in this very moment.
                let outcome = if error.outcome_unknown() {
                    annotations::CREATE_PENDING
                } else {
                    annotations::CREATE_FAILED
                };
                let ended = annotations::format_time(self.reconciler.clock.now());
                self.patch_critical(json!({outcome: ended})).await?;
                self.failed(
                    "CannotCreateExternalResource",
                    "create failed",
                    &error,
                    Some(conditions::creating()),
                    error.retry(),
                )
                .await
            }
        }
    }

    /// Finalizer, external name and, when a create had no answer, its success: in one write.
    async fn record(
        &mut self,
        present: &PresentIn<C>,
        now: Timestamp,
    ) -> Result<Again, WriteError> {
        let mut marks = json!({annotations::EXTERNAL_NAME: present.external_name});
        if CreationMarks::of(self.object.meta())
            .incomplete_since()
            .is_some()
        {
            info!(external_name = present.external_name, "Adopted");
            marks[annotations::CREATE_SUCCEEDED] = annotations::format_time(now).into();
        }
        let mut metadata = self.with_finalizer();
        metadata["annotations"] = marks;
        let patch = self.guarded(metadata);
        self.patch("record the external name", &patch).await?;
        Ok(Again::Now)
    }

    async fn update(
        &mut self,
        external: &C::External,
        present: &PresentIn<C>,
    ) -> Result<Again, WriteError> {
        let started = self.reconciler.clock.elapsed();
        self.want_fresh_look();
        self.mark_readiness(&present.readiness);
        let updated = self
            .within_deadline(external.update(&self.object, present))
            .await;
        let duration = self.reconciler.clock.elapsed().saturating_sub(started);
        if let Err(error) = updated {
            return self
                .failed(
                    "CannotUpdateExternalResource",
                    "update failed",
                    &error,
                    None,
                    error.retry(),
                )
                .await;
        }
        info!(drift = %present.drift, ?duration, "Updated");
        let (repeated, up_to_date_at) = self.reconciler.progress.with(&self.uid, |progress| {
            let repeated = std::mem::replace(&mut progress.updated, true);
            (repeated, progress.up_to_date_at)
        });
        if let Some(at) = up_to_date_at {
            self.reconciler.metrics.drifted(started.saturating_sub(at));
        }
        self.event(
            Severity::Normal,
            "UpdatedExternalResource",
            &format!(
                "Successfully requested update of external resource: {}",
                present.drift
            ),
        );
        self.mark(conditions::reconcile_success());
        // An update that does not take is not repeated in a hot loop.
        self.write_status(if repeated { Again::BackOff } else { Again::Now })
            .await
    }

    async fn delete(
        &mut self,
        external: &C::External,
        present: &PresentIn<C>,
    ) -> Result<Again, WriteError> {
        let started = self.reconciler.clock.elapsed();
        self.want_fresh_look();
        let deleted = self
            .within_deadline(external.delete(&self.object, present))
            .await;
        let duration = self.reconciler.clock.elapsed().saturating_sub(started);
        if let Err(error) = deleted {
            return self
                .failed(
                    "CannotDeleteExternalResource",
                    "delete failed",
                    &error,
                    Some(conditions::deleting()),
                    error.retry(),
                )
                .await;
        }
        info!(external_name = present.external_name, ?duration, "Deleted");
        let repeated = self.reconciler.progress.with(&self.uid, |progress| {
            std::mem::replace(&mut progress.delete_requested, true)
        });
        self.event(
            Severity::Normal,
            "DeletedExternalResource",
            "Successfully requested deletion of external resource",
        );
        self.mark(conditions::deleting());
        self.mark(conditions::reconcile_success());
        self.write_status(if repeated { Again::BackOff } else { Again::Now })
            .await
    }

    async fn steady(
        &mut self,
        present: &PresentIn<C>,
        now: Timestamp,
    ) -> Result<Again, WriteError> {
        if !present.drift.is_empty() {
            debug!(drift = %present.drift, "The policies do not allow to remove the differences");
        }
        self.mark_readiness(&present.readiness);
        self.mark(conditions::reconcile_success());
        let elapsed = self.reconciler.clock.elapsed();
        let ready = present.readiness == Readiness::Available;
        let first_ready = self.reconciler.progress.with(&self.uid, |progress| {
            progress.updated = false;
            progress.up_to_date_at = Some(elapsed);
            ready && std::mem::take(&mut progress.awaiting_first_ready)
        });
        if first_ready && let Some(age) = self.age(now) {
            self.reconciler.metrics.first_ready(age);
        }
        let again = match present.readiness {
            Readiness::Available => Again::AtPoll,
            Readiness::Creating { recheck } | Readiness::Unavailable { recheck, .. } => {
                self.want_fresh_look();
                Again::After(recheck)
            }
        };
        self.write_status(again).await
    }

    fn mark_readiness(&mut self, readiness: &Readiness) {
        self.mark(match readiness {
            Readiness::Available => conditions::available(),
            Readiness::Creating { .. } => conditions::creating(),
            Readiness::Unavailable { message, .. } => conditions::unavailable(message),
        });
    }

    /// A failure: a warning, a condition, another try.
    pub(super) async fn failed(
        &mut self,
        reason: &'static str,
        doing: &str,
        error: &(impl Report + ?Sized),
        ready: Option<Statement>,
        retry: Retry,
    ) -> Result<Again, WriteError> {
        let text = error.text();
        warn!(reason, error = text, ?retry, "Reconcile failed");
        self.event(Severity::Warning, reason, &text);
        if let Some(ready) = ready {
            self.mark(ready);
        }
        self.mark(conditions::reconcile_error(&format!("{doing}: {text}")));
        self.write_status(retry.into()).await
    }
}

/// Something whose text can go into an event and a condition.
pub(super) trait Report {
    fn text(&self) -> String;
}

impl Report for ExternalError {
    fn text(&self) -> String {
        chain(self)
    }
}

impl Report for String {
    fn text(&self) -> String {
        self.clone()
    }
}

fn name_of(step: &Step) -> &'static str {
    match step {
        Step::Pause => "pause",
        Step::RefusePolicies(_) => "refuse_policies",
        Step::RefuseUnknownCreate => "refuse_unknown_create",
        Step::Observe { .. } => "observe",
        Step::Missing => "missing",
        Step::AwaitCreated => "await_created",
        Step::AwaitFinalizers => "await_finalizers",
        Step::Create => "create",
        Step::Record => "record",
        Step::Update => "update",
        Step::Delete => "delete",
        Step::Release => "release",
        Step::Steady => "steady",
    }
}
