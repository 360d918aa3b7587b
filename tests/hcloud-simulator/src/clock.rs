//! Where time comes from. Real for people, stepped for tests: nothing in this crate asks the operating system directly.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

/// The simulator's time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    Real,
    Stepped(watch::Sender<Timestamp>),
}

impl Clock {
    /// The operating system's clock.
    pub const fn real() -> Self {
        Self(Source::Real)
    }

    /// The present moment.
    #[expect(clippy::disallowed_methods, reason = "this is the Clock")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::Real => Timestamp::now(),
            Source::Stepped(now) => *now.borrow(),
        }
    }

    /// Returns once this clock shows `moment` or later.
    pub async fn reach(&self, moment: Timestamp) {
        match &self.0 {
            Source::Real => {
                let left = moment.duration_since(self.now());
                tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await;
            }
            Source::Stepped(now) => {
                // The sender lives in self, so the wait cannot end by the channel closing.
                let _ = now.subscribe().wait_for(|now| *now >= moment).await;
            }
        }
    }
}

/// A clock that stands still until a test moves it.
#[derive(Clone, Debug)]
pub struct SteppedClock(watch::Sender<Timestamp>);

impl SteppedClock {
    /// A clock that shows `start`.
    pub fn new(start: Timestamp) -> Self {
        Self(watch::Sender::new(start))
    }

    /// The clock to hand to [`Options`](crate::Options); it follows this one.
    pub fn clock(&self) -> Clock {
        Clock(Source::Stepped(self.0.clone()))
    }

    /// Moves time forward.
    pub fn advance(&self, duration: Duration) {
        self.0.send_modify(|now| *now = later(*now, duration));
    }
}

/// `start` plus `duration`, capped at the end of representable time.
pub(crate) fn later(start: Timestamp, duration: Duration) -> Timestamp {
    start.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// A moment as the API writes it: RFC 3339 in UTC, whole seconds.
pub(crate) fn wire(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stepped_clock_moves_only_when_told() {
        let steps = SteppedClock::new(Timestamp::UNIX_EPOCH);
        let clock = steps.clock();
        assert_eq!(wire(clock.now()), "1970-01-01T00:00:00Z");
        steps.advance(Duration::from_secs(61));
        assert_eq!(wire(clock.now()), "1970-01-01T00:01:01Z");
    }

    #[tokio::test]
    async fn waiting_on_a_stepped_clock_ends_when_it_is_moved_far_enough() {
        let steps = SteppedClock::new(Timestamp::UNIX_EPOCH);
        let clock = steps.clock();
        let mut wait = std::pin::pin!(clock.reach(later(clock.now(), Duration::from_secs(2))));
        tokio::select! { biased; () = &mut wait => panic!("nothing has moved"), () = std::future::ready(()) => {} }
        steps.advance(Duration::from_secs(1));
        tokio::select! { biased; () = &mut wait => panic!("one second is not two"), () = std::future::ready(()) => {} }
        steps.advance(Duration::from_secs(1));
        tokio::select! { biased; () = &mut wait => {}, () = std::future::ready(()) => panic!("it is time") }
    }
}
