//! A firewall as the simulator keeps it, and as the API writes it.

use std::{collections::BTreeSet, time::Duration};

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    clock::wire,
    collection::{Collection, Id, Object},
    label::Labels,
    project::Project,
};

/// A firewall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firewall {
    /// The firewall's id.
    pub id: Id,
    /// Its name, unique in the project.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// When it was created.
    pub created: Timestamp,
    /// What it lets through.
    pub rules: Vec<Rule>,
    /// What it is applied to, in the order in which that was asked for.
    pub applied_to: Vec<Application>,
}

/// What a firewall lets through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Which way the packets go.
    pub direction: Direction,
    /// Their protocol.
    pub protocol: Protocol,
    /// Their port, range of ports, or `any`.
    pub port: Option<String>,
    /// Where incoming packets may come from.
    pub source_ips: Vec<IpNet>,
    /// Where outgoing packets may go to.
    pub destination_ips: Vec<IpNet>,
    /// A text for people.
    pub description: Option<String>,
}

/// Which way packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the server.
    In,
    /// From the server.
    Out,
}

/// A protocol that rules know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP, with ports.
    Tcp,
    /// UDP, with ports.
    Udp,
    /// ICMP.
    Icmp,
    /// ESP of IPsec.
    Esp,
    /// GRE.
    Gre,
}

/// Something that a firewall is applied to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// What that is.
    pub target: Target,
    /// Whether it counts already.
    pub status: Status,
    /// The servers that a label selector has found.
    pub servers: BTreeSet<Id>,
    /// Since when the label selector would find other ones.
    pub outdated_since: Option<Timestamp>,
}

/// What a firewall can be applied to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// One server.
    Server(Id),
    /// Every server with such labels.
    LabelSelector(String),
}

/// Whether a firewall protects a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Soon.
    Pending,
    /// It does.
    Applied,
}

/// A firewall of a server, as servers list it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Effective {
    /// The firewall's id.
    pub id: Id,
    /// Whether it protects the server already.
    pub status: Status,
}

/// How firewalls of a project behave, beyond what a client can change. Nothing takes time unless a test says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Behaviour {
    /// How long it takes until label selectors follow the labels of servers.
    pub selector_lag: Duration,
}

impl Object for Firewall {
    fn id(&self) -> Id {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Project {
    /// The project's firewalls.
    pub const fn firewalls(&self) -> &Collection<Firewall> {
        &self.resources.firewalls
    }

    /// The project's firewalls, to be changed by hand.
    pub const fn firewalls_mut(&mut self) -> &mut Collection<Firewall> {
        &mut self.resources.firewalls
    }
}

impl Application {
    pub(super) const fn new(target: Target, status: Status) -> Self {
        Self {
            target,
            status,
            servers: BTreeSet::new(),
            outdated_since: None,
        }
    }

    fn concerns(&self, server: Id) -> bool {
        self.target == Target::Server(server) || self.servers.contains(&server)
    }

    fn body(&self) -> Value {
        let server = |id: &Id| json!({ "type": "server", "server": { "id": id } });
        match &self.target {
            Target::Server(id) => server(id),
            Target::LabelSelector(selector) => json!({
                "type": "label_selector",
                "label_selector": { "selector": selector },
                "applied_to_resources": self.servers.iter().map(server).collect::<Vec<_>>(),
            }),
        }
    }
}

impl Firewall {
    pub(super) const fn new(id: Id, name: String, created: Timestamp) -> Self {
        Self {
            id,
            name,
            labels: Labels::new(),
            created,
            rules: Vec::new(),
            applied_to: Vec::new(),
        }
    }

    /// Whether it protects a server; `None` when it has nothing to do with it.
    pub fn status_on(&self, server: Id) -> Option<Status> {
        let applications = self.applied_to.iter();
        let concerned = applications.filter(|application| application.concerns(server));
        concerned.map(|application| application.status).max()
    }

    /// The servers that it protects or is about to protect.
    pub fn servers(&self) -> BTreeSet<Id> {
        let servers = self.applied_to.iter().flat_map(|application| {
            let named = match application.target {
                Target::Server(id) => Some(id),
                Target::LabelSelector(_) => None,
            };
            application.servers.iter().copied().chain(named)
        });
        servers.collect()
    }

    pub(super) fn application(&self, target: &Target) -> Option<&Application> {
        self.applied_to
            .iter()
            .find(|application| application.target == *target)
    }

    pub(super) fn body(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "labels": self.labels,
            "created": wire(self.created),
            "rules": self.rules,
            "applied_to": self.applied_to.iter().map(Application::body).collect::<Vec<_>>(),
        })
    }
}
