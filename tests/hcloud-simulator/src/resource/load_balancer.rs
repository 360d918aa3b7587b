//! `/load_balancers`: load balancers with their services and targets.
//!
//! ```text
//! create    what a new one is made of           command   what actions change and when the API refuses
//! service   defaults, limits and ports          change    what an action does when it succeeds
//! target    which targets are accepted          follow    what becomes of targets by themselves
//! model     what is kept                        body      what the API writes, with the health of the targets
//! ```

mod body;
mod change;
mod command;
mod create;
mod follow;
mod model;
mod service;
mod target;

pub use model::{Algorithm, Behaviour, LoadBalancer};
pub use service::{HealthCheck, HealthCheckHttp, HealthCheckProtocol, Http, Protocol, Service};
pub use target::{Destination, Selected, Target};

pub(crate) use follow::follow;
pub(crate) use target::{serving, uses_public_ip_of};

use http::StatusCode;
use serde_json::json;

use self::{body::View, change::Change};
use crate::{
    collection::Id,
    error::ApiError,
    listing::Listing,
    project::Project,
    request::Fields,
    resource::{Changes, Kind},
    route::{Call, Reply, Route},
};

pub(crate) static KIND: Kind = Kind {
    name: "load_balancer",
    plural: "load_balancers",
    routes: &[
        Route::get("/load_balancers", list),
        Route::post("/load_balancers", create::create),
        Route::get("/load_balancers/{id}", get),
        Route::put("/load_balancers/{id}", update),
        Route::delete("/load_balancers/{id}", delete),
        Route::post(
            "/load_balancers/{id}/actions/change_algorithm",
            command::change_algorithm,
        ),
        Route::post(
            "/load_balancers/{id}/actions/change_type",
            command::change_type,
        ),
        Route::post(
            "/load_balancers/{id}/actions/change_protection",
            command::change_protection,
        ),
        Route::post(
            "/load_balancers/{id}/actions/change_dns_ptr",
            command::change_dns_ptr,
        ),
        Route::post(
            "/load_balancers/{id}/actions/add_service",
            command::add_service,
        ),
        Route::post(
            "/load_balancers/{id}/actions/update_service",
            command::update_service,
        ),
        Route::post(
            "/load_balancers/{id}/actions/delete_service",
            command::delete_service,
        ),
        Route::post(
            "/load_balancers/{id}/actions/add_target",
            command::add_target,
        ),
        Route::post(
            "/load_balancers/{id}/actions/remove_target",
            command::remove_target,
        ),
        Route::post(
            "/load_balancers/{id}/actions/attach_to_network",
            command::attach_to_network,
        ),
        Route::post(
            "/load_balancers/{id}/actions/detach_from_network",
            command::detach_from_network,
        ),
        Route::post(
            "/load_balancers/{id}/actions/enable_public_interface",
            command::enable_public_interface,
        ),
        Route::post(
            "/load_balancers/{id}/actions/disable_public_interface",
            command::disable_public_interface,
        ),
    ],
    changes: Some(Changes {
        exists: |project, id| project.load_balancers().get(id).is_some(),
        apply: change::apply,
    }),
};

const MAX_NAME: usize = 128;

fn find<'a>(call: &'a Call<'_>) -> Result<&'a LoadBalancer, ApiError> {
    let id = call.id("id")?;
    call.project
        .load_balancers()
        .get(id)
        .ok_or_else(|| ApiError::not_found("load_balancer", id))
}

/// The load balancer of a call that changes it by an action; a running change is a conflict.
fn find_idle<'a>(call: &'a Call<'_>) -> Result<&'a LoadBalancer, ApiError> {
    let load_balancer = find(call)?;
    call.check_idle(load_balancer.id)?;
    Ok(load_balancer)
}

fn list(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let view = View::of(call);
    let load_balancers = call.project.load_balancers().iter();
    let bodies = load_balancers.map(|one| view.load_balancer(one)).collect();
    Listing::new("load_balancers", call.request, bodies)
        .filter("name")
        .filter_by_label()?
        .sort(&["id", "name", "created"])?
        .page()
}

fn get(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let body = View::of(call).load_balancer(find(call)?);
    Ok(Reply::json(
        StatusCode::OK,
        json!({ "load_balancer": body }),
    ))
}

fn update(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let id = find(call)?.id;
    let mut fields = call.fields()?;
    let name = read_name(&mut fields);
    let labels = fields.labels();
    fields.check()?;
    if let Some(name) = &name {
        check_name(call.project, name, Some(id))?;
    }
    if let Some(load_balancer) = call.project.load_balancers_mut().get_mut(id) {
        if let Some(name) = name {
            load_balancer.name = name;
        }
        if let Some(labels) = labels {
            load_balancer.labels = labels;
        }
    }
    get(call)
}

/// Since October 2026 it takes an action; before, it was done at once.
fn delete(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let load_balancer = find_idle(call)?;
    let id = load_balancer.id;
    if load_balancer.delete_protection {
        return Err(ApiError::protected("load balancer deletion is protected"));
    }
    if call.api_date.legacy() {
        change::remove(call.project, id);
        return Ok(Reply::no_content());
    }
    command::start(call, &Change::Delete)
}

fn read_name(fields: &mut Fields) -> Option<String> {
    let name = fields.name()?;
    if name.chars().count() > MAX_NAME {
        fields.refuse("name", format!("is longer than {MAX_NAME} characters"));
    }
    if name.trim() != name {
        fields.refuse("name", "must not start or end with a space");
    }
    Some(name)
}

fn check_name(project: &Project, name: &str, own: Option<Id>) -> Result<(), ApiError> {
    match project.load_balancers().named(name) {
        Some(other) if Some(other.id) != own => {
            Err(ApiError::uniqueness("load balancer name is already used"))
        }
        _ => Ok(()),
    }
}
