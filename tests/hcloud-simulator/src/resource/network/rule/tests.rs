use jiff::Timestamp;

use super::*;

fn network() -> Network {
    let net = |text: &str| text.parse::<Ipv4Net>().unwrap();
    let mut network = Network::new(1, "n".to_owned(), net("10.0.0.0/16"), Timestamp::UNIX_EPOCH);
    network.subnets.push(Subnet {
        kind: SubnetKind::Cloud,
        ip_range: net("10.0.1.0/24"),
        network_zone: "eu-central".to_owned(),
        vswitch_id: None,
    });
    network.subnets.push(Subnet {
        kind: SubnetKind::Vswitch,
        ip_range: net("10.0.9.0/24"),
        network_zone: "eu-central".to_owned(),
        vswitch_id: Some(7),
    });
    network.routes.push(NetworkRoute {
        destination: net("10.0.100.0/24"),
        gateway: Ipv4Addr::new(10, 0, 1, 2),
    });
    network
}

fn check_subnet(range: &str, kind: SubnetKind, vswitch_id: Option<i64>) -> Result<(), String> {
    let subnet_to_add = Subnet {
        kind,
        ip_range: range.parse().unwrap(),
        network_zone: "eu-central".to_owned(),
        vswitch_id,
    };
    subnet(&Collection::default(), &network(), &subnet_to_add)
        .map_err(|violation| violation.to_string())
}

#[test]
fn network_ranges_are_private_aligned_and_large_enough() {
    for good in [
        "10.0.0.0/8",
        "10.1.0.0/16",
        "172.16.0.0/12",
        "172.31.0.0/16",
        "192.168.0.0/16",
        "192.168.7.0/24",
    ] {
        assert!(network_range(good).is_ok(), "{good}");
    }
    let table = [
        ("10.0.0.0", "not an IPv4 range"),
        ("fd00::/8", "not an IPv4 range"),
        ("10.0.0.1/16", "host bits set: the range is 10.0.0.0/16"),
        ("10.0.0.0/7", "RFC 1918"),
        ("172.32.0.0/16", "RFC 1918"),
        ("8.8.8.0/24", "RFC 1918"),
        ("0.0.0.0/0", "RFC 1918"),
        ("10.0.0.0/25", "smaller than /24"),
    ];
    for (bad, reason) in table {
        let message = network_range(bad).unwrap_err();
        assert!(message.contains(reason), "{bad}: {message}");
    }
}

#[test]
fn subnets_obey_range_overlap_size_and_vswitch_rules() {
    use SubnetKind::{Cloud, Server, Vswitch};
    for (range, kind, vswitch) in [
        ("10.0.2.0/24", Cloud, None),
        ("10.0.2.0/30", Server, None),
        ("10.0.10.0/24", Vswitch, Some(8)),
    ] {
        assert_eq!(check_subnet(range, kind, vswitch), Ok(()), "{range}");
    }
    let table = [
        (
            "10.1.0.0/24",
            Cloud,
            None,
            "ip_range 10.1.0.0/24 is not inside the network's range 10.0.0.0/16",
        ),
        (
            "10.0.0.0/8",
            Cloud,
            None,
            "ip_range 10.0.0.0/8 is not inside the network's range 10.0.0.0/16",
        ),
        (
            "10.0.2.0/31",
            Cloud,
            None,
            "ip_range 10.0.2.0/31 is smaller than /30",
        ),
        (
            "10.0.1.128/25",
            Cloud,
            None,
            "ip_range 10.0.1.128/25 overlaps with subnet 10.0.1.0/24",
        ),
        (
            "10.0.0.0/22",
            Cloud,
            None,
            "ip_range 10.0.0.0/22 overlaps with subnet 10.0.1.0/24",
        ),
        (
            "10.0.100.0/25",
            Cloud,
            None,
            "ip_range 10.0.100.0/25 overlaps with the route to 10.0.100.0/24",
        ),
        (
            "10.0.2.0/24",
            Vswitch,
            None,
            "vswitch_id is required for type vswitch",
        ),
        (
            "10.0.2.0/24",
            Vswitch,
            Some(7),
            "vSwitch 7 is already used by a network",
        ),
        (
            "10.0.2.0/24",
            Cloud,
            Some(8),
            "vswitch_id is only allowed for type vswitch",
        ),
    ];
    for (range, kind, vswitch, message) in table {
        assert_eq!(
            check_subnet(range, kind, vswitch),
            Err(message.to_owned()),
            "{range}"
        );
    }
}

