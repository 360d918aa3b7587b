//! Packages on disk: an OCI image layout, which is pushed, and an `.xpkg` archive, which Crossplane's CLI reads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::definition::Package;
use crate::image::{BuiltPackage, Image};
use crate::layer::{Entry, archive};
use crate::oci::{Blob, Descriptor, Digest, INDEX, ImageConfig, Index, Manifest};

/// Annotation of the layout's only entry: the tag.
const REFERENCE_NAME: &str = "org.opencontainers.image.ref.name";

/// Why a package could not be written to or read from disk.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum LayoutError {
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: io::Error },
    #[error("{package} has not been built: {path} is missing; run `cargo run -p package -- build`")]
    NotBuilt {
        package: &'static str,
        path: PathBuf,
    },
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is not what a build writes")]
    Parse {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{path} does not hold what its name says: its digest is {found}")]
    Corrupt { path: PathBuf, found: Digest },
    #[error("{path} does not name exactly one tagged image index")]
    NoIndex { path: PathBuf },
    #[error("{path} describes an image without a platform")]
    NoPlatform { path: PathBuf },
}

/// Writes the package's layout to `built.layout` and its archive beside it. What was there before is replaced
/// when the new layout is complete.
pub(crate) fn write(built: &BuiltPackage) -> Result<(), LayoutError> {
    let layout = &built.layout;
    let failed = |source| LayoutError::Write {
        path: layout.clone(),
        source,
    };
    let parent = layout.parent().unwrap_or_else(|| Path::new("."));
    let staging = tempfile::Builder::new()
        .prefix(".package-")
        .tempdir_in(parent)
        .map_err(failed)?;

    let blobs = staging.path().join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(failed)?;
    for blob in blobs_of(built) {
        fs::write(blobs.join(blob.digest.hex()), &blob.data).map_err(failed)?;
    }
    let mut entry = Descriptor::of(&built.index, INDEX);
    entry
        .annotations
        .insert(REFERENCE_NAME.to_owned(), built.tag.clone());
    let index = Blob::json(&Index::new(vec![entry])).map_err(|source| failed(source.into()))?;
    fs::write(staging.path().join("index.json"), &index.data).map_err(failed)?;
    fs::write(
        staging.path().join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .map_err(failed)?;

    if layout.exists() {
        fs::remove_dir_all(layout).map_err(failed)?;
    }
    fs::rename(staging.keep(), layout).map_err(failed)?;

    if let Some(image) = built.images.first() {
        let path = xpkg_path(built);
        xpkg(image)
            .and_then(|archive| fs::write(&path, archive))
            .map_err(|source| LayoutError::Write { path, source })?;
    }
    Ok(())
}

/// Where the `.xpkg` of a package is: beside its layout.
pub(crate) fn xpkg_path(built: &BuiltPackage) -> PathBuf {
    built
        .layout
        .with_file_name(format!("{}-{}.xpkg", built.package.name, built.tag))
}

fn blobs_of(built: &BuiltPackage) -> impl Iterator<Item = &Blob> {
    let images = built.images.iter();
    images
        .flat_map(|image| image.layers.iter().chain([&image.config, &image.manifest]))
        .chain([&built.index])
}

/// The archive that `docker save` introduced and go-containerregistry reads, with one untagged image.
fn xpkg(image: &Image) -> io::Result<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Entries {
        config: String,
        layers: Vec<String>,
        repo_tags: Vec<String>,
    }

    let manifest = Entries {
        config: image.config.digest.to_string(),
        layers: image
            .layers
            .iter()
            .map(|layer| format!("{}.tar.gz", layer.digest.hex()))
            .collect(),
        repo_tags: Vec::new(),
    };
    let mut files = BTreeMap::from([(manifest.config.clone(), image.config.data.clone())]);
    files.extend(
        manifest
            .layers
            .iter()
            .cloned()
            .zip(image.layers.iter().map(|layer| layer.data.clone())),
    );
    let mut entries: Vec<Entry> = files
        .into_iter()
        .map(|(path, data)| Entry::file(path, data))
        .collect();
    entries.push(Entry::file(
        "manifest.json",
        serde_json::to_vec(&[manifest])?,
    ));
    archive(&entries)
}

/// Reads the layout of `package` in `directory`, and checks every digest.
pub(crate) fn read(
    directory: &Path,
    package: &'static Package,
) -> Result<BuiltPackage, LayoutError> {
    let layout = directory.join(package.name);
    let path = layout.join("index.json");
    if !path.exists() {
        return Err(LayoutError::NotBuilt {
            package: package.name,
            path,
        });
    }
    let entries: Index = parse(&path, &read_file(&path)?)?;
    let [entry] = entries.manifests.as_slice() else {
        return Err(LayoutError::NoIndex { path });
    };
    let Some(tag) = entry
        .annotations
        .get(REFERENCE_NAME)
        .filter(|_| entry.media_type == INDEX)
    else {
        return Err(LayoutError::NoIndex { path });
    };

    let index = read_blob(&layout, &entry.digest)?;
    let listed: Index = parse(&blob_path(&layout, &index.digest), &index.data)?;
    let images = listed
        .manifests
        .iter()
        .map(|entry| read_image(&layout, entry))
        .collect::<Result<_, _>>()?;
    Ok(BuiltPackage {
        package,
        tag: tag.clone(),
        index,
        images,
        layout,
    })
}

fn read_image(layout: &Path, entry: &Descriptor) -> Result<Image, LayoutError> {
    let path = blob_path(layout, &entry.digest);
    let manifest = read_blob(layout, &entry.digest)?;
    let Some(platform) = entry.platform.clone() else {
        return Err(LayoutError::NoPlatform { path });
    };
    let parts: Manifest = parse(&path, &manifest.data)?;
    let config = read_blob(layout, &parts.config.digest)?;
    let settings: ImageConfig = parse(&blob_path(layout, &config.digest), &config.data)?;
    let layers = parts
        .layers
        .iter()
        .map(|layer| read_blob(layout, &layer.digest))
        .collect::<Result<_, _>>()?;
    Ok(Image {
        platform,
        manifest,
        config,
        layers,
        runnable: !settings.config.entrypoint.is_empty(),
    })
}

fn blob_path(layout: &Path, digest: &Digest) -> PathBuf {
    layout.join("blobs/sha256").join(digest.hex())
}

fn read_blob(layout: &Path, digest: &Digest) -> Result<Blob, LayoutError> {
    let path = blob_path(layout, digest);
    let blob = Blob::new(read_file(&path)?);
    if blob.digest == *digest {
        Ok(blob)
    } else {
        Err(LayoutError::Corrupt {
            path,
            found: blob.digest,
        })
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, LayoutError> {
    fs::read(path).map_err(|source| LayoutError::Read {
        path: path.to_owned(),
        source,
    })
}

fn parse<T: DeserializeOwned>(path: &Path, data: &[u8]) -> Result<T, LayoutError> {
    serde_json::from_slice(data).map_err(|source| LayoutError::Parse {
        path: path.to_owned(),
        source,
    })
}
