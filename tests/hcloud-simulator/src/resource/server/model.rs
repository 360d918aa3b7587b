//! A server as the simulator keeps it. What other objects know about it is kept there and not repeated here: its addresses
//! are primary IPs, its private addresses are members of networks, its volumes name it as their server.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{KIND, change::is, lock_of};
use crate::{
    api_date::ApiDate,
    clock::wire,
    collection::{Collection, Id, Object},
    label::Labels,
    project::Project,
    resource::{
        datacenter, firewall, image,
        iso::{self, Iso},
        load_balancer, location,
        network::{Member, MemberStatus, Network},
        placement_group,
        primary_ip::{AddressFamily, AssigneeKind, PrimaryIp},
        server_type,
        volume::Volume,
    },
};

/// A cloud server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// The server's id.
    pub id: Id,
    /// Its name, unique in the project.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// When it was created.
    pub created: Timestamp,
    /// Whether it runs; what an action is doing to it is read from the action.
    pub power: Power,
    /// The name of the location that it runs in.
    pub location: String,
    /// Its server type.
    pub server_type: Id,
    /// The image that it was made of; none after that image is gone.
    pub image: Option<Id>,
    /// The attached ISO.
    pub iso: Option<Id>,
    /// The size of its disk in GB, which stays when the type changes without `upgrade_disk`.
    pub primary_disk_size: u32,
    /// The placement group that it is in.
    pub placement_group: Option<Id>,
    /// The hours in which backups are made; none while backups are off.
    pub backup_window: Option<String>,
    /// True when the next start enters the rescue system.
    pub rescue_enabled: bool,
    /// True when it can be neither deleted nor rebuilt.
    pub protected: bool,
    /// What cloud-init was given. The API never tells.
    pub user_data: Option<UserData>,
    /// The SSH keys that it was created with. The API never tells.
    pub ssh_keys: Vec<Id>,
    /// False when its operating system does not react to a shutdown.
    pub obeys_shutdown: bool,
    /// False when load balancers find its services broken.
    pub healthy: bool,
}

/// Whether a server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    /// It runs.
    Running,
    /// It is switched off, and costs the same.
    Off,
}

/// What cloud-init is given. It may hold secrets: its Debug output does not contain it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserData(String);

impl UserData {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for UserData {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for UserData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UserData(…)")
    }
}

/// A server's place in one private network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrivateNet<'a> {
    /// The network.
    pub network: &'a Network,
    /// The server in it.
    pub member: &'a Member,
}

impl Object for Server {
    fn id(&self) -> Id {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Project {
    /// The project's servers.
    pub const fn servers(&self) -> &Collection<Server> {
        &self.resources.servers
    }

    /// The project's servers, to be changed by hand.
    pub const fn servers_mut(&mut self) -> &mut Collection<Server> {
        &mut self.resources.servers
    }
}

impl Server {
    /// The primary IPs that are assigned to the server.
    pub fn primary_ips<'a>(&self, project: &'a Project) -> impl Iterator<Item = &'a PrimaryIp> {
        let id = self.id;
        project
            .primary_ips()
            .iter()
            .filter(move |ip| ip.is_assigned_to(AssigneeKind::Server, id))
    }

