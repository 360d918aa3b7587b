//! Servers: how they are shown, changed and deleted.

use hcloud_simulator::{ActionMode, AddressPool, ApiDate, Options};
use serde_json::{Value, json};

use crate::{
    client::Client,
    server_family::{
        act, all, create, done, id, network, order, read, server, server_off, start,
        start_explicit, with,
    },
};

#[tokio::test]
async fn names_and_labels_change_at_once() {
    let (_simulator, client) = start().await;
    server(&client, "taken", json!({})).await;
    let number = server(&client, "old", json!({ "labels": { "a": "1", "b": "2" } })).await;
    let path = format!("/servers/{number}");
    let renamed = client.put(&path, json!({ "name": "new" })).await;
    assert_eq!(renamed.body["server"]["name"], "new");
    assert_eq!(
        renamed.body["server"]["labels"],
        json!({ "a": "1", "b": "2" })
    );
    let labelled = client.put(&path, json!({ "labels": { "c": "3" } })).await;
    assert_eq!(labelled.body["server"]["labels"], json!({ "c": "3" }));
    for (body, expected) in [
        (json!({ "name": "taken" }), (409, "uniqueness_error")),
        (json!({ "name": "a_b" }), (422, "invalid_input")),
    ] {
        assert_eq!(client.put(&path, body).await.refusal(), expected);
    }
    assert_eq!(
        client.put("/servers/1", json!({})).await.refusal(),
        (404, "not_found")
    );
}

#[tokio::test]
async fn servers_are_listed_by_name_label_and_status() {
    let (_simulator, client) = start().await;
    server(&client, "b", json!({ "labels": { "role": "web" } })).await;
    server_off(&client, "a").await;
    let table = [
        ("", vec!["b", "a"]),
        ("?sort=name", vec!["a", "b"]),
        ("?name=a", vec!["a"]),
        ("?label_selector=role%3Dweb", vec!["b"]),
        ("?status=off", vec!["a"]),
        ("?status=running&status=off&sort=name:desc", vec!["b", "a"]),
        ("?status=migrating", vec![]),
    ];
    for (query, expected) in table {
        let list = client.get(&format!("/servers{query}")).await.body["servers"].clone();
        assert_eq!(all(&list, "name"), expected, "{query}");
    }
}

#[tokio::test]
async fn protection_covers_deleting_and_rebuilding_together() {
    let (_simulator, client) = start().await;
    let number = server(&client, "web", json!({})).await;
    let half = act(
        &client,
        number,
        "change_protection",
        json!({ "delete": true }),
    )
    .await;
    assert_eq!(half.refusal(), (422, "invalid_input"));
    let both = json!({ "delete": true, "rebuild": true });
    let action = done(&client, number, "change_protection", both.clone()).await;
    assert_eq!(action["command"], "change_protection");
    assert_eq!(read(&client, number).await["protection"], both);
    let path = format!("/servers/{number}");
    assert_eq!(client.delete(&path).await.refusal(), (423, "protected"));
    let rebuild = act(&client, number, "rebuild", json!({ "image": "debian-13" })).await;
    assert_eq!(rebuild.refusal(), (423, "protected"));
    let none = json!({ "delete": false, "rebuild": false });
    done(&client, number, "change_protection", none).await;
    assert_eq!(client.delete(&path).await.status, 200);
}

