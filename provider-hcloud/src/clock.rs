//! Time as an input: everything that asks for the time, or waits, is given a [`Clock`].

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

/// Where time comes from: the system, or the hand of a test.
///
/// Cheap to clone; clones show the same time.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System { started: Instant },
    Stepped(watch::Receiver<Reading>),
}

#[derive(Clone, Copy)]
struct Reading {
    start: Timestamp,
    elapsed: Duration,
}

impl Clock {
    /// The clock of the machine. Waiting uses tokio's timers, so it follows tokio's paused time.
    pub fn system() -> Self {
        Self(Source::System {
            started: Instant::now(),
        })
    }

    /// The time of day, for what people and other programs read. It may jump.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            #[expect(
                clippy::disallowed_methods,
                reason = "the one place where the time of day enters the program"
            )]
            Source::System { .. } => Timestamp::now(),
            Source::Stepped(reading) => {
                let reading = *reading.borrow();
                reading
                    .start
                    .checked_add(reading.elapsed)
                    .unwrap_or(Timestamp::MAX)
            }
        }
    }

    /// Time since this clock was made, for measuring ages and intervals. It never goes back.
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Source::System { started } => started.elapsed(),
            Source::Stepped(reading) => reading.borrow().elapsed,
        }
    }

    /// Waits until `duration` has passed on this clock.
    ///
    /// On a stepped clock that nobody can step any more this never returns.
    pub async fn sleep(&self, duration: Duration) {
        match &self.0 {
            Source::System { .. } => tokio::time::sleep(duration).await,
            Source::Stepped(reading) => {
                let mut reading = reading.clone();
                let wake = reading.borrow().elapsed.saturating_add(duration);
                if reading.wait_for(|now| now.elapsed >= wake).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::System { .. } => "Clock(system)",
            Source::Stepped(_) => "Clock(stepped)",
        })
    }
}

/// A clock for tests: its time stands still until [`SteppedClock::advance`].
#[derive(Debug)]
pub struct SteppedClock(watch::Sender<Reading>);

impl SteppedClock {
    /// A clock that shows `start`.
    pub fn new(start: Timestamp) -> Self {
        let elapsed = Duration::ZERO;
        Self(watch::Sender::new(Reading { start, elapsed }))
    }

    /// The clock to hand to the code under test.
    pub fn clock(&self) -> Clock {
        Clock(Source::Stepped(self.0.subscribe()))
    }

    /// Moves the time on and wakes whoever waited for it.
    pub fn advance(&self, by: Duration) {
        self.0
            .send_modify(|reading| reading.elapsed = reading.elapsed.saturating_add(by));
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:?}", self.start, self.elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleeper_on_a_stepped_clock_wakes_when_its_time_has_come() {
        let hand = SteppedClock::new(Timestamp::UNIX_EPOCH);
        let clock = hand.clock();
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep(Duration::from_secs(5)).await;
                clock.elapsed()
            }
        });
        tokio::task::yield_now().await;
        hand.advance(Duration::from_secs(4));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        hand.advance(Duration::from_secs(1));
        assert_eq!(sleeper.await.unwrap(), Duration::from_secs(5));
        assert_eq!(clock.now(), Timestamp::from_second(5).unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn the_system_clock_measures_with_the_timers_that_it_sleeps_on() {
        let clock = Clock::system();
        clock.sleep(Duration::from_secs(3600)).await;
        assert!(clock.elapsed() >= Duration::from_secs(3600));
    }
}
