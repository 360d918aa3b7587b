//! What a schema offers by reference is what the type resolves, field by field.

use std::collections::BTreeSet;

use crate::{
    Firewall, Image, Inventory, LoadBalancer, LoadBalancerNetwork, LoadBalancerService,
    LoadBalancerTarget, LoadBalancerType, Location, Managed, Network, PlacementGroup, Pricing,
    PrimaryIP, ReverseDNS, Route, SSHKey, Server, ServerNetwork, ServerType, Slot, Subnet, Volume,
    VolumeAttachment,
};
use kube::{CustomResourceExt, core::object::HasSpec};
use schemars::{JsonSchema, schema_for};
use serde_json::{Map, Value, json};

/// An object that uses every reference which the schema offers, and the paths of what they stand for.
#[derive(Default)]
struct Sample {
    one: BTreeSet<String>,
    many: BTreeSet<String>,
    secret_keys: BTreeSet<String>,
}

impl Sample {
    fn object(&mut self, schema: &Value, at: &str) -> Value {
        let properties = schema["properties"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let mut object = Map::new();
        for (name, property) in &properties {
            let path = format!("{at}{name}");
            let fields = property["properties"].as_object();
            if let Some(field) = name.strip_suffix("Selector")
                && fields.is_some_and(|fields| fields.contains_key("matchLabels"))
            {
                self.field(field, at, &properties, &mut object);
            } else if name.ends_with("SecretRef") {
                object.insert(name.clone(), json!({"name": path, "key": "key"}));
                self.secret_keys.insert(path);
            } else if name.ends_with("Ref") || name.ends_with("Refs") {
                assert!(
                    properties.contains_key(&format!(
                        "{}Selector",
                        name.trim_end_matches("Refs").trim_end_matches("Ref")
                    )),
                    "{path} has no selector beside it"
                );
            } else if fields.is_some() {
                let inner = self.object(property, &format!("{path}."));
                object.insert(name.clone(), inner);
            } else if property["items"]["properties"].is_object() {
                let inner = self.object(&property["items"], &format!("{path}[0]."));
                object.insert(name.clone(), json!([inner]));
            } else if required.contains(&json!(name)) {
                let value = property["enum"].get(0).cloned();
                object.insert(name.clone(), value.unwrap_or_else(|| json!("text")));
            }
        }
        Value::Object(object)
    }

    fn field(
        &mut self,
        field: &str,
        at: &str,
        properties: &Map<String, Value>,
        object: &mut Map<String, Value>,
    ) {
        let list = format!("{field}s");
        let (path, references) = if properties.contains_key(field) {
            let path = format!("{at}{field}");
            self.one.insert(path.clone());
            (path.clone(), (format!("{field}Ref"), json!({"name": path})))
        } else {
            assert!(
                properties.contains_key(&list),
                "nothing stands beside {at}{field}Selector"
            );
            let path = format!("{at}{list}");
            self.many.insert(path.clone());
            (
                path.clone(),
                (format!("{field}Refs"), json!([{"name": path}])),
            )
        };
        assert!(
            properties.contains_key(&references.0),
            "{at}{} is missing",
            references.0
        );
        object.insert(references.0, references.1);
        object.insert(
            format!("{field}Selector"),
            json!({"matchLabels": {"path": path}}),
        );
    }
}

fn pointer(path: &str) -> String {
    let path = path.replace('[', ".").replace(']', "");
    format!("/spec/forProvider/{}", path.replace('.', "/"))
}

fn schema_of<R: CustomResourceExt>() -> Value {
    let crd = serde_json::to_value(R::crd()).unwrap();
    crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/forProvider")
        .unwrap()
        .clone()
}

fn check<R: Managed + CustomResourceExt>(kinds: &[String]) {
    let kind = R::kind(&());
    let mut sample = Sample::default();
    let for_provider = sample.object(&schema_of::<R>(), "");
    let mut resource: R = serde_json::from_value(json!({
        "apiVersion": R::api_version(&()),
        "kind": kind,
        "metadata": {"name": "sample"},
        "spec": {"forProvider": for_provider},
    }))
    .unwrap();

    let (mut one, mut many) = (BTreeSet::new(), BTreeSet::new());
    for field in resource.reference_fields() {
        let path = field.path;
        assert!(
            kinds.iter().any(|kind| kind == field.kind),
            "{kind}: {path} refers to kind {}",
            field.kind
        );
        let (references, selector) = match field.slot {
            Slot::One {
                value,
                reference,
                selector,
            } => {
                *value = Some(path.clone());
                one.insert(path.clone());
                (
                    reference.map(std::slice::from_ref).unwrap_or_default(),
                    selector,
                )
            }
            Slot::Many {
                values,
                references,
                selector,
            } => {
                values.push(path.clone());
                many.insert(path.clone());
                (references, selector)
            }
        };
        let named: Vec<_> = references
            .iter()
            .map(|reference| reference.name.as_str())
            .collect();
        assert_eq!(named, [path.as_str()], "{kind}: references of {path}");
        let labels = selector.map(|selector| &selector.match_labels);
        assert_eq!(
            labels.and_then(|labels| labels.get("path")),
            Some(&path),
            "{kind}: selector of {path}"
        );
    }
    assert_eq!(one, sample.one, "{kind}");
    assert_eq!(many, sample.many, "{kind}");

    let resolved = serde_json::to_value(&resource).unwrap();
    for path in &one {
        assert_eq!(
            resolved.pointer(&pointer(path)),
            Some(&json!(path)),
            "{kind}"
        );
    }
    for path in &many {
        assert_eq!(
            resolved.pointer(&pointer(path)),
            Some(&json!([path])),
            "{kind}"
        );
    }
    let keys = resource.secret_keys();
    let keys: BTreeSet<_> = keys
        .into_iter()
        .map(|(path, key)| {
            assert_eq!(key.name, path, "{kind}: Secret of {path}");
            path.to_owned()
        })
        .collect();
    assert_eq!(keys, sample.secret_keys, "{kind}");
}

macro_rules! all_kinds {
    ($($kind:ident)*) => {
        #[test]
        fn what_the_schema_offers_by_reference_is_resolved() {
            let kinds = [$($kind::crd().spec.names.kind),*];
            $(check::<$kind>(&kinds);)*
        }

        #[test]
        fn fields_keep_their_descriptions() {
            $(check_descriptions::<$kind>();)*
        }
    };
}

/// An optional enum is written as one of two schemas, and the description of the first would win over the field's.
fn check_descriptions<R: HasSpec<Spec: JsonSchema>>() {
    fn check(schema: &Value, definitions: &Value, path: &str) {
        if let Some(reference) = schema["anyOf"][0]["$ref"].as_str() {
            let name = reference.trim_start_matches("#/$defs/");
            let definition = &definitions[name];
            assert!(
                definition["properties"].is_object() || definition["description"].is_null(),
                "{path}: {name} needs #[schemars(description = \"\")]"
            );
        }
        let parts = schema.as_object().into_iter().flatten();
        parts.for_each(|(name, part)| check(part, definitions, &format!("{path}.{name}")));
    }
    let schema = schema_for!(R::Spec).to_value();
    check(&schema, &schema["$defs"], std::any::type_name::<R>());
}

all_kinds!(
    Firewall Image Inventory LoadBalancer LoadBalancerNetwork LoadBalancerService LoadBalancerTarget LoadBalancerType Location
    Network PlacementGroup Pricing PrimaryIP ReverseDNS Route SSHKey Server ServerNetwork ServerType Subnet Volume
    VolumeAttachment
);

#[test]
fn a_list_that_is_left_out_stays_left_out() {
    let mut server = Server::new("sample", Default::default());
    assert!(
        server
            .reference_fields()
            .iter()
            .all(|field| field.path != "firewallIds")
    );
    assert_eq!(server.spec.for_provider.firewall_ids, None);
}
