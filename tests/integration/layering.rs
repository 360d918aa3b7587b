//! Who may know whom: the boundaries that modules, not crates, keep.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::tests;
use crate::world::World;

tests!(
    modules_know_only_what_they_may,
    no_file_is_longer_than_a_reader_bears
);

/// Files under a path must not name some crates or modules.
struct Boundary {
    path: &'static str,
    must_not_name: &'static [&'static str],
}

const BOUNDARIES: &[Boundary] = &[
    Boundary {
        path: "provider-hcloud/src/managed",
        must_not_name: &[
            "crate::hcloud",
            "crate::kind",
            "crate::registry",
            "provider_hcloud_api::network",
        ],
    },
    Boundary {
        path: "provider-hcloud/src/hcloud",
        must_not_name: &[
            "kube::",
            "k8s_openapi",
            "provider_hcloud_api",
            "crate::managed",
            "crate::kind",
        ],
    },
    Boundary {
        path: "provider-hcloud/src/kind",
        must_not_name: &["kube::Client", "kube::Api", "crate::managed::reconcile"],
    },
    Boundary {
        path: "provider-hcloud/api",
        must_not_name: &["tokio", "hyper", "provider_hcloud::"],
    },
    Boundary {
        path: "function/src/claim",
        must_not_name: &["tonic", "tokio", "std::env", "crossplane_proto"],
    },
    Boundary {
        path: "function/src/plan",
        must_not_name: &["tonic", "tokio", "std::env"],
    },
    Boundary {
        path: "function/src/structpb",
        must_not_name: &["tonic", "tokio", "std::env", "crate::claim", "crate::plan"],
    },
    Boundary {
        path: "tests/hcloud-simulator/src",
        must_not_name: &["kube::", "provider_hcloud", "function_xplatform"],
    },
];

async fn modules_know_only_what_they_may(_: &World) -> Result<()> {
    let mut violations = Vec::new();
    for boundary in BOUNDARIES {
        let files = sources(&workspace().join(boundary.path))?;
        ensure!(!files.is_empty(), "{} has no source files", boundary.path);
        for file in files {
            let text = std::fs::read_to_string(&file)?;
            for (number, line) in text.lines().enumerate() {
                if line.trim_start().starts_with("//") {
                    continue;
                }
                for name in boundary.must_not_name {
                    if line.contains(name) {
                        violations.push(format!("{}:{} names {name}", file.display(), number + 1));
                    }
                }
            }
        }
    }
    ensure!(violations.is_empty(), "{}", violations.join("\n"));
    Ok(())
}

const LONGEST: usize = 800;

async fn no_file_is_longer_than_a_reader_bears(_: &World) -> Result<()> {
    let mut long = Vec::new();
    for root in [
        "function",
        "provider-hcloud",
        "package",
        "tests",
        "proto/src",
    ] {
        for file in sources(&workspace().join(root))? {
            let lines = std::fs::read_to_string(&file)?.lines().count();
            if lines > LONGEST
                && !file
                    .components()
                    .any(|part| part.as_os_str() == "generated")
            {
                long.push(format!("{}: {lines} lines", file.display()));
            }
        }
    }
    ensure!(long.is_empty(), "{}", long.join("\n"));
    Ok(())
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The Rust files under a path, and beside it the file of the same name.
fn sources(path: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<_> = Some(path.with_extension("rs"))
        .into_iter()
        .filter(|file| file.is_file())
        .collect();
    let mut directories = vec![path.to_owned()];
    while let Some(directory) = directories.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries {
            let path = entry
                .with_context(|| format!("read {}", directory.display()))?
                .path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    Ok(files)
}
