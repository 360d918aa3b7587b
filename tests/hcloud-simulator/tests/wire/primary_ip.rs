//! Primary IPs.

use hcloud_simulator::{ApiDate, Options};
use serde_json::{Value, json};

use crate::{
    client::{Answer, Client},
    server_family::{
        all, by_hand, done, id, read, server, server_off, start, start_explicit, with,
    },
};

async fn create(client: &Client, name: &str, kind: &str) -> u64 {
    let body = json!({ "name": name, "type": kind, "location": "fsn1" });
    let answer = client.post("/primary_ips", body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    id(&answer.body["primary_ip"])
}

async fn act(client: &Client, ip: u64, command: &str, body: Value) -> Answer {
    let path = format!("/primary_ips/{ip}/actions/{command}");
    client.post(&path, body).await
}

async fn get(client: &Client, ip: u64) -> Value {
    let answer = client.get(&format!("/primary_ips/{ip}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["primary_ip"].clone()
}

fn to_server(server: u64) -> Value {
    json!({ "assignee_type": "server", "assignee_id": server })
}

/// A server that is off and has no public address.
async fn private_server(client: &Client, name: &str) -> u64 {
    let none = json!({ "enable_ipv4": false, "enable_ipv6": false });
    let more = json!({ "start_after_create": false, "public_net": none });
    server(client, name, more).await
}

#[tokio::test]
async fn a_primary_ip_is_created_without_an_assignee() {
    let (_simulator, client) = start().await;
    let body = json!({ "name": "web", "type": "ipv4", "location": "hel1", "labels": { "a": "b" } });
    let answer = client.post("/primary_ips", body).await;
    assert_eq!(answer.body["action"], Value::Null);
    let ip = &answer.body["primary_ip"];
    assert_eq!(ip["location"]["name"], "hel1");
    assert_eq!(ip["labels"], json!({ "a": "b" }));
    assert_eq!(
        (&ip["assignee_id"], &ip["assignee_type"]),
        (&Value::Null, &json!("unassigned"))
    );
    assert_eq!(
        (&ip["auto_delete"], &ip["blocked"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(ip["protection"], json!({ "delete": false }));
    assert_eq!(ip["dns_ptr"][0]["ip"], ip["ip"]);
    assert!(ip.get("datacenter").is_none());
    assert_eq!(get(&client, id(ip)).await, *ip);

    let network = get(&client, create(&client, "net", "ipv6").await).await;
    assert!(network["ip"].as_str().unwrap().ends_with("::/64"));
    assert_eq!(network["dns_ptr"], json!([]));
}

#[tokio::test]
async fn a_primary_ip_is_created_for_a_server_that_is_off() {
    let (_simulator, client) = start().await;
    let number = private_server(&client, "web").await;
    let body = |name: &str, server: u64| {
        let mut body = to_server(server);
        body["name"] = json!(name);
        body["type"] = json!("ipv4");
        body["auto_delete"] = json!(true);
        body
    };
    let answer = client.post("/primary_ips", body("a", number)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(answer.body["action"]["command"], "assign_primary_ip");
    assert_eq!(answer.body["primary_ip"]["assignee_id"], number);
    assert_eq!(answer.body["primary_ip"]["location"]["name"], "fsn1");
    let shown = read(&client, number).await["public_net"]["ipv4"]["id"].clone();
    assert_eq!(shown, answer.body["primary_ip"]["id"]);

    let second = client.post("/primary_ips", body("b", number)).await;
    assert_eq!(second.refusal(), (422, "server_has_ipv4"));
    done(&client, number, "poweron", json!({})).await;
    let running = client.post("/primary_ips", body("b", number)).await;
    assert_eq!(running.refusal(), (422, "server_not_stopped"));
    let nobody = client.post("/primary_ips", body("b", 1)).await;
    assert_eq!(nobody.refusal(), (404, "not_found"));
    client.delete(&format!("/servers/{number}")).await;
    let list = client.get("/primary_ips").await.body["primary_ips"].clone();
    assert_eq!(list, json!([]), "it goes with the server");
}

#[tokio::test]
async fn bad_primary_ips_are_refused() {
    let (simulator, client) = start().await;
    create(&client, "taken", "ipv4").await;
    let number = server_off(&client, "web").await;
    let table = [
        (
            json!({ "type": "ipv4", "location": "fsn1" }),
            (422, "invalid_input"),
        ),
        (
            json!({ "name": "a", "type": "ipv5", "location": "fsn1" }),
            (422, "invalid_input"),
        ),
        (
            json!({ "name": "a", "type": "ipv4" }),
            (422, "invalid_input"),
        ),
        (
            json!({ "name": "a", "type": "ipv4", "location": "moon" }),
            (422, "invalid_input"),
        ),
        (
            json!({ "name": "a", "type": "ipv4", "datacenter": "fsn1-dc14" }),
            (422, "invalid_input"),
        ),
        (
            json!({ "name": "a", "type": "ipv4", "assignee_id": number }),
            (422, "invalid_input"),
        ),
        (
            json!({ "name": "a", "type": "ipv6", "assignee_id": number, "assignee_type": "toaster" }),
            (422, "invalid_input"),
        ),
        (
            json!({ "name": "a", "type": "ipv6", "location": "hel1", "assignee_id": number, "assignee_type": "server" }),
            (422, "server_has_ipv6"),
        ),
        (
            json!({ "name": "taken", "type": "ipv4", "location": "fsn1" }),
            (409, "uniqueness_error"),
        ),
    ];
    for (body, expected) in table {
        let answer = client.post("/primary_ips", body.clone()).await;
        assert_eq!(answer.refusal(), expected, "{body}");
    }
    by_hand(&simulator, |project| project.quotas.set("primary_ips", 3));
    let body = json!({ "name": "more", "type": "ipv4", "location": "fsn1" });
    let full = client.post("/primary_ips", body).await;
    assert_eq!(full.refusal(), (403, "resource_limit_exceeded"));
}

#[tokio::test]
async fn a_server_gets_and_loses_a_primary_ip_only_while_it_is_off() {
    let (_simulator, client) = start().await;
    let ip = create(&client, "web", "ipv4").await;
    let other = create(&client, "other", "ipv4").await;
    let network = create(&client, "net", "ipv6").await;
    let number = private_server(&client, "web").await;
    let assigned = act(&client, ip, "assign", to_server(number)).await;
    assert_eq!(assigned.body["action"]["command"], "assign_primary_ip");
    assert_eq!(
        assigned.body["action"]["resources"],
        json!([{ "id": ip, "type": "primary_ip" }, { "id": number, "type": "server" }])
    );
    assert_eq!(get(&client, ip).await["assignee_id"], number);

    let again = act(&client, ip, "assign", to_server(number)).await;
    assert_eq!(again.refusal(), (422, "primary_ip_already_assigned"));
    let second = act(&client, other, "assign", to_server(number)).await;
    assert_eq!(second.refusal(), (422, "server_has_ipv4"));
    assert_eq!(
        act(&client, network, "assign", to_server(number))
            .await
            .status,
        201
    );
    let full = server_off(&client, "full").await;
    let third = create(&client, "third", "ipv6").await;
    let refused = act(&client, third, "assign", to_server(full)).await;
    assert_eq!(refused.refusal(), (422, "server_has_ipv6"));

    done(&client, number, "poweron", json!({})).await;
    let running = act(&client, ip, "unassign", json!({})).await;
    assert_eq!(running.refusal(), (422, "server_not_stopped"));
    let running = server(&client, "running", json!({})).await;
    let refused = act(&client, other, "assign", to_server(running)).await;
    assert_eq!(refused.refusal(), (422, "server_not_stopped"));

    done(&client, number, "poweroff", json!({})).await;
    let unassigned = act(&client, ip, "unassign", json!({})).await;
    assert_eq!(unassigned.body["action"]["command"], "unassign_primary_ip");
    assert_eq!(get(&client, ip).await["assignee_type"], "unassigned");
    assert_eq!(
        read(&client, number).await["public_net"]["ipv4"],
        Value::Null
    );
    let twice = act(&client, ip, "unassign", json!({})).await;
    assert_eq!(twice.refusal(), (422, "invalid_input"));
}

#[tokio::test]
async fn assignments_respect_locations_and_locks() {
    let (simulator, client) = start_explicit().await;
    let body = json!({ "name": "far", "type": "ipv4", "location": "hel1" });
    let far = id(&client.post("/primary_ips", body).await.body["primary_ip"]);
    let near = create(&client, "near", "ipv4").await;
    let number = private_server(&client, "web").await;
    let locked = act(&client, near, "assign", to_server(number)).await;
    assert_eq!(locked.refusal(), (423, "locked"));
    simulator.actions().drain();
    let mismatch = act(&client, far, "assign", to_server(number)).await;
    assert_eq!(mismatch.refusal(), (422, "primary_ip_datacenter_mismatch"));
    let nobody = act(&client, near, "assign", to_server(1)).await;
    assert_eq!(nobody.refusal(), (404, "not_found"));
    assert_eq!(
        act(&client, near, "assign", to_server(number)).await.status,
        201
    );
    assert_eq!(read(&client, number).await["locked"], true);
    let busy = act(&client, near, "unassign", json!({})).await;
    assert_eq!(busy.refusal(), (409, "conflict"));
    assert_eq!(get(&client, near).await["assignee_id"], Value::Null);
    simulator.actions().drain();
    assert_eq!(get(&client, near).await["assignee_id"], number);
}

#[tokio::test]
async fn the_address_of_a_load_balancer_target_stays() {
    let (_simulator, client) = start().await;
    let ip = create(&client, "web", "ipv4").await;
    let number = server(&client, "web", json!({ "public_net": { "ipv4": ip } })).await;
    let body = json!({
        "name": "lb",
        "load_balancer_type": "lb11",
        "location": "fsn1",
        "targets": [{ "type": "server", "server": { "id": number } }],
    });
    let balancer = client.post("/load_balancers", body).await;
    assert_eq!(balancer.status, 201, "{}", balancer.text);
    let balancer = id(&balancer.body["load_balancer"]);
    assert_eq!(
        read(&client, number).await["load_balancers"],
        json!([balancer])
    );
    done(&client, number, "poweroff", json!({})).await;
    let refused = act(&client, ip, "unassign", json!({})).await;
    assert_eq!(refused.refusal(), (422, "server_is_load_balancer_target"));
    let own = client.get("/primary_ips").await.body["primary_ips"].clone();
    let kinds = all(&own, "assignee_type");
    let position = kinds
        .iter()
        .position(|kind| **kind == "load_balancer")
        .unwrap();
    let refused = act(&client, id(&own[position]), "unassign", json!({})).await;
    assert_eq!(refused.refusal(), (422, "unsupported_error"));
}

#[tokio::test]
async fn a_primary_ip_must_be_unassigned_and_unprotected_to_be_deleted() {
    let (_simulator, client) = start().await;
    let ip = create(&client, "web", "ipv4").await;
    let path = format!("/primary_ips/{ip}");
    let number = private_server(&client, "web").await;
    act(&client, ip, "assign", to_server(number)).await;
    assert_eq!(
        client.delete(&path).await.refusal(),
        (422, "must_be_unassigned")
    );
    act(&client, ip, "unassign", json!({})).await;

    let protected = act(&client, ip, "change_protection", json!({ "delete": true })).await;
    assert_eq!(protected.body["action"]["command"], "change_protection");
    assert_eq!(client.delete(&path).await.refusal(), (423, "protected"));
    let automatic = client.put(&path, json!({ "auto_delete": true })).await;
    assert_eq!(automatic.refusal(), (422, "invalid_input"));
    act(&client, ip, "change_protection", json!({ "delete": false })).await;
    assert_eq!(
        client
            .put(&path, json!({ "auto_delete": true }))
            .await
            .status,
        200
    );
    let refused = act(&client, ip, "change_protection", json!({ "delete": true })).await;
    assert_eq!(refused.refusal(), (422, "invalid_input"));
    assert_eq!(client.delete(&path).await.status, 204);
    assert_eq!(client.get(&path).await.refusal(), (404, "not_found"));
}

#[tokio::test]
async fn names_labels_and_auto_delete_change_at_once() {
    let (_simulator, client) = start().await;
    create(&client, "taken", "ipv4").await;
    let ip = create(&client, "old", "ipv4").await;
    let path = format!("/primary_ips/{ip}");
    let body = json!({ "name": "new", "labels": { "a": "b" }, "auto_delete": true });
    let updated = client.put(&path, body).await.body["primary_ip"].clone();
    assert_eq!(
        (&updated["name"], &updated["auto_delete"]),
        (&json!("new"), &json!(true))
    );
    assert_eq!(updated["labels"], json!({ "a": "b" }));
    assert_eq!(
        client.put(&path, json!({})).await.body["primary_ip"],
        updated
    );
    let taken = client.put(&path, json!({ "name": "taken" })).await;
    assert_eq!(taken.refusal(), (409, "uniqueness_error"));
}

#[tokio::test]
async fn primary_ips_are_found_by_address_and_name() {
    let (_simulator, client) = start().await;
    let ip = get(&client, create(&client, "a", "ipv4").await).await["ip"].clone();
    let network = get(&client, create(&client, "b", "ipv6").await).await["ip"].clone();
    let network = network.as_str().unwrap();
    for (query, expected) in [
        (format!("ip={}", ip.as_str().unwrap()), vec!["a"]),
        (format!("ip={}", network.replace('/', "%2F")), vec!["b"]),
        (format!("ip={}", network.replace("/64", "")), vec!["b"]),
        ("ip=192.0.2.1".to_owned(), vec![]),
        ("name=a".to_owned(), vec!["a"]),
        ("sort=name:desc".to_owned(), vec!["b", "a"]),
    ] {
        let list = client.get(&format!("/primary_ips?{query}")).await;
        assert_eq!(all(&list.body["primary_ips"], "name"), expected, "{query}");
    }
}

#[tokio::test]
async fn every_address_of_an_ipv6_network_can_be_named() {
    let (_simulator, client) = start().await;
    let ip = create(&client, "net", "ipv6").await;
    let network = get(&client, ip).await["ip"]
        .as_str()
        .unwrap()
        .replace("/64", "");
    let addresses = [format!("{network}1"), format!("{network}abcd")];
    for (index, address) in addresses.iter().enumerate() {
        let body = json!({ "ip": address, "dns_ptr": format!("host{index}.example.com") });
        let answer = act(&client, ip, "change_dns_ptr", body).await;
        assert_eq!(answer.body["action"]["command"], "change_dns_ptr");
    }
    let named = get(&client, ip).await["dns_ptr"].clone();
    assert_eq!(all(&named, "ip"), addresses.iter().collect::<Vec<_>>());
    assert_eq!(
        all(&named, "dns_ptr"),
        ["host0.example.com", "host1.example.com"]
    );
    act(
        &client,
        ip,
        "change_dns_ptr",
        json!({ "ip": addresses[0], "dns_ptr": null }),
    )
    .await;
    let named = get(&client, ip).await["dns_ptr"].clone();
    assert_eq!(all(&named, "ip"), [&addresses[1]]);
    let foreign = json!({ "ip": "2001:db8:ffff::1", "dns_ptr": "a.b" });
    let refused = act(&client, ip, "change_dns_ptr", foreign).await;
    assert_eq!(refused.refusal(), (422, "invalid_input"));
}

#[tokio::test]
async fn an_ipv4_falls_back_to_its_own_name() {
    let (_simulator, client) = start().await;
    let ip = create(&client, "web", "ipv4").await;
    let before = get(&client, ip).await["dns_ptr"].clone();
    let address = &before[0]["ip"];
    assert!(
        before[0]["dns_ptr"]
            .as_str()
            .unwrap()
            .ends_with(".clients.your-server.de")
    );
    act(
        &client,
        ip,
        "change_dns_ptr",
        json!({ "ip": address, "dns_ptr": "a.example.com" }),
    )
    .await;
    assert_eq!(
        get(&client, ip).await["dns_ptr"][0]["dns_ptr"],
        "a.example.com"
    );
    act(
        &client,
        ip,
        "change_dns_ptr",
        json!({ "ip": address, "dns_ptr": null }),
    )
    .await;
    assert_eq!(get(&client, ip).await["dns_ptr"], before);
}

#[tokio::test]
async fn older_states_of_the_api_know_no_unassigned_primary_ips() {
    for (date, deleted) in [
        (ApiDate::December2025, (204, "")),
        (ApiDate::June2026, (422, "must_be_unassigned")),
    ] {
        let options = Options {
            api_date: date,
            ..Options::default()
        };
        let (_simulator, client) = with(options).await;
        let body = json!({ "name": "a", "type": "ipv4", "datacenter": "fsn1-dc14", "assignee_type": "server" });
        let ip = client.post("/primary_ips", body).await.body["primary_ip"].clone();
        assert_eq!(
            (&ip["assignee_type"], &ip["assignee_id"]),
            (&json!("server"), &Value::Null)
        );
        assert_eq!(ip["datacenter"]["name"], "fsn1-dc14");
        let number = private_server(&client, "web").await;
        act(&client, id(&ip), "assign", to_server(number)).await;
        let answer = client.delete(&format!("/primary_ips/{}", ip["id"])).await;
        assert_eq!(answer.refusal(), deleted, "{date}");
    }
    let options = Options {
        api_date: ApiDate::December2025,
        ..Options::default()
    };
    let (_simulator, client) = with(options).await;
    let body = json!({ "name": "a", "type": "ipv4", "location": "fsn1" });
    let refused = client.post("/primary_ips", body).await;
    assert_eq!(
        refused.body["error"]["details"]["fields"][0]["name"],
        "assignee_type"
    );
}