#[tokio::test]
async fn a_deleted_server_leaves_everything_that_it_was_in() {
    let (simulator, client) = start().await;
    let network = network(&client, "n", "10.0.0.0/16", "10.0.1.0/24").await;
    let volume = json!({ "name": "v", "size": 10, "location": "fsn1" });
    let volume = id(&client.post("/volumes", volume).await.body["volume"]);
    let group = json!({ "name": "g", "type": "spread" });
    let group = id(&client.post("/placement_groups", group).await.body["placement_group"]);
    let more = json!({ "networks": [network], "volumes": [volume], "placement_group": group });
    let number = server(&client, "web", more).await;
    done(&client, number, "enable_backup", json!({})).await;
    let backup = json!({ "type": "backup" });
    let backup = id(&act(&client, number, "create_image", backup).await.body["image"]);
    let snapshot = id(&act(&client, number, "create_image", json!({})).await.body["image"]);

    simulator.actions().set_mode(ActionMode::Explicit);
    let path = format!("/servers/{number}");
    let deleted = client.delete(&path).await;
    assert_eq!(deleted.status, 200, "{}", deleted.text);
    assert_eq!(deleted.body["action"]["command"], "delete_server");
    assert_eq!(read(&client, number).await["status"], "deleting");
    simulator.actions().drain();
    assert_eq!(client.get(&path).await.refusal(), (404, "not_found"));
    let action = client
        .get(&format!("/actions/{}", deleted.body["action"]["id"]))
        .await;
    assert_eq!(
        action.body["action"]["status"], "success",
        "the action outlives the server"
    );

    let network = client.get(&format!("/networks/{network}")).await.body["network"].clone();
    assert_eq!(network["servers"], json!([]));
    let volume = client.get(&format!("/volumes/{volume}")).await.body["volume"].clone();
    assert_eq!(volume["server"], Value::Null);
    let group = client.get(&format!("/placement_groups/{group}")).await;
    assert_eq!(group.body["placement_group"]["servers"], json!([]));
    assert_eq!(
        client.get("/primary_ips").await.body["primary_ips"],
        json!([])
    );
    assert_eq!(client.get(&format!("/images/{backup}")).await.status, 404);
    assert_eq!(client.get(&format!("/images/{snapshot}")).await.status, 200);
}

#[tokio::test]
async fn reverse_dns_of_a_server_has_defaults_and_goes_back_to_them() {
    let (_simulator, client) = start().await;
    let number = server(&client, "web", json!({})).await;
    let net = read(&client, number).await["public_net"].clone();
    let ipv4 = net["ipv4"]["ip"].as_str().unwrap();
    let mut parts: Vec<&str> = ipv4.split('.').collect();
    parts.reverse();
    let default = format!("static.{}.clients.your-server.de", parts.join("."));
    assert_eq!(net["ipv4"]["dns_ptr"], default);
    assert_eq!(net["ipv6"]["dns_ptr"], json!([]));
    let ipv6 = net["ipv6"]["ip"].as_str().unwrap().replace("::/64", "::1");

    for (ip, name) in [(ipv4, "v4.example.com"), (&ipv6, "v6.example.com")] {
        let body = json!({ "ip": ip, "dns_ptr": name });
        let action = done(&client, number, "change_dns_ptr", body).await;
        assert_eq!(action["command"], "change_dns_ptr");
    }
    let named = read(&client, number).await["public_net"].clone();
    assert_eq!(named["ipv4"]["dns_ptr"], "v4.example.com");
    assert_eq!(
        named["ipv6"]["dns_ptr"],
        json!([{ "ip": ipv6, "dns_ptr": "v6.example.com" }])
    );
    for ip in [ipv4, &ipv6] {
        let body = json!({ "ip": ip, "dns_ptr": null });
        done(&client, number, "change_dns_ptr", body).await;
    }
    assert_eq!(read(&client, number).await["public_net"], net);

    for (body, field) in [
        (json!({ "ip": "192.0.2.1", "dns_ptr": "a.b" }), "ip"),
        (json!({ "ip": "nowhere", "dns_ptr": "a.b" }), "ip"),
        (json!({ "dns_ptr": "a.b" }), "ip"),
        (json!({ "ip": ipv4, "dns_ptr": "not a name" }), "dns_ptr"),
    ] {
        let refused = act(&client, number, "change_dns_ptr", body).await;
        assert_eq!(refused.refusal(), (422, "invalid_input"));
        assert_eq!(refused.body["error"]["details"]["fields"][0]["name"], field);
    }
}

#[tokio::test]
async fn addresses_are_unrouted_ones_unless_loopback_is_asked_for() {
    let (simulator, client) = start().await;
    let first = create(&client, "a", json!({})).await["server"]["public_net"].clone();
    assert!(first["ipv4"]["ip"].as_str().unwrap().starts_with("198.1"));
    assert!(
        first["ipv6"]["ip"]
            .as_str()
            .unwrap()
            .starts_with("2001:db8:")
    );
    assert!(first["ipv6"]["ip"].as_str().unwrap().ends_with("::/64"));
    simulator.world().addresses = AddressPool::Loopback;
    let second = create(&client, "b", json!({})).await["server"]["public_net"].clone();
    assert!(second["ipv4"]["ip"].as_str().unwrap().starts_with("127."));
    assert_ne!(first["ipv6"]["ip"], second["ipv6"]["ip"]);
}

