//! What a platform costs each month by the price list: the status as the function
//! computes it, and where it comes from.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use provider_hcloud_api::money::Money;
use provider_hcloud_api::{LoadBalancerObservation, Price, ServerObservation, VolumeObservation};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::document::{Object, kind_and_name, text};
use super::facts::Facts;
use super::node::Node;
use crate::claim::cost::Cost;
use crate::label;

/// What to write where a price is not known.
const UNKNOWN: &str = "unknown";

/// A table of what each tree costs each month: by region and pool, net and gross. What is
/// not known is not guessed, and what the price list does not have is named.
pub fn cost(nodes: &[Node], facts: &Facts) -> String {
    let mut text = String::new();
    for node in nodes {
        if !text.is_empty() {
            text.push('\n');
        }
        let mut bill = Bill::default();
        bill.add(node, &Part::default());
        bill.write(&mut text, node, facts);
    }
    text
}

/// Where something belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Part {
    region: String,
    cluster: Option<String>,
    pool: Option<String>,
    balancer: Option<String>,
}

impl Part {
    /// Where everything below an object belongs to.
    fn below(&self, object: &Object) -> Self {
        let own = |path: &[&str]| Some(text(object, path).to_owned());
        let mut part = self.clone();
        match text(object, &["kind"]) {
            "XRegion" => {
                part.region = match text(object, &["metadata", "labels", label::REGION]) {
                    "" => text(object, &["metadata", "name"]).to_owned(),
                    region => region.to_owned(),
                };
            }
            "XCluster" => part.cluster = own(&["spec", "cluster", "name"]),
            "XNodePool" => part.pool = own(&["spec", "pool", "name"]),
            "XNodeGroup" => part.pool = own(&["spec", "pool"]),
            "XLoadBalancer" => part.balancer = own(&["spec", "loadBalancer", "name"]),
            _ => {}
        }
        part
    }

    fn name(&self) -> String {
        let parts = [
            ("cluster", &self.cluster),
            ("pool", &self.pool),
            ("load balancer", &self.balancer),
        ];
        let named = parts
            .iter()
            .filter_map(|(what, name)| Some(format!("{what} {}", name.as_ref()?)));
        named.collect::<Vec<_>>().join(", ")
    }
}

/// Net and gross.
#[derive(Debug, Clone, Copy, Default)]
struct Amounts {
    net: Money,
    gross: Money,
}

impl Amounts {
    fn of(price: &Price) -> Option<Self> {
        Some(Self {
            net: Money::parse(&price.net_monthly)?,
            gross: Money::parse(&price.gross_monthly)?,
        })
    }

    fn plus(self, other: Self) -> Option<Self> {
        Some(Self {
            net: self.net.plus(other.net)?,
            gross: self.gross.plus(other.gross)?,
        })
    }
}

/// Things of one sort that belong to one part.
struct Line {
    part: Part,
    what: String,
    count: u64,
    amounts: Option<Amounts>,
}

/// What a tree consists of, as far as it has a price.
#[derive(Default)]
struct Bill {
    lines: Vec<Line>,
    /// Regions and what the function says that they cost.
    regions: Vec<(String, Option<Cost>)>,
    /// How many servers the autoscaler may make.
    autoscaled: u64,
}

impl Bill {
    fn add(&mut self, node: &Node, above: &Part) {
        let part = above.below(&node.object);
        match node.kind() {
            "XRegion" => self
                .regions
                .push((part.region.clone(), cost_of(&node.status))),
            "XCluster" => self.autoscaled += autoscaled(&node.object),
            "Server" => {
                let found: ServerObservation = found(&node.status);
                let backups = node.object.get("spec").and_then(|it| it.get("forProvider"));
                let backups = backups.and_then(|it| it.get("backups"));
                let with = match (found.public_ipv4, backups) {
                    (Some(_), Some(Value::Bool(true))) => " with IPv4 and backups",
                    (Some(_), _) => " with IPv4",
                    (None, Some(Value::Bool(true))) => " with backups",
                    (None, _) => "",
                };
                let what = format!("server {}{with} in {}", found.server_type, found.location);
                self.line(&part, what, found.price.as_ref());
            }
            "Volume" => {
                let found: VolumeObservation = found(&node.status);
                let what = format!("volume of {} GB", found.size);
                self.line(&part, what, found.price.as_ref());
            }
            "LoadBalancer" => {
                let found: LoadBalancerObservation = found(&node.status);
                let (kind, location) = (found.load_balancer_type, found.location);
                let what = format!("load balancer {kind} in {location}");
                self.line(&part, what, found.price.as_ref());
            }
            _ => {}
        }
        for child in &node.children {
            self.add(child, &part);
        }
    }

