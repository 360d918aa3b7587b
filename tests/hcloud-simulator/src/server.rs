//! The edge: TCP connections, and the one path that every request takes. All waiting is here; the world is only ever
//! locked for as long as a plain function runs.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};
use tower::ServiceExt;

use crate::{
    clock::{Clock, later},
    control,
    fault::{ActionFault, Effect, FaultPlan, Injection, Verdict},
    log::{Entry, Outcome, RequestLog},
    rate_limit::Standing,
    request::ApiRequest,
    route::{Reply, Router},
    world::World,
};

const MAX_BODY_BYTES: usize = 1 << 20;

/// What the connections of one simulator share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) world: Arc<Mutex<World>>,
    pub(crate) faults: FaultPlan,
    pub(crate) log: RequestLog,
    pub(crate) clock: Clock,
    pub(crate) router: Router,
}

/// The connection is closed instead of an answer.
#[derive(Debug, thiserror::Error)]
#[error("close the connection without an answer")]
pub(crate) struct Closed;

/// Accepts connections until it is dropped, which closes the listener and every connection.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let control = control::router(Arc::clone(&shared));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that was given up before it was accepted concerns nobody.
                let Ok((stream, _)) = accepted else { continue };
                let _ = stream.set_nodelay(true);
                let (shared, control) = (Arc::clone(&shared), control.clone());
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&shared), control.clone(), request));
                    // An error here is a closed connection: the client's choice, or a fault's.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Binds a listener that can be bound again at once after it was closed.
