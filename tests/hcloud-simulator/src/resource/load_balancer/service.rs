//! The services of a load balancer: what the API fills in, and which of them fit together.

mod read;

pub(super) use read::{changed, listen_port, new};

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::{
    collection::Id, error::ApiError, project::Project,
    resource::load_balancer_type::LoadBalancerType,
};

const COOKIE_NAME: &str = "HCLBSTICKY";
/// The port that redirects to HTTPS.
const REDIRECT_PORT: u16 = 80;

/// A port that a load balancer listens on, and where it sends what arrives there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// What it speaks.
    pub protocol: Protocol,
    /// Where it listens; this is its identity.
    pub listen_port: u16,
    /// The port of the targets.
    pub destination_port: u16,
    /// Whether targets are told the client's address by the PROXY protocol.
    pub proxyprotocol: bool,
    /// What only `http` and `https` have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// How targets are watched.
    pub health_check: HealthCheck,
}

/// The protocol of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Anything over TCP.
    Tcp,
    /// HTTP.
    Http,
    /// HTTP over TLS, which ends at the load balancer.
    Https,
}

/// The HTTP part of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Http {
    /// The cookie that sticky sessions use.
    pub cookie_name: String,
    /// Seconds that the cookie lives.
    pub cookie_lifetime: u32,
    /// Seconds after which an idle connection is closed.
    pub timeout_idle: u32,
    /// Whether a client stays with its target.
    pub sticky_sessions: bool,
    /// The certificates that end TLS; only for `https`.
    pub certificates: Vec<Id>,
    /// Whether port 80 redirects to this service; only for `https`.
    pub redirect_http: bool,
}

/// How the targets of a service are watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// What is tried.
    pub protocol: HealthCheckProtocol,
    /// The port of the targets.
    pub port: u16,
    /// Seconds between two checks.
    pub interval: u32,
    /// Seconds after which a check has failed.
    pub timeout: u32,
    /// Checks in a row that change a target's health.
    pub retries: u32,
    /// What only `http` has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HealthCheckHttp>,
}

/// What a health check tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthCheckProtocol {
    /// A TCP connection.
    Tcp,
    /// An HTTP request.
    Http,
}

/// The HTTP part of a health check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheckHttp {
    /// The `Host` of the request.
    pub domain: String,
    /// The path of the request.
    pub path: String,
    /// What the answer must contain.
    pub response: String,
    /// Patterns of status codes that count as healthy.
    pub status_codes: Vec<String>,
    /// Whether the request is sent over TLS.
    pub tls: bool,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            cookie_name: COOKIE_NAME.to_owned(),
            cookie_lifetime: 300,
            timeout_idle: 50,
            sticky_sessions: false,
            certificates: Vec::new(),
            redirect_http: false,
        }
    }
}

impl Default for HealthCheckHttp {
    fn default() -> Self {
        Self {
            domain: String::new(),
            path: "/".to_owned(),
            response: String::new(),
            status_codes: vec!["2??".to_owned(), "3??".to_owned()],
            tls: false,
        }
    }
}

impl HealthCheck {
    fn new(protocol: HealthCheckProtocol, port: u16) -> Self {
        Self {
            protocol,
            port,
            interval: 15,
            timeout: 10,
            retries: 3,
            http: matches!(protocol, HealthCheckProtocol::Http).then(HealthCheckHttp::default),
        }
    }
}

impl Service {
    /// A service with everything else as the API fills it in.
    pub fn new(protocol: Protocol, listen_port: u16, destination_port: u16) -> Self {
        let (http, check) = match protocol {
            Protocol::Tcp => (None, HealthCheckProtocol::Tcp),
            Protocol::Http | Protocol::Https => (Some(Http::default()), HealthCheckProtocol::Http),
        };
        Self {
            protocol,
            listen_port,
            destination_port,
            proxyprotocol: false,
            http,
            health_check: HealthCheck::new(check, destination_port),
        }
    }

    /// The ports that it takes.
    fn ports(&self) -> impl Iterator<Item = u16> {
        let redirects = self.http.as_ref().is_some_and(|http| http.redirect_http);
        let redirect = Some(REDIRECT_PORT).filter(|_| redirects);
        std::iter::once(self.listen_port).chain(redirect)
    }

    /// The certificates that it uses.
    pub fn certificates(&self) -> impl Iterator<Item = Id> {
        self.http
            .iter()
            .flat_map(|http| http.certificates.iter().copied())
    }

    fn speak(&mut self, protocol: Protocol) {
        self.protocol = protocol;
        match (protocol, &mut self.http) {
            (Protocol::Tcp, http) => *http = None,
            (Protocol::Http | Protocol::Https, http @ None) => *http = Some(Http::default()),
            (Protocol::Http, Some(http)) => {
                http.certificates.clear();
                http.redirect_http = false;
            }
            (Protocol::Https, Some(_)) => {}
        }
    }
}

/// Whether a load balancer of this type may have these services.
pub(super) fn check_limits(kind: &LoadBalancerType, services: &[Service]) -> Result<(), ApiError> {
    let LoadBalancerType {
        name,
        max_services,
        max_assigned_certificates,
        ..
    } = kind;
    if services.len() > *max_services {
        return Err(ApiError::limit_exceeded(format!(
            "a load balancer of type {name} has at most {max_services} services"
        )));
    }
    let certificates: BTreeSet<Id> = services.iter().flat_map(Service::certificates).collect();
    if certificates.len() > *max_assigned_certificates {
        return Err(ApiError::limit_exceeded(format!(
            "a load balancer of type {name} has at most {max_assigned_certificates} certificates"
        )));
    }
    Ok(())
}

/// Refuses services of which two take the same port; the API's status differs between adding and updating.
pub(super) fn check_ports(services: &[Service], status: StatusCode) -> Result<(), ApiError> {
    let mut taken = BTreeMap::new();
    for service in services {
        for port in service.ports() {
            if let Some(other) = taken.insert(port, service.listen_port) {
                return Err(ApiError::new(
                    status,
                    "source_port_already_used",
                    format!("source port {port} is already used by service {other}"),
                ));
            }
        }
    }
    Ok(())
}

/// Refuses a service with a certificate that does not exist.
pub(super) fn check_certificates(project: &Project, service: &Service) -> Result<(), ApiError> {
    let exists = |id: &Id| project.certificates().get(*id).is_some();
    match service.certificates().find(|id| !exists(id)) {
        Some(id) => Err(ApiError::not_found("certificate", id)),
        None => Ok(()),
    }
}
