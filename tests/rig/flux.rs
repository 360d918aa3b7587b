//! Flux: source-controller and helm-controller.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::apply::apply;
use crate::control_plane::ControlPlane;
use crate::daemon::{Daemon, Invocation, Restart};
use crate::loopback::Block;
use crate::scratch::Scratch;
use crate::tools::Installed;

/// The namespace of Flux.
pub const NAMESPACE: &str = "flux-system";

const CRDS: &str = "config/crd/bases";

const RESTART: Restart = Restart::Always {
    first: Duration::from_millis(500),
    cap: Duration::from_secs(10),
};

/// Running Flux. Its controllers are administrators, as they are where `flux install` made them.
#[derive(Debug)]
pub(crate) struct Flux {
    pub(crate) source_controller: Daemon,
    pub(crate) helm_controller: Daemon,
}

impl Flux {
    /// Installs the kinds and starts the controllers. The sources are served on the loopback interface.
    pub(crate) async fn start(
        source: &Installed,
        helm: &Installed,
        control_plane: &ControlPlane,
        block: &Block,
        scratch: &Scratch,
    ) -> Result<Self> {
        let client = &control_plane.client;
        apply(
            client,
            &format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {NAMESPACE}\n"),
        )
        .await?;
        for dir in [source.dir(CRDS), helm.dir(CRDS)] {
            apply(client, &documents_in(&dir)?).await?;
        }
        let storage = scratch.join("flux");
        fs::create_dir(&storage).context("create the directory for sources")?;
        let address = format!("127.0.0.1:{}", block.port()?);
        let source_controller = controller(source, control_plane, block)?
            .arg(format!("--storage-path={}", storage.display()))
            .arg(format!("--storage-addr={address}"))
            .arg(format!("--storage-adv-addr={address}"));
        let helm_controller = controller(helm, control_plane, block)?;
        let start =
            |name: &str, invocation| Daemon::start(name, invocation, scratch.log(name), RESTART);
        Ok(Self {
            source_controller: start("source-controller", source_controller),
            helm_controller: start("helm-controller", helm_controller),
        })
    }
}

fn controller(
    installed: &Installed,
    control_plane: &ControlPlane,
    block: &Block,
) -> Result<Invocation> {
    Ok(Invocation::new(&installed.binary)
        .env("KUBECONFIG", &control_plane.admin)
        .env("RUNTIME_NAMESPACE", NAMESPACE)
        .arg(format!("--metrics-addr=127.0.0.1:{}", block.port()?))
        .arg(format!("--health-addr=127.0.0.1:{}", block.port()?)))
}

fn documents_in(dir: &Path) -> Result<String> {
    let context = || format!("read {}", dir.display());
    let mut documents = Vec::new();
    for entry in fs::read_dir(dir).with_context(context)? {
        let path = entry.with_context(context)?.path();
        documents
            .push(fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?);
    }
    Ok(documents.join("\n---\n"))
}
