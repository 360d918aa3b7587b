//! Networks, their subnets and their routes.

use hcloud_simulator::{
    ActionMode, Options, Simulator,
    resource::network::{Member, MemberKind, MemberStatus},
};
use serde_json::{Value, json};

use crate::client::{Answer, Client};

async fn start() -> (Simulator, Client) {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let client = Client::new(&simulator);
    (simulator, client)
}

async fn act(client: &Client, network: u64, command: &str, body: Value) -> Answer {
    client
        .post(&format!("/networks/{network}/actions/{command}"), body)
        .await
}

#[tokio::test]
async fn a_network_is_created_with_its_subnets_and_routes_in_one_call() {
    let (_simulator, client) = start().await;
    let answer = client
        .post(
            "/networks",
            json!({
                "name": "main",
                "ip_range": "10.0.0.0/16",
                "labels": { "a": "b" },
                "expose_routes_to_vswitch": true,
                "subnets": [{ "type": "cloud", "ip_range": "10.0.1.0/24", "network_zone": "eu-central" }],
                "routes": [{ "destination": "10.100.1.0/24", "gateway": "10.0.1.1" }],
            }),
        )
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let network = &answer.body["network"];
    let subnet = json!({
        "type": "cloud",
        "ip_range": "10.0.1.0/24",
        "network_zone": "eu-central",
        "gateway": "10.0.0.1",
        "vswitch_id": null,
    });
    assert_eq!(network["subnets"], json!([subnet]));
    assert_eq!(
        network["routes"],
        json!([{ "destination": "10.100.1.0/24", "gateway": "10.0.1.1" }])
    );
    assert_eq!(network["protection"], json!({ "delete": false }));
    assert_eq!(network["expose_routes_to_vswitch"], true);
    assert_eq!(
        (&network["servers"], &network["load_balancers"]),
        (&json!([]), &json!([]))
    );
    let read = client.get(&format!("/networks/{}", network["id"])).await;
    assert_eq!(read.body["network"], *network);
}

#[tokio::test]
async fn a_nested_subnet_that_breaks_a_rule_is_named_and_nothing_is_created() {
    let (_simulator, client) = start().await;
    let subnet =
        |range: &str| json!({ "type": "cloud", "ip_range": range, "network_zone": "eu-central" });
    let body = json!({ "name": "n", "ip_range": "10.0.0.0/16", "subnets": [subnet("10.0.1.0/24"), subnet("10.0.1.128/25")] });
    let answer = client.post("/networks", body).await;
    assert_eq!(answer.refusal(), (422, "invalid_input"));
    assert_eq!(
        answer.body["error"]["details"]["fields"][0]["name"],
        "subnets.1.ip_range"
    );
    assert_eq!(client.get("/networks").await.body["networks"], json!([]));
}

#[tokio::test]
async fn a_name_is_used_once_in_a_project() {
    let (_simulator, client) = start().await;
    let id = client.create_network("n", "10.0.0.0/16").await;
    let again = client
        .post(
            "/networks",
            json!({ "name": "n", "ip_range": "10.1.0.0/16" }),
        )
        .await;
    assert_eq!(again.refusal(), (409, "uniqueness_error"));
    let other = client.create_network("m", "10.0.0.0/16").await;
    let renamed = client
        .put(&format!("/networks/{other}"), json!({ "name": "n" }))
        .await;
    assert_eq!(renamed.refusal(), (409, "uniqueness_error"));
    assert_eq!(
        client
            .put(&format!("/networks/{id}"), json!({ "name": "n" }))
            .await
            .status,
        200,
        "its own name is free"
    );
}

#[tokio::test]
async fn an_update_replaces_what_it_names_and_labels_as_a_whole() {
    let (_simulator, client) = start().await;
    let body = json!({ "name": "n", "ip_range": "10.0.0.0/16", "labels": { "a": "1", "b": "2" } });
    let id = client.post("/networks", body).await.body["network"]["id"].clone();
    let path = format!("/networks/{id}");
    let renamed = client
        .put(
            &path,
            json!({ "name": "m", "expose_routes_to_vswitch": true }),
        )
        .await;
    assert_eq!(
        renamed.body["network"]["labels"],
        json!({ "a": "1", "b": "2" })
    );
    assert_eq!(renamed.body["network"]["expose_routes_to_vswitch"], true);
    let labelled = client.put(&path, json!({ "labels": { "c": "3" } })).await;
    assert_eq!(labelled.body["network"]["labels"], json!({ "c": "3" }));
    assert_eq!(labelled.body["network"]["name"], "m");
    assert_eq!(
        client.put("/networks/1", json!({})).await.refusal(),
        (404, "not_found")
    );
}

