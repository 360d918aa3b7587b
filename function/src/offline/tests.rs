use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use expect_test::{expect, expect_file};
use serde_json::{Value, json};

use super::*;
use crate::offline::document::Object;

const EXAMPLES: [(&str, &str); 11] = [
    ("platform", include_str!("../../../examples/platform.yaml")),
    (
        "platform-byo",
        include_str!("../../../examples/platform-byo.yaml"),
    ),
    (
        "platform-ha",
        include_str!("../../../examples/platform-ha.yaml"),
    ),
    (
        "platform-pinned",
        include_str!("../../../examples/platform-pinned.yaml"),
    ),
    (
        "platform-single-node",
        include_str!("../../../examples/platform-single-node.yaml"),
    ),
    (
        "v2/platform",
        include_str!("../../../examples/v2/platform.yaml"),
    ),
    ("region", include_str!("../../../examples/region.yaml")),
    ("cluster", include_str!("../../../examples/cluster.yaml")),
    (
        "node-pool",
        include_str!("../../../examples/node-pool.yaml"),
    ),
    (
        "node-group",
        include_str!("../../../examples/node-group.yaml"),
    ),
    (
        "load-balancer",
        include_str!("../../../examples/load-balancer.yaml"),
    ),
];

/// All examples, rendered without facts.
static RENDERED: LazyLock<Vec<(&str, &str, Vec<Node>)>> = LazyLock::new(|| {
    let examples = EXAMPLES.iter();
    let examples = examples.map(|(name, yaml)| (*name, *yaml, rendered(yaml, &Facts::default())));
    examples.collect()
});

fn example(wanted: &str) -> &'static [Node] {
    let mut examples = RENDERED.iter();
    let found = examples.find(|(name, ..)| *name == wanted);
    &found.unwrap().2
}

pub(super) const HA: &str = include_str!("../../../examples/platform-ha.yaml");

/// The example of facts.
pub(super) fn facts() -> Facts {
    Facts::read(include_str!("../../../examples/facts.yaml")).unwrap()
}

pub(super) fn rendered(yaml: &str, facts: &Facts) -> Vec<Node> {
    render(&Claims::read(yaml).unwrap(), facts).unwrap()
}

/// The first object of this kind whose name ends like this.
pub(super) fn find<'a>(nodes: &'a [Node], kind: &str, end: &str) -> &'a Node {
    let nodes = Node::all(nodes).into_iter();
    let mut found = nodes.filter(|node| node.kind() == kind && node.name().ends_with(end));
    found.next().unwrap()
}

/// Difference between a rendering, or a claim, and a claim.
pub(super) fn difference(before: &str, after: &str, facts: &Facts) -> Difference {
    let (mut world, before) = Before::read(before).unwrap().world(facts).unwrap();
    world.apply(&Claims::read(after).unwrap()).unwrap();
    Difference::between(&before, &world.nodes())
}

#[test]
fn every_example_renders_its_whole_tree() {
    let mut text = String::new();
    for (name, _, nodes) in RENDERED.iter() {
        text.push_str(&format!("{name}\n{}\n", tree(nodes)));
    }
    expect_file!["golden/trees.txt"].assert_eq(&text);
}

#[test]
fn graphs_show_the_tree() {
    expect_file!["golden/platform.svg"].assert_eq(&svg(example("platform")));
    let flowchart = mermaid(example("platform-single-node"));
    expect_file!["golden/platform-single-node.mmd"].assert_eq(&flowchart);
}

#[test]
fn everything_is_ready_in_a_world_in_which_everything_works() {
    for (name, _, nodes) in RENDERED.iter() {
        for node in Node::all(nodes) {
            let conditions = node.status.get("conditions").and_then(Value::as_array);
            let is_bare = node.object["apiVersion"] == "v1";
            assert_eq!(conditions.is_none(), is_bare, "{name}: {node:?}");
            for condition in conditions.into_iter().flatten() {
                assert_eq!(condition["status"], "True", "{name}: {condition} {node:?}");
            }
        }
    }
}

#[test]
fn the_same_claim_gives_the_same_bytes() {
    let facts = Facts::default();
    for (name, example, nodes) in RENDERED.iter() {
        let again = rendered(example, &facts);
        for form in [tree, mermaid, svg] {
            assert_eq!(form(&again), form(nodes), "{name}");
        }
        assert_eq!(yaml(&again).unwrap(), yaml(nodes).unwrap(), "{name}");
        assert_eq!(cost(&again, &facts), cost(nodes, &facts), "{name}");
    }
}

#[test]
fn there_is_no_difference_to_itself_nor_to_its_rendering() {
    let facts = Facts::default();
    for (name, example, nodes) in RENDERED.iter() {
        for before in [*example, &yaml(nodes).unwrap()] {
            let difference = difference(before, example, &facts);
            assert_eq!(difference.to_string(), "no differences\n", "{name}");
            assert_eq!(difference.gravity(), Gravity::Nothing, "{name}");
        }
    }
}

