//! PrimaryIP: a public address that outlives what it is assigned to.
//!
//! Servers and load balancers name their addresses, and an assignment is theirs to make. The one that is named here is
//! made when the server is off, and nothing is switched off for it: what a server is switched off for is said in one place.

use api::{DnsPtr, PrimaryIP, PrimaryIPObservation, PrimaryIPType};
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
        match ip.assignee_id {
            None => Ok(()),
            Some(server) if is_assigned_here(desired, ip) && is_off(project, server).await? => {
                unassign(project, ip.id, server).await
            }
            Some(holder) => Err(Error::Held {
                object: "Primary IP",
                id: ip.id,
                holders: format!("{} {holder}", ip.assignee_type.replace('_', " ")),
            }),
        }
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

/// Assigns the Primary IP to the server with the id `wanted`, after it was taken from another one.
async fn assign(project: &Project, id: u64, wanted: &str) -> Result<(), Error> {
    let wanted = parse_id(wanted).ok_or_else(|| {
        let problem = format!("{wanted:?} is not an id: ids are positive numbers");
        Error::field("assigneeId", problem)
    })?;
    let ips = project.client.primary_ips();
    let Some(ip) = ips.read(id, Priority::Update).await? else {
        return Ok(());
    };
    let servers = [ip.assignee_id, Some(wanted)];
    for server in servers.into_iter().flatten() {
        if !is_off(project, server).await? {
            return Err(Error::Waiting(format!(
                "spec.forProvider.assigneeId: server {server} is not off, and Primary IP {id} can only be given to a server, or taken from it, while it is: stop it, or name the Primary IP in its publicNet, for which it is stopped and started again"
            )));
        }
    }
    match ip.assignee_id {
        Some(current) if current == wanted => return Ok(()),
        Some(current) => unassign(project, id, current).await?,
        None => {}
    }
    let request = json!({"assignee_type": SERVER, "assignee_id": wanted});
    ips.run(id, "assign", Some(&request))
        .await
        .map_err(refusal)?;
    project.client.servers().doubt(wanted);
    Ok(())
}

async fn unassign(project: &Project, id: u64, server: u64) -> Result<(), Error> {
    let ips = project.client.primary_ips();
    ips.run::<()>(id, "unassign", None).await?;
    project.client.servers().doubt(server);
    Ok(())
}

/// Whether the server is off.
///
/// # Errors
/// When there is none.
async fn is_off(project: &Project, id: u64) -> Result<bool, Error> {
    let server = project.client.servers().read(id, Priority::Update).await?;
    let server = server.ok_or_else(|| {
        let problem = format!("there is no server with id {id} in the project");
        Error::field("assigneeId", problem)
    })?;
    Ok(server.is_off())
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
mod tests {
    use api::Server;

    use super::*;
    use crate::{
        kind::{
            object::ObjectsOfProject,
            server::Servers,
            simulated::{self, deleted, made, named, recorded, resource, seen},
        },
        managed::External,
    };

    fn primary(more: &Value) -> PrimaryIP {
        let mut spec = json!({"type": "ipv4", "location": "fsn1"});
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        resource(&spec)
    }

    #[tokio::test]
    async fn an_assignment_waits_until_the_servers_are_off_and_goes_with_the_address() {
        let (_simulator, project) = simulated::project().await;
        let servers = ObjectsOfProject::<Servers>::from(project.clone());
        let spec = json!({
            "serverType": "cx23", "image": {"name": "debian-13"}, "location": "fsn1",
            "powerState": "Stopped", "publicNet": {"ipv4Enabled": false},
        });
        let mut ids = Vec::new();
        for name in ["a", "b"] {
            ids.push(
                made(&servers, &named::<Server>(name, &spec).into())
                    .await
                    .external_name,
            );
        }
        let ips = ObjectsOfProject::<PrimaryIps>::from(project.clone());
        let free = made(&ips, &primary(&json!({})).into()).await;
        let to = |server: &str| recorded(primary(&json!({"assigneeId": server})), &free);
        let assignee = async |desired: &Desired<PrimaryIP>| {
            let present = seen(&ips, desired).await;
            present.at_provider.assignee_id.map(|id| id.to_string())
        };
        for id in &ids {
            simulated::changed(&ips, &to(id)).await;
            assert_eq!(assignee(&to(id)).await.as_ref(), Some(id));
        }
        let unmanaged = recorded(primary(&json!({})), &free);
        assert!(seen(&ips, &unmanaged).await.drift.is_empty());

        let api = project.client.servers();
        let last: u64 = ids[1].parse().unwrap();
        api.command(last, "poweron").await.unwrap();
        let back = to(&ids[0]);
        let present = seen(&ips, &back).await;
        let error = ips.update(&back, &present).await.unwrap_err().to_string();
        let begin =
            format!("spec.forProvider.assigneeId: server {last} is not off, and Primary IP");
        assert!(error.starts_with(&begin), "{error}");
        assert_eq!(
            assignee(&back).await.as_ref(),
            Some(&ids[1]),
            "nothing half done"
        );

        let going = recorded(
            deleted(primary(&json!({"assigneeIdRef": {"name": "b"}}))),
            &free,
        );
        let present = seen(&ips, &going).await;
        let error = ips.delete(&going, &present).await.unwrap_err().to_string();
        assert!(error.contains(&format!("server {last}")), "{error}");
        api.command(last, "poweroff").await.unwrap();
        ips.delete(&going, &present).await.unwrap();
        assert!(simulated::absent(&ips, &going).await);
    }

    #[tokio::test]
    async fn an_assignment_to_nothing_is_refused() {
        let (_simulator, project) = simulated::project().await;
        let ips = ObjectsOfProject::<PrimaryIps>::from(project);
        let free = made(&ips, &primary(&json!({})).into()).await;
        let nobody = recorded(primary(&json!({"assigneeId": "7"})), &free);
        let present = seen(&ips, &nobody).await;
        let error = ips.update(&nobody, &present).await.unwrap_err().to_string();
        assert_eq!(
            error,
            "spec.forProvider.assigneeId: there is no server with id 7 in the project"
        );
    }

    #[test]
    fn a_report_has_an_address_also_for_a_network_and_tells_what_is_unassigned() {
        let ip = |ip: Value| report(&serde_json::from_value(ip).unwrap());
        let six = ip(
            json!({"id": 1, "type": "ipv6", "ip": "2001:db8:1::/64", "assignee_type": "server"}),
        );
        assert_eq!(six.address, "2001:db8:1::1");
        assert_eq!(six.network.as_deref(), Some("2001:db8:1::/64"));
        assert_eq!(six.assignee_type, "unassigned");
        let four =
            ip(json!({"id": 1, "ip": "192.0.2.1", "assignee_id": 7, "assignee_type": "server"}));
        assert_eq!((four.address.as_str(), four.network), ("192.0.2.1", None));
        assert_eq!(four.assignee_type, "server");
    }
}
