//! Network.

use std::{sync::Arc, time::Duration};

use api::{Network, NetworkObservation, NetworkParameters, NetworkRoute, NetworkSubnet, UID_LABEL};
use ipnet::Ipv4Net;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource, ResourceExt};

use super::{
    Hetzner, InvalidExternalName, RefusedLabel, call_failed, desired_labels, external_id, oldest,
};
use crate::{
    clock::Clock,
    hcloud::{
        self, Class, Client, Priority,
        labels::{self, Labels},
        network::{CreateNetworkRequest, ReplaceNetworkRequest},
    },
    managed::{
        Connector, Difference, Drift, External, ExternalError, Identity, Look, Observation,
        Present, Readiness, Retry,
        annotations::{self, CreationMarks},
        credentials::Config,
    },
};

/// How soon to look again whether the network is still used.
const RECHECK_HOLDERS: Duration = Duration::from_secs(10);

/// Makes access to networks.
#[derive(Clone, Debug)]
pub struct Networks(Hetzner);

impl From<Hetzner> for Networks {
    fn from(hetzner: Hetzner) -> Self {
        Self(hetzner)
    }
}

impl Connector for Networks {
    type Resource = Network;
    type External = NetworksOfProject;

    const IDENTITY: Identity = Identity::Findable;

    async fn connect(&self, config: &Config) -> Result<NetworksOfProject, ExternalError> {
        Ok(NetworksOfProject {
            client: self.0.client(config)?,
            clock: self.0.clock.clone(),
        })
    }
}

/// The networks of one project.
#[derive(Debug)]
pub struct NetworksOfProject {
    client: Client,
    clock: Clock,
}

/// Why a network cannot be made what its spec says.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    ExternalName(#[from] InvalidExternalName),
    #[error(transparent)]
    Label(#[from] RefusedLabel),
    #[error("spec.forProvider.ipRange is required to create a network")]
    NoIpRange,
    #[error(
        "spec.forProvider.ipRange: {observed} can only grow in place, and {desired} does not contain it: keep {observed}, choose a larger range that contains it, or create another network"
    )]
    NotGrowing { desired: String, observed: String },
    #[error(
        "the name {name} is taken by network {id}, which does not belong to this resource: set the annotation {}: \"{id}\" to adopt it, or choose another spec.forProvider.name",
        annotations::EXTERNAL_NAME
    )]
    NameTaken { name: String, id: u64 },
    #[error("spec.forProvider.deleteProtection is true: set it to false to allow the deletion")]
    ProtectedBySpec,
    #[error(
        "network {id} is protected at Hetzner: set spec.forProvider.deleteProtection to false to have the protection lifted"
    )]
    ProtectedAtHetzner { id: u64 },
    #[error("network {id} is still used by {}: it is deleted when they are detached or gone", holders(.servers, .load_balancers))]
    InUse {
        id: u64,
        servers: Vec<u64>,
        load_balancers: Vec<u64>,
    },
    #[error(transparent)]
    Api(#[from] hcloud::Error),
}

impl Error {
    fn into_external(self, clock: &Clock) -> ExternalError {
        match self {
            Self::Api(error) => call_failed(error, clock),
            Self::InUse { .. } => ExternalError::new(self, Retry::After(RECHECK_HOLDERS)),
            // Whoever has the name may be about to go.
            Self::NameTaken { .. } => ExternalError::new(self, Retry::BackOff),
            Self::ExternalName(_)
            | Self::Label(_)
            | Self::NoIpRange
            | Self::NotGrowing { .. }
            | Self::ProtectedBySpec
            | Self::ProtectedAtHetzner { .. } => ExternalError::new(self, Retry::OnChange),
        }
    }
}

impl External for NetworksOfProject {
    type Resource = Network;

    async fn observe(
        &self,
        resource: &Network,
        look: Look,
    ) -> Result<Observation<NetworkObservation>, ExternalError> {
        let observed = self
            .find(resource, look)
            .await
            .and_then(|found| match found {
                None => Ok(Observation::Absent),
                Some(network) => Ok(Observation::Present(present(resource, &network)?)),
            });
        observed.map_err(|error| error.into_external(&self.clock))
    }

    async fn create(&self, resource: &Network) -> Result<String, ExternalError> {
        let created = self.create_network(resource).await;
        created
            .map(|id| id.to_string())
            .map_err(|error| error.into_external(&self.clock))
    }

