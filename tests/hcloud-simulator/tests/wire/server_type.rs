//! Server types: what is sold where, and what is left of it.

use std::time::Duration;

use hcloud_simulator::{ApiDate, DEFAULT_TOKEN, Deprecation, Options, Simulator, SteppedClock};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::client::Client;

async fn start(api_date: ApiDate) -> (Simulator, Client) {
    let options = Options {
        api_date,
        ..Options::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let client = Client::new(&simulator);
    (simulator, client)
}

async fn named(client: &Client, name: &str) -> Value {
    let answer = client.get(&format!("/server_types?name={name}")).await;
    answer.body["server_types"][0].clone()
}

fn place<'a>(server_type: &'a Value, location: &str) -> &'a Value {
    let places = server_type["locations"].as_array().unwrap();
    places
        .iter()
        .find(|place| place["name"] == location)
        .unwrap()
}

#[tokio::test]
async fn a_server_type_tells_its_size_its_places_and_its_prices() {
    let (_simulator, client) = start(ApiDate::November2026).await;
    let cx23 = named(&client, "cx23").await;
    for (field, value) in [
        ("description", json!("CX23")),
        ("cores", json!(2)),
        ("memory", json!(4.0)),
        ("disk", json!(40)),
        ("cpu_type", json!("shared")),
        ("storage_type", json!("local")),
        ("architecture", json!("x86")),
    ] {
        assert_eq!(cx23[field], value, "{field}");
    }
    assert_eq!(
        *place(&cx23, "hel1"),
        json!({ "id": 3, "name": "hel1", "available": true, "recommended": true, "deprecation": null })
    );
    let price = json!({
        "location": "fsn1",
        "price_hourly": { "net": "0.0088000000", "gross": "0.0104720000000000" },
        "price_monthly": { "net": "5.4900000000", "gross": "6.5331000000000000" },
        "included_traffic": 21_990_232_555_520_u64,
        "price_per_tb_traffic": { "net": "1.0000000000", "gross": "1.1900000000000000" },
    });
    assert_eq!(cx23["prices"][0], price);
    let read = client.get(&format!("/server_types/{}", cx23["id"])).await;
    assert_eq!(read.body["server_type"], cx23);
    assert_eq!(
        client.get("/server_types/1").await.refusal(),
        (404, "not_found")
    );
}

