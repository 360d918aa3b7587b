//! A server in private networks. Its place is reserved when it is asked for, and shown to the server when the action ends.

use std::net::Ipv4Addr;

use http::StatusCode;
use serde_json::json;

use super::{
    change::{Change, is},
    find_free, new_action, refusal,
};
use crate::{
    action::{NewAction, ResourceRef},
    collection::Id,
    error::ApiError,
    project::Project,
    request::Fields,
    resource::{
        location,
        network::{
            self, Member, MemberKind, MemberStatus, Network,
            address::{self, Place, Wish},
        },
    },
    route::{Call, Reply},
};

pub(super) fn attach(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let server = find_free(call)?;
    let id = server.id;
    let mut fields = call.fields()?;
    let network = fields.required::<Id>("network");
    let ip = fields.parsed_optional("ip", ip_address);
    let ip_range = fields.parsed_optional("ip_range", |text| {
        text.parse()
            .map_err(|_| format!("'{text}' is not an IPv4 range in CIDR notation"))
    });
    let alias_ips = read_alias_ips(&mut fields);
    let network = fields.need(network)?;

    let network = find_network(call.project, network)?;
    if network.members.iter().any(|member| is(member, id)) {
        return Err(refusal(
            "server_already_attached",
            format!("server {id} is already attached to network {}", network.id),
        ));
    }
    check_idle(call.project, network.id)?;
    let others = server.private_nets(call.project);
    check_overlap(network, others.map(|net| net.network))?;
    let zone = zone(&server.location)?;
    let place = address::place(network, zone, Wish { ip, ip_range })?;
    check_alias_ips(network, zone, place.ip, &alias_ips)?;

    let network = network.id;
    let action = attachment(call.project, id, network, place, alias_ips);
    let action = call.start(action);
    reply(call, action)
}

pub(super) fn detach(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let id = find_free(call)?.id;
    let mut fields = call.fields()?;
    let network = fields.required::<Id>("network");
    let network = fields.need(network)?;
    check_attached(call.project, id, network)?;
    let change = Change::Detach { network };
    begin(
        call,
        "detach_from_network",
        (id, network),
        MemberStatus::Detaching,
        &change,
    )
}

pub(super) fn change_alias_ips(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let server = find_free(call)?;
    let id = server.id;
    let mut fields = call.fields()?;
    let network = fields.required::<Id>("network");
    fields.required::<Vec<String>>("alias_ips");
    let alias_ips = read_alias_ips(&mut fields);
    let network = fields.need(network)?;
    check_attached(call.project, id, network)?;
    let network = find_network(call.project, network)?;
    let ip = server.private_ip(call.project, network.id);
    let ip = ip.ok_or_else(|| not_attached(id, network.id))?;
    let mut others = network.clone();
    others.members.retain(|member| !is(member, id));
    check_alias_ips(&others, zone(&server.location)?, ip, &alias_ips)?;

    let network = network.id;
    let change = Change::AliasIps { network, alias_ips };
    begin(
        call,
        "change_alias_ips",
        (id, network),
        MemberStatus::Updating,
        &change,
    )
}

/// Starts an action on an existing attachment, which stays as it is when the action fails.
fn begin(
    call: &mut Call<'_>,
    command: &'static str,
    (id, network): (Id, Id),
    status: MemberStatus,
    change: &Change,
) -> Result<Reply, ApiError> {
    let members = call.project.networks_mut().get_mut(network);
    let mut members = members.into_iter().flat_map(|network| &mut network.members);
    if let Some(member) = members.find(|member| is(member, id)) {
        member.status = status;
    }
    let action = new_action(command, id, change)
        .with(ResourceRef::new(network::KIND.name, network))
        .or_else(json!(Change::Settle { network }));
    let action = call.start(action);
    reply(call, action)
}

fn reply(call: &mut Call<'_>, action: Id) -> Result<Reply, ApiError> {
    let action = call.settled(action);
    Ok(Reply::json(
        StatusCode::CREATED,
        json!({ "action": action }),
    ))
}

