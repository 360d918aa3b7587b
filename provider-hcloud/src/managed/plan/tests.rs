//! One row for each branch of the Go reconciler, in its order.

use api::ManagementPolicy::{self, All, Create, Delete, LateInitialize, Observe, Update};

use super::*;

const NOW: i64 = 1_000_000;
const GRACE: i64 = 30;
const SETTLE: i64 = 5;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn situation(outside: Outside<'_>) -> Situation<'_> {
    Situation {
        paused: false,
        policies: Policies::new(&[All]),
        deleting: false,
        finalizer: true,
        other_finalizers: false,
        marks: CreationMarks::default(),
        external_name: Some("42"),
        identity: Identity::Findable,
        fresh_look_wanted: false,
        delete_requested: false,
        approved_replacement: None,
        approval_stands: false,
        resolved: true,
        outside,
        now: at(NOW),
        grace: Duration::from_secs(30),
        settle: Duration::from_secs(5),
    }
}

fn pending(age: i64) -> CreationMarks {
    CreationMarks {
        pending: Some(at(NOW - age)),
        ..CreationMarks::default()
    }
}

fn succeeded(age: i64) -> CreationMarks {
    CreationMarks {
        succeeded: Some(at(NOW - age)),
        ..pending(age + 1)
    }
}

fn failed(age: i64) -> CreationMarks {
    CreationMarks {
        failed: Some(at(NOW - age)),
        ..pending(age + 1)
    }
}

const SAME: Outside<'_> = Outside::Present {
    external_name: "42",
    drifted: false,
    unfinished: false,
    replacement: None,
    overwritable: false,
    overwritten: false,
    unfit: false,
    broken: false,
    late_init: false,
};
const DRIFTED: Outside<'_> = Outside::Present {
    external_name: "42",
    drifted: true,
    unfinished: false,
    replacement: None,
    overwritable: false,
    overwritten: false,
    unfit: false,
    broken: false,
    late_init: false,
};
const UNFINISHED: Outside<'_> = Outside::Present {
    external_name: "42",
    drifted: true,
    unfinished: true,
    replacement: None,
    overwritable: false,
    overwritten: false,
    unfit: false,
    broken: false,
    late_init: false,
};
const FIXED: Outside<'_> = Outside::Present {
    external_name: "42",
    drifted: false,
    unfinished: false,
    replacement: Some("image=debian-13"),
    overwritable: false,
    overwritten: false,
    unfit: true,
    broken: false,
    late_init: false,
};
const FIXED_AND_DRIFTED: Outside<'_> = Outside::Present {
    external_name: "42",
    drifted: true,
    unfinished: false,
    replacement: Some("image=debian-13"),
    overwritable: false,
    overwritten: false,
    unfit: true,
    broken: false,
    late_init: false,
};
const OVERWRITABLE: Outside<'_> = Outside::Present {
    external_name: "42",
    drifted: true,
    unfinished: false,
    replacement: Some("image=debian-13"),
    overwritable: true,
    overwritten: false,
    unfit: true,
    broken: false,
    late_init: false,
};
const OVERWRITTEN: Outside<'_> = Outside::Present {
    external_name: "42",
    drifted: true,
    unfinished: false,
    replacement: None,
    overwritable: true,
    overwritten: true,
    unfit: false,
    broken: false,
    late_init: false,
};
const SUCCEEDED: Outside<'_> = Outside::Present {
    external_name: "42",
    drifted: false,
    unfinished: false,
    replacement: Some("userData=b"),
    overwritable: false,
    overwritten: false,
    unfit: false,
    broken: false,
    late_init: false,
};
const BROKEN: Outside<'_> = Outside::Present {
    external_name: "42",
    drifted: true,
    unfinished: false,
    replacement: None,
    overwritable: false,
    overwritten: false,
    unfit: false,
    broken: true,
    late_init: false,
};
const FILLABLE: Outside<'_> = Outside::Present {
    external_name: "42",
    drifted: true,
    unfinished: false,
    replacement: None,
    overwritable: false,
    overwritten: false,
    unfit: false,
    broken: false,
    late_init: true,
};

type Row<'a> = (&'a str, Outside<'a>, fn(&mut Situation<'a>), Step);

fn check(rows: Vec<Row<'_>>) {
    for (name, outside, change, expected) in rows {
        let mut situation = situation(outside);
        change(&mut situation);
        assert_eq!(next(&situation), expected, "{name}");
    }
}

