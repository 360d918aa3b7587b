//! One namespace, one simulated Hetzner project, one provider between them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hcloud_simulator::fault::Effect;
use hcloud_simulator::{ActionMode, DEFAULT_TOKEN, Injection, RateLimit, Simulator};
use http::Method;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use rig::apply::documents;
use rig::daemon::{Daemon, Invocation, Restart, State};
use rig::interceptor::{Fault, Interceptor, Scope};
use rig::wait::eventually;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout, timeout_at};

use super::lab::{CONFIGURATION, GROUP, Lab};
use super::plan::{Change, Pace, Phase};
use super::row::{Object, Row};
use super::state::{self, Parts};
use crate::function::get;
use crate::world::{SOON, find_condition};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/provider");
/// Longer than every wait of the provider that is not a failure.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);
/// After this time without a request nothing more is expected: longer than any wait between two requests of an
/// undisturbed phase.
pub(super) const SILENCE: Duration = Duration::from_millis(1500);
/// The same for a provider that has found everything as it should be, and only writes that down.
const SHORT_SILENCE: Duration = Duration::from_millis(400);
/// How long the provider waits for a create without an answer to show. Hetzner shows everything at once here, so the time
/// for that need not be long.
const SETTLE: &str = "1s";
/// The same where Hetzner does not: the provider notes moments in whole seconds, which may take one away.
pub(super) const SETTLE_WHEN_STALE: &str = "2s";
/// Slow actions outlast the provider's first look at them, and not its second.
const SLOW: Duration = Duration::from_millis(700);
/// How much of a provider's log a failure shows.
const SHOWN: usize = 4000;

pub(super) struct Tenant<'l> {
    lab: &'l Lab,
    namespace: String,
    /// The object that goes through the phases.
    pub(super) kind: &'static str,
    manifest: DynamicObject,
    /// Its UID while it exists.
    uid: Option<String>,
    /// The ids of what there was at Hetzner when the phase began.
    known: BTreeSet<u64>,
    /// The names of the watches that a provider at work has open.
    watches: Vec<String>,
    simulator: Simulator,
    settle: &'static str,
    /// What goes wrong at the cloud itself.
    disturbance: Option<Injection>,
    pub(super) interceptor: Interceptor,
    provider: Option<Daemon>,
    kubeconfig: PathBuf,
    log: PathBuf,
    /// Where in the log the present provider begins.
    log_start: u64,
}

impl<'l> Tenant<'l> {
    /// Makes everything around the object that a row is about.
    pub(super) async fn create(
        lab: &'l Lab,
        row: &'static Row,
        pace: Pace,
        namespace: String,
    ) -> Result<Self> {
        let mut objects = Vec::new();
        for file in row.before {
            objects.extend(example(file)?);
        }
        objects.extend(match row.object {
            Object::Example(file) => example(file)?,
            Object::Changed(file, patch) => {
                let mut objects = example(file)?;
                let object = objects.last_mut().context("the example is empty")?;
                merge(&mut object.data, patch());
                objects
            }
            Object::Own(object) => vec![serde_json::from_value(object())?],
        });
        let manifest = objects.pop().context("the example is empty")?;
        let kind = |object: &DynamicObject| {
            let types = object.types.as_ref();
            types.map(|types| types.kind.clone()).unwrap_or_default()
        };
        ensure!(
            kind(&manifest) == row.kind,
            "the example of {} does not end with one",
            row.kind
        );
        let mut served = Vec::new();
        for object in objects.iter().chain([&manifest]) {
            if let Ok(resource) = lab.resource(&kind(object))
                && !served.contains(&resource.plural)
            {
                served.push(resource.plural.clone());
            }
        }
        let mut watches = served.clone();
        for kind in CONFIGURATION {
            watches.push(lab.resource(kind)?.plural.clone());
        }
        let simulator = Simulator::start(hcloud_simulator::Options {
            actions: match pace {
                Pace::Quick => ActionMode::Automatic(Duration::ZERO),
                Pace::Slow => ActionMode::Automatic(SLOW),
            },
            rate_limit: RateLimit {
                limit: 1_000_000,
                interval: Duration::from_millis(1),
            },
            ..hcloud_simulator::Options::default()
        })
        .await?;
        let scope = Scope {
            namespace: namespace.clone(),
            group: GROUP.to_owned(),
            cluster_wide: vec!["clusterproviderconfigs".to_owned()],
            served,
        };
        let interceptor = Interceptor::start(lab.rig.client(), simulator.address(), scope).await?;
        let kubeconfig = lab.dir.path().join(format!("{namespace}.kubeconfig"));
        write_kubeconfig(&kubeconfig, interceptor.address())?;
        let mut tenant = Self {
            lab,
            log: lab.dir.path().join(format!("{namespace}.log")),
            log_start: 0,
            namespace,
            kind: row.kind,
            manifest,
            uid: None,
            known: BTreeSet::new(),
            watches,
            simulator,
            settle: SETTLE,
            disturbance: None,
            interceptor,
            provider: None,
            kubeconfig,
        };
        tenant.furnish(&objects).await.with_context(|| {
            format!("make what a {} needs\n{}", row.kind, tenant.provider_log())
        })?;
        tenant.look_around()?;
        Ok(tenant)
    }

