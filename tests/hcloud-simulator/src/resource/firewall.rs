//! `/firewalls`: rules, and the servers that they are applied to by name or by label.
//!
//! Names and labels change at once, everything else by actions. What a server is protected by is kept here and not with the
//! server: [`applied_to`] tells.
//!
//! ```text
//! rule      what rules may be         target    which resources are accepted
//! follow    what becomes of targets when servers and their labels change
//! ```

mod follow;
mod model;
mod rule;
mod target;

pub(crate) use follow::follow;
pub use model::{
    Application, Behaviour, Direction, Effective, Firewall, Protocol, Rule, Status, Target,
};

use std::collections::BTreeSet;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    action::{ActionError, NewAction, ResourceRef},
    collection::Id,
    error::ApiError,
    listing::Listing,
    project::Project,
    resource::{Changes, Kind},
    route::{Call, Reply, Route},
};

pub(crate) static KIND: Kind = Kind {
    name: "firewall",
    plural: "firewalls",
    routes: &[
        Route::get("/firewalls", list),
        Route::post("/firewalls", create),
        Route::get("/firewalls/{id}", get),
        Route::put("/firewalls/{id}", update),
        Route::delete("/firewalls/{id}", delete),
        Route::post("/firewalls/{id}/actions/set_rules", set_rules),
        Route::post(
            "/firewalls/{id}/actions/apply_to_resources",
            apply_to_resources,
        ),
        Route::post(
            "/firewalls/{id}/actions/remove_from_resources",
            remove_from_resources,
        ),
    ],
    changes: Some(Changes {
        exists: |project, id| project.firewalls().get(id).is_some(),
        apply,
    }),
};

/// What an action does to a firewall when it ends.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    /// New rules.
    Rules(Vec<Rule>),
    /// A target counts from now on.
    Applied(Target),
    /// A target does not count any more.
    Removed(Target),
    /// A server has the rules that were set before.
    Refreshed,
}

fn apply(project: &mut Project, id: Id, change: &Value) -> Result<(), ActionError> {
    let failed = |message: String| ActionError::new("action_failed", message);
    let change = Change::deserialize(change).map_err(|error| failed(error.to_string()))?;
    let found: BTreeSet<Id> = match &change {
        Change::Applied(Target::LabelSelector(selector)) => {
            target::selected(project, id, selector).collect()
        }
        _ => BTreeSet::new(),
    };
    let firewall = project.firewalls_mut().get_mut(id);
    let firewall = firewall.ok_or_else(|| failed(format!("firewall {id} does not exist")))?;
    match change {
        Change::Rules(rules) => firewall.rules = rules,
        Change::Applied(target) => {
            let applied = firewall
                .applied_to
                .iter_mut()
                .find(|application| application.target == target);
            let gone = || failed("the resource does not exist any more".to_owned());
            let applied = applied.ok_or_else(gone)?;
            applied.status = Status::Applied;
            applied.servers = found;
        }
        Change::Removed(target) => firewall
            .applied_to
            .retain(|application| application.target != target),
        Change::Refreshed => {}
    }
    Ok(())
}

/// The firewalls of a server, by its id or by its labels.
pub fn applied_to(project: &Project, server: Id) -> Vec<Effective> {
    let firewalls = project.firewalls().iter();
    let effective = firewalls.filter_map(|firewall| {
        let status = firewall.status_on(server)?;
        Some(Effective {
            id: firewall.id,
            status,
        })
    });
    effective.collect()
}

/// Whether a new server can have these firewalls.
pub(crate) fn check_new_server(project: &Project, firewalls: &[Id]) -> Result<(), ApiError> {
    let missing = firewalls
        .iter()
        .find(|id| project.firewalls().get(**id).is_none());
    match missing {
        Some(id) => Err(ApiError::not_found("firewall", *id)),
        None => target::check_count(firewalls.len()),
    }
}

/// Applies a firewall to a server that is being created.
pub(crate) fn apply_to_new_server(project: &mut Project, firewall: Id, server: Id) {
    if let Some(firewall) = project.firewalls_mut().get_mut(firewall) {
        let target = Target::Server(server);
        firewall
            .applied_to
            .push(Application::new(target, Status::Applied));
    }
}

fn find<'a>(call: &'a Call<'_>) -> Result<&'a Firewall, ApiError> {
    let id = call.id("id")?;
    let firewall = call.project.firewalls().get(id);
    firewall.ok_or_else(|| ApiError::not_found("firewall", id))
}

/// The firewall of a call that changes it; a running change is a conflict.
fn find_idle<'a>(call: &'a Call<'_>) -> Result<&'a Firewall, ApiError> {
    let firewall = find(call)?;
    call.check_idle(firewall.id)?;
    Ok(firewall)
}

fn list(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let firewalls = call
        .project
        .firewalls()
        .iter()
        .map(Firewall::body)
        .collect();
    Listing::new("firewalls", call.request, firewalls)
        .filter("name")
        .filter_by_label()?
        .sort(&["id", "name", "created"])?
        .page()
}

fn get(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let body = find(call)?.body();
    Ok(Reply::json(StatusCode::OK, json!({ "firewall": body })))
}

