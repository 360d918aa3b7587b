use serde_json::json;

use super::*;
use crate::offline::tests::facts;

fn object(kind: &str, name: &str, spec: &Value) -> Object {
    let object = json!({
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "namespace": "team"},
        "spec": {"forProvider": spec},
    });
    object.as_object().unwrap().clone()
}

fn found(cloud: &mut Cloud<'_>, object: &Object) -> Value {
    cloud.status(object)["atProvider"].clone()
}

fn server(name: &str, types: &[&str], locations: &[&str]) -> Object {
    let spec = json!({
        "serverTypes": types,
        "locations": locations,
        "labels": {"pool": "work"},
        "networks": [{"ip": "10.0.1.10", "subnetIdRef": {"name": "subnet"}}],
        "publicNet": {"ipv4Enabled": true, "ipv6Enabled": false},
    });
    object("Server", name, &spec)
}

#[test]
fn a_server_gets_what_was_asked_for() {
    let facts = Facts::default();
    let mut cloud = Cloud::new(&facts);
    let subnet = object(
        "Subnet",
        "subnet",
        &json!({"networkIdRef": {"name": "net"}}),
    );
    cloud.status(&subnet);
    let found = found(&mut cloud, &server("a-0", &["cx33", "cpx32"], &["fsn1"]));
    assert_eq!(
        found,
        json!({
            "id": 2,
            "name": "a-0",
            "status": "running",
            "serverType": "cx33",
            "location": "fsn1",
            "publicIpv4": "192.0.2.1",
            "privateNets": [{"networkId": 1, "ip": "10.0.1.10", "macAddress": ""}],
            "labels": {"pool": "work"},
            "architecture": "",
            "cores": 0,
            "deleteProtection": false,
            "disk": 0,
            "failedCreations": 0,
            "locked": false,
            "memory": 0,
            "networkZone": "",
            "rebuildProtection": false,
            "rescueEnabled": false,
        })
    );
}

#[test]
fn the_first_type_that_is_sold_is_taken_and_kept() {
    let facts = facts();
    let mut cloud = Cloud::new(&facts);
    let mut chosen = |types: &[&str], locations: &[&str]| {
        let found = found(&mut cloud, &server("a-0", types, locations));
        let text = |key: &str| found[key].as_str().unwrap().to_owned();
        let price = found["price"]["netMonthly"].as_str().map(str::to_owned);
        (text("serverType"), text("location"), price)
    };
    let of = |name: &str, location: &str, price: &str| {
        (name.to_owned(), location.to_owned(), Some(price.to_owned()))
    };
    // cx33 is not sold there.
    let first = chosen(&["cx33", "cpx11"], &["ash"]);
    assert_eq!(first, of("cpx11", "ash", "12.14"));
    let kept = chosen(&["ccx13", "cpx11"], &["fsn1", "ash"]);
    assert_eq!(kept, of("cpx11", "ash", "12.14"));
    let changed = chosen(&["ccx13"], &["fsn1", "ash"]);
    assert_eq!(changed, of("ccx13", "ash", "47.83"));
    let unknown = chosen(&["moon1"], &["ash"]);
    assert_eq!(unknown, ("moon1".to_owned(), "ash".to_owned(), None));
}

#[test]
fn addresses_do_not_depend_on_the_order_of_creation() {
    let facts = Facts::default();
    let mut cloud = Cloud::new(&facts);
    let addresses = |cloud: &mut Cloud<'_>| {
        ["b-0", "a-0"].map(|name| {
            let server = server(name, &["cx33"], &["fsn1"]);
            found(cloud, &server)["publicIpv4"].clone()
        })
    };
    assert_eq!(addresses(&mut cloud), ["192.0.2.1", "192.0.2.2"]);
    cloud.renumber();
    assert_eq!(addresses(&mut cloud), ["192.0.2.2", "192.0.2.1"]);
}

