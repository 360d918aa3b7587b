//! Firewall: rules, and the servers that they are applied to by label.
//!
//! Servers name their firewalls themselves, so a single server in the list of a firewall is never touched here. Of the
//! label selectors those are removed that this resource has asked for before; others belong to others.

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
        let asked_before = desired.status.as_ref().and_then(|s| s.at_provider.as_ref());
        let asked_before = asked_before.map_or(&[][..], |before| &before.own_label_selectors);
        let report = report(spec, asked_before, firewall);
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
        let request = CreateFirewallRequest {
            name,
            labels,
            rules: rules(spec),
            apply_to: selectors.map(|s| Target::label_selector(s)).collect(),
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
        let (missing, surplus) = selectors_to_change(spec, &present.at_provider);
        if !missing.is_empty() {
            firewalls.apply(id, &missing).await?;
        }
        if !surplus.is_empty() {
            firewalls.take_away(id, &surplus).await?;
        }
        Ok(())
    }

    /// The API refuses while the firewall is applied to anything. Own selectors go with it; servers that name it, and
    /// selectors of others, hold it.
    async fn before_delete(
        project: &Project,
        desired: &Desired<Firewall>,
        firewall: &hcloud::Firewall,
    ) -> Result<(), Error> {
        let spec = &desired.spec.for_provider;
        let asked_before = desired.status.as_ref().and_then(|s| s.at_provider.as_ref());
        let asked_before = asked_before.map_or(&[][..], |before| &before.own_label_selectors);
        let report = report(spec, asked_before, firewall);
        let (own, foreign): (Vec<_>, Vec<_>) = report
            .label_selectors
            .iter()
            .map(|found| found.selector.as_str())
            .partition(|selector| report.own_label_selectors.iter().any(|own| own == selector));
        let servers: Vec<u64> = applied_servers(firewall).collect();
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
        Ok(())
    }
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
    let (missing, surplus) = selectors_to_change(spec, report);
    let text = |targets: &[Target]| {
        let selectors = targets
            .iter()
            .filter_map(|target| target.label_selector.as_ref());
        let selectors: Vec<_> = selectors
            .map(|selector| selector.selector.as_str())
            .collect();
        if selectors.is_empty() {
            "nothing more".to_owned()
        } else {
            selectors.join(" and ")
        }
    };
    if !(missing.is_empty() && surplus.is_empty()) {
        drift.push(Difference {
            field: "labelSelectors".to_owned(),
            desired: text(&missing),
            observed: text(&surplus),
            remedy: Remedy::InPlace,
        });
    }
    drift
}

/// Label selectors that are missing, and own ones that are no longer wanted.
fn selectors_to_change(
    spec: &FirewallParameters,
    report: &FirewallObservation,
) -> (Vec<Target>, Vec<Target>) {
    let Some(wanted) = &spec.label_selectors else {
        return (Vec::new(), Vec::new());
    };
    let found = |selector: &String| {
        report
            .label_selectors
            .iter()
            .any(|f| f.selector == *selector)
    };
    let missing = wanted.iter().filter(|selector| !found(selector));
    let own = report.own_label_selectors.iter();
    let surplus = own.filter(|selector| !wanted.contains(selector));
    (
        missing.map(|s| Target::label_selector(s)).collect(),
        surplus.map(|s| Target::label_selector(s)).collect(),
    )
}

fn report(
    spec: &FirewallParameters,
    asked_before: &[String],
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
    let own_label_selectors = label_selectors
        .iter()
        .map(|found| &found.selector)
        .filter(|selector| wanted.contains(selector) || asked_before.contains(selector))
        .cloned()
        .collect();
    FirewallObservation {
        id: report_id(firewall.id),
        name: firewall.name.clone(),
        rules: firewall.rules.iter().map(report_rule).collect(),
        servers: sorted(&mut applied_servers(firewall)),
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