pub(crate) fn reserve(address: SocketAddr) -> std::io::Result<tokio::net::TcpSocket> {
    let socket = if address.is_ipv4() {
        tokio::net::TcpSocket::new_v4()?
    } else {
        tokio::net::TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn answer(
    shared: Arc<Shared>,
    control: axum::Router,
    request: Request<Incoming>,
) -> Result<Response<Body>, Closed> {
    if request.uri().path().starts_with(control::PREFIX) {
        return control
            .oneshot(request.map(Body::new))
            .await
            .map_err(|never| match never {});
    }
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY_BYTES)
        .collect()
        .await
        .map_err(|_| Closed)?
        .to_bytes();
    let request = ApiRequest::new(head.method, &head.uri, &head.headers, body);
    // A task of its own: a client that goes away does not undo a request that has arrived.
    tokio::spawn(async move { shared.call(&request).await })
        .await
        .map_err(|_| Closed)?
}

impl Shared {
    async fn call(&self, request: &ApiRequest) -> Result<Response<Body>, Closed> {
        let (admission, now) = {
            let mut world = World::lock(&self.world);
            world.memory = self.faults.memory();
            (world.admit(&self.router, request), world.now())
        };
        let path = request.path.as_deref().unwrap_or(&request.raw_path);
        let sequence = self.log.begin(Entry {
            sequence: 0,
            time: now,
            project: admission.project.clone(),
            method: request.method.clone(),
            path: path.to_owned(),
            query: request.raw_query.clone(),
            user_agent: request.user_agent.clone(),
            outcome: Outcome::Pending,
        });
        let result = match admission.verdict {
            Ok(admitted) => {
                let injections = self.faults.strike(&request.method, path);
                let handler =
                    |faults, age| World::lock(&self.world).perform(&admitted, request, faults, age);
                self.perform(&injections, handler).await
            }
            Err(error) => Ok(Answer::Reply(error.into())),
        };
        let outcome = result.as_ref().map_or(Outcome::Closed, |answer| {
            Outcome::Answered(answer.status().as_u16())
        });
        self.log.end(sequence, outcome);
        result.map(|answer| answer.into_response(sequence, admission.standing))
    }

    /// Runs a handler under the faults that strike its call.
    async fn perform(
        &self,
        injections: &[Injection],
        handler: impl FnOnce(Vec<ActionFault>, Option<Duration>) -> Reply,
    ) -> Result<Answer, Closed> {
        let mut action_faults = Vec::new();
        let mut age = None;
        for injection in injections {
            match &injection.fault().effect {
                Effect::HoldBefore => {
                    injection.mark_reached();
                    if injection.verdict().await == Verdict::Abort {
                        return Err(Closed);
                    }
                }
                Effect::Answer {
                    status,
                    code,
                    message,
                } => {
                    injection.mark_reached();
                    let body =
                        json!({ "error": { "code": code, "message": message, "details": null } });
                    return Ok(Answer::Reply(Reply::json(status_of(*status), body)));
                }
                Effect::Html { status } => {
                    injection.mark_reached();
                    return Ok(Answer::Html(status_of(*status)));
                }
                Effect::CloseBefore => {
                    injection.mark_reached();
                    return Err(Closed);
                }
                Effect::Action {
                    command,
                    milliseconds,
                    error,
                } => {
                    injection.mark_reached();
                    action_faults.push(ActionFault {
                        command: command.clone(),
                        duration: milliseconds.map(Duration::from_millis),
                        error: error.clone(),
                    });
                }
                Effect::Stale { milliseconds } => {
                    injection.mark_reached();
                    age = Some(Duration::from_millis(*milliseconds));
                }
                Effect::CloseAfter | Effect::Slow { .. } | Effect::HoldAfter => {}
            }
        }
        let reply = handler(action_faults, age);
        for injection in injections {
            match &injection.fault().effect {
                Effect::CloseAfter => {
                    injection.mark_reached();
                    return Err(Closed);
                }
                Effect::Slow { milliseconds } => {
                    let due = later(self.clock.now(), Duration::from_millis(*milliseconds));
                    injection.mark_reached();
                    self.clock.reach(due).await;
                }
                Effect::HoldAfter => {
                    injection.mark_reached();
                    if injection.verdict().await == Verdict::Abort {
                        return Err(Closed);
                    }
                }
                Effect::Answer { .. }
                | Effect::Html { .. }
                | Effect::CloseBefore
                | Effect::Stale { .. }
                | Effect::HoldBefore
                | Effect::Action { .. } => {}
            }
        }
        Ok(Answer::Reply(reply))
    }
}

#[derive(Debug)]
enum Answer {
    Reply(Reply),
    /// What a gateway in front of the API answers when the API does not.
    Html(StatusCode),
}

impl Answer {
    const fn status(&self) -> StatusCode {
        match self {
            Self::Reply(reply) => reply.status,
            Self::Html(status) => *status,
        }
    }

    fn into_response(self, sequence: u64, standing: Option<Standing>) -> Response<Body> {
        let reply = match self {
            Self::Reply(reply) => reply,
            Self::Html(status) => {
                let page = format!("<html><body><h1>{status}</h1></body></html>\n");
                return respond(status, "text/html", page.into());
            }
        };
        let content_type = if reply.pretty {
            "application/json; charset=utf-8"
        } else {
            "application/json"
        };
        let text = |body: &Value| {
            if reply.pretty {
                format!("{body:#}")
            } else {
                body.to_string()
            }
        };
        let mut response = match &reply.body {
            Some(body) => respond(reply.status, content_type, text(body).into()),
            None => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = reply.status;
                response
            }
        };
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&format!("{sequence:016x}")) {
            headers.insert(HeaderName::from_static("x-correlation-id"), id);
        }
        if let Some(standing) = standing {
            // A limit that a fault invents must look like one: nothing remains.
            let spent = reply.status == StatusCode::TOO_MANY_REQUESTS;
            let remaining = if spent { 0 } else { standing.remaining };
            headers.insert(
                HeaderName::from_static("ratelimit-limit"),
                standing.limit.into(),
            );
            headers.insert(
                HeaderName::from_static("ratelimit-remaining"),
                remaining.into(),
            );
            headers.insert(
                HeaderName::from_static("ratelimit-reset"),
                standing.reset.into(),
            );
        }
        headers.extend(reply.headers);
        response
    }
}

fn respond(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn status_of(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
