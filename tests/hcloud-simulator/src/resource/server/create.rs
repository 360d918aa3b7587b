//! The order for a new server: what it says, whether it can be filled, and the actions that fill it.

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    Power, Server, UserData,
    change::Change,
    network::{attachment, check_overlap, find_network, place_new},
    new_action, refusal, rule,
};
use crate::{
    collection::Id,
    error::ApiError,
    label::Labels,
    project::Project,
    request::Fields,
    resource::{
        firewall,
        location::{self, LOCATIONS, Location},
        network::{Network, address::Place},
        primary_ip::{
            self, AddressFamily,
            AddressFamily::{Ipv4, Ipv6},
            Assignee, AssigneeKind,
        },
        server_type::ServerType,
        ssh_key, volume,
    },
    route::{Call, Reply},
};

/// What a request asks for, as it says it.
#[derive(Debug)]
struct Order {
    name: Option<String>,
    server_type: Option<String>,
    image: Option<String>,
    location: Option<&'static Location>,
    labels: Labels,
    user_data: Option<UserData>,
    ssh_keys: Vec<String>,
    networks: Vec<Id>,
    volumes: Vec<Id>,
    firewalls: Vec<Id>,
    placement_group: Option<Id>,
    start: bool,
    public_net: PublicNet,
}

