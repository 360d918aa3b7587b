//! Specs with random mistakes, through the front door: each is refused with the path of a
//! field before anything is changed, or composed whole.

use std::collections::BTreeMap;

use crossplane_proto::v1;
use serde_json::{Value, json};

use super::*;
use crate::claim::API_VERSION;
use crate::region::fixture::check;
use crate::structpb::{decode, encode};

const EXAMPLES: [&str; 11] = [
    include_str!("../../../examples/platform.yaml"),
    include_str!("../../../examples/platform-byo.yaml"),
    include_str!("../../../examples/platform-ha.yaml"),
    include_str!("../../../examples/platform-pinned.yaml"),
    include_str!("../../../examples/platform-single-node.yaml"),
    include_str!("../../../examples/v2/platform.yaml"),
    include_str!("../../../examples/region.yaml"),
    include_str!("../../../examples/cluster.yaml"),
    include_str!("../../../examples/node-pool.yaml"),
    include_str!("../../../examples/node-group.yaml"),
    include_str!("../../../examples/load-balancer.yaml"),
];
const MUTATIONS: usize = 200;

/// More calls than any composite needs to show all of its objects.
const CALLS: usize = 10;

type Objects = BTreeMap<String, Value>;

/// The composite resource of an example, as Crossplane shows it.
fn composite(example: &str) -> Value {
    let mut object: Value = serde_saphyr::from_str(example).unwrap();
    if object["kind"] == "Platform" {
        let name = object["metadata"]["name"].take();
        object["kind"] = json!("XPlatform");
        object["metadata"] = json!({"name": "demo-abcde"});
        object["spec"]["claimRef"] = json!({"name": name, "namespace": "team"});
    } else {
        object["metadata"]["namespace"] = json!("team");
    }
    object
}

fn resource(object: &Value) -> v1::Resource {
    v1::Resource {
        resource: encode(object).into(),
        ..v1::Resource::default()
    }
}

/// What the function composes, or why it refuses.
fn answer(composite: &Value, observed: &Objects) -> Result<Objects, String> {
    const EARLIER: &str = "of-an-earlier-step";
    let earlier = resource(&json!({"apiVersion": "v1", "kind": "ConfigMap"}));
    let observed = observed.iter();
    let request = v1::RunFunctionRequest {
        observed: Some(v1::State {
            composite: Some(resource(composite)),
            resources: observed
                .map(|(key, object)| (key.clone(), resource(object)))
                .collect(),
        }),
        desired: Some(v1::State {
            composite: None,
            resources: [(EARLIER.to_owned(), earlier.clone())].into(),
        }),
        ..v1::RunFunctionRequest::default()
    };
    let response = run(request, Ttl::default(), &Environment::reproducible()).unwrap();
    let mut results = response.results.into_iter();
    let fatal = results.find(|result| result.severity() == v1::Severity::Fatal);
    let mut desired = response.desired.unwrap();
    assert_eq!(desired.resources.remove(EARLIER), Some(earlier));
    if let Some(fatal) = fatal {
        assert_eq!(
            desired,
            v1::State::default(),
            "a refusal changes nothing: {}",
            fatal.message
        );
        return Err(fatal.message);
    }
    let status = decode(&desired.composite.unwrap().resource).unwrap();
    assert!(status["status"].is_object(), "{status:?}");
    let objects = desired.resources.into_iter().map(|(key, resource)| {
        let object = decode(&resource.resource).unwrap().into();
        check(&object);
        (key, object)
    });
    Ok(objects.collect())
}

/// What a composite composes once all of it exists.
fn settle(composite: &Value) -> Result<Objects, String> {
    let mut objects = answer(composite, &Objects::new())?;
    for _ in 0..CALLS {
        let more = answer(composite, &objects)
            .unwrap_or_else(|message| panic!("refused when a part of it exists: {message}"));
        if more.len() == objects.len() {
            return Ok(more);
        }
        objects = more;
    }
    panic!("it does not settle: {composite}");
}

/// Everything below a composite; a composite in it may be refused too.
fn whole_tree(composite: &Value) -> Result<(), String> {
    for object in settle(composite)?.values() {
        if object["apiVersion"] == API_VERSION {
            whole_tree(object)
                .map_err(|message| format!("{} {message}", object["kind"].as_str().unwrap()))?;
        }
    }
    Ok(())
}

/// How many servers the regions of a platform have.
fn servers(objects: &Objects) -> u64 {
    let regions = objects.values().filter(|it| it["kind"] == "XRegion");
    let clusters = regions.filter_map(|it| it["spec"]["clusters"].as_array());
    clusters
        .flatten()
        .map(|cluster| {
            let pools = cluster["nodePools"].as_array().into_iter().flatten();
            let all = pools.chain([&cluster["controlPlane"]]);
            all.filter_map(|pool| pool["count"].as_u64()).sum::<u64>()
        })
        .sum()
}

/// Whether a message begins with the path of a field.
fn has_path(message: &str) -> bool {
    let Some((path, remedy)) = message.split_once(": ") else {
        return false;
    };
    let root = path.split(['.', '[']).next();
    matches!(root, Some("spec" | "metadata")) && !path.contains(' ') && !remedy.is_empty()
}

