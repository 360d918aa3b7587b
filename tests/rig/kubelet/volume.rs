//! Volumes as directories.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::{KeyToPath, Volume, VolumeMount};
use kube::Client;

use super::env::{config_map, secret};

/// Where the paths of a container's mounts really are.
#[derive(Clone, Debug, Default)]
pub(super) struct Mounts {
    /// Mount path and directory; longer paths first, so that the innermost mount counts.
    places: Vec<(String, PathBuf)>,
}

impl Mounts {
    /// Writes the volumes to directories in `dir`.
    pub(super) async fn create(
        client: &Client,
        namespace: &str,
        volumes: &[Volume],
        mounts: &[VolumeMount],
        dir: &Path,
    ) -> Result<Self> {
        let mut places = Vec::new();
        for mount in mounts {
            let volume = volumes.iter().find(|volume| volume.name == mount.name);
            let volume = volume.with_context(|| format!("there is no volume {}", mount.name))?;
            let dir = dir.join(&volume.name);
            write(client, namespace, volume, &dir)
                .await
                .with_context(|| format!("make volume {}", volume.name))?;
            let place = match mount.sub_path.as_deref() {
                None | Some("") => dir,
                Some(path) => inside(&dir, path)?,
            };
            places.push((mount.mount_path.trim_end_matches('/').to_owned(), place));
        }
        places.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        Ok(Self { places })
    }

    /// Replaces a path below a mount by the real one. The path may be the whole text or follow a `=`, as in `--flag=/path`.
    pub(super) fn map(&self, text: &str) -> String {
        let (option, path) = match text.split_once('=') {
            Some((option, path)) if option.starts_with('-') => (format!("{option}="), path),
            _ => (String::new(), text),
        };
        for (mount, place) in &self.places {
            match path.strip_prefix(mount.as_str()) {
                Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                    return format!("{option}{}{rest}", place.display());
                }
                _ => {}
            }
        }
        text.to_owned()
    }
}

async fn write(client: &Client, namespace: &str, volume: &Volume, dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    let (name, optional, items, data) = if let Some(source) = &volume.secret {
        let name = source.secret_name.clone().unwrap_or_default();
        let data = secret(client, namespace, &name).await?;
        (name, source.optional, source.items.as_deref(), data)
    } else if let Some(source) = &volume.config_map {
        let data = config_map(client, namespace, &source.name).await?;
        (
            source.name.clone(),
            source.optional,
            source.items.as_deref(),
            data,
        )
    } else if volume.empty_dir.is_some() {
        return Ok(());
    } else {
        bail!("its type is not supported");
    };
    let data = match data {
        Some(data) => data,
        None if optional == Some(true) => return Ok(()),
        None => bail!("{name} does not exist"),
    };
    for (path, content) in projected(data, items).with_context(|| format!("project {name}"))? {
        let file = inside(dir, &path)?;
        fs::create_dir_all(file.parent().unwrap_or(dir))
            .with_context(|| format!("create {}", file.display()))?;
        fs::write(&file, content).with_context(|| format!("write {}", file.display()))?;
    }
    Ok(())
}

fn projected(
    mut data: BTreeMap<String, Vec<u8>>,
    items: Option<&[KeyToPath]>,
) -> Result<BTreeMap<String, Vec<u8>>> {
    let Some(items) = items else { return Ok(data) };
    let take = |item: &KeyToPath| {
        let content = data
            .remove(&item.key)
            .with_context(|| format!("there is no key {}", item.key))?;
        Ok((item.path.clone(), content))
    };
    items.iter().map(take).collect()
}

fn inside(dir: &Path, path: &str) -> Result<PathBuf> {
    let stays = Path::new(path)
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    ensure!(stays, "the path {path} leaves the volume");
    Ok(dir.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_below_a_mount_are_mapped() {
        let place = |path: &str, place: &str| (path.to_owned(), PathBuf::from(place));
        let mounts = Mounts {
            places: vec![place("/tls/server", "/rig/s"), place("/tls", "/rig/t")],
        };
        for (text, mapped, reason) in [
            ("/tls/server", "/rig/s", "the mount itself"),
            (
                "/tls/server/tls.crt",
                "/rig/s/tls.crt",
                "a file of the innermost mount",
            ),
            ("/tls/client", "/rig/t/client", "a file of the outer mount"),
            ("/tlsx", "/tlsx", "another directory"),
            (
                "--certs=/tls/server",
                "--certs=/rig/s",
                "the value of an option",
            ),
            ("url=/tls/server", "url=/tls/server", "not an option"),
        ] {
            assert_eq!(mounts.map(text), mapped, "{reason}");
        }
    }
}
