//! Claims that cannot be carried out, on the real control plane: who wrote one is told which field is wrong and what to do,
//! and nothing is made, changed or dropped.

use anyhow::{Context, Result, bail, ensure};
use futures::future::try_join_all;
use hcloud_simulator::DEFAULT_TOKEN;
use http::Method;
use k8s_openapi::api::core::v1::Secret;
use kube::api::DeleteParams;
use kube::{Api, ResourceExt};
use rig::wait::eventually;
use serde_json::{Value, json};

use crate::landscape::left;
use crate::tests;
use crate::world::{SOON, Tenant, World, find_condition};

tests!(
    a_claim_that_contradicts_itself_makes_nothing,
    what_runs_is_neither_changed_nor_dropped_by_a_mistake,
    a_kubeconfig_that_does_not_exist_is_asked_for,
    a_region_that_was_renamed_stays_until_that_is_approved,
);

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBW605CuChGxp2BjAbN2gpZzfd8i51FReX7BgOZH9X3H admin";

/// Regions whose first has this cluster.
#[expect(
    clippy::needless_pass_by_value,
    reason = "callers write the JSON in place"
)]
fn with_cluster(cluster: Value) -> Value {
    json!([{
        "name": "a",
        "location": "fsn1",
        "sshKeys": [{"name": "admin", "publicKey": KEY}],
        "clusters": [cluster],
    }])
}

/// Waits until a claim is refused with this message.
async fn refused(tenant: &Tenant<'_>, name: &str, expected: &str) -> Result<()> {
    eventually(&format!("{name} is refused"), SOON, || async {
        let (reason, message) = tenant.condition("Platform", name, "Valid", "False").await?;
        ensure!(reason == "InvalidSpec", "{reason}");
        ensure!(message == expected, "{message}");
        Ok(())
    })
    .await
}

async fn a_claim_that_contradicts_itself_makes_nothing(world: &World) -> Result<()> {
    let tenant = world.tenant("refused").await?;
    let external =
        |name: &str| json!({"name": name, "distribution": "external", "management": true});
    let pools = |pools: Value| with_cluster(json!({"name": "main", "nodePools": pools}));
    let mut keyless = pools(json!([]));
    keyless[0]["sshKeys"] = json!([]);
    let mut two_managers = with_cluster(external("one"));
    two_managers[0]["clusters"] = json!([external("one"), external("two")]);
    let long = "a234567890123456789b";
    let cases = [
        (
            "ranges",
            with_cluster(json!({
                "name": "main",
                "networking": {"podCIDR": "10.42.0.0/15", "serviceCIDR": "10.43.0.0/16"},
            })),
            "spec.regions[0].clusters[0].networking.serviceCIDR: 10.43.0.0/16 of the services of cluster main overlaps 10.42.0.0/15 of the pods of cluster main (spec.regions[0].clusters[0].networking.podCIDR): choose another range".to_owned(),
        ),
        (
            "managers",
            two_managers,
            "spec.regions[0].clusters[1].management: spec.regions[0].clusters[0] is the management cluster already, and Crossplane runs in one: set one of them to false".to_owned(),
        ),
        (
            "crowd",
            pools(json!([{"name": "work", "count": 97}])),
            "spec.regions[0].clusters: region a can have 101 servers and load balancers, and a network of the cloud takes 100: lower counts and maxima by 1, or move pools to another region".to_owned(),
        ),
        (
            "volumes",
            pools(json!([{"name": "work", "count": 10, "volumes": [{"name": "data", "size": 10}]}])),
            "spec.regions[0].clusters[0].nodePools[0].volumes: pool work has 10 servers with 1 volume each, and 8 servers of a pool can have so many: spread the servers over several pools, or give each no volume".to_owned(),
        ),
        (
            "islanders",
            pools(json!([{"name": "work", "count": 1, "public": {"ipv4": false, "ipv6": false}}])),
            "spec.regions[0].clusters[0].nodePools[0].public: the servers of pool work have no public address and no way to the internet: add a route to 0.0.0.0/0 to network.routes of the region, or switch ipv4 on".to_owned(),
        ),
        (
            "keyless",
            keyless,
            "spec.regions[0].sshKeys: a region with servers needs an SSH key, or the cloud mails passwords for root: add one with name and publicKey".to_owned(),
        ),
        (
            "too-long",
            with_cluster(json!({"name": long, "nodePools": [{"name": long, "count": 1}]})),
            format!("spec.regions[0].clusters[0].nodePools[0].name: servers of too-long-a-{long}-{long} would have host names of more than 63 characters: shorten the names of the platform, the region, the cluster or the pool by 1 in all"),
        ),
    ];
    for (name, regions, _) in &cases {
        tenant
            .apply(&tenant.platform(name, regions.clone()))
            .await?;
    }
    try_join_all(
        cases
            .iter()
            .map(|(name, _, expected)| refused(&tenant, name, expected)),
    )
    .await?;

    nothing_is_made(&tenant, &["Pricing", "Usage"]).await?;

    // The price list has the names that the cloud knows: a new platform waits for it.
    let unknown = pools(json!([{"name": "work", "count": 1, "serverTypes": ["cx43x"]}]));
    tenant.apply(&tenant.platform("unknown", unknown)).await?;
    refused(&tenant, "unknown", "spec.regions[0].clusters[0].nodePools[0].serverTypes[0]: the cloud has no server type \"cx43x\": did you mean cx43?").await?;
    nothing_is_made(&tenant, &[]).await?;

    // What a schema can say, the API server says, and the claim is not even stored.
    let even = with_cluster(json!({"name": "main", "controlPlane": {"count": 4}}));
    match tenant.apply(&tenant.platform("even", even)).await {
        Err(error) => ensure!(
            format!("{error:#}").contains("spec.regions[0].clusters[0].controlPlane.count"),
            "{error:#}"
        ),
        Ok(()) => bail!("an even number of servers was accepted"),
    }
    Ok(())
}

