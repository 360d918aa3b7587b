//! The whole tree of a claim without a cluster: what Crossplane would compose once
//! everything exists.

use std::collections::BTreeMap;

use crossplane_proto::v1;
use serde_json::{Map, Value, json};

use crate::claim::API_VERSION;
use crate::environment::Environment;
use crate::name;
use crate::respond::Ttl;
use crate::run;
use crate::structpb::{decode, encode};
use crate::xrd::KINDS;

/// An object and what it composes.
#[derive(Debug)]
pub struct Node {
    /// Key of the object within its parent; empty for the root.
    pub key: String,
    /// The object.
    pub object: Map<String, Value>,
    /// What it composes, in the order of the keys.
    pub children: Vec<Self>,
}

/// Why a claim cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not YAML.
    #[error("the file is not YAML")]
    Yaml(#[source] serde_saphyr::Error),
    /// A document is not a claim or composite resource of ours.
    #[error(
        "document {index}: {api_version} {kind} is not ours: {} can be rendered",
        kinds()
    )]
    Foreign {
        /// Number of the document, from 1.
        index: usize,
        /// What it says it is.
        api_version: String,
        /// What it says it is.
        kind: String,
    },
    /// The function refuses it.
    #[error("{kind} {name}: {message}")]
    Refused {
        /// Kind of the composite.
        kind: String,
        /// Name of the composite.
        name: String,
        /// What the function says.
        message: String,
    },
    /// The function gives another answer each time.
    #[error("{kind} {name}: does not settle")]
    Unsettled {
        /// Kind of the composite.
        kind: String,
        /// Name of the composite.
        name: String,
    },
}

fn kinds() -> String {
    let mut names: Vec<&str> = Vec::new();
    for kind in &KINDS {
        names.extend(kind.claim.map(|(claim, _)| claim));
        names.push(kind.kind);
    }
    names.join(", ")
}

/// Renders every document of a YAML stream.
///
/// # Errors
///
/// When a document cannot be read, is not ours, or is refused.
pub fn render(yaml: &str) -> Result<Vec<Node>, Error> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).map_err(Error::Yaml)?;
    documents
        .into_iter()
        .enumerate()
        .filter(|(_, document)| !document.is_null())
        .map(|(index, document)| {
            let composite = composite(index + 1, document)?;
            compose(String::new(), composite)
        })
        .collect()
}

/// The composite resource of a claim; a composite resource stays what it is.
fn composite(index: usize, document: Value) -> Result<Map<String, Value>, Error> {
    let text = |path: &str| {
        document
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (api_version, kind) = (text("/apiVersion"), text("/kind"));
    let (claim, namespace) = (text("/metadata/name"), text("/metadata/namespace"));
    let foreign = || Error::Foreign {
        index,
        api_version: api_version.clone(),
        kind: kind.clone(),
    };
    let known = KINDS
        .iter()
        .find(|known| known.kind == kind || known.claim.is_some_and(|(claim, _)| claim == kind))
        .filter(|_| api_version == API_VERSION)
        .ok_or_else(foreign)?;
    let Value::Object(mut object) = document else {
        return Err(foreign());
    };
    let namespace = if namespace.is_empty() {
        "default".to_owned()
    } else {
        namespace
    };
    if known.kind == kind {
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("namespace".to_owned(), json!(namespace));
        }
        return Ok(object);
    }
    // Crossplane adds five random characters to the claim's name.
    let name = format!("{claim}-{}", &name::hash(&[claim.as_str()])[..5]);
    let mut spec = match object.remove("spec") {
        Some(Value::Object(spec)) => spec,
        _ => Map::new(),
    };
    spec.insert(
        "claimRef".to_owned(),
        json!({"apiVersion": API_VERSION, "kind": kind, "namespace": namespace, "name": claim}),
    );
    let mut composite = Map::new();
    composite.insert("apiVersion".to_owned(), json!(API_VERSION));
    composite.insert("kind".to_owned(), json!(known.kind));
    composite.insert("metadata".to_owned(), json!({"name": name}));
    composite.insert("spec".to_owned(), Value::Object(spec));
    Ok(composite)
}

