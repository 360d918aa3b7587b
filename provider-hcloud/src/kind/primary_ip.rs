//! PrimaryIP: a public address that outlives what it is assigned to.
//!
//! Servers and load balancers name their addresses; an assignment is theirs to make.

use api::{DnsPtr, PrimaryIP, PrimaryIPObservation, PrimaryIPType};
use serde_json::{Map, Value};

use super::{
    Error, Project, location,
    object::{Common, ObjectKind, PresentOf},
    price, report_id, report_time,
};
use crate::{
    hcloud::{self, labels::Labels, primary_ip::CreatePrimaryIpRequest},
    managed::{Created, Desired, Drift, Present},
};

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
            assignee_type: "server",
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

    async fn before_delete(
        _: &Project,
        _: &Desired<PrimaryIP>,
        ip: &hcloud::PrimaryIp,
    ) -> Result<(), Error> {
        match ip.assignee_id {
            None => Ok(()),
            Some(holder) => Err(Error::Held {
                object: "Primary IP",
                id: ip.id,
                holders: format!("{} {holder}", ip.assignee_type.replace('_', " ")),
            }),
        }
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
mod tests {
    use serde_json::json;

    use super::*;

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
