//! What a firewall is applied to: what is missing, what is surplus, and how the API is told.

use std::{collections::BTreeSet, fmt::Display};

use api::{FirewallObservation, FirewallParameters};

use crate::{
    hcloud::{Class, firewall::Target},
    kind::{Error, Project, parse_id},
    managed::{Difference, Drift, Remedy},
};

/// How one list differs from what is there.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Change<T> {
    /// What the firewall is still to be applied to.
    pub(super) missing: Vec<T>,
    /// What this resource has asked for before, and does not any more.
    pub(super) surplus: Vec<T>,
}

impl Change<String> {
    /// Of the label selectors.
    pub(super) fn of_selectors(spec: &FirewallParameters, report: &FirewallObservation) -> Self {
        let found = report.label_selectors.iter();
        let found: Vec<_> = found.map(|found| found.selector.clone()).collect();
        let wanted = spec.label_selectors.as_deref();
        Self::new(wanted, &found, &report.own_label_selectors)
    }
}

impl Change<u64> {
    /// Of the servers.
    pub(super) fn of_servers(spec: &FirewallParameters, report: &FirewallObservation) -> Self {
        let wanted = spec.server_ids.as_ref();
        let wanted: Option<BTreeSet<_>> = wanted.map(|_| readable_servers(spec).collect());
        let wanted: Option<Vec<_>> = wanted.map(Vec::from_iter);
        let (found, own) = (ids(&report.servers), ids(&report.own_servers));
        Self::new(wanted.as_deref(), &found, &own)
    }
}

impl<T: Clone + PartialEq + Display> Change<T> {
    /// A list that the spec leaves out is not managed.
    fn new(wanted: Option<&[T]>, found: &[T], own: &[T]) -> Self {
        let without = |some: &[T], others: &[T]| -> Vec<T> {
            let rest = some.iter().filter(|item| !others.contains(item));
            rest.cloned().collect()
        };
        Self {
            missing: wanted.map_or_else(Vec::new, |wanted| without(wanted, found)),
            surplus: wanted.map_or_else(Vec::new, |wanted| without(own, wanted)),
        }
    }

    /// Adds the difference, if there is one.
    pub(super) fn drift(&self, field: &str, drift: &mut Drift) {
        let text = |items: &[T]| {
            if items.is_empty() {
                return "nothing more".to_owned();
            }
            let items: Vec<_> = items.iter().map(ToString::to_string).collect();
            items.join(" and ")
        };
        if !(self.missing.is_empty() && self.surplus.is_empty()) {
            drift.push(Difference {
                field: field.to_owned(),
                desired: text(&self.missing),
                observed: text(&self.surplus),
                remedy: Remedy::InPlace,
            });
        }
    }
}

/// The servers that the spec names.
///
/// # Errors
/// When one of them is no id.
pub(super) fn servers(spec: &FirewallParameters) -> Result<BTreeSet<u64>, Error> {
    let texts = spec.server_ids.iter().flatten().enumerate();
    let ids = texts.map(|(index, text)| {
        let problem = || format!("{text:?} is not an id: ids are positive numbers");
        parse_id(text).ok_or_else(|| Error::field(format!("serverIds[{index}]"), problem()))
    });
    ids.collect()
}

/// Those of the servers that the spec names by an id.
pub(super) fn readable_servers(spec: &FirewallParameters) -> impl Iterator<Item = u64> {
    let texts = spec.server_ids.iter().flatten();
    texts.filter_map(|text| parse_id(text))
}

/// Ids as they were reported.
pub(super) fn ids(reported: &[i64]) -> Vec<u64> {
    let ids = reported.iter();
    ids.filter_map(|id| u64::try_from(*id).ok()).collect()
}

/// Applies the firewall to servers.
///
/// # Errors
/// When it cannot be applied to one of them; it is then applied to the others.
pub(super) async fn apply(project: &Project, id: u64, servers: &[u64]) -> Result<(), Error> {
    let firewalls = project.client.firewalls();
    let targets: Vec<_> = servers.iter().copied().map(Target::server).collect();
    if targets.len() > 1 {
        match firewalls.apply(id, &targets).await {
            // All are refused for the sake of one.
            Err(error) if error.class() == Class::Invalid => firewalls.doubt(id),
            applied => return applied.map(drop).map_err(Error::Api),
        }
    }
    let mut outcome = Ok(());
    for target in targets {
        match firewalls.apply(id, &[target]).await {
            Ok(_) => (),
            // By an earlier call whose answer was lost, or by somebody else.
            Err(error) if error.code() == Some("firewall_already_applied") => firewalls.doubt(id),
            Err(error) => outcome = outcome.and(Err(Error::Api(error))),
        }
    }
    outcome
}

/// Takes the firewall away from servers.
///
/// # Errors
/// When the API refuses.
pub(super) async fn take_away(project: &Project, id: u64, servers: &[u64]) -> Result<(), Error> {
    let firewalls = project.client.firewalls();
    let targets: Vec<_> = servers.iter().copied().map(Target::server).collect();
    if targets.is_empty() {
        return Ok(());
    }
    match firewalls.take_away(id, &targets).await {
        // One of them is gone, and takes the firewall's rules along; the next look tells which are left.
        Err(error) if error.code() == Some("firewall_resource_not_found") => firewalls.doubt(id),
        taken => return taken.map(drop).map_err(Error::Api),
    }
    Ok(())
}
