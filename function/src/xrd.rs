//! The definitions of our composite resources, generated from the types in
//! [`crate::claim`], and a Composition for each.
//!
//! Crossplane makes the CRD of a composite resource out of the definition and keeps
//! only some keys of `spec` and `status` themselves (properties, required,
//! description, x-kubernetes-validations, oneOf); what lies deeper is kept whole.

use kube::core::schema::StructuralSchemaRewriter;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::claim::{
    API_VERSION, ClusterSpec, ClusterStatus, GROUP, LoadBalancerSpec, LoadBalancerStatus,
    NodeGroupSpec, NodeGroupStatus, NodePoolSpec, NodePoolStatus, PlatformSpec, PlatformStatus,
    RegionSpec, RegionStatus, VERSION,
};

/// Name that the package manager gives to the function: the last two parts of its
/// package's path.
pub const FUNCTION_NAME: &str = "openova-function-xplatform";

/// A kind of composite resource.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// The kind.
    pub kind: &'static str,
    /// Its plural.
    pub plural: &'static str,
    /// Kind and plural of its claim, for a kind that has one.
    pub claim: Option<(&'static str, &'static str)>,
    /// What it is.
    description: &'static str,
    schema: fn() -> (Value, Value),
}

/// All kinds, from the root of the tree downwards.
pub const KINDS: [Kind; 6] = [
    Kind {
        kind: "XPlatform",
        plural: "xplatforms",
        claim: Some(("Platform", "platforms")),
        description: "A whole platform: regions, networks and all that runs in them.",
        schema: schema::<PlatformSpec, PlatformStatus>,
    },
    Kind {
        kind: "XRegion",
        plural: "xregions",
        claim: None,
        description: "One region of a platform: its network and all that lives in it.",
        schema: schema::<RegionSpec, RegionStatus>,
    },
    Kind {
        kind: "XCluster",
        plural: "xclusters",
        claim: None,
        description: "One Kubernetes cluster: its certificates, its API endpoint and its pools of servers.",
        schema: schema::<ClusterSpec, ClusterStatus>,
    },
    Kind {
        kind: "XNodePool",
        plural: "xnodepools",
        claim: None,
        description: "One pool of servers of a cluster.",
        schema: schema::<NodePoolSpec, NodePoolStatus>,
    },
    Kind {
        kind: "XNodeGroup",
        plural: "xnodegroups",
        claim: None,
        description: "At most ten servers of a pool, on different hosts of the cloud.",
        schema: schema::<NodeGroupSpec, NodeGroupStatus>,
    },
    Kind {
        kind: "XLoadBalancer",
        plural: "xloadbalancers",
        claim: None,
        description: "One load balancer of a region.",
        schema: schema::<LoadBalancerSpec, LoadBalancerStatus>,
    },
];

impl Kind {
    /// The CompositeResourceDefinition, with the kind's claim where it has one.
    ///
    /// A kind with a claim exists only in the older version of definitions, where it is
    /// cluster-scoped; the others are namespaced.
    pub fn definition(&self) -> Value {
        let mut definition = self.namespaced_definition();
        if let Some((kind, plural)) = self.claim {
            definition["apiVersion"] = json!("apiextensions.crossplane.io/v1");
            definition["spec"]["scope"] = json!("LegacyCluster");
            definition["spec"]["claimNames"] = json!({"kind": kind, "plural": plural});
            // Nested composites go before what they stand on.
            definition["spec"]["defaultCompositeDeletePolicy"] = json!("Foreground");
        }
        definition
    }

    /// The CompositeResourceDefinition for those who use no claims: people write the
    /// composite resource itself. It takes the place of [`Self::definition`] on a cluster.
    pub fn namespaced_definition(&self) -> Value {
        let (spec, status) = (self.schema)();
        json!({
            "apiVersion": "apiextensions.crossplane.io/v2",
            "kind": "CompositeResourceDefinition",
            "metadata": {"name": format!("{}.{GROUP}", self.plural)},
            "spec": {
                "group": GROUP,
                "names": {"kind": self.kind, "plural": self.plural},
                "scope": "Namespaced",
                "defaultCompositionRef": {"name": self.composition_name()},
                "versions": [{
                    "name": VERSION,
                    "served": true,
                    "referenceable": true,
                    "schema": {"openAPIV3Schema": {
                        "type": "object",
                        "description": self.description,
                        "properties": {"spec": spec, "status": status},
                        "required": ["spec"],
                    }},
                }],
            },
        })
    }

    /// The Composition: one step, this function.
    pub fn composition(&self) -> Value {
        json!({
            "apiVersion": "apiextensions.crossplane.io/v1",
            "kind": "Composition",
            "metadata": {"name": self.composition_name()},
            "spec": {
                "compositeTypeRef": {"apiVersion": API_VERSION, "kind": self.kind},
                "mode": "Pipeline",
                "pipeline": [{
                    "step": "compose",
                    "functionRef": {"name": FUNCTION_NAME},
                }],
            },
        })
    }

    fn composition_name(&self) -> String {
        format!("{}.{GROUP}", self.plural)
    }
}

fn schema<Spec: JsonSchema, Status: JsonSchema>() -> (Value, Value) {
    let mut status = structural::<Status>();
    // Core writes it, and the API server would drop it.
    status["properties"]["lastHandledReconcileAt"] = json!({
        "type": "string",
        "description": "The last value of the annotation crossplane.io/reconcile-requested-at that was acted on.",
    });
    (structural::<Spec>(), status)
}

/// The schema of a type in the form that Kubernetes calls structural.
fn structural<T: JsonSchema>() -> Value {
    let schema = SchemaSettings::openapi3()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .with_transform(StructuralSchemaRewriter)
        .into_generator()
        .into_root_schema_for::<T>();
    let mut schema = schema.to_value();
    if let Some(object) = schema.as_object_mut() {
        object.remove("title");
    }
    unwrap_lines(&mut schema);
    schema
}

/// Joins the lines of each paragraph: a doc comment is wrapped for its reader in the
/// source, a description for its reader on the screen.
fn unwrap_lines(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(text) if key == "description" => {
                        let paragraphs: Vec<_> =
                            text.split("\n\n").map(|p| p.replace('\n', " ")).collect();
                        *text = paragraphs.join("\n\n");
                    }
                    value => unwrap_lines(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(unwrap_lines),
        _ => {}
    }
}
