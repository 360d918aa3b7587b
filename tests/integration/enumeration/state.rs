//! The end state of a phase as text, without what differs from run to run: ids, UIDs, times, addresses. What was there
//! when the phase began can be told from what is new: an object that was deleted and made again is another one.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::{Value, json};

/// The ids of the simulator's first project.
const IDS: std::ops::Range<u64> = 1_000_000..2_000_000;
const MAINTENANCE: &str = "hcloud.openova.io/maintenance";
const EXTERNAL_NAME: &str = "crossplane.io/external-name";
const PENDING: &str = "crossplane.io/external-create-pending";
const RESULTS: [&str; 2] = [
    "crossplane.io/external-create-succeeded",
    "crossplane.io/external-create-failed",
];

/// What is compared.
pub(super) struct Parts<'a> {
    pub(super) namespace: &'a str,
    pub(super) uid: Option<&'a str>,
    pub(super) object: Option<&'a DynamicObject>,
    /// Whether the provider has recorded that the object uses its configuration.
    pub(super) usage: bool,
    /// What the project at Hetzner consists of.
    pub(super) cloud: Value,
    /// The ids of what it consisted of when the phase began.
    pub(super) known: &'a BTreeSet<u64>,
    /// How many creates Hetzner has accepted in the phase, by what they were sent to.
    pub(super) creates: BTreeMap<String, usize>,
}

/// The text of a state.
pub(super) fn text(parts: Parts<'_>) -> Result<String> {
    let Parts {
        namespace,
        uid,
        object,
        usage,
        cloud,
        known,
        creates,
    } = parts;
    let mut state = json!({
        "object": object.map(object_state),
        "usage": usage,
        "cloud": cloud,
        "creates": creates,
    });
    take_passing_marks_away(&mut state);
    let text = serde_json::to_string_pretty(&state).context("write the state")?;
    let text = text.replace(&format!("\"{namespace}\""), "\"<namespace>\"");
    let text = match uid {
        Some(uid) => text.replace(uid, "<uid>"),
        None => text,
    };
    Ok(canonical(&text, known))
}

/// The mark of a server that was switched off for a change stays until a shutdown that is still on its way would have
/// come to its end.
fn take_passing_marks_away(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove(MAINTENANCE);
            fields.values_mut().for_each(take_passing_marks_away);
        }
        Value::Array(items) => items.iter_mut().for_each(take_passing_marks_away),
        _ => {}
    }
}

/// The ids in a text.
pub(super) fn ids(text: &str) -> BTreeSet<u64> {
    words(text).filter_map(id_in).collect()
}

/// The id in an external name that is nothing but an id.
pub(super) fn id(object: &DynamicObject) -> Option<u64> {
    id_in(object.annotations().get(EXTERNAL_NAME)?)
}

fn object_state(object: &DynamicObject) -> Value {
    let annotations = object.annotations();
    let mut conditions = object.data["status"]["conditions"].clone();
    for condition in conditions.as_array_mut().into_iter().flatten() {
        if let Some(condition) = condition.as_object_mut() {
            condition.remove("lastTransitionTime");
        }
    }
    if let Some(conditions) = conditions.as_array_mut() {
        conditions.sort_by_key(|condition| condition["type"].to_string());
    }
    let time = |key: &str| annotations.get(key);
    let result = RESULTS.iter().filter_map(|key| time(key)).max();
    json!({
        "externalName": annotations.get(EXTERNAL_NAME),
        "createWithoutResult": time(PENDING).is_some() && time(PENDING) > result,
        "finalizers": object.finalizers(),
        "spec": object.data["spec"],
        "atProvider": object.data["status"]["atProvider"],
        "conditions": conditions,
        "users": object.data["status"]["users"],
    })
}

