//! Primary IPs: public addresses of servers and load balancers.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use super::client::Client;
use super::error::Error;
use super::labels::Labels;
use super::network::Protection;
use super::resource::{Resource, Resources};
use super::tolerant;

/// A Primary IP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct PrimaryIp {
    /// The API's id.
    pub id: u64,
    /// The name.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub name: String,
    /// The labels.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub labels: Labels,
    /// `ipv4` or `ipv6`.
    #[serde(default, rename = "type", deserialize_with = "tolerant::or_default")]
    pub kind: String,
    /// The address, for IPv6 the network in CIDR notation.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub ip: String,
    /// Where it is.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub location: Named,
    /// What it is assigned to.
    #[serde(default)]
    pub assignee_id: Option<u64>,
    /// The type of what it is assigned to; `unassigned`, or `server` in older answers, when there is nothing.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub assignee_type: String,
    /// Whether it goes with what it is assigned to.
    #[serde(default)]
    pub auto_delete: Option<bool>,
    /// Whether it is blocked after abuse.
    #[serde(default)]
    pub blocked: Option<bool>,
    /// Names of its addresses.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub dns_ptr: Vec<DnsPtr>,
    /// What is refused until it is lifted.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub protection: Protection,
    /// When it was made, RFC 3339.
    #[serde(default)]
    pub created: Option<String>,
}

/// An object of which only the name matters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Named {
    /// The name.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub name: String,
}

/// The name that an address resolves to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct DnsPtr {
    /// The address.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub ip: String,
    /// The name.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub dns_ptr: String,
}

/// Reads the names of a server's addresses: one name for its IPv4 address, a list for its IPv6 network.
pub(super) fn one_or_several<'de, D>(deserializer: D) -> Result<Vec<DnsPtr>, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(match Value::deserialize(deserializer)? {
        Value::String(dns_ptr) => vec![DnsPtr {
            ip: String::new(),
            dns_ptr,
        }],
        several => Vec::deserialize(several).unwrap_or_default(),
    })
}

/// A Primary IP to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CreatePrimaryIpRequest {
    /// The name.
    pub name: String,
    /// The labels.
    pub labels: Labels,
    /// `ipv4` or `ipv6`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Where it is to be.
    pub location: String,
    /// Older versions of the API demand it, also when nothing is assigned.
    pub assignee_type: &'static str,
    /// Whether it goes with what it is assigned to.
    pub auto_delete: bool,
}

impl Resource for PrimaryIp {
    const COLLECTION: &'static str = "primary_ips";
    const OBJECT: &'static str = "primary_ip";

    fn id(&self) -> u64 {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn protected(&self) -> bool {
        self.protection.delete.unwrap_or_default()
    }
}

impl Client {
    /// The Primary IPs of the project.
    pub fn primary_ips(&self) -> Resources<'_, PrimaryIp> {
        self.resources()
    }
}

impl<T: Resource> Resources<'_, T> {
    /// Sets the name that an address of the object resolves to; `None` restores the default.
    pub async fn change_dns_ptr(
        &self,
        id: u64,
        ip: &str,
        name: Option<&str>,
    ) -> Result<Arc<T>, Error> {
        let request = json!({"ip": ip, "dns_ptr": name});
        self.act(id, "change_dns_ptr", &request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_primary_ip_is_read_when_it_is_assigned_to_nothing_and_of_an_unknown_kind() {
        let json = r#"{"id":1,"type":"ipv9","assignee_type":"unassigned","assignee_id":null,"ip":"192.0.2.1","location":{"id":1,"name":"fsn1"},"datacenter":null}"#;
        let ip: PrimaryIp = serde_json::from_str(json).unwrap();
        assert_eq!((ip.kind.as_str(), ip.assignee_id), ("ipv9", None));
        assert_eq!(ip.location.name, "fsn1");
        let bare: PrimaryIp = serde_json::from_str(r#"{"id":1,"location":null}"#).unwrap();
        assert_eq!(bare.auto_delete, None);
    }
}
