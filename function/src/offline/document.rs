//! Documents of a YAML stream, and the composite resources that people wrote into it.

use serde_json::{Map, Value, json};

use super::error::{Error, KEY};
use crate::claim::API_VERSION;
use crate::name;
use crate::xrd::KINDS;

/// An object.
pub(super) type Object = Map<String, Value>;

/// An object of a file.
#[derive(Debug)]
pub(super) struct Document {
    /// Where it is, for messages.
    pub(super) place: String,
    pub(super) object: Object,
}

impl Document {
    pub(super) fn api_version(&self) -> String {
        text(&self.object, &["apiVersion"]).to_owned()
    }

    pub(super) fn kind(&self) -> String {
        text(&self.object, &["kind"]).to_owned()
    }

    pub(super) fn name(&self) -> String {
        text(&self.object, &["metadata", "name"]).to_owned()
    }

    /// Key of the object within its composite, for an object that is composed.
    pub(super) fn key(&self) -> Option<&str> {
        Some(text(&self.object, &["metadata", "annotations", KEY])).filter(|key| !key.is_empty())
    }
}

/// The text at a path, empty where there is none.
pub(super) fn text<'a>(object: &'a Object, path: &[&str]) -> &'a str {
    let Some((first, rest)) = path.split_first() else {
        return "";
    };
    let value = rest
        .iter()
        .try_fold(object.get(*first), |value, key| Some(value?.get(*key)));
    value.flatten().and_then(Value::as_str).unwrap_or_default()
}

/// Reads all objects; a List stands for what is in it.
///
/// # Errors
///
/// When the text is not YAML, there is nothing in it, or a document is no object.
pub(super) fn read(yaml: &str) -> Result<Vec<Document>, Error> {
    let values: Vec<Value> = serde_saphyr::from_multiple(yaml).map_err(Error::Yaml)?;
    let mut documents = Vec::with_capacity(values.len());
    for (index, value) in values.into_iter().enumerate() {
        add(&mut documents, format!("document {}", index + 1), value)?;
    }
    if documents.is_empty() {
        return Err(Error::Empty);
    }
    Ok(documents)
}

fn add(documents: &mut Vec<Document>, place: String, value: Value) -> Result<(), Error> {
    let mut object = match value {
        Value::Null => return Ok(()),
        Value::Object(object) => object,
        _ => return Err(Error::NotAnObject { place }),
    };
    let is_list = text(&object, &["apiVersion"]) == "v1" && text(&object, &["kind"]) == "List";
    match object.remove("items") {
        Some(Value::Array(items)) if is_list => {
            for (index, item) in items.into_iter().enumerate() {
                add(documents, format!("{place}, item {}", index + 1), item)?;
            }
        }
        items => {
            object.extend(items.map(|items| ("items".to_owned(), items)));
            documents.push(Document { place, object });
        }
    }
    Ok(())
}

/// What people wrote: claims, and composite resources without a claim.
#[derive(Debug)]
pub struct Claims(Vec<Object>);

impl Claims {
    /// Reads a YAML stream.
    ///
    /// # Errors
    ///
    /// When a document cannot be read, or is not something that can be rendered.
    pub fn read(yaml: &str) -> Result<Self, Error> {
        Self::of(read(yaml)?)
    }

    pub(super) fn of(documents: Vec<Document>) -> Result<Self, Error> {
        let mut roots: Vec<Object> = Vec::with_capacity(documents.len());
        for document in documents {
            let place = document.place.clone();
            let root = composite(document)?;
            if roots.iter().any(|other| identity(other) == identity(&root)) {
                let (kind, name) = kind_and_name(&root);
                return Err(Error::Repeated { place, kind, name });
            }
            roots.push(root);
        }
        Ok(Self(roots))
    }

    /// The composite resources.
    pub(super) fn roots(&self) -> &[Object] {
        &self.0
    }
}

/// Kind, namespace and name.
pub(super) fn identity(object: &Object) -> [&str; 3] {
    [
        text(object, &["kind"]),
        text(object, &["metadata", "namespace"]),
        text(object, &["metadata", "name"]),
    ]
}

/// Kind and name of what people wrote: the claim, where there is one.
pub(super) fn kind_and_name(object: &Object) -> (String, String) {
    let claim = |key| text(object, &["spec", "claimRef", key]).to_owned();
    match (claim("kind"), claim("name")) {
        (kind, name) if !kind.is_empty() && !name.is_empty() => (kind, name),
        _ => {
            let [kind, _, name] = identity(object);
            (kind.to_owned(), name.to_owned())
        }
    }
}

/// Whether an object is a composite resource of ours.
pub(super) fn is_composite(object: &Object) -> bool {
    text(object, &["apiVersion"]) == API_VERSION
}

