//! Location: a place with data centers. Only observed.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    managed::{ManagedSpec, ManagedStatus},
    schema,
};

/// Desired state of a location.
#[derive(
    Clone, CustomResource, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize,
)]
#[kube(
    group = "hcloud.openova.io",
    version = "v1alpha1",
    kind = "Location",
    doc = "A location of Hetzner Cloud. It is only observed.",
    namespaced,
    status = "LocationStatus",
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
    printcolumn(name = "CITY", type_ = "string", json_path = ".status.atProvider.city"),
    printcolumn(
        name = "COUNTRY",
        type_ = "string",
        json_path = ".status.atProvider.country"
    ),
    printcolumn(
        name = "ZONE",
        type_ = "string",
        json_path = ".status.atProvider.networkZone"
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct LocationSpec {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedSpec,

    /// Which location is meant. Locations are only read, whatever `managementPolicies` allow.
    pub for_provider: LocationParameters,
}

/// Which location is meant.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.name) || !has(self.id)").message("name and id exclude each other"))]
pub struct LocationParameters {
    /// Name, for example fsn1. Default: `metadata.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub name: Option<String>,

    /// Id, instead of the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::id")]
    pub id: Option<String>,
}

/// Observed state of a location.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LocationStatus {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedStatus,

    /// The location as it is at Hetzner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<LocationObservation>,
}

/// A location as it is at Hetzner.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LocationObservation {
    /// Id at Hetzner; the external name.
    pub id: i64,

    /// Name at Hetzner.
    #[serde(default)]
    pub name: String,

    /// Description, for a person to read.
    #[serde(default)]
    pub description: String,

    /// Name of the closest city.
    #[serde(default)]
    pub city: String,

    /// Country, by its code of two letters.
    #[serde(default)]
    pub country: String,

    /// Network zone, for example eu-central: networks do not reach beyond it with one subnet.
    #[serde(default)]
    pub network_zone: String,

    /// Latitude of the closest city, as decimal text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latitude: Option<String>,

    /// Longitude of the closest city, as decimal text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longitude: Option<String>,
}

crate::managed!(Location, LocationObservation);
