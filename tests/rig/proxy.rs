//! The CONNECT proxy through which core reaches functions: it stands in for the cluster's DNS and network.
//!
//! TLS stays end to end; the proxy sees names and bytes. It can refuse and cut connections, as networks do.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Finds the address behind a name and port of the cluster.
pub(crate) type Resolve =
    Arc<dyn Fn(String, u16) -> BoxFuture<'static, Result<SocketAddr>> + Send + Sync>;

const MAX_REQUEST: usize = 8 * 1024;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    network: watch::Sender<Network>,
    _acceptor: JoinSet<()>,
}

/// The state of the network that the proxy stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    open: bool,
    /// Connections made under an earlier generation are cut.
    generation: u64,
}

impl Proxy {
    pub(crate) async fn start(resolve: Resolve) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("listen for core's connections")?;
        let address = listener.local_addr().context("read the proxy's address")?;
        let (network, state) = watch::channel(Network {
            open: true,
            generation: 0,
        });
        let mut acceptor = JoinSet::new();
        acceptor.spawn(accept(listener, resolve, state));
        Ok(Self {
            address,
            network,
            _acceptor: acceptor,
        })
    }

    /// The value for HTTPS_PROXY.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts every connection. New ones are accepted.
    pub fn cut(&self) {
        self.network.send_modify(|network| network.generation += 1);
    }

    /// Cuts every connection and refuses new ones, until [`Proxy::open`].
    pub fn close(&self) {
        self.network.send_modify(|network| {
            *network = Network {
                open: false,
                generation: network.generation + 1,
            }
        });
    }

    /// Ends [`Proxy::close`].
    pub fn open(&self) {
        self.network.send_modify(|network| network.open = true);
    }
}

async fn accept(listener: TcpListener, resolve: Resolve, network: watch::Receiver<Network>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // An error here concerns one connection, or a lack of descriptors that others will report.
                let Ok((stream, _)) = accepted else { continue };
                let (resolve, network) = (Arc::clone(&resolve), network.clone());
                connections.spawn(async move {
                    if let Err(error) = serve(stream, resolve, network).await {
                        tracing::debug!(error = format!("{error:#}"), "A proxied connection ended");
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(
    mut client: TcpStream,
    resolve: Resolve,
    mut network: watch::Receiver<Network>,
) -> Result<()> {
    let target = timeout(REQUEST_TIMEOUT, read_target(&mut client))
        .await
        .context("no request came")??;
    let Network { open, generation } = *network.borrow_and_update();
    let upstream = if open {
        connect(&target, &resolve).await
    } else {
        Err(anyhow::anyhow!("the network is closed"))
    };
    let mut upstream = match upstream {
        Ok(upstream) => upstream,
        Err(error) => {
            client
                .write_all(
                    b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                )
                .await?;
            return Err(error.context(format!("connect to {target}")));
        }
    };
    client
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await?;
    tokio::select! {
        copied = copy_bidirectional(&mut client, &mut upstream) => {
            copied.with_context(|| format!("copy from and to {target}"))?;
        }
        _ = network.wait_for(|now| now.generation != generation) => {}
    }
    Ok(())
}

async fn connect(target: &str, resolve: &Resolve) -> Result<TcpStream> {
    let (host, port) = target.rsplit_once(':').context("the target has no port")?;
    let address = resolve(
        host.to_owned(),
        port.parse().context("read the target's port")?,
    )
    .await?;
    TcpStream::connect(address)
        .await
        .with_context(|| format!("connect to {address}"))
}

/// Reads `CONNECT host:port HTTP/1.1` and the headers, which do not matter, and nothing beyond them.
async fn read_target(client: &mut TcpStream) -> Result<String> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if request.len() >= MAX_REQUEST {
            bail!("the request is longer than {MAX_REQUEST} bytes");
        }
        request.push(client.read_u8().await.context("read the request")?);
    }
    let request = String::from_utf8(request).context("the request is no text")?;
    let mut words = request.split_whitespace();
    match (words.next(), words.next()) {
        (Some("CONNECT"), Some(target)) => Ok(target.to_owned()),
        _ => bail!("only CONNECT is served"),
    }
}