/// There is no infrastructure, here or in the cloud, nor are there objects of `more` kinds.
async fn nothing_is_made(tenant: &Tenant<'_>, more: &[&str]) -> Result<()> {
    for kind in ["XRegion", "XCluster", "Network"].iter().chain(more) {
        let made = tenant.list(kind).await?;
        let made: Vec<_> = made.iter().map(ResourceExt::name_any).collect();
        ensure!(made.is_empty(), "{kind}: {made:?}");
    }
    let left = left(tenant)?;
    ensure!(left.is_empty(), "{left:?}");
    ensure!(tenant.simulator.log().mutations().is_empty());
    Ok(())
}

/// A running platform: three servers of the control plane, and a pool of one.
struct Running<'a> {
    tenant: Tenant<'a>,
}

impl Running<'_> {
    fn regions(servers: u32, pools: &[Value]) -> Value {
        let mut regions = with_cluster(json!({"name": "main", "controlPlane": {"count": servers}}));
        regions[0]["clusters"][0]["nodePools"] = json!(pools);
        regions
    }

    async fn apply(&self, regions: Value) -> Result<()> {
        self.tenant
            .apply(&self.tenant.platform("run", regions))
            .await
    }

    fn servers(&self) -> Result<usize> {
        let cloud = self.tenant.simulator.world();
        let project = cloud.project(DEFAULT_TOKEN).context("the project")?;
        Ok(project.servers().len())
    }

    /// Nothing was deleted, neither here nor in the cloud.
    async fn is_whole(&self) -> Result<()> {
        let deletes = self.tenant.simulator.log().of(&Method::DELETE, "/*/*");
        ensure!(deletes.is_empty(), "{deletes:?}");
        ensure!(self.servers()? == 4, "{} servers", self.servers()?);
        for (kind, count) in [
            ("XCluster", 1),
            ("XNodePool", 2),
            ("XNodeGroup", 2),
            ("Server", 4),
        ] {
            let found = self.tenant.list(kind).await?;
            ensure!(found.len() == count, "{} of kind {kind}", found.len());
            let going = found
                .iter()
                .find(|it| it.metadata.deletion_timestamp.is_some());
            ensure!(going.is_none(), "{kind} is being deleted");
        }
        Ok(())
    }
}

