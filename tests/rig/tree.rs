//! The tree of a claim: the composite resource, what it composes, and so on down.

use std::fmt::Write;

use anyhow::{Context, Result};
use kube::api::DynamicObject;
use kube::core::TypeMeta;
use kube::{Client, ResourceExt};
use serde_json::Value;

use crate::apply::api_of;

/// An object of the tree and what it composes.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Status of the condition `Synced`, if there is one.
    pub synced: Option<String>,
    /// Status of the condition `Ready`, if there is one. Secrets and config maps have none: they are ready when they exist.
    pub ready: Option<String>,
    /// What hinders it, for a person.
    pub message: String,
    /// What it composes.
    pub children: Vec<Self>,
}

impl Node {
    /// Whether this object and everything below is ready.
    pub fn is_ready(&self) -> bool {
        self.ready.as_deref() == Some("True") && self.children.iter().all(Self::is_ready)
    }

    /// A line for each object, indented, with what hinders it.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for (depth, node) in self.flattened() {
            let state = |state: &Option<String>| state.clone().unwrap_or_else(|| "?".to_owned());
            let _ = writeln!(
                text,
                "{:indent$}{} {} synced={} ready={} {}",
                "",
                node.kind,
                node.name,
                state(&node.synced),
                state(&node.ready),
                node.message,
                indent = 2 * depth,
            );
        }
        text
    }

    /// The object and all below it, parents first, each with its depth.
    pub fn flattened(&self) -> Vec<(usize, &Self)> {
        fn add<'a>(node: &'a Node, depth: usize, into: &mut Vec<(usize, &'a Node)>) {
            into.push((depth, node));
            for child in &node.children {
                add(child, depth + 1, into);
            }
        }
        let mut nodes = Vec::new();
        add(self, 0, &mut nodes);
        nodes
    }
}

/// Reads the tree under an object; `None` when the object does not exist.
///
/// # Errors
///
/// When the API server cannot be asked.
pub async fn read(
    client: &Client,
    types: &TypeMeta,
    namespace: Option<&str>,
    name: &str,
) -> Result<Option<Node>> {
    let api = api_of(client, types, namespace).await?;
    let Some(object) = api
        .get_opt(name)
        .await
        .with_context(|| format!("read {} {name}", types.kind))?
    else {
        return Ok(None);
    };
    let mut children = Vec::new();
    for reference in references(&object) {
        let child = Box::pin(read(
            client,
            &reference.types,
            reference.namespace.as_deref().or(namespace),
            &reference.name,
        ));
        children.extend(child.await?);
    }
    children.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
    Ok(Some(node(types, &object, children)))
}

struct Reference {
    types: TypeMeta,
    namespace: Option<String>,
    name: String,
}

/// What an object refers to: a claim to its composite, a composite to what it composes.
fn references(object: &DynamicObject) -> Vec<Reference> {
    let spec = &object.data["spec"];
    let lists = [&spec["resourceRefs"], &spec["crossplane"]["resourceRefs"]];
    let listed = lists.into_iter().filter_map(Value::as_array).flatten();
    let single = Some(&spec["resourceRef"]).filter(|reference| reference.is_object());
    listed.chain(single).filter_map(reference).collect()
}

fn reference(reference: &Value) -> Option<Reference> {
    let text = |field: &str| reference[field].as_str().map(ToOwned::to_owned);
    Some(Reference {
        types: TypeMeta {
            api_version: text("apiVersion")?,
            kind: text("kind")?,
        },
        namespace: text("namespace"),
        name: text("name")?,
    })
}

fn node(types: &TypeMeta, object: &DynamicObject, children: Vec<Node>) -> Node {
    let conditions = object.data["status"]["conditions"].as_array();
    let conditions: Vec<&Value> = conditions.into_iter().flatten().collect();
    let status = |kind: &str| {
        let found = conditions
            .iter()
            .find(|condition| condition["type"] == kind)?;
        Some(found["status"].as_str()?.to_owned())
    };
    // The most telling one first: a spec that is refused, then a failed reconcile.
    let message = ["Valid", "Synced", "InfrastructureReady", "Ready"]
        .iter()
        .filter_map(|kind| {
            let found = conditions
                .iter()
                .find(|condition| condition["type"] == *kind)?;
            (found["status"] == "False").then(|| found["message"].as_str().unwrap_or_default())
        })
        .find(|message| !message.is_empty());
    let exists = (types.api_version == "v1").then(|| "True".to_owned());
    Node {
        kind: types.kind.clone(),
        name: object.name_any(),
        synced: status("Synced"),
        ready: status("Ready").or(exists),
        message: message.unwrap_or_default().to_owned(),
        children,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(object: Value) -> Node {
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let types = object.types.clone().unwrap();
        node(&types, &object, Vec::new())
    }

    #[test]
    fn a_secret_is_ready_when_it_exists_and_a_network_when_it_says_so() {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}});
        assert!(read(secret).is_ready());
        let mut network = json!({
            "apiVersion": "hcloud.openova.io/v1alpha1",
            "kind": "Network",
            "metadata": {"name": "a"},
        });
        assert!(!read(network.clone()).is_ready());
        network["status"] = json!({"conditions": [{"type": "Ready", "status": "True"}]});
        assert!(read(network).is_ready());
    }
}
