//! The services of load balancers.

use serde_json::{Value, json};

use crate::{
    client::{Answer, Client},
    load_balancer::{invalid_fields, start},
};

async fn services(client: &Client, id: u64) -> Value {
    client.load_balancer(id).await["services"].clone()
}

async fn add(client: &Client, id: u64, service: Value) -> Answer {
    client.balance(id, "add_service", service).await
}

/// The paths that an `invalid_input` names for an added service.
async fn refused_fields(client: &Client, id: u64, service: Value) -> Vec<String> {
    let answer = add(client, id, service).await;
    let fields = invalid_fields(&answer);
    fields.into_iter().map(str::to_owned).collect()
}

/// A body with one value at `path`.
fn with(mut body: Value, path: &str, value: Value) -> Value {
    let mut place = &mut body;
    for key in path.split('.') {
        place = &mut place[key];
    }
    *place = value;
    body
}

#[tokio::test]
async fn the_api_fills_in_what_a_service_does_not_say() {
    let (_simulator, client) = start().await;
    let id = client.create_load_balancer("n").await;
    let tcp = json!({ "protocol": "tcp", "listen_port": 6443, "destination_port": 6443 });
    let added = add(&client, id, tcp).await;
    assert_eq!(added.status, 201, "{}", added.text);
    assert_eq!(added.body["action"]["command"], "add_service");
    add(&client, id, json!({ "protocol": "http" })).await;
    add(&client, id, json!({ "protocol": "https" })).await;
    let http = json!({
        "cookie_name": "HCLBSTICKY",
        "cookie_lifetime": 300,
        "timeout_idle": 50,
        "sticky_sessions": false,
        "certificates": [],
        "redirect_http": false,
    });
    let check = json!({
        "protocol": "http",
        "port": 80,
        "interval": 15,
        "timeout": 10,
        "retries": 3,
        "http": {
            "domain": "",
            "path": "/",
            "response": "",
            "status_codes": ["2??", "3??"],
            "tls": false,
        },
    });
    let expected = json!([
        {
            "protocol": "tcp",
            "listen_port": 6443,
            "destination_port": 6443,
            "proxyprotocol": false,
            "health_check":
                { "protocol": "tcp", "port": 6443, "interval": 15, "timeout": 10, "retries": 3 },
        },
        {
            "protocol": "http",
            "listen_port": 80,
            "destination_port": 80,
            "proxyprotocol": false,
            "http": http,
            "health_check": check,
        },
        {
            "protocol": "https",
            "listen_port": 443,
            "destination_port": 80,
            "proxyprotocol": false,
            "http": http,
            "health_check": check,
        },
    ]);
    assert_eq!(services(&client, id).await, expected);
}

#[tokio::test]
async fn a_health_check_may_say_only_its_protocol_and_port() {
    let (_simulator, client) = start().await;
    let id = client.create_load_balancer("n").await;
    let service = json!({
        "protocol": "http",
        "destination_port": 31080,
        "health_check": { "protocol": "tcp", "port": 31081 },
    });
    assert_eq!(add(&client, id, service).await.status, 201);
    assert_eq!(
        services(&client, id).await[0]["health_check"],
        json!({ "protocol": "tcp", "port": 31081, "interval": 15, "timeout": 10, "retries": 3 })
    );
}

#[tokio::test]
async fn services_of_a_new_load_balancer_are_checked_like_added_ones() {
    let (_simulator, client) = start().await;
    let create = async |services: Value| {
        let mut body = json!({ "name": "n", "load_balancer_type": "lb11", "location": "fsn1" });
        body["services"] = services;
        client.post("/load_balancers", body).await
    };
    let refused = create(json!([{ "protocol": "http" }, { "protocol": "tcp" }])).await;
    assert_eq!(
        invalid_fields(&refused),
        ["services.1.listen_port", "services.1.destination_port"]
    );
    let twice = create(json!([{ "protocol": "http" }, { "protocol": "http" }])).await;
    assert_eq!(twice.refusal(), (412, "source_port_already_used"));
    let port = |port: u16| json!({ "protocol": "http", "listen_port": port });
    let many = create((1..=6).map(port).collect()).await;
    assert_eq!(many.refusal(), (403, "resource_limit_exceeded"));
    let created = create(json!([{ "protocol": "http", "http": { "timeout_idle": 60 } }])).await;
    let services = &created.body["load_balancer"]["services"];
    assert_eq!(services[0]["http"]["timeout_idle"], 60, "{}", created.text);
}

