//! Routes: a table of method, path and handler for each kind, and what a handler is given and gives back.

use http::{HeaderName, HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    action::{Action, ActionMode, NewAction, ResourceRef},
    api_date::ApiDate,
    collection::Id,
    error::ApiError,
    fault::ActionFault,
    project::Project,
    request::{ApiRequest, Fields},
    resource::{self, Kind, primary_ip::AddressPool},
};

/// A function that answers one call on the locked world.
pub(crate) type Handler = fn(&mut Call<'_>) -> Result<Reply, ApiError>;

/// One operation. In `path`, `{…id}` matches digits and any other `{…}` any segment.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) handler: Handler,
}

impl Route {
    pub(crate) const fn get(path: &'static str, handler: Handler) -> Self {
        Self {
            method: Method::GET,
            path,
            handler,
        }
    }

    pub(crate) const fn post(path: &'static str, handler: Handler) -> Self {
        Self {
            method: Method::POST,
            path,
            handler,
        }
    }

    pub(crate) const fn put(path: &'static str, handler: Handler) -> Self {
        Self {
            method: Method::PUT,
            path,
            handler,
        }
    }

    pub(crate) const fn delete(path: &'static str, handler: Handler) -> Self {
        Self {
            method: Method::DELETE,
            path,
            handler,
        }
    }
}

/// What a handler works on.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) kind: &'static Kind,
    pub(crate) project: &'a mut Project,
    pub(crate) request: &'a ApiRequest,
    pub(crate) parameters: &'a [(&'static str, String)],
    pub(crate) now: Timestamp,
    pub(crate) actions: ActionMode,
    pub(crate) api_date: ApiDate,
    pub(crate) addresses: AddressPool,
    pub(crate) faults: Vec<ActionFault>,
}

impl Call<'_> {
    /// The numeric path parameter `name`.
    pub(crate) fn id(&self, name: &str) -> Result<Id, ApiError> {
        let text = self
            .parameters
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value);
        text.and_then(|text| text.parse().ok())
            .ok_or_else(ApiError::unknown_path)
    }

    /// The JSON object in the body.
    pub(crate) fn fields(&self) -> Result<Fields, ApiError> {
        self.request.fields()
    }

    /// The JSON object in a body that may be missing.
    pub(crate) fn fields_or_none(&self) -> Result<Fields, ApiError> {
        self.request.fields_or_none()
    }

    /// Refuses one more object of this kind when the project has `existing` and may not have more.
    pub(crate) fn check_quota(&self, existing: usize) -> Result<(), ApiError> {
        self.project.quotas.check(self.kind.plural, existing)
    }

    /// Starts an action on the object `target` of this kind; `change` reaches the kind's `apply` when it succeeds. The
    /// reply carries the action, already finished when actions take no time.
    pub(crate) fn start_action(
        &mut self,
        command: &'static str,
        target: Id,
        change: Value,
    ) -> Reply {
        let target = ResourceRef::new(self.kind.name, target);
        let id = self.start(NewAction::new(command, target, change));
        let action = self.settled(id);
        Reply::json(StatusCode::CREATED, json!({ "action": action }))
    }

    /// Starts an action under the fault that is planned for it. It finishes when the world is next settled.
    pub(crate) fn start(&mut self, action: NewAction) -> Id {
        let mut faults = self.faults.iter();
        let fault = faults
            .position(|fault| fault.concerns(action.command))
            .map(|index| self.faults.remove(index));
        self.project
            .start_action(action, self.actions, fault, self.now)
    }

    /// The body of an action, which has finished when it takes no time.
    pub(crate) fn settled(&mut self, id: Id) -> Value {
        self.project.settle(self.now);
        let action = self.project.action(id).map(|action| action.body(self.now));
        action.unwrap_or_default()
    }

    /// Refuses while another action changes the object.
    pub(crate) fn check_idle(&self, target: Id) -> Result<(), ApiError> {
        match self.project.running_on(self.kind.name, target) {
            None => Ok(()),
            Some(Action { command, id, .. }) => Err(ApiError::conflict(format!(
                "{} {target} is being changed by action {id} ({command})",
                self.kind.name.replace('_', " ")
            ))),
        }
    }
}

/// An answer before it is written.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Option<Value>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) pretty: bool,
}

impl Reply {
    pub(crate) const fn json(status: StatusCode, body: Value) -> Self {
        Self {
            status,
            body: Some(body),
            headers: Vec::new(),
            pretty: false,
        }
    }

