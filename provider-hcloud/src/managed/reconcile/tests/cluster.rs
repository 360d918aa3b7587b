//! As much of an API server as one reconcile talks to: one object, one Secret, and what is written about them.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use futures::stream;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::Frame;
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tokio::sync::mpsc;

type Answer = Response<BoxBody<Bytes, Infallible>>;

#[derive(Clone)]
pub(super) struct Cluster(Arc<Mutex<State>>);

pub(super) struct State {
    /// The managed resource, as it is stored.
    pub(super) thing: Value,
    pub(super) secret: Value,
    /// Method and path of each write to the managed resource.
    pub(super) writes: Vec<String>,
    /// Reasons of the events.
    pub(super) events: Vec<String>,
    /// The next write meets a change by somebody else.
    pub(super) conflict: bool,
    /// Writes to the managed resource that say this are forbidden.
    pub(super) forbidden: Option<&'static str>,
    /// The connection Secret, as it is stored.
    pub(super) connection: Value,
    /// How often it was read.
    pub(super) connection_reads: usize,
    /// The keys of connection Secrets that were written.
    pub(super) published: Vec<String>,
    /// Nothing is answered.
    pub(super) silent: bool,
    /// What says this is not answered.
    pub(super) unanswered: Option<&'static str>,
    /// The namespace is being deleted: nothing can be created in it.
    pub(super) terminating: bool,
    watchers: Vec<mpsc::UnboundedSender<Value>>,
}

impl Cluster {
    pub(super) fn new(thing: Value, secret: Value) -> Self {
        Self(Arc::new(Mutex::new(State {
            thing,
            secret,
            writes: Vec::new(),
            events: Vec::new(),
            conflict: false,
            forbidden: None,
            connection: Value::Null,
            connection_reads: 0,
            published: Vec::new(),
            silent: false,
            unanswered: None,
            terminating: false,
            watchers: Vec::new(),
        })))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Stores another Secret and tells whoever watches it.
    pub(super) fn change_secret(&self, secret: Value) {
        let mut state = self.state();
        for watcher in &state.watchers {
            let _ = watcher.send(json!({"type": "MODIFIED", "object": secret}));
        }
        state.secret = secret;
    }

    /// Deletes the Secret and tells whoever watches it.
    pub(super) fn delete_secret(&self) {
        let mut state = self.state();
        let secret = std::mem::take(&mut state.secret);
        for watcher in &state.watchers {
            let _ = watcher.send(json!({"type": "DELETED", "object": secret}));
        }
    }

    pub(super) fn client(&self) -> Client {
        let cluster = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let cluster = cluster.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                let body: Value = serde_json::from_slice(&body).unwrap_or_default();
                let unanswered = cluster.state().unanswered;
                let body_says = |text: &str| body.to_string().contains(text);
                if cluster.state().silent || unanswered.is_some_and(body_says) {
                    return std::future::pending().await;
                }
                let watch = parts.uri.query().is_some_and(|q| q.contains("watch=true"));
                Ok::<_, kube::Error>(cluster.state().answer(
                    &parts.method,
                    parts.uri.path(),
                    watch,
                    body,
                ))
            }
        });
        Client::new(service, "default")
    }
}

impl State {
    fn answer(&mut self, method: &Method, path: &str, watch: bool, body: Value) -> Answer {
        if path.contains("/things/") {
            return self.answer_for_thing(method, path, body);
        }
        match *method {
            Method::GET if watch => {
                let (sender, receiver) = mpsc::unbounded_channel();
                if path.ends_with("/secrets") {
                    self.watchers.push(sender);
                }
                streamed(receiver)
            }
            Method::GET if path.contains("/secrets/") => {
                self.connection_reads += 1;
                match &self.connection {
                    Value::Null => failure(404, "NotFound"),
                    connection => whole(200, connection),
                }
            }
            Method::GET => {
                let secrets = path.ends_with("/secrets");
                let items: Vec<_> = (secrets && !self.secret.is_null())
                    .then_some(&self.secret)
                    .into_iter()
                    .collect();
                whole(
                    200,
                    &json!({"metadata": {"resourceVersion": "1"}, "items": items}),
                )
            }
            Method::POST if self.terminating => failure(403, "Forbidden"),
            _ => {
                if let Some(reason) = body["reason"].as_str() {
                    self.events.push(reason.to_owned());
                }
                if path.contains("/secrets") {
                    let data = body["data"].as_object().into_iter().flatten();
                    self.published.extend(data.map(|(key, _)| key.clone()));
                    merge(&mut self.connection, body.clone());
                }
                whole(201, &body)
            }
        }
    }

    fn answer_for_thing(&mut self, method: &Method, path: &str, body: Value) -> Answer {
        if method == Method::GET {
            return whole(200, &self.thing);
        }
        let expected = &body["metadata"]["resourceVersion"];
        let stale = !expected.is_null() && *expected != self.thing["metadata"]["resourceVersion"];
        if std::mem::take(&mut self.conflict) || stale {
            return failure(409, "Conflict");
        }
        if self
            .forbidden
            .is_some_and(|text| body.to_string().contains(text))
        {
            return failure(403, "Forbidden");
        }
        self.writes.push(format!("{method} {path}"));
        if path.ends_with("/status") && method == Method::PUT {
            self.thing["status"] = body["status"].clone();
        } else {
            merge(&mut self.thing, body);
        }
        let version = self.thing["metadata"]["resourceVersion"].as_str();
        let version: u64 = version.unwrap().parse().unwrap();
        self.thing["metadata"]["resourceVersion"] = json!((version + 1).to_string());
        whole(200, &self.thing)
    }
}

/// RFC 7386.
pub(super) fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(&key);
        } else {
            merge(&mut target[key], value);
        }
    }
}

fn whole(status: u16, body: &Value) -> Answer {
    let body = Full::new(Bytes::from(body.to_string())).boxed();
    Response::builder().status(status).body(body).unwrap()
}

fn failure(code: u16, reason: &str) -> Answer {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "reason": reason, "message": reason, "code": code,
    });
    whole(code, &status)
}

fn streamed(receiver: mpsc::UnboundedReceiver<Value>) -> Answer {
    let lines = stream::unfold(receiver, async |mut receiver| {
        match receiver.recv().await {
            Some(event) => {
                let line = Bytes::from(format!("{event}\n"));
                Some((Ok(Frame::data(line)), receiver))
            }
            // Nothing to watch: silent, as a watch is.
            None => std::future::pending().await,
        }
    });
    Response::new(BodyExt::boxed(StreamBody::new(lines)))
}
