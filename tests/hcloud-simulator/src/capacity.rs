//! What Hetzner has left to sell: shortages and withdrawals of types, and the quotas of a project. There is no limit at
//! first; a test or the control API changes that.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{deprecation::Deprecation, error::ApiError};

/// What is short, as one project sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capacity {
    /// Server types that cannot be had.
    pub shortages: Vec<Shortage>,
    /// Locations without room for volumes.
    pub full_of_volumes: BTreeSet<String>,
    /// Types of servers and load balancers that are taken off the market.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withdrawals: Vec<Withdrawal>,
}

/// A type that is taken off the market. What exists of it goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// The name of the server type or load balancer type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name of the location; everywhere when absent. Load balancer types are withdrawn everywhere only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Since when this is known, and after what time the type cannot be ordered.
    #[serde(flatten)]
    pub deprecation: Deprecation,
}

/// Servers that cannot be had in some place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// The name of the server type; every type when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_type: Option<String>,
    /// The name of the location; every location when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// How the API refuses.
    pub kind: ShortageKind,
}

/// How the API refuses what is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShortageKind {
    /// `/server_types` says that it is not available; orders are refused with 412 `resource_unavailable`.
    SoldOut,
    /// `/server_types` does not tell; orders are refused with 422 `placement_error`.
    NoHost,
}

impl Capacity {
    /// Ends the sale of a server type in a location.
    pub fn sell_out(&mut self, server_type: &str, location: &str) {
        self.add(server_type, location, ShortageKind::SoldOut);
    }

    /// Leaves no host for a server type in a location, which shows only when a server is ordered.
    pub fn fill_hosts(&mut self, server_type: &str, location: &str) {
        self.add(server_type, location, ShortageKind::NoHost);
    }

    /// Ends every shortage of a server type in a location.
    pub fn restock(&mut self, server_type: &str, location: &str) {
        self.shortages
            .retain(|shortage| !shortage.concerns(server_type, location));
    }

    /// Whether the catalog says that a server type can be ordered in a location.
    pub fn is_available(&self, server_type: &str, location: &str) -> bool {
        self.shortage(server_type, location) != Some(ShortageKind::SoldOut)
    }

    /// Takes a type off the market; everywhere without a `location`.
    pub fn withdraw(&mut self, kind: &str, location: Option<&str>, deprecation: Deprecation) {
        self.withdrawals.push(Withdrawal {
            kind: kind.to_owned(),
            location: location.map(str::to_owned),
            deprecation,
        });
    }

    /// Whether a type is taken off the market everywhere, and in this location.
    pub(crate) fn deprecation(&self, kind: &str, location: Option<&str>) -> Option<Deprecation> {
        let mut withdrawals = self.withdrawals.iter();
        let concerns = |withdrawal: &&Withdrawal| {
            let where_it_is = withdrawal.location.as_deref();
            withdrawal.kind == kind && (where_it_is.is_none() || where_it_is == location)
        };
        Some(withdrawals.find(concerns)?.deprecation)
    }

    /// Whether a type is off the market everywhere; lists no longer show it.
    pub(crate) fn is_gone(&self, kind: &str, now: Timestamp) -> bool {
        let deprecation = self.deprecation(kind, None);
        deprecation.is_some_and(|deprecation| deprecation.is_over(now))
    }

    /// Refuses to make something new of a type that is off the market there.
    pub(crate) fn check_sold(
        &self,
        kind: &str,
        location: &str,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let deprecation = self.deprecation(kind, Some(location));
        if deprecation.is_some_and(|deprecation| deprecation.is_over(now)) {
            return Err(ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid_input",
                format!("{kind} is deprecated and can no longer be ordered in location {location}"),
            ));
        }
        Ok(())
    }

    /// Refuses a server that cannot be had.
    pub(crate) fn check_server(&self, server_type: &str, location: &str) -> Result<(), ApiError> {
        match self.shortage(server_type, location) {
            None => Ok(()),
            Some(ShortageKind::SoldOut) => Err(ApiError::new(
                StatusCode::PRECONDITION_FAILED,
                "resource_unavailable",
                format!(
                    "server type {server_type} is currently unavailable in location {location}"
                ),
            )),
            Some(ShortageKind::NoHost) => Err(ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "placement_error",
                "error during placement",
            )),
        }
    }

    /// Refuses a volume that there is no room for.
    pub(crate) fn check_volume(&self, location: &str) -> Result<(), ApiError> {
        if self.full_of_volumes.contains(location) {
            Err(ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "no_space_left_in_location",
                format!("there is no volume space left in location {location}"),
            ))
        } else {
            Ok(())
        }
    }

    fn add(&mut self, server_type: &str, location: &str, kind: ShortageKind) {
        self.restock(server_type, location);
        self.shortages.push(Shortage {
            server_type: Some(server_type.to_owned()),
            location: Some(location.to_owned()),
            kind,
        });
    }

    fn shortage(&self, server_type: &str, location: &str) -> Option<ShortageKind> {
        let mut shortages = self.shortages.iter();
        let shortage = shortages.find(|shortage| shortage.concerns(server_type, location))?;
        Some(shortage.kind)
    }
}