async fn what_runs_is_neither_changed_nor_dropped_by_a_mistake(world: &World) -> Result<()> {
    let running = Running {
        tenant: world.tenant("refused-later").await?,
    };
    let tenant = &running.tenant;
    let work = json!({"name": "work", "count": 1});
    let good = Running::regions(3, std::slice::from_ref(&work));
    running.apply(good.clone()).await?;
    tenant.ready("Pricing", "run-pricing").await?;
    let secrets: Api<Secret> = Api::namespaced(tenant.client(), &tenant.namespace);
    eventually("all servers are there", SOON, || async {
        ensure!(running.servers()? == 4, "{} servers", running.servers()?);
        secrets.get("run-a-main-kubeconfig").await?;
        Ok(())
    })
    .await?;

    let unknown = json!({"name": "more", "count": 1, "serverTypes": ["cx43x"]});
    running
        .apply(Running::regions(3, &[work.clone(), unknown]))
        .await?;
    refused(tenant, "run", "spec.regions[0].clusters[0].nodePools[1].serverTypes[0]: the cloud has no server type \"cx43x\": did you mean cx43?").await?;
    running.is_whole().await?;

    running.apply(Running::regions(1, &[work])).await?;
    refused(tenant, "run", "spec.regions[0].clusters[0].controlPlane.count: the control plane of cluster main has 3 servers and can only grow: write 3 or more").await?;
    running.is_whole().await?;

    running.apply(good).await?;
    tenant.condition("Platform", "run", "Valid", "True").await?;
    roots_that_are_lost_stop_everything(&running, &secrets).await
}

async fn roots_that_are_lost_stop_everything(
    running: &Running<'_>,
    secrets: &Api<Secret>,
) -> Result<()> {
    const ROOTS: &str = "run-a-main-pki";
    let tenant = &running.tenant;
    let mut backup = secrets.get(ROOTS).await?;
    // A call that is under way knows the Secret and writes it once more, as it was.
    let (reason, message) = eventually("the loss is told", SOON, || async {
        if let Some(again) = secrets.get_opt(ROOTS).await? {
            ensure!(again.data == backup.data, "others were made");
            secrets.delete(ROOTS, &DeleteParams::default()).await?;
        }
        let cluster = tenant.get("XCluster", "run-a-main").await?;
        let valid = find_condition(&cluster, "Valid")?;
        ensure!(valid["status"] == "False", "{valid}");
        let text = |field: &str| valid[field].as_str().unwrap_or_default().to_owned();
        Ok((text("reason"), text("message")))
    })
    .await?;
    ensure!(reason == "InvalidSpec", "{reason}");
    let start = format!(
        "Secret {ROOTS}: the certificate authorities and tokens of the cluster are gone, and "
    );
    let end = format!(
        ": nothing is changed and no others are made; restore the Secret from a backup, with its annotations: kubectl -n {} apply -f {ROOTS}.yaml",
        tenant.namespace
    );
    ensure!(
        message.starts_with(&start) && message.ends_with(&end),
        "{message}"
    );
    eventually("the claim tells it too", SOON, || async {
        let (_, message) = tenant
            .condition("Platform", "run", "InfrastructureReady", "False")
            .await?;
        ensure!(message.contains(&start), "{message}");
        Ok(())
    })
    .await?;
    ensure!(
        secrets.get_opt(ROOTS).await?.is_none(),
        "no others are made"
    );
    running.is_whole().await?;

    backup.metadata.managed_fields = None;
    backup.metadata.resource_version = None;
    backup.metadata.uid = None;
    backup.metadata.creation_timestamp = None;
    let mut object = serde_json::to_value(&backup)?;
    object["apiVersion"] = json!("v1");
    object["kind"] = json!("Secret");
    tenant.apply(&object).await?;
    tenant
        .condition("XCluster", "run-a-main", "Valid", "True")
        .await?;
    ensure!(secrets.get(ROOTS).await?.data == backup.data);
    running.is_whole().await
}

