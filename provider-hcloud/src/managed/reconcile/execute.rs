//! The one step of a reconcile: one external mutation at most, then the status.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use jiff::Timestamp;
use kube::core::ObjectMeta;
use serde_json::{Value, json};
use tracing::{debug, info, warn};

use super::{Again, Call, Pass, WriteError, within};
use crate::managed::{
    FINALIZER,
    annotations::{self, CreationMarks},
    conditions::{self, Statement},
    events::Severity,
    external::{Connection, Drift, ExternalError, Observation, Present, Readiness, Retry, chain},
    plan::Step,
    progress::Progress,
};

/// Event and message of crossplane-runtime for an external resource that is not there.
const MISSING: &str = "observe failed: external resource does not exist";
const PAUSED: &str =
    "Reconciliation is paused either through the `spec.managementPolicies` or the pause annotation";
const UNKNOWN_CREATE: &str = "cannot determine creation result - remove the crossplane.io/external-create-pending annotation if it is safe to proceed";

/// How many different updates may follow each other at once: more than any change takes steps.
const STEPS_AT_ONCE: usize = 10;

impl Pass<'_> {
    pub(super) async fn execute(
        &mut self,
        step: Step,
        seen: Option<Observation<()>>,
        now: Timestamp,
    ) -> Result<Again, WriteError> {
        self.reconciler.metrics.stepped(name_of(&step));
        if matches!(seen, Some(Observation::Present(_))) {
            self.object.report();
        }
        match (step, seen) {
            (Step::Pause, _) => self.pause().await,
            (Step::RefusePolicies(unsupported), _) => {
                let message = unsupported.to_string();
                self.event(
                    Severity::Warning,
                    "CannotUseInvalidManagementPolicy",
                    &message,
                );
                self.mark(conditions::reconcile_error(&message));
                self.write_status(Again::OnChange).await
            }
            (Step::RefuseUnknownCreate, _) => {
                self.event(
                    Severity::Warning,
                    "CannotInitializeManagedResource",
                    UNKNOWN_CREATE,
                );
                self.mark(conditions::creating());
                self.mark(conditions::reconcile_error(UNKNOWN_CREATE));
                self.write_status(Again::OnChange).await
            }
            (Step::Missing, _) => {
                self.event(
                    Severity::Warning,
                    "CannotObserveExternalResource",
                    "external resource does not exist",
                );
                self.mark(conditions::reconcile_error(MISSING));
                self.write_status(Again::AtPoll).await
            }
            (Step::AwaitCreated, _) => {
                self.event(
                    Severity::Normal,
                    "PendingExternalResource",
                    "Waiting for external resource existence to be confirmed",
                );
                self.want_fresh_look();
                Ok(Again::BackOff)
            }
            (Step::AwaitFinalizers, _) => {
                debug!("Waiting for the finalizers of others");
                Ok(Again::BackOff)
            }
            (Step::Release, _) => self.release(now).await,
            (Step::Create, Some(_)) => self.create(now).await,
            (Step::Record, Some(Observation::Present(present))) => self.record(&present, now).await,
            (Step::LateInitialize, Some(Observation::Present(present))) => {
                self.late_initialize(&present).await
            }
            (Step::Update, Some(Observation::Present(present))) => self.update(&present).await,
            (Step::Complete, Some(Observation::Present(mut present))) => {
                present.drift.keep_completion();
                self.object.keep_completion();
                self.update(&present).await
            }
            (Step::AwaitApproval, Some(Observation::Present(present))) => {
                self.await_approval(&present).await
            }
            (Step::Overwrite, Some(Observation::Present(present))) => {
                self.overwrite(&present).await
            }
            (Step::Replace, Some(Observation::Present(present))) => self.replace(&present).await,
            (Step::Delete, Some(Observation::Present(present))) => self.delete(&present).await,
            (Step::Steady, Some(Observation::Present(present))) => self.steady(&present, now).await,
            // The plan asks for these only after an observation.
            (
                Step::Resolve
                | Step::Observe { .. }
                | Step::Create
                | Step::Record
                | Step::LateInitialize
                | Step::Update
                | Step::Complete
                | Step::AwaitApproval
                | Step::Overwrite
                | Step::Replace
                | Step::Delete
                | Step::Steady,
                _,
            ) => Ok(Again::Now),
        }
    }

    async fn pause(&mut self) -> Result<Again, WriteError> {
        self.mark(conditions::reconcile_paused());
        if self.object.status_changed() {
            self.event(Severity::Normal, "ReconciliationPaused", PAUSED);
        }
        self.write_status(Again::OnChange).await
    }

    async fn release(&mut self, now: Timestamp) -> Result<Again, WriteError> {
        let all = self.object.meta().finalizers.as_deref().unwrap_or_default();
        let finalizers: Vec<_> = all.iter().filter(|f| *f != FINALIZER).collect();
        let ours = finalizers.len() < all.len();
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

    async fn create(&mut self, now: Timestamp) -> Result<Again, WriteError> {
        let asked = self.reconciler.clock.elapsed();
        let foretold = within(self.deadline, self.object.foretell()).await;
        self.judge(&foretold, asked, Call::Unanswered);
        let foretold = match foretold {
            Ok(foretold) => foretold,
            Err(error) => return self.uncreated(&error).await,
        };
        // How an earlier create ended says nothing of this one, which may follow within the second.
        let mut metadata = self.with_finalizer();
        let approval = annotations::get(self.object.meta(), annotations::REPLACE);
        metadata["annotations"] = json!({
            annotations::REPLACED: approval,
            annotations::CREATE_PENDING: annotations::format_time(now),
            annotations::CREATE_NAME: foretold,
            annotations::CREATE_SUCCEEDED: null,
            annotations::CREATE_FAILED: null,
        });
        let patch = self.guarded(metadata);
        self.patch("announce the creation", &patch).await?;

        let started = self.reconciler.clock.elapsed();
        self.want_fresh_look();
        // What was deleted is the predecessor: that this one does not show does not mean that it is gone.
        self.reconciler
            .progress
            .with(&self.uid, |progress| progress.delete_requested = false);
        let created = within(self.deadline, self.object.create()).await;
        self.judge(&created, started, Call::Change);
        let duration = self.reconciler.clock.elapsed().saturating_sub(started);
        self.mark(conditions::creating());
        match created {
            Ok(created) => {
                self.want_look_since(started);
                let external_name = created.external_name;
                info!(external_name, ?duration, "Created");
                let done = annotations::format_time(self.reconciler.clock.now());
                let recorded = self
                    .patch_critical(json!({
                        annotations::EXTERNAL_NAME: external_name,
                        annotations::CREATE_SUCCEEDED: done,
                        annotations::CREATE_NAME: null,
                    }))
                    .await;
                // The name is found again when it cannot be recorded; what is told only now is not.
                let published = self.published(&created.connection).await;
                recorded?;
                self.event(
                    Severity::Normal,
                    "CreatedExternalResource",
                    "Successfully requested creation of external resource",
                );
                self.mark(published.unwrap_or(conditions::reconcile_success()));
                self.write_status(Again::Now).await
            }
            Err(error) => {
                // Without an answer the create stays pending, and the next observations tell how it ended. The time to
                // settle begins now: a create that was held up for long may be carried out in this very moment.
                let ended = annotations::format_time(self.reconciler.clock.now());
                let marks = if error.outcome_unknown() {
                    json!({annotations::CREATE_PENDING: ended})
                } else {
                    json!({annotations::CREATE_FAILED: ended, annotations::CREATE_NAME: null})
                };
                self.patch_critical(marks).await?;
                self.uncreated(&error).await
            }
        }
    }

    async fn uncreated(&mut self, error: &ExternalError) -> Result<Again, WriteError> {
        self.failed(
            "CannotCreateExternalResource",
            "create failed",
            error,
            Some(conditions::creating()),
            self.doubted(error.retry()),
        )
        .await
    }

    /// Finalizer, external name and, when a create had no answer, its success: in one write.
    async fn record(&mut self, present: &Present<()>, now: Timestamp) -> Result<Again, WriteError> {
        let mut marks = json!({annotations::EXTERNAL_NAME: present.external_name});
        if CreationMarks::of(self.object.meta())
            .incomplete_since()
            .is_some()
        {
            info!(external_name = present.external_name, "Adopted");
            marks[annotations::CREATE_SUCCEEDED] = annotations::format_time(now).into();
            marks[annotations::CREATE_NAME] = Value::Null;
        }
        let mut metadata = self.with_finalizer();
        metadata["annotations"] = marks;
        let patch = self.guarded(metadata);
        self.patch("record the external name", &patch).await?;
        Ok(Again::Now)
    }

    async fn update(&mut self, present: &Present<()>) -> Result<Again, WriteError> {
        if !self.confirm().await? {
            return Ok(Again::Now);
        }
        let started = self.reconciler.clock.elapsed();
        self.want_fresh_look();
        self.mark_readiness(&present.readiness);
        let updated = within(self.deadline, self.object.update()).await;
        let updated = updated.map(|()| Connection::new());
        self.updated(present, updated, started).await
    }

    /// Overwrites what the external resource holds. The approval is used up when that is recorded outside, and before
    /// anything is lost.
    async fn overwrite(&mut self, present: &Present<()>) -> Result<Again, WriteError> {
        if !self.confirm().await? {
            return Ok(Again::Now);
        }
        let goes_on = present.drift.is_overwritten();
        if goes_on {
            self.use_approval().await?;
        }
        let started = self.reconciler.clock.elapsed();
        self.want_fresh_look();
        self.mark_readiness(&present.readiness);
        let overwritten = within(self.deadline, self.object.overwrite()).await;
        if overwritten.is_ok() && !goes_on {
            let message = format!(
                "Overwriting what the external resource holds: {}",
                present.drift
            );
            self.event(Severity::Warning, "OverwritingExternalResource", &message);
        }
        self.updated(present, overwritten, started).await
    }

    /// After a change that began at `started` on the reconciler's clock.
    async fn updated(
        &mut self,
        present: &Present<()>,
        updated: Result<Connection, ExternalError>,
        started: Duration,
    ) -> Result<Again, WriteError> {
        self.judge(&updated, started, Call::Change);
        let duration = self.reconciler.clock.elapsed().saturating_sub(started);
        let connection = match updated {
            Ok(connection) => connection,
            Err(error) => {
                let retry = self.doubted(error.retry());
                let (reason, doing) = ("CannotUpdateExternalResource", "update failed");
                return self.failed(reason, doing, &error, None, retry).await;
            }
        };
        self.want_look_since(started);
        info!(drift = %present.drift, ?duration, "Updated");
        let (repeated, up_to_date_at) = self.reconciler.progress.with(&self.uid, |progress| {
            let drift = hash(&present.drift);
            let known = &progress.updates;
            let repeated = known.contains(&drift) || known.len() >= STEPS_AT_ONCE;
            if !repeated {
                progress.updates.push(drift);
            }
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
        let published = self.published(&connection).await;
        self.mark(published.unwrap_or(conditions::reconcile_success()));
        // An update that does not take is not repeated in a hot loop; one of several steps goes on.
        self.write_status(if repeated { Again::BackOff } else { Again::Now })
            .await
    }

    /// The values come from outside, and the write fails when the spec has changed since it was read.
    async fn late_initialize(&mut self, present: &Present<()>) -> Result<Again, WriteError> {
        let mut patch = self.guarded(json!({}));
        patch["spec"] = json!({"forProvider": present.late_init});
        self.patch("fill empty fields of the spec", &patch).await?;
        Ok(Again::Now)
    }

    /// Nothing is done unasked that would lose data.
    async fn await_approval(&mut self, present: &Present<()>) -> Result<Again, WriteError> {
        self.forget_approval().await?;
        self.mark_readiness(&present.readiness);
        let change = present.drift.replacement().unwrap_or_default();
        let what = if present.drift.can_be_overwritten() {
            "this overwrites what the external resource holds. To have that done,"
        } else {
            "this cannot be changed in place. To have the external resource deleted and created again,"
        };
        let how = how_to_approve(self.object.meta(), &change);
        let text = format!("{}: {what} {how}", present.drift);
        self.failed(
            "CannotUpdateExternalResource",
            "update failed",
            &text,
            None,
            Retry::OnChange,
        )
        .await
    }

    async fn use_approval(&mut self) -> Result<(), WriteError> {
        let meta = self.object.meta();
        let approval = annotations::get(meta, annotations::REPLACE);
        if approval.is_some() && approval != annotations::get(meta, annotations::REPLACED) {
            let patch = self.guarded(json!({"annotations": {annotations::REPLACED: approval}}));
            self.patch("use an approval", &patch).await?;
        }
        Ok(())
    }

    /// Whoever takes an approval that was used away may give it again.
    async fn forget_approval(&mut self) -> Result<(), WriteError> {
        let meta = self.object.meta();
        let taken_away = annotations::get(meta, annotations::REPLACE).is_none();
        if taken_away && annotations::get(meta, annotations::REPLACED).is_some() {
            let patch = self.guarded(json!({"annotations": {annotations::REPLACED: null}}));
            self.patch("forget an approval", &patch).await?;
        }
        Ok(())
    }

    /// Deletes, so that the next reconcile finds nothing and creates.
    async fn replace(&mut self, present: &Present<()>) -> Result<Again, WriteError> {
        if !self.confirm().await? {
            return Ok(Again::Now);
        }
        let why = match &present.readiness {
            Readiness::Broken { message } => message.clone(),
            Readiness::Available
            | Readiness::Settling { .. }
            | Readiness::Creating { .. }
            | Readiness::Unavailable { .. } => present.drift.to_string(),
        };
        self.event(
            Severity::Warning,
            "ReplacingExternalResource",
            &format!("Deleting the external resource to create it again: {why}"),
        );
        let again = self.delete(present).await?;
        // A creation that fails every time is not repeated in a hot loop.
        let broken = matches!(present.readiness, Readiness::Broken { .. });
        Ok(if broken { Again::BackOff } else { again })
    }

    async fn delete(&mut self, present: &Present<()>) -> Result<Again, WriteError> {
        if !self.confirm().await? {
            return Ok(Again::Now);
        }
        let started = self.reconciler.clock.elapsed();
        self.want_fresh_look();
        let deleted = within(self.deadline, self.object.delete()).await;
        self.judge(&deleted, started, Call::Change);
        let duration = self.reconciler.clock.elapsed().saturating_sub(started);
        if let Err(error) = deleted {
            return self
                .failed(
                    "CannotDeleteExternalResource",
                    "delete failed",
                    &error,
                    Some(conditions::deleting()),
                    self.doubted(error.retry()),
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

    async fn steady(&mut self, present: &Present<()>, now: Timestamp) -> Result<Again, WriteError> {
        if !present.drift.is_empty() {
            debug!(drift = %present.drift, "The policies do not allow to remove the differences");
        }
        self.forget_approval().await?;
        self.mark_readiness(&present.readiness);
        let published = self.published(&present.connection).await;
        let unpublished = published.is_some();
        let success = success(self.object.meta(), &present.drift);
        self.mark(published.unwrap_or(success));
        let elapsed = self.reconciler.clock.elapsed();
        let ready = matches!(
            present.readiness,
            Readiness::Available | Readiness::Settling { .. }
        );
        let first_ready = self.reconciler.progress.with(&self.uid, |progress| {
            progress.updates = Vec::new();
            progress.up_to_date_at = Some(elapsed);
            ready && std::mem::take(&mut progress.awaiting_first_ready)
        });
        if first_ready && let Some(age) = self.age(now) {
            self.reconciler.metrics.first_ready(age);
        }
        let again = match present.readiness {
            _ if unpublished => Again::BackOff,
            Readiness::Available | Readiness::Broken { .. } => Again::AtPoll,
            Readiness::Settling { recheck }
            | Readiness::Creating { recheck }
            | Readiness::Unavailable { recheck, .. } => {
                self.want_look_since(elapsed);
                Again::After(recheck)
            }
        };
        self.write_status(again).await
    }

    fn mark_readiness(&mut self, readiness: &Readiness) {
        self.mark(match readiness {
            Readiness::Available | Readiness::Settling { .. } => conditions::available(),
            Readiness::Creating { .. } => conditions::creating(),
            Readiness::Unavailable { message, .. } | Readiness::Broken { message } => {
                conditions::unavailable(message)
            }
        });
    }

    /// Publishes connection details; what to say when they cannot be.
    async fn published(&self, connection: &Connection) -> Option<Statement> {
        let error = self.publish(connection).await.err()?;
        let text = chain(&error);
        warn!(error = text, "Cannot publish connection details");
        self.event(Severity::Warning, "CannotPublishConnectionDetails", &text);
        Some(conditions::reconcile_error(&text))
    }

    /// A refusal is believed the second time. The first may be due to what an earlier request has brought about after
    /// the last look: one of a process that is gone, whose effect took its time.
    fn doubted(&self, retry: Retry) -> Retry {
        let generation = self.before.metadata.generation.unwrap_or_default();
        let progress = &self.reconciler.progress;
        let refuse = |progress: &mut Progress| progress.refused.replace(generation);
        if retry == Retry::OnChange && progress.with(&self.uid, refuse) != Some(generation) {
            Retry::BackOff
        } else {
            retry
        }
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
        Step::Resolve => "resolve",
        Step::Observe { .. } => "observe",
        Step::Missing => "missing",
        Step::AwaitCreated => "await_created",
        Step::AwaitFinalizers => "await_finalizers",
        Step::Create => "create",
        Step::Record => "record",
        Step::LateInitialize => "late_initialize",
        Step::Update => "update",
        Step::Complete => "complete",
        Step::AwaitApproval => "await_approval",
        Step::Overwrite => "overwrite",
        Step::Replace => "replace",
        Step::Delete => "delete",
        Step::Release => "release",
        Step::Steady => "steady",
    }
}

fn hash(drift: &Drift) -> u64 {
    let mut hasher = DefaultHasher::new();
    drift.to_string().hash(&mut hasher);
    hasher.finish()
}

/// All is well; what only a successor of the external resource will get is said.
fn success(meta: &ObjectMeta, drift: &Drift) -> Statement {
    let success = conditions::reconcile_success();
    match drift.replacement() {
        Some(change) if !drift.needs_replacement() => success.with_message(&format!(
            "{drift}: this takes effect when the external resource is overwritten or created again. To have it overwritten now, {}",
            how_to_approve(meta, &change),
        )),
        Some(_) | None => success,
    }
}

/// What to do for a replacement; an approval that was used has to be given anew.
fn how_to_approve(meta: &ObjectMeta, change: &str) -> String {
    let used = annotations::get(meta, annotations::REPLACE) == Some(change);
    let again = if used {
        "remove the annotation of the last time and "
    } else {
        ""
    };
    format!(
        "{again}set the annotation {}: {change:?}",
        annotations::REPLACE
    )
}
