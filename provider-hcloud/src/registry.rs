//! The list of kinds. CRDs, controllers and everything else that goes by kind follow from it.

use std::{future::Future, pin::Pin};

use api::{ClusterProviderConfig, ProviderConfig, ProviderConfigUsage};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use crate::{
    kind::{self, Hetzner, fact::Facts, object::Objects, part::Parts},
    managed::{Connector, Runtime, controller},
};

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One kind of managed resource.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    crd: fn() -> CustomResourceDefinition,
    read_only: bool,
    run: fn(Runtime, Hetzner) -> Running,
}

impl Kind {
    fn of<C>() -> Self
    where
        C: Connector + From<Hetzner>,
        C::Resource: CustomResourceExt,
    {
        Self {
            crd: C::Resource::crd,
            read_only: C::READ_ONLY,
            run: |runtime, hetzner| Box::pin(controller::run(runtime, C::from(hetzner))),
        }
    }

    /// The definition of this kind.
    pub fn crd(&self) -> CustomResourceDefinition {
        (self.crd)()
    }

    /// Whether resources of this kind are only observed.
    pub fn read_only(&self) -> bool {
        self.read_only
    }

    /// Runs the controller of this kind until shutdown.
    pub fn run(&self, runtime: Runtime, hetzner: Hetzner) -> Running {
        (self.run)(runtime, hetzner)
    }
}

/// All kinds of managed resources.
pub fn kinds() -> Vec<Kind> {
    vec![
        Kind::of::<Objects<kind::network::Networks>>(),
        Kind::of::<Parts<kind::subnet::Subnets>>(),
        Kind::of::<Parts<kind::route::Routes>>(),
        Kind::of::<Objects<kind::firewall::Firewalls>>(),
        Kind::of::<Objects<kind::ssh_key::SshKeys>>(),
        Kind::of::<Objects<kind::server::Servers>>(),
        Kind::of::<Parts<kind::server_network::ServerNetworks>>(),
        Kind::of::<Objects<kind::placement_group::PlacementGroups>>(),
        Kind::of::<Objects<kind::primary_ip::PrimaryIps>>(),
        Kind::of::<Objects<kind::volume::Volumes>>(),
        Kind::of::<Parts<kind::volume_attachment::VolumeAttachments>>(),
        Kind::of::<Objects<kind::load_balancer::LoadBalancers>>(),
        Kind::of::<Parts<kind::load_balancer_network::LoadBalancerNetworks>>(),
        Kind::of::<Parts<kind::load_balancer_service::LoadBalancerServices>>(),
        Kind::of::<Parts<kind::load_balancer_target::LoadBalancerTargets>>(),
        Kind::of::<kind::reverse_dns::ReverseDnsEntries>(),
        Kind::of::<Facts<kind::location::Locations>>(),
        Kind::of::<Facts<kind::image::Images>>(),
        Kind::of::<Facts<kind::server_type::ServerTypes>>(),
        Kind::of::<Facts<kind::load_balancer_type::LoadBalancerTypes>>(),
        Kind::of::<Facts<kind::pricing::PriceLists>>(),
    ]
}

/// The CRDs of the package: those of the kinds, and those of the provider configurations.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let configs = [
        ProviderConfig::crd(),
        ClusterProviderConfig::crd(),
        ProviderConfigUsage::crd(),
    ];
    let kinds = kinds().into_iter().map(|kind| kind.crd());
    configs.into_iter().chain(kinds).collect()
}
