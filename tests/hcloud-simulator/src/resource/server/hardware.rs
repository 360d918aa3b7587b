//! What a server is made of: its type, its disk and the images of it, its drive, and where it is placed.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Server, change::Change, find_free, find_stopped, new_action, refusal, rule, start};
use crate::{
    action::ResourceRef,
    collection::Id,
    error::ApiError,
    resource::{
        image::{self, Image, ImageKind, Origin},
        iso, location,
        server_type::{self, ServerType},
    },
    route::{Call, Reply},
};

/// When backups are made, in UTC; the API chooses.
const BACKUP_WINDOWS: [&str; 6] = ["22-02", "02-06", "06-10", "10-14", "14-18", "18-22"];

fn type_of(server: &Server) -> Result<&'static ServerType, ApiError> {
    server_type::by_id(server.server_type)
        .ok_or_else(|| refusal("invalid_input", "server type not found"))
}

/// The API starts the server afterwards, and from then on asks the price of the new type.
pub(super) fn change_type(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let server = find_stopped(call)?;
    let id = server.id;
    let mut fields = call.fields()?;
    fields.required::<Value>("server_type");
    let wanted = fields.id_or_name("server_type");
    let upgrade_disk = fields.required::<bool>("upgrade_disk");
    let wanted = rule::server_type(&fields.need(wanted)?)?;
    let upgrade_disk = fields.need(upgrade_disk)?;

    let unfit = |message: &str| Err(refusal("invalid_server_type", message));
    let current = type_of(server)?;
    if wanted.id == current.id {
        return unfit("server has this server type already");
    }
    if wanted.architecture != current.architecture {
        return unfit("server type has another architecture");
    }
    if wanted.disk < server.primary_disk_size {
        return unfit("server type has a smaller disk than the server");
    }
    if !location::named(&server.location).is_some_and(|location| wanted.is_sold_in(location)) {
        return unfit("server type is not sold in the location of the server");
    }
    let capacity = &call.project.capacity;
    capacity.check_server(wanted.name, &server.location)?;
    let change = Change::Rescale {
        server_type: wanted.id,
        upgrade_disk,
    };
    start(call, "change_server_type", id, &change)
}

pub(super) fn rebuild(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let server = find_free(call)?;
    let id = server.id;
    if server.protected {
        return Err(ApiError::protected("server rebuild is protected"));
    }
    let mut fields = call.fields()?;
    fields.required::<Value>("image");
    let image = fields.id_or_name("image");
    let user_data = rule::user_data(&mut fields);
    let image = fields.need(image)?;
    let architecture = type_of(server)?.architecture;
    let disk = server.primary_disk_size;
    let image = rule::image(call.project, &image, architecture, disk, call.now)?.id;
    let password = server.ssh_keys.is_empty().then(|| rule::password(id));
    let action = new_action("rebuild_server", id, &Change::Rebuild { image, user_data });
    let action = call.start(action);
    let action = call.settled(action);
    Ok(Reply::json(
        StatusCode::CREATED,
        json!({ "action": action, "root_password": password }),
    ))
}

pub(super) fn create_image(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let server = find_free(call)?;
    let mut fields = call.fields_or_none()?;
    let kind = fields.parsed_optional("type", |kind| match kind {
        "snapshot" => Ok(ImageKind::Snapshot),
        "backup" => Ok(ImageKind::Backup),
        other => Err(format!("'{other}' is not one of snapshot, backup")),
    });
    let description = fields.optional::<String>("description");
    let labels = fields.labels();
    fields.check()?;
    let kind = kind.unwrap_or(ImageKind::Snapshot);
    if kind == ImageKind::Backup && server.backup_window.is_none() {
        return Err(refusal("invalid_input", "backups are not enabled"));
    }
    call.project
        .quotas
        .check(image::KIND.plural, call.project.resources.images.len())?;

    let server = server.clone();
    let image = call.project.new_id();
    let origin = Origin {
        id: server.id,
        name: server.name,
    };
    let base = server.image.and_then(|id| image::by_id(call.project, id));
    let disk = server.primary_disk_size;
    let mut taken = Image::taken(image, kind, origin, base, disk, call.now);
    if let Some(kind) = server_type::by_id(server.server_type) {
        taken.architecture = kind.architecture;
    }
    if let Some(description) = description {
        taken.description = description;
    }
    taken.labels = labels.unwrap_or_default();
    call.project.resources.images.insert(taken);

    let action = new_action("create_image", server.id, &Change::FinishImage(image))
        .with(ResourceRef::new(image::KIND.name, image))
        .or_else(json!(Change::DiscardImage(image)));
    let action = call.start(action);
    let action = call.settled(action);
    let image = image::by_id(call.project, image).map(|image| image.body(call.api_date));
    Ok(Reply::json(
        StatusCode::CREATED,
        json!({ "action": action, "image": image }),
    ))
}

pub(super) fn enable_backup(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let id = find_free(call)?.id;
    let windows = u64::try_from(BACKUP_WINDOWS.len()).unwrap_or(1);
    let index = usize::try_from(id % windows).unwrap_or_default();
    let window = BACKUP_WINDOWS.get(index).copied().unwrap_or_default();
    let change = Change::EnableBackup {
        window: window.to_owned(),
    };
    start(call, "enable_backup", id, &change)
}

pub(super) fn disable_backup(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let id = find_free(call)?.id;
    start(call, "disable_backup", id, &Change::DisableBackup)
}

/// One that is in the drive already makes room.
pub(super) fn attach_iso(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let server = find_free(call)?;
    let id = server.id;
    let mut fields = call.fields()?;
    fields.required::<Value>("iso");
    let wanted = fields.id_or_name("iso");
    let wanted = fields.need(wanted)?;
    let iso = iso::find(&wanted).ok_or_else(|| refusal("invalid_input", "iso not found"))?;
    let architecture = type_of(server)?.architecture;
    if iso.architecture.is_some_and(|own| own != architecture) {
        let message = "iso has incompatible architecture";
        return Err(refusal("invalid_input", message));
    }
    start(call, "attach_iso", id, &Change::Iso(Some(iso.id)))
}

pub(super) fn detach_iso(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let id = find_free(call)?.id;
    start(call, "detach_iso", id, &Change::Iso(None))
}

pub(super) fn add_to_placement_group(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let server = find_stopped(call)?;
    let id = server.id;
    let mut fields = call.fields()?;
    let group = fields.required::<Id>("placement_group");
    let group = fields.need(group)?;
    if server.placement_group.is_some() {
        return Err(refusal(
            "already_in_placement_group",
            "server is already part of a placement group",
        ));
    }
    rule::check_placement_group(call.project, group)?;
    let change = Change::PlacementGroup(Some(group));
    start(call, "add_to_placement_group", id, &change)
}

pub(super) fn remove_from_placement_group(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let server = find_stopped(call)?;
    let id = server.id;
    if server.placement_group.is_none() {
        return Err(refusal(
            "invalid_input",
            "server is not part of a placement group",
        ));
    }
    let change = Change::PlacementGroup(None);
    start(call, "remove_from_placement_group", id, &change)
}
