//! LoadBalancerTarget: where a load balancer passes connections on to.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    managed::{ManagedSpec, ManagedStatus},
    reference::{Reference, ReferenceField, Selector},
    schema::{self, fixed, required_reference},
};

/// Desired state of a target.
#[derive(
    Clone, CustomResource, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize,
)]
#[kube(
    group = "hcloud.openova.io",
    version = "v1alpha1",
    kind = "LoadBalancerTarget",
    doc = "A target of a load balancer in Hetzner Cloud: a server, the servers with certain labels, or an address. It is ready when the load balancer has it; whether its servers are healthy is reported in status.atProvider.health.",
    namespaced,
    status = "LoadBalancerTargetStatus",
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
    printcolumn(name = "TYPE", type_ = "string", json_path = ".status.atProvider.type"),
    printcolumn(
        name = "HEALTH",
        type_ = "string",
        json_path = ".status.atProvider.health"
    ),
    printcolumn(
        name = "LOAD-BALANCER",
        type_ = "integer",
        json_path = ".status.atProvider.loadBalancerId",
        priority = 1
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = required_reference("loadBalancerId"), validation = Rule::new("[has(self.forProvider.serverId) || has(self.forProvider.serverIdRef) || has(self.forProvider.serverIdSelector), has(self.forProvider.labelSelector), has(self.forProvider.ip)].filter(given, given).size() == 1 || !self.managementPolicies.exists(p, p == '*' || p == 'Create' || p == 'Update')").message("one of serverId (by value or by reference), labelSelector and ip is required unless managementPolicies exclude Create and Update, and only one is possible"))]
pub struct LoadBalancerTargetSpec {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedSpec,

    /// The target as it should be. A field that is left out is not managed.
    pub for_provider: LoadBalancerTargetParameters,
}

/// A target as it should be.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.ip) || !has(self.usePrivateIp)")
    .message("usePrivateIp belongs to servers and label selectors"))]
pub struct LoadBalancerTargetParameters {
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

    /// Id of a server that is the target. It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::id")]
    #[x_kube(validation = fixed())]
    pub server_id: Option<String>,

    /// The same, as the name of a Server in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_id_ref: Option<Reference>,

    /// The same, as the labels of a Server in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_id_selector: Option<Selector>,

    /// Selector for the labels of servers at Hetzner, for example `cluster=prod,role=worker`: all
    /// that match are targets, new ones included. It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    #[x_kube(validation = fixed())]
    pub label_selector: Option<String>,

    /// Address of a dedicated server of the same customer, or of one behind a vSwitch of the network.
    /// It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::ip")]
    #[x_kube(validation = fixed())]
    pub ip: Option<String>,

    /// Whether servers are reached by their address in the network that the load balancer is attached
    /// to as well, instead of their public one. Default: false. When it changes, the target is taken
    /// out and put in again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_private_ip: Option<bool>,
}

/// Observed state of a target.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerTargetStatus {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedStatus,

    /// The target as it is at Hetzner. Its external name is
    /// `<load balancer id>__server__<server id>`, `<load balancer id>__label_selector__<selector>` or
    /// `<load balancer id>__ip__<address>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<LoadBalancerTargetObservation>,
}

/// A target as it is at Hetzner.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerTargetObservation {
    /// Id of the load balancer.
    pub load_balancer_id: i64,

    /// server, label_selector or ip.
    #[serde(default, rename = "type")]
    pub type_: String,

    /// Id of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_id: Option<i64>,

    /// Selector for the labels of servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<String>,

    /// Address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,

    /// Whether servers are reached by their private address.
    #[serde(default)]
    pub use_private_ip: bool,

    /// healthy when every server is healthy for every service, unhealthy when one is not, unknown
    /// otherwise. As old as the last poll; it does not affect whether the target is ready.
    #[serde(default)]
    pub health: String,

    /// Health of the target for each service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_status: Vec<LoadBalancerHealth>,

    /// The servers that the selector matches, in ascending order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<LoadBalancerTargetServer>,
}

/// A server that a label selector matches.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerTargetServer {
    /// Id of the server.
    pub server_id: i64,

    /// Health of the server for each service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_status: Vec<LoadBalancerHealth>,
}

/// Health for one service.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerHealth {
    /// Port that the service listens on.
    #[serde(default)]
    pub listen_port: i64,

    /// healthy, unhealthy or unknown.
    #[serde(default)]
    pub status: String,

    /// Why it is unhealthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,

    /// Status code of the last response, where the check makes a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status_code: Option<i64>,
}

crate::managed!(LoadBalancerTarget, LoadBalancerTargetObservation, {
    fn reference_fields(&mut self) -> Vec<ReferenceField<'_>> {
        let spec = &mut self.spec.for_provider;
        vec![
            ReferenceField::one(
                "loadBalancerId",
                "LoadBalancer",
                &mut spec.load_balancer_id,
                spec.load_balancer_id_ref.as_ref(),
                spec.load_balancer_id_selector.as_ref(),
            ),
            ReferenceField::one(
                "serverId",
                "Server",
                &mut spec.server_id,
                spec.server_id_ref.as_ref(),
                spec.server_id_selector.as_ref(),
            ),
        ]
    }
});
