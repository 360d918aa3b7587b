//! The cloud and its provider, as far as the function looks at them: every object gets
//! the status that it has when everything works.
//!
//! Ids are counted, addresses are those for documentation, and private addresses are
//! those that were asked for. Prices are those of the [`Facts`], and without facts there
//! are none.

use std::collections::{BTreeMap, BTreeSet};

use provider_hcloud_api::{
    InventoryObservation, InventoryParameters, LoadBalancerHealth, LoadBalancerNetworkObservation,
    LoadBalancerNetworkParameters, LoadBalancerObservation, LoadBalancerParameters,
    LoadBalancerPrivateNet, LoadBalancerServiceParameters, LoadBalancerTargetObservation,
    LoadBalancerTargetParameters, LoadBalancerTargetServer, Reference, ServerObservation,
    ServerParameters, ServerPrivateNet, SubnetParameters, VolumeAttachmentParameters,
    VolumeObservation, VolumeParameters,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::call::crossplane;
use super::document::{Object, identity, text};
use super::facts::{API_VERSION, Facts};

mod address;

/// Kind, namespace and name of an object.
type Key = [String; 3];

/// What exists in the cloud, by the objects that stand for it.
pub(super) struct Cloud<'a> {
    facts: &'a Facts,
    /// Counts what others can see.
    version: u64,
    ids: BTreeMap<Key, i64>,
    /// Numbers of public addresses.
    addresses: BTreeMap<Key, u32>,
    servers: BTreeMap<Key, Server>,
    /// Load balancers: where they are attached.
    attachments: BTreeMap<Key, Attachment>,
    /// Ports that load balancers listen on, by the objects of their services.
    services: BTreeMap<Key, (Key, i64)>,
    /// Volumes: the servers that they are attached to, by the objects of the attachments.
    volumes: BTreeMap<Key, (Key, i64)>,
    /// Networks of subnets.
    subnets: BTreeMap<Key, i64>,
}

#[derive(PartialEq)]
struct Server {
    id: i64,
    server_type: String,
    location: String,
    labels: BTreeMap<String, String>,
    networks: Vec<i64>,
}

#[derive(PartialEq)]
struct Attachment {
    load_balancer: Key,
    net: LoadBalancerPrivateNet,
}

/// Annotation that asks the provider for a look at the cloud.
const REQUEST: &str = "crossplane.io/reconcile-requested-at";

/// Whether the status of an object of this kind follows from other objects.
fn looks_at_others(kind: &str) -> bool {
    ["Inventory", "LoadBalancer", "LoadBalancerTarget", "Volume"].contains(&kind)
}

fn key(object: &Object) -> Key {
    identity(object).map(ToOwned::to_owned)
}

fn parameters<T: Default + DeserializeOwned>(object: &Object) -> T {
    let parameters = object.get("spec").and_then(|spec| spec.get("forProvider"));
    parameters
        .and_then(|parameters| T::deserialize(parameters).ok())
        .unwrap_or_default()
}

/// Inserts, and tells whether that changed anything.
fn set<T: PartialEq>(map: &mut BTreeMap<Key, T>, key: Key, value: T) -> bool {
    if map.get(&key) == Some(&value) {
        return false;
    }
    map.insert(key, value);
    true
}

impl<'a> Cloud<'a> {
    pub(super) fn new(facts: &'a Facts) -> Self {
        Self {
            facts,
            version: 0,
            ids: BTreeMap::new(),
            addresses: BTreeMap::new(),
            servers: BTreeMap::new(),
            attachments: BTreeMap::new(),
            services: BTreeMap::new(),
            volumes: BTreeMap::new(),
            subnets: BTreeMap::new(),
        }
    }

