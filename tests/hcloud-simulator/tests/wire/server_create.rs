//! Servers: how they are ordered and what becomes of the order.

use std::time::Duration;

use hcloud_simulator::{ActionMode, Fault, Options, SteppedClock, resource::server::UserData};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::server_family::{
    act, all, by_hand, create, done, id, network, order, read, server, start, start_explicit, with,
};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

#[tokio::test]
async fn a_new_server_runs_with_an_ipv4_and_an_ipv6_of_its_own() {
    let (_simulator, client) = start().await;
    let answer = create(&client, "web-1", json!({ "labels": { "a": "b" } })).await;
    let made = &answer["server"];
    let number = id(made);
    assert_eq!(made["status"], "running");
    assert_eq!(made["locked"], false);
    assert_eq!(made["labels"], json!({ "a": "b" }));
    assert_eq!(made["server_type"]["name"], "cx23");
    assert_eq!(made["image"]["name"], "ubuntu-24.04");
    assert_eq!(made["image"]["architecture"], "x86");
    assert_eq!(made["location"]["name"], "fsn1");
    assert_eq!(made["primary_disk_size"], 40);
    assert_eq!(made["included_traffic"], 20_u64 << 40);
    assert_eq!(
        made["protection"],
        json!({ "delete": false, "rebuild": false })
    );
    for absent in ["iso", "backup_window", "placement_group"] {
        assert_eq!(made[absent], Value::Null, "{absent}");
        assert!(made.as_object().unwrap().contains_key(absent), "{absent}");
    }
    for empty in ["private_net", "volumes", "load_balancers"] {
        assert_eq!(made[empty], json!([]), "{empty}");
    }
    assert!(made.get("datacenter").is_none());
    assert!(answer["root_password"].is_string());

    let ips = client.get("/primary_ips").await.body["primary_ips"].clone();
    assert_eq!(all(&ips, "type"), ["ipv4", "ipv6"]);
    assert_eq!(all(&ips, "assignee_id"), [number, number]);
    assert_eq!(all(&ips, "assignee_type"), ["server", "server"]);
    assert_eq!(all(&ips, "auto_delete"), [true, true]);
    let net = &made["public_net"];
    assert_eq!(net["ipv4"]["id"], ips[0]["id"]);
    assert_eq!(net["ipv4"]["ip"], ips[0]["ip"]);
    assert_eq!(net["ipv6"]["ip"], ips[1]["ip"]);
    assert_eq!(
        (&net["floating_ips"], &net["firewalls"]),
        (&json!([]), &json!([]))
    );
    assert_eq!(read(&client, number).await, *made);
}

#[tokio::test]
async fn the_actions_of_a_new_server_come_one_after_the_other_and_lock_it() {
    let (simulator, client) = start_explicit().await;
    let network = network(&client, "n", "10.0.0.0/16", "10.0.1.0/24").await;
    let answer = create(&client, "web", json!({ "networks": [network] })).await;
    let number = id(&answer["server"]);
    assert_eq!(answer["action"]["command"], "create_server");
    assert_eq!(
        answer["action"]["resources"],
        json!([{ "id": number, "type": "server" }])
    );
    assert_eq!(
        all(&answer["next_actions"], "command"),
        ["start_server", "attach_to_network"]
    );
    assert_eq!(
        answer["next_actions"][1]["resources"],
        json!([{ "id": number, "type": "server" }, { "id": network, "type": "network" }])
    );

    let actions = simulator.actions();
    for (status, done) in [
        ("initializing", "create_server"),
        ("starting", "start_server"),
        ("running", "attach_to_network"),
    ] {
        let now = read(&client, number).await;
        assert_eq!(
            (&now["status"], &now["locked"]),
            (&json!(status), &json!(true))
        );
        assert_eq!(now["private_net"], json!([]));
        let refused = act(&client, number, "poweroff", json!({})).await;
        assert_eq!(refused.refusal(), (423, "locked"));
        let refused = client.delete(&format!("/servers/{number}")).await;
        assert_eq!(refused.refusal(), (423, "locked"));
        assert_eq!(actions.complete_next().unwrap().command, done);
    }
    let now = read(&client, number).await;
    assert_eq!(now["locked"], false);
    assert_eq!(now["private_net"][0]["ip"], "10.0.1.1");
}

