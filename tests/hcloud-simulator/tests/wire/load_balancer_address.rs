//! The public addresses of load balancers.

use hcloud_simulator::{
    ActionMode, ApiDate, DEFAULT_TOKEN, Options, Simulator, resource::primary_ip::AddressPool,
};
use serde_json::{Value, json};

use crate::{
    client::Client,
    load_balancer::{invalid_fields, start},
};

#[tokio::test]
async fn before_october_2026_a_delete_is_done_at_once_and_addresses_have_no_ids() {
    let simulator = Simulator::start(Options {
        api_date: ApiDate::June2026,
        actions: ActionMode::Explicit,
        ..Options::default()
    })
    .await
    .unwrap();
    let client = Client::new(&simulator);
    let id = client.create_load_balancer("n").await;
    simulator.actions().drain();
    let ipv4 = client.load_balancer(id).await["public_net"]["ipv4"].clone();
    assert!(ipv4["ip"].is_string() && ipv4.get("id").is_none(), "{ipv4}");
    let list = client.get("/primary_ips").await;
    assert_eq!(list.body["primary_ips"], json!([]));
    let path = format!("/load_balancers/{id}");
    assert_eq!(client.delete(&path).await.status, 204);
    assert_eq!(client.get(&path).await.status, 404);
}

#[tokio::test]
async fn reverse_dns_has_a_default_for_ipv4_and_is_set_and_reset() {
    let (_simulator, client) = start().await;
    let id = client.create_load_balancer("n").await;
    let public = client.load_balancer(id).await["public_net"].clone();
    let ipv4 = public["ipv4"]["ip"].as_str().unwrap();
    let ipv6 = public["ipv6"]["ip"].as_str().unwrap();
    assert!(ipv6.ends_with("::1"), "{ipv6}");
    let default = {
        let mut octets: Vec<&str> = ipv4.split('.').collect();
        octets.reverse();
        format!("static.{}.clients.your-server.de", octets.join("."))
    };
    let names = async || {
        let public = client.load_balancer(id).await["public_net"].clone();
        ["ipv4", "ipv6"].map(|family| public[family]["dns_ptr"].clone())
    };
    let change = async |ip: &str, name: Value| {
        let body = json!({ "ip": ip, "dns_ptr": name });
        client.balance(id, "change_dns_ptr", body).await
    };
    assert_eq!(names().await, [json!(default), json!(null)]);
    assert_eq!(change(ipv4, json!("lb.example.com")).await.status, 201);
    assert_eq!(change(ipv6, json!("lb6.example.com")).await.status, 201);
    assert_eq!(
        names().await,
        [json!("lb.example.com"), json!("lb6.example.com")]
    );
    change(ipv4, json!(null)).await;
    change(ipv6, json!(null)).await;
    assert_eq!(names().await, [json!(default), json!(null)]);
    assert_eq!(
        invalid_fields(&change("198.51.100.9", json!("x.example.com")).await),
        ["ip"]
    );
}

#[tokio::test]
async fn an_existing_primary_ip_is_used_and_outlives_the_load_balancer() {
    let (simulator, client) = start().await;
    let ip = async |name: &str, family: &str, location: &str| {
        let body = json!({ "name": name, "type": family, "location": location });
        let answer = client.post("/primary_ips", body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.body["primary_ip"].clone()
    };
    let own = ip("own", "ipv4", "hel1").await;
    let create = async |name: &str, place: Value, net: Value| {
        let mut body = json!({ "name": name, "load_balancer_type": "lb11", "public_net": net });
        body["network_zone"] = place["network_zone"].clone();
        body["location"] = place["location"].clone();
        client.post("/load_balancers", body).await
    };
    let zone = json!({ "network_zone": "eu-central" });
    let answer = create("n", zone.clone(), json!({ "ipv4": own["id"] })).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let created = &answer.body["load_balancer"];
    assert_eq!(created["location"]["name"], "hel1", "where the address is");
    assert_eq!(created["public_net"]["ipv4"]["ip"], own["ip"]);
    assert_eq!(created["public_net"]["ipv4"]["id"], own["id"]);
    assert!(created["public_net"]["ipv6"]["id"].is_u64(), "{created}");

    let six = ip("six", "ipv6", "hel1").await;
    let location = json!({ "location": "fsn1" });
    let table = [
        (
            &zone,
            json!({ "ipv4": own["id"] }),
            (422, "primary_ip_assigned"),
        ),
        (
            &zone,
            json!({ "ipv4": six["id"] }),
            (412, "primary_ip_version_mismatch"),
        ),
        (
            &location,
            json!({ "ipv6": six["id"] }),
            (422, "primary_ip_datacenter_mismatch"),
        ),
        (&zone, json!({ "ipv4": 5 }), (404, "not_found")),
    ];
    for (place, net, expected) in table {
        let answer = create("m", place.clone(), net).await;
        assert_eq!(answer.refusal(), expected, "{}", answer.text);
    }

    let unassign = format!("/primary_ips/{}/actions/unassign", own["id"]);
    assert_eq!(
        client.post(&unassign, json!({})).await.status,
        422,
        "it is fixed for life"
    );
    client
        .delete(&format!("/load_balancers/{}", created["id"]))
        .await;
    let world = simulator.world();
    let project = world.project(DEFAULT_TOKEN).unwrap();
    let left: Vec<_> = project
        .primary_ips()
        .iter()
        .map(|ip| (ip.name.as_str(), ip.assignee))
        .collect();
    assert_eq!(left, [("own", None), ("six", None)]);
}

#[tokio::test]
async fn addresses_come_from_the_pool_of_the_world() {
    let (simulator, client) = start().await;
    simulator.world().addresses = AddressPool::Loopback;
    let id = client.create_load_balancer("n").await;
    let address = client.load_balancer(id).await["public_net"]["ipv4"]["ip"].clone();
    assert!(address.as_str().unwrap().starts_with("127."), "{address}");
}