/// Which public addresses are asked for; none of them, or new ones, or these.
#[derive(Clone, Copy, Debug)]
struct PublicNet {
    ipv4: Address,
    ipv6: Address,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Address {
    None,
    New,
    Existing(Id),
}

impl PublicNet {
    fn addresses(self) -> impl Iterator<Item = (AddressFamily, Option<Id>)> {
        [(Ipv4, self.ipv4), (Ipv6, self.ipv6)]
            .into_iter()
            .filter_map(|(family, address)| match address {
                Address::None => None,
                Address::New => Some((family, None)),
                Address::Existing(id) => Some((family, Some(id))),
            })
    }
}

fn read(call: &Call<'_>, fields: &mut Fields) -> Order {
    for name in ["server_type", "image"] {
        fields.required::<Value>(name);
    }
    let order = Order {
        name: fields.parsed("name", rule::host_name),
        server_type: fields.id_or_name("server_type"),
        image: fields.id_or_name("image"),
        location: primary_ip::location_of(fields, call.api_date),
        labels: fields.labels().unwrap_or_default(),
        user_data: rule::user_data(fields),
        ssh_keys: read_ssh_keys(fields),
        networks: fields.optional("networks").unwrap_or_default(),
        volumes: fields.optional("volumes").unwrap_or_default(),
        firewalls: fields.each("firewalls", |firewall| firewall.required("firewall")),
        placement_group: fields.optional("placement_group"),
        start: fields.optional("start_after_create").unwrap_or(true),
        public_net: read_public_net(fields),
    };
    fields.optional::<bool>("automount");
    order
}

fn read_ssh_keys(fields: &mut Fields) -> Vec<String> {
    let mut keys = Vec::new();
    for key in fields
        .optional::<Vec<Value>>("ssh_keys")
        .unwrap_or_default()
    {
        match key {
            Value::Number(id) => keys.push(id.to_string()),
            Value::String(name) => keys.push(name),
            _ => fields.refuse("ssh_keys", "must be ids or names"),
        }
    }
    keys
}

fn read_public_net(fields: &mut Fields) -> PublicNet {
    let read = |fields: &mut Fields| {
        let mut address = |enable: &str, name: &str| {
            let enabled = fields.optional(enable).unwrap_or(true);
            match fields.optional(name) {
                Some(id) if enabled => Address::Existing(id),
                Some(_) => {
                    fields.refuse(name, format!("must be absent when {enable} is false"));
                    Address::None
                }
                None if enabled => Address::New,
                None => Address::None,
            }
        };
        Some(PublicNet {
            ipv4: address("enable_ipv4", "ipv4"),
            ipv6: address("enable_ipv6", "ipv6"),
        })
    };
    fields.nested("public_net", read).unwrap_or(PublicNet {
        ipv4: Address::New,
        ipv6: Address::New,
    })
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let mut fields = call.fields()?;
    let order = read(call, &mut fields);
    let name = fields.need(order.name)?;
    let server_type = fields.need(order.server_type)?;
    let image = fields.need(order.image)?;

    let project = &*call.project;
    project.servers().check_name(&name, None)?;
    call.check_quota(project.servers().len())?;
    let kind = rule::server_type(&server_type)?;
    let image = rule::image(project, &image, kind.architecture, kind.disk, call.now)?.id;
    let addresses: Vec<_> = order.public_net.addresses().collect();
    let location = match order.location {
        Some(location) => location,
        None => choose_location(project, kind, &addresses, &order.volumes)?,
    };
    if !kind.is_sold_in(location) {
        let message = "unsupported location for server type";
        return Err(refusal("invalid_input", message));
    }
    let capacity = &project.capacity;
    capacity.check_sold(kind.name, location.name, call.now)?;
    let ssh_keys = find_ssh_keys(project, &order.ssh_keys)?;
    for (family, id) in &addresses {
        if let Some(id) = id {
            primary_ip::check_assignable(project, *id, *family, location.name)?;
        }
    }
    let places = places(project, &order.networks, location)?;
    volume::check_new_server(project, &order.volumes, location.name)?;
    firewall::check_new_server(project, &order.firewalls)?;
    if !order.firewalls.is_empty() && addresses.is_empty() {
        let message = "a firewall needs a server with a public interface";
        return Err(refusal("private_net_only_server", message));
    }
    if let Some(group) = order.placement_group {
        rule::check_placement_group(project, group)?;
    }
    capacity.check_server(kind.name, location.name)?;

    let id = call.project.new_id();
    let password = ssh_keys.is_empty().then(|| rule::password(id));
    let healthy = !call.project.resources.load_balancing.servers_start_broken;
    call.project.servers_mut().insert(Server {
        id,
        name,
        labels: order.labels,
        created: call.now,
        power: Power::Off,
        location: location.name.to_owned(),
        server_type: kind.id,
        image: Some(image),
        iso: None,
        primary_disk_size: kind.disk,
        placement_group: order.placement_group,
        backup_window: None,
        rescue_enabled: false,
        protected: false,
        user_data: order.user_data,
        ssh_keys,
        obeys_shutdown: true,
        healthy,
    });
    let assignee = Assignee {
        kind: AssigneeKind::Server,
        id,
    };
    for (family, wanted) in addresses {
        primary_ip::provide(call, wanted, family, location.name, assignee);
    }
    for firewall in order.firewalls {
        firewall::apply_to_new_server(call.project, firewall, id);
    }
    let (action, next_actions) = begin(call, id, order.start, places, &order.volumes);
    let action = call.settled(action);
    let next_actions: Vec<Value> = next_actions
        .into_iter()
        .map(|id| call.settled(id))
        .collect();
    let server = call.project.servers().get(id);
    let server = server.map(|server| server.body(call.project, call.api_date));
    let body = json!({
        "server": server,
        "action": action,
        "next_actions": next_actions,
        "root_password": password,
    });
    Ok(Reply::json(StatusCode::CREATED, body))
}

/// Starts the actions of a new server, each of which waits for the one before.
fn begin(
    call: &mut Call<'_>,
    id: Id,
    start: bool,
    places: Vec<(Id, Place)>,
    volumes: &[Id],
) -> (Id, Vec<Id>) {
    // A server that cannot be made leaves nothing behind.
    let create = new_action("create_server", id, &Change::Nothing).or_else(json!(Change::Delete));
    let create = call.start(create);
    let starts = start.then(|| new_action("start_server", id, &Change::Start));
    let mut waiting: Vec<_> = starts.into_iter().collect();
    for (network, place) in places {
        waiting.push(attachment(call.project, id, network, place, Vec::new()));
    }
    waiting.extend(volumes.iter().map(|volume| volume::attachment(*volume, id)));
    let mut last = create;
    let next = waiting.into_iter().map(|action| {
        last = call.start(action.after(last));
        last
    });
    let next = next.collect();
    (create, next)
}

/// Where a server goes that does not say where: to what it is to be used with, or else where its type can be had.
fn choose_location(
    project: &Project,
    kind: &ServerType,
    addresses: &[(AddressFamily, Option<Id>)],
    volumes: &[Id],
) -> Result<&'static Location, ApiError> {
    let ips = addresses
        .iter()
        .filter_map(|(_, id)| project.primary_ips().get((*id)?))
        .map(|ip| &ip.location);
    let volumes = volumes
        .iter()
        .filter_map(|id| project.volumes().get(*id))
        .map(|volume| &volume.location);
    if let Some(location) = ips.chain(volumes).find_map(|name| location::named(name)) {
        return Ok(location);
    }
    let sold = || LOCATIONS.iter().filter(|place| kind.is_sold_in(place));
    let capacity = &project.capacity;
    sold()
        .find(|location| capacity.is_available(kind.name, location.name))
        .or_else(|| sold().next())
        .ok_or_else(|| refusal("invalid_input", "unsupported location for server type"))
}

fn find_ssh_keys(project: &Project, wanted: &[String]) -> Result<Vec<Id>, ApiError> {
    let mut keys = Vec::new();
    for id_or_name in wanted {
        let key = ssh_key::find(project, id_or_name);
        let key = key.ok_or_else(|| refusal("invalid_input", "SSH key not found"))?;
        keys.push(key.id);
    }
    Ok(keys)
}

/// A place in each of the networks, none of which may overlap with another one.
fn places(
    project: &Project,
    networks: &[Id],
    location: &Location,
) -> Result<Vec<(Id, Place)>, ApiError> {
    let mut found: Vec<&Network> = Vec::new();
    let mut places = Vec::new();
    for id in networks {
        let network = find_network(project, *id)?;
        check_overlap(network, found.iter().copied())?;
        places.push((network.id, place_new(network, location.name)?));
        found.push(network);
    }
    Ok(places)
}
