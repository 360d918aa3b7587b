//! Kinds and their resources without their types, so that one controller and one reconciler serve all kinds.
//!
//! The authors of kinds do not meet these: [`kind`] makes them from a [`Connector`].

use std::{fmt, sync::Arc};

use api::{LocalSecretKeySelector, ManagedSpec, ManagedStatus, ReferenceField};
use futures::future::BoxFuture;
use kube::{api::ApiResource, core::ObjectMeta};
use serde_json::value::{RawValue, to_raw_value};

use super::{
    credentials::Config,
    desired::{Desired, Secrets},
    external::{
        Connection, Connector, Created, External, ExternalError, Identity, Look, Observation,
        Present, PresentOf, Retry,
    },
    stored::{Stored, Unfit},
    summary::Summary,
};

/// A kind.
pub trait Kind: Send + Sync {
    /// Its names.
    fn names(&self) -> &Arc<ApiResource>;

    /// How the result of a create is found out when its answer was lost.
    fn identity(&self) -> Identity;

    /// Whether its external resources can only be observed.
    fn read_only(&self) -> bool;

    /// Decodes a managed resource of the kind.
    ///
    /// # Errors
    /// When it does not fit.
    fn decode(&self, stored: &Stored) -> Result<Box<dyn Managed>, Unfit>;

    /// Sums up a managed resource of the kind; `None` when it cannot be decoded, as its reconcile will say.
    fn summary(&self, stored: &Stored) -> Option<Summary>;
}

impl fmt::Debug for dyn Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kind").field(self.names()).finish()
    }
}

/// A managed resource that was decoded, with the access to its external resource.
///
/// In this order: it is connected, given the Secrets that it names, observed, and then changed.
pub trait Managed: Send + Sync {
    /// Its metadata.
    fn meta(&self) -> &ObjectMeta;

    /// Its metadata.
    fn meta_mut(&mut self) -> &mut ObjectMeta;

    /// The shared part of its spec.
    fn spec(&self) -> &ManagedSpec;

    /// The shared part of its status, once there is one.
    fn status(&self) -> Option<&ManagedStatus>;

    /// The shared part of its status, made when there is none.
    fn status_mut(&mut self) -> &mut ManagedStatus;

    /// The fields of its spec that may be given by reference.
    fn reference_fields(&mut self) -> Vec<ReferenceField<'_>>;

    /// The keys of Secrets that its spec names, with the path of each below `spec.forProvider`.
    fn secret_keys(&self) -> Vec<(&'static str, &LocalSecretKeySelector)>;

    /// Whether the status differs from the one that was decoded.
    fn status_changed(&self) -> bool;

    /// The whole resource, to be written.
    ///
    /// # Errors
    /// When it cannot be JSON.
    fn encode(&self) -> Result<Box<RawValue>, serde_json::Error>;

    /// Prepares access with the credentials of `config`.
    fn connect<'a>(&'a mut self, config: &'a Config) -> BoxFuture<'a, Result<(), ExternalError>>;

    /// Takes the spec as it is now, with these Secrets, for what is to be brought about.
    fn desire(&mut self, secrets: Secrets);

    /// Finds the external resource and compares it with what is desired.
    fn observe(&mut self, look: Look) -> BoxFuture<'_, Result<Observation<()>, ExternalError>>;

    /// Puts what was observed last into the status.
    fn report(&mut self);

    /// The external name that a create would give, when it is known before.
    fn foretell(&self) -> BoxFuture<'_, Result<Option<String>, ExternalError>>;

    /// Creates the external resource.
    fn create(&self) -> BoxFuture<'_, Result<Created, ExternalError>>;

    /// Leaves all observed differences alone but those that the creation left to be done.
    fn keep_completion(&mut self);

    /// Removes the differences that were observed and can be removed in place.
    fn update(&self) -> BoxFuture<'_, Result<(), ExternalError>>;

    /// Overwrites what the external resource holds, or goes on with that.
    fn overwrite(&self) -> BoxFuture<'_, Result<Connection, ExternalError>>;

    /// Requests the deletion of what was observed.
    fn delete(&self) -> BoxFuture<'_, Result<(), ExternalError>>;
}

/// The kind that `connector` gives access to.
pub fn kind<C: Connector>(connector: C) -> Arc<dyn Kind> {
    Arc::new(TypedKind {
        connector: Arc::new(connector),
        names: Arc::new(ApiResource::erase::<C::Resource>(&())),
    })
}

struct TypedKind<C> {
    connector: Arc<C>,
    names: Arc<ApiResource>,
}

impl<C: Connector> Kind for TypedKind<C> {
    fn names(&self) -> &Arc<ApiResource> {
        &self.names
    }

    fn identity(&self) -> Identity {
        C::External::IDENTITY
    }

    fn read_only(&self) -> bool {
        C::External::READ_ONLY
    }

    fn decode(&self, stored: &Stored) -> Result<Box<dyn Managed>, Unfit> {
        Ok(Box::new(Typed::<C> {
            connector: Arc::clone(&self.connector),
            resource: stored.decode()?,
            former: None,
            external: None,
            desired: None,
            seen: None,
        }))
    }

