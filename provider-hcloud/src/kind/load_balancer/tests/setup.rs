//! Load balancers, networks and servers in a simulator, for tests of the load balancer and its parts.

use api::{LoadBalancer, LoadBalancerNetwork, Network, Server, Subnet};
use serde_json::{Value, json};

use crate::{
    hcloud::{self, Priority},
    kind::{
        Project,
        load_balancer::LoadBalancers,
        load_balancer_network::LoadBalancerNetworks,
        network::Networks,
        object::ObjectsOfProject,
        part::PartsOfProject,
        server::Servers,
        simulated::{made, named, resource},
        subnet::Subnets,
    },
};

/// The id of a load balancer in fsn1.
pub(in crate::kind) async fn balancer(project: &Project) -> String {
    let spec = json!({"loadBalancerType": "lb11", "location": "fsn1"});
    let desired: LoadBalancer = named("lb", &spec);
    let balancers = ObjectsOfProject::<LoadBalancers>::from(project.clone());
    made(&balancers, &desired.into()).await.external_name
}

/// The id of a network with a subnet 10.0.1.0/24.
pub(in crate::kind) async fn network(project: &Project) -> String {
    let network: Network = named("net", &json!({"ipRange": "10.0.0.0/16"}));
    let networks = ObjectsOfProject::<Networks>::from(project.clone());
    let network = made(&networks, &network.into()).await.external_name;
    subnet(project, &network, "10.0.1.0/24").await;
    network
}

/// Adds a subnet.
pub(in crate::kind) async fn subnet(project: &Project, network: &str, range: &str) {
    let spec = json!({"networkId": network, "ipRange": range, "networkZone": "eu-central"});
    let subnet: Subnet = resource(&spec);
    let subnets = PartsOfProject::<Subnets>::from(project.clone());
    made(&subnets, &subnet.into()).await;
}

/// Attaches a load balancer to a network.
pub(in crate::kind) async fn attach(project: &Project, balancer: &str, network: &str) {
    let spec = json!({"loadBalancerId": balancer, "networkId": network});
    let attachment: LoadBalancerNetwork = resource(&spec);
    let attachments = PartsOfProject::<LoadBalancerNetworks>::from(project.clone());
    made(&attachments, &attachment.into()).await;
}

/// The id of a server in fsn1.
pub(in crate::kind) async fn server(project: &Project, name: &str, more: &Value) -> String {
    let mut spec =
        json!({"serverType": "cx23", "location": "fsn1", "image": {"name": "debian-13"}});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    let server: Server = named(name, &spec);
    let servers = ObjectsOfProject::<Servers>::from(project.clone());
    made(&servers, &server.into()).await.external_name
}

/// The load balancer with this id as it is now.
pub(in crate::kind) async fn found(project: &Project, id: &str) -> hcloud::LoadBalancer {
    let objects = project.client.load_balancers();
    let found = objects
        .read(id.parse().unwrap(), Priority::Poll)
        .await
        .unwrap();
    (*found.unwrap()).clone()
}
