//! What tests share, and what each has for itself.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use hcloud_simulator::{DEFAULT_TOKEN, Simulator};
use k8s_openapi::api::core::v1::Event;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::TypeMeta;
use kube::{Api, Client, ResourceExt};
use package::{BuildOptions, Built, Progress};
use rig::apply::api_of;
use rig::wait::eventually;
use rig::xplatform::CLAIMS;
use rig::{Options, Rig};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// How long anything may take that works: generous, because many tests share two cores.
pub(crate) const SOON: Duration = Duration::from_secs(120);

/// How often the provider looks for drift in the tests.
const POLL: &str = "15s";

/// A public key whose private key nobody has.
const SSH_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBW605CuChGxp2BjAbN2gpZzfd8i51FReX7BgOZH9X3H first";

/// Started when the first test needs it.
#[derive(Default)]
pub(crate) struct World {
    built: OnceCell<Built>,
    rig: OnceCell<Rig>,
}

impl World {
    /// The packages, with release binaries: what is tested is what is shipped.
    pub(crate) async fn built(&self) -> Result<&Built> {
        self.built
            .get_or_try_init(|| async {
                tokio::task::spawn_blocking(build)
                    .await
                    .context("build the packages")?
            })
            .await
    }

    /// A control plane with XPlatform installed.
    pub(crate) async fn rig(&self) -> Result<&Rig> {
        let built = self.built().await?;
        self.rig
            .get_or_try_init(|| async {
                let rig = Rig::start(Options::default()).await?;
                let prepared = match install(&rig, built, CLAIMS).await {
                    Ok(()) => begin(&rig, "Platform").await,
                    Err(error) => Err(error),
                };
                match prepared {
                    Ok(()) => Ok(rig),
                    Err(error) => Err(error.context(rig.report())),
                }
            })
            .await
    }

    /// A namespace with a cloud of its own.
    pub(crate) async fn tenant(&self, name: &str) -> Result<Tenant<'_>> {
        Tenant::create(self.rig().await?, name).await
    }

    /// A namespace with a cloud of its own that behaves as the options say.
    pub(crate) async fn tenant_with(
        &self,
        name: &str,
        options: hcloud_simulator::Options,
    ) -> Result<Tenant<'_>> {
        Tenant::create_with(self.rig().await?, name, options).await
    }

    /// Ends what was started; prints the logs first when something failed.
    pub(crate) async fn stop(self, failed: bool) {
        let Some(rig) = self.rig.into_inner() else {
            return;
        };
        if failed {
            let _ = writeln!(std::io::stderr(), "{}", rig.report());
        }
        rig.stop().await;
    }
}

/// Chooses the cargo profile of the packages under test; without it they are those that are shipped. With `dev` a change
/// is tried in a fraction of the time.
const PROFILE_VARIABLE: &str = "XPLATFORM_PROFILE";

/// Builds the packages; a failure ends with what cargo said.
fn build() -> Result<Built> {
    let mut said = Vec::new();
    let mut options = BuildOptions::default();
    if let Some(profile) = std::env::var_os(PROFILE_VARIABLE) {
        options.profile = profile.to_string_lossy().into_owned();
    }
    let built = package::build(&options, &mut |progress| {
        if let Progress::Cargo(line) = progress {
            said.push(line.to_owned());
        }
    });
    built.with_context(|| {
        let last = said.split_off(said.len().saturating_sub(30));
        format!("build the packages:\n{}", last.join("\n"))
    })
}

/// Installs a configuration with its dependencies, as an operator does.
pub(crate) async fn install(rig: &Rig, built: &Built, configuration: &str) -> Result<()> {
    // An operator's way of giving flags to the programs in packages.
    let runtime_config = json!({
        "apiVersion": "pkg.crossplane.io/v1beta1",
        "kind": "DeploymentRuntimeConfig",
        "metadata": {"name": "default"},
        "spec": {"deploymentTemplate": {"spec": {
            "selector": {},
            "template": {"spec": {"containers": [
                {"name": "package-runtime", "env": [
                    {"name": "POLL", "value": POLL},
                    {"name": "MIN_POLL_INTERVAL", "value": "1s"},
                ]},
            ]}},
        }}},
    });
    rig.apply(&runtime_config.to_string()).await?;
    rig.publish(built).await?;
    rig.install_xplatform(built, configuration).await
}

