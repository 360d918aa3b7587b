use api::LoadBalancer;
use hcloud_simulator::Fault;
use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::{
    hcloud::load_balancer::{HealthCheck, Http},
    kind::{
        load_balancer::{
            LoadBalancers,
            tests::setup::{balancer, found},
        },
        object::ObjectsOfProject,
        part::PartsOfProject,
        simulated::{
            self, absent, changed, deleted, made, named, project, recorded, resource, seen,
        },
    },
    managed::{External, Look, Retry},
};

fn services(project: &Project) -> PartsOfProject<LoadBalancerServices> {
    PartsOfProject::from(project.clone())
}

fn service(balancer: &str, more: &Value) -> LoadBalancerService {
    let mut spec = json!({"loadBalancerId": balancer});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    resource(&spec)
}

fn wish(more: &Value) -> Service {
    wish::read(&service("7", more).spec.for_provider).unwrap()
}

#[tokio::test]
async fn a_service_is_added_changed_in_every_field_and_removed() {
    let (_simulator, project) = project().await;
    let balancer = balancer(&project).await;
    let services = services(&project);
    let spec = json!({"protocol": "tcp", "listenPort": 443, "destinationPort": 31443});
    let present = made(&services, &service(&balancer, &spec).into()).await;
    assert_eq!(present.external_name, format!("{balancer}__443"));
    assert!(present.drift.is_empty(), "{}", present.drift);
    let check = present.at_provider.health_check.as_ref().unwrap();
    assert_eq!((check.protocol.as_str(), check.port), ("tcp", 31443));

    let steps = [
        (
            json!({"destinationPort": 8443, "proxyProtocol": true}),
            "destinationPort: desired 8443, observed 31443; proxyProtocol: desired true, observed false; healthCheck.port: desired 8443, observed 31443",
        ),
        (
            json!({"healthCheck": {"interval": 20}}),
            "healthCheck.interval: desired 20, observed 15",
        ),
        (
            json!({"healthCheck": {"port": 6443, "timeout": 5, "retries": 2}}),
            "healthCheck.port: desired 6443, observed 8443; healthCheck.timeout: desired 5, observed 10; healthCheck.retries: desired 2, observed 3",
        ),
        (
            json!({"protocol": "http"}),
            "protocol: desired http, observed tcp",
        ),
        (
            json!({"http": {"stickySessions": true, "cookieName": "X", "cookieLifetime": 60, "timeoutIdle": 120}}),
            "http.stickySessions: desired true, observed false; http.cookieName: desired X, observed HCLBSTICKY; \
             http.cookieLifetime: desired 60, observed 300; http.timeoutIdle: desired 120, observed 50",
        ),
        (
            json!({"healthCheck": {"protocol": "http"}}),
            "healthCheck.protocol: desired http, observed tcp; healthCheck.port: desired 8443, observed 6443",
        ),
        (
            json!({"healthCheck": {"protocol": "http", "http": {"domain": "a.example", "path": "/healthz", "response": "ok", "statusCodes": ["3??", "204"], "tls": true}}}),
            "healthCheck.http.domain: desired a.example, observed ; healthCheck.http.path: desired /healthz, observed /; \
             healthCheck.http.response: desired ok, observed ; healthCheck.http.statusCodes: desired [204, 3??], observed [2??, 3??]; \
             healthCheck.http.tls: desired true, observed false",
        ),
        (
            json!({"healthCheck": {"protocol": "http", "http": {"domain": "", "statusCodes": ["204", "3??"]}}}),
            "healthCheck.http.domain: desired , observed a.example",
        ),
    ];
    // Each step leaves out what the one before has changed, except for what the API needs: that is not managed then.
    let mut protocol = json!("tcp");
    for (more, expected) in steps {
        protocol = more.get("protocol").unwrap_or(&protocol).clone();
        let mut spec = json!({"protocol": protocol, "listenPort": 443});
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        let desired = recorded(service(&balancer, &spec), &present);
        assert_eq!(changed(&services, &desired).await, expected);
    }
    let kept = found(&project, &balancer).await;
    let kept = kept.service(443).unwrap();
    assert_eq!(kept.destination_port, Some(8443));
    let check = kept.health_check.as_ref().unwrap();
    assert_eq!(
        (check.interval, check.timeout, check.retries),
        (Some(20), Some(5), Some(2))
    );
    assert_eq!(
        check.http.as_ref().unwrap().path.as_deref(),
        Some("/healthz"),
        "what a spec leaves out stays"
    );
    assert_eq!(kept.http.as_ref().unwrap().timeout_idle, Some(120));

    let desired = recorded(service(&balancer, &spec), &present);
    services.delete(&desired, &present).await.unwrap();
    assert!(absent(&services, &desired).await);
    services.delete(&desired, &present).await.unwrap();
}

