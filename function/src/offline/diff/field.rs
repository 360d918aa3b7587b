//! Fields of an object that differ.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

use super::super::node::{Node, secret_data};
use super::shown;

/// A field that differs.
#[derive(Debug, PartialEq)]
pub(super) struct Field {
    pub(super) path: String,
    pub(super) old: Option<Value>,
    pub(super) new: Option<Value>,
    /// Whether the values are nobody's business.
    pub(super) secret: bool,
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            old,
            new,
            secret,
        } = self;
        match (secret, old, new) {
            (true, None, _) => write!(formatter, "{path}: added (not shown)"),
            (true, _, None) => write!(formatter, "{path}: removed (not shown)"),
            (true, ..) => write!(formatter, "{path}: changed (not shown)"),
            (false, old, new) => write!(
                formatter,
                "{path}: {} -> {}",
                shown(old.as_ref()),
                shown(new.as_ref())
            ),
        }
    }
}

/// The fields in which two objects differ, by their paths. Items of a list that have names
/// are compared by name.
pub(super) fn of(old: &Node, new: &Node) -> Vec<Field> {
    let mut fields = Vec::new();
    compare(
        &mut fields,
        "",
        Some(&Value::Object(old.object.clone())),
        Some(&Value::Object(new.object.clone())),
    );
    secrets(&mut fields, old, new);
    fields
}

fn compare(fields: &mut Vec<Field>, path: &str, old: Option<&Value>, new: Option<&Value>) {
    if old == new {
        return;
    }
    match (old, new) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
            for name in names {
                compare(fields, &inside(path, name), old.get(name), new.get(name));
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => lists(fields, path, old, new),
        _ => fields.push(Field {
            path: path.to_owned(),
            old: old.cloned(),
            new: new.cloned(),
            secret: false,
        }),
    }
}

fn lists(fields: &mut Vec<Field>, path: &str, old: &[Value], new: &[Value]) {
    if let (Some(named_old), Some(named_new)) = (named(old), named(new)) {
        let names: BTreeSet<_> = named_old.keys().chain(named_new.keys()).collect();
        for name in names {
            let path = format!("{path}[{name}]");
            let (old, new) = (named_old.get(name), named_new.get(name));
            compare(fields, &path, old, new);
        }
        return;
    }
    if old.iter().chain(new).all(Value::is_object) {
        for index in 0..old.len().max(new.len()) {
            let path = format!("{path}[{index}]");
            compare(fields, &path, old.get(index), new.get(index));
        }
        return;
    }
    fields.push(Field {
        path: path.to_owned(),
        old: Some(Value::Array(old.to_vec())),
        new: Some(Value::Array(new.to_vec())),
        secret: false,
    });
}

/// Items by name, when all have one and no two the same.
fn named(items: &[Value]) -> Option<Map<String, Value>> {
    let mut named = Map::new();
    for item in items {
        let name = item.get("name")?.as_str()?;
        if named.insert(name.to_owned(), item.clone()).is_some() {
            return None;
        }
    }
    Some(named)
}

fn inside(path: &str, name: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "-_".contains(character);
    match (path, name.chars().all(plain)) {
        ("", _) => name.to_owned(),
        (path, true) => format!("{path}.{name}"),
        (path, false) => format!("{path}[{name:?}]"),
    }
}

/// Which values of a Secret differ. Those of an earlier rendering are not in it.
fn secrets(fields: &mut Vec<Field>, old: &Node, new: &Node) {
    let mut known = Vec::new();
    let (old, new) = (old.observed(), new.observed());
    if let (Some(old), Some(new)) = (secret_data(&old), secret_data(&new)) {
        for (key, value) in old {
            let changed = new.get(key).is_some_and(|other| other != value);
            if changed && value != "" {
                known.push(Field {
                    path: inside("data", key),
                    old: Some(Value::Null),
                    new: Some(Value::Null),
                    secret: true,
                });
            }
        }
        for field in fields.iter_mut() {
            field.secret = field.path.starts_with("data");
        }
    }
    fields.append(&mut known);
}
