//! Network.

use api::{Network, NetworkObservation, NetworkParameters, NetworkRoute, NetworkSubnet};
use ipnet::Ipv4Net;
use serde_json::{Map, Value};

use super::{
    Error, Project,
    error::holders,
    object::{Common, ObjectKind, PresentOf},
    report_id, report_time,
};
use crate::{
    hcloud::{self, labels::Labels, network::CreateNetworkRequest},
    managed::{Created, Desired, Drift, Present},
};

/// The kind Network.
#[derive(Debug)]
pub enum Networks {}

impl ObjectKind for Networks {
    type Resource = Network;
    type Object = hcloud::Network;

    fn common(resource: &Network) -> Common<'_> {
        let spec = &resource.spec.for_provider;
        Common {
            name: spec.name.as_deref(),
            labels: &spec.labels,
            delete_protection: spec.delete_protection,
        }
    }

    async fn present(
        _: &Project,
        desired: &Desired<Network>,
        network: &hcloud::Network,
    ) -> Result<PresentOf<Self>, Error> {
        let mut present = Present::new(network.id.to_string(), report(network));
        present.drift = drift(&desired.spec.for_provider, network);
        Ok(present)
    }

    async fn create(
        project: &Project,
        desired: &Desired<Network>,
        name: String,
        labels: Labels,
    ) -> Result<Created, Error> {
        let spec = &desired.spec.for_provider;
        let ip_range = spec.ip_range.clone().ok_or(Error::Required("ipRange"))?;
        let mut request = CreateNetworkRequest::new(ip_range, name);
        request.labels = Some(labels.into_iter().collect());
        request.expose_routes_to_vswitch = spec.expose_routes_to_vswitch;
        let network = project.client.networks().create(&request).await?;
        Ok(Created::named(network.id))
    }

    fn put(desired: &Desired<Network>, drift: &Drift) -> Map<String, Value> {
        let mut fields = Map::new();
        if drift.touches("exposeRoutesToVswitch") {
            let expose = desired.spec.for_provider.expose_routes_to_vswitch;
            fields.insert("expose_routes_to_vswitch".to_owned(), expose.into());
        }
        fields
    }

    async fn update(
        project: &Project,
        desired: &Desired<Network>,
        id: u64,
        present: &PresentOf<Self>,
    ) -> Result<(), Error> {
        if let Some(range) = &desired.spec.for_provider.ip_range
            && present.drift.touches("ipRange")
            && grows(&present.at_provider.ip_range, range)
        {
            project.client.networks().change_ip_range(id, range).await?;
        }
        Ok(())
    }

    /// Hetzner would detach what is attached, and so cut it off: that is refused here.
    async fn before_delete(
        _: &Project,
        _: &Desired<Network>,
        network: &hcloud::Network,
    ) -> Result<(), Error> {
        let holders = holders(&[
            ("servers", &network.servers),
            ("load balancers", &network.load_balancers),
        ]);
        if holders.is_empty() {
            return Ok(());
        }
        Err(Error::Held {
            object: "network",
            id: network.id,
            holders,
        })
    }
}

/// The differences that are the network's own. Its range can grow in place, and nothing else.
fn drift(spec: &NetworkParameters, observed: &hcloud::Network) -> Drift {
    // Exhaustive, so that a new field is compared or the compiler asks why not.
    let NetworkParameters {
        name: _,
        ip_range,
        labels: _,
        expose_routes_to_vswitch,
        delete_protection: _,
    } = spec;
    let mut drift = Drift::default();
    let observed_range = observed.ip_range.as_deref().unwrap_or_default();
    if let Some(desired) = ip_range
        && !same_range(desired, observed_range)
    {
        if grows(observed_range, desired) {
            drift.check("ipRange", Some(desired.as_str()), observed_range);
        } else {
            drift.check_fixed("ipRange", Some(desired.as_str()), observed_range);
        }
    }
    drift.check(
        "exposeRoutesToVswitch",
        expose_routes_to_vswitch.as_ref(),
        &observed.expose_routes_to_vswitch.unwrap_or_default(),
    );
    drift
}

fn range(text: &str) -> Option<Ipv4Net> {
    text.parse::<Ipv4Net>().ok().map(|net| net.trunc())
}

fn same_range(a: &str, b: &str) -> bool {
    a == b || range(a).is_some_and(|a| range(b) == Some(a))
}

/// Whether `desired` is `observed` with a shorter prefix: the API adds addresses at the end of a range only, so the first
/// one stays.
fn grows(observed: &str, desired: &str) -> bool {
    let (Some(observed), Some(desired)) = (range(observed), range(desired)) else {
        return false;
    };
    desired.network() == observed.network() && desired.prefix_len() < observed.prefix_len()
}

fn report(network: &hcloud::Network) -> NetworkObservation {
    let mut subnets: Vec<_> = network
        .subnets
        .iter()
        .map(|subnet| NetworkSubnet {
            ip_range: subnet.ip_range.clone().unwrap_or_default(),
            type_: subnet.kind.clone(),
            network_zone: subnet.network_zone.clone().unwrap_or_default(),
            gateway: subnet.gateway.clone(),
            vswitch_id: subnet.vswitch_id.map(report_id),
        })
        .collect();
    subnets.sort_by_cached_key(|subnet| (range(&subnet.ip_range), subnet.ip_range.clone()));
    let mut routes: Vec<_> = network
        .routes
        .iter()
        .map(|route| NetworkRoute {
            destination: route.destination.clone(),
            gateway: route.gateway.clone(),
        })
        .collect();
    routes.sort_by_cached_key(|route| (range(&route.destination), route.destination.clone()));
    NetworkObservation {
        id: report_id(network.id),
        name: network.name.clone(),
        ip_range: network.ip_range.clone().unwrap_or_default(),
        labels: network.labels.clone(),
        subnets,
        routes,
        created: report_time(network.created.as_deref()),
        expose_routes_to_vswitch: network.expose_routes_to_vswitch.unwrap_or_default(),
        delete_protection: network.protection.delete.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
