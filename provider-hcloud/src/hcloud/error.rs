//! What can go wrong with a call, and what kind of failure it is.
//!
//! The API's errors, its failed actions and the transport's failures become one [`Error`]. Its [`Class`] says what a
//! caller may do about it. Codes are those of the API description and of hcloud-go's `hcloud/error.go`.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use super::tolerant;

/// Longest message of the API that is passed on, in characters.
const MESSAGE_LIMIT: usize = 512;

/// The kind of a failure: all that a caller needs for deciding what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// The object does not exist.
    NotFound,
    /// Another change of the same object is going on. Nothing happened.
    Conflict,
    /// A running action has locked the object. Nothing happened.
    Locked,
    /// The object is protected against this change.
    Protected,
    /// Other objects still use the object.
    InUse,
    /// The request budget of the project is used up; [`Error::retry_at`] says until when.
    RateLimited,
    /// The request is wrong and stays wrong until somebody changes it.
    Invalid,
    /// The token is missing, unknown or revoked.
    Unauthorized,
    /// The token may not do this, for example because it is read-only.
    Forbidden,
    /// A limit of the project is reached; only Hetzner can raise it.
    Quota,
    /// The API cannot answer at the moment, or could not be reached. Nothing happened.
    Unavailable,
    /// Hetzner has no capacity for this choice of type and location.
    Capacity,
    /// Name, key or address is taken by another object.
    Uniqueness,
    /// A change was sent, and its answer is lost or the end of its action could not be read: it may or may not have
    /// taken effect.
    ///
    /// A caller looks for the effect before it tries again. A request that is under way can still take effect for as
    /// long as [`Settings::request_timeout`](super::Settings::request_timeout) after it was sent.
    OutcomeUnknown,
    /// Anything else; the message says what.
    Other,
}

impl Class {
    /// The class in snake case, as metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Locked => "locked",
            Self::Protected => "protected",
            Self::InUse => "in_use",
            Self::RateLimited => "rate_limited",
            Self::Invalid => "invalid",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Quota => "quota",
            Self::Unavailable => "unavailable",
            Self::Capacity => "capacity",
            Self::Uniqueness => "uniqueness",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Other => "other",
        }
    }
}

/// Error codes whose class does not follow from the HTTP status alone.
///
/// A code that is not listed has the class of its status ([`class_of_status`]); so most operation codes, which come
/// as 422, are `Invalid`.
const CODES: &[(&str, Class)] = &[
    ("conflict", Class::Conflict),
    ("deprecated_api_endpoint", Class::Other),
    // The object that the request names is missing, not the object of the URL.
    ("firewall_resource_not_found", Class::Invalid),
    ("load_balancer_target_not_found", Class::Invalid),
    ("forbidden", Class::Forbidden),
    ("invalid_input", Class::Invalid),
    ("json_error", Class::Invalid),
    ("locked", Class::Locked),
    ("maintenance", Class::Unavailable),
    ("must_be_unassigned", Class::InUse),
    ("no_space_left_in_location", Class::Capacity),
    ("not_found", Class::NotFound),
    ("placement_error", Class::Capacity),
    ("protected", Class::Protected),
    ("rate_limit_exceeded", Class::RateLimited),
    ("resource_in_use", Class::InUse),
    ("resource_limit_exceeded", Class::Quota),
    ("resource_locked", Class::Locked),
    ("resource_unavailable", Class::Capacity),
    ("robot_unavailable", Class::Unavailable),
    // Also the answer to deleting a subnet that still has members: waiting may help.
    ("service_error", Class::Other),
    ("token_readonly", Class::Forbidden),
    ("unauthorized", Class::Unauthorized),
    ("unavailable", Class::Unavailable),
    ("uniqueness_error", Class::Uniqueness),
];

fn class_of_code(code: &str) -> Option<Class> {
    CODES
        .iter()
        .find(|(known, _)| *known == code)
        .map(|(_, class)| *class)
}

