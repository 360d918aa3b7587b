//! What a kind is to bring about: the managed resource with its references resolved, and the Secrets that it names.

use std::{collections::BTreeMap, ops::Deref};

use super::credentials::SecretValue;

/// A managed resource that is complete: fields that were given by reference are filled.
///
/// While it is being deleted references are left alone, because what they lead to may be gone already: then only the
/// external name can be relied on.
#[derive(Clone, Debug)]
pub struct Desired<R> {
    resource: R,
    secrets: Secrets,
}

/// The values of the Secrets that a spec names, by the path of the field below `spec.forProvider`.
pub type Secrets = BTreeMap<&'static str, Result<SecretValue, SecretError>>;

/// The value of a Secret's key that the spec names cannot be had.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SecretError {
    /// The spec does not name one.
    #[error("spec.forProvider.{0} is not set")]
    NotNamed(&'static str),
    /// The Secret or its key does not exist.
    #[error(
        "spec.forProvider.{field}: Secret {name} has no value for key {key}: create it in this namespace"
    )]
    Missing {
        /// Path of the field below `spec.forProvider`.
        field: &'static str,
        /// Name of the Secret.
        name: String,
        /// The key.
        key: String,
    },
    /// The Secret cannot be read.
    #[error("spec.forProvider.{field}: cannot read Secret {name}: {problem}")]
    Unreadable {
        /// Path of the field below `spec.forProvider`.
        field: &'static str,
        /// Name of the Secret.
        name: String,
        /// What is wrong.
        problem: String,
    },
}

impl<R> Desired<R> {
    /// Puts together what was gathered.
    pub fn new(resource: R, secrets: Secrets) -> Self {
        Self { resource, secrets }
    }

    /// The value of the Secret's key that the spec names at `field`, a path below `spec.forProvider`.
    ///
    /// # Errors
    /// When the spec names none, or it does not exist or cannot be read.
    pub fn secret(&self, field: &'static str) -> Result<&SecretValue, SecretError> {
        match self.secrets.get(field) {
            Some(value) => value.as_ref().map_err(Clone::clone),
            None => Err(SecretError::NotNamed(field)),
        }
    }
}

impl<R> Deref for Desired<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.resource
    }
}

impl<R> From<R> for Desired<R> {
    fn from(resource: R) -> Self {
        Self::new(resource, BTreeMap::new())
    }
}
