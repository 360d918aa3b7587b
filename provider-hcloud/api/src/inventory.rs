//! Inventory: what others made in a network.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    managed::{ManagedSpec, ManagedStatus},
    reference::{Reference, ReferenceField, Selector},
    schema::{self, required_reference},
};

/// Desired state of an inventory.
#[derive(
    Clone, CustomResource, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize,
)]
#[kube(
    group = "hcloud.openova.io",
    version = "v1alpha1",
    kind = "Inventory",
    plural = "inventories",
    doc = "What others made in a network in Hetzner Cloud, for example the cloud controller manager, the CSI driver and the autoscaler of a cluster: load balancers and servers that are attached to the network, and volumes that are, or were, attached to servers in it. Objects of managed resources, which carry the label hcloud.openova.io/uid, do not count. Deleting an Inventory deletes nothing at Hetzner.",
    namespaced,
    status = "InventoryStatus",
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
        name = "OBJECTS",
        type_ = "integer",
        json_path = ".status.atProvider.count"
    ),
    printcolumn(
        name = "SWEEP",
        type_ = "boolean",
        json_path = ".spec.forProvider.sweep"
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = required_reference("networkId"))]
pub struct InventorySpec {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedSpec,

    /// Which network it is about, and what becomes of what is found.
    pub for_provider: InventoryParameters,
}

/// Which network it is about, and what becomes of what is found.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InventoryParameters {
    /// Id of the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::id")]
    pub network_id: Option<String>,

    /// The same, as the name of a Network in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_id_ref: Option<Reference>,

    /// The same, as the labels of a Network in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_id_selector: Option<Selector>,

    /// Delete every object that is found, until there are none: load balancers, then servers, then
    /// volumes, with all data on them. That includes what a managed resource only observes. What is
    /// protected against deletion at Hetzner stays, and is reported. Default: false, everything is only
    /// listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<bool>,
}

/// Observed state of an inventory.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InventoryStatus {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedStatus,

    /// What is in the network. Its external name is the id of the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<InventoryObservation>,
}

/// What is in a network.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InventoryObservation {
    /// Id of the network.
    pub network_id: i64,

    /// How many objects others made.
    #[serde(default)]
    pub count: i64,

    /// How many servers and load balancers of managed resources are attached to the network.
    #[serde(default)]
    pub managed: i64,

    /// What others made: load balancers, servers, volumes, each ordered by id. A volume that was seen
    /// attached to a server in the network stays in the list as long as it exists, unless it is attached
    /// to a server elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<InventoryObject>,
}

/// An object that others made.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InventoryObject {
    /// What it is.
    pub kind: InventoryKind,

    /// Id at Hetzner.
    pub id: i64,

    /// Name at Hetzner.
    #[serde(default)]
    pub name: String,

    /// Who made it, as far as labels and names tell: `hcloud-cloud-controller-manager`, `csi-driver` or
    /// `cluster-autoscaler`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<String>,

    /// Name of the location.
    #[serde(default)]
    pub location: String,

    /// For a volume: id of the server in the network that it was last seen attached to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_id: Option<i64>,

    /// Whether it is protected against deletion.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delete_protection: bool,
}

/// What an object is, in the order in which they are deleted.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
pub enum InventoryKind {
    /// A load balancer.
    LoadBalancer,
    /// A server.
    Server,
    /// A volume.
    Volume,
}

crate::managed!(Inventory, InventoryObservation, {
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
