//! A cluster that others made: there is nothing to do but to say how it is reached.

use super::{Call, data};
use crate::claim::cluster::{Distribution, KubeconfigSecret};
use crate::claim::validate::Problem;
use crate::claim::{ClusterSpec, ClusterStatus, Problems};
use crate::composite::Cluster;
use crate::composition::{Composition, Condition, Status};
use crate::structpb::View;

/// Key of the Secret with the kubeconfig among what is required.
const KUBECONFIG: &str = "kubeconfig";

/// The Secret that Crossplane has to look up, by its key among what is required. A
/// cluster with servers makes its own.
pub(super) fn requirement(cluster: &Cluster) -> Option<(&'static str, &str)> {
    let cluster = &cluster.spec.cluster;
    let secret = cluster.kubeconfig_secret_ref.as_ref()?;
    (cluster.distribution == Distribution::External).then_some((KUBECONFIG, &secret.name))
}

/// Tells how the cluster is reached.
///
/// # Errors
///
/// When nothing says how, or the Secret that does is not there.
pub(super) fn compose(spec: &ClusterSpec, call: &Call<'_>) -> Result<Composition, Problems> {
    let cluster = &spec.cluster;
    let kubeconfig = cluster.kubeconfig_secret_ref.as_ref();
    if kubeconfig.is_none() && !cluster.management {
        return Err(Problem::new(
            "spec.cluster.kubeconfigSecretRef",
            "an external cluster is reached by the kubeconfig in a Secret: name the Secret, or set management to true for the cluster that Crossplane runs in",
        )
        .into());
    }
    if let Some(kubeconfig) = kubeconfig {
        check(kubeconfig, call)?;
    }
    Ok(Composition {
        desired: Vec::new(),
        status: Status::Cluster(ClusterStatus {
            kubeconfig_secret: kubeconfig.map(|secret| secret.name.clone()),
            version: cluster.version.clone(),
            ..ClusterStatus::default()
        }),
        conditions: vec![
            Condition::yes(Condition::VALID, "Accepted"),
            Condition::yes(Condition::INFRASTRUCTURE_READY, "Available"),
        ],
    })
}

/// Checks that the Secret has a kubeconfig, once Crossplane has looked it up.
fn check(kubeconfig: &KubeconfigSecret, call: &Call<'_>) -> Result<(), Problem> {
    let Some(found) = call.required.get(KUBECONFIG) else {
        return Ok(());
    };
    let KubeconfigSecret { key, name } = kubeconfig;
    let problem = |field: &str, what: &str| {
        Problem::new(
            format!("spec.cluster.kubeconfigSecretRef.{field}"),
            format_args!(
                "Secret {name} {what}: create it in this namespace with the kubeconfig in the key {key}"
            ),
        )
    };
    let Some(secret) = found.items.first() else {
        return Err(problem("name", "does not exist"));
    };
    match data::text(View::new(&secret.resource), key) {
        Some(text) if !text.expose().trim().is_empty() => Ok(()),
        _ => Err(problem("key", &format!("has no text in the key {key}"))),
    }
}
