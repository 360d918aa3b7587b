//! The list of kinds. CRDs, controllers and everything else that goes by kind follow from it.

use std::sync::Arc;

use api::{ClusterProviderConfig, ProviderConfig, ProviderConfigUsage};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use crate::{
    kind::{self, Hetzner, fact::Facts, object::Objects, part::Parts},
    managed::{Connector, External, erased},
};

/// One kind of managed resource.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    read_only: bool,
    with: fn(Hetzner) -> Arc<dyn erased::Kind>,
}

impl Kind {
    fn of<C: Connector + From<Hetzner>>() -> Self {
        Self {
            read_only: C::External::READ_ONLY,
            with: |hetzner| erased::kind(C::from(hetzner)),
        }
    }

    /// Whether resources of this kind are only observed.
    pub fn read_only(&self) -> bool {
        self.read_only
    }

    /// The kind, with access to its external resources by way of `hetzner`.
    pub fn with(&self, hetzner: Hetzner) -> Arc<dyn erased::Kind> {
        (self.with)(hetzner)
    }
}

/// Makes what goes by kind. Kinds and their CRDs are functions apart, so that a program that needs no CRDs does not
/// carry their schemas.
macro_rules! kinds {
    ($($connector:ty,)*) => {
        /// All kinds of managed resources.
        pub fn kinds() -> Vec<Kind> {
            vec![$(Kind::of::<$connector>()),*]
        }

        /// The CRDs of all kinds, in the order of [`kinds`].
        pub fn kind_crds() -> Vec<CustomResourceDefinition> {
            vec![$(<$connector as Connector>::Resource::crd()),*]
        }
    };
}

kinds![
    Objects<kind::network::Networks>,
    Parts<kind::subnet::Subnets>,
    Parts<kind::route::Routes>,
    Objects<kind::firewall::Firewalls>,
    Objects<kind::ssh_key::SshKeys>,
    Objects<kind::server::Servers>,
    Parts<kind::server_network::ServerNetworks>,
    Objects<kind::placement_group::PlacementGroups>,
    Objects<kind::primary_ip::PrimaryIps>,
    Objects<kind::volume::Volumes>,
    Parts<kind::volume_attachment::VolumeAttachments>,
    Objects<kind::load_balancer::LoadBalancers>,
    Parts<kind::load_balancer_network::LoadBalancerNetworks>,
    Parts<kind::load_balancer_service::LoadBalancerServices>,
    Parts<kind::load_balancer_target::LoadBalancerTargets>,
    kind::reverse_dns::ReverseDnsEntries,
    kind::inventory::Inventories,
    Facts<kind::location::Locations>,
    Facts<kind::image::Images>,
    Facts<kind::server_type::ServerTypes>,
    Facts<kind::load_balancer_type::LoadBalancerTypes>,
    Facts<kind::pricing::PriceLists>,
];

/// The CRDs of the package: those of the kinds, and those of the provider configurations.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let configs = [
        ProviderConfig::crd(),
        ClusterProviderConfig::crd(),
        ProviderConfigUsage::crd(),
    ];
    configs.into_iter().chain(kind_crds()).collect()
}
