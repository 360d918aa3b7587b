//! Which servers and label selectors a firewall may be applied to and removed from.

use http::StatusCode;

use super::{Firewall, Target, applied_to};
use crate::{
    collection::Id,
    error::ApiError,
    label::Selector,
    project::Project,
    request::Fields,
    resource::{primary_ip::AddressFamily, server::Server},
};

const MAX_PER_SERVER: usize = 5;

/// A list of resources as requests name them.
pub(super) fn read_all(fields: &mut Fields, name: &str) -> Vec<Target> {
    fields.each(name, |item| {
        let kind = item.required::<String>("type")?;
        match kind.as_str() {
            "server" => {
                item.required::<serde_json::Value>("server")?;
                let id = item.nested("server", |server| server.required::<Id>("id"))?;
                Some(Target::Server(id))
            }
            "label_selector" => {
                item.required::<serde_json::Value>("label_selector")?;
                let selector = item.nested("label_selector", |fields| {
                    fields.parsed("selector", selector)
                })?;
                Some(Target::LabelSelector(selector))
            }
            other => {
                item.refuse(
                    "type",
                    format!("'{other}' is not one of server, label_selector"),
                );
                None
            }
        }
    })
}

fn selector(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("must not be empty".to_owned());
    }
    match Selector::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether a firewall may be applied to all of these. The API answers for missing servers differently on creation.
pub(super) fn check_new(
    project: &Project,
    firewall: Option<Id>,
    targets: &[Target],
    missing: StatusCode,
) -> Result<(), ApiError> {
    let firewall = firewall.and_then(|id| project.firewalls().get(id));
    for (index, target) in targets.iter().enumerate() {
        if targets.iter().take(index).any(|earlier| earlier == target) {
            return Err(refusal(
                "server_already_added",
                "the resource was named more than once",
            ));
        }
        if firewall.is_some_and(|firewall| firewall.application(target).is_some()) {
            return Err(refusal(
                "firewall_already_applied",
                "firewall is already applied to resource",
            ));
        }
        let Target::Server(id) = target else { continue };
        let server = project
            .servers()
            .get(*id)
            .ok_or_else(|| not_found(*id, missing))?;
        if !has_public_interface(project, server) {
            let message = format!("server with ID {id} has no public interface");
            return Err(refusal("private_net_only_server", message));
        }
        if firewall.is_none_or(|firewall| firewall.status_on(*id).is_none()) {
            check_count(applied_to(project, server.id).len() + 1)?;
        }
    }
    Ok(())
}

/// Whether a server may have this many firewalls.
pub(super) fn check_count(count: usize) -> Result<(), ApiError> {
    if count > MAX_PER_SERVER {
        let message = format!("a server can have at most {MAX_PER_SERVER} firewalls");
        Err(ApiError::limit_exceeded(message))
    } else {
        Ok(())
    }
}

/// Whether a firewall may be removed from all of these.
pub(super) fn check_removal(
    project: &Project,
    firewall: &Firewall,
    targets: &[Target],
) -> Result<(), ApiError> {
    for target in targets {
        let Target::Server(id) = target else { continue };
        if project.servers().get(*id).is_none() {
            return Err(not_found(*id, StatusCode::NOT_FOUND));
        }
        if firewall.application(target).is_none() && firewall.status_on(*id).is_some() {
            let message = format!("firewall is applied to server with ID {id} by a label selector");
            return Err(refusal("firewall_managed_by_label_selector", message));
        }
    }
    Ok(())
}

/// The servers that a label selector finds. Those without a public interface are passed over, and those with too many
/// other firewalls.
pub(super) fn selected(
    project: &Project,
    firewall: Id,
    selector: &str,
) -> impl Iterator<Item = Id> {
    let selector = Selector::parse(selector).ok();
    project.servers().iter().filter_map(move |server| {
        let matches = selector
            .as_ref()
            .is_some_and(|selector| selector.matches(&server.labels));
        let others = applied_to(project, server.id);
        let others = others.iter().filter(|other| other.id != firewall).count();
        let fits =
            matches && has_public_interface(project, server) && check_count(others + 1).is_ok();
        fits.then_some(server.id)
    })
}

fn has_public_interface(project: &Project, server: &Server) -> bool {
    [AddressFamily::Ipv4, AddressFamily::Ipv6]
        .into_iter()
        .any(|family| server.primary_ip(project, family).is_some())
}

fn not_found(server: Id, status: StatusCode) -> ApiError {
    let message = format!("server with ID {server} not found");
    ApiError::new(status, "firewall_resource_not_found", message)
}

fn refusal(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
}