    /// Makes the objects that must be there first, one after another so that their ids are always in the same order.
    async fn furnish(&mut self, objects: &[DynamicObject]) -> Result<()> {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}});
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "hcloud", "namespace": self.namespace},
            "stringData": {"token": DEFAULT_TOKEN},
        });
        let config = json!({
            "apiVersion": "hcloud.openova.io/v1alpha1",
            "kind": "ProviderConfig",
            "metadata": {"name": "default", "namespace": self.namespace},
            "spec": {
                "endpoint": format!("http://{}/v1", self.interceptor.address()),
                "credentials": {"source": "Secret", "secretRef": {"name": "hcloud", "key": "token"}},
            },
        });
        self.lab
            .rig
            .apply(&format!("{namespace}\n---\n{secret}\n---\n{config}\n"))
            .await?;
        self.start(false).await?;
        for object in objects {
            let kind = object.types.as_ref().map(|types| types.kind.as_str());
            let kind = kind.context("an example has no kind")?;
            if self.lab.resource(kind).is_err() {
                let mut object = object.clone();
                object.metadata.namespace = Some(self.namespace.clone());
                self.lab.rig.apply(&serde_json::to_string(&object)?).await?;
                continue;
            }
            let name = object.name_any();
            let api = self.lab.api(kind, &self.namespace)?;
            let object = self.configured(object);
            api.create(&PostParams::default(), &object).await?;
            eventually(&format!("{kind} {name} is ready"), SOON, || async {
                ready(&api.get(&name).await?)
            })
            .await?;
            // It is only there from now on: nothing that the provider does is about it.
            let pause = json!({"metadata": {"annotations": {"crossplane.io/paused": "true"}}});
            api.patch(&name, &PatchParams::default(), &Patch::Merge(pause))
                .await?;
            eventually(&format!("{kind} {name} is paused"), SOON, || async {
                let object = api.get(&name).await?;
                let synced = find_condition(&object, "Synced")?;
                ensure!(synced["reason"] == "ReconcilePaused", "{synced}");
                Ok(())
            })
            .await?;
        }
        // How many use the configuration is counted a little later.
        self.silent(SILENCE).await;
        self.kill().await
    }

    /// An object of the examples, in this namespace and with this cloud.
    fn configured(&self, object: &DynamicObject) -> DynamicObject {
        let mut object = object.clone();
        object.metadata.namespace = Some(self.namespace.clone());
        let types = object.types.as_ref();
        if types.is_some_and(|types| !CONFIGURATION.contains(&types.kind.as_str())) {
            object.data["spec"]["providerConfigRef"] =
                json!({"kind": "ProviderConfig", "name": "default"});
        }
        object
    }

    /// Starts a provider and waits until it is at work, and content with an object that is `present`.
    pub(super) async fn start(&mut self, present: bool) -> Result<()> {
        self.launch(None);
        self.at_work(present).await
    }

    /// Waits until the provider has listed and watches everything, and is content with an object that is `present`.
    async fn at_work(&self, present: bool) -> Result<()> {
        let watching = self.interceptor.watching(&self.watches);
        if timeout(DEADLINE, watching).await.is_err() {
            bail!("the provider does not watch everything: {:?}", self.state());
        }
        if present && self.is_managed() {
            eventually("the provider is content", DEADLINE, || self.content()).await?;
        }
        self.check_alive()
    }

    fn is_managed(&self) -> bool {
        !CONFIGURATION.contains(&self.kind)
    }

    /// Whether the provider has found the object to be as it should be.
    async fn content(&self) -> Result<()> {
        let log = self.log_since_start();
        let address: Option<SocketAddr> = log.lines().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            line["address"].as_str()?.parse().ok()
        });
        let metrics = get(
            address.context("the provider serves nothing yet")?,
            "/metrics",
        )
        .await?;
        let kind = format!("Kind={}\"", self.kind);
        let steady = metrics.lines().any(|line| {
            line.starts_with("provider_reconciles_total")
                && line.contains(&kind)
                && line.contains("step=\"steady\"")
        });
        ensure!(steady, "it has not compared everything yet");
        Ok(())
    }

    /// Starts a provider without waiting for anything. It first gets the list of the kind that the last one got.
    pub(super) fn launch_in_the_past(&mut self) -> Result<()> {
        let plural = &self.lab.resource(self.kind)?.plural;
        self.interceptor.revive();
        self.interceptor.arm(None);
        ensure!(
            self.interceptor.show_stale(plural),
            "no provider has listed {plural} yet"
        );
        self.spawn();
        Ok(())
    }

    /// Starts a provider without waiting for anything.
    pub(super) fn launch(&mut self, fault: Option<Fault>) {
        self.interceptor.revive();
        self.interceptor.arm(fault);
        self.spawn();
    }

    fn spawn(&mut self) {
        self.log_start = std::fs::metadata(&self.log).map_or(0, |log| log.len());
        let invocation = Invocation::new(&self.lab.binary)
            .args(["--bind-ip", "127.0.0.1", "--metrics-port", "0"])
            .args(["--creation-grace", "1s", "--creation-settle", self.settle])
            .without_inherited_env()
            .env("KUBECONFIG", &self.kubeconfig);
        let provider = Daemon::start("provider", invocation, &self.log, Restart::Never);
        self.provider = Some(provider);
    }

    /// Kills the provider. When this returns, everything that it has sent has taken effect.
    pub(super) async fn kill(&mut self) -> Result<()> {
        self.interceptor.bury();
        if let Some(provider) = self.provider.take() {
            let mut state = provider.watch();
            let running = state.wait_for(|state| *state != State::Pending);
            timeout(DEADLINE, running).await??;
            provider.signal(Signal::KILL);
            let ended = state.wait_for(|state| matches!(state, State::Ended { .. }));
            timeout(DEADLINE, ended).await??;
        }
        timeout(DEADLINE, self.interceptor.quiet())
            .await
            .context("a request has no answer")
    }

    /// Gets ready for a case: the next providers wait longer where the cloud's lists are stale.
    pub(super) fn expect(&mut self, fault: Option<super::case::Fault>) {
        let stale = fault.is_some_and(super::case::Fault::makes_lists_stale);
        self.settle = if stale { SETTLE_WHEN_STALE } else { SETTLE };
    }

    /// Lets this go wrong at the cloud from now on, and nothing else.
    pub(super) fn disturb_cloud(&mut self, fault: Option<hcloud_simulator::Fault>) {
        let faults = self.simulator.faults();
        faults.clear();
        self.disturbance = fault.map(|fault| faults.inject(fault));
    }

    /// Returns when the fault of the case has struck.
    pub(super) async fn struck(&self) {
        match &self.disturbance {
            Some(disturbance) if !self.interceptor.is_armed() => disturbance.reached(1).await,
            _ => self.interceptor.struck().await,
        }
    }

    /// Whether there is a provider.
    pub(super) fn runs(&self) -> bool {
        self.provider.is_some()
    }

    fn state(&self) -> Option<State> {
        self.provider.as_ref().map(Daemon::state)
    }

    /// Fails when the provider has ended by itself.
    pub(super) fn check_alive(&self) -> Result<()> {
        match self.state() {
            Some(State::Ended { reason }) => bail!("the provider {reason}"),
            _ => Ok(()),
        }
    }

    fn objects(&self) -> Result<Api<DynamicObject>> {
        self.lab.api(self.kind, &self.namespace)
    }

    /// Notes what there is at Hetzner, for telling afterwards what a phase has made.
    fn look_around(&mut self) -> Result<()> {
        self.known = state::ids(&self.cloud()?.to_string());
        self.simulator.log().clear();
        Ok(())
    }

    /// What the project at Hetzner consists of.
    fn cloud(&self) -> Result<Value> {
        let world = self.simulator.world();
        let project = world.project(DEFAULT_TOKEN).context("the project")?;
        Ok(serde_json::to_value(&project.resources)?)
    }

    /// How many creates Hetzner has accepted in this phase, also those whose answer was lost, by what they were sent to:
    /// of objects, and of what objects consist of. A rebuild counts: a disk is not to be overwritten twice.
    fn creates(&self) -> BTreeMap<String, usize> {
        // Of a request whose action was made to fail nothing comes.
        let failed = self.disturbance.as_ref().filter(|disturbance| {
            matches!(disturbance.fault().effect, Effect::Action { .. }) && disturbance.hits() > 0
        });
        let mut failed = failed.map(|disturbance| disturbance.fault().path.clone());
        let mut creates = BTreeMap::new();
        for entry in self.simulator.log().entries() {
            let fails = failed.take_if(|path| entry.is(&Method::POST, path));
            if fails.is_some() {
                continue;
            }
            let accepted = entry.status().is_some_and(|status| status / 100 == 2);
            if entry.method != Method::POST || !accepted {
                continue;
            }
            let path: Vec<_> = entry.path.split('/').filter(|s| !s.is_empty()).collect();
            let what = match path[..] {
                [collection] => collection.to_owned(),
                [collection, _, "actions", command]
                    if command.starts_with("add_")
                        || command.starts_with("attach")
                        || command == "rebuild" =>
                {
                    format!("{collection}: {command}")
                }
                _ => continue,
            };
            *creates.entry(what).or_default() += 1;
        }
        creates
    }

    /// Fails when Hetzner has accepted more than one create of an object in this phase: no row makes two of a kind.
    pub(super) fn check_creates(&self) -> Result<()> {
        let creates = self.creates();
        ensure!(creates.values().all(|count| *count < 2), "{creates:?}");
        Ok(())
    }

    /// The id of the object at Hetzner, if it has one of its own.
    pub(super) async fn id(&self) -> Result<Option<u64>> {
        let object = self.objects()?.get_opt(&self.manifest.name_any()).await?;
        Ok(object.as_ref().and_then(state::id))
    }

    /// Does to the object what a phase is about.
    pub(super) async fn apply(&mut self, phase: &Phase) -> Result<()> {
        self.look_around()?;
        let api = self.objects()?;
        let name = self.manifest.name_any();
        match phase.change {
            Change::Create => {
                let object = self.configured(&self.manifest);
                let created = api.create(&PostParams::default(), &object).await?;
                self.uid = created.uid();
            }
            Change::Edit(edit) => {
                let patch = Patch::Merge((edit.patch)());
                api.patch(&name, &PatchParams::default(), &patch).await?;
            }
            Change::Delete => {
                api.delete(&name, &DeleteParams::default()).await?;
            }
        }
        Ok(())
    }

    /// Waits until the object is ready in its present generation, or gone after a deletion.
    pub(super) async fn done(&self, phase: &Phase) -> Result<()> {
        let api = self.objects()?;
        let name = self.manifest.name_any();
        let gone = matches!(phase.change, Change::Delete);
        let what = if gone { "gone" } else { "ready" };
        eventually(&format!("{} {name} is {what}", self.kind), SOON, || async {
            match (api.get_opt(&name).await?, gone) {
                (None, true) => Ok(()),
                (Some(object), true) => bail!("it exists: {}", object.data["status"]["conditions"]),
                (Some(object), false) => ready(&object),
                (None, false) => bail!("it does not exist"),
            }
        })
        .await
    }

    /// The state now.
    pub(super) async fn end_state(&self) -> Result<String> {
        let object = self.objects()?.get_opt(&self.manifest.name_any()).await?;
        let usage = match (&object, &self.uid) {
            (Some(_), Some(uid)) => {
                let usages = self.lab.api("ProviderConfigUsage", &self.namespace)?;
                usages.get_opt(uid).await?.is_some()
            }
            _ => false,
        };
        state::text(Parts {
            namespace: &self.namespace,
            uid: self.uid.as_deref(),
            object: object.as_ref(),
            usage,
            cloud: self.cloud()?,
            known: &self.known,
            creates: self.creates(),
        })
    }

    /// Waits until the state is the expected one; when it does not become that, says what differs.
    pub(super) async fn becomes(&self, expected: &str) -> Result<()> {
        let end = Instant::now() + DEADLINE;
        loop {
            self.check_alive()?;
            let calls = self.interceptor.record().len();
            let found = self.end_state().await?;
            if found == expected {
                return Ok(());
            }
            if Instant::now() > end {
                bail!(
                    "the end state differs (- expected, + found):\n{}",
                    state::difference(expected, &found)
                );
            }
            let look = Instant::now() + Duration::from_millis(150);
            // What an answer changes is there in a moment.
            let _ = timeout_at(look, self.interceptor.more_calls_than(calls)).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until the state is the expected one and remains so: also a provider that has just been started has seen
    /// everything by then, and has nothing more to say.
    pub(super) async fn comes_to_rest_as(
        &self,
        expected: &str,
        phase: &Phase,
        started: bool,
    ) -> Result<()> {
        let present = !matches!(phase.change, Change::Delete);
        let end = Instant::now() + DEADLINE;
        loop {
            self.becomes(expected).await?;
            if started {
                self.at_work(present).await?;
                ensure!(
                    self.interceptor.has_shown_stale(),
                    "the provider has not listed the past"
                );
            }
            // One that has found everything as it should be since it was started waits for nothing of its own.
            let content = started && present && self.is_managed();
            let silence = if content { SHORT_SILENCE } else { SILENCE };
            let silent = timeout(DEADLINE, self.silent(silence)).await;
            silent.context("the provider does not come to rest")?;
            self.check_alive()?;
            if self.end_state().await? == expected {
                return Ok(());
            }
            ensure!(
                Instant::now() < end,
                "the state changes again and again, and so does not remain the end state"
            );
        }
    }

    /// Waits until the provider has not said anything for this long.
    pub(super) async fn silent(&self, time: Duration) {
        loop {
            let calls = self.interceptor.record().len();
            let more = self.interceptor.more_calls_than(calls);
            if timeout(time, more).await.is_err() {
                return;
            }
        }
    }

    fn log_since_start(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let start = usize::try_from(self.log_start).unwrap_or_default();
        log.get(start..).unwrap_or_default().to_owned()
    }

    /// What the present provider has to say.
    pub(super) fn provider_log(&self) -> String {
        let log = self.log_since_start();
        let start = log.len().saturating_sub(SHOWN);
        let start = (start..log.len()).find(|at| log.is_char_boundary(*at));
        log.get(start.unwrap_or_default()..)
            .unwrap_or_default()
            .to_owned()
    }
}

/// Applies a merge patch, as RFC 7396 has it.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().map(|target| target.remove(&key));
        } else {
            merge(&mut target[key], value);
        }
    }
}

