//! The fault plan: which calls go wrong, and how.
//!
//! Faults see only calls that were let in (known path, good token, budget left), so "the second create" means the second
//! one that would have had an effect. Every armed fault that matches a call takes part in it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::Method;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::action::ActionError;

/// Calls to disturb and what happens to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The HTTP method; any when absent.
    #[serde(default, with = "method", skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// The path below `/v1`; `*` stands for one segment, `**` at the end for any rest.
    pub path: String,
    /// Matching calls that pass before the first one is disturbed.
    #[serde(default)]
    pub skip: u32,
    /// How many matching calls are disturbed; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// What happens.
    pub effect: Effect,
}

/// What happens to a disturbed call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// An error in the API's form is answered; the call has no effect.
    Answer {
        /// HTTP status.
        status: u16,
        /// The error's code.
        code: String,
        /// The error's text.
        message: String,
    },
    /// A gateway's HTML page is answered; the call has no effect.
    Html {
        /// HTTP status, usually 502, 503 or 504.
        status: u16,
    },
    /// The connection is closed; the call has no effect.
    CloseBefore,
    /// The call takes effect, then the connection is closed instead of an answer.
    CloseAfter,
    /// The call takes effect, its answer comes later.
    Slow {
        /// How much later, in milliseconds of the simulator's clock.
        milliseconds: u64,
    },
    /// A `GET` is answered as things were some time ago: a list lacks what was made since, and has what is gone. What
    /// changed before the fault was armed, or by hand, is shown as it is.
    Stale {
        /// How long ago, in milliseconds of the simulator's clock.
        milliseconds: u64,
    },
    /// The call waits, before its effect, until it is released. It is carried out even when its client has gone by then.
    HoldBefore,
    /// The call takes effect, its answer waits until it is released.
    HoldAfter,
    /// An action that the call starts is slow, fails, or both.
    Action {
        /// The action's command, for calls that start several; their first action when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command: Option<String>,
        /// How long it takes, in milliseconds of the simulator's clock; as usual when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        milliseconds: Option<u64>,
        /// What it ends with; success when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<ActionError>,
    },
}

/// How an action deviates from its usual course.
#[derive(Clone, Debug, Default)]
pub(crate) struct ActionFault {
    pub(crate) command: Option<String>,
    pub(crate) duration: Option<Duration>,
    pub(crate) error: Option<ActionError>,
}

impl ActionFault {
    pub(crate) fn concerns(&self, command: &str) -> bool {
        self.command.as_deref().is_none_or(|own| own == command)
    }
}

impl Fault {
    /// Begins a fault for calls of this method and path, which may contain `*` and end in `**`.
    pub fn on(method: Method, path: impl Into<String>) -> FaultBuilder {
        FaultBuilder {
            method: Some(method),
            path: path.into(),
            skip: 0,
            times: Some(1),
            command: None,
        }
    }

    /// Begins a fault for calls of any method.
    pub fn on_any(path: impl Into<String>) -> FaultBuilder {
        FaultBuilder {
            method: None,
            path: path.into(),
            skip: 0,
            times: Some(1),
            command: None,
        }
    }

    fn matches(&self, method: &Method, path: &str) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted == method) && path_matches(&self.path, path)
    }
}

/// A fault in the making; it disturbs one call unless told otherwise.
#[derive(Clone, Debug)]
#[must_use]
pub struct FaultBuilder {
    method: Option<Method>,
    path: String,
    skip: u32,
    times: Option<u32>,
    command: Option<String>,
}

impl FaultBuilder {
    /// Disturbs the `n`-th matching call (from 1) first.
    pub const fn nth(mut self, n: u32) -> Self {
        self.skip = n.saturating_sub(1);
        self
    }

    /// Disturbs this many calls.
    pub const fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Disturbs every call until the fault is removed.
    pub const fn always(mut self) -> Self {
        self.times = None;
        self
    }

    /// Of the actions that the call starts, chooses the first one with this command for [`Self::slow_action`] and
    /// [`Self::fail_action`].
    pub fn command(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }

    /// Answers an API error, without effect.
    pub fn answer(self, status: u16, code: impl Into<String>, message: impl Into<String>) -> Fault {
        self.with(Effect::Answer {
            status,
            code: code.into(),
            message: message.into(),
        })
    }

    /// Answers a gateway's HTML page, without effect.
    pub fn html(self, status: u16) -> Fault {
        self.with(Effect::Html { status })
    }

    /// Closes the connection before the effect.
    pub fn close_before(self) -> Fault {
        self.with(Effect::CloseBefore)
    }

