//! From the files of the workspace to packages on disk.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::Version;
use crate::compile::{CompileError, compile};
use crate::definition::{PACKAGES, Package};
use crate::image::{Binary, BuiltPackage, Contents, assemble};
use crate::layout::{self, LayoutError};
use crate::stream::{self, Stream, StreamError};

/// What to build, and where.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// The root of the workspace. Default: that of the checkout in which this crate was compiled.
    pub workspace: PathBuf,
    /// The directory for the results; created when it is missing. Default: `target/package` in the workspace.
    pub output: PathBuf,
    /// The packages. Nothing is compiled unless one of them has a binary. Default: all.
    pub packages: Vec<&'static Package>,
    /// The version to publish. Default: the workspace's.
    pub version: Version,
    /// The cargo profile of the binaries. Default: `dist`.
    pub profile: String,
    /// The cargo to run. Default: `cargo`, looked up in `PATH`.
    pub cargo: PathBuf,
    /// Cargo's home directory, whose path must not show in the binaries. Default: `.cargo` in the user's home.
    pub cargo_home: Option<PathBuf>,
}

impl Default for BuildOptions {
    fn default() -> Self {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let workspace = workspace.canonicalize().unwrap_or(workspace);
        Self {
            output: workspace.join("target/package"),
            workspace,
            packages: PACKAGES.iter().collect(),
            version: workspace_version(),
            profile: "dist".to_owned(),
            cargo: PathBuf::from("cargo"),
            cargo_home: std::env::home_dir().map(|home| home.join(".cargo")),
        }
    }
}

fn workspace_version() -> Version {
    let number = |text: &str| text.parse().unwrap_or_default();
    Version {
        major: number(env!("CARGO_PKG_VERSION_MAJOR")),
        minor: number(env!("CARGO_PKG_VERSION_MINOR")),
        patch: number(env!("CARGO_PKG_VERSION_PATCH")),
        pre: semver::Prerelease::new(env!("CARGO_PKG_VERSION_PRE")).unwrap_or_default(),
        build: semver::BuildMetadata::EMPTY,
    }
}

/// What happens during a build.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// A line that cargo wrote to its standard error.
    Cargo(&'a str),
    /// A package is complete and on disk.
    Built(&'a BuiltPackage),
}

/// Why a build failed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum BuildError {
    #[error("version {version} has build metadata, which a tag cannot carry")]
    BuildMetadata { version: Version },
    #[error("cannot use the output directory {path}")]
    Output { path: PathBuf, source: io::Error },
    #[error("cannot compile the binaries")]
    Compile {
        #[from]
        source: CompileError,
    },
    #[error("cannot assemble {package}")]
    Stream {
        package: &'static str,
        source: StreamError,
    },
    #[error("cannot pack {package}")]
    Pack {
        package: &'static str,
        source: io::Error,
    },
    #[error("cannot store {package}")]
    Store {
        package: &'static str,
        source: LayoutError,
    },
}

/// Packages that are ready to be pushed.
#[derive(Debug, Clone)]
pub struct Built {
    packages: Vec<BuiltPackage>,
}

impl Built {
    /// The packages, in the order in which they were asked for.
    pub fn packages(&self) -> &[BuiltPackage] {
        &self.packages
    }
}

/// Builds packages and writes each to `options.output` as `<name>/`, an OCI image layout, and
/// `<name>-v<version>.xpkg`, the archive for Crossplane's CLI.
///
/// Builds into the same directory wait for each other.
pub fn build(
    options: &BuildOptions,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Built, BuildError> {
    if !options.version.build.is_empty() {
        return Err(BuildError::BuildMetadata {
            version: options.version.clone(),
        });
    }
    let _turn = lock(&options.output).map_err(|source| BuildError::Output {
        path: options.output.clone(),
        source,
    })?;
    // Streams first: a missing file is reported before minutes of compiling.
    let mut streams = Vec::new();
    for &package in &options.packages {
        let failed = |source| BuildError::Stream {
            package: package.name,
            source,
        };
        let stream =
            Stream::assemble(&options.workspace, package, &options.version).map_err(failed)?;
        let examples = stream::examples(&options.workspace, package).map_err(failed)?;
        streams.push((package, stream, examples));
    }
    let mut binaries = compile(options, &options.packages, progress)?;
    let mut packages = Vec::new();
    for (package, stream, examples) in streams {
        let built = pack(options, package, stream, examples, &mut binaries).map_err(|source| {
            BuildError::Pack {
                package: package.name,
                source,
            }
        })?;
        layout::write(&built).map_err(|source| BuildError::Store {
            package: package.name,
            source,
        })?;
        progress(Progress::Built(&built));
        packages.push(built);
    }
    Ok(Built { packages })
}

fn pack(
    options: &BuildOptions,
    package: &'static Package,
    stream: Stream,
    examples: Option<String>,
    binaries: &mut BTreeMap<&'static str, Binary>,
) -> io::Result<BuiltPackage> {
    let contents = Contents {
        package,
        meta: &stream.meta,
        package_yaml: Bytes::from(stream.yaml),
        examples: examples.map(Bytes::from),
        binary: package.binary.and_then(|name| binaries.remove(name)),
    };
    let (index, images) = assemble(&contents, &options.version)?;
    Ok(BuiltPackage {
        package,
        tag: format!("v{}", options.version),
        index,
        images,
        layout: options.output.join(package.name),
    })
}

/// Takes the directory's lock, which is released when the file is dropped.
fn lock(directory: &Path) -> io::Result<File> {
    fs::create_dir_all(directory)?;
    let file = File::create(directory.join(".lock"))?;
    file.lock()?;
    Ok(file)
}

/// Reads `packages` as an earlier build wrote them to `directory`, and checks their digests.
pub fn load(directory: &Path, packages: &[&'static Package]) -> Result<Built, LayoutError> {
    let packages = packages
        .iter()
        .map(|package| layout::read(directory, package))
        .collect::<Result<_, _>>()?;
    Ok(Built { packages })
}

#[cfg(test)]
mod tests;
