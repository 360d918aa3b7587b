use std::fmt::Write;

use api::{Network, ServerNetwork, UID_LABEL};
use hcloud_simulator::{Fault, Simulator};
use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::{
    hcloud::Resource,
    kind::{
        load_balancer::tests::setup::{self, balancer},
        network::Networks,
        object::ObjectsOfProject,
        part::PartsOfProject,
        server_network::ServerNetworks,
        simulated::{absent, changed, made, named, open, project, recorded, resource, seen},
    },
};

/// A project with a network, and the same project as others open it.
struct Stage {
    simulator: Simulator,
    project: Project,
    others: Project,
    network: u64,
}

impl Stage {
    async fn new() -> Self {
        let (simulator, project) = project().await;
        let network = setup::network(&project).await;
        Self {
            others: open(&simulator),
            network: network.parse().unwrap(),
            simulator,
            project,
        }
    }

    fn inventories(&self) -> InventoriesOfProject {
        InventoriesOfProject {
            project: self.project.clone(),
        }
    }

    fn inventory(&self, sweep: bool) -> Inventory {
        resource(&json!({"networkId": self.network.to_string(), "sweep": sweep}))
    }

    /// A server of others, attached to a network.
    async fn server(&self, name: &str, network: u64, labels: &Value) -> u64 {
        let servers = self.others.client.servers();
        let request = json!({
            "name": name, "server_type": "cx23", "image": "debian-13", "location": "fsn1", "labels": labels,
            "start_after_create": false, "networks": [network],
        });
        let id = servers.create(&request).await.unwrap().id;
        self.settle();
        id
    }

    /// A load balancer of others, attached to a network.
    async fn load_balancer(&self, name: &str, network: u64, labels: &Value) -> u64 {
        let balancers = self.others.client.load_balancers();
        let request = json!({
            "name": name, "load_balancer_type": "lb11", "location": "fsn1", "labels": labels, "network": network,
        });
        let id = balancers.create(&request).await.unwrap().id;
        self.settle();
        id
    }

    /// A volume of others, attached to a server or to none.
    async fn volume(&self, name: &str, server: Option<u64>, labels: &Value) -> u64 {
        let volumes = self.others.client.volumes();
        let request = json!({"name": name, "size": 10, "location": "fsn1", "labels": labels});
        let id = volumes.create(&request).await.unwrap().id;
        self.settle();
        if let Some(server) = server {
            volumes.attach(id, server, false).await.unwrap();
        }
        id
    }

    /// Completes all actions.
    fn settle(&self) {
        self.simulator.actions().drain();
    }

    /// A server of a managed resource in the network.
    async fn own_server(&self, name: &str) -> u64 {
        let network = self.network.to_string();
        let server = setup::server(&self.project, name, &json!({})).await;
        let attachments = PartsOfProject::<ServerNetworks>::from(self.project.clone());
        let attachment: ServerNetwork =
            named(name, &json!({"serverId": server, "networkId": network}));
        made(&attachments, &attachment.into()).await;
        server.parse().unwrap()
    }

    async fn another_network(&self) -> u64 {
        let networks = ObjectsOfProject::<Networks>::from(self.project.clone());
        let other: Network = named("other", &json!({"ipRange": "10.9.0.0/16"}));
        let other = made(&networks, &other.into()).await.external_name;
        setup::subnet(&self.project, &other, "10.9.1.0/24").await;
        other.parse().unwrap()
    }

    /// How many objects of a type there are.
    async fn left<T: Resource>(&self) -> usize {
        let all = self.others.client.resources::<T>();
        all.all(Duration::ZERO).await.unwrap().len()
    }
}

/// A line for each object that was listed.
fn list(present: &Present<InventoryObservation>) -> String {
    let mut list = String::new();
    for object in &present.at_provider.objects {
        let maker = object.made_by.as_deref().unwrap_or("somebody");
        let InventoryObject { kind, name, .. } = object;
        writeln!(list, "{kind:?} {name} in {} by {maker}", object.location).unwrap();
    }
    assert_eq!(
        present.at_provider.count,
        i64::try_from(list.lines().count()).unwrap()
    );
    list
}

