//! What runs inside the namespaces: a network with a name server and a server with TLS, and the image under test.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use crossplane_proto::v1::RunFunctionRequest;
use crossplane_proto::v1::function_runner_service_client::FunctionRunnerServiceClient;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;
use tonic::Code;
use tonic::transport::Endpoint;

/// First argument of the program when it runs inside.
pub(crate) const MARK: &str = "xplatform-inside-image";

/// How long the image may take to do what is expected of it.
const DEADLINE: Duration = Duration::from_secs(30);
/// A name that only our name server knows.
const HOST: &str = "cluster.example";
const PORT: u16 = 6443;

/// Runs an image's entrypoint in its own root and checks that it works.
///
/// # Errors
///
/// When it does not, or when the namespaces do not allow what is needed.
pub(crate) async fn run(name: &str, root: &Path) -> Result<()> {
    prepare(root)?;
    let worked = match name {
        "function-xplatform" => tokio::time::timeout(DEADLINE, function(root)).await,
        "provider-hcloud" => tokio::time::timeout(DEADLINE, provider(root)).await,
        other => bail!("no check for {other}"),
    };
    worked.with_context(|| format!("{name} did nothing for {} s", DEADLINE.as_secs()))??;
    Ok(())
}

/// Brings the loopback device up and makes the root read-only.
fn prepare(root: &Path) -> Result<()> {
    std::fs::write(root.join("etc/resolv.conf"), "nameserver 127.0.0.1\n")?;
    let devices = tempfile::tempdir()?;
    command("mount", &["-t", "sysfs", "none", text(devices.path())?])?;
    // IFF_UP and IFF_LOOPBACK of netdevice(7).
    std::fs::write(devices.path().join("class/net/lo/flags"), "0x9")
        .context("bring the loopback device up")?;
    command("umount", &[text(devices.path())?])?;
    certificates(root)?;
    command("mount", &["--bind", text(root)?, text(root)?])?;
    command("mount", &["-o", "remount,bind,ro", text(root)?])?;
    ensure!(
        std::fs::write(root.join("written"), "").is_err(),
        "the root can be written to"
    );
    Ok(())
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("the path is not UTF-8")
}

fn command(program: &str, args: &[&str]) -> Result<()> {
    let output = Command::new(program)
        .args(args)
        .output()
        .with_context(|| format!("run {program}"))?;
    ensure!(
        output.status.success(),
        "{program} {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Starts the entrypoint as user 2000 with the image's root as its root.
fn entrypoint(root: &Path, program: &str, args: &[&str], env: &[(&str, &str)]) -> Result<Ended> {
    let child = Command::new("unshare")
        .args(["--user", "--map-user=2000", "--map-group=2000", "--wd=/"])
        .arg(format!("--root={}", text(root)?))
        .arg(program)
        .args(args)
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .context("run unshare")?;
    Ok(Ended(child))
}

/// A program that ends with its owner.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn function(root: &Path) -> Result<()> {
    let _function = entrypoint(
        root,
        "/function-xplatform",
        &["--insecure"],
        &[("BIND_IP", "127.0.0.1")],
    )?;
    let mut attempts = tokio::time::interval(Duration::from_millis(20));
    let endpoint = Endpoint::from_static("http://127.0.0.1:9443");
    let channel = loop {
        attempts.tick().await;
        if let Ok(channel) = endpoint.connect().await {
            break channel;
        }
    };
    let Err(refused) = FunctionRunnerServiceClient::new(channel)
        .run_function(RunFunctionRequest::default())
        .await
    else {
        bail!("a request without a composite was answered");
    };
    ensure!(refused.code() == Code::InvalidArgument, "{refused:?}");
    Ok(())
}

async fn provider(root: &Path) -> Result<()> {
    let certificate = std::fs::read(root.join("server.der"))?;
    let key = std::fs::read(root.join("server.key"))?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.into()],
            PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key)),
        )?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let names = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53))
        .await
        .context("listen on port 53")?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).await?;
    let serving = tokio::spawn(async move { serve_names(&names).await });

    let _provider = entrypoint(
        root,
        "/provider-hcloud",
        &[],
        &[
            ("KUBECONFIG", "/kubeconfig"),
            ("BIND_IP", "127.0.0.1"),
            ("POD_NAMESPACE", "crossplane-system"),
        ],
    )?;
    let request = loop {
        let (connection, _): (_, SocketAddr) = listener.accept().await?;
        // A client that does not trust the certificate breaks the handshake off.
        let mut stream = acceptor
            .accept(connection)
            .await
            .context("the handshake failed")?;
        ensure!(
            stream.get_ref().1.server_name() == Some(HOST),
            "{:?}",
            stream.get_ref().1.server_name()
        );
        let mut buffer = vec![0; 4096];
        let length = stream.read(&mut buffer).await?;
        if length > 0 {
            break String::from_utf8_lossy(&buffer[..length]).into_owned();
        }
    };
    serving.abort();
    ensure!(request.starts_with("GET /"), "{request}");
    Ok(())
}

/// A CA, a certificate for [`HOST`], and a kubeconfig that trusts the CA.
fn certificates(root: &Path) -> Result<()> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec![HOST.to_owned()])?.signed_by(&key, &ca)?;
    std::fs::write(root.join("server.der"), certificate.der())?;
    std::fs::write(root.join("server.key"), key.serialize_der())?;
    std::fs::write(root.join("ca.crt"), ca.pem())?;
    let kubeconfig = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {
            "server": format!("https://{HOST}:{PORT}"),
            "certificate-authority": "/ca.crt",
        }}],
        "users": [{"name": "it", "user": {"token": "none"}}],
    });
    std::fs::write(root.join("kubeconfig"), kubeconfig.to_string())?;
    Ok(())
}

/// Answers every question for an IPv4 address with the loopback address, and every other with nothing (RFC 1035).
async fn serve_names(socket: &UdpSocket) -> Result<()> {
    let mut buffer = [0; 512];
    loop {
        let (length, client) = socket.recv_from(&mut buffer).await?;
        if let Some(answer) = answer(&buffer[..length]) {
            socket.send_to(&answer, client).await?;
        }
    }
}

const HEADER: usize = 12;
const TYPE_A: [u8; 2] = [0, 1];

fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let labels = query.get(HEADER..)?.iter().position(|&byte| byte == 0)?;
    let end = HEADER + labels + 1 + 4;
    let question = query.get(HEADER..end)?;
    let kind = query.get(end - 4..end - 2)?;
    let address = kind == TYPE_A;
    let mut answer = query.get(..2)?.to_vec();
    // A response, recursion available, no error; one question, one answer or none.
    answer.extend([0x81, 0x80, 0, 1, 0, u8::from(address), 0, 0, 0, 0]);
    answer.extend(question);
    if address {
        // The name of the question, class IN, a minute to live.
        answer.extend([0xc0, HEADER as u8, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend(Ipv4Addr::LOCALHOST.octets());
    }
    Some(answer)
}
