//! Which server type in which location: an ordered list of candidates. Pure.
//!
//! Server types come first: every location is tried for the preferred type before the next type. So a shortage costs a
//! little distance rather than money. Of these candidates those come first that can be ordered according to the list of
//! server types; the others are a last resort, because that list may be some minutes old.

use std::sync::Arc;

use crate::{
    hcloud::ServerType,
    kind::{Error, near},
};

/// Candidates that are tried although the list says that they cannot be ordered.
const LAST_RESORTS: usize = 3;

/// A server type in a location; without a location Hetzner chooses.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) server_type: Arc<ServerType>,
    pub(super) location: Option<String>,
}

/// What is asked for, in order of preference.
#[derive(Clone, Copy, Debug)]
pub(super) struct Preference<'a> {
    /// Names of server types; one at least.
    pub(super) server_types: &'a [String],
    /// Names of locations; none leaves the choice to Hetzner.
    pub(super) locations: &'a [String],
    /// Type and location of the server whose creation failed last: the others come first.
    pub(super) failed: Option<(&'a str, &'a str)>,
}

/// The candidates, best first.
///
/// # Errors
/// When a server type is unknown, or none of them is sold in any of the locations.
pub(super) fn candidates(
    preference: Preference<'_>,
    known: &[Arc<ServerType>],
) -> Result<Vec<Candidate>, Error> {
    let mut ranked = Vec::new();
    for (index, name) in preference.server_types.iter().enumerate() {
        let server_type = find(name, index, preference.server_types.len(), known)?;
        if preference.locations.is_empty() {
            let available = server_type
                .locations
                .iter()
                .any(|offer| offer.available != Some(false));
            ranked.push((rank(available, false), candidate(server_type, None)));
        }
        for location in preference.locations {
            if let Some(available) = availability(server_type, location) {
                let failed = preference.failed == Some((name.as_str(), location.as_str()));
                let found = candidate(server_type, Some(location));
                ranked.push((rank(available, failed), found));
            }
        }
    }
    if ranked.is_empty() {
        return Err(Error::field(
            "locations",
            nowhere(preference.server_types, known),
        ));
    }
    // Stable: within a rank the order of preference stays.
    ranked.sort_by_key(|(rank, _)| *rank);
    let orderable = ranked.iter().take_while(|(rank, _)| *rank < LAST).count();
    ranked.truncate(orderable + LAST_RESORTS);
    Ok(ranked.into_iter().map(|(_, candidate)| candidate).collect())
}

const LAST: u8 = 2;

fn rank(available: bool, failed: bool) -> u8 {
    match (available, failed) {
        (false, _) => LAST,
        (true, true) => 1,
        (true, false) => 0,
    }
}

fn candidate(server_type: &Arc<ServerType>, location: Option<&String>) -> Candidate {
    Candidate {
        server_type: Arc::clone(server_type),
        location: location.cloned(),
    }
}

/// Whether a type can be ordered in a location; `None` where it is not sold at all. An API that does not tell where a
/// type is sold is asked.
pub(super) fn availability(server_type: &ServerType, location: &str) -> Option<bool> {
    if server_type.locations.is_empty() {
        return Some(true);
    }
    let offer = server_type.offer(location)?;
    Some(offer.available != Some(false))
}

/// The server type called `name`, number `index` of `count` in the spec.
fn find<'k>(
    name: &str,
    index: usize,
    count: usize,
    known: &'k [Arc<ServerType>],
) -> Result<&'k Arc<ServerType>, Error> {
    let found = known.iter().find(|server_type| server_type.name == name);
    found.ok_or_else(|| {
        let field = if count == 1 {
            "serverType".to_owned()
        } else {
            format!("serverTypes[{index}]")
        };
        Error::field(field, unknown(name, known))
    })
}

/// What to say about a server type that does not exist.
pub(super) fn unknown(name: &str, known: &[Arc<ServerType>]) -> String {
    let names = known.iter().map(|server_type| server_type.name.as_str());
    format!(
        "there is no server type {name:?}: choose one of {}",
        near(name, names)
    )
}