#[test]
fn before_anybody_looks_outside() {
    let unsupported = Policies::new(&[Create]).unwrap_err();
    check(vec![
        (
            "paused by annotation",
            Outside::Unseen,
            |s| s.paused = true,
            Step::Pause,
        ),
        (
            "paused by empty policies",
            Outside::Unseen,
            |s| s.policies = Policies::new(&[]),
            Step::Pause,
        ),
        (
            "paused blocks deletion",
            Outside::Unseen,
            |s| {
                s.paused = true;
                s.deleting = true;
            },
            Step::Pause,
        ),
        (
            "paused hides invalid policies",
            Outside::Unseen,
            |s| {
                s.paused = true;
                s.policies = Policies::new(&[Create]);
            },
            Step::Pause,
        ),
        (
            "unsupported policies",
            Outside::Unseen,
            |s| s.policies = Policies::new(&[Create]),
            Step::RefusePolicies(unsupported),
        ),
        (
            "deleting without the right to delete is not observed",
            Outside::Unseen,
            |s| {
                s.deleting = true;
                s.policies = Policies::new(&[Observe, Create, Update]);
            },
            Step::Release,
        ),
        (
            "deleting, observe only",
            Outside::Unseen,
            |s| {
                s.deleting = true;
                s.policies = Policies::new(&[Observe]);
            },
            Step::Release,
        ),
        (
            "unknown create that cannot be found",
            Outside::Unseen,
            |s| {
                s.marks = pending(600);
                s.identity = Identity::Opaque;
            },
            Step::RefuseUnknownCreate,
        ),
        (
            "unknown create that cannot be found, deleting",
            Outside::Unseen,
            |s| {
                s.marks = pending(600);
                s.identity = Identity::Opaque;
                s.deleting = true;
            },
            Step::RefuseUnknownCreate,
        ),
        (
            "known create of such a kind",
            Outside::Unseen,
            |s| {
                s.marks = failed(600);
                s.identity = Identity::Opaque;
            },
            Step::Observe { direct: false },
        ),
        (
            "unknown create that can be found",
            Outside::Unseen,
            |s| s.marks = pending(600),
            Step::Observe { direct: true },
        ),
        (
            "nothing special",
            Outside::Unseen,
            |_| (),
            Step::Observe { direct: false },
        ),
        (
            "own change",
            Outside::Unseen,
            |s| s.fresh_look_wanted = true,
            Step::Observe { direct: true },
        ),
        (
            "deleting",
            Outside::Unseen,
            |s| s.deleting = true,
            Step::Observe { direct: false },
        ),
    ]);
}

#[test]
fn when_the_external_resource_is_absent() {
    check(vec![
        (
            "never created",
            Outside::AbsentShared,
            |s| s.external_name = None,
            Step::Create,
        ),
        (
            "never created, asked itself",
            Outside::Absent,
            |s| s.external_name = None,
            Step::Create,
        ),
        (
            "a shared look is not enough after a create",
            Outside::AbsentShared,
            |s| s.marks = failed(60),
            Step::Observe { direct: true },
        ),
        (
            "create failed",
            Outside::Absent,
            |s| s.marks = failed(1),
            Step::Create,
        ),
        (
            "create without answer, young",
            Outside::Absent,
            |s| s.marks = pending(SETTLE - 1),
            Step::AwaitCreated,
        ),
        (
            "create without answer, settled",
            Outside::Absent,
            |s| s.marks = pending(SETTLE),
            Step::Create,
        ),
        (
            "create without answer, young, deleting",
            Outside::Absent,
            |s| {
                s.marks = pending(SETTLE - 1);
                s.deleting = true;
            },
            Step::AwaitCreated,
        ),
        (
            "create without answer, settled, deleting",
            Outside::Absent,
            |s| {
                s.marks = pending(SETTLE);
                s.deleting = true;
            },
            Step::Release,
        ),
        (
            "created within the grace period",
            Outside::Absent,
            |s| s.marks = succeeded(GRACE - 1),
            Step::AwaitCreated,
        ),
        (
            "created before the grace period, gone since",
            Outside::Absent,
            |s| s.marks = succeeded(GRACE),
            Step::Create,
        ),
        (
            "created within the grace period, deleting",
            Outside::Absent,
            |s| {
                s.marks = succeeded(1);
                s.deleting = true;
            },
            Step::AwaitCreated,
        ),
        (
            "created within the grace period, deleted by us",
            Outside::Absent,
            |s| {
                s.marks = succeeded(1);
                s.deleting = true;
                s.delete_requested = true;
            },
            Step::Release,
        ),
        (
            "deleting, others hold finalizers",
            Outside::Absent,
            |s| {
                s.deleting = true;
                s.other_finalizers = true;
            },
            Step::AwaitFinalizers,
        ),
        (
            "deleting",
            Outside::Absent,
            |s| s.deleting = true,
            Step::Release,
        ),
        (
            "observe only",
            Outside::AbsentShared,
            |s| s.policies = Policies::new(&[Observe]),
            Step::Missing,
        ),
        (
            "deleted by hand",
            Outside::Absent,
            |s| s.marks = succeeded(3600),
            Step::Create,
        ),
    ]);
}

