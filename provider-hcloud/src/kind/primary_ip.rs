//! PrimaryIP: a public address that outlives what it is assigned to.
//!
//! Servers and load balancers name their addresses, and an assignment is theirs to make. The one that is named here is
//! made when the server is off, and nothing is switched off for it: what a server is switched off for is said in one place.

use std::sync::Arc;

use api::{DnsPtr, PrimaryIP, PrimaryIPObservation, PrimaryIPType, UID_LABEL};
use serde_json::{Map, Value, json};

use super::{
    Error, Project,
    error::refusal,
    location,
    object::{Common, ObjectKind, PresentOf},
    parse_id, price, report_id, report_time,
};
use crate::{
    hcloud::{self, Priority, labels::Labels, primary_ip::CreatePrimaryIpRequest},
    managed::{Created, Desired, Drift, Present},
};

/// The API's word for what a Primary IP can be assigned to here.
const SERVER: &str = "server";

/// The kind PrimaryIP.
#[derive(Debug)]
pub enum PrimaryIps {}

impl ObjectKind for PrimaryIps {
    type Resource = PrimaryIP;
    type Object = hcloud::PrimaryIp;

    fn common(resource: &PrimaryIP) -> Common<'_> {
        let spec = &resource.spec.for_provider;
        Common {
            name: spec.name.as_deref(),
            labels: &spec.labels,
            delete_protection: spec.delete_protection,
        }
    }

    async fn present(
        project: &Project,
        desired: &Desired<PrimaryIP>,
        ip: &hcloud::PrimaryIp,
    ) -> Result<PresentOf<Self>, Error> {
        let spec = &desired.spec.for_provider;
        let mut report = report(ip);
        report.price = price::list(project).await.and_then(|list| {
            price::of_type(
                &list,
                &list.pricing.primary_ips,
                &ip.kind,
                &ip.location.name,
            )
        });
        let mut present = Present::new(ip.id.to_string(), report);
        let drift = &mut present.drift;
        let type_ = spec.type_.map(PrimaryIPType::as_str);
        drift.check_fixed("type", type_, ip.kind.as_str());
        drift.check_fixed("location", spec.location.as_ref(), &ip.location.name);
        let auto_delete = ip.auto_delete.unwrap_or_default();
        drift.check("autoDelete", spec.auto_delete.as_ref(), &auto_delete);
        let assignee = ip
            .assignee_id
            .map_or_else(|| "none".to_owned(), |id| id.to_string());
        drift.check("assigneeId", spec.assignee_id.as_deref(), assignee.as_str());
        Ok(present)
    }

    async fn create(
        project: &Project,
        desired: &Desired<PrimaryIP>,
        name: String,
        labels: Labels,
    ) -> Result<Created, Error> {
        let spec = &desired.spec.for_provider;
        let location = spec.location.as_ref().ok_or(Error::Required("location"))?;
        let request = CreatePrimaryIpRequest {
            name,
            labels,
            kind: spec.type_.ok_or(Error::Required("type"))?.as_str(),
            location: location::named(project, "location", location)
                .await?
                .name
                .clone(),
            assignee_type: SERVER,
            auto_delete: spec.auto_delete.unwrap_or_default(),
        };
        let ip = project.client.primary_ips().create(&request).await?;
        Ok(Created::named(ip.id))
    }

    fn put(desired: &Desired<PrimaryIP>, drift: &Drift) -> Map<String, Value> {
        let mut fields = Map::new();
        if drift.touches("autoDelete") {
            let auto_delete = desired.spec.for_provider.auto_delete;
            fields.insert("auto_delete".to_owned(), auto_delete.into());
        }
        fields
    }

    async fn update(
        project: &Project,
        desired: &Desired<PrimaryIP>,
        id: u64,
        present: &PresentOf<Self>,
    ) -> Result<(), Error> {
        match &desired.spec.for_provider.assignee_id {
            Some(text) if present.drift.touches("assigneeId") => assign(project, id, text).await,
            _ => Ok(()),
        }
    }

    async fn before_delete(
        project: &Project,
        desired: &Desired<PrimaryIP>,
        ip: &hcloud::PrimaryIp,
    ) -> Result<(), Error> {
        let Some(holder) = ip.assignee_id else {
            return Ok(());
        };
        if !is_assigned_here(desired, ip) || !server(project, holder).await?.is_off() {
            return Err(held(ip, holder));
        }
        unassign(project, ip.id, holder).await
    }
}

/// Whether its assignment to a server is due to the spec, as far as that tells while references are not followed.
fn is_assigned_here(desired: &Desired<PrimaryIP>, ip: &hcloud::PrimaryIp) -> bool {
    let spec = &desired.spec.for_provider;
    let named = spec.assignee_id.is_some()
        || spec.assignee_id_ref.is_some()
        || spec.assignee_id_selector.is_some();
    named && ip.assignee_type == SERVER
}