#[test]
fn routes_obey_destination_and_gateway_rules() {
    let check = |destination: &str, gateway: &str| {
        let candidate = NetworkRoute {
            destination: destination.parse().unwrap(),
            gateway: gateway.parse().unwrap(),
        };
        route(&network(), &candidate).map_err(|violation| violation.to_string())
    };
    for (destination, gateway) in [
        ("0.0.0.0/0", "10.0.1.5"),
        ("10.244.0.0/24", "10.0.1.5"),
        ("10.0.101.0/24", "10.0.1.5"),
        ("10.9.9.9/32", "10.0.1.5"),
    ] {
        assert_eq!(check(destination, gateway), Ok(()), "{destination}");
    }
    let table = [
        (
            "8.8.8.0/24",
            "10.0.1.5",
            "destination 8.8.8.0/24 is neither a private range of RFC 1918 nor 0.0.0.0/0",
        ),
        (
            "172.31.0.0/16",
            "10.0.1.5",
            "destination 172.31.0.0/16 overlaps with 172.31.1.1",
        ),
        (
            "10.0.1.0/25",
            "10.0.1.5",
            "destination 10.0.1.0/25 overlaps with subnet 10.0.1.0/24",
        ),
        (
            "10.0.0.0/8",
            "10.0.1.5",
            "destination 10.0.0.0/8 overlaps with subnet 10.0.1.0/24",
        ),
        (
            "10.0.100.7/32",
            "10.0.1.5",
            "destination 10.0.100.7/32 overlaps with the route to 10.0.100.0/24",
        ),
        (
            "10.244.0.0/24",
            "10.0.0.1",
            "gateway 10.0.0.1 is the first address of the network",
        ),
        (
            "10.244.0.0/24",
            "172.31.1.1",
            "gateway 172.31.1.1 is the gateway of public interfaces",
        ),
        (
            "10.244.0.0/24",
            "10.0.9.3",
            "gateway 10.0.9.3 is behind the vSwitch of 10.0.9.0/24",
        ),
    ];
    for (destination, gateway, message) in table {
        assert_eq!(
            check(destination, gateway),
            Err(message.to_owned()),
            "{destination} via {gateway}"
        );
    }
}

#[test]
fn counts_are_limited() {
    let mut full = network();
    full.ip_range = "10.0.0.0/8".parse().unwrap();
    full.subnets = (0..50)
        .map(|n| Subnet {
            ip_range: format!("10.0.{n}.0/24").parse().unwrap(),
            ..network().subnets[0].clone()
        })
        .collect();
    full.routes = (0..100)
        .map(|n| NetworkRoute {
            destination: format!("10.200.{n}.0/24").parse().unwrap(),
            gateway: Ipv4Addr::new(10, 0, 1, 2),
        })
        .collect();
    let one_more = Subnet {
        ip_range: "10.0.60.0/24".parse().unwrap(),
        ..full.subnets[0].clone()
    };
    let refusal = subnet(&Collection::default(), &full, &one_more)
        .unwrap_err()
        .refusal("");
    assert_eq!(
        (refusal.status.as_u16(), &*refusal.code),
        (403, "resource_limit_exceeded")
    );
    let one_more = NetworkRoute {
        destination: "10.201.0.0/24".parse().unwrap(),
        ..full.routes[0].clone()
    };
    assert!(matches!(route(&full, &one_more), Err(Violation::Limit(_))));
}

#[test]
fn a_range_can_only_grow_at_its_end() {
    let check = |range: &str| extension(&network(), range.parse().unwrap()).is_ok();
    assert!(check("10.0.0.0/8"));
    assert!(check("10.0.0.0/15"));
    assert!(!check("10.0.0.0/17"));
    assert!(!check("10.1.0.0/16"));
    let mut second = network();
    second.ip_range = "10.1.0.0/16".parse().unwrap();
    assert!(extension(&second, "10.0.0.0/15".parse().unwrap()).is_err());
}

#[test]
fn a_subnet_without_a_range_gets_the_first_free_one() {
    let request = |kind| SubnetRequest {
        kind,
        ip_range: None,
        network_zone: "eu-central".to_owned(),
        vswitch_id: None,
    };
    let mut network = network();
    let first = place(&network, request(SubnetKind::Cloud)).unwrap();
    assert_eq!(first.ip_range.to_string(), "10.0.0.0/24");
    network.subnets.push(first);
    let second = place(&network, request(SubnetKind::Cloud)).unwrap();
    assert_eq!(
        second.ip_range.to_string(),
        "10.0.2.0/24",
        "10.0.1.0/24 is taken"
    );
}