#[tokio::test]
async fn every_place_of_sale_has_a_price_and_only_those() {
    let (_simulator, client) = start(ApiDate::November2026).await;
    let answer = client.get("/server_types?per_page=50").await;
    let server_types = answer.body["server_types"].as_array().unwrap();
    assert_eq!(server_types.len(), 25);
    for server_type in server_types {
        let names = |list: &str, field: &str| -> Vec<Value> {
            let items = server_type[list].as_array().unwrap().iter();
            items.map(|item| item[field].clone()).collect()
        };
        let places = names("locations", "name");
        assert_eq!(
            places,
            names("prices", "location"),
            "{}",
            server_type["name"]
        );
        assert!(!places.is_empty(), "{}", server_type["name"]);
    }
    let places = |name: &str| {
        let server_type = server_types.iter().find(|one| one["name"] == name).unwrap();
        let places = server_type["locations"].as_array().unwrap().iter();
        places
            .map(|place| place["name"].as_str().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(places("cax11"), ["fsn1", "nbg1", "hel1"]);
    assert_eq!(places("cpx22"), ["fsn1", "nbg1", "hel1", "sin"]);
    assert_eq!(places("cpx11"), ["ash", "hil", "sin"]);
    assert_eq!(places("ccx13").len(), 6);
}

#[tokio::test]
async fn what_is_sold_out_is_shown_to_one_project_until_it_is_restocked() {
    let options = Options::default().token("a", "t-a").token("b", "t-b");
    let simulator = Simulator::start(options).await.unwrap();
    let client = Client::new(&simulator);
    let (a, b) = (
        client.with_token(Some("t-a")),
        client.with_token(Some("t-b")),
    );
    let change = |work: fn(&mut hcloud_simulator::Capacity)| {
        work(&mut simulator.world().project_mut("t-a").unwrap().capacity);
    };
    change(|capacity| capacity.sell_out("cx23", "fsn1"));
    let cx23 = named(&a, "cx23").await;
    assert_eq!(place(&cx23, "fsn1")["available"], false);
    assert_eq!(place(&cx23, "nbg1")["available"], true);
    assert_eq!(place(&named(&a, "cx33").await, "fsn1")["available"], true);
    assert_eq!(place(&named(&b, "cx23").await, "fsn1")["available"], true);
    change(|capacity| capacity.restock("cx23", "fsn1"));
    assert_eq!(place(&named(&a, "cx23").await, "fsn1")["available"], true);
}

#[tokio::test]
async fn a_type_that_is_withdrawn_is_announced_and_then_no_longer_sold() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let steps = SteppedClock::new(at(1_000));
    let options = Options {
        clock: steps.clock(),
        ..Options::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let client = Client::new(&simulator);
    let told = json!({
        "announced": "1970-01-01T00:08:20Z",
        "unavailable_after": "1970-01-01T00:33:20Z",
    });
    {
        let mut world = simulator.world();
        let project = world.project_mut(DEFAULT_TOKEN).unwrap();
        let deprecation = Deprecation {
            announced: at(500),
            unavailable_after: at(2_000),
        };
        let capacity = &mut project.capacity;
        capacity.withdraw("cx23", Some("fsn1"), deprecation);
        capacity.withdraw("cx33", None, deprecation);
        capacity.withdraw("lb21", None, deprecation);
    }
    let order = async |name: &str, kind: &str, location: &str| {
        let (path, field) = match kind {
            "lb21" => ("/load_balancers", "load_balancer_type"),
            _ => ("/servers", "server_type"),
        };
        let mut body = json!({ "name": name, "location": location, "image": "debian-13" });
        body[field] = kind.into();
        client.post(path, body).await
    };
    let cx23 = named(&client, "cx23").await;
    assert_eq!(place(&cx23, "fsn1")["deprecation"], told);
    assert_eq!(place(&cx23, "nbg1")["deprecation"], Value::Null);
    assert_eq!(cx23["deprecation"], Value::Null, "it is sold elsewhere");
    let cx33 = named(&client, "cx33").await;
    assert_eq!(place(&cx33, "nbg1")["deprecation"], told);
    assert_eq!(cx33["deprecation"], told);
    let lb21 = client.get("/load_balancer_types/2").await;
    assert_eq!(lb21.body["load_balancer_type"]["deprecation"], told);
    for (index, kind) in ["cx23", "cx33", "lb21"].into_iter().enumerate() {
        let answer = order(&format!("before-{index}"), kind, "fsn1").await;
        assert_eq!(answer.status, 201, "{kind}: {}", answer.text);
    }

    steps.advance(Duration::from_secs(1_000));
    for kind in ["cx23", "cx33", "lb21"] {
        let answer = order("after", kind, "fsn1").await;
        assert_eq!(
            answer.refusal(),
            (422, "invalid_input"),
            "{kind}: {}",
            answer.text
        );
    }
    assert_eq!(order("after", "cx23", "nbg1").await.status, 201);
    assert_eq!(named(&client, "cx23").await["name"], "cx23");
    assert_eq!(named(&client, "cx33").await, Value::Null, "not listed");
    let listed = client.get("/load_balancer_types?name=lb21").await;
    assert_eq!(listed.body["load_balancer_types"], json!([]));
    let old = &client.get("/servers?name=before-1").await.body["servers"][0];
    assert_eq!(old["server_type"]["name"], "cx33", "what exists goes on");
}

#[tokio::test]
async fn capacity_and_quotas_are_set_by_hand_too() {
    let (simulator, client) = start(ApiDate::November2026).await;
    let control = Client::control(&simulator);
    let shortage = json!({
        "shortages": [{ "server_type": "cx23", "location": "fsn1", "kind": "sold_out" }],
        "full_of_volumes": ["hel1"],
    });
    let path = "/projects/default/capacity";
    assert_eq!(control.put(path, shortage.clone()).await.status, 204);
    assert_eq!(control.get(path).await.body, shortage);
    assert_eq!(
        place(&named(&client, "cx23").await, "fsn1")["available"],
        false
    );

    let path = "/projects/default/quotas";
    assert_eq!(
        control.put(path, json!({ "networks": 0 })).await.status,
        204
    );
    assert_eq!(control.get(path).await.body, json!({ "networks": 0 }));
    let network = json!({ "name": "n", "ip_range": "10.0.0.0/16" });
    let refused = client.post("/networks", network).await;
    assert_eq!(refused.refusal(), (403, "resource_limit_exceeded"));
    assert_eq!(control.get("/projects/nobody/quotas").await.status, 404);
}

#[tokio::test]
async fn older_states_of_the_api_have_the_fields_of_their_time() {
    let fields = |date| async move {
        let (_simulator, client) = start(date).await;
        let cx23 = named(&client, "cx23").await;
        (
            cx23["deprecated"].clone(),
            place(&cx23, "fsn1")["available"].clone(),
        )
    };
    assert_eq!(
        fields(ApiDate::December2025).await,
        (json!(false), Value::Null)
    );
    assert_eq!(fields(ApiDate::June2026).await, (json!(false), json!(true)));
    assert_eq!(
        fields(ApiDate::November2026).await,
        (Value::Null, json!(true))
    );
}
