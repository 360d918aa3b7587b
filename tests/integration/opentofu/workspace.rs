//! A directory in which OpenTofu works against a simulator.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hcloud_simulator::{ActionMode, DEFAULT_TOKEN, Options, Simulator};
use rcgen::{CertificateParams, KeyPair};
use rig::tools::{self, Installed};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::OnceCell;

use super::plan::Plan;

/// Long enough that the provider meets running actions, short enough not to be felt.
const ACTIONS_TAKE: Duration = Duration::from_millis(2);

/// The file with what OpenTofu knows.
const STATE: &str = "terraform.tfstate";
/// The file of a plan that is to be applied.
const PLAN: &str = "plan";
/// Certificates that a configuration may read, each a pair of files `NAME.crt` and `NAME.key`.
const CERTIFICATES: &[&str] = &["one", "two"];

/// Addresses of dedicated servers that a configuration may name.
const DEDICATED_SERVERS: &[IpAddr] = &[
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)),
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 8)),
];

/// Prepared by the first workspace, for all.
static TOOLS: OnceCell<[Installed; 2]> = OnceCell::const_new();

pub(crate) struct Workspace<'s> {
    pub(super) simulator: &'s Simulator,
    tofu: PathBuf,
    case: PathBuf,
    dir: tempfile::TempDir,
}

/// A simulator with what configurations may expect of the outside world.
pub(super) async fn simulator() -> Result<Simulator> {
    let simulator = Simulator::start(Options {
        actions: ActionMode::Automatic(ACTIONS_TAKE),
        ..Options::default()
    })
    .await?;
    if let Some(project) = simulator.world().project_mut(DEFAULT_TOKEN) {
        let servers = DEDICATED_SERVERS.iter().map(|ip| (*ip, true));
        project.load_balancing_mut().dedicated_servers = servers.collect();
    }
    Ok(simulator)
}

impl<'s> Workspace<'s> {
    /// A workspace with the provider's configuration and the surroundings of a case, a directory of configurations.
    pub(crate) async fn create(case: PathBuf, simulator: &'s Simulator) -> Result<Self> {
        let [tofu, provider] = TOOLS
            .get_or_try_init(|| {
                tools::prepare([&tools::OPENTOFU, &tools::TERRAFORM_PROVIDER_HCLOUD])
            })
            .await?;
        let workspace = Self {
            simulator,
            tofu: tofu.binary.clone(),
            case,
            dir: tempfile::tempdir()?,
        };
        let providers = provider
            .binary
            .parent()
            .context("the provider's directory")?;
        // No registry is asked for a provider that is overridden.
        let client_configuration = format!(
            "provider_installation {{\n  dev_overrides {{\n    \"hetznercloud/hcloud\" = {}\n  }}\n}}\n",
            json!(providers)
        );
        workspace.write("tofurc", &client_configuration)?;
        workspace.write("provider.tf", include_str!("provider.tf"))?;
        let surroundings = workspace.case.join("surroundings.tf");
        if surroundings.exists() {
            workspace.write("surroundings.tf", &fs::read_to_string(surroundings)?)?;
        }
        for name in CERTIFICATES {
            let key = KeyPair::generate()?;
            let domain = format!("{name}.example.org");
            let certificate = CertificateParams::new([domain])?.self_signed(&key)?;
            workspace.write(&format!("{name}.crt"), &certificate.pem())?;
            workspace.write(&format!("{name}.key"), &key.serialize_pem())?;
        }
        Ok(workspace)
    }

    /// Makes a file of the case the configuration of what is tested.
    pub(crate) fn configure(&self, file: &str) -> Result<()> {
        let path = self.case.join(format!("{file}.tf"));
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        self.write("main.tf", &text)
    }

    pub(super) async fn apply(&self) -> Result<()> {
        self.run(&["apply", "-auto-approve"]).await?;
        Ok(())
    }

    /// Checks that a plan finds nothing to do.
    pub(super) async fn is_settled(&self) -> Result<()> {
        if let Some(text) = self.planned().await? {
            bail!("a plan right after an apply finds something to do: {text}");
        }
        Ok(())
    }

    /// Makes a file of the case the configuration, and plans the changes.
    pub(super) async fn change(&self, file: &str) -> Result<Plan> {
        self.configure(file)?;
        self.plan().await
    }

    /// Plans changes, which must be there.
    pub(crate) async fn plan(&self) -> Result<Plan> {
        ensure!(
            self.planned().await?.is_some(),
            "the plan finds nothing to do"
        );
        let text = self.run(&["show", "-json", PLAN]).await?;
        Ok(Plan(serde_json::from_str(&text).context("read the plan")?))
    }

    /// Does what was planned last.
    pub(crate) async fn apply_plan(&self) -> Result<()> {
        self.run(&["apply", PLAN]).await?;
        Ok(())
    }

