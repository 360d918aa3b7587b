//! The request budget of a token: pure arithmetic, time comes in as an argument.
//!
//! Hetzner counts requests per project: a bucket that refills steadily, 3600 an hour. Two buckets must both have a
//! request left: the project's, which every answer's `RateLimit-*` headers set right, and our own share of it, which
//! leaves the rest to the other clients of the project (cloud controller manager, CSI driver, autoscaler). The less
//! urgent classes leave a few requests of our share to the more urgent ones, so that a change finds some whenever it
//! comes.
//!
//! Moments are times elapsed on the [`Clock`](crate::clock::Clock).

use std::time::Duration;

/// The longest pause after a refusal.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How urgent a request is; the most urgent class comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    /// Makes an object, or brings one that is being made further.
    Create,
    /// Removes an object.
    Delete,
    /// Changes an object.
    Update,
    /// Looks whether something changed.
    Poll,
}

impl Priority {
    /// The part of our share that requests of this class leave untouched.
    fn leaves(self) -> f64 {
        match self {
            Self::Create => 0.0,
            Self::Delete => 0.01,
            Self::Update => 0.02,
            Self::Poll => 0.05,
        }
    }
}

/// How the budget is divided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Division {
    /// The part of the project's budget that is left to others, 0 to 1.
    pub(super) others: f64,
    /// Most requests that may be on their way at once.
    pub(super) in_flight: u32,
}

/// What the `RateLimit-*` headers of an answer say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Standing {
    /// Size of the project's bucket.
    pub(super) limit: f64,
    /// Requests left in it.
    pub(super) remaining: f64,
    /// Time until it is full again.
    pub(super) full_in: Duration,
}

/// Whether a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may go, and is counted.
    Go,
    /// Not before this moment.
    At(Duration),
    /// Not before one of the requests on their way is answered.
    AfterAnAnswer,
}

/// The state of one token's budget.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    division: Division,
    project: Bucket,
    own: Bucket,
    in_flight: u32,
    /// Refusals in a row, and the pause that the last one asks for.
    refusals: u32,
    not_before: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    capacity: f64,
    per_second: f64,
    level: f64,
    at: Duration,
}

impl Bucket {
    fn refill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.level = (self.level + passed * self.per_second).min(self.capacity);
        self.at = now;
    }

    /// The moment at which the bucket holds `level`; call after [`Self::refill`].
    fn reaches(&self, level: f64) -> Duration {
        let missing = (level - self.level).max(0.0);
        // Longer than an hour is as good as never, and keeps the arithmetic finite.
        let seconds = (missing / self.per_second).clamp(0.0, 3600.0);
        // Rounded up to a millisecond, so that the level is reached when the wait is over.
        self.at + Duration::from_millis((seconds * 1000.0).ceil() as u64)
    }
}

impl Budget {
    /// A budget of the size that the API documents, full, until the first answer says more.
    pub(super) fn new(division: Division, now: Duration) -> Self {
        let limit = 3600.0;
        let bucket = |part: f64| Bucket {
            capacity: limit * part,
            per_second: limit * part / 3600.0,
            level: limit * part,
            at: now,
        };
        Self {
            division,
            project: bucket(1.0),
            own: bucket(1.0 - division.others),
            in_flight: 0,
            refusals: 0,
            not_before: Duration::ZERO,
        }
    }

    /// Lets a request go now, and counts it, or says what it must wait for.
    pub(super) fn admit(&mut self, priority: Priority, now: Duration) -> Admission {
        self.project.refill(now);
        self.own.refill(now);
        let left = (1.0 + priority.leaves() * self.own.capacity).min(self.own.capacity);
        let at = self
            .not_before
            .max(self.project.reaches(1.0))
            .max(self.own.reaches(left));
        if at > now {
            return Admission::At(at);
        }
        if self.in_flight >= self.division.in_flight {
            return Admission::AfterAnAnswer;
        }
        self.project.level -= 1.0;
        self.own.level -= 1.0;
        self.in_flight += 1;
        Admission::Go
    }

