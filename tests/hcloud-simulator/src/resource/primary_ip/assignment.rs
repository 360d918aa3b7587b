//! How servers and load balancers get and lose their public addresses.

use std::net::IpAddr;

use http::StatusCode;

use super::{AddressFamily, Assignee, AssigneeKind, PrimaryIp};
use crate::{collection::Id, error::ApiError, project::Project, route::Call};

/// Whether something new in `location` may have this primary IP.
pub(crate) fn check_assignable(
    project: &Project,
    id: Id,
    family: AddressFamily,
    location: &str,
) -> Result<(), ApiError> {
    let ip = project
        .primary_ips()
        .get(id)
        .ok_or_else(|| ApiError::not_found("primary_ip", id))?;
    if ip.family() != family {
        return Err(ApiError::new(
            StatusCode::PRECONDITION_FAILED,
            "primary_ip_version_mismatch",
            format!("primary IP {id} is not of type {}", family.name()),
        ));
    }
    if ip.assignee.is_some() {
        return Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "primary_ip_assigned",
            format!("primary IP {id} is already assigned"),
        ));
    }
    check_location(ip, location)
}

pub(super) fn check_location(ip: &PrimaryIp, location: &str) -> Result<(), ApiError> {
    if ip.location == location {
        Ok(())
    } else {
        Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "primary_ip_datacenter_mismatch",
            format!(
                "primary IP {} is in location {}, not in {location}",
                ip.id, ip.location
            ),
        ))
    }
}

/// Assigns the wanted primary IP, or a new one that goes together with what it is assigned to.
pub(crate) fn provide(
    call: &mut Call<'_>,
    wanted: Option<Id>,
    family: AddressFamily,
    location: &str,
    assignee: Assignee,
) {
    let id = wanted.unwrap_or_else(|| {
        let pool = call.addresses;
        let mut ip = PrimaryIp::issue(call.project, pool, family, location, call.now);
        ip.auto_delete = true;
        let id = ip.id;
        call.project.primary_ips_mut().insert(ip);
        id
    });
    if let Some(ip) = call.project.primary_ips_mut().get_mut(id) {
        ip.assignee = Some(assignee);
    }
}

/// Takes every primary IP away from something that is being deleted; those with `auto_delete` go with it.
pub(crate) fn release(project: &mut Project, kind: AssigneeKind, id: Id) {
    let ips = project.primary_ips().iter();
    let assigned: Vec<Id> = ips
        .filter(|ip| ip.is_assigned_to(kind, id))
        .map(|ip| ip.id)
        .collect();
    for id in assigned {
        match project.primary_ips_mut().get_mut(id) {
            Some(ip) if !ip.auto_delete => ip.assignee = None,
            _ => {
                project.primary_ips_mut().remove(id);
            }
        }
    }
}

/// Names an address in reverse DNS, or gives it its default name back.
pub(crate) fn set_dns_ptr(project: &mut Project, address: IpAddr, name: Option<String>) {
    let is_own = |ip: &&PrimaryIp| ip.covers(address);
    let owner = project.primary_ips().iter().find(is_own).map(|ip| ip.id);
    if let Some(ip) = owner.and_then(|id| project.primary_ips_mut().get_mut(id)) {
        ip.set_name(address, name);
    }
}
