//! One call: bytes in, bytes out, nothing else. Time and randomness are inputs.
//!
//! ```text
//! request ─> Composite ─validate/plan/render─> Composition ─respond─> response
//! ```

use std::collections::BTreeMap;

use crossplane_proto::v1;

use crate::claim::validate;
use crate::composite::{self, Composite};
use crate::composition::Composition;
use crate::environment::Environment;
use crate::observed::Observed;
use crate::respond::{self, Ttl};
use crate::structpb::View;
use crate::{cluster, load_balancer, node_group, node_pool, plan, region};

/// A request that cannot be answered at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no composite resource in it.
    #[error("the request has no observed composite resource")]
    NoComposite,
}

/// Answers a request.
///
/// A composite that cannot be composed is no error: the response then carries a
/// condition, an event for the claim and a Fatal result, and Crossplane leaves
/// everything as it is.
///
/// # Errors
///
/// When the request has no composite resource.
pub fn run(
    request: v1::RunFunctionRequest,
    ttl: Ttl,
    environment: &Environment,
) -> Result<v1::RunFunctionResponse, Error> {
    let v1::RunFunctionRequest {
        meta,
        observed,
        desired,
        context,
        required_resources,
        ..
    } = request;
    let tag = meta.unwrap_or_default().tag;
    let observed = observed.unwrap_or_default();
    let composite = observed.composite.ok_or(Error::NoComposite)?.resource;
    let composite = View::new(&composite);
    let resources = Observed::new(observed.resources);

    let call = respond::Call {
        tag,
        desired: desired.unwrap_or_default(),
        context,
        ttl,
    };
    let inputs = Inputs {
        composite,
        observed: &resources,
        required: &required_resources,
        environment,
    };
    let read = Composite::read(composite);
    let requirements = read.as_ref().ok().and_then(requirements);
    let composition = read.and_then(|read| compose(read, inputs));
    let mut response = match composition {
        Ok(composition) => call.compose(composite, composition, &resources),
        Err(error) => call.refuse(composite, &error),
    };
    response.requirements = requirements;
    Ok(response)
}

/// What a composite resource is composed from.
#[derive(Clone, Copy)]
struct Inputs<'a> {
    composite: View<'a>,
    observed: &'a Observed,
    required: &'a BTreeMap<String, v1::Resources>,
    environment: &'a Environment,
}

/// What Crossplane has to look up. An empty message would cost a second call.
fn requirements(composite: &Composite) -> Option<v1::Requirements> {
    let resources = match composite {
        Composite::Cluster(cluster) => cluster::requirements(cluster),
        _ => BTreeMap::new(),
    };
    (!resources.is_empty()).then(|| v1::Requirements {
        resources,
        ..v1::Requirements::default()
    })
}

fn compose(composite: Composite, inputs: Inputs<'_>) -> Result<Composition, composite::Error> {
    let observed = inputs.observed;
    match composite {
        Composite::Platform(platform) => {
            let claim = validate::platform(platform.spec).map_err(composite::Error::Spec)?;
            plan::platform(&platform.identity, platform.root_kind, &claim, observed)
        }
        Composite::Region(region) => region::compose(&region, observed),
        Composite::Cluster(cluster) => cluster::compose(
            &cluster,
            &cluster::Call {
                composite: inputs.composite,
                observed,
                required: inputs.required,
                environment: inputs.environment,
            },
        ),
        Composite::NodePool(pool) => node_pool::compose(&pool, observed),
        Composite::NodeGroup(group) => node_group::compose(&group, observed),
        Composite::LoadBalancer(balancer) => load_balancer::compose(&balancer, observed),
    }
    .map_err(composite::Error::Spec)
}

#[cfg(test)]
mod tests;