#[tokio::test]
async fn subnets_and_routes_come_and_go_by_actions() {
    let (_simulator, client) = start().await;
    let id = client.create_network("n", "10.0.0.0/16").await;
    let subnet =
        json!({ "type": "cloud", "ip_range": "10.0.1.0/24", "network_zone": "eu-central" });
    let added = act(&client, id, "add_subnet", subnet).await;
    assert_eq!(added.status, 201, "{}", added.text);
    assert_eq!(added.body["action"]["command"], "add_subnet");
    assert_eq!(
        added.body["action"]["resources"],
        json!([{ "id": id, "type": "network" }])
    );
    let route = json!({ "destination": "10.244.0.0/24", "gateway": "10.0.1.2" });
    assert_eq!(
        act(&client, id, "add_route", route.clone()).await.status,
        201
    );
    let network = client.get(&format!("/networks/{id}")).await.body["network"].clone();
    assert_eq!(
        (
            network["subnets"].as_array().unwrap().len(),
            &network["routes"]
        ),
        (1, &json!([route]))
    );

    assert_eq!(
        act(&client, id, "delete_route", route.clone()).await.status,
        201
    );
    assert_eq!(
        act(
            &client,
            id,
            "delete_subnet",
            json!({ "ip_range": "10.0.1.0/24" })
        )
        .await
        .status,
        201
    );
    let network = client.get(&format!("/networks/{id}")).await.body["network"].clone();
    assert_eq!(
        (&network["subnets"], &network["routes"]),
        (&json!([]), &json!([]))
    );
    assert_eq!(
        act(&client, id, "delete_route", route).await.refusal(),
        (404, "not_found")
    );
    let gone = act(
        &client,
        id,
        "delete_subnet",
        json!({ "ip_range": "10.0.1.0/24" }),
    )
    .await;
    assert_eq!(gone.refusal(), (404, "not_found"));
}

#[tokio::test]
async fn the_api_names_the_field_of_a_bad_subnet_or_route() {
    let (_simulator, client) = start().await;
    let id = client.create_network("n", "10.0.0.0/16").await;
    let table = [
        (
            "add_subnet",
            json!({ "type": "cloud", "ip_range": "10.0.1.0/24", "network_zone": "moon" }),
            "network_zone",
        ),
        (
            "add_subnet",
            json!({ "type": "wire", "ip_range": "10.0.1.0/24", "network_zone": "us-east" }),
            "type",
        ),
        (
            "add_subnet",
            json!({ "type": "cloud", "ip_range": "10.1.1.0/24", "network_zone": "us-east" }),
            "ip_range",
        ),
        (
            "add_subnet",
            json!({ "type": "cloud", "ip_range": 5, "network_zone": "us-east" }),
            "ip_range",
        ),
        (
            "add_route",
            json!({ "destination": "8.8.8.0/24", "gateway": "10.0.1.1" }),
            "destination",
        ),
        (
            "add_route",
            json!({ "destination": "10.1.0.0/24", "gateway": "10.0.0.1" }),
            "gateway",
        ),
        (
            "add_route",
            json!({ "destination": "10.1.0.0/24" }),
            "gateway",
        ),
        (
            "change_ip_range",
            json!({ "ip_range": "10.0.0.0/17" }),
            "ip_range",
        ),
    ];
    for (command, body, field) in table {
        let answer = act(&client, id, command, body.clone()).await;
        assert_eq!(answer.refusal(), (422, "invalid_input"), "{command} {body}");
        assert_eq!(
            answer.body["error"]["details"]["fields"][0]["name"], field,
            "{command} {body}"
        );
    }
}

#[tokio::test]
async fn a_range_grows_at_its_end() {
    let (_simulator, client) = start().await;
    let id = client.create_network("n", "10.2.0.0/16").await;
    assert_eq!(
        act(
            &client,
            id,
            "add_subnet",
            json!({ "type": "cloud", "network_zone": "us-east" })
        )
        .await
        .status,
        201,
        "the API picks a range"
    );
    assert_eq!(
        act(
            &client,
            id,
            "change_ip_range",
            json!({ "ip_range": "10.0.0.0/8" })
        )
        .await
        .refusal(),
        (422, "invalid_input"),
        "the first address stays"
    );
    assert_eq!(
        act(
            &client,
            id,
            "change_ip_range",
            json!({ "ip_range": "10.2.0.0/15" })
        )
        .await
        .status,
        201
    );
    let network = client.get(&format!("/networks/{id}")).await.body["network"].clone();
    assert_eq!(network["ip_range"], "10.2.0.0/15");
    assert_eq!(network["subnets"][0]["gateway"], "10.2.0.1");
}

