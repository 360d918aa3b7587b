//! Claims with random mistakes: each is accepted, or refused with a path.

use super::*;
use crate::environment::Environment;
use crate::respond::Ttl;
use crate::run;

const EXAMPLE: &str = include_str!("../../../../examples/platform-ha.yaml");
const MUTATIONS: usize = 200;

/// A small generator of numbers that are the same on every machine (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
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
fn substitutes() -> [Value; 18] {
    [
        Value::Null,
        json!(""),
        json!("Ä-"),
        json!("main"),
        json!("x".repeat(300)),
        json!("10.0.0.0/8"),
        json!("10.42.0.0/15"),
        json!("0.0.0.0/0"),
        json!("external"),
        json!("custom"),
        json!(-1),
        json!(0),
        json!(4),
        json!(1e300),
        json!(true),
        json!([]),
        json!({}),
        json!([null]),
    ]
}

fn mutate(spec: &mut Value, random: &mut Random) {
    let mut found = Vec::new();
    paths(spec, "", &mut found);
    if found.is_empty() {
        return;
    }
    let path = &found[random.below(found.len())];
    let (parent, key) = path.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/").replace("~0", "~");
    let other = spec
        .pointer(&found[random.below(found.len())])
        .unwrap()
        .clone();
    let Some(parent) = spec.pointer_mut(parent) else {
        return;
    };
    let choice = random.below(5);
    match parent {
        Value::Object(fields) => match choice {
            0 => drop(fields.remove(&key)),
            1 => drop(fields.insert(format!("{key}x"), json!(1))),
            2 => drop(fields.insert(key, other)),
            _ => {
                let substitutes = substitutes();
                fields.insert(key, substitutes[random.below(substitutes.len())].clone());
            }
        },
        Value::Array(items) => {
            let index: usize = key.parse().unwrap();
            match choice {
                0 => drop(items.remove(index)),
                1 => items.push(items[index].clone()),
                _ => items[index] = other,
            }
        }
        _ => {}
    }
}

/// What the function answers: the keys of what it composes, or why it refuses.
fn answer(spec: &Value) -> Result<usize, String> {
    let composite = json!({
        "apiVersion": API_VERSION,
        "kind": "XPlatform",
        "metadata": {"name": "demo-abcde"},
        "spec": spec,
    });
    let request = v1::RunFunctionRequest {
        observed: Some(v1::State {
            composite: Some(v1::Resource {
                resource: encode(composite.as_object().unwrap()).into(),
                ..v1::Resource::default()
            }),
            ..v1::State::default()
        }),
        ..v1::RunFunctionRequest::default()
    };
    let response = run::run(request, Ttl::default(), &Environment::reproducible()).unwrap();
    let fatal = response
        .results
        .iter()
        .find(|result| result.severity() == v1::Severity::Fatal);
    match fatal {
        Some(fatal) => {
            let composed = response.desired.unwrap_or_default().resources.len();
            assert_eq!(composed, 0, "a refusal composes nothing");
            Err(fatal.message.clone())
        }
        None => Ok(response.desired.unwrap_or_default().resources.len()),
    }
}

#[test]
fn a_mutated_claim_is_accepted_or_refused_with_a_path() {
    let example: Value = serde_saphyr::from_str(EXAMPLE).unwrap();
    let mut spec = example["spec"].clone();
    spec["claimRef"] = json!({"name": "demo", "namespace": "team"});
    assert!(answer(&spec).is_ok(), "{:?}", answer(&spec));

    let mut random = Random(0x5eed_2026);
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..MUTATIONS {
        let mut mutated = spec.clone();
        let machinery = mutated.as_object_mut().unwrap().remove("claimRef");
        for _ in 0..=random.below(2) {
            mutate(&mut mutated, &mut random);
        }
        mutated["claimRef"] = machinery.unwrap();
        match answer(&mutated) {
            Ok(composed) => {
                assert!(composed > 0, "round {round}: {mutated}");
                accepted += 1;
            }
            Err(message) => {
                assert!(message.starts_with("spec"), "round {round}: {message}");
                assert!(message.contains(": "), "round {round}: {message}");
                refused += 1;
            }
        }
    }
    assert!(
        accepted > MUTATIONS / 10 && refused > MUTATIONS / 2,
        "{accepted} accepted, {refused} refused"
    );
}
