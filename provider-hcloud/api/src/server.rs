//! Server: a virtual machine.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    managed::{ManagedSpec, ManagedStatus},
    reference::{LocalSecretKeySelector, Reference, ReferenceField, Selector},
    schema::{self, name_fits, required},
};

pub use observation::{ServerImage, ServerObservation, ServerPrivateNet};
pub use parameters::{
    PowerState, ServerImageChoice, ServerNetworkChoice, ServerPublicNet, ServerRescue,
};

mod observation;
mod parameters;

/// Longest name that is accepted.
pub const NAME_MAX_LENGTH: u32 = 63;

/// Desired state of a server.
#[derive(
    Clone, CustomResource, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize,
)]
#[kube(
    group = "hcloud.openova.io",
    version = "v1alpha1",
    kind = "Server",
    doc = "A server in Hetzner Cloud: a virtual machine.",
    namespaced,
    status = "ServerStatus",
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
        name = "STATUS",
        type_ = "string",
        json_path = ".status.atProvider.status"
    ),
    printcolumn(
        name = "TYPE",
        type_ = "string",
        json_path = ".status.atProvider.serverType"
    ),
    printcolumn(
        name = "LOCATION",
        type_ = "string",
        json_path = ".status.atProvider.location"
    ),
    printcolumn(
        name = "IPV4",
        type_ = "string",
        json_path = ".status.atProvider.publicIpv4"
    ),
    printcolumn(
        name = "PRIVATE-IP",
        type_ = "string",
        json_path = ".status.atProvider.privateNets[0].ip"
    ),
    printcolumn(
        name = "IMAGE",
        type_ = "string",
        json_path = ".status.atProvider.image.name",
        priority = 1
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    validation = name_fits(NAME_MAX_LENGTH)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = required("image"), validation = Rule::new("has(self.forProvider.serverType) || has(self.forProvider.serverTypes) || !self.managementPolicies.exists(p, p == '*' || p == 'Create' || p == 'Update')").message("forProvider.serverType or forProvider.serverTypes is required unless managementPolicies exclude Create and Update"))]
pub struct ServerSpec {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedSpec,

    /// The server as it should be. A field that is left out is not managed.
    pub for_provider: ServerParameters,
}

/// A server as it should be.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.serverType) || !has(self.serverTypes)")
        .message("serverType and serverTypes exclude each other"),
    validation = Rule::new("!has(self.location) || !has(self.locations)")
        .message("location and locations exclude each other"),
    validation = Rule::new("!has(self.deleteProtection) || !has(self.rebuildProtection) || self.deleteProtection == self.rebuildProtection")
        .message("deleteProtection and rebuildProtection must be equal: Hetzner switches them together")
)]
pub struct ServerParameters {
    /// Name at Hetzner and hostname of a new server, unique in the project: letters, digits, dashes
    /// and dots, as RFC 1123 has it. Default: `metadata.name`. A change does not reach the hostname
    /// of a server that exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 63),
        regex(
            pattern = r"^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*$"
        )
    )]
    pub name: Option<String>,

    /// Labels at Hetzner. They are merged: labels that others put on the server stay, and a label
    /// that is taken out here is left there. Keys and values follow the rules of Kubernetes labels;
    /// the prefixes `hetzner.cloud/` and `hcloud.openova.io/` are reserved.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::labels")]
    pub labels: BTreeMap<String, String>,

    /// Server type, for example cx23: cores, memory, disk and architecture. When it changes to one
    /// of the same architecture, the server is shut down, changed and started again; see `keepDisk`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub server_type: Option<String>,

    /// Server types in order of preference, for when the cloud runs short of one: the first that can
    /// be had is taken. A server that has any of them stays as it is. What is sold no more is left
    /// out as long as another one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20), inner(length(min = 1, max = 63)))]
    pub server_types: Option<Vec<String>>,

    /// Location, for example fsn1. Default: Hetzner chooses. To change it, the server has to be
    /// replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub location: Option<String>,

    /// Locations in order of preference, for when one runs short of a server type. Every location is
    /// tried for a server type before the next type. A server that is in any of them stays there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20), inner(length(min = 1, max = 63)))]
    pub locations: Option<Vec<String>>,

    /// What is on the disk of a new server, for the architecture of its server type. To change it,
    /// the server has to be rebuilt: id and addresses stay, what is on its disk is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ServerImageChoice>,

    /// Names or ids of SSH keys that let root in on a new server. To change them, the server has to be
    /// replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 253)))]
    pub ssh_keys: Vec<String>,

    /// Ids of further SSH keys for a new server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::ids")]
    pub ssh_key_ids: Option<Vec<String>>,

    /// The same, as names of resources of kind SSHKey in this namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::references")]
    pub ssh_key_id_refs: Vec<Reference>,

    /// The same, as labels of resources of kind SSHKey in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_key_id_selector: Option<Selector>,

    /// Key of a Secret in this namespace with user data for cloud-init, at most 32 KiB. A new server
    /// reads it at its first start. When it changes, servers that exist are not touched: to have it
    /// take effect, the server has to be rebuilt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data_secret_ref: Option<LocalSecretKeySelector>,

    /// The public interface. Default: one IPv4 and one IPv6 address that go with the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_net: Option<ServerPublicNet>,

    /// The networks that the server is attached to. The list is complete: the server is detached
    /// from others. Left out, attachments are not managed here, but for example by resources of kind
    /// ServerNetwork.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10))]
    pub networks: Option<Vec<ServerNetworkChoice>>,

    /// Ids of the firewalls that filter the public interface, at most five. What is taken off this
    /// list is removed from the server; what others have applied to it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::ids", length(max = 5))]
    pub firewall_ids: Option<Vec<String>>,

    /// The same, as names of resources of kind Firewall in this namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::references")]
    pub firewall_id_refs: Vec<Reference>,

    /// The same, as labels of resources of kind Firewall in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firewall_id_selector: Option<Selector>,

    /// Id of the placement group. To join or leave one, the server has to be off: when this changes
    /// or is taken out, it is shut down and started again. A group that others have put the server
    /// in is left only for another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::id")]
    pub placement_group_id: Option<String>,

    /// The same, as the name of a PlacementGroup in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement_group_id_ref: Option<Reference>,

    /// The same, as the labels of a PlacementGroup in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement_group_id_selector: Option<Selector>,

    /// Running or Stopped. Left out, people may switch the server on and off. A new server is started
    /// unless this says Stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_state: Option<PowerState>,

    /// Whether the disk keeps its size when the server type changes to a larger one, which keeps the
    /// way back to a smaller one. Default: false, the disk grows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_disk: Option<bool>,

    /// Whether Hetzner makes a daily backup of the disk, for a surcharge. When it is switched off,
    /// existing backups are deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backups: Option<bool>,

    /// Name or id of an ISO in the drive; empty for none. When it changes, the server is reset and
    /// starts from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub iso: Option<String>,

    /// Starts the server into the rescue system: once when this appears, and once for each change.
    /// When it is taken out before that start, the server starts from its disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescue: Option<ServerRescue>,

    /// Whether Hetzner refuses to delete the server. While true, deleting this resource is refused
    /// as well; set it to false first. Switched together with `rebuildProtection`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_protection: Option<bool>,

    /// Whether Hetzner refuses to rebuild the server. Switched together with `deleteProtection`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild_protection: Option<bool>,

    /// How long a running server may take to shut down before its power is cut, in seconds, where a
    /// change or the deletion needs it off. 0 cuts the power at once. Default: 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub shutdown_timeout: Option<i64>,

    /// Whether the server is shut down before it is deleted. Default: false, it is deleted as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shutdown_before_deletion: Option<bool>,
}

