//! The OCI registry.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::TcpStream;

use crate::control_plane::alive;
use crate::daemon::{Daemon, Invocation, Restart};
use crate::loopback::Block;
use crate::scratch::Scratch;
use crate::tools::Installed;
use crate::wait::eventually;

/// A registry that serves plain HTTP and forgets everything when it ends.
#[derive(Debug)]
pub(crate) struct Registry {
    /// Host and port. The host is 127.0.0.1: Crossplane speaks plain HTTP to that and to few other names.
    pub(crate) host: String,
    pub(crate) daemon: Daemon,
}

impl Registry {
    pub(crate) async fn start(crane: &Installed, block: &Block, scratch: &Scratch) -> Result<Self> {
        let port = block.port()?;
        let host = format!("127.0.0.1:{port}");
        let serve = Invocation::new(&crane.binary)
            .args(["registry", "serve", "--address", &host, "--disk"])
            .arg(scratch.join("registry"));
        std::fs::create_dir(scratch.join("registry")).context("create the registry's directory")?;
        let daemon = Daemon::start("registry", serve, scratch.log("registry"), Restart::Never);
        eventually("the registry listens", Duration::from_secs(20), || async {
            alive(&daemon)?;
            TcpStream::connect((Ipv4Addr::LOCALHOST, port))
                .await
                .context("connect to the registry")
        })
        .await?;
        Ok(Self { host, daemon })
    }
}