/// Numbers ids by their order, the known ones and the new ones, and addresses by their appearance; takes times and other
/// UIDs away.
fn canonical(text: &str, known: &BTreeSet<u64>) -> String {
    let new: BTreeSet<u64> = ids(text).difference(known).copied().collect();
    let rank = |id: u64, of: &BTreeSet<u64>| of.range(..id).count();
    let mut addresses: Vec<&str> = Vec::new();
    let mut result = String::with_capacity(text.len());
    for word in words(text) {
        if let Some(id) = id_in(word) {
            result.push_str(&if known.contains(&id) {
                format!("<id {}>", rank(id, known))
            } else {
                format!("<new id {}>", rank(id, &new))
            });
        } else if is_public_address(word) {
            let known = addresses.iter().position(|other| *other == word);
            let rank = known.unwrap_or_else(|| {
                addresses.push(word);
                addresses.len() - 1
            });
            result.push_str(&format!("<address {rank}>"));
        } else if is_uid(word) {
            result.push_str("<other uid>");
        } else if is_time(word) {
            result.push_str("<time>");
        } else if is_backup_window(word) {
            result.push_str("<backup window>");
        } else if is_mac(word) {
            result.push_str("<mac>");
        } else if is_name_of_address(word) {
            result.push_str("<name of an address>");
        } else {
            result.push_str(word);
        }
    }
    result
}

/// Cuts a text into runs of what ids, addresses, UIDs and times consist of, and what is between them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let belongs = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '/');
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let inside = belongs(first);
        let end = rest.find(|c| belongs(c) != inside).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        rest = tail;
        Some(word)
    })
    .flat_map(|word| {
        // An external name may begin with an id, `1000001-10.0.0.0/24`, and a name that Hetzner gives ends with one.
        let begins = word.find('-').filter(|end| {
            let (head, _) = word.split_at(*end);
            id_in(head).is_some()
        });
        let ends = word.rfind('-').map(|dash| dash + 1).filter(|start| {
            let (_, tail) = word.split_at(*start);
            id_in(tail).is_some()
        });
        let (head, tail) = word.split_at(begins.or(ends).unwrap_or(word.len()));
        [head, tail].into_iter().filter(|part| !part.is_empty())
    })
}

fn id_in(word: &str) -> Option<u64> {
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    word.parse().ok().filter(|id| digits && IDS.contains(id))
}

/// The simulator's pools.
fn is_public_address(word: &str) -> bool {
    ["198.18.", "198.19.", "2001:db8:"]
        .iter()
        .any(|pool| word.starts_with(pool))
}

fn is_uid(word: &str) -> bool {
    let parts: Vec<_> = word.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12]
}

fn is_time(word: &str) -> bool {
    word.len() >= 20 && word.ends_with('Z') && word.as_bytes().get(10) == Some(&b'T')
}

/// The cloud chooses one of six for each server.
fn is_backup_window(word: &str) -> bool {
    let hours: Vec<_> = word.split('-').collect();
    let is_hour = |text: &&str| text.len() == 2 && text.parse::<u8>().is_ok_and(|hour| hour < 24);
    hours.len() == 2 && hours.iter().all(is_hour)
}

fn is_mac(word: &str) -> bool {
    word.split(':').count() == 6 && word.split(':').all(|part| part.len() == 2)
}

/// The name that an address has until somebody sets another.
fn is_name_of_address(word: &str) -> bool {
    word.starts_with("static.") && word.ends_with(".clients.your-server.de")
}

/// The lines that only one of two states has.
pub(super) fn difference(expected: &str, found: &str) -> String {
    let mut lines = Vec::new();
    let (expected, found): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    let missing = |line: &&str, of: &[&str], other: &[&str]| {
        let count = |lines: &[&str]| lines.iter().filter(|other| other == &line).count();
        count(of) > count(other)
    };
    for line in &expected {
        if missing(line, &expected, &found) {
            lines.push(format!("- {line}"));
        }
    }
    for line in &found {
        if missing(line, &found, &expected) {
            lines.push(format!("+ {line}"));
        }
    }
    if lines.is_empty() {
        "the same lines in another order".to_owned()
    } else {
        lines.join("\n")
    }
}
