//! `/networks`: private networks with their subnets, routes and members.
//!
//! Creating, renaming and deleting take effect at once; subnets, routes, the range and the protection change by actions,
//! of which a network runs one at a time. What may change into what is decided in `rule`.

pub(crate) mod address;
mod model;
mod rule;

pub use model::{Member, MemberKind, MemberStatus, Network, NetworkRoute, Subnet, SubnetKind};

use http::StatusCode;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    action::ActionError,
    collection::Id,
    error::ApiError,
    listing::Listing,
    project::Project,
    request::Fields,
    resource::{Changes, Kind},
    route::{Call, Reply, Route},
};

pub(crate) static KIND: Kind = Kind {
    name: "network",
    plural: "networks",
    routes: &[
        Route::get("/networks", list),
        Route::post("/networks", create),
        Route::get("/networks/{id}", get),
        Route::put("/networks/{id}", update),
        Route::delete("/networks/{id}", delete),
        Route::get("/networks/{id}/members", members),
        Route::post("/networks/{id}/actions/add_subnet", add_subnet),
        Route::post("/networks/{id}/actions/delete_subnet", delete_subnet),
        Route::post("/networks/{id}/actions/add_route", add_route),
        Route::post("/networks/{id}/actions/delete_route", delete_route),
        Route::post("/networks/{id}/actions/change_ip_range", change_ip_range),
        Route::post(
            "/networks/{id}/actions/change_protection",
            change_protection,
        ),
    ],
    changes: Some(Changes {
        exists: |project, id| project.networks().get(id).is_some(),
        apply,
    }),
};

/// What an action does to a network when it succeeds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    AddSubnet(Subnet),
    DeleteSubnet(Ipv4Net),
    AddRoute(NetworkRoute),
    DeleteRoute(NetworkRoute),
    ExtendIpRange(Ipv4Net),
    Protect { delete: bool },
}

impl Change {
    const fn command(&self) -> &'static str {
        match self {
            Self::AddSubnet(_) => "add_subnet",
            Self::DeleteSubnet(_) => "delete_subnet",
            Self::AddRoute(_) => "add_route",
            Self::DeleteRoute(_) => "delete_route",
            Self::ExtendIpRange(_) => "change_ip_range",
            Self::Protect { .. } => "change_protection",
        }
    }

    fn apply(self, network: &mut Network) {
        match self {
            Self::AddSubnet(subnet) => network.subnets.push(subnet),
            Self::DeleteSubnet(range) => network.subnets.retain(|subnet| subnet.ip_range != range),
            Self::AddRoute(route) => network.routes.push(route),
            Self::DeleteRoute(route) => network.routes.retain(|other| *other != route),
            Self::ExtendIpRange(range) => network.ip_range = range,
            Self::Protect { delete } => network.delete_protection = delete,
        }
    }
}

fn apply(project: &mut Project, id: Id, change: &Value) -> Result<(), ActionError> {
    let failed = |message: String| ActionError::new("action_failed", message);
    let change = Change::deserialize(change).map_err(|error| failed(error.to_string()))?;
    let network = project
        .networks_mut()
        .get_mut(id)
        .ok_or_else(|| failed(format!("network {id} does not exist")))?;
    change.apply(network);
    Ok(())
}

fn find<'a>(call: &'a Call<'_>) -> Result<&'a Network, ApiError> {
    let id = call.id("id")?;
    call.project
        .networks()
        .get(id)
        .ok_or_else(|| ApiError::not_found("network", id))
}

/// The network of a call that changes it by an action; a running change is a conflict.
fn find_idle<'a>(call: &'a Call<'_>) -> Result<&'a Network, ApiError> {
    let network = find(call)?;
    call.check_idle(network.id)?;
    Ok(network)
}

fn list(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let networks = call.project.networks().iter().map(Network::body).collect();
    Listing::new("networks", call.request, networks)
        .filter("name")
        .filter_by_label()?
        .sort(&["id", "name", "created"])?
        .page()
}

fn get(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    Ok(Reply::json(
        StatusCode::OK,
        json!({ "network": find(call)?.body() }),
    ))
}

fn members(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let members = find(call)?
        .members
        .iter()
        .map(|member| json!(member))
        .collect();
    Listing::new("members", call.request, members)
        .filter("type")
        .filter("status")
        .filter("subnet")
        .sort(&["id", "type", "ip", "subnet", "status"])?
        .page()
}

fn create(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let mut fields = call.fields()?;
    if fields
        .required::<Value>("name")
        .is_some_and(|name| !name.is_string())
    {
        fields.refuse("name", "must be a string");
    }
    let name = fields.name();
    let ip_range = fields.parsed("ip_range", rule::network_range);
    let labels = fields.labels();
    let expose = fields.optional("expose_routes_to_vswitch");
    let subnets = fields.each("subnets", read_subnet);
    let routes = fields.each("routes", read_route);
    let name = fields.need(name)?;
    let ip_range = fields.need(ip_range)?;

    check_name(call.project, &name, None)?;
    call.check_quota(call.project.networks().len())?;
    let mut network = Network::new(0, name, ip_range, call.now);
    network.labels = labels.unwrap_or_default();
    network.expose_routes_to_vswitch = expose.unwrap_or_default();
    for (index, subnet) in subnets.into_iter().enumerate() {
        let subnet = rule::place(&network, subnet)
            .and_then(|subnet| {
                rule::subnet(call.project.networks(), &network, &subnet).map(|()| subnet)
            })
            .map_err(|violation| violation.refusal(&format!("subnets.{index}.")))?;
        network.subnets.push(subnet);
    }
    for (index, route) in routes.into_iter().enumerate() {
        rule::route(&network, &route)
            .map_err(|violation| violation.refusal(&format!("routes.{index}.")))?;
        network.routes.push(route);
    }
    network.id = call.project.new_id();
    let body = network.body();
    call.project.networks_mut().insert(network);
    Ok(Reply::json(StatusCode::CREATED, json!({ "network": body })))
}