#[tokio::test]
async fn what_others_made_is_listed_with_its_maker_and_nothing_is_touched() {
    let stage = Stage::new().await;
    let own = stage.own_server("own").await;
    let node = stage
        .server("node", stage.network, &json!({"hcloud/node-group": "pool"}))
        .await;
    stage
        .load_balancer(
            "a1",
            stage.network,
            &json!({"hcloud-ccm/service-uid": "some"}),
        )
        .await;
    let driver = json!({"managed-by": "csi-driver"});
    stage.volume("data", Some(own), &driver).await;
    stage.volume("pvc-1", Some(node), &json!({})).await;
    stage.volume("by-hand", Some(node), &json!({})).await;

    stage.simulator.log().clear();
    let inventories = stage.inventories();
    let present = seen(&inventories, &stage.inventory(false).into()).await;
    assert_eq!(present.external_name, stage.network.to_string());
    assert!(present.drift.is_empty(), "{}", present.drift);
    assert_eq!(present.readiness, crate::managed::Readiness::Available);
    assert_eq!(
        list(&present),
        "LoadBalancer a1 in fsn1 by hcloud-cloud-controller-manager\n\
         Server node in fsn1 by cluster-autoscaler\n\
         Volume data in fsn1 by csi-driver\n\
         Volume pvc-1 in fsn1 by csi-driver\n\
         Volume by-hand in fsn1 by somebody\n"
    );
    assert_eq!(present.at_provider.managed, 1);
    assert_eq!(
        present.at_provider.objects[2].server_id,
        Some(report_id(own))
    );

    let idle = recorded(stage.inventory(false), &present);
    inventories.update(&idle, &present).await.unwrap();
    inventories.delete(&idle, &present).await.unwrap();
    assert!(stage.simulator.log().mutations().is_empty());
}

#[tokio::test]
async fn one_list_of_each_type_serves_all_inventories() {
    let stage = Stage::new().await;
    let other = stage.another_network().await;
    stage.server("node", stage.network, &json!({})).await;
    stage.simulator.log().clear();
    let inventories = stage.inventories();
    for network in [stage.network, other, stage.network] {
        let desired: Inventory = resource(&json!({"networkId": network.to_string()}));
        let look = Look::Shared {
            max_age: Duration::from_secs(600),
        };
        inventories.observe(&desired.into(), look).await.unwrap();
    }
    let calls = stage.simulator.log().entries();
    assert!(calls.len() <= 4, "{calls:?}");
}

#[tokio::test]
async fn objects_elsewhere_and_objects_of_managed_resources_are_not_listed() {
    let stage = Stage::new().await;
    let other = stage.another_network().await;
    let elsewhere = stage
        .server("other", other, &json!({"hcloud/node-group": "pool"}))
        .await;
    let driver = json!({"managed-by": "csi-driver"});
    stage.volume("pvc-1", Some(elsewhere), &driver).await;
    stage.volume("pvc-2", None, &driver).await;
    stage
        .load_balancer("a1", other, &json!({"hcloud-ccm/service-uid": "some"}))
        .await;
    // A provider in another cluster.
    let theirs = json!({UID_LABEL: "another-uid"});
    let server = stage.server("theirs", stage.network, &theirs).await;
    stage.volume("theirs", Some(server), &theirs).await;
    stage.load_balancer("theirs", stage.network, &theirs).await;

    let inventories = stage.inventories();
    let present = seen(&inventories, &stage.inventory(true).into()).await;
    assert_eq!(list(&present), "");
    assert_eq!(present.at_provider.managed, 2);
    assert!(present.drift.is_empty(), "{}", present.drift);

    stage.simulator.log().clear();
    inventories
        .update(&stage.inventory(true).into(), &present)
        .await
        .unwrap();
    assert!(stage.simulator.log().mutations().is_empty());
}