fn nowhere(wanted: &[String], known: &[Arc<ServerType>]) -> String {
    let sold: Vec<_> = known
        .iter()
        .filter(|server_type| wanted.contains(&server_type.name))
        .map(|server_type| {
            let places: Vec<_> = server_type
                .locations
                .iter()
                .map(|o| o.name.as_str())
                .collect();
            format!("{} in {}", server_type.name, places.join(", "))
        })
        .collect();
    format!(
        "the server types are not sold there, but {}",
        sold.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `name: location location!` with `!` where it cannot be ordered.
    fn known(types: &[&str]) -> Vec<Arc<ServerType>> {
        let read = |(index, text): (usize, &&str)| {
            let (name, places) = text.split_once(':').unwrap();
            let offers: Vec<_> = places
                .split_whitespace()
                .map(|place| json!({"name": place.trim_end_matches('!'), "available": !place.ends_with('!')}))
                .collect();
            Arc::new(
                serde_json::from_value(json!({"id": index + 1, "name": name, "locations": offers}))
                    .unwrap(),
            )
        };
        types.iter().enumerate().map(read).collect()
    }

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn order(
        types: &str,
        locations: &str,
        failed: Option<(&str, &str)>,
        known: &[Arc<ServerType>],
    ) -> Result<String, String> {
        let preference = Preference {
            server_types: &words(types),
            locations: &words(locations),
            failed,
        };
        let found = candidates(preference, known).map_err(|error| error.to_string())?;
        let texts: Vec<_> = found
            .iter()
            .map(|c| {
                format!(
                    "{}/{}",
                    c.server_type.name,
                    c.location.as_deref().unwrap_or("*")
                )
            })
            .collect();
        Ok(texts.join(" "))
    }

    #[test]
    fn candidates_are_ordered_by_availability_then_type_then_location() {
        let known = known(&[
            "cx23: fsn1 nbg1 hel1",
            "cpx22: fsn1! nbg1 sin!",
            "ccx13: ash",
        ]);
        #[rustfmt::skip]
        let table = [
            ("cx23", "", None, "cx23/*", "Hetzner chooses the location"),
            ("cx23", "nbg1 fsn1", None, "cx23/nbg1 cx23/fsn1", "locations in order"),
            ("cx23 cpx22", "fsn1 nbg1", None, "cx23/fsn1 cx23/nbg1 cpx22/nbg1 cpx22/fsn1", "a type everywhere before the next; what is sold out comes last"),
            ("cpx22 cx23", "fsn1", None, "cx23/fsn1 cpx22/fsn1", "availability beats preference"),
            ("cx23 cpx22", "sin", None, "cpx22/sin", "what is not sold there is left out"),
            ("cx23", "fsn1 nbg1", Some(("cx23", "fsn1")), "cx23/nbg1 cx23/fsn1", "what just failed comes after the others"),
            ("cx23 cpx22", "fsn1 nbg1", Some(("cx23", "fsn1")), "cx23/nbg1 cpx22/nbg1 cx23/fsn1 cpx22/fsn1", "and before what is sold out"),
        ];
        for (types, locations, failed, expected, reason) in table {
            let found = order(types, locations, failed, &known);
            assert_eq!(found.as_deref(), Ok(expected), "{reason}");
        }
    }

    #[test]
    fn only_a_few_are_tried_that_are_sold_out() {
        let known = known(&["a: p! q! r! s!", "b: p! q!"]);
        let found = order("a b", "p q r s", None, &known).unwrap();
        assert_eq!(found, "a/p a/q a/r");
    }

    #[test]
    fn what_does_not_exist_is_named_with_what_comes_near() {
        let known = known(&["cx23: fsn1", "cx33: fsn1", "cax11: hel1"]);
        assert_eq!(
            order("cx22", "", None, &known).unwrap_err(),
            "spec.forProvider.serverType: there is no server type \"cx22\": choose one of cx23, cx33, cax11"
        );
        let error = order("cx23 cx99", "fsn1", None, &known).unwrap_err();
        assert!(error.contains("serverTypes[1]"), "{error}");
        assert_eq!(
            order("cx23 cax11", "ash", None, &known).unwrap_err(),
            "spec.forProvider.locations: the server types are not sold there, but cx23 in fsn1; cax11 in hel1"
        );
    }

    #[test]
    fn an_api_that_tells_nothing_about_locations_is_asked() {
        let server_type = ServerType::default();
        assert_eq!(availability(&server_type, "fsn1"), Some(true));
    }
}
