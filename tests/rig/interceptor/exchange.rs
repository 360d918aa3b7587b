//! One request and its answer.

use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderName, Request, Response, StatusCode, Uri, header, request::Parts};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;

use super::name::{Collection, Named, Server, name};
use super::watching::{deliver, expired};
use super::{Answer, Shared, Verdict};

type Body = UnsyncBoxBody<Bytes, Closed>;

/// The connection is closed instead of an answer.
#[derive(Debug)]
pub(super) struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is closed")
    }
}

impl std::error::Error for Closed {}

/// What stands for one connection only, or is none of the server's business.
const OWN_HEADERS: [HeaderName; 6] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::ACCEPT_ENCODING,
    header::UPGRADE,
];

pub(super) async fn answer(
    shared: Arc<Shared>,
    life: u64,
    request: Request<Incoming>,
) -> Result<Response<Body>, Closed> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
    let named = name(&head.method, &head.uri);
    if let Some(collection) = &named.collection
        && is_hidden(&shared, collection)
    {
        return Ok(nothing_of(&named));
    }
    let verdict = shared.begin(life, &named.call);
    let (dies, closes) = match verdict {
        Verdict::Silence => return std::future::pending().await,
        Verdict::Answer(answer) => return Ok(invented(answer)),
        Verdict::Forward => (false, false),
        Verdict::ForwardThenDie => (true, false),
        Verdict::ForwardThenClose => (false, true),
    };
    // A task of its own: what has arrived is carried out, also when the process dies meanwhile.
    let forwarding = tokio::spawn(async move {
        let answer = forward(&shared, life, &named, head, body).await;
        shared.state.send_modify(|state| {
            state.under_way -= 1;
            state.dead |= dies && state.life == life;
        });
        if let Err(error) = &answer {
            tracing::warn!(call = %named.call, error = format!("{error:#}"), "A request was not passed on");
        }
        if shared.is_dead(life) {
            std::future::pending::<()>().await;
        }
        answer
    });
    match forwarding.await {
        Ok(Ok(answer)) if !closes => Ok(answer),
        _ => Err(Closed),
    }
}

fn invented(answer: Answer) -> Response<Body> {
    let mut response = Response::new(full(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// Whether this is about the CRD of a kind that is not to be seen.
fn is_hidden(shared: &Shared, collection: &Collection) -> bool {
    let crd = collection
        .fields
        .as_deref()
        .and_then(|fields| fields.strip_prefix("metadata.name="));
    let served = |crd: &str| {
        let plural = crd.strip_suffix(&format!(".{}", shared.scope.group));
        plural.is_none_or(|plural| shared.scope.served.iter().any(|served| served == plural))
    };
    collection.plural == "customresourcedefinitions" && crd.is_some_and(|crd| !served(crd))
}

fn nothing_of(named: &Named) -> Response<Body> {
    if named.call.verb == "WATCH" {
        let body = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Closed>>());
        return json_response(StatusCode::OK, body.boxed_unsync());
    }
    let list = json!({
        "kind": "CustomResourceDefinitionList",
        "apiVersion": "apiextensions.k8s.io/v1",
        "metadata": {"resourceVersion": "1"},
        "items": [],
    });
    json_response(StatusCode::OK, full(list.to_string().into()))
}

fn json_response(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

async fn forward(
    shared: &Arc<Shared>,
    life: u64,
    named: &Named,
    head: Parts,
    body: Bytes,
) -> Result<Response<Body>> {
    match (named.call.server, &named.collection) {
        (Server::Cloud, _) => to_cloud(shared, head, body).await,
        (Server::Kubernetes, Some(collection)) if named.call.verb == "WATCH" => {
            let path = named.call.path.clone();
            let mut was_expired = false;
            shared.state.send_if_modified(|state| {
                was_expired = state.expired.remove(&path);
                was_expired
            });
            if was_expired {
                return Ok(json_response(StatusCode::OK, full(expired())));
            }
            let answer = to_api_server(shared, Some(collection), head, body).await?;
            let (parts, upstream) = answer.into_parts();
            if !parts.status.is_success() {
                let body = upstream.collect().await.context("read the answer")?;
                return Ok(copy(parts.status, &parts.headers, full(body.to_bytes())));
            }
            let events = deliver(Arc::clone(shared), life, path, upstream);
            let body = StreamBody::new(events).boxed_unsync();
            Ok(copy(parts.status, &parts.headers, body))
        }
        (Server::Kubernetes, collection) => {
            let listed = collection
                .as_ref()
                .filter(|_| named.call.verb == "LIST")
                .map(|collection| collection.plural.clone());
            let answer = to_api_server(shared, collection.as_ref(), head, body).await?;
            let (parts, upstream) = answer.into_parts();
            let body = upstream.collect().await.context("read the answer")?;
            let mut body = body.to_bytes();
            if let Some(plural) = listed
                && parts.status.is_success()
            {
                shared
                    .state
                    .send_modify(|state| match state.stale.remove(&plural) {
                        Some(stale) => body = stale,
                        None => {
                            state.lists.insert(plural, body.clone());
                        }
                    });
            }
            Ok(copy(parts.status, &parts.headers, full(body)))
        }
    }
}

fn copy(status: StatusCode, headers: &HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = without_own(headers);
    response
}

fn without_own(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for own in OWN_HEADERS {
        headers.remove(own);
    }
    headers
}

async fn to_api_server(
    shared: &Shared,
    collection: Option<&Collection>,
    head: Parts,
    body: Bytes,
) -> Result<Response<kube::client::Body>> {
    let uri = match collection {
        Some(collection) => scoped(shared, collection, &head.uri)?,
        None => head.uri,
    };
    let mut request = Request::new(kube::client::Body::from(body));
    *request.method_mut() = head.method;
    *request.uri_mut() = uri;
    *request.headers_mut() = without_own(&head.headers);
    request.headers_mut().remove(header::AUTHORIZATION);
    let answer = shared.api.send(request).await;
    answer.context("ask the API server")
}

/// Turns what is asked of all namespaces into what is asked of one.
fn scoped(shared: &Shared, collection: &Collection, uri: &Uri) -> Result<Uri> {
    let scope = &shared.scope;
    if collection.namespaced
        || collection.group != scope.group
        || scope.cluster_wide.contains(&collection.plural)
    {
        return Ok(uri.clone());
    }
    let text = uri.to_string();
    let own = format!("/{}", collection.plural);
    let scoped = format!("/namespaces/{}{own}", scope.namespace);
    text.replacen(&own, &scoped, 1)
        .parse()
        .with_context(|| format!("scope {text}"))
}

async fn to_cloud(shared: &Shared, head: Parts, body: Bytes) -> Result<Response<Body>> {
    let stream = TcpStream::connect(shared.cloud)
        .await
        .context("connect to the cloud")?;
    stream.set_nodelay(true).context("connect to the cloud")?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .context("connect to the cloud")?;
    tokio::spawn(connection);
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = head.method;
    *request.uri_mut() = head.uri;
    *request.headers_mut() = without_own(&head.headers);
    let host = header::HeaderValue::from_str(&shared.cloud.to_string())?;
    request.headers_mut().insert(header::HOST, host);
    let answer = sender
        .send_request(request)
        .await
        .context("ask the cloud")?;
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.context("read the cloud's answer")?;
    Ok(copy(parts.status, &parts.headers, full(body.to_bytes())))
}