    pub(crate) const fn no_content() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: None,
            headers: Vec::new(),
            pretty: false,
        }
    }
}

impl From<ApiError> for Reply {
    fn from(error: ApiError) -> Self {
        Self {
            pretty: error.pretty,
            ..Self::json(error.status, error.body())
        }
    }
}

/// All routes of all kinds.
#[derive(Debug)]
pub(crate) struct Router(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    kind: &'static Kind,
    method: Method,
    segments: Vec<Segment>,
    handler: Handler,
}

#[derive(Debug)]
enum Segment {
    Fixed(&'static str),
    Number(&'static str),
    Any(&'static str),
}

/// A call whose path and method are known.
#[derive(Clone, Debug)]
pub(crate) struct Matched {
    pub(crate) kind: &'static Kind,
    pub(crate) handler: Handler,
    pub(crate) parameters: Vec<(&'static str, String)>,
}

/// What the router knows of a method and path.
#[derive(Debug)]
pub(crate) enum Lookup {
    UnknownPath,
    WrongMethod,
    Found(Matched),
}

impl Router {
    pub(crate) fn new() -> Self {
        let mut entries = Vec::new();
        for kind in resource::KINDS {
            let shared: &[Route] = match kind.changes {
                Some(_) => resource::action::ROUTES_OF_A_KIND,
                None => &[],
            };
            let shared = shared.iter().map(|route| (Some(kind.plural), route));
            for (prefix, route) in shared.chain(kind.routes.iter().map(|route| (None, route))) {
                let path = prefix.into_iter().chain(segments(route.path));
                let segments = path.map(Segment::parse).collect();
                entries.push(Entry {
                    kind,
                    method: route.method.clone(),
                    segments,
                    handler: route.handler,
                });
            }
        }
        Self(entries)
    }

    pub(crate) fn lookup(&self, method: &Method, path: &str) -> Lookup {
        let mut result = Lookup::UnknownPath;
        for entry in &self.0 {
            let Some(parameters) = entry.parameters(path) else {
                continue;
            };
            if entry.method == *method {
                return Lookup::Found(Matched {
                    kind: entry.kind,
                    handler: entry.handler,
                    parameters,
                });
            }
            result = Lookup::WrongMethod;
        }
        result
    }
}

impl Entry {
    fn parameters(&self, path: &str) -> Option<Vec<(&'static str, String)>> {
        let given: Vec<&str> = segments(path).collect();
        if given.len() != self.segments.len() {
            return None;
        }
        let mut parameters = Vec::new();
        for (segment, text) in self.segments.iter().zip(given) {
            match segment {
                Segment::Fixed(fixed) if *fixed == text => {}
                Segment::Number(name) if text.bytes().all(|b| b.is_ascii_digit()) => {
                    parameters.push((*name, text.to_owned()));
                }
                Segment::Any(name) => parameters.push((*name, text.to_owned())),
                Segment::Fixed(_) | Segment::Number(_) => return None,
            }
        }
        Some(parameters)
    }
}

impl Segment {
    fn parse(text: &'static str) -> Self {
        match text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
        {
            None => Self::Fixed(text),
            Some(name) if name.ends_with("id") => Self::Number(name),
            Some(name) => Self::Any(name),
        }
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_methods_are_told_apart() {
        let router = Router::new();
        let kind_of = |method, path| match router.lookup(&method, path) {
            Lookup::UnknownPath => "unknown path".to_owned(),
            Lookup::WrongMethod => "wrong method".to_owned(),
            Lookup::Found(matched) => format!("{} {:?}", matched.kind.plural, matched.parameters),
        };
        let table = [
            (Method::GET, "/networks", "networks []"),
            (Method::GET, "/networks/7", r#"networks [("id", "7")]"#),
            (Method::GET, "/networks/seven", "unknown path"),
            (Method::GET, "/networks/actions", "networks []"),
            (
                Method::GET,
                "/networks/7/actions/8",
                r#"networks [("id", "7"), ("action_id", "8")]"#,
            ),
            (Method::PATCH, "/networks/7", "wrong method"),
            (Method::POST, "/locations", "wrong method"),
            (Method::GET, "/datacentres", "unknown path"),
        ];
        for (method, path, expected) in table {
            assert_eq!(kind_of(method, path), expected, "{path}");
        }
    }
}