impl Shortage {
    fn concerns(&self, server_type: &str, location: &str) -> bool {
        let is = |wanted: &Option<String>, given: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == given)
        };
        is(&self.server_type, server_type) && is(&self.location, location)
    }
}

/// How many objects of a kind a project may have, by the kind's plural, for example `servers`; the others are unlimited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quotas(pub BTreeMap<String, usize>);

impl Quotas {
    /// Limits the objects of a kind.
    pub fn set(&mut self, plural: impl Into<String>, limit: usize) {
        self.0.insert(plural.into(), limit);
    }

    /// Lifts the limit of a kind.
    pub fn lift(&mut self, plural: &str) {
        self.0.remove(plural);
    }

    /// Refuses one more object of a kind of which there are `existing`.
    pub(crate) fn check(&self, plural: &str, existing: usize) -> Result<(), ApiError> {
        if self.0.get(plural).is_none_or(|limit| existing < *limit) {
            return Ok(());
        }
        let name = plural.strip_suffix('s').unwrap_or(plural);
        Err(ApiError {
            details: Some(json!({ "limits": [{ "name": format!("{name}_limit") }] })),
            ..ApiError::limit_exceeded(format!("{} limit exceeded", name.replace('_', " ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(capacity: &Capacity, server_type: &str, location: &str) -> Option<(u16, String)> {
        let error = capacity.check_server(server_type, location).err()?;
        Some((error.status.as_u16(), error.code.into_owned()))
    }

    #[test]
    fn a_shortage_concerns_its_type_in_its_location_until_it_is_restocked() {
        let mut capacity = Capacity::default();
        assert_eq!(refusal(&capacity, "cx23", "fsn1"), None);
        capacity.sell_out("cx23", "fsn1");
        capacity.fill_hosts("cx33", "fsn1");
        assert_eq!(
            refusal(&capacity, "cx23", "fsn1"),
            Some((412, "resource_unavailable".to_owned()))
        );
        assert_eq!(
            refusal(&capacity, "cx33", "fsn1"),
            Some((422, "placement_error".to_owned()))
        );
        assert!(!capacity.is_available("cx23", "fsn1"));
        assert!(
            capacity.is_available("cx33", "fsn1"),
            "a lack of hosts does not show"
        );
        assert_eq!(refusal(&capacity, "cx23", "hel1"), None);
        capacity.restock("cx23", "fsn1");
        assert_eq!(refusal(&capacity, "cx23", "fsn1"), None);
    }

    #[test]
    fn a_shortage_without_type_or_location_concerns_all_of_them() {
        let capacity: Capacity =
            serde_json::from_str(r#"{"shortages":[{"location":"nbg1","kind":"sold_out"}]}"#)
                .unwrap();
        assert!(!capacity.is_available("cx23", "nbg1"));
        assert!(capacity.is_available("cx23", "fsn1"));
    }

    #[test]
    fn a_quota_counts_what_exists_already() {
        let mut quotas = Quotas::default();
        quotas.set("servers", 2);
        assert!(quotas.check("servers", 1).is_ok());
        assert_eq!(
            quotas.check("servers", 2).unwrap_err().code,
            "resource_limit_exceeded"
        );
        assert!(quotas.check("networks", 99).is_ok());
        quotas.lift("servers");
        assert!(quotas.check("servers", 2).is_ok());
    }
}
