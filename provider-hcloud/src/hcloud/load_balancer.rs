//! Load balancers, their services, their targets and their attachment to a network.
//!
//! Everything but name and labels is an action; the calls wait for it and read the load balancer anew.

use std::net::Ipv4Addr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::action::Action;
use super::budget::Priority;
use super::client::Client;
use super::error::Error;
use super::labels::Labels;
use super::load_balancer_type::LoadBalancerType;
use super::location::Location;
use super::network::{Network, Protection};
use super::resource::{Resource, Resources, member};
use super::server::{AttachRequest, NETWORK_TURN, PrivateNet};
use super::tolerant;

mod service;
mod target;

pub use service::{HealthCheck, HealthCheckHttp, Http, Service};
pub use target::{Destination, Health, IpTarget, LabelTarget, ServerTarget, Target};

/// A load balancer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct LoadBalancer {
    /// The API's id.
    pub id: u64,
    /// The name.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub name: String,
    /// The labels.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub labels: Labels,
    /// Its type.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub load_balancer_type: LoadBalancerType,
    /// Where it is.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub location: Location,
    /// How it distributes connections.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub algorithm: Algorithm,
    /// Its public interface.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub public_net: PublicNet,
    /// Its attachments to networks; at most one.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub private_net: Vec<PrivateNet>,
    /// The services, also those that others have added.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub services: Vec<Service>,
    /// The targets, also those that others have added.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub targets: Vec<Target>,
    /// What is refused until it is lifted.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub protection: Protection,
    /// Traffic that is included for each month, in bytes.
    #[serde(default)]
    pub included_traffic: Option<u64>,
    /// When it was made, RFC 3339.
    #[serde(default)]
    pub created: Option<String>,
}

/// How a load balancer distributes connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Algorithm {
    /// `round_robin` or `least_connections`, or what the API adds.
    #[serde(default, rename = "type", deserialize_with = "tolerant::or_default")]
    pub kind: String,
}

/// The public interface of a load balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct PublicNet {
    /// Whether it is on.
    #[serde(default)]
    pub enabled: Option<bool>,
    /// The IPv4 address.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub ipv4: PublicIp,
    /// The IPv6 address.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub ipv6: PublicIp,
}

/// A public address of a load balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct PublicIp {
    /// The id of its Primary IP; the API tells it since October 2026.
    #[serde(default)]
    pub id: Option<u64>,
    /// The address.
    #[serde(default)]
    pub ip: Option<String>,
    /// The name that it resolves to.
    #[serde(default)]
    pub dns_ptr: Option<String>,
}

impl LoadBalancer {
    /// The attachment to a network.
    pub fn attachment(&self, network: u64) -> Option<&PrivateNet> {
        self.private_net.iter().find(|net| net.network == network)
    }

    /// The service that listens on a port.
    pub fn service(&self, listen_port: i64) -> Option<&Service> {
        let mut services = self.services.iter();
        services.find(|service| service.listen_port == listen_port)
    }

    /// The target with this destination.
    pub fn target(&self, destination: &Destination) -> Option<&Target> {
        let mut targets = self.targets.iter();
        targets.find(|target| target.destination().as_ref() == Some(destination))
    }
}

impl Resource for LoadBalancer {
    const COLLECTION: &'static str = "load_balancers";
    const OBJECT: &'static str = "load_balancer";

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

/// A load balancer to be made. Its services, targets and network follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CreateLoadBalancerRequest {
    /// The name.
    pub name: String,
    /// The labels.
    pub labels: Labels,
    /// The name of its type.
    pub load_balancer_type: String,
    /// Where it is to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Instead of the location: a network zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_zone: Option<String>,
    /// How it is to distribute connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// Addresses that it is to have.
    #[serde(skip_serializing_if = "CreatePublicNet::is_empty")]
    pub public_net: CreatePublicNet,
}

/// Existing Primary IPs for a load balancer to be made; new ones where there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CreatePublicNet {
    /// Id of the one for IPv4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv4: Option<u64>,
    /// Id of the one for IPv6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<u64>,
}

impl CreatePublicNet {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Client {
    /// The load balancers of the project.
    pub fn load_balancers(&self) -> Resources<'_, LoadBalancer> {
        self.resources()
    }
}