fn example(file: &str) -> Result<Vec<DynamicObject>> {
    let path = PathBuf::from(EXAMPLES).join(file);
    let yaml =
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    documents(&yaml)
}

fn ready(object: &DynamicObject) -> Result<()> {
    let types = object.types.as_ref();
    if types.is_some_and(|types| CONFIGURATION.contains(&types.kind.as_str())) {
        let users = &object.data["status"]["users"];
        ensure!(users.is_u64(), "its users are not counted");
        return Ok(());
    }
    for condition in ["Synced", "Ready"] {
        let found = find_condition(object, condition)?;
        ensure!(found["status"] == "True", "{condition} is {found}");
        let observed = found["observedGeneration"].as_i64();
        ensure!(
            observed >= object.metadata.generation,
            "{condition} speaks of generation {observed:?}"
        );
    }
    Ok(())
}

/// The interceptor asks for nothing.
fn write_kubeconfig(path: &std::path::Path, server: SocketAddr) -> Result<()> {
    let config: Value = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "case",
        "clusters": [{"name": "case", "cluster": {"server": format!("http://{server}")}}],
        "users": [{"name": "case", "user": {}}],
        "contexts": [{"name": "case", "context": {"cluster": "case", "user": "case"}}],
    });
    std::fs::write(path, config.to_string()).with_context(|| format!("write {}", path.display()))
}
