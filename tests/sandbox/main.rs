//! The sandbox: a whole control plane with XPlatform installed and a platform in it, on one machine and without a cloud.
//! Control-plane servers of the simulated cloud boot: their API servers are real, too.

mod screen;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use clap::Parser;
use hcloud_simulator::{ActionMode, DEFAULT_TOKEN, Simulator};
use k8s_openapi::api::core::v1::Secret;
use kube::core::TypeMeta;
use kube::{Api, ResourceExt};
use package::{BuildOptions, Built, Progress};
use rig::machine::{self, Fleet, Range};
use rig::xplatform::CLAIMS;
use rig::{Options, Rig, apply, tree};
use screen::Screen;
use tokio::signal::unix::{SignalKind, signal};

/// Starts a control plane, installs XPlatform, applies a claim and shows its tree until everything is ready.
///
/// Everything is real but Hetzner Cloud, which is simulated. Nothing outside a temporary directory is touched, and nothing
/// is left when the sandbox ends.
#[derive(Debug, Parser)]
struct Args {
    /// End when everything is ready; fail when that takes too long.
    #[arg(long)]
    once: bool,

    /// The claim to apply.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/platform.yaml"))]
    claim: PathBuf,

    /// Seconds that the claim may take to become ready.
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    timeout: u64,

    /// Milliseconds that actions of the simulated cloud take.
    #[arg(long, default_value_t = 300, value_name = "MILLISECONDS")]
    action_time: u64,
}

const PROVIDER_CONFIG: &str = include_str!("../../examples/provider-config.yaml");