#[tokio::test]
async fn a_volume_is_remembered_when_its_server_and_its_network_are_gone() {
    let stage = Stage::new().await;
    let node = stage.server("node", stage.network, &json!({})).await;
    let volume = stage.volume("pvc-1", Some(node), &json!({})).await;
    let client = &stage.others.client;
    let inventories = stage.inventories();
    let desired = stage.inventory(false);
    let known = recorded(desired.clone(), &seen(&inventories, &desired.into()).await);

    client.servers().delete(node).await.unwrap();
    client.networks().delete(stage.network).await.unwrap();
    let present = seen(&inventories, &known).await;
    assert_eq!(list(&present), "Volume pvc-1 in fsn1 by csi-driver\n");
    let known = recorded((*known).clone(), &present);
    let present = seen(&inventories, &known).await;
    assert_eq!(list(&present), "Volume pvc-1 in fsn1 by csi-driver\n");

    client.volumes().delete(volume).await.unwrap();
    assert_eq!(list(&seen(&inventories, &known).await), "");
}

#[tokio::test]
async fn a_volume_that_somebody_took_over_is_forgotten() {
    let stage = Stage::new().await;
    let other = stage.another_network().await;
    let node = stage.server("node", stage.network, &json!({})).await;
    let volume = stage.volume("pvc-1", Some(node), &json!({})).await;
    let adopted = stage.volume("pvc-2", Some(node), &json!({})).await;
    let inventories = stage.inventories();
    let desired = stage.inventory(false);
    let known = recorded(desired.clone(), &seen(&inventories, &desired.into()).await);

    let volumes = stage.others.client.volumes();
    volumes.detach(volume).await.unwrap();
    volumes.detach(adopted).await.unwrap();
    let elsewhere = stage.server("elsewhere", other, &json!({})).await;
    volumes.attach(volume, elsewhere, false).await.unwrap();
    let label = json!({"labels": {UID_LABEL: "some-uid"}});
    volumes.update(adopted, &label).await.unwrap();
    assert_eq!(
        list(&seen(&inventories, &known).await),
        "Server node in fsn1 by somebody\n"
    );
}

#[tokio::test]
async fn a_volume_stays_known_while_its_server_leaves_the_network() {
    let stage = Stage::new().await;
    let node = stage.server("node", stage.network, &json!({})).await;
    stage.volume("pvc-1", Some(node), &json!({})).await;
    let inventories = stage.inventories();
    let desired = stage.inventory(false);
    let known = recorded(desired.clone(), &seen(&inventories, &desired.into()).await);

    let servers = stage.others.client.servers();
    servers.detach(node, stage.network).await.unwrap();
    let present = seen(&inventories, &known).await;
    assert_eq!(list(&present), "Volume pvc-1 in fsn1 by csi-driver\n");
}

#[tokio::test]
async fn a_sweep_deletes_what_is_listed_and_nothing_else() {
    let stage = Stage::new().await;
    let node = stage.server("node", stage.network, &json!({})).await;
    stage.own_server("own").await;
    balancer(&stage.project).await;
    stage.load_balancer("a1", stage.network, &json!({})).await;
    stage.volume("pvc-1", Some(node), &json!({})).await;
    stage.volume("unrelated", None, &json!({})).await;

    let inventories = stage.inventories();
    let desired = stage.inventory(false);
    let known = recorded(desired.clone(), &seen(&inventories, &desired.into()).await);
    // Its server is gone when the sweep begins.
    let early = stage.server("early", stage.network, &json!({})).await;
    stage.volume("pvc-2", Some(early), &json!({})).await;
    let known = recorded((*known).clone(), &seen(&inventories, &known).await);
    stage.others.client.servers().delete(early).await.unwrap();

    let mut sweeping = (*known).clone();
    sweeping.spec.for_provider.sweep = Some(true);
    stage.simulator.log().clear();
    let drift = changed(&inventories, &sweeping.into()).await;
    assert!(
        drift.starts_with("sweep: desired nothing that others made, observed load balancer "),
        "{drift}"
    );
    assert!(drift.ends_with(" and 1 more"), "{drift}");
    let deleted = stage.simulator.log().mutations();
    let deleted: Vec<_> = deleted
        .iter()
        .map(|call| call.path.split('/').nth(1).unwrap_or_default())
        .collect();
    assert_eq!(deleted, ["load_balancers", "servers", "volumes", "volumes"]);
    assert_eq!(stage.left::<crate::hcloud::Server>().await, 1);
    assert_eq!(stage.left::<crate::hcloud::LoadBalancer>().await, 1);
    assert_eq!(stage.left::<crate::hcloud::Volume>().await, 1);
}

