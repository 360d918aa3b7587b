//! A primary IP as the simulator keeps it.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::address::{self, AddressPool, IPV6_PREFIX};
use crate::{
    api_date::ApiDate,
    clock::wire,
    collection::{Collection, Id, Object},
    label::Labels,
    project::Project,
    resource::{datacenter, location},
};

/// A public address that can be assigned. Load balancers have theirs here too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrimaryIp {
    /// The primary IP's id.
    pub id: Id,
    /// Its name, unique in the project.
    pub name: String,
    /// Its address; for IPv6 the first one of a /64.
    pub ip: IpAddr,
    /// Its labels.
    pub labels: Labels,
    /// The name of the location that it belongs to.
    pub location: String,
    /// What it is assigned to.
    pub assignee: Option<Assignee>,
    /// True when it goes together with what it is assigned to.
    pub auto_delete: bool,
    /// True when it cannot be deleted.
    pub delete_protection: bool,
    /// Names set by hand, by address.
    pub dns_ptr: BTreeMap<IpAddr, String>,
    /// When it was created.
    pub created: Timestamp,
}

/// What a primary IP is assigned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignee {
    /// Its kind.
    pub kind: AssigneeKind,
    /// Its id.
    pub id: Id,
}

/// A kind of object that has public addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssigneeKind {
    /// A cloud server.
    Server,
    /// A load balancer.
    LoadBalancer,
}

/// The type of a primary IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressFamily {
    /// One IPv4 address.
    Ipv4,
    /// A /64 of IPv6 addresses.
    Ipv6,
}

impl Object for PrimaryIp {
    fn id(&self) -> Id {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Project {
    /// The project's primary IPs.
    pub const fn primary_ips(&self) -> &Collection<PrimaryIp> {
        &self.resources.primary_ips
    }

    /// The project's primary IPs, to be changed by hand.
    pub const fn primary_ips_mut(&mut self) -> &mut Collection<PrimaryIp> {
        &mut self.resources.primary_ips
    }
}

impl AddressFamily {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }
}

impl PrimaryIp {
    /// Makes a primary IP with a free address; it is not added to the project yet.
    pub(crate) fn issue(
        project: &mut Project,
        pool: AddressPool,
        family: AddressFamily,
        location: &str,
        created: Timestamp,
    ) -> Self {
        let id = project.new_id();
        let ips = project.primary_ips();
        let is_taken = |ip| ips.iter().any(|other| other.ip == ip);
        let ip = pool.address(family, id, is_taken);
        Self {
            id,
            name: format!("primary_ip-{id}"),
            ip,
            labels: Labels::new(),
            location: location.to_owned(),
            assignee: None,
            auto_delete: false,
            delete_protection: false,
            dns_ptr: BTreeMap::new(),
            created,
        }
    }

    /// Its type.
    pub const fn family(&self) -> AddressFamily {
        match self.ip {
            IpAddr::V4(_) => AddressFamily::Ipv4,
            IpAddr::V6(_) => AddressFamily::Ipv6,
        }
    }

    /// True when it is assigned to this object.
    pub fn is_assigned_to(&self, kind: AssigneeKind, id: Id) -> bool {
        self.assignee == Some(Assignee { kind, id })
    }

    /// True when this address belongs to it.
    pub fn covers(&self, address: IpAddr) -> bool {
        address::covers(self.ip, address)
    }

    /// The address that something answers on: for IPv6 the first one after the network's own.
    pub fn host(&self) -> IpAddr {
        match self.ip {
            IpAddr::V4(_) => self.ip,
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() | 1).into(),
        }
    }

    /// Its address, or its network, as the API writes it.
    pub fn text(&self) -> String {
        match self.ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("{ip}/{IPV6_PREFIX}"),
        }
    }

    /// The names of its addresses in reverse DNS.
    pub fn names(&self) -> BTreeMap<IpAddr, String> {
        let mut names: BTreeMap<_, _> = address::default_name(self.ip)
            .map(|name| (self.ip, name))
            .into_iter()
            .collect();
        names.extend(self.dns_ptr.clone());
        names
    }

    /// Names one of its addresses, or gives it its default name back.
    pub fn set_name(&mut self, address: IpAddr, name: Option<String>) {
        match name {
            Some(name) => self.dns_ptr.insert(address, name),
            None => self.dns_ptr.remove(&address),
        };
    }

    /// The names in the form that both primary IPs and servers use.
    pub(crate) fn names_body(&self) -> Value {
        let names = self.names();
        let pairs = names
            .iter()
            .map(|(ip, name)| json!({ "ip": ip, "dns_ptr": name }));
        pairs.collect()
    }

    pub(super) fn body(&self, project: &Project, date: ApiDate) -> Value {
        let location = location::named(&self.location);
        let kind = match self.assignee {
            Some(assignee) => json!(assignee.kind),
            None if date.legacy() => json!(AssigneeKind::Server),
            None => json!("unassigned"),
        };
        let mut body = json!({
            "id": self.id,
            "name": self.name,
            "type": self.family(),
            "ip": self.text(),
            "labels": self.labels,
            "location": location,
            "assignee_id": self.assignee.map(|assignee| assignee.id),
            "assignee_type": kind,
            "auto_delete": self.auto_delete,
            "blocked": false,
            "dns_ptr": self.names_body(),
            "protection": { "delete": self.delete_protection },
            "created": wire(self.created),
        });
        if let Some(location) = location.filter(|_| date.legacy()) {
            body["datacenter"] = datacenter::body_of(location, &project.capacity);
        }
        body
    }
}
