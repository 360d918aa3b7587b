//! The control API under `/_simulator`: what a test does in Rust, a person does here with curl. It needs no token.
//!
//! ```text
//! GET    /_simulator/state                 all projects as JSON        PUT puts such a document back
//! GET    /_simulator/log                   requests, oldest first      DELETE forgets them
//! GET    /_simulator/faults                armed faults                POST arms one, DELETE removes all
//! DELETE /_simulator/faults/{id}           removes one and releases what it holds
//! GET    /_simulator/actions               running actions
//! POST   /_simulator/actions/drain         lets all of them succeed
//! POST   /_simulator/actions/{id}/complete lets one succeed
//! POST   /_simulator/actions/{id}/fail     lets one fail, with {"code","message"}
//! GET    /_simulator/projects/{name}/capacity   what is sold out     PUT replaces it
//! GET    /_simulator/projects/{name}/quotas     how much it may have PUT replaces it
//! ```

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{delete, get, post},
};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    action::{ActionError, Actions},
    capacity::{Capacity, Quotas},
    fault::{Fault, Injection},
    log::Entry,
    project::Project,
    server::Shared,
    world::{SavedState, World},
};

pub(crate) const PREFIX: &str = "/_simulator";

type Refusal = (StatusCode, String);

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let routes = Router::new()
        .route("/state", get(state).put(restore))
        .route("/log", get(log).delete(clear_log))
        .route("/faults", get(faults).post(inject).delete(clear_faults))
        .route("/faults/{id}", delete(remove_fault))
        .route("/actions", get(actions))
        .route("/actions/drain", post(drain))
        .route("/actions/{id}/complete", post(complete))
        .route("/actions/{id}/fail", post(fail))
        .route("/projects/{name}/capacity", get(capacity).put(set_capacity))
        .route("/projects/{name}/quotas", get(quotas).put(set_quotas))
        .with_state(shared);
    Router::new().nest(PREFIX, routes)
}

async fn state(State(shared): State<Arc<Shared>>) -> Result<Json<SavedState>, Refusal> {
    let saved = World::lock(&shared.world).save();
    saved
        .map(Json)
        .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

async fn restore(
    State(shared): State<Arc<Shared>>,
    Json(saved): Json<SavedState>,
) -> Result<StatusCode, Refusal> {
    let restored = World::lock(&shared.world).restore(saved);
    restored.map(|()| StatusCode::NO_CONTENT).map_err(|error| {
        let cause = std::error::Error::source(&error)
            .map(|cause| format!(": {cause}"))
            .unwrap_or_default();
        (StatusCode::UNPROCESSABLE_ENTITY, format!("{error}{cause}"))
    })
}

async fn log(State(shared): State<Arc<Shared>>) -> Json<Vec<Entry>> {
    Json(shared.log.entries())
}

async fn clear_log(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.log.clear();
    StatusCode::NO_CONTENT
}

async fn faults(State(shared): State<Arc<Shared>>) -> Json<Vec<Value>> {
    Json(shared.faults.injections().iter().map(described).collect())
}

async fn inject(
    State(shared): State<Arc<Shared>>,
    Json(fault): Json<Fault>,
) -> (StatusCode, Json<Value>) {
    (
        StatusCode::CREATED,
        Json(described(&shared.faults.inject(fault))),
    )
}

async fn clear_faults(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.faults.clear();
    StatusCode::NO_CONTENT
}

async fn remove_fault(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<u64>,
) -> Result<Json<Value>, StatusCode> {
    shared
        .faults
        .remove(id)
        .map(|injection| Json(described(&injection)))
        .ok_or(StatusCode::NOT_FOUND)
}

fn described(injection: &Injection) -> Value {
    json!({ "id": injection.id(), "hits": injection.hits(), "fault": injection.fault() })
}

async fn actions(State(shared): State<Arc<Shared>>) -> Json<Vec<Value>> {
    let world = World::lock(&shared.world);
    Json(
        world
            .running_actions()
            .iter()
            .map(|action| action.body(world.now()))
            .collect(),
    )
}

async fn drain(State(shared): State<Arc<Shared>>) -> Json<Vec<Value>> {
    let drained = Actions(Arc::clone(&shared.world)).drain();
    let now = World::lock(&shared.world).now();
    Json(drained.iter().map(|action| action.body(now)).collect())
}

async fn complete(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<u64>,
) -> Result<Json<Value>, StatusCode> {
    finish(&shared, id, None)
}

async fn fail(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<u64>,
    Json(error): Json<ActionError>,
) -> Result<Json<Value>, StatusCode> {
    finish(&shared, id, Some(&error))
}

async fn capacity(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
) -> Result<Json<Capacity>, StatusCode> {
    with_project(&shared, &name, |project| project.capacity.clone()).map(Json)
}

async fn set_capacity(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    Json(capacity): Json<Capacity>,
) -> Result<StatusCode, StatusCode> {
    with_project(&shared, &name, |project| project.capacity = capacity)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn quotas(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
) -> Result<Json<Quotas>, StatusCode> {
    with_project(&shared, &name, |project| project.quotas.clone()).map(Json)
}

async fn set_quotas(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    Json(quotas): Json<Quotas>,
) -> Result<StatusCode, StatusCode> {
    with_project(&shared, &name, |project| project.quotas = quotas)?;
    Ok(StatusCode::NO_CONTENT)
}

fn with_project<T>(
    shared: &Shared,
    name: &str,
    work: impl FnOnce(&mut Project) -> T,
) -> Result<T, StatusCode> {
    let mut world = World::lock(&shared.world);
    let project = world.project_named_mut(name).ok_or(StatusCode::NOT_FOUND)?;
    Ok(work(project))
}

fn finish(
    shared: &Shared,
    id: u64,
    error: Option<&ActionError>,
) -> Result<Json<Value>, StatusCode> {
    let mut world = World::lock(&shared.world);
    let action = world
        .finish_action(id, error)
        .ok_or(StatusCode::NOT_FOUND)?;
    Ok(Json(action.body(world.now())))
}
