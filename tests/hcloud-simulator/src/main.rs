//! Serves a simulated Hetzner Cloud API until it is interrupted.

use std::{io::Write, net::SocketAddr, time::Duration};

use anyhow::Context;
use clap::Parser;
use hcloud_simulator::{
    ActionMode, AddressPool, ApiDate, DEFAULT_TOKEN, Options, RateLimit, Simulator,
};

/// A stateful Hetzner Cloud API for tests and sandboxes.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    address: SocketAddr,

    /// A token to accept, repeatable; all of them open the same project
    #[arg(long = "token", value_name = "TOKEN", default_value = DEFAULT_TOKEN)]
    tokens: Vec<String>,

    /// How long actions take, in milliseconds
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    action_duration: u64,

    /// Which state of the API to serve: 2025-12, 2026-06 or 2026-11
    #[arg(long, value_name = "MONTH", default_value_t)]
    api_date: ApiDate,

    /// Take public IPv4 addresses from 127.0.0.0/8, where something else may listen on them
    #[arg(long)]
    loopback_addresses: bool,

    /// Requests that a project may make in an hour
    #[arg(long, value_name = "REQUESTS", default_value_t = 3600, value_parser = clap::value_parser!(u32).range(1..))]
    rate_limit: u32,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let mut options = Options {
        address: cli.address,
        actions: ActionMode::Automatic(Duration::from_millis(cli.action_duration)),
        api_date: cli.api_date,
        addresses: if cli.loopback_addresses {
            AddressPool::Loopback
        } else {
            AddressPool::Unrouted
        },
        rate_limit: RateLimit {
            limit: cli.rate_limit,
            interval: Duration::from_secs(3600) / cli.rate_limit,
        },
        ..Options::default()
    };
    for token in &cli.tokens {
        options = options.token("default", token);
    }
    let simulator = Simulator::start(options).await?;

    let mut out = std::io::stdout().lock();
    writeln!(out, "API      {}", simulator.url())?;
    for token in &cli.tokens {
        writeln!(out, "Token    {token}")?;
    }
    writeln!(
        out,
        "Control  {}/{{state,log,faults,actions,projects}}",
        simulator.control_url()
    )?;
    out.flush()?;
    drop(out);

    tokio::signal::ctrl_c()
        .await
        .context("wait for an interrupt")?;
    simulator.stop().await;
    Ok(())
}
