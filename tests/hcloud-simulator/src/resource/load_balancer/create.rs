//! Creating a load balancer.

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    Algorithm, LoadBalancer, Service,
    body::View,
    change::{self, Change},
    check_name,
    command::{self, find_network, place},
    read_name, service, target,
    target::TargetRequest,
};
use crate::{
    collection::Id,
    error::ApiError,
    label::Labels,
    project::Project,
    request::Fields,
    resource::{
        load_balancer_type::LoadBalancerType,
        location::{self, LOCATIONS, Location},
        network::address::Wish,
        primary_ip::{self, AddressFamily, Assignee, AssigneeKind},
    },
    route::{Call, Reply},
};

/// What is asked for.
#[derive(Debug)]
struct Request {
    name: String,
    kind: &'static LoadBalancerType,
    algorithm: Algorithm,
    labels: Labels,
    services: Vec<Service>,
    targets: Vec<TargetRequest>,
    public_interface: bool,
    network: Option<Id>,
    location: Where,
    ipv4: Option<Id>,
    ipv6: Option<Id>,
}

/// Where it is to run.
#[derive(Clone, Copy, Debug)]
enum Where {
    Location(&'static Location),
    Zone(&'static str),
}

impl Where {
    fn allows(self, location: &Location) -> bool {
        match self {
            Self::Location(wanted) => wanted.id == location.id,
            Self::Zone(zone) => zone == location.network_zone,
        }
    }
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let request = read(call)?;
    check_name(call.project, &request.name, None)?;
    call.check_quota(call.project.load_balancers().len())?;
    let location = locate(call.project, &request)?;
    let capacity = &call.project.capacity;
    capacity.check_sold(request.kind.name, location.name, call.now)?;
    let network = match request.network {
        Some(id) => Some(find_network(call.project, id)?),
        None => None,
    };
    let place = match network {
        Some(network) => Some((network.id, place(network, location.name, Wish::default())?)),
        None => None,
    };
    if network.is_none() && !request.public_interface {
        return Err(target::not_attached());
    }
    let mut load_balancer = LoadBalancer {
        id: 0,
        name: request.name,
        labels: request.labels,
        created: call.now,
        load_balancer_type: request.kind.id,
        location: location.name.to_owned(),
        algorithm: request.algorithm,
        services: request.services,
        targets: Vec::new(),
        public_interface: request.public_interface,
        delete_protection: false,
    };
    for service in &load_balancer.services {
        service::check_certificates(call.project, service)?;
    }
    service::check_ports(&load_balancer.services, StatusCode::PRECONDITION_FAILED)?;
    service::check_limits(request.kind, &load_balancer.services)?;
    for wanted in request.targets {
        let target = wanted.into_target(call.now);
        target::check(call.project, &load_balancer, request.kind, network, &target)?;
        load_balancer.targets.push(target);
    }
    let addresses = [
        (AddressFamily::Ipv4, request.ipv4),
        (AddressFamily::Ipv6, request.ipv6),
    ];
    for (family, wanted) in addresses {
        if let Some(id) = wanted {
            primary_ip::check_assignable(call.project, id, family, location.name)?;
        }
    }

    load_balancer.id = call.project.new_id();
    let id = load_balancer.id;
    for (family, wanted) in addresses {
        let assignee = Assignee {
            kind: AssigneeKind::LoadBalancer,
            id,
        };
        primary_ip::provide(call, wanted, family, location.name, assignee);
    }
    call.project.load_balancers_mut().insert(load_balancer);
    let mut action = Change::Create.action(id);
    if let Some((network, place)) = place {
        change::join(call.project, id, network, place);
        let undo = Change::Detach {
            network,
            ip: place.ip,
        };
        action = action.or_else(json!(undo));
    }
    let action = call.start(action);
    let action = call.settled(action);
    let body = call.project.load_balancers().get(id);
    let body = body.map(|created| View::of(call).load_balancer(created));
    Ok(Reply::json(
        StatusCode::CREATED,
        json!({ "load_balancer": body, "action": action }),
    ))
}

fn read(call: &Call<'_>) -> Result<Request, ApiError> {
    let mut fields = call.fields()?;
    fields.required::<Value>("name");
    let name = read_name(&mut fields);
    let kind = command::read_type(&mut fields);
    let algorithm = fields.nested("algorithm", command::read_algorithm);
    let labels = fields.labels();
    let services = fields.each("services", service::new);
    let targets = fields.each("targets", target::read);
    let public_interface = fields.optional("public_interface");
    let network = fields.optional("network");
    let location = read_place(&mut fields);
    // Unknown before October 2026, and so ignored.
    let ids = |net: &mut Fields| Some((net.optional("ipv4"), net.optional("ipv6")));
    let (ipv4, ipv6) = if call.api_date.legacy() {
        (None, None)
    } else {
        fields.nested("public_net", ids).unwrap_or_default()
    };
    Ok(Request {
        name: fields.need(name)?,
        kind: fields.need(kind)?,
        algorithm: algorithm.unwrap_or_default(),
        labels: labels.unwrap_or_default(),
        services,
        targets,
        public_interface: public_interface.unwrap_or(true),
        network,
        location: fields.need(location)?,
        ipv4,
        ipv6,
    })
}

fn read_place(fields: &mut Fields) -> Option<Where> {
    let location = fields.id_or_name("location");
    let zone = fields.parsed_optional("network_zone", |text| {
        let mut zones = LOCATIONS.iter().map(|location| location.network_zone);
        zones
            .find(|zone| *zone == text)
            .ok_or_else(|| format!("'{text}' is not a network zone"))
    });
    let Some(name) = location else {
        if zone.is_none() {
            fields.refuse("location", "is required unless network_zone is given");
        }
        return zone.map(Where::Zone);
    };
    match location::find(&name) {
        None => fields.refuse("location", format!("location '{name}' not found")),
        Some(location) if zone.is_some_and(|zone| zone != location.network_zone) => {
            let message = format!("location {name} is not in this network zone");
            fields.refuse("network_zone", message);
        }
        Some(location) => return Some(Where::Location(location)),
    }
    None
}

/// The location that was asked for. A zone leaves the choice to the API, which goes where given primary IPs are.
fn locate(project: &Project, request: &Request) -> Result<&'static Location, ApiError> {
    let given = [request.ipv4, request.ipv6].into_iter().flatten();
    let of_address = |id| location::named(&project.primary_ips().get(id)?.location);
    let mut preferred = given.filter_map(of_address);
    let allowed = |location: &&Location| request.location.allows(location);
    preferred
        .find(|location| allowed(location))
        .or_else(|| LOCATIONS.iter().find(allowed))
        .ok_or_else(|| ApiError::invalid_field("location", "is not available"))
}