    /// The primary IP of this family that is assigned to the server.
    pub fn primary_ip<'a>(
        &self,
        project: &'a Project,
        family: AddressFamily,
    ) -> Option<&'a PrimaryIp> {
        self.primary_ips(project).find(|ip| ip.family() == family)
    }

    /// The networks that the server is attached to.
    pub fn private_nets<'a>(&self, project: &'a Project) -> impl Iterator<Item = PrivateNet<'a>> {
        let id = self.id;
        project.networks().iter().filter_map(move |network| {
            let member = network.members.iter().find(|member| is(member, id))?;
            let attached = member.status != MemberStatus::Attaching;
            attached.then_some(PrivateNet { network, member })
        })
    }

    /// Its address in one network.
    pub fn private_ip(&self, project: &Project, network: Id) -> Option<Ipv4Addr> {
        self.private_nets(project)
            .find(|net| net.network.id == network)
            .map(|net| net.member.ip)
    }

    /// The attached volumes.
    pub fn volumes<'a>(&self, project: &'a Project) -> impl Iterator<Item = &'a Volume> {
        let id = self.id;
        project
            .volumes()
            .iter()
            .filter(move |volume| volume.server == Some(id))
    }

    /// True when it has a network card, public or private; one that is being attached counts.
    pub(super) fn has_interface(&self, project: &Project) -> bool {
        let mut members = project.networks().iter().flat_map(|one| &one.members);
        self.primary_ips(project).next().is_some() || members.any(|member| is(member, self.id))
    }

    /// What it does now, as the API names it.
    pub fn status(&self, project: &Project) -> &'static str {
        let running = project
            .actions()
            .filter(|action| action.is_running() && action.concerns(KIND.name, self.id));
        let power = match self.power {
            Power::Running => "running",
            Power::Off => "off",
        };
        running
            .filter_map(|action| match action.command.as_str() {
                "create_server" => Some("initializing"),
                "delete_server" => Some("deleting"),
                "start_server" => Some("starting"),
                "stop_server" | "shutdown_server" => Some("stopping"),
                "rebuild_server" => Some("rebuilding"),
                "change_server_type" => Some("migrating"),
                _ => None,
            })
            .next()
            .unwrap_or(power)
    }

    pub(super) fn body(&self, project: &Project, date: ApiDate) -> Value {
        let location = location::named(&self.location);
        let kind = server_type::by_id(self.server_type);
        let tariff = kind.zip(location).and_then(|(kind, at)| kind.price(at));
        let image = self.image.and_then(|id| image::by_id(project, id));
        let group = self.placement_group;
        let mut body = json!({
            "id": self.id,
            "name": self.name,
            "status": self.status(project),
            "created": wire(self.created),
            "public_net": self.public_net(project),
            "private_net": self.private_nets(project).map(private_net).collect::<Vec<_>>(),
            "server_type": kind.map(|kind| kind.body(&project.capacity, date)),
            "location": location,
            "image": image.map(|image| image.body(date)),
            "iso": self.iso.and_then(iso::by_id).map(Iso::body),
            "rescue_enabled": self.rescue_enabled,
            "locked": lock_of(project, self.id).is_some(),
            "backup_window": self.backup_window,
            "outgoing_traffic": null,
            "ingoing_traffic": null,
            "included_traffic": tariff.map_or(0, |tariff| tariff.included_traffic),
            "protection": { "delete": self.protected, "rebuild": self.protected },
            "labels": self.labels,
            "volumes": self.volumes(project).map(|volume| volume.id).collect::<Vec<Id>>(),
            "load_balancers": load_balancer::serving(project, self.id),
            "primary_disk_size": self.primary_disk_size,
            "placement_group": group.and_then(|id| placement_group::body_of(project, id)),
        });
        if let Some(location) = location.filter(|_| date.legacy()) {
            body["datacenter"] = datacenter::body_of(location, &project.capacity);
        }
        body
    }

    fn public_net(&self, project: &Project) -> Value {
        let ipv4 = self.primary_ip(project, AddressFamily::Ipv4).map(|ip| {
            json!({
                "id": ip.id,
                "ip": ip.text(),
                "blocked": false,
                "dns_ptr": ip.names().remove(&ip.ip),
            })
        });
        let ipv6 = self.primary_ip(project, AddressFamily::Ipv6).map(|ip| {
            json!({
                "id": ip.id,
                "ip": ip.text(),
                "blocked": false,
                "dns_ptr": ip.names_body(),
            })
        });
        json!({
            "ipv4": ipv4,
            "ipv6": ipv6,
            "floating_ips": [],
            "firewalls": firewall::applied_to(project, self.id),
        })
    }
}

fn private_net(net: PrivateNet<'_>) -> Value {
    let PrivateNet { network, member } = net;
    json!({
        "network": network.id,
        "ip": member.ip,
        "alias_ips": member.alias_ips,
        "mac_address": mac_address(member.id, network.id),
    })
}

/// An address that no other card has, for as long as ids are as small as here.
fn mac_address(server: Id, network: Id) -> String {
    let [.., a, b, c] = server
        .wrapping_mul(0x9e37_79b1)
        .wrapping_add(network)
        .to_be_bytes();
    format!("86:00:00:{a:02x}:{b:02x}:{c:02x}")
}
