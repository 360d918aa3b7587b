//! How often objects change, and where: each update of an object that a composite composed costs the composite tokens of
//! its circuit breaker.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::Result;
use futures::StreamExt;
use kube::api::DynamicObject;
use kube::core::TypeMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::apply::api_of;

/// Counts the updates of all objects of some kinds in a namespace until it is dropped.
#[derive(Debug)]
pub struct Updates {
    seen: Arc<Mutex<Seen>>,
    /// Ends with this.
    _watchers: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Seen {
    last: BTreeMap<Key, Value>,
    counted: BTreeMap<Key, Counted>,
    buckets: BTreeMap<Key, Bucket>,
}

/// The circuit breaker of a composite, as core's documentation describes it.
#[derive(Debug)]
struct Bucket {
    at: Instant,
    tokens: f64,
    lowest: f64,
}

/// Tokens of a full bucket; one comes back each second.
const FULL: f64 = 100.0;
/// Tokens for each update.
const PRICE: f64 = 2.0;

impl Bucket {
    fn take(&mut self, now: Instant) {
        let back = now.duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + back).min(FULL) - PRICE;
        self.lowest = self.lowest.min(self.tokens);
        self.at = now;
    }
}

/// Kind and name.
type Key = (String, String);

#[derive(Debug, Default)]
struct Counted {
    updates: usize,
    paths: BTreeMap<String, usize>,
}

impl Updates {
    /// Starts to count.
    ///
    /// # Errors
    ///
    /// When a kind is not served.
    pub async fn watch(client: &Client, kinds: &[TypeMeta], namespace: &str) -> Result<Self> {
        let seen = Arc::<Mutex<Seen>>::default();
        let mut watchers = JoinSet::new();
        for types in kinds {
            let api = api_of(client, types, Some(namespace)).await?;
            let (seen, kind) = (Arc::clone(&seen), types.kind.clone());
            let namespace = namespace.to_owned();
            watchers.spawn(async move {
                let events = watcher(api, watcher::Config::default()).default_backoff();
                let mut events = std::pin::pin!(events);
                while let Some(event) = events.next().await {
                    if let Ok(Event::Apply(object) | Event::InitApply(object)) = event
                        && is_in(&object, &namespace)
                        && let Ok(mut seen) = seen.lock()
                    {
                        seen.add(&kind, &object);
                    }
                }
            });
        }
        Ok(Self {
            seen,
            _watchers: watchers,
        })
    }

    /// How many updates the objects of a kind had together.
    pub fn of_kind(&self, kind: &str) -> usize {
        let Ok(seen) = self.seen.lock() else { return 0 };
        let counted = seen.counted.iter();
        let of_kind = counted.filter(|((other, _), _)| other == kind);
        of_kind.map(|(_, counted)| counted.updates).sum()
    }

    /// The composite whose circuit breaker came nearest to opening, and the tokens that it had left then; below zero it
    /// was open. Composites of some kinds are left out.
    pub fn tightest(&self, but: &[&str]) -> Option<(String, f64)> {
        let seen = self.seen.lock().ok()?;
        let buckets = seen.buckets.iter();
        let buckets = buckets.filter(|((kind, _), _)| !but.contains(&kind.as_str()));
        let tightest = buckets.min_by(|a, b| a.1.lowest.total_cmp(&b.1.lowest));
        tightest.map(|((kind, name), bucket)| (format!("{kind} {name}"), bucket.lowest))
    }

    /// The composites whose circuit breaker was open at some time.
    pub fn opened(&self) -> Vec<String> {
        let Ok(seen) = self.seen.lock() else {
            return Vec::new();
        };
        let buckets = seen.buckets.iter();
        let opened = buckets.filter(|(_, bucket)| bucket.lowest < 0.0);
        opened
            .map(|((kind, name), bucket)| format!("{kind} {name}: {:.0}", bucket.lowest))
            .collect()
    }

