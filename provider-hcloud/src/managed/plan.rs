//! The decision: what is the one thing to do next? Pure; every input is in [`Situation`].
//!
//! The branches are those of crossplane-runtime's managed reconciler, in its order. Deviations:
//! - A create whose result is unknown is not left to a person when the external resource can be found
//!   ([`Identity::Findable`]): it is looked for, and adopted or, after a time to settle, created.
//! - An absent external resource that the policies do not allow to create is an error for every such set, not only
//!   for `["Observe"]`: there would be nothing to update or to delete.
//! - The grace period after a successful create does not delay the end of a deletion that this process requested.
//! - Finalizer and external name are recorded in one write, so an external resource that exists is first recorded
//!   and then changed.
//! - References are resolved in memory and not written into the spec (see [`super::directory`]): no write, nothing
//!   that the composite's owner would take back, and an external resource that was replaced is followed.
//! - A difference that cannot be removed in place, or not without a loss of data, is not an error of an update that was
//!   tried: it is said before anything is tried, and the external resource is replaced, or overwritten, when an
//!   annotation names the change, whatever else could be changed. An external resource whose creation failed halfway is
//!   replaced without being asked.
//! - What is left to be done after the call that created an external resource belongs to the creation: it takes the
//!   policy Create, not Update.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{
    annotations::CreationMarks,
    external::Identity,
    policies::{Policies, UnsupportedPolicies},
};

/// Everything that a decision depends on.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    /// The pause annotation is set.
    pub paused: bool,
    /// What may be done.
    pub policies: Result<Policies, UnsupportedPolicies>,
    /// The managed resource is being deleted.
    pub deleting: bool,
    /// Our finalizer is set.
    pub finalizer: bool,
    /// Finalizers of others are set.
    pub other_finalizers: bool,
    /// What is known of creates.
    pub marks: CreationMarks,
    /// The external name that is recorded.
    pub external_name: Option<&'a str>,
    /// How an unknown create is resolved.
    pub identity: Identity,
    /// This process has just changed the external resource, or somebody asked for a reconcile.
    pub fresh_look_wanted: bool,
    /// This process has requested the deletion of the external resource.
    pub delete_requested: bool,
    /// The replacement that somebody has approved.
    pub approved_replacement: Option<&'a str>,
    /// Some approval stands, also one that is used up.
    pub approval_stands: bool,
    /// Whether the references of the spec are resolved.
    pub resolved: bool,
    /// What was seen outside.
    pub outside: Outside<'a>,
    /// The time.
    pub now: Timestamp,
    /// How long an external resource may stay invisible after its creation succeeded.
    pub grace: Duration,
    /// How long a create may still take to have its effect after its answer was given up.
    pub settle: Duration,
}

/// What was seen outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outside<'a> {
    /// Nobody has looked.
    Unseen,
    /// There is no external resource, as far as a shared observation tells.
    AbsentShared,
    /// There is no external resource.
    Absent,
    /// There is one.
    Present {
        /// Its name.
        external_name: &'a str,
        /// It differs from the spec in a way that can be changed.
        drifted: bool,
        /// Some of that belongs to its creation.
        unfinished: bool,
        /// The change that somebody has to approve.
        replacement: Option<&'a str>,
        /// That change does not take a replacement: the external resource can be overwritten.
        overwritable: bool,
        /// The external resource is being overwritten.
        overwritten: bool,
        /// Before that it is not as desired.
        unfit: bool,
        /// It was never usable and will not be.
        broken: bool,
        /// It tells what empty fields of the spec stand for.
        late_init: bool,
    },
}

