//! What one call of the function costs.
//!
//! `cargo bench -p xplatform-tests --bench function` measures everything, takes about three minutes and wants an idle
//! machine; `-- TEXT` keeps what has TEXT in its name (`grpc`, `in_process`, `load`).
//!
//! A platform of 1, 30 or 100 regions that all exist and are ready answers with as many composed regions and a Usage.
//! The function is the release binary out of its image, in a process of its own, reached over real gRPC on loopback.
//!
//! - `in_process/*`: decode, compose and encode without any server, for regressions. `lazy` is what the function does;
//!   `full` merely decodes the same bytes into trees and encodes the same answer from trees, without composing anything.
//! - `grpc/*`: one call at a time, wall time.
//! - `load`: a table of calls per second, CPU time of the server for each call and wall time at 1 and 16 in flight, without
//!   and with mTLS, and of the floor: a server that decodes the same request and repeats a stored answer.
//!
//! Beforehand both ways of decoding are compared: they must agree on every answer.

mod certificates;
mod client;
mod floor;
mod program;
mod shipped;
mod workload;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use crossplane_proto::{full, v1};
use futures::future::try_join_all;
use prost::Message;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tonic::transport::ClientTlsConfig;

use client::{Client, function};
use program::Memory;
use workload::Workload;

const FUNCTION: &str = "function-xplatform";
/// The sizes of the platforms, in regions.
const REGIONS: [usize; 3] = [1, 30, 100];
const IN_FLIGHT: [usize; 2] = [1, 16];
/// How long each row of the table is measured.
const MEASURED: Duration = Duration::from_secs(4);
const WARM_UP: Duration = Duration::from_secs(1);

