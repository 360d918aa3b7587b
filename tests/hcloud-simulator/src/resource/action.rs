//! `/actions`, and the actions below every kind that actions change.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    action::Action,
    error::ApiError,
    listing::Listing,
    resource::Kind,
    route::{Call, Reply, Route},
};

const SORT: &[&str] = &["id", "command", "status", "started", "finished"];

pub(crate) static KIND: Kind = Kind {
    name: "action",
    plural: "actions",
    routes: &[
        Route::get("/actions", list),
        Route::get("/actions/{action_id}", get),
    ],
    changes: None,
};

/// Routes below `/<plural>` of every kind that actions change.
pub(crate) static ROUTES_OF_A_KIND: &[Route] = &[
    Route::get("/actions", list_of_kind),
    Route::get("/actions/{action_id}", get_of_kind),
    Route::get("/{id}/actions", list_of_object),
    Route::get("/{id}/actions/{action_id}", get_of_object),
];

/// Since January 2025 the API answers only for named actions here.
fn list(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    if call.request.query("id").next().is_none() {
        return Err(ApiError::invalid_field(
            "id",
            "is required: list the ids of the wanted actions",
        ));
    }
    page(call, |_| true)
}

fn list_of_kind(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let kind = call.kind.name;
    page(call, |action| {
        action
            .resources
            .iter()
            .any(|resource| resource.kind == kind)
    })
}

fn list_of_object(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let (kind, id) = (call.kind.name, call.id("id")?);
    check_exists(call)?;
    page(call, |action| action.concerns(kind, id))
}

fn get(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    one(call, |_| true)
}

fn get_of_kind(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let kind = call.kind.name;
    one(call, |action| {
        action
            .resources
            .iter()
            .any(|resource| resource.kind == kind)
    })
}

fn get_of_object(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let (kind, id) = (call.kind.name, call.id("id")?);
    check_exists(call)?;
    one(call, |action| action.concerns(kind, id))
}

fn check_exists(call: &Call<'_>) -> Result<(), ApiError> {
    let id = call.id("id")?;
    let exists = call
        .kind
        .changes
        .as_ref()
        .is_some_and(|changes| (changes.exists)(call.project, id));
    if exists {
        Ok(())
    } else {
        Err(ApiError::not_found(call.kind.name, id))
    }
}

fn page(call: &Call<'_>, wanted: impl Fn(&Action) -> bool) -> Result<Reply, ApiError> {
    let actions: Vec<Value> = call
        .project
        .actions()
        .filter(|action| wanted(action))
        .map(|action| action.body(call.now))
        .collect();
    Listing::new("actions", call.request, actions)
        .filter("id")
        .filter("status")
        .sort(SORT)?
        .page()
}

fn one(call: &Call<'_>, wanted: impl Fn(&Action) -> bool) -> Result<Reply, ApiError> {
    let id = call.id("action_id")?;
    let action = call.project.action(id).filter(|action| wanted(action));
    let action = action.ok_or_else(|| ApiError::not_found("action", id))?;
    Ok(Reply::json(
        StatusCode::OK,
        json!({ "action": action.body(call.now) }),
    ))
}
