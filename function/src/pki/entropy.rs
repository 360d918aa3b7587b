//! Randomness as an input.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use p256::ecdsa::SigningKey;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Length of a seed, and of one block of output, in bytes.
const BLOCK: usize = 32;
/// Length of the blocks that SHA-256 works on, which is the length of an HMAC key.
const HMAC_KEY: usize = 64;

/// Random bytes that are a function of a seed and of what they are for.
///
/// Each value is drawn under a label of its own, so the order of drawing does not
/// matter and one value says nothing about another. Two things that are made from the
/// same seed need different [scopes](Self::scope).
#[derive(Clone)]
pub struct Entropy {
    seed: Zeroizing<[u8; BLOCK]>,
}

impl Entropy {
    /// Entropy of the operating system, for one request.
    ///
    /// # Errors
    ///
    /// When the operating system has none to give.
    pub fn from_system() -> Result<Self, getrandom::Error> {
        let mut seed = Zeroizing::new([0; BLOCK]);
        getrandom::fill(&mut *seed)?;
        Ok(Self { seed })
    }

    /// Entropy from a given seed: the same seed gives the same keys.
    pub fn from_seed(seed: [u8; BLOCK]) -> Self {
        Self {
            seed: Zeroizing::new(seed),
        }
    }

    /// Entropy for one of several things that are made from the same seed.
    #[must_use]
    pub fn scope(&self, name: &str) -> Self {
        Self {
            seed: self.block(b's', name, 0),
        }
    }

    /// The bytes with this label.
    pub(super) fn bytes(&self, label: &str) -> Zeroizing<[u8; BLOCK]> {
        self.block(b'b', label, 0)
    }

    /// The signing key with this label.
    pub(super) fn signing_key(&self, label: &str) -> SigningKey {
        let mut attempt = 0;
        loop {
            // One in 2^32 blocks is not below the order of the curve.
            let block = self.block(b'k', label, attempt);
            if let Ok(key) = SigningKey::from_slice(&*block) {
                return key;
            }
            attempt += 1;
        }
    }

    fn block(&self, purpose: u8, label: &str, counter: u32) -> Zeroizing<[u8; BLOCK]> {
        let mut key = Zeroizing::new([0; HMAC_KEY]);
        key[..BLOCK].copy_from_slice(&*self.seed);
        let mut mac = Hmac::<Sha256>::new((&*key).into());
        mac.update(&[purpose]);
        mac.update(&counter.to_be_bytes());
        mac.update(label.as_bytes());
        Zeroizing::new(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Entropy([redacted])")
    }
}
