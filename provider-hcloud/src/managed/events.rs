//! Events in the API group "" (the only one that a provider may write), summed up so that repetition does not flood.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Event, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
    core::ObjectMeta,
};
use serde_json::json;
use tokio::sync::mpsc;
use tracing::debug;

use super::conditions::one_line;
use crate::clock::Clock;

/// Repetitions of an event are written at most this often.
const REPEAT: Duration = Duration::from_secs(300);
/// An event that was not repeated for this long is forgotten (the API server keeps events for an hour).
const FORGET: Duration = Duration::from_secs(3000);
/// How often it is looked for what can be forgotten.
const CLEAR: Duration = Duration::from_secs(60);
/// Events that wait to be written; more are dropped.
const QUEUE: usize = 1024;

/// Whether an event is good or bad news.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Severity {
    /// As it should be.
    Normal,
    /// Something needs attention.
    Warning,
}

impl Severity {
    fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// What makes two events the same.
#[derive(Clone, Debug, Hash)]
struct Key {
    namespace: String,
    uid: String,
    severity: Severity,
    reason: &'static str,
    message: String,
}

#[derive(Debug)]
struct Note {
    key: Key,
    object: ObjectReference,
    external_name: Option<String>,
    at: Timestamp,
}

/// Records events without making anybody wait.
#[derive(Clone, Debug)]
pub struct Recorder {
    queue: mpsc::Sender<Note>,
    component: Arc<str>,
    clock: Clock,
}

impl Recorder {
    /// A recorder, and the task that writes what it records; the task ends when all recorders are gone.
    pub fn new(
        client: Client,
        component: &str,
        clock: Clock,
    ) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (queue, notes) = mpsc::channel(QUEUE);
        let component: Arc<str> = component.into();
        let writer = write(client, Arc::clone(&component), clock.clone(), notes);
        let recorder = Self {
            queue,
            component,
            clock,
        };
        (recorder, writer)
    }

    /// Records an event about `object`.
    pub fn record(
        &self,
        object: ObjectReference,
        severity: Severity,
        reason: &'static str,
        message: &str,
        external_name: Option<&str>,
    ) {
        let note = Note {
            key: Key {
                // Events about objects without a namespace live in the default one.
                namespace: object
                    .namespace
                    .clone()
                    .unwrap_or_else(|| "default".to_owned()),
                uid: object.uid.clone().unwrap_or_default(),
                severity,
                reason,
                message: one_line(message),
            },
            object,
            external_name: external_name.map(ToOwned::to_owned),
            at: self.clock.now(),
        };
        if self.queue.try_send(note).is_err() {
            debug!(component = %self.component, reason, "An event was dropped");
        }
    }
}

/// An event that was written, and how often it has happened since.
#[derive(Debug)]
struct Written {
    name: String,
    count: i32,
    written: Duration,
    seen: Duration,
}

/// What to do about an event.
#[derive(Debug, Eq, PartialEq)]
enum Write {
    Create,
    Repeat { name: String, count: i32 },
    Nothing,
}

/// The events that may be repeated. Keys are kept as hashes: there may be many, and each has a text.
#[derive(Debug, Default)]
struct Ledger {
    written: HashMap<u64, Written>,
    /// When it was last looked for what can be forgotten.
    cleared: Duration,
}

impl Ledger {
    fn note(&mut self, key: &Key, now: Duration) -> Write {
        if now.saturating_sub(self.cleared) >= CLEAR {
            self.cleared = now;
            self.written
                .retain(|_, written| now.saturating_sub(written.seen) < FORGET);
        }
        let Some(written) = self.written.get_mut(&hash(key)) else {
            return Write::Create;
        };
        if now.saturating_sub(written.seen) >= FORGET {
            return Write::Create;
        }
        written.count = written.count.saturating_add(1);
        written.seen = now;
        if now.saturating_sub(written.written) < REPEAT {
            return Write::Nothing;
        }
        written.written = now;
        Write::Repeat {
            name: written.name.clone(),
            count: written.count,
        }
    }

