//! Crossplane's annotations on a managed resource.

use std::time::Duration;

use jiff::Timestamp;
use kube::core::ObjectMeta;

/// Identifies the external resource.
pub const EXTERNAL_NAME: &str = "crossplane.io/external-name";
/// When a create was last about to be sent; without an answer, when it was given up.
pub const CREATE_PENDING: &str = "crossplane.io/external-create-pending";
/// When a create last succeeded.
pub const CREATE_SUCCEEDED: &str = "crossplane.io/external-create-succeeded";
/// When a create last failed.
pub const CREATE_FAILED: &str = "crossplane.io/external-create-failed";
/// The external name that a create without a result would have given, when it was known before the create was sent.
pub const CREATE_NAME: &str = "crossplane.io/external-create-name";
/// `"true"` stops everything, deletion included.
pub const PAUSED: &str = "crossplane.io/paused";
/// A Go duration that replaces the poll interval for one object.
pub const POLL_INTERVAL: &str = "crossplane.io/poll-interval";
/// A token; a new value asks for one reconcile.
pub const RECONCILE_REQUESTED_AT: &str = "crossplane.io/reconcile-requested-at";
/// Approves that the external resource is replaced or overwritten, by naming the change that takes it, as the condition
/// does.
pub const REPLACE: &str = "crossplane.io/replace";
/// The approval that was there when the external resource was last created or overwritten. It is used up: a later difference that would be
/// named alike is another one.
pub const REPLACED: &str = "crossplane.io/replaced";

/// The value of an annotation that is present and not empty.
pub fn get<'a>(meta: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    let value = meta.annotations.as_ref()?.get(key)?;
    (!value.is_empty()).then_some(value.as_str())
}

/// The replacement that is approved and not done yet.
pub fn approved_replacement(meta: &ObjectMeta) -> Option<&str> {
    get(meta, REPLACE).filter(|approval| get(meta, REPLACED) != Some(approval))
}

/// Whether the pause annotation is set.
pub fn is_paused(meta: &ObjectMeta) -> bool {
    get(meta, PAUSED) == Some("true")
}

/// The poll interval that the object asks for; an invalid one is ignored, a short one is raised to `floor`.
pub fn poll_interval(meta: &ObjectMeta, floor: Duration) -> Option<Duration> {
    let asked = parse_go_duration(get(meta, POLL_INTERVAL)?)?;
    (!asked.is_zero()).then(|| asked.max(floor))
}

/// A time as the annotations carry it: RFC 3339 with a precision of one second, cut off and never in the future.
pub fn format_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// When an external resource was last about to be created, and how that ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CreationMarks {
    /// A create was about to be sent.
    pub pending: Option<Timestamp>,
    /// A create was answered with success.
    pub succeeded: Option<Timestamp>,
    /// A create was answered with a failure.
    pub failed: Option<Timestamp>,
}

impl CreationMarks {
    /// Reads the marks; a time that cannot be parsed counts as absent.
    pub fn of(meta: &ObjectMeta) -> Self {
        let time = |key| get(meta, key).and_then(|value| value.parse().ok());
        Self {
            pending: time(CREATE_PENDING),
            succeeded: time(CREATE_SUCCEEDED),
            failed: time(CREATE_FAILED),
        }
    }

    /// Whether a create may ever have been sent.
    pub fn attempted(&self) -> bool {
        self.pending.is_some()
    }

    /// When the create was sent whose result is unknown: it is newer than every result.
    pub fn incomplete_since(&self) -> Option<Timestamp> {
        let pending = self.pending?;
        let result = self.succeeded.max(self.failed);
        result
            .is_none_or(|result| pending > result)
            .then_some(pending)
    }
}

/// Parses a duration as Go prints and reads it, for example `90s`, `1m30s`, `1.5h`. Negative durations are refused.
pub fn parse_go_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut seconds = 0.0_f64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .filter(|&end| end > 0)?;
        let (number, tail) = rest.split_at(digits);
        let end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let factor = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * factor;
        rest = tail;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Option<Timestamp> {
        Some(Timestamp::from_second(second).unwrap())
    }

    fn with(key: &str, value: &str) -> ObjectMeta {
        ObjectMeta {
            annotations: Some([(key.to_owned(), value.to_owned())].into()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn a_create_is_incomplete_only_while_pending_is_the_newest_mark() {
        let marks = |pending, succeeded, failed| CreationMarks {
            pending,
            succeeded,
            failed,
        };
        for (marks, incomplete) in [
            (marks(None, None, None), None),
            (marks(None, at(1), None), None),
            (marks(at(2), None, None), at(2)),
            (marks(at(2), at(1), None), at(2)),
            (marks(at(2), at(1), at(1)), at(2)),
            (marks(at(2), at(2), None), None),
            (marks(at(2), at(3), None), None),
            (marks(at(2), None, at(3)), None),
            (marks(at(2), at(1), at(3)), None),
        ] {
            assert_eq!(marks.incomplete_since(), incomplete, "{marks:?}");
        }
    }

    #[test]
    fn times_have_a_precision_of_one_second_and_are_read_back() {
        for time in ["2026-11-21T08:00:01Z", "2026-11-21T08:00:01.9Z"] {
            let written = format_time(time.parse().unwrap());
            assert_eq!(written, "2026-11-21T08:00:01Z");
            let marks = CreationMarks::of(&with(CREATE_PENDING, &written));
            assert_eq!(marks.pending, Some(written.parse().unwrap()));
        }
    }

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, expected) in [
            ("90s", Some(Duration::from_secs(90))),
            ("1m30s", Some(Duration::from_secs(90))),
            ("1.5h", Some(Duration::from_secs(5400))),
            ("250ms", Some(Duration::from_millis(250))),
            ("0", Some(Duration::ZERO)),
            ("", None),
            ("10", None),
            ("-5s", None),
            ("5 s", None),
            ("s", None),
            ("1d", None),
            ("1..5s", None),
        ] {
            assert_eq!(parse_go_duration(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_poll_interval_below_the_floor_is_raised_and_an_invalid_one_ignored() {
        let floor = Duration::from_secs(10);
        assert_eq!(
            poll_interval(&with(POLL_INTERVAL, "1s"), floor),
            Some(floor)
        );
        assert_eq!(
            poll_interval(&with(POLL_INTERVAL, "1h"), floor),
            Some(Duration::from_secs(3600))
        );
        assert_eq!(poll_interval(&with(POLL_INTERVAL, "soon"), floor), None);
        assert_eq!(poll_interval(&with(POLL_INTERVAL, "0s"), floor), None);
    }

    #[test]
    fn only_the_word_true_pauses() {
        assert!(is_paused(&with(PAUSED, "true")));
        assert!(!is_paused(&with(PAUSED, "yes")));
        assert!(!is_paused(&ObjectMeta::default()));
    }
}
