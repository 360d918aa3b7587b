//! What the simulator holds of servers and load balancers at one moment, as plain data.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use hcloud_simulator::resource::load_balancer::Protocol;
use hcloud_simulator::resource::primary_ip::AddressFamily;
use hcloud_simulator::resource::server::Power;
use hcloud_simulator::{Id, Project, World};
use ipnet::Ipv4Net;

/// A moment of the cloud.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Landscape {
    pub(super) servers: BTreeMap<Id, Server>,
    pub(super) balancers: Vec<Balancer>,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) project: String,
    pub(super) name: String,
    pub(super) running: bool,
    /// How often its disk was written anew: user data takes effect once for each.
    pub(super) rebuilds: usize,
    pub(super) public: Option<Ipv4Addr>,
    pub(super) private: Vec<PrivateAddress>,
}

/// A place in a private network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PrivateAddress {
    pub(super) network: Id,
    pub(super) range: Ipv4Net,
    pub(super) address: Ipv4Addr,
}

/// A load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Balancer {
    pub(super) id: Id,
    /// Its public address while its public interface is on.
    pub(super) public: Option<Ipv4Addr>,
    pub(super) private: Option<PrivateAddress>,
    /// The ports of its TCP services: where it listens, and the port of the targets.
    pub(super) services: Vec<(u16, u16)>,
    /// The healthy targets.
    pub(super) targets: Vec<Id>,
}

impl Landscape {
    pub(super) fn of(world: &World) -> Self {
        let mut landscape = Self::default();
        for (name, project) in world.projects() {
            let mut rebuilds: BTreeMap<Id, usize> = BTreeMap::new();
            let finished = project.actions().filter(|action| {
                action.command == "rebuild_server"
                    && action.finished.is_some()
                    && action.error.is_none()
            });
            for resource in finished.flat_map(|action| action.resources.first()) {
                *rebuilds.entry(resource.id).or_default() += 1;
            }
            let servers = project.servers().iter().map(|server| {
                let rebuilds = rebuilds.get(&server.id).copied().unwrap_or_default();
                (server.id, self::server(name, project, server, rebuilds))
            });
            landscape.servers.extend(servers);
            let balancers = project.load_balancers().iter();
            landscape.balancers.extend(balancers.map(|balancer| {
                Balancer {
                    id: balancer.id,
                    public: balancer
                        .public_interface
                        .then(|| balancer.address(project, AddressFamily::Ipv4))
                        .flatten()
                        .and_then(ipv4),
                    private: balancer.private_net(project).map(|(network, member)| {
                        PrivateAddress {
                            network: network.id,
                            range: network.ip_range,
                            address: member.ip,
                        }
                    }),
                    services: balancer
                        .services
                        .iter()
                        .filter(|service| service.protocol == Protocol::Tcp)
                        .map(|service| (service.listen_port, service.destination_port))
                        .collect(),
                    targets: balancer.healthy_servers(project, world.now()),
                }
            }));
        }
        landscape
    }

    /// The load balancer with this address in this network.
    pub(super) fn balancer_at(&self, network: Id, address: Ipv4Addr) -> Option<&Balancer> {
        let at = |balancer: &&Balancer| {
            let private = balancer.private;
            private.is_some_and(|own| own.network == network && own.address == address)
        };
        self.balancers.iter().find(at)
    }
}

fn server(
    project_name: &str,
    project: &Project,
    server: &hcloud_simulator::resource::server::Server,
    rebuilds: usize,
) -> Server {
    Server {
        project: project_name.to_owned(),
        name: server.name.clone(),
        running: server.power == Power::Running,
        rebuilds,
        public: server
            .primary_ip(project, AddressFamily::Ipv4)
            .and_then(|ip| ipv4(ip.ip)),
        private: server
            .private_nets(project)
            .map(|net| PrivateAddress {
                network: net.network.id,
                range: net.network.ip_range,
                address: net.member.ip,
            })
            .collect(),
    }
}

const fn ipv4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}