fn main() -> Result<()> {
    floor::serve_if_asked()?;
    let args: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` runs this too, without --bench: it then only checks.
    let measuring = args.iter().any(|arg| arg == "--bench");
    let wanted = |name: &str| {
        let mut filters = args.iter().filter(|arg| !arg.starts_with('-')).peekable();
        filters.peek().is_none()
            || filters.any(|filter| name.contains(filter) || filter.contains(name))
    };

    let workloads = REGIONS.map(Workload::new);
    let workloads = workloads.into_iter().collect::<Result<Vec<_>>>()?;
    workloads.iter().try_for_each(lazy_and_full_agree)?;
    if !measuring {
        return Ok(());
    }
    let dir = TempDir::new().context("make a directory")?;
    let bench = Bench {
        // One thread: the client must leave a core to the server.
        runtime: tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("start the runtime")?,
        workloads,
        function: shipped::extract(&shipped::build()?, FUNCTION, dir.path())?,
        tls: certificates::write(dir.path())?,
        certificates: dir.path().to_owned(),
    };
    let mut criterion = Criterion::default()
        .warm_up_time(WARM_UP)
        .measurement_time(MEASURED)
        .configure_from_args();
    bench.in_process(&mut criterion);
    if wanted("grpc") {
        bench.grpc(&mut criterion)?;
    }
    criterion.final_summary();
    if wanted("load") {
        bench.load()?;
    }
    Ok(())
}

struct Bench {
    runtime: Runtime,
    workloads: Vec<Workload>,
    function: PathBuf,
    tls: ClientTlsConfig,
    certificates: PathBuf,
}

impl Bench {
    fn in_process(&self, criterion: &mut Criterion) {
        let mut group = criterion.benchmark_group("in_process");
        for workload in &self.workloads {
            let size = workload.regions;
            group.throughput(Throughput::Elements(1));
            group.bench_with_input(
                BenchmarkId::new("lazy", size),
                workload,
                |bencher, workload| {
                    bencher.iter(|| {
                        workload::answer(workload.request.clone())
                            .map(|answer| answer.encode_to_vec())
                    });
                },
            );
            let Ok(answer) = full::RunFunctionResponse::decode(workload.response.clone()) else {
                continue;
            };
            group.bench_with_input(
                BenchmarkId::new("full", size),
                workload,
                |bencher, workload| {
                    bencher.iter(|| {
                        let request = full::RunFunctionRequest::decode(workload.request.clone());
                        (request, answer.encode_to_vec())
                    });
                },
            );
        }
        group.finish();
    }

    fn grpc(&self, criterion: &mut Criterion) -> Result<()> {
        let function = function(&self.function, None)?;
        let client = self
            .runtime
            .block_on(Client::connect(function.address, None))?;
        let mut group = criterion.benchmark_group("grpc");
        for workload in &self.workloads {
            group.throughput(Throughput::Elements(1));
            group.bench_with_input(
                BenchmarkId::from_parameter(workload.regions),
                workload,
                |bencher, workload| {
                    bencher.to_async(&self.runtime).iter(|| {
                        let (mut client, request) = (client.clone(), workload.request.clone());
                        async move { client.call(request).await }
                    });
                },
            );
        }
        group.finish();
        Ok(())
    }

    fn load(&self) -> Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(
            out,
            "\n{:<10} {:>9} {:>11} {:>12} {:>9} {:>9} {:>13} {:>13} {:>8} {:>8}  server's memory",
            "server",
            "resources",
            "request KiB",
            "response KiB",
            "in flight",
            "calls/s",
            "CPU ms/call",
            "client CPU ms",
            "p50 ms",
            "p99 ms",
        )?;
        for (name, server) in [
            ("floor", Server::Floor),
            ("function", Server::Function),
            ("with mTLS", Server::Secure),
        ] {
            for workload in &self.workloads {
                for in_flight in IN_FLIGHT {
                    let figures = self
                        .runtime
                        .block_on(self.measure(server, workload, in_flight))?;
                    writeln!(
                        out,
                        "{name:<10} {:>9} {:>11.1} {:>12.1} {in_flight:>9} {:>9.0} {:>13.3} {:>13.3} {:>8.2} {:>8.2}  {}",
                        workload.regions,
                        kibibytes(&workload.request),
                        kibibytes(&workload.response),
                        figures.calls_per_second,
                        figures.cpu,
                        figures.client_cpu,
                        figures.p50,
                        figures.p99,
                        figures.memory,
                    )?;
                }
            }
        }
        writeln!(
            out,
            "\nAims for 100 resources: 0.7 ms of CPU for a call, 1000 calls per second at 16 in flight.\n\
             The client shares the machine's {} cores with the server; its CPU time is part of what limits calls per second.",
            std::thread::available_parallelism()?
        )?;
        Ok(())
    }

    async fn measure(
        &self,
        server: Server,
        workload: &Workload,
        in_flight: usize,
    ) -> Result<Figures> {
        let (program, tls) = match server {
            Server::Floor => (floor::start()?, None),
            Server::Function => (function(&self.function, None)?, None),
            Server::Secure => (
                function(&self.function, Some(&self.certificates))?,
                Some(self.tls.clone()),
            ),
        };
        let mut client = Client::connect(program.address, tls).await?;
        let response = client.call(workload.request.clone()).await?;
        ensure!(
            response == workload.response,
            "the server's answer is not that of this build"
        );

        drive(&client, workload, in_flight, WARM_UP).await?;
        let (cpu, client_cpu, begin) = (program.cpu()?, program::cpu("self")?, Instant::now());
        let mut latencies = drive(&client, workload, in_flight, MEASURED).await?;
        let took = begin.elapsed().as_secs_f64();
        let (cpu, client_cpu) = (program.cpu()? - cpu, program::cpu("self")? - client_cpu);

        let memory = program.memory()?;
        // On a thread of its own: the client must see the connection being closed.
        tokio::task::spawn_blocking(|| program.terminate()).await??;

        latencies.sort_unstable();
        let calls = latencies.len();
        ensure!(calls > 0, "no call ended in time");
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let count = calls as f64;
        Ok(Figures {
            calls_per_second: count / took,
            cpu: milliseconds(cpu) / count,
            client_cpu: milliseconds(client_cpu) / count,
            p50: milliseconds(latencies[calls / 2]),
            p99: milliseconds(latencies[calls * 99 / 100]),
            memory,
        })
    }
}

#[derive(Clone, Copy)]
enum Server {
    Floor,
    Function,
    Secure,
}

/// A row of the table; times in milliseconds.
struct Figures {
    calls_per_second: f64,
    cpu: f64,
    client_cpu: f64,
    p50: f64,
    p99: f64,
    memory: Memory,
}

/// Keeps `in_flight` calls going for a while, and returns how long each took.
async fn drive(
    client: &Client,
    workload: &Workload,
    in_flight: usize,
    time: Duration,
) -> Result<Vec<Duration>> {
    let end = Instant::now() + time;
    let callers = (0..in_flight).map(|_| {
        let mut client = client.clone();
        async move {
            let mut latencies = Vec::new();
            loop {
                let begin = Instant::now();
                if begin >= end {
                    return anyhow::Ok(latencies);
                }
                let response = client.call(workload.request.clone()).await?;
                ensure!(
                    response.len() == workload.response.len(),
                    "the answer has changed"
                );
                latencies.push(begin.elapsed());
            }
        }
    });
    Ok(try_join_all(callers).await?.concat())
}

/// Reading objects where they lie must give the same answers as reading them from trees.
fn lazy_and_full_agree(workload: &Workload) -> Result<()> {
    let tree = full::RunFunctionRequest::decode(workload.request.clone())
        .context("decode the request into trees")?;
    let answer = workload::answer(tree.encode_to_vec().into())?;
    let from_tree = full::RunFunctionResponse::decode(Bytes::from(answer.encode_to_vec()))?;
    let from_bytes = full::RunFunctionResponse::decode(workload.response.clone())?;
    ensure!(
        from_tree == from_bytes,
        "the answers differ with {} regions",
        workload.regions
    );
    let again = v1::RunFunctionResponse::decode(Bytes::from(from_bytes.encode_to_vec()))?;
    ensure!(
        again == answer,
        "the answer with {} regions does not survive being a tree",
        workload.regions
    );
    Ok(())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
fn kibibytes(bytes: &Bytes) -> f64 {
    bytes.len() as f64 / 1024.0
}
