//! Kinds whose external resource is a part of another object: it has no id and no labels, and is found by its key.
//!
//! The key follows from the spec and is the external name, which is announced before the create: so a create without an
//! answer needs no label to be found again, nor the references that the key was made of. A part that exists already is adopted. Parts that no managed resource names belong to others: they are
//! neither removed nor reported.

use std::{
    fmt::{self, Display},
    future::Future,
    marker::PhantomData,
};

use api::Managed;
use kube::{Resource, core::ObjectMeta};

use super::{Error, Project, access::Access, external_name, parse_id};
use crate::{
    hcloud::{self, Class, Priority},
    managed::{
        Created, Desired, External, ExternalError, Identity, Look, Observation, Present,
        annotations,
    },
};

/// What is observed of a part of the kind.
pub type PresentOf<K> = Present<<<K as PartKind>::Resource as Managed>::AtProvider>;

/// A kind whose external resource is a part of another object.
pub trait PartKind: Send + Sync + Sized + 'static {
    /// The managed resource.
    type Resource: Managed;
    /// The object at Hetzner that it is a part of.
    type Parent: hcloud::Resource;
    /// What the part is found by; its text is the external name.
    type Key: Clone + PartialEq + Display + Send + Sync;

    /// What the external name looks like, in words.
    const FORM: &'static str;

    /// Reads an external name.
    fn parse(external_name: &str) -> Option<Self::Key>;

    /// The key that the spec asks for.
    ///
    /// # Errors
    /// When the spec is incomplete.
    fn key(resource: &Self::Resource) -> Result<Self::Key, Error>;

    /// The id of the object that the part belongs to.
    fn parent(key: &Self::Key) -> u64;

    /// What is seen of the part; `None` when the object has no such part.
    ///
    /// # Errors
    /// When the spec is such that it cannot be compared.
    fn present(
        project: &Project,
        desired: &Desired<Self::Resource>,
        key: &Self::Key,
        parent: &Self::Parent,
    ) -> impl Future<Output = Result<Option<PresentOf<Self>>, Error>> + Send;

    /// Adds the part.
    ///
    /// # Errors
    /// When the API refuses.
    fn create(
        project: &Project,
        desired: &Desired<Self::Resource>,
        key: &Self::Key,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Removes the differences.
    ///
    /// # Errors
    /// When one remains.
    fn update(
        _project: &Project,
        _desired: &Desired<Self::Resource>,
        _key: &Self::Key,
        _present: &PresentOf<Self>,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// Removes the part.
    ///
    /// # Errors
    /// When it cannot be removed now.
    fn delete(
        project: &Project,
        desired: &Desired<Self::Resource>,
        key: &Self::Key,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}

/// What the attachment of a server or load balancer to a network is found by: there is one for each pair.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InNetwork {
    /// Id of what is attached.
    pub parent: u64,
    /// Id of the network.
    pub network: u64,
}

impl InNetwork {
    /// Reads an external name.
    pub fn parse(external_name: &str) -> Option<Self> {
        let (parent, network) = external_name.split_once('-')?;
        Some(Self {
            parent: parse_id(parent)?,
            network: parse_id(network)?,
        })
    }
}

impl Display for InNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.parent, self.network)
    }
}

/// The key of a part whose create has no result: it may exist, whatever the spec says by now.
pub(super) fn announced<T>(meta: &ObjectMeta, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    parse(annotations::get(meta, annotations::CREATE_NAME)?)
}

/// Makes access to the parts of a kind.
pub type Parts<K> = Access<PartsOfProject<K>>;

/// The parts of a kind in one project.
#[derive(Clone, Debug)]
pub struct PartsOfProject<K> {
    project: Project,
    kind: PhantomData<fn() -> K>,
}

impl<K> From<Project> for PartsOfProject<K> {
    fn from(project: Project) -> Self {
        Self {
            project,
            kind: PhantomData,
        }
    }
}

impl<K: PartKind> External for PartsOfProject<K> {
    type Resource = K::Resource;

    const IDENTITY: Identity = Identity::Findable;

    async fn observe(
        &self,
        desired: &Desired<K::Resource>,
        look: Look,
    ) -> Result<Observation<<K::Resource as Managed>::AtProvider>, ExternalError> {
        self.project.finish(self.look(desired, look).await)
    }

    async fn foretell(
        &self,
        desired: &Desired<K::Resource>,
    ) -> Result<Option<String>, ExternalError> {
        let key = K::key(desired).map(|key| Some(key.to_string()));
        self.project.finish(key)
    }

    async fn create(&self, desired: &Desired<K::Resource>) -> Result<Created, ExternalError> {
        let made = async {
            let key = K::key(desired)?;
            K::create(&self.project, desired, &key).await?;
            Ok(Created::named(key))
        };
        self.project.finish(made.await)
    }

    async fn update(
        &self,
        desired: &Desired<K::Resource>,
        present: &PresentOf<K>,
    ) -> Result<(), ExternalError> {
        let updated = match K::parse(&present.external_name) {
            Some(key) => K::update(&self.project, desired, &key, present).await,
            None => Ok(()),
        };
        self.project.finish(updated)
    }

    async fn delete(
        &self,
        desired: &Desired<K::Resource>,
        present: &PresentOf<K>,
    ) -> Result<(), ExternalError> {
        let deleted = match K::parse(&present.external_name) {
            Some(key) => K::delete(&self.project, desired, &key).await,
            None => Ok(()),
        };
        self.project.finish(match deleted {
            Err(error) if error.class() == Some(Class::NotFound) => Ok(()),
            deleted => deleted,
        })
    }
}

impl<K: PartKind> PartsOfProject<K> {
    async fn look(
        &self,
        desired: &Desired<K::Resource>,
        look: Look,
    ) -> Result<Observation<<K::Resource as Managed>::AtProvider>, Error> {
        let deleting = desired.meta().deletion_timestamp.is_some();
        let recorded = external_name(&**desired, K::FORM, K::parse)?;
        let announced = announced(desired.meta(), K::parse);
        let wanted = K::key(desired);
        let key = match (announced.or(recorded), &wanted) {
            (Some(key), _) => key,
            (None, Ok(key)) => key.clone(),
            // What was never announced was never made: references are only lost while something is being deleted.
            (None, Err(_)) if deleting => return Ok(Observation::Absent),
            (None, Err(_)) => return wanted.map(|_| Observation::Absent),
        };
        let parents = self.project.client.resources::<K::Parent>();
        let id = K::parent(&key);
        let parent = match look {
            Look::Shared { max_age } => parents.by_id(id, max_age).await?,
            Look::Direct => parents.read(id, Priority::Update).await?,
        };
        let Some(parent) = parent else {
            return Ok(Observation::Absent);
        };
        let Some(mut present) = K::present(&self.project, desired, &key, &parent).await? else {
            return Ok(Observation::Absent);
        };
        if !deleting && let Ok(wanted) = wanted {
            let (wanted, key) = (wanted.to_string(), key.to_string());
            present.drift.check_fixed("identity", Some(&wanted), &key);
        }
        Ok(Observation::Present(present))
    }
}

#[cfg(test)]
mod tests;
