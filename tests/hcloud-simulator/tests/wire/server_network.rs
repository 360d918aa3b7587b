//! Servers in private networks.

use hcloud_simulator::Fault;
use http::Method;
use serde_json::{Value, json};

use crate::{
    client::Client,
    server_family::{act, all, by_hand, done, network, read, server, start, start_explicit},
};

async fn members(client: &Client, network: u64) -> Value {
    let answer = client.get(&format!("/networks/{network}/members")).await;
    answer.body["members"].clone()
}

#[tokio::test]
async fn a_server_gets_the_address_that_it_asks_for_or_the_next_one() {
    let (_simulator, client) = start().await;
    let net = network(&client, "n", "10.0.0.0/16", "10.0.1.0/24").await;
    let one = server(&client, "one", json!({})).await;
    let two = server(&client, "two", json!({})).await;
    let wish = json!({ "network": net, "ip": "10.0.1.9", "alias_ips": ["10.0.1.20", "10.0.1.21"] });
    let action = done(&client, one, "attach_to_network", wish).await;
    assert_eq!(action["command"], "attach_to_network");
    assert_eq!(
        action["resources"],
        json!([{ "id": one, "type": "server" }, { "id": net, "type": "network" }])
    );
    done(&client, two, "attach_to_network", json!({ "network": net })).await;
    let private = read(&client, one).await["private_net"].clone();
    assert_eq!(private[0]["network"], net);
    assert_eq!(private[0]["ip"], "10.0.1.9");
    assert_eq!(private[0]["alias_ips"], json!(["10.0.1.20", "10.0.1.21"]));
    let other = read(&client, two).await["private_net"].clone();
    assert_eq!(
        (&other[0]["ip"], &other[0]["alias_ips"]),
        (&json!("10.0.1.1"), &json!([]))
    );
    assert!(
        private[0]["mac_address"]
            .as_str()
            .unwrap()
            .starts_with("86:00:00:")
    );
    assert_ne!(private[0]["mac_address"], other[0]["mac_address"]);
    let shown = client.get(&format!("/networks/{net}")).await.body["network"]["servers"].clone();
    assert_eq!(shown, json!([one, two]));
}

#[tokio::test]
async fn a_subnet_can_be_chosen() {
    let (_simulator, client) = start().await;
    let net = network(&client, "n", "10.0.0.0/16", "10.0.1.0/24").await;
    let more = json!({ "type": "cloud", "ip_range": "10.0.2.0/24", "network_zone": "eu-central" });
    let path = format!("/networks/{net}/actions/add_subnet");
    assert_eq!(client.post(&path, more).await.status, 201);
    let number = server(&client, "web", json!({})).await;
    let outside = json!({ "network": net, "ip_range": "10.0.1.0/24", "ip": "10.0.2.5" });
    let refused = act(&client, number, "attach_to_network", outside).await;
    assert_eq!(refused.refusal(), (422, "invalid_input"));
    let wish = json!({ "network": net, "ip_range": "10.0.1.0/24" });
    done(&client, number, "attach_to_network", wish).await;
    assert_eq!(
        read(&client, number).await["private_net"][0]["ip"],
        "10.0.1.1"
    );
}

#[tokio::test]
async fn places_that_cannot_be_had_are_refused() {
    let (_simulator, client) = start().await;
    let net = network(&client, "n", "10.0.0.0/16", "10.0.0.0/24").await;
    let overlapping = network(&client, "wide", "10.0.0.0/8", "10.1.0.0/24").await;
    let first = server(&client, "first", json!({ "networks": [net] })).await;
    let far = server(
        &client,
        "far",
        json!({ "server_type": "cpx11", "location": "ash" }),
    )
    .await;
    let number = server(&client, "web", json!({})).await;
    assert_eq!(
        read(&client, first).await["private_net"][0]["ip"],
        "10.0.0.2",
        ".1 is the gateway"
    );
    let table = [
        (
            first,
            json!({ "network": net }),
            (422, "server_already_attached"),
        ),
        (
            first,
            json!({ "network": overlapping }),
            (422, "networks_overlap"),
        ),
        (far, json!({ "network": net }), (422, "no_subnet_available")),
        (
            number,
            json!({ "network": net, "ip": "10.0.0.1" }),
            (422, "ip_not_available"),
        ),
        (
            number,
            json!({ "network": net, "ip": "10.0.0.2" }),
            (422, "ip_not_available"),
        ),
        (
            number,
            json!({ "network": net, "ip": "10.0.9.9" }),
            (422, "no_subnet_available"),
        ),
        (
            number,
            json!({ "network": net, "ip_range": "10.0.5.0/24" }),
            (422, "no_subnet_available"),
        ),
        (
            number,
            json!({ "network": net, "alias_ips": ["10.0.0.2"] }),
            (422, "ip_not_available"),
        ),
        (
            number,
            json!({ "network": net, "alias_ips": ["10.0.0.3"] }),
            (422, "ip_not_available"),
        ),
        (
            number,
            json!({ "network": net, "alias_ips": ["10.0.0.9", "10.0.0.9"] }),
            (422, "ip_not_available"),
        ),
        (
            number,
            json!({ "network": net, "alias_ips": ["10.9.0.1"] }),
            (422, "ip_not_available"),
        ),
        (
            number,
            json!({ "network": net, "alias_ips": ["x"] }),
            (422, "invalid_input"),
        ),
        (
            number,
            json!({ "network": net, "ip": "x" }),
            (422, "invalid_input"),
        ),
        (
            number,
            json!({ "network": net, "ip_range": "x" }),
            (422, "invalid_input"),
        ),
        (number, json!({}), (422, "invalid_input")),
        (number, json!({ "network": 1 }), (404, "not_found")),
    ];
    for (server, body, expected) in table {
        let answer = act(&client, server, "attach_to_network", body.clone()).await;
        assert_eq!(answer.refusal(), expected, "{body}: {}", answer.text);
    }
    assert_eq!(all(&members(&client, net).await, "id"), [first]);
}