#[tokio::test]
async fn what_was_adopted_or_detached_since_the_look_is_not_swept() {
    let stage = Stage::new().await;
    let adopted = stage.server("adopted", stage.network, &json!({})).await;
    let detached = stage.server("detached", stage.network, &json!({})).await;
    let inventories = stage.inventories();
    let desired: Desired<_> = stage.inventory(true).into();
    let present = seen(&inventories, &desired).await;
    assert_eq!(present.at_provider.count, 2);

    let servers = stage.others.client.servers();
    let label = json!({"labels": {UID_LABEL: "some-uid"}});
    servers.update(adopted, &label).await.unwrap();
    servers.detach(detached, stage.network).await.unwrap();
    inventories.update(&desired, &present).await.unwrap();
    assert_eq!(stage.left::<crate::hcloud::Server>().await, 2);
}

#[tokio::test]
async fn what_is_protected_stays_and_is_reported_and_all_else_goes() {
    let stage = Stage::new().await;
    let node = stage.server("precious", stage.network, &json!({})).await;
    stage.load_balancer("a1", stage.network, &json!({})).await;
    let servers = stage.others.client.servers();
    servers.change_protection(node, true).await.unwrap();

    let inventories = stage.inventories();
    let desired: Desired<_> = stage.inventory(true).into();
    let present = seen(&inventories, &desired).await;
    let error = inventories.update(&desired, &present).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "protected at Hetzner against deletion: server {node} (precious): lift the protection there, \
             or set spec.forProvider.sweep to false to keep them"
        )
    );
    assert_eq!(error.retry(), Retry::After(PROTECTED));
    assert_eq!(stage.left::<crate::hcloud::LoadBalancer>().await, 0);

    servers.change_protection(node, false).await.unwrap();
    changed(&inventories, &desired).await;
}

#[tokio::test]
async fn a_volume_of_a_server_that_stays_waits_for_it() {
    let stage = Stage::new().await;
    let own = stage.own_server("own").await;
    let volume = stage.volume("pvc-1", Some(own), &json!({})).await;
    let inventories = stage.inventories();
    let desired: Desired<_> = stage.inventory(true).into();
    let present = seen(&inventories, &desired).await;
    let error = inventories.update(&desired, &present).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "attached to servers of managed resources: volume {volume} (pvc-1, csi-driver): deleted when those servers are gone"
        )
    );
    let known = recorded((*desired).clone(), &present);
    stage.others.client.servers().delete(own).await.unwrap();
    changed(&inventories, &known).await;
}

#[tokio::test]
async fn a_refusal_does_not_stop_the_rest() {
    let stage = Stage::new().await;
    stage.load_balancer("a1", stage.network, &json!({})).await;
    stage.server("node", stage.network, &json!({})).await;
    let fault = Fault::on(Method::DELETE, "/load_balancers/*");
    let fault = fault.answer(403, "forbidden", "not with this token");
    stage.simulator.faults().inject(fault);
    let inventories = stage.inventories();
    let desired: Desired<_> = stage.inventory(true).into();
    let present = seen(&inventories, &desired).await;
    let error = inventories.update(&desired, &present).await.unwrap_err();
    assert!(error.to_string().contains("not with this token"), "{error}");
    assert_eq!(stage.left::<crate::hcloud::Server>().await, 0);
    changed(&inventories, &desired).await;
}

#[tokio::test]
async fn a_network_that_never_was_is_an_error_and_a_deletion_needs_none() {
    let stage = Stage::new().await;
    let inventories = stage.inventories();
    let mut desired: Inventory = resource(&json!({"networkId": "4711"}));
    let error = inventories
        .observe(&desired.clone().into(), Look::Direct)
        .await
        .map(drop)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "spec.forProvider.networkId: there is no network with the id 4711: write that of one"
    );
    let at = serde_json::from_value(json!("2026-11-21T08:00:00Z")).unwrap();
    desired.metadata.deletion_timestamp = Some(at);
    stage.simulator.log().clear();
    assert!(absent(&inventories, &desired.into()).await);
    assert!(stage.simulator.log().entries().is_empty());
}
