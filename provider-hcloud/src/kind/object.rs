//! Kinds whose external resource is an object of its own, with an id, a name and labels.
//!
//! What is the same for all of them is here: finding the object by id or by the UID that it was created with, never
//! creating twice, name, labels, protection, deletion. A kind adds what is its own.

use std::{future::Future, marker::PhantomData, sync::Arc, time::Duration};

use api::{Managed, UID_LABEL};
use kube::{Resource, ResourceExt};
use serde_json::{Map, Value};

use super::{Error, Project, access::Access, desired_labels, external_name, oldest, parse_id};
use crate::{
    hcloud::{
        self, Class, Priority, Resources,
        labels::{self, Labels},
    },
    managed::{
        Connection, Created, Desired, Difference, Drift, External, ExternalError, Identity, Look,
        Observation, Present, Readiness, Remedy, Retry, annotations::CreationMarks,
    },
};

/// What is observed of an object of the kind.
pub type PresentOf<K> = Present<<<K as ObjectKind>::Resource as Managed>::AtProvider>;

/// A kind whose external resource is an object of its own.
pub trait ObjectKind: Send + Sync + Sized + 'static {
    /// The managed resource.
    type Resource: Managed;
    /// The object at Hetzner.
    type Object: hcloud::Resource;

    /// The parts of the spec that all these kinds have.
    fn common(resource: &Self::Resource) -> Common<'_>;

    /// What is seen of the object: the report, the differences that are the kind's own, whether it can be used.
    ///
    /// # Errors
    /// When the spec is such that it cannot be compared.
    fn present(
        project: &Project,
        desired: &Desired<Self::Resource>,
        object: &Self::Object,
    ) -> impl Future<Output = Result<PresentOf<Self>, Error>> + Send;

    /// Creates an object with this name and these labels.
    ///
    /// # Errors
    /// When the spec is incomplete, or the API refuses.
    fn create(
        project: &Project,
        desired: &Desired<Self::Resource>,
        name: String,
        labels: Labels,
    ) -> impl Future<Output = Result<Created, Error>> + Send;

    /// After a create that was refused because something exists, but nothing of this name: says what it is, and how to
    /// go on.
    ///
    /// # Errors
    /// When it is known.
    fn explain_refusal(
        _project: &Project,
        _desired: &Desired<Self::Resource>,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// Fields besides name and labels that the object's plain update takes.
    fn put(_desired: &Desired<Self::Resource>, _drift: &Drift) -> Map<String, Value> {
        Map::new()
    }

    /// Removes the differences that are the kind's own.
    ///
    /// # Errors
    /// When one remains.
    fn update(
        _project: &Project,
        _desired: &Desired<Self::Resource>,
        _id: u64,
        _present: &PresentOf<Self>,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// Overwrites what the object holds, one step at a time. Returns what is told only now.
    ///
    /// # Errors
    /// When the step is refused.
    fn overwrite(
        _project: &Project,
        _desired: &Desired<Self::Resource>,
        _id: u64,
        _present: &PresentOf<Self>,
    ) -> impl Future<Output = Result<Connection, Error>> + Send {
        async {
            Err(Error::Later {
                message: "an object of this kind cannot be overwritten".to_owned(),
                retry: Retry::OnChange,
            })
        }
    }

    /// Prepares an object whose deletion is allowed, or says what prevents it.
    ///
    /// # Errors
    /// When the object cannot be deleted now.
    fn before_delete(
        _project: &Project,
        _desired: &Desired<Self::Resource>,
        _object: &Self::Object,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }
}

/// The parts of a spec that all objects have.
#[derive(Clone, Copy, Debug)]
pub struct Common<'a> {
    /// The name, unless it is to be that of the managed resource.
    pub name: Option<&'a str>,
    /// The labels.
    pub labels: &'a Labels,
    /// Whether the object is to be protected; `None` when that is not managed.
    pub delete_protection: Option<bool>,
}

/// Makes access to the objects of a kind.
pub type Objects<K> = Access<ObjectsOfProject<K>>;

/// The objects of a kind in one project.
#[derive(Clone, Debug)]
pub struct ObjectsOfProject<K> {
    project: Project,
    kind: PhantomData<fn() -> K>,
}

impl<K> From<Project> for ObjectsOfProject<K> {
    fn from(project: Project) -> Self {
        Self {
            project,
            kind: PhantomData,
        }
    }
}

