//! Firewall: rules, and the servers that they are applied to, by label or one by one.
//!
//! Servers also name their firewalls themselves, and others apply firewalls too. So of the servers and label selectors
//! only those are removed that this resource has asked for before.

use std::collections::BTreeSet;

use api::{
    Firewall, FirewallLabelSelector, FirewallObservation, FirewallParameters, FirewallRule,
    ObservedFirewallRule,
};

use super::{
    Error, Project,
    error::holders,
    object::{Common, ObjectKind, PresentOf},
    range, report_id, report_time,
};
use crate::{
    hcloud::{
        self,
        firewall::{CreateFirewallRequest, Rule, Target},
        labels::Labels,
    },
    managed::{Created, Desired, Difference, Drift, Present, Remedy},
};

mod target;

use target::Change;

/// The kind Firewall.
#[derive(Debug)]
pub enum Firewalls {}

impl ObjectKind for Firewalls {
    type Resource = Firewall;
    type Object = hcloud::Firewall;

    fn common(resource: &Firewall) -> Common<'_> {
        let spec = &resource.spec.for_provider;
        Common {
            name: spec.name.as_deref(),
            labels: &spec.labels,
            delete_protection: None,
        }
    }

    async fn present(
        _: &Project,
        desired: &Desired<Firewall>,
        firewall: &hcloud::Firewall,
    ) -> Result<PresentOf<Self>, Error> {
        let spec = &desired.spec.for_provider;
        let report = report(spec, reported_before(desired), firewall);
        let mut present = Present::new(firewall.id.to_string(), report);
        present.drift = drift(spec, &present.at_provider, firewall);
        Ok(present)
    }

    async fn create(
        project: &Project,
        desired: &Desired<Firewall>,
        name: String,
        labels: Labels,
    ) -> Result<Created, Error> {
        let spec = &desired.spec.for_provider;
        let selectors = spec.label_selectors.iter().flatten();
        let selectors = selectors.map(|selector| Target::label_selector(selector));
        let servers = target::servers(spec)?.into_iter().map(Target::server);
        let request = CreateFirewallRequest {
            name,
            labels,
            rules: rules(spec),
            apply_to: selectors.chain(servers).collect(),
        };
        let firewall = project.client.firewalls().create(&request).await?;
        Ok(Created::named(firewall.id))
    }

    async fn update(
        project: &Project,
        desired: &Desired<Firewall>,
        id: u64,
        present: &PresentOf<Self>,
    ) -> Result<(), Error> {
        let spec = &desired.spec.for_provider;
        let firewalls = project.client.firewalls();
        if present.drift.touches("rules") {
            firewalls.set_rules(id, &rules(spec)).await?;
        }
        let selectors = Change::of_selectors(spec, &present.at_provider);
        let of = |selectors: &[String]| -> Vec<_> {
            let targets = selectors.iter();
            targets.map(|s| Target::label_selector(s)).collect()
        };
        if !selectors.missing.is_empty() {
            firewalls.apply(id, &of(&selectors.missing)).await?;
        }
        if !selectors.surplus.is_empty() {
            firewalls.take_away(id, &of(&selectors.surplus)).await?;
        }
        target::servers(spec)?;
        let servers = Change::of_servers(spec, &present.at_provider);
        let applied = target::apply(project, id, &servers.missing).await;
        applied.and(target::take_away(project, id, &servers.surplus).await)
    }

    /// The API refuses while the firewall is applied to anything. Own servers and selectors go with it; servers that name
    /// it, and what others have added, hold it.
    async fn before_delete(
        project: &Project,
        desired: &Desired<Firewall>,
        firewall: &hcloud::Firewall,
    ) -> Result<(), Error> {
        let spec = &desired.spec.for_provider;
        let report = report(spec, reported_before(desired), firewall);
        let (own, foreign): (Vec<_>, Vec<_>) = report
            .label_selectors
            .iter()
            .map(|found| found.selector.as_str())
            .partition(|selector| report.own_label_selectors.iter().any(|own| own == selector));
        let (own_servers, servers): (Vec<_>, Vec<_>) = applied_servers(firewall)
            .partition(|server| report.own_servers.contains(&report_id(*server)));
        let mut held_by = vec![holders(&[("servers", &servers)])];
        held_by.extend(
            foreign
                .iter()
                .map(|selector| format!("label selector {selector}")),
        );
        held_by.retain(|holder| !holder.is_empty());
        if !held_by.is_empty() {
            return Err(Error::Held {
                object: "firewall",
                id: firewall.id,
                holders: held_by.join(" and "),
            });
        }
        if !own.is_empty() {
            let targets: Vec<_> = own.into_iter().map(Target::label_selector).collect();
            let firewalls = project.client.firewalls();
            firewalls.take_away(firewall.id, &targets).await?;
        }
        target::take_away(project, firewall.id, &own_servers).await
    }
}

/// What was reported of the firewall the last time.
fn reported_before(resource: &Firewall) -> Option<&FirewallObservation> {
    resource.status.as_ref()?.at_provider.as_ref()
}

fn applied_servers(firewall: &hcloud::Firewall) -> impl Iterator<Item = u64> {
    let targets = firewall.applied_to.iter();
    targets.filter_map(|target| target.server.map(|server| server.id))
}

fn rules(spec: &FirewallParameters) -> Vec<Rule> {
    spec.rules.iter().flatten().map(rule).collect()
}

