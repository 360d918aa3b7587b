//! `function-xplatform`: serves as a composition function, or renders a claim offline.

use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use function_xplatform::cli::{Args, Command, Format, Render, Serve};
use function_xplatform::offline::{self, Before, Claims, Difference, Facts, Gravity};
use function_xplatform::server;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match args.command {
        None => serve(args.serve, args.debug).map(|()| ExitCode::SUCCESS),
        Some(Command::Render(args)) => render(&args),
    };
    match result {
        Ok(code) => code,
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

fn render(args: &Render) -> Result<ExitCode> {
    let inputs = [Some(&args.file), args.facts.as_ref(), args.diff.as_ref()];
    let inputs = inputs.into_iter().flatten();
    if inputs.filter(|file| is_standard_input(file)).count() > 1 {
        bail!("standard input can be read once: write the others into files");
    }
    let cannot = |file: &Path| format!("cannot render {}", file.display());
    let facts = match &args.facts {
        Some(file) => Facts::read(&read(file)?)
            .with_context(|| format!("cannot read facts from {}", file.display()))?,
        None => Facts::default(),
    };
    let claims = Claims::read(&read(&args.file)?).with_context(|| cannot(&args.file))?;
    let Some(old) = &args.diff else {
        let nodes = offline::render(&claims, &facts).with_context(|| cannot(&args.file))?;
        print(&match args.output {
            Format::Yaml => offline::yaml(&nodes).context("cannot write YAML")?,
            Format::Tree => offline::tree(&nodes),
            Format::Mermaid => offline::mermaid(&nodes),
            Format::Svg => offline::svg(&nodes),
            Format::Cost => offline::cost(&nodes, &facts),
        })?;
        return Ok(ExitCode::SUCCESS);
    };
    let before = Before::read(&read(old)?).with_context(|| cannot(old))?;
    let (mut world, before) = before.world(&facts).with_context(|| cannot(old))?;
    world.apply(&claims).with_context(|| cannot(&args.file))?;
    let difference = Difference::between(&before, &world.nodes());
    print(&difference.to_string())?;
    Ok(match difference.gravity() {
        Gravity::Nothing => ExitCode::SUCCESS,
        Gravity::Changes => ExitCode::from(3),
        Gravity::Loses => ExitCode::from(4),
    })
}

fn is_standard_input(file: &Path) -> bool {
    file == Path::new("-")
}

fn read(file: &Path) -> Result<String> {
    let mut text = String::new();
    if is_standard_input(file) {
        std::io::stdin()
            .read_to_string(&mut text)
            .context("cannot read standard input")?;
    } else {
        text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
    }
    Ok(text)
}

fn print(text: &str) -> Result<()> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("cannot write to standard output")
}
