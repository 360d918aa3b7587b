//! What was there before: an earlier claim, or an earlier rendering.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::{self, Claims, Document, Object, composite, identity, is_composite, text};
use super::error::{Error, KEY, OWNER};
use super::facts::Facts;
use super::node::Node;
use super::world::World;
use crate::structpb::encode;

/// What was there before.
#[derive(Debug)]
pub struct Before(Source);

#[derive(Debug)]
enum Source {
    Claims(Claims),
    Rendering(Vec<Recorded>),
}

/// An object of an earlier rendering, and what it composed.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) key: String,
    pub(super) object: Object,
    pub(super) children: Vec<Self>,
}

impl Before {
    /// Reads a YAML stream: claims, or what was rendered from them as YAML.
    ///
    /// # Errors
    ///
    /// When a document cannot be read, or does not belong there.
    pub fn read(yaml: &str) -> Result<Self, Error> {
        let documents = document::read(yaml)?;
        let is_rendering = documents.iter().any(|document| document.key().is_some());
        Ok(Self(if is_rendering {
            Source::Rendering(trees(documents)?)
        } else {
            Source::Claims(Claims::of(documents)?)
        }))
    }

    /// The world in which it exists, and what there is in it. The objects of an earlier
    /// rendering are those of the file, whatever this version of the function would make
    /// of them.
    ///
    /// # Errors
    ///
    /// When the function refuses it.
    pub fn world<'a>(&self, facts: &'a Facts) -> Result<(World<'a>, Vec<Node>), Error> {
        match &self.0 {
            Source::Claims(claims) => {
                let mut world = World::new(facts);
                world.apply(claims)?;
                let nodes = world.nodes();
                Ok((world, nodes))
            }
            Source::Rendering(recorded) => {
                let world = World::of(recorded, facts)?;
                let nodes = world.nodes();
                let nodes = Node::all(&nodes).into_iter();
                let statuses = nodes.map(|node| (identity(&node.object), &node.status));
                let statuses = statuses.collect();
                let nodes = recorded.iter().map(|recorded| recorded.node(&statuses));
                let nodes = nodes.collect();
                Ok((world, nodes))
            }
        }
    }
}

impl Recorded {
    fn node(&self, statuses: &BTreeMap<[&str; 3], &Object>) -> Node {
        let status = statuses.get(&identity(&self.object));
        let children = self.children.iter();
        Node::new(
            self.key.clone(),
            self.object.clone(),
            status.map(|status| (*status).clone()).unwrap_or_default(),
            encode(&self.object).into(),
            children.map(|child| child.node(statuses)).collect(),
        )
    }
}

/// The trees of a rendering: parents come first, and what an object composes follows it.
fn trees(documents: Vec<Document>) -> Result<Vec<Recorded>, Error> {
    let mut roots = Vec::new();
    // The way from a root to the last object.
    let mut path: Vec<Recorded> = Vec::new();
    for document in documents {
        let Some(key) = document.key().map(ToOwned::to_owned) else {
            let root = composite(document)?;
            close(&mut path, 0, &mut roots);
            path.push(Recorded {
                key: String::new(),
                object: root,
                children: Vec::new(),
            });
            continue;
        };
        let owner = text(&document.object, &["metadata", "labels", OWNER]).to_owned();
        let is_owner =
            |object: &Object| is_composite(object) && text(object, &["metadata", "name"]) == owner;
        let Some(depth) = path.iter().rposition(|parent| is_owner(&parent.object)) else {
            return Err(Error::Orphan {
                kind: document.kind(),
                name: document.name(),
                place: document.place,
                owner,
            });
        };
        close(&mut path, depth + 1, &mut roots);
        path.push(Recorded {
            key,
            object: plain(document.object),
            children: Vec::new(),
        });
    }
    close(&mut path, 0, &mut roots);
    Ok(roots)
}

/// Shortens the path: what is cut off becomes a child of what remains, or a root.
fn close(path: &mut Vec<Recorded>, length: usize, roots: &mut Vec<Recorded>) {
    while path.len() > length {
        let Some(last) = path.pop() else { return };
        match path.last_mut() {
            Some(parent) => parent.children.push(last),
            None => roots.push(last),
        }
    }
}

/// An object without what its composite added to it.
fn plain(mut object: Object) -> Object {
    object.remove("status");
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for (part, key) in [("annotations", KEY), ("labels", OWNER)] {
            let Some(entries) = metadata.get_mut(part).and_then(Value::as_object_mut) else {
                continue;
            };
            entries.remove(key);
            if entries.is_empty() {
                metadata.remove(part);
            }
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLATFORM: &str = "
apiVersion: compose.openova.io/v1alpha1
kind: XPlatform
metadata: {name: p, namespace: team}
spec: {regions: []}
";

    fn composed(kind: &str, name: &str, owner: &str, key: &str) -> String {
        let group = if kind.starts_with('X') {
            "compose"
        } else {
            "hcloud"
        };
        format!(
            "---\napiVersion: {group}.openova.io/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\n  labels: {{crossplane.io/composite: {owner}, other: kept}}\n  annotations: {{crossplane.io/composition-resource-name: {key}}}\n"
        )
    }

    /// Kinds and names, each child in brackets behind its parent.
    fn outline(trees: &[Recorded]) -> String {
        let trees = trees.iter().map(|tree| {
            let name = text(&tree.object, &["metadata", "name"]);
            format!("{} {name}({})", tree.key, outline(&tree.children))
        });
        trees.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_tree_of_a_rendering_follows_from_its_order_and_labels() {
        // A cluster and a load balancer may have one name.
        let stream = PLATFORM.to_owned()
            + &composed("XRegion", "p-a", "p", "region-a")
            + &composed("XCluster", "p-a-x", "p-a", "cluster-x")
            + &composed("XNodePool", "p-a-x-cp", "p-a-x", "pool-cp")
            + &composed("XLoadBalancer", "p-a-x", "p-a", "load-balancer-x")
            + &composed("LoadBalancer", "p-a-x", "p-a-x", "load-balancer")
            + &composed("LoadBalancerNetwork", "p-a-x", "p-a-x", "network")
            + &composed("XRegion", "p-b", "p", "region-b");
        let trees = trees(document::read(&stream).unwrap()).unwrap();
        assert_eq!(
            outline(&trees),
            " p(region-a p-a(cluster-x p-a-x(pool-cp p-a-x-cp()) load-balancer-x p-a-x(load-balancer p-a-x() network p-a-x())) region-b p-b())"
        );
        let metadata = &trees[0].children[0].object["metadata"];
        assert_eq!(
            metadata,
            &serde_json::json!({"name": "p-a", "labels": {"other": "kept"}})
        );
    }

    #[test]
    fn an_object_without_its_owner_is_refused() {
        let stream = PLATFORM.to_owned() + &composed("XCluster", "p-a-x", "p-a", "cluster-x");
        let error = Before::read(&stream).unwrap_err();
        assert_eq!(
            error.to_string(),
            "document 2: XCluster p-a-x is composed by \"p-a\", which does not come before it: give the earlier rendering as it was printed, or the earlier claim"
        );
    }
}
