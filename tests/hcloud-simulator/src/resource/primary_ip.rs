//! `/primary_ips`: public addresses that outlive what they are assigned to.
//!
//! A server gets or loses one only while it is off. Those of a load balancer are fixed for its life.

mod address;
mod assignment;
mod model;

pub use address::AddressPool;
pub(crate) use assignment::{check_assignable, provide, release, set_dns_ptr};
pub use model::{AddressFamily, Assignee, AssigneeKind, PrimaryIp};

use std::net::IpAddr;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    action::{ActionError, NewAction, ResourceRef},
    api_date::ApiDate,
    collection::Id,
    error::ApiError,
    listing::Listing,
    project::Project,
    request::Fields,
    resource::{
        Changes, Kind, datacenter, load_balancer,
        location::{self, Location},
        server::{self, Power, Server},
    },
    route::{Call, Reply, Route},
};

pub(crate) static KIND: Kind = Kind {
    name: "primary_ip",
    plural: "primary_ips",
    routes: &[
        Route::get("/primary_ips", list),
        Route::post("/primary_ips", create),
        Route::get("/primary_ips/{id}", get),
        Route::put("/primary_ips/{id}", update),
        Route::delete("/primary_ips/{id}", delete),
        Route::post("/primary_ips/{id}/actions/assign", assign),
        Route::post("/primary_ips/{id}/actions/unassign", unassign),
        Route::post("/primary_ips/{id}/actions/change_dns_ptr", change_dns_ptr),
        Route::post(
            "/primary_ips/{id}/actions/change_protection",
            change_protection,
        ),
    ],
    changes: Some(Changes {
        exists: |project, id| project.primary_ips().get(id).is_some(),
        apply,
    }),
};

/// What an action does to a primary IP when it succeeds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    Assign(Assignee),
    Unassign,
    Name { ip: IpAddr, name: Option<String> },
    Protect { delete: bool },
}

fn apply(project: &mut Project, id: Id, change: &Value) -> Result<(), ActionError> {
    let failed = |message: String| ActionError::new("action_failed", message);
    let change = Change::deserialize(change).map_err(|error| failed(error.to_string()))?;
    let ip = project
        .primary_ips_mut()
        .get_mut(id)
        .ok_or_else(|| failed(format!("primary IP {id} does not exist")))?;
    match change {
        Change::Assign(assignee) => ip.assignee = Some(assignee),
        Change::Unassign => ip.assignee = None,
        Change::Name { ip: address, name } => ip.set_name(address, name),
        Change::Protect { delete } => ip.delete_protection = delete,
    }
    Ok(())
}

fn refusal(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
}

fn find<'a>(call: &'a Call<'_>) -> Result<&'a PrimaryIp, ApiError> {
    let id = call.id("id")?;
    call.project
        .primary_ips()
        .get(id)
        .ok_or_else(|| ApiError::not_found("primary_ip", id))
}

fn find_idle<'a>(call: &'a Call<'_>) -> Result<&'a PrimaryIp, ApiError> {
    let ip = find(call)?;
    call.check_idle(ip.id)?;
    Ok(ip)
}

fn list(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let wanted: Vec<&str> = call.request.query("ip").collect();
    let is_wanted = |ip: &&PrimaryIp| {
        wanted.is_empty()
            || wanted.contains(&ip.text().as_str())
            || wanted.contains(&ip.ip.to_string().as_str())
    };
    // Until October 2026 the addresses of load balancers were not primary IPs.
    let hides = call.api_date.legacy();
    let is_hidden = |ip: &PrimaryIp| {
        let assignee = ip.assignee.map(|assignee| assignee.kind);
        hides && assignee == Some(AssigneeKind::LoadBalancer)
    };
    let ips = call.project.primary_ips().iter();
    let ips = ips.filter(|ip| !is_hidden(ip)).filter(is_wanted);
    let bodies = ips.map(|ip| ip.body(call.project, call.api_date));
    Listing::new("primary_ips", call.request, bodies.collect())
        .filter("name")
        .filter_by_label()?
        .sort(&["id", "name", "created"])?
        .page()
}

fn get(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let body = find(call)?.body(call.project, call.api_date);
    Ok(Reply::json(StatusCode::OK, json!({ "primary_ip": body })))
}

