//! What is measured is what is shipped: the binaries are taken out of the images.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::read::GzDecoder;
use package::{BuildOptions, Built, Progress};

/// Builds all packages, as they are shipped.
pub(crate) fn build() -> Result<Built> {
    let built = package::build(&BuildOptions::default(), &mut |progress| {
        if let Progress::Cargo(line) = progress {
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    });
    built.context("build the packages")
}

/// Takes the binary of a package out of its image, into a directory.
pub(crate) fn extract(built: &Built, name: &str, dir: &Path) -> Result<PathBuf> {
    let mut packages = built.packages().iter();
    let package = packages
        .find(|package| package.package.name == name)
        .with_context(|| format!("{name} is not a package"))?;
    for image in &package.images {
        for layer in &image.layers {
            let mut archive = tar::Archive::new(GzDecoder::new(&layer.data[..]));
            for entry in archive.entries().context("read a layer")? {
                let mut entry = entry.context("read a layer")?;
                if entry.path()?.file_name().is_none_or(|file| file != name) {
                    continue;
                }
                let mut binary = Vec::new();
                entry.read_to_end(&mut binary).context("read a layer")?;
                let path = dir.join(name);
                fs::write(&path, binary).with_context(|| format!("write {}", path.display()))?;
                fs::set_permissions(&path, Permissions::from_mode(0o755))
                    .with_context(|| format!("make {} executable", path.display()))?;
                return Ok(path);
            }
        }
    }
    anyhow::bail!("the image of {name} has no file of that name")
}
