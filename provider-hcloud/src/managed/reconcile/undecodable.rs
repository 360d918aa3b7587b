//! Stored objects that do not fit their type, for example after a downgrade.

use api::Condition;
use kube::{
    Api, Resource,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
    core::DeserializeGuard,
    runtime::controller::Action,
};
use serde_json::json;
use tracing::{error, warn};

use super::Reconciler;
use crate::managed::{annotations, conditions, events::Severity, external::Connector};

impl<C: Connector> Reconciler<C> {
    /// An object that cannot be decoded is reported and left alone; its kind goes on.
    pub(super) async fn report_undecodable(
        &self,
        object: &DeserializeGuard<C::Resource>,
        problem: &str,
    ) -> Action {
        let meta = object.meta();
        let name = meta.name.as_deref().unwrap_or_default();
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        error!(kind = %C::Resource::kind(&()), namespace, resource = name, problem, "Cannot decode an object");
        let message = format!("cannot decode the stored object: {problem}");
        let reason = "CannotInitializeManagedResource";
        let external_name = annotations::get(meta, annotations::EXTERNAL_NAME);
        self.recorder
            .record(object, Severity::Warning, reason, &message, external_name);
        if let Err(error) = self.mark_undecodable(namespace, name, &message).await {
            warn!(%error, resource = name, "Cannot report an object that cannot be decoded");
        }
        Action::await_change()
    }

    /// Sets one condition and keeps the others; a patch replaces a list as a whole.
    async fn mark_undecodable(
        &self,
        namespace: &str,
        name: &str,
        message: &str,
    ) -> Result<(), kube::Error> {
        let resource = ApiResource::erase::<C::Resource>(&());
        let objects =
            Api::<DynamicObject>::namespaced_with(self.client.clone(), namespace, &resource);
        let stored = objects.get(name).await?;
        let before: Vec<Condition> =
            serde_json::from_value(stored.data["status"]["conditions"].clone()).unwrap_or_default();
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