fn create(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let mut fields = call.fields()?;
    let name = fields.required_name();
    let family = fields.parsed("type", family);
    let labels = fields.labels();
    let auto_delete = fields.optional::<bool>("auto_delete").unwrap_or_default();
    let location = location_of(&mut fields, call.api_date);
    let assignee = read_assignee(&mut fields, call.api_date);
    let name = fields.need(name)?;
    let family = fields.need(family)?;

    call.project.primary_ips().check_name(&name, None)?;
    call.check_quota(call.project.primary_ips().len())?;
    let location = match assignee {
        Some(id) => {
            let server = check_assignment(call.project, family, id)?;
            if location.is_some_and(|location| location.name != server.location) {
                let message = format!("server {id} is in location {}", server.location);
                return Err(ApiError::invalid_field("location", message));
            }
            server.location.clone()
        }
        None => match location {
            Some(location) => location.name.to_owned(),
            None => return Err(ApiError::invalid_field("location", "is required")),
        },
    };
    let mut ip = PrimaryIp::issue(call.project, call.addresses, family, &location, call.now);
    let id = ip.id;
    ip.name = name;
    ip.labels = labels.unwrap_or_default();
    ip.auto_delete = auto_delete;
    call.project.primary_ips_mut().insert(ip);
    let action = assignee.map(|server| start_assignment(call, id, server));
    let body = call.project.primary_ips().get(id);
    let body = body.map(|ip| ip.body(call.project, call.api_date));
    Ok(Reply::json(
        StatusCode::CREATED,
        json!({ "primary_ip": body, "action": action }),
    ))
}

fn update(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let ip = find(call)?;
    let (id, protected) = (ip.id, ip.delete_protection);
    let mut fields = call.fields()?;
    let name = fields.name();
    let labels = fields.labels();
    let auto_delete = fields.optional::<bool>("auto_delete");
    if auto_delete == Some(true) && protected {
        fields.refuse(
            "auto_delete",
            "must be false while the primary IP is protected",
        );
    }
    fields.check()?;
    if let Some(name) = &name {
        call.project.primary_ips().check_name(name, Some(id))?;
    }
    let ip = call.project.primary_ips_mut().get_mut(id);
    let ip = ip.ok_or_else(|| ApiError::not_found("primary_ip", id))?;
    if let Some(name) = name {
        ip.name = name;
    }
    if let Some(labels) = labels {
        ip.labels = labels;
    }
    if let Some(auto_delete) = auto_delete {
        ip.auto_delete = auto_delete;
    }
    get(call)
}

/// Until May 2026 the API unassigned by itself.
fn delete(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let ip = find(call)?;
    let id = ip.id;
    if ip.delete_protection {
        return Err(ApiError::protected("primary IP deletion is protected"));
    }
    call.check_idle(id)?;
    match ip.assignee {
        None => {}
        Some(Assignee {
            kind: AssigneeKind::Server,
            id,
        }) if call.api_date == ApiDate::December2025 => {
            check_stopped(call.project, id)?;
        }
        Some(_) => {
            return Err(refusal(
                "must_be_unassigned",
                "the primary IP must be unassigned before it can be deleted",
            ));
        }
    }
    call.project.primary_ips_mut().remove(id);
    Ok(Reply::no_content())
}

fn assign(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let ip = find_idle(call)?;
    let (id, family) = (ip.id, ip.family());
    let mut fields = call.fields()?;
    fields.parsed("assignee_type", assignee_kind);
    let server = fields.required::<Id>("assignee_id");
    let server = fields.need(server)?;
    if ip.assignee.is_some() {
        return Err(refusal(
            "primary_ip_already_assigned",
            "the primary IP is already assigned",
        ));
    }
    let assignee = check_assignment(call.project, family, server)?;
    assignment::check_location(ip, &assignee.location)?;
    let action = start_assignment(call, id, server);
    Ok(Reply::json(
        StatusCode::CREATED,
        json!({ "action": action }),
    ))
}

fn unassign(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let ip = find_idle(call)?;
    let id = ip.id;
    let server = match ip.assignee {
        Some(Assignee {
            kind: AssigneeKind::Server,
            id,
        }) => {
            let server = check_stopped(call.project, id)?.id;
            let is_ipv4 = ip.family() == AddressFamily::Ipv4;
            if is_ipv4 && load_balancer::uses_public_ip_of(call.project, server) {
                return Err(refusal(
                    "server_is_load_balancer_target",
                    "the IPv4 address of the server is a load balancer target",
                ));
            }
            server
        }
        Some(Assignee {
            kind: AssigneeKind::LoadBalancer,
            ..
        }) => {
            return Err(refusal(
                "unsupported_error",
                "the primary IP of a load balancer cannot be unassigned",
            ));
        }
        None => {
            return Err(refusal("invalid_input", "the primary IP is not assigned"));
        }
    };
    let target = ResourceRef::new(KIND.name, id);
    let action = NewAction::new("unassign_primary_ip", target, json!(Change::Unassign))
        .with(ResourceRef::new(server::KIND.name, server));
    let action = call.start(action);
    let action = call.settled(action);
    Ok(Reply::json(
        StatusCode::CREATED,
        json!({ "action": action }),
    ))
}