/// Composes an object and all below it. An object that is no composite of ours is a
/// leaf.
fn compose(key: String, mut object: Map<String, Value>) -> Result<Node, Error> {
    conceal(&mut object);
    let of_ours = object.get("apiVersion").and_then(Value::as_str) == Some(API_VERSION);
    let children = if of_ours {
        settle(&object)?
    } else {
        BTreeMap::new()
    };
    let children = children
        .into_iter()
        .map(|(key, object)| compose(key, object))
        .collect::<Result<_, _>>()?;
    Ok(Node {
        key,
        object,
        children,
    })
}

/// Empties the values of a Secret: they are made of entropy that everybody knows, and
/// nobody shall take them for secrets.
fn conceal(object: &mut Map<String, Value>) {
    if object.get("kind").and_then(Value::as_str) != Some("Secret") {
        return;
    }
    let data = object.get_mut("data").and_then(Value::as_object_mut);
    for value in data.into_iter().flat_map(Map::values_mut) {
        *value = json!("");
    }
}

/// More calls than any composite needs to show all of its objects.
const CALLS: usize = 10;

/// Calls the function with its own answer as observed state until nothing is added.
fn settle(composite: &Map<String, Value>) -> Result<BTreeMap<String, Map<String, Value>>, Error> {
    let mut observed = BTreeMap::new();
    for _ in 0..CALLS {
        let desired = call(composite, observed.clone())?;
        if desired.len() == observed.len() {
            return Ok(desired
                .into_iter()
                .filter_map(|(key, resource)| Some((key, decode(&resource.resource).ok()?)))
                .collect());
        }
        observed = desired;
    }
    let (kind, name) = identity(composite);
    Err(Error::Unsettled { kind, name })
}

fn call(
    composite: &Map<String, Value>,
    observed: BTreeMap<String, v1::Resource>,
) -> Result<BTreeMap<String, v1::Resource>, Error> {
    let refused = |message: String| {
        let (kind, name) = identity(composite);
        Error::Refused {
            kind,
            name,
            message,
        }
    };
    let request = v1::RunFunctionRequest {
        observed: Some(v1::State {
            composite: Some(v1::Resource {
                resource: encode(composite).into(),
                ..v1::Resource::default()
            }),
            resources: observed,
        }),
        ..v1::RunFunctionRequest::default()
    };
    let environment = Environment::reproducible();
    let response = run::run(request, Ttl::default(), &environment)
        .map_err(|error| refused(error.to_string()))?;
    let fatal = response
        .results
        .into_iter()
        .find(|result| result.severity() == v1::Severity::Fatal);
    if let Some(fatal) = fatal {
        return Err(refused(fatal.message));
    }
    Ok(response.desired.unwrap_or_default().resources)
}

fn identity(object: &Map<String, Value>) -> (String, String) {
    let kind = object.get("kind").and_then(Value::as_str);
    let name = object
        .get("metadata")
        .and_then(|metadata| metadata.get("name"))
        .and_then(Value::as_str);
    (
        kind.unwrap_or("?").to_owned(),
        name.unwrap_or("?").to_owned(),
    )
}

/// The trees as a stream of YAML documents, parents first.
///
/// # Errors
///
/// When an object cannot be written as YAML.
pub fn yaml(nodes: &[Node]) -> Result<String, serde_saphyr::ser::Error> {
    let mut text = String::new();
    for node in nodes {
        write_yaml(&mut text, node)?;
    }
    Ok(text)
}

fn write_yaml(text: &mut String, node: &Node) -> Result<(), serde_saphyr::ser::Error> {
    text.push_str("---\n");
    text.push_str(&serde_saphyr::to_string(&node.object)?);
    node.children
        .iter()
        .try_for_each(|child| write_yaml(text, child))
}