    /// Closes the connection after the effect: the answer is lost.
    pub fn close_after(self) -> Fault {
        self.with(Effect::CloseAfter)
    }

    /// Delays the answer on the simulator's clock.
    pub fn slow(self, delay: Duration) -> Fault {
        self.with(Effect::Slow {
            milliseconds: millis(delay),
        })
    }

    /// Answers a `GET` as things were this long ago.
    pub fn stale(self, age: Duration) -> Fault {
        self.with(Effect::Stale {
            milliseconds: millis(age),
        })
    }

    /// Holds the call before its effect.
    pub fn hold_before(self) -> Fault {
        self.with(Effect::HoldBefore)
    }

    /// Holds the call after its effect.
    pub fn hold_after(self) -> Fault {
        self.with(Effect::HoldAfter)
    }

    /// Makes the action that the call starts take this long.
    pub fn slow_action(self, duration: Duration) -> Fault {
        let command = self.command.clone();
        self.with(Effect::Action {
            command,
            milliseconds: Some(millis(duration)),
            error: None,
        })
    }

    /// Makes the action that the call starts fail.
    pub fn fail_action(self, code: impl Into<String>, message: impl Into<String>) -> Fault {
        let command = self.command.clone();
        self.with(Effect::Action {
            command,
            milliseconds: None,
            error: Some(ActionError::new(code, message)),
        })
    }

    fn with(self, effect: Effect) -> Fault {
        Fault {
            method: self.method,
            path: self.path,
            skip: self.skip,
            times: self.times,
            effect,
        }
    }
}

/// The faults that are armed now.
#[derive(Clone, Debug, Default)]
pub struct FaultPlan(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    next_id: u64,
    injections: Vec<Injection>,
}

/// A fault in the plan, as a handle to watch and end it.
#[derive(Clone, Debug)]
pub struct Injection {
    id: u64,
    fault: Fault,
    progress: watch::Sender<Progress>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    seen: u32,
    struck: u32,
    reached: u32,
    verdict: Option<Verdict>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Release,
    Abort,
}

impl FaultPlan {
    /// Arms a fault.
    pub fn inject(&self, fault: Fault) -> Injection {
        let mut plan = self.lock();
        plan.next_id += 1;
        let injection = Injection {
            id: plan.next_id,
            fault,
            progress: watch::Sender::new(Progress::default()),
        };
        plan.injections.push(injection.clone());
        injection
    }

    /// Removes all faults and releases what they hold.
    pub fn clear(&self) {
        for injection in self.lock().injections.drain(..) {
            injection.release();
        }
    }

    /// The faults in the plan, spent ones included.
    pub fn injections(&self) -> Vec<Injection> {
        self.lock().injections.clone()
    }

    /// The fault with this id.
    pub fn get(&self, id: u64) -> Option<Injection> {
        self.lock()
            .injections
            .iter()
            .find(|injection| injection.id == id)
            .cloned()
    }

    /// Removes one fault and releases what it holds.
    pub fn remove(&self, id: u64) -> Option<Injection> {
        let mut plan = self.lock();
        let index = plan
            .injections
            .iter()
            .position(|injection| injection.id == id)?;
        let injection = plan.injections.remove(index);
        injection.release();
        Some(injection)
    }

    /// How long what was there has to be remembered for [`Effect::Stale`]; `None` when nothing asks for it.
    pub(crate) fn memory(&self) -> Option<Duration> {
        let plan = self.lock();
        let effects = plan.injections.iter().map(|one| &one.fault.effect);
        let ages = effects.filter_map(|effect| match effect {
            Effect::Stale { milliseconds } => Some(Duration::from_millis(*milliseconds)),
            _ => None,
        });
        ages.max()
    }

    /// The faults that strike this call.
    pub(crate) fn strike(&self, method: &Method, path: &str) -> Vec<Injection> {
        self.lock()
            .injections
            .iter()
            .filter(|injection| injection.strike(method, path))
            .cloned()
            .collect()
    }

