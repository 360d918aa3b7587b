//! A server as it is.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::price::Price;

/// A server as it is at Hetzner.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerObservation {
    /// Id at Hetzner; the external name.
    pub id: i64,

    /// Name at Hetzner.
    #[serde(default)]
    pub name: String,

    /// initializing, starting, running, stopping, off, deleting, migrating, rebuilding or unknown.
    #[serde(default)]
    pub status: String,

    /// Server type.
    #[serde(default)]
    pub server_type: String,

    /// Number of cores.
    #[serde(default)]
    pub cores: i64,

    /// Memory in GB.
    #[serde(default)]
    pub memory: i64,

    /// Size of the disk in GB.
    #[serde(default)]
    pub disk: i64,

    /// x86 or arm.
    #[serde(default)]
    pub architecture: String,

    /// Location.
    #[serde(default)]
    pub location: String,

    /// Network zone of the location.
    #[serde(default)]
    pub network_zone: String,

    /// The image that the server was created from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ServerImage>,

    /// Public IPv4 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_ipv4: Option<String>,

    /// First address of the public IPv6 network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_ipv6: Option<String>,

    /// Public IPv6 network in CIDR notation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_ipv6_network: Option<String>,

    /// Id of the Primary IP of the IPv4 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_ipv4_id: Option<i64>,

    /// Id of the Primary IP of the IPv6 network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_ipv6_id: Option<i64>,

    /// Attachments to networks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub private_nets: Vec<ServerPrivateNet>,

    /// Ids of the firewalls that apply, in ascending order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub firewalls: Vec<i64>,

    /// Those of the firewalls that the spec names or has named. Others have applied the rest, which
    /// stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own_firewalls: Vec<i64>,

    /// Id of the placement group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement_group: Option<i64>,

    /// Whether the spec names the placement group or has named it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_placement_group: bool,

    /// Ids of the attached volumes, in ascending order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<i64>,

    /// Ids of the load balancers that the server is a target of, in ascending order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub load_balancers: Vec<i64>,

    /// All labels, those of other parties included.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,

    /// Whether Hetzner refuses to delete the server.
    #[serde(default)]
    pub delete_protection: bool,

    /// Whether Hetzner refuses to rebuild the server.
    #[serde(default)]
    pub rebuild_protection: bool,

    /// Hours of the day (UTC) in which backups are made, for example 22-02.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_window: Option<String>,

    /// Whether the next start is into the rescue system.
    #[serde(default)]
    pub rescue_enabled: bool,

    /// Digest of the `rescue` that was last carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescue_hash: Option<String>,

    /// Name of the ISO in the drive, or its id where it has no name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iso: Option<String>,

    /// Whether Hetzner holds the server, for example while an action runs.
    #[serde(default)]
    pub locked: bool,

    /// Traffic that is included in the price for each month, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub included_traffic: Option<i64>,

    /// What it costs according to the price list, with its backups and the public IPv4 address that was made with it. A
    /// PrimaryIP that the spec names has a price of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,

    /// Digest of the user data that the server was created with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data_hash: Option<String>,

    /// How many servers of this resource were deleted again because their creation failed.
    #[serde(default)]
    pub failed_creations: i64,

    /// Why the last of them failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failed_creation: Option<String>,

    /// When the server was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
}

/// The image that a server was created from.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerImage {
    /// Id of the image.
    pub id: i64,

    /// Name of the image; snapshots have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The attachment of a server to a network, as it is.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerPrivateNet {
    /// Id of the network.
    pub network_id: i64,

    /// Address of the server in the network.
    #[serde(default)]
    pub ip: String,

    /// Further addresses of the server in the network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alias_ips: Vec<String>,

    /// Hardware address of the server's interface in the network.
    #[serde(default)]
    pub mac_address: String,
}
