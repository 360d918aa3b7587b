//! Servers.
//!
//! Requests are our own structs: the `hcloud` crate's would print user data in their `Debug` output, and take SSH keys
//! by name only. Answers are read by the tolerant structs here. Everything but name and labels is an action.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::action::Action;
use super::budget::Priority;
use super::client::{Call, Client};
use super::error::Error;
use super::image::Image;
use super::labels::Labels;
use super::location::Location;
use super::network::Network;
use super::primary_ip::{DnsPtr, one_or_several};
use super::resource::{Resource, Resources, member};
use super::server_type::ServerType;
use super::tolerant;

mod request;

pub use request::{
    AttachRequest, CreateServerFirewall, CreateServerPublicNet, CreateServerRequest, IdOrName,
    RebuildRequest, Secret,
};

/// The longest time that an attachment waits until other changes of its network are through.
pub(super) const NETWORK_TURN: Duration = Duration::from_secs(40);

/// A server.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Server {
    /// The API's id.
    pub id: u64,
    /// The name.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub name: String,
    /// The labels.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub labels: Labels,
    /// When it was made, RFC 3339.
    #[serde(default)]
    pub created: Option<String>,
    /// `running`, `off`, `initializing`, `starting`, `stopping` and others, or what the API adds.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub status: String,
    /// Its type.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub server_type: ServerType,
    /// Where it is.
    #[serde(default)]
    pub location: Option<Location>,
    /// What its disk began with; none when that image is gone.
    #[serde(default)]
    pub image: Option<Image>,
    /// The ISO in its drive.
    #[serde(default)]
    pub iso: Option<Iso>,
    /// Its public interface.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub public_net: PublicNet,
    /// Its attachments to networks.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub private_net: Vec<PrivateNet>,
    /// Whether the next start is into the rescue system.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub rescue_enabled: bool,
    /// Whether an action keeps it from being changed.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub locked: bool,
    /// When backups are made; none while backups are off.
    #[serde(default)]
    pub backup_window: Option<String>,
    /// Traffic that is included for each month, in bytes.
    #[serde(default)]
    pub included_traffic: Option<u64>,
    /// What is refused until it is lifted.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub protection: Protection,
    /// Ids of the attached volumes.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub volumes: Vec<u64>,
    /// Ids of the load balancers that it is a target of.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub load_balancers: Vec<u64>,
    /// Size of its disk in GB.
    #[serde(default)]
    pub primary_disk_size: Option<u64>,
    /// The placement group that it is in.
    #[serde(default)]
    pub placement_group: Option<GroupId>,
}

/// A placement group by id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct GroupId {
    /// The id.
    pub id: u64,
}

/// An ISO.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Iso {
    /// The API's id.
    pub id: u64,
    /// The name; private ones have none.
    #[serde(default)]
    pub name: Option<String>,
}

/// The public interface of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct PublicNet {
    /// The IPv4 address.
    #[serde(default)]
    pub ipv4: Option<PublicIp>,
    /// The IPv6 network.
    #[serde(default)]
    pub ipv6: Option<PublicIp>,
    /// The firewalls that apply.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub firewalls: Vec<ServerFirewall>,
}

/// A public address, or network of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct PublicIp {
    /// The id of its Primary IP.
    #[serde(default)]
    pub id: Option<u64>,
    /// The address, or the network in CIDR notation.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub ip: String,
    /// The names of its addresses; that of an IPv4 address comes without the address.
    #[serde(default, deserialize_with = "one_or_several")]
    pub dns_ptr: Vec<DnsPtr>,
}

/// A firewall of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ServerFirewall {
    /// The API's id of the firewall.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub id: u64,
    /// `applied` or `pending`, or what the API adds.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub status: String,
}

/// The attachment of a server to a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct PrivateNet {
    /// The API's id of the network.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub network: u64,
    /// The address.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub ip: String,
    /// Further addresses.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub alias_ips: Vec<String>,
    /// The hardware address.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub mac_address: String,
}

/// What a server is protected against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Protection {
    /// Being deleted.
    #[serde(default)]
    pub delete: Option<bool>,
    /// Being rebuilt.
    #[serde(default)]
    pub rebuild: Option<bool>,
}

impl Server {
    /// The name of the location.
    pub fn location_name(&self) -> &str {
        self.location
            .as_ref()
            .map_or("", |location| location.name.as_str())
    }

    /// Whether backups are made of it.
    pub fn has_backups(&self) -> bool {
        let window = self.backup_window.as_deref();
        window.is_some_and(|window| !window.is_empty())
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.status == "running"
    }

    /// Whether it is off.
    pub fn is_off(&self) -> bool {
        self.status == "off"
    }

    /// The attachment to a network.
    pub fn attachment(&self, network: u64) -> Option<&PrivateNet> {
        self.private_net.iter().find(|net| net.network == network)
    }
}

impl Resource for Server {
    const COLLECTION: &'static str = "servers";
    const OBJECT: &'static str = "server";
    /// They must have the same value.
    const PROTECTIONS: &'static [&'static str] = &["delete", "rebuild"];

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

/// A server that was just made; its actions go on.
#[derive(Clone, Debug)]
pub struct Made {
    /// The server as it is at the beginning.
    pub server: Arc<Server>,
    /// Made up by the API when there is no SSH key, and told only here.
    pub root_password: Option<Secret>,
}

impl Client {
    /// The servers of the project.
    pub fn servers(&self) -> Resources<'_, Server> {
        self.resources()
    }
}

