//! A request as handlers see it, and the reading of its JSON body: every problem of a body is collected before it is
//! refused.

use axum::extract::Query;
use bytes::Bytes;
use http::{HeaderMap, Method, Uri, header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    error::{ApiError, FieldProblem},
    label::{self, Labels},
};

/// A request below the API's base path.
#[derive(Debug)]
pub(crate) struct ApiRequest {
    pub(crate) method: Method,
    /// The path below `/v1`, for example `/networks/12`; `None` when it lies elsewhere.
    pub(crate) path: Option<String>,
    pub(crate) raw_path: String,
    pub(crate) raw_query: Option<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) token: Option<Token>,
    pub(crate) host: String,
    pub(crate) user_agent: Option<String>,
    pub(crate) body: Bytes,
}

/// A bearer token; its Debug output does not contain it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Token(pub(crate) String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The base path of the Cloud API.
pub(crate) const BASE_PATH: &str = "/v1";

impl ApiRequest {
    pub(crate) fn new(method: Method, uri: &Uri, headers: &HeaderMap, body: Bytes) -> Self {
        let text = |name| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let path = uri
            .path()
            .strip_prefix(BASE_PATH)
            .filter(|rest| rest.starts_with('/'));
        Self {
            method,
            path: path.map(str::to_owned),
            raw_path: uri.path().to_owned(),
            raw_query: uri.query().map(str::to_owned),
            query: Query::try_from_uri(uri)
                .map(|Query(pairs)| pairs)
                .unwrap_or_default(),
            token: text(header::AUTHORIZATION)
                .and_then(|value| {
                    value
                        .strip_prefix("Bearer ")
                        .map(|token| Token(token.trim().to_owned()))
                })
                .filter(|token| !token.0.is_empty()),
            host: text(header::HOST).unwrap_or_default(),
            user_agent: text(header::USER_AGENT),
            body,
        }
    }

    /// The values of a query key; array filters repeat the key.
    pub(crate) fn query(&self, key: &str) -> impl Iterator<Item = &str> {
        self.query
            .iter()
            .filter(move |(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// The JSON object in the body.
    pub(crate) fn fields(&self) -> Result<Fields, ApiError> {
        if self.body.is_empty() {
            return Err(ApiError::json("the request body must be a JSON object"));
        }
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(map)) => Ok(Fields::new(map, String::new())),
            Ok(_) => Err(ApiError::json("the request body must be a JSON object")),
            Err(error) => Err(ApiError::json(format!(
                "the request body is not JSON: {error}"
            ))),
        }
    }
}

impl ApiRequest {
    /// Like [`ApiRequest::fields`], for a body that may be missing.
    pub(crate) fn fields_or_none(&self) -> Result<Fields, ApiError> {
        if self.body.is_empty() {
            Ok(Fields::new(Map::new(), String::new()))
        } else {
            self.fields()
        }
    }
}

/// A JSON object that is read field by field. Unknown keys are ignored, `null` counts as absent.
#[derive(Debug)]
pub(crate) struct Fields {
    map: Map<String, Value>,
    prefix: String,
    problems: Vec<FieldProblem>,
}

impl Fields {
    const fn new(map: Map<String, Value>, prefix: String) -> Self {
        Self {
            map,
            prefix,
            problems: Vec::new(),
        }
    }

    /// Records that a field is refused.
    pub(crate) fn refuse(&mut self, name: &str, message: impl Into<String>) {
        self.problems.push(FieldProblem {
            name: format!("{}{name}", self.prefix),
            message: message.into(),
        });
    }

    /// True when a field is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(|value| !value.is_null())
    }

