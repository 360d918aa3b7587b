//! What to do about a server now: its differences, the steps that come next, and whether it can be used. Pure.
//!
//! ```text
//! setup:        attach, ISO, rescue ─> power on ─> remove the mark          (a new server; the mark is set by its create)
//! rebuild:      mark, rebuild ─> (wait) ─> remove the mark                   (the disk is overwritten; approved by somebody)
//! maintenance:  mark, shut down ─> (wait, ask again, cut the power) ─> change ─> power on ─> remove the mark
//! ```
//!
//! Every position on these ways is told by the server alone: its status and its marks. So each reconcile goes on where
//! the last one stopped, in this process or another, and none of them waits for long.

mod setup;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{
    drift::{Ending, Facts, changes},
    mark::{
        MAINTENANCE, Mark, Marks, REBUILD, REBUILD_OF, REFUSED, RESCUE, RESTART, Rebuild, Stamp,
    },
    step::{Change, Step, Way},
    wish::Wish,
};
use crate::{
    hcloud::Server,
    managed::{Difference, Drift, Readiness, Remedy, Retry},
};

/// How often to look while something goes on.
const SOON: Duration = Duration::from_secs(2);
/// The longest time between two such looks.
const SLOW: Duration = Duration::from_secs(10);
/// How often to look whether somebody has switched a server on.
const OFF: Duration = Duration::from_secs(60);
/// How long a change that was refused is not tried again.
const REFUSAL_HOLDS: SignedDuration = SignedDuration::from_hours(1);
/// The longest time between two looks at what is held up.
const HELD: Duration = Duration::from_secs(600);

/// Everything that the assessment depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation<'a> {
    pub(super) wish: &'a Wish,
    pub(super) server: &'a Server,
    pub(super) facts: &'a Facts,
    /// How many servers of this resource failed to be created before this one.
    pub(super) failed_before: i64,
    pub(super) now: Timestamp,
}

/// What to say and do about a server.
#[derive(Clone, Debug)]
pub(super) struct Assessment {
    /// The differences.
    pub(super) drift: Drift,
    /// What removes them, in order, as far as possible now.
    pub(super) steps: Vec<Step>,
    /// Whether the server can be used.
    pub(super) readiness: Readiness,
    /// Why a difference stays.
    pub(super) held: Option<(String, Retry)>,
    /// The mark to leave when a step is refused that the server was switched off for.
    pub(super) refusal: Option<Stamp>,
}

impl Assessment {
    fn new(readiness: Readiness) -> Self {
        Self {
            drift: Drift::default(),
            steps: Vec::new(),
            readiness,
            held: None,
            refusal: None,
        }
    }

    /// Nothing to do but to look again.
    fn waiting(message: impl Into<String>, recheck: Duration) -> Self {
        Self::new(Readiness::Unavailable {
            message: message.into(),
            recheck,
        })
    }

    fn take(&mut self, difference: Difference, steps: impl IntoIterator<Item = Step>) {
        self.drift.push(difference);
        self.steps.extend(steps);
    }
}

/// Assesses.
pub(super) fn assess(situation: &Situation<'_>) -> Assessment {
    let server = situation.server;
    let marks = Marks::of(&server.labels);
    if marks.setup {
        return setup::set_up(situation);
    }
    if !server.is_running() && !server.is_off() {
        let quick = matches!(server.status.as_str(), "starting" | "stopping");
        let recheck = if quick { SOON } else { SLOW };
        return Assessment::waiting(format!("the server is {}", server.status), recheck);
    }
    if let Some(rebuild) = &marks.rebuild {
        return rebuilding(situation, rebuild);
    }
    let changes = changes(situation.wish, server, &marks, situation.facts);
    if server.is_running() {
        running(situation, &marks, changes)
    } else {
        off(situation, &marks, changes)
    }
}

