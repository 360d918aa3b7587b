//! Building and caching.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::progress::{Progress, note};
use super::{DIRECTORY_VARIABLE, Installed, Tool, pins};

/// The oldest Go that builds all of the tools.
const GO_MINOR: u32 = 26;

pub(super) fn install(tools: &[&Tool]) -> Result<Vec<Installed>> {
    let places = tools
        .iter()
        .map(|tool| Place::of(tool))
        .collect::<Result<Vec<_>>>()?;
    let missing: Vec<&Place<'_>> = places.iter().filter(|place| !place.complete()).collect();
    if !missing.is_empty() {
        build(&missing)?;
    }
    Ok(places.into_iter().map(Place::installed).collect())
}

/// Where one tool's binary and files are, or will be.
struct Place<'a> {
    tool: &'a Tool,
    /// The binary in the directory of ready ones, when there is one.
    ready: Option<PathBuf>,
    cache: PathBuf,
}

impl<'a> Place<'a> {
    fn of(tool: &'a Tool) -> Result<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the rig is a library without an argument parser"
        )]
        let ready = std::env::var(DIRECTORY_VARIABLE)
            .ok()
            .filter(|dir| !dir.is_empty());
        let ready = ready
            .map(|dir| Path::new(&dir).join(tool.name))
            .filter(|binary| binary.exists());
        Ok(Self {
            tool,
            ready,
            cache: cache_dir()?.join(fingerprint(tool)?),
        })
    }

    fn binary(&self) -> PathBuf {
        self.ready
            .clone()
            .unwrap_or_else(|| self.cache.join(self.tool.name))
    }

    fn files(&self) -> PathBuf {
        self.cache.join("files")
    }

    fn complete(&self) -> bool {
        self.binary().exists() && (self.tool.files.is_empty() || self.files().exists())
    }

    fn installed(self) -> Installed {
        Installed {
            binary: self.binary(),
            files: self.files(),
        }
    }
}

fn cache_dir() -> Result<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the rig is a library without an argument parser"
    )]
    let variable = |name| {
        std::env::var(name)
            .ok()
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let cache =
        variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
    let cache = cache.context(
        "neither XDG_CACHE_HOME nor HOME is set: there is no place to keep the built tools",
    )?;
    Ok(cache.join("xplatform/tools"))
}

