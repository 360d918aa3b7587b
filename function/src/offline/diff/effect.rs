//! What a change does to what exists in the cloud.

use std::fmt;

use serde_json::Value;

use super::super::document::{Object, text};
use super::field::Field;

/// What a change does to what exists in the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Something goes for ever.
    Destroys(&'static str),
    /// Only another object can be as is wanted.
    Replaces(&'static str),
    /// A server stays, and what is on its disk goes.
    Overwrites(&'static str),
    /// A server is shut down and started again.
    Interrupts(&'static str),
}

impl Effect {
    /// Whether data or capacity is lost.
    pub(super) fn loses(self) -> bool {
        !matches!(self, Self::Interrupts(_))
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Destroys(what) => write!(formatter, "DESTROYS {what}"),
            Self::Replaces(field) => {
                write!(formatter, "REPLACES it: {field} cannot be changed in place")
            }
            Self::Overwrites(field) => {
                write!(formatter, "OVERWRITES its disk: {field} takes a rebuild")
            }
            Self::Interrupts(field) => write!(
                formatter,
                "INTERRUPTS it: {field} is changed while it is off"
            ),
        }
    }
}

/// What goes with an object that is removed.
pub(super) fn of_removal(object: &Object) -> Option<Effect> {
    let what = match text(object, &["kind"]) {
        "LoadBalancer" => "the load balancer and its addresses",
        "Network" => "the network and what is attached to it",
        "PrimaryIP" => "the address",
        "Server" => "the server and what is on its disk",
        "Volume" => "the volume and its data",
        "XCluster" if has_servers(object) => "the cluster and all that runs on it",
        "XRegion" => "the region and all that lives in it",
        _ => return None,
    };
    may_delete(object).then_some(Effect::Destroys(what))
}

/// A cluster that others made stays where it is.
fn has_servers(object: &Object) -> bool {
    text(object, &["spec", "cluster", "distribution"]) != "external"
}

/// Whether the provider deletes what a managed resource stands for.
fn may_delete(object: &Object) -> bool {
    let spec = object.get("spec");
    let policies = spec.and_then(|spec| spec.get("managementPolicies"));
    let Some(policies) = policies.and_then(Value::as_array) else {
        return true;
    };
    policies
        .iter()
        .any(|policy| policy == "*" || policy == "Delete")
}

/// Fields below `spec.forProvider` that only a new object gets: what the provider reports
/// as a difference that it cannot remove, and what the API server refuses to change.
const FIXED: [(&str, &[&str]); 13] = [
    ("LoadBalancer", &["location", "networkZone"]),
    (
        "LoadBalancerNetwork",
        &["loadBalancerIdRef", "networkIdRef", "subnetIdRef"],
    ),
    ("LoadBalancerService", &["listenPort", "loadBalancerIdRef"]),
    (
        "LoadBalancerTarget",
        &["ip", "labelSelector", "loadBalancerIdRef", "serverIdRef"],
    ),
    ("Network", &["ipRange"]),
    ("PlacementGroup", &["type"]),
    ("PrimaryIP", &["location", "type"]),
    ("Route", &["destination", "networkIdRef"]),
    ("SSHKey", &["publicKey"]),
    ("Server", &["sshKeyIdRefs", "sshKeys"]),
    ("Subnet", &["ipRange", "networkIdRef"]),
    ("Volume", &["location"]),
    ("VolumeAttachment", &["volumeIdRef"]),
];

/// Fields of a server that are changed while it is off. For its type that depends on which
/// one it has.
const OFFLINE: [&str; 2] = ["placementGroupIdRef", "publicNet"];

/// What changed fields do to the object; and its statuses before and after.
pub(super) fn of_change(kind: &str, fields: &[Field], statuses: [&Object; 2]) -> Option<Effect> {
    let of_kind = FIXED.iter().find(|(fixed, _)| *fixed == kind);
    let fixed = of_kind.map_or(&[][..], |(_, fields)| fields);
    let replaced = fixed
        .iter()
        .find(|name| fields.iter().any(|field| is_lost(kind, name, field)));
    if let Some(name) = replaced {
        return Some(Effect::Replaces(name));
    }
    let shrunk = |field: &Field| kind == "Volume" && below(field, "size") && shrinks(field);
    if fields.iter().any(shrunk) {
        return Some(Effect::Replaces("size"));
    }
    (kind == "Server").then(|| of_server(fields, statuses))?
}

fn of_server(fields: &[Field], statuses: [&Object; 2]) -> Option<Effect> {
    let differs = |key: &str| {
        let [old, new] = statuses.map(|status| text(status, &["atProvider", key]));
        !old.is_empty() && old != new
    };
    if differs("location") {
        return Some(Effect::Replaces("location"));
    }
    if fields.iter().any(|field| is_lost("Server", "image", field)) {
        return Some(Effect::Overwrites("image"));
    }
    if differs("serverType") {
        return Some(Effect::Interrupts("serverType"));
    }
    let mut offline = OFFLINE.iter();
    let interrupted = offline.find(|name| fields.iter().any(|field| below(field, name)));
    interrupted.map(|name| Effect::Interrupts(name))
}

fn is_lost(kind: &str, name: &str, field: &Field) -> bool {
    below(field, name) && !(kind == "Network" && grows(field)) && field.old.is_some()
}

/// Whether the field is this one of `spec.forProvider`, or lies in it.
fn below(field: &Field, name: &str) -> bool {
    let rest = field.path.strip_prefix("spec.forProvider.");
    let rest = rest.and_then(|rest| rest.strip_prefix(name));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn shrinks(field: &Field) -> bool {
    let number = |value: &Option<Value>| value.as_ref().and_then(Value::as_i64);
    number(&field.old)
        .zip(number(&field.new))
        .is_some_and(|(old, new)| new < old)
}

/// A network may grow in place.
fn grows(field: &Field) -> bool {
    let range = |value: &Option<Value>| {
        let text = value.as_ref().and_then(Value::as_str)?;
        text.parse::<ipnet::Ipv4Net>().ok()
    };
    range(&field.old)
        .zip(range(&field.new))
        .is_some_and(|(old, new)| new.contains(&old))
}
