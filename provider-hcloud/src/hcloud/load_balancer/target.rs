//! Targets.

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::hcloud::tolerant;

/// Where a load balancer passes connections on to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Target {
    /// `server`, `label_selector` or `ip`, or what the API adds.
    #[serde(default, rename = "type", deserialize_with = "tolerant::or_default")]
    pub kind: String,
    /// The server.
    #[serde(default)]
    pub server: Option<ServerTarget>,
    /// The selector.
    #[serde(default)]
    pub label_selector: Option<LabelTarget>,
    /// The address.
    #[serde(default)]
    pub ip: Option<IpTarget>,
    /// Whether servers are reached by their private address.
    #[serde(default)]
    pub use_private_ip: Option<bool>,
    /// Health for each service; not of a selector.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub health_status: Vec<Health>,
    /// The servers that a selector matches.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub targets: Vec<Self>,
}

/// A server that is a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ServerTarget {
    /// The API's id.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub id: u64,
}

/// Servers that are targets by their labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct LabelTarget {
    /// The selector.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub selector: String,
}

/// An address that is a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct IpTarget {
    /// The address.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub ip: String,
}

/// Health of a target for one service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Health {
    /// The port that the service listens on.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub listen_port: i64,
    /// `healthy`, `unhealthy` or `unknown`, or what the API adds.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub status: String,
    /// Why it is unhealthy.
    #[serde(default)]
    pub detail: Option<String>,
    /// Status code of the last answer, when that is why.
    #[serde(default)]
    pub http_status_code: Option<i64>,
}

/// What identifies a target among those of its load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The server with this id.
    Server(u64),
    /// The servers that this selector matches.
    LabelSelector(String),
    /// A dedicated server with this address.
    Ip(IpAddr),
}

impl Target {
    /// What identifies it; `None` for a type that is not known.
    pub fn destination(&self) -> Option<Destination> {
        match self.kind.as_str() {
            "server" => self.server.map(|server| Destination::Server(server.id)),
            "label_selector" => {
                let selector = self.label_selector.as_ref()?.selector.clone();
                Some(Destination::LabelSelector(selector))
            }
            "ip" => self.ip.as_ref()?.ip.parse().ok().map(Destination::Ip),
            _ => None,
        }
    }
}

impl Destination {
    /// How it is named in a request.
    pub(super) fn request(&self, use_private_ip: Option<bool>) -> Value {
        let mut request = match self {
            Self::Server(id) => json!({"type": "server", "server": {"id": id}}),
            Self::LabelSelector(selector) => {
                json!({"type": "label_selector", "label_selector": {"selector": selector}})
            }
            Self::Ip(ip) => json!({"type": "ip", "ip": {"ip": ip}}),
        };
        if let Some(use_private_ip) = use_private_ip {
            request["use_private_ip"] = use_private_ip.into();
        }
        request
    }
}