#[test]
fn when_the_external_resource_is_present() {
    check(vec![
        (
            "deleting, others hold finalizers",
            SAME,
            |s| {
                s.deleting = true;
                s.other_finalizers = true;
            },
            Step::AwaitFinalizers,
        ),
        ("deleting", SAME, |s| s.deleting = true, Step::Delete),
        (
            "deleting, drifted",
            DRIFTED,
            |s| s.deleting = true,
            Step::Delete,
        ),
        (
            "deleting, found by its label only",
            SAME,
            |s| {
                s.deleting = true;
                s.external_name = None;
                s.marks = pending(1);
            },
            Step::Delete,
        ),
        (
            "found after a create without answer",
            SAME,
            |s| {
                s.external_name = None;
                s.marks = pending(1);
            },
            Step::Record,
        ),
        (
            "recorded, but the mark of success is missing",
            SAME,
            |s| s.marks = pending(1),
            Step::Record,
        ),
        (
            "imported by its external name",
            SAME,
            |s| s.finalizer = false,
            Step::Record,
        ),
        (
            "imported and drifted: recorded first",
            DRIFTED,
            |s| s.finalizer = false,
            Step::Record,
        ),
        (
            "observe only still gets a finalizer",
            SAME,
            |s| {
                s.finalizer = false;
                s.policies = Policies::new(&[Observe]);
            },
            Step::Record,
        ),
        (
            "found under another name than recorded",
            SAME,
            |s| s.external_name = Some("41"),
            Step::Record,
        ),
        ("up to date", SAME, |_| (), Step::Steady),
        ("drifted", DRIFTED, |_| (), Step::Update),
        ("unfinished", UNFINISHED, |_| (), Step::Update),
        (
            "unfinished, update not allowed",
            UNFINISHED,
            |s| s.policies = Policies::new(&[Observe, Create]),
            Step::Complete,
        ),
        (
            "unfinished, neither update nor create allowed",
            UNFINISHED,
            |s| s.policies = Policies::new(&[Observe, Delete]),
            Step::Steady,
        ),
        (
            "drifted, update not allowed",
            DRIFTED,
            |s| s.policies = Policies::new(&[Observe, Create, Delete]),
            Step::Steady,
        ),
        (
            "drifted, observe only",
            DRIFTED,
            |s| s.policies = Policies::new(&[Observe]),
            Step::Steady,
        ),
        (
            "up to date within the grace period",
            SAME,
            |s| s.marks = succeeded(1),
            Step::Steady,
        ),
    ]);
}

#[test]
fn every_supported_policy_set_does_what_it_names_and_nothing_else() {
    let sets: [&[ManagementPolicy]; 14] = [
        &[All],
        &[Observe, Create, Update, Delete, LateInitialize],
        &[Observe],
        &[Observe, Create, Update, Delete],
        &[Observe, Create, Update, LateInitialize],
        &[Observe, Create, Update],
        &[Observe, Create, Delete, LateInitialize],
        &[Observe, Create, LateInitialize],
        &[Observe, Create, Delete],
        &[Observe, Create],
        &[Observe, Delete],
        &[Observe, Update],
        &[Observe, LateInitialize],
        &[Observe, Update, LateInitialize],
    ];
    for set in sets {
        let allowed = |policy| set.contains(&policy) || set.contains(&All);
        let step = |outside, deleting| {
            let mut situation = situation(outside);
            situation.policies = Policies::new(set);
            situation.deleting = deleting;
            next(&situation)
        };
        let choose = |yes, then, otherwise| if yes { then } else { otherwise };
        assert_eq!(
            step(Outside::Absent, false),
            choose(allowed(Create), Step::Create, Step::Missing),
            "{set:?}, absent"
        );
        assert_eq!(
            step(DRIFTED, false),
            choose(allowed(Update), Step::Update, Step::Steady),
            "{set:?}, drifted"
        );
        assert_eq!(
            step(SAME, true),
            choose(allowed(Delete), Step::Delete, Step::Release),
            "{set:?}, deleting"
        );
        assert_eq!(step(SAME, false), Step::Steady, "{set:?}, up to date");
    }
}

#[test]
fn references_are_resolved_before_anybody_looks_outside_unless_the_resource_is_going() {
    check(vec![
        (
            "not resolved",
            Outside::Unseen,
            |s| s.resolved = false,
            Step::Resolve,
        ),
        (
            "paused comes first",
            Outside::Unseen,
            |s| {
                s.resolved = false;
                s.paused = true;
            },
            Step::Pause,
        ),
        (
            "what they lead to may be gone already",
            Outside::Unseen,
            |s| {
                s.resolved = false;
                s.deleting = true;
            },
            Step::Observe { direct: false },
        ),
    ]);
}

