//! Whether an observed object is ready, and what to tell a person when it is not.

use provider_hcloud_api::managed::UNRESOLVED;

use crate::observed::Conditions;
use crate::structpb::View;

/// Readiness of one composed object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// Whether it is ready for its present spec.
    pub ready: bool,
    /// Why (not), in one word.
    pub reason: String,
    /// What hinders it, when something does; empty while it merely takes its time.
    /// Never carries progress: a status that rolls it up changes with phases only.
    pub message: String,
}

impl Readiness {
    fn waiting(reason: &str) -> Self {
        Self {
            ready: false,
            reason: reason.to_owned(),
            message: String::new(),
        }
    }
}

/// Judges an object by its conditions, in the manner of Crossplane's resources:
/// `Synced=False` and the object's own conditions (`causes`, most telling first) say
/// what hinders it, `Ready` says whether it can be used. A `Ready` that speaks of an
/// older generation does not count.
pub fn of(object: Option<View<'_>>, causes: &[&str]) -> Readiness {
    let Some(object) = object else {
        return Readiness::waiting("Creating");
    };
    let conditions = Conditions::read(object);
    let hindered = causes
        .iter()
        .chain(&["Synced"])
        .filter_map(|kind| conditions.get(kind))
        .filter(|condition| condition.status() == "False" && !condition.message().is_empty())
        // What refers to an object that is being made merely takes its time.
        .find(|condition| !condition.message().starts_with(UNRESOLVED));
    if let Some(cause) = hindered {
        return Readiness {
            ready: false,
            reason: cause.reason().to_owned(),
            message: cause.message().to_owned(),
        };
    }
    let Some(ready) = conditions.get("Ready") else {
        return Readiness::waiting("Creating");
    };
    let generation = object
        .at(&["metadata", "generation"])
        .and_then(|value| value.integer());
    let outdated = matches!(
        (ready.generation(), generation),
        (Some(seen), Some(now)) if seen < now
    );
    match ready.status() {
        "True" if outdated => Readiness::waiting("Updating"),
        "True" => Readiness {
            ready: true,
            ..Readiness::waiting(ready.reason())
        },
        _ if ready.reason().is_empty() => Readiness::waiting("Creating"),
        _ => Readiness::waiting(ready.reason()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::structpb::encode;

    fn judge(object: &serde_json::Value) -> (bool, String, String) {
        let bytes = encode(object.as_object().unwrap());
        let readiness = of(Some(View::new(&bytes)), &["Valid"]);
        (readiness.ready, readiness.reason, readiness.message)
    }

    #[test]
    fn readiness_follows_the_conditions() {
        let condition = |kind: &str, status: &str, reason: &str, message: &str| json!({"type": kind, "status": status, "reason": reason, "message": message});
        let ready = || condition("Ready", "True", "Available", "");
        let cases = [
            ("nothing said yet", vec![], (false, "Creating", "")),
            ("ready", vec![ready()], (true, "Available", "")),
            (
                "progress is not repeated",
                vec![condition("Ready", "False", "Creating", "3 of 7")],
                (false, "Creating", ""),
            ),
            (
                "a failed sync is the cause",
                vec![
                    ready(),
                    condition("Synced", "False", "ReconcileError", "bad token"),
                ],
                (false, "ReconcileError", "bad token"),
            ),
            (
                "a reference to what is being made is no hindrance",
                vec![condition(
                    "Synced",
                    "False",
                    "ReconcileError",
                    "cannot resolve references: Network net has no external name yet",
                )],
                (false, "Creating", ""),
            ),
            (
                "the object's own condition comes before Synced",
                vec![
                    condition("Synced", "False", "ReconcileError", "pipeline failed"),
                    condition("Valid", "False", "InvalidSpec", "bad range"),
                ],
                (false, "InvalidSpec", "bad range"),
            ),
        ];
        for (why, conditions, (ready, reason, message)) in cases {
            let object = json!({"status": {"conditions": conditions}});
            assert_eq!(
                judge(&object),
                (ready, reason.to_owned(), message.to_owned()),
                "{why}"
            );
        }
    }

    #[test]
    fn a_ready_condition_of_an_older_generation_does_not_count() {
        let object = |seen: i64| {
            json!({
                "metadata": {"generation": 3},
                "status": {"conditions": [
                    {"type": "Ready", "status": "True", "reason": "Available", "observedGeneration": seen},
                ]},
            })
        };
        assert!(judge(&object(3)).0);
        assert_eq!(
            judge(&object(2)),
            (false, "Updating".to_owned(), String::new())
        );
    }

    #[test]
    fn an_object_that_does_not_exist_is_being_created() {
        assert_eq!(of(None, &[]), Readiness::waiting("Creating"));
    }
}