/// The class of an HTTP status whose error code says no more.
///
/// A 404 without the API's own code is not `NotFound`: a wrong endpoint must not read as a deleted object.
fn class_of_status(status: u16) -> Class {
    match status {
        400 | 405 | 412 | 422 => Class::Invalid,
        401 => Class::Unauthorized,
        403 => Class::Forbidden,
        409 => Class::Conflict,
        423 => Class::Locked,
        429 => Class::RateLimited,
        500..=599 => Class::Unavailable,
        _ => Class::Other,
    }
}

/// The API refused a call, or failed while it worked on it.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// The API's error code; empty when the answer was not the API's own.
    pub code: String,
    /// The API's message on one line.
    pub message: String,
    /// The fields of the request that the API complains about, in its order.
    pub fields: Vec<FieldError>,
    /// From when on the request budget allows the call again; for 429 only.
    pub retry_at: Option<Timestamp>,
    /// Whether the call was to change something.
    pub mutation: bool,
}

/// A field of a request, and what the API says about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct FieldError {
    /// Name of the field in the API.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub name: String,
    /// What is wrong with it.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub messages: Vec<String>,
}

#[derive(Deserialize)]
struct Envelope {
    error: Body,
}

#[derive(Default, Deserialize)]
struct Body {
    #[serde(default, deserialize_with = "tolerant::or_default")]
    code: String,
    #[serde(default, deserialize_with = "tolerant::or_default")]
    message: String,
    #[serde(default, deserialize_with = "tolerant::or_default")]
    details: Details,
}

#[derive(Default, Deserialize)]
struct Details {
    #[serde(default, deserialize_with = "tolerant::or_default")]
    fields: Vec<FieldError>,
}

impl ApiError {
    /// Reads an answer with a status that is not 2xx. Anything is accepted as a body.
    pub(super) fn from_answer(status: u16, body: &[u8], mutation: bool) -> Self {
        let body = serde_json::from_slice::<Envelope>(body)
            .map_or_else(|_| Body::default(), |envelope| envelope.error);
        Self {
            status,
            code: body.code,
            message: one_line(&body.message),
            fields: body.details.fields,
            retry_at: None,
            mutation,
        }
    }

    /// The kind of this failure.
    pub fn class(&self) -> Class {
        // A server that failed may have failed after the effect.
        if self.mutation && (500..=599).contains(&self.status) {
            return Class::OutcomeUnknown;
        }
        class_of_code(&self.code).unwrap_or_else(|| class_of_status(self.status))
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.code.is_empty() {
            return write!(f, "status {}, not an answer of the API", self.status);
        }
        if self.message.is_empty() {
            write!(f, "{}", self.code)?;
        } else {
            write!(f, "{} ({})", self.message, self.code)?;
        }
        for field in &self.fields {
            let messages = field.messages.join(", ");
            write!(f, "; {}: {}", one_line(&field.name), one_line(&messages))?;
        }
        Ok(())
    }
}

/// How far a call came on its way before the transport failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// No connection was made: the API saw nothing.
    Unsent,
    /// The call may have arrived.
    Sent,
}

