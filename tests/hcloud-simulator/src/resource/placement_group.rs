//! `/placement_groups`: servers that must not share a host. Which servers belong to a group is kept with the servers.

use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    clock::wire,
    collection::{Collection, Id, Object},
    error::ApiError,
    label::Labels,
    listing::Listing,
    project::Project,
    resource::Kind,
    route::{Call, Reply, Route},
};

pub(crate) static KIND: Kind = Kind {
    name: "placement_group",
    plural: "placement_groups",
    routes: &[
        Route::get("/placement_groups", list),
        Route::post("/placement_groups", create),
        Route::get("/placement_groups/{id}", get),
        Route::put("/placement_groups/{id}", update),
        Route::delete("/placement_groups/{id}", delete),
    ],
    changes: None,
};

const MAX_SERVERS: usize = 10;

/// A placement group; all of them are of type `spread`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacementGroup {
    /// The placement group's id.
    pub id: Id,
    /// Its name, unique in the project.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// When it was created.
    pub created: Timestamp,
}

impl Object for PlacementGroup {
    fn id(&self) -> Id {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Project {
    /// The project's placement groups.
    pub const fn placement_groups(&self) -> &Collection<PlacementGroup> {
        &self.resources.placement_groups
    }

    /// The project's placement groups, to be changed by hand.
    pub const fn placement_groups_mut(&mut self) -> &mut Collection<PlacementGroup> {
        &mut self.resources.placement_groups
    }
}

impl PlacementGroup {
    /// The servers in it.
    pub fn servers(&self, project: &Project) -> Vec<Id> {
        let servers = project.servers().iter();
        let members = servers.filter(|server| server.placement_group == Some(self.id));
        members.map(|server| server.id).collect()
    }

    /// Refuses one more server when the group is full.
    pub(crate) fn check_room(&self, project: &Project) -> Result<(), ApiError> {
        if self.servers(project).len() < MAX_SERVERS {
            return Ok(());
        }
        let message = format!(
            "placement group with ID {} contains already {MAX_SERVERS} servers",
            self.id
        );
        Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "placement_group_member_limit_reached",
            message,
        ))
    }

    fn body(&self, project: &Project) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "labels": self.labels,
            "type": "spread",
            "created": wire(self.created),
            "servers": self.servers(project),
        })
    }
}

/// The placement group with this id.
pub(crate) fn find(project: &Project, id: Id) -> Result<&PlacementGroup, ApiError> {
    let group = project.placement_groups().get(id);
    group.ok_or_else(|| ApiError::not_found("placement_group", id))
}

/// A placement group as the servers in it show it.
pub(crate) fn body_of(project: &Project, id: Id) -> Option<Value> {
    let group = project.placement_groups().get(id)?;
    Some(group.body(project))
}

fn list(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let groups = call.project.placement_groups().iter();
    let bodies = groups.map(|group| group.body(call.project)).collect();
    Listing::new("placement_groups", call.request, bodies)
        .filter("name")
        .filter("type")
        .filter_by_label()?
        .sort(&["id", "name", "created"])?
        .page()
}

fn get(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let body = find(call.project, call.id("id")?)?.body(call.project);
    Ok(Reply::json(
        StatusCode::OK,
        json!({ "placement_group": body }),
    ))
}

fn create(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let mut fields = call.fields()?;
    let name = fields.required_name();
    fields.parsed("type", |kind| match kind {
        "spread" => Ok(()),
        other => Err(format!("'{other}' is not spread")),
    });
    let labels = fields.labels().unwrap_or_default();
    let name = fields.need(name)?;
    let groups = call.project.placement_groups();
    groups.check_name(&name, None)?;
    call.check_quota(groups.len())?;
    let group = PlacementGroup {
        id: call.project.new_id(),
        name,
        labels,
        created: call.now,
    };
    let body = group.body(call.project);
    call.project.placement_groups_mut().insert(group);
    let body = json!({ "placement_group": body, "action": null });
    Ok(Reply::json(StatusCode::CREATED, body))
}

fn update(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let id = find(call.project, call.id("id")?)?.id;
    let mut fields = call.fields()?;
    let name = fields.name();
    let labels = fields.labels();
    fields.check()?;
    let groups = call.project.placement_groups_mut();
    if let Some(name) = &name {
        groups.check_name(name, Some(id))?;
    }
    if let Some(group) = groups.get_mut(id) {
        if let Some(name) = name {
            group.name = name;
        }
        if let Some(labels) = labels {
            group.labels = labels;
        }
    }
    get(call)
}

/// That a group with servers stays is what users report; the code of the refusal is not verified.
fn delete(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let group = find(call.project, call.id("id")?)?;
    let id = group.id;
    if !group.servers(call.project).is_empty() {
        let message = format!("placement group with ID {id} is still in use");
        return Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "resource_in_use",
            message,
        ));
    }
    call.project.placement_groups_mut().remove(id);
    Ok(Reply::no_content())
}
