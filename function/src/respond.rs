//! The response: what was composed, in the form that Crossplane expects.
//!
//! Every response carries all conditions of ours (core sets those that are missing
//! to Unknown), the whole status, the tag of its request and a TTL, and passes on
//! what earlier steps of the pipeline desired. Requirements are for the caller to add
//! where there are any: an empty message would cost a second call.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use crossplane_proto::v1;
use serde::Serialize;

use crate::composite;
use crate::composition::{Composition, Condition, Desired, Holds, Status};
use crate::observed::{Conditions, Observed};
use crate::structpb::{View, encode};

/// How long a response stays valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttl {
    /// While something is not ready or not yet composed.
    pub unsettled: Duration,
    /// When everything is as it should be. Crossplane calls earlier when something
    /// that it watches changes.
    pub settled: Duration,
}

impl Default for Ttl {
    fn default() -> Self {
        Self {
            unsettled: Duration::from_secs(5),
            settled: Duration::from_secs(60),
        }
    }
}

/// Longest message of a condition or an event.
const MESSAGE: usize = 1024;

/// What of a request goes into its response.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) tag: String,
    pub(crate) desired: v1::State,
    pub(crate) context: Option<Bytes>,
    pub(crate) ttl: Ttl,
}

impl Call {
    /// The response that composes.
    pub(crate) fn compose(
        self,
        composite: View<'_>,
        composition: Composition,
        observed: &Observed,
    ) -> v1::RunFunctionResponse {
        let Composition {
            desired,
            status,
            conditions,
        } = composition;
        let planned = desired.len();
        let desired = introduce(desired, observed);
        let complete = desired.len() == planned;
        let settled = complete && desired.iter().all(|resource| resource.ready);

        let mut state = self.desired;
        state.composite = Some(v1::Resource {
            resource: composite_with_status(composite, &status).into(),
            // What is still withheld must keep the composite from being ready. And core
            // would list what is not ready in the condition: each of its changes counts
            // for the circuit breaker of the composite above.
            ready: if settled {
                v1::Ready::Unspecified.into()
            } else {
                v1::Ready::False.into()
            },
            ..v1::Resource::default()
        });
        for resource in desired {
            state.resources.insert(
                resource.key,
                v1::Resource {
                    resource: resource.object,
                    ready: if resource.ready {
                        v1::Ready::True.into()
                    } else {
                        v1::Ready::False.into()
                    },
                    ..v1::Resource::default()
                },
            );
        }
        v1::RunFunctionResponse {
            meta: meta(
                self.tag,
                if settled {
                    self.ttl.settled
                } else {
                    self.ttl.unsettled
                },
            ),
            desired: Some(state),
            context: self.context,
            conditions: conditions.into_iter().map(condition).collect(),
            ..v1::RunFunctionResponse::default()
        }
    }

    /// The response that refuses: everything stays as it is, and people are told why.
    pub(crate) fn refuse(
        self,
        composite: View<'_>,
        error: &composite::Error,
    ) -> v1::RunFunctionResponse {
        let message = shortened(&error.to_string());
        let known = Conditions::read(composite);
        let told = known
            .get(Condition::VALID)
            .is_some_and(|valid| valid.status() == "False" && valid.message() == message);
        let mut results = Vec::with_capacity(2);
        if !told {
            // A Fatal makes no event on the claim.
            results.push(result(v1::Severity::Warning, &message));
        }
        results.push(result(v1::Severity::Fatal, &message));

        let mut conditions = vec![Condition::no(Condition::VALID, INVALID_SPEC, message)];
        conditions.extend(
            [Condition::INFRASTRUCTURE_READY, Condition::CHANGES_APPLIED]
                .into_iter()
                .filter_map(|kind| as_it_was(&known, kind)),
        );
        v1::RunFunctionResponse {
            meta: meta(self.tag, self.ttl.settled),
            desired: Some(self.desired),
            context: self.context,
            results,
            conditions: conditions.into_iter().map(condition).collect(),
            ..v1::RunFunctionResponse::default()
        }
    }
}

/// Reason of a spec that cannot be worked with.
const INVALID_SPEC: &str = "InvalidSpec";

/// Holds back all but the first object of each kind as long as nothing exists: core
/// starts a watch for every object of a kind that it does not watch yet, and each
/// superfluous watch multiplies the cost of every later change.
fn introduce(desired: Vec<Desired>, observed: &Observed) -> Vec<Desired> {
    if !observed.is_empty() {
        return desired;
    }
    let mut kinds = BTreeSet::new();
    desired
        .into_iter()
        .filter(|resource| {
            let kind = View::new(&resource.object).pick(["apiVersion", "kind"]);
            kinds.insert(kind.map(|text| text?.text().map(ToOwned::to_owned)))
        })
        .collect()
}

/// A refusal keeps what was last known of the other conditions.
fn as_it_was(known: &Conditions<'_>, kind: &'static str) -> Option<Condition> {
    let was = known.get(kind)?;
    let holds = match was.status() {
        "True" => Holds::Yes,
        "False" => Holds::No,
        _ => Holds::Unknown,
    };
    Some(Condition::new(
        kind,
        holds,
        was.reason(),
        was.message().to_owned(),
    ))
}

fn composite_with_status(composite: View<'_>, status: &Status) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Composite<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        api_version: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        kind: Option<&'a str>,
        status: &'a Status,
    }
    encode(&Composite {
        api_version: composite.text(&["apiVersion"]),
        kind: composite.text(&["kind"]),
        status,
    })
}

fn meta(tag: String, ttl: Duration) -> Option<v1::ResponseMeta> {
    Some(v1::ResponseMeta {
        tag,
        ttl: ttl.try_into().ok(),
    })
}

fn result(severity: v1::Severity, message: &str) -> v1::Result {
    v1::Result {
        severity: severity.into(),
        message: message.to_owned(),
        reason: Some(INVALID_SPEC.to_owned()),
        target: Some(v1::Target::CompositeAndClaim.into()),
    }
}

fn condition(condition: Condition) -> v1::Condition {
    v1::Condition {
        r#type: condition.kind.to_owned(),
        status: match condition.holds {
            Holds::Yes => v1::Status::ConditionTrue,
            Holds::No => v1::Status::ConditionFalse,
            Holds::Unknown => v1::Status::ConditionUnknown,
        }
        .into(),
        reason: condition.reason,
        message: (!condition.message.is_empty()).then(|| shortened(&condition.message)),
        target: Some(v1::Target::CompositeAndClaim.into()),
    }
}

/// Cuts the middle out of a long message: it begins with the field's path and ends
/// with what to do.
fn shortened(message: &str) -> String {
    let length = message.chars().count();
    if length <= MESSAGE {
        return message.to_owned();
    }
    let half = (MESSAGE - 3) / 2;
    let start: String = message.chars().take(half).collect();
    let end: String = message.chars().skip(length - half).collect();
    format!("{start}...{end}")
}

#[cfg(test)]
mod tests;
