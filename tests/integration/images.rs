//! The images from an empty root: nothing of the machine's files is there to help.
//!
//! The test starts itself again inside namespaces of its own ([`inside`]), where it may be root of an empty network: it
//! serves DNS on port 53 and TLS, makes the image's root read-only, and starts the entrypoint there as user 2000.

mod inside;

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use flate2::read::GzDecoder;
use package::{Built, BuiltPackage};
use tokio::process::Command;

use crate::tests;
use crate::world::World;

pub(crate) use inside::{MARK, run as run_inside};

tests!(
    the_function_serves_from_an_empty_root,
    the_provider_resolves_names_and_verifies_tls_from_an_empty_root,
    images_carry_nothing_but_the_binary_and_the_package,
);

async fn the_function_serves_from_an_empty_root(world: &World) -> Result<()> {
    in_empty_root(world.built().await?, "function-xplatform").await
}

async fn the_provider_resolves_names_and_verifies_tls_from_an_empty_root(
    world: &World,
) -> Result<()> {
    in_empty_root(world.built().await?, "provider-hcloud").await
}

async fn in_empty_root(built: &Built, name: &str) -> Result<()> {
    let root = tempfile::tempdir()?;
    unpack(named(built, name)?, root.path())?;
    let output = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
        ])
        .arg(std::env::current_exe()?)
        .arg(MARK)
        .arg(name)
        .arg(root.path())
        .stdin(Stdio::null())
        .output()
        .await
        .context("run unshare, of util-linux")?;
    ensure!(
        output.status.success(),
        "{name} does not work from an empty root ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

async fn images_carry_nothing_but_the_binary_and_the_package(world: &World) -> Result<()> {
    let built = world.built().await?;
    for name in ["function-xplatform", "provider-hcloud"] {
        let root = tempfile::tempdir()?;
        unpack(named(built, name)?, root.path())?;
        let mut entries: Vec<_> = std::fs::read_dir(root.path())?
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect::<Result<_, _>>()?;
        entries.sort();
        let mut expected = ["etc", name, "package.yaml"];
        expected.sort_unstable();
        ensure!(entries == expected, "{name}: {entries:?}");
    }
    Ok(())
}

pub(crate) fn named<'a>(built: &'a Built, name: &str) -> Result<&'a BuiltPackage> {
    let found = built
        .packages()
        .iter()
        .find(|package| package.package.name == name);
    found.with_context(|| format!("no package {name}"))
}

pub(crate) fn unpack(package: &BuiltPackage, root: &Path) -> Result<()> {
    let Some(image) = package.images.first() else {
        bail!("{} has no image", package.package.name);
    };
    for layer in &image.layers {
        tar::Archive::new(GzDecoder::new(layer.data.as_ref())).unpack(root)?;
    }
    Ok(())
}
