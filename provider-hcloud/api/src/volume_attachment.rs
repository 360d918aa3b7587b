//! VolumeAttachment: which server a volume is attached to.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    managed::{ManagedSpec, ManagedStatus},
    reference::{Reference, ReferenceField, Selector},
    schema::{self, fixed, required_reference},
};

/// Desired state of an attachment.
#[derive(
    Clone, CustomResource, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize,
)]
#[kube(
    group = "hcloud.openova.io",
    version = "v1alpha1",
    kind = "VolumeAttachment",
    doc = "Attaches a volume in Hetzner Cloud to a server of the same location.",
    namespaced,
    status = "VolumeAttachmentStatus",
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
        name = "VOLUME",
        type_ = "integer",
        json_path = ".status.atProvider.volumeId"
    ),
    printcolumn(
        name = "SERVER",
        type_ = "integer",
        json_path = ".status.atProvider.serverId"
    ),
    printcolumn(
        name = "DEVICE",
        type_ = "string",
        json_path = ".status.atProvider.linuxDevice"
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = required_reference("volumeId"), validation = required_reference("serverId"))]
pub struct VolumeAttachmentSpec {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedSpec,

    /// The attachment as it should be. A field that is left out is not managed.
    pub for_provider: VolumeAttachmentParameters,
}

/// An attachment as it should be.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeAttachmentParameters {
    /// Id of the volume. It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::id")]
    #[x_kube(validation = fixed())]
    pub volume_id: Option<String>,

    /// The same, as the name of a Volume in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_id_ref: Option<Reference>,

    /// The same, as the labels of a Volume in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_id_selector: Option<Selector>,

    /// Id of the server, in the location of the volume. When it changes, the volume is detached from
    /// one server and attached to the other. A volume that another server has otherwise, by hand or
    /// for another VolumeAttachment, stays there, and this resource waits until it is detached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::id")]
    pub server_id: Option<String>,

    /// The same, as the name of a Server in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_id_ref: Option<Reference>,

    /// The same, as the labels of a Server in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_id_selector: Option<Selector>,

    /// Whether the server mounts the volume by itself when it is attached. The volume must be
    /// formatted. Default: false. It says nothing about a volume that is attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automount: Option<bool>,
}

/// Observed state of an attachment.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeAttachmentStatus {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedStatus,

    /// The attachment as it is at Hetzner. Its external name is the id of the volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<VolumeAttachmentObservation>,
}

/// An attachment as it is at Hetzner.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeAttachmentObservation {
    /// Id of the volume.
    pub volume_id: i64,

    /// Id of the server, unless it is one that has the volume otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_id: Option<i64>,

    /// Path of the device on the server.
    #[serde(default)]
    pub linux_device: String,
}

crate::managed!(VolumeAttachment, VolumeAttachmentObservation, {
    fn reference_fields(&mut self) -> Vec<ReferenceField<'_>> {
        let spec = &mut self.spec.for_provider;
        vec![
            ReferenceField::one(
                "volumeId",
                "Volume",
                &mut spec.volume_id,
                spec.volume_id_ref.as_ref(),
                spec.volume_id_selector.as_ref(),
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
