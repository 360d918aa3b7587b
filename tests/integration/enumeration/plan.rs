//! The phases of a kind, and the lives of objects that go through them: in each life every phase meets one fault at most.

use std::collections::VecDeque;

use rig::interceptor::{Occurrence, Server};

use super::case::{Case, Fault, Place};
use super::row::{Cases, Edit, Row};

/// How much of a kind is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// The create, and the death of the provider.
    Creates,
    /// Every phase and every fault.
    Everything,
}

/// How long actions at Hetzner take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// They are done at once.
    Quick,
    /// The provider has to wait for them.
    Slow,
}

/// What a phase does to the object.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Create,
    Edit(&'static Edit),
    Delete,
}

/// One phase.
#[derive(Clone, Debug)]
pub(super) struct Phase {
    pub(super) name: String,
    pub(super) change: Change,
    /// The change comes while the provider does not run: it finds it when it starts.
    pub(super) cold: bool,
}

impl Phase {
    /// Whether this is where things go wrong.
    pub(super) fn is_for(&self, cases: Cases) -> bool {
        match cases {
            Cases::Everywhere => true,
            Cases::InEdits => matches!(self.change, Change::Edit(_)),
            Cases::InDeletion => matches!(self.change, Change::Delete),
        }
    }
}

/// What happened in a phase of the undisturbed run.
#[derive(Clone, Debug)]
pub(super) struct Course {
    pub(super) requests: Vec<Occurrence>,
    /// Watches and how many events each delivered.
    pub(super) events: Vec<(String, usize)>,
    /// The end state.
    pub(super) state: String,
}

/// The phases that one object goes through, and what goes wrong in each.
pub(super) type Life = Vec<(usize, Option<Case>)>;

/// The phases of a kind. The last one begins anew, with another create.
pub(super) fn phases(row: &Row, pace: Pace) -> Vec<Phase> {
    let phase = |name: &str, change, cold| Phase {
        name: match pace {
            Pace::Quick => name.to_owned(),
            Pace::Slow => format!("{name} (slow)"),
        },
        change,
        cold,
    };
    let mut phases = vec![phase("create", Change::Create, false)];
    phases.extend(
        row.edits
            .iter()
            .map(|edit| phase(edit.name, Change::Edit(edit), false)),
    );
    phases.push(phase("delete", Change::Delete, false));
    phases.push(phase("start", Change::Create, true));
    phases
}

/// All cases of a phase of the kind called `plural`. Of the watches that of the kind counts: what others deliver
/// depends on when the garbage collector comes by.
pub(super) fn cases(
    phase: &Phase,
    plural: &str,
    course: &Course,
    extent: Extent,
    pace: Pace,
) -> Vec<Case> {
    let mut cases = Vec::new();
    for (index, at) in course.requests.iter().enumerate() {
        if is_left_out(phase, at) {
            continue;
        }
        let faults = match (extent, pace) {
            (Extent::Everything, Pace::Quick) => Fault::of_request(at),
            // Only here something waits for an action.
            (Extent::Everything, Pace::Slow) if is_look_at_actions(at) => Fault::of_request(at),
            (Extent::Creates, _) | (_, Pace::Slow) => vec![Fault::DiesBefore, Fault::DiesAfter],
        };
        // A server is made anew elsewhere then, or left as it is for an hour: another end state.
        let faults = faults.into_iter();
        let faults = faults.filter(|fault| *fault != Fault::ActionFails || plural != "servers");
        cases.extend(faults.map(|fault| Case {
            place: Place::Request(at.clone()),
            number: index + 1,
            fault,
        }));
    }
    if extent == Extent::Everything && pace == Pace::Quick && !phase.cold {
        for (watch, count) in &course.events {
            if *watch != plural {
                continue;
            }
            for nth in 1..=*count {
                cases.extend(Fault::OF_EVENT.map(|fault| Case {
                    place: Place::Event {
                        watch: watch.clone(),
                        nth,
                    },
                    number: nth,
                    fault,
                }));
            }
        }
    }
    cases
}

/// Whether the request asks how actions go on.
pub(super) fn is_look_at_actions(at: &Occurrence) -> bool {
    at.call.server == Server::Cloud && at.call.path.starts_with("/actions")
}

/// A start is about what is listed and watched then: what follows is the create. How many use a configuration is counted
/// some time after a change, or after the garbage collector has come by; the configuration has a row of its own.
fn is_left_out(phase: &Phase, at: &Occurrence) -> bool {
    let reads_lists = matches!(at.call.verb.as_str(), "LIST" | "WATCH");
    let counts_users = at.call.path.starts_with("providerconfigs/default");
    (phase.cold && !reads_lists) || counts_users
}

/// Distributes cases over as few lives as possible. `cases` has one list for each phase.
pub(super) fn lives(phases: &[Phase], cases: Vec<Vec<Case>>) -> VecDeque<Life> {
    let last = phases.len() - 1;
    let mut queues: Vec<VecDeque<Case>> = cases.into_iter().map(VecDeque::from).collect();
    let mut lives = VecDeque::new();
    let cold = queues.pop().unwrap_or_default();
    while queues.iter().any(|queue| !queue.is_empty()) {
        let life = queues.iter_mut().map(VecDeque::pop_front).enumerate();
        lives.push_back(shorten(life.collect()));
    }
    // The deletion comes just before the cold start in the list of phases.
    lives.extend(
        cold.into_iter()
            .map(|case| vec![(last, Some(case)), (last - 1, None)]),
    );
    lives
}

/// When only the create has a case, the object is deleted as it was created.
fn shorten(mut life: Life) -> Life {
    let deletion = life.len() - 1;
    let only_create = life.iter().skip(1).all(|(_, case)| case.is_none());
    life.retain(|(phase, _)| !only_create || *phase == 0 || *phase == deletion);
    life
}
