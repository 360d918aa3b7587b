//! Pulls images and unpacks them.

use std::fs::{self, File};
use std::io::{BufReader, ErrorKind, Read, Seek};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use flate2::read::MultiGzDecoder;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::config::{Config, ConfigFile};
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use tar::{Archive, EntryType};
use tokio::sync::Mutex;

/// An unpacked image. Containers share it: nothing stops them from writing to it, so images under test must not.
#[derive(Clone, Debug)]
pub(super) struct Image {
    /// The root of its file system.
    pub(super) root: PathBuf,
    pub(super) config: Config,
}

/// The images that were pulled.
pub(crate) struct Images {
    dir: PathBuf,
    client: Client,
    /// Held while an image is pulled, so that each is unpacked once.
    pulling: Mutex<()>,
}

impl Images {
    /// Keeps images in `dir`; speaks plain HTTP to `registry`.
    pub(crate) fn new(dir: PathBuf, registry: &str) -> Self {
        let config = ClientConfig {
            protocol: ClientProtocol::HttpsExcept(vec![registry.to_owned()]),
            // Naming a proxy replaces one from the environment, which could not reach this host's loopback.
            http_proxy: Some("http://127.0.0.1".to_owned()),
            no_proxy: Some("127.0.0.0/8".to_owned()),
            ..ClientConfig::default()
        };
        Self {
            dir,
            client: Client::new(config),
            pulling: Mutex::new(()),
        }
    }

    /// Pulls the image for this host's platform, unless it is here already.
    pub(super) async fn pull(&self, reference: &str) -> Result<Image> {
        let parsed: Reference = reference
            .parse()
            .with_context(|| format!("read the image name {reference}"))?;
        let _pulling = self.pulling.lock().await;
        let (manifest, digest, config) = self
            .client
            .pull_manifest_and_config(&parsed, &RegistryAuth::Anonymous)
            .await
            .with_context(|| format!("pull {reference}"))?;
        let config: ConfigFile = serde_json::from_str(&config)
            .with_context(|| format!("read the configuration of {reference}"))?;
        let root = self.dir.join(digest.replace(':', "-"));
        if !root.exists() {
            let new = root.with_extension("new");
            fs::create_dir_all(&new).with_context(|| format!("create {}", new.display()))?;
            for layer in &manifest.layers {
                self.unpack(&parsed, layer, &new)
                    .await
                    .with_context(|| format!("unpack layer {} of {reference}", layer.digest))?;
            }
            fs::rename(&new, &root)
                .with_context(|| format!("rename {} to {}", new.display(), root.display()))?;
        }
        Ok(Image {
            root,
            config: config.config.unwrap_or_default(),
        })
    }

    async fn unpack(&self, image: &Reference, layer: &OciDescriptor, root: &Path) -> Result<()> {
        let blob = tempfile::tempfile_in(&self.dir).context("create a file for the layer")?;
        let out = tokio::fs::File::from_std(blob.try_clone().context("share the layer's file")?);
        self.client
            .pull_blob(image, layer, out)
            .await
            .context("pull")?;
        let root = root.to_owned();
        tokio::task::spawn_blocking(move || unpack_layer(blob, &root))
            .await
            .context("unpack")?
    }
}

fn unpack_layer(mut blob: File, root: &Path) -> Result<()> {
    let mut magic = [0_u8; 4];
    blob.rewind()?;
    let read = blob.read(&mut magic)?;
    blob.rewind()?;
    let blob = BufReader::new(blob);
    match &magic[..read] {
        [0x1f, 0x8b, ..] => unpack_tar(MultiGzDecoder::new(blob), root),
        [0x28, 0xb5, 0x2f, 0xfd] => bail!("layers compressed by zstd are not supported"),
        _ => unpack_tar(blob, root),
    }
}

/// Applies one layer to the file system in `root`: adds and replaces files, and removes what whiteouts name.
fn unpack_tar(layer: impl Read, root: &Path) -> Result<()> {
    let mut archive = Archive::new(layer);
    for entry in archive.entries().context("read the archive")? {
        let mut entry = entry.context("read the archive")?;
        let path = entry.path().context("read a path")?.into_owned();
        let context = || format!("unpack {}", path.display());
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if let Some(removed) = name.strip_prefix(".wh.") {
            remove(
                root,
                path.parent().unwrap_or_else(|| Path::new("")),
                removed,
            )
            .with_context(context)?;
            continue;
        }
        if matches!(
            entry.header().entry_type(),
            EntryType::Block | EntryType::Char | EntryType::Fifo
        ) {
            // Making device files takes root, and no program under test needs one.
            continue;
        }
        // Refuses to follow links out of the root, and tells of `..` by returning false.
        ensure!(
            entry.unpack_in(root).with_context(context)?,
            "{} leaves the image",
            path.display()
        );
    }
    Ok(())
}

/// The name of a whiteout that hides all that lower layers have in a directory.
const OPAQUE: &str = ".wh..opq";

fn remove(root: &Path, parent: &Path, name: &str) -> Result<()> {
    ensure!(
        !parent.components().any(|part| part == Component::ParentDir),
        "the whiteout leaves the image"
    );
    let dir = root.join(parent);
    // Removing must not follow a link out of the root either.
    let real = match dir.canonicalize() {
        Ok(real) => real,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    ensure!(
        real.starts_with(root.canonicalize()?),
        "the whiteout leaves the image"
    );
    if name == OPAQUE {
        for entry in fs::read_dir(&real)? {
            remove_any(&entry?.path())?;
        }
        return Ok(());
    }
    ensure!(name != "." && name != "..", "the whiteout leaves the image");
    remove_any(&real.join(name))
}

fn remove_any(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path)?,
        Ok(_) => fs::remove_file(path)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tar::{Builder, Header};

    use super::*;

    fn layer(files: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = Header::new_old();
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_size(content.len() as u64);
            header.set_mode(0o755);
            header.set_cksum();
            builder.append(&header, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn unpacked(layers: &[Vec<u8>]) -> (tempfile::TempDir, Result<()>) {
        let root = tempfile::tempdir().unwrap();
        let result = layers
            .iter()
            .try_for_each(|layer| unpack_tar(layer.as_slice(), root.path()));
        (root, result)
    }

    #[test]
    fn a_later_layer_replaces_and_removes_files_of_an_earlier_one() {
        let (root, result) = unpacked(&[
            layer(&[("bin/a", "1"), ("bin/b", "1"), ("etc/x", "1")]),
            layer(&[
                ("bin/a", "2"),
                ("bin/.wh.b", ""),
                ("etc/.wh..wh..opq", ""),
                ("etc/y", "2"),
            ]),
        ]);
        result.unwrap();
        assert_eq!(fs::read_to_string(root.path().join("bin/a")).unwrap(), "2");
        assert!(!root.path().join("bin/b").exists());
        assert!(!root.path().join("etc/x").exists());
        assert!(root.path().join("etc/y").exists());
    }

    #[test]
    fn a_path_that_leaves_the_image_is_refused() {
        let (root, result) = unpacked(&[layer(&[("../escaped", "1")])]);
        assert_eq!(
            result.unwrap_err().to_string(),
            "../escaped leaves the image"
        );
        assert!(!root.path().parent().unwrap().join("escaped").exists());
    }

    #[test]
    fn a_whiteout_that_leaves_the_image_is_refused() {
        let (_root, result) = unpacked(&[layer(&[("../.wh.tmp", "")])]);
        assert!(format!("{:#}", result.unwrap_err()).contains("the whiteout leaves the image"));
    }
}
