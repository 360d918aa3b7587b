//! What of a managed resource is asked for so often that decoding it every time would cost too much: whom a change
//! concerns, and what is counted.

use api::{Managed, ProviderConfigReference, ReferenceField, Slot};

use super::{conditions, stored::Stored};

/// The summary of one managed resource.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Summary {
    /// The configuration that it uses.
    pub config: ProviderConfigReference,
    /// The names of the Secrets that its spec names, in its namespace.
    pub secrets: Box<[String]>,
    /// The managed resources that its spec refers to, in its namespace.
    pub references: Box<[Target]>,
    /// Whether its external resource can be used.
    pub ready: bool,
    /// Whether its last reconcile succeeded.
    pub synced: bool,
}

/// What a reference leads to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    /// The kind.
    pub kind: &'static str,
    /// The name; `None` when it is chosen by labels, so that it may be any.
    pub name: Option<String>,
}

impl Summary {
    /// Sums up a managed resource of the kind `R`; `None` when its spec does not fit.
    pub fn of<R: Managed>(stored: &Stored) -> Option<Self> {
        let mut resource: R = stored.decode_spec().ok()?;
        let secrets = resource.secret_keys();
        let secrets = secrets.into_iter().map(|(_, key)| key.name.clone());
        let conditions = stored.conditions();
        Some(Self {
            config: resource.managed_spec().provider_config_ref.clone(),
            secrets: secrets.collect(),
            ready: conditions::hold(&conditions, conditions::READY),
            synced: conditions::hold(&conditions, conditions::SYNCED),
            references: targets(&resource.reference_fields()),
        })
    }

    /// Whether a reference may stand for the resource of this kind and name.
    pub fn refers_to(&self, kind: &str, name: &str) -> bool {
        self.references.iter().any(|target| {
            target.kind == kind && target.name.as_deref().is_none_or(|named| named == name)
        })
    }

    /// Whether a reference stands for a resource of this kind.
    pub fn refers_to_any(&self, kind: &str) -> bool {
        self.references.iter().any(|target| target.kind == kind)
    }
}

/// What these fields refer to.
pub fn targets(fields: &[ReferenceField<'_>]) -> Box<[Target]> {
    let mut targets = Vec::new();
    for field in fields {
        let (references, selector) = match &field.slot {
            Slot::One {
                reference,
                selector,
                ..
            } => (reference.map(std::slice::from_ref), selector),
            Slot::Many {
                references,
                selector,
                ..
            } => (Some(*references), selector),
        };
        let named = references.unwrap_or_default().iter();
        let named = named.map(|reference| Some(reference.name.clone()));
        let any = selector.map(|_| None);
        targets.extend(named.chain(any).map(|name| Target {
            kind: field.kind,
            name,
        }));
    }
    targets.into()
}