fn main() -> ExitCode {
    rig::launch::init();
    let args = Args::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    match runtime.block_on(run(&args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "sandbox: {error:#}");
    ExitCode::FAILURE
}

async fn run(args: &Args) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("wait for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("wait for signals")?;
    let mut screen = Screen::new(std::io::stdout().is_terminal());
    let sandbox = tokio::select! {
        started = Sandbox::start(args, &mut screen) => started?,
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    };
    let shown = tokio::select! {
        shown = sandbox.show(args, &mut screen) => shown.map(|()| true),
        _ = interrupt.recv() => Ok(false),
        _ = terminate.recv() => Ok(false),
    };
    let result = match shown {
        Ok(true) if args.once => Ok(()),
        Ok(false) if args.once => Err(anyhow!("stopped before everything was ready")),
        Ok(false) => Ok(()),
        Ok(true) => {
            sandbox.explain(&mut screen).await?;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            Ok(())
        }
        Err(error) => Err(error
            .context(sandbox.rig.report())
            .context(sandbox.fleet.report())),
    };
    screen.line("Stopping");
    sandbox.fleet.stop().await;
    sandbox.rig.stop().await;
    sandbox.simulator.stop().await;
    result
}

/// Everything that runs.
struct Sandbox {
    rig: Rig,
    simulator: Simulator,
    fleet: Fleet,
    claim: Claim,
}

/// What was applied.
struct Claim {
    types: TypeMeta,
    namespace: Option<String>,
    name: String,
    applied: Instant,
}

impl Sandbox {
    async fn start(args: &Args, screen: &mut Screen) -> Result<Self> {
        let claim_yaml = std::fs::read_to_string(&args.claim)
            .with_context(|| format!("read {}", args.claim.display()))?;

        let built = screen.step("Building the packages", build()).await?;
        for package in built.packages() {
            screen.line(&format!(
                "  {}:{}",
                package.package.repository(),
                package.tag
            ));
        }
        let rig = screen
            .step(
                "Starting etcd, the API server and Crossplane",
                Rig::start(Options::default()),
            )
            .await?;
        let range = Range::claim()?;
        let simulator = Simulator::start(hcloud_simulator::Options {
            actions: ActionMode::Automatic(Duration::from_millis(args.action_time)),
            addresses: range.public(),
            ..hcloud_simulator::Options::default()
        })
        .await?;
        let options = machine::Options {
            patience: Duration::from_secs(args.timeout),
        };
        let fleet = Fleet::watch(&simulator, range, options).await?;
        screen
            .step(
                "Installing configuration-xplatform with its function and provider",
                async {
                    rig.publish(&built).await?;
                    rig.install_xplatform(&built, CLAIMS).await
                },
            )
            .await
            .map_err(|error| error.context(rig.report()))?;
        rig.apply(&provider_config(&simulator)?).await?;
        screen.line(&format!("Applying {}", args.claim.display()));
        let applied = Instant::now();
        let objects = rig.apply(&claim_yaml).await?;
        let object = objects.first().context("the claim's file is empty")?;
        let claim = Claim {
            types: object.types.clone().context("the claim has no kind")?,
            namespace: object.namespace(),
            name: object.name_any(),
            applied,
        };
        Ok(Self {
            rig,
            simulator,
            fleet,
            claim,
        })
    }

    /// Draws the tree until everything in it is ready.
    async fn show(&self, args: &Args, screen: &mut Screen) -> Result<()> {
        let deadline = self.claim.applied + Duration::from_secs(args.timeout);
        let Claim {
            types,
            namespace,
            name,
            applied,
        } = &self.claim;
        let mut ticks = tokio::time::interval(Duration::from_millis(200));
        loop {
            ticks.tick().await;
            let root = tree::read(&self.rig.client(), types, namespace.as_deref(), name).await?;
            let Some(root) = root else {
                bail!("{} {name} is gone", types.kind);
            };
            screen.draw(&root, applied.elapsed());
            if root.is_ready() {
                screen.line(&format!(
                    "Ready after {:.1} s",
                    applied.elapsed().as_secs_f64()
                ));
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!(
                    "{} {name} is not ready after {} s: {}",
                    types.kind,
                    args.timeout,
                    root.message
                );
            }
        }
    }

    async fn explain(&self, screen: &mut Screen) -> Result<()> {
        screen.line("");
        screen.line("Hetzner Cloud is simulated; everything else is real. Look around:");
        screen.line(&format!(
            "  export KUBECONFIG={}",
            self.rig.kubeconfig().display()
        ));
        screen.line("  kubectl get platforms,xregions,networks.hcloud.openova.io -A");
        for (cluster, kubeconfig) in self.kubeconfigs().await? {
            screen.line(&format!(
                "  kubectl --kubeconfig {} get nodes    # cluster {cluster}",
                kubeconfig.display()
            ));
        }
        screen.line(&format!(
            "  curl -H 'Authorization: Bearer {DEFAULT_TOKEN}' {}/networks",
            self.simulator.url()
        ));
        screen.line(&format!(
            "  Simulator: {}  token: {DEFAULT_TOKEN}",
            self.simulator.url()
        ));
        screen.line("Ctrl-C ends the sandbox and leaves nothing behind.");
        Ok(())
    }

    /// The kubeconfigs of the claim's clusters, as files beside that of the sandbox.
    async fn kubeconfigs(&self) -> Result<Vec<(String, PathBuf)>> {
        let Claim {
            types,
            namespace,
            name,
            ..
        } = &self.claim;
        let client = self.rig.client();
        let namespace = namespace.as_deref().unwrap_or("default");
        let claim = apply::api_of(&client, types, Some(namespace)).await?;
        let claim = claim.get(name).await.context("read the claim")?;
        let secrets: Api<Secret> = Api::namespaced(client, namespace);
        let rows = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let mut files = Vec::new();
        for region in rows(&claim.data["status"]["regions"]) {
            for cluster in rows(&region["clusters"]) {
                let Some(secret) = cluster["kubeconfigSecret"].as_str() else {
                    continue;
                };
                let secret = secrets.get(secret).await.context("read a kubeconfig")?;
                let Some(kubeconfig) = secret.data.as_ref().and_then(|data| data.get("value"))
                else {
                    continue;
                };
                let cluster = format!("{}-{}", text(&region["name"]), text(&cluster["name"]));
                let file = self
                    .rig
                    .kubeconfig()
                    .with_file_name(format!("{cluster}.kubeconfig"));
                std::fs::write(&file, &kubeconfig.0)
                    .with_context(|| format!("write {}", file.display()))?;
                files.push((cluster, file));
            }
        }
        Ok(files)
    }
}

/// Builds the packages on a thread of its own; cargo's progress goes to standard error.
async fn build() -> Result<Built> {
    let built = tokio::task::spawn_blocking(|| {
        package::build(&BuildOptions::default(), &mut |progress| {
            if let Progress::Cargo(line) = progress {
                let _ = writeln!(std::io::stderr(), "  {line}");
            }
        })
    });
    Ok(built.await.context("build the packages")??)
}

/// The provider configuration of the examples, pointed at the simulator.
fn provider_config(simulator: &Simulator) -> Result<String> {
    let mut documents = String::new();
    for mut object in apply::documents(PROVIDER_CONFIG)? {
        if object.data.get("stringData").is_some() {
            object.data["stringData"]["token"] = DEFAULT_TOKEN.into();
        } else {
            object.data["spec"]["endpoint"] = simulator.url().into();
        }
        documents.push_str("---\n");
        documents.push_str(&serde_json::to_string(&object)?);
        documents.push('\n');
    }
    Ok(documents)
}
