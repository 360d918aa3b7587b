//! The objects of one kind in one project, by id.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// The API's identifier of any object or action; never reused inside a simulator.
pub type Id = u64;

/// What the engine needs to know of an object.
pub trait Object {
    /// The object's id.
    fn id(&self) -> Id;
    /// The object's name.
    fn name(&self) -> &str;
}

/// The objects of one kind in one project.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Collection<T>(BTreeMap<Id, T>);

impl<T> Default for Collection<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Object> Collection<T> {
    /// The object with this id.
    pub fn get(&self, id: Id) -> Option<&T> {
        self.0.get(&id)
    }

    /// The object with this id, to be changed by hand.
    pub fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        self.0.get_mut(&id)
    }

    /// The first object with this name.
    pub fn named(&self, name: &str) -> Option<&T> {
        self.iter().find(|object| object.name() == name)
    }

    /// The first object with this name, to be changed by hand.
    pub fn named_mut(&mut self, name: &str) -> Option<&mut T> {
        self.0.values_mut().find(|object| object.name() == name)
    }

    /// Refuses a name that another object has than `own`, which is absent while the object is being created.
    pub(crate) fn check_name(&self, name: &str, own: Option<Id>) -> Result<(), ApiError> {
        let taken = self
            .iter()
            .any(|object| object.name() == name && Some(object.id()) != own);
        if taken {
            Err(ApiError::not_unique("name is already used", "name"))
        } else {
            Ok(())
        }
    }

    /// All objects, by ascending id.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.values()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there is no object.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds an object, or replaces the one with its id.
    pub fn insert(&mut self, object: T) {
        self.0.insert(object.id(), object);
    }

    /// Takes an object out, without any of the API's checks.
    pub fn remove(&mut self, id: Id) -> Option<T> {
        self.0.remove(&id)
    }
}
