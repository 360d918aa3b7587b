//! `/locations`: read-only, the same for every project.

use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    collection::Id,
    error::ApiError,
    listing::Listing,
    resource::Kind,
    route::{Call, Reply, Route},
};

pub(crate) static KIND: Kind = Kind {
    name: "location",
    plural: "locations",
    routes: &[
        Route::get("/locations", list),
        Route::get("/locations/{id}", get),
    ],
    changes: None,
};

/// A place where servers run.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Location {
    /// The location's id.
    pub id: Id,
    /// Its short name, for example `fsn1`.
    pub name: &'static str,
    /// Its long name.
    pub description: &'static str,
    /// ISO 3166-1 alpha-2 code.
    pub country: &'static str,
    /// The nearest city.
    pub city: &'static str,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// The network zone, for example `eu-central`.
    pub network_zone: &'static str,
}

/// The locations of the public cloud in 2026.
pub const LOCATIONS: &[Location] = &[
    Location {
        id: 1,
        name: "fsn1",
        description: "Falkenstein DC Park 1",
        country: "DE",
        city: "Falkenstein",
        latitude: 50.476_12,
        longitude: 12.370_071,
        network_zone: "eu-central",
    },
    Location {
        id: 2,
        name: "nbg1",
        description: "Nuremberg DC Park 1",
        country: "DE",
        city: "Nuremberg",
        latitude: 49.452_102,
        longitude: 11.076_665,
        network_zone: "eu-central",
    },
    Location {
        id: 3,
        name: "hel1",
        description: "Helsinki DC Park 1",
        country: "FI",
        city: "Helsinki",
        latitude: 60.169_855,
        longitude: 24.938_379,
        network_zone: "eu-central",
    },
    Location {
        id: 4,
        name: "ash",
        description: "Ashburn, VA",
        country: "US",
        city: "Ashburn, VA",
        latitude: 39.045_821,
        longitude: -77.487_073,
        network_zone: "us-east",
    },
    Location {
        id: 5,
        name: "hil",
        description: "Hillsboro, OR",
        country: "US",
        city: "Hillsboro, OR",
        latitude: 45.542_22,
        longitude: -122.951_924,
        network_zone: "us-west",
    },
    Location {
        id: 6,
        name: "sin",
        description: "Singapore",
        country: "SG",
        city: "Singapore",
        latitude: 1.283_333,
        longitude: 103.833_333,
        network_zone: "ap-southeast",
    },
];

/// The location with this id.
pub fn by_id(id: Id) -> Option<&'static Location> {
    LOCATIONS.iter().find(|location| location.id == id)
}

/// The location with this name.
pub fn named(name: &str) -> Option<&'static Location> {
    LOCATIONS.iter().find(|location| location.name == name)
}

/// The location that a request names by id or name.
pub fn find(id_or_name: &str) -> Option<&'static Location> {
    named(id_or_name).or_else(|| by_id(id_or_name.parse().ok()?))
}

/// True when some location lies in this network zone.
pub(crate) fn is_network_zone(zone: &str) -> bool {
    LOCATIONS
        .iter()
        .any(|location| location.network_zone == zone)
}

fn list(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let locations: Vec<Value> = LOCATIONS.iter().map(|location| json!(location)).collect();
    Listing::new("locations", call.request, locations)
        .filter("name")
        .sort(&["id", "name"])?
        .page()
}

fn get(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let id = call.id("id")?;
    let location = by_id(id).ok_or_else(|| ApiError::not_found("location", id))?;
    Ok(Reply::json(StatusCode::OK, json!({ "location": location })))
}
