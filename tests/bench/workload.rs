//! Requests as Crossplane sends them for a platform that is complete: every region exists, is ready and carries what an
//! API server adds to an object.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use crossplane_proto::v1;
use function_xplatform::environment::Environment;
use function_xplatform::respond::Ttl;
use function_xplatform::run;
use function_xplatform::structpb;
use prost::Message;
use serde_json::{Map, Value, json};

/// A request and its answer, encoded.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    /// The regions of the platform, and so its composed resources besides the Usage.
    pub(crate) regions: usize,
    /// The request.
    pub(crate) request: Bytes,
    /// The answer of this build.
    pub(crate) response: Bytes,
}

impl Workload {
    /// The request for a platform with this many regions.
    pub(crate) fn new(regions: usize) -> Result<Self> {
        let children = composed(regions)?;
        let composite = platform(&children)?;
        let mut observed = v1::State {
            composite: Some(resource(&composite)?),
            ..v1::State::default()
        };
        for (key, child) in &children {
            observed.resources.insert(key.clone(), resource(child)?);
        }
        let request = v1::RunFunctionRequest {
            meta: Some(v1::RequestMeta {
                tag: "c0ffee".repeat(10),
                capabilities: (1..=5).collect(),
            }),
            observed: Some(observed),
            ..v1::RunFunctionRequest::default()
        };
        let request = Bytes::from(request.encode_to_vec());
        let response = answer(request.clone())?;
        let desired = response.desired.as_ref().context("nothing is desired")?;
        ensure!(
            desired.resources.len() == regions + 1,
            "{regions} regions compose {} resources",
            desired.resources.len()
        );
        Ok(Self {
            regions,
            request,
            response: response.encode_to_vec().into(),
        })
    }
}

/// What the function answers, in process.
pub(crate) fn answer(request: Bytes) -> Result<v1::RunFunctionResponse> {
    let request = v1::RunFunctionRequest::decode(request).context("decode the request")?;
    Ok(run::run(
        request,
        Ttl::default(),
        &Environment::reproducible(),
    )?)
}

fn region(index: usize) -> String {
    format!("region{index:03}")
}

fn spec(regions: usize) -> Value {
    let locations = ["fsn1", "nbg1", "hel1", "ash", "hil", "sin"];
    let regions: Vec<_> = (0..regions)
        .map(|index| {
            json!({
                "name": region(index),
                "location": locations[index % locations.len()],
                "network": {"cidr": format!("10.{index}.0.0/16"), "isolated": true, "interRegion": "wireguard-public"},
            })
        })
        .collect();
    json!({
        "regions": regions,
        "provider": {"type": "hetzner", "configRef": {"kind": "ClusterProviderConfig", "name": "default"}},
        "operations": {"deletion": {"protect": true}},
        "claimRef": {"apiVersion": "compose.openova.io/v1alpha1", "kind": "Platform", "name": "acme", "namespace": "team-acme"},
        "compositionRef": {"name": "xplatforms.compose.openova.io"},
        "compositionRevisionRef": {"name": "xplatforms.compose.openova.io-1a2b3c4"},
        "compositionUpdatePolicy": "Automatic",
    })
}

/// The composed resources as the API server shows them once they are ready, by key.
fn composed(regions: usize) -> Result<BTreeMap<String, Value>> {
    let composite = json!({
        "apiVersion": "compose.openova.io/v1alpha1",
        "kind": "XPlatform",
        "metadata": {"name": "acme-x7k2p"},
        "spec": spec(regions),
    });
    // Everything is composed at once only when something exists.
    let existing = json!({"metadata": {"name": "acme-protection"}});
    let request = v1::RunFunctionRequest {
        observed: Some(v1::State {
            composite: Some(resource(&composite)?),
            resources: BTreeMap::from([("protection".to_owned(), resource(&existing)?)]),
        }),
        ..v1::RunFunctionRequest::default()
    };
    let response = answer(request.encode_to_vec().into())?;
    let desired = response.desired.context("nothing is desired")?;
    desired
        .resources
        .into_iter()
        .enumerate()
        .map(|(index, (key, resource))| {
            let mut object = Value::Object(structpb::decode(&resource.resource)?);
            observe(&mut object, &key, index);
            Ok((key, object))
        })
        .collect()
}

