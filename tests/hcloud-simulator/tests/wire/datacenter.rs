//! Datacenters: gone, unless an older state of the API is served.

use hcloud_simulator::{ApiDate, DEFAULT_TOKEN, Options, Simulator};
use serde_json::json;

use crate::client::Client;

#[tokio::test]
async fn datacenters_are_gone_and_the_answer_says_where_to_read_why() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let client = Client::new(&simulator);
    for path in ["/datacenters", "/datacenters/4"] {
        let answer = client.get(path).await;
        assert_eq!(answer.refusal(), (410, "deprecated_api_endpoint"), "{path}");
        let announcement = answer.body["error"]["details"]["announcement"]
            .as_str()
            .unwrap();
        assert!(
            announcement.starts_with("https://docs.hetzner.cloud/changelog#"),
            "{announcement}"
        );
    }
}

#[tokio::test]
async fn older_states_of_the_api_serve_them() {
    for api_date in [ApiDate::December2025, ApiDate::June2026] {
        let options = Options {
            api_date,
            ..Options::default()
        };
        let simulator = Simulator::start(options).await.unwrap();
        let client = Client::new(&simulator);
        simulator
            .world()
            .project_mut(DEFAULT_TOKEN)
            .unwrap()
            .capacity
            .sell_out("cx23", "fsn1");
        let list = client.get("/datacenters").await;
        assert_eq!(
            list.body["datacenters"].as_array().unwrap().len(),
            6,
            "{api_date}"
        );
        assert_eq!(list.body["recommendation"], 2, "{api_date}");
        let one = client.get("/datacenters/4").await.body["datacenter"].clone();
        assert_eq!(
            (&one["name"], &one["location"]["name"]),
            (&json!("fsn1-dc14"), &json!("fsn1"))
        );
        let contains = |list: &str| {
            one["server_types"][list]
                .as_array()
                .unwrap()
                .contains(&json!(114))
        };
        assert!(
            contains("supported") && !contains("available"),
            "{api_date}: cx23 is sold out"
        );
        assert_eq!(
            client.get("/datacenters/1").await.refusal(),
            (404, "not_found")
        );
    }
}