/// A server whose rebuild was approved. Everything else waits for its end. An update ends it: its approval was taken back.
fn rebuilding(situation: &Situation<'_>, rebuild: &Rebuild) -> Assessment {
    let Situation {
        wish,
        facts,
        server,
        ..
    } = *situation;
    let end = |desired: &str, observed: &str, marks: Vec<Mark>| {
        let mut assessment = if server.is_off() && !wish.is_off() {
            Assessment::waiting("the server is off", OFF)
        } else {
            Assessment::new(Readiness::Available)
        };
        let ended = [(REBUILD, None), (REBUILD_OF, None)];
        let marks = ended.into_iter().chain(marks).collect();
        let step = Step::Mark(marks);
        assessment.take(difference("rebuild", desired, observed), [step]);
        assessment
    };
    match &facts.rebuild {
        None if rebuild.is_of(wish) => {
            let mut assessment = end("done", "pending", Vec::new());
            assessment.drift = assessment.drift.into_overwritten();
            assessment
        }
        None => end("nothing", "pending for an older spec", Vec::new()),
        Some(Ending::Running) => Assessment::waiting("the server is being rebuilt", SLOW),
        Some(Ending::Failed(error)) => {
            let mut assessment = end("nothing", "failed", Vec::new());
            let message = format!("the rebuild has failed: {error}");
            assessment.held = Some((message, Retry::OnChange));
            assessment
        }
        Some(Ending::Done) => end("done", "pending", rebuild.outcome(wish)),
    }
}

/// A running server. What needs it off waits until it has shut down.
fn running(situation: &Situation<'_>, marks: &Marks<'_>, changes: Vec<Change>) -> Assessment {
    let Situation { wish, now, .. } = *situation;
    let mut assessment = Assessment::new(Readiness::Available);
    let mut switched = Vec::new();
    let mut fixed = Vec::new();
    for change in changes {
        match change.way {
            Way::Now(steps) => assessment.take(change.difference, steps),
            Way::Restart(steps) => {
                let steps = restart(&change.difference, steps, wish);
                assessment.take(change.difference, steps);
            }
            Way::Off(_) => switched.push(change.difference),
            Way::Replacement | Way::Rebuild | Way::Succession => fixed.push(change.difference),
            Way::Held { message, retry } => {
                assessment.held = Some((message, retry));
                assessment.drift.push(change.difference);
            }
        }
    }
    if let (Some(field), true) = (marks.restart, assessment.steps.is_empty()) {
        finish_restart(situation, field, &mut assessment);
    }
    let purpose = purpose(&switched, wish);
    if let Some(until) = refused_until(marks, &purpose, now).filter(|_| !switched.is_empty()) {
        let fields = fields(&switched);
        let message = format!(
            "the change of {fields} was refused with the server off: it is tried again at {until}, or when the spec changes"
        );
        let wait = duration(until.duration_since(now)).min(HELD);
        assessment.held = Some((message, Retry::After(wait)));
        switched
            .drain(..)
            .for_each(|difference| assessment.drift.push(difference));
    }
    if switched.is_empty() && marks.refused.is_some() && assessment.held.is_none() {
        let done = Step::Mark(vec![(REFUSED, None)]);
        assessment.take(difference("refused", "forgotten", "pending"), [done]);
    }
    if wish.is_off() {
        switched.push(difference("powerState", "Stopped", "running"));
    }
    if switched.is_empty() {
        end_maintenance(situation, marks, &mut assessment);
        fixed
            .into_iter()
            .for_each(|difference| assessment.drift.push(difference));
    } else {
        switch_off(situation, marks, switched, &purpose, &mut assessment);
    }
    assessment
}

/// Names the changes that a server is switched off for.
fn purpose(switched: &[Difference], wish: &Wish) -> String {
    let changes = switched
        .iter()
        .map(|d| format!("{}={}", d.field, d.desired));
    let off = wish.is_off().then(|| "powerState=Stopped".to_owned());
    changes.chain(off).collect::<Vec<_>>().join(";")
}

