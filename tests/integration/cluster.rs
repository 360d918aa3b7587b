//! The examples with clusters, from the claim to the nodes that `kubectl` lists, with servers that boot.

mod stage;

use anyhow::{Context, Result, ensure};
use http::Method;
use rig::wait::eventually;
use serde_json::{Value, json};

use self::stage::{LONG, Stage};
use crate::tests;
use crate::world::World;

tests!(
    a_single_server_answers_and_goes_with_its_platform,
    two_regions_become_ready_replace_a_server_and_scale,
    clusters_that_exist_are_taken_as_they_are,
);

async fn a_single_server_answers_and_goes_with_its_platform(world: &World) -> Result<()> {
    let stage = Stage::start(world, "cluster-single", "platform-single-node.yaml").await?;
    Box::pin(stage.play(async |stage: &Stage<'_>| {
        let claim = stage.ready().await?;
        let region = &claim["status"]["regions"][0];
        let cluster = &region["clusters"][0];
        for row in [region, cluster] {
            ensure!(row["ready"] == true, "{row}");
            // cx33, its public IPv4 address, lb11.
            ensure!(row["cost"]["monthly"] == "16.48", "{row}");
        }
        ensure!(region["network"]["id"].is_string(), "{region}");
        let endpoint = cluster["endpoint"].as_str().context("the endpoint")?;
        ensure!(endpoint.starts_with("https://127."), "{endpoint}");
        let pools = cluster["nodePools"].as_array().context("the pools")?;
        ensure!(pools.len() == 1, "{pools:?}");
        for count in ["desired", "current", "ready"] {
            ensure!(pools[0][count] == 1, "{pools:?}");
        }
        let rows = stage.server_rows("XCluster").await?;
        let servers = stage.servers("main")?;
        ensure!(
            rows == servers && servers.len() == 1,
            "{rows:?}, {servers:?}"
        );

        let kubectl = stage.kubectl("fsn", "main").await?;
        stage.lists(&kubectl, "main").await?;
        stage.no_breaker_opened()?;
        stage.delete().await
    }))
    .await
}

async fn two_regions_become_ready_replace_a_server_and_scale(world: &World) -> Result<()> {
    let stage = Stage::start(world, "cluster-ha", "platform-ha.yaml").await?;
    Box::pin(stage.play(async |stage: &Stage<'_>| {
        stage.ready().await?;
        for region in ["fsn", "hel"] {
            let kubectl = stage.kubectl(region, "main").await?;
            let nodes = stage.lists(&kubectl, region).await?;
            ensure!(nodes == 5, "{nodes}");
        }
        the_first_server_is_replaced(stage, "hel").await?;
        a_pool_grows_and_shrinks(stage, "fsn").await
    }))
    .await
}

/// What initialised etcd is gone: the server that takes its place joins.
async fn the_first_server_is_replaced(stage: &Stage<'_>, region: &str) -> Result<()> {
    let (name, id) = stage.first_server(region)?;
    stage.delete_server(id).await?;
    let successor = eventually("the first server is made again", LONG, || async {
        let (other, successor) = stage.first_server(region)?;
        ensure!(other == name && successor != id, "{other} is {successor}");
        Ok(successor)
    })
    .await?;
    stage.booted(successor).await?;
    stage.ready().await?;
    let kubectl = stage.kubectl(region, "main").await?;
    stage.lists(&kubectl, region).await?;
    Ok(())
}

/// Only the new server is made; the same goes again, when that is approved.
async fn a_pool_grows_and_shrinks(stage: &Stage<'_>, region: &str) -> Result<()> {
    let pool = |claim: &mut Value, count: u32, approve: &[&str]| {
        claim["spec"]["regions"][0]["clusters"][0]["nodePools"][0]["count"] = json!(count);
        claim["spec"]["operations"] = json!({"approve": approve});
    };
    let tenant = &stage.tenant;
    let kubectl = stage.kubectl(region, "main").await?;
    let before = stage.servers(region)?;
    tenant.simulator.log().clear();
    stage.apply_with(|claim| pool(claim, 3, &[])).await?;
    let grown = stage.servers_are(region, before.len() + 1).await?;
    ensure!(
        before.iter().all(|server| grown.contains(server)),
        "{before:?}, {grown:?}"
    );
    stage.lists(&kubectl, region).await?;
    stage.ready().await?;
    let created = tenant.simulator.log().of(&Method::POST, "/servers");
    ensure!(created.len() == 1, "{created:?}");

    stage.apply_with(|claim| pool(claim, 2, &[])).await?;
    let (reason, message) = tenant
        .condition("Platform", "ha", "ChangesApplied", "False")
        .await?;
    ensure!(reason == "ApprovalRequired", "{reason}: {message}");
    let claim = tenant.get("Platform", "ha").await?;
    let plan = &claim.data["status"]["plan"];
    let hash = plan[0]["hash"].as_str().context("the plan has a step")?;
    ensure!(stage.servers(region)? == grown, "nothing is removed yet");
    stage.apply_with(|claim| pool(claim, 2, &[hash])).await?;
    let shrunk = stage.servers_are(region, before.len()).await?;
    ensure!(shrunk == before, "{shrunk:?}, {before:?}");
    stage.lists(&kubectl, region).await?;
    stage.ready().await?;
    Ok(())
}

async fn clusters_that_exist_are_taken_as_they_are(world: &World) -> Result<()> {
    let stage = Stage::start(world, "cluster-byo", "platform-byo.yaml").await?;
    Box::pin(stage.play(async |stage: &Stage<'_>| {
        let kubeconfig = std::fs::read_to_string(stage.tenant.rig.kubeconfig())?;
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "byo-apps-kubeconfig", "namespace": stage.tenant.namespace},
            "stringData": {"value": kubeconfig},
        });
        stage.tenant.apply(&secret).await?;
        let claim = stage.ready().await?;
        let clusters = &claim["status"]["regions"][0]["clusters"];
        let secrets: Vec<_> = clusters
            .as_array()
            .context("the clusters")?
            .iter()
            .map(|cluster| &cluster["kubeconfigSecret"])
            .collect();
        ensure!(
            secrets == [&Value::Null, &json!("byo-apps-kubeconfig")],
            "{clusters}"
        );
        ensure!(stage.servers("home")?.is_empty());
        stage.no_breaker_opened()?;
        stage.delete().await
    }))
    .await
}
