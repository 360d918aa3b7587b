//! Changes of a server: what differs, how that is removed, and the single calls that it takes.

use std::{fmt::Display, net::Ipv4Addr};

use super::mark::Mark;
use crate::{
    hcloud::server::AttachRequest,
    managed::{Difference, Remedy, Retry},
};

/// A change of a server: one call of the API.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Sets and removes labels.
    Mark(Vec<Mark>),
    Attach(AttachRequest),
    Detach(u64),
    AliasIps(u64, Vec<Ipv4Addr>),
    ApplyFirewall(u64),
    TakeFirewallAway(u64),
    EnableBackup,
    DisableBackup,
    AttachIso(String),
    DetachIso,
    EnableRescue,
    DisableRescue,
    Shutdown,
    PowerOff,
    PowerOn,
    Reset,
    JoinPlacementGroup(u64),
    LeavePlacementGroup,
    Unassign(u64),
    /// Deletes a Primary IP that was made with the server, and belongs to nothing any more.
    DeleteAddress(u64),
    Assign(u64),
    /// Makes a Primary IP that goes with the server: `ipv4` or `ipv6`.
    NewAddress(&'static str),
    /// Deletes what such a step has made and not assigned.
    DeleteUnusedAddresses(&'static str),
    ChangeType(String),
}

/// A difference with what removes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    pub(super) difference: Difference,
    pub(super) way: Way,
}

/// How a difference is removed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Way {
    /// With the server as it is.
    Now(Vec<Step>),
    /// With the server off.
    Off(Vec<Step>),
    /// By a reset after these steps, if the server runs.
    Restart(Vec<Step>),
    /// Only by another server.
    Replacement,
    /// By a rebuild, which overwrites the disk.
    Rebuild,
    /// By the next rebuild or server: this one has what it needed.
    Succession,
    /// Not for now.
    Held {
        /// Why, in words.
        message: String,
        /// When to look again.
        retry: Retry,
    },
}

impl Change {
    pub(super) fn new(
        field: impl Into<String>,
        desired: &(impl Display + ?Sized),
        observed: &(impl Display + ?Sized),
        way: Way,
    ) -> Self {
        let remedy = match way {
            Way::Replacement => Remedy::Replacement,
            Way::Rebuild => Remedy::Overwriting,
            Way::Succession => Remedy::Succession,
            Way::Now(_) | Way::Off(_) | Way::Restart(_) | Way::Held { .. } => Remedy::InPlace,
        };
        let difference = Difference {
            field: field.into(),
            desired: desired.to_string(),
            observed: observed.to_string(),
            remedy,
        };
        Self { difference, way }
    }
}
