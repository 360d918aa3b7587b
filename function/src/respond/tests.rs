use std::collections::BTreeMap;

use crossplane_proto::v1;
use serde_json::{Value, json};

use super::Ttl;
use crate::environment::Environment;
use crate::run::run;
use crate::structpb::{decode, encode};

fn resource(object: &Value) -> v1::Resource {
    v1::Resource {
        resource: encode(object.as_object().unwrap()).into(),
        ..v1::Resource::default()
    }
}

fn platform(spec: &Value, status: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "compose.openova.io/v1alpha1",
        "kind": "XPlatform",
        "metadata": {"name": "demo-x7k2p", "generation": 1, "managedFields": []},
        "spec": spec,
        "status": status,
    });
    object["spec"]["claimRef"] = json!({"namespace": "team", "name": "demo", "kind": "Platform"});
    object["spec"]["resourceRefs"] = json!([]);
    object
}

fn call(composite: &Value, observed: BTreeMap<String, v1::Resource>) -> v1::RunFunctionResponse {
    let request = v1::RunFunctionRequest {
        meta: Some(v1::RequestMeta {
            tag: "the tag".to_owned(),
            ..v1::RequestMeta::default()
        }),
        observed: Some(v1::State {
            composite: Some(resource(composite)),
            resources: observed,
        }),
        desired: Some(v1::State {
            composite: None,
            resources: [(
                "of-an-earlier-step".to_owned(),
                resource(&json!({"kind": "Other"})),
            )]
            .into(),
        }),
        context: Some(b"\x0a\x00".as_slice().into()),
        ..v1::RunFunctionRequest::default()
    };
    run(request, Ttl::default(), &Environment::reproducible()).unwrap()
}

fn keys(response: &v1::RunFunctionResponse) -> Vec<&str> {
    response
        .desired
        .as_ref()
        .unwrap()
        .resources
        .keys()
        .map(String::as_str)
        .collect()
}

fn seconds(response: &v1::RunFunctionResponse) -> i64 {
    response.meta.as_ref().unwrap().ttl.unwrap().seconds
}

const TWO_REGIONS: &str = r#"{"regions": [
    {"name": "a", "location": "fsn1"},
    {"name": "b", "location": "nbg1"}
]}"#;

fn two_regions() -> Value {
    platform(&serde_json::from_str(TWO_REGIONS).unwrap(), &json!({}))
}

#[test]
fn tag_context_and_the_desired_state_of_earlier_steps_are_passed_on() {
    let response = call(&two_regions(), BTreeMap::new());
    assert_eq!(response.meta.as_ref().unwrap().tag, "the tag");
    assert_eq!(response.context.as_deref(), Some(b"\x0a\x00".as_slice()));
    assert!(keys(&response).contains(&"of-an-earlier-step"));
    assert_eq!(
        response.requirements, None,
        "an empty message costs a second call"
    );
}

#[test]
fn the_first_response_carries_one_object_of_each_kind_and_is_not_ready() {
    let response = call(&two_regions(), BTreeMap::new());
    assert_eq!(
        keys(&response),
        ["of-an-earlier-step", "protection", "region-a"]
    );
    let composite = response
        .desired
        .as_ref()
        .unwrap()
        .composite
        .as_ref()
        .unwrap();
    assert_eq!(composite.ready(), v1::Ready::False);
    assert_eq!(seconds(&response), 5);

    let observed = response.desired.unwrap().resources;
    let response = call(&two_regions(), observed);
    assert_eq!(
        keys(&response),
        ["of-an-earlier-step", "protection", "region-a", "region-b"]
    );
    let composite = response
        .desired
        .as_ref()
        .unwrap()
        .composite
        .as_ref()
        .unwrap();
    assert_eq!(composite.ready(), v1::Ready::False);
}

