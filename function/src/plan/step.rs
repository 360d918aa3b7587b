//! Steps that would destroy data or capacity, and whether they may be carried out.

use crate::claim::platform::{APPROVE_ALL, PlannedStep};
use crate::composition::Condition;
use crate::name;

/// What the claim asks for and nobody has approved yet.
#[derive(Debug)]
pub(super) struct Steps<'a> {
    approved: &'a [String],
    waiting: Vec<PlannedStep>,
}

impl<'a> Steps<'a> {
    /// No steps yet, and what is approved.
    pub(super) fn new(approved: &'a [String]) -> Self {
        Self {
            approved,
            waiting: Vec::new(),
        }
    }

    /// Whether a step may be carried out. If not, it is added to the plan.
    pub(super) fn may(&mut self, kind: &str, name: &str, action: &str, why: String) -> bool {
        let hash = name::hash(&[kind, name, action, why.as_str()]);
        let approved = self
            .approved
            .iter()
            .any(|approved| *approved == hash || approved == APPROVE_ALL);
        if !approved {
            self.waiting.push(PlannedStep {
                kind: kind.to_owned(),
                name: name.to_owned(),
                action: action.to_owned(),
                why,
                hash,
            });
        }
        approved
    }

    /// The condition that says whether something waits.
    pub(super) fn condition(&self) -> Condition {
        let Some(first) = self.waiting.first() else {
            return Condition::yes(Condition::CHANGES_APPLIED, "NothingPending");
        };
        Condition::no(
            Condition::CHANGES_APPLIED,
            "ApprovalRequired",
            format!(
                "{} in status.plan, first: {} {} {}: to approve, add {} to spec.operations.approve",
                match self.waiting.len() {
                    1 => "1 step".to_owned(),
                    steps => format!("{steps} steps"),
                },
                first.action,
                first.kind,
                first.name,
                first.hash
            ),
        )
    }

    /// The steps that wait.
    pub(super) fn into_plan(self) -> Vec<PlannedStep> {
        self.waiting
    }
}
