//! A bare HTTP client: one connection for each request, no retries.

use std::time::Duration;

use bytes::Bytes;
use hcloud_simulator::{DEFAULT_TOKEN, Simulator};
use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy, rt::TokioExecutor};
use serde_json::Value;

#[derive(Clone, Debug)]
pub(crate) struct Client {
    url: String,
    token: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Status and error code.
    pub(crate) fn refusal(&self) -> (u16, &str) {
        (
            self.status,
            self.body["error"]["code"].as_str().unwrap_or_default(),
        )
    }
}

impl Client {
    pub(crate) fn new(simulator: &Simulator) -> Self {
        Self {
            url: simulator.url(),
            token: Some(DEFAULT_TOKEN.to_owned()),
        }
    }

    pub(crate) fn control(simulator: &Simulator) -> Self {
        Self {
            url: simulator.control_url(),
            token: None,
        }
    }

    pub(crate) fn with_token(&self, token: Option<&str>) -> Self {
        Self {
            token: token.map(str::to_owned),
            ..self.clone()
        }
    }

    /// The answer, or `None` when the connection was refused or closed instead.
    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Option<Answer> {
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build_http();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        request = request.header(header::CONTENT_TYPE, "application/json");
        let request = request
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .unwrap();
        let (head, body) = client.request(request).await.ok()?.into_parts();
        let text = String::from_utf8(body.collect().await.ok()?.to_bytes().to_vec()).unwrap();
        let body = serde_json::from_str(&text).unwrap_or_default();
        Some(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            text,
            body,
        })
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.try_send(method, path, body.map(|body| body.to_string()))
            .await
            .expect("an answer")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Creates a network that must be accepted and gives its id.
    pub(crate) async fn create_network(&self, name: &str, ip_range: &str) -> u64 {
        let answer = self
            .post(
                "/networks",
                serde_json::json!({ "name": name, "ip_range": ip_range }),
            )
            .await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.body["network"]["id"].as_u64().unwrap()
    }
}

/// Waits for what must happen, and fails instead of hanging when it does not.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    let limit = Duration::from_secs(30);
    tokio::time::timeout(limit, future)
        .await
        .expect("it happens")
}