#[tokio::test]
async fn a_service_with_tls_gets_its_certificates_and_loses_them_with_the_protocol() {
    let (simulator, project) = project().await;
    let balancer = balancer(&project).await;
    let services = services(&project);
    let mut ids = Vec::new();
    for name in ["a", "b"] {
        ids.push(certificate(&simulator, name).await);
    }
    let spec = |certificates: &[u64]| {
        let ids: Vec<_> = certificates.iter().map(ToString::to_string).collect();
        json!({"protocol": "https", "listenPort": 443, "http": {"certificateIds": ids, "redirectHttp": true}})
    };
    let present = made(&services, &service(&balancer, &spec(&ids)).into()).await;
    assert!(present.drift.is_empty(), "{}", present.drift);
    assert_eq!(present.at_provider.destination_port, 80);
    let reversed: Vec<_> = ids.iter().rev().copied().collect();
    let desired = recorded(service(&balancer, &spec(&reversed)), &present);
    assert!(
        seen(&services, &desired).await.drift.is_empty(),
        "their order says nothing"
    );
    let desired = recorded(service(&balancer, &spec(&ids[..1])), &present);
    let expected = format!(
        "http.certificateIds: desired [{}], observed [{}, {}]",
        ids[0], ids[0], ids[1]
    );
    assert_eq!(changed(&services, &desired).await, expected);

    let plain = json!({"protocol": "http", "listenPort": 443, "http": {"stickySessions": true}});
    let desired = recorded(service(&balancer, &plain), &present);
    changed(&services, &desired).await;
    let report = seen(&services, &desired).await.at_provider.http.unwrap();
    assert!(report.certificate_ids.is_empty() && !report.redirect_http);

    let mut secure = plain.clone();
    secure["protocol"] = json!("https");
    secure["http"]["certificateIds"] = json!([ids[1].to_string()]);
    let desired = recorded(service(&balancer, &secure), &present);
    changed(&services, &desired).await;
}

/// Puts a certificate into the simulator and returns its id.
async fn certificate(simulator: &hcloud_simulator::Simulator, name: &str) -> u64 {
    let project = simulated::open(simulator);
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed([format!("{name}.example")]).unwrap();
    let request = json!({"name": name, "type": "uploaded", "certificate": cert.pem(), "private_key": signing_key.serialize_pem()});
    project
        .client
        .resources::<Certificate>()
        .create(&request)
        .await
        .unwrap()
        .id
}

/// As much of a certificate as these tests need.
#[derive(Debug, serde::Deserialize)]
struct Certificate {
    id: u64,
    #[serde(skip)]
    labels: hcloud::labels::Labels,
}

impl hcloud::Resource for Certificate {
    const COLLECTION: &'static str = "certificates";
    const OBJECT: &'static str = "certificate";

    fn id(&self) -> u64 {
        self.id
    }

    fn name(&self) -> &str {
        ""
    }

    fn labels(&self) -> &hcloud::labels::Labels {
        &self.labels
    }
}

#[tokio::test]
async fn services_of_others_stay_and_a_port_that_is_taken_is_waited_for() {
    let (_simulator, project) = project().await;
    let balancer = balancer(&project).await;
    let services = services(&project);
    let foreign = json!({"protocol": "tcp", "listenPort": 80, "destinationPort": 30080});
    made(&services, &service(&balancer, &foreign).into()).await;
    let redirecting =
        json!({"protocol": "https", "listenPort": 443, "http": {"redirectHttp": true}});
    let redirecting = service(&balancer, &redirecting).into();
    let error = services.create(&redirecting).await.unwrap_err();
    assert!(
        error.to_string().contains("source_port_already_used"),
        "{error}"
    );
    assert_eq!(error.retry(), Retry::BackOff);
    let plain = json!({"protocol": "https", "listenPort": 443});
    let plain = service(&balancer, &plain);
    let present = made(&services, &plain.clone().into()).await;
    services
        .delete(&recorded(plain, &present), &present)
        .await
        .unwrap();
    assert_eq!(found(&project, &balancer).await.services.len(), 1);
}

