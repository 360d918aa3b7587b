//! The actions of a load balancer: what they ask for and when the API refuses them.

use http::StatusCode;
use serde_json::json;

use super::{
    Algorithm, LoadBalancer, Service,
    change::{self, Change},
    find_idle, service, target,
};
use crate::{
    action::NewAction,
    collection::Id,
    error::ApiError,
    project::Project,
    request::Fields,
    resource::{
        load_balancer_type::{self, LoadBalancerType},
        location,
        network::{
            MemberStatus, Network,
            address::{self, Place, Wish},
        },
        primary_ip::{self, AddressFamily},
    },
    route::{Call, Reply},
};

/// Starts the action of a change that nothing stands in the way of.
pub(super) fn start(call: &mut Call<'_>, change: &Change) -> Result<Reply, ApiError> {
    let id = call.id("id")?;
    Ok(reply(call, change.action(id)))
}

fn reply(call: &mut Call<'_>, action: NewAction) -> Reply {
    let id = call.start(action);
    let action = call.settled(id);
    Reply::json(StatusCode::CREATED, json!({ "action": action }))
}

pub(super) fn change_algorithm(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    find_idle(call)?;
    let mut fields = call.fields()?;
    let algorithm = read_algorithm(&mut fields);
    let algorithm = fields.need(algorithm)?;
    start(call, &Change::Algorithm(algorithm))
}

pub(super) fn change_type(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let load_balancer = find_idle(call)?;
    let mut fields = call.fields()?;
    let kind = read_type(&mut fields);
    let kind = fields.need(kind)?;
    let fits = service::check_limits(kind, &load_balancer.services).is_ok()
        && target::fit(kind, &load_balancer.targets);
    if !fits {
        return Err(refused(
            "invalid_load_balancer_type",
            format!(
                "load balancer has more services, targets or certificates than {} allows",
                kind.name
            ),
        ));
    }
    start(call, &Change::Type(kind.id))
}

pub(super) fn change_protection(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let unchanged = find_idle(call)?.delete_protection;
    let mut fields = call.fields()?;
    let delete = fields.optional("delete").unwrap_or(unchanged);
    fields.check()?;
    start(call, &Change::Protect { delete })
}

pub(super) fn change_dns_ptr(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let load_balancer = find_idle(call)?;
    let own = |ip| {
        [AddressFamily::Ipv4, AddressFamily::Ipv6]
            .into_iter()
            .any(|family| load_balancer.address(call.project, family) == Some(ip))
    };
    let (ip, dns_ptr) = primary_ip::read_name(call, own)?;
    start(call, &Change::DnsPtr { ip, dns_ptr })
}

pub(super) fn add_service(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let load_balancer = find_idle(call)?;
    let mut fields = call.fields()?;
    let added = service::new(&mut fields);
    let added = fields.need(added)?;
    service::check_certificates(call.project, &added)?;
    let mut services = load_balancer.services.clone();
    services.push(added.clone());
    service::check_ports(&services, StatusCode::PRECONDITION_FAILED)?;
    service::check_limits(type_of(load_balancer)?, &services)?;
    start(call, &Change::AddService(added))
}

pub(super) fn update_service(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let load_balancer = find_idle(call)?;
    let mut fields = call.fields()?;
    let current = read_service(&mut fields, load_balancer)?;
    let updated = service::changed(&mut fields, current);
    fields.check()?;
    service::check_certificates(call.project, &updated)?;
    let others = load_balancer.services.iter();
    let services: Vec<Service> = others
        .filter(|service| service.listen_port != updated.listen_port)
        .chain([&updated])
        .cloned()
        .collect();
    service::check_ports(&services, StatusCode::UNPROCESSABLE_ENTITY)?;
    service::check_limits(type_of(load_balancer)?, &services)?;
    start(call, &Change::UpdateService(updated))
}

pub(super) fn delete_service(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let load_balancer = find_idle(call)?;
    let mut fields = call.fields()?;
    let listen_port = read_service(&mut fields, load_balancer)?.listen_port;
    start(call, &Change::DeleteService { listen_port })
}

pub(super) fn add_target(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let load_balancer = find_idle(call)?;
    let mut fields = call.fields()?;
    let target = target::read(&mut fields);
    let target = fields.need(target)?.into_target(call.now);
    let network = load_balancer.private_net(call.project);
    let network = network.map(|(network, _)| network);
    let kind = type_of(load_balancer)?;
    target::check(call.project, load_balancer, kind, network, &target)?;
    start(call, &Change::AddTarget(target))
}

pub(super) fn remove_target(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let load_balancer = find_idle(call)?;
    let mut fields = call.fields()?;
    let target = target::read(&mut fields);
    let destination = fields.need(target)?.destination;
    let mut targets = load_balancer.targets.iter();
    if !targets.any(|target| target.destination == destination) {
        return Err(ApiError::new(
            StatusCode::NOT_FOUND,
            "load_balancer_target_not_found",
            "load balancer target not found",
        ));
    }
    start(call, &Change::RemoveTarget(destination))
}

