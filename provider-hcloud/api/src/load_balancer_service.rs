//! LoadBalancerService: a port that a load balancer listens on.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    managed::{ManagedSpec, ManagedStatus},
    reference::{Reference, ReferenceField, Selector},
    schema::{self, fixed, required, required_reference},
};

/// Desired state of a service.
#[derive(
    Clone, CustomResource, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize,
)]
#[kube(
    group = "hcloud.openova.io",
    version = "v1alpha1",
    kind = "LoadBalancerService",
    doc = "A service of a load balancer in Hetzner Cloud: a port that it listens on, and how it checks its targets.",
    namespaced,
    status = "LoadBalancerServiceStatus",
    derive = "Default",
    derive = "PartialEq",
    category = "crossplane",
    category = "managed",
    category = "hcloud",
    printcolumn(
        name = "READY",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "SYNCED",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Synced')].status"
    ),
    printcolumn(
        name = "EXTERNAL-NAME",
        type_ = "string",
        json_path = ".metadata.annotations.crossplane\\.io/external-name"
    ),
    printcolumn(
        name = "PROTOCOL",
        type_ = "string",
        json_path = ".status.atProvider.protocol"
    ),
    printcolumn(
        name = "LISTEN-PORT",
        type_ = "integer",
        json_path = ".status.atProvider.listenPort"
    ),
    printcolumn(
        name = "DESTINATION-PORT",
        type_ = "integer",
        json_path = ".status.atProvider.destinationPort"
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = required_reference("loadBalancerId"), validation = required("protocol"), validation = required("listenPort"))]
pub struct LoadBalancerServiceSpec {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedSpec,

    /// The service as it should be. A field that is left out is not managed.
    pub for_provider: LoadBalancerServiceParameters,
}

/// A service as it should be.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.http) || !has(self.protocol) || self.protocol != 'tcp'")
        .message("http belongs to the protocols http and https"),
    validation = Rule::new("!has(self.http) || !has(self.protocol) || self.protocol == 'https' || !has(self.http.certificateIds) && !(has(self.http.redirectHttp) && self.http.redirectHttp)")
        .message("http.certificateIds and http.redirectHttp belong to the protocol https"),
    validation = Rule::new("has(self.destinationPort) || !has(self.protocol) || self.protocol != 'tcp'")
        .message("destinationPort is required for the protocol tcp")
)]
pub struct LoadBalancerServiceParameters {
    /// Id of the load balancer. It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::id")]
    #[x_kube(validation = fixed())]
    pub load_balancer_id: Option<String>,

    /// The same, as the name of a LoadBalancer in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancer_id_ref: Option<Reference>,

    /// The same, as the labels of a LoadBalancer in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancer_id_selector: Option<Selector>,

    /// Port that the load balancer listens on; a load balancer has at most one service for each. It
    /// cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    #[x_kube(validation = fixed())]
    pub listen_port: Option<i64>,

    /// tcp passes connections on; http and https understand them; https also ends TLS, where it is
    /// given certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<LoadBalancerProtocol>,

    /// Port of the targets that connections are passed on to. Default: 80 for http and https.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub destination_port: Option<i64>,

    /// Whether targets learn the address of the client by the PROXY protocol, which they have to
    /// understand. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<bool>,

    /// For the protocols http and https.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<LoadBalancerServiceHttp>,

    /// How the load balancer finds out which targets are healthy. Default: Hetzner's choice for the
    /// protocol, at the destination port. Left out, it is not managed, but a check at the destination
    /// port goes along when that port changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<LoadBalancerHealthCheck>,
}

/// Protocol of a service.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(description = "")]
pub enum LoadBalancerProtocol {
    /// Connections are passed on as they are.
    Tcp,
    /// HTTP requests are distributed.
    Http,
    /// HTTP requests inside TLS are distributed.
    Https,
}

impl LoadBalancerProtocol {
    /// The protocol as the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// How a service treats HTTP.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerServiceHttp {
    /// Whether requests of one client go to the same target, by a cookie. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky_sessions: Option<bool>,

    /// Name of that cookie. Default: HCLBSTICKY.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub cookie_name: Option<String>,

    /// How long that cookie lasts, in seconds. Default: 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 30, max = 86400))]
    pub cookie_lifetime: Option<i64>,

    /// How long a connection may be idle, in seconds. Default: 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub timeout_idle: Option<i64>,

    /// Ids of the certificates of a service with the protocol https. The list is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::ids")]
    pub certificate_ids: Option<Vec<String>>,

