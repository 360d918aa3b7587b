//! Stored objects that do not fit their type, for example after a downgrade.

use kube::{
    Resource,
    api::{Patch, PatchParams},
    core::ObjectMeta,
    runtime::controller::Action,
};
use serde_json::json;
use tracing::{error, warn};

use super::{Reconciler, record::answered};
use crate::managed::{
    annotations, conditions,
    events::Severity,
    stored::{Stored, Unfit},
};

impl Reconciler {
    /// An object that cannot be decoded is reported and left alone; its kind goes on.
    pub(super) async fn report_undecodable(&self, object: &Stored, problem: &Unfit) -> Action {
        let meta = &object.metadata;
        let name = meta.name.as_deref().unwrap_or_default();
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        error!(kind = self.names().kind, namespace, resource = name, %problem, "Cannot decode an object");
        let message = format!("cannot decode the stored object: {problem}");
        let reason = "CannotInitializeManagedResource";
        let external_name = annotations::get(meta, annotations::EXTERNAL_NAME);
        let reference = object.object_ref(self.names());
        let severity = Severity::Warning;
        self.recorder
            .record(reference, severity, reason, &message, external_name);
        if let Err(error) = answered(self.mark_undecodable(meta, &message)).await {
            warn!(%error, resource = name, "Cannot report an object that cannot be decoded");
        }
        Action::await_change()
    }

    /// Sets one condition and keeps the others; a patch replaces a list as a whole.
    async fn mark_undecodable(&self, meta: &ObjectMeta, message: &str) -> Result<(), kube::Error> {
        let name = meta.name.as_deref().unwrap_or_default();
        let objects = self.api(meta);
        let stored = objects.get(name).await?;
        let before = stored.conditions();
        let mut marked = before.clone();
        let statement = conditions::reconcile_error(message);
        let generation = stored.metadata.generation;
        conditions::mark(&mut marked, statement, generation, self.clock.now());
        if marked == before {
            return Ok(());
        }
        let patch = json!({"status": {"conditions": marked}});
        let params = PatchParams::default();
        objects
            .patch_status(name, &params, &Patch::Merge(&patch))
            .await?;
        Ok(())
    }
}