#[tokio::test]
async fn limits_name_the_field_that_breaks_them() {
    let (_simulator, client) = start().await;
    let id = client.create_load_balancer("n").await;
    let http = json!({ "protocol": "http" });
    let long = |length: usize| json!("x".repeat(length));
    let table = [
        ("protocol", json!("udp")),
        ("listen_port", json!(0)),
        ("listen_port", json!(65_536)),
        ("destination_port", json!(-1)),
        ("proxyprotocol", json!("yes")),
        ("http.cookie_name", json!("")),
        ("http.cookie_name", long(101)),
        ("http.cookie_lifetime", json!(29)),
        ("http.cookie_lifetime", json!(86_401)),
        ("http.timeout_idle", json!(29)),
        ("http.timeout_idle", json!(301)),
        ("http.certificates", json!([1])),
        ("http.redirect_http", json!(true)),
        ("health_check.protocol", json!("https")),
        ("health_check.port", json!(0)),
        ("health_check.interval", json!(2)),
        ("health_check.interval", json!(61)),
        ("health_check.timeout", json!(0)),
        ("health_check.timeout", json!(61)),
        ("health_check.retries", json!(0)),
        ("health_check.retries", json!(6)),
        ("health_check.http.domain", json!("a b")),
        ("health_check.http.domain", long(129)),
        ("health_check.http.path", json!("")),
        ("health_check.http.path", json!("/a b")),
        ("health_check.http.path", long(257)),
        ("health_check.http.response", long(257)),
        ("health_check.http.status_codes", json!(["abc"])),
        ("health_check.http.status_codes", json!(vec!["200"; 21])),
    ];
    for (field, value) in table {
        let body = with(http.clone(), field, value.clone());
        assert_eq!(refused_fields(&client, id, body).await, [field], "{value}");
    }
    assert_eq!(services(&client, id).await, json!([]));
    let table = [
        ("http.cookie_lifetime", json!(30)),
        ("http.cookie_lifetime", json!(86_400)),
        ("http.timeout_idle", json!(300)),
        ("health_check.interval", json!(3)),
        ("health_check.retries", json!(5)),
        (
            "health_check.http.status_codes",
            json!(["2*", "301", "4?4"]),
        ),
    ];
    for (field, value) in table {
        let added = add(&client, id, with(http.clone(), field, value)).await;
        assert_eq!(added.status, 201, "{field}: {}", added.text);
        let removed = client
            .balance(id, "delete_service", json!({ "listen_port": 80 }))
            .await;
        assert_eq!(removed.status, 201);
    }
}

#[tokio::test]
async fn tcp_needs_ports_and_has_no_http() {
    let (_simulator, client) = start().await;
    let id = client.create_load_balancer("n").await;
    let refused = refused_fields(&client, id, json!({ "protocol": "tcp" })).await;
    assert_eq!(refused, ["listen_port", "destination_port"]);
    let tcp = json!({ "protocol": "tcp", "listen_port": 1, "destination_port": 2 });
    let sticky = with(tcp.clone(), "http.sticky_sessions", json!(true));
    assert_eq!(
        refused_fields(&client, id, sticky).await,
        ["http.sticky_sessions"]
    );
    let empty = with(
        tcp,
        "http",
        json!({ "sticky_sessions": false, "certificates": [] }),
    );
    assert_eq!(add(&client, id, empty).await.status, 201);
    assert!(services(&client, id).await[0].get("http").is_none());
}

#[tokio::test]
async fn a_port_is_used_once_and_a_redirect_uses_port_80() {
    let (_simulator, client) = start().await;
    let id = client.create_load_balancer("n").await;
    let used = |status| (status, "source_port_already_used");
    add(&client, id, json!({ "protocol": "http" })).await;
    let again = add(
        &client,
        id,
        json!({ "protocol": "https", "listen_port": 80 }),
    )
    .await;
    assert_eq!(again.refusal(), used(412));
    let redirect = json!({ "protocol": "https", "http": { "redirect_http": true } });
    let added = add(&client, id, redirect).await;
    assert_eq!(added.refusal(), used(412));
    assert_eq!(
        add(&client, id, json!({ "protocol": "https" }))
            .await
            .status,
        201
    );
    let update = json!({ "listen_port": 443, "http": { "redirect_http": true } });
    let updated = client.balance(id, "update_service", update.clone()).await;
    assert_eq!(updated.refusal(), used(422));
    client
        .balance(id, "delete_service", json!({ "listen_port": 80 }))
        .await;
    let updated = client.balance(id, "update_service", update).await;
    assert_eq!(updated.status, 201, "{}", updated.text);
    let again = add(&client, id, json!({ "protocol": "http" })).await;
    assert_eq!(again.refusal(), used(412));
}