/// Observed state of a server.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerStatus {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedStatus,

    /// The server as it is at Hetzner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<ServerObservation>,
}

crate::managed!(Server, ServerObservation, {
    fn reference_fields(&mut self) -> Vec<ReferenceField<'_>> {
        let spec = &mut self.spec.for_provider;
        let mut fields = Vec::new();
        fields.extend(ReferenceField::many(
            "sshKeyIds",
            "SSHKey",
            &mut spec.ssh_key_ids,
            &spec.ssh_key_id_refs,
            spec.ssh_key_id_selector.as_ref(),
        ));
        if let Some(public) = &mut spec.public_net {
            fields.push(ReferenceField::one(
                "publicNet.ipv4Id",
                "PrimaryIP",
                &mut public.ipv4_id,
                public.ipv4_id_ref.as_ref(),
                public.ipv4_id_selector.as_ref(),
            ));
            fields.push(ReferenceField::one(
                "publicNet.ipv6Id",
                "PrimaryIP",
                &mut public.ipv6_id,
                public.ipv6_id_ref.as_ref(),
                public.ipv6_id_selector.as_ref(),
            ));
        }
        for (index, network) in spec.networks.iter_mut().flatten().enumerate() {
            fields.push(ReferenceField::one(
                format!("networks[{index}].networkId"),
                "Network",
                &mut network.network_id,
                network.network_id_ref.as_ref(),
                network.network_id_selector.as_ref(),
            ));
            fields.push(ReferenceField::one(
                format!("networks[{index}].subnetId"),
                "Subnet",
                &mut network.subnet_id,
                network.subnet_id_ref.as_ref(),
                network.subnet_id_selector.as_ref(),
            ));
        }
        fields.extend(ReferenceField::many(
            "firewallIds",
            "Firewall",
            &mut spec.firewall_ids,
            &spec.firewall_id_refs,
            spec.firewall_id_selector.as_ref(),
        ));
        fields.push(ReferenceField::one(
            "placementGroupId",
            "PlacementGroup",
            &mut spec.placement_group_id,
            spec.placement_group_id_ref.as_ref(),
            spec.placement_group_id_selector.as_ref(),
        ));
        fields
    }

    fn secret_keys(&self) -> Vec<(&'static str, &LocalSecretKeySelector)> {
        let user_data = self.spec.for_provider.user_data_secret_ref.as_ref();
        user_data
            .map(|key| ("userDataSecretRef", key))
            .into_iter()
            .collect()
    }
});
