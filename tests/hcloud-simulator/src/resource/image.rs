//! `/images`: the system and app images of Hetzner, and the snapshots and backups of a project.
//!
//! Snapshots and backups are made by the servers that they are taken of; here they are listed, renamed, protected and
//! deleted.

mod table;

use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    action::ActionError,
    api_date::ApiDate,
    clock::wire,
    collection::{Id, Object},
    deprecation::Deprecation,
    error::ApiError,
    label::Labels,
    listing::Listing,
    project::Project,
    resource::{Changes, Kind, server_type::Architecture},
    route::{Call, Reply, Route},
};

pub(crate) static KIND: Kind = Kind {
    name: "image",
    plural: "images",
    routes: &[
        Route::get("/images", list),
        Route::get("/images/{id}", get),
        Route::put("/images/{id}", update),
        Route::delete("/images/{id}", delete),
        Route::post("/images/{id}/actions/change_protection", change_protection),
    ],
    changes: Some(Changes {
        exists: |project, id| by_id(project, id).is_some(),
        apply,
    }),
};

/// A disk that servers can start from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// The image's id.
    pub id: Id,
    /// Whose it is.
    pub kind: ImageKind,
    /// Whether it can be used.
    pub status: ImageStatus,
    /// Its name; only Hetzner's images have one, which images of other architectures share.
    pub name: Option<String>,
    /// Its description.
    pub description: String,
    /// What is stored, in GB; not known of Hetzner's images.
    pub image_size: Option<f64>,
    /// The smallest disk that it fits on, in GB.
    pub disk_size: u32,
    /// When it was made.
    pub created: Timestamp,
    /// The server that it was taken of.
    pub created_from: Option<Origin>,
    /// The server that a backup belongs to.
    pub bound_to: Option<Id>,
    /// Its distribution, for example `ubuntu`.
    pub os_flavor: String,
    /// The version of its distribution.
    pub os_version: Option<String>,
    /// The servers that it runs on.
    pub architecture: Architecture,
    /// Whether servers start from it without copying it first.
    pub rapid_deploy: bool,
    /// True when it cannot be deleted.
    pub delete_protection: bool,
    /// Set when Hetzner is going to withdraw it.
    pub deprecation: Option<Deprecation>,
    /// Its labels.
    pub labels: Labels,
}

/// Whose an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageKind {
    /// A distribution by Hetzner.
    System,
    /// A distribution with an application by Hetzner.
    App,
    /// Taken of a server; outlives it.
    Snapshot,
    /// Taken of a server; is deleted with it.
    Backup,
}

/// Whether an image can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageStatus {
    /// Being taken.
    Creating,
    /// Ready.
    Available,
    /// Broken.
    Unavailable,
}

/// The server that an image was taken of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The server's id.
    pub id: Id,
    /// Its name at that time.
    pub name: String,
}

impl Object for Image {
    fn id(&self) -> Id {
        self.id
    }

    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

impl Image {
    /// A snapshot or backup that is being taken of a server which runs `base` and has a disk of `disk_size` GB. It becomes
    /// available when its `status` says so.
    pub fn taken(
        id: Id,
        kind: ImageKind,
        of: Origin,
        base: Option<&Self>,
        disk_size: u32,
        created: Timestamp,
    ) -> Self {
        let bound_to = (kind == ImageKind::Backup).then_some(of.id);
        Self {
            id,
            kind,
            status: ImageStatus::Creating,
            name: None,
            description: of.name.clone(),
            image_size: None,
            disk_size,
            created,
            created_from: Some(of),
            bound_to,
            os_flavor: base.map_or_else(|| "unknown".to_owned(), |base| base.os_flavor.clone()),
            os_version: base.and_then(|base| base.os_version.clone()),
            architecture: base.map_or(Architecture::X86, |base| base.architecture),
            rapid_deploy: false,
            delete_protection: false,
            deprecation: None,
            labels: Labels::new(),
        }
    }

    /// Ends the taking of an image.
    pub fn finish(&mut self) {
        self.status = ImageStatus::Available;
        self.image_size = Some(f64::from(self.disk_size) / 10.0);
    }

    /// True when a server can be ordered with it.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        let withdrawn = self
            .deprecation
            .is_some_and(|deprecation| deprecation.is_over(now));
        self.status == ImageStatus::Available && !withdrawn
    }

    const fn is_own(&self) -> bool {
        matches!(self.kind, ImageKind::Snapshot | ImageKind::Backup)
    }

    pub(crate) fn body(&self, date: ApiDate) -> Value {
        let mut body = json!({
            "id": self.id,
            "type": self.kind,
            "status": self.status,
            "name": self.name,
            "description": self.description,
            "image_size": self.image_size,
            "disk_size": f64::from(self.disk_size),
            "created": wire(self.created),
            "created_from": self.created_from,
            "bound_to": self.bound_to,
            "os_flavor": self.os_flavor,
            "os_version": self.os_version,
            "architecture": self.architecture,
            "rapid_deploy": self.rapid_deploy,
            "protection": { "delete": self.delete_protection },
            "deleted": null,
            "labels": self.labels,
        });
        if date.legacy() {
            body["deprecated"] = json!(
                self.deprecation
                    .map(|deprecation| wire(deprecation.announced))
            );
        } else {
            body["deprecation"] = json!(self.deprecation.map(Deprecation::body));
        }
        body
    }
}