#[tokio::test]
async fn an_update_changes_what_it_names() {
    let (_simulator, client) = start().await;
    let id = client.create_load_balancer("n").await;
    add(&client, id, json!({ "protocol": "http" })).await;
    add(
        &client,
        id,
        json!({ "protocol": "http", "listen_port": 81 }),
    )
    .await;
    let before = services(&client, id).await;
    let update = async |body: Value| {
        let body = with(body, "listen_port", json!(80));
        let answer = client.balance(id, "update_service", body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        services(&client, id).await
    };
    assert_eq!(
        update(json!({ "http": {}, "health_check": {} })).await,
        before
    );

    let table = [
        ("destination_port", json!(8080)),
        ("proxyprotocol", json!(true)),
        ("http.cookie_name", json!("TEST")),
        ("http.sticky_sessions", json!(true)),
        ("health_check.interval", json!(30)),
        ("health_check.http.path", json!("/health")),
    ];
    let mut expected = before;
    for (field, value) in table {
        expected[0] = with(expected[0].take(), field, value.clone());
        assert_eq!(
            update(with(json!({}), field, value)).await,
            expected,
            "{field}"
        );
    }

    let tcp = update(json!({ "protocol": "tcp", "health_check": { "protocol": "tcp" } })).await;
    assert!(tcp[0].get("http").is_none() && tcp[0]["health_check"].get("http").is_none());
    assert_eq!(tcp[0]["health_check"]["interval"], 30);
    let https = update(json!({ "protocol": "https", "http": { "redirect_http": false } })).await;
    assert_eq!(
        https[0]["http"]["cookie_name"], "HCLBSTICKY",
        "its http is new"
    );

    let missing = json!({ "listen_port": 99, "destination_port": 1 });
    let missing = client.balance(id, "update_service", missing).await;
    assert_eq!(missing.refusal(), (404, "not_found"));
    let unnamed = client.balance(id, "update_service", json!({})).await;
    assert_eq!(invalid_fields(&unnamed), ["listen_port"]);
    let wrong = json!({ "listen_port": 80, "health_check": { "retries": 9 } });
    let wrong = client.balance(id, "update_service", wrong).await;
    assert_eq!(invalid_fields(&wrong), ["health_check.retries"]);
}

#[tokio::test]
async fn a_deleted_service_is_gone_and_cannot_be_deleted_again() {
    let (_simulator, client) = start().await;
    let id = client.create_load_balancer("n").await;
    add(&client, id, json!({ "protocol": "http" })).await;
    let delete = async || {
        client
            .balance(id, "delete_service", json!({ "listen_port": 80 }))
            .await
    };
    assert_eq!(delete().await.body["action"]["command"], "delete_service");
    assert_eq!(services(&client, id).await, json!([]));
    assert_eq!(delete().await.refusal(), (404, "not_found"));
}

#[tokio::test]
async fn a_type_limits_services() {
    let (_simulator, client) = start().await;
    let id = client.create_load_balancer("n").await;
    let service = |port: u16| json!({ "protocol": "http", "listen_port": port });
    for port in 1..=5 {
        assert_eq!(add(&client, id, service(port)).await.status, 201);
    }
    let sixth = add(&client, id, service(6)).await;
    assert_eq!(sixth.refusal(), (403, "resource_limit_exceeded"));
}

#[tokio::test]
async fn certificates_exist_and_are_counted_once() {
    let (_simulator, client) = start().await;
    let id = client.create_load_balancer("n").await;
    let mut certificates = Vec::new();
    for index in 0..12 {
        let name = format!("c{index}");
        let domain = format!("{name}.example.com");
        let body = json!({ "name": name, "type": "managed", "domain_names": [domain] });
        let created = client.post("/certificates", body).await;
        certificates.push(created.body["certificate"]["id"].as_u64().unwrap());
    }
    let https = |port: u16, certificates: &[u64]| json!({ "protocol": "https", "listen_port": port, "http": { "certificates": certificates } });
    let missing = add(&client, id, https(1, &[5])).await;
    assert_eq!(missing.refusal(), (404, "not_found"));
    let twice = refused_fields(&client, id, https(1, &[certificates[0]; 2])).await;
    assert_eq!(twice, ["http.certificates"]);
    assert_eq!(
        add(&client, id, https(1, &certificates[..10])).await.status,
        201
    );
    let used = services(&client, id).await[0]["http"]["certificates"].clone();
    assert_eq!(used, json!(certificates[..10]));
    let same = add(&client, id, https(2, &certificates[..3])).await;
    assert_eq!(same.status, 201, "the same certificates do not count again");
    let more = add(&client, id, https(3, &certificates[9..11])).await;
    assert_eq!(more.refusal(), (403, "resource_limit_exceeded"));
    let update = json!({ "listen_port": 2, "http": { "certificates": [certificates[11]] } });
    let more = client.balance(id, "update_service", update).await;
    assert_eq!(more.refusal(), (403, "resource_limit_exceeded"));
    let http = json!({ "listen_port": 1, "protocol": "http" });
    assert_eq!(client.balance(id, "update_service", http).await.status, 201);
    let used = services(&client, id).await[0]["http"]["certificates"].clone();
    assert_eq!(used, json!([]), "http has no certificates");
}