/// Makes one platform before all others. Composites that are composed for the first time at the same moment make core
/// watch what they compose several times, for as long as it lives, and every change of a child then counts that often
/// for its circuit breaker.
pub(crate) async fn begin(rig: &Rig, kind: &str) -> Result<()> {
    let tenant = Tenant::create(rig, "first").await?;
    let cluster = json!({"name": "main", "controlPlane": {"count": 1}});
    let ssh_key = json!({"name": "admin", "publicKey": SSH_KEY});
    let region =
        json!({"name": "a", "location": "fsn1", "sshKeys": [ssh_key], "clusters": [cluster]});
    let mut platform = tenant.platform("first", json!([region]));
    platform["kind"] = json!(kind);
    tenant.apply(&platform).await?;
    if let Err(error) = tenant.ready(kind, "first").await {
        let client = tenant.client();
        let tree = rig::tree::read(&client, &types(kind), Some("first"), "first").await?;
        return Err(error.context(tree.map(|tree| tree.describe()).unwrap_or_default()));
    }
    Ok(())
}

/// An address that no other cloud gets. The provider goes on with what a test has left behind: at an address that is
/// handed out again it would find the cloud of another test.
fn own_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let process = std::process::id().to_be_bytes()[3];
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(127, process.max(101), high, low), 0))
}

/// A namespace, a cloud and the credentials for it.
pub(crate) struct Tenant<'a> {
    pub(crate) rig: &'a Rig,
    pub(crate) namespace: String,
    pub(crate) simulator: Simulator,
}

/// Kinds that tests look at.
pub(crate) fn types(kind: &str) -> TypeMeta {
    let api_version = match kind {
        "Platform" | "XPlatform" | "XRegion" | "XCluster" | "XLoadBalancer" | "XNodePool"
        | "XNodeGroup" => "compose.openova.io/v1alpha1",
        "Usage" => "protection.crossplane.io/v1beta1",
        "ConfigMap" | "Secret" => "v1",
        _ => "hcloud.openova.io/v1alpha1",
    };
    TypeMeta {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
    }
}

impl<'a> Tenant<'a> {
    pub(crate) async fn create(rig: &'a Rig, name: &str) -> Result<Self> {
        Self::create_with(rig, name, hcloud_simulator::Options::default()).await
    }

    async fn create_with(
        rig: &'a Rig,
        name: &str,
        options: hcloud_simulator::Options,
    ) -> Result<Self> {
        let options = hcloud_simulator::Options {
            address: own_address(),
            ..options
        };
        let simulator = Simulator::start(options).await?;
        let tenant = Self {
            rig,
            namespace: name.to_owned(),
            simulator,
        };
        rig.apply(
            &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
                .to_string(),
        )
        .await?;
        tenant.set_token(DEFAULT_TOKEN).await?;
        tenant.use_provider_config(&tenant.simulator.url()).await?;
        Ok(tenant)
    }

    pub(crate) fn client(&self) -> Client {
        self.rig.client()
    }

