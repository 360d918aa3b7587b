//! The examples with clusters, from the claim to the nodes that `kubectl` lists, with servers that boot.

mod stage;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use self::stage::Stage;
use crate::tests;
use crate::world::World;

tests!(
    a_single_server_answers_and_goes_with_its_platform,
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
            ensure!(
                row["cost"]["gross"].is_string() || row["cost"].is_object(),
                "{row}"
            );
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
        stage.no_breaker_opened().await?;
        stage.delete().await
    }))
    .await
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
        stage.no_breaker_opened().await?;
        stage.delete().await
    }))
    .await
}
