//! `cargo run -p package -- build|push`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use package::{
    BuildOptions, Built, BuiltPackage, Credentials, PACKAGES, Package, Progress, Registry, Version,
};

/// Builds and pushes the Crossplane packages of XPlatform, without Docker.
#[derive(Debug, Parser)]
#[command(name = "package")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compile the binaries and write each package as an OCI image layout and an .xpkg archive.
    Build(Build),
    /// Push packages that were built.
    Push(Push),
}

#[derive(Debug, Args)]
struct Selection {
    /// The packages; all when none is named.
    #[arg(value_name = "PACKAGE", value_parser = package)]
    packages: Vec<&'static Package>,
    /// The directory of the packages [default: target/package in the workspace].
    #[arg(long, value_name = "DIRECTORY")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Build {
    #[command(flatten)]
    selection: Selection,
    /// The cargo profile of the binaries.
    #[arg(long, default_value = "dist")]
    profile: String,
    /// The version to publish [default: the workspace's].
    #[arg(long, value_name = "X.Y.Z")]
    version: Option<Version>,
    /// Fail unless every package is, byte for byte, the one in DIRECTORY, the output of another build.
    #[arg(long, value_name = "DIRECTORY")]
    compare: Option<PathBuf>,
    #[arg(long, env = "CARGO", default_value = "cargo", hide = true)]
    cargo: PathBuf,
    #[arg(long, env = "CARGO_HOME", hide = true)]
    cargo_home: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Push {
    #[command(flatten)]
    selection: Selection,
    /// Where to push; the name of the package is appended.
    #[arg(long, value_name = "HOST/PATH")]
    registry: String,
    /// Speak plain HTTP. Loopback addresses need no flag.
    #[arg(long)]
    plain_http: bool,
    /// The user name; without it Docker's configuration file is asked.
    #[arg(long, env = "REGISTRY_USERNAME", requires = "password")]
    username: Option<String>,
    /// The password or token; better given in the environment.
    #[arg(
        long,
        env = "REGISTRY_PASSWORD",
        hide_env_values = true,
        requires = "username"
    )]
    password: Option<String>,
    /// The directory of Docker's config.json [default: ~/.docker].
    #[arg(long, env = "DOCKER_CONFIG", value_name = "DIRECTORY")]
    docker_config: Option<PathBuf>,
}

fn package(name: &str) -> Result<&'static Package, String> {
    Package::named(name).ok_or_else(|| {
        let names: Vec<_> = PACKAGES.iter().map(|package| package.name).collect();
        format!("the packages are {}", names.join(", "))
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Build(arguments) => build(arguments),
        Command::Push(arguments) => push(arguments).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn build(arguments: Build) -> anyhow::Result<()> {
    let mut options = options(arguments.selection);
    options.profile = arguments.profile;
    options.cargo = arguments.cargo;
    options.version = arguments.version.unwrap_or(options.version);
    options.cargo_home = arguments.cargo_home.or(options.cargo_home);
    let built = package::build(&options, &mut |progress| match progress {
        Progress::Cargo(line) => report(line),
        Progress::Built(package) => report(&describe(package)),
    })?;
    arguments
        .compare
        .map_or(Ok(()), |other| compare(&built, &other, &options.packages))
}

fn compare(built: &Built, directory: &Path, packages: &[&'static Package]) -> anyhow::Result<()> {
    let other = package::load(directory, packages)?;
    for (ours, theirs) in built.packages().iter().zip(other.packages()) {
        if ours.index != theirs.index {
            let (name, ours, theirs) =
                (ours.package.name, &ours.index.digest, &theirs.index.digest);
            bail!(
                "{name} is {ours} here, but {theirs} in {}",
                directory.display()
            );
        }
    }
    report(&format!(
        "All packages equal those in {}",
        directory.display()
    ));
    Ok(())
}

async fn push(arguments: Push) -> anyhow::Result<()> {
    let mut registry = Registry::new(&arguments.registry)?;
    if arguments.plain_http {
        registry = registry.with_plain_http();
    }
    let credentials = match (arguments.username, arguments.password) {
        (Some(username), Some(password)) => Credentials::Basic { username, password },
        _ => {
            let directory = arguments
                .docker_config
                .or_else(|| Some(std::env::home_dir()?.join(".docker")));
            let path = directory
                .context("there is no home directory to look for .docker in")?
                .join("config.json");
            Credentials::from_docker_config(&path, registry.host())?
        }
    };
    registry = registry.with_credentials(credentials);

    let options = options(arguments.selection);
    for built in package::load(&options.output, &options.packages)?.packages() {
        let pushed = registry.push(built).await?;
        let (sent, present) = (size(pushed.uploaded), size(pushed.present));
        report(&format!(
            "{}@{}  {sent} sent, {present} present",
            pushed.reference, pushed.digest
        ));
    }
    Ok(())
}

fn options(selection: Selection) -> BuildOptions {
    let mut options = BuildOptions::default();
    if !selection.packages.is_empty() {
        options.packages = selection.packages;
    }
    options.output = selection.output.unwrap_or(options.output);
    options
}

fn describe(built: &BuiltPackage) -> String {
    let (name, tag, digest) = (built.package.name, &built.tag, &built.index.digest);
    let platforms: Vec<_> = built
        .images
        .iter()
        .map(|image| image.platform.to_string())
        .collect();
    format!(
        "{name}:{tag}@{digest}  {} compressed, {}",
        size(built.compressed_size()),
        platforms.join(" ")
    )
}

/// Decimal units, one decimal.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{}.{} kB", bytes / 1_000, bytes / 100 % 10),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
    }
}

#[expect(
    clippy::print_stderr,
    reason = "progress and errors are this program's output"
)]
fn report(line: &str) {
    eprintln!("{line}");
}
