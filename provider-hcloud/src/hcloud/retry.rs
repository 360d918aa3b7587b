//! Whether a failed call is sent again, and when: one pure function over the class of the failure.
//!
//! Reads are sent again after what passes by itself, as hcloud-go does (base 1 s, factor 2, full jitter). Changes are
//! sent again only when it is proven that nothing happened.

use std::time::Duration;

use super::error::{Class, Error};

/// The waits between tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait.
    pub base: Duration,
    /// The longest wait.
    pub cap: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(60),
        }
    }
}

impl Backoff {
    /// The wait after try number `tries` (from 1); `jitter` in 0..1 spreads it between the base and twice the former.
    fn after(self, tries: u32, jitter: f64) -> Duration {
        let factor = 1_u32.checked_shl(tries - 1).unwrap_or(u32::MAX);
        let longest = self.base.saturating_mul(factor).min(self.cap);
        let spread = longest.saturating_sub(self.base);
        self.base.min(longest) + spread.mul_f64(jitter.clamp(0.0, 1.0))
    }
}

/// What to do about a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// Send it again after this wait.
    After(Duration),
    /// Send it again as soon as the request budget lets it through.
    WithBudget,
    /// Report it.
    No,
}

/// Decides about a call that failed with `error` on try number `tries` (from 1).
pub(super) fn decide(error: &Error, tries: u32, backoff: Backoff, jitter: f64) -> Retry {
    let most = match error.class() {
        // The API's refusals; when the budget itself refuses a wait as too long, that is final.
        Class::RateLimited => {
            let refused = matches!(error, Error::Api { .. });
            return if refused && tries < 6 {
                Retry::WithBudget
            } else {
                Retry::No
            };
        }
        Class::Conflict => 6,
        Class::Locked => 4,
        Class::Unavailable => match error {
            Error::Api { error, .. } if !matches!(error.status, 502 | 504) => return Retry::No,
            Error::Api { .. } | Error::Transport { .. } => 4,
            _ => return Retry::No,
        },
        Class::NotFound
        | Class::Protected
        | Class::InUse
        | Class::Invalid
        | Class::Unauthorized
        | Class::Forbidden
        | Class::Quota
        | Class::Capacity
        | Class::Uniqueness
        | Class::OutcomeUnknown
        | Class::Other => return Retry::No,
    };
    if tries < most {
        Retry::After(backoff.after(tries, jitter))
    } else {
        Retry::No
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::error::{ApiError, Reach};
    use super::*;

    const READ: bool = false;
    const CHANGE: bool = true;

    fn api(status: u16, code: &str, mutation: bool) -> Error {
        let body = format!(r#"{{"error":{{"code":"{code}","message":"m"}}}}"#);
        let error = ApiError::from_answer(status, body.as_bytes(), mutation);
        Error::api("GET /networks".to_owned(), error)
    }

    fn transport(reach: Reach, mutation: bool) -> Error {
        Error::Transport {
            call: "GET /networks".to_owned(),
            reach,
            mutation,
            source: Arc::new(std::io::Error::other("reset")),
        }
    }

    #[test]
    fn a_call_is_sent_again_only_where_that_is_safe_and_may_help() {
        let again = Retry::After(Duration::from_secs(1));
        #[rustfmt::skip]
        let table = [
            (api(409, "conflict", READ),               again,             "conflicts pass"),
            (api(409, "conflict", CHANGE),             again,             "a conflict is refused before any effect"),
            (api(423, "locked", CHANGE),               again,             "so is a lock"),
            (api(429, "rate_limit_exceeded", CHANGE),  Retry::WithBudget, "so is a rate limit, which has its own wait"),
            (api(429, "rate_limit_exceeded", READ),    Retry::WithBudget, "reads wait for the budget as well"),
            (api(502, "bad_gateway", READ),            again,             "a read may be repeated"),
            (api(504, "timeout", READ),                again,             "a read may be repeated"),
            (transport(Reach::Sent, READ),             again,             "a read may be repeated"),
            (transport(Reach::Unsent, CHANGE),         again,             "without a connection nothing happened"),
            (api(502, "bad_gateway", CHANGE),          Retry::No,         "the gateway may have lost the answer only"),
            (api(504, "timeout", CHANGE),              Retry::No,         "the change may still go on"),
            (transport(Reach::Sent, CHANGE),           Retry::No,         "the change may have happened"),
            (api(500, "server_error", READ),           Retry::No,         "hcloud-go does not repeat it either"),
            (api(503, "unavailable", READ),            Retry::No,         "hcloud-go does not repeat it either"),
            (api(403, "maintenance", CHANGE),          Retry::No,         "takes longer than a call can wait"),
            (api(401, "unauthorized", READ),           Retry::No,         "needs another token"),
            (api(422, "invalid_input", CHANGE),        Retry::No,         "needs another request"),
            (api(412, "resource_unavailable", CHANGE), Retry::No,         "the caller has another choice"),
            (api(423, "protected", CHANGE),            Retry::No,         "needs another desire"),
        ];
        for (error, expected, reason) in table {
            assert_eq!(
                decide(&error, 1, Backoff::default(), 0.0),
                expected,
                "{reason}"
            );
        }
    }

    #[test]
    fn tries_come_to_an_end() {
        let table = [
            (api(409, "conflict", CHANGE), 6),
            (api(423, "locked", CHANGE), 4),
            (api(429, "rate_limit_exceeded", READ), 6),
            (transport(Reach::Unsent, CHANGE), 4),
        ];
        for (error, most) in table {
            let last =
                (1..).find(|&tries| decide(&error, tries, Backoff::default(), 0.5) == Retry::No);
            assert_eq!(last, Some(most), "{error}");
        }
    }

    #[test]
    fn waits_grow_to_the_cap_and_are_spread_above_the_base() {
        let backoff = Backoff::default();
        let seconds = |tries, jitter| backoff.after(tries, jitter).as_secs_f64();
        assert_eq!(
            [1, 2, 3, 4, 7, 40].map(|tries| seconds(tries, 1.0)),
            [1.0, 2.0, 4.0, 8.0, 60.0, 60.0]
        );
        assert_eq!(seconds(4, 0.0), 1.0);
        assert_eq!(seconds(4, 0.5), 4.5);
    }
}