pub(super) fn attach_to_network(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let load_balancer = find_idle(call)?;
    let mut fields = call.fields()?;
    let network = fields.required("network");
    let wish = Wish {
        ip: fields.parsed_optional("ip", |text| {
            text.parse()
                .map_err(|_| format!("'{text}' is not an IPv4 address"))
        }),
        ip_range: fields.parsed_optional("ip_range", |text| {
            text.parse()
                .map_err(|_| format!("'{text}' is not an IPv4 range in CIDR notation"))
        }),
    };
    let network = fields.need(network)?;
    if load_balancer.private_net(call.project).is_some() {
        return Err(refused(
            "load_balancer_already_attached",
            "load balancer is already attached to a network",
        ));
    }
    let id = load_balancer.id;
    let network = find_network(call.project, network)?;
    check_network_idle(call.project, network.id)?;
    let place = place(network, &load_balancer.location, wish)?;
    let attach = Change::Attach {
        network: network.id,
    };
    let undo = Change::Detach {
        network: network.id,
        ip: place.ip,
    };
    change::join(call.project, id, network.id, place);
    Ok(reply(call, attach.action(id).or_else(json!(undo))))
}

/// A free place in a network for a load balancer in `location`.
pub(super) fn place(network: &Network, location: &str, wish: Wish) -> Result<Place, ApiError> {
    let zone = location::named(location).map_or("", |location| location.network_zone);
    address::place(network, zone, wish)
}

pub(super) fn detach_from_network(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let load_balancer = find_idle(call)?;
    let mut fields = call.fields()?;
    let wanted = fields.required::<Id>("network");
    let wanted = fields.need(wanted)?;
    let attached = load_balancer.private_net(call.project);
    let (network, member) = attached
        .filter(|(network, _)| network.id == wanted)
        .ok_or_else(|| {
            let message = format!("load balancer is not attached to network {wanted}");
            ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
        })?;
    check_network_idle(call.project, network.id)?;
    let id = load_balancer.id;
    let detach = Change::Detach {
        network: network.id,
        ip: member.ip,
    };
    let undo = Change::Attach {
        network: network.id,
    };
    change::mark(call.project, id, MemberStatus::Detaching);
    Ok(reply(call, detach.action(id).or_else(json!(undo))))
}

pub(super) fn enable_public_interface(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    find_idle(call)?;
    start(call, &Change::PublicInterface { enabled: true })
}

pub(super) fn disable_public_interface(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let load_balancer = find_idle(call)?;
    if load_balancer.private_net(call.project).is_none() {
        return Err(target::not_attached());
    }
    if load_balancer.targets.iter().any(target::Target::is_public) {
        return Err(refused(
            "targets_without_use_private_ip",
            "load balancer has targets that do not use the private IP",
        ));
    }
    start(call, &Change::PublicInterface { enabled: false })
}

pub(super) fn read_algorithm(fields: &mut Fields) -> Option<Algorithm> {
    fields.parsed("type", |text| match text {
        "round_robin" => Ok(Algorithm::RoundRobin),
        "least_connections" => Ok(Algorithm::LeastConnections),
        _ => Err(format!(
            "'{text}' is not one of round_robin, least_connections"
        )),
    })
}

pub(super) fn read_type(fields: &mut Fields) -> Option<&'static LoadBalancerType> {
    let text = fields.id_or_name("load_balancer_type");
    let kind = text.as_deref().and_then(load_balancer_type::find);
    if kind.is_none() {
        let message = match text {
            Some(text) => format!("load balancer type '{text}' not found"),
            None => "is required".to_owned(),
        };
        fields.refuse("load_balancer_type", message);
    }
    kind
}

pub(super) fn find_network(project: &Project, id: Id) -> Result<&Network, ApiError> {
    project
        .networks()
        .get(id)
        .ok_or_else(|| ApiError::not_found("network", id))
}

fn read_service<'a>(
    fields: &mut Fields,
    load_balancer: &'a LoadBalancer,
) -> Result<&'a Service, ApiError> {
    let port = service::listen_port(fields);
    let port = fields.need(port)?;
    load_balancer.service(port).ok_or_else(|| {
        let message = format!("service with listen port {port} not found");
        ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
    })
}

fn type_of(load_balancer: &LoadBalancer) -> Result<&'static LoadBalancerType, ApiError> {
    let id = load_balancer.load_balancer_type;
    load_balancer_type::by_id(id).ok_or_else(|| ApiError::not_found("load_balancer_type", id))
}

/// A network changes its members one at a time.
fn check_network_idle(project: &Project, id: Id) -> Result<(), ApiError> {
    match project.running_on("network", id) {
        None => Ok(()),
        Some(action) => Err(ApiError::conflict(format!(
            "network {id} is being changed by action {} ({})",
            action.id, action.command
        ))),
    }
}

pub(super) fn refused(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
}
