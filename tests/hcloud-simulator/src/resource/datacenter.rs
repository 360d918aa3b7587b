//! `/datacenters`: removed in October 2026, and served as it was in the older states of the API.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    capacity::Capacity,
    collection::Id,
    error::ApiError,
    listing::Listing,
    resource::{
        Kind,
        location::{self, Location},
        server_type::{SERVER_TYPES, ServerType},
    },
    route::{Call, Reply, Route},
};

const ANNOUNCEMENT: &str = "https://docs.hetzner.cloud/changelog#2026-06-02-deprecate-datacenters";

pub(crate) static KIND: Kind = Kind {
    name: "datacenter",
    plural: "datacenters",
    routes: &[
        Route::get("/datacenters", list),
        Route::get("/datacenters/{id}", get),
    ],
    changes: None,
};

struct Datacenter {
    id: Id,
    name: &'static str,
    description: &'static str,
    location: &'static str,
}

const fn datacenter(
    id: Id,
    name: &'static str,
    description: &'static str,
    location: &'static str,
) -> Datacenter {
    Datacenter {
        id,
        name,
        description,
        location,
    }
}

/// One for each location.
const DATACENTERS: &[Datacenter] = &[
    datacenter(2, "nbg1-dc3", "Nuremberg 1 virtual DC 3", "nbg1"),
    datacenter(3, "hel1-dc2", "Helsinki 1 virtual DC 2", "hel1"),
    datacenter(4, "fsn1-dc14", "Falkenstein 1 virtual DC14", "fsn1"),
    datacenter(5, "ash-dc1", "Ashburn virtual DC 1", "ash"),
    datacenter(6, "hil-dc1", "Hillsboro virtual DC 1", "hil"),
    datacenter(7, "sin-dc1", "Singapore virtual DC 1", "sin"),
];

/// The location of the datacenter that a request names by id or name, as requests did before July 2026.
pub(crate) fn find_location(id_or_name: &str) -> Option<&'static Location> {
    let id = id_or_name.parse().ok();
    let mut datacenters = DATACENTERS.iter();
    let found =
        datacenters.find(|datacenter| datacenter.name == id_or_name || Some(datacenter.id) == id);
    location::named(found?.location)
}

/// The datacenter of a location, as servers and Primary IPs carried it before July 2026.
pub(crate) fn body_of(location: &Location, capacity: &Capacity) -> Value {
    let datacenter = DATACENTERS
        .iter()
        .find(|datacenter| datacenter.location == location.name);
    datacenter.map_or(Value::Null, |datacenter| datacenter.body(capacity))
}

impl Datacenter {
    fn body(&self, capacity: &Capacity) -> Value {
        let location = location::named(self.location);
        let sold = || {
            SERVER_TYPES
                .iter()
                .filter(|kind| location.is_some_and(|location| kind.is_sold_in(location)))
        };
        let ids = |kinds: &mut dyn Iterator<Item = &ServerType>| {
            kinds.map(|kind| kind.id).collect::<Vec<Id>>()
        };
        let available =
            ids(&mut sold().filter(|kind| capacity.is_available(kind.name, self.location)));
        json!({
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "location": location,
            "server_types": {
                "supported": ids(&mut sold()),
                "available": available,
                "available_for_migration": available,
            },
        })
    }
}

fn check_served(call: &Call<'_>) -> Result<(), ApiError> {
    if call.api_date.legacy() {
        return Ok(());
    }
    Err(ApiError {
        details: Some(json!({ "announcement": ANNOUNCEMENT })),
        ..ApiError::new(
            StatusCode::GONE,
            "deprecated_api_endpoint",
            "API functionality was removed",
        )
    })
}

fn list(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    check_served(call)?;
    let capacity = &call.project.capacity;
    let bodies = DATACENTERS
        .iter()
        .map(|datacenter| datacenter.body(capacity));
    let mut reply = Listing::new("datacenters", call.request, bodies.collect())
        .filter("name")
        .sort(&["id", "name"])?
        .page()?;
    if let Some(body) = &mut reply.body {
        body["recommendation"] = json!(DATACENTERS.first().map(|datacenter| datacenter.id));
    }
    Ok(reply)
}

fn get(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    check_served(call)?;
    let id = call.id("id")?;
    let datacenter = DATACENTERS.iter().find(|datacenter| datacenter.id == id);
    let datacenter = datacenter.ok_or_else(|| ApiError::not_found("datacenter", id))?;
    let body = datacenter.body(&call.project.capacity);
    Ok(Reply::json(StatusCode::OK, json!({ "datacenter": body })))
}
