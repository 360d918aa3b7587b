use hcloud_simulator::{DEFAULT_TOKEN, Options, Simulator};

use super::*;

fn observed() -> hcloud::Network {
    serde_json::from_value(serde_json::json!({
        "id": 4711,
        "name": "net",
        "ip_range": "10.0.0.0/16",
        "labels": {"tier": "a", "foreign": "x"},
        "subnets": [
            {"type": "cloud", "ip_range": "10.0.10.0/24", "network_zone": "eu-central", "gateway": "10.0.0.1", "vswitch_id": null},
            {"type": "cloud", "ip_range": "10.0.2.0/24", "network_zone": "eu-central", "gateway": "10.0.0.1", "vswitch_id": null},
        ],
        "routes": [],
        "servers": [],
        "load_balancers": [],
        "protection": {"delete": false},
        "expose_routes_to_vswitch": false,
        "created": "2026-01-02T03:04:05+00:00",
    }))
    .unwrap()
}

fn spec() -> NetworkParameters {
    NetworkParameters {
        ip_range: Some("10.0.0.0/16".to_owned()),
        ..NetworkParameters::default()
    }
}

fn labels(labels: &[(&str, &str)]) -> Labels {
    labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn drift_names_each_field_that_differs_and_no_other() {
    type Change = fn(&mut NetworkParameters, &mut hcloud::Network);
    let rows: [(&str, Change, &str); 9] = [
        ("equal", |_, _| (), ""),
        (
            "renamed",
            |_, o| o.name = "other".to_owned(),
            "name: desired net, observed other",
        ),
        (
            "grown",
            |s, _| s.ip_range = Some("10.0.0.0/14".to_owned()),
            "ipRange: desired 10.0.0.0/14, observed 10.0.0.0/16",
        ),
        ("range not managed", |s, _| s.ip_range = None, ""),
        (
            "label changed",
            |_, o| {
                o.labels.insert("tier".to_owned(), "b".to_owned());
            },
            "labels[tier]: desired a, observed b",
        ),
        (
            "label gone",
            |_, o| o.labels.clear(),
            "labels[tier]: desired a, observed nothing",
        ),
        (
            "routes exposed",
            |s, _| s.expose_routes_to_vswitch = Some(true),
            "exposeRoutesToVswitch: desired true, observed false",
        ),
        (
            "protected by hand, not managed",
            |_, o| o.protection.delete = Some(true),
            "",
        ),
        (
            "unprotected by hand",
            |s, _| s.delete_protection = Some(true),
            "deleteProtection: desired true, observed false",
        ),
    ];
    for (name, change, expected) in rows {
        let (mut spec, mut observed) = (spec(), observed());
        change(&mut spec, &mut observed);
        let drift = drift("net", &spec, &labels(&[("tier", "a")]), &observed);
        assert_eq!(drift.to_string(), expected, "{name}");
    }
}

#[test]
fn foreign_labels_are_no_drift() {
    let drift = drift("net", &spec(), &Labels::new(), &observed());
    assert!(drift.is_empty(), "{drift}");
}

#[test]
fn a_range_grows_only_when_it_contains_the_old_one() {
    for (observed, desired, expected) in [
        ("10.0.0.0/16", "10.0.0.0/14", true),
        ("10.3.0.0/16", "10.0.0.0/14", true),
        ("10.0.0.0/16", "10.0.0.0/17", false),
        ("10.0.0.0/16", "10.4.0.0/14", false),
        ("10.0.0.0/16", "172.16.0.0/12", false),
        ("", "10.0.0.0/14", false),
    ] {
        assert_eq!(
            grows(observed, desired),
            expected,
            "{observed} -> {desired}"
        );
    }
}

#[test]
fn the_report_is_in_the_order_of_addresses() {
    let report = report(&observed());
    let ranges: Vec<_> = report.subnets.iter().map(|s| s.ip_range.as_str()).collect();
    assert_eq!(ranges, ["10.0.2.0/24", "10.0.10.0/24"]);
    assert_eq!(report.id, 4711);
    assert_eq!(report.created.unwrap().0.as_second(), 1_767_323_045);
}

#[test]
fn who_still_uses_a_network_is_named() {
    let error = Error::InUse {
        id: 1,
        servers: vec![12, 3],
        load_balancers: vec![9],
    };
    let message = error.to_string();
    assert!(
        message.contains("servers 3, 12 and load balancers 9"),
        "{message}"
    );
}

fn network(uid: &str) -> Network {
    let for_provider = spec();
    let mut network = Network::new(
        "net",
        api::NetworkSpec {
            for_provider,
            ..api::NetworkSpec::default()
        },
    );
    network.metadata.namespace = Some("team".to_owned());
    network.metadata.uid = Some(uid.to_owned());
    network
}

#[tokio::test]
async fn a_name_that_is_taken_by_what_an_earlier_create_made_is_no_obstacle() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let clock = Clock::system();
    let clients = hcloud::Clients::new(
        hcloud::Settings::default(),
        clock.clone(),
        hcloud::Metrics::default(),
    )
    .unwrap();
    let endpoint = hcloud::Endpoint::parse(&simulator.url()).unwrap();
    let token = hcloud::Token::new(DEFAULT_TOKEN).unwrap();
    let networks = NetworksOfProject {
        client: clients.get(&endpoint, &token),
        clock,
    };
    let first = networks.create(&network("mine")).await.unwrap();
    assert_eq!(networks.create(&network("mine")).await.unwrap(), first);
    let error = networks.create(&network("another")).await.unwrap_err();
    assert!(error.to_string().contains("is taken by network"), "{error}");
}