/// A hash of everything that determines the binary. The Go version is not part of it: a warm start must not need Go.
fn fingerprint(tool: &Tool) -> Result<String> {
    let mut hash = Sha256::new();
    for file in ["go.mod", "go.sum"] {
        let path = pins().join(tool.pin).join(file);
        hash.update(fs::read(&path).with_context(|| format!("read {}", path.display()))?);
        hash.update([0]);
    }
    for part in [
        tool.package,
        tool.ldflags,
        std::env::consts::OS,
        std::env::consts::ARCH,
    ] {
        hash.update(part);
        hash.update([0]);
    }
    for part in tool.files {
        hash.update(part);
        hash.update([0]);
    }
    Ok(hash
        .finalize()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

fn build(missing: &[&Place<'_>]) -> Result<()> {
    let cache = cache_dir()?;
    fs::create_dir_all(&cache).with_context(|| format!("create {}", cache.display()))?;
    let lock = File::create(cache.join("lock")).context("create the lock of the tools cache")?;
    let mut progress = Progress::new(missing.len());
    if lock.try_lock().is_err() {
        note("Another process builds tools: waiting for it");
        lock.lock().context("lock the tools cache")?;
    }
    remove_unfinished(&cache);
    for place in missing {
        // The process that held the lock may have built it.
        if place.complete() {
            progress.skip();
            continue;
        }
        let tool = place.tool;
        check_go(tool)?;
        progress
            .step(tool.name, &version(tool)?, || build_one(place))
            .with_context(|| format!("build {} (pinned in tests/tools/{})", tool.name, tool.pin))?;
    }
    Ok(())
}

const UNFINISHED: &str = ".new-";

/// Removes what killed processes left behind. Only the holder of the lock makes such directories.
fn remove_unfinished(cache: &Path) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            // Best effort: it only takes room.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Builds into a directory beside the final one, and renames: an interrupted build leaves nothing that looks complete.
fn build_one(place: &Place<'_>) -> Result<()> {
    let tool = place.tool;
    let parent = place
        .cache
        .parent()
        .context("the tools cache has no parent")?;
    let new = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempdir_in(parent)
        .context("create a directory for the build")?;
    if place.ready.is_none() {
        let output = go(tool)
            .args([
                "build",
                "-trimpath",
                "-ldflags",
                &format!("-s -w {}", tool.ldflags),
                "-o",
            ])
            .arg(new.path().join(tool.name))
            .arg(tool.package)
            .output();
        succeeded(output)?;
    }
    if !tool.files.is_empty() {
        succeeded(go(tool).args(["mod", "download", tool.module]).output())?;
        let dir = succeeded(
            go(tool)
                .args(["list", "-m", "-f", "{{.Dir}}", tool.module])
                .output(),
        )?;
        let dir = Path::new(dir.trim());
        for part in tool.files {
            copy(&dir.join(part), &new.path().join("files").join(part))?;
        }
    }
    if place.cache.exists() {
        // Complete except for the binary or the files, because it was made while a ready binary was used.
        fs::remove_dir_all(&place.cache)
            .with_context(|| format!("remove {}", place.cache.display()))?;
    }
    let new = new.keep();
    fs::rename(&new, &place.cache)
        .with_context(|| format!("rename {} to {}", new.display(), place.cache.display()))
}

/// A Go command in the module that pins the tool.
fn go(tool: &Tool) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(pins().join(tool.pin))
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .stdin(Stdio::null());
    command
}

fn check_go(tool: &Tool) -> Result<()> {
    let output = match go(tool).args(["env", "GOVERSION"]).output() {
        Ok(output) => output,
        Err(error) => {
            return Err(error).context(format!(
                "cannot run go: building the control plane needs Go 1.{GO_MINOR} or newer in PATH (or ready binaries in \
                 {DIRECTORY_VARIABLE})"
            ));
        }
    };
    let version = succeeded(Ok(output))?;
    let version = version.trim();
    let minor = version
        .strip_prefix("go1.")
        .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    match minor.and_then(|minor| minor.parse::<u32>().ok()) {
        Some(minor) if minor < GO_MINOR => {
            bail!("go is {version}: building the control plane needs Go 1.{GO_MINOR} or newer")
        }
        // A development version is its user's responsibility.
        _ => Ok(()),
    }
}

fn succeeded(output: std::io::Result<Output>) -> Result<String> {
    let output = output.context("run go")?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = error.lines().collect();
        bail!(
            "go failed ({}):\n{}",
            output.status,
            lines[lines.len().saturating_sub(20)..].join("\n")
        );
    }
    String::from_utf8(output.stdout).context("go printed something other than text")
}

/// The version that the tool's go.mod pins.
fn version(tool: &Tool) -> Result<String> {
    let path = pins().join(tool.pin).join("go.mod");
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let mut words = text.lines().map(str::split_whitespace);
    let version = words.find_map(|mut words| {
        let first = words.find(|word| *word != "require")?;
        (first == tool.module).then(|| words.next()).flatten()
    });
    version
        .map(str::to_owned)
        .with_context(|| format!("{} does not require {}", path.display(), tool.module))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let context = || format!("copy {} to {}", from.display(), to.display());
    fs::create_dir_all(to).with_context(context)?;
    for entry in fs::read_dir(from).with_context(context)? {
        let entry = entry.with_context(context)?;
        let target = to.join(entry.file_name());
        if entry.file_type().with_context(context)?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            // Contents only: files of the module cache are read-only.
            fs::write(&target, fs::read(entry.path()).with_context(context)?)
                .with_context(context)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools;

    const ALL: [&Tool; 9] = [
        &tools::ETCD,
        &tools::KUBE_APISERVER,
        &tools::KUBE_CONTROLLER_MANAGER,
        &tools::KUBECTL,
        &tools::CROSSPLANE,
        &tools::CROSSPLANE_CLI,
        &tools::REGISTRY,
        &tools::SOURCE_CONTROLLER,
        &tools::HELM_CONTROLLER,
    ];

    #[test]
    fn every_tool_is_pinned_to_a_version() {
        for tool in ALL {
            let version = version(tool).unwrap();
            assert!(
                version.starts_with('v'),
                "{} is pinned to {version}",
                tool.name
            );
            // The version that the linker sets must follow the pin.
            if let Some((_, set)) = tool.ldflags.split_once("ersion=v") {
                assert_eq!(
                    set.split(' ').next(),
                    version.strip_prefix('v'),
                    "{}",
                    tool.name
                );
            }
        }
    }

    #[test]
    fn tools_do_not_share_a_place_in_the_cache() {
        let mut places: Vec<String> = ALL.iter().map(|tool| fingerprint(tool).unwrap()).collect();
        places.sort();
        places.dedup();
        assert_eq!(places.len(), ALL.len());
    }
}
