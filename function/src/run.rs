//! One call: bytes in, bytes out, nothing else.
//!
//! ```text
//! request ─> Composite ─validate/plan/render─> Composition ─respond─> response
//! ```

use crossplane_proto::v1;

use crate::claim::validate;
use crate::composite::{self, Composite};
use crate::composition::Composition;
use crate::observed::Observed;
use crate::respond::{self, Ttl};
use crate::structpb::View;
use crate::{plan, region};

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
pub fn run(request: v1::RunFunctionRequest, ttl: Ttl) -> Result<v1::RunFunctionResponse, Error> {
    let v1::RunFunctionRequest {
        meta,
        observed,
        desired,
        context,
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
    Ok(match compose(composite, &resources) {
        Ok(composition) => call.compose(composite, composition, &resources),
        Err(error) => call.refuse(composite, &error),
    })
}

fn compose(composite: View<'_>, observed: &Observed) -> Result<Composition, composite::Error> {
    match Composite::read(composite)? {
        Composite::Platform(platform) => {
            let claim = validate::platform(platform.spec).map_err(composite::Error::Spec)?;
            plan::platform(&platform.identity, platform.root_kind, &claim, observed)
                .map_err(composite::Error::Spec)
        }
        Composite::Region(region) => Ok(region::compose(&region, observed)),
    }
}
