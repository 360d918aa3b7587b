//! What the cloud offers, as far as the provider has observed it.

use provider_hcloud_api::pricing::{PricingObservation, TypePrices};

use crate::claim::validate::Problem;
use crate::observed::Observed;

/// Key of the price list.
pub(super) const PRICING: &str = "pricing";

/// What the cloud offers. Without the price list nothing is known and nothing is judged.
#[derive(Debug)]
pub(super) struct Facts(Option<PricingObservation>);

impl Facts {
    /// Reads the observed price list.
    pub(super) fn read(observed: &Observed) -> Self {
        let prices = observed
            .get(PRICING)
            .and_then(|object| object.json(&["status", "atProvider"]))
            .and_then(|prices| serde_json::from_value(prices).ok());
        Self(prices)
    }

    /// Judges the name of a location.
    pub(super) fn location(&self, path: &str, name: &str, problems: &mut Vec<Problem>) {
        let types = self.0.iter().flat_map(|prices| &prices.server_types);
        let mut known: Vec<_> = types
            .flat_map(|prices| &prices.prices)
            .map(|price| price.location.as_str())
            .collect();
        known.sort_unstable();
        known.dedup();
        judge(path, "location", name, &known, problems);
    }

    /// Judges the name of a server type.
    pub(super) fn server_type(&self, path: &str, name: &str, problems: &mut Vec<Problem>) {
        let known = self.0.iter().flat_map(|prices| &prices.server_types);
        judge(path, "server type", name, &names(known), problems);
    }

    /// Judges the name of a load balancer type.
    pub(super) fn load_balancer_type(&self, path: &str, name: &str, problems: &mut Vec<Problem>) {
        let known = self.0.iter().flat_map(|prices| &prices.load_balancer_types);
        judge(path, "load balancer type", name, &names(known), problems);
    }
}

fn names<'a>(types: impl Iterator<Item = &'a TypePrices>) -> Vec<&'a str> {
    types.map(|prices| prices.name.as_str()).collect()
}

fn judge(path: &str, what: &str, name: &str, known: &[&str], problems: &mut Vec<Problem>) {
    if known.is_empty() || known.contains(&name) {
        return;
    }
    let near = near(name, known);
    let choice = match near.as_slice() {
        [] => format!("take one of {}", known.join(", ")),
        near => format!("did you mean {}?", near.join(" or ")),
    };
    problems.push(Problem::new(
        path,
        format_args!("the cloud has no {what} {name:?}: {choice}"),
    ));
}

/// Most changes between a name and what it was meant to be.
const NEAR: usize = 2;

/// The known names that differ least, if they differ little.
fn near<'a>(name: &str, known: &[&'a str]) -> Vec<&'a str> {
    let distances = known.iter().map(|known| (distance(name, known), *known));
    let distances: Vec<_> = distances
        .filter(|(distance, known)| *distance <= NEAR && *distance < known.len())
        .collect();
    let least = distances.iter().map(|(distance, _)| *distance).min();
    let nearest = distances.into_iter().filter(|near| Some(near.0) == least);
    nearest.map(|(_, known)| known).collect()
}

/// How many characters have to be inserted, removed or replaced.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, a) in one.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (column, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_insertions_removals_and_replacements() {
        let cases = [
            ("", "", 0),
            ("cx33", "cx33", 0),
            ("cx3", "cx33", 1),
            ("ccx33", "cx33", 1),
            ("cx34", "cx33", 1),
            ("xc33", "cx33", 2),
            ("", "fsn1", 4),
        ];
        for (one, other, expected) in cases {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn only_the_nearest_names_are_suggested() {
        let known = ["fsn1", "nbg1", "hel1", "ash"];
        assert_eq!(near("fsn", &known), ["fsn1"]);
        assert_eq!(near("hsn1", &["fsn1", "hel1", "bsn1"]), ["fsn1", "bsn1"]);
        assert_eq!(near("moon", &known), Vec::<&str>::new());
    }
}
