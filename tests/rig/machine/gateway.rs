//! The part of a load balancer: one listening address, connections to healthy targets in turn, and to nobody when there are
//! none.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A listening service of a load balancer. Dropping it closes it and its connections.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) address: SocketAddrV4,
    targets: watch::Sender<Vec<SocketAddrV4>>,
    _acceptor: JoinSet<()>,
}

impl Gateway {
    pub(super) async fn open(address: SocketAddrV4) -> Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("listen on {address}"))?;
        let (targets, current) = watch::channel(Vec::new());
        let mut acceptor = JoinSet::new();
        acceptor.spawn(accept(listener, current));
        Ok(Self {
            address,
            targets,
            _acceptor: acceptor,
        })
    }

    /// Sends new connections to these from now on.
    pub(super) fn forward_to(&self, targets: Vec<SocketAddrV4>) {
        self.targets.send_if_modified(|current| {
            let changed = *current != targets;
            *current = targets;
            changed
        });
    }
}

async fn accept(listener: TcpListener, targets: watch::Receiver<Vec<SocketAddrV4>>) {
    let turn = Arc::new(AtomicUsize::new(0));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // An error here concerns one connection, or a lack of descriptors that others will report.
                let Ok((stream, _)) = accepted else { continue };
                let (turn, targets) = (Arc::clone(&turn), targets.borrow().clone());
                connections.spawn(async move {
                    if let Err(error) = forward(stream, &targets, &turn).await {
                        tracing::debug!(error = format!("{error:#}"), "A balanced connection ended");
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn forward(
    mut client: TcpStream,
    targets: &[SocketAddrV4],
    turn: &AtomicUsize,
) -> Result<()> {
    let turn = turn.fetch_add(1, Ordering::Relaxed);
    let number = turn
        .checked_rem(targets.len())
        .context("no target is healthy")?;
    let target = targets.get(number).context("no target is healthy")?;
    let mut server = TcpStream::connect(target)
        .await
        .with_context(|| format!("connect to {target}"))?;
    copy_bidirectional(&mut client, &mut server)
        .await
        .with_context(|| format!("copy from and to {target}"))?;
    Ok(())
}
