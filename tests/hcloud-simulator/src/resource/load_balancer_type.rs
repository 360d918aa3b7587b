//! `/load_balancer_types`: read-only, the same for every project but for what is withdrawn.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    api_date::ApiDate,
    capacity::Capacity,
    clock::wire,
    collection::Id,
    deprecation::Deprecation,
    error::ApiError,
    listing::Listing,
    resource::{Kind, pricing::Prices},
    route::{Call, Reply, Route},
};

pub(crate) static KIND: Kind = Kind {
    name: "load_balancer_type",
    plural: "load_balancer_types",
    routes: &[
        Route::get("/load_balancer_types", list),
        Route::get("/load_balancer_types/{id}", get),
    ],
    changes: None,
};

/// A size of load balancers.
#[derive(Clone, Debug)]
pub struct LoadBalancerType {
    /// The load balancer type's id.
    pub id: Id,
    /// Its name, for example `lb11`.
    pub name: &'static str,
    /// How many connections it holds open.
    pub max_connections: u32,
    /// How many services a load balancer may have.
    pub max_services: usize,
    /// How many targets a load balancer may have.
    pub max_targets: usize,
    /// How many certificates its services may use.
    pub max_assigned_certificates: usize,
    /// What it costs, by location.
    pub prices: Prices,
}

/// Every load balancer type on sale, by ascending id and size.
pub const LOAD_BALANCER_TYPES: &[LoadBalancerType] = &[
    LoadBalancerType {
        id: 1,
        name: "lb11",
        max_connections: 10_000,
        max_services: 5,
        max_targets: 25,
        max_assigned_certificates: 10,
        prices: Prices::everywhere(749),
    },
    LoadBalancerType {
        id: 2,
        name: "lb21",
        max_connections: 20_000,
        max_services: 15,
        max_targets: 75,
        max_assigned_certificates: 25,
        prices: Prices::everywhere(2149),
    },
    LoadBalancerType {
        id: 3,
        name: "lb31",
        max_connections: 40_000,
        max_services: 30,
        max_targets: 150,
        max_assigned_certificates: 50,
        prices: Prices::everywhere(4299),
    },
];

/// The load balancer type with this id.
pub fn by_id(id: Id) -> Option<&'static LoadBalancerType> {
    LOAD_BALANCER_TYPES.iter().find(|kind| kind.id == id)
}

/// The load balancer type that a request names by id or name.
pub fn find(id_or_name: &str) -> Option<&'static LoadBalancerType> {
    let named = LOAD_BALANCER_TYPES
        .iter()
        .find(|kind| kind.name == id_or_name);
    named.or_else(|| by_id(id_or_name.parse().ok()?))
}

impl LoadBalancerType {
    pub(crate) fn body(&self, capacity: &Capacity, date: ApiDate) -> Value {
        let mut body = json!({
            "id": self.id,
            "name": self.name,
            "description": self.name.to_uppercase(),
            "max_connections": self.max_connections,
            "max_services": self.max_services,
            "max_targets": self.max_targets,
            "max_assigned_certificates": self.max_assigned_certificates,
            "prices": self.prices.body(),
        });
        let deprecation = capacity.deprecation(self.name, None);
        if date.legacy() {
            let announced = deprecation.map(|deprecation| wire(deprecation.announced));
            body["deprecated"] = json!(announced);
        } else {
            body["deprecation"] = json!(deprecation.map(Deprecation::body));
        }
        body
    }
}

fn list(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let capacity = &call.project.capacity;
    let bodies = LOAD_BALANCER_TYPES
        .iter()
        .filter(|kind| !capacity.is_gone(kind.name, call.now))
        .map(|kind| kind.body(capacity, call.api_date));
    Listing::new("load_balancer_types", call.request, bodies.collect())
        .filter("name")
        .sort(&["id", "name"])?
        .page()
}

fn get(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let id = call.id("id")?;
    let kind = by_id(id).ok_or_else(|| ApiError::not_found("load_balancer_type", id))?;
    let body = kind.body(&call.project.capacity, call.api_date);
    Ok(Reply::json(
        StatusCode::OK,
        json!({ "load_balancer_type": body }),
    ))
}