/// The trees with one line for each object.
pub fn tree(nodes: &[Node]) -> String {
    let mut text = String::new();
    for node in nodes {
        write_tree(&mut text, node, "", "");
    }
    text
}

fn write_tree(text: &mut String, node: &Node, first: &str, rest: &str) {
    let (kind, name) = identity(&node.object);
    text.push_str(&format!("{first}{kind}/{name}\n"));
    for (index, child) in node.children.iter().enumerate() {
        let last = index + 1 == node.children.len();
        let (branch, below) = if last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        write_tree(
            text,
            child,
            &format!("{rest}{branch}"),
            &format!("{rest}{below}"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIM: &str = "
apiVersion: compose.openova.io/v1alpha1
kind: Platform
metadata: {name: demo, namespace: team}
spec:
  regions:
  - {name: fsn, location: fsn1}
  - {name: hel, location: hel1}
";

    #[test]
    fn a_claim_renders_its_whole_tree() {
        let nodes = render(CLAIM).unwrap();
        let name = identity(&nodes[0].object).1;
        assert_eq!(
            tree(&nodes),
            format!(
                "XPlatform/{name}\n\
                 ├─ Usage/demo-protection\n\
                 ├─ XRegion/demo-fsn\n\
                 │  └─ Network/demo-fsn\n\
                 └─ XRegion/demo-hel\n   \
                    └─ Network/demo-hel\n"
            )
        );
        let stream = yaml(&nodes).unwrap();
        let documents: Vec<Value> = serde_saphyr::from_multiple(&stream).unwrap();
        assert_eq!(documents.len(), 6);
        assert_eq!(
            documents[3]["spec"]["forProvider"]["ipRange"],
            "10.0.0.0/16"
        );
        assert_eq!(
            documents[5]["spec"]["forProvider"]["ipRange"],
            "10.1.0.0/16"
        );
    }

    #[test]
    fn a_refused_claim_names_the_object_and_the_field() {
        let claim = CLAIM.replace("{name: hel, location: hel1}", "{name: hel, locatoin: hel1}");
        let error = render(&claim).unwrap_err().to_string();
        assert!(error.starts_with("XPlatform demo-"), "{error}");
        assert!(error.contains("spec.regions[1]"), "{error}");
        assert!(error.contains("locatoin"), "{error}");
    }

    #[test]
    fn every_example_renders() {
        let examples = [
            include_str!("../../examples/platform.yaml"),
            include_str!("../../examples/platform-byo.yaml"),
            include_str!("../../examples/platform-ha.yaml"),
            include_str!("../../examples/platform-pinned.yaml"),
            include_str!("../../examples/platform-single-node.yaml"),
            include_str!("../../examples/region.yaml"),
            include_str!("../../examples/cluster.yaml"),
            include_str!("../../examples/node-pool.yaml"),
            include_str!("../../examples/node-group.yaml"),
            include_str!("../../examples/load-balancer.yaml"),
        ];
        for example in examples {
            let nodes = render(example).unwrap();
            assert!(
                nodes.iter().all(|node| !node.children.is_empty()),
                "{example}"
            );
        }
    }

    #[test]
    fn secrets_are_shown_without_their_values() {
        let nodes = render(include_str!("../../examples/cluster.yaml")).unwrap();
        let secrets = nodes[0].children.iter().map(|child| &child.object);
        let secrets: Vec<_> = secrets.filter(|it| it["kind"] == "Secret").collect();
        assert!(secrets.len() > 1);
        for secret in secrets {
            let data = secret["data"].as_object().unwrap();
            assert!(!data.is_empty() && data.values().all(|value| value == ""));
        }
    }

    #[test]
    fn a_foreign_document_is_refused() {
        let error = render("apiVersion: v1\nkind: Secret").unwrap_err();
        assert_eq!(
            error.to_string(),
            "document 1: v1 Secret is not ours: Platform, XPlatform, XRegion, XCluster, XNodePool, XNodeGroup, XLoadBalancer can be rendered"
        );
    }
}