#[tokio::test]
async fn alias_ips_are_replaced_as_a_whole() {
    let (_simulator, client) = start().await;
    let net = network(&client, "n", "10.0.0.0/16", "10.0.1.0/24").await;
    let number = server(&client, "web", json!({ "networks": [net] })).await;
    let other = server(&client, "other", json!({ "networks": [net] })).await;
    let body = |ips: Value| json!({ "network": net, "alias_ips": ips });
    let action = done(
        &client,
        number,
        "change_alias_ips",
        body(json!(["10.0.1.8", "10.0.1.9"])),
    )
    .await;
    assert_eq!(action["command"], "change_alias_ips");
    done(
        &client,
        number,
        "change_alias_ips",
        body(json!(["10.0.1.9", "10.0.1.10"])),
    )
    .await;
    let private = read(&client, number).await["private_net"].clone();
    assert_eq!(private[0]["alias_ips"], json!(["10.0.1.9", "10.0.1.10"]));
    assert_eq!(private[0]["ip"], "10.0.1.1");
    let taken = act(
        &client,
        other,
        "change_alias_ips",
        body(json!(["10.0.1.9"])),
    )
    .await;
    assert_eq!(taken.refusal(), (422, "ip_not_available"));
    let own = act(
        &client,
        number,
        "change_alias_ips",
        body(json!(["10.0.1.1"])),
    )
    .await;
    assert_eq!(own.refusal(), (422, "ip_not_available"));
    let missing = act(
        &client,
        number,
        "change_alias_ips",
        json!({ "network": net }),
    )
    .await;
    assert_eq!(missing.refusal(), (422, "invalid_input"));
    done(&client, number, "change_alias_ips", body(json!([]))).await;
    assert_eq!(
        read(&client, number).await["private_net"][0]["alias_ips"],
        json!([])
    );
    done(
        &client,
        other,
        "change_alias_ips",
        body(json!(["10.0.1.9"])),
    )
    .await;
}

#[tokio::test]
async fn a_detached_server_frees_its_address() {
    let (_simulator, client) = start().await;
    let net = network(&client, "n", "10.0.0.0/16", "10.0.1.0/24").await;
    let number = server(&client, "web", json!({ "networks": [net] })).await;
    let action = done(
        &client,
        number,
        "detach_from_network",
        json!({ "network": net }),
    )
    .await;
    assert_eq!(action["command"], "detach_from_network");
    assert_eq!(read(&client, number).await["private_net"], json!([]));
    for command in ["detach_from_network", "change_alias_ips"] {
        let body = json!({ "network": net, "alias_ips": [] });
        let refused = act(&client, number, command, body).await;
        assert_eq!(refused.refusal(), (404, "not_found"), "{command}");
    }
    let again = json!({ "network": net, "ip": "10.0.1.1" });
    done(&client, number, "attach_to_network", again).await;
    let subnet = json!({ "ip_range": "10.0.1.0/24" });
    let path = format!("/networks/{net}/actions/delete_subnet");
    let refused = client.post(&path, subnet.clone()).await;
    assert_eq!(refused.refusal(), (422, "service_error"));
    done(
        &client,
        number,
        "detach_from_network",
        json!({ "network": net }),
    )
    .await;
    assert_eq!(client.post(&path, subnet).await.status, 201);
}

