//! A Deployment's pods and its status.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Error, Result};
use futures::StreamExt;
use futures::future::{join_all, pending};
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;

use super::Shared;
use super::pod::{Pod, Readiness};
use crate::apply::FIELD_MANAGER;

/// The pause after something failed that may succeed later, such as pulling an image or writing the status.
const RETRY: Duration = Duration::from_secs(1);

/// Serves one Deployment until the task is ended. The pods are left in `shared`.
pub(super) async fn run(
    shared: Arc<Shared>,
    name: String,
    mut changes: watch::Receiver<Deployment>,
) {
    let mut worker = Worker {
        shared,
        name,
        template: None,
        started: 0,
        reported: None,
    };
    loop {
        let deployment = changes.borrow_and_update().clone();
        let failure = worker.converge(&deployment).await.err();
        let readiness = worker.readiness();
        let reported = worker
            .report(&deployment, &readiness, failure.as_ref())
            .await;
        if let Err(error) = &reported {
            tracing::debug!(
                deployment = worker.name,
                error = format!("{error:#}"),
                "Could not report a status"
            );
        }
        let retry = failure.is_some() || reported.is_err();
        let pods = worker.pods();
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = changed(&pods, &readiness) => {}
            () = sleep(RETRY), if retry => {}
        }
    }
}

/// Returns when the readiness of one of `pods` is no longer what was `seen`.
async fn changed(pods: &[Arc<Pod>], seen: &[Readiness]) {
    let mut changes: FuturesUnordered<_> = pods
        .iter()
        .zip(seen)
        .map(|(pod, seen)| async move {
            // An error means that the pod ended for good, which is this task's own doing.
            let _ = pod.readiness().wait_for(|now| now != seen).await;
        })
        .collect();
    if changes.next().await.is_none() {
        pending().await
    }
}

struct Worker {
    shared: Arc<Shared>,
    name: String,
    /// What the running pods were made of.
    template: Option<PodTemplateSpec>,
    /// Counts pods, for their names.
    started: u32,
    /// The status that was written last, without times.
    reported: Option<Reported>,
}

#[derive(Clone, Debug, PartialEq)]
struct Reported {
    generation: Option<i64>,
    wanted: usize,
    ready: usize,
    available: bool,
    message: String,
}

impl Worker {
    fn pods(&self) -> Vec<Arc<Pod>> {
        self.shared
            .pods()
            .get(&self.name)
            .cloned()
            .unwrap_or_default()
    }

    fn readiness(&self) -> Vec<Readiness> {
        self.pods()
            .iter()
            .map(|pod| pod.readiness().borrow().clone())
            .collect()
    }

    /// Makes the pods what the Deployment says. A changed template ends the old ones before new ones start.
    async fn converge(&mut self, deployment: &Deployment) -> Result<()> {
        let Some(spec) = &deployment.spec else {
            return Ok(());
        };
        let wanted = wanted(deployment);
        let keep = if self.template.as_ref() == Some(&spec.template) {
            wanted
        } else {
            0
        };
        let surplus: Vec<Arc<Pod>> = {
            let mut pods = self.shared.pods();
            let pods = pods.entry(self.name.clone()).or_default();
            pods.drain(keep.min(pods.len())..).collect()
        };
        join_all(surplus.iter().map(|pod| pod.stop())).await;
        self.template = Some(spec.template.clone());
        while self.pods().len() < wanted {
            let name = format!("{}-{}", self.name, self.started + 1);
            let pod = Pod::start(
                &self.shared.node,
                &self.shared.namespace,
                &name,
                &spec.template,
            )
            .await?;
            tracing::debug!(pod = pod.name(), address = %pod.address(), "Started a pod");
            self.started += 1;
            self.shared
                .pods()
                .entry(self.name.clone())
                .or_default()
                .push(Arc::new(pod));
        }
        Ok(())
    }

    /// Writes the status when its meaning changed.
    async fn report(
        &mut self,
        deployment: &Deployment,
        pods: &[Readiness],
        failure: Option<&Error>,
    ) -> Result<()> {
        let wanted = wanted(deployment);
        let ready = pods.iter().filter(|pod| **pod == Readiness::Ready).count();
        let reason = pods.iter().find_map(|pod| match pod {
            Readiness::Ready => None,
            Readiness::NotReady(reason) => Some(reason.clone()),
        });
        let available = ready >= wanted;
        let reported = Reported {
            generation: deployment.metadata.generation,
            wanted,
            ready,
            available,
            message: match failure {
                Some(failure) => format!("{failure:#}"),
                None if available => "Deployment has minimum availability.".to_owned(),
                None => reason.unwrap_or_else(|| "no pod".to_owned()),
            },
        };
        if self.reported.as_ref() == Some(&reported) {
            return Ok(());
        }
        let same = self
            .reported
            .as_ref()
            .is_some_and(|last| last.available == reported.available);
        let previous = deployment
            .status
            .as_ref()
            .and_then(|status| status.conditions.as_ref()?.first());
        let since = previous
            .filter(|_| same)
            .and_then(|condition| condition.last_transition_time.clone());
        let status = status(&reported, since, pods.len())?;
        let api: Api<Deployment> =
            Api::namespaced(self.shared.node.client.clone(), &self.shared.namespace);
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        api.patch_status(
            &self.name,
            &params,
            &Patch::Merge(json!({ "status": status })),
        )
        .await
        .with_context(|| format!("write the status of Deployment {}", self.name))?;
        self.reported = Some(reported);
        Ok(())
    }
}

fn wanted(deployment: &Deployment) -> usize {
    let replicas = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1);
    usize::try_from(replicas).unwrap_or_default()
}

fn status(reported: &Reported, since: Option<Time>, pods: usize) -> Result<DeploymentStatus> {
    let count = |count: usize| i32::try_from(count).context("count pods");
    let (ready, pods) = (count(reported.ready)?, count(pods)?);
    Ok(DeploymentStatus {
        observed_generation: reported.generation,
        replicas: Some(pods),
        updated_replicas: Some(pods),
        ready_replicas: Some(ready),
        available_replicas: Some(ready),
        unavailable_replicas: Some(count(reported.wanted)? - ready),
        conditions: Some(vec![DeploymentCondition {
            type_: "Available".to_owned(),
            status: if reported.available { "True" } else { "False" }.to_owned(),
            reason: Some(
                if reported.available {
                    "MinimumReplicasAvailable"
                } else {
                    "MinimumReplicasUnavailable"
                }
                .to_owned(),
            ),
            message: Some(reported.message.clone()),
            last_transition_time: Some(since.unwrap_or_else(now)),
            last_update_time: Some(now()),
        }]),
        ..DeploymentStatus::default()
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the times in a status are for people; nothing is decided by them"
)]
fn now() -> Time {
    Time(Timestamp::now())
}
