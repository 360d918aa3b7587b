//! The gRPC server: the only part that knows the network.
//!
//! Serves both versions of the function service, reflection and health on one
//! address, and Prometheus metrics on another. Crossplane's client certificate is
//! required and verified unless the server is told to be insecure.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossplane_proto::v1::function_runner_service_server as v1_server;
use crossplane_proto::v1beta1::function_runner_service_server as v1beta1_server;
use crossplane_proto::{FILE_DESCRIPTOR_SET, v1};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status};

use crate::environment::Environment;
use crate::metrics::Metrics;
use crate::respond::Ttl;
use crate::run;

/// How the server serves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address of the gRPC server.
    pub address: SocketAddr,
    /// Address of the metrics.
    pub metrics_address: SocketAddr,
    /// Directory with `tls.crt`, `tls.key` and `ca.crt`; `None` serves plain text.
    pub certs: Option<PathBuf>,
    /// Largest request in bytes.
    pub max_request: usize,
    /// How long responses stay valid.
    pub ttl: Ttl,
}

/// Why the server cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A certificate or key cannot be read.
    #[error("cannot read {}", path.display())]
    ReadCertificate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The certificates cannot be used.
    #[error("cannot use the certificates in {}", dir.display())]
    Tls {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: tonic::transport::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The descriptors cannot be served.
    #[error("cannot offer reflection")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// The server failed.
    #[error("the server failed")]
    Serve(#[source] tonic::transport::Error),
}

/// Calls that are under way get this long to finish once the server is told to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct Bound {
    options: Options,
    grpc: TcpListener,
    metrics: TcpListener,
}

/// Takes the addresses. Connections wait from here on, and no caller is refused.
///
/// # Errors
///
/// When an address cannot be listened on.
pub async fn bind(options: Options) -> Result<Bound, Error> {
    let listen = async |address| {
        TcpListener::bind(address)
            .await
            .map_err(|source| Error::Bind { address, source })
    };
    Ok(Bound {
        grpc: listen(options.address).await?,
        metrics: listen(options.metrics_address).await?,
        options,
    })
}

impl Bound {
    /// Address of the gRPC server, with the port that it really has.
    pub fn address(&self) -> SocketAddr {
        self.grpc.local_addr().unwrap_or(self.options.address)
    }

    /// Address of the metrics, with the port that it really has.
    pub fn metrics_address(&self) -> SocketAddr {
        self.metrics
            .local_addr()
            .unwrap_or(self.options.metrics_address)
    }

    /// Serves until `stop` resolves, then finishes the calls that are under way.
    ///
    /// # Errors
    ///
    /// When the certificates cannot be used or the server fails.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let Self {
            options,
            grpc,
            metrics: metrics_listener,
        } = self;
        let mut registry = Registry::default();
        let function = Function {
            metrics: Metrics::register(&mut registry),
            ttl: options.ttl,
        };
        let scrapes = tokio::spawn(serve_metrics(metrics_listener, Arc::new(registry)));

        let (stopping, stopped) = tokio::sync::watch::channel(false);
        let router = router(&options, function).await?;
        // Otherwise the end of an answer waits until the client has acknowledged its
        // beginning, and a client delays that by 40 ms.
        let connections = TcpIncoming::from(grpc).with_nodelay(Some(true));
        let serve = router.serve_with_incoming_shutdown(connections, {
            let mut stopped = stopped.clone();
            async move {
                let _ = stopped.wait_for(|stopped| *stopped).await;
            }
        });
        tokio::pin!(serve);
        let result = tokio::select! {
            result = &mut serve => result,
            () = stop => {
                tracing::info!("Stopping");
                let _ = stopping.send(true);
                match tokio::time::timeout(DRAIN, serve).await {
                    Ok(result) => result,
                    Err(_) => {
                        tracing::warn!("Calls did not finish in time");
                        Ok(())
                    }
                }
            }
        };
        scrapes.abort();
        result.map_err(Error::Serve)
    }
}

