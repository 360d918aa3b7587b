//! What the tests of servers, primary IPs and volumes share.

use hcloud_simulator::{ActionMode, DEFAULT_TOKEN, Options, Project, Simulator};
use serde_json::{Value, json};

use crate::client::{Answer, Client};

/// A simulator whose actions take no time.
pub(crate) async fn start() -> (Simulator, Client) {
    with(Options::default()).await
}

/// A simulator whose actions end when a test says so.
pub(crate) async fn start_explicit() -> (Simulator, Client) {
    with(Options {
        actions: ActionMode::Explicit,
        ..Options::default()
    })
    .await
}

pub(crate) async fn with(options: Options) -> (Simulator, Client) {
    let simulator = Simulator::start(options).await.unwrap();
    let client = Client::new(&simulator);
    (simulator, client)
}

/// Works on the project behind the API's back.
pub(crate) fn by_hand<T>(simulator: &Simulator, work: impl FnOnce(&mut Project) -> T) -> T {
    work(simulator.world().project_mut(DEFAULT_TOKEN).unwrap())
}

/// An order for a small server in Falkenstein; `more` is added to it.
pub(crate) fn order(name: &str, more: &Value) -> Value {
    let mut order = json!({
        "name": name,
        "server_type": "cx23",
        "image": "ubuntu-24.04",
        "location": "fsn1",
    });
    for (key, value) in more.as_object().unwrap() {
        order[key] = value.clone();
    }
    order
}

/// Creates a server that must be accepted and gives the whole answer.
pub(crate) async fn create(client: &Client, name: &str, more: Value) -> Value {
    let answer = client.post("/servers", order(name, &more)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.body
}

/// Creates a server and gives its id.
pub(crate) async fn server(client: &Client, name: &str, more: Value) -> u64 {
    id(&create(client, name, more).await["server"])
}

/// Creates a server that is off.
pub(crate) async fn server_off(client: &Client, name: &str) -> u64 {
    server(client, name, json!({ "start_after_create": false })).await
}

/// Creates a network with one subnet in the middle of Europe.
pub(crate) async fn network(client: &Client, name: &str, range: &str, subnet: &str) -> u64 {
    let body = json!({
        "name": name,
        "ip_range": range,
        "subnets": [{ "type": "cloud", "ip_range": subnet, "network_zone": "eu-central" }],
    });
    let answer = client.post("/networks", body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    id(&answer.body["network"])
}

pub(crate) async fn act(client: &Client, server: u64, command: &str, body: Value) -> Answer {
    let path = format!("/servers/{server}/actions/{command}");
    client.post(&path, body).await
}

/// Like [`act`], for a call that must be accepted; gives the action.
pub(crate) async fn done(client: &Client, server: u64, command: &str, body: Value) -> Value {
    let answer = act(client, server, command, body).await;
    assert_eq!(answer.status, 201, "{command}: {}", answer.text);
    answer.body["action"].clone()
}

pub(crate) async fn read(client: &Client, server: u64) -> Value {
    let answer = client.get(&format!("/servers/{server}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["server"].clone()
}

pub(crate) fn id(object: &Value) -> u64 {
    object["id"].as_u64().unwrap()
}

/// The field of every object in a list.
pub(crate) fn all<'a>(list: &'a Value, field: &str) -> Vec<&'a Value> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|item| &item[field])
        .collect()
}