    fn summary(&self, stored: &Stored) -> Option<Summary> {
        Summary::of::<C::Resource>(stored)
    }
}

type AtProvider<C> = <<C as Connector>::Resource as api::Managed>::AtProvider;

/// A managed resource with its types.
struct Typed<C: Connector> {
    connector: Arc<C>,
    /// With its references resolved, once they are.
    resource: C::Resource,
    /// The status that was decoded, once it may have changed.
    former: Option<Former<C>>,
    external: Option<C::External>,
    desired: Option<Desired<C::Resource>>,
    seen: Option<PresentOf<C::External>>,
}

struct Former<C: Connector> {
    status: Option<ManagedStatus>,
    at_provider: Option<AtProvider<C>>,
}

/// A step was taken before the one that it needs.
#[derive(Debug, thiserror::Error)]
#[error("the external resource is not {0} yet")]
struct OutOfOrder(&'static str);

impl OutOfOrder {
    fn before(needed: &'static str) -> ExternalError {
        ExternalError::new(Self(needed), Retry::BackOff)
    }
}

impl<C: Connector> Typed<C> {
    /// The status is going to change.
    fn keep_former(&mut self) {
        let resource = &self.resource;
        self.former.get_or_insert_with(|| Former {
            status: api::Managed::managed_status(resource).cloned(),
            at_provider: api::Managed::at_provider(resource).cloned(),
        });
    }

    fn access(&self) -> Result<(&C::External, &Desired<C::Resource>), ExternalError> {
        let access = self.external.as_ref().zip(self.desired.as_ref());
        access.ok_or_else(|| OutOfOrder::before("connected"))
    }

    fn seen(&self) -> Result<&PresentOf<C::External>, ExternalError> {
        let seen = self.seen.as_ref();
        seen.ok_or_else(|| OutOfOrder::before("observed"))
    }
}

impl<C: Connector> Managed for Typed<C> {
    fn meta(&self) -> &ObjectMeta {
        kube::Resource::meta(&self.resource)
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        kube::Resource::meta_mut(&mut self.resource)
    }

    fn spec(&self) -> &ManagedSpec {
        api::Managed::managed_spec(&self.resource)
    }

    fn status(&self) -> Option<&ManagedStatus> {
        api::Managed::managed_status(&self.resource)
    }

    fn status_mut(&mut self) -> &mut ManagedStatus {
        self.keep_former();
        api::Managed::managed_status_mut(&mut self.resource)
    }

    fn reference_fields(&mut self) -> Vec<ReferenceField<'_>> {
        api::Managed::reference_fields(&mut self.resource)
    }

    fn secret_keys(&self) -> Vec<(&'static str, &LocalSecretKeySelector)> {
        api::Managed::secret_keys(&self.resource)
    }

    fn status_changed(&self) -> bool {
        self.former.as_ref().is_some_and(|former| {
            self.status() != former.status.as_ref()
                || api::Managed::at_provider(&self.resource) != former.at_provider.as_ref()
        })
    }

    fn encode(&self) -> Result<Box<RawValue>, serde_json::Error> {
        to_raw_value(&self.resource)
    }

    fn connect<'a>(&'a mut self, config: &'a Config) -> BoxFuture<'a, Result<(), ExternalError>> {
        Box::pin(async {
            self.external = Some(self.connector.connect(config).await?);
            Ok(())
        })
    }

    fn desire(&mut self, secrets: Secrets) {
        self.desired = Some(Desired::new(self.resource.clone(), secrets));
    }

    fn observe(&mut self, look: Look) -> BoxFuture<'_, Result<Observation<()>, ExternalError>> {
        Box::pin(async move {
            self.seen = None;
            let (external, desired) = self.access()?;
            Ok(match external.observe(desired, look).await? {
                Observation::Absent => Observation::Absent,
                Observation::Present(present) => {
                    let known = present.without_report();
                    self.seen = Some(present);
                    Observation::Present(known)
                }
            })
        })
    }

    fn report(&mut self) {
        self.keep_former();
        if let Some(Present { at_provider, .. }) = &self.seen {
            let at_provider = at_provider.clone();
            api::Managed::set_at_provider(&mut self.resource, at_provider);
        }
    }

    fn foretell(&self) -> BoxFuture<'_, Result<Option<String>, ExternalError>> {
        Box::pin(async {
            let (external, desired) = self.access()?;
            external.foretell(desired).await
        })
    }

    fn create(&self) -> BoxFuture<'_, Result<Created, ExternalError>> {
        Box::pin(async {
            let (external, desired) = self.access()?;
            external.create(desired).await
        })
    }

    fn keep_completion(&mut self) {
        if let Some(seen) = &mut self.seen {
            seen.drift.keep_completion();
        }
    }

    fn update(&self) -> BoxFuture<'_, Result<(), ExternalError>> {
        Box::pin(async {
            let (external, desired) = self.access()?;
            external.update(desired, self.seen()?).await
        })
    }

    fn overwrite(&self) -> BoxFuture<'_, Result<Connection, ExternalError>> {
        Box::pin(async {
            let (external, desired) = self.access()?;
            external.overwrite(desired, self.seen()?).await
        })
    }

    fn delete(&self) -> BoxFuture<'_, Result<(), ExternalError>> {
        Box::pin(async {
            let (external, desired) = self.access()?;
            external.delete(desired, self.seen()?).await
        })
    }
}
