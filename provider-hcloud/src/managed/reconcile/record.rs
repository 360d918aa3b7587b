//! What a reconcile leaves behind: events, conditions, annotations, the status.

use std::time::Duration;

use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tracing::{debug, warn};

use super::{Again, Pass, WriteError};
use crate::managed::{
    FINALIZER, annotations,
    conditions::{self, Statement},
    events::Severity,
    external::chain,
    progress::is_newer,
    stored::Stored,
};

const UPDATE_THE_STATUS: &str = "update the status";

/// How often a write that must not be lost is tried.
const CRITICAL_TRIES: u32 = 5;

/// How long a write may take: what crossplane-runtime allows for them beyond the time for external calls.
const TIMEOUT: Duration = Duration::from_secs(30);

/// No answer within this time.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", .0.as_secs())]
struct Unanswered(Duration);

/// The answer to a call of the API server, or the error that there was none in time.
pub(super) async fn answered<T>(
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, kube::Error> {
    match tokio::time::timeout(TIMEOUT, call).await {
        Ok(answer) => answer,
        Err(_) => Err(kube::Error::Service(Unanswered(TIMEOUT).into())),
    }
}

impl Pass<'_> {
    pub(super) fn want_fresh_look(&self) {
        let progress = &self.reconciler.progress;
        progress.with(&self.uid, |progress| progress.look_directly = true);
    }

    /// What is known since `moment` will do for the next look: the external system has answered since then, or others
    /// of the kind have looked.
    pub(super) fn want_look_since(&self, moment: Duration) {
        let progress = &self.reconciler.progress;
        progress.with(&self.uid, |progress| {
            progress.look_directly = false;
            progress.look_since = Some(moment);
        });
    }

    pub(super) fn event(&self, severity: Severity, reason: &'static str, message: &str) {
        let external_name = annotations::get(self.object.meta(), annotations::EXTERNAL_NAME);
        let object = self.before.object_ref(self.reconciler.names());
        self.reconciler
            .recorder
            .record(object, severity, reason, message, external_name);
    }

    pub(super) fn mark(&mut self, statement: Statement) {
        // What was acted on is the spec that was read, also when a later one has been seen meanwhile.
        let generation = self.before.metadata.generation;
        let now = self.reconciler.clock.now();
        let status = self.object.status_mut();
        conditions::mark(&mut status.conditions, statement, generation, now);
        status.observed_generation = generation;
    }

    /// The one status write, left out when nothing changed. It replaces the whole status, and fails when the object
    /// has changed meanwhile.
    pub(super) async fn write_status(&mut self, again: Again) -> Result<Again, WriteError> {
        if !self.object.status_changed() {
            return Ok(again);
        }
        let failed = |source| WriteError {
            doing: UPDATE_THE_STATUS,
            source,
        };
        let object = self.object.encode().map_err(kube::Error::SerdeError);
        let object = object.map_err(failed)?;
        let (api, name) = (self.api(), self.before.name_any());
        let params = PostParams::default();
        let written = answered(api.replace_subresource("status", &name, &params, &object)).await;
        self.wrote(written.map_err(failed)?);
        Ok(again)
    }

    /// A write failed: a warning, a condition, another try. A conflict is no news: somebody else was quicker, the watch will
    /// show what they wrote.
    pub(super) async fn unwritten(&mut self, failure: &WriteError) -> Again {
        if failure.status().is_some_and(|status| status.is_not_found()) {
            return Again::OnChange;
        }
        if failure.status().is_some_and(|status| status.is_conflict()) {
            debug!(doing = failure.doing, "Conflict");
            return Again::BackOff;
        }
        let text = chain(failure);
        warn!(error = text, "Cannot write to Kubernetes");
        self.event(Severity::Warning, "CannotUpdateManagedResource", &text);
        if failure.doing != UPDATE_THE_STATUS {
            self.mark(conditions::reconcile_error(&text));
            if let Err(failure) = self.write_status(Again::BackOff).await {
                debug!(error = chain(&failure), "Cannot say so in the status");
            }
        }
        Again::BackOff
    }

    pub(super) fn with_finalizer(&self) -> Value {
        let mut finalizers = self.object.meta().finalizers.clone().unwrap_or_default();
        if !finalizers.iter().any(|f| f == FINALIZER) {
            finalizers.push(FINALIZER.to_owned());
        }
        json!({"finalizers": finalizers})
    }

    /// A patch of the metadata that fails when the object has changed since it was read.
    pub(super) fn guarded(&self, mut metadata: Value) -> Value {
        metadata["resourceVersion"] = json!(self.object.meta().resource_version);
        json!({"metadata": metadata})
    }

    /// Annotations that must not get lost: no precondition, since they are ours alone, and several tries.
    pub(super) async fn patch_critical(&mut self, marks: Value) -> Result<(), WriteError> {
        let patch = json!({"metadata": {"annotations": marks}});
        for attempt in 1.. {
            match self.patch("update the annotations", &patch).await {
                Err(failure)
                    if attempt < CRITICAL_TRIES
                        && failure.status().is_none_or(|status| status.code >= 409) =>
                {
                    self.reconciler
                        .clock
                        .sleep(Duration::from_millis(100 << attempt))
                        .await;
                }
                result => return result,
            }
        }
        Ok(())
    }

    pub(super) async fn patch(
        &mut self,
        doing: &'static str,
        patch: &Value,
    ) -> Result<(), WriteError> {
        let (api, name) = (self.api(), self.before.name_any());
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        let written = answered(api.patch(&name, &params, &patch)).await;
        let written = written.map_err(|source| WriteError { doing, source })?;
        // The answer carries the status as it is stored; ours is not written yet.
        *self.object.meta_mut() = written.metadata.clone();
        self.wrote(written);
        Ok(())
    }

    fn api(&self) -> Api<Stored> {
        self.reconciler.api(&self.before.metadata)
    }

    /// Whether the object is still as it was read, so that something outside may be changed for it. The first list after
    /// a start may be older than what the process before this one has seen, and acted on.
    pub(super) async fn confirm(&mut self) -> Result<bool, WriteError> {
        let progress = &self.reconciler.progress;
        if progress.with(&self.uid, |progress| progress.confirmed) {
            return Ok(true);
        }
        let (api, name) = (self.api(), self.before.name_any());
        let doing = "read the object as it is now";
        let current = answered(api.get(&name)).await;
        let current = current.map_err(|source| WriteError { doing, source })?;
        let unchanged = !is_newer(&current, self.before);
        self.wrote(current);
        Ok(unchanged)
    }

    fn wrote(&self, mut written: Stored) {
        written.metadata.managed_fields = None;
        self.reconciler.progress.learned(&self.uid, written);
    }
}