    /// Whether requests to port 80 are redirected to this service, with the protocol https. Default:
    /// false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_http: Option<bool>,
}

/// How a load balancer finds out whether a target is healthy.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.http) || has(self.protocol) && self.protocol == 'http'")
    .message("http belongs to a health check with the protocol http"))]
pub struct LoadBalancerHealthCheck {
    /// tcp opens a connection, http makes a request. Default: tcp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<LoadBalancerHealthCheckProtocol>,

    /// Port that is checked. Default: the destination port, also after that has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i64>,

    /// Time between checks, in seconds. Default: 15.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 3, max = 60))]
    pub interval: Option<i64>,

    /// Time after which a check has failed, in seconds. Default: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 60))]
    pub timeout: Option<i64>,

    /// How many checks in a row must fail until a healthy target counts as unhealthy, or succeed
    /// until an unhealthy one counts as healthy. Default: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 5))]
    pub retries: Option<i64>,

    /// The request of a check with the protocol http.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<LoadBalancerHealthCheckHttp>,
}

/// Protocol of a health check.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(description = "")]
pub enum LoadBalancerHealthCheckProtocol {
    /// A connection is opened.
    Tcp,
    /// A request is made.
    Http,
}

impl LoadBalancerHealthCheckProtocol {
    /// The protocol as the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Http => "http",
        }
    }
}

/// The request of a health check.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerHealthCheckHttp {
    /// Host header. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128), regex(pattern = r"^[^ %\\]*$"))]
    pub domain: Option<String>,

    /// Path, percent-encoded where needed. Default: /.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^/[^ ]*$"))]
    pub path: Option<String>,

    /// Text that the response must contain. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub response: Option<String>,

    /// Status codes that a healthy target answers with; `?` stands for one character, `*` for
    /// several. The list is complete. Default: 2?? and 3??.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20), inner(regex(pattern = r"^[0-9?*]{1,3}$")))]
    pub status_codes: Option<Vec<String>>,

    /// Whether the request is made by HTTPS; certificates are not checked. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<bool>,
}

/// Observed state of a service.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerServiceStatus {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedStatus,

    /// The service as it is at Hetzner. Its external name is `<load balancer id>__<listen port>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<LoadBalancerServiceObservation>,
}

/// A service as it is at Hetzner.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerServiceObservation {
    /// Id of the load balancer.
    pub load_balancer_id: i64,

    /// Port that the load balancer listens on.
    #[serde(default)]
    pub listen_port: i64,

    /// tcp, http or https.
    #[serde(default)]
    pub protocol: String,

    /// Port of the targets that connections are passed on to.
    #[serde(default)]
    pub destination_port: i64,

    /// Whether targets are told the address of the client by the PROXY protocol.
    #[serde(default)]
    pub proxy_protocol: bool,

    /// For the protocols http and https.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<ObservedServiceHttp>,

    /// How the load balancer finds out which targets are healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<ObservedHealthCheck>,
}

/// How a service treats HTTP, as it is.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObservedServiceHttp {
    /// Whether requests of one client go to the same target.
    #[serde(default)]
    pub sticky_sessions: bool,

    /// Name of the cookie for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie_name: Option<String>,

    /// How long that cookie lasts, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie_lifetime: Option<i64>,

    /// How long a connection may be idle, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_idle: Option<i64>,

    /// Ids of the certificates, in ascending order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificate_ids: Vec<i64>,

    /// Whether requests to port 80 are redirected.
    #[serde(default)]
    pub redirect_http: bool,
}

/// How a load balancer finds out whether a target is healthy, as it is.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObservedHealthCheck {
    /// tcp or http.
    #[serde(default)]
    pub protocol: String,

    /// Port that is checked.
    #[serde(default)]
    pub port: i64,

    /// Time between checks, in seconds.
    #[serde(default)]
    pub interval: i64,

    /// Time after which a check has failed, in seconds.
    #[serde(default)]
    pub timeout: i64,

    /// How many checks in a row decide.
    #[serde(default)]
    pub retries: i64,

    /// The request of a check with the protocol http.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<LoadBalancerHealthCheckHttp>,
}

crate::managed!(LoadBalancerService, LoadBalancerServiceObservation, {
    fn reference_fields(&mut self) -> Vec<ReferenceField<'_>> {
        let spec = &mut self.spec.for_provider;
        vec![ReferenceField::one(
            "loadBalancerId",
            "LoadBalancer",
            &mut spec.load_balancer_id,
            spec.load_balancer_id_ref.as_ref(),
            spec.load_balancer_id_selector.as_ref(),
        )]
    }
});