#[tokio::test]
async fn each_action_of_a_new_server_takes_its_time() {
    let steps = SteppedClock::new(Timestamp::UNIX_EPOCH);
    let (_simulator, client) = with(Options {
        clock: steps.clock(),
        actions: ActionMode::Automatic(Duration::from_secs(10)),
        ..Options::default()
    })
    .await;
    let number = server(&client, "web", json!({})).await;
    for expected in ["initializing", "starting", "running"] {
        assert_eq!(read(&client, number).await["status"], expected);
        steps.advance(Duration::from_secs(10));
    }
}

#[tokio::test]
async fn a_follow_up_action_that_fails_leaves_a_server_that_is_off() {
    let (simulator, client) = start().await;
    let fault = Fault::on(Method::POST, "/servers");
    let fault = fault
        .command("start_server")
        .fail_action("action_failed", "no host");
    simulator.faults().inject(fault);
    let answer = create(&client, "web", json!({})).await;
    assert_eq!(answer["action"]["status"], "success");
    assert_eq!(answer["next_actions"][0]["status"], "error");
    assert_eq!(
        answer["next_actions"][0]["error"],
        json!({ "code": "action_failed", "message": "no host" })
    );
    assert_eq!(read(&client, id(&answer["server"])).await["status"], "off");
}

#[tokio::test]
async fn a_server_that_cannot_be_made_leaves_nothing_behind() {
    let (simulator, client) = start().await;
    let network = network(&client, "n", "10.0.0.0/16", "10.0.1.0/24").await;
    let fault = Fault::on(Method::POST, "/servers").fail_action("action_failed", "no");
    simulator.faults().inject(fault);
    let answer = create(&client, "web", json!({ "networks": [network] })).await;
    assert_eq!(answer["server"], Value::Null);
    assert_eq!(answer["action"]["status"], "error");
    assert_eq!(all(&answer["next_actions"], "status"), ["error", "error"]);
    assert_eq!(client.get("/servers").await.body["servers"], json!([]));
    assert_eq!(
        client.get("/primary_ips").await.body["primary_ips"],
        json!([])
    );
    let members = client.get(&format!("/networks/{network}/members")).await;
    assert_eq!(members.body["members"], json!([]));
}

#[tokio::test]
async fn a_server_without_an_interface_does_not_start() {
    let (_simulator, client) = start().await;
    let none = json!({ "enable_ipv4": false, "enable_ipv6": false });
    let answer = create(&client, "lone", json!({ "public_net": none })).await;
    assert_eq!(answer["action"]["status"], "success");
    assert_eq!(answer["next_actions"][0]["error"]["code"], "invalid_input");
    let number = id(&answer["server"]);
    assert_eq!(answer["server"]["public_net"]["ipv4"], Value::Null);
    assert_eq!(answer["server"]["public_net"]["ipv6"], Value::Null);
    assert_eq!(answer["server"]["status"], "off");

    let network = network(&client, "n", "10.0.0.0/16", "10.0.1.0/24").await;
    done(
        &client,
        number,
        "attach_to_network",
        json!({ "network": network }),
    )
    .await;
    done(&client, number, "poweron", json!({})).await;
    assert_eq!(read(&client, number).await["status"], "running");

    let private = json!({ "public_net": none, "networks": [network] });
    let answer = create(&client, "private", private).await;
    assert_eq!(answer["server"]["status"], "running");
}