    pub(super) fn facts(&self) -> &'a Facts {
        self.facts
    }

    /// Whether a status that was made at this version may have changed since.
    pub(super) fn is_outdated(&self, object: &Object, version: u64) -> bool {
        version != self.version && looks_at_others(text(object, &["kind"]))
    }

    /// What statuses are made from at present.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Gives out the public addresses again, in the order of the names, so that they do not
    /// depend on the order in which objects were made.
    pub(super) fn renumber(&mut self) {
        for (number, address) in (0..).zip(self.addresses.values_mut()) {
            *address = number;
        }
        self.version += 1;
    }

    /// An object is there no more.
    pub(super) fn remove(&mut self, object: &Object) {
        let key = key(object);
        let removed = [
            self.servers.remove(&key).is_some(),
            self.attachments.remove(&key).is_some(),
            self.services.remove(&key).is_some(),
            self.volumes.remove(&key).is_some(),
        ];
        self.changed(removed.contains(&true));
    }

    /// The status of an object that is no composite resource of ours.
    pub(super) fn status(&mut self, object: &Object) -> Object {
        let mut status = Object::new();
        if text(object, &["apiVersion"]) == "v1" {
            return status;
        }
        status.insert("conditions".to_owned(), json!(crossplane(true)));
        if text(object, &["apiVersion"]) == API_VERSION {
            let found = self.find(object);
            status.extend(found.map(|found| ("atProvider".to_owned(), found)));
            let asked = text(object, &["metadata", "annotations", REQUEST]);
            if !asked.is_empty() {
                status.insert("lastHandledReconcileAt".to_owned(), json!(asked));
            }
        }
        status
    }

    fn find(&mut self, object: &Object) -> Option<Value> {
        let key = key(object);
        match text(object, &["kind"]) {
            "Inventory" => written(&self.inventory(&key, &parameters(object))),
            "LoadBalancer" => written(&self.load_balancer(&key, &parameters(object))),
            "LoadBalancerNetwork" => written(&self.attachment(&key, &parameters(object))),
            "LoadBalancerService" => {
                self.service(&key, &parameters(object));
                None
            }
            "LoadBalancerTarget" => written(&self.target(&key, &parameters(object))),
            "Pricing" => self.facts.price_list().cloned(),
            "Server" => written(&self.server(&key, &parameters(object))),
            "Subnet" => {
                self.subnet(&key, &parameters(object));
                None
            }
            "Volume" => written(&self.volume(&key, &parameters(object))),
            "VolumeAttachment" => {
                self.volume_attachment(&key, &parameters(object));
                None
            }
            _ => Some(json!({"id": self.id(&key)})),
        }
    }

    fn changed(&mut self, changed: bool) {
        self.version += u64::from(changed);
    }

    fn id(&mut self, key: &Key) -> i64 {
        let next = i64::try_from(self.ids.len()).unwrap_or(i64::MAX - 1) + 1;
        *self.ids.entry(key.clone()).or_insert(next)
    }

    /// The object that another one of the same namespace refers to.
    fn referred(kind: &str, from: &Key, reference: Option<&Reference>) -> Option<Key> {
        let name = reference?.name.clone();
        Some([kind.to_owned(), from[1].clone(), name])
    }

    fn id_of(&mut self, kind: &str, from: &Key, reference: Option<&Reference>) -> i64 {
        let key = Self::referred(kind, from, reference);
        key.map_or(0, |key| self.id(&key))
    }

    fn number(&mut self, key: &Key) -> u32 {
        let next = u32::try_from(self.addresses.len()).unwrap_or(u32::MAX);
        *self.addresses.entry(key.clone()).or_insert(next)
    }

    fn subnet(&mut self, key: &Key, spec: &SubnetParameters) {
        let network = self.id_of("Network", key, spec.network_id_ref.as_ref());
        self.subnets.insert(key.clone(), network);
    }

    /// Id of the network of a subnet; of one that is not rendered nothing is known.
    fn network_of(&self, from: &Key, subnet: Option<&Reference>) -> i64 {
        let subnet = Self::referred("Subnet", from, subnet);
        let network = subnet.and_then(|subnet| self.subnets.get(&subnet));
        network.copied().unwrap_or_default()
    }

    fn server(&mut self, key: &Key, spec: &ServerParameters) -> ServerObservation {
        let id = self.id(key);
        let number = self.number(key);
        let (server_type, location) = self.place(key, spec);
        let networks = spec.networks.iter().flatten();
        let networks = networks.map(|net| (self.network_of(key, net.subnet_id_ref.as_ref()), net));
        let networks: Vec<_> = networks.collect();
        let server = Server {
            id,
            server_type: server_type.clone(),
            location: location.clone(),
            labels: spec.labels.clone(),
            networks: networks.iter().map(|(network, _)| *network).collect(),
        };
        let changed = set(&mut self.servers, key.clone(), server);
        self.changed(changed);
        let public = spec.public_net.as_ref();
        let enabled = |wanted: Option<bool>| wanted.unwrap_or(true);
        let ipv4 = public.is_none_or(|public| enabled(public.ipv4_enabled));
        let backups = spec.backups == Some(true);
        let ipv6 = public.is_none_or(|public| enabled(public.ipv6_enabled));
        let private_nets = networks.into_iter().filter_map(|(network_id, net)| {
            Some(ServerPrivateNet {
                network_id,
                ip: net.ip.clone()?,
                ..ServerPrivateNet::default()
            })
        });
        ServerObservation {
            id,
            name: key[2].clone(),
            status: "running".to_owned(),
            price: self.facts.server(&server_type, &location, backups, ipv4),
            private_nets: private_nets.collect(),
            public_ipv4: ipv4.then(|| address::v4(number).to_string()),
            public_ipv6: ipv6.then(|| address::v6(number).to_string()),
            labels: spec.labels.clone(),
            location,
            server_type,
            ..ServerObservation::default()
        }
    }

    /// Type and location of a server: those that it has, while they are among those that
    /// are wanted, else the first that can be had. Every location is tried for a type
    /// before the next type, as the provider does.
    fn place(&self, key: &Key, spec: &ServerParameters) -> (String, String) {
        let types = choices(spec.server_types.as_ref(), spec.server_type.as_ref());
        let locations = choices(spec.locations.as_ref(), spec.location.as_ref());
        let present = self.servers.get(key);
        let locations = match present.filter(|present| locations.contains(&&present.location)) {
            Some(present) => vec![&present.location],
            None => locations,
        };
        if let (Some(present), [location]) = (present, locations.as_slice())
            && types.contains(&&present.server_type)
        {
            return (present.server_type.clone(), (*location).clone());
        }
        let all = || {
            let types = types.iter();
            types.flat_map(|name| locations.iter().map(move |location| (*name, *location)))
        };
        let sold = |available: bool| {
            let offer = |(name, location): &(&String, &String)| {
                self.facts.offer(name, location) == Some(available)
            };
            all().find(offer)
        };
        let chosen = sold(true).or_else(|| sold(false)).or_else(|| all().next());
        chosen
            .map(|(name, location)| (name.clone(), location.clone()))
            .unwrap_or_default()
    }

    /// Others have made nothing.
    fn inventory(&mut self, key: &Key, spec: &InventoryParameters) -> InventoryObservation {
        let network_id = self.id_of("Network", key, spec.network_id_ref.as_ref());
        let servers = self.servers.values().flat_map(|server| &server.networks);
        let balancers = self.attachments.values().map(|it| &it.net.network_id);
        let attached = servers.chain(balancers).filter(|id| **id == network_id);
        InventoryObservation {
            network_id,
            managed: i64::try_from(attached.count()).unwrap_or(i64::MAX),
            ..InventoryObservation::default()
        }
    }

    fn volume(&mut self, key: &Key, spec: &VolumeParameters) -> VolumeObservation {
        let size = spec.size.unwrap_or_default();
        let mut attached = self.volumes.values();
        let server = attached
            .find(|(volume, _)| volume == key)
            .map(|(_, id)| *id);
        VolumeObservation {
            id: self.id(key),
            name: key[2].clone(),
            status: "available".to_owned(),
            size,
            location: spec.location.clone().unwrap_or_default(),
            server_id: server,
            price: u64::try_from(size)
                .ok()
                .and_then(|size| self.facts.volume(size)),
            ..VolumeObservation::default()
        }
    }

    fn volume_attachment(&mut self, key: &Key, spec: &VolumeAttachmentParameters) {
        let server = self.id_of("Server", key, spec.server_id_ref.as_ref());
        if let Some(volume) = Self::referred("Volume", key, spec.volume_id_ref.as_ref()) {
            let changed = set(&mut self.volumes, key.clone(), (volume, server));
            self.changed(changed);
        }
    }

    fn load_balancer(
        &mut self,
        key: &Key,
        spec: &LoadBalancerParameters,
    ) -> LoadBalancerObservation {
        let kind = spec.load_balancer_type.clone().unwrap_or_default();
        let location = spec.location.clone().unwrap_or_default();
        let public = spec.public_net.as_ref().and_then(|public| public.enabled);
        let id = self.id(key);
        let number = self.number(key);
        let attached = self.attachments.values();
        let attached = attached.filter(|attachment| attachment.load_balancer == *key);
        LoadBalancerObservation {
            id,
            name: key[2].clone(),
            price: self.facts.load_balancer(&kind, &location),
            private_nets: attached.map(|attachment| attachment.net.clone()).collect(),
            public_interface: public.unwrap_or(true),
            public_ipv4: Some(address::v4(number).to_string()),
            public_ipv6: Some(address::v6(number).to_string()),
            labels: spec.labels.clone(),
            load_balancer_type: kind,
            location,
            ..LoadBalancerObservation::default()
        }
    }

    fn attachment(
        &mut self,
        key: &Key,
        spec: &LoadBalancerNetworkParameters,
    ) -> LoadBalancerNetworkObservation {
        let network_id = self.network_of(key, spec.subnet_id_ref.as_ref());
        let ip = spec.ip.clone().unwrap_or_default();
        let reference = spec.load_balancer_id_ref.as_ref();
        let load_balancer = Self::referred("LoadBalancer", key, reference);
        let load_balancer_id = self.id_of("LoadBalancer", key, reference);
        if let Some(load_balancer) = load_balancer {
            let net = LoadBalancerPrivateNet {
                network_id,
                ip: ip.clone(),
            };
            let attachment = Attachment { load_balancer, net };
            let changed = set(&mut self.attachments, key.clone(), attachment);
            self.changed(changed);
        }
        LoadBalancerNetworkObservation {
            load_balancer_id,
            network_id,
            ip,
        }
    }

    fn service(&mut self, key: &Key, spec: &LoadBalancerServiceParameters) {
        let balancer = Self::referred("LoadBalancer", key, spec.load_balancer_id_ref.as_ref());
        if let (Some(balancer), Some(port)) = (balancer, spec.listen_port) {
            let changed = set(&mut self.services, key.clone(), (balancer, port));
            self.changed(changed);
        }
    }

    /// A selector finds the servers with these labels; all of them are healthy for all
    /// services.
    fn target(
        &mut self,
        key: &Key,
        spec: &LoadBalancerTargetParameters,
    ) -> LoadBalancerTargetObservation {
        let reference = spec.load_balancer_id_ref.as_ref();
        let balancer = Self::referred("LoadBalancer", key, reference);
        let services = self.services.values();
        let ports: BTreeSet<i64> = services
            .filter(|(of, _)| Some(of) == balancer.as_ref())
            .map(|(_, port)| *port)
            .collect();
        let healthy = ports.into_iter().map(|listen_port| LoadBalancerHealth {
            listen_port,
            status: "healthy".to_owned(),
            ..LoadBalancerHealth::default()
        });
        let healthy: Vec<_> = healthy.collect();
        let selector = spec.label_selector.as_deref();
        let servers = self.servers.values();
        let selected = servers.filter(|server| selects(selector, &server.labels));
        let mut servers: Vec<_> = selected
            .map(|server| LoadBalancerTargetServer {
                server_id: server.id,
                health_status: healthy.clone(),
            })
            .collect();
        servers.sort_unstable_by_key(|server| server.server_id);
        LoadBalancerTargetObservation {
            load_balancer_id: self.id_of("LoadBalancer", key, reference),
            type_: "label_selector".to_owned(),
            label_selector: spec.label_selector.clone(),
            use_private_ip: spec.use_private_ip.unwrap_or_default(),
            health: "healthy".to_owned(),
            servers,
            ..LoadBalancerTargetObservation::default()
        }
    }
}

/// An ordered list of choices, or the only one.
fn choices<'a>(list: Option<&'a Vec<String>>, only: Option<&'a String>) -> Vec<&'a String> {
    match list {
        Some(list) => list.iter().collect(),
        None => only.into_iter().collect(),
    }
}

/// Whether a selector of the form `key=value,…` finds these labels.
fn selects(selector: Option<&str>, labels: &BTreeMap<String, String>) -> bool {
    let Some(selector) = selector else {
        return false;
    };
    let mut terms = selector.split(',').map(|term| term.split_once('='));
    terms.all(|term| {
        term.is_some_and(|(key, value)| labels.get(key).is_some_and(|found| found == value))
    })
}

fn written<T: Serialize>(observation: &T) -> Option<Value> {
    serde_json::to_value(observation).ok()
}

#[cfg(test)]
mod tests;
