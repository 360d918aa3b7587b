//! One call of the function, as Crossplane makes it, and what Crossplane makes of the
//! answer.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use crossplane_proto::v1;
use crossplane_proto::v1::resource_selector::Match;
use serde_json::{Value, json};

use super::document::{Object, kind_and_name, text};
use super::error::Error;
use crate::environment::Environment;
use crate::respond::Ttl;
use crate::run;
use crate::structpb::{decode, encode};

/// What a composite resource and the objects that it composes look like.
#[derive(PartialEq, Eq)]
pub(super) struct Situation {
    /// The composite resource with its status.
    pub(super) composite: Bytes,
    /// What exists, by key.
    pub(super) children: BTreeMap<String, Bytes>,
}

/// What the function wants.
pub(super) struct Answer {
    /// The objects, by key.
    pub(super) children: BTreeMap<String, Bytes>,
    /// The status of the composite resource, with the conditions that Crossplane adds.
    pub(super) status: Object,
}

/// Calls the function. `object` is the composite resource, for messages.
///
/// # Errors
///
/// When the function refuses.
pub(super) fn call(object: &Object, situation: &Situation) -> Result<Answer, Error> {
    let response = run(object, situation, BTreeMap::new())?;
    let wanted = response.requirements.unwrap_or_default().resources;
    if wanted.is_empty() {
        return Ok(answer(response.desired, &response.conditions));
    }
    let found = wanted
        .iter()
        .map(|(key, selector)| (key.clone(), look_up(object, selector)));
    let response = run(object, situation, found.collect())?;
    Ok(answer(response.desired, &response.conditions))
}

fn run(
    object: &Object,
    situation: &Situation,
    required_resources: BTreeMap<String, v1::Resources>,
) -> Result<v1::RunFunctionResponse, Error> {
    let refused = |message: String| {
        let (kind, name) = kind_and_name(object);
        Error::Refused {
            kind,
            name,
            message,
        }
    };
    let children = situation.children.iter();
    let request = v1::RunFunctionRequest {
        observed: Some(v1::State {
            composite: Some(resource(situation.composite.clone())),
            resources: children
                .map(|(key, child)| (key.clone(), resource(child.clone())))
                .collect(),
        }),
        required_resources,
        ..v1::RunFunctionRequest::default()
    };
    let environment = Environment::reproducible();
    let response = run::run(request, Ttl::default(), &environment)
        .map_err(|error| refused(error.to_string()))?;
    let mut results = response.results.iter();
    match results.find(|result| result.severity() == v1::Severity::Fatal) {
        Some(fatal) => Err(refused(fatal.message.clone())),
        None => Ok(response),
    }
}

fn resource(resource: Bytes) -> v1::Resource {
    v1::Resource {
        resource,
        ..v1::Resource::default()
    }
}

/// Keys of the Secrets that a composite resource may refer to, where it does not name
/// them itself: credentials of a bucket, and a kubeconfig.
const KEYS: [&str; 3] = ["accessKey", "secretKey", "value"];

/// An object that others made. That it exists is all that matters: what is made from its
/// values is not shown.
fn look_up(object: &Object, selector: &v1::ResourceSelector) -> v1::Resources {
    let Some(Match::MatchName(name)) = &selector.r#match else {
        return v1::Resources::default();
    };
    let named = text(object, &["spec", "cluster", "kubeconfigSecretRef", "key"]);
    let keys = KEYS
        .into_iter()
        .chain(Some(named).filter(|key| !key.is_empty()));
    let value = BASE64_STANDARD.encode("made up");
    let data: BTreeMap<_, _> = keys.map(|key| (key, &value)).collect();
    let object = json!({
        "apiVersion": selector.api_version,
        "kind": selector.kind,
        "metadata": {"name": name, "namespace": selector.namespace},
        "data": data,
    });
    v1::Resources {
        items: vec![resource(encode(&object).into())],
    }
}

fn answer(desired: Option<v1::State>, conditions: &[v1::Condition]) -> Answer {
    let desired = desired.unwrap_or_default();
    let composite = desired.composite.unwrap_or_default();
    let mut children = desired.resources.values();
    let ready = composite.ready() != v1::Ready::False
        && children.all(|child| child.ready() == v1::Ready::True);
    let status = decode(&composite.resource).ok();
    let mut status = match status.and_then(|mut object| object.remove("status")) {
        Some(Value::Object(status)) => status,
        _ => Object::new(),
    };
    let mut all: Vec<_> = conditions.iter().map(condition).collect();
    all.extend(crossplane(ready));
    status.insert("conditions".to_owned(), Value::Array(all));
    Answer {
        children: desired
            .resources
            .into_iter()
            .map(|(key, child)| (key, child.resource))
            .collect(),
        status,
    }
}

fn condition(condition: &v1::Condition) -> Value {
    let holds = match condition.status() {
        v1::Status::ConditionTrue => "True",
        v1::Status::ConditionFalse => "False",
        _ => "Unknown",
    };
    let mut written = json!({
        "type": condition.r#type,
        "status": holds,
        "reason": condition.reason,
    });
    if let Some(message) = &condition.message {
        written["message"] = json!(message);
    }
    written
}

/// The conditions of every object that Crossplane or a provider looks after.
pub(super) fn crossplane(ready: bool) -> [Value; 2] {
    let (holds, reason) = if ready {
        ("True", "Available")
    } else {
        ("False", "Creating")
    };
    [
        json!({"type": "Ready", "status": holds, "reason": reason}),
        json!({"type": "Synced", "status": "True", "reason": "ReconcileSuccess"}),
    ]
}