    fn created(&mut self, key: &Key, name: String, now: Duration) {
        let written = Written {
            name,
            count: 1,
            written: now,
            seen: now,
        };
        self.written.insert(hash(key), written);
    }

    fn forget(&mut self, key: &Key) {
        self.written.remove(&hash(key));
    }
}

fn hash(key: &Key) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

async fn write(client: Client, component: Arc<str>, clock: Clock, mut notes: mpsc::Receiver<Note>) {
    let mut ledger = Ledger::default();
    while let Some(note) = notes.recv().await {
        let events = Api::<Event>::namespaced(client.clone(), &note.key.namespace);
        let result = match ledger.note(&note.key, clock.elapsed()) {
            Write::Nothing => continue,
            Write::Repeat { name, count } => {
                let patch = json!({"count": count, "lastTimestamp": Time(note.at)});
                let patched = events
                    .patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
                    .await;
                if matches!(&patched, Err(kube::Error::Api(status)) if status.is_not_found()) {
                    ledger.forget(&note.key);
                }
                patched
            }
            Write::Create => {
                let event = event(&note, &component);
                let created = events.create(&PostParams::default(), &event).await;
                if let Ok(Event {
                    metadata:
                        ObjectMeta {
                            name: Some(name), ..
                        },
                    ..
                }) = &created
                {
                    ledger.created(&note.key, name.clone(), clock.elapsed());
                }
                created
            }
        };
        if let Err(error) = result {
            debug!(%error, %component, "Cannot write an event");
        }
    }
}

fn event(note: &Note, component: &str) -> Event {
    let name = note.object.name.as_deref().unwrap_or_default();
    Event {
        metadata: ObjectMeta {
            generate_name: Some(format!("{name}.")),
            namespace: Some(note.key.namespace.clone()),
            annotations: note
                .external_name
                .as_ref()
                .map(|name| [("external-name".to_owned(), name.clone())].into()),
            ..ObjectMeta::default()
        },
        involved_object: note.object.clone(),
        type_: Some(note.key.severity.as_str().to_owned()),
        reason: Some(note.key.reason.to_owned()),
        message: Some(note.key.message.clone()),
        count: Some(1),
        first_timestamp: Some(Time(note.at)),
        last_timestamp: Some(Time(note.at)),
        source: Some(EventSource {
            component: Some(component.to_owned()),
            host: None,
        }),
        reporting_component: Some(component.to_owned()),
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(message: &str) -> Key {
        Key {
            namespace: "ns".to_owned(),
            uid: "u".to_owned(),
            severity: Severity::Warning,
            reason: "CannotObserveExternalResource",
            message: message.to_owned(),
        }
    }

    #[test]
    fn repetitions_are_counted_and_written_rarely() {
        let mut ledger = Ledger::default();
        let second = Duration::from_secs;
        assert_eq!(ledger.note(&key("a"), second(0)), Write::Create);
        ledger.created(&key("a"), "a.1".to_owned(), second(0));
        for at in 1..300 {
            assert_eq!(ledger.note(&key("a"), second(at)), Write::Nothing);
        }
        let repeat = Write::Repeat {
            name: "a.1".to_owned(),
            count: 301,
        };
        assert_eq!(ledger.note(&key("a"), second(300)), repeat);
        assert_eq!(ledger.note(&key("a"), second(301)), Write::Nothing);
    }

    #[test]
    fn another_message_is_another_event_and_old_ones_are_forgotten() {
        let mut ledger = Ledger::default();
        ledger.created(&key("a"), "a.1".to_owned(), Duration::ZERO);
        assert_eq!(
            ledger.note(&key("b"), Duration::from_secs(1)),
            Write::Create
        );
        assert_eq!(ledger.note(&key("a"), FORGET), Write::Create);
        assert!(ledger.written.is_empty());
    }
}