    async fn update(
        &self,
        resource: &Network,
        present: &Present<NetworkObservation>,
    ) -> Result<(), ExternalError> {
        let updated = self.update_network(resource, present).await;
        updated.map_err(|error| error.into_external(&self.clock))
    }

    async fn delete(
        &self,
        resource: &Network,
        present: &Present<NetworkObservation>,
    ) -> Result<(), ExternalError> {
        let deleted = self.delete_network(resource, present).await;
        deleted.map_err(|error| error.into_external(&self.clock))
    }
}

impl NetworksOfProject {
    /// By its id, or by the UID that it was created with while there is no id, or a create went on without an answer
    /// and the id may be that of its predecessor.
    async fn find(
        &self,
        resource: &Network,
        look: Look,
    ) -> Result<Option<Arc<hcloud::Network>>, Error> {
        let networks = self.client.networks();
        if let Some(id) = external_id(resource)? {
            let found = match look {
                Look::Shared { max_age } => networks.by_id(id, max_age).await?,
                Look::Direct => networks.read(id, Priority::Update).await?,
            };
            let marks = CreationMarks::of(resource.meta());
            if found.is_some() || marks.incomplete_since().is_none() {
                return Ok(found);
            }
        }
        let uid = resource.uid().unwrap_or_default();
        let found = match look {
            Look::Shared { max_age } => networks.by_label(UID_LABEL, &uid, max_age).await?,
            Look::Direct => networks.search(UID_LABEL, &uid).await?,
        };
        Ok(oldest(found))
    }

