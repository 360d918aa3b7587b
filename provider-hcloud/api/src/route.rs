//! Route: where a network sends packets for a destination.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    managed::{ManagedSpec, ManagedStatus},
    reference::{Reference, ReferenceField, Selector},
    schema::{self, fixed, required, required_reference},
};

/// Desired state of a route.
#[derive(
    Clone, CustomResource, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize,
)]
#[kube(
    group = "hcloud.openova.io",
    version = "v1alpha1",
    kind = "Route",
    doc = "A route of a network in Hetzner Cloud: packets for a destination are sent to a gateway in the network.",
    namespaced,
    status = "RouteStatus",
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
        name = "DESTINATION",
        type_ = "string",
        json_path = ".status.atProvider.destination"
    ),
    printcolumn(
        name = "GATEWAY",
        type_ = "string",
        json_path = ".status.atProvider.gateway"
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = required_reference("networkId"), validation = required("destination"), validation = required("gateway"))]
pub struct RouteSpec {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedSpec,

    /// The route as it should be. A field that is left out is not managed.
    pub for_provider: RouteParameters,
}

/// A route as it should be.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteParameters {
    /// Id of the network that the route is a part of. It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::id")]
    #[x_kube(validation = fixed())]
    pub network_id: Option<String>,

    /// The same, as the name of a Network in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_id_ref: Option<Reference>,

    /// The same, as the labels of a Network in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_id_selector: Option<Selector>,

    /// Destination in CIDR notation: out of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16 without
    /// overlap with subnets and other routes, or 0.0.0.0/0. It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::destination")]
    #[x_kube(validation = fixed())]
    pub destination: Option<String>,

    /// Address in the network that packets for the destination are sent to. The first address of
    /// the network, addresses behind a vSwitch and 172.31.1.1 cannot be a gateway. It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::ipv4")]
    #[x_kube(
        validation = Rule::new("self != '172.31.1.1'")
            .message("172.31.1.1 is the gateway of the public network and cannot be one here"),
        validation = fixed()
    )]
    pub gateway: Option<String>,
}

/// Observed state of a route.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteStatus {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedStatus,

    /// The route as it is at Hetzner. Its external name is `<network id>-<destination>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<RouteObservation>,
}

/// A route as it is at Hetzner.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteObservation {
    /// Id of the network.
    pub network_id: i64,

    /// Destination in CIDR notation.
    #[serde(default)]
    pub destination: String,

    /// Address of the gateway.
    #[serde(default)]
    pub gateway: String,
}

crate::managed!(Route, RouteObservation, {
    fn reference_fields(&mut self) -> Vec<ReferenceField<'_>> {
        let spec = &mut self.spec.for_provider;
        vec![ReferenceField::one(
            "networkId",
            "Network",
            &mut spec.network_id,
            spec.network_id_ref.as_ref(),
            spec.network_id_selector.as_ref(),
        )]
    }
});
