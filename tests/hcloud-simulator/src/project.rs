//! A project: what the tokens of one customer project see.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    action::{Action, ActionError, ActionMode, NewAction, Status},
    capacity::{Capacity, Quotas},
    clock::later,
    collection::Id,
    fault::ActionFault,
    rate_limit::Bucket,
    resource::{self, Resources},
};

/// The state of one project. Tests may change it directly, without any of the API's checks.
#[derive(Debug, Serialize, Deserialize)]
pub struct Project {
    next_id: Id,
    /// The objects, by kind.
    pub resources: Resources,
    /// What Hetzner cannot deliver now.
    #[serde(default)]
    pub capacity: Capacity,
    /// How much the project may have.
    #[serde(default)]
    pub quotas: Quotas,
    actions: BTreeMap<Id, Action>,
    /// The request budget.
    #[serde(skip)]
    pub bucket: Bucket,
    #[serde(skip)]
    past: Past,
}

/// The objects as they were before each change, with the moment of the change, oldest first.
type Past = VecDeque<(Timestamp, Resources)>;

impl Project {
    /// An empty project whose ids start at `first_id`.
    pub(crate) fn new(first_id: Id) -> Self {
        Self {
            next_id: first_id,
            resources: Resources::default(),
            capacity: Capacity::default(),
            quotas: Quotas::default(),
            actions: BTreeMap::new(),
            bucket: Bucket::default(),
            past: Past::new(),
        }
    }

    /// Notes the objects as they are just before a change. What was over longer ago than `memory` is forgotten; without
    /// one, everything is.
    pub(crate) fn remember(&mut self, memory: Option<Duration>, now: Timestamp) {
        let Some(memory) = memory else {
            self.past.clear();
            return;
        };
        self.past.retain(|(until, _)| later(*until, memory) > now);
        self.past.push_back((now, self.resources.clone()));
    }

    /// Lets `work` see the objects as they were `age` ago, as far as that is remembered.
    pub(crate) fn with_past<T>(
        &mut self,
        age: Duration,
        now: Timestamp,
        work: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let mut past = self.past.iter();
        let then = past.find(|(until, _)| later(*until, age) > now);
        let Some((_, then)) = then else {
            return work(self);
        };
        let present = std::mem::replace(&mut self.resources, then.clone());
        let result = work(self);
        self.resources = present;
        result
    }

    /// Whether an action falls due.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        let mut running = self.actions().filter(|action| action.is_running());
        running.any(|action| action.due.is_some_and(|due| due <= now))
    }

    /// An id that nothing in this simulator has.
    pub fn new_id(&mut self) -> Id {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    pub(crate) const fn next_id(&self) -> Id {
        self.next_id
    }

    /// All actions, by ascending id.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.actions.values()
    }

    /// The action with this id.
    pub fn action(&self, id: Id) -> Option<&Action> {
        self.actions.get(&id)
    }

    /// The action that changes this object now.
    pub fn running_on(&self, kind: &str, id: Id) -> Option<&Action> {
        self.actions()
            .find(|action| action.is_running() && action.concerns(kind, id))
    }

    pub(crate) fn start_action(
        &mut self,
        action: NewAction,
        mode: ActionMode,
        fault: Option<ActionFault>,
        now: Timestamp,
    ) -> Id {
        let id = self.new_id();
        let fault = fault.unwrap_or_default();
        let begin = action
            .after
            .and_then(|other| self.action(other)?.due)
            .map_or(now, |due| due.max(now));
        let duration = match (fault.duration, mode) {
            (Some(duration), _) | (None, ActionMode::Automatic(duration)) => Some(duration),
            (None, ActionMode::Explicit) => None,
        };
        self.actions.insert(
            id,
            Action {
                id,
                command: action.command.to_owned(),
                status: Status::Running,
                started: now,
                finished: None,
                resources: action.resources,
                error: None,
                due: duration.map(|duration| later(begin, duration)),
                fate: fault.error,
                change: action.change,
                undo: action.undo,
            },
        );
        id
    }

    /// Finishes every action that is due, in the order in which they fell due.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        let mut due: Vec<(Timestamp, Id)> = self
            .actions()
            .filter(|action| action.is_running())
            .filter_map(|action| Some((action.due.filter(|due| *due <= now)?, action.id)))
            .collect();
        due.sort_unstable();
        for (moment, id) in due {
            self.finish_action(id, None, moment);
        }
        for follow in resource::CONSEQUENCES {
            follow(self, now);
        }
    }

    /// Finishes a running action; it fails with `error` or with the failure planned for it.
    pub(crate) fn finish_action(
        &mut self,
        id: Id,
        error: Option<ActionError>,
        now: Timestamp,
    ) -> Option<Action> {
        let mut action = self
            .actions
            .get(&id)
            .filter(|action| action.is_running())?
            .clone();
        action.error = error
            .or_else(|| action.fate.take())
            .or_else(|| self.apply(&action, &action.change).err());
        if action.error.is_some() && !action.undo.is_null() {
            // What cannot be undone is no longer there.
            let _ = self.apply(&action, &action.undo);
        }
        action.status = if action.error.is_some() {
            Status::Error
        } else {
            Status::Success
        };
        action.finished = Some(now);
        self.actions.insert(id, action.clone());
        Some(action)
    }

    fn apply(&mut self, action: &Action, change: &Value) -> Result<(), ActionError> {
        let target = action.resources.first();
        let kind = resource::KINDS
            .iter()
            .find(|kind| target.is_some_and(|target| target.kind == kind.name));
        match (target, kind.and_then(|kind| kind.changes.as_ref())) {
            (Some(target), Some(changes)) => (changes.apply)(self, target.id, change),
            _ => Err(ActionError::new(
                "action_failed",
                "the object does not exist",
            )),
        }
    }
}