impl<K: ObjectKind> External for ObjectsOfProject<K> {
    type Resource = K::Resource;

    const IDENTITY: Identity = Identity::Findable;

    async fn observe(
        &self,
        desired: &Desired<K::Resource>,
        look: Look,
    ) -> Result<Observation<<K::Resource as Managed>::AtProvider>, ExternalError> {
        self.project.finish(self.look(desired, look).await)
    }

    async fn create(&self, desired: &Desired<K::Resource>) -> Result<Created, ExternalError> {
        self.project.finish(self.make(desired).await)
    }

    async fn update(
        &self,
        desired: &Desired<K::Resource>,
        present: &PresentOf<K>,
    ) -> Result<(), ExternalError> {
        self.project.finish(self.change(desired, present).await)
    }

    async fn overwrite(
        &self,
        desired: &Desired<K::Resource>,
        present: &PresentOf<K>,
    ) -> Result<Connection, ExternalError> {
        let overwritten = async {
            let protect = K::common(desired).delete_protection;
            let id = parse_id(&present.external_name).unwrap_or_default();
            let Some(object) = self.objects().read(id, Priority::Update).await? else {
                return Ok(Connection::new());
            };
            if check_protection(&*object, protect)? && protect == Some(false) {
                self.objects().change_protection(id, false).await?;
            }
            K::overwrite(&self.project, desired, id, present).await
        };
        self.project.finish(overwritten.await)
    }

    async fn delete(
        &self,
        desired: &Desired<K::Resource>,
        present: &PresentOf<K>,
    ) -> Result<(), ExternalError> {
        self.project.finish(self.remove(desired, present).await)
    }
}

impl<K: ObjectKind> ObjectsOfProject<K> {
    fn objects(&self) -> Resources<'_, K::Object> {
        self.project.client.resources()
    }

    async fn look(
        &self,
        desired: &Desired<K::Resource>,
        look: Look,
    ) -> Result<Observation<<K::Resource as Managed>::AtProvider>, Error> {
        let Some(object) = self.find(desired, look).await? else {
            return Ok(Observation::Absent);
        };
        let mut present = K::present(&self.project, desired, &object).await?;
        // A spec that cannot be compared does not keep the object.
        if desired.meta().deletion_timestamp.is_none() {
            compare::<K>(&mut present, desired, K::common(desired), &object)?;
        }
        Ok(Observation::Present(present))
    }

    /// By its id, or by the UID that it was created with while there is no id, or a create went on without an answer
    /// and the id may be that of its predecessor.
    async fn find(
        &self,
        resource: &K::Resource,
        look: Look,
    ) -> Result<Option<Arc<K::Object>>, Error> {
        let objects = self.objects();
        let recorded = external_name(resource, "the numeric id", parse_id)?;
        if let Some(id) = recorded {
            let found = match look {
                Look::Shared { max_age } => objects.by_id(id, max_age).await?,
                Look::Direct => objects.read(id, Priority::Update).await?,
            };
            let marks = CreationMarks::of(resource.meta());
            if found.is_some() || marks.incomplete_since().is_none() {
                return Ok(found);
            }
        }
        let uid = resource.uid().unwrap_or_default();
        let mut found = match look {
            Look::Shared { max_age } => objects.by_label(UID_LABEL, &uid, max_age).await?,
            Look::Direct => objects.search(UID_LABEL, &uid).await?,
        };
        // A list may show the predecessor for a while, which is gone.
        found.retain(|object| Some(hcloud::Resource::id(&**object)) != recorded);
        Ok(oldest(found))
    }

    async fn make(&self, desired: &Desired<K::Resource>) -> Result<Created, Error> {
        let common = K::common(desired);
        let name = name::<K>(desired, common);
        let labels = desired_labels(&**desired, common.labels)?;
        let error = match K::create(&self.project, desired, name.clone(), labels).await {
            Err(error) if error.class() == Some(Class::Uniqueness) => error,
            result => return result,
        };
        let others = self.objects().by_name(&name, Duration::ZERO).await?;
        match oldest(others) {
            // Made by an earlier create that was carried out after all.
            Some(own) if labels_of(&*own).get(UID_LABEL) == desired.uid().as_ref() => {
                Ok(Created::named(hcloud::Resource::id(&*own)))
            }
            Some(other) => Err(Error::NameTaken {
                name,
                object: <K::Object as hcloud::Resource>::OBJECT,
                id: hcloud::Resource::id(&*other),
            }),
            None => {
                K::explain_refusal(&self.project, desired).await?;
                Err(error)
            }
        }
    }

    /// Everything that can be changed is changed, also when a part is refused.
    async fn change(
        &self,
        desired: &Desired<K::Resource>,
        present: &PresentOf<K>,
    ) -> Result<(), Error> {
        let drift = &present.drift;
        let common = K::common(desired);
        let id = parse_id(&present.external_name).unwrap_or_default();
        let mut request = K::put(desired, drift);
        if drift.touches("name") {
            request.insert("name".to_owned(), name::<K>(desired, common).into());
        }
        if drift.touches("labels") {
            // The whole map is replaced, so what others put there has to be known as it is now.
            let Some(object) = self.objects().read(id, Priority::Update).await? else {
                return Ok(());
            };
            let wanted = desired_labels(&**desired, common.labels)?;
            if let Some(merged) = labels::merge(labels_of(&*object), &wanted) {
                request.insert("labels".to_owned(), Value::from_iter(merged));
            }
        }
        // Hetzner refuses some changes of an object while it is protected.
        let protect = common.delete_protection;
        let protect = protect.filter(|_| drift.touches("deleteProtection"));
        if protect == Some(false) {
            self.objects().change_protection(id, false).await?;
        }
        if !request.is_empty() {
            self.objects().update(id, &request).await?;
        }
        if protect == Some(true) {
            self.objects().change_protection(id, true).await?;
        }
        K::update(&self.project, desired, id, present).await
    }

    async fn remove(
        &self,
        desired: &Desired<K::Resource>,
        present: &PresentOf<K>,
    ) -> Result<(), Error> {
        let protect = K::common(desired).delete_protection;
        let broken = matches!(present.readiness, Readiness::Broken { .. });
        if protect == Some(true) && !broken {
            return Err(Error::ProtectedBySpec);
        }
        let id = parse_id(&present.external_name).unwrap_or_default();
        let objects = self.objects();
        let Some(object) = objects.read(id, Priority::Delete).await? else {
            return Ok(());
        };
        let protected = check_protection(&*object, protect)?;
        K::before_delete(&self.project, desired, &object).await?;
        if protected {
            objects.change_protection(id, false).await?;
        }
        Ok(objects.delete(id).await?)
    }
}

