//! What the pod shows of itself over HTTP: `/metrics`, `/healthz`, `/readyz`.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::{encoding::text, registry::Registry};
use tokio::net::TcpListener;
use tracing::{debug, info};

use crate::managed::cache::Caches;

/// A client that does not finish its request is disconnected after this time.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections at once; more wait.
const CONNECTIONS: usize = 64;

const PLAIN: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The address cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct ListenError {
    address: SocketAddr,
    source: io::Error,
}

/// The endpoints, bound and not yet served.
#[derive(Debug)]
pub struct Probe {
    listener: TcpListener,
    shown: Arc<Shown>,
}

/// What the answers are made of.
#[derive(Debug)]
struct Shown {
    registry: Registry,
    caches: Caches,
}

impl Probe {
    /// Binds the address. The pod is ready while nothing is missing from `caches`.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(
        address: SocketAddr,
        registry: Registry,
        caches: Caches,
    ) -> Result<Self, ListenError> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| ListenError { address, source })?;
        Ok(Self {
            listener,
            shown: Arc::new(Shown { registry, caches }),
        })
    }

    /// Serves until dropped.
    pub async fn serve(self) {
        if let Ok(address) = self.listener.local_addr() {
            info!(%address, "Serving metrics and probes");
        }
        let slots = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
        loop {
            let slot = Arc::clone(&slots).acquire_owned().await;
            let Ok((stream, _)) = self.listener.accept().await else {
                // Out of file descriptors, most likely: the next one may find some.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let shown = Arc::clone(&self.shown);
            tokio::spawn(async move {
                let _slot = slot;
                let answer = service_fn(move |request: Request<_>| {
                    let response = respond(request.method(), request.uri().path(), &shown);
                    async move { Ok::<_, Infallible>(response) }
                });
                let served = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(REQUEST_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), answer)
                    .await;
                if let Err(error) = served {
                    debug!(%error, "A probe connection failed");
                }
            });
        }
    }
}

fn respond(method: &Method, path: &str, shown: &Shown) -> Response<Full<Bytes>> {
    let (status, content_type, body) = match (method, path) {
        (&Method::GET | &Method::HEAD, "/healthz") => (StatusCode::OK, PLAIN, "ok\n".to_owned()),
        (&Method::GET | &Method::HEAD, "/readyz") => {
            let missing = shown.caches.missing();
            if missing.is_empty() {
                (StatusCode::OK, PLAIN, "ok\n".to_owned())
            } else {
                let body = format!("not listed yet: {}\n", missing.join(", "));
                (StatusCode::SERVICE_UNAVAILABLE, PLAIN, body)
            }
        }
        (&Method::GET | &Method::HEAD, "/metrics") => {
            let mut body = String::new();
            match text::encode(&mut body, &shown.registry) {
                Ok(()) => (StatusCode::OK, OPEN_METRICS, body),
                Err(_) => (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    PLAIN,
                    "the metrics cannot be encoded\n".to_owned(),
                ),
            }
        }
        (_, "/healthz" | "/readyz" | "/metrics") => (
            StatusCode::METHOD_NOT_ALLOWED,
            PLAIN,
            "only GET\n".to_owned(),
        ),
        _ => (
            StatusCode::NOT_FOUND,
            PLAIN,
            "not here: try /metrics, /healthz or /readyz\n".to_owned(),
        ),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::managed::cache::Cache;

    fn shown() -> Shown {
        Shown {
            registry: Registry::default(),
            caches: Caches::default(),
        }
    }

    #[test]
    fn each_endpoint_answers_and_others_do_not() {
        for (method, path, expected) in [
            (Method::GET, "/healthz", StatusCode::OK),
            (Method::GET, "/readyz", StatusCode::OK),
            (Method::GET, "/metrics", StatusCode::OK),
            (Method::POST, "/metrics", StatusCode::METHOD_NOT_ALLOWED),
            (Method::GET, "/", StatusCode::NOT_FOUND),
        ] {
            assert_eq!(
                respond(&method, path, &shown()).status(),
                expected,
                "{method} {path}"
            );
        }
    }

    #[tokio::test]
    async fn a_pod_is_ready_when_the_first_lists_are_there_and_alive_before() {
        let shown = shown();
        let things = Cache::default();
        shown.caches.add("things.example.org", &things);
        let status = |path| respond(&Method::GET, path, &shown).status();
        assert_eq!(status("/healthz"), StatusCode::OK);
        assert_eq!(status("/readyz"), StatusCode::SERVICE_UNAVAILABLE);
        let body = respond(&Method::GET, "/readyz", &shown).into_body();
        let body = body.collect().await.unwrap().to_bytes();
        assert_eq!(body, "not listed yet: things.example.org\n");
        things.fill();
        assert_eq!(status("/readyz"), StatusCode::OK);
    }
}
