//! ISOs.

use hcloud_simulator::{Options, Simulator};
use serde_json::json;

use crate::client::Client;

#[tokio::test]
async fn isos_are_found_by_name_and_architecture() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let client = Client::new(&simulator);
    let name = "SW_DVD9_Win_Server_STD_CORE_2022__64Bit_German_DC_STD_MLF_X22-74292.iso";
    let found = client.get(&format!("/isos?name={name}")).await.body["isos"].clone();
    let expected = json!([{
        "id": 87_014,
        "name": name,
        "description": "Windows Server 2022 German",
        "type": "public",
        "architecture": "x86",
        "deprecation": null,
    }]);
    assert_eq!(found, expected);
    assert_eq!(client.get("/isos/87014").await.body["iso"], expected[0]);
    let arm = client.get("/isos?architecture=arm").await.body["isos"].clone();
    let arm = arm.as_array().unwrap();
    assert!(
        arm.iter()
            .any(|iso| iso["name"].as_str().unwrap().starts_with("talos-"))
    );
    assert!(arm.iter().all(|iso| iso["architecture"] == "arm"));
    assert_eq!(client.get("/isos/1").await.refusal(), (404, "not_found"));
}