#[test]
fn a_settled_composite_is_called_again_late() {
    let mut observed = call(&two_regions(), BTreeMap::new())
        .desired
        .unwrap()
        .resources;
    observed.extend(
        call(&two_regions(), observed.clone())
            .desired
            .unwrap()
            .resources,
    );
    for resource in observed.values_mut() {
        let mut object = decode(&resource.resource).unwrap();
        object.insert(
            "status".to_owned(),
            json!({"conditions": [{"type": "Ready", "status": "True", "reason": "Available"}]}),
        );
        resource.resource = encode(&object).into();
    }
    let response = call(&two_regions(), observed);
    assert_eq!(seconds(&response), 60);
    let ready: Vec<_> = response
        .desired
        .as_ref()
        .unwrap()
        .resources
        .values()
        .filter(|resource| resource.ready() == v1::Ready::True)
        .collect();
    assert_eq!(ready.len(), 3);
    let composite = response.desired.as_ref().unwrap().composite.as_ref();
    let composite = composite.unwrap();
    assert_eq!(composite.ready(), v1::Ready::Unspecified, "core knows");
    let status = Value::Object(decode(&composite.resource).unwrap());
    assert_eq!(status["status"]["regions"][1]["ready"], true);
    assert_eq!(
        status.get("metadata"),
        None,
        "echoing metadata risks an API error"
    );
    assert_eq!(status.get("spec"), None);
    for condition in &response.conditions {
        assert_eq!(
            condition.status(),
            v1::Status::ConditionTrue,
            "{condition:?}"
        );
    }
}

#[test]
fn a_refusal_leaves_everything_and_tells_the_claim_once() {
    let spec = json!({"regions": [
        {"name": "a", "location": "fsn1", "network": {"cidr": "10.0.0.0/16"}},
        {"name": "b", "location": "nbg1", "network": {"cidr": "10.0.0.0/16"}},
    ]});
    let response = call(&platform(&spec, &json!({})), BTreeMap::new());
    let severities: Vec<_> = response
        .results
        .iter()
        .map(|result| result.severity())
        .collect();
    assert_eq!(severities, [v1::Severity::Warning, v1::Severity::Fatal]);
    assert_eq!(response.results[0].target(), v1::Target::CompositeAndClaim);
    let valid = &response.conditions[0];
    assert_eq!(
        (valid.r#type.as_str(), valid.status(), valid.reason.as_str()),
        ("Valid", v1::Status::ConditionFalse, "InvalidSpec")
    );
    let message = valid.message.clone().unwrap();
    for path in [
        "spec.regions[0].network.cidr",
        "spec.regions[1].network.cidr",
    ] {
        assert!(message.contains(path), "{message}");
    }

    let told = json!({"conditions": [
        {"type": "Valid", "status": "False", "reason": "InvalidSpec", "message": message},
        {"type": "InfrastructureReady", "status": "True", "reason": "Available"},
    ]});
    let response = call(&platform(&spec, &told), BTreeMap::new());
    let severities: Vec<_> = response
        .results
        .iter()
        .map(|result| result.severity())
        .collect();
    assert_eq!(
        severities,
        [v1::Severity::Fatal],
        "the event is not repeated"
    );
    assert_eq!(response.conditions.len(), 2, "what was known is kept");
    assert_eq!(keys(&response), ["of-an-earlier-step"]);
}

#[test]
fn a_platform_without_a_claim_or_a_namespace_is_refused() {
    let mut composite = two_regions();
    composite["spec"]
        .as_object_mut()
        .unwrap()
        .remove("claimRef");
    let response = call(&composite, BTreeMap::new());
    assert!(response.results[0].message.starts_with("spec.claimRef: "));

    composite["metadata"]["namespace"] = json!("team");
    let response = call(&composite, BTreeMap::new());
    assert_eq!(response.results, []);
    let usage = &response.desired.unwrap().resources["protection"].resource;
    assert_eq!(decode(usage).unwrap()["spec"]["of"]["kind"], "XPlatform");
}

#[test]
fn a_kind_that_is_not_ours_is_refused() {
    let mut composite = two_regions();
    composite["kind"] = json!("XOther");
    let response = call(&composite, BTreeMap::new());
    assert_eq!(
        response.results.last().unwrap().severity(),
        v1::Severity::Fatal
    );
    assert!(response.results[0].message.contains("\"XOther\""));
}

#[test]
fn a_long_message_keeps_its_beginning_and_its_end() {
    let long = format!("begin {} end", "x".repeat(2000));
    let short = super::shortened(&long);
    assert!(short.len() <= super::MESSAGE);
    assert!(
        short.starts_with("begin ") && short.ends_with(" end"),
        "{short}"
    );
    assert_eq!(super::shortened("short"), "short");
}