    /// Closes every held call, for the end of the simulator.
    pub(crate) fn abort_all(&self) {
        for injection in self.lock().injections.drain(..) {
            injection.abort();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Injection {
    /// The number by which the plan knows this fault.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The fault itself.
    pub const fn fault(&self) -> &Fault {
        &self.fault
    }

    /// How many calls it has disturbed so far. A held or slow call counts from the moment it waits.
    pub fn hits(&self) -> u32 {
        self.progress.borrow().reached
    }

    /// Returns once the fault has disturbed `hits` calls; for a hold, once that many calls wait or waited.
    pub async fn reached(&self, hits: u32) {
        // The sender lives in self, so the wait cannot end by the channel closing.
        let _ = self
            .progress
            .subscribe()
            .wait_for(|progress| progress.reached >= hits)
            .await;
    }

    /// Lets held calls go on, now and in future.
    pub fn release(&self) {
        self.decide(Verdict::Release);
    }

    /// Closes the connections of held calls, now and in future: before a hold's effect nothing happens, after it the
    /// answer is lost.
    pub fn abort(&self) {
        self.decide(Verdict::Abort);
    }

    fn decide(&self, verdict: Verdict) {
        self.progress
            .send_modify(|progress| progress.verdict = Some(verdict));
    }

    fn strike(&self, method: &Method, path: &str) -> bool {
        if !self.fault.matches(method, path) {
            return false;
        }
        let mut strikes = false;
        self.progress.send_modify(|progress| {
            progress.seen += 1;
            strikes = progress.seen > self.fault.skip
                && self.fault.times.is_none_or(|times| progress.struck < times);
            progress.struck += u32::from(strikes);
        });
        strikes
    }

    pub(crate) fn mark_reached(&self) {
        self.progress.send_modify(|progress| progress.reached += 1);
    }

    pub(crate) async fn verdict(&self) -> Verdict {
        let mut progress = self.progress.subscribe();
        let decided = progress
            .wait_for(|progress| progress.verdict.is_some())
            .await;
        decided
            .ok()
            .and_then(|progress| progress.verdict)
            .unwrap_or(Verdict::Abort)
    }
}

/// True when `path` has the form of `pattern`, in which `*` is one segment and `**` at the end any rest.
pub(crate) fn path_matches(pattern: &str, path: &str) -> bool {
    let mut given = path.split('/').filter(|segment| !segment.is_empty());
    for wanted in pattern.split('/').filter(|segment| !segment.is_empty()) {
        match (wanted, given.next()) {
            ("**", _) => return true,
            ("*", Some(_)) => {}
            (wanted, Some(segment)) if wanted == segment => {}
            _ => return false,
        }
    }
    given.next().is_none()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

mod method {
    use http::Method;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(
        clippy::ref_option,
        reason = "the signature that serde's `with` asks for"
    )]
    pub(super) fn serialize<S: Serializer>(
        method: &Option<Method>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match method {
            Some(method) => serializer.serialize_str(method.as_str()),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Method>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_patterns_match_segments() {
        let table = [
            ("/networks", "/networks", true),
            ("/networks", "/networks/1", false),
            ("/networks/*", "/networks/1", true),
            ("/networks/*", "/networks", false),
            (
                "/networks/*/actions/add_subnet",
                "/networks/1/actions/add_subnet",
                true,
            ),
            (
                "/networks/*/actions/add_subnet",
                "/networks/1/actions/add_route",
                false,
            ),
            ("/networks/**", "/networks/1/actions/add_route", true),
            ("/networks/**", "/networks", true),
            ("/**", "/anything", true),
        ];
        for (pattern, path, expected) in table {
            assert_eq!(path_matches(pattern, path), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn a_fault_strikes_from_the_nth_matching_call_as_often_as_told() {
        let plan = FaultPlan::default();
        plan.inject(
            Fault::on(Method::POST, "/networks")
                .nth(2)
                .times(2)
                .html(503),
        );
        let struck: Vec<usize> = (0..5)
            .map(|_| plan.strike(&Method::POST, "/networks").len())
            .collect();
        assert_eq!(struck, [0, 1, 1, 0, 0]);
        assert_eq!(plan.strike(&Method::GET, "/networks").len(), 0);
    }

    #[test]
    fn faults_are_read_from_json() {
        let fault: Fault = serde_json::from_str(
            r#"{"method":"POST","path":"/networks","times":2,"effect":{"answer":{"status":503,"code":"unavailable","message":"later"}}}"#,
        )
        .unwrap();
        assert_eq!(
            fault,
            Fault::on(Method::POST, "/networks")
                .times(2)
                .answer(503, "unavailable", "later")
        );
        let fault: Fault =
            serde_json::from_str(r#"{"path":"/**","effect":"close_after"}"#).unwrap();
        assert_eq!(fault, Fault::on_any("/**").always().close_after());
        let fault: Fault = serde_json::from_str(
            r#"{"method":"POST","path":"/servers","times":1,"effect":{"action":{"command":"start_server","error":{"code":"c","message":"m"}}}}"#,
        )
        .unwrap();
        let built = Fault::on(Method::POST, "/servers").command("start_server");
        assert_eq!(fault, built.fail_action("c", "m"));
        assert!(
            serde_json::from_str::<Fault>(r#"{"method":"GE T","path":"/","effect":"close_after"}"#)
                .is_err()
        );
    }
}