/// The one thing to do next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Say that everything is paused, and wait for a change.
    Pause,
    /// Say that the policies are not supported, and wait for a change.
    RefusePolicies(UnsupportedPolicies),
    /// Say that a person has to find out how a create ended, and wait for a change.
    RefuseUnknownCreate,
    /// Find out what the references of the spec stand for, then decide again.
    Resolve,
    /// Look outside, then decide again.
    Observe {
        /// Ask the external system itself.
        direct: bool,
    },
    /// Say that there is nothing to observe.
    Missing,
    /// Wait until the effect of a create shows.
    AwaitCreated,
    /// Wait until others have removed their finalizers.
    AwaitFinalizers,
    /// Create the external resource.
    Create,
    /// Record finalizer and external name of an external resource that exists.
    Record,
    /// Fill empty fields of the spec.
    LateInitialize,
    /// Remove the differences.
    Update,
    /// Do what the creation left to be done, and leave the other differences.
    Complete,
    /// Say that the external resource would have to be replaced or overwritten, and wait for the approval.
    AwaitApproval,
    /// Overwrite what the external resource holds, or go on with that.
    Overwrite,
    /// Delete the external resource, so that it is created again.
    Replace,
    /// Delete the external resource.
    Delete,
    /// Let the managed resource go.
    Release,
    /// Nothing to do until the next poll.
    Steady,
}

/// Decides.
pub fn next(situation: &Situation<'_>) -> Step {
    let policies = match &situation.policies {
        _ if situation.paused => return Step::Pause,
        Ok(policies) if policies.paused() => return Step::Pause,
        Ok(policies) => policies,
        Err(unsupported) => return Step::RefusePolicies(unsupported.clone()),
    };
    if situation.deleting && !policies.delete() {
        return Step::Release;
    }
    let incomplete = situation.marks.incomplete_since();
    if incomplete.is_some() && situation.identity == Identity::Opaque {
        return Step::RefuseUnknownCreate;
    }

    match situation.outside {
        Outside::Unseen if !situation.resolved && !situation.deleting => Step::Resolve,
        Outside::Unseen => Step::Observe {
            direct: situation.fresh_look_wanted || incomplete.is_some(),
        },
        // Only who never sent a create may trust somebody else's older look.
        Outside::AbsentShared if situation.marks.attempted() => Step::Observe { direct: true },
        Outside::AbsentShared | Outside::Absent => when_absent(situation, policies, incomplete),
        Outside::Present {
            external_name,
            drifted,
            unfinished,
            replacement,
            overwritable,
            overwritten,
            unfit,
            broken,
            late_init,
        } => {
            let recorded = situation.finalizer && situation.external_name == Some(external_name);
            let replaceable = policies.create() && policies.delete();
            let approved = replacement.is_some() && situation.approved_replacement == replacement;
            if situation.deleting && situation.other_finalizers {
                Step::AwaitFinalizers
            } else if situation.deleting {
                Step::Delete
            } else if !recorded || incomplete.is_some() {
                Step::Record
            } else if broken && replaceable {
                Step::Replace
            } else if late_init && policies.late_initialize() {
                Step::LateInitialize
            } else if (overwritten && situation.approval_stands || approved && overwritable)
                && policies.update()
            {
                Step::Overwrite
            } else if approved && replaceable && policies.update() {
                Step::Replace
            } else if drifted && policies.update() {
                Step::Update
            } else if unfinished && policies.create() {
                Step::Complete
            } else if replacement.is_none() || !policies.update() {
                Step::Steady
            } else if unfit {
                Step::AwaitApproval
            } else {
                Step::Steady
            }
        }
    }
}

fn when_absent(
    situation: &Situation<'_>,
    policies: &Policies,
    incomplete: Option<Timestamp>,
) -> Step {
    let younger_than = |mark: Option<Timestamp>, age: Duration| {
        let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
        mark.is_some_and(|mark| situation.now.duration_since(mark) < age)
    };
    let may_still_show = younger_than(incomplete, situation.settle)
        || younger_than(situation.marks.succeeded, situation.grace);
    if may_still_show && !situation.delete_requested {
        Step::AwaitCreated
    } else if situation.deleting && situation.other_finalizers {
        Step::AwaitFinalizers
    } else if situation.deleting {
        Step::Release
    } else if policies.create() {
        Step::Create
    } else {
        Step::Missing
    }
}

#[cfg(test)]
mod tests;
