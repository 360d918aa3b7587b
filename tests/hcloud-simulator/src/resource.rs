//! The kinds of resources. A kind is one file below this module, one field of [`Resources`] when it has state of its own,
//! and one entry of `KINDS`; nothing else in the crate names it.

pub(crate) mod action;
pub mod location;
pub mod network;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    action::ActionError,
    collection::{Collection, Id},
    project::Project,
    route::Route,
};

/// The objects of a project, by kind.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// `/networks`.
    pub networks: Collection<network::Network>,
}

/// Every kind that the simulator serves.
pub(crate) static KINDS: &[&Kind] = &[&action::KIND, &location::KIND, &network::KIND];

/// What the engine knows of a kind.
#[derive(Debug)]
pub(crate) struct Kind {
    /// The kind's name in bodies and in the `resources` of actions, for example `network`.
    pub(crate) name: &'static str,
    /// The kind's path and list key, for example `networks`.
    pub(crate) plural: &'static str,
    /// Its operations, without those on its actions.
    pub(crate) routes: &'static [Route],
    /// How actions change it, when they do; this also serves `/<plural>/…/actions`.
    pub(crate) changes: Option<Changes>,
}

/// How actions change a kind.
#[derive(Debug)]
pub(crate) struct Changes {
    /// Whether an object exists.
    pub(crate) exists: fn(&Project, Id) -> bool,
    /// Applies the change of an action that succeeds; an error makes it fail instead.
    pub(crate) apply: fn(&mut Project, Id, &Value) -> Result<(), ActionError>,
}
