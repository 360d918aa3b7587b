//! A package as an image: the runtime's layers, then the layer with `package.yaml`, then the examples.
//!
//! Crossplane finds `package.yaml` by the annotation of its layer; its CLI, and archives that cannot carry
//! annotations, by a label in the image's configuration. Both are written.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use bytes::Bytes;

use crate::Version;
use crate::definition::Package;
use crate::layer::{Entry, Layer};
use crate::oci::{
    Blob, CONFIG, Descriptor, Execution, ImageConfig, Index, LAYER, MANIFEST, Manifest, Platform,
    RootFs,
};
use crate::stream::Meta;

/// Marks the layers that Crossplane looks for; followed by `:<layer digest>` in a label.
const XPKG: &str = "io.crossplane.xpkg";
/// The architecture under which Crossplane looks into an index, whatever it runs on itself.
const PACKAGE_MANAGER_ARCHITECTURE: &str = "amd64";
/// The user that Crossplane's Deployments run a package as.
const USER: u32 = 2000;

/// One image of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// What it runs on.
    pub platform: Platform,
    /// The manifest.
    pub manifest: Blob,
    /// The configuration.
    pub config: Blob,
    /// The layers, lowest first.
    pub layers: Vec<Blob>,
    /// Whether it has an entrypoint.
    pub runnable: bool,
}

impl Image {
    /// What a node downloads: the layers and the configuration, compressed, in bytes.
    pub fn compressed_size(&self) -> u64 {
        self.config.size() + self.layers.iter().map(Blob::size).sum::<u64>()
    }
}

/// A package that is ready to be pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltPackage {
    /// Its row.
    pub package: &'static Package,
    /// `v` and the version.
    pub tag: String,
    /// The image index: what the tag names.
    pub index: Blob,
    /// The images that the index lists. The first is that of the building machine; a `linux/amd64` one is always there.
    pub images: Vec<Image>,
    /// The directory with the package in OCI image layout.
    pub layout: PathBuf,
}

impl BuiltPackage {
    /// What a node of the building machine's architecture downloads, in bytes.
    pub fn compressed_size(&self) -> u64 {
        self.images.first().map_or(0, Image::compressed_size)
    }
}

/// What goes into the images of a package.
#[derive(Debug)]
pub(crate) struct Contents<'a> {
    pub(crate) package: &'static Package,
    pub(crate) meta: &'a Meta,
    pub(crate) package_yaml: Bytes,
    pub(crate) examples: Option<Bytes>,
    pub(crate) binary: Option<Binary>,
}

/// A static binary for Linux.
#[derive(Debug)]
pub(crate) struct Binary {
    /// Go's name of the architecture.
    pub(crate) architecture: &'static str,
    pub(crate) content: Bytes,
}

/// Builds the index and the images of a package.
pub(crate) fn assemble(
    contents: &Contents<'_>,
    version: &Version,
) -> io::Result<(Blob, Vec<Image>)> {
    let annotations = annotations(contents, version);
    let mut images = Vec::new();
    if let Some(binary) = &contents.binary {
        images.push(image(contents, Some(binary), &annotations)?);
    }
    // A package built on another architecture is readable by every package manager, and runs on its own.
    if !images
        .iter()
        .any(|image: &Image| image.platform.architecture == PACKAGE_MANAGER_ARCHITECTURE)
    {
        images.push(image(contents, None, &annotations)?);
    }
    let manifests = images
        .iter()
        .map(|image| Descriptor {
            platform: Some(image.platform.clone()),
            ..Descriptor::of(&image.manifest, MANIFEST)
        })
        .collect();
    let index = Index {
        annotations,
        ..Index::new(manifests)
    };
    Ok((Blob::json(&index)?, images))
}

fn image(
    contents: &Contents<'_>,
    binary: Option<&Binary>,
    annotations: &BTreeMap<String, String>,
) -> io::Result<Image> {
    let mut layers = Vec::new();
    let mut execution = Execution::default();
    let mut architecture = PACKAGE_MANAGER_ARCHITECTURE;
    if let (Some(binary), Some(name)) = (binary, contents.package.binary) {
        layers.push((Layer::pack(root_files())?, None));
        layers.push((
            Layer::pack(vec![Entry::executable(name, binary.content.clone())])?,
            None,
        ));
        execution.entrypoint = vec![format!("/{name}")];
        execution.user = format!("{USER}:{USER}");
        execution.working_dir = "/".to_owned();
        architecture = binary.architecture;
    }
    let package_yaml = Entry::file("package.yaml", contents.package_yaml.clone());
    layers.push((Layer::pack(vec![package_yaml])?, Some("base")));
    if let Some(examples) = &contents.examples {
        layers.push((
            Layer::pack(vec![Entry::file(".up/examples.yaml", examples.clone())])?,
            Some("upbound"),
        ));
    }

    let mut descriptors = Vec::new();
    for (layer, mark) in &layers {
        let mut descriptor = Descriptor::of(&layer.blob, LAYER);
        if let Some(mark) = mark {
            execution
                .labels
                .insert(format!("{XPKG}:{}", layer.blob.digest), (*mark).to_owned());
            descriptor
                .annotations
                .insert(XPKG.to_owned(), (*mark).to_owned());
        }
        descriptors.push(descriptor);
    }
    let runnable = !execution.entrypoint.is_empty();
    let platform = Platform::linux(architecture);
    let config = Blob::json(&ImageConfig {
        architecture: platform.architecture.clone(),
        config: execution,
        os: platform.os.clone(),
        rootfs: RootFs {
            diff_ids: layers
                .iter()
                .map(|(layer, _)| layer.diff_id.clone())
                .collect(),
            kind: "layers".to_owned(),
        },
    })?;
    let manifest = Blob::json(&Manifest {
        annotations: annotations.clone(),
        config: Descriptor::of(&config, CONFIG),
        layers: descriptors,
        media_type: MANIFEST.to_owned(),
        schema_version: 2,
    })?;
    let layers = layers.into_iter().map(|(layer, _)| layer.blob).collect();
    Ok(Image {
        platform,
        manifest,
        config,
        layers,
        runnable,
    })
}

/// All that a static binary looks for in a root file system: the names of users and how to resolve hosts.
fn root_files() -> Vec<Entry> {
    vec![
        Entry::directory("etc"),
        Entry::file("etc/group", format!("root:x:0:\nnonroot:x:{USER}:\n")),
        Entry::file("etc/nsswitch.conf", "hosts: files dns\n"),
        Entry::file(
            "etc/passwd",
            format!(
                "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:{USER}:{USER}:nonroot:/:/sbin/nologin\n"
            ),
        ),
    ]
}

/// The annotations that registries and scanners show, from those of `crossplane.yaml`.
fn annotations(contents: &Contents<'_>, version: &Version) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::from([
        (
            "org.opencontainers.image.title".to_owned(),
            contents.package.name.to_owned(),
        ),
        (
            "org.opencontainers.image.version".to_owned(),
            version.to_string(),
        ),
    ]);
    for (theirs, ours) in [
        ("description", "description"),
        ("licenses", "license"),
        ("source", "source"),
    ] {
        if let Some(text) = contents
            .meta
            .metadata
            .annotations
            .get(&format!("meta.crossplane.io/{ours}"))
        {
            annotations.insert(
                format!("org.opencontainers.image.{theirs}"),
                text.trim().to_owned(),
            );
        }
    }
    annotations
}

#[cfg(test)]
mod tests;
