use std::{collections::BTreeSet, convert::Infallible, sync::Mutex};

use bytes::Bytes;
use clap::Parser;
use futures::StreamExt;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::Frame;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;

const CRDS: &str = "customresourcedefinitions";
const CONFIGS: [&str; 3] = [
    "clusterproviderconfigs",
    "providerconfigs",
    "providerconfigusages",
];

fn args(more: &[&str]) -> Args {
    let fixed = ["provider-hcloud", "--bind-ip=127.0.0.1", "--metrics-port=0"];
    Args::parse_from(fixed.iter().chain(more))
}

/// An API server with a configuration and a network that uses it. It lists when the test lets it, and accepts no write.
#[derive(Clone)]
struct Server(Arc<Answers>);

struct Answers {
    /// The plurals of what may be listed.
    open: watch::Sender<BTreeSet<String>>,
    /// The names of the CRDs that are established.
    established: watch::Sender<BTreeSet<String>>,
    /// The plurals of what was listed.
    listed: Mutex<Vec<String>>,
}

impl Server {
    fn new() -> Self {
        Self(Arc::new(Answers {
            open: watch::Sender::default(),
            established: watch::Sender::default(),
            listed: Mutex::default(),
        }))
    }

    fn open(&self, plurals: &[&str]) {
        let plurals = plurals.iter().map(|&plural| plural.to_owned());
        self.0.open.send_modify(|open| open.extend(plurals));
    }

    fn establish(&self, crd: &str) {
        let established = &self.0.established;
        established.send_modify(|crds| crds.extend([crd.to_owned()]));
    }

    fn listed(&self, plural: &str) -> bool {
        self.0.listed.lock().unwrap().iter().any(|p| p == plural)
    }

    fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                Ok::<_, kube::Error>(match *request.method() {
                    Method::GET => server.answer(request.uri()).await,
                    _ => conflict(),
                })
            }
        });
        Client::new(service, "default")
    }

    async fn answer(&self, uri: &http::Uri) -> Response<BoxBody<Bytes, Infallible>> {
        let plural = uri.path().rsplit('/').next().unwrap().to_owned();
        let query = uri.query().unwrap_or_default();
        let name = query.split("metadata.name%3D").nth(1);
        let name = name.map(|rest| rest.split('&').next().unwrap().to_owned());
        if query.contains("watch=true") {
            let established = self.0.established.subscribe();
            return Response::new(BodyExt::boxed(StreamBody::new(changes(name, established))));
        }
        let mut open = self.0.open.subscribe();
        open.wait_for(|open| open.contains(&plural)).await.unwrap();
        let established = self.0.established.borrow().clone();
        let items = match plural.as_str() {
            CRDS => {
                let found = name.filter(|name| established.contains(name));
                found.iter().map(|name| crd(name)).collect()
            }
            "clusterproviderconfigs" => vec![config()],
            "networks" => vec![network()],
            "providerconfigusages" => vec![usage()],
            _ => Vec::new(),
        };
        self.0.listed.lock().unwrap().push(plural);
        whole(&json!({"metadata": {"resourceVersion": "1"}, "items": items}))
    }
}

fn whole(body: &Value) -> Response<BoxBody<Bytes, Infallible>> {
    Response::new(Full::new(Bytes::from(body.to_string())).boxed())
}

fn conflict() -> Response<BoxBody<Bytes, Infallible>> {
    let mut response = whole(&json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "reason": "Conflict", "message": "changed", "code": 409,
    }));
    *response.status_mut() = StatusCode::CONFLICT;
    response
}

fn config() -> Value {
    json!({
        "apiVersion": "hcloud.openova.io/v1alpha1",
        "kind": "ClusterProviderConfig",
        "metadata": {"name": "default", "uid": "c", "resourceVersion": "1"},
        "spec": {"credentials": {"source": "Secret", "secretRef": {"namespace": "system", "name": "token", "key": "token"}}},
    })
}

fn network() -> Value {
    json!({
        "apiVersion": "hcloud.openova.io/v1alpha1",
        "kind": "Network",
        "metadata": {"name": "one", "namespace": "team", "uid": "n", "generation": 1, "resourceVersion": "1"},
        "spec": {"forProvider": {"ipRange": "10.0.0.0/16"}},
    })
}

/// The network uses the configuration, as is already recorded.
fn usage() -> Value {
    json!({
        "apiVersion": "hcloud.openova.io/v1alpha1",
        "kind": "ProviderConfigUsage",
        "metadata": {
            "name": "n", "namespace": "team", "uid": "u", "resourceVersion": "1",
            "labels": {
                "crossplane.io/provider-config": "default",
                "crossplane.io/provider-config-kind": "ClusterProviderConfig",
            },
            "ownerReferences": [{
                "apiVersion": "hcloud.openova.io/v1alpha1", "kind": "Network", "name": "one", "uid": "n", "controller": true,
            }],
        },
    })
}

/// The events of a watch of one CRD: it becomes established.
fn changes(
    name: Option<String>,
    mut established: watch::Receiver<BTreeSet<String>>,
) -> impl futures::Stream<Item = Result<Frame<Bytes>, Infallible>> {
    futures::stream::once(async move {
        let Some(name) = name else {
            return std::future::pending().await;
        };
        established
            .wait_for(|crds| crds.contains(&name))
            .await
            .unwrap();
        let event = json!({"type": "ADDED", "object": crd(&name)});
        Ok(Frame::data(Bytes::from(format!("{event}\n"))))
    })
    .chain(futures::stream::pending())
}