/// The composite resource of a claim. A composite resource stays what it is, without what
/// a control plane wrote into it.
pub(super) fn composite(document: Document) -> Result<Object, Error> {
    let (api_version, kind, name) = (document.api_version(), document.kind(), document.name());
    let known = KINDS
        .iter()
        .find(|known| known.kind == kind || known.claim.is_some_and(|(claim, _)| claim == kind));
    let Some(known) = known.filter(|_| api_version == API_VERSION) else {
        return Err(Error::Foreign {
            place: document.place,
            api_version,
            kind,
        });
    };
    if document.key().is_some() {
        let place = document.place;
        return Err(Error::Composed { place, kind, name });
    }
    if name.is_empty() {
        let place = document.place;
        return Err(Error::Unnamed { place, kind });
    }
    let mut object = document.object;
    let namespace = match text(&object, &["metadata", "namespace"]) {
        "" => "default".to_owned(),
        namespace => namespace.to_owned(),
    };
    let mut spec = match object.remove("spec") {
        Some(Value::Object(spec)) => spec,
        _ => Map::new(),
    };
    let mut metadata = Map::new();
    if known.kind == kind {
        let labels = object
            .get_mut("metadata")
            .and_then(|it| it.get_mut("labels"));
        let labels = labels.map(Value::take).filter(Value::is_object);
        metadata.extend(labels.map(|labels| ("labels".to_owned(), labels)));
        metadata.insert("name".to_owned(), json!(name));
        // What belongs to a claim belongs to no namespace.
        if !spec.contains_key("claimRef") {
            metadata.insert("namespace".to_owned(), json!(namespace));
        }
    } else {
        // Crossplane adds five random characters to the claim's name.
        let random = &name::hash(&[name.as_str()])[..5];
        metadata.insert("name".to_owned(), json!(format!("{name}-{random}")));
        let claim = json!({
            "apiVersion": API_VERSION,
            "kind": kind,
            "namespace": namespace,
            "name": name,
        });
        spec.insert("claimRef".to_owned(), claim);
    }
    let mut composite = Map::new();
    composite.insert("apiVersion".to_owned(), json!(API_VERSION));
    composite.insert("kind".to_owned(), json!(known.kind));
    composite.insert("metadata".to_owned(), Value::Object(metadata));
    composite.insert("spec".to_owned(), Value::Object(spec));
    Ok(composite)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(yaml: &str) -> String {
        Claims::read(yaml).unwrap_err().to_string()
    }

    #[test]
    fn a_document_that_cannot_be_rendered_is_named() {
        let platform = "apiVersion: compose.openova.io/v1alpha1\nkind: Platform\n";
        let named = format!("{platform}metadata: {{name: a}}\n");
        let cases = [
            (
                "apiVersion: v1\nkind: Secret".to_owned(),
                "document 1: v1 Secret is not ours: Platform, XPlatform, XRegion, XCluster, XNodePool, XNodeGroup, XLoadBalancer can be rendered",
            ),
            (
                format!("{named}---\n- 1\n"),
                "document 2 is no object: it needs apiVersion, kind, metadata and spec",
            ),
            (
                platform.to_owned(),
                "document 1: Platform has no metadata.name: give it one",
            ),
            (
                format!("{named}---\n{named}"),
                "document 2: Platform a is in the file twice: remove one",
            ),
            (
                "# nothing\n".to_owned(),
                "there is no document in the file: write a claim into it",
            ),
            (
                "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: apps/v1, kind: Deployment}\n"
                    .to_owned(),
                "document 1, item 1: apps/v1 Deployment is not ours: Platform, XPlatform, XRegion, XCluster, XNodePool, XNodeGroup, XLoadBalancer can be rendered",
            ),
            ("a: [".to_owned(), "the file is not YAML"),
        ];
        for (yaml, expected) in cases {
            assert_eq!(refusal(&yaml), expected, "{yaml}");
        }
    }

    #[test]
    fn what_a_control_plane_wrote_does_not_count() {
        let written = "
apiVersion: compose.openova.io/v1alpha1
kind: XRegion
metadata:
  name: r
  uid: 5d1e
  labels: {compose.openova.io/platform: p}
  annotations: {kubectl.kubernetes.io/last-applied-configuration: '{}'}
spec: {location: fsn1, network: {cidr: 10.0.0.0/16}}
status: {network: {id: '7'}}
";
        let claims = Claims::read(written).unwrap();
        assert_eq!(
            Value::Object(claims.roots()[0].clone()),
            json!({
                "apiVersion": "compose.openova.io/v1alpha1",
                "kind": "XRegion",
                "metadata": {
                    "labels": {"compose.openova.io/platform": "p"},
                    "name": "r",
                    "namespace": "default",
                },
                "spec": {"location": "fsn1", "network": {"cidr": "10.0.0.0/16"}},
            })
        );
    }
}