#[tokio::test]
async fn a_service_that_the_type_has_no_room_for_waits_and_so_does_a_type_without_room() {
    let (_simulator, project) = project().await;
    let balancer = balancer(&project).await;
    let services = services(&project);
    let service = |port: i64| {
        let spec = json!({"protocol": "tcp", "listenPort": port, "destinationPort": port});
        Desired::from(service(&balancer, &spec))
    };
    for port in 1..=5 {
        made(&services, &service(port)).await;
    }
    let error = services.create(&service(6)).await.unwrap_err();
    assert!(error.to_string().contains("at most 5 services"), "{error}");
    assert_eq!(error.retry(), Retry::BackOff);

    let objects = project.client.load_balancers();
    let id = balancer.parse().unwrap();
    objects.change_type(id, "lb21").await.unwrap();
    made(&services, &service(6)).await;
    let small: LoadBalancer = named("lb", &json!({"loadBalancerType": "lb11"}));
    let balancers = ObjectsOfProject::<LoadBalancers>::from(project.clone());
    let small = Desired::from(small);
    let present = seen(&balancers, &small).await;
    let error = balancers.update(&small, &present).await.unwrap_err();
    assert!(
        error.to_string().contains("invalid_load_balancer_type"),
        "{error}"
    );
    assert_eq!(error.retry(), Retry::BackOff);
}

#[tokio::test]
async fn a_service_that_exists_already_is_adopted() {
    let (simulator, project) = project().await;
    let balancer = balancer(&project).await;
    let spec = json!({"protocol": "tcp", "listenPort": 443, "destinationPort": 443});
    let desired = service(&balancer, &spec).into();
    let lost = Fault::on(Method::POST, "/load_balancers/*/actions/add_service").close_after();
    simulator.faults().inject(lost);
    let error = services(&project).create(&desired).await.unwrap_err();
    assert!(error.outcome_unknown());
    let present = seen(&services(&simulated::open(&simulator)), &desired).await;
    assert_eq!(present.external_name, format!("{balancer}__443"));
}