#[test]
fn a_target_finds_servers_by_their_labels() {
    let facts = Facts::default();
    let mut cloud = Cloud::new(&facts);
    let target = object(
        "LoadBalancerTarget",
        "web-1",
        &json!({"labelSelector": "pool=work", "loadBalancerIdRef": {"name": "web"}}),
    );
    assert_eq!(found(&mut cloud, &target).get("servers"), None);

    let version = cloud.version();
    let other = object("Server", "b-0", &json!({"labels": {"pool": "other"}}));
    found(&mut cloud, &other);
    found(&mut cloud, &server("a-0", &["cx33"], &["fsn1"]));
    assert!(cloud.is_outdated(&target, version));
    let service = object(
        "LoadBalancerService",
        "web-80",
        &json!({"listenPort": 80, "loadBalancerIdRef": {"name": "web"}}),
    );
    cloud.status(&service);
    let servers = found(&mut cloud, &target)["servers"].clone();
    assert_eq!(servers.as_array().unwrap().len(), 1);
    assert_eq!(
        servers[0]["healthStatus"],
        json!([{"listenPort": 80, "status": "healthy"}])
    );

    cloud.remove(&server("a-0", &[], &[]));
    assert_eq!(found(&mut cloud, &target).get("servers"), None);
}

#[test]
fn a_load_balancer_knows_its_network_and_a_volume_its_server() {
    let facts = facts();
    let mut cloud = Cloud::new(&facts);
    let balancer = object(
        "LoadBalancer",
        "web",
        &json!({"loadBalancerType": "lb11", "location": "fsn1"}),
    );
    assert_eq!(found(&mut cloud, &balancer).get("privateNets"), None);
    let attachment = json!({"ip": "10.0.1.254", "loadBalancerIdRef": {"name": "web"}});
    cloud.status(&object("LoadBalancerNetwork", "web", &attachment));
    let found_now = found(&mut cloud, &balancer);
    assert_eq!(found_now["privateNets"][0]["ip"], "10.0.1.254");
    assert_eq!(found_now["price"]["netMonthly"], "7.4900000000");

    let volume = object("Volume", "data", &json!({"size": 100, "location": "fsn1"}));
    let attachment = json!({"volumeIdRef": {"name": "data"}, "serverIdRef": {"name": "a-0"}});
    let id = found(&mut cloud, &server("a-0", &["cx33"], &["fsn1"]))["id"].clone();
    cloud.status(&object("VolumeAttachment", "data", &attachment));
    let volume = found(&mut cloud, &volume);
    assert_eq!(volume["serverId"], id);
    assert_eq!(volume["price"]["netMonthly"], "5.72");
}

#[test]
fn an_inventory_counts_what_is_attached_and_answers_requests() {
    let facts = Facts::default();
    let mut cloud = Cloud::new(&facts);
    let subnet = json!({"networkIdRef": {"name": "net"}});
    cloud.status(&object("Subnet", "subnet", &subnet));
    let mut inventory = object(
        "Inventory",
        "net",
        &json!({"networkIdRef": {"name": "net"}}),
    );
    assert_eq!(found(&mut cloud, &inventory)["managed"], 0);
    found(&mut cloud, &server("a-0", &["cx33"], &["fsn1"]));
    inventory["metadata"]["annotations"] = json!({REQUEST: "now"});
    let status = cloud.status(&inventory);
    assert_eq!(status["atProvider"]["managed"], 1);
    assert_eq!(status["lastHandledReconcileAt"], "now");
}

#[test]
fn what_is_not_of_the_provider_has_only_what_crossplane_says() {
    let facts = Facts::default();
    let mut cloud = Cloud::new(&facts);
    let status = |cloud: &mut Cloud<'_>, api_version: &str| {
        let mut object = object("Any", "a", &json!({}));
        object.insert("apiVersion".to_owned(), json!(api_version));
        cloud.status(&object)
    };
    assert!(status(&mut cloud, "v1").is_empty());
    let usage = status(&mut cloud, "protection.crossplane.io/v1beta1");
    assert_eq!(usage.keys().collect::<Vec<_>>(), ["conditions"]);
    assert_eq!(usage["conditions"][0]["type"], "Ready");
}