#[tokio::test]
async fn members_show_how_far_they_are_while_the_network_is_busy() {
    let (simulator, client) = start_explicit().await;
    let net = network(&client, "n", "10.0.0.0/16", "10.0.1.0/24").await;
    let one = server(&client, "one", json!({})).await;
    let two = server(&client, "two", json!({})).await;
    simulator.actions().drain();
    let attach = json!({ "network": net });
    let detach = attach.clone();
    let aliases = json!({ "network": net, "alias_ips": ["10.0.1.9"] });
    for (command, body, status) in [
        ("attach_to_network", attach.clone(), "attaching"),
        ("change_alias_ips", aliases, "updating"),
        ("detach_from_network", detach, "detaching"),
    ] {
        done(&client, one, command, body).await;
        assert_eq!(all(&members(&client, net).await, "status"), [status]);
        let busy = act(&client, two, "attach_to_network", attach.clone()).await;
        assert_eq!(busy.refusal(), (409, "conflict"), "{command}");
        let locked = act(&client, one, "attach_to_network", attach.clone()).await;
        assert_eq!(locked.refusal(), (423, "locked"), "{command}");
        let path = format!("/networks/{net}/actions/add_subnet");
        let subnet =
            json!({ "type": "cloud", "ip_range": "10.0.2.0/24", "network_zone": "us-east" });
        assert_eq!(
            client.post(&path, subnet).await.refusal(),
            (409, "conflict"),
            "{command}"
        );
        simulator.actions().drain();
    }
    assert_eq!(members(&client, net).await, json!([]));
}

#[tokio::test]
async fn an_attachment_that_fails_to_change_stays_what_it_was() {
    let (simulator, client) = start().await;
    let net = network(&client, "n", "10.0.0.0/16", "10.0.1.0/24").await;
    let number = server(&client, "web", json!({})).await;
    let fail = |command: &str| {
        let fault = Fault::on(Method::POST, format!("/servers/*/actions/{command}"));
        simulator
            .faults()
            .inject(fault.fail_action("action_failed", "no"));
    };
    fail("attach_to_network");
    let action = done(
        &client,
        number,
        "attach_to_network",
        json!({ "network": net }),
    )
    .await;
    assert_eq!(action["status"], "error");
    assert_eq!(members(&client, net).await, json!([]));
    done(
        &client,
        number,
        "attach_to_network",
        json!({ "network": net }),
    )
    .await;
    let before = members(&client, net).await;
    assert_eq!(all(&before, "status"), ["ok"]);
    for command in ["change_alias_ips", "detach_from_network"] {
        fail(command);
        let body = json!({ "network": net, "alias_ips": ["10.0.1.9"] });
        assert_eq!(
            done(&client, number, command, body).await["status"],
            "error"
        );
        assert_eq!(members(&client, net).await, before, "{command}");
    }
}

#[tokio::test]
async fn a_deleted_network_lets_its_servers_go() {
    let (_simulator, client) = start().await;
    let net = network(&client, "n", "10.0.0.0/16", "10.0.1.0/24").await;
    let number = server(&client, "web", json!({ "networks": [net] })).await;
    assert_eq!(client.delete(&format!("/networks/{net}")).await.status, 204);
    let now = read(&client, number).await;
    assert_eq!(
        (&now["private_net"], &now["status"]),
        (&json!([]), &json!("running"))
    );
}

#[tokio::test]
async fn a_network_has_room_for_a_hundred_members() {
    let (simulator, client) = start().await;
    let net = network(&client, "n", "10.0.0.0/16", "10.0.1.0/24").await;
    let first = server(&client, "first", json!({ "networks": [net] })).await;
    by_hand(&simulator, |project| {
        let network = project.networks_mut().get_mut(net).unwrap();
        let member = network.members[0].clone();
        for index in 2..=99_u8 {
            let mut member = member.clone();
            member.id = 1000 + u64::from(index);
            member.ip = [10, 0, 1, index].into();
            network.members.push(member);
        }
    });
    server(&client, "last", json!({ "networks": [net] })).await;
    let number = server(&client, "web", json!({})).await;
    let full = act(
        &client,
        number,
        "attach_to_network",
        json!({ "network": net }),
    )
    .await;
    assert_eq!(full.refusal(), (403, "resource_limit_exceeded"));
    done(
        &client,
        first,
        "detach_from_network",
        json!({ "network": net }),
    )
    .await;
    done(
        &client,
        number,
        "attach_to_network",
        json!({ "network": net }),
    )
    .await;
}
