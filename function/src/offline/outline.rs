//! Trees as YAML, and with one line for each object.

use serde_json::{Value, json};

use super::document::Object;
use super::error::{KEY, OWNER};
use super::node::Node;

/// The trees as a stream of YAML documents, parents first. Composed objects carry the
/// annotation and the label by which Crossplane knows what they belong to, so that the
/// trees can be found again in the stream.
///
/// # Errors
///
/// When an object cannot be written as YAML.
pub fn yaml(nodes: &[Node]) -> Result<String, serde_saphyr::ser::Error> {
    let mut text = String::new();
    for node in nodes {
        write_yaml(&mut text, node, None)?;
    }
    Ok(text)
}

fn write_yaml(
    text: &mut String,
    node: &Node,
    owner: Option<&Node>,
) -> Result<(), serde_saphyr::ser::Error> {
    text.push_str("---\n");
    text.push_str(&match owner {
        None => serde_saphyr::to_string(&node.object)?,
        Some(owner) => serde_saphyr::to_string(&composed(node, owner))?,
    });
    node.children
        .iter()
        .try_for_each(|child| write_yaml(text, child, Some(node)))
}

fn composed(node: &Node, owner: &Node) -> Object {
    let mut object = node.object.clone();
    let metadata = object.entry("metadata").or_insert_with(|| json!({}));
    let entries = [
        ("annotations", KEY, node.key.as_str()),
        ("labels", OWNER, owner.name()),
    ];
    for (part, key, value) in entries {
        if metadata.get(part).is_none_or(Value::is_null) {
            metadata[part] = json!({});
        }
        metadata[part][key] = json!(value);
    }
    object
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
    text.push_str(&format!("{first}{}/{}\n", node.kind(), node.name()));
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
