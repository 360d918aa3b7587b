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

#[test]
fn drift_names_each_field_that_differs_and_no_other() {
    type Change = fn(&mut NetworkParameters, &mut hcloud::Network);
    let rows: [(&str, Change, &str); 4] = [
        ("equal", |_, _| (), ""),
        (
            "grown",
            |s, _| s.ip_range = Some("10.0.0.0/14".to_owned()),
            "ipRange: desired 10.0.0.0/14, observed 10.0.0.0/16",
        ),
        ("range not managed", |s, _| s.ip_range = None, ""),
        (
            "routes exposed",
            |s, _| s.expose_routes_to_vswitch = Some(true),
            "exposeRoutesToVswitch: desired true, observed false",
        ),
    ];
    for (name, change, expected) in rows {
        let (mut spec, mut observed) = (spec(), observed());
        change(&mut spec, &mut observed);
        let drift = drift(&spec, &observed);
        assert_eq!(drift.to_string(), expected, "{name}");
    }
}

#[test]
fn a_range_that_does_not_grow_needs_a_replacement() {
    for (observed_range, desired) in [
        ("10.0.0.0/16", "10.0.0.0/17"),
        ("10.1.0.0/16", "10.0.0.0/15"),
    ] {
        let (mut spec, mut observed) = (spec(), observed());
        observed.ip_range = Some(observed_range.to_owned());
        spec.ip_range = Some(desired.to_owned());
        let drift = drift(&spec, &observed);
        assert!(!drift.in_place());
        assert_eq!(drift.replacement(), Some(format!("ipRange={desired}")));
    }
}

#[test]
fn a_range_grows_only_at_its_end() {
    for (observed, desired, expected) in [
        ("10.0.0.0/16", "10.0.0.0/14", true),
        ("10.3.0.0/16", "10.0.0.0/14", false),
        ("10.0.0.0/16", "10.0.0.0/16", false),
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