#[tokio::test]
async fn orders_that_cannot_be_filled_are_refused_with_the_reason() {
    let (simulator, client) = start().await;
    server(&client, "taken", json!({})).await;
    let snapshot = {
        let big = server(&client, "big", json!({ "server_type": "cx53" })).await;
        let answer = act(&client, big, "create_image", json!({})).await;
        answer.body["image"]["id"].clone()
    };
    by_hand(&simulator, |project| {
        project.capacity.sell_out("cx33", "fsn1");
        project.capacity.fill_hosts("cx43", "fsn1");
    });
    let overlapping = [
        network(&client, "a", "10.0.0.0/16", "10.0.1.0/24").await,
        network(&client, "b", "10.0.0.0/8", "10.0.1.0/24").await,
    ];
    let table = [
        (json!({ "name": "no_underscore" }), (422, "invalid_input")),
        (json!({ "name": "-dash" }), (422, "invalid_input")),
        (json!({ "name": "taken" }), (409, "uniqueness_error")),
        (json!({ "server_type": "cx11" }), (422, "invalid_input")),
        (json!({ "server_type": null }), (422, "invalid_input")),
        (json!({ "image": "minix" }), (422, "invalid_input")),
        (json!({ "image": 161_547_270 }), (422, "invalid_input")),
        (json!({ "image": snapshot }), (422, "invalid_input")),
        (json!({ "location": "moon" }), (422, "invalid_input")),
        (json!({ "location": "ash" }), (422, "invalid_input")),
        (json!({ "ssh_keys": ["nobody"] }), (422, "invalid_input")),
        (
            json!({ "user_data": "x".repeat(32 * 1024 + 1) }),
            (422, "invalid_input"),
        ),
        (json!({ "labels": { "-": "x" } }), (422, "invalid_input")),
        (json!({ "networks": [1] }), (404, "not_found")),
        (
            json!({ "networks": overlapping }),
            (422, "networks_overlap"),
        ),
        (json!({ "volumes": [1] }), (404, "not_found")),
        (
            json!({ "firewalls": [{ "firewall": 1 }] }),
            (404, "not_found"),
        ),
        (json!({ "placement_group": 1 }), (404, "not_found")),
        (json!({ "public_net": { "ipv4": 1 } }), (404, "not_found")),
        (
            json!({ "server_type": "cx33" }),
            (412, "resource_unavailable"),
        ),
        (json!({ "server_type": "cx43" }), (422, "placement_error")),
    ];
    for (change, expected) in table {
        let answer = client.post("/servers", order("new", &change)).await;
        assert_eq!(answer.refusal(), expected, "{change}: {}", answer.text);
    }
    by_hand(&simulator, |project| project.quotas.set("servers", 2));
    let answer = client.post("/servers", order("new", &json!({}))).await;
    assert_eq!(answer.refusal(), (403, "resource_limit_exceeded"));
    let names = client.get("/servers").await.body["servers"].clone();
    assert_eq!(all(&names, "name"), ["taken", "big"]);
}

#[tokio::test]
async fn images_are_found_by_name_for_the_architecture_of_the_type() {
    let (_simulator, client) = start().await;
    let arm = create(&client, "arm", json!({ "server_type": "cax11" })).await;
    assert_eq!(arm["server"]["image"]["architecture"], "arm");
    let by_id = json!({ "image": arm["server"]["image"]["id"], "server_type": 45 });
    let again = create(&client, "arm-2", by_id).await;
    assert_eq!(again["server"]["image"], arm["server"]["image"]);
    assert_eq!(again["server"]["server_type"]["name"], "cax11");
}

#[tokio::test]
async fn a_server_that_does_not_say_where_goes_where_its_type_can_be_had() {
    let (simulator, client) = start().await;
    by_hand(&simulator, |project| {
        project.capacity.sell_out("cx23", "fsn1")
    });
    let answer = create(&client, "any", json!({ "location": null })).await;
    assert_eq!(answer["server"]["location"]["name"], "nbg1");
    let volume = json!({ "name": "v", "size": 10, "location": "hel1" });
    let volume = client.post("/volumes", volume).await.body["volume"]["id"].clone();
    let answer = create(
        &client,
        "by-volume",
        json!({ "location": null, "volumes": [volume] }),
    )
    .await;
    assert_eq!(answer["server"]["location"]["name"], "hel1");
}

#[tokio::test]
async fn keys_replace_the_password_and_user_data_is_kept_but_never_told() {
    let (simulator, client) = start().await;
    let key = client
        .post("/ssh_keys", json!({ "name": "me", "public_key": KEY }))
        .await;
    assert_eq!(key.status, 201, "{}", key.text);
    let key = id(&key.body["ssh_key"]);
    let secret = format!("{:x<1$}", "#cloud-config ", 32 * 1024);
    let more = json!({ "ssh_keys": ["me"], "user_data": secret });
    let answer = create(&client, "web", more).await;
    assert_eq!(answer["root_password"], Value::Null);
    assert!(!answer.to_string().contains("cloud-config"));
    let number = id(&answer["server"]);
    by_hand(&simulator, |project| {
        let server = project.servers().get(number).unwrap();
        assert_eq!(
            server.user_data.as_ref().map(UserData::as_str),
            Some(secret.as_str())
        );
        assert_eq!(server.ssh_keys, [key]);
        assert!(!format!("{server:?}").contains("cloud-config"));
    });
}