/// Assigns the Primary IP to the server with the id `wanted`, after it was taken from another one. All is looked at before
/// anything is taken away.
async fn assign(project: &Project, id: u64, wanted: &str) -> Result<(), Error> {
    let wanted = parse_id(wanted).ok_or_else(|| {
        let problem = format!("{wanted:?} is not an id: ids are positive numbers");
        Error::field("assigneeId", problem)
    })?;
    let ips = project.client.primary_ips();
    let Some(ip) = ips.read(id, Priority::Update).await? else {
        return Ok(());
    };
    if ip.assignee_id == Some(wanted) && ip.assignee_type == SERVER {
        return Ok(());
    }
    let target = server(project, wanted).await?;
    check_target(&target, &ip)?;
    check_off(&target, id)?;
    if let Some(holder) = ip.assignee_id {
        if ip.assignee_type != SERVER {
            return Err(held(&ip, holder));
        }
        check_off(&*server(project, holder).await?, id)?;
        unassign(project, id, holder).await?;
    }
    let request = json!({"assignee_type": SERVER, "assignee_id": wanted});
    let assigned = ips.run(id, "assign", Some(&request)).await;
    assigned.map_err(refusal)?;
    project.client.servers().doubt(wanted);
    Ok(())
}

async fn unassign(project: &Project, id: u64, server: u64) -> Result<(), Error> {
    let ips = project.client.primary_ips();
    ips.run::<()>(id, "unassign", None).await?;
    project.client.servers().doubt(server);
    Ok(())
}

async fn server(project: &Project, id: u64) -> Result<Arc<hcloud::Server>, Error> {
    let server = project.client.servers().read(id, Priority::Update).await?;
    server.ok_or_else(|| {
        let problem = format!("there is no server with id {id} in the project");
        Error::field("assigneeId", problem)
    })
}

/// What the API would refuse after the address was taken from another server, and what the server would undo.
fn check_target(server: &hcloud::Server, ip: &hcloud::PrimaryIp) -> Result<(), Error> {
    let refuse = |problem: String| Err(Error::field("assigneeId", problem));
    let (id, public) = (server.id, &server.public_net);
    if server.labels.contains_key(UID_LABEL) {
        return refuse(format!(
            "server {id} is a managed resource: name the Primary IP in its publicNet, for which it is stopped and started again"
        ));
    }
    let (there, here) = (server.location_name(), ip.location.name.as_str());
    if there != here {
        return refuse(format!(
            "server {id} is in {there}, and the Primary IP is in {here}"
        ));
    }
    let is_v4 = ip.kind == PrimaryIPType::Ipv4.as_str();
    let other = if is_v4 { &public.ipv4 } else { &public.ipv6 };
    match other.as_ref().filter(|other| other.id != Some(ip.id)) {
        Some(other) => refuse(format!("server {id} has {} already", other.ip)),
        None => Ok(()),
    }
}

fn check_off(server: &hcloud::Server, ip: u64) -> Result<(), Error> {
    if server.is_off() {
        return Ok(());
    }
    Err(Error::Waiting(format!(
        "spec.forProvider.assigneeId: server {} is {}, and Primary IP {ip} can only be given to a server, or taken from it, while that is off: stop it",
        server.id, server.status
    )))
}

fn held(ip: &hcloud::PrimaryIp, holder: u64) -> Error {
    Error::Held {
        object: "Primary IP",
        id: ip.id,
        holders: format!("{} {holder}", ip.assignee_type.replace('_', " ")),
    }
}

fn report(ip: &hcloud::PrimaryIp) -> PrimaryIPObservation {
    // The address of an IPv6 network is its first one that a machine can have.
    let (address, network) = match ip.ip.split_once("::/") {
        Some((prefix, _)) => (format!("{prefix}::1"), Some(ip.ip.clone())),
        None => (ip.ip.clone(), None),
    };
    let mut dns_ptrs: Vec<_> = ip
        .dns_ptr
        .iter()
        .map(|entry| DnsPtr {
            ip: entry.ip.clone(),
            dns_ptr: entry.dns_ptr.clone(),
        })
        .collect();
    dns_ptrs.sort_by(|a, b| a.ip.cmp(&b.ip));
    PrimaryIPObservation {
        id: report_id(ip.id),
        name: ip.name.clone(),
        type_: ip.kind.clone(),
        address,
        network,
        location: ip.location.name.clone(),
        assignee_id: ip.assignee_id.map(report_id),
        assignee_type: match ip.assignee_id {
            Some(_) => ip.assignee_type.clone(),
            None => "unassigned".to_owned(),
        },
        auto_delete: ip.auto_delete.unwrap_or_default(),
        blocked: ip.blocked.unwrap_or_default(),
        dns_ptrs,
        labels: ip.labels.clone(),
        delete_protection: ip.protection.delete.unwrap_or_default(),
        price: None,
        created: report_time(ip.created.as_deref()),
    }
}

#[cfg(test)]
mod tests;
