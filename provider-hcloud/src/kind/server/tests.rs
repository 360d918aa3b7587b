//! Servers in a simulator, driven as the reconciler does it: look, change, look again.

mod budget;
mod change;
mod create;
mod rebuild;
mod remove;
mod setup;
mod switch;

use std::collections::BTreeMap;

use api::{Managed, Network, SSHKey, ServerObservation};
use hcloud_simulator::{
    ActionMode, Id, Options, Simulator,
    resource::server::{Power, Server as Simulated},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    clock::{Clock, SteppedClock},
    kind::{
        network::Networks,
        object::ObjectsOfProject,
        part::PartsOfProject,
        simulated::{self, made, named, resource},
        ssh_key::SshKeys,
        subnet::Subnets,
    },
    managed::{
        External, ExternalError, Look, Observation, Readiness, annotations::EXTERNAL_NAME,
        credentials::SecretValue,
    },
};

/// A project in a simulator, and a hand on the time of the provider.
struct Stage {
    simulator: Simulator,
    project: Project,
    hand: SteppedClock,
}

/// A managed resource, as Kubernetes keeps it.
#[derive(Clone)]
struct One {
    resource: Server,
    user_data: Option<String>,
}

impl One {
    fn new(spec: &Value) -> Self {
        Self::named("one", spec)
    }

    /// With an image and a server type, unless the spec names others.
    fn named(name: &str, spec: &Value) -> Self {
        let mut whole = json!({"image": {"name": "debian-13"}});
        if spec.get("serverTypes").is_none() {
            whole["serverType"] = json!("cx23");
        }
        for (key, value) in spec.as_object().unwrap() {
            whole[key] = value.clone();
        }
        Self {
            resource: named(name, &whole),
            user_data: None,
        }
    }

    fn desired(&self) -> Desired<Server> {
        let mut secrets = BTreeMap::new();
        if let Some(text) = &self.user_data {
            let value = SecretValue::new(text.clone().into_bytes());
            secrets.insert("userDataSecretRef", Ok(value));
        }
        Desired::new(self.resource.clone(), secrets)
    }

    /// Changes fields of the spec; `null` takes one out.
    fn set(&mut self, fields: &Value) {
        let mut spec = serde_json::to_value(&self.resource.spec.for_provider).unwrap();
        for (key, value) in fields.as_object().unwrap() {
            spec[key] = value.clone();
        }
        self.resource.spec.for_provider = serde_json::from_value(spec).unwrap();
    }

    fn id(&self) -> Id {
        self.resource.metadata.annotations.as_ref().unwrap()[EXTERNAL_NAME]
            .parse()
            .unwrap()
    }

    fn report(&self) -> &ServerObservation {
        self.resource.at_provider().unwrap()
    }

    fn adopt(&mut self, id: Id) {
        let annotations = self.resource.metadata.annotations.get_or_insert_default();
        annotations.insert(EXTERNAL_NAME.to_owned(), id.to_string());
    }
}

impl Stage {
    async fn new() -> Self {
        Self::with(ActionMode::Automatic(Duration::ZERO)).await
    }

    async fn with(actions: ActionMode) -> Self {
        let options = Options {
            actions,
            ..Options::default()
        };
        let simulator = Simulator::start(options).await.unwrap();
        let hand = SteppedClock::new(Clock::system().now());
        let mut project = simulated::open(&simulator);
        project.clock = hand.clock();
        Self {
            simulator,
            project,
            hand,
        }
    }

    /// The provider ends, and another process takes over.
    fn crash(&mut self) {
        self.project.client = simulated::open(&self.simulator).client;
    }

    fn servers(&self) -> ObjectsOfProject<Servers> {
        ObjectsOfProject::from(self.project.clone())
    }

    /// Creates the server and records its name.
    async fn create(&self, one: &mut One) -> Result<Created, ExternalError> {
        let created = self.servers().create(&one.desired()).await?;
        one.adopt(created.external_name.parse().unwrap());
        Ok(created)
    }