#[test]
fn yaml_says_what_belongs_to_what() {
    let stream = yaml(example("platform")).unwrap();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&stream).unwrap();
    assert_eq!(documents.len(), 6);
    assert_eq!(
        documents[3]["metadata"],
        json!({
            "annotations": {"crossplane.io/composition-resource-name": "network"},
            "labels": {
                "compose.openova.io/platform": "demo",
                "compose.openova.io/region": "fsn",
                "crossplane.io/composite": "demo-fsn",
            },
            "name": "demo-fsn",
            "namespace": "default",
        })
    );
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
fn regions_know_the_addresses_of_each_other() {
    let nodes = example("platform-ha");
    let region = &find(nodes, "XRegion", "ha-fsn").object;
    let peers = &region["spec"]["firewall"]["peers"];
    let hel = find(nodes, "XRegion", "ha-hel");
    let told = &hel.status["publicAddresses"];
    assert_eq!(told.as_array().unwrap().len(), 5);
    assert_eq!(peers, &json!([{"addresses": told, "name": "hel"}]));
    let mut addresses = told.as_array().unwrap().iter();
    assert!(addresses.all(|address| address.as_str().unwrap().starts_with("192.0.2.")));
}

#[test]
fn a_kubeconfig_leads_to_the_load_balancer() {
    let nodes = example("platform-ha");
    let cluster = find(nodes, "XCluster", "ha-fsn-main");
    let kubeconfig = cluster.children.iter().find(|it| it.key == "kubeconfig");
    let data = kubeconfig.unwrap().observed()["data"]["value"].clone();
    let endpoint = cluster.status["endpoint"].as_str().unwrap();
    assert!(endpoint.starts_with("https://192.0.2."), "{endpoint}");
    let text = BASE64_STANDARD.decode(data.as_str().unwrap());
    let text = String::from_utf8(text.unwrap()).unwrap();
    assert!(text.contains(endpoint), "{endpoint}");
}

#[test]
fn secrets_are_shown_without_their_values() {
    let nodes = example("platform-ha");
    let secrets: Vec<_> = Node::all(nodes)
        .into_iter()
        .filter(|node| node.kind() == "Secret")
        .collect();
    assert!(secrets.len() > 5);
    let values = |object: &Object| -> Vec<String> {
        let data = object["data"].as_object().unwrap().values();
        data.map(|value| value.as_str().unwrap().to_owned())
            .collect()
    };
    let texts = [yaml(nodes).unwrap(), format!("{nodes:?}")];
    for secret in secrets {
        assert!(values(&secret.object).iter().all(String::is_empty));
        for value in values(&secret.observed()) {
            assert!(value.len() > 20);
            assert!(texts.iter().all(|text| !text.contains(&value)));
        }
    }
}

#[test]
fn what_has_not_changed_is_not_called_again() {
    let facts = Facts::default();
    let mut world = World::new(&facts);
    let claims = Claims::read(HA).unwrap();
    let calls = world.apply(&claims).unwrap();
    assert_eq!(world.apply(&claims).unwrap(), 0);

    // Twice as much takes about twice as many calls.
    let other = "---\n".to_owned() + &HA.replace("name: ha", "name: other");
    let claims = Claims::read(&(HA.to_owned() + &other)).unwrap();
    let twice = World::new(&facts).apply(&claims).unwrap();
    assert!(twice < calls * 5 / 2, "{calls} calls, and {twice}");
}

#[test]
fn a_refused_claim_names_the_object_and_the_field() {
    let claim = EXAMPLES[0].1.replace("location: hel1", "locatoin: hel1");
    let error = render(&Claims::read(&claim).unwrap(), &Facts::default()).unwrap_err();
    expect!["Platform demo: spec.regions[1].locatoin: unknown field `locatoin`, expected one of `name`, `location`, `network`, `role`, `firewall`, `sshKeys`, `loadBalancers`, `clusters`"].assert_eq(&error.to_string());
}

#[test]
fn with_facts_names_that_the_cloud_does_not_know_are_refused() {
    let claim = HA.replace("[cx33, cpx32]", "[cx34]");
    let claims = Claims::read(&claim).unwrap();
    assert!(render(&claims, &Facts::default()).is_ok());
    let error = render(&claims, &facts()).unwrap_err();
    expect![[r#"Platform ha: spec.regions[0].clusters[0].nodePools[0].serverTypes[0]: the cloud has no server type "cx34": did you mean cx33?"#]].assert_eq(&error.to_string());
}

#[test]
fn credentials_that_others_made_are_taken_as_given() {
    let claim = HA.replace(
        "      controlPlane:\n        count: 3\n      nodePools:\n      - name: work\n        count: 2\n        # The",
        "      k3s:\n        etcdSnapshots:\n          s3: {bucket: snapshots, endpoint: s3.example.org, credentialsSecretRef: {name: bucket}}\n      controlPlane:\n        count: 3\n      nodePools:\n      - name: work\n        count: 2\n        # The",
    );
    assert_ne!(claim, HA);
    let nodes = rendered(&claim, &Facts::default());
    assert_eq!(tree(&nodes), tree(example("platform-ha")));
}
