//! Load balancers as the API writes them.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Change, Destination, LoadBalancer, Selected, Service, Target, service::HealthCheckProtocol,
};
use crate::{
    action::{Action, Status},
    api_date::ApiDate,
    clock::{later, wire},
    collection::Id,
    project::Project,
    resource::{
        load_balancer_type, location, network::MemberStatus, primary_ip::AddressFamily,
        server::Power,
    },
    route::Call,
};

/// Whose eyes see a load balancer, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    project: &'a Project,
    now: Timestamp,
    date: ApiDate,
}

impl<'a> View<'a> {
    pub(super) const fn of(call: &'a Call<'_>) -> Self {
        Self {
            project: call.project,
            now: call.now,
            date: call.api_date,
        }
    }
}

/// What a health check finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    Unknown,
    Healthy,
    /// Something answers, but not well.
    Broken,
    /// Nothing answers.
    Silent,
}

impl View<'_> {
    pub(super) fn load_balancer(&self, load_balancer: &LoadBalancer) -> Value {
        let kind = load_balancer_type::by_id(load_balancer.load_balancer_type);
        let location = location::named(&load_balancer.location);
        let tariff = kind.and_then(|kind| kind.prices.at(location?));
        let services = load_balancer.services.iter();
        let targets = load_balancer.targets.iter();
        json!({
            "id": load_balancer.id,
            "name": load_balancer.name,
            "public_net": self.public_net(load_balancer),
            "private_net": self.private_net(load_balancer),
            "location": location,
            "load_balancer_type": kind.map(|kind| kind.body(&self.project.capacity, self.date)),
            "protection": { "delete": load_balancer.delete_protection },
            "labels": load_balancer.labels,
            "created": wire(load_balancer.created),
            "services": services.map(|service| self.service(service)).collect::<Vec<_>>(),
            "targets": targets.map(|target| self.target(load_balancer, target)).collect::<Vec<_>>(),
            "algorithm": { "type": load_balancer.algorithm },
            "outgoing_traffic": null,
            "ingoing_traffic": null,
            "included_traffic": tariff.map(|tariff| tariff.included_traffic),
        })
    }

    fn public_net(&self, load_balancer: &LoadBalancer) -> Value {
        let address = |family| {
            let ip = load_balancer.primary_ip(self.project, family);
            let address = load_balancer.address(self.project, family);
            let name = ip.and_then(|ip| ip.names().remove(&address?));
            let mut body = json!({ "ip": address, "dns_ptr": name });
            if !self.date.legacy() {
                body["id"] = json!(ip.map(|ip| ip.id));
                body["blocked"] = json!(false);
            }
            body
        };
        json!({
            "enabled": load_balancer.public_interface,
            "ipv4": address(AddressFamily::Ipv4),
            "ipv6": address(AddressFamily::Ipv6),
        })
    }

    fn private_net(&self, load_balancer: &LoadBalancer) -> Vec<Value> {
        let attached = load_balancer
            .private_net(self.project)
            .filter(|(_, member)| member.status != MemberStatus::Attaching)
            .map(|(network, member)| json!({ "network": network.id, "ip": member.ip }));
        let stale = || self.stale_private_net(load_balancer.id);
        attached.or_else(stale).into_iter().collect()
    }

    /// The network that the load balancer was detached from a moment ago.
    fn stale_private_net(&self, id: Id) -> Option<Value> {
        let lag = self.project.resources.load_balancing.detach_lag;
        let recent = |action: &&Action| {
            action.concerns("load_balancer", id)
                && action.status == Status::Success
                && action
                    .finished
                    .is_some_and(|finished| later(finished, lag) > self.now)
        };
        let mut changes = self
            .project
            .actions()
            .filter(recent)
            .filter_map(|action| Change::deserialize(&action.change).ok());
        changes.find_map(|change| match change {
            Change::Detach { network, ip } => Some(json!({ "network": network, "ip": ip })),
            _ => None,
        })
    }

    fn service(&self, service: &Service) -> Value {
        let mut body = json!(service);
        if self.date < ApiDate::June2026
            && let Some(http) = body["http"].as_object_mut()
        {
            http.remove("timeout_idle");
        }
        body
    }

    fn target(&self, load_balancer: &LoadBalancer, target: &Target) -> Value {
        match &target.destination {
            Destination::Server(id) => json!({
                "type": "server",
                "server": { "id": id },
                "health_status": self.health(load_balancer, self.server(*id, target.added)),
                "use_private_ip": target.use_private_ip,
            }),
            Destination::LabelSelector(selector) => {
                let member = |member: &Selected| {
                    json!({
                        "type": "server",
                        "server": { "id": member.server },
                        "health_status":
                            self.health(load_balancer, self.server(member.server, member.since)),
                        "use_private_ip": target.use_private_ip,
                    })
                };
                json!({
                    "type": "label_selector",
                    "label_selector": { "selector": selector },
                    "targets": target.members.iter().map(member).collect::<Vec<_>>(),
                    "use_private_ip": target.use_private_ip,
                })
            }
            Destination::Ip(ip) => {
                let known = &self.project.resources.load_balancing.dedicated_servers;
                let finding = match known.get(ip) {
                    Some(false) => Finding::Broken,
                    Some(true) | None => Finding::Healthy,
                };
                json!({
                    "type": "ip",
                    "ip": { "ip": ip },
                    "health_status": self.health(load_balancer, self.after(target.added, finding)),
                })
            }
        }
    }

    fn server(&self, id: Id, since: Timestamp) -> Finding {
        find_server(self.project, self.now, id, since)
    }

    fn after(&self, since: Timestamp, finding: Finding) -> Finding {
        after(self.project, self.now, since, finding)
    }

    fn health(&self, load_balancer: &LoadBalancer, finding: Finding) -> Vec<Value> {
        let status = |service: &Service| {
            let (status, detail, code) = match (finding, service.health_check.protocol) {
                (Finding::Unknown, _) => ("unknown", None, None),
                (Finding::Healthy, _) => ("healthy", None, None),
                (Finding::Silent, _) => ("unhealthy", Some("layer4_timeout"), None),
                (Finding::Broken, HealthCheckProtocol::Tcp) => {
                    ("unhealthy", Some("layer4_no_connection"), None)
                }
                (Finding::Broken, HealthCheckProtocol::Http) => {
                    ("unhealthy", Some("unexpected_http_status"), Some(503))
                }
            };
            let mut body = json!({ "listen_port": service.listen_port, "status": status });
            if !self.date.legacy() {
                for (key, value) in [
                    ("detail", detail.map(Value::from)),
                    ("http_status_code", code.map(Value::from)),
                ] {
                    if let Some(value) = value {
                        body[key] = value;
                    }
                }
            }
            body
        };
        load_balancer.services.iter().map(status).collect()
    }
}

impl LoadBalancer {
    /// The cloud servers that its health checks find well: those it sends connections to.
    pub fn healthy_servers(&self, project: &Project, now: Timestamp) -> Vec<Id> {
        let servers = self.targets.iter().flat_map(Target::servers_since);
        servers
            .filter(|(id, since)| find_server(project, now, *id, *since) == Finding::Healthy)
            .map(|(id, _)| id)
            .collect()
    }
}

fn find_server(project: &Project, now: Timestamp, id: Id, since: Timestamp) -> Finding {
    let finding = match project.servers().get(id) {
        Some(server) if server.power == Power::Off => Finding::Silent,
        Some(server) if server.healthy => Finding::Healthy,
        Some(_) => Finding::Broken,
        None => Finding::Silent,
    };
    after(project, now, since, finding)
}

/// A finding, once there was time for the first health check.
fn after(project: &Project, now: Timestamp, since: Timestamp, finding: Finding) -> Finding {
    let wait = project.resources.load_balancing.first_health_check;
    if later(since, wait) > now {
        Finding::Unknown
    } else {
        finding
    }
}
