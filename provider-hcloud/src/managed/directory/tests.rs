use std::pin::{Pin, pin};

use api::{Managed, Network, ReferencePolicy, Route, Selector};
use futures::FutureExt;
use kube::{core::Status, runtime::watcher};
use serde_json::{Value, json};

use super::*;
use crate::managed::summary::targets;

/// A network as a watch shows it.
fn network(name: &str, external_name: Option<&str>, labels: &Value) -> ObjectMeta {
    let annotations = external_name.map(|name| json!({annotations::EXTERNAL_NAME: name}));
    serde_json::from_value(json!({
        "name": name,
        "namespace": "team",
        "labels": labels,
        "annotations": annotations,
        "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": "owner", "controller": true}],
    }))
    .unwrap()
}

/// A directory in which networks are listed, and how far that is.
fn listing() -> (Directory, Cache) {
    let mut directory = Directory::default();
    let networks = directory.add(&ApiResource::erase::<Network>(&()));
    (directory, networks)
}

fn directory() -> Directory {
    let (directory, networks) = listing();
    directory.enter(
        "Network",
        &network("main", Some("1"), &json!({"tier": "a"})),
    );
    directory.enter(
        "Network",
        &network("side", Some("2"), &json!({"tier": "b"})),
    );
    directory.enter("Network", &network("new", None, &json!({"tier": "c"})));
    let known = [
        network("main", None, &json!({})),
        network("side", None, &json!({})),
        network("new", None, &json!({})),
    ];
    directory.complete("Network", known.iter());
    networks.fill();
    directory
}

/// The next change, when there is one.
fn next<S: Stream<Item = Option<Change>>>(changes: &mut Pin<&mut S>) -> Option<Change> {
    changes.next().now_or_never().flatten().flatten()
}

fn route(for_provider: &Value) -> Route {
    serde_json::from_value(json!({
        "apiVersion": "hcloud.openova.io/v1alpha1",
        "kind": "Route",
        "metadata": {"name": "r", "namespace": "team"},
        "spec": {"forProvider": for_provider},
    }))
    .unwrap()
}

fn resolve(directory: &Directory, route: &mut Route) -> Result<(), Unresolved> {
    let meta = route.metadata.clone();
    directory.resolve(&meta, route.reference_fields())
}

/// What the network of a route with this spec is.
fn resolved(directory: &Directory, for_provider: &Value) -> Result<Option<String>, String> {
    let mut route = route(for_provider);
    resolve(directory, &mut route)
        .map(|()| route.spec.for_provider.network_id)
        .map_err(|error| error.to_string())
}

#[test]
fn a_reference_stands_for_an_external_name_or_says_why_not() {
    let directory = directory();
    let always = json!({"resolve": "Always"});
    let optional = json!({"resolution": "Optional"});
    for (spec, expected) in [
        (json!({}), Ok(None)),
        (json!({"networkId": "7"}), Ok(Some("7"))),
        (json!({"networkIdRef": {"name": "main"}}), Ok(Some("1"))),
        (
            json!({"networkId": "7", "networkIdRef": {"name": "main"}}),
            Ok(Some("7")),
        ),
        (
            json!({"networkId": "7", "networkIdRef": {"name": "main", "policy": always}}),
            Ok(Some("1")),
        ),
        (
            json!({"networkIdRef": {"name": "none"}}),
            Err("networkId: Network none does not exist"),
        ),
        (
            json!({"networkIdRef": {"name": "none", "policy": optional}}),
            Ok(None),
        ),
        (
            json!({"networkIdRef": {"name": "new"}}),
            Err("Network new has no external name yet"),
        ),
        (
            json!({"networkIdSelector": {"matchLabels": {"tier": "b"}}}),
            Ok(Some("2")),
        ),
        (
            json!({"networkIdSelector": {"matchLabels": {"tier": "z"}}}),
            Err("no Network"),
        ),
        (
            json!({"networkIdSelector": {"matchLabels": {"tier": "z"}, "policy": optional}}),
            Ok(None),
        ),
        (
            json!({"networkIdSelector": {}}),
            Err("several of kind Network (main, new, side)"),
        ),
        (
            json!({"networkIdSelector": {"matchLabels": {"tier": "a"}, "matchControllerRef": true}}),
            Err("no Network"),
        ),
    ] {
        match (resolved(&directory, &spec), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found.as_deref(), expected, "{spec}"),
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{spec}: {error}"),
            (found, expected) => panic!("{spec}: {found:?} instead of {expected:?}"),
        }
    }
}

#[test]
fn a_selector_can_ask_for_the_same_controller() {
    let directory = directory();
    let mut route = route(
        &json!({"networkIdSelector": {"matchLabels": {"tier": "a"}, "matchControllerRef": true}}),
    );
    route.metadata.owner_references = network("x", None, &json!({})).owner_references;
    resolve(&directory, &mut route).unwrap();
    assert_eq!(route.spec.for_provider.network_id.as_deref(), Some("1"));
}

#[test]
fn several_are_resolved_sorted_and_each_once() {
    let directory = directory();
    let (mut values, names) = (Vec::new(), ["side", "main", "side"]);
    let references: Vec<_> = names.into_iter().map(Reference::to).collect();
    let search = Search {
        directory: &directory,
        namespace: "team",
        controller: None,
        path: "networkIds",
        kind: "Network",
    };
    search.fill_many(&mut values, &references, None).unwrap();
    assert_eq!(values, ["1", "2"]);
    let selector = Selector {
        policy: Some(ReferencePolicy {
            resolve: Resolve::Always,
            resolution: Resolution::Optional,
        }),
        ..Selector::default()
    };
    search.fill_many(&mut values, &[], Some(&selector)).unwrap();
    assert_eq!(values, ["1", "2"], "the one without a name is left out");
}

