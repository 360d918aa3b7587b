//! The request log: what clients asked and what they were told, for assertions such as "a second reconcile writes
//! nothing".

use http::Method;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;

use crate::fault::path_matches;

/// Older entries are forgotten beyond this many, so that a sandbox can run for days.
const CAPACITY: usize = 100_000;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Position in the order of arrival, from 1; never reused.
    pub sequence: u64,
    /// When it arrived.
    pub time: Timestamp,
    /// The project of its token, when there is one.
    pub project: Option<String>,
    /// The HTTP method.
    #[serde(serialize_with = "as_text")]
    pub method: Method,
    /// The path below `/v1`, with ids.
    pub path: String,
    /// The raw query.
    pub query: Option<String>,
    /// The client's `User-Agent`.
    pub user_agent: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is being worked on, or held by a fault.
    Pending,
    /// It was answered with this status.
    Answered(u16),
    /// The connection was closed instead of an answer.
    Closed,
}

impl Entry {
    /// True for every method but GET.
    pub fn is_mutation(&self) -> bool {
        self.method != Method::GET
    }

    /// True for this method and a path of this form (`*` is one segment, `**` any rest).
    pub fn is(&self, method: &Method, pattern: &str) -> bool {
        self.method == *method && path_matches(pattern, &self.path)
    }

    /// The status of the answer.
    pub const fn status(&self) -> Option<u16> {
        match self.outcome {
            Outcome::Answered(status) => Some(status),
            Outcome::Pending | Outcome::Closed => None,
        }
    }
}

#[derive(Debug, Default)]
struct Journal {
    next: u64,
    entries: std::collections::VecDeque<Entry>,
}

/// The requests so far, oldest first.
#[derive(Clone, Debug)]
pub struct RequestLog(watch::Sender<Journal>);

impl Default for RequestLog {
    fn default() -> Self {
        Self(watch::Sender::new(Journal::default()))
    }
}

impl RequestLog {
    /// All entries.
    pub fn entries(&self) -> Vec<Entry> {
        self.0.borrow().entries.iter().cloned().collect()
    }

    /// The entries of this method and a path of this form (`*` is one segment, `**` any rest).
    pub fn of(&self, method: &Method, pattern: &str) -> Vec<Entry> {
        self.0
            .borrow()
            .entries
            .iter()
            .filter(|entry| entry.is(method, pattern))
            .cloned()
            .collect()
    }

    /// The entries that asked for a change.
    pub fn mutations(&self) -> Vec<Entry> {
        self.0
            .borrow()
            .entries
            .iter()
            .filter(|entry| entry.is_mutation())
            .cloned()
            .collect()
    }

    /// Forgets all entries.
    pub fn clear(&self) {
        self.0.send_modify(|journal| journal.entries.clear());
    }

    /// Returns once the entries fulfil a condition.
    pub async fn until(&self, mut condition: impl FnMut(&[Entry]) -> bool) {
        let mut journal = self.0.subscribe();
        loop {
            let met = condition(
                &journal
                    .borrow_and_update()
                    .entries
                    .iter()
                    .cloned()
                    .collect::<Vec<_>>(),
            );
            // The sender lives in self, so the channel cannot close meanwhile.
            if met || journal.changed().await.is_err() {
                return;
            }
        }
    }

    pub(crate) fn begin(&self, mut entry: Entry) -> u64 {
        self.0.send_modify(|journal| {
            journal.next += 1;
            entry.sequence = journal.next;
            if journal.entries.len() == CAPACITY {
                journal.entries.pop_front();
            }
            journal.entries.push_back(entry);
        });
        self.0.borrow().next
    }

    pub(crate) fn end(&self, sequence: u64, outcome: Outcome) {
        self.0.send_modify(|journal| {
            if let Some(entry) = journal
                .entries
                .iter_mut()
                .rev()
                .find(|entry| entry.sequence == sequence)
            {
                entry.outcome = outcome;
            }
        });
    }
}

fn as_text<S: serde::Serializer>(method: &Method, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(method.as_str())
}
