//! JSON over plain HTTP: the simulated cloud as a person uses it, and the store of the API server.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use hcloud_simulator::DEFAULT_TOKEN;
use http::{Method, Request, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use k8s_openapi::ByteString;
use rig::Rig;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::world::Tenant;

/// Calls the tenant's cloud past the provider, as a person does.
pub(crate) async fn by_hand(
    tenant: &Tenant<'_>,
    method: Method,
    path: &str,
    body: Value,
) -> Result<Value> {
    let url = format!("{}{path}", tenant.simulator.url());
    call(method, &url, Some(DEFAULT_TOKEN), body).await
}

/// Reads an object from the store of the API server, changes it, and writes it back unseen by any check.
pub(crate) async fn rewrite(
    rig: &Rig,
    key: &str,
    change: impl FnOnce(&mut Value) + Send,
) -> Result<()> {
    let text = |text: &[u8]| json!(ByteString(text.to_vec()));
    let url = |operation: &str| format!("{}/v3/kv/{operation}", rig.store());
    let wanted = json!({"key": text(key.as_bytes())});
    let found = call(Method::POST, &url("range"), None, wanted).await?;
    let stored: ByteString = serde_json::from_value(found["kvs"][0]["value"].clone())
        .with_context(|| format!("{key} is not stored"))?;
    let mut object: Value = serde_json::from_slice(&stored.0)?;
    change(&mut object);
    let changed =
        json!({"key": text(key.as_bytes()), "value": text(object.to_string().as_bytes())});
    call(Method::POST, &url("put"), None, changed).await?;
    Ok(())
}

/// Sends and receives JSON.
pub(crate) async fn call(
    method: Method,
    url: &str,
    token: Option<&str>,
    body: Value,
) -> Result<Value> {
    let answer = exchange(method, url, token, body.to_string().into()).await?;
    if answer.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&answer).with_context(|| format!("{url} answers no JSON"))
}

async fn exchange(method: Method, url: &str, token: Option<&str>, body: Bytes) -> Result<Bytes> {
    let uri: Uri = url.parse()?;
    let host = uri.authority().context("the URL has no host")?.as_str();
    let stream = TcpStream::connect(host).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(uri.path())
        .header(header::HOST, host)
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Full::new(body))?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    drop(sender);
    connection.await??;
    ensure!(
        status.is_success(),
        "{url} answers {status}: {}",
        String::from_utf8_lossy(&body)
    );
    Ok(body)
}
