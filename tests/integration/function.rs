//! The function as Crossplane runs it: mutual TLS, both versions, reflection, health, metrics.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use crossplane_proto::v1::RunFunctionRequest;
use crossplane_proto::v1::function_runner_service_client::FunctionRunnerServiceClient as V1;
use crossplane_proto::v1beta1::function_runner_service_client::FunctionRunnerServiceClient as V1Beta1;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use tonic::Code;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::tests;
use crate::world::World;

tests!(
    both_versions_answer_over_mutual_tls,
    a_client_without_a_certificate_is_refused,
    reflection_and_health_answer,
    metrics_count_calls,
);

const FUNCTION: &str = "openova-function-xplatform";
const NAMESPACE: &str = "crossplane-system";

/// Keys and certificates of the client and of its CA, as core has them.
struct Credentials {
    ca: Vec<u8>,
    certificate: Vec<u8>,
    key: Vec<u8>,
}

async fn credentials(world: &World) -> Result<Credentials> {
    let secrets: Api<Secret> = Api::namespaced(world.rig().await?.client(), NAMESPACE);
    let data = secrets
        .get("crossplane-tls-client")
        .await?
        .data
        .context("the Secret is empty")?;
    let entry = |key: &str| {
        Ok::<_, anyhow::Error>(
            data.get(key)
                .with_context(|| format!("no {key}"))?
                .0
                .clone(),
        )
    };
    Ok(Credentials {
        ca: entry("ca.crt")?,
        certificate: entry("tls.crt")?,
        key: entry("tls.key")?,
    })
}

async fn address(world: &World, port: &str) -> Result<SocketAddr> {
    let pod = world.rig().await?.pod(FUNCTION)?;
    let port = pod.port(port).with_context(|| format!("no port {port}"))?;
    Ok(SocketAddr::from((pod.address(), port)))
}

async fn endpoint(world: &World, credentials: &Credentials) -> Result<(Endpoint, ClientTlsConfig)> {
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&credentials.ca))
        .domain_name(format!("{FUNCTION}.{NAMESPACE}"));
    let endpoint = Endpoint::from_shared(format!("https://{}", address(world, "grpc").await?))?;
    Ok((endpoint, tls))
}

async fn channel(world: &World) -> Result<Channel> {
    let credentials = credentials(world).await?;
    let (endpoint, tls) = endpoint(world, &credentials).await?;
    let identity = Identity::from_pem(&credentials.certificate, &credentials.key);
    Ok(endpoint
        .tls_config(tls.identity(identity))?
        .connect()
        .await?)
}

async fn both_versions_answer_over_mutual_tls(world: &World) -> Result<()> {
    let channel = channel(world).await?;
    // No composite resource: the one request that is refused with a code. It shows that the call arrived.
    let empty = RunFunctionRequest::default();
    let v1 = V1::new(channel.clone()).run_function(empty.clone()).await;
    let v1beta1 = V1Beta1::new(channel).run_function(empty).await;
    for (version, answer) in [("v1", v1), ("v1beta1", v1beta1)] {
        let status = answer
            .err()
            .with_context(|| format!("{version} answered"))?;
        ensure!(
            status.code() == Code::InvalidArgument,
            "{version}: {status:?}"
        );
        ensure!(
            status.message().contains("no observed composite"),
            "{version}: {status:?}"
        );
    }
    Ok(())
}

async fn a_client_without_a_certificate_is_refused(world: &World) -> Result<()> {
    let credentials = credentials(world).await?;
    let (endpoint, tls) = endpoint(world, &credentials).await?;
    // With TLS 1.3 the client learns of the refusal with its first call.
    let refused = match endpoint.tls_config(tls)?.connect().await {
        Err(_) => true,
        Ok(channel) => match V1::new(channel)
            .run_function(RunFunctionRequest::default())
            .await
        {
            Ok(_) => false,
            Err(status) => status.code() != Code::InvalidArgument,
        },
    };
    ensure!(refused, "the function answered a stranger");

    let plain = Endpoint::from_shared(format!("http://{}", address(world, "grpc").await?))?;
    let refused = match plain.connect().await {
        Err(_) => true,
        Ok(channel) => V1::new(channel)
            .run_function(RunFunctionRequest::default())
            .await
            .is_err_and(|status| status.code() != Code::InvalidArgument),
    };
    ensure!(refused, "the function answered without TLS");
    Ok(())
}

async fn reflection_and_health_answer(world: &World) -> Result<()> {
    let channel = channel(world).await?;
    let mut health = HealthClient::new(channel.clone());
    for service in ["", "apiextensions.fn.proto.v1.FunctionRunnerService"] {
        let answer = health
            .check(HealthCheckRequest {
                service: service.to_owned(),
            })
            .await?;
        ensure!(
            answer.into_inner().status() == ServingStatus::Serving,
            "{service}"
        );
    }

    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(futures::stream::iter([request]))
        .await?
        .into_inner();
    let answer = answers
        .message()
        .await?
        .and_then(|answer| answer.message_response);
    let Some(MessageResponse::ListServicesResponse(list)) = answer else {
        anyhow::bail!("not a list of services: {answer:?}");
    };
    let names: Vec<_> = list
        .service
        .into_iter()
        .map(|service| service.name)
        .collect();
    for version in ["v1", "v1beta1"] {
        let name = format!("apiextensions.fn.proto.{version}.FunctionRunnerService");
        ensure!(names.contains(&name), "{names:?}");
    }
    Ok(())
}

async fn metrics_count_calls(world: &World) -> Result<()> {
    both_versions_answer_over_mutual_tls(world).await?;
    let metrics = get(address(world, "metrics").await?, "/metrics").await?;
    let line = r#"grpc_server_handled_total{grpc_type="unary",grpc_service="apiextensions.fn.proto.v1.FunctionRunnerService",grpc_method="RunFunction",grpc_code="InvalidArgument"} "#;
    let count = metrics
        .lines()
        .find_map(|candidate| candidate.strip_prefix(line));
    let count: u64 = count.with_context(|| metrics.clone())?.parse()?;
    ensure!(count >= 1);
    Ok(())
}

/// The body of a plain HTTP answer.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    stream
        .write_all(
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
                .as_bytes(),
        )
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    Ok(answer)
}