async fn router(
    options: &Options,
    function: Function,
) -> Result<tonic::transport::server::Router, Error> {
    let mut server = Server::builder();
    if let Some(dir) = &options.certs {
        server = server.tls_config(tls(dir)?).map_err(|source| Error::Tls {
            dir: dir.clone(),
            source,
        })?;
    }
    let (health, health_service) = tonic_health::server::health_reporter();
    health
        .set_serving::<v1_server::FunctionRunnerServiceServer<Function>>()
        .await;
    health
        .set_serving::<v1beta1_server::FunctionRunnerServiceServer<Function>>()
        .await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let max = options.max_request;
    Ok(server
        .add_service(
            v1_server::FunctionRunnerServiceServer::new(function.clone())
                .max_decoding_message_size(max),
        )
        .add_service(
            v1beta1_server::FunctionRunnerServiceServer::new(function)
                .max_decoding_message_size(max),
        )
        .add_service(health_service)
        .add_service(reflection().build_v1().map_err(Error::Reflection)?)
        .add_service(reflection().build_v1alpha().map_err(Error::Reflection)?))
}

fn tls(dir: &Path) -> Result<ServerTlsConfig, Error> {
    let read = |name: &str| {
        let path = dir.join(name);
        std::fs::read(&path).map_err(|source| Error::ReadCertificate { path, source })
    };
    Ok(ServerTlsConfig::new()
        .identity(Identity::from_pem(read("tls.crt")?, read("tls.key")?))
        .client_ca_root(Certificate::from_pem(read("ca.crt")?)))
}

/// The function as a gRPC service.
#[derive(Debug, Clone)]
struct Function {
    metrics: Metrics,
    ttl: Ttl,
}

impl Function {
    fn answer(
        &self,
        service: &'static str,
        request: v1::RunFunctionRequest,
    ) -> Result<Response<v1::RunFunctionResponse>, Status> {
        self.metrics.started(service);
        let begin = Instant::now();
        let answer = Environment::system()
            .map_err(|error| Status::internal(format!("no entropy: {error}")))
            .and_then(|environment| {
                run::run(request, self.ttl, &environment)
                    .map_err(|error| Status::invalid_argument(error.to_string()))
            });
        let code = match &answer {
            Ok(_) => "OK",
            Err(status) if status.code() == Code::Internal => "Internal",
            Err(_) => "InvalidArgument",
        };
        self.metrics.handled(service, code, begin.elapsed());
        answer.map(Response::new).inspect_err(|status| {
            tracing::warn!(error = status.message(), "Refused a request");
        })
    }
}

#[tonic::async_trait]
impl v1_server::FunctionRunnerService for Function {
    async fn run_function(
        &self,
        request: Request<v1::RunFunctionRequest>,
    ) -> Result<Response<v1::RunFunctionResponse>, Status> {
        self.answer(v1_server::SERVICE_NAME, request.into_inner())
    }
}

#[tonic::async_trait]
impl v1beta1_server::FunctionRunnerService for Function {
    async fn run_function(
        &self,
        request: Request<v1::RunFunctionRequest>,
    ) -> Result<Response<v1::RunFunctionResponse>, Status> {
        self.answer(v1beta1_server::SERVICE_NAME, request.into_inner())
    }
}

async fn serve_metrics(listener: TcpListener, registry: Arc<Registry>) {
    loop {
        let Ok((connection, _)) = listener.accept().await else {
            // Out of file descriptors or a connection that is gone already.
            tokio::task::yield_now().await;
            continue;
        };
        let registry = Arc::clone(&registry);
        tokio::spawn(async move {
            let scrape = service_fn(move |request| {
                let answer = scrape(&request, &registry);
                async move { Ok::<_, Infallible>(answer) }
            });
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(connection), scrape)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "A scrape broke off");
            }
        });
    }
}

fn scrape(
    request: &hyper::Request<Incoming>,
    registry: &Registry,
) -> hyper::Response<Full<bytes::Bytes>> {
    let mut response = hyper::Response::new(Full::default());
    let mut text = String::new();
    if request.uri().path() != "/metrics" {
        *response.status_mut() = hyper::StatusCode::NOT_FOUND;
    } else if prometheus_client::encoding::text::encode(&mut text, registry).is_err() {
        *response.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
    } else {
        response.headers_mut().insert(
            hyper::header::CONTENT_TYPE,
            hyper::header::HeaderValue::from_static(
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            ),
        );
        *response.body_mut() = Full::from(text);
    }
    response
}