fn crd(name: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name, "resourceVersion": "2"},
        "spec": {"versions": [{"name": "v1alpha1", "served": true}]},
        "status": {"conditions": [{"type": "Established", "status": "True"}]},
    })
}

/// All controllers, and what the pod's readiness says of them.
struct Stage {
    server: Server,
    caches: Caches,
    switch: watch::Sender<bool>,
    running: JoinSet<()>,
    _serving: JoinSet<()>,
}

impl Stage {
    fn new() -> Self {
        let server = Server::new();
        let caches = Caches::default();
        let (switch, shutdown) = Shutdown::new();
        let clock = Clock::system();
        let calls = hcloud::Metrics::default();
        let common = Common {
            client: server.client(),
            metrics: Metrics::new(&mut Registry::default()),
            clients: Clients::new(hcloud::Settings::default(), clock.clone(), calls).unwrap(),
            clock,
            caches: caches.clone(),
            shutdown,
        };
        let mut serving = JoinSet::new();
        let running = start(&args(&[]), common, &mut serving);
        Self {
            server,
            caches,
            switch,
            running,
            _serving: serving,
        }
    }

    /// Waits until this is missing and nothing else.
    async fn missing(&self, expected: &[&str]) {
        let settled = async {
            while self.caches.missing() != expected {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let settled = tokio::time::timeout(Duration::from_secs(60), settled).await;
        assert!(settled.is_ok(), "{:?}, not {expected:?}", self.caches);
    }

    /// Asks all controllers to stop and waits until they have.
    async fn stop(&mut self) -> Duration {
        let asked = Instant::now();
        self.switch.send_replace(true);
        while self.running.join_next().await.is_some() {}
        asked.elapsed()
    }
}

#[tokio::test(start_paused = true)]
async fn the_pod_is_ready_when_all_first_lists_are_there() {
    let stage = Stage::new();
    let names: Vec<_> = registry::crds()
        .into_iter()
        .map(|crd| (crd.metadata.name.unwrap(), crd.spec.names))
        .filter(|(_, names)| !CONFIGS.contains(&names.plural.as_str()))
        .collect();
    let kinds: Vec<_> = names.iter().map(|(name, _)| name.as_str()).collect();
    let mut all = vec![
        "ClusterProviderConfig",
        "ProviderConfig",
        "ProviderConfigUsage",
    ];
    all.extend(&kinds);
    stage.missing(&all).await;

    kinds.iter().for_each(|name| stage.server.establish(name));
    stage.server.open(&[CRDS]);
    stage.server.open(&CONFIGS);
    stage.missing(&kinds).await;
    for (_, names) in &names {
        stage.server.open(&[&names.plural]);
    }
    // The one that the network's configuration names.
    stage.missing(&["Secrets"]).await;
    stage.server.open(&["secrets"]);
    stage.missing(&[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_not_activated_hinders_nothing_and_starts_when_it_is() {
    let mut stage = Stage::new();
    stage.server.open(&[CRDS, "networks", "secrets"]);
    stage.server.open(&CONFIGS);
    stage.missing(&[]).await;
    assert!(!stage.server.listed("networks"));
    assert_eq!(
        stage.running.try_join_next().map(|_| ()),
        None,
        "all controllers wait"
    );

    stage.server.establish("networks.hcloud.openova.io");
    let started = async {
        while !stage.server.listed("networks") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let started = tokio::time::timeout(Duration::from_secs(60), started).await;
    started.expect("the controller starts");
    stage.missing(&[]).await;
    assert!(stage.stop().await < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_request_to_stop_is_heard_whatever_has_been_listed() {
    let kind = "networks.hcloud.openova.io";
    for open in [
        &[][..],
        &[CRDS],
        &[CRDS, CONFIGS[2]],
        &[CRDS, CONFIGS[0], CONFIGS[1]],
        &[CRDS, CONFIGS[0], CONFIGS[1], "networks"],
        &[CRDS, CONFIGS[2], "networks"],
        &[CRDS, CONFIGS[0], CONFIGS[1], CONFIGS[2]],
        &[CRDS, CONFIGS[0], CONFIGS[1], CONFIGS[2], "networks"],
    ] {
        let mut stage = Stage::new();
        stage.server.establish(kind);
        stage.server.open(open);
        // Time for all that can be done without what is missing, and for waiting for that.
        tokio::time::sleep(Duration::from_millis(900)).await;
        let stopping = tokio::time::timeout(Duration::from_secs(60), stage.stop());
        let took = stopping.await.unwrap_or(Duration::MAX);
        assert!(took < Duration::from_secs(1), "{took:?} with {open:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_stopped_right_after_its_start_ends_at_once() {
    for more in [&[][..], &["--leader-election"]] {
        let started = Instant::now();
        let client = Server::new().client();
        run_on(client, &args(more), std::future::ready(()))
            .await
            .unwrap();
        let took = started.elapsed();
        assert!(took < Duration::from_secs(1), "{took:?} with {more:?}");
    }
}
