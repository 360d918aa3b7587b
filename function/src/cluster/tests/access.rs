use super::*;
use crate::kubeconfig;

fn kubeconfig(rendered: &Rendered) -> String {
    text(&rendered.get(KUBECONFIG).object, "value")
}

#[test]
fn the_kubeconfig_waits_for_an_address() {
    let mut stage = Stage::new(spec());
    stage.balancer.as_object_mut().unwrap().remove("ipv4");
    stage.step();
    stage.step();
    let without = stage.step();
    assert!(!without.keys().contains(&KUBECONFIG));
    assert_eq!(without.status.get("kubeconfigSecret"), None);
    assert!(!without.get(API).ready, "nobody can reach it");

    stage.balancer["ipv4"] = json!("203.0.113.9");
    stage.step();
    let with = stage.render().unwrap();
    assert!(kubeconfig(&with).contains("https://203.0.113.9:6443"));
    assert!(kubeconfig(&with).contains("tls-server-name: demo-fsn-k3s.team.internal"));
}

#[test]
fn each_type_of_endpoint_has_its_address() {
    let dns = json!({"address": "10.0.1.254", "type": "dns", "host": "api.example.org"});
    let cases = [
        (
            json!({"address": "10.0.1.254"}),
            "https://203.0.113.9:6443",
            true,
        ),
        (
            json!({"address": "10.0.1.254", "type": "private"}),
            "https://10.0.1.254:6443",
            false,
        ),
        (dns, "https://api.example.org:6443", true),
    ];
    for (endpoint, server, public) in cases {
        let mut spec = spec();
        spec["cluster"]["endpoint"] = endpoint;
        let settled = Stage::settled(spec).render().unwrap();
        assert_eq!(settled.status["endpoint"], server);
        assert!(kubeconfig(&settled).contains(server));
        let balancer = &settled.get(API).object["spec"]["loadBalancer"];
        assert_eq!(balancer["public"], public, "{server}");
        let (_, first) = &documents(&settled)[0];
        assert!(first.contains("\"demo-fsn-k3s.team.internal\""));
        assert_eq!(
            first.contains("\"api.example.org\""),
            server.contains("example"),
            "it stands in the serving certificates"
        );
    }
}

#[test]
fn only_the_server_changes_with_the_address() {
    let mut stage = Stage::at_rest();
    let before = kubeconfig(&stage.render().unwrap());
    stage.child(API)["status"]["ipv4"] = json!("203.0.113.77");
    let after = kubeconfig(&stage.render().unwrap());
    assert_ne!(before, after);
    assert_eq!(before.replace("203.0.113.9", "203.0.113.77"), after);

    stage.child(API)["status"]
        .as_object_mut()
        .unwrap()
        .remove("ipv4");
    let lost = stage.render().unwrap();
    assert_eq!(kubeconfig(&lost), before, "what exists is not dropped");
}

#[test]
fn the_client_certificate_is_renewed_in_time() {
    let mut stage = Stage::at_rest();
    let before = kubeconfig(&stage.render().unwrap());
    // It is valid for a year: 243 days are two thirds.
    stage.environment.now = "2027-07-20T00:00:00Z".parse().unwrap();
    assert_eq!(kubeconfig(&stage.render().unwrap()), before);

    stage.environment.now = "2027-07-23T00:00:00Z".parse().unwrap();
    let renewed = kubeconfig(&stage.step());
    assert_ne!(renewed, before);
    let client = kubeconfig::read_client(&renewed).unwrap();
    assert!(!client.needs_renewal(stage.environment.now));
    assert!(client.not_after() > "2028-07-01T00:00:00Z".parse::<Timestamp>().unwrap());
    assert_eq!(kubeconfig(&stage.step()), renewed);
}

#[test]
fn a_kubeconfig_that_cannot_be_read_is_written_anew() {
    let mut stage = Stage::at_rest();
    stage.child(KUBECONFIG)["data"]["value"] = json!("AAAA");
    let mended = kubeconfig(&stage.render().unwrap());
    assert!(kubeconfig::read_client(&mended).is_ok());
}