/// A failed call of the Hetzner Cloud API.
///
/// `Display` is one line without anything that differs between two tries of the same call.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The API answered with an error.
    #[error("{call}: {error}")]
    Api {
        /// Method and path.
        call: String,
        /// What it answered.
        error: Box<ApiError>,
    },
    /// There was no answer.
    #[error("{call}: {}", match reach {
        Reach::Unsent => "cannot reach the API",
        Reach::Sent => "no answer from the API",
    })]
    Transport {
        /// Method and path.
        call: String,
        /// How far the call came.
        reach: Reach,
        /// Whether the call was to change something.
        mutation: bool,
        /// What the transport says.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The API accepted the call, but its answer cannot be read.
    #[error("{call}: cannot read the answer of the API")]
    Decode {
        /// Method and path.
        call: String,
        /// Whether the call was to change something.
        mutation: bool,
        /// What is wrong with the answer.
        source: Arc<serde_json::Error>,
    },
    /// A list kept changing while its pages were read.
    #[error("{call}: the list changed while its pages were read")]
    UnstableList {
        /// Method and path.
        call: String,
    },
    /// The API does not know a list that every project has.
    #[error("{call}: not found; is the endpoint the address of a Hetzner Cloud API?")]
    NoSuchList {
        /// Method and path.
        call: String,
    },
    /// The request cannot be written as JSON.
    #[error("{call}: cannot write the request")]
    Encode {
        /// Method and path.
        call: String,
        /// What is wrong with the request.
        source: Arc<serde_json::Error>,
    },
    /// The call was not sent, because the request budget would not have allowed it soon enough.
    #[error("{call}: waiting for the request budget of the project")]
    Budget {
        /// Method and path.
        call: String,
        /// From when on the budget allows it.
        retry_at: Timestamp,
    },
    /// The call was not sent, because another change of the same object goes on here for too long.
    #[error("another change of {object} is going on")]
    Busy {
        /// What is being changed.
        object: String,
    },
    /// An action that a call started has failed.
    #[error("action {command} failed: {message} ({code})")]
    Action {
        /// What the action was to do, as the API names it.
        command: String,
        /// Error code of the action.
        code: String,
        /// The API's message on one line.
        message: String,
    },
    /// The API no longer knows an action that it had announced, so its end is not known.
    #[error("action {command} is no longer known to the API")]
    ActionLost {
        /// What the action was to do, as the API names it.
        command: String,
    },
    /// A call was accepted and started an action, and how that ended could not be read.
    #[error("how action {command} ended could not be read")]
    ActionUnseen {
        /// What the action was to do, as the API names it.
        command: String,
        /// Why it could not be read. Its class says nothing about the action.
        source: Box<Self>,
    },
    /// The object of a call was deleted by somebody else while the call was carried out.
    #[error("{call}: the object was deleted meanwhile")]
    Vanished {
        /// Method and path.
        call: String,
    },
}

impl Error {
    /// The kind of this failure.
    pub fn class(&self) -> Class {
        match self {
            Self::Api { error, .. } => error.class(),
            Self::Transport {
                reach: Reach::Sent,
                mutation: true,
                ..
            }
            | Self::Decode { mutation: true, .. }
            | Self::ActionLost { .. }
            | Self::ActionUnseen { .. } => Class::OutcomeUnknown,
            Self::Transport { .. } | Self::UnstableList { .. } => Class::Unavailable,
            Self::Encode { .. } => Class::Invalid,
            Self::Busy { .. } => Class::Conflict,
            Self::Decode { .. } | Self::NoSuchList { .. } => Class::Other,
            Self::Budget { .. } => Class::RateLimited,
            Self::Action { code, .. } => class_of_code(code).unwrap_or(Class::Other),
            Self::Vanished { .. } => Class::NotFound,
        }
    }

    /// The API's code for a call that it refused.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Api { error, .. } => Some(&error.code),
            _ => None,
        }
    }

    /// From when on the request budget allows the call again, for [`Class::RateLimited`].
    pub fn retry_at(&self) -> Option<Timestamp> {
        match self {
            Self::Api { error, .. } => error.retry_at,
            Self::Budget { retry_at, .. } => Some(*retry_at),
            _ => None,
        }
    }

    pub(super) fn api(call: String, error: ApiError) -> Self {
        let error = Box::new(error);
        Self::Api { call, error }
    }

    pub(super) fn decode(call: String, mutation: bool, source: serde_json::Error) -> Self {
        let source = Arc::new(source);
        Self::Decode {
            call,
            mutation,
            source,
        }
    }

    pub(super) fn action(command: &str, code: &str, message: &str) -> Self {
        let or = |text: &str, fallback: &str| {
            if text.is_empty() {
                fallback.to_owned()
            } else {
                one_line(text)
            }
        };
        Self::Action {
            command: command.to_owned(),
            code: or(code, "unknown_error"),
            message: or(message, "no reason given"),
        }
    }
}

/// `text` without line breaks, runs of white space and excess length.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(MESSAGE_LIMIT).collect()
}

#[cfg(test)]
mod tests;