/// Adds what Crossplane, the API server and the object's own controller write.
fn observe(object: &mut Value, key: &str, index: usize) {
    let applied = fields(&json!({
        "metadata": {
            "annotations": {"crossplane.io/composition-resource-name": key},
            "generateName": "",
            "labels": object["metadata"]["labels"],
            "ownerReferences": {},
        },
        "spec": object["spec"],
    }));
    object["metadata"]["annotations"] = json!({"crossplane.io/composition-resource-name": key});
    object["metadata"]["generateName"] = json!("acme-x7k2p-");
    object["metadata"]["labels"]["crossplane.io/claim-name"] = json!("acme");
    object["metadata"]["labels"]["crossplane.io/claim-namespace"] = json!("team-acme");
    object["metadata"]["labels"]["crossplane.io/composite"] = json!("acme-x7k2p");
    object["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "compose.openova.io/v1alpha1",
        "kind": "XPlatform",
        "name": "acme-x7k2p",
        "uid": uid(usize::MAX),
        "controller": true,
        "blockOwnerDeletion": true,
    }]);
    stamp(object, index);
    let mut ready = vec!["Ready"];
    if object["kind"] == "XRegion" {
        object["metadata"]["finalizers"] = json!(["composite.apiextensions.crossplane.io"]);
        object["spec"]["crossplane"] = json!({
            "compositionRef": {"name": "xregions.compose.openova.io"},
            "compositionRevisionRef": {"name": "xregions.compose.openova.io-9f8e7d6"},
            "compositionUpdatePolicy": "Automatic",
            "resourceRefs": [{"apiVersion": "hcloud.openova.io/v1alpha1", "kind": "Network", "name": object["metadata"]["name"]}],
        });
        object["status"] = json!({"network": {
            "cidr": object["spec"]["network"]["cidr"],
            "id": (4_711_000 + index).to_string(),
        }});
        ready = vec![
            "Synced",
            "Ready",
            "Valid",
            "InfrastructureReady",
            "Responsive",
        ];
    }
    object["status"]["conditions"] = conditions(&ready);
    manage(object, &applied);
}

fn platform(children: &BTreeMap<String, Value>) -> Result<Value> {
    let regions = children.len() - 1;
    let mut composite = json!({
        "apiVersion": "compose.openova.io/v1alpha1",
        "kind": "XPlatform",
        "metadata": {
            "name": "acme-x7k2p",
            "generateName": "acme-",
            "labels": {
                "crossplane.io/claim-name": "acme",
                "crossplane.io/claim-namespace": "team-acme",
                "crossplane.io/composite": "acme-x7k2p",
            },
            "finalizers": ["composite.apiextensions.crossplane.io"],
        },
        "spec": spec(regions),
    });
    let applied = fields(&json!({"metadata": composite["metadata"], "spec": composite["spec"]}));
    stamp(&mut composite, usize::MAX);
    let references: Vec<_> = children
        .values()
        .map(|child| json!({"apiVersion": child["apiVersion"], "kind": child["kind"], "name": child["metadata"]["name"]}))
        .collect();
    composite["spec"]["resourceRefs"] = json!(references);
    let rows: Vec<_> = children
        .values()
        .filter(|child| child["kind"] == "XRegion")
        .map(|child| {
            json!({
                "name": child["metadata"]["labels"]["compose.openova.io/region"],
                "location": child["spec"]["location"],
                "ready": true,
                "reason": "Available",
                "network": child["status"]["network"],
            })
        })
        .collect();
    composite["status"] = json!({
        "regions": rows,
        "conditions": conditions(&["Synced", "Ready", "Valid", "InfrastructureReady", "ChangesApplied"]),
    });
    manage(&mut composite, &applied);
    Ok(composite)
}

fn uid(index: usize) -> String {
    format!("6f1b2c3d-4e5f-4a6b-8c7d-{:012x}", index & 0xffff_ffff)
}

fn stamp(object: &mut Value, index: usize) {
    object["metadata"]["uid"] = json!(uid(index));
    object["metadata"]["resourceVersion"] = json!("184467");
    object["metadata"]["generation"] = json!(4);
    object["metadata"]["creationTimestamp"] = json!("2026-11-20T08:15:30Z");
}

fn conditions(kinds: &[&str]) -> Value {
    let condition = |kind: &&str| {
        json!({
            "type": kind,
            "status": "True",
            "reason": if *kind == "Synced" { "ReconcileSuccess" } else { "Available" },
            "lastTransitionTime": "2026-11-20T08:15:42Z",
            "observedGeneration": 4,
        })
    };
    kinds.iter().map(condition).collect()
}

/// The record of who wrote which field: the composite's controller, and the object's own.
fn manage(object: &mut Value, applied: &Value) {
    let entry = |manager: &str, operation: &str, fields: &Value| {
        json!({
            "manager": manager,
            "operation": operation,
            "apiVersion": object["apiVersion"],
            "time": "2026-11-20T08:15:42Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        })
    };
    let mut status = entry(
        "crossplane",
        "Update",
        &fields(&json!({"status": object["status"]})),
    );
    status["subresource"] = json!("status");
    let entries = json!([
        entry(
            "apiextensions.crossplane.io/composed/6f1b2c3d4e5f",
            "Apply",
            applied
        ),
        entry(
            "crossplane",
            "Update",
            &fields(
                &json!({"metadata": {"finalizers": {}}, "spec": {"crossplane": object["spec"]["crossplane"]}})
            )
        ),
        status,
    ]);
    object["metadata"]["managedFields"] = entries;
}

/// A set of fields in the notation of server-side apply.
fn fields(value: &Value) -> Value {
    match value {
        Value::Object(object) => object
            .iter()
            .map(|(name, value)| (format!("f:{name}"), fields(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items
            .iter()
            .filter_map(|item| {
                let key = item.get("type").or_else(|| item.get("name"))?;
                Some((format!("k:{{\"type\":{key}}}"), fields(item)))
            })
            .collect::<Map<_, _>>()
            .into(),
        _ => json!({}),
    }
}

fn resource(object: &Value) -> Result<v1::Resource> {
    let object = object.as_object().context("a resource is an object")?;
    Ok(v1::Resource {
        resource: structpb::encode(object).into(),
        ..v1::Resource::default()
    })
}
