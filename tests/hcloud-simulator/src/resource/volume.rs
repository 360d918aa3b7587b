//! `/volumes`: block devices that outlive servers.

mod model;

pub use model::Volume;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    action::{ActionError, NewAction, ResourceRef},
    collection::Id,
    error::ApiError,
    listing::Listing,
    project::Project,
    resource::{Changes, Kind, location, server},
    route::{Call, Reply, Route},
};

pub(crate) static KIND: Kind = Kind {
    name: "volume",
    plural: "volumes",
    routes: &[
        Route::get("/volumes", list),
        Route::post("/volumes", create),
        Route::get("/volumes/{id}", get),
        Route::put("/volumes/{id}", update),
        Route::delete("/volumes/{id}", delete),
        Route::post("/volumes/{id}/actions/attach", attach),
        Route::post("/volumes/{id}/actions/detach", detach),
        Route::post("/volumes/{id}/actions/resize", resize),
        Route::post("/volumes/{id}/actions/change_protection", change_protection),
    ],
    changes: Some(Changes {
        exists: |project, id| project.volumes().get(id).is_some(),
        apply,
    }),
};

const SMALLEST: u32 = 10;
const LARGEST: u32 = 10_240;
const MAX_NAME: usize = 64;
const PER_SERVER: usize = 16;

/// What an action does to a volume when it ends.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    /// The action itself was all.
    Nothing,
    Attach {
        server: Id,
    },
    Detach,
    Resize {
        size: u32,
    },
    Protect {
        delete: bool,
    },
    /// It could not be made.
    Discard,
}

fn apply(project: &mut Project, id: Id, change: &Value) -> Result<(), ActionError> {
    let failed = |message: String| ActionError::new("action_failed", message);
    let change = Change::deserialize(change).map_err(|error| failed(error.to_string()))?;
    if let Change::Attach { server } = change
        && project.servers().get(server).is_none()
    {
        return Err(failed(format!("server {server} does not exist")));
    }
    let volume = project
        .volumes_mut()
        .get_mut(id)
        .ok_or_else(|| failed(format!("volume {id} does not exist")))?;
    match change {
        Change::Nothing => {}
        Change::Attach { server } => volume.server = Some(server),
        Change::Detach => volume.server = None,
        Change::Resize { size } => volume.size = size,
        Change::Protect { delete } => volume.delete_protection = delete,
        Change::Discard => {
            project.volumes_mut().remove(id);
        }
    }
    Ok(())
}

/// Whether a new server in `location` can have these volumes.
pub(crate) fn check_new_server(
    project: &Project,
    volumes: &[Id],
    location: &str,
) -> Result<(), ApiError> {
    for id in volumes {
        let volume = project.volumes().get(*id);
        let volume = volume.ok_or_else(|| ApiError::not_found(KIND.name, *id))?;
        check_attachable(volume, location)?;
    }
    check_count(volumes.len())
}

/// The action that attaches a volume.
pub(crate) fn attachment(volume: Id, server: Id) -> NewAction {
    new_action("attach_volume", volume, &Change::Attach { server })
        .with(ResourceRef::new(server::KIND.name, server))
}

fn new_action(command: &'static str, volume: Id, change: &Change) -> NewAction {
    NewAction::new(command, ResourceRef::new(KIND.name, volume), json!(change))
}

fn refusal(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
}

fn check_attachable(volume: &Volume, location: &str) -> Result<(), ApiError> {
    if volume.server.is_some() {
        return Err(refusal(
            "volume_already_attached",
            format!("volume {} is already attached to a server", volume.id),
        ));
    }
    if volume.location != location {
        return Err(refusal(
            "invalid_input",
            "volume and server must be in the same location",
        ));
    }
    Ok(())
}

/// The API names this limit differently from the quotas of a project.
fn check_count(count: usize) -> Result<(), ApiError> {
    if count <= PER_SERVER {
        Ok(())
    } else {
        Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "limit_exceeded_error",
            format!("a server has at most {PER_SERVER} volumes"),
        ))
    }
}

/// The location of an unlocked server that can take one more volume.
fn check_server(project: &Project, server: Id) -> Result<&str, ApiError> {
    let server = server::find_unlocked(project, server)?;
    check_count(server.volumes(project).count() + 1)?;
    Ok(&server.location)
}

fn find<'a>(call: &'a Call<'_>) -> Result<&'a Volume, ApiError> {
    let id = call.id("id")?;
    let volume = call.project.volumes().get(id);
    volume.ok_or_else(|| ApiError::not_found(KIND.name, id))
}

/// The volume of a call that changes it; a running change is a conflict.
fn find_idle<'a>(call: &'a Call<'_>) -> Result<&'a Volume, ApiError> {
    let volume = find(call)?;
    call.check_idle(volume.id)?;
    Ok(volume)
}

fn list(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let volumes = call.project.volumes().iter();
    let bodies = volumes.map(|volume| volume.body(call.project)).collect();
    Listing::new("volumes", call.request, bodies)
        .filter("name")
        .filter("status")
        .filter_by_label()?
        .sort(&["id", "name", "created"])?
        .page()
}

fn get(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let body = find(call)?.body(call.project);
    Ok(Reply::json(StatusCode::OK, json!({ "volume": body })))
}