#[test]
fn what_cannot_be_changed_in_place_waits_for_an_approval_that_names_it() {
    check(vec![
        ("nobody has approved", FIXED, |_| {}, Step::AwaitApproval),
        (
            "another change was approved",
            FIXED,
            |s| s.approved_replacement = Some("image=debian-14"),
            Step::AwaitApproval,
        ),
        (
            "approved",
            FIXED,
            |s| s.approved_replacement = Some("image=debian-13"),
            Step::Replace,
        ),
        (
            "what can be changed is changed first",
            FIXED_AND_DRIFTED,
            |_| (),
            Step::Update,
        ),
        (
            "what is to be replaced is not changed first: that may be held up",
            FIXED_AND_DRIFTED,
            |s| s.approved_replacement = Some("image=debian-13"),
            Step::Replace,
        ),
        (
            "approved, but nothing may be deleted",
            FIXED,
            |s| {
                s.approved_replacement = Some("image=debian-13");
                s.policies = Policies::new(&[Observe, Create, Update]);
            },
            Step::AwaitApproval,
        ),
        (
            "nothing may be changed at all",
            FIXED,
            |s| s.policies = Policies::new(&[Observe, LateInitialize]),
            Step::Steady,
        ),
        (
            "its successor will be as desired",
            SUCCEEDED,
            |_| {},
            Step::Steady,
        ),
        (
            "somebody wants the successor now",
            SUCCEEDED,
            |s| s.approved_replacement = Some("userData=b"),
            Step::Replace,
        ),
        (
            "nobody has approved that it is overwritten",
            OVERWRITABLE,
            |s| s.approved_replacement = Some("image=debian-14"),
            Step::Update,
        ),
        (
            "it is overwritten, which takes no deletion",
            OVERWRITABLE,
            |s| {
                s.approved_replacement = Some("image=debian-13");
                s.policies = Policies::new(&[Observe, Update]);
            },
            Step::Overwrite,
        ),
        (
            "it is being overwritten",
            OVERWRITTEN,
            |s| s.approval_stands = true,
            Step::Overwrite,
        ),
        (
            "the approval was taken back",
            OVERWRITTEN,
            |_| {},
            Step::Update,
        ),
        (
            "it may not be overwritten any more",
            OVERWRITTEN,
            |s| {
                s.approval_stands = true;
                s.policies = Policies::new(&[Observe]);
            },
            Step::Steady,
        ),
        (
            "an approval that is left over does nothing",
            SAME,
            |s| s.approved_replacement = Some("image=debian-13"),
            Step::Steady,
        ),
        (
            "deleting",
            FIXED,
            |s| {
                s.approved_replacement = Some("image=debian-13");
                s.deleting = true;
            },
            Step::Delete,
        ),
    ]);
}

#[test]
fn what_was_never_usable_is_replaced_unasked() {
    check(vec![
        ("broken", BROKEN, |_| {}, Step::Replace),
        (
            "not recorded yet",
            BROKEN,
            |s| s.external_name = None,
            Step::Record,
        ),
        (
            "nothing may be deleted",
            BROKEN,
            |s| s.policies = Policies::new(&[Observe, Create, Update]),
            Step::Update,
        ),
        ("deleting", BROKEN, |s| s.deleting = true, Step::Delete),
    ]);
}

#[test]
fn empty_fields_are_filled_before_differences_are_removed_when_that_is_allowed() {
    check(vec![
        ("allowed", FILLABLE, |_| {}, Step::LateInitialize),
        (
            "not allowed",
            FILLABLE,
            |s| s.policies = Policies::new(&[Observe, Create, Update, Delete]),
            Step::Update,
        ),
        (
            "import only",
            FILLABLE,
            |s| s.policies = Policies::new(&[Observe, LateInitialize]),
            Step::LateInitialize,
        ),
        ("deleting", FILLABLE, |s| s.deleting = true, Step::Delete),
    ]);
}

#[test]
fn a_kind_that_can_only_be_observed_is_never_created_changed_or_deleted() {
    let read_only = |s: &mut Situation<'_>| {
        s.policies = Policies::new(&[All]).map(Policies::read_only);
    };
    check(vec![
        ("absent", Outside::Absent, read_only, Step::Missing),
        ("drifted", DRIFTED, read_only, Step::Steady),
        ("fixed", FIXED, read_only, Step::Steady),
        ("fillable", FILLABLE, read_only, Step::Steady),
        (
            "deleting",
            Outside::Unseen,
            |s| {
                s.policies = Policies::new(&[All]).map(Policies::read_only);
                s.deleting = true;
            },
            Step::Release,
        ),
        (
            "paused",
            Outside::Unseen,
            |s| s.policies = Policies::new(&[]).map(Policies::read_only),
            Step::Pause,
        ),
    ]);
}
