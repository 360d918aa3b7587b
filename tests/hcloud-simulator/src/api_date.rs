//! Which state of the API is served. Hetzner removes fields and endpoints on announced days; a client that works on both
//! sides of such a day can be tested by serving both.

use std::{fmt, str::FromStr};

/// The month whose API is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApiDate {
    /// `datacenter` and `deprecated` are everywhere; server types do not say where they are available.
    December2025,
    /// Server types say where they are available; the rest is announced, but not removed.
    June2026,
    /// What was announced is removed.
    #[default]
    November2026,
}

/// The text is not a month that the simulator knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not one of 2025-12, 2026-06, 2026-11")]
pub struct ApiDateError(String);

impl ApiDate {
    /// True while the fields and endpoints that were removed during 2026 are still served: `datacenter`, `deprecated`,
    /// `/datacenters`, the type of a Primary IP's absent assignee, deleting a load balancer without an action.
    pub const fn legacy(self) -> bool {
        match self {
            Self::December2025 | Self::June2026 => true,
            Self::November2026 => false,
        }
    }

    /// True once server types say per location whether they are available and recommended (April 2026).
    pub const fn tells_availability(self) -> bool {
        match self {
            Self::December2025 => false,
            Self::June2026 | Self::November2026 => true,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::December2025 => "2025-12",
            Self::June2026 => "2026-06",
            Self::November2026 => "2026-11",
        }
    }
}

impl fmt::Display for ApiDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ApiDate {
    type Err = ApiDateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::December2025, Self::June2026, Self::November2026]
            .into_iter()
            .find(|date| date.name() == text)
            .ok_or_else(|| ApiDateError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_they_are_written() {
        for text in ["2025-12", "2026-06", "2026-11"] {
            assert_eq!(
                text.parse::<ApiDate>().map(|date| date.to_string()),
                Ok(text.to_owned())
            );
        }
        assert_eq!(
            "2027-01".parse::<ApiDate>(),
            Err(ApiDateError("2027-01".to_owned()))
        );
    }
}
