//! Actions: what the API does over time. Nothing runs in the background: an action that is due is settled when the world
//! is next looked at, and its change is applied at that moment.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{clock::wire, collection::Id, world::World};

/// When actions finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionMode {
    /// By themselves, this long after they started; zero means that the answer to the call carries a finished action.
    Automatic(Duration),
    /// When a test says so, through [`Actions`].
    Explicit,
}

/// The state of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not finished.
    Running,
    /// Finished, and its change was applied.
    Success,
    /// Finished without effect.
    Error,
}

/// Why an action failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionError {
    /// Machine-readable code, for example `action_failed`.
    pub code: String,
    /// Text for people.
    pub message: String,
}

impl ActionError {
    /// An error with this code and text.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
        }
    }
}

/// An object that an action belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceRef {
    /// The object's id.
    pub id: Id,
    /// The object's kind, for example `network`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A started action. Finished ones are kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Action {
    /// The action's id.
    pub id: Id,
    /// What is done, for example `add_subnet`.
    pub command: String,
    /// How far it got.
    pub status: Status,
    /// When it started.
    pub started: Timestamp,
    /// When it finished.
    pub finished: Option<Timestamp>,
    /// The objects it belongs to; the first one is changed.
    pub resources: Vec<ResourceRef>,
    /// Why it failed.
    pub error: Option<ActionError>,
    /// When it finishes by itself.
    pub(crate) due: Option<Timestamp>,
    /// The failure that it is going to end with.
    pub(crate) fate: Option<ActionError>,
    /// What success applies, in the words of the kind.
    pub(crate) change: Value,
    /// What failure applies; nothing when null.
    #[serde(default)]
    pub(crate) undo: Value,
}

/// An action about to be started.
#[derive(Debug)]
pub(crate) struct NewAction {
    pub(crate) command: &'static str,
    pub(crate) resources: Vec<ResourceRef>,
    pub(crate) change: Value,
    pub(crate) undo: Value,
    /// The action that it waits for.
    pub(crate) after: Option<Id>,
}

impl ResourceRef {
    /// An object of this kind.
    pub fn new(kind: &str, id: Id) -> Self {
        Self {
            id,
            kind: kind.to_owned(),
        }
    }
}

impl NewAction {
    /// An action that applies `change` to `target` when it succeeds.
    pub(crate) fn new(command: &'static str, target: ResourceRef, change: Value) -> Self {
        Self {
            command,
            resources: vec![target],
            change,
            undo: Value::Null,
            after: None,
        }
    }

    /// Lets it occupy another object too.
    pub(crate) fn with(mut self, other: ResourceRef) -> Self {
        self.resources.push(other);
        self
    }

    /// What it applies when it fails.
    pub(crate) fn or_else(mut self, undo: Value) -> Self {
        self.undo = undo;
        self
    }

    /// Lets it begin when another one ends.
    pub(crate) const fn after(mut self, other: Id) -> Self {
        self.after = Some(other);
        self
    }
}

impl Action {
    /// True until the action has finished.
    pub fn is_running(&self) -> bool {
        self.status == Status::Running
    }

    /// True when the action belongs to this object.
    pub fn concerns(&self, kind: &str, id: Id) -> bool {
        self.resources
            .iter()
            .any(|resource| resource.kind == kind && resource.id == id)
    }

    pub(crate) fn body(&self, now: Timestamp) -> Value {
        json!({
            "id": self.id,
            "command": self.command,
            "status": self.status,
            "progress": self.progress(now),
            "started": wire(self.started),
            "finished": self.finished.map(wire),
            "resources": self.resources,
            "error": self.error,
        })
    }

    fn progress(&self, now: Timestamp) -> i64 {
        if !self.is_running() {
            return 100;
        }
        let millis = |end: Timestamp| end.duration_since(self.started).as_millis();
        let total = self.due.map_or(0, millis);
        if total > 0 {
            i64::try_from(millis(now) * 100 / total)
                .unwrap_or(0)
                .clamp(0, 99)
        } else {
            0
        }
    }
}

/// A test's hand on running actions.
#[derive(Clone, Debug)]
pub struct Actions(pub(crate) Arc<Mutex<World>>);

impl Actions {
    /// The actions that run now, oldest first.
    pub fn running(&self) -> Vec<Action> {
        World::lock(&self.0).running_actions()
    }

    /// Decides when actions finish that start from now on.
    pub fn set_mode(&self, mode: ActionMode) {
        World::lock(&self.0).actions = mode;
    }

    /// Lets the oldest running action succeed.
    pub fn complete_next(&self) -> Option<Action> {
        self.finish_next(None)
    }

    /// Lets the oldest running action fail.
    pub fn fail_next(&self, error: &ActionError) -> Option<Action> {
        self.finish_next(Some(error))
    }

    /// Lets one action succeed; `None` when it does not run.
    pub fn complete(&self, id: Id) -> Option<Action> {
        World::lock(&self.0).finish_action(id, None)
    }

    /// Lets one action fail; `None` when it does not run.
    pub fn fail(&self, id: Id, error: &ActionError) -> Option<Action> {
        World::lock(&self.0).finish_action(id, Some(error))
    }

    /// Lets every running action succeed and says which they were.
    pub fn drain(&self) -> Vec<Action> {
        std::iter::from_fn(|| self.complete_next()).collect()
    }

    fn finish_next(&self, error: Option<&ActionError>) -> Option<Action> {
        let mut world = World::lock(&self.0);
        let id = world.running_actions().first()?.id;
        world.finish_action(id, error)
    }
}
