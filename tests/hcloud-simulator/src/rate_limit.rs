//! The request budget of a project: a bucket that refills one request at a time and allows bursts.
//!
//! The bucket is stored as one moment, the one at which it is full again: each request moves it by one interval. That
//! moment is also what the API reports as `RateLimit-Reset`.

use std::time::Duration;

use jiff::Timestamp;

/// How large the budget is and how fast it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests that a full bucket allows.
    pub limit: u32,
    /// The time after which one request more is allowed.
    pub interval: Duration,
}

impl RateLimit {
    fn interval_nanos(self) -> i128 {
        i128::try_from(self.interval.as_nanos())
            .unwrap_or(i128::MAX / 2)
            .max(1)
    }

    fn capacity_nanos(self) -> i128 {
        self.interval_nanos().saturating_mul(i128::from(self.limit))
    }
}

impl Default for RateLimit {
    /// The API's: 3600 requests, one more each second.
    fn default() -> Self {
        Self {
            limit: 3600,
            interval: Duration::from_secs(1),
        }
    }
}

/// The state of one project's budget.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    full_at: Timestamp,
}

/// What the `RateLimit-*` headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// `RateLimit-Limit`.
    pub limit: u32,
    /// `RateLimit-Remaining`.
    pub remaining: u32,
    /// `RateLimit-Reset`: Unix time in seconds at which the bucket is full again.
    pub reset: i64,
}

impl Bucket {
    /// A full bucket.
    pub(crate) const fn new() -> Self {
        Self {
            full_at: Timestamp::UNIX_EPOCH,
        }
    }

    /// Takes one request out of the bucket; false when it is empty.
    pub(crate) fn take(&mut self, limit: RateLimit, now: Timestamp) -> bool {
        let full_at = self
            .full_at
            .max(now)
            .as_nanosecond()
            .saturating_add(limit.interval_nanos());
        if full_at.saturating_sub(now.as_nanosecond()) > limit.capacity_nanos() {
            return false;
        }
        self.full_at = Timestamp::from_nanosecond(full_at).unwrap_or(Timestamp::MAX);
        true
    }

    /// Empties the bucket, as if others had used all of it.
    pub fn exhaust(&mut self, limit: RateLimit, now: Timestamp) {
        let full_at = now.as_nanosecond().saturating_add(limit.capacity_nanos());
        self.full_at = Timestamp::from_nanosecond(full_at).unwrap_or(Timestamp::MAX);
    }

    /// What is left at `now`.
    pub fn standing(&self, limit: RateLimit, now: Timestamp) -> Standing {
        let owed = self
            .full_at
            .max(now)
            .as_nanosecond()
            .saturating_sub(now.as_nanosecond());
        let left = limit.capacity_nanos().saturating_sub(owed).max(0) / limit.interval_nanos();
        let full_at = self.full_at.max(now);
        Standing {
            limit: limit.limit,
            remaining: u32::try_from(left).unwrap_or(limit.limit).min(limit.limit),
            reset: full_at.as_second() + i64::from(full_at.subsec_nanosecond() > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::later;

    const SMALL: RateLimit = RateLimit {
        limit: 3,
        interval: Duration::from_secs(10),
    };

    #[test]
    fn a_burst_is_allowed_up_to_the_limit_and_then_refused() {
        let now = Timestamp::UNIX_EPOCH;
        let mut bucket = Bucket::default();
        let taken: Vec<bool> = (0..5).map(|_| bucket.take(SMALL, now)).collect();
        assert_eq!(taken, [true, true, true, false, false]);
        assert_eq!(
            bucket.standing(SMALL, now),
            Standing {
                limit: 3,
                remaining: 0,
                reset: 30
            }
        );
    }

    #[test]
    fn one_request_comes_back_after_each_interval() {
        let start = Timestamp::UNIX_EPOCH;
        let mut bucket = Bucket::default();
        bucket.exhaust(SMALL, start);
        for (seconds, remaining) in [
            (0, 0),
            (9, 0),
            (10, 1),
            (19, 1),
            (20, 2),
            (30, 3),
            (3000, 3),
        ] {
            let now = later(start, Duration::from_secs(seconds));
            assert_eq!(
                bucket.standing(SMALL, now).remaining,
                remaining,
                "after {seconds} s"
            );
        }
        assert!(!bucket.take(SMALL, later(start, Duration::from_secs(9))));
        assert!(bucket.take(SMALL, later(start, Duration::from_secs(10))));
    }

    #[test]
    fn the_reset_is_the_moment_at_which_the_bucket_is_full() {
        let start = Timestamp::UNIX_EPOCH;
        let mut bucket = Bucket::default();
        assert_eq!(
            bucket.standing(SMALL, start).reset,
            0,
            "a full bucket is full now"
        );
        assert!(bucket.take(SMALL, start));
        assert!(bucket.take(SMALL, start));
        assert_eq!(bucket.standing(SMALL, start).reset, 20);
    }

    #[test]
    fn a_limit_of_nothing_refuses_everything_without_dividing_by_zero() {
        let limit = RateLimit {
            limit: 0,
            interval: Duration::ZERO,
        };
        let mut bucket = Bucket::default();
        assert!(!bucket.take(limit, Timestamp::UNIX_EPOCH));
        assert_eq!(bucket.standing(limit, Timestamp::UNIX_EPOCH).remaining, 0);
    }
}