fn rule(rule: &FirewallRule) -> Rule {
    let FirewallRule {
        direction,
        protocol,
        port,
        source_ips,
        destination_ips,
        description,
    } = rule;
    Rule {
        direction: direction.as_str().to_owned(),
        protocol: protocol.as_str().to_owned(),
        port: port.clone(),
        source_ips: range::canonical_set(source_ips),
        destination_ips: range::canonical_set(destination_ips),
        description: description.clone(),
    }
}

/// A rule as it is compared: the order and notation of addresses say nothing, and `any` is the range of all ports.
fn canonical(rule: &Rule) -> Rule {
    let mut rule = rule.clone();
    rule.source_ips = range::canonical_set(&rule.source_ips);
    rule.destination_ips = range::canonical_set(&rule.destination_ips);
    rule.description = rule.description.filter(|text| !text.is_empty());
    if rule.port.as_deref() == Some("any") {
        rule.port = Some("1-65535".to_owned());
    }
    rule
}

/// All rules in an order that does not depend on the one in which they are given.
fn canonical_rules(rules: &[Rule]) -> Vec<Rule> {
    let mut rules: Vec<_> = rules.iter().map(canonical).collect();
    rules.sort_by_cached_key(in_words);
    rules
}

fn in_words(rule: &Rule) -> String {
    let Rule {
        direction,
        protocol,
        port,
        source_ips,
        destination_ips,
        description,
    } = rule;
    let mut words = format!("{direction} {protocol}");
    for part in port.iter().chain(source_ips).chain(destination_ips) {
        words.push(' ');
        words.push_str(part);
    }
    if let Some(description) = description {
        words.push_str(&format!(" ({description})"));
    }
    words
}

fn drift(
    spec: &FirewallParameters,
    report: &FirewallObservation,
    firewall: &hcloud::Firewall,
) -> Drift {
    // Exhaustive, so that a new field is compared or the compiler asks why not.
    let FirewallParameters {
        name: _,
        rules: wanted,
        label_selectors: _,
        server_ids: _,
        server_id_refs: _,
        server_id_selector: _,
        labels: _,
    } = spec;
    let mut drift = Drift::default();
    if wanted.is_some() {
        let wanted = canonical_rules(&rules(spec));
        let found = canonical_rules(&firewall.rules);
        let only = |some: &[Rule], others: &[Rule]| {
            let some = some.iter().filter(|rule| !others.contains(rule));
            let words: Vec<_> = some.map(in_words).collect();
            if words.is_empty() {
                "nothing more".to_owned()
            } else {
                words.join(", ")
            }
        };
        if wanted != found {
            drift.push(Difference {
                field: "rules".to_owned(),
                desired: only(&wanted, &found),
                observed: only(&found, &wanted),
                remedy: Remedy::InPlace,
            });
        }
    }
    Change::of_selectors(spec, report).drift("labelSelectors", &mut drift);
    Change::of_servers(spec, report).drift("serverIds", &mut drift);
    drift
}

fn report(
    spec: &FirewallParameters,
    before: Option<&FirewallObservation>,
    firewall: &hcloud::Firewall,
) -> FirewallObservation {
    let sorted = |ids: &mut dyn Iterator<Item = u64>| {
        let mut ids: Vec<_> = ids.map(report_id).collect();
        ids.sort_unstable();
        ids
    };
    let mut label_selectors: Vec<_> = firewall
        .applied_to
        .iter()
        .filter_map(|target| {
            let members = target.applied_to_resources.iter();
            Some(FirewallLabelSelector {
                selector: target.label_selector.as_ref()?.selector.clone(),
                servers: sorted(&mut members.filter_map(|member| member.server.map(|s| s.id))),
            })
        })
        .collect();
    label_selectors.sort_by(|a, b| a.selector.cmp(&b.selector));
    let wanted = spec.label_selectors.as_deref().unwrap_or_default();
    let asked_before = before.map_or(&[][..], |before| &before.own_label_selectors);
    let own_label_selectors = label_selectors
        .iter()
        .map(|found| &found.selector)
        .filter(|selector| wanted.contains(selector) || asked_before.contains(selector))
        .cloned()
        .collect();
    let servers = sorted(&mut applied_servers(firewall));
    let asked_before = before.map_or(&[][..], |before| &before.own_servers);
    let kept = servers.iter().filter(|id| asked_before.contains(id));
    // What is asked for is its own before it is applied: the list may have changed by the next look.
    let asked = target::readable_servers(spec).map(report_id);
    let own_servers: BTreeSet<_> = kept.copied().chain(asked).collect();
    FirewallObservation {
        id: report_id(firewall.id),
        name: firewall.name.clone(),
        rules: firewall.rules.iter().map(report_rule).collect(),
        servers,
        own_servers: own_servers.into_iter().collect(),
        label_selectors,
        own_label_selectors,
        labels: firewall.labels.clone(),
        created: report_time(firewall.created.as_deref()),
    }
}

fn report_rule(rule: &Rule) -> ObservedFirewallRule {
    ObservedFirewallRule {
        direction: rule.direction.clone(),
        protocol: rule.protocol.clone(),
        port: rule.port.clone(),
        source_ips: rule.source_ips.clone(),
        destination_ips: rule.destination_ips.clone(),
        description: rule.description.clone(),
    }
}

#[cfg(test)]
mod tests;