async fn a_kubeconfig_that_does_not_exist_is_asked_for(world: &World) -> Result<()> {
    let tenant = world.tenant("refused-kubeconfig").await?;
    let cluster = json!({
        "name": "apps",
        "distribution": "external",
        "kubeconfigSecretRef": {"name": "apps-kubeconfig"},
    });
    tenant
        .apply(&tenant.platform("byo", with_cluster(cluster.clone())))
        .await?;
    let expected = "spec.cluster.kubeconfigSecretRef.name: Secret apps-kubeconfig does not exist: create it in this namespace with the kubeconfig in the key value";
    let (_, message) = tenant
        .condition("XCluster", "byo-a-apps", "Valid", "False")
        .await?;
    ensure!(message == expected, "{message}");
    eventually("the claim tells it too", SOON, || async {
        let (_, message) = tenant
            .condition("Platform", "byo", "InfrastructureReady", "False")
            .await?;
        ensure!(message.ends_with(expected), "{message}");
        Ok(())
    })
    .await?;

    let kubeconfig = std::fs::read_to_string(tenant.rig.kubeconfig())?;
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "apps-kubeconfig", "namespace": tenant.namespace},
        "stringData": {"value": kubeconfig},
    });
    tenant.apply(&secret).await?;
    tenant.ready("Platform", "byo").await?;

    let mut other = cluster;
    other["distribution"] = json!("k3s");
    match tenant
        .apply(&tenant.platform("byo", with_cluster(other)))
        .await
    {
        Err(error) => ensure!(
            format!("{error:#}")
                .contains("distribution cannot be changed: add a cluster and remove this one"),
            "{error:#}"
        ),
        Ok(()) => bail!("the distribution was changed"),
    }
    Ok(())
}

async fn a_region_that_was_renamed_stays_until_that_is_approved(world: &World) -> Result<()> {
    let tenant = world.tenant("refused-rename").await?;
    let named = |name: &str| json!([{"name": name, "location": "fsn1"}]);
    tenant.apply(&tenant.platform("demo", named("old"))).await?;
    tenant.ready("Platform", "demo").await?;
    tenant.apply(&tenant.platform("demo", named("new"))).await?;
    tenant
        .condition("Platform", "demo", "ChangesApplied", "False")
        .await?;
    let claim = tenant.get("Platform", "demo").await?;
    let step = &claim.data["status"]["plan"][0];
    ensure!(
        step["why"]
            == "region old is not in spec.regions any more; its network 10.0.0.0/16 and all that lives in it go with it (region new in the same location is another one: if old was to be renamed, write old again)",
        "{step}"
    );
    tenant.cloud_ranges(&["10.0.0.0/16", "10.1.0.0/16"]).await?;

    // Whoever wants it back writes it again; the other one goes by approval.
    tenant.apply(&tenant.platform("demo", named("old"))).await?;
    let hash = eventually("the other region waits", SOON, || async {
        let claim = tenant.get("Platform", "demo").await?;
        let step = &claim.data["status"]["plan"][0];
        ensure!(step["name"] == "demo-new", "{step}");
        Ok(step["hash"].as_str().context("the hash")?.to_owned())
    })
    .await?;
    let approve = json!({"spec": {"operations": {"approve": [hash]}}});
    tenant.patch("Platform", "demo", approve).await?;
    tenant.cloud_ranges(&["10.0.0.0/16"]).await?;
    tenant.ready("Platform", "demo").await?;
    Ok(())
}
