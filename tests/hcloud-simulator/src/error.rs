//! What the API answers when it refuses: `{"error":{"code","message","details"}}`.
//!
//! Constructors cover the codes that every kind shares; a kind adds its own with [`ApiError::new`].

use std::borrow::Cow;

use http::StatusCode;
use serde_json::{Value, json};

use crate::collection::Id;

/// A refusal as the API words it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message} ({code}, {status})")]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// Machine-readable code, for example `uniqueness_error`.
    pub code: Cow<'static, str>,
    /// Text for people.
    pub message: String,
    /// Further data; `null` on the wire when absent.
    pub details: Option<Value>,
    /// The edge in front of the API writes unknown paths differently: indented, with a charset.
    pub(crate) pretty: bool,
}

impl ApiError {
    /// A refusal with a code of its own.
    pub fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            details: None,
            pretty: false,
        }
    }

    pub(crate) fn unknown_path() -> Self {
        Self {
            pretty: true,
            ..Self::new(
                StatusCode::NOT_FOUND,
                "not_found",
                "The requested resource was not found",
            )
        }
    }

    pub(crate) fn not_found(kind: &str, id: Id) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("{kind} with ID '{id}' not found"),
        )
    }

    pub(crate) fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    pub(crate) fn token_readonly() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "token_readonly",
            "the token is only allowed to perform GET requests",
        )
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "method not allowed",
        )
    }

    pub(crate) fn json(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "json_error", message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    pub(crate) fn uniqueness(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "uniqueness_error", message)
    }

    /// The value of a field that another object has.
    pub(crate) fn not_unique(message: impl Into<String>, field: &str) -> Self {
        Self {
            details: Some(json!({ "fields": [{ "name": field }] })),
            ..Self::uniqueness(message)
        }
    }

    pub(crate) fn protected(message: impl Into<String>) -> Self {
        Self::new(StatusCode::LOCKED, "protected", message)
    }

    pub(crate) fn limit_exceeded(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "resource_limit_exceeded", message)
    }

    pub(crate) fn rate_limit_exceeded(limit: u32) -> Self {
        let message = format!("limit of {limit} requests per hour reached");
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limit_exceeded",
            message,
        )
    }

    /// One invalid field.
    pub(crate) fn invalid_field(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid_input(&[FieldProblem {
            name: name.into(),
            message: message.into(),
        }])
    }

    /// Every invalid field of a request; several problems of one field are grouped.
    pub(crate) fn invalid_input(problems: &[FieldProblem]) -> Self {
        let mut names: Vec<&str> = Vec::new();
        for problem in problems {
            if !names.contains(&problem.name.as_str()) {
                names.push(&problem.name);
            }
        }
        let fields: Vec<Value> = names
            .iter()
            .map(|name| {
                let messages: Vec<&str> = problems
                    .iter()
                    .filter(|p| p.name == *name)
                    .map(|p| p.message.as_str())
                    .collect();
                json!({ "name": name, "messages": messages })
            })
            .collect();
        let message = match problems {
            [only] => format!("invalid input in field '{}': {}", only.name, only.message),
            _ => format!("invalid input in fields '{}'", names.join("', '")),
        };
        Self {
            details: Some(json!({ "fields": fields })),
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_input", message)
        }
    }

    pub(crate) fn body(&self) -> Value {
        json!({ "error": { "code": self.code, "message": self.message, "details": self.details } })
    }
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldProblem {
    pub(crate) name: String,
    pub(crate) message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_of_one_field_are_grouped_under_its_name() {
        let problem = |name: &str, message: &str| FieldProblem {
            name: name.to_owned(),
            message: message.to_owned(),
        };
        let error = ApiError::invalid_input(&[
            problem("a", "is short"),
            problem("b", "is odd"),
            problem("a", "is red"),
        ]);
        assert_eq!(
            error.body()["error"],
            json!({
                "code": "invalid_input",
                "message": "invalid input in fields 'a', 'b'",
                "details": { "fields": [
                    { "name": "a", "messages": ["is short", "is red"] },
                    { "name": "b", "messages": ["is odd"] },
                ] },
            })
        );
    }

    #[test]
    fn details_are_present_even_when_there_are_none() {
        assert_eq!(
            ApiError::conflict("busy").body()["error"]["details"],
            Value::Null
        );
        assert!(
            ApiError::conflict("busy").body()["error"]
                .as_object()
                .is_some_and(|e| e.contains_key("details"))
        );
    }
}
