//! For the tests of renderers: what was rendered, checked against the types of the
//! objects, and what it looks like once it exists.

use std::collections::BTreeMap;

use crossplane_proto::v1;
use provider_hcloud_api as hcloud;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::claim::{
    ClusterSpec, LoadBalancerSpec, NodeGroupSpec, NodePoolSpec, Problems, RegionSpec,
};
use crate::composite::Nested;
use crate::composition::{Composition, Condition, Holds};
use crate::observed::Observed;
use crate::structpb::{decode, encode};

/// A composition, decoded.
#[derive(Debug, PartialEq)]
pub(crate) struct Rendered {
    pub(crate) desired: Vec<RenderedObject>,
    pub(crate) status: Value,
    pub(crate) conditions: Vec<Condition>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct RenderedObject {
    pub(crate) key: String,
    pub(crate) object: Value,
    pub(crate) ready: bool,
}

/// A composite in the namespace `team`.
pub(crate) fn composite<Spec: DeserializeOwned>(name: &str, spec: &Value) -> Nested<Spec> {
    let labels = [
        ("compose.openova.io/platform", "demo"),
        ("compose.openova.io/region", "fsn"),
    ];
    Nested {
        identity: crate::composite::Identity {
            name: name.to_owned(),
            namespace: "team".to_owned(),
        },
        labels: labels.map(|(key, value)| (key, value.to_owned())).into(),
        spec: serde_json::from_value(spec.clone()).unwrap(),
    }
}

/// Where everything stands.
pub(crate) fn site() -> Value {
    json!({
        "firewall": "demo-fsn",
        "location": "fsn1",
        "network": "demo-fsn",
        "networkCIDR": "10.0.0.0/16",
        "sshKeys": ["demo-admin"],
        "subnet": "demo-fsn-k3s",
        "subnetCIDR": "10.0.1.0/24",
    })
}

pub(crate) fn observed(children: &[(String, Value)]) -> Observed {
    let resources: BTreeMap<_, _> = children
        .iter()
        .map(|(key, object)| {
            let resource = v1::Resource {
                resource: encode(object.as_object().unwrap()).into(),
                ..v1::Resource::default()
            };
            (key.clone(), resource)
        })
        .collect();
    Observed::new(resources)
}

/// Decodes a composition. Everything in it must be made of fields that its kind has.
pub(crate) fn rendered(composition: Result<Composition, Problems>) -> Result<Rendered, String> {
    let composition = composition.map_err(|problems| problems.to_string())?;
    let desired = composition.desired.into_iter().map(|desired| {
        let object = decode(&desired.object).unwrap().into();
        check(&object);
        RenderedObject {
            key: desired.key,
            object,
            ready: desired.ready,
        }
    });
    Ok(Rendered {
        desired: desired.collect(),
        status: serde_json::to_value(composition.status).unwrap(),
        conditions: composition.conditions,
    })
}

impl Rendered {
    pub(crate) fn keys(&self) -> Vec<&str> {
        self.desired.iter().map(|it| it.key.as_str()).collect()
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        let names = self.desired.iter().map(|it| &it.object["metadata"]["name"]);
        names.map(|name| name.as_str().unwrap()).collect()
    }

    pub(crate) fn get(&self, key: &str) -> &RenderedObject {
        let mut desired = self.desired.iter();
        desired.find(|it| it.key == key).unwrap()
    }

    /// What the provider is asked for.
    pub(crate) fn wanted(&self, key: &str) -> &Value {
        &self.get(key).object["spec"]["forProvider"]
    }

    /// Reason and message of `InfrastructureReady`; nothing when it holds.
    pub(crate) fn waiting(&self) -> Option<(&str, &str)> {
        let mut conditions = self.conditions.iter();
        let condition = conditions.find(|it| it.kind == Condition::INFRASTRUCTURE_READY);
        let condition = condition.unwrap();
        let told = (condition.reason.as_str(), condition.message.as_str());
        (condition.holds != Holds::Yes).then_some(told)
    }

    /// The same objects as they look once they exist: `status` says for each key what
    /// the status has beside the conditions; an object that it knows nothing of does not
    /// exist.
    pub(crate) fn exist(
        &self,
        status: impl Fn(&RenderedObject) -> Option<Value>,
    ) -> Vec<(String, Value)> {
        let objects = self.desired.iter().filter_map(|desired| {
            let mut object = desired.object.clone();
            object["status"] = status(desired)?;
            let conditions = &mut object["status"]["conditions"];
            if conditions.is_null() {
                *conditions = ready();
            }
            Some((desired.key.clone(), object))
        });
        objects.collect()
    }
}

pub(crate) fn ready() -> Value {
    json!([
        {"type": "Ready", "status": "True", "reason": "Available"},
        {"type": "Synced", "status": "True", "reason": "ReconcileSuccess"},
    ])
}

pub(crate) fn hindered(message: &str) -> Value {
    json!([
        {"type": "Ready", "status": "False", "reason": "Creating"},
        {"type": "Synced", "status": "False", "reason": "ReconcileError", "message": message},
    ])
}

/// The whole object is what its type makes of it: a field that the type does not have
/// would be lost.
pub(crate) fn check(object: &Value) {
    fn same<T: Serialize + DeserializeOwned>(value: &Value) {
        let typed: T = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(&serde_json::to_value(typed).unwrap(), value);
    }
    let spec = &object["spec"];
    match object["kind"].as_str().unwrap() {
        "Firewall" => same::<hcloud::Firewall>(object),
        "Inventory" => same::<hcloud::Inventory>(object),
        "LoadBalancer" => same::<hcloud::LoadBalancer>(object),
        "LoadBalancerNetwork" => same::<hcloud::LoadBalancerNetwork>(object),
        "LoadBalancerService" => same::<hcloud::LoadBalancerService>(object),
        "LoadBalancerTarget" => same::<hcloud::LoadBalancerTarget>(object),
        "Network" => same::<hcloud::Network>(object),
        "PlacementGroup" => same::<hcloud::PlacementGroup>(object),
        "Pricing" => same::<hcloud::Pricing>(object),
        "Route" => same::<hcloud::Route>(object),
        "SSHKey" => same::<hcloud::SSHKey>(object),
        "Server" => same::<hcloud::Server>(object),
        "Subnet" => same::<hcloud::Subnet>(object),
        "Volume" => same::<hcloud::Volume>(object),
        "VolumeAttachment" => same::<hcloud::VolumeAttachment>(object),
        "XCluster" => same::<ClusterSpec>(spec),
        "XLoadBalancer" => same::<LoadBalancerSpec>(spec),
        "XNodeGroup" => same::<NodeGroupSpec>(spec),
        "XNodePool" => same::<NodePoolSpec>(spec),
        "XRegion" => same::<RegionSpec>(spec),
        "Usage" => assert!(
            spec["of"].is_object() && spec["reason"].is_string(),
            "{spec}"
        ),
        "ConfigMap" | "Secret" => assert!(object["data"].is_object(), "{object}"),
        other => panic!("{other} is composed and not checked"),
    }
    let metadata = &object["metadata"];
    assert_eq!(metadata["namespace"], "team", "{metadata}");
    let name = metadata["name"].as_str().unwrap();
    assert!(name.len() <= crate::name::MAX, "{name}");
}
