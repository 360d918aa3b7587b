//! How often: a bucket of tokens for all objects, a back-off for each.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::clock::Clock;

/// Delay before the next try after `failures` failures in a row: 1 s, doubling, at most 60 s.
pub fn back_off(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.saturating_sub(1).min(6)).min(Duration::from_secs(60))
}

/// Longest delay of [`patience`].
const PATIENCE: Duration = Duration::from_secs(300);

/// Delay before the next look at what others have to do first: `first`, half as long again each time, at most 5 min. So
/// who waits for long asks rarely, and notices late only by a part of the time that it took anyway.
pub fn patience(first: Duration, failures: u32) -> Duration {
    let times = i32::try_from(failures.saturating_sub(1).min(64)).unwrap_or_default();
    let grown = first.as_secs_f64() * 1.5_f64.powi(times);
    let most = PATIENCE.max(first);
    Duration::try_from_secs_f64(grown).map_or(most, |grown| grown.min(most))
}

/// Spreads `interval` by up to a tenth to either side, so that many objects are not due together. The position is
/// taken from `seed`, which should differ between objects and from one time to the next.
pub fn jitter(interval: Duration, seed: u64) -> Duration {
    // One round of splitmix64: neighbouring seeds land far apart.
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let permille = u32::try_from((mixed >> 32) % 201).unwrap_or(100);
    interval.saturating_mul(900 + permille) / 1000
}

/// A bucket that gains `rate` tokens a second and holds ten times as many.
#[derive(Debug)]
pub struct Bucket {
    rate: f64,
    clock: Clock,
    level: Mutex<Level>,
}

#[derive(Debug)]
struct Level {
    tokens: f64,
    at: Duration,
}

impl Bucket {
    /// A full bucket.
    pub fn new(rate: u16, clock: Clock) -> Self {
        let rate = f64::from(rate.max(1));
        let level = Mutex::new(Level {
            tokens: rate * 10.0,
            at: clock.elapsed(),
        });
        Self { rate, clock, level }
    }

    /// Takes one token, and waits for it when there is none. Who waits is served in turn.
    pub async fn take(&self) {
        let wait = self.reserve();
        if !wait.is_zero() {
            self.clock.sleep(wait).await;
        }
    }

    fn reserve(&self) -> Duration {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.elapsed();
        let gained = now.saturating_sub(level.at).as_secs_f64() * self.rate;
        level.tokens = (level.tokens + gained).min(self.rate * 10.0) - 1.0;
        level.at = now;
        Duration::try_from_secs_f64(-level.tokens / self.rate).unwrap_or(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::clock::SteppedClock;

    #[test]
    fn patience_grows_with_the_wait() {
        let first = Duration::from_secs(10);
        let delays: Vec<_> = (0..13).map(|n| patience(first, n).as_secs()).collect();
        assert_eq!(
            delays,
            [10, 10, 15, 22, 33, 50, 75, 113, 170, 256, 300, 300, 300]
        );
        assert_eq!(patience(first, u32::MAX), PATIENCE);
        let long = Duration::from_secs(900);
        assert_eq!(patience(long, 9), long);
    }

    #[test]
    fn the_back_off_doubles_from_one_second_to_a_minute() {
        let delays: Vec<_> = (0..9).map(|n| back_off(n).as_secs()).collect();
        assert_eq!(delays, [1, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(back_off(u32::MAX).as_secs(), 60);
    }

    #[test]
    fn jitter_stays_within_a_tenth_and_spreads() {
        let interval = Duration::from_secs(600);
        let delays: Vec<_> = (0..1000).map(|seed| jitter(interval, seed)).collect();
        assert!(delays.iter().all(|d| (540..=660).contains(&d.as_secs())));
        let early = delays.iter().filter(|d| **d < interval).count();
        assert!((400..600).contains(&early), "{early}");
    }

    #[test]
    fn an_empty_bucket_hands_out_tokens_in_turn() {
        let hand = SteppedClock::new(Timestamp::UNIX_EPOCH);
        let bucket = Bucket::new(2, hand.clock());
        for _ in 0..20 {
            assert_eq!(bucket.reserve(), Duration::ZERO);
        }
        assert_eq!(bucket.reserve(), Duration::from_millis(500));
        assert_eq!(bucket.reserve(), Duration::from_secs(1));
        hand.advance(Duration::from_secs(2));
        assert_eq!(bucket.reserve(), Duration::ZERO);
    }
}