/// Hetzner's images and those of a project, by ascending id within each.
fn all(project: &Project) -> impl Iterator<Item = &Image> {
    table::IMAGES.iter().chain(project.resources.images.iter())
}

/// The image with this id.
pub fn by_id(project: &Project, id: Id) -> Option<&Image> {
    all(project).find(|image| image.id == id)
}

/// Hetzner's image with this name for this architecture.
pub fn named(name: &str, architecture: Architecture) -> Option<&'static Image> {
    let mut images = table::IMAGES.iter();
    images.find(|image| image.architecture == architecture && image.name.as_deref() == Some(name))
}

/// The image that a request names by id, or by name for an architecture.
pub fn find<'a>(
    project: &'a Project,
    id_or_name: &str,
    architecture: Architecture,
) -> Option<&'a Image> {
    match id_or_name.parse() {
        Ok(id) => by_id(project, id),
        Err(_) => named(id_or_name, architecture),
    }
}

/// Deletes the backups that go with a server.
pub fn delete_backups(project: &mut Project, server: Id) {
    let images = &mut project.resources.images;
    let backups = images.iter().filter(|image| image.bound_to == Some(server));
    let backups: Vec<Id> = backups.map(|image| image.id).collect();
    for id in backups {
        images.remove(id);
    }
}

/// What an action does to an image when it succeeds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    Protect { delete: bool },
}

fn apply(project: &mut Project, id: Id, change: &Value) -> Result<(), ActionError> {
    let failed = |message: String| ActionError::new("action_failed", message);
    let Change::Protect { delete } =
        Change::deserialize(change).map_err(|error| failed(error.to_string()))?;
    let image = project.resources.images.get_mut(id);
    image
        .ok_or_else(|| failed(format!("image {id} does not exist")))?
        .delete_protection = delete;
    Ok(())
}

fn list(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let with_deprecated = call
        .request
        .query("include_deprecated")
        .any(|value| value == "true");
    let images = all(call.project)
        .filter(|image| with_deprecated || image.deprecation.is_none())
        .map(|image| image.body(call.api_date));
    Listing::new("images", call.request, images.collect())
        .filter("name")
        .filter("type")
        .filter("status")
        .filter("bound_to")
        .filter("architecture")
        .filter_by_label()?
        .sort(&["id", "name", "created"])?
        .page()
}

fn get(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let id = call.id("id")?;
    let image = by_id(call.project, id).ok_or_else(|| ApiError::not_found("image", id))?;
    Ok(Reply::json(
        StatusCode::OK,
        json!({ "image": image.body(call.api_date) }),
    ))
}

/// The image of a call that changes it; Hetzner's cannot be changed.
fn find_own<'a>(call: &'a mut Call<'_>) -> Result<&'a mut Image, ApiError> {
    let id = call.id("id")?;
    match by_id(call.project, id) {
        None => return Err(ApiError::not_found("image", id)),
        Some(image) if !image.is_own() => {
            return Err(unsupported("only snapshots and backups can be changed"));
        }
        Some(_) => {}
    }
    let image = call.project.resources.images.get_mut(id);
    image.ok_or_else(|| ApiError::not_found("image", id))
}

fn update(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let mut fields = call.fields()?;
    let description = fields.optional::<String>("description");
    let to_snapshot = fields.parsed_optional("type", |kind| match kind {
        "snapshot" => Ok(()),
        other => Err(format!("'{other}' is not snapshot")),
    });
    let labels = fields.labels();
    fields.check()?;
    let date = call.api_date;
    let image = find_own(call)?;
    if let Some(description) = description {
        image.description = description;
    }
    if to_snapshot.is_some() {
        image.kind = ImageKind::Snapshot;
        image.bound_to = None;
    }
    if let Some(labels) = labels {
        image.labels = labels;
    }
    Ok(Reply::json(
        StatusCode::OK,
        json!({ "image": image.body(date) }),
    ))
}

fn delete(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let image = find_own(call)?;
    if image.delete_protection {
        return Err(ApiError::protected("snapshot deletion is protected"));
    }
    let id = image.id;
    call.check_idle(id)?;
    call.project.resources.images.remove(id);
    Ok(Reply::no_content())
}

fn change_protection(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let image = find_own(call)?;
    if image.kind != ImageKind::Snapshot {
        return Err(unsupported("only snapshots can be protected"));
    }
    let (id, unchanged) = (image.id, image.delete_protection);
    let mut fields = call.fields()?;
    let delete = fields.optional::<bool>("delete").unwrap_or(unchanged);
    fields.check()?;
    call.check_idle(id)?;
    Ok(call.start_action("change_protection", id, json!(Change::Protect { delete })))
}

fn unsupported(message: &str) -> ApiError {
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "unsupported_error",
        message,
    )
}
