//! `/server_types`: read-only. What is sold where is the same for every project; whether it is available now is the
//! project's [`Capacity`].

mod table;

pub use table::SERVER_TYPES;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    api_date::ApiDate,
    capacity::Capacity,
    collection::Id,
    deprecation::Deprecation,
    error::ApiError,
    listing::Listing,
    resource::{
        Kind,
        location::{self, Location},
        pricing::{Prices, Tariff},
    },
    route::{Call, Reply, Route},
};

pub(crate) static KIND: Kind = Kind {
    name: "server_type",
    plural: "server_types",
    routes: &[
        Route::get("/server_types", list),
        Route::get("/server_types/{id}", get),
    ],
    changes: None,
};

/// The instruction set of a server type, image or ISO.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// Intel and AMD.
    X86,
    /// Ampere.
    Arm,
}

/// Whether the cores are shared with other customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CpuType {
    /// They are.
    Shared,
    /// They are not.
    Dedicated,
}

/// A kind of server that can be ordered.
#[derive(Clone, Debug)]
pub struct ServerType {
    /// The server type's id.
    pub id: Id,
    /// Its name, for example `cx23`.
    pub name: &'static str,
    /// Its name in the price list.
    pub category: &'static str,
    /// How many cores it has.
    pub cores: u32,
    /// Its memory in GB.
    pub memory: u32,
    /// Its disk in GB.
    pub disk: u32,
    /// Whose cores they are.
    pub cpu_type: CpuType,
    /// Its instruction set.
    pub architecture: Architecture,
    /// True when Hetzner recommends it where it is sold.
    pub recommended: bool,
    /// What it costs where it is sold.
    pub prices: Prices,
}

/// The server type with this id.
pub fn by_id(id: Id) -> Option<&'static ServerType> {
    SERVER_TYPES.iter().find(|server_type| server_type.id == id)
}

/// The server type with this name.
pub fn named(name: &str) -> Option<&'static ServerType> {
    SERVER_TYPES
        .iter()
        .find(|server_type| server_type.name == name)
}

/// The server type that a request names by id or name.
pub fn find(id_or_name: &str) -> Option<&'static ServerType> {
    named(id_or_name).or_else(|| by_id(id_or_name.parse().ok()?))
}

impl ServerType {
    /// What it costs in a location, net; `None` where it is not sold.
    pub fn price(&self, location: &Location) -> Option<Tariff> {
        self.prices.at(location)
    }

    /// True where it is sold, be it available now or not.
    pub fn is_sold_in(&self, location: &Location) -> bool {
        self.price(location).is_some()
    }

    pub(crate) fn body(&self, capacity: &Capacity, date: ApiDate) -> Value {
        let offer = |location: &Location| {
            let deprecation = capacity.deprecation(self.name, Some(location.name));
            let mut offer = json!({
                "id": location.id,
                "name": location.name,
                "deprecation": deprecation.map(Deprecation::body),
            });
            if date.tells_availability() {
                offer["available"] = json!(capacity.is_available(self.name, location.name));
                offer["recommended"] = json!(self.recommended);
            }
            offer
        };
        let locations = location::LOCATIONS
            .iter()
            .filter(|location| self.is_sold_in(location));
        let deprecation = capacity.deprecation(self.name, None);
        let mut body = json!({
            "id": self.id,
            "name": self.name,
            "description": self.name.to_uppercase(),
            "category": self.category,
            "cores": self.cores,
            "memory": f64::from(self.memory),
            "disk": self.disk,
            "cpu_type": self.cpu_type,
            "storage_type": "local",
            "architecture": self.architecture,
            "deprecation": deprecation.map(Deprecation::body),
            "locations": locations.map(offer).collect::<Vec<_>>(),
            "prices": self.prices.body(),
        });
        if date.legacy() {
            body["deprecated"] = json!(deprecation.is_some());
        }
        body
    }
}

fn list(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let capacity = &call.project.capacity;
    let bodies = SERVER_TYPES
        .iter()
        .filter(|server_type| !capacity.is_gone(server_type.name, call.now))
        .map(|server_type| server_type.body(capacity, call.api_date));
    Listing::new("server_types", call.request, bodies.collect())
        .filter("name")
        .sort(&["id", "name"])?
        .page()
}

fn get(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let id = call.id("id")?;
    let server_type = by_id(id).ok_or_else(|| ApiError::not_found("server_type", id))?;
    let body = server_type.body(&call.project.capacity, call.api_date);
    Ok(Reply::json(StatusCode::OK, json!({ "server_type": body })))
}
