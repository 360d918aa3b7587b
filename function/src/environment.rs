//! What an answer depends on beside its request: the time, and randomness.

use jiff::{SignedDuration, Timestamp};

use crate::pki::Entropy;

/// The time and the randomness of one call.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The time.
    pub now: Timestamp,
    /// Randomness, for this call alone.
    pub entropy: Entropy,
}

impl Environment {
    /// The clock and the entropy of the operating system.
    ///
    /// # Errors
    ///
    /// When the operating system has no entropy to give.
    pub fn system() -> Result<Self, getrandom::Error> {
        #[expect(clippy::disallowed_methods, reason = "this is the clock")]
        let now = Timestamp::now();
        Ok(Self {
            now,
            entropy: Entropy::from_system()?,
        })
    }

    /// The same for every call, so that the same claim gives the same tree. What is made
    /// from it is known to everybody and no secret: nothing may run with it.
    pub fn reproducible() -> Self {
        Self {
            now: Timestamp::UNIX_EPOCH + SignedDuration::from_hours(30 * 365 * 24),
            entropy: Entropy::from_seed([0; 32]),
        }
    }
}