    /// Forgets everything and lets the next plan import it.
    pub(super) fn forget(&self) -> Result<()> {
        let state = self.dir.path().join(STATE);
        let text = fs::read_to_string(&state).context("read the state")?;
        let imports = imports(&serde_json::from_str(&text)?)?;
        fs::remove_file(state)?;
        self.import(&imports)
    }

    /// Lets the next plan import objects: what they are called in the configuration, and what identifies them.
    pub(crate) fn import(&self, objects: &[(String, String)]) -> Result<()> {
        let blocks = objects
            .iter()
            .map(|(to, id)| format!("import {{\n  to = {to}\n  id = {}\n}}\n", json!(id)));
        self.write("imports.tf", &blocks.collect::<String>())?;
        let unreadable = self.case.join("import_override.tf");
        if unreadable.exists() {
            self.write("import_override.tf", &fs::read_to_string(unreadable)?)?;
        }
        Ok(())
    }

    pub(super) async fn destroy(&self) -> Result<()> {
        self.run(&["destroy", "-auto-approve"]).await?;
        Ok(())
    }

    /// What the provider says about its resources and their arguments.
    pub(super) async fn schema(&self) -> Result<Value> {
        let text = self.run(&["providers", "schema", "-json"]).await?;
        serde_json::from_str(&text).context("read the provider's schema")
    }

    /// What the simulator refused, for the report of a failure.
    pub(super) fn refusals(&self) -> String {
        let entries = self.simulator.log().entries();
        let refused = entries
            .iter()
            .filter(|entry| entry.status().is_some_and(|status| status >= 400));
        let lines = refused.map(|entry| {
            let query = entry.query.as_deref().unwrap_or_default();
            format!(
                "{:?} {} {} {query}",
                entry.outcome, entry.method, entry.path
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// What a plan says when there is something to do.
    async fn planned(&self) -> Result<Option<String>> {
        let out = format!("-out={PLAN}");
        let output = self.output(&["plan", "-detailed-exitcode", &out]).await?;
        match output.status.code() {
            Some(0) => Ok(None),
            Some(2) => Ok(Some(text(&output.stdout))),
            _ => bail!("tofu plan: {}", text(&output.stderr)),
        }
    }

    /// The standard output of a command that must succeed.
    async fn run(&self, args: &[&str]) -> Result<String> {
        let output = self.output(args).await?;
        ensure!(
            output.status.success(),
            "tofu {}: {}",
            args.join(" "),
            text(&output.stderr)
        );
        Ok(text(&output.stdout))
    }

    /// Gives the variables of the configuration their values.
    pub(crate) fn set(&self, variables: &Value) -> Result<()> {
        self.write("terraform.tfvars.json", &variables.to_string())
    }

    async fn output(&self, args: &[&str]) -> Result<Output> {
        let output = Command::new(&self.tofu)
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("HOME", self.dir.path())
            .env("TF_CLI_CONFIG_FILE", self.dir.path().join("tofurc"))
            .env("NO_COLOR", "1")
            .env("HCLOUD_ENDPOINT", self.simulator.url())
            .env("HCLOUD_TOKEN", DEFAULT_TOKEN)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        output.await.context("run tofu")
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.dir.path().join(file);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The directory with the configurations of all cases.
pub(super) fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/opentofu/cases")
}

/// What every managed object of a state is called, and what identifies it in an import.
fn imports(state: &Value) -> Result<Vec<(String, String)>> {
    let mut imports = Vec::new();
    let resources = state["resources"]
        .as_array()
        .context("the state's resources")?;
    for resource in resources
        .iter()
        .filter(|resource| resource["mode"] == "managed")
    {
        let text = |field: &str| resource[field].as_str().context("a field of a resource");
        let address = format!("{}.{}", text("type")?, text("name")?);
        for instance in resource["instances"].as_array().into_iter().flatten() {
            let key = match &instance["index_key"] {
                Value::Null => String::new(),
                key => format!("[{key}]"),
            };
            let id = import_id(text("type")?, &instance["attributes"])?;
            imports.push((format!("{address}{key}"), id));
        }
    }
    Ok(imports)
}

/// What identifies an object in an import: its id, except for targets of load balancers.
fn import_id(resource: &str, attributes: &Value) -> Result<String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if resource != "hcloud_load_balancer_target" {
        return Ok(text(&attributes["id"]));
    }
    let kind = text(&attributes["type"]);
    let identifier = match kind.as_str() {
        "server" => &attributes["server_id"],
        "label_selector" => &attributes["label_selector"],
        "ip" => &attributes["ip"],
        _ => bail!("unknown type of target: {attributes}"),
    };
    let load_balancer = text(&attributes["load_balancer_id"]);
    Ok(format!("{load_balancer}__{kind}__{}", text(identifier)))
}
