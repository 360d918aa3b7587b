//! Services. What is read and what is sent has one shape: everything that is not known or not to be changed is left
//! out.

use serde::{Deserialize, Serialize};

use crate::hcloud::tolerant;

/// A port that a load balancer listens on, and what becomes of connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Service {
    /// The port; a load balancer has one service for each.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub listen_port: i64,
    /// `tcp`, `http` or `https`, or what the API adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// The port of the targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<i64>,
    /// Whether targets are told the client's address by the PROXY protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxyprotocol: Option<bool>,
    /// What only `http` and `https` have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// How targets are watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
}

/// How a service treats HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Http {
    /// Whether a client stays with its target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky_sessions: Option<bool>,
    /// The cookie for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie_name: Option<String>,
    /// How long it lasts, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie_lifetime: Option<i64>,
    /// How long a connection may be idle, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_idle: Option<i64>,
    /// Ids of the certificates; only for `https`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<Vec<u64>>,
    /// Whether port 80 redirects to the service; only for `https`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_http: Option<bool>,
}

/// How targets are watched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct HealthCheck {
    /// `tcp` or `http`, or what the API adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// The port of the targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
    /// Seconds between two checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<i64>,
    /// Seconds after which a check has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    /// Checks in a row that decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<i64>,
    /// What only `http` has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HealthCheckHttp>,
}

/// The request of a health check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct HealthCheckHttp {
    /// The `Host` header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What the answer must contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
    /// Patterns of the status codes that count as healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_codes: Option<Vec<String>>,
    /// Whether it is made by HTTPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<bool>,
}
