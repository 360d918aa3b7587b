//! How a cluster is reached: its endpoint and its kubeconfig.

use std::collections::BTreeMap;

use super::{Call, KUBECONFIG, data};
use crate::claim::cluster::{Endpoint, EndpointType};
use crate::claim::validate::Problem;
use crate::claim::{LoadBalancerStatus, Problems};
use crate::composite::Cluster;
use crate::k3s;
use crate::kubeconfig::{self, Host};
use crate::pki::{ClientCertificate, ClusterRoots};

/// The name that stands in every serving certificate of the cluster's API servers,
/// whatever their addresses are. No DNS knows it.
pub(super) fn server_name(cluster: &Cluster) -> String {
    let identity = &cluster.identity;
    format!("{}.{}.internal", identity.name, identity.namespace)
}

/// Where clients find the API server, once that is known.
pub(super) fn endpoint(
    endpoint: &Endpoint,
    balancer: &LoadBalancerStatus,
) -> Option<kubeconfig::Endpoint> {
    let host = match endpoint.kind {
        EndpointType::Public => Host::Ip(balancer.ipv4.as_ref()?.parse().ok()?),
        EndpointType::Private => Host::Ip(balancer.private_ip.as_ref()?.parse().ok()?),
        EndpointType::Dns => Host::Dns(endpoint.host.clone()?),
    };
    Some(kubeconfig::Endpoint {
        host,
        port: k3s::PORT,
    })
}

/// The data of the Secret with the kubeconfig; `None` as long as nobody knows where the
/// API server will be. The client certificate in it stays until two thirds of its life
/// are over.
///
/// # Errors
///
/// When no certificate can be made.
pub(super) fn kubeconfig(
    cluster: &Cluster,
    endpoint: Option<&kubeconfig::Endpoint>,
    roots: &ClusterRoots,
    call: &Call<'_>,
) -> Result<Option<BTreeMap<String, String>>, Problems> {
    let observed = call.observed.get(KUBECONFIG);
    let Some(endpoint) = endpoint else {
        return Ok(observed.map(data::written));
    };
    let environment = call.environment;
    let name = &cluster.identity.name;
    // It follows from the roots: one that cannot be read is written anew.
    let present = observed
        .and_then(|object| data::text(object, kubeconfig::KEY))
        .and_then(|text| kubeconfig::read_client(text.expose()).ok())
        .filter(|client| client.is_issued_by(&roots.client))
        .filter(|client| !client.needs_renewal(environment.now));
    let failed = |error: &dyn std::fmt::Display| Problem::new("metadata.name", error);
    let client = match present {
        Some(client) => client,
        None => ClientCertificate::administrator(
            &roots.client,
            &environment.entropy.scope(name),
            environment.now,
        )
        .map_err(|error| failed(&error))?,
    };
    let server_name = server_name(cluster);
    let text = kubeconfig::write(name, endpoint, &server_name, &roots.server, &client)
        .map_err(|error| failed(&error))?;
    Ok(Some(data::one(kubeconfig::KEY, &text)))
}