    /// Takes in an answer, or the news that there is none (`standing` is `None`).
    pub(super) fn answered(&mut self, standing: Option<Standing>, now: Duration) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(standing) = standing {
            self.refusals = 0;
            self.learn(standing, now);
        }
    }

    /// Takes in a refusal (429). Several at once, from requests sent together, count as one.
    pub(super) fn refused(&mut self, standing: Option<Standing>, now: Duration) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(standing) = standing {
            self.learn(standing, now);
        }
        self.project.refill(now);
        self.project.level = self.project.level.min(0.0);
        if now >= self.not_before {
            let one_more = Duration::from_secs_f64((1.0 / self.project.per_second).min(60.0));
            let factor = 1_u32.checked_shl(self.refusals).unwrap_or(u32::MAX);
            self.not_before = now + one_more.saturating_mul(factor).min(LONGEST_PAUSE);
            self.refusals += 1;
        }
    }

    /// Requests left in the project's bucket, as far as known.
    pub(super) fn remaining(&self) -> f64 {
        self.project.level.max(0.0)
    }

    fn learn(&mut self, standing: Standing, now: Duration) {
        let limit = standing.limit.max(1.0);
        let documented = limit / 3600.0;
        let missing = (limit - standing.remaining).max(0.0);
        // Small limits may refill faster than within an hour, as the headers then say. Within these bounds a wrong
        // clock on either side cannot harm: for the documented limit both are one a second.
        let per_second = (missing / standing.full_in.as_secs_f64().max(1.0))
            .clamp(documented, documented.max(1.0));
        self.project = Bucket {
            capacity: limit,
            per_second,
            // Requests that are still on their way may not have been counted yet.
            level: standing.remaining - f64::from(self.in_flight),
            at: now,
        };
        let part = 1.0 - self.division.others;
        let capacity = (limit * part).max(1.0);
        self.own.refill(now);
        self.own.level += capacity - self.own.capacity;
        self.own.capacity = capacity;
        self.own.per_second = per_second * part.max(1.0 / limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: Division = Division {
        others: 0.5,
        in_flight: 1000,
    };

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// Requests of one class that go at once.
    fn burst(budget: &mut Budget, priority: Priority, now: f64) -> usize {
        (0..10_000)
            .take_while(|_| budget.admit(priority, seconds(now)) == Admission::Go)
            .count()
    }

    fn answer_all(budget: &mut Budget) {
        while budget.in_flight > 0 {
            budget.answered(None, Duration::ZERO);
        }
    }

    #[test]
    fn each_class_leaves_something_to_the_more_urgent_ones() {
        let division = Division {
            in_flight: 10_000,
            ..HALF
        };
        let mut budget = Budget::new(division, Duration::ZERO);
        let table = [
            (Priority::Poll, 1710),
            (Priority::Update, 54),
            (Priority::Delete, 18),
            (Priority::Create, 18),
            (Priority::Create, 0),
        ];
        for (priority, count) in table {
            assert_eq!(burst(&mut budget, priority, 0.0), count, "{priority:?}");
        }
    }

    #[test]
    fn our_share_refills_at_its_part_of_the_rate() {
        let mut budget = Budget::new(
            Division {
                in_flight: 10_000,
                ..HALF
            },
            Duration::ZERO,
        );
        assert_eq!(burst(&mut budget, Priority::Create, 0.0), 1800);
        assert_eq!(
            budget.admit(Priority::Create, seconds(0.0)),
            Admission::At(seconds(2.0))
        );
        assert_eq!(burst(&mut budget, Priority::Create, 60.0), 30);
        assert_eq!(
            budget.admit(Priority::Poll, seconds(60.0)),
            Admission::At(seconds(60.0 + 2.0 * 91.0)),
            "a poll waits until there is something for changes again"
        );
    }

    #[test]
    fn others_that_use_up_the_project_stop_us_too() {
        let mut budget = Budget::new(HALF, Duration::ZERO);
        assert_eq!(
            budget.admit(Priority::Create, Duration::ZERO),
            Admission::Go
        );
        let standing = Standing {
            limit: 3600.0,
            remaining: 2.0,
            full_in: seconds(3598.0),
        };
        budget.answered(Some(standing), Duration::ZERO);
        assert_eq!(burst(&mut budget, Priority::Create, 0.0), 2);
        assert_eq!(
            budget.admit(Priority::Create, Duration::ZERO),
            Admission::At(seconds(1.0))
        );
    }

    #[test]
    fn an_answer_does_not_give_back_what_is_still_on_its_way() {
        let mut budget = Budget::new(HALF, Duration::ZERO);
        for _ in 0..3 {
            budget.admit(Priority::Create, Duration::ZERO);
        }
        let standing = Standing {
            limit: 3600.0,
            remaining: 5.0,
            full_in: seconds(3595.0),
        };
        budget.answered(Some(standing), Duration::ZERO);
        assert_eq!(burst(&mut budget, Priority::Create, 0.0), 3);
    }

    #[test]
    fn a_refusal_pauses_everything_longer_each_time_and_an_answer_ends_that() {
        let mut budget = Budget::new(HALF, Duration::ZERO);
        let mut now = Duration::ZERO;
        let mut pauses = Vec::new();
        for _ in 0..8 {
            assert_eq!(budget.admit(Priority::Create, now), Admission::Go);
            budget.refused(None, now);
            // A second refusal, of a request that was sent at the same time, changes nothing.
            budget.refused(None, now);
            let Admission::At(at) = budget.admit(Priority::Create, now) else {
                panic!("refused, but let through");
            };
            pauses.push((at - now).as_secs());
            now = at;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(budget.admit(Priority::Create, now), Admission::Go);
        let standing = Standing {
            limit: 3600.0,
            remaining: 100.0,
            full_in: seconds(3500.0),
        };
        budget.answered(Some(standing), now);
        assert_eq!(budget.admit(Priority::Create, now), Admission::Go);
        budget.refused(None, now);
        assert_eq!(
            budget.admit(Priority::Create, now),
            Admission::At(now + seconds(1.0))
        );
    }

    #[test]
    fn the_rate_is_learned_within_bounds_that_a_wrong_clock_cannot_leave() {
        #[rustfmt::skip]
        let table = [
            (3600.0, 3000.0, 600.0,  1.0,           "as documented"),
            (3600.0, 3000.0, 5.0,    1.0,           "their clock is behind ours"),
            (3600.0, 3000.0, 9000.0, 1.0,           "their clock is ahead of ours"),
            (7200.0, 7000.0, 100.0,  2.0,           "a project with a higher limit"),
            (10.0,   0.0,    10.0,   1.0,           "a small limit that refills quickly"),
            (10.0,   0.0,    3600.0, 10.0 / 3600.0, "a small limit that refills slowly"),
            (10.0,   10.0,   0.0,    10.0 / 3600.0, "full: the headers say nothing"),
        ];
        for (limit, remaining, full_in, expected, reason) in table {
            let mut budget = Budget::new(HALF, Duration::ZERO);
            let full_in = seconds(full_in);
            let standing = Standing {
                limit,
                remaining,
                full_in,
            };
            budget.answered(Some(standing), Duration::ZERO);
            assert!(
                (budget.project.per_second - expected).abs() < 1e-9,
                "{reason}"
            );
        }
    }

    #[test]
    fn a_larger_limit_is_used_at_once_and_a_tiny_one_still_lets_polls_through() {
        for (limit, polls) in [(1_000_000.0, 475_000), (2.0, 1), (1.0, 1), (0.0, 0)] {
            let division = Division {
                in_flight: u32::MAX,
                ..HALF
            };
            let mut budget = Budget::new(division, Duration::ZERO);
            budget.admit(Priority::Poll, Duration::ZERO);
            let standing = Standing {
                limit,
                remaining: limit,
                full_in: Duration::ZERO,
            };
            budget.answered(Some(standing), Duration::ZERO);
            budget.own.level = budget.own.capacity;
            let went = (0..1_000_000)
                .take_while(|_| budget.admit(Priority::Poll, Duration::ZERO) == Admission::Go)
                .count();
            assert_eq!(went, polls, "limit {limit}");
        }
    }

    #[test]
    fn no_more_than_the_set_number_is_on_its_way_at_once() {
        let division = Division {
            in_flight: 2,
            ..HALF
        };
        let mut budget = Budget::new(division, Duration::ZERO);
        assert_eq!(burst(&mut budget, Priority::Create, 0.0), 2);
        assert_eq!(
            budget.admit(Priority::Create, Duration::ZERO),
            Admission::AfterAnAnswer
        );
        budget.answered(None, Duration::ZERO);
        assert_eq!(
            budget.admit(Priority::Create, Duration::ZERO),
            Admission::Go
        );
        answer_all(&mut budget);
    }
}
