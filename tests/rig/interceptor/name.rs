//! Names of calls, the same ones in every run: without ids, UIDs and versions.

use std::fmt;

use http::{Method, Uri};

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Server {
    /// The API server.
    Kubernetes,
    /// The cloud's API.
    Cloud,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// Who is asked.
    pub server: Server,
    /// The HTTP method, or `LIST` or `WATCH`.
    pub verb: String,
    /// What it is about: for Kubernetes `<plural>`, `<plural>/<name>` or `<plural>/<name>/<subresource>`, for the cloud the
    /// path with `*` for ids. A selector follows after `?`.
    pub path: String,
}

impl Call {
    /// Whether the call asks for a change.
    pub fn changes(&self) -> bool {
        !matches!(self.verb.as_str(), "GET" | "LIST" | "WATCH")
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, verb, path } = self;
        let server = match server {
            Server::Kubernetes => "Kubernetes",
            Server::Cloud => "cloud",
        };
        write!(f, "{server} {verb} {path}")
    }
}

/// The version below which the cloud is found.
const CLOUD: &str = "/v1";

/// A request, understood.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) call: Call,
    /// For the API server: the resource that is asked for, without a name.
    pub(super) collection: Option<Collection>,
}

/// A resource of the API server.
#[derive(Debug)]
pub(super) struct Collection {
    pub(super) group: String,
    pub(super) plural: String,
    pub(super) namespaced: bool,
    /// The field selector, decoded.
    pub(super) fields: Option<String>,
}

pub(super) fn name(method: &Method, uri: &Uri) -> Named {
    let path = uri.path();
    match path.strip_prefix(CLOUD) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => Named {
            call: cloud(method, rest, uri.query()),
            collection: None,
        },
        _ => kubernetes(method, path, uri.query()),
    }
}

fn cloud(method: &Method, path: &str, query: Option<&str>) -> Call {
    let is_id = |segment: &str| !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_digit());
    let segments: Vec<_> = path
        .split('/')
        .map(|segment| if is_id(segment) { "*" } else { segment })
        .collect();
    let mut path = segments.join("/");
    let mut keys: Vec<_> = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter_map(|pair| pair.split('=').next())
        .filter(|key| !matches!(*key, "page" | "per_page" | "sort"))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    if !keys.is_empty() {
        path = format!("{path}?{}", keys.join("&"));
    }
    Call {
        server: Server::Cloud,
        verb: method.to_string(),
        path,
    }
}

fn kubernetes(method: &Method, path: &str, query: Option<&str>) -> Named {
    let mut segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    let group = if segments.first() == Some(&"apis") {
        segments.drain(..segments.len().min(1));
        let group = segments.first().copied().unwrap_or_default().to_owned();
        segments.drain(..segments.len().min(2));
        group
    } else {
        segments.drain(..segments.len().min(2));
        String::new()
    };
    let namespaced = segments.first() == Some(&"namespaces") && segments.len() > 2;
    if namespaced {
        segments.drain(..2);
    }
    let parameter = |name: &str| {
        let pairs = query.into_iter().flat_map(|query| query.split('&'));
        let mut values = pairs.filter_map(|pair| pair.split_once('='));
        let (_, value) = values.find(|(key, _)| *key == name)?;
        Some(value.replace("%3D", "="))
    };
    let plural = segments.first().copied().unwrap_or_default().to_owned();
    let is_collection = segments.len() == 1;
    let fields = parameter("fieldSelector");
    let verb = match (method, parameter("watch").is_some(), is_collection) {
        (&Method::GET, true, _) => "WATCH".to_owned(),
        (&Method::GET, false, true) => "LIST".to_owned(),
        _ => method.to_string(),
    };
    // Their names are made by chance or by the API server.
    if matches!(plural.as_str(), "events" | "providerconfigusages")
        && let Some(name) = segments.get_mut(1)
    {
        *name = "*";
    }
    let mut path = segments.join("/");
    if let Some(fields) = &fields {
        path = format!("{path}?{fields}");
    }
    Named {
        call: Call {
            server: Server::Kubernetes,
            verb,
            path,
        },
        collection: is_collection.then_some(Collection {
            group,
            plural,
            namespaced,
            fields,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_free_of_what_differs_from_run_to_run() {
        for (method, uri, expected) in [
            (
                "GET",
                "/v1/networks?page=1&per_page=50",
                "cloud GET /networks",
            ),
            (
                "GET",
                "/v1/networks?label_selector=a%3D%3Db&page=1",
                "cloud GET /networks?label_selector",
            ),
            (
                "POST",
                "/v1/networks/4711/actions/add_subnet",
                "cloud POST /networks/*/actions/add_subnet",
            ),
            (
                "GET",
                "/apis/hcloud.openova.io/v1alpha1/networks?limit=500",
                "Kubernetes LIST networks",
            ),
            (
                "GET",
                "/apis/hcloud.openova.io/v1alpha1/networks?watch=true&resourceVersion=7",
                "Kubernetes WATCH networks",
            ),
            (
                "PUT",
                "/apis/hcloud.openova.io/v1alpha1/namespaces/team/networks/shop/status",
                "Kubernetes PUT networks/shop/status",
            ),
            (
                "GET",
                "/api/v1/namespaces/team/secrets?fieldSelector=metadata.name%3Dhcloud",
                "Kubernetes LIST secrets?metadata.name=hcloud",
            ),
            (
                "PATCH",
                "/api/v1/namespaces/team/events/shop.x7",
                "Kubernetes PATCH events/*",
            ),
        ] {
            let named = name(&method.parse().unwrap(), &uri.parse().unwrap());
            assert_eq!(named.call.to_string(), expected, "{uri}");
        }
    }
}
