//! Secrets and ConfigMaps: how they are written, and how they are read back.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::Serialize;

use crate::composite::Cluster;
use crate::composition::{Metadata, borrowed};
use crate::pki::Secret;
use crate::structpb::view::ValueView;
use crate::structpb::{View, encode};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    api_version: &'static str,
    data: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    immutable: bool,
    kind: &'static str,
    metadata: Metadata<'a>,
}

/// A Secret. Its data are base64, as in Kubernetes.
pub(super) fn secret(cluster: &Cluster, name: &str, data: &BTreeMap<String, String>) -> Bytes {
    object(cluster, "Secret", name, data, false)
}

/// A Secret whose data nobody can change.
pub(super) fn immutable_secret(
    cluster: &Cluster,
    name: &str,
    data: &BTreeMap<String, String>,
) -> Bytes {
    object(cluster, "Secret", name, data, true)
}

/// A ConfigMap.
pub(super) fn config_map(cluster: &Cluster, name: &str, data: &BTreeMap<String, String>) -> Bytes {
    object(cluster, "ConfigMap", name, data, false)
}

fn object(
    cluster: &Cluster,
    kind: &'static str,
    name: &str,
    data: &BTreeMap<String, String>,
    immutable: bool,
) -> Bytes {
    let object = Object {
        api_version: "v1",
        data,
        immutable,
        kind,
        metadata: Metadata {
            labels: borrowed(&cluster.labels),
            name,
            namespace: &cluster.identity.namespace,
            ..Metadata::default()
        },
    };
    encode(&object).into()
}

/// The data of a Secret with one key.
pub(super) fn one(key: &str, text: &Secret) -> BTreeMap<String, String> {
    [(key.to_owned(), BASE64_STANDARD.encode(text.expose()))].into()
}

/// The data of a Secret, as they are written there.
pub(super) fn written(object: View<'_>) -> BTreeMap<String, String> {
    let data = object.get("data").and_then(ValueView::object);
    let fields = data.into_iter().flat_map(View::fields);
    fields
        .filter_map(|field| {
            let (key, value) = field.ok()?;
            Some((key.to_owned(), value.text()?.to_owned()))
        })
        .collect()
}

/// A value of a Secret as bytes, when it is base64.
pub(super) fn bytes(value: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(value).ok()
}

/// The text of a key of a Secret.
pub(super) fn text(object: View<'_>, key: &str) -> Option<Secret> {
    let bytes = bytes(object.text(&["data", key])?)?;
    String::from_utf8(bytes).ok().map(Secret::new)
}