    /// What is seen, and reported; `None` when there is nothing.
    async fn find(&self, one: &mut One) -> Option<PresentOf<Servers>> {
        match self
            .servers()
            .observe(&one.desired(), Look::Direct)
            .await
            .unwrap()
        {
            Observation::Present(present) => {
                one.resource.set_at_provider(present.at_provider.clone());
                Some(present)
            }
            Observation::Absent => None,
        }
    }

    async fn look(&self, one: &mut One) -> PresentOf<Servers> {
        self.find(one).await.expect("a server")
    }

    /// One look, and one change when something differs that can be changed; what differed.
    async fn turn(&self, one: &mut One) -> String {
        let present = self.look(one).await;
        if !present.drift.in_place() {
            return String::new();
        }
        self.servers()
            .update(&one.desired(), &present)
            .await
            .unwrap();
        present.drift.to_string()
    }

    /// Turns until nothing differs that can be changed; what differed in each.
    async fn settle(&self, one: &mut One) -> Vec<String> {
        let mut turns = Vec::new();
        loop {
            let drift = self.turn(one).await;
            if drift.is_empty() {
                return turns;
            }
            assert!(turns.len() < 10, "{turns:?}");
            turns.push(drift);
        }
    }

    /// A server that is ready.
    async fn ready(&self, spec: &Value) -> One {
        let mut one = One::new(spec);
        self.create(&mut one).await.unwrap();
        self.settle(&mut one).await;
        assert_eq!(self.look(&mut one).await.readiness, Readiness::Available);
        one
    }

    /// What a test sees or does in the simulator.
    fn simulated<T>(&self, work: impl FnOnce(&mut hcloud_simulator::Project) -> T) -> T {
        let mut world = self.simulator.world();
        work(world.project_mut(hcloud_simulator::DEFAULT_TOKEN).unwrap())
    }

    fn server(&self, id: Id) -> Simulated {
        self.simulated(|project| project.servers().get(id).unwrap().clone())
    }

    fn power(&self, one: &One) -> Power {
        self.server(one.id()).power
    }

    fn count(&self) -> usize {
        self.simulated(|project| project.servers().len())
    }

    /// A network with one subnet; its id.
    async fn network(&self, name: &str, range: &str, subnet: &str) -> String {
        let network: Network = named(name, &json!({"ipRange": range}));
        let networks = ObjectsOfProject::<Networks>::from(self.project.clone());
        let id = made(&networks, &network.into()).await.external_name;
        let subnets = PartsOfProject::<Subnets>::from(self.project.clone());
        let subnet = json!({"networkId": id, "ipRange": subnet, "type": "cloud", "networkZone": "eu-central"});
        let subnet: api::Subnet = resource(&subnet);
        made(&subnets, &subnet.into()).await;
        id
    }

    /// An SSH key with this name.
    async fn key(&self, name: &str) {
        let public =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7JNwXWTGlRdSqWoSQ5nEvuX1FT7qmsqGfdEOL4pZkX me";
        let key: SSHKey = resource(&json!({"name": name, "publicKey": public}));
        let keys = ObjectsOfProject::<SshKeys>::from(self.project.clone());
        made(&keys, &key.into()).await;
    }

    /// Changes of servers that the API was asked for since the log was cleared, without ids.
    fn calls(&self) -> Vec<String> {
        let entries = self.simulator.log().mutations();
        let calls = entries.iter().map(|entry| {
            let path: Vec<_> = entry
                .path
                .split('/')
                .map(|part| {
                    if part.parse::<u64>().is_ok() {
                        "*"
                    } else {
                        part
                    }
                })
                .collect();
            format!("{} {}", entry.method, path.join("/"))
        });
        calls.collect()
    }
}

fn label(server: &Simulated, key: &str) -> Option<String> {
    server.labels.get(key).cloned()
}

fn unavailable(readiness: &Readiness) -> &str {
    match readiness {
        Readiness::Unavailable { message, .. } => message,
        other => panic!("{other:?}"),
    }
}
