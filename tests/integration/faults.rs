//! What goes wrong, and that it heals without a person.

use anyhow::{Context, Result, ensure};
use hcloud_simulator::{DEFAULT_TOKEN, Fault};
use http::Method;
use rig::wait::eventually;
use serde_json::json;

use crate::tests;
use crate::world::{SOON, World, find_condition};

tests!(
    a_wrong_token_is_reported_and_heals_when_the_secret_is_corrected,
    an_unreachable_cloud_is_reported_and_heals,
    a_provider_killed_between_create_and_status_creates_exactly_once,
    a_lost_answer_of_a_create_creates_exactly_once,
    a_network_changed_by_hand_is_changed_back,
    a_network_deleted_by_hand_is_created_again,
    a_function_killed_while_reconciling_comes_back,
);

const PROVIDER: &str = "openova-provider-hcloud";
const FUNCTION: &str = "openova-function-xplatform";

async fn a_wrong_token_is_reported_and_heals_when_the_secret_is_corrected(
    world: &World,
) -> Result<()> {
    let tenant = world.tenant("wrong-token").await?;
    let wrong = "w".repeat(64);
    tenant.set_token(&wrong).await?;
    tenant
        .apply(&tenant.platform("demo", json!([{"name": "a", "location": "fsn1"}])))
        .await?;
    let (reason, message) = tenant
        .condition("Network", "demo-a", "Synced", "False")
        .await?;
    ensure!(reason == "ReconcileError", "{reason}");
    ensure!(
        message.contains("unauthorized"),
        "the API's own reason: {message}"
    );
    ensure!(!message.contains(&wrong), "the token must not show");
    let (reason, message) = tenant
        .condition("ProviderConfig", "default", "Ready", "False")
        .await?;
    ensure!(reason == "Unauthorized", "{reason}");
    ensure!(
        message.contains("unauthorized") && !message.contains(&wrong),
        "{message}"
    );
    eventually("the reason reaches the claim", SOON, || async {
        let claim = tenant.get("Platform", "demo").await?;
        let condition = find_condition(&claim, "InfrastructureReady")?;
        let message = condition["message"].as_str().unwrap_or_default();
        ensure!(
            condition["status"] == "False" && message.contains("unauthorized"),
            "{condition}"
        );
        Ok(())
    })
    .await?;

    tenant.set_token(DEFAULT_TOKEN).await?;
    tenant.ready("Platform", "demo").await?;
    ensure!(tenant.cloud().len() == 1);
    tenant
        .condition("ProviderConfig", "default", "Ready", "True")
        .await?;
    Ok(())
}

async fn an_unreachable_cloud_is_reported_and_heals(world: &World) -> Result<()> {
    let tenant = world.tenant("unreachable").await?;
    tenant.simulator.suspend().await?;
    tenant
        .apply(&tenant.platform("demo", json!([{"name": "a", "location": "fsn1"}])))
        .await?;
    tenant
        .condition("Network", "demo-a", "Synced", "False")
        .await?;
    tenant.simulator.resume().await?;
    tenant.ready("Platform", "demo").await?;
    ensure!(tenant.cloud().len() == 1);
    Ok(())
}

async fn a_provider_killed_between_create_and_status_creates_exactly_once(
    world: &World,
) -> Result<()> {
    let tenant = world.tenant("killed-provider").await?;
    let create = tenant
        .simulator
        .faults()
        .inject(Fault::on(Method::POST, "/networks").hold_after());
    tenant
        .apply(&tenant.platform("demo", json!([{"name": "a", "location": "fsn1"}])))
        .await?;
    tokio::time::timeout(SOON, create.reached(1)).await?;
    ensure!(
        tenant.cloud().len() == 1,
        "the network exists, and the provider does not know"
    );
    let pod = tenant.rig.pod(PROVIDER)?;
    let before = pod.pid();
    pod.kill();
    create.abort();
    eventually("the provider is back", SOON, || async {
        let pod = tenant.rig.pod(PROVIDER)?;
        ensure!(pod.ready() && pod.pid() != before, "{:?}", pod.pid());
        Ok(())
    })
    .await?;
    tenant.ready("Platform", "demo").await?;
    let creates = tenant.simulator.log().of(&Method::POST, "/networks");
    ensure!(creates.len() == 1, "{creates:?}");
    ensure!(tenant.cloud().len() == 1);
    Ok(())
}

