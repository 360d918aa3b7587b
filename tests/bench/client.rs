//! A gRPC client that neither encodes nor decodes: what it sends is encoded beforehand, what it receives is counted. So
//! it takes as little as possible of the cores that it shares with the server.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

use crate::program::Program;

/// Larger than any message here.
const LARGEST: usize = 64 << 20;

/// A client on a connection of its own. Clones share the connection.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    grpc: Grpc<Channel>,
}

impl Client {
    /// Connects.
    pub(crate) async fn connect(address: SocketAddr, tls: Option<ClientTlsConfig>) -> Result<Self> {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let mut endpoint =
            Endpoint::from_shared(format!("{scheme}://{address}")).context("name the server")?;
        if let Some(tls) = tls {
            endpoint = endpoint.tls_config(tls).context("use the certificates")?;
        }
        let channel = endpoint
            .connect()
            .await
            .with_context(|| format!("connect to {address}"))?;
        Ok(Self {
            grpc: Grpc::new(channel)
                .max_decoding_message_size(LARGEST)
                .max_encoding_message_size(LARGEST),
        })
    }

    /// Calls RunFunction.
    pub(crate) async fn call(&mut self, request: Bytes) -> Result<Bytes> {
        const PATH: PathAndQuery = PathAndQuery::from_static(
            "/apiextensions.fn.proto.v1.FunctionRunnerService/RunFunction",
        );
        self.grpc.ready().await.context("wait for the connection")?;
        let response = self.grpc.unary(Request::new(request), PATH, Raw).await?;
        Ok(response.into_inner())
    }
}

/// Messages as they are on the wire.
#[derive(Debug, Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(message.len());
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(length)))
    }
}

/// Starts the function on loopback, with the certificates in a directory or without TLS.
pub(crate) fn function(binary: &Path, certificates: Option<&Path>) -> Result<Program> {
    let addresses = [
        "--address",
        "127.0.0.1:0",
        "--metrics-address",
        "127.0.0.1:0",
    ]
    .map(OsStr::new);
    let security = match certificates {
        None => vec![OsStr::new("--insecure")],
        Some(dir) => vec![OsStr::new("--tls-certs-dir"), dir.as_os_str()],
    };
    Program::start(binary, addresses.into_iter().chain(security), &[])
}
