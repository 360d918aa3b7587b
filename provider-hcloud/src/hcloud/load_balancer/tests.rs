use super::*;

#[test]
fn a_load_balancer_is_read_with_unknown_fields_and_values() {
    let json = r#"{"id":7,"name":"api","labels":{"hcloud-ccm/service-uid":"u"},"algorithm":{"type":"quantum","x":1},
        "load_balancer_type":{"id":1,"name":"lb11","deprecated":null,"max_services":5},"location":{"id":1,"name":"fsn1","network_zone":"eu-central"},
        "public_net":{"enabled":true,"ipv4":{"id":11,"ip":"192.0.2.1","blocked":false,"dns_ptr":"a.example"},"ipv6":{"ip":null,"dns_ptr":null}},
        "private_net":[{"network":4711,"ip":"10.0.0.5","new":1}],
        "services":[{"protocol":"gopher","listen_port":70,"destination_port":70,"proxyprotocol":false,
            "http":{"timeout_idle":60,"x":1},"health_check":{"protocol":"http","port":70,"http":{"domain":null,"status_codes":["2??"]}}}],
        "targets":[{"type":"server","server":{"id":42},"label_selector":null,"health_status":[{"listen_port":70,"status":"dizzy","detail":"d","http_status_code":503}],"use_private_ip":true},
            {"type":"label_selector","label_selector":{"selector":"a=b"},"targets":[{"type":"server","server":{"id":43},"health_status":[]}]},
            {"type":"ip","ip":{"ip":"203.0.113.1"},"health_status":[]},{"type":"moon","moon":{"id":1}}],
        "protection":{"delete":true},"included_traffic":21990232555520,"outgoing_traffic":null}"#;
    let found: LoadBalancer = serde_json::from_str(json).unwrap();
    assert_eq!(found.algorithm.kind, "quantum");
    assert_eq!(found.public_net.ipv4.id, Some(11));
    assert_eq!(found.public_net.ipv6, PublicIp::default());
    assert_eq!(found.attachment(4711).unwrap().ip, "10.0.0.5");
    let service = found.service(70).unwrap();
    assert_eq!(service.http.as_ref().unwrap().timeout_idle, Some(60));
    assert!(found.protected());
    let destinations: Vec<_> = found.targets.iter().map(Target::destination).collect();
    assert_eq!(
        destinations,
        [
            Some(Destination::Server(42)),
            Some(Destination::LabelSelector("a=b".to_owned())),
            Some(Destination::Ip("203.0.113.1".parse().unwrap())),
            None,
        ]
    );
    let server = found.target(&Destination::Server(42)).unwrap();
    assert_eq!(server.health_status[0].http_status_code, Some(503));
    assert_eq!(
        found.target(&Destination::Server(43)),
        None,
        "it is there by its labels"
    );
}

#[test]
fn a_load_balancer_is_read_when_every_other_field_is_missing_or_null() {
    let nulls = r#"{"id":1,"name":null,"labels":null,"load_balancer_type":null,"location":null,"algorithm":null,"public_net":null,
        "private_net":null,"services":null,"targets":null,"protection":null,"included_traffic":null,"created":null}"#;
    let missing: LoadBalancer = serde_json::from_str(r#"{"id":1}"#).unwrap();
    let null: LoadBalancer = serde_json::from_str(nulls).unwrap();
    assert_eq!(missing, null);
    let json = r#"{"services":[{"http":null,"health_check":null}],"targets":[{"server":null,"targets":null}],"public_net":{"ipv4":null},"id":1}"#;
    let hollow: LoadBalancer = serde_json::from_str(json).unwrap();
    assert_eq!(hollow.services[0], Service::default());
    assert_eq!(hollow.targets[0], Target::default());
    assert_eq!(hollow.public_net.enabled, None, "not known is not off");
}

#[test]
fn a_create_leaves_out_what_the_api_shall_choose() {
    let mut request = CreateLoadBalancerRequest {
        name: "api".to_owned(),
        labels: Labels::new(),
        load_balancer_type: "lb11".to_owned(),
        location: None,
        network_zone: Some("eu-central".to_owned()),
        algorithm: None,
        public_net: CreatePublicNet::default(),
    };
    assert_eq!(
        serde_json::to_value(&request).unwrap(),
        json!({"name": "api", "labels": {}, "load_balancer_type": "lb11", "network_zone": "eu-central"})
    );
    request.public_net.ipv4 = Some(11);
    request.algorithm = Some(Algorithm {
        kind: "least_connections".to_owned(),
    });
    let value = serde_json::to_value(&request).unwrap();
    assert_eq!(value["public_net"], json!({"ipv4": 11}));
    assert_eq!(value["algorithm"], json!({"type": "least_connections"}));
}

#[test]
fn a_destination_is_named_as_the_api_names_it() {
    let ip = Destination::Ip("2001:db8::1".parse().unwrap());
    assert_eq!(
        ip.request(None),
        json!({"type": "ip", "ip": {"ip": "2001:db8::1"}})
    );
    assert_eq!(
        Destination::Server(42).request(Some(true)),
        json!({"type": "server", "server": {"id": 42}, "use_private_ip": true})
    );
}
