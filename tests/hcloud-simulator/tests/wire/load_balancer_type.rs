//! Load balancer types.

use hcloud_simulator::{ApiDate, Options, Simulator};
use serde_json::{Value, json};

use crate::client::Client;

#[tokio::test]
async fn load_balancer_types_tell_their_limits() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let client = Client::new(&simulator);
    let answer = client.get("/load_balancer_types").await;
    let limits: Vec<Value> = answer.body["load_balancer_types"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| {
            let fields = [
                "name",
                "max_connections",
                "max_services",
                "max_targets",
                "max_assigned_certificates",
            ];
            json!(fields.map(|field| kind[field].clone()))
        })
        .collect();
    let expected = [
        json!(["lb11", 10_000, 5, 25, 10]),
        json!(["lb21", 20_000, 15, 75, 25]),
        json!(["lb31", 40_000, 30, 150, 50]),
    ];
    assert_eq!(limits, expected);
    let one = client.get("/load_balancer_types/2").await;
    assert_eq!(one.body["load_balancer_type"]["description"], "LB21");
    assert_eq!(
        one.body["load_balancer_type"]["prices"]
            .as_array()
            .unwrap()
            .len(),
        6
    );
    assert_eq!(
        client.get("/load_balancer_types/9").await.refusal(),
        (404, "not_found")
    );
}

#[tokio::test]
async fn deprecation_has_the_name_of_its_time() {
    for (api_date, present, absent) in [
        (ApiDate::June2026, "deprecated", "deprecation"),
        (ApiDate::November2026, "deprecation", "deprecated"),
    ] {
        let options = Options {
            api_date,
            ..Options::default()
        };
        let simulator = Simulator::start(options).await.unwrap();
        let answer = Client::new(&simulator).get("/load_balancer_types/1").await;
        let kind = answer.body["load_balancer_type"].as_object().unwrap();
        assert_eq!(kind.get(present), Some(&Value::Null), "{api_date}");
        assert!(!kind.contains_key(absent), "{api_date}");
    }
}
