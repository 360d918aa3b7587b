//! The price list.

use hcloud_simulator::{Options, Simulator};
use serde_json::json;

use crate::client::Client;

#[tokio::test]
async fn the_price_list_repeats_what_the_types_say() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let client = Client::new(&simulator);
    let pricing = client.get("/pricing").await.body["pricing"].clone();
    assert_eq!(
        (&pricing["currency"], &pricing["vat_rate"]),
        (&json!("EUR"), &json!("19.000000"))
    );
    assert_eq!(
        pricing["volume"]["price_per_gb_month"]["net"],
        "0.0572000000"
    );
    assert_eq!(
        pricing["image"]["price_per_gb_month"]["net"],
        "0.0143000000"
    );
    assert_eq!(pricing["server_backup"]["percentage"], "20.0000000000");
    for (list, path) in [
        ("server_types", "/server_types"),
        ("load_balancer_types", "/load_balancer_types"),
    ] {
        let types = client.get(&format!("{path}?per_page=50")).await.body[list].clone();
        let types = types.as_array().unwrap();
        let prices = pricing[list].as_array().unwrap();
        assert_eq!(types.len(), prices.len(), "{list}");
        for (one, price) in types.iter().zip(prices) {
            let expected = json!({ "id": one["id"], "name": one["name"], "prices": one["prices"] });
            assert_eq!(*price, expected);
        }
    }
    let ipv4 = &pricing["primary_ips"][0];
    assert_eq!(ipv4["type"], "ipv4");
    assert_eq!(ipv4["prices"][0]["location"], "fsn1");
    assert_eq!(ipv4["prices"][0]["price_monthly"]["net"], "0.5000000000");
    assert_eq!(ipv4["prices"][0]["price_hourly"]["net"], "0.0008000000");
}