#[test]
fn a_health_check_of_a_new_service_is_complete_and_the_rest_is_left_to_the_api() {
    let complete = |more: Value| {
        let mut service = serde_json::to_value(wish::complete(wish(&more)).unwrap()).unwrap();
        service.as_object_mut().unwrap().remove("listen_port");
        service
    };
    for (spec, expected) in [
        (
            json!({"protocol": "tcp", "destinationPort": 9}),
            json!({"protocol": "tcp", "destination_port": 9}),
        ),
        (
            json!({"protocol": "http"}),
            json!({"protocol": "http", "destination_port": 80}),
        ),
        (
            json!({"protocol": "tcp", "destinationPort": 9, "healthCheck": {}}),
            json!({"protocol": "tcp", "destination_port": 9,
                "health_check": {"protocol": "tcp", "port": 9, "interval": 15, "timeout": 10, "retries": 3}}),
        ),
        (
            json!({"protocol": "https", "healthCheck": {"protocol": "http", "port": 8, "retries": 5, "http": {"tls": true}}}),
            json!({"protocol": "https", "destination_port": 80, "health_check": {"protocol": "http", "port": 8, "interval": 15,
                "timeout": 10, "retries": 5, "http": {"domain": "", "path": "/", "tls": true}}}),
        ),
    ] {
        assert_eq!(complete(spec.clone()), expected, "{spec}");
    }
    for (spec, expected) in [
        (json!({"protocol": "tcp"}), "destinationPort is required"),
        (json!({"destinationPort": 9}), "protocol is required"),
    ] {
        let error = wish::complete(wish(&spec)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn only_blocks_with_a_difference_are_sent_and_those_whole() {
    let found = Service {
        listen_port: 443,
        protocol: Some("https".to_owned()),
        destination_port: Some(80),
        proxyprotocol: Some(false),
        http: Some(Http {
            cookie_name: Some("HCLBSTICKY".to_owned()),
            certificates: Some(vec![1]),
            ..Http::default()
        }),
        health_check: Some(HealthCheck {
            protocol: Some("tcp".to_owned()),
            port: Some(80),
            interval: Some(15),
            ..HealthCheck::default()
        }),
    };
    for (spec, expected) in [
        (
            json!({"protocol": "https", "proxyProtocol": true}),
            json!({"proxyprotocol": true}),
        ),
        (
            json!({"protocol": "https", "http": {"stickySessions": true}, "healthCheck": {"port": 80}}),
            // The API does not tell whether sessions are sticky, so there is nothing to compare.
            json!({}),
        ),
        (
            json!({"protocol": "https", "http": {"cookieName": "X"}, "healthCheck": {"port": 80}}),
            json!({"http": {"cookie_name": "X", "certificates": [1]}}),
        ),
        (
            json!({"protocol": "https", "healthCheck": {"port": 81}}),
            json!({"health_check": {"protocol": "tcp", "port": 81, "interval": 15}}),
        ),
        (
            json!({"protocol": "http", "http": {"cookieName": "X"}}),
            json!({"protocol": "http", "http": {"cookie_name": "X"}}),
        ),
        (
            json!({"protocol": "tcp", "destinationPort": 81}),
            json!({"protocol": "tcp", "destination_port": 81, "health_check": {"protocol": "tcp", "port": 81, "interval": 15}}),
        ),
    ] {
        let wish = wish(&spec);
        let request = wish::change(&wish, &found, &wish::drift(&wish, &found));
        let mut whole = json!({"listen_port": 443, "protocol": "https"});
        for (key, value) in expected.as_object().unwrap() {
            whole[key] = value.clone();
        }
        assert_eq!(serde_json::to_value(request).unwrap(), whole, "{spec}");
    }
}

#[test]
fn a_check_without_a_port_of_its_own_is_at_the_destination_port() {
    let found = |check: i64| Service {
        destination_port: Some(80),
        health_check: Some(HealthCheck {
            port: Some(check),
            ..HealthCheck::default()
        }),
        ..Service::default()
    };
    let moved = "destinationPort: desired 81, observed 80";
    let along = "destinationPort: desired 81, observed 80; healthCheck.port: desired 81, observed";
    for (spec, observed, expected) in [
        (json!({"destinationPort": 81}), 80, format!("{along} 80")),
        // Somebody has the check elsewhere, and the spec says nothing of checks.
        (json!({"destinationPort": 81}), 8, moved.to_owned()),
        (json!({"destinationPort": 80}), 8, String::new()),
        (
            json!({"destinationPort": 81, "healthCheck": {}}),
            80,
            format!("{along} 80"),
        ),
        (
            json!({"destinationPort": 81, "healthCheck": {"retries": 3}}),
            8,
            format!("{along} 8"),
        ),
        (
            json!({"healthCheck": {}}),
            8,
            "healthCheck.port: desired 80, observed 8".to_owned(),
        ),
        (
            json!({"destinationPort": 81, "healthCheck": {"port": 8}}),
            8,
            moved.to_owned(),
        ),
    ] {
        let drift = wish::drift(&wish(&spec), &found(observed));
        assert_eq!(
            drift.to_string(),
            expected,
            "{spec} with a check at {observed}"
        );
    }
}

#[tokio::test]
async fn a_service_with_a_spec_that_cannot_be_read_can_be_deleted() {
    let (_simulator, project) = project().await;
    let balancer = balancer(&project).await;
    let services = services(&project);
    let spec = json!({"protocol": "https", "listenPort": 443});
    let present = made(&services, &service(&balancer, &spec).into()).await;
    let mut broken = spec.clone();
    broken["http"] = json!({"certificateIds": ["mine"]});
    let broken = service(&balancer, &broken);
    let kept = recorded(broken.clone(), &present);
    assert!(services.observe(&kept, Look::Direct).await.is_err());
    let going = recorded(deleted(broken), &present);
    let found = seen(&services, &going).await;
    services.delete(&going, &found).await.unwrap();
    assert!(absent(&services, &going).await);
}

#[test]
fn keys_are_read_as_they_are_written_and_made_of_the_spec() {
    for (text, expected) in [
        ("7__443", Some("7__443")),
        ("7__0", None),
        ("7__65536", None),
        ("7_443", None),
        ("0__443", None),
    ] {
        let key = LoadBalancerServices::parse(text).map(|key| key.to_string());
        assert_eq!(key.as_deref(), expected, "{text}");
    }
    let key = LoadBalancerServices::key(&service("7", &json!({"listenPort": 443}))).unwrap();
    assert_eq!(key.to_string(), "7__443");
    let error = LoadBalancerServices::key(&service("7", &json!({"listenPort": 0}))).unwrap_err();
    assert!(
        error.to_string().contains("listenPort: 0 is not a port"),
        "{error}"
    );
    let ids = json!({"listenPort": 443, "http": {"certificateIds": ["1", "x"]}});
    let error = wish::read(&service("7", &ids).spec.for_provider).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("http.certificateIds[1]: \"x\" is not an id"),
        "{error}"
    );
}
