//! The official command line client and core's own render engine as judges of our packages, examples and function.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use function_xplatform::offline::{self, Claims, Facts, Node};
use function_xplatform::respond::Ttl;
use function_xplatform::server;
use function_xplatform::xrd::{FUNCTION_NAME, KINDS};
use hcloud_simulator::{DEFAULT_TOKEN, Simulator};
use http::Method;
use package::Package;
use rig::apply::documents;
use rig::tools;
use rig::xplatform::{CLAIMS, NAMESPACED};
use serde_json::{Map, Value, json};
use tokio::process::Command;

use crate::world::World;
use crate::{client, tests};

tests!(
    the_official_client_accepts_our_definitions_compositions_and_examples,
    the_official_client_refuses_a_bad_claim,
    core_composes_what_render_shows,
    the_example_of_facts_has_the_prices_of_the_simulated_cloud,
);

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Definitions and Compositions of a configuration and the provider's CRDs in a directory, as extensions for the client.
fn extensions(configuration: &str) -> Result<tempfile::TempDir> {
    let dir = tempfile::tempdir()?;
    for name in [configuration, "provider-hcloud"] {
        let package = Package::named(name).with_context(|| format!("{name} is no package"))?;
        for root in package.objects {
            for (index, file) in yaml_files(&repository().join(root))?.iter().enumerate() {
                let name = format!("{}-{index}.yaml", root.replace('/', "-"));
                std::fs::copy(file, dir.path().join(name))?;
            }
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

async fn validate(configuration: &str, resources: &Path) -> Result<(bool, String)> {
    let [client] = tools::prepare([&tools::CROSSPLANE_CLI]).await?;
    let extensions = extensions(configuration)?;
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
    let without_claims = repository().join("examples/v2");
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
        let configuration = if file.starts_with(&without_claims) {
            NAMESPACED
        } else {
            CLAIMS
        };
        let (accepted, text) = validate(configuration, resources.path()).await?;
        ensure!(accepted, "{}: {text}", file.display());
        let summary = format!(
            "0 missing schemas, {} success cases, 0 failure cases",
            ours.len()
        );
        ensure!(text.contains(&summary), "{}: {text}", file.display());
    }
    let composition = "package/configuration/apis/xplatform/composition.yaml";
    let (accepted, text) = validate(CLAIMS, &repository().join(composition)).await?;
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
    let (accepted, text) = validate(CLAIMS, file.path()).await?;
    ensure!(!accepted, "{text}");
    ensure!(
        text.contains("spec.regions[0].location") && text.contains("spec.regions[0].network.cidr"),
        "{text}"
    );
    Ok(())
}

/// The examples that `render` accepts.
const RENDERED: [&str; 11] = [
    "cluster.yaml",
    "load-balancer.yaml",
    "node-group.yaml",
    "node-pool.yaml",
    "platform-byo.yaml",
    "platform-ha.yaml",
    "platform-pinned.yaml",
    "platform-single-node.yaml",
    "platform.yaml",
    "region.yaml",
    "v2/platform.yaml",
];

/// What examples refer to and people make.
fn made_by_people() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "byo-apps-kubeconfig", "namespace": "default"},
        "data": {"value": BASE64_STANDARD.encode("kind: Config")},
    })
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
    for example in RENDERED {
        let yaml = std::fs::read_to_string(repository().join("examples").join(example))?;
        for root in offline::render(&Claims::read(&yaml)?, &Facts::default())? {
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
    /// Compares what core composes for this composite and every composite below, and the status that it writes, with
    /// what we rendered; returns how many composites were compared. Values of Secrets are left out: some are random.
    async fn compare(&self, node: &Node) -> Result<usize> {
        let Some(kind) = KINDS.iter().find(|kind| {
            node.object
                .get("kind")
                .is_some_and(|found| found == kind.kind)
        }) else {
            return Ok(0);
        };
        let children = node.children.iter();
        let ours: BTreeMap<_, _> = children
            .map(|child| (child.key.clone(), child.object.clone()))
            .collect();
        let (status, theirs) = self.render(kind, node).await?;
        ensure!(
            ours == theirs,
            "{} {}: {ours:#?} is not {theirs:#?}",
            node.kind(),
            node.name()
        );
        let mut told = node.status.clone();
        told.remove("conditions");
        ensure!(
            told == status,
            "{} {}: the status {told:#?} is not {status:#?}",
            node.kind(),
            node.name()
        );
        let mut compared = 1;
        for child in &node.children {
            compared += Box::pin(self.compare(child)).await?;
        }
        Ok(compared)
    }

    /// Runs core's reconciler on a composite whose objects exist already: its status without what core adds to it, and
    /// what it composes.
    async fn render(
        &self,
        kind: &function_xplatform::xrd::Kind,
        node: &Node,
    ) -> Result<(Object, BTreeMap<String, Object>)> {
        let composite = node.observed();
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
        let children = node.children.iter();
        let observed = children.map(|child| {
            let mut object = Value::Object(child.observed());
            object["metadata"]["annotations"][KEY] = json!(child.key);
            object
        });
        let observed: Vec<_> = observed.collect();
        let metadata = composite.get("metadata");
        let definition = match metadata.and_then(|metadata| metadata.get("namespace")) {
            Some(_) => kind.namespaced_definition(),
            None => kind.definition(),
        };
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
                write("definition.yaml", &[definition])?.display()
            ))
            .arg(format!(
                "--observed-resources={}",
                write("observed.yaml", &observed)?.display()
            ))
            .arg(format!(
                "--required-resources={}",
                write("required.yaml", &[made_by_people()])?.display()
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
        let name = composite.get("metadata").and_then(|it| it.get("name"));
        let status = rendered
            .iter()
            .find(|object| {
                object["kind"] == composite["kind"] && Some(&object["metadata"]["name"]) == name
            })
            .and_then(|object| object["status"].as_object().cloned());
        let mut status = status.unwrap_or_default();
        for of_core in ["claimConditionTypes", "conditions"] {
            status.remove(of_core);
        }
        Ok((status, rendered.into_iter().filter_map(composed).collect()))
    }
}

const KEY: &str = "crossplane.io/composition-resource-name";

type Object = Map<String, Value>;

/// A composed resource without what core adds to it, and a Secret without its values; the composite itself is left out.
fn composed(mut object: Value) -> Option<(String, Object)> {
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
    let is_secret = object["kind"] == "Secret";
    let data = object.get_mut("data").filter(|_| is_secret);
    if let Some(data) = data.and_then(Value::as_object_mut) {
        data.values_mut().for_each(|value| *value = json!(""));
    }
    let Value::Object(object) = object else {
        return None;
    };
    Some((key, object))
}

async fn the_example_of_facts_has_the_prices_of_the_simulated_cloud(_: &World) -> Result<()> {
    let simulator = Simulator::start(hcloud_simulator::Options::default()).await?;
    let url = format!("{}/pricing", simulator.url());
    let found = client::call(Method::GET, &url, Some(DEFAULT_TOKEN), Value::Null).await?;
    simulator.stop().await;
    let found = &found["pricing"];

    let text = std::fs::read_to_string(repository().join("examples/facts.yaml"))?;
    let facts: Value = serde_saphyr::from_str(&text)?;
    let facts = &facts["status"]["atProvider"];
    for (field, expected) in [
        ("currency", &found["currency"]),
        ("imagePerGbMonth", &found["image"]["price_per_gb_month"]),
        (
            "serverBackupPercentage",
            &found["server_backup"]["percentage"],
        ),
        ("vatRate", &found["vat_rate"]),
        ("volumePerGbMonth", &found["volume"]["price_per_gb_month"]),
    ] {
        ensure!(facts[field] == *expected, "{field} is {expected}");
    }
    for (field, list, name) in [
        ("loadBalancerTypes", "load_balancer_types", "name"),
        ("primaryIps", "primary_ips", "type"),
        ("serverTypes", "server_types", "name"),
    ] {
        let ours = prices(&facts[field], "name", "monthly");
        let theirs = prices(&found[list], name, "price_monthly");
        ensure!(!theirs.is_empty() && ours == theirs, "{field}: {theirs:#?}");
    }
    Ok(())
}

/// Name, location and monthly amount of everything in a list of prices.
fn prices(list: &Value, name: &str, monthly: &str) -> BTreeSet<[String; 3]> {
    let items = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let mut found = BTreeSet::new();
    for kind in items(list) {
        for price in items(&kind["prices"]) {
            let parts = [&kind[name], &price["location"], &price[monthly]];
            found.insert(parts.map(ToString::to_string));
        }
    }
    found
}