fn update(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let id = find(call)?.id;
    let mut fields = call.fields()?;
    let name = fields.name();
    let labels = fields.labels();
    let expose = fields.optional("expose_routes_to_vswitch");
    fields.check()?;
    if let Some(name) = &name {
        check_name(call.project, name, Some(id))?;
    }
    let network = call
        .project
        .networks_mut()
        .get_mut(id)
        .ok_or_else(|| ApiError::not_found("network", id))?;
    if let Some(name) = name {
        network.name = name;
    }
    if let Some(labels) = labels {
        network.labels = labels;
    }
    if let Some(expose) = expose {
        network.expose_routes_to_vswitch = expose;
    }
    Ok(Reply::json(
        StatusCode::OK,
        json!({ "network": network.body() }),
    ))
}

/// The API detaches members by itself; only the protection and a running change stand in the way.
fn delete(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let network = find(call)?;
    let id = network.id;
    if network.delete_protection {
        return Err(ApiError::protected("network deletion is protected"));
    }
    call.check_idle(id)?;
    call.project.networks_mut().remove(id);
    Ok(Reply::no_content())
}

fn add_subnet(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let network = find_idle(call)?;
    let mut fields = call.fields()?;
    let request = read_subnet(&mut fields);
    let request = fields.need(request)?;
    let subnet = rule::place(network, request)
        .and_then(|subnet| rule::subnet(call.project.networks(), network, &subnet).map(|()| subnet))
        .map_err(|violation| violation.refusal(""))?;
    start(call, &Change::AddSubnet(subnet))
}

fn delete_subnet(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let network = find_idle(call)?;
    let mut fields = call.fields()?;
    let range = fields.parsed("ip_range", rule::range);
    let range = fields.need(range)?;
    rule::subnet_removal(network, range)?;
    start(call, &Change::DeleteSubnet(range))
}

fn add_route(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let network = find_idle(call)?;
    let mut fields = call.fields()?;
    let route = read_route(&mut fields);
    let route = fields.need(route)?;
    rule::route(network, &route).map_err(|violation| violation.refusal(""))?;
    start(call, &Change::AddRoute(route))
}

fn delete_route(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let network = find_idle(call)?;
    let mut fields = call.fields()?;
    let route = read_route(&mut fields);
    let route = fields.need(route)?;
    if !network.routes.contains(&route) {
        let message = format!(
            "route to {} via {} not found",
            route.destination, route.gateway
        );
        return Err(ApiError::new(StatusCode::NOT_FOUND, "not_found", message));
    }
    start(call, &Change::DeleteRoute(route))
}

fn change_ip_range(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let network = find_idle(call)?;
    let mut fields = call.fields()?;
    let range = fields.parsed("ip_range", rule::network_range);
    let range = fields.need(range)?;
    rule::extension(network, range).map_err(|violation| violation.refusal(""))?;
    start(call, &Change::ExtendIpRange(range))
}

fn change_protection(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let unchanged = find_idle(call)?.delete_protection;
    let mut fields = call.fields()?;
    let delete = fields.optional::<bool>("delete").unwrap_or(unchanged);
    fields.check()?;
    start(call, &Change::Protect { delete })
}

fn start(call: &mut Call<'_>, change: &Change) -> Result<Reply, ApiError> {
    let id = call.id("id")?;
    Ok(call.start_action(change.command(), id, json!(change)))
}

fn check_name(project: &Project, name: &str, own: Option<Id>) -> Result<(), ApiError> {
    match project.networks().named(name) {
        Some(other) if Some(other.id) != own => {
            Err(ApiError::uniqueness("network name is already used"))
        }
        _ => Ok(()),
    }
}

fn read_subnet(fields: &mut Fields) -> Option<rule::SubnetRequest> {
    let kind = fields.parsed("type", rule::subnet_kind);
    let network_zone = fields.parsed("network_zone", rule::network_zone);
    let ip_range = fields.parsed_optional("ip_range", rule::range);
    let vswitch_id = fields.optional("vswitch_id");
    Some(rule::SubnetRequest {
        kind: kind?,
        ip_range,
        network_zone: network_zone?,
        vswitch_id,
    })
}

fn read_route(fields: &mut Fields) -> Option<NetworkRoute> {
    let destination = fields.parsed("destination", rule::range);
    let gateway = fields.parsed("gateway", rule::address);
    Some(NetworkRoute {
        destination: destination?,
        gateway: gateway?,
    })
}
