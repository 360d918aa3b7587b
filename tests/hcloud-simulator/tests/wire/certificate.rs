//! Certificates: uploaded, issued, and in use.

use hcloud_simulator::{
    ActionError, ActionMode, DEFAULT_TOKEN, Fault, Options, Simulator,
    resource::certificate::Renewal,
};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Client};

const PEM: &str = "\
-----BEGIN CERTIFICATE-----
MIIBzzCCAXagAwIBAgIUN1k+380jQYez3yjuYTaGD3Rpo4owCgYIKoZIzj0EAwIw
KDEQMA4GA1UECgwHRXhhbXBsZTEUMBIGA1UEAwwLZXhhbXBsZS5jb20wIBcNMjYx
MTIxMTM1NjM4WhgPMjA1NDA0MDcxMzU2MzhaMCgxEDAOBgNVBAoMB0V4YW1wbGUx
FDASBgNVBAMMC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
UKnvWel9xqAK6ZhRNhUTTjuFK90XiQKimfVm0JYp81585IvGlkdaS1/N9xTPMdXr
rDOs0XTtYtH3nDVY9w1H/aN8MHowHQYDVR0OBBYEFKFqtNu5iuXeZeX/BWr+zbgz
MZCEMB8GA1UdIwQYMBaAFKFqtNu5iuXeZeX/BWr+zbgzMZCEMA8GA1UdEwEB/wQF
MAMBAf8wJwYDVR0RBCAwHoILZXhhbXBsZS5jb22CD3d3dy5leGFtcGxlLmNvbTAK
BggqhkjOPQQDAgNHADBEAiBlCU1b/CvvQKl4YFHtcfmGc4CssgN4qmVpevePOCrp
7wIgMM+JPmAaspD14mcRIh29gkxcKR7xbBCDnQepFhdf2nk=
-----END CERTIFICATE-----
";
/// Nobody looks at what is in it.
const PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----\nbm90IGEga2V5\n-----END PRIVATE KEY-----\n";