#[test]
fn a_mutated_spec_is_refused_with_a_path_or_composed_whole() {
    let bases = EXAMPLES.map(composite);
    let existing = bases.each_ref().map(|base| {
        whole_tree(base).unwrap();
        settle(base).unwrap()
    });
    let mut random = Random(0x5eed_2026);
    let (mut composed, mut refused) = (0, 0);
    for round in 0..MUTATIONS {
        let index = round % bases.len();
        let mut mutated = bases[index].clone();
        let spec = mutated["spec"].as_object_mut().unwrap();
        let claim = spec.remove("claimRef");
        for _ in 0..=random.below(2) {
            mutate(&mut mutated["spec"], &mut random);
        }
        if let (Some(claim), Some(spec)) = (claim, mutated["spec"].as_object_mut()) {
            spec.insert("claimRef".to_owned(), claim);
        }

        let is_platform = mutated["kind"] == "XPlatform";
        match whole_tree(&mutated) {
            Ok(()) => composed += 1,
            Err(message) if has_path(&message) => refused += 1,
            // Only what was written by hand below a claim is refused further down.
            Err(message) => {
                let below = message.split_once(' ').filter(|_| !is_platform);
                let told =
                    |(kind, message): (&str, &str)| kind.starts_with('X') && has_path(message);
                assert!(below.is_some_and(told), "round {round}: {message}");
                refused += 1;
            }
        }
        // The same as an edit of what exists.
        let exists = &existing[index];
        let torn_down = mutated["spec"]["operations"]["deletion"]["teardown"] == true;
        match answer(&mutated, exists) {
            Ok(after) if is_platform && !torn_down => {
                let kept = |key: &&String| !key.starts_with("region-") || after.contains_key(*key);
                assert!(exists.keys().all(|key| kept(&key)), "round {round}");
                assert!(
                    servers(exists) <= servers(&after),
                    "round {round}: {mutated}"
                );
            }
            Ok(_) => {}
            Err(message) => assert!(has_path(&message), "round {round}: {message}"),
        }
    }
    assert!(
        composed > MUTATIONS / 10 && refused > MUTATIONS / 2,
        "{composed} composed, {refused} refused"
    );
}

/// A small generator of numbers that are the same on every machine (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// Paths of all values below a value.
fn paths(value: &Value, path: &str, found: &mut Vec<String>) {
    let mut descend = |key: &str, value: &Value| {
        let path = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
        found.push(path.clone());
        paths(value, &path, found);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| descend(key, value)),
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                descend(&index.to_string(), value);
            }
        }
        _ => {}
    }
}

/// What a value may be replaced with.
fn substitutes() -> [Value; 22] {
    [
        Value::Null,
        json!(""),
        json!("Ä-"),
        json!("main"),
        json!("x".repeat(300)),
        json!("10.0.0.0/8"),
        json!("10.42.0.0/15"),
        json!("0.0.0.0/0"),
        json!("255.255.255.255"),
        json!("external"),
        json!("custom"),
        json!(-1),
        json!(0),
        json!(4),
        json!(u32::MAX),
        json!(1e300),
        json!(0.5),
        json!(true),
        json!(false),
        json!([]),
        json!({}),
        json!([null]),
    ]
}

/// The same value as another type.
fn retyped(value: &Value) -> Value {
    match value {
        Value::String(text) => text
            .parse::<i64>()
            .map_or_else(|_| json!([text]), Value::from),
        Value::Number(number) => json!(number.to_string()),
        Value::Bool(flag) => json!(flag.to_string()),
        Value::Array(items) => items.first().cloned().unwrap_or_default(),
        Value::Object(fields) => fields.values().next().cloned().unwrap_or_default(),
        Value::Null => json!({}),
    }
}

/// Drops, repeats, replaces or retypes a value at a random place.
fn mutate(spec: &mut Value, random: &mut Random) {
    let mut found = Vec::new();
    paths(spec, "", &mut found);
    if found.is_empty() {
        return;
    }
    let path = random.of(&found).clone();
    let other = random.of(&found).clone();
    let other = spec.pointer(&other).unwrap().clone();
    let substitute = random.of(&substitutes()).clone();
    let (parent, key) = path.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/").replace("~0", "~");
    let choice = random.below(6);
    match spec.pointer_mut(parent).unwrap() {
        Value::Object(fields) => match choice {
            0 => drop(fields.remove(&key)),
            1 => drop(fields.insert(format!("{key}x"), json!(1))),
            2 => drop(fields.insert(key, other)),
            3 => {
                let value = retyped(&fields[&key]);
                fields.insert(key, value);
            }
            _ => drop(fields.insert(key, substitute)),
        },
        Value::Array(items) => {
            let index: usize = key.parse().unwrap();
            match choice {
                0 => drop(items.remove(index)),
                1 => items.push(items[index].clone()),
                2 => items[index] = other,
                3 => items[index] = retyped(&items[index]),
                _ => items[index] = substitute,
            }
        }
        _ => {}
    }
}
