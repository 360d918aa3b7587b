//! Who may write snapshots of etcd into a bucket: a Secret that others made.

use super::{Call, data};
use crate::claim::k3s::S3;
use crate::claim::validate::Problem;
use crate::claim::{ClusterSpec, Problems};
use crate::composite::Cluster;
use crate::pki::Secret;
use crate::structpb::View;

/// Key of the Secret among what is required.
const CREDENTIALS: &str = "etcd-snapshots-s3";

const ACCESS_KEY: &str = "accessKey";
const SECRET_KEY: &str = "secretKey";

/// The Secret that Crossplane has to look up, by its key among what is required.
pub(super) fn requirement(cluster: &Cluster) -> Option<(&'static str, &str)> {
    let store = store(&cluster.spec)?;
    Some((CREDENTIALS, &store.credentials_secret_ref.name))
}

/// The object store of a cluster, when its snapshots go to one.
pub(super) fn store(spec: &ClusterSpec) -> Option<&S3> {
    spec.cluster.k3s.etcd_snapshots.as_ref()?.s3.as_ref()
}

/// Credentials of a bucket.
pub(super) struct Credentials {
    pub(super) access_key: Secret,
    pub(super) secret_key: Secret,
}

/// The credentials that the spec names; `None` as long as Crossplane has not looked them
/// up.
///
/// # Errors
///
/// When the Secret does not exist, or lacks a key.
pub(super) fn credentials(
    spec: &ClusterSpec,
    call: &Call<'_>,
) -> Result<Option<Credentials>, Problems> {
    let (Some(store), Some(found)) = (store(spec), call.required.get(CREDENTIALS)) else {
        return Ok(None);
    };
    let name = &store.credentials_secret_ref.name;
    let problem = |what: &str| {
        Problem::new(
            "spec.cluster.k3s.etcdSnapshots.s3.credentialsSecretRef.name",
            format_args!(
                "Secret {name} {what}: create it in this namespace with the keys {ACCESS_KEY} and {SECRET_KEY}"
            ),
        )
    };
    let secret = found
        .items
        .first()
        .ok_or_else(|| problem("does not exist"))?;
    let text = |key: &str| {
        data::text(View::new(&secret.resource), key)
            .ok_or_else(|| problem(&format!("has no text in the key {key}")))
    };
    Ok(Some(Credentials {
        access_key: text(ACCESS_KEY)?,
        secret_key: text(SECRET_KEY)?,
    }))
}
