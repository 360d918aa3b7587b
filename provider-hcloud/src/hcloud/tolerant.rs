//! Reading answers that may lose, gain or null any field.

use serde::{Deserialize, Deserializer};

/// Reads `null` as the default; with `#[serde(default)]` a missing field reads the same.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
