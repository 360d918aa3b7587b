//! What the binaries weigh and how fast they start and stop.
//!
//! `cargo bench -p xplatform-tests --bench footprint` builds the packages, measures both binaries and prints a table with
//! the aims beside the figures; it takes about two minutes. `-- function` leaves the provider out, whose part needs the
//! rig's API server.
//!
//! Memory is what is resident, with the pages of the binary that were touched; *heap* is the part that no file backs. The
//! floor is a server of the same parts that repeats a stored answer to every call.

mod client;
mod cluster;
mod floor;
mod program;
mod provider;
mod report;
mod shipped;
mod workload;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use package::Built;
use tempfile::TempDir;

use client::{Client, function};
use program::Program;
use report::{Table, milliseconds};
use workload::Workload;

const FUNCTION: &str = "function-xplatform";
const PROVIDER: &str = "provider-hcloud";
/// How often the start and the stop are measured.
const STARTS: usize = 20;
/// Calls after which memory is measured, and how often in between.
const CALLS: usize = 10_000;
const PROBES: usize = 4;
/// Calls with a request of this many regions.
const REGIONS: usize = 100;

fn main() -> Result<()> {
    rig::launch::init();
    floor::serve_if_asked()?;
    let args: Vec<String> = std::env::args().skip(1).collect();
    if !args.iter().any(|arg| arg == "--bench") {
        return Ok(());
    }
    let wanted = |name: &str| {
        let mut filters = args.iter().filter(|arg| !arg.starts_with('-')).peekable();
        filters.peek().is_none() || filters.any(|filter| filter == name)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let dir = TempDir::new().context("make a directory")?;
    let mut table = Table::default();
    let built = shipped::build()?;
    if wanted("function") {
        let binary = shipped::extract(&built, FUNCTION, dir.path())?;
        sizes(&mut table, &built, FUNCTION, &binary, "4 MB")?;
        let start = || function(&binary, None);
        let aims = Aims {
            start: "10 ms",
            stop: "50 ms",
            idle: "8 MiB",
            after: "32 MiB",
            growth: "0 +- 1024 B",
        };
        runtime.block_on(server(&mut table, "function", start, aims))?;
        runtime.block_on(server(&mut table, "floor", floor::start, Aims::default()))?;
    }
    if wanted("provider") {
        let binary = shipped::extract(&built, PROVIDER, dir.path())?;
        sizes(&mut table, &built, PROVIDER, &binary, "8 MB")?;
        runtime.block_on(provider::measure(&mut table, &binary))?;
    }
    table.print()
}

/// What is hoped for.
#[derive(Debug, Clone, Copy, Default)]
struct Aims {
    start: &'static str,
    stop: &'static str,
    idle: &'static str,
    after: &'static str,
    growth: &'static str,
}

fn sizes(table: &mut Table, built: &Built, name: &str, binary: &Path, aim: &str) -> Result<()> {
    let size = std::fs::metadata(binary)
        .with_context(|| format!("read {}", binary.display()))?
        .len();
    table.row(name, "binary", megabytes(size), "");
    for package in built.packages() {
        if package.package.name == name {
            let image = megabytes(package.compressed_size());
            table.row(name, "image, compressed", image, aim);
        }
    }
    Ok(())
}

async fn server(
    table: &mut Table,
    of: &str,
    start: impl Fn() -> Result<Program>,
    aims: Aims,
) -> Result<()> {
    let small = Workload::new(1)?;
    let (mut starts, mut stops) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let started = Instant::now();
        let program = start()?;
        let mut client = Client::connect(program.address, None).await?;
        client.call(small.request.clone()).await?;
        starts.push(started.elapsed());
        stops.push(program.terminate()?);
    }
    table.row(
        of,
        "start to first answer, median of 20",
        milliseconds(median(starts)),
        aims.start,
    );
    table.row(
        of,
        "SIGTERM to exit, median of 20",
        milliseconds(median(stops)),
        aims.stop,
    );

    let program = start()?;
    table.memory(of, "idle", program.memory()?, aims.idle);
    let workload = Workload::new(REGIONS)?;
    let mut client = Client::connect(program.address, None).await?;
    let mut measured = Vec::new();
    for _ in 0..PROBES {
        for _ in 0..CALLS / PROBES {
            let response = client.call(workload.request.clone()).await?;
            ensure!(
                response.len() == workload.response.len(),
                "the answer has changed"
            );
        }
        measured.push(program.memory()?);
    }
    if let [.., half, _, end] = measured[..] {
        table.memory(
            of,
            &format!("after {CALLS} calls of {}", workload.regions),
            end,
            aims.after,
        );
        let grown = i128::from(end.resident) - i128::from(half.resident);
        let slope = grown * 1000 / (CALLS as i128 / 2);
        table.row(
            of,
            "growth in the second half",
            format!("{slope} B for 1000 calls"),
            aims.growth,
        );
    }
    Ok(())
}

pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{:02} MB", bytes / 1_000_000, bytes / 10_000 % 100)
}