fn change_dns_ptr(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let ip = find_idle(call)?;
    let (id, (address, name)) = (ip.id, read_name(call, |address| ip.covers(address))?);
    let change = json!(Change::Name { ip: address, name });
    Ok(call.start_action("change_dns_ptr", id, change))
}

fn change_protection(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let ip = find_idle(call)?;
    let id = ip.id;
    let mut fields = call.fields()?;
    let delete = fields.required::<bool>("delete");
    if delete == Some(true) && ip.auto_delete {
        fields.refuse("delete", "must be false while auto_delete is true");
    }
    let delete = fields.need(delete)?;
    let change = json!(Change::Protect { delete });
    Ok(call.start_action("change_protection", id, change))
}

/// The address and its name in a request; `is_own` tells which addresses the object has.
pub(crate) fn read_name(
    call: &Call<'_>,
    is_own: impl Fn(IpAddr) -> bool,
) -> Result<(IpAddr, Option<String>), ApiError> {
    let mut fields = call.fields()?;
    let address = fields.parsed("ip", |text| match text.parse() {
        Ok(ip) if is_own(ip) => Ok(ip),
        Ok(_) => Err(format!("'{text}' does not belong to this object")),
        Err(_) => Err(format!("'{text}' is not an IP address")),
    });
    let name = fields.parsed_optional("dns_ptr", address::dns_name);
    Ok((fields.need(address)?, name))
}

fn start_assignment(call: &mut Call<'_>, id: Id, server: Id) -> Value {
    let assignee = Assignee {
        kind: AssigneeKind::Server,
        id: server,
    };
    let target = ResourceRef::new(KIND.name, id);
    let change = json!(Change::Assign(assignee));
    let action = NewAction::new("assign_primary_ip", target, change)
        .with(ResourceRef::new(server::KIND.name, server));
    let action = call.start(action);
    call.settled(action)
}

/// The server that a primary IP of this family may be assigned to.
fn check_assignment(
    project: &Project,
    family: AddressFamily,
    server: Id,
) -> Result<&Server, ApiError> {
    let server = check_stopped(project, server)?;
    if server.primary_ip(project, family).is_some() {
        let code = match family {
            AddressFamily::Ipv4 => "server_has_ipv4",
            AddressFamily::Ipv6 => "server_has_ipv6",
        };
        let message = format!("server already has an {} address", family.name());
        return Err(refusal(code, message));
    }
    Ok(server)
}

fn check_stopped(project: &Project, server: Id) -> Result<&Server, ApiError> {
    let server = server::find_unlocked(project, server)?;
    match server.power {
        Power::Off => Ok(server),
        Power::Running => Err(refusal("server_not_stopped", "server must be stopped")),
    }
}

fn family(text: &str) -> Result<AddressFamily, String> {
    [AddressFamily::Ipv4, AddressFamily::Ipv6]
        .into_iter()
        .find(|family| family.name() == text)
        .ok_or_else(|| format!("'{text}' is not one of ipv4, ipv6"))
}

fn assignee_kind(text: &str) -> Result<(), String> {
    match text {
        "server" => Ok(()),
        _ => Err(format!("'{text}' is not server")),
    }
}

/// The server in `assignee_id`. Its type was required even without one until April 2026.
fn read_assignee(fields: &mut Fields, date: ApiDate) -> Option<Id> {
    let server = fields.optional::<Id>("assignee_id");
    if server.is_some() || date == ApiDate::December2025 {
        fields.parsed("assignee_type", assignee_kind);
    }
    server
}

/// The location that a request names, by its datacenter while there were some.
pub(crate) fn location_of(fields: &mut Fields, date: ApiDate) -> Option<&'static Location> {
    let mut read = |name: &str, find: fn(&str) -> Option<&'static Location>| {
        let text = fields.id_or_name(name)?;
        let found = find(&text);
        if found.is_none() {
            fields.refuse(name, format!("{name} '{text}' not found"));
        }
        found
    };
    let location = read("location", location::find);
    if date.legacy() {
        location.or_else(|| read("datacenter", datacenter::find_location))
    } else {
        location
    }
}