fn fields(differences: &[Difference]) -> String {
    let fields: Vec<_> = differences.iter().map(|d| d.field.as_str()).collect();
    fields.join(", ")
}

fn refused_until(marks: &Marks<'_>, purpose: &str, now: Timestamp) -> Option<Timestamp> {
    let refused = marks
        .refused
        .as_ref()
        .filter(|stamp| stamp.is_of(purpose))?;
    Some(refused.after(REFUSAL_HOLDS)).filter(|until| *until > now)
}

/// Reset after the steps; a mark tells that it is due.
fn restart(difference: &Difference, steps: Vec<Step>, wish: &Wish) -> Vec<Step> {
    let due = (RESTART, Some(difference.field.clone()));
    let mut marks = vec![due];
    if difference.field == "rescue" {
        marks.push((RESCUE, wish.rescue_digest()));
        // Prepared first: a rescue that is recorded is not prepared again.
        return steps
            .into_iter()
            .chain([Step::Mark(marks), Step::Reset, no_restart()])
            .collect();
    }
    [Step::Mark(marks)]
        .into_iter()
        .chain(steps)
        .chain([Step::Reset, no_restart()])
        .collect()
}

fn no_restart() -> Step {
    Step::Mark(vec![(RESTART, None)])
}

fn finish_restart(situation: &Situation<'_>, field: &str, assessment: &mut Assessment) {
    // The rescue system is started once, so it is on when it is no longer prepared.
    let done = field == "rescue" && !situation.server.rescue_enabled;
    let reset = (!done).then_some(Step::Reset);
    let steps = reset.into_iter().chain([no_restart()]);
    assessment.take(difference("restart", "done", field), steps);
}

/// The mark stays until a shutdown that was asked for would have come to its end.
fn end_maintenance(situation: &Situation<'_>, marks: &Marks<'_>, assessment: &mut Assessment) {
    let timeout = signed(situation.wish.shutdown_timeout);
    let over = marks.maintenance.as_ref();
    if over.is_some_and(|since| since.after(timeout) <= situation.now) {
        let done = Step::Mark(vec![(MAINTENANCE, None)]);
        assessment.take(difference("maintenance", "done", "pending"), [done]);
    }
}

fn switch_off(
    situation: &Situation<'_>,
    marks: &Marks<'_>,
    switched: Vec<Difference>,
    purpose: &str,
    assessment: &mut Assessment,
) {
    let Situation { wish, now, .. } = *situation;
    let timeout = wish.shutdown_timeout;
    let begun = marks
        .maintenance
        .as_ref()
        .filter(|stamp| stamp.is_of(purpose));
    match begun {
        None => {
            let stamp = Stamp::new(now, purpose);
            let begin = (MAINTENANCE, Some(stamp.to_string()));
            assessment
                .steps
                .push(Step::Mark(vec![begin, (REFUSED, None)]));
            if timeout.is_zero() {
                assessment.steps.push(Step::PowerOff);
            } else {
                assessment.steps.extend(shut_down(stamp, now));
            }
        }
        Some(stamp) if stamp.after(signed(timeout)) > now => {
            let until = stamp.after(signed(timeout));
            assessment.readiness = Readiness::Unavailable {
                message: format!(
                    "the server shuts down, so that {} can change; its power is cut at {until}",
                    fields(&switched)
                ),
                recheck: SOON.min(duration(until.duration_since(now))),
            };
            if !stamp.is_to_be_asked(now) {
                return;
            }
            assessment.steps.extend(shut_down(stamp.clone(), now));
        }
        Some(_) => assessment.steps.push(Step::PowerOff),
    }
    switched
        .into_iter()
        .for_each(|difference| assessment.drift.push(difference));
}

/// Recorded afterwards: until then it is asked for again.
fn shut_down(stamp: Stamp, now: Timestamp) -> [Step; 2] {
    let asked = stamp.asked(now).to_string();
    [Step::Shutdown, Step::Mark(vec![(MAINTENANCE, Some(asked))])]
}