#[test]
fn namespaces_and_kinds_are_kept_apart() {
    let directory = directory();
    let spec = json!({"networkIdRef": {"name": "main"}});
    let mut stranger = route(&spec);
    stranger.metadata.namespace = Some("other".to_owned());
    assert!(resolve(&directory, &mut stranger).is_err());
}

#[test]
fn a_kind_that_is_not_known_is_waited_for_or_said_to_be_missing() {
    let (directory, networks) = listing();
    let by_name = json!({"networkIdRef": {"name": "main"}});
    let by_label = json!({"networkIdSelector": {"matchLabels": {"tier": "a"}}});
    let optional = json!({"networkIdRef": {"name": "main", "policy": {"resolution": "Optional"}}});
    let resolve = |spec: &Value| resolve(&directory, &mut route(spec));
    for spec in [&by_name, &by_label, &optional] {
        let waits = matches!(resolve(spec), Err(Unresolved::Listing { .. }));
        assert!(waits, "{spec}");
    }
    let refused = Status::failure("not yours", "Forbidden").with_code(403);
    networks.fail(&watcher::Error::WatchError(Box::new(refused)));
    for spec in [&by_name, &by_label, &optional] {
        let failure = resolve(spec).unwrap_err();
        let text = crate::managed::external::chain(&failure);
        assert!(
            text.ends_with("Network cannot be listed: not yours"),
            "{text}"
        );
    }
    networks.idle();
    for spec in [&by_name, &by_label] {
        let text = resolve(spec).unwrap_err().to_string();
        assert!(text.contains("networks.hcloud.openova.io"), "{text}");
    }
    assert_eq!(resolve(&optional), Ok(()), "there can be none");
    networks.fill();
    assert!(matches!(resolve(&by_name), Err(Unresolved::Unknown { .. })));
}

#[test]
fn a_resource_that_was_shown_already_is_found_before_the_list_is_complete() {
    let (directory, _networks) = listing();
    directory.enter("Network", &network("main", Some("1"), &json!({})));
    let spec = json!({"networkIdRef": {"name": "main"}});
    assert_eq!(resolved(&directory, &spec), Ok(Some("1".to_owned())));
}

#[tokio::test]
async fn those_who_refer_to_a_kind_that_is_being_listed_are_told_once_when_that_is_done() {
    let (directory, networks) = listing();
    let mut changes = pin!(directory.changes());
    for name in ["main", "side"] {
        directory.enter("Network", &network(name, Some("1"), &json!({})));
    }
    assert_eq!(next(&mut changes), None);
    networks.fill();
    let change = next(&mut changes).unwrap();
    assert_eq!(next(&mut changes), None);
    for (spec, concerned) in [
        (json!({"networkIdRef": {"name": "missing"}}), true),
        (json!({"networkIdSelector": {}}), true),
        (json!({"networkId": "7"}), false),
    ] {
        let summary = Summary {
            references: targets(&route(&spec).reference_fields()),
            ..Summary::default()
        };
        assert_eq!(change.concerns(Some("team"), &summary), concerned, "{spec}");
    }
}

#[tokio::test]
async fn those_who_refer_to_what_changed_are_told_and_no_others() {
    let directory = directory();
    let mut changes = pin!(directory.changes());
    let summary = |for_provider| Summary {
        references: targets(&route(&for_provider).reference_fields()),
        ..Summary::default()
    };
    let waiting = summary(json!({"networkIdRef": {"name": "new"}}));
    let content = summary(json!({"networkIdRef": {"name": "main"}}));
    let selecting = summary(json!({"networkIdSelector": {}}));
    let team = Some("team");

    directory.enter("Network", &network("new", None, &json!({"tier": "c"})));
    assert_eq!(next(&mut changes), None, "nothing has changed");
    directory.enter("Network", &network("new", Some("3"), &json!({"tier": "c"})));
    let change = next(&mut changes).unwrap();
    assert!(change.concerns(team, &waiting) && change.concerns(team, &selecting));
    assert!(!change.concerns(team, &content));
    assert!(!change.concerns(Some("other"), &waiting));

    directory.remove("Network", &network("main", None, &json!({})));
    let change = next(&mut changes).unwrap();
    assert!(change.concerns(team, &content) && change.concerns(team, &selecting));
    assert!(!change.concerns(team, &waiting));
    directory.remove("Network", &network("main", None, &json!({})));
    assert_eq!(next(&mut changes), None, "it was gone already");
}

#[tokio::test]
async fn what_is_gone_is_not_found_and_a_missed_deletion_is_noticed_by_the_next_list() {
    let directory = directory();
    let spec = |name: &str| json!({"networkIdRef": {"name": name}});
    directory.remove("Network", &network("main", None, &json!({})));
    assert!(resolved(&directory, &spec("main")).is_err());
    let mut changes = pin!(directory.changes());
    let left = [network("new", None, &json!({}))];
    directory.complete("Network", left.iter());
    assert!(resolved(&directory, &spec("side")).is_err());
    let waiting = Summary {
        references: targets(&route(&spec("side")).reference_fields()),
        ..Summary::default()
    };
    let change = next(&mut changes).unwrap();
    assert!(change.concerns(Some("team"), &waiting), "{change:?}");
    let empty = resolved(&directory, &spec("new")).unwrap_err();
    assert!(empty.contains("no external name yet"), "{empty}");
}
