//! Which server type in which location: an ordered list of candidates. Pure.
//!
//! Server types come first: every location is tried for the preferred type before the next type. So a shortage costs a
//! little distance rather than money. Of these candidates those come first that can be ordered according to the list of
//! server types. The others are a last resort, because that list may be some minutes old: one of them is tried each
//! time, in turn, because a shortage can last for days and each try costs a request. A name in a list of several that is
//! unknown, as that of a type that is sold no more, is left out.

use std::sync::Arc;

use crate::{
    hcloud::ServerType,
    kind::{Error, near},
};

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
    /// Counts the tries: decides which last resort it is this time.
    pub(super) turn: usize,
}

/// The candidates, best first.
///
/// # Errors
/// When all server types are unknown, or none of them is sold in any of the locations.
pub(super) fn candidates(
    preference: Preference<'_>,
    known: &[Arc<ServerType>],
) -> Result<Vec<Candidate>, Error> {
    let mut ranked = Vec::new();
    check_names(preference.server_types, known)?;
    for name in preference.server_types {
        let Some(server_type) = find(name, known) else {
            continue;
        };
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
    let mut candidates: Vec<_> = ranked.into_iter().map(|(_, found)| found).collect();
    let mut last_resorts = candidates.split_off(orderable);
    if let Some(turn) = preference.turn.checked_rem(last_resorts.len()) {
        candidates.push(last_resorts.swap_remove(turn));
    }
    Ok(candidates)
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

/// The server type called `name`.
pub(super) fn find<'k>(name: &str, known: &'k [Arc<ServerType>]) -> Option<&'k Arc<ServerType>> {
    known.iter().find(|server_type| server_type.name == name)
}

/// That at least one of the server types exists.
pub(super) fn check_names(names: &[String], known: &[Arc<ServerType>]) -> Result<(), Error> {
    let field = if names.len() == 1 {
        "serverType"
    } else {
        "serverTypes"
    };
    match unknown(names, known) {
        Some(problem) if names.iter().all(|name| find(name, known).is_none()) => {
            Err(Error::field(field, problem))
        }
        _ => Ok(()),
    }
}

/// What to say about those of the server types that do not exist.
pub(super) fn unknown(names: &[String], known: &[Arc<ServerType>]) -> Option<String> {
    let unknown = names.iter().filter(|name| find(name, known).is_none());
    let problems = unknown.map(|name| {
        let names = known.iter().map(|server_type| server_type.name.as_str());
        let near = near(name, names);
        format!("there is no server type {name:?}: choose one of {near}")
    });
    let problems: Vec<_> = problems.collect();
    (!problems.is_empty()).then(|| problems.join("; "))
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
    let problem = format!(
        "the server types are not sold there, but {}",
        sold.join("; ")
    );
    match unknown(wanted, known) {
        Some(unknown) => format!("{problem}; {unknown}"),
        None => problem,
    }
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
        order_in_turn(0, types, locations, failed, known)
    }

    fn order_in_turn(
        turn: usize,
        types: &str,
        locations: &str,
        failed: Option<(&str, &str)>,
        known: &[Arc<ServerType>],
    ) -> Result<String, String> {
        let preference = Preference {
            server_types: &words(types),
            locations: &words(locations),
            failed,
            turn,
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
    fn of_what_is_sold_out_one_is_tried_in_turn() {
        let known = known(&["a: p! q!", "b: p! q"]);
        let order = |turn, types| order_in_turn(turn, types, "p q", None, &known).unwrap();
        for (turn, expected) in ["a/p", "a/q", "a/p"].into_iter().enumerate() {
            assert_eq!(order(turn, "a"), expected);
        }
        let both: Vec<_> = (0..4).map(|turn| order(turn, "a b")).collect();
        assert_eq!(both, ["b/q a/p", "b/q a/q", "b/q b/p", "b/q a/p"]);
    }

    #[test]
    fn a_name_that_is_no_longer_known_is_left_out_as_long_as_another_is_known() {
        let known = known(&["cx23: fsn1", "cx33: nbg1"]);
        let order = |types, locations| order(types, locations, None, &known);
        assert_eq!(order("cx22 cx23", "fsn1").as_deref(), Ok("cx23/fsn1"));
        assert_eq!(
            order("cx22 cx33", "fsn1").unwrap_err(),
            "spec.forProvider.locations: the server types are not sold there, but cx33 in nbg1; there is no server type \"cx22\": choose one of cx23, cx33"
        );
        assert_eq!(
            order("cx22 cx32", "fsn1").unwrap_err(),
            "spec.forProvider.serverTypes: there is no server type \"cx22\": choose one of cx23, cx33; there is no server type \"cx32\": choose one of cx33, cx23"
        );
    }

    #[test]
    fn what_does_not_exist_is_named_with_what_comes_near() {
        let known = known(&["cx23: fsn1", "cx33: fsn1", "cax11: hel1"]);
        assert_eq!(
            order("cx22", "", None, &known).unwrap_err(),
            "spec.forProvider.serverType: there is no server type \"cx22\": choose one of cx23, cx33, cax11"
        );
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
