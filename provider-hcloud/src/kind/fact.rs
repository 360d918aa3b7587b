//! Kinds whose external resource is a fact of the cloud: it can only be observed, whatever the management policies say.

use std::{future::Future, marker::PhantomData, sync::Arc, time::Duration};

use api::Managed;

use super::{Error, Project, access::Access, near, parse_id};
use crate::{
    hcloud,
    managed::{
        Created, Desired, External, ExternalError, Identity, Look, Observation, Present, Retry,
    },
};

/// What is observed of a fact of the kind.
pub type PresentOf<K> = Present<<<K as FactKind>::Resource as Managed>::AtProvider>;

/// A kind whose external resource can only be observed.
pub trait FactKind: Send + Sync + Sized + 'static {
    /// The managed resource.
    type Resource: Managed;

    /// Finds what the spec names, from a list that is at most `max_age` old.
    ///
    /// # Errors
    /// When there is no such thing; the error names what comes near.
    fn find(
        project: &Project,
        desired: &Desired<Self::Resource>,
        max_age: Duration,
    ) -> impl Future<Output = Result<PresentOf<Self>, Error>> + Send;
}

/// Makes access to the facts of a kind.
pub type Facts<K> = Access<FactsOfProject<K>>;

/// The facts of a kind as one project sees them.
#[derive(Clone, Debug)]
pub struct FactsOfProject<K> {
    project: Project,
    kind: PhantomData<fn() -> K>,
}

impl<K> From<Project> for FactsOfProject<K> {
    fn from(project: Project) -> Self {
        Self {
            project,
            kind: PhantomData,
        }
    }
}

/// The plan never asks to change what can only be observed.
#[derive(Debug, thiserror::Error)]
#[error("this kind can only be observed")]
struct ReadOnly;

impl<K: FactKind> External for FactsOfProject<K> {
    type Resource = K::Resource;

    const IDENTITY: Identity = Identity::Findable;
    const READ_ONLY: bool = true;

    async fn observe(
        &self,
        desired: &Desired<K::Resource>,
        look: Look,
    ) -> Result<Observation<<K::Resource as Managed>::AtProvider>, ExternalError> {
        let max_age = match look {
            Look::Shared { max_age } => max_age,
            Look::Direct => Duration::ZERO,
        };
        let found = K::find(&self.project, desired, max_age).await;
        self.project.finish(found.map(Observation::Present))
    }

    async fn create(&self, _: &Desired<K::Resource>) -> Result<Created, ExternalError> {
        Err(ExternalError::new(ReadOnly, Retry::OnChange))
    }

    async fn update(
        &self,
        _: &Desired<K::Resource>,
        _: &PresentOf<K>,
    ) -> Result<(), ExternalError> {
        Err(ExternalError::new(ReadOnly, Retry::OnChange))
    }

    async fn delete(
        &self,
        _: &Desired<K::Resource>,
        _: &PresentOf<K>,
    ) -> Result<(), ExternalError> {
        Err(ExternalError::new(ReadOnly, Retry::OnChange))
    }
}

/// How old a list of facts may be: they change about once a year, and what is left in stock is asked for elsewhere.
pub(super) const FACTS_AGE: Duration = Duration::from_secs(600);

/// The fact that a spec names by id or name, by default the name of the managed resource.
///
/// # Errors
/// When there is none; the error names those that come near.
pub(super) async fn named<T: hcloud::Resource>(
    project: &Project,
    what: &str,
    (field, name): (&str, &str),
    id: Option<&str>,
    max_age: Duration,
) -> Result<Arc<T>, Error> {
    let facts = project.client.resources::<T>();
    if let Some(id) = id {
        let known = match parse_id(id) {
            Some(id) => facts.by_id(id, max_age).await?,
            None => None,
        };
        return known
            .ok_or_else(|| Error::field("id", format!("there is no {what} with the id {id}")));
    }
    if let Some(found) = facts.by_name(name, max_age).await?.pop() {
        return Ok(found);
    }
    let all = facts.all(max_age).await?;
    let near = near(name, all.iter().map(|fact| hcloud::Resource::name(&**fact)));
    Err(Error::field(
        field,
        format!("there is no {what} {name:?}: choose one of {near}"),
    ))
}

#[cfg(test)]
mod tests;
