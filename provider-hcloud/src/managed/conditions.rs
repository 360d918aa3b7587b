//! Crossplane's conditions, with its reasons.

use api::{Condition, ConditionStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Type of the condition that says whether the external resource can be used.
pub const READY: &str = "Ready";
/// Type of the condition that says whether the last reconcile succeeded.
pub const SYNCED: &str = "Synced";
/// Type of the condition of a configuration that is deleted but still used.
pub const TERMINATING: &str = "Terminating";

/// Reason of a configuration whose credentials are refused.
pub const UNAUTHORIZED: &str = "Unauthorized";

/// Longest message that is written; more is cut off.
const MESSAGE_MAX: usize = 1024;

/// What a condition says, before it is known when it began to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Statement {
    type_: &'static str,
    status: ConditionStatus,
    reason: &'static str,
    message: String,
}

impl Statement {
    const fn new(type_: &'static str, status: ConditionStatus, reason: &'static str) -> Self {
        Self {
            type_,
            status,
            reason,
            message: String::new(),
        }
    }

    /// Adds a message: one line, cut at a length that a person can still read.
    #[must_use]
    pub fn with_message(mut self, message: &str) -> Self {
        self.message = one_line(message);
        self
    }
}

/// `text` in one line, cut at 1024 bytes.
pub fn one_line(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() > MESSAGE_MAX {
        let end = (0..=MESSAGE_MAX - '…'.len_utf8())
            .rev()
            .find(|&at| line.is_char_boundary(at))
            .unwrap_or(0);
        line.truncate(end);
        line.push('…');
    }
    line
}

/// Ready: the external resource can be used.
pub const fn available() -> Statement {
    Statement::new(READY, ConditionStatus::True, "Available")
}

/// Not ready: the external resource is being created.
pub const fn creating() -> Statement {
    Statement::new(READY, ConditionStatus::False, "Creating")
}

/// Not ready: the external resource is being deleted.
pub const fn deleting() -> Statement {
    Statement::new(READY, ConditionStatus::False, "Deleting")
}

/// Not ready: the external resource exists and cannot be used.
pub fn unavailable(message: &str) -> Statement {
    Statement::new(READY, ConditionStatus::False, "Unavailable").with_message(message)
}

/// Not ready: the external system refuses the credentials of a configuration.
pub fn unauthorized(message: &str) -> Statement {
    Statement::new(READY, ConditionStatus::False, UNAUTHORIZED).with_message(message)
}

/// The reconcile succeeded.
pub const fn reconcile_success() -> Statement {
    Statement::new(SYNCED, ConditionStatus::True, "ReconcileSuccess")
}

/// The reconcile failed.
pub fn reconcile_error(message: &str) -> Statement {
    Statement::new(SYNCED, ConditionStatus::False, "ReconcileError").with_message(message)
}

/// Reconciling is paused.
pub const fn reconcile_paused() -> Statement {
    Statement::new(SYNCED, ConditionStatus::False, "ReconcilePaused")
}

/// A configuration is deleted, but still used.
pub fn in_use(message: &str) -> Statement {
    Statement::new(TERMINATING, ConditionStatus::True, "InUse").with_message(message)
}

/// Puts `statement` into `conditions`. The time of the last transition moves only when something else of the
/// condition changes.
pub fn mark(
    conditions: &mut Vec<Condition>,
    statement: Statement,
    generation: Option<i64>,
    now: Timestamp,
) {
    let condition = Condition {
        type_: statement.type_.to_owned(),
        status: statement.status,
        last_transition_time: Time(now),
        reason: statement.reason.to_owned(),
        message: statement.message,
        observed_generation: generation,
    };
    match conditions.iter_mut().find(|c| c.type_ == condition.type_) {
        Some(current) if current.says_the_same_as(&condition) => {}
        Some(current) => *current = condition,
        None => conditions.push(condition),
    }
}

/// Whether the condition of this type is true.
pub fn hold(conditions: &[Condition], type_: &str) -> bool {
    let condition = conditions.iter().find(|c| c.type_ == type_);
    condition.is_some_and(|condition| condition.status == ConditionStatus::True)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn marking_the_same_again_changes_nothing() {
        let mut conditions = Vec::new();
        mark(&mut conditions, available(), Some(1), at(1));
        let first = conditions.clone();
        mark(&mut conditions, available(), Some(1), at(2));
        assert_eq!(conditions, first);
    }

    #[test]
    fn a_new_generation_or_message_moves_the_transition_time() {
        let mut conditions = Vec::new();
        mark(&mut conditions, reconcile_error("a"), Some(1), at(1));
        mark(&mut conditions, reconcile_error("b"), Some(1), at(2));
        assert_eq!(conditions[0].last_transition_time, Time(at(2)));
        mark(&mut conditions, reconcile_error("b"), Some(2), at(3));
        assert_eq!(conditions[0].last_transition_time, Time(at(3)));
        assert_eq!(conditions.len(), 1);
    }

    #[test]
    fn messages_are_one_line_and_not_endless() {
        assert_eq!(one_line("a\n  b\tc"), "a b c");
        let long = one_line(&"ü".repeat(2000));
        assert!(long.len() <= MESSAGE_MAX && long.ends_with('…'));
    }
}