#[tokio::test]
async fn a_protected_network_stays_until_it_is_unprotected() {
    let (_simulator, client) = start().await;
    let id = client.create_network("n", "10.0.0.0/16").await;
    let path = format!("/networks/{id}");
    assert_eq!(
        act(&client, id, "change_protection", json!({ "delete": true }))
            .await
            .status,
        201
    );
    assert_eq!(client.delete(&path).await.refusal(), (423, "protected"));
    assert_eq!(
        act(&client, id, "change_protection", json!({ "delete": false }))
            .await
            .status,
        201
    );
    let deleted = client.delete(&path).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    assert_eq!(client.get(&path).await.refusal(), (404, "not_found"));
    assert_eq!(client.delete(&path).await.refusal(), (404, "not_found"));
}

#[tokio::test]
async fn one_network_changes_once_at_a_time_and_others_are_free() {
    let options = Options {
        actions: ActionMode::Explicit,
        ..Options::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let client = Client::new(&simulator);
    let (busy, free) = (
        client.create_network("busy", "10.0.0.0/16").await,
        client.create_network("free", "10.0.0.0/16").await,
    );
    let subnet = |n| json!({ "type": "cloud", "ip_range": format!("10.0.{n}.0/24"), "network_zone": "eu-central" });
    assert_eq!(
        act(&client, busy, "add_subnet", subnet(1)).await.status,
        201
    );
    assert_eq!(
        act(&client, busy, "add_subnet", subnet(2)).await.refusal(),
        (409, "conflict")
    );
    assert_eq!(
        client.delete(&format!("/networks/{busy}")).await.refusal(),
        (409, "conflict")
    );
    assert_eq!(
        act(&client, free, "add_subnet", subnet(1)).await.status,
        201
    );
    simulator.actions().drain();
    assert_eq!(
        act(&client, busy, "add_subnet", subnet(2)).await.status,
        201
    );
}

#[tokio::test]
async fn a_subnet_with_members_stays_and_members_are_listed() {
    let (simulator, client) = start().await;
    let id = client.create_network("n", "10.0.0.0/16").await;
    act(
        &client,
        id,
        "add_subnet",
        json!({ "type": "cloud", "ip_range": "10.0.1.0/24", "network_zone": "us-east" }),
    )
    .await;
    let server = Member {
        id: 77,
        kind: MemberKind::Server,
        ip: "10.0.1.2".parse().unwrap(),
        alias_ips: Vec::new(),
        subnet: "10.0.1.0/24".parse().unwrap(),
        status: MemberStatus::Ok,
    };
    let token = hcloud_simulator::DEFAULT_TOKEN;
    let attach = |members: Vec<Member>| {
        simulator
            .world()
            .project_mut(token)
            .unwrap()
            .networks_mut()
            .get_mut(id)
            .unwrap()
            .members = members;
    };
    attach(vec![server]);
    let refused = act(
        &client,
        id,
        "delete_subnet",
        json!({ "ip_range": "10.0.1.0/24" }),
    )
    .await;
    assert_eq!(refused.refusal(), (422, "service_error"));
    assert_eq!(
        client.get(&format!("/networks/{id}")).await.body["network"]["servers"],
        json!([77])
    );
    let members = client.get(&format!("/networks/{id}/members")).await.body["members"].clone();
    let expected = json!([{
        "id": 77, "type": "server", "ip": "10.0.1.2", "alias_ips": [], "subnet": "10.0.1.0/24", "status": "ok",
    }]);
    assert_eq!(members, expected);
    attach(Vec::new());
    assert_eq!(
        act(
            &client,
            id,
            "delete_subnet",
            json!({ "ip_range": "10.0.1.0/24" })
        )
        .await
        .status,
        201
    );
}

#[tokio::test]
async fn a_test_changes_and_adds_networks_by_hand() {
    let (simulator, client) = start().await;
    let id = client.create_network("n", "10.0.0.0/16").await;
    let foreign = {
        let mut world = simulator.world();
        let now = world.now();
        let project = world.project_mut(hcloud_simulator::DEFAULT_TOKEN).unwrap();
        project
            .networks_mut()
            .get_mut(id)
            .unwrap()
            .labels
            .insert("by".to_owned(), "hand".to_owned());
        project.add_network("foreign", "192.168.0.0/16".parse().unwrap(), now)
    };
    assert_eq!(
        client.get(&format!("/networks/{id}")).await.body["network"]["labels"],
        json!({ "by": "hand" })
    );
    assert_eq!(
        client.get(&format!("/networks/{foreign}")).await.body["network"]["name"],
        "foreign"
    );
}