fn create(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let mut fields = call.fields()?;
    let name = fields.required_name();
    rule::check_name(&mut fields, name.as_deref());
    let labels = fields.labels().unwrap_or_default();
    let rules = rule::read_all(&mut fields);
    let targets = target::read_all(&mut fields, "apply_to");
    let name = fields.need(name)?;
    call.project.firewalls().check_name(&name, None)?;
    call.check_quota(call.project.firewalls().len())?;
    target::check_new(
        call.project,
        None,
        &targets,
        StatusCode::UNPROCESSABLE_ENTITY,
    )?;

    let id = call.project.new_id();
    let mut firewall = Firewall::new(id, name, call.now);
    firewall.labels = labels;
    firewall.rules.clone_from(&rules);
    call.project.firewalls_mut().insert(firewall);
    let mut actions = Vec::new();
    if !rules.is_empty() {
        let set = NewAction::new(
            "set_firewall_rules",
            own_ref(id),
            json!(Change::Rules(rules)),
        );
        actions.push(call.start(set));
    }
    actions.extend(start_applying(call, id, targets));
    let actions = bodies(call, actions);
    let firewall = call.project.firewalls().get(id).map(Firewall::body);
    let body = json!({ "firewall": firewall, "actions": actions });
    Ok(Reply::json(StatusCode::CREATED, body))
}

fn update(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let id = find_idle(call)?.id;
    let mut fields = call.fields()?;
    let name = fields.name();
    rule::check_name(&mut fields, name.as_deref());
    let labels = fields.labels();
    fields.check()?;
    let firewalls = call.project.firewalls_mut();
    if let Some(name) = &name {
        firewalls.check_name(name, Some(id))?;
    }
    if let Some(firewall) = firewalls.get_mut(id) {
        if let Some(name) = name {
            firewall.name = name;
        }
        if let Some(labels) = labels {
            firewall.labels = labels;
        }
    }
    get(call)
}

fn delete(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let firewall = find(call)?;
    let id = firewall.id;
    if !firewall.applied_to.is_empty() {
        let message = format!("firewall with ID {id} is still in use");
        return Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "resource_in_use",
            message,
        ));
    }
    call.check_idle(id)?;
    call.project.firewalls_mut().remove(id);
    Ok(Reply::no_content())
}

fn set_rules(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let firewall = find_idle(call)?;
    let (id, servers) = (firewall.id, firewall.servers());
    let mut fields = call.fields()?;
    fields.required::<Value>("rules");
    let rules = rule::read_all(&mut fields);
    fields.check()?;
    let set = NewAction::new(
        "set_firewall_rules",
        own_ref(id),
        json!(Change::Rules(rules)),
    );
    let set = call.start(set);
    let mut actions = vec![set];
    for server in servers {
        let refresh = NewAction::new("apply_firewall", own_ref(id), json!(Change::Refreshed));
        let refresh = refresh.with(ResourceRef::new("server", server)).after(set);
        actions.push(call.start(refresh));
    }
    Ok(answer(call, actions))
}

fn apply_to_resources(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let id = find_idle(call)?.id;
    let mut fields = call.fields()?;
    fields.required::<Value>("apply_to");
    let targets = target::read_all(&mut fields, "apply_to");
    fields.check()?;
    target::check_new(call.project, Some(id), &targets, StatusCode::NOT_FOUND)?;
    let actions = start_applying(call, id, targets);
    Ok(answer(call, actions))
}

/// What it is not applied to needs no removal: since August 2025 that is no error.
fn remove_from_resources(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let firewall = find_idle(call)?;
    let id = firewall.id;
    let mut fields = call.fields()?;
    fields.required::<Value>("remove_from");
    let mut targets = target::read_all(&mut fields, "remove_from");
    fields.check()?;
    target::check_removal(call.project, firewall, &targets)?;
    targets.retain(|target| firewall.application(target).is_some());
    let actions = targets.into_iter().map(|target| {
        let others = server_ref(&target);
        let mut action = NewAction::new(
            "remove_firewall",
            own_ref(id),
            json!(Change::Removed(target)),
        );
        action.resources.extend(others);
        call.start(action)
    });
    let actions = actions.collect();
    Ok(answer(call, actions))
}

/// Notes the targets, to count when their actions succeed and to be forgotten when they fail.
fn start_applying(call: &mut Call<'_>, id: Id, targets: Vec<Target>) -> Vec<Id> {
    if let Some(firewall) = call.project.firewalls_mut().get_mut(id) {
        let pending = targets
            .iter()
            .map(|target| Application::new(target.clone(), Status::Pending));
        firewall.applied_to.extend(pending);
    }
    let actions = targets.into_iter().map(|target| {
        let others = server_ref(&target);
        let change = json!(Change::Applied(target.clone()));
        let action = NewAction::new("apply_firewall", own_ref(id), change);
        let mut action = action.or_else(json!(Change::Removed(target)));
        action.resources.extend(others);
        call.start(action)
    });
    actions.collect()
}

fn own_ref(id: Id) -> ResourceRef {
    ResourceRef::new(KIND.name, id)
}

fn server_ref(target: &Target) -> Option<ResourceRef> {
    match target {
        Target::Server(id) => Some(ResourceRef::new("server", *id)),
        Target::LabelSelector(_) => None,
    }
}

fn bodies(call: &mut Call<'_>, actions: Vec<Id>) -> Vec<Value> {
    actions.into_iter().map(|id| call.settled(id)).collect()
}

fn answer(call: &mut Call<'_>, actions: Vec<Id>) -> Reply {
    let actions = bodies(call, actions);
    Reply::json(StatusCode::CREATED, json!({ "actions": actions }))
}
