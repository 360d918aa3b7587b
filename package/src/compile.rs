//! Compiles the binaries that go into images.
//!
//! They are linked statically against glibc, because the image has no libraries: since glibc 2.34 the resolver's
//! `files` and `dns` sources are part of the library itself, so a static binary resolves names from an empty root.
//! `+crt-static` is passed for the target only, never for the host, where it would break procedural macros; cargo
//! tells the two apart as soon as a target is named, even if it is the host's.

use std::collections::BTreeMap;
use std::env::consts;
use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::{fs, thread};

use bytes::Bytes;
use serde::Deserialize;

use crate::build::{BuildOptions, Progress};
use crate::definition::Package;
use crate::image::Binary;

/// Why the binaries could not be compiled. What cargo itself had to say went to the progress callback.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum CompileError {
    #[error(
        "images hold Linux binaries for x86_64 or aarch64 and are built there, not on {architecture} {os}"
    )]
    UnsupportedHost {
        architecture: &'static str,
        os: &'static str,
    },
    #[error("cannot run {cargo}")]
    Run { cargo: String, source: io::Error },
    #[error("cargo could not {purpose}: {status}")]
    Failed { purpose: String, status: ExitStatus },
    #[error("cannot read what cargo reports")]
    Report { source: serde_json::Error },
    #[error("cargo did not report a binary called {name}")]
    NoBinary { name: &'static str },
    #[error("cannot read the binary {path}")]
    Read { path: PathBuf, source: io::Error },
}

/// Rust's and Go's names for the building machine's architecture.
fn host() -> Result<(&'static str, &'static str), CompileError> {
    match (consts::OS, consts::ARCH) {
        ("linux", "x86_64") => Ok(("x86_64-unknown-linux-gnu", "amd64")),
        ("linux", "aarch64") => Ok(("aarch64-unknown-linux-gnu", "arm64")),
        (os, architecture) => Err(CompileError::UnsupportedHost { architecture, os }),
    }
}

/// Compiles the binaries of `packages`, by name.
pub(crate) fn compile(
    options: &BuildOptions,
    packages: &[&'static Package],
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<BTreeMap<&'static str, Binary>, CompileError> {
    let names: Vec<&'static str> = packages
        .iter()
        .filter_map(|package| package.binary)
        .collect();
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let (target, architecture) = host()?;

    let flags = rustflags(options)?;

    let mut binaries = BTreeMap::new();
    for name in names {
        let path = executable(options, name, target, &flags, progress)?;
        let content = fs::read(&path).map_err(|source| CompileError::Read { path, source })?;
        let binary = Binary {
            architecture,
            content: Bytes::from(content),
        };
        binaries.insert(name, binary);
    }
    Ok(binaries)
}

/// Compiles one binary. Each by itself: cargo unites the features of everything that it compiles at once, so the bytes
/// would depend on what else was asked for.
fn executable(
    options: &BuildOptions,
    name: &'static str,
    target: &str,
    flags: &OsStr,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PathBuf, CompileError> {
    let mut command = cargo(options, "build");
    command.args(["--locked", "--target", target]);
    command.args(["--profile", &options.profile]);
    command.args(["--message-format", "json-render-diagnostics"]);
    command.args(["--package", name, "--bin", name]);
    // Takes the place of RUSTFLAGS and of every configured flag, which could differ between machines.
    command.env("CARGO_ENCODED_RUSTFLAGS", flags);
    let report = run(command, options, &format!("build {name}"), progress)?;
    executables(&report)?
        .remove(name)
        .ok_or(CompileError::NoBinary { name })
}

/// Flags for the binaries, separated as cargo wants them. Paths of this machine end up in panic messages: each is
/// replaced by a fixed one. Of several prefixes that match, the last wins.
fn rustflags(options: &BuildOptions) -> Result<OsString, CompileError> {
    #[derive(Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
        workspace_root: PathBuf,
    }

    let mut command = cargo(options, "metadata");
    command.args(["--locked", "--no-deps", "--format-version", "1"]);
    let report = run(command, options, "describe the workspace", &mut |_| {})?;
    let metadata: Metadata =
        serde_json::from_str(&report).map_err(|source| CompileError::Report { source })?;

    let mut flags = OsString::from("-Ctarget-feature=+crt-static");
    // A static binary cannot look the C function up and would open /dev/urandom, which an empty root does not have.
    flags.push("\x1f--cfg=getrandom_backend=\"linux_getrandom\"");
    let mut remap = |from: &Path, to: &str| {
        flags.push("\x1f--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    };
    if let Some(home) = &options.cargo_home {
        remap(home, "/cargo");
    }
    remap(&metadata.workspace_root, "/xplatform");
    remap(&metadata.target_directory, "/xplatform/target");
    Ok(flags)
}

fn cargo(options: &BuildOptions, subcommand: &str) -> Command {
    let mut command = Command::new(&options.cargo);
    // What `cargo run` and `cargo test` say of the package that they run: build scripts that read it would run again, and
    // everything above them be built again, whenever this is started in another way.
    let of_the_caller = std::env::vars_os().map(|(name, _)| name).filter(|name| {
        let name = name.as_encoded_bytes();
        name.starts_with(b"CARGO_PKG_") || name.starts_with(b"CARGO_MANIFEST_")
    });
    for name in of_the_caller {
        command.env_remove(name);
    }
    command
        .arg(subcommand)
        .current_dir(&options.workspace)
        .stdin(Stdio::null());
    command
}

/// Runs cargo, hands its lines on standard error to `progress`, and returns its standard output.
fn run(
    mut command: Command,
    options: &BuildOptions,
    purpose: &str,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<String, CompileError> {
    let failed = |source| CompileError::Run {
        cargo: options.cargo.display().to_string(),
        source,
    };
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    // Both pipes are read at once: cargo would block on the one that nobody empties.
    let report = thread::scope(|scope| {
        let report = scope.spawn(|| {
            let mut text = String::new();
            stdout
                .map_or(Ok(0), |mut pipe| pipe.read_to_string(&mut text))
                .map(|_| text)
        });
        for line in stderr
            .into_iter()
            .flat_map(|pipe| BufReader::new(pipe).lines())
        {
            progress(Progress::Cargo(&line?));
        }
        report
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the reader of its output stopped")))
    })
    .map_err(failed)?;
    let status = child.wait().map_err(failed)?;
    if status.success() {
        Ok(report)
    } else {
        let purpose = purpose.to_owned();
        Err(CompileError::Failed { purpose, status })
    }
}

/// The binaries that cargo's JSON messages name.
fn executables(report: &str) -> Result<BTreeMap<String, PathBuf>, CompileError> {
    #[derive(Deserialize)]
    struct Message {
        executable: Option<PathBuf>,
        target: Option<Target>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
    }

    let mut executables = BTreeMap::new();
    for line in report.lines() {
        let message: Message =
            serde_json::from_str(line).map_err(|source| CompileError::Report { source })?;
        if let (Some(path), Some(target)) = (message.executable, message.target) {
            executables.insert(target.name, path);
        }
    }
    Ok(executables)
}

#[cfg(test)]
mod tests;
