//! `/servers`: virtual machines.
//!
//! A server changes by actions, one at a time: while one runs the server is locked. Its status is read from its power and
//! from the action that runs. What is asked for is checked when it is asked for; what happens is in `change`.

mod change;
mod create;
mod hardware;
mod model;
mod network;
mod power;
mod rule;

pub use model::{Power, PrivateNet, Server, UserData};

use http::StatusCode;
use serde_json::json;

use self::change::Change;
use crate::{
    action::{Action, NewAction, ResourceRef},
    collection::Id,
    error::ApiError,
    listing::Listing,
    project::Project,
    resource::{Changes, Kind, primary_ip},
    route::{Call, Reply, Route},
};

pub(crate) static KIND: Kind = Kind {
    name: "server",
    plural: "servers",
    routes: &[
        Route::get("/servers", list),
        Route::post("/servers", create::create),
        Route::get("/servers/{id}", get),
        Route::put("/servers/{id}", update),
        Route::delete("/servers/{id}", delete),
        Route::post("/servers/{id}/actions/poweron", power::poweron),
        Route::post("/servers/{id}/actions/poweroff", power::poweroff),
        Route::post("/servers/{id}/actions/reboot", power::reboot),
        Route::post("/servers/{id}/actions/reset", power::reset),
        Route::post("/servers/{id}/actions/shutdown", power::shutdown),
        Route::post(
            "/servers/{id}/actions/reset_password",
            power::reset_password,
        ),
        Route::post(
            "/servers/{id}/actions/request_console",
            power::request_console,
        ),
        Route::post("/servers/{id}/actions/enable_rescue", power::enable_rescue),
        Route::post(
            "/servers/{id}/actions/disable_rescue",
            power::disable_rescue,
        ),
        Route::post("/servers/{id}/actions/change_type", hardware::change_type),
        Route::post("/servers/{id}/actions/rebuild", hardware::rebuild),
        Route::post("/servers/{id}/actions/create_image", hardware::create_image),
        Route::post(
            "/servers/{id}/actions/enable_backup",
            hardware::enable_backup,
        ),
        Route::post(
            "/servers/{id}/actions/disable_backup",
            hardware::disable_backup,
        ),
        Route::post("/servers/{id}/actions/attach_iso", hardware::attach_iso),
        Route::post("/servers/{id}/actions/detach_iso", hardware::detach_iso),
        Route::post(
            "/servers/{id}/actions/add_to_placement_group",
            hardware::add_to_placement_group,
        ),
        Route::post(
            "/servers/{id}/actions/remove_from_placement_group",
            hardware::remove_from_placement_group,
        ),
        Route::post("/servers/{id}/actions/attach_to_network", network::attach),
        Route::post("/servers/{id}/actions/detach_from_network", network::detach),
        Route::post(
            "/servers/{id}/actions/change_alias_ips",
            network::change_alias_ips,
        ),
        Route::post("/servers/{id}/actions/change_dns_ptr", change_dns_ptr),
        Route::post("/servers/{id}/actions/change_protection", change_protection),
    ],
    changes: Some(Changes {
        exists: |project, id| project.servers().get(id).is_some(),
        apply: change::apply,
    }),
};

/// Actions that concern a server without locking it.
const HARMLESS: &[&str] = &[
    "add_target",
    "apply_firewall",
    "change_dns_ptr",
    "remove_firewall",
    "remove_target",
    "set_firewall_rules",
];

/// The action that locks a server.
fn lock_of(project: &Project, server: Id) -> Option<&Action> {
    project.actions().find(|action| {
        action.is_running()
            && action.concerns(KIND.name, server)
            && !HARMLESS.contains(&action.command.as_str())
    })
}

/// A server that no action changes now.
pub(crate) fn find_unlocked(project: &Project, id: Id) -> Result<&Server, ApiError> {
    let server = project
        .servers()
        .get(id)
        .ok_or_else(|| ApiError::not_found(KIND.name, id))?;
    match lock_of(project, id) {
        None => Ok(server),
        Some(Action { id, command, .. }) => Err(ApiError::new(
            StatusCode::LOCKED,
            "locked",
            format!(
                "server {} is locked by action {id} ({command})",
                server.name
            ),
        )),
    }
}

fn find<'a>(call: &'a Call<'_>) -> Result<&'a Server, ApiError> {
    let id = call.id("id")?;
    let server = call.project.servers().get(id);
    server.ok_or_else(|| ApiError::not_found(KIND.name, id))
}

/// The server of a call that changes it by an action.
fn find_free<'a>(call: &'a Call<'_>) -> Result<&'a Server, ApiError> {
    find_unlocked(call.project, call.id("id")?)
}

/// The server of a call that needs it switched off.
fn find_stopped<'a>(call: &'a Call<'_>) -> Result<&'a Server, ApiError> {
    let server = find_free(call)?;
    match server.power {
        Power::Off => Ok(server),
        Power::Running => Err(refusal(
            "server_not_stopped",
            "server must be stopped for this operation",
        )),
    }
}

fn refusal(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
}

fn new_action(command: &'static str, server: Id, change: &Change) -> NewAction {
    NewAction::new(command, ResourceRef::new(KIND.name, server), json!(change))
}

/// Starts the action that is all that a call does.
fn start(
    call: &mut Call<'_>,
    command: &'static str,
    server: Id,
    change: &Change,
) -> Result<Reply, ApiError> {
    Ok(call.start_action(command, server, json!(change)))
}

fn list(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let servers = call.project.servers().iter();
    let bodies = servers.map(|server| server.body(call.project, call.api_date));
    Listing::new("servers", call.request, bodies.collect())
        .filter("name")
        .filter("status")
        .filter_by_label()?
        .sort(&["id", "name", "created"])?
        .page()
}

fn get(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let body = find(call)?.body(call.project, call.api_date);
    Ok(Reply::json(StatusCode::OK, json!({ "server": body })))
}

fn update(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let id = find(call)?.id;
    let mut fields = call.fields()?;
    let name = fields.parsed_optional("name", rule::host_name);
    let labels = fields.labels();
    fields.check()?;
    if let Some(name) = &name {
        call.project.servers().check_name(name, Some(id))?;
    }
    let server = call.project.servers_mut().get_mut(id);
    let server = server.ok_or_else(|| ApiError::not_found(KIND.name, id))?;
    if let Some(name) = name {
        server.name = name;
    }
    if let Some(labels) = labels {
        server.labels = labels;
    }
    get(call)
}

fn delete(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let server = find(call)?;
    let id = server.id;
    if server.protected {
        return Err(ApiError::protected("server deletion is protected"));
    }
    find_free(call)?;
    let action = call.start(new_action("delete_server", id, &Change::Delete));
    let action = call.settled(action);
    Ok(Reply::json(StatusCode::OK, json!({ "action": action })))
}

fn change_protection(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let server = find_free(call)?;
    let (id, unchanged) = (server.id, server.protected);
    let mut fields = call.fields()?;
    let delete = fields.optional("delete").unwrap_or(unchanged);
    let rebuild = fields.optional("rebuild").unwrap_or(unchanged);
    if delete != rebuild {
        fields.refuse("rebuild", "must have the same value as delete");
    }
    fields.check()?;
    start(
        call,
        "change_protection",
        id,
        &Change::Protect { both: delete },
    )
}

fn change_dns_ptr(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let server = find_free(call)?;
    let id = server.id;
    let (ip, name) = primary_ip::read_name(call, |address| {
        server
            .primary_ips(call.project)
            .any(|own| own.covers(address))
    })?;
    start(call, "change_dns_ptr", id, &Change::Name { ip, name })
}
