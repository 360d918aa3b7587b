//! The official command line client and core's own render engine as judges of our packages, examples and function.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use function_xplatform::offline::{self, Node};
use function_xplatform::respond::Ttl;
use function_xplatform::server;
use function_xplatform::xrd::{FUNCTION_NAME, KINDS};
use rig::apply::documents;
use rig::tools;
use serde_json::{Map, Value, json};
use tokio::process::Command;

use crate::tests;
use crate::world::World;

tests!(
    the_official_client_accepts_our_definitions_compositions_and_examples,
    the_official_client_refuses_a_bad_claim,
    core_composes_what_render_shows,
);

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Definitions, Compositions and CRDs in a directory, as extensions for the client.
fn extensions() -> Result<tempfile::TempDir> {
    let dir = tempfile::tempdir()?;
    for root in ["package/configuration/apis", "package/provider-hcloud/crds"] {
        for (index, file) in yaml_files(&repository().join(root))?.iter().enumerate() {
            let name = format!("{}-{index}.yaml", root.replace('/', "-"));
            std::fs::copy(file, dir.path().join(name))?;
        }
    }
    Ok(dir)
}

/// All YAML files under a directory, sorted.
pub(crate) fn yaml_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root).with_context(|| format!("read {}", root.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(yaml_files(&path)?);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

async fn validate(resources: &Path) -> Result<(bool, String)> {
    let [client] = tools::prepare([&tools::CROSSPLANE_CLI]).await?;
    let extensions = extensions()?;
    let cache = tempfile::tempdir()?;
    let output = Command::new(&client.binary)
        .args(["resource", "validate", "--crossplane-image=", "--cache-dir"])
        .arg(cache.path())
        .arg(extensions.path())
        .arg(resources)
        .env("HOME", cache.path())
        .stdin(Stdio::null())
        .output()
        .await?;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok((output.status.success(), text))
}

async fn the_official_client_accepts_our_definitions_compositions_and_examples(
    _: &World,
) -> Result<()> {
    for file in yaml_files(&repository().join("examples"))? {
        // The client knows the kinds of packages only: what is Kubernetes' or Crossplane's own it reports as unknown.
        let ours: Vec<_> = documents(&std::fs::read_to_string(&file)?)?
            .into_iter()
            .filter(|object| {
                object
                    .types
                    .as_ref()
                    .is_some_and(|types| types.api_version.contains("openova.io"))
            })
            .collect();
        if ours.is_empty() {
            continue;
        }
        let resources = tempfile::Builder::new().suffix(".yaml").tempfile()?;
        let stream: Vec<_> = ours
            .iter()
            .map(serde_json::to_string)
            .collect::<Result<_, _>>()?;
        std::fs::write(resources.path(), stream.join("\n---\n"))?;
        let (accepted, text) = validate(resources.path()).await?;
        ensure!(accepted, "{}: {text}", file.display());
        let summary = format!(
            "0 missing schemas, {} success cases, 0 failure cases",
            ours.len()
        );
        ensure!(text.contains(&summary), "{}: {text}", file.display());
    }
    let (accepted, text) =
        validate(&repository().join("package/configuration/apis/xplatform/composition.yaml"))
            .await?;
    ensure!(accepted || text.contains("0 failure cases"), "{text}");
    Ok(())
}

async fn the_official_client_refuses_a_bad_claim(_: &World) -> Result<()> {
    let claim = std::fs::read_to_string(repository().join("examples/platform.yaml"))?;
    let file = tempfile::Builder::new().suffix(".yaml").tempfile()?;
    std::fs::write(
        file.path(),
        claim.replace("location: fsn1", "network: {cidr: ten}"),
    )?;
    let (accepted, text) = validate(file.path()).await?;
    ensure!(!accepted, "{text}");
    ensure!(
        text.contains("spec.regions[0].location") && text.contains("spec.regions[0].network.cidr"),
        "{text}"
    );
    Ok(())
}

async fn core_composes_what_render_shows(_: &World) -> Result<()> {
    let [client, core] = tools::prepare([&tools::CROSSPLANE_CLI, &tools::CROSSPLANE]).await?;
    let bound = server::bind(server::Options {
        address: ([127, 0, 0, 1], 0).into(),
        metrics_address: ([127, 0, 0, 1], 0).into(),
        certs: None,
        max_request: 32 << 20,
        ttl: Ttl::default(),
    })
    .await?;
    let target = bound.address();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(bound.serve(async {
        let _ = stopped.await;
    }));

    let render = Render {
        client: client.binary,
        core: core.binary,
        target: target.to_string(),
    };
    for example in [
        "examples/platform.yaml",
        "examples/platform-pinned.yaml",
        "examples/region.yaml",
    ] {
        let yaml = std::fs::read_to_string(repository().join(example))?;
        for root in offline::render(&yaml)? {
            let compared = render
                .compare(&root)
                .await
                .with_context(|| example.to_owned())?;
            ensure!(compared >= 1, "{example}: no composite was compared");
        }
    }
    let _ = stop.send(());
    serving.await??;
    Ok(())
}

struct Render {
    client: PathBuf,
    core: PathBuf,
    target: String,
}

impl Render {
    /// Compares what core composes for this composite and every composite below with what we rendered; returns how many
    /// composites were compared.
    async fn compare(&self, node: &Node) -> Result<usize> {
        let Some(kind) = KINDS.iter().find(|kind| {
            node.object
                .get("kind")
                .is_some_and(|found| found == kind.kind)
        }) else {
            return Ok(0);
        };
        let ours: BTreeMap<_, _> = node
            .children
            .iter()
            .map(|child| (child.key.clone(), child.object.clone()))
            .collect();
        let theirs = self.render(kind, &node.object, &ours).await?;
        ensure!(
            ours == theirs,
            "{}: {ours:#?} is not {theirs:#?}",
            kind.kind
        );
        let mut compared = 1;
        for child in &node.children {
            compared += Box::pin(self.compare(child)).await?;
        }
        Ok(compared)
    }

    /// Runs core's reconciler on a composite that has composed `observed` already.
    async fn render(
        &self,
        kind: &function_xplatform::xrd::Kind,
        composite: &Map<String, Value>,
        observed: &BTreeMap<String, Map<String, Value>>,
    ) -> Result<BTreeMap<String, Map<String, Value>>> {
        let dir = tempfile::tempdir()?;
        let write = |name: &str, objects: &[Value]| {
            let path = dir.path().join(name);
            let stream: Vec<_> = objects.iter().map(ToString::to_string).collect();
            std::fs::write(&path, stream.join("\n---\n")).map(|()| path)
        };
        let function = json!({
            "apiVersion": "pkg.crossplane.io/v1",
            "kind": "Function",
            "metadata": {"name": FUNCTION_NAME, "annotations": {
                "render.crossplane.io/runtime": "Development",
                "render.crossplane.io/runtime-development-target": self.target,
            }},
            "spec": {"package": "xpkg.openova.io/openova/function-xplatform:v0.0.0"},
        });
        let observed: Vec<Value> = observed
            .iter()
            .map(|(key, object)| {
                let mut object = Value::Object(object.clone());
                object["metadata"]["annotations"][KEY] = json!(key);
                object
            })
            .collect();
        let output = Command::new(&self.client)
            .args(["composition", "render"])
            .arg(write(
                "composite.yaml",
                &[Value::Object(composite.clone())],
            )?)
            .arg(write("composition.yaml", &[kind.composition()])?)
            .arg(write("functions.yaml", &[function])?)
            .arg(format!("--crossplane-binary={}", self.core.display()))
            .arg(format!(
                "--xrd={}",
                write("definition.yaml", &[kind.definition()])?.display()
            ))
            .arg(format!(
                "--observed-resources={}",
                write("observed.yaml", &observed)?.display()
            ))
            .env("HOME", dir.path())
            .stdin(Stdio::null())
            .output()
            .await?;
        if !output.status.success() {
            bail!(
                "crossplane composition render: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let stream = String::from_utf8(output.stdout)?;
        let rendered: Vec<Value> =
            serde_saphyr::from_multiple(&stream).with_context(|| stream.clone())?;
        Ok(rendered.into_iter().filter_map(composed).collect())
    }
}

const KEY: &str = "crossplane.io/composition-resource-name";

/// A composed resource without what core adds to it; the composite itself is left out.
fn composed(mut object: Value) -> Option<(String, Map<String, Value>)> {
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    let key = metadata.get("annotations")?.get(KEY)?.as_str()?.to_owned();
    metadata.remove("annotations");
    metadata.remove("ownerReferences");
    metadata.remove("generateName");
    if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
        labels.retain(|label, _| !label.starts_with("crossplane.io/"));
        if labels.is_empty() {
            metadata.remove("labels");
        }
    }
    let Value::Object(object) = object else {
        return None;
    };
    Some((key, object))
}
