//! Why an external resource cannot be made what its spec says, and when to try again.

use std::time::Duration;

use super::{InvalidExternalName, RefusedLabel};
use crate::{
    clock::Clock,
    hcloud::{self, Class},
    managed::{ExternalError, Retry, annotations, desired::SecretError, external::Refusal},
};

/// How soon to try again what another change of the same object prevented.
const SOON: Duration = Duration::from_secs(3);
/// How soon to look again whether an object is still used by others.
const HELD: Duration = Duration::from_secs(10);

/// A failure of a kind. The variants are those that all kinds have in common; the texts name the field and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The external name cannot be one.
    #[error(transparent)]
    ExternalName(#[from] InvalidExternalName),
    /// A label of the spec would be refused.
    #[error(transparent)]
    Label(#[from] RefusedLabel),
    /// A Secret that the spec names cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A field is needed for a create.
    #[error("spec.forProvider.{0} is required to create this resource")]
    Required(&'static str),
    /// A field has a value that cannot work.
    #[error("spec.forProvider.{field}: {problem}")]
    Field {
        /// Path of the field below `spec.forProvider`.
        field: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The name belongs to somebody else.
    #[error(
        "the name {name} is taken by {} {id}, which does not belong to this resource: set the annotation {}: \"{id}\" to adopt it, or choose another spec.forProvider.name",
        words(object),
        annotations::EXTERNAL_NAME
    )]
    NameTaken {
        /// The name.
        name: String,
        /// What has the name.
        object: &'static str,
        /// Its id.
        id: u64,
    },
    /// The spec asks for protection.
    #[error("spec.forProvider.deleteProtection is true: set it to false to allow the deletion")]
    ProtectedBySpec,
    /// Somebody else has protected the object.
    #[error(
        "{} {id} is protected at Hetzner: set spec.forProvider.deleteProtection to false to have the protection lifted",
        words(object)
    )]
    ProtectedAtHetzner {
        /// What is protected.
        object: &'static str,
        /// Its id.
        id: u64,
    },
    /// Others still use the object.
    #[error(
        "{object} {id} is still used by {holders}: it is deleted when they are detached or gone"
    )]
    Held {
        /// What is used.
        object: &'static str,
        /// Its id.
        id: u64,
        /// By whom, in words.
        holders: String,
    },
    /// Something has to happen first that is under way or somebody else's to do.
    #[error("{0}")]
    Waiting(String),
    /// Nothing more can be done for now; the text says why.
    #[error("{message}")]
    Later {
        /// Why, in words.
        message: String,
        /// When to try again.
        retry: Retry,
    },
    /// The API refused or did not answer.
    #[error(transparent)]
    Api(#[from] hcloud::Error),
}

/// What the API calls a kind of object, in words.
fn words(object: &str) -> String {
    object.replace('_', " ")
}

impl Error {
    /// A field with a value that cannot work; `problem` says why and what to do.
    pub fn field(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Field {
            field: field.into(),
            problem: problem.into(),
        }
    }

    /// The class of the API's error, if it is one.
    pub fn class(&self) -> Option<Class> {
        match self {
            Self::Api(error) => Some(error.class()),
            _ => None,
        }
    }

    pub(super) fn into_external(self, clock: &Clock) -> ExternalError {
        let refusal = self.refusal();
        let retry = match &self {
            Self::Api(error) if error.class() == Class::OutcomeUnknown => {
                return ExternalError::with_unknown_outcome(self);
            }
            Self::Api(error) => retry(error, clock),
            Self::Held { .. } => Retry::Patiently(HELD),
            // Whoever has the name may be about to go.
            Self::Waiting(_) | Self::NameTaken { .. } => Retry::Patiently(SOON),
            Self::Later { retry, .. } => *retry,
            // Whoever makes the Secret may be about to come.
            Self::Secret(_) => Retry::BackOff,
            Self::ExternalName(_)
            | Self::Label(_)
            | Self::Required(_)
            | Self::Field { .. }
            | Self::ProtectedBySpec
            | Self::ProtectedAtHetzner { .. } => Retry::OnChange,
        };
        ExternalError::new(self, retry).refusing(refusal)
    }

    /// Whether the token was refused, and not only this call.
    fn refusal(&self) -> Option<Refusal> {
        let Self::Api(hcloud::Error::Api { error, .. }) = self else {
            return None;
        };
        let changes_only = error.code == "token_readonly";
        let whole = match error.class() {
            Class::Unauthorized => true,
            // A change may be forbidden for a reason of its own.
            Class::Forbidden => changes_only || !error.mutation,
            _ => false,
        };
        whole.then(|| Refusal {
            message: error.to_string(),
            changes_only,
        })
    }
}

