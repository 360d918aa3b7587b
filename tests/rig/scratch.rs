//! The temporary directory of a rig.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

const PREFIX: &str = "xplatform-rig-";
const LOCK: &str = ".lock";

/// A directory that goes away with the rig. One that a killed process left behind goes away when the next rig starts.
#[derive(Debug)]
pub(crate) struct Scratch {
    dir: TempDir,
    /// Held while the directory is in use; the kernel lets go of it when the process dies.
    _lock: File,
}

impl Scratch {
    pub(crate) fn create() -> Result<Self> {
        let base = std::env::temp_dir();
        remove_abandoned(&base);
        let dir = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(&base)
            .context("create a temporary directory")?;
        let lock = File::create(dir.path().join(LOCK)).context("create a lock file")?;
        lock.lock().context("lock the temporary directory")?;
        for part in ["logs", "pods", "images", "secrets"] {
            fs::create_dir(dir.path().join(part)).context("create a temporary directory")?;
        }
        Ok(Self { dir, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn join(&self, path: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(path)
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.join(format!("logs/{name}.log"))
    }
}

/// Best effort: what cannot be read or removed belongs to somebody else.
fn remove_abandoned(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        // A directory without a lock file is just being created.
        let Ok(lock) = File::open(entry.path().join(LOCK)) else {
            continue;
        };
        if lock.try_lock().is_ok() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
