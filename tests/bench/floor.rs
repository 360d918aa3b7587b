//! The floor: a server that does nothing but gRPC. It is made of the same parts as the function, decodes requests as the
//! function does, and gives the function's own answer to the first request again to every later one.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use crossplane_proto::v1;
use crossplane_proto::v1::function_runner_service_server::{
    FunctionRunnerService, FunctionRunnerServiceServer,
};
use function_xplatform::environment::Environment;
use function_xplatform::respond::Ttl;
use function_xplatform::run;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::program::Program;

/// The argument that turns a benchmark into the floor's server.
const ARGUMENT: &str = "serve-the-floor";
const MAX_REQUEST: usize = 32 << 20;

/// Serves, when this program was started by [`start`]; must come first in `main`.
pub(crate) fn serve_if_asked() -> Result<()> {
    if std::env::args().nth(1).as_deref() != Some(ARGUMENT) {
        return Ok(());
    }
    serve()?;
    std::process::exit(0);
}

/// Starts the floor's server in a process of its own.
pub(crate) fn start() -> Result<Program> {
    Program::start(Path::new("/proc/self/exe"), [ARGUMENT], &[])
}

#[tokio::main]
async fn serve() -> Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .context("listen")?;
    let address = listener.local_addr().context("find the port")?;
    writeln!(
        std::io::stdout(),
        "{}",
        serde_json::json!({"address": address})
    )?;
    let service =
        FunctionRunnerServiceServer::new(Floor::default()).max_decoding_message_size(MAX_REQUEST);
    Server::builder()
        .add_service(service)
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            async {
                terminate.recv().await;
            },
        )
        .await
        .context("serve")
}

#[derive(Debug, Default)]
struct Floor {
    answer: OnceLock<v1::RunFunctionResponse>,
}

#[tonic::async_trait]
impl FunctionRunnerService for Floor {
    async fn run_function(
        &self,
        request: Request<v1::RunFunctionRequest>,
    ) -> Result<Response<v1::RunFunctionResponse>, Status> {
        let request = request.into_inner();
        let answer = match self.answer.get() {
            Some(answer) => answer.clone(),
            None => {
                let answer = run::run(request, Ttl::default(), &Environment::reproducible())
                    .map_err(|error| Status::internal(error.to_string()))?;
                self.answer.get_or_init(|| answer).clone()
            }
        };
        Ok(Response::new(answer))
    }
}
