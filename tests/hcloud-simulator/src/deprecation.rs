//! How Hetzner withdraws images and types: it is announced, and some time later they cannot be ordered any more. The fields
//! are those of hcloud-go's `schema/deprecation.go`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::wire;

/// When Hetzner withdraws something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deprecation {
    /// When that was announced.
    pub announced: Timestamp,
    /// After which it cannot be ordered.
    pub unavailable_after: Timestamp,
}

impl Deprecation {
    /// Whether it cannot be ordered any more.
    pub(crate) fn is_over(self, now: Timestamp) -> bool {
        self.unavailable_after <= now
    }

    pub(crate) fn body(self) -> Value {
        json!({ "announced": wire(self.announced), "unavailable_after": wire(self.unavailable_after) })
    }
}