#[tokio::test]
async fn servers_had_a_datacenter_until_july_2026() {
    let (_simulator, client) = with(Options {
        api_date: ApiDate::June2026,
        ..Options::default()
    })
    .await;
    let more = json!({ "location": null, "datacenter": "hel1-dc2" });
    let answer = create(&client, "old", more).await;
    assert_eq!(answer["server"]["location"]["name"], "hel1");
    assert_eq!(answer["server"]["datacenter"]["name"], "hel1-dc2");
    let refused = json!({ "location": null, "datacenter": "moon" });
    let refused = client.post("/servers", order("new", &refused)).await;
    assert_eq!(refused.refusal(), (422, "invalid_input"));
}

#[tokio::test]
async fn a_restored_server_is_the_one_that_was_saved() {
    let (simulator, client) = start_explicit().await;
    let network = network(&client, "n", "10.0.0.0/16", "10.0.1.0/24").await;
    let more = json!({ "networks": [network], "user_data": "#cloud-config" });
    let number = server(&client, "web", more).await;
    let saved = simulator.world().save().unwrap();
    let before = read(&client, number).await;
    simulator.actions().drain();
    assert_eq!(read(&client, number).await["status"], "running");
    simulator.world().restore(saved).unwrap();
    assert_eq!(read(&client, number).await, before);
    simulator.actions().drain();
    assert_eq!(
        read(&client, number).await["private_net"][0]["ip"],
        "10.0.1.1"
    );
}

async fn fill(client: &Client, group: u64, count: usize) {
    for index in 0..count {
        let more = json!({ "placement_group": group, "start_after_create": false });
        server(client, &format!("s{index}"), more).await;
    }
}

#[tokio::test]
async fn a_placement_group_has_room_for_ten_servers() {
    let (_simulator, client) = start().await;
    let group = json!({ "name": "g", "type": "spread" });
    let group = id(&client.post("/placement_groups", group).await.body["placement_group"]);
    fill(&client, group, 10).await;
    let full = client
        .post(
            "/servers",
            order("s10", &json!({ "placement_group": group })),
        )
        .await;
    assert_eq!(
        full.refusal(),
        (422, "placement_group_member_limit_reached")
    );
    let lone = server_off(&client, "lone").await;
    let joining = json!({ "placement_group": group });
    let full = act(&client, lone, "add_to_placement_group", joining.clone()).await;
    assert_eq!(
        full.refusal(),
        (422, "placement_group_member_limit_reached")
    );

    let first = id(&client.get("/servers?name=s0").await.body["servers"][0]);
    assert_eq!(read(&client, first).await["placement_group"]["id"], group);
    done(&client, first, "remove_from_placement_group", json!({})).await;
    assert_eq!(read(&client, first).await["placement_group"], Value::Null);
    done(&client, lone, "add_to_placement_group", joining.clone()).await;
    assert_eq!(read(&client, lone).await["placement_group"]["id"], group);
    let twice = act(&client, lone, "add_to_placement_group", joining.clone()).await;
    assert_eq!(twice.refusal(), (422, "already_in_placement_group"));
    done(&client, lone, "poweron", json!({})).await;
    for command in ["add_to_placement_group", "remove_from_placement_group"] {
        let running = act(&client, lone, command, joining.clone()).await;
        assert_eq!(running.refusal(), (422, "server_not_stopped"), "{command}");
    }
}

#[tokio::test]
async fn a_firewall_that_is_being_applied_does_not_lock_the_server() {
    let (simulator, client) = start_explicit().await;
    let number = server(&client, "web", json!({})).await;
    simulator.actions().drain();
    let target = json!({ "type": "server", "server": { "id": number } });
    let firewall = json!({ "name": "f", "apply_to": [target] });
    let answer = client.post("/firewalls", firewall).await;
    assert_eq!(all(&answer.body["actions"], "status"), ["running"]);
    let now = read(&client, number).await;
    assert_eq!(all(&now["public_net"]["firewalls"], "status"), ["pending"]);
    assert_eq!(now["locked"], false);
    done(&client, number, "poweroff", json!({})).await;
}