/// A server that is off: everything can be changed. It is started again when it was we who stopped it, or when the spec
/// says so.
fn off(situation: &Situation<'_>, marks: &Marks<'_>, changes: Vec<Change>) -> Assessment {
    let Situation {
        wish, server, now, ..
    } = *situation;
    let mut assessment = Assessment::waiting("the server is off", OFF);
    let mut switched = Vec::new();
    let mut fixed = Vec::new();
    for change in changes {
        match change.way {
            Way::Now(steps) => assessment.take(change.difference, steps),
            Way::Restart(mut steps) => {
                steps.extend(recorded(&change.difference, wish));
                assessment.take(change.difference, steps);
            }
            Way::Off(steps) => {
                switched.push(change.difference.clone());
                assessment.take(change.difference, steps);
            }
            Way::Replacement | Way::Rebuild | Way::Succession => fixed.push(change.difference),
            Way::Held { message, retry } => {
                assessment.held = Some((message, retry));
                assessment.drift.push(change.difference);
            }
        }
    }
    if let Some(field) = marks.restart {
        assessment.take(difference("restart", "done", field), [no_restart()]);
    }
    let stopped_by_us = marks.maintenance.is_some();
    if wish.is_off() {
        assessment.readiness = Readiness::Available;
        if stopped_by_us && switched.is_empty() {
            let done = Step::Mark(vec![(MAINTENANCE, None)]);
            assessment.take(difference("maintenance", "done", "pending"), [done]);
        }
    } else if stopped_by_us || wish.power.is_some() {
        if !switched.is_empty() {
            assessment.refusal = Some(Stamp::new(now, &purpose(&switched, wish)));
        }
        power_on(server, stopped_by_us, &mut assessment);
    }
    // What the server was switched off for comes first: a rebuild would start it.
    if switched.is_empty() {
        fixed
            .into_iter()
            .for_each(|difference| assessment.drift.push(difference));
    }
    assessment
}

fn power_on(server: &Server, stopped_by_us: bool, assessment: &mut Assessment) {
    // Changing the type starts the server.
    let starts = assessment
        .steps
        .iter()
        .any(|step| matches!(step, Step::ChangeType(_)));
    if starts {
        return;
    }
    if !has_interface(server) && assessment.steps.is_empty() {
        assessment.readiness = Readiness::Unavailable {
            message: "the server has no network interface and cannot start".to_owned(),
            recheck: SLOW,
        };
        return;
    }
    assessment.take(difference("powerState", "Running", "off"), [Step::PowerOn]);
    if stopped_by_us {
        assessment.steps.push(Step::Mark(vec![(MAINTENANCE, None)]));
    }
}

/// The record of a rescue that was prepared.
fn recorded(difference: &Difference, wish: &Wish) -> Option<Step> {
    let record = (RESCUE, wish.rescue_digest());
    (difference.field == "rescue").then(|| Step::Mark(vec![record]))
}

fn has_interface(server: &Server) -> bool {
    let public = &server.public_net;
    public.ipv4.is_some() || public.ipv6.is_some() || !server.private_net.is_empty()
}

fn difference(field: &str, desired: &str, observed: &str) -> Difference {
    Difference {
        field: field.to_owned(),
        desired: desired.to_owned(),
        observed: observed.to_owned(),
        remedy: Remedy::InPlace,
    }
}

/// A server that is young is looked at often.
fn pace(situation: &Situation<'_>) -> Duration {
    let created = situation.server.created.as_deref();
    let created = created.and_then(|text| text.parse::<Timestamp>().ok());
    let age = created.map(|created| duration(situation.now.duration_since(created)));
    (age.unwrap_or_default() / 5).clamp(SOON, SLOW)
}

fn duration(signed: SignedDuration) -> Duration {
    Duration::try_from(signed).unwrap_or_default()
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests;