async fn start(actions: ActionMode) -> (Simulator, Client) {
    let options = Options {
        actions,
        ..Options::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let client = Client::new(&simulator);
    (simulator, client)
}

const AT_ONCE: ActionMode = ActionMode::Automatic(std::time::Duration::ZERO);

async fn upload(client: &Client, name: &str) -> Answer {
    let body = json!({ "name": name, "certificate": PEM, "private_key": PRIVATE_KEY });
    client.post("/certificates", body).await
}

async fn order(client: &Client) -> Answer {
    let body =
        json!({ "name": "m", "type": "managed", "domain_names": ["example.com", "*.example.com"] });
    client.post("/certificates", body).await
}

async fn read(client: &Client, id: &Value) -> Value {
    client.get(&format!("/certificates/{id}")).await.body["certificate"].clone()
}

#[tokio::test]
async fn an_uploaded_certificate_tells_what_it_contains_and_keeps_no_key() {
    let (simulator, client) = start(AT_ONCE).await;
    let created = upload(&client, "web").await;
    assert_eq!(
        (created.status, &created.body["action"]),
        (201, &Value::Null),
        "{}",
        created.text
    );
    let certificate = created.body["certificate"].clone();
    for (field, value) in [
        ("type", json!("uploaded")),
        ("certificate", json!(PEM)),
        ("not_valid_before", json!("2026-11-21T13:56:38Z")),
        ("not_valid_after", json!("2054-04-07T13:56:38Z")),
        ("domain_names", json!(["example.com", "www.example.com"])),
        (
            "fingerprint",
            json!(
                "21:F5:5D:4F:2D:3D:4A:83:BD:40:CF:AB:78:E7:4E:27:DD:46:FC:28:F1:40:21:14:C6:4B:21:0F:12:03:E0:3D"
            ),
        ),
        ("status", Value::Null),
        ("used_by", json!([])),
    ] {
        assert_eq!(certificate[field], value, "{field}");
    }
    assert_eq!(read(&client, &certificate["id"]).await, certificate);
    let state = Client::control(&simulator).get("/state").await.text;
    assert!(!state.contains("PRIVATE KEY"), "the key is kept nowhere");
}

#[tokio::test]
async fn what_is_no_certificate_or_key_is_invalid_input() {
    let (_simulator, client) = start(AT_ONCE).await;
    let table = [
        (
            json!({ "name": "a", "private_key": PRIVATE_KEY }),
            "certificate",
        ),
        (
            json!({ "name": "a", "certificate": "x", "private_key": PRIVATE_KEY }),
            "certificate",
        ),
        (json!({ "name": "a", "certificate": PEM }), "private_key"),
        (
            json!({ "name": "a", "certificate": PEM, "private_key": PEM }),
            "private_key",
        ),
        (json!({ "name": "a", "type": "managed" }), "domain_names"),
        (
            json!({ "name": "a", "type": "managed", "domain_names": [] }),
            "domain_names",
        ),
        (
            json!({ "name": "a", "type": "managed", "domain_names": ["no dots"] }),
            "domain_names",
        ),
        (json!({ "name": "a", "type": "rented" }), "type"),
        (
            json!({ "certificate": PEM, "private_key": PRIVATE_KEY }),
            "name",
        ),
    ];
    for (body, field) in table {
        let answer = client.post("/certificates", body.clone()).await;
        assert_eq!(answer.refusal(), (422, "invalid_input"), "{body}");
        assert_eq!(
            answer.body["error"]["details"]["fields"][0]["name"], field,
            "{body}"
        );
    }
    assert_eq!(
        client.get("/certificates").await.body["certificates"],
        json!([])
    );
}

#[tokio::test]
async fn a_managed_certificate_is_pending_until_it_is_issued() {
    let (simulator, client) = start(ActionMode::Explicit).await;
    let created = order(&client).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let action = &created.body["action"];
    let id = &created.body["certificate"]["id"];
    assert_eq!(action["command"], "create_certificate");
    assert_eq!(
        action["resources"],
        json!([{ "id": id, "type": "certificate" }])
    );
    let certificate = &created.body["certificate"];
    let status =
        |issuance: &str| json!({ "issuance": issuance, "renewal": "unavailable", "error": null });
    assert_eq!(certificate["status"], status("pending"));
    assert_eq!(
        (&certificate["certificate"], &certificate["not_valid_after"]),
        (&Value::Null, &Value::Null)
    );
    let early = client.delete(&format!("/certificates/{id}")).await;
    assert_eq!(early.refusal(), (409, "conflict"));

    simulator.actions().drain();
    let certificate = read(&client, id).await;
    assert_eq!(certificate["status"], status("completed"));
    assert!(
        certificate["certificate"]
            .as_str()
            .unwrap()
            .starts_with("-----BEGIN CERTIFICATE-----")
    );
    assert_eq!(
        certificate["fingerprint"]
            .as_str()
            .unwrap()
            .split(':')
            .count(),
        32
    );
    assert!(certificate["not_valid_before"].as_str() < certificate["not_valid_after"].as_str());
}

#[tokio::test]
async fn a_failed_issue_says_why_and_can_be_tried_again() {
    let (simulator, client) = start(AT_ONCE).await;
    let (code, message) = ("dns_zone_not_found", "DNS zone not found");
    simulator
        .faults()
        .inject(Fault::on(Method::POST, "/certificates").fail_action(code, message));
    let created = order(&client).await;
    let id = &created.body["certificate"]["id"];
    let status = json!({
        "issuance": "failed",
        "renewal": "unavailable",
        "error": { "code": code, "message": message },
    });
    assert_eq!(read(&client, id).await["status"], status);

    let path = format!("/certificates/{id}/actions/retry");
    simulator.actions().set_mode(ActionMode::Explicit);
    let retried = client.post(&path, json!({})).await;
    assert_eq!(
        retried.body["action"]["command"], "issue_certificate",
        "{}",
        retried.text
    );
    assert_eq!(read(&client, id).await["status"]["issuance"], "pending");
    assert_eq!(
        client.post(&path, json!({})).await.refusal(),
        (422, "unsupported_error")
    );
    simulator
        .actions()
        .fail_next(&ActionError::new(code, message));
    assert_eq!(read(&client, id).await["status"], status);
    assert_eq!(client.post(&path, json!({})).await.status, 201);
    simulator.actions().drain();
    let status = read(&client, id).await["status"].clone();
    assert_eq!(
        (&status["issuance"], &status["error"]),
        (&json!("completed"), &Value::Null)
    );
}

#[tokio::test]
async fn only_what_has_failed_can_be_tried_again() {
    let (simulator, client) = start(AT_ONCE).await;
    let uploaded = upload(&client, "u").await.body["certificate"]["id"].clone();
    let managed = order(&client).await.body["certificate"]["id"].clone();
    let retry = |id: &Value| {
        let (client, path) = (client.clone(), format!("/certificates/{id}/actions/retry"));
        async move { client.post(&path, json!({})).await }
    };
    assert_eq!(retry(&uploaded).await.refusal(), (422, "unsupported_error"));
    assert_eq!(retry(&managed).await.refusal(), (422, "unsupported_error"));
    {
        let mut world = simulator.world();
        let certificates = world.project_mut(DEFAULT_TOKEN).unwrap().certificates_mut();
        certificates
            .get_mut(managed.as_u64().unwrap())
            .unwrap()
            .renewal = Renewal::Failed;
    }
    assert_eq!(read(&client, &managed).await["status"]["renewal"], "failed");
    assert_eq!(retry(&managed).await.status, 201);
    assert_eq!(
        read(&client, &managed).await["status"]["renewal"],
        "unavailable"
    );
}

#[tokio::test]
async fn names_are_used_once_and_labels_replaced() {
    let (_simulator, client) = start(AT_ONCE).await;
    let id = upload(&client, "a").await.body["certificate"]["id"].clone();
    assert_eq!(
        upload(&client, "a").await.refusal(),
        (409, "uniqueness_error")
    );
    assert_eq!(upload(&client, "b").await.status, 201);
    let path = format!("/certificates/{id}");
    assert_eq!(
        client.put(&path, json!({ "name": "b" })).await.refusal(),
        (409, "uniqueness_error")
    );
    let updated = client
        .put(&path, json!({ "name": "c", "labels": { "x": "y" } }))
        .await;
    let certificate = &updated.body["certificate"];
    assert_eq!(
        (&certificate["name"], &certificate["labels"]),
        (&json!("c"), &json!({ "x": "y" }))
    );
    let listed = client
        .get("/certificates?label_selector=x&type=uploaded")
        .await;
    assert_eq!(listed.body["certificates"], json!([certificate]));
}

#[tokio::test]
async fn a_certificate_in_use_stays() {
    let (_simulator, client) = start(AT_ONCE).await;
    let id = upload(&client, "web").await.body["certificate"]["id"].clone();
    let service = json!({
        "protocol": "https",
        "listen_port": 443,
        "destination_port": 80,
        "proxyprotocol": false,
        "http": { "certificates": [id] },
        "health_check": { "protocol": "tcp", "port": 80, "interval": 15, "timeout": 10, "retries": 3 },
    });
    let body = json!({
        "name": "lb",
        "load_balancer_type": "lb11",
        "location": "fsn1",
        "algorithm": { "type": "round_robin" },
        "services": [service],
    });
    let created = client.post("/load_balancers", body).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let user = &created.body["load_balancer"]["id"];
    let expected = json!([{ "id": user, "type": "load_balancer" }]);
    assert_eq!(read(&client, &id).await["used_by"], expected);
    let path = format!("/certificates/{id}");
    assert_eq!(client.delete(&path).await.refusal(), (422, "service_error"));
    let deleted = client.delete(&format!("/load_balancers/{user}")).await;
    assert!(deleted.status < 300, "{}", deleted.text);
    assert_eq!(client.delete(&path).await.status, 204);
}