impl Resources<'_, Server> {
    /// Makes a server. Its actions are not waited for.
    pub async fn make(&self, request: &CreateServerRequest) -> Result<Made, Error> {
        let (server, answer) = self.create_and_tell(request).await?;
        let root_password = member::<Option<Secret>>(&answer, "root_password");
        Ok(Made {
            server,
            root_password: root_password.unwrap_or_default(),
        })
    }

    /// Replaces the labels.
    pub async fn set_labels(&self, id: u64, labels: &Labels) -> Result<Arc<Server>, Error> {
        self.update(id, &json!({"labels": labels})).await
    }

    /// Attaches the server to a network. Changes of one network take turns: the API refuses a second one while the first
    /// goes on.
    pub async fn attach(&self, id: u64, request: &AttachRequest) -> Result<(), Error> {
        let turn = self.client().turn(Network::COLLECTION, request.network);
        let Ok(_turn) = tokio::time::timeout(NETWORK_TURN, turn).await else {
            return Err(Error::Busy {
                object: format!("network {}", request.network),
            });
        };
        self.run(id, "attach_to_network", Some(request)).await
    }

    /// Detaches the server from a network.
    pub async fn detach(&self, id: u64, network: u64) -> Result<(), Error> {
        let _turn = self.client().turn(Network::COLLECTION, network).await;
        let request = json!({"network": network});
        self.run(id, "detach_from_network", Some(&request)).await
    }

    /// Replaces the further addresses of the server in a network.
    pub async fn change_alias_ips(
        &self,
        id: u64,
        network: u64,
        alias_ips: &[Ipv4Addr],
    ) -> Result<(), Error> {
        let _turn = self.client().turn(Network::COLLECTION, network).await;
        let request = json!({"network": network, "alias_ips": alias_ips});
        self.run(id, "change_alias_ips", Some(&request)).await
    }

    /// An action that needs no more than its name, for example `poweron`.
    pub async fn command(&self, id: u64, command: &str) -> Result<(), Error> {
        self.run::<Value>(id, command, None).await
    }

    /// Overwrites the disk. The action is not waited for. Returns the root password that the API makes up when the server
    /// has no SSH key, which is told only here.
    pub async fn rebuild(
        &self,
        id: u64,
        request: &RebuildRequest,
    ) -> Result<Option<Secret>, Error> {
        let answer = self.begin_action(id, "rebuild", request).await?;
        Ok(member::<Option<Secret>>(&answer, "root_password").unwrap_or_default())
    }

    /// The actions of the server that have failed or still run, in the order in which they began.
    pub async fn unfinished_actions(&self, id: u64) -> Result<Vec<Action>, Error> {
        self.actions(id, "status=error&status=running&sort=id:asc&per_page=50")
            .await
    }

    /// A page of the server's actions, counted from 1, the latest actions first.
    pub async fn latest_actions(&self, id: u64, page: u32) -> Result<Vec<Action>, Error> {
        let query = format!("sort=id:desc&per_page=50&page={page}");
        self.actions(id, &query).await
    }

    async fn actions(&self, id: u64, query: &str) -> Result<Vec<Action>, Error> {
        let call = Call::get(format!("/servers/{id}/actions"), Priority::Create)
            .endpoint("/servers/{id}/actions".to_owned())
            .query(query);
        let name = call.name();
        let answer = self.client().send(call).await?;
        member(&answer, "actions").map_err(|source| Error::decode(name, false, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_read_with_unknown_fields_and_values() {
        let json = r#"{"id":42,"name":"web","status":"dreaming","labels":{"a":"b"},"datacenter":{"id":4},
            "server_type":{"id":114,"name":"cx23","deprecated":true,"cpu_type":"quantum"},
            "location":{"id":1,"name":"fsn1","network_zone":"eu-central"},"image":null,"iso":{"id":9,"name":null,"type":"private"},
            "public_net":{"ipv4":{"id":7,"ip":"1.2.3.4","blocked":false},"ipv6":null,"firewalls":[{"id":38,"status":"applied"}]},
            "private_net":[{"network":4711,"ip":"10.0.0.2","alias_ips":[],"mac_address":"86:00:ff:2a:7d:e1","x":1}],
            "protection":{"delete":true,"rebuild":true},"placement_group":{"id":5,"name":"p","type":"spread"},"primary_disk_size":40}"#;
        let server: Server = serde_json::from_str(json).unwrap();
        assert_eq!(server.status, "dreaming");
        assert_eq!(server.location_name(), "fsn1");
        assert_eq!(server.attachment(4711).unwrap().ip, "10.0.0.2");
        assert_eq!(server.placement_group, Some(GroupId { id: 5 }));
        assert!(server.protected());
    }

    #[test]
    fn a_server_is_read_when_every_other_field_is_missing_or_null() {
        let nulls = r#"{"id":1,"name":null,"status":null,"labels":null,"server_type":null,"location":null,"image":null,"iso":null,
            "public_net":null,"private_net":null,"rescue_enabled":null,"locked":null,"backup_window":null,"included_traffic":null,
            "protection":null,"volumes":null,"load_balancers":null,"primary_disk_size":null,"placement_group":null,"created":null}"#;
        let missing: Server = serde_json::from_str(r#"{"id":1}"#).unwrap();
        let null: Server = serde_json::from_str(nulls).unwrap();
        assert_eq!(missing, null);
        assert_eq!(missing.location_name(), "");
    }
}
