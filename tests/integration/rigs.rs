//! The rig itself.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ListParams;
use rig::{Options, Rig};

use crate::tests;
use crate::world::World;

tests!(rigs_run_side_by_side_and_leave_nothing);

async fn rigs_run_side_by_side_and_leave_nothing(_: &World) -> Result<()> {
    let options = || Options {
        crossplane: false,
        ..Options::default()
    };
    let (one, other) = tokio::try_join!(Rig::start(options()), Rig::start(options()))?;
    one.apply(r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "only-here"}}"#)
        .await?;
    let names = async |rig: &Rig| {
        let namespaces: Api<Namespace> = Api::all(rig.client());
        let list = namespaces.list(&ListParams::default()).await?;
        anyhow::Ok(
            list.items
                .into_iter()
                .filter_map(|namespace| namespace.metadata.name)
                .collect::<Vec<_>>(),
        )
    };
    ensure!(names(&one).await?.contains(&"only-here".to_owned()));
    ensure!(!names(&other).await?.contains(&"only-here".to_owned()));
    let dirs = [one.dir().to_owned(), other.dir().to_owned()];
    one.stop().await;
    other.stop().await;
    for dir in dirs {
        ensure!(!dir.exists(), "{} is left behind", dir.display());
        let left = programs_with(&dir.display().to_string())?;
        ensure!(left.is_empty(), "still running: {left:?}");
    }
    Ok(())
}

/// Command lines of running programs that mention a text.
fn programs_with(text: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Ok(command) = std::fs::read(entry?.path().join("cmdline")) else {
            continue;
        };
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if command.contains(text) {
            found.push(command);
        }
    }
    Ok(found)
}