fn create(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let mut fields = call.fields()?;
    let name = fields.parsed("name", name);
    let size = fields.required::<u32>("size");
    if size.is_some_and(|size| !(SMALLEST..=LARGEST).contains(&size)) {
        let message = format!("must be between {SMALLEST} and {LARGEST}");
        fields.refuse("size", message);
    }
    let server = fields.optional::<Id>("server");
    let location = fields.id_or_name("location");
    let location = location.and_then(|text| {
        let found = location::find(&text);
        if found.is_none() {
            fields.refuse("location", format!("location '{text}' not found"));
        }
        found
    });
    if server.is_none() && !fields.has("location") {
        fields.refuse("location", "is required when server is absent");
    }
    if server.is_none() && fields.optional("automount") == Some(true) {
        fields.refuse("automount", "needs a server");
    }
    let format = fields.parsed_optional("format", |format| match format {
        "ext4" | "xfs" => Ok(format.to_owned()),
        _ => Err(format!("'{format}' is not one of ext4, xfs")),
    });
    let labels = fields.labels().unwrap_or_default();
    let name = fields.need(name)?;
    let size = fields.need(size)?;

    let volumes = call.project.volumes();
    volumes.check_name(&name, None)?;
    call.check_quota(volumes.len())?;
    let at_server = server.map(|server| check_server(call.project, server));
    let location = match (at_server.transpose()?, location) {
        (Some(own), Some(location)) if own != location.name => {
            let message = format!("the server is in location {own}");
            return Err(ApiError::invalid_field("location", message));
        }
        (Some(own), _) => own.to_owned(),
        (None, location) => fields.need(location)?.name.to_owned(),
    };
    call.project.capacity.check_volume(&location)?;

    let id = call.project.new_id();
    call.project.volumes_mut().insert(Volume {
        id,
        name,
        labels,
        size,
        location,
        server: None,
        format,
        delete_protection: false,
        created: call.now,
    });
    let mut create =
        new_action("create_volume", id, &Change::Nothing).or_else(json!(Change::Discard));
    let server_ref = server.map(|server| ResourceRef::new(server::KIND.name, server));
    create.resources.extend(server_ref);
    let create = call.start(create);
    let attach = server.map(|server| call.start(attachment(id, server).after(create)));
    let action = call.settled(create);
    let next_actions: Vec<Value> = attach
        .map(|attach| call.settled(attach))
        .into_iter()
        .collect();
    let volume = call.project.volumes().get(id);
    let volume = volume.map(|volume| volume.body(call.project));
    let body = json!({ "volume": volume, "action": action, "next_actions": next_actions });
    Ok(Reply::json(StatusCode::CREATED, body))
}

fn update(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let id = find(call)?.id;
    let mut fields = call.fields()?;
    let name = fields.parsed_optional("name", name);
    let labels = fields.labels();
    fields.check()?;
    let volumes = call.project.volumes_mut();
    if let Some(name) = &name {
        volumes.check_name(name, Some(id))?;
    }
    if let Some(volume) = volumes.get_mut(id) {
        if let Some(name) = name {
            volume.name = name;
        }
        if let Some(labels) = labels {
            volume.labels = labels;
        }
    }
    get(call)
}

fn delete(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let volume = find_idle(call)?;
    let id = volume.id;
    if volume.delete_protection {
        return Err(ApiError::protected("volume deletion is protected"));
    }
    if volume.server.is_some() {
        // The code for this is not verified.
        let message = "volume must be detached before it can be deleted";
        return Err(refusal("service_error", message));
    }
    call.project.volumes_mut().remove(id);
    Ok(Reply::no_content())
}

fn attach(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let volume = find_idle(call)?;
    let id = volume.id;
    let mut fields = call.fields()?;
    let server = fields.required::<Id>("server");
    fields.optional::<bool>("automount");
    let server = fields.need(server)?;
    let location = check_server(call.project, server)?;
    check_attachable(volume, location)?;
    answer(call, attachment(id, server))
}

fn detach(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let volume = find_idle(call)?;
    let id = volume.id;
    let server = volume
        .server
        .ok_or_else(|| refusal("invalid_input", "volume is not attached"))?;
    server::find_unlocked(call.project, server)?;
    let action = new_action("detach_volume", id, &Change::Detach)
        .with(ResourceRef::new(server::KIND.name, server));
    answer(call, action)
}

fn resize(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let volume = find_idle(call)?;
    let (id, current) = (volume.id, volume.size);
    let mut fields = call.fields()?;
    let size = fields.required::<u32>("size");
    if size.is_some_and(|size| size <= current) {
        fields.refuse("size", format!("must be greater than {current}"));
    }
    if size.is_some_and(|size| size > LARGEST) {
        fields.refuse("size", format!("must be at most {LARGEST}"));
    }
    let size = fields.need(size)?;
    answer(
        call,
        new_action("resize_volume", id, &Change::Resize { size }),
    )
}

fn change_protection(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let volume = find_idle(call)?;
    let (id, unchanged) = (volume.id, volume.delete_protection);
    let mut fields = call.fields()?;
    let delete = fields.optional("delete").unwrap_or(unchanged);
    fields.check()?;
    let change = Change::Protect { delete };
    answer(call, new_action("change_protection", id, &change))
}

fn answer(call: &mut Call<'_>, action: NewAction) -> Result<Reply, ApiError> {
    let action = call.start(action);
    let action = call.settled(action);
    Ok(Reply::json(
        StatusCode::CREATED,
        json!({ "action": action }),
    ))
}

/// Letters, digits, dashes, underscores and dots, with a letter or digit at both ends.
fn name(text: &str) -> Result<String, String> {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_end = |end: Option<u8>| end.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let (first, last) = (text.bytes().next(), text.bytes().last());
    if text.len() <= MAX_NAME && text.bytes().all(is_inner) && is_end(first) && is_end(last) {
        Ok(text.to_owned())
    } else {
        Err(format!("'{text}' is not a valid volume name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_begin_and_end_with_a_letter_or_digit() {
        for good in ["a", "db-1", "a_b.c", &"a".repeat(64)] {
            assert_eq!(name(good), Ok(good.to_owned()));
        }
        for bad in ["", "-a", "a-", "a b", "ä", &"a".repeat(65)] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
