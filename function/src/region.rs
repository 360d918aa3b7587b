//! The renderer of a region: from its spec to managed resources.

use std::collections::BTreeMap;

use bytes::Bytes;
use provider_hcloud_api::managed::{ManagedSpec, ProviderConfigReference};
use provider_hcloud_api::network::{NetworkParameters, NetworkSpec};
use serde::Serialize;

use crate::claim::RegionStatus;
use crate::claim::network::NetworkStatus;
use crate::composite::{Identity, Region};
use crate::composition::{Composition, Condition, Desired, Metadata, Object, Status, summary};
use crate::name;
use crate::observed::Observed;
use crate::ready;

/// Group and version of the provider's kinds.
const HCLOUD: &str = "hcloud.openova.io/v1alpha1";

/// Key of the network.
const NETWORK: &str = "network";

/// Renders a region.
pub fn compose(region: &Region, observed: &Observed) -> Composition {
    let network = observed.get(NETWORK);
    let ready = ready::of(network, &[]);
    let status = RegionStatus {
        network: NetworkStatus {
            cidr: Some(region.spec.network.cidr),
            id: network
                .and_then(|network| network.at(&["status", "atProvider", "id"]))
                .and_then(|id| match id.text() {
                    Some(text) => Some(text.to_owned()),
                    None => id.integer().map(|id| id.to_string()),
                }),
        },
    };
    let conditions = vec![
        Condition::yes(Condition::VALID, "Accepted"),
        summary(
            Condition::INFRASTRUCTURE_READY,
            [("the network", &ready)].into_iter(),
        ),
    ];
    Composition {
        desired: vec![Desired {
            key: NETWORK.to_owned(),
            object: network_object(region),
            ready: ready.ready,
        }],
        status: Status::Region(status),
        conditions,
    }
}

fn network_object(region: &Region) -> Bytes {
    let Identity { name, namespace } = &region.identity;
    let spec = NetworkSpec {
        managed: managed(&region.spec.provider.config_ref),
        for_provider: NetworkParameters {
            name: Some(name::in_cloud(namespace, name)),
            ip_range: Some(region.spec.network.cidr.to_string()),
            ..NetworkParameters::default()
        },
    };
    managed_resource("Network", name, namespace, spec)
}

fn managed(config: &ProviderConfigReference) -> ManagedSpec {
    ManagedSpec {
        provider_config_ref: config.clone(),
        ..ManagedSpec::default()
    }
}

fn managed_resource(
    kind: &'static str,
    name: &str,
    namespace: &str,
    spec: impl Serialize,
) -> Bytes {
    let object = Object {
        api_version: HCLOUD,
        kind,
        metadata: Metadata {
            labels: BTreeMap::new(),
            name,
            namespace,
        },
        spec,
    };
    object.encode()
}
