//! The roots of a cluster: made once, read back from their Secret ever after.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::{API, Call, ETCD, FINGERPRINT, ROOTS, data, object_name};
use crate::claim::Problems;
use crate::claim::validate::Problem;
use crate::composite::Cluster;
use crate::pki::{ClusterRoots, DataError};
use crate::structpb::View;

/// The roots of a cluster and their Secret.
pub(super) struct Roots {
    pub(super) roots: ClusterRoots,
    /// The data of the Secret, byte for byte.
    pub(super) written: BTreeMap<String, String>,
    /// Whether the Secret exists. Until then nothing may be made from the roots: another
    /// call may have made others.
    pub(super) observed: bool,
}

impl Roots {
    /// The roots in the Secret, or new ones when the cluster never had any.
    ///
    /// # Errors
    ///
    /// When the Secret is damaged, is not the one that the cluster was made with, or is
    /// gone while something exists that was made from it.
    pub(super) fn of(cluster: &Cluster, call: &Call<'_>) -> Result<Self, Problems> {
        let secret = Named {
            name: object_name(cluster, &[ROOTS]),
            namespace: &cluster.identity.namespace,
        };
        let recorded = recorded(call);
        let Some(object) = call.observed.get(ROOTS) else {
            let record = || Some(format!("{} records them", recorded.first()?.place));
            let trace = made_from_roots(call).or_else(record);
            return match trace {
                Some(trace) => Err(secret.lost(&trace).into()),
                None => Self::generate(cluster, call),
            };
        };
        let written = data::written(object);
        let roots = read(&written).map_err(|error| secret.damaged(&error))?;
        let fingerprint = roots.fingerprint();
        if let Some(other) = recorded.iter().find(|it| it.fingerprint != fingerprint) {
            return Err(secret.replaced(&fingerprint, other).into());
        }
        Ok(Self {
            roots,
            written,
            observed: true,
        })
    }

    fn generate(cluster: &Cluster, call: &Call<'_>) -> Result<Self, Problems> {
        let environment = call.environment;
        let name = &cluster.identity.name;
        let roots = ClusterRoots::generate(name, &environment.entropy, environment.now)
            .map_err(|error| Problem::new("metadata.name", error))?;
        let data = roots.to_data().into_iter();
        let written = data.map(|(key, value)| (key, BASE64_STANDARD.encode(value)));
        Ok(Self {
            roots,
            written: written.collect(),
            observed: false,
        })
    }
}

fn read(written: &BTreeMap<String, String>) -> Result<ClusterRoots, DataError> {
    let mut decoded = BTreeMap::new();
    for (key, value) in written {
        let key = key.clone();
        match data::bytes(value) {
            Some(bytes) => decoded.insert(key, bytes),
            None => return Err(DataError::NotText { key }),
        };
    }
    ClusterRoots::from_data(&decoded)
}

/// A place outside of the Secret that records which roots the cluster was made with.
struct Record<'a> {
    place: &'static str,
    fingerprint: &'a str,
}

fn recorded<'a>(call: &Call<'a>) -> Vec<Record<'a>> {
    let etcd = call.observed.get(ETCD);
    let etcd = etcd.and_then(|object| object.text(&["data", FINGERPRINT]));
    let status = call.composite.text(&["status", "caFingerprint"]);
    let records = [
        ("the ConfigMap of etcd", etcd),
        ("status.caFingerprint", status),
    ];
    records
        .into_iter()
        .filter_map(|(place, fingerprint)| {
            let fingerprint = fingerprint?;
            Some(Record { place, fingerprint })
        })
        .collect()
}

/// That an object exists which could not without the roots: everything but the load
/// balancer.
fn made_from_roots(call: &Call<'_>) -> Option<String> {
    let mut objects = call.observed.with_prefix("");
    let (_, object) = objects.find(|(key, _)| ![API, ROOTS].contains(key))?;
    let text = |object: View<'_>, path: &[&str]| object.text(path).unwrap_or("?").to_owned();
    let (kind, name) = (text(object, &["kind"]), text(object, &["metadata", "name"]));
    Some(format!("{kind} {name} was made from them"))
}

struct Named<'a> {
    name: String,
    namespace: &'a str,
}

impl Named<'_> {
    fn problem(&self, message: &str) -> Problem {
        Problem::new(format!("Secret {}", self.name), message)
    }

    fn lost(&self, trace: &str) -> Problem {
        let Self { name, namespace } = self;
        self.problem(&format!(
            "the certificate authorities and tokens of the cluster are gone, and {trace}: nothing is changed and no others are made; restore the Secret from a backup, with its annotations: kubectl -n {namespace} apply -f {name}.yaml"
        ))
    }

    fn damaged(&self, error: &DataError) -> Problem {
        let Self { name, namespace } = self;
        self.problem(&format!(
            "{error}: nothing is changed; restore the Secret from a backup, with its annotations: kubectl -n {namespace} replace --force -f {name}.yaml"
        ))
    }

    fn replaced(&self, fingerprint: &str, record: &Record<'_>) -> Problem {
        let Self { name, namespace } = self;
        self.problem(&format!(
            "the cluster was not made from these certificate authorities and tokens: their fingerprint is {fingerprint}, and {} has {}; restore the Secret from a backup, with its annotations: kubectl -n {namespace} replace --force -f {name}.yaml",
            record.place, record.fingerprint
        ))
    }
}