impl Resources<'_, LoadBalancer> {
    /// Makes a load balancer, and waits until it can be changed.
    pub async fn make(
        &self,
        request: &CreateLoadBalancerRequest,
    ) -> Result<Arc<LoadBalancer>, Error> {
        let (made, answer) = self.create_and_tell(request).await?;
        let action = member::<Option<Action>>(&answer, "action");
        if let Some(action) = action.unwrap_or_default() {
            self.doubt(made.id);
            self.client().finish([action], Priority::Create).await?;
        }
        Ok(made)
    }

    /// Changes how it distributes connections.
    pub async fn change_algorithm(&self, id: u64, kind: &str) -> Result<Arc<LoadBalancer>, Error> {
        self.act(id, "change_algorithm", &json!({"type": kind}))
            .await
    }

    /// Changes the type; the API refuses one that is too small for what is in use.
    pub async fn change_type(&self, id: u64, name: &str) -> Result<Arc<LoadBalancer>, Error> {
        let request = json!({"load_balancer_type": name});
        self.act(id, "change_type", &request).await
    }

    /// Switches the public interface on or off.
    pub async fn switch_public_interface(
        &self,
        id: u64,
        on: bool,
    ) -> Result<Arc<LoadBalancer>, Error> {
        let command = if on {
            "enable_public_interface"
        } else {
            "disable_public_interface"
        };
        self.act(id, command, &json!({})).await
    }

    /// Adds a service. What it leaves out the API fills in.
    pub async fn add_service(
        &self,
        id: u64,
        service: &Service,
    ) -> Result<Arc<LoadBalancer>, Error> {
        self.act(id, "add_service", service).await
    }

    /// Changes the service that listens on the same port. What the request leaves out stays.
    pub async fn update_service(
        &self,
        id: u64,
        service: &Service,
    ) -> Result<Arc<LoadBalancer>, Error> {
        self.act(id, "update_service", service).await
    }

    /// Removes the service that listens on a port.
    pub async fn delete_service(
        &self,
        id: u64,
        listen_port: i64,
    ) -> Result<Arc<LoadBalancer>, Error> {
        let request = json!({"listen_port": listen_port});
        self.act(id, "delete_service", &request).await
    }

    /// Adds a target.
    pub async fn add_target(
        &self,
        id: u64,
        destination: &Destination,
        use_private_ip: Option<bool>,
    ) -> Result<Arc<LoadBalancer>, Error> {
        let request = destination.request(use_private_ip);
        self.act(id, "add_target", &request).await
    }

    /// Removes a target.
    pub async fn remove_target(
        &self,
        id: u64,
        destination: &Destination,
    ) -> Result<Arc<LoadBalancer>, Error> {
        let request = destination.request(None);
        self.act(id, "remove_target", &request).await
    }

    /// Attaches the load balancer to a network. Changes of one network take turns: the API refuses a second one while
    /// the first goes on.
    pub async fn attach(
        &self,
        id: u64,
        network: u64,
        ip: Option<Ipv4Addr>,
        ip_range: Option<String>,
    ) -> Result<Arc<LoadBalancer>, Error> {
        let turn = self.client().turn(Network::COLLECTION, network);
        let Ok(_turn) = tokio::time::timeout(NETWORK_TURN, turn).await else {
            return Err(Error::Busy {
                object: format!("network {network}"),
            });
        };
        let request = AttachRequest {
            network,
            ip,
            ip_range,
            alias_ips: Vec::new(),
        };
        self.act(id, "attach_to_network", &request).await
    }

    /// Detaches the load balancer from a network. It may still show the network for a moment, so what it shows is not
    /// kept.
    pub async fn detach(&self, id: u64, network: u64) -> Result<(), Error> {
        let _turn = self.client().turn(Network::COLLECTION, network).await;
        let request = json!({"network": network});
        let detached = self.act(id, "detach_from_network", &request).await;
        let gone = |shown: &Arc<LoadBalancer>| shown.attachment(network).is_none();
        if !detached.as_ref().is_ok_and(gone) {
            self.doubt(id);
        }
        detached.map(drop)
    }
}

#[cfg(test)]
mod tests;
