//! `function-xplatform`: serves as a composition function, or renders a claim offline.

use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use function_xplatform::cli::{Args, Command, Format, Serve};
use function_xplatform::{offline, server};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match args.command {
        None => serve(args.serve, args.debug),
        Some(Command::Render { file, output }) => render(&file, output),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "function-xplatform: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve(serve: Serve, debug: bool) -> Result<()> {
    let level = if debug {
        tracing::Level::DEBUG
    } else {
        tracing::Level::INFO
    };
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .init();

    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let options = serve.options()?;
    let secure = options.certs.is_some();
    let bound = server::bind(options).await?;
    tracing::info!(
        address = %bound.address(),
        metrics = %bound.metrics_address(),
        tls = secure,
        version = env!("CARGO_PKG_VERSION"),
        "Serving"
    );
    bound.serve(stop).await?;
    Ok(())
}

fn render(file: &Path, output: Format) -> Result<()> {
    let mut yaml = String::new();
    if file == Path::new("-") {
        std::io::stdin()
            .read_to_string(&mut yaml)
            .context("cannot read standard input")?;
    } else {
        yaml = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
    }
    let nodes =
        offline::render(&yaml).with_context(|| format!("cannot render {}", file.display()))?;
    let text = match output {
        Format::Yaml => offline::yaml(&nodes).context("cannot write YAML")?,
        Format::Tree => offline::tree(&nodes),
    };
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("cannot write to standard output")
}