fn name<K: ObjectKind>(resource: &K::Resource, common: Common<'_>) -> String {
    let name = common.name.map(str::to_owned);
    name.unwrap_or_else(|| resource.name_any())
}

/// Whether the object is protected, by ourselves or in spite of the spec.
fn check_protection<T: hcloud::Resource>(object: &T, protect: Option<bool>) -> Result<bool, Error> {
    let protected = object.protected();
    if protected && protect.is_none() {
        let (object, id) = (T::OBJECT, object.id());
        return Err(Error::ProtectedAtHetzner { object, id });
    }
    Ok(protected)
}

fn labels_of<T: hcloud::Resource>(object: &T) -> &Labels {
    object.labels()
}

/// The differences that every object can have. Protection waits until there is something to protect.
fn compare<K: ObjectKind>(
    present: &mut PresentOf<K>,
    resource: &K::Resource,
    common: Common<'_>,
    object: &K::Object,
) -> Result<(), Error> {
    let drift = &mut present.drift;
    let name = name::<K>(resource, common);
    drift.check("name", Some(name.as_str()), hcloud::Resource::name(object));
    let observed = labels_of(object);
    for (key, value) in desired_labels(resource, common.labels)? {
        let found = observed.get(&key);
        if found != Some(&value) {
            drift.push(Difference {
                field: format!("labels[{key}]"),
                desired: value,
                observed: found.map_or_else(|| "nothing".to_owned(), Clone::clone),
                remedy: Remedy::InPlace,
            });
        }
    }
    if !matches!(
        present.readiness,
        Readiness::Creating { .. } | Readiness::Broken { .. }
    ) {
        let protected = hcloud::Resource::protected(object);
        drift.check(
            "deleteProtection",
            common.delete_protection.as_ref(),
            &protected,
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