    fn line(&mut self, part: &Part, what: String, price: Option<&Price>) {
        let amounts = price.and_then(Amounts::of);
        // What is alike follows each other but for volumes, of which each server has some.
        let mut lines = self.lines.iter_mut().rev();
        let alike = lines
            .by_ref()
            .take_while(|line| line.part == *part)
            .find(|line| line.what == what);
        match alike {
            Some(line) => {
                line.count += 1;
                line.amounts = line
                    .amounts
                    .zip(amounts)
                    .and_then(|(sum, more)| sum.plus(more));
            }
            None => self.lines.push(Line {
                part: part.clone(),
                what,
                count: 1,
                amounts,
            }),
        }
    }

    fn write(&self, text: &mut String, root: &Node, facts: &Facts) {
        let (kind, name) = kind_and_name(&root.object);
        let title = format!("{kind} {name}");
        let total = cost_of(&root.status);
        if self.lines.is_empty() {
            let _ = writeln!(text, "{title}: no servers, volumes or load balancers");
            return;
        }
        let _ = match &total {
            Some(cost) => writeln!(
                text,
                "{title}: {} each month by the price list of {}",
                cost.currency, cost.as_of
            ),
            None => writeln!(text, "{title}: {UNKNOWN}"),
        };
        text.push_str(&self.table(total.as_ref()));
        self.remarks(text, facts);
    }

    fn table(&self, total: Option<&Cost>) -> String {
        let mut rows =
            vec![["REGION", "PART", "WHAT", "NUMBER", "NET", "GROSS"].map(str::to_owned)];
        for (index, line) in self.lines.iter().enumerate() {
            let region = &line.part.region;
            let count = line.count.to_string();
            let net = line.amounts.map(|amounts| amounts.net);
            let gross = line.amounts.map(|amounts| amounts.gross);
            rows.push([
                region.clone(),
                line.part.name(),
                line.what.clone(),
                count,
                shown(net),
                shown(gross),
            ]);
            let next = self.lines.get(index + 1);
            if next.is_none_or(|next| next.part.region != *region) && !region.is_empty() {
                let of_region = self.regions.iter().find(|(name, _)| name == region);
                let cost = of_region.and_then(|(_, cost)| cost.as_ref());
                rows.push(self.total(region, "the region", cost, |line| {
                    line.part.region == *region
                }));
            }
        }
        rows.push(self.total("", "in all", total, |_| true));
        aligned(&rows)
    }

    /// The net amount is what the function says, the gross amount is the sum of the lines.
    fn total(
        &self,
        region: &str,
        name: &str,
        cost: Option<&Cost>,
        belongs: impl Fn(&Line) -> bool,
    ) -> [String; 6] {
        let net = cost.and_then(|cost| Money::parse(&cost.monthly));
        let mut lines = self.lines.iter().filter(|line| belongs(line));
        let gross = lines.try_fold(Money::default(), |sum, line| sum.plus(line.amounts?.gross));
        [
            region.to_owned(),
            name.to_owned(),
            String::new(),
            String::new(),
            shown(net),
            shown(gross),
        ]
    }

    /// What is not in the table.
    fn remarks(&self, text: &mut String, facts: &Facts) {
        let unknown = self.lines.iter().filter(|line| line.amounts.is_none());
        let unknown: BTreeSet<_> = unknown.map(|line| line.what.as_str()).collect();
        if facts.pricing().is_none() && !unknown.is_empty() {
            let _ = writeln!(
                text,
                "There is no price list: give one with --facts (kubectl get pricings -o yaml)."
            );
        }
        if !unknown.is_empty() {
            let unknown: Vec<_> = unknown.into_iter().collect();
            let _ = writeln!(text, "No price is known for: {}.", unknown.join("; "));
        }
        let _ = match self.autoscaled {
            0 => writeln!(text, "Not included: traffic."),
            most => writeln!(
                text,
                "Not included: traffic; servers that the autoscaler makes, {most} at most."
            ),
        };
    }
}

/// How many servers the autoscaler may make in the pools of a cluster.
fn autoscaled(cluster: &Object) -> u64 {
    let pools = cluster.get("spec").and_then(|spec| spec.get("cluster"));
    let pools = pools.and_then(|cluster| cluster.get("nodePools")?.as_array());
    let most = |pool: &Value| {
        let most = pool.get("autoscaling")?.get("max")?.as_u64()?;
        let made = pool.get("count").and_then(Value::as_u64);
        Some(most.saturating_sub(made.unwrap_or_default()))
    };
    pools.into_iter().flatten().filter_map(most).sum()
}

fn found<T: Default + DeserializeOwned>(status: &Object) -> T {
    let found = status.get("atProvider").map(T::deserialize);
    found.and_then(Result::ok).unwrap_or_default()
}

fn cost_of(status: &Object) -> Option<Cost> {
    Cost::deserialize(status.get("cost")?).ok()
}

fn shown(amount: Option<Money>) -> String {
    amount.map_or_else(|| UNKNOWN.to_owned(), |amount| amount.to_string())
}

/// Columns of equal width; numbers to the right.
fn aligned(rows: &[[String; 6]]) -> String {
    let mut widths = [0; 6];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let _ = if column < 3 {
                write!(line, "{cell:<width$}  ")
            } else {
                write!(line, "{cell:>width$}  ")
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