async fn a_lost_answer_of_a_create_creates_exactly_once(world: &World) -> Result<()> {
    let tenant = world.tenant("lost-answer").await?;
    tenant
        .simulator
        .faults()
        .inject(Fault::on(Method::POST, "/networks").close_after());
    tenant
        .apply(&tenant.platform("demo", json!([{"name": "a", "location": "fsn1"}])))
        .await?;
    tenant.ready("Platform", "demo").await?;
    // Hetzner refuses a second network of the name, so the number of them does not tell whether one was asked for.
    let creates = tenant.simulator.log().of(&Method::POST, "/networks");
    ensure!(creates.len() == 1, "{creates:?}");
    ensure!(tenant.cloud().len() == 1, "{:?}", tenant.cloud());
    Ok(())
}

async fn a_network_changed_by_hand_is_changed_back(world: &World) -> Result<()> {
    let tenant = world.tenant("changed-by-hand").await?;
    tenant
        .apply(&tenant.platform("demo", json!([{"name": "a", "location": "fsn1"}])))
        .await?;
    tenant.ready("Platform", "demo").await?;
    let name = tenant.cloud()[0].0.clone();
    {
        let mut world = tenant.simulator.world();
        let project = world.project_mut(DEFAULT_TOKEN).context("the project")?;
        let network = project
            .networks_mut()
            .named_mut(&name)
            .context("the network")?;
        network.name = "renamed-by-hand".to_owned();
    }
    eventually("the name is changed back", SOON, || async {
        let now = tenant.cloud();
        ensure!(now[0].0 == name, "{now:?}");
        Ok(())
    })
    .await?;
    let events = eventually("the change is an event", SOON, || async {
        let events = tenant.events("Network", "demo-a").await?;
        let updated: Vec<_> = events
            .into_iter()
            .filter(|event| event.reason.as_deref() == Some("UpdatedExternalResource"))
            .collect();
        ensure!(!updated.is_empty());
        Ok(updated)
    })
    .await?;
    let message = events[0].message.clone().unwrap_or_default();
    ensure!(
        message.contains("name"),
        "the event names the difference: {message}"
    );
    Ok(())
}

async fn a_network_deleted_by_hand_is_created_again(world: &World) -> Result<()> {
    let tenant = world.tenant("deleted-by-hand").await?;
    tenant
        .apply(&tenant.platform("demo", json!([{"name": "a", "location": "fsn1"}])))
        .await?;
    tenant.ready("Platform", "demo").await?;
    {
        let mut world = tenant.simulator.world();
        let project = world.project_mut(DEFAULT_TOKEN).context("the project")?;
        let ids: Vec<_> = project
            .networks()
            .iter()
            .map(|network| network.id)
            .collect();
        for id in ids {
            project.networks_mut().remove(id);
        }
    }
    tenant.cloud_ranges(&["10.0.0.0/16"]).await?;
    tenant.ready("Platform", "demo").await?;
    Ok(())
}

async fn a_function_killed_while_reconciling_comes_back(world: &World) -> Result<()> {
    let tenant = world.tenant("killed-function").await?;
    // The cloud answers late, so the platform is in the middle of its way while the function dies, again and again.
    let create = tenant
        .simulator
        .faults()
        .inject(Fault::on(Method::POST, "/networks").hold_before());
    let regions = json!([{"name": "a", "location": "fsn1"}, {"name": "b", "location": "nbg1"}]);
    tenant.apply(&tenant.platform("demo", regions)).await?;
    for _ in 0..3 {
        let before = tenant.rig.pod(FUNCTION)?.pid();
        tenant.rig.pod(FUNCTION)?.kill();
        eventually("the function is back", SOON, || async {
            let pod = tenant.rig.pod(FUNCTION)?;
            ensure!(pod.ready() && pod.pid() != before, "{:?}", pod.pid());
            Ok(())
        })
        .await?;
    }
    tokio::time::timeout(SOON, create.reached(1)).await?;
    create.release();
    tenant.ready("Platform", "demo").await?;
    tenant.cloud_ranges(&["10.0.0.0/16", "10.1.0.0/16"]).await?;
    Ok(())
}