/// Reserves a place in a network for a server, and gives the action that attaches it.
pub(super) fn attachment(
    project: &mut Project,
    server: Id,
    network: Id,
    place: Place,
    alias_ips: Vec<Ipv4Addr>,
) -> NewAction {
    if let Some(network) = project.networks_mut().get_mut(network) {
        network.members.push(Member {
            id: server,
            kind: MemberKind::Server,
            ip: place.ip,
            alias_ips,
            subnet: place.subnet,
            status: MemberStatus::Attaching,
        });
    }
    new_action("attach_to_network", server, &Change::Settle { network })
        .with(ResourceRef::new(network::KIND.name, network))
        .or_else(json!(Change::Detach { network }))
}

/// The place that a new server gets in a network when it does not ask for one.
pub(super) fn place_new(network: &Network, location: &str) -> Result<Place, ApiError> {
    address::place(network, zone(location)?, Wish::default())
}

pub(super) fn find_network(project: &Project, id: Id) -> Result<&Network, ApiError> {
    let network = project.networks().get(id);
    network.ok_or_else(|| ApiError::not_found(network::KIND.name, id))
}

/// Refuses a network whose range overlaps with one of the others.
pub(super) fn check_overlap<'a>(
    network: &Network,
    mut others: impl Iterator<Item = &'a Network>,
) -> Result<(), ApiError> {
    let range = network.ip_range;
    let overlaps =
        |other: &&Network| other.ip_range.contains(&range) || range.contains(&other.ip_range);
    match others.find(overlaps) {
        None => Ok(()),
        Some(other) => Err(refusal(
            "networks_overlap",
            format!(
                "network {} overlaps with network {}, which the server is attached to",
                network.id, other.id
            ),
        )),
    }
}

/// Every alias lies in a subnet that the server can reach and belongs to nobody.
fn check_alias_ips(
    network: &Network,
    zone: &str,
    own: Ipv4Addr,
    alias_ips: &[Ipv4Addr],
) -> Result<(), ApiError> {
    let subnets = network
        .subnets
        .iter()
        .filter(|subnet| subnet.network_zone == zone)
        .map(|subnet| subnet.ip_range);
    for (index, ip) in alias_ips.iter().enumerate() {
        let is_free = subnets
            .clone()
            .any(|subnet| address::is_available(network, subnet, *ip));
        if !is_free || *ip == own || alias_ips.iter().take(index).any(|other| other == ip) {
            return Err(refusal(
                "ip_not_available",
                format!("IP {ip} is not available in network {}", network.id),
            ));
        }
    }
    Ok(())
}

fn check_attached(project: &Project, server: Id, network: Id) -> Result<(), ApiError> {
    let members = &find_network(project, network)?.members;
    if members.iter().any(|member| is(member, server)) {
        check_idle(project, network)
    } else {
        Err(not_attached(server, network))
    }
}

fn not_attached(server: Id, network: Id) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "not_found",
        format!("server {server} is not attached to network {network}"),
    )
}

/// A network changes once at a time.
fn check_idle(project: &Project, network: Id) -> Result<(), ApiError> {
    match project.running_on(network::KIND.name, network) {
        None => Ok(()),
        Some(action) => Err(ApiError::conflict(format!(
            "network {network} is being changed by action {} ({})",
            action.id, action.command
        ))),
    }
}

fn zone(location: &str) -> Result<&'static str, ApiError> {
    let location = location::named(location);
    let location = location.ok_or_else(|| refusal("invalid_input", "location not found"))?;
    Ok(location.network_zone)
}

fn ip_address(text: &str) -> Result<Ipv4Addr, String> {
    text.parse()
        .map_err(|_| format!("'{text}' is not an IPv4 address"))
}

fn read_alias_ips(fields: &mut Fields) -> Vec<Ipv4Addr> {
    let texts = fields.optional::<Vec<String>>("alias_ips");
    let mut addresses = Vec::new();
    for text in texts.unwrap_or_default() {
        match ip_address(&text) {
            Ok(ip) => addresses.push(ip),
            Err(message) => fields.refuse("alias_ips", message),
        }
    }
    addresses
}