    async fn create_network(&self, resource: &Network) -> Result<u64, Error> {
        let spec = &resource.spec.for_provider;
        let name = desired_name(resource);
        let ip_range = spec.ip_range.clone().ok_or(Error::NoIpRange)?;
        let mut request = CreateNetworkRequest::new(ip_range, name.clone());
        request.labels = Some(
            desired_labels(resource, &spec.labels)?
                .into_iter()
                .collect(),
        );
        request.expose_routes_to_vswitch = spec.expose_routes_to_vswitch;
        match self.client.networks().create(&request).await {
            Ok(network) => Ok(network.id),
            Err(error) if error.class() == Class::Uniqueness => {
                let others = self
                    .client
                    .networks()
                    .by_name(&name, Duration::ZERO)
                    .await?;
                match oldest(others) {
                    // Made by an earlier create that was carried out after all.
                    Some(own) if own.labels.get(UID_LABEL) == resource.uid().as_ref() => Ok(own.id),
                    Some(other) => Err(Error::NameTaken { name, id: other.id }),
                    None => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Everything that can be changed is changed, also when a part is refused.
    async fn update_network(
        &self,
        resource: &Network,
        present: &Present<NetworkObservation>,
    ) -> Result<(), Error> {
        let spec = &resource.spec.for_provider;
        let drift = &present.drift;
        let observed = &present.at_provider;
        let networks = self.client.networks();
        let id = u64::try_from(observed.id).unwrap_or_default();

        let mut request = ReplaceNetworkRequest::new();
        if drift.touches("name") {
            request.name = Some(desired_name(resource));
        }
        if drift.touches("labels") {
            let desired = desired_labels(resource, &spec.labels)?;
            request.labels = labels::merge(&observed.labels, &desired)
                .map(|merged| merged.into_iter().collect());
        }
        if drift.touches("exposeRoutesToVswitch") {
            request.expose_routes_to_vswitch = spec.expose_routes_to_vswitch;
        }
        if request != ReplaceNetworkRequest::new() {
            networks.update(id, &request).await?;
        }
        if drift.touches("deleteProtection")
            && let Some(protect) = spec.delete_protection
        {
            networks.change_protection(id, protect).await?;
        }
        if drift.touches("ipRange")
            && let Some(desired) = &spec.ip_range
        {
            if !grows(&observed.ip_range, desired) {
                return Err(Error::NotGrowing {
                    desired: desired.clone(),
                    observed: observed.ip_range.clone(),
                });
            }
            networks.change_ip_range(id, desired).await?;
        }
        Ok(())
    }

    /// Hetzner would detach what is attached, and so cut it off: that is refused here.
    async fn delete_network(
        &self,
        resource: &Network,
        present: &Present<NetworkObservation>,
    ) -> Result<(), Error> {
        let protect = resource.spec.for_provider.delete_protection;
        if protect == Some(true) {
            return Err(Error::ProtectedBySpec);
        }
        let networks = self.client.networks();
        let id = u64::try_from(present.at_provider.id).unwrap_or_default();
        let Some(network) = networks.read(id, Priority::Delete).await? else {
            return Ok(());
        };
        if !(network.servers.is_empty() && network.load_balancers.is_empty()) {
            return Err(Error::InUse {
                id,
                servers: network.servers.clone(),
                load_balancers: network.load_balancers.clone(),
            });
        }
        if network.protection.delete == Some(true) {
            if protect.is_none() {
                return Err(Error::ProtectedAtHetzner { id });
            }
            networks.change_protection(id, false).await?;
        }
        match networks.delete(id).await {
            Err(error) if error.class() == Class::NotFound => Ok(()),
            deleted => Ok(deleted?),
        }
    }
}

fn holders(servers: &[u64], load_balancers: &[u64]) -> String {
    let list = |what: &str, ids: &[u64]| {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        (!ids.is_empty()).then(|| format!("{what} {}", ids.join(", ")))
    };
    let lists = [
        list("servers", servers),
        list("load balancers", load_balancers),
    ];
    lists
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" and ")
}

fn desired_name(resource: &Network) -> String {
    let name = resource.spec.for_provider.name.clone();
    name.unwrap_or_else(|| resource.name_any())
}

fn present(
    resource: &Network,
    network: &hcloud::Network,
) -> Result<Present<NetworkObservation>, RefusedLabel> {
    let spec = &resource.spec.for_provider;
    let labels = desired_labels(resource, &spec.labels)?;
    Ok(Present {
        external_name: network.id.to_string(),
        at_provider: report(network),
        drift: drift(&desired_name(resource), spec, &labels, network),
        readiness: Readiness::Available,
    })
}

/// How `observed` differs from the spec; every field by its own rule.
fn drift(
    name: &str,
    spec: &NetworkParameters,
    labels: &Labels,
    observed: &hcloud::Network,
) -> Drift {
    // Exhaustive, so that a new field is compared or the compiler asks why not.
    let NetworkParameters {
        name: _,
        ip_range,
        labels: _,
        expose_routes_to_vswitch,
        delete_protection,
    } = spec;
    let mut drift = Drift::default();
    drift.check("name", Some(name), &observed.name);
    let observed_range = observed.ip_range.as_deref().unwrap_or_default();
    if let Some(desired) = ip_range
        && !same_range(desired, observed_range)
    {
        drift.check("ipRange", Some(desired.as_str()), observed_range);
    }
    for (key, value) in labels {
        let found = observed.labels.get(key);
        if found != Some(value) {
            drift.push(Difference {
                field: format!("labels[{key}]"),
                desired: value.clone(),
                observed: found.map_or_else(|| "nothing".to_owned(), Clone::clone),
            });
        }
    }
    drift.check(
        "exposeRoutesToVswitch",
        expose_routes_to_vswitch.as_ref(),
        &observed.expose_routes_to_vswitch.unwrap_or_default(),
    );
    drift.check(
        "deleteProtection",
        delete_protection.as_ref(),
        &observed.protection.delete.unwrap_or_default(),
    );
    drift
}

fn range(text: &str) -> Option<Ipv4Net> {
    text.parse::<Ipv4Net>().ok().map(|net| net.trunc())
}

fn same_range(a: &str, b: &str) -> bool {
    a == b || range(a).is_some_and(|a| range(b) == Some(a))
}

/// Whether `desired` is `observed` with a shorter prefix.
fn grows(observed: &str, desired: &str) -> bool {
    matches!((range(observed), range(desired)), (Some(observed), Some(desired)) if desired.contains(&observed))
}

fn report(network: &hcloud::Network) -> NetworkObservation {
    let id = |id: u64| i64::try_from(id).unwrap_or(i64::MAX);
    let mut subnets: Vec<_> = network
        .subnets
        .iter()
        .map(|subnet| NetworkSubnet {
            ip_range: subnet.ip_range.clone().unwrap_or_default(),
            type_: subnet.kind.clone(),
            network_zone: subnet.network_zone.clone().unwrap_or_default(),
            gateway: subnet.gateway.clone(),
            vswitch_id: subnet.vswitch_id.map(id),
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
        id: id(network.id),
        name: network.name.clone(),
        ip_range: network.ip_range.clone().unwrap_or_default(),
        labels: network.labels.clone(),
        subnets,
        routes,
        created: network
            .created
            .as_deref()
            .and_then(|created| created.parse().ok())
            .map(Time),
        expose_routes_to_vswitch: network.expose_routes_to_vswitch.unwrap_or_default(),
        delete_protection: network.protection.delete.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