    /// A line for each object with its number of updates, and below it the fields that changed most often.
    pub fn report(&self) -> String {
        const FIELDS: usize = 12;
        let mut text = String::new();
        let Ok(seen) = self.seen.lock() else {
            return text;
        };
        for ((kind, name), bucket) in &seen.buckets {
            let _ = writeln!(
                text,
                "breaker of {kind} {name}: {:.0} tokens left at worst",
                bucket.lowest
            );
        }
        for ((kind, name), counted) in &seen.counted {
            let _ = writeln!(text, "{kind} {name}: {} updates", counted.updates);
            let mut paths: Vec<_> = counted.paths.iter().collect();
            paths.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
            for (path, times) in paths.into_iter().take(FIELDS) {
                let _ = writeln!(text, "  {times:3} {path}");
            }
        }
        text
    }
}

/// Whether an object is in a namespace, or stands for a claim in it.
fn is_in(object: &DynamicObject, namespace: &str) -> bool {
    let of_claim = object.labels().get("crossplane.io/claim-namespace");
    object
        .namespace()
        .as_ref()
        .or(of_claim)
        .is_some_and(|found| found == namespace)
}

impl Seen {
    fn add(&mut self, kind: &str, object: &DynamicObject) {
        let key = (kind.to_owned(), object.name_any());
        let mut value = object.data.clone();
        value["metadata"] = serde_json::to_value(&object.metadata).unwrap_or_default();
        if let Some(metadata) = value["metadata"].as_object_mut() {
            // These change with every update.
            metadata.remove("managedFields");
            metadata.remove("resourceVersion");
        }
        let Some(before) = self.last.insert(key.clone(), value.clone()) else {
            self.counted.entry(key).or_default();
            return;
        };
        if before == value {
            return;
        }
        // Core counts the changes of what a composite composes and those of the composite itself.
        let owners = object.owner_references().iter();
        let owner = owners.clone().find(|owner| owner.controller == Some(true));
        let above = owner.map(|owner| (owner.kind.clone(), owner.name.clone()));
        let itself = Some(key.clone()).filter(|_| kind.starts_with('X'));
        let now = Instant::now();
        for composite in above.into_iter().chain(itself) {
            let full = Bucket {
                at: now,
                tokens: FULL,
                lowest: FULL,
            };
            self.buckets.entry(composite).or_insert(full).take(now);
        }
        let counted = self.counted.entry(key).or_default();
        counted.updates += 1;
        let mut paths = Vec::new();
        differences(&before, &value, &mut String::new(), &mut paths);
        for path in paths {
            *counted.paths.entry(path).or_default() += 1;
        }
    }
}

/// The paths of all leaves that differ; an item with a type (a condition) or a name is called by it.
fn differences(before: &Value, after: &Value, path: &mut String, into: &mut Vec<String>) {
    let length = path.len();
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let keys = before
                .keys()
                .chain(after.keys().filter(|key| !before.contains_key(*key)));
            for key in keys {
                let _ = write!(path, ".{key}");
                let side = |object: &serde_json::Map<String, Value>| {
                    object.get(key).cloned().unwrap_or_default()
                };
                differences(&side(before), &side(after), path, into);
                path.truncate(length);
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                let name = ["type", "name"]
                    .iter()
                    .find_map(|field| after[*field].as_str());
                let _ = match name {
                    Some(name) => write!(path, "[{name}]"),
                    None => write!(path, "[{index}]"),
                };
                differences(before, after, path, into);
                path.truncate(length);
            }
        }
        _ if before != after => {
            let text = |value: &Value| value.to_string().chars().take(90).collect::<String>();
            let shown = matches!(
                after,
                Value::String(_) | Value::Bool(_) | Value::Number(_) | Value::Null
            ) && !path.ends_with("Time")
                && !path.ends_with("time");
            into.push(if shown {
                format!("{path} = {}", text(after))
            } else {
                path.clone()
            });
        }
        _ => {}
    }
}