/// What to do about a failed call: one decision for each class.
fn retry(error: &hcloud::Error, clock: &Clock) -> Retry {
    match error.class() {
        Class::Conflict | Class::Locked => Retry::Patiently(SOON),
        Class::InUse => Retry::Patiently(HELD),
        Class::RateLimited => {
            let full = error.retry_at().unwrap_or_else(|| clock.now());
            let wait = Duration::try_from(full.duration_since(clock.now())).unwrap_or_default();
            Retry::After(wait.max(SOON))
        }
        // Nothing changes until somebody changes the spec, the Secret or the project; refused requests cost budget too.
        Class::Invalid
        | Class::Unauthorized
        | Class::Forbidden
        | Class::Quota
        | Class::Protected => Retry::OnChange,
        Class::NotFound
        | Class::Unavailable
        | Class::Capacity
        | Class::Uniqueness
        | Class::OutcomeUnknown
        | Class::Other => Retry::BackOff,
    }
}

/// Refusals of the API that pass when something else changes: servers, volumes, addresses, networks, or other parts of a
/// load balancer.
const PASSING: [&str; 18] = [
    "cloud_resource_ip_not_allowed",
    "invalid_load_balancer_type",
    "ip_not_available",
    "ip_not_in_vswitch_subnet",
    "load_balancer_already_attached",
    "load_balancer_not_attached_to_network",
    "load_balancer_public_interface_disabled",
    "missing_ipv4",
    "network_has_no_vswitch_subnet",
    "no_subnet_available",
    "primary_ip_already_assigned",
    "primary_ip_assigned",
    "resolve_cloud_private_targets_error",
    "resolve_cloud_public_targets_error",
    "server_not_attached_to_network",
    "source_port_already_used",
    "targets_without_use_private_ip",
    "volume_already_attached",
];

/// A refusal: what passes by itself is tried again before the spec changes.
pub fn refusal(error: hcloud::Error) -> Error {
    match error.code() {
        Some(code) if PASSING.contains(&code) => later(error.to_string()),
        _ => Error::Api(error),
    }
}

/// Nothing can be done until something else has changed.
pub fn later(message: String) -> Error {
    Error::Later {
        message,
        retry: Retry::BackOff,
    }
}

/// Objects of several types as messages list them, for example `servers 3, 12 and load balancers 9`; empty when there
/// are none.
pub fn holders(lists: &[(&str, &[u64])]) -> String {
    let lists = lists.iter().filter(|(_, ids)| !ids.is_empty());
    let texts: Vec<_> = lists
        .map(|(what, ids)| {
            let mut ids = ids.to_vec();
            ids.sort_unstable();
            let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
            format!("{what} {}", ids.join(", "))
        })
        .collect();
    texts.join(" and ")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{clock::SteppedClock, hcloud::error::ApiError};

    #[test]
    fn a_token_is_refused_as_a_whole_or_for_all_changes_or_not_at_all() {
        for (status, code, mutation, expected) in [
            (401, "unauthorized", false, Some(false)),
            (401, "unauthorized", true, Some(false)),
            (403, "forbidden", false, Some(false)),
            (403, "token_readonly", true, Some(true)),
            (403, "forbidden", true, None),
            (403, "resource_limit_exceeded", true, None),
            (422, "invalid_input", true, None),
        ] {
            let error = hcloud::Error::Api {
                call: "POST /servers".to_owned(),
                error: Box::new(ApiError {
                    status,
                    code: code.to_owned(),
                    message: "no".to_owned(),
                    fields: Vec::new(),
                    retry_at: None,
                    mutation,
                }),
            };
            let clock = SteppedClock::new(Timestamp::UNIX_EPOCH).clock();
            let refusal = Error::Api(error).into_external(&clock).refusal().cloned();
            let expected = expected.map(|changes_only| Refusal {
                message: format!("no ({code})"),
                changes_only,
            });
            assert_eq!(refusal, expected, "{status} {code}");
        }
    }

    #[test]
    fn holders_are_listed_in_order_and_only_where_there_are_any() {
        let text = holders(&[
            ("servers", &[12, 3]),
            ("volumes", &[]),
            ("load balancers", &[9]),
        ]);
        assert_eq!(text, "servers 3, 12 and load balancers 9");
        assert_eq!(holders(&[("servers", &[])]), "");
    }
}