    /// A field that may be missing; `None` also when it has the wrong type, which is recorded.
    pub(crate) fn optional<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = self.map.get(name).filter(|value| !value.is_null())?;
        match T::deserialize(value) {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(name, format!("has the wrong type: {error}"));
                None
            }
        }
    }

    /// A field that must be there.
    pub(crate) fn required<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        if self.map.get(name).is_none_or(Value::is_null) {
            self.refuse(name, "is required");
            return None;
        }
        self.optional(name)
    }

    /// A required field that `parse` turns into a value or refuses with a message.
    pub(crate) fn parsed<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.required::<String>(name)?;
        parse(&text)
            .map_err(|message| self.refuse(name, message))
            .ok()
    }

    /// Like [`Fields::parsed`], for a field that may be missing.
    pub(crate) fn parsed_optional<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.optional::<String>(name)?;
        parse(&text)
            .map_err(|message| self.refuse(name, message))
            .ok()
    }

    /// A name: present means not empty.
    pub(crate) fn name(&mut self) -> Option<String> {
        let name = self.optional::<String>("name")?;
        if name.trim().is_empty() {
            self.refuse("name", "must not be empty");
            return None;
        }
        Some(name)
    }

    /// A name that must be there.
    pub(crate) fn required_name(&mut self) -> Option<String> {
        self.required::<Value>("name")?;
        self.name()
    }

    /// The labels, checked.
    pub(crate) fn labels(&mut self) -> Option<Labels> {
        let labels = self.optional::<Labels>("labels")?;
        for problem in label::problems(&labels) {
            self.refuse("labels", problem);
        }
        Some(labels)
    }

    /// The id or the name of something, as text.
    pub(crate) fn id_or_name(&mut self, name: &str) -> Option<String> {
        match self.optional::<Value>(name)? {
            Value::Number(id) if id.is_u64() => Some(id.to_string()),
            Value::String(text) if !text.is_empty() => Some(text),
            _ => {
                self.refuse(name, "must be an id or a name");
                None
            }
        }
    }

    /// The object in a field, read by `read`; problems are named `<name>.<field>`.
    pub(crate) fn nested<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let map = self.optional::<Map<String, Value>>(name)?;
        let mut fields = Self::new(map, format!("{}{name}.", self.prefix));
        let value = read(&mut fields);
        self.problems.append(&mut fields.problems);
        value
    }

    /// The objects of an array, each read by `read`; problems are named `<name>.<index>.<field>`.
    pub(crate) fn each<T>(
        &mut self,
        name: &str,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Vec<T> {
        let mut items = Vec::new();
        for (index, item) in self
            .optional::<Vec<Map<String, Value>>>(name)
            .unwrap_or_default()
            .into_iter()
            .enumerate()
        {
            let mut fields = Self::new(item, format!("{}{name}.{index}.", self.prefix));
            items.extend(read(&mut fields));
            self.problems.append(&mut fields.problems);
        }
        items
    }

    /// Refuses the request when any field was refused.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(ApiError::invalid_input(&self.problems))
        }
    }

    /// The value of a field that [`Fields::required`] or a sibling gave, or the refusal of the whole request.
    pub(crate) fn need<T>(&self, value: Option<T>) -> Result<T, ApiError> {
        self.check()?;
        value.ok_or_else(|| ApiError::json("the request body is incomplete"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: &'static str) -> ApiRequest {
        let uri = Uri::from_static("/v1/networks?id=1&id=2&name=a%20b");
        ApiRequest::new(
            Method::POST,
            &uri,
            &HeaderMap::new(),
            Bytes::from_static(body.as_bytes()),
        )
    }

    #[test]
    fn repeated_query_keys_are_all_read_and_decoded() {
        let request = request("");
        assert_eq!(request.query("id").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(request.query("name").collect::<Vec<_>>(), ["a b"]);
        assert_eq!(request.path.as_deref(), Some("/networks"));
    }

    #[test]
    fn a_body_that_is_not_an_object_is_a_json_error() {
        for body in ["", "{", "[]", "1"] {
            let error = request(body).fields().unwrap_err();
            assert_eq!(
                (error.status.as_u16(), &*error.code),
                (400, "json_error"),
                "{body:?}"
            );
        }
    }

    #[test]
    fn every_problem_of_a_body_is_reported_with_its_path() {
        let mut fields =
            request(r#"{"name": 5, "labels": {"-": "x"}, "subnets": [{"zone": "a"}, {}]}"#)
                .fields()
                .unwrap();
        assert_eq!(fields.name(), None);
        fields.labels();
        assert_eq!(fields.required::<String>("ip_range"), None);
        let zones = fields.each("subnets", |subnet| subnet.required::<String>("zone"));
        assert_eq!(zones, ["a"]);
        let names: Vec<&str> = fields
            .problems
            .iter()
            .map(|problem| problem.name.as_str())
            .collect();
        assert_eq!(names, ["name", "labels", "ip_range", "subnets.1.zone"]);
        assert_eq!(fields.check().unwrap_err().code, "invalid_input");
    }

    #[test]
    fn a_token_never_shows_in_debug_output() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::AUTHORIZATION,
            http::HeaderValue::from_static("Bearer hush"),
        );
        let request = ApiRequest::new(
            Method::GET,
            &Uri::from_static("/v1/x"),
            &headers,
            Bytes::new(),
        );
        assert_eq!(request.token, Some(Token("hush".to_owned())));
        assert!(!format!("{request:?}").contains("hush"));
    }
}