    /// Writes the token into the Secret that the provider configuration names.
    pub(crate) async fn set_token(&self, token: &str) -> Result<()> {
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "hcloud", "namespace": self.namespace},
            "stringData": {"token": token},
        });
        self.apply(&secret).await
    }

    async fn use_provider_config(&self, endpoint: &str) -> Result<()> {
        let config = json!({
            "apiVersion": "hcloud.openova.io/v1alpha1",
            "kind": "ProviderConfig",
            "metadata": {"name": "default", "namespace": self.namespace},
            "spec": {
                "endpoint": endpoint,
                "credentials": {"source": "Secret", "secretRef": {"name": "hcloud", "key": "token"}},
            },
        });
        self.apply(&config).await
    }

    pub(crate) async fn apply(&self, object: &Value) -> Result<()> {
        self.rig.apply(&object.to_string()).await?;
        Ok(())
    }

    /// A claim in this namespace that uses this cloud.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write the JSON in place"
    )]
    pub(crate) fn platform(&self, name: &str, regions: Value) -> Value {
        json!({
            "apiVersion": "compose.openova.io/v1alpha1",
            "kind": "Platform",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "provider": {"configRef": {"kind": "ProviderConfig", "name": "default"}},
                "regions": regions,
            },
        })
    }

    /// A network in this namespace that uses this cloud.
    pub(crate) fn network(&self, name: &str, for_provider: Value) -> Value {
        self.managed("Network", name, for_provider)
    }

    /// A managed resource in this namespace that uses this cloud.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write the JSON in place"
    )]
    pub(crate) fn managed(&self, kind: &str, name: &str, for_provider: Value) -> Value {
        json!({
            "apiVersion": "hcloud.openova.io/v1alpha1",
            "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "providerConfigRef": {"kind": "ProviderConfig", "name": "default"},
                "forProvider": for_provider,
            },
        })
    }

    pub(crate) async fn api(&self, kind: &str) -> Result<Api<DynamicObject>> {
        api_of(&self.client(), &types(kind), Some(&self.namespace)).await
    }

    pub(crate) async fn get(&self, kind: &str, name: &str) -> Result<DynamicObject> {
        let object = self.api(kind).await?.get_opt(name).await?;
        object.with_context(|| format!("{kind} {name} does not exist"))
    }

    pub(crate) async fn list(&self, kind: &str) -> Result<Vec<DynamicObject>> {
        Ok(self
            .api(kind)
            .await?
            .list(&ListParams::default())
            .await?
            .items)
    }

    pub(crate) async fn patch(&self, kind: &str, name: &str, patch: Value) -> Result<()> {
        let api = self.api(kind).await?;
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        Ok(())
    }

    pub(crate) async fn delete(&self, kind: &str, name: &str) -> Result<()> {
        self.api(kind)
            .await?
            .delete(name, &DeleteParams::foreground())
            .await?;
        Ok(())
    }

    /// Asks for a reconcile now, as `kubectl annotate` does.
    pub(crate) async fn request_reconcile(
        &self,
        kind: &str,
        name: &str,
        token: &str,
    ) -> Result<()> {
        let annotation =
            json!({"metadata": {"annotations": {"crossplane.io/reconcile-requested-at": token}}});
        self.patch(kind, name, annotation).await
    }

    /// Waits until a condition has a status and returns reason and message.
    pub(crate) async fn condition(
        &self,
        kind: &str,
        name: &str,
        condition: &str,
        status: &str,
    ) -> Result<(String, String)> {
        eventually(
            &format!("{kind} {name} has {condition}={status}"),
            SOON,
            || async {
                let object = self.get(kind, name).await?;
                let found = find_condition(&object, condition)?;
                if found["status"] != status {
                    bail!("{condition} is {found}");
                }
                let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
                Ok((text("reason"), text("message")))
            },
        )
        .await
    }

    /// Waits until an object is ready in its present generation.
    pub(crate) async fn ready(&self, kind: &str, name: &str) -> Result<DynamicObject> {
        eventually(&format!("{kind} {name} is ready"), SOON, || async {
            let object = self.get(kind, name).await?;
            for condition in ["Synced", "Ready"] {
                let found = find_condition(&object, condition)?;
                if found["status"] != "True" {
                    bail!("{condition} is {found}");
                }
                let observed = found["observedGeneration"].as_i64();
                if observed.is_some() && observed < object.metadata.generation {
                    bail!("{condition} speaks of generation {observed:?}");
                }
            }
            Ok(object)
        })
        .await
    }

    /// Waits until an object does not exist.
    pub(crate) async fn gone(&self, kind: &str, name: &str) -> Result<()> {
        eventually(&format!("{kind} {name} is gone"), SOON, || async {
            match self.api(kind).await?.get_opt(name).await? {
                None => Ok(()),
                Some(object) => bail!("it exists: {}", object.data["status"]["conditions"]),
            }
        })
        .await
    }

    /// The events about an object.
    pub(crate) async fn events(&self, kind: &str, name: &str) -> Result<Vec<Event>> {
        let events: Api<Event> = Api::namespaced(self.client(), &self.namespace);
        let selector = format!("involvedObject.kind={kind},involvedObject.name={name}");
        let params = ListParams::default().fields(&selector);
        Ok(events.list(&params).await?.items)
    }

    /// Names and ranges of the networks in the cloud, sorted.
    pub(crate) fn cloud(&self) -> Vec<(String, String)> {
        let world = self.simulator.world();
        let project = world.project(DEFAULT_TOKEN);
        let mut networks: Vec<_> = project
            .into_iter()
            .flat_map(|project| project.networks().iter())
            .map(|network| (network.name.clone(), network.ip_range.to_string()))
            .collect();
        networks.sort();
        networks
    }

    /// Waits until the ranges of the networks in the cloud are these.
    pub(crate) async fn cloud_ranges(&self, expected: &[&str]) -> Result<()> {
        eventually(
            &format!("the cloud has the networks {expected:?}"),
            SOON,
            || async {
                let mut ranges: Vec<_> = self.cloud().into_iter().map(|(_, range)| range).collect();
                ranges.sort();
                if ranges == expected {
                    Ok(())
                } else {
                    bail!("it has {ranges:?}")
                }
            },
        )
        .await
    }
}

pub(crate) fn find_condition<'a>(object: &'a DynamicObject, condition: &str) -> Result<&'a Value> {
    let conditions = object.data["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .find(|candidate| candidate["type"] == condition)
        .ok_or_else(|| anyhow!("{} has no condition {condition}", object.name_any()))
}