#[tokio::test]
async fn a_server_takes_the_primary_ips_that_it_is_given() {
    let (_simulator, client) = start().await;
    let mut ips = Vec::new();
    for (name, kind, location) in [
        ("a", "ipv4", "fsn1"),
        ("b", "ipv6", "fsn1"),
        ("c", "ipv4", "hel1"),
    ] {
        let body = json!({ "name": name, "type": kind, "location": location });
        ips.push(id(
            &client.post("/primary_ips", body).await.body["primary_ip"],
        ));
    }
    let given = |ipv4: u64, ipv6: u64| json!({ "public_net": { "ipv4": ipv4, "ipv6": ipv6 } });
    for (net, expected) in [
        (given(ips[1], ips[0]), (412, "primary_ip_version_mismatch")),
        (
            given(ips[2], ips[1]),
            (422, "primary_ip_datacenter_mismatch"),
        ),
    ] {
        let answer = client.post("/servers", order("web", &net)).await;
        assert_eq!(answer.refusal(), expected, "{net}");
    }
    let number = server(&client, "web", given(ips[0], ips[1])).await;
    let net = read(&client, number).await["public_net"].clone();
    assert_eq!(
        (&net["ipv4"]["id"], &net["ipv6"]["id"]),
        (&json!(ips[0]), &json!(ips[1]))
    );
    let taken = client
        .post("/servers", order("other", &given(ips[0], ips[1])))
        .await;
    assert_eq!(taken.refusal(), (422, "primary_ip_assigned"));

    client.delete(&format!("/servers/{number}")).await;
    let left = client.get("/primary_ips").await.body["primary_ips"].clone();
    assert_eq!(all(&left, "id"), [ips[0], ips[1], ips[2]]);
    assert_eq!(all(&left, "assignee_type"), ["unassigned"; 3]);
}

#[tokio::test]
async fn a_server_is_protected_by_its_firewalls_from_the_start() {
    let (_simulator, client) = start().await;
    let firewall = client.post("/firewalls", json!({ "name": "f" })).await;
    let firewall = id(&firewall.body["firewall"]);
    let with_firewall = json!({ "firewalls": [{ "firewall": firewall }] });
    let answer = create(&client, "web", with_firewall.clone()).await;
    assert_eq!(
        answer["server"]["public_net"]["firewalls"],
        json!([{ "id": firewall, "status": "applied" }])
    );
    let mut private = with_firewall;
    private["public_net"] = json!({ "enable_ipv4": false, "enable_ipv6": false });
    let refused = client.post("/servers", order("private", &private)).await;
    assert_eq!(refused.refusal(), (422, "private_net_only_server"));
    client
        .delete(&format!("/servers/{}", answer["server"]["id"]))
        .await;
    let free = client.delete(&format!("/firewalls/{firewall}")).await;
    assert_eq!(free.status, 204, "it was removed with the server");
}

#[tokio::test]
async fn volumes_of_an_order_are_attached_by_follow_up_actions() {
    let (_simulator, client) = start().await;
    let volume = json!({ "name": "v", "size": 10, "location": "fsn1" });
    let volume = id(&client.post("/volumes", volume).await.body["volume"]);
    let answer = create(
        &client,
        "web",
        json!({ "volumes": [volume], "automount": false }),
    )
    .await;
    assert_eq!(
        all(&answer["next_actions"], "command"),
        ["start_server", "attach_volume"]
    );
    assert_eq!(answer["server"]["volumes"], json!([volume]));
    let taken = client
        .post("/servers", order("other", &json!({ "volumes": [volume] })))
        .await;
    assert_eq!(taken.refusal(), (422, "volume_already_attached"));
    let elsewhere = json!({ "name": "w", "size": 10, "location": "hel1" });
    let elsewhere = id(&client.post("/volumes", elsewhere).await.body["volume"]);
    let far = client
        .post("/servers", order("far", &json!({ "volumes": [elsewhere] })))
        .await;
    assert_eq!(far.refusal(), (422, "invalid_input"));
}
