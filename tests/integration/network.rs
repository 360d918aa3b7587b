//! The provider by itself: what a user does with a Network.

use anyhow::{Context, Result, bail, ensure};
use hcloud_simulator::DEFAULT_TOKEN;
use http::Method;
use kube::ResourceExt;
use rig::wait::eventually;
use serde_json::json;

use crate::tests;
use crate::world::{SOON, Tenant, World};

tests!(
    a_network_is_created_shown_and_deleted,
    labels_of_others_stay_and_ours_are_kept,
    an_existing_network_is_imported_by_its_id_and_only_observed,
    a_name_that_is_taken_is_reported_with_the_way_to_adopt,
    an_invalid_external_name_is_reported,
    a_paused_network_is_left_alone,
    a_network_without_the_delete_policy_stays_in_the_cloud,
    a_network_that_would_shrink_is_left_as_it_is,
    a_network_with_delete_protection_is_not_deleted,
    a_configuration_in_use_cannot_be_deleted,
    missing_credentials_are_named,
    metrics_of_the_provider_are_served,
);

const RANGE: &str = "10.0.0.0/16";

/// Adds a network that nobody manages; returns its id.
fn add_foreign(tenant: &Tenant<'_>, name: &str, range: &str) -> Result<u64> {
    let mut world = tenant.simulator.world();
    let now = world.now();
    let project = world.project_mut(DEFAULT_TOKEN).context("the project")?;
    Ok(project.add_network(name, range.parse()?, now))
}

async fn a_network_is_created_shown_and_deleted(world: &World) -> Result<()> {
    let tenant = world.tenant("net-simple").await?;
    let spec = json!({"ipRange": RANGE, "labels": {"team": "a"}, "exposeRoutesToVswitch": true});
    tenant.apply(&tenant.network("simple", spec)).await?;
    let network = tenant.ready("Network", "simple").await?;
    let at_provider = &network.data["status"]["atProvider"];
    ensure!(
        at_provider["ipRange"] == RANGE && at_provider["name"] == "simple",
        "{at_provider}"
    );
    ensure!(at_provider["labels"]["team"] == "a", "{at_provider}");
    ensure!(
        at_provider["labels"]["crossplane-name"] == "simple",
        "{at_provider}"
    );
    ensure!(
        at_provider["exposeRoutesToVswitch"] == true,
        "{at_provider}"
    );
    let id = at_provider["id"].to_string();
    ensure!(
        network.annotations().get("crossplane.io/external-name") == Some(&id),
        "{:?}",
        network.annotations()
    );

    // Events are written in the background.
    eventually("the creation is an event", SOON, || async {
        let events = tenant.events("Network", "simple").await?;
        let mut reasons = events.iter().filter_map(|event| event.reason.as_deref());
        ensure!(
            reasons.any(|reason| reason == "CreatedExternalResource"),
            "{events:?}"
        );
        Ok(())
    })
    .await?;

    tenant.delete("Network", "simple").await?;
    tenant.gone("Network", "simple").await?;
    tenant.cloud_ranges(&[]).await
}

async fn labels_of_others_stay_and_ours_are_kept(world: &World) -> Result<()> {
    let tenant = world.tenant("net-labels").await?;
    tenant
        .apply(&tenant.network(
            "labelled",
            json!({"ipRange": RANGE, "labels": {"team": "a"}}),
        ))
        .await?;
    tenant.ready("Network", "labelled").await?;
    {
        let mut world = tenant.simulator.world();
        let project = world.project_mut(DEFAULT_TOKEN).context("the project")?;
        let network = project
            .networks_mut()
            .named_mut("labelled")
            .context("the network")?;
        network
            .labels
            .insert("of-a-person".to_owned(), "yes".to_owned());
        network.labels.insert("team".to_owned(), "b".to_owned());
    }
    eventually("our label is back", SOON, || async {
        let world = tenant.simulator.world();
        let project = world.project(DEFAULT_TOKEN).context("the project")?;
        let labels = &project
            .networks()
            .named("labelled")
            .context("the network")?
            .labels;
        ensure!(
            labels.get("team").is_some_and(|team| team == "a"),
            "{labels:?}"
        );
        ensure!(
            labels
                .get("of-a-person")
                .is_some_and(|value| value == "yes"),
            "{labels:?}"
        );
        Ok(())
    })
    .await
}

async fn an_existing_network_is_imported_by_its_id_and_only_observed(world: &World) -> Result<()> {
    let tenant = world.tenant("net-import").await?;
    let id = add_foreign(&tenant, "old", "192.168.0.0/16")?;
    let mut network = tenant.network("imported", json!({"name": "other-name"}));
    network["spec"]["managementPolicies"] = json!(["Observe"]);
    network["metadata"]["annotations"] = json!({"crossplane.io/external-name": id.to_string()});
    tenant.apply(&network).await?;
    let observed = tenant.ready("Network", "imported").await?;
    ensure!(observed.data["status"]["atProvider"]["name"] == "old");
    ensure!(tenant.simulator.log().mutations().is_empty());

    // Taking it over: the same object with all policies.
    network["spec"]["managementPolicies"] = json!(["*"]);
    network["spec"]["forProvider"]["ipRange"] = json!("192.168.0.0/16");
    tenant.apply(&network).await?;
    eventually("the network has its new name", SOON, || async {
        let cloud = tenant.cloud();
        ensure!(
            cloud == [("other-name".to_owned(), "192.168.0.0/16".to_owned())],
            "{cloud:?}"
        );
        Ok(())
    })
    .await?;
    ensure!(
        tenant
            .simulator
            .log()
            .of(&Method::POST, "/networks")
            .is_empty(),
        "adopted, not created"
    );
    Ok(())
}

async fn a_name_that_is_taken_is_reported_with_the_way_to_adopt(world: &World) -> Result<()> {
    let tenant = world.tenant("net-taken").await?;
    let id = add_foreign(&tenant, "taken", RANGE)?;
    tenant
        .apply(&tenant.network("taken", json!({"ipRange": RANGE})))
        .await?;
    let (_, message) = tenant
        .condition("Network", "taken", "Synced", "False")
        .await?;
    ensure!(
        message.contains("the name taken is taken by network"),
        "{message}"
    );
    ensure!(
        message.contains(&format!("crossplane.io/external-name: \"{id}\"")),
        "{message}"
    );

    let adopt =
        json!({"metadata": {"annotations": {"crossplane.io/external-name": id.to_string()}}});
    tenant.patch("Network", "taken", adopt).await?;
    tenant.ready("Network", "taken").await?;
    ensure!(tenant.cloud().len() == 1);
    Ok(())
}

async fn an_invalid_external_name_is_reported(world: &World) -> Result<()> {
    let tenant = world.tenant("net-invalid").await?;
    let mut network = tenant.network("invalid", json!({"ipRange": RANGE}));
    network["metadata"]["annotations"] = json!({"crossplane.io/external-name": "not-a-number"});
    tenant.apply(&network).await?;
    let (_, message) = tenant
        .condition("Network", "invalid", "Synced", "False")
        .await?;
    ensure!(message.contains("not-a-number"), "{message}");
    ensure!(tenant.cloud().is_empty());
    Ok(())
}

async fn a_paused_network_is_left_alone(world: &World) -> Result<()> {
    let tenant = world.tenant("net-paused").await?;
    let mut network = tenant.network("paused", json!({"ipRange": RANGE}));
    network["metadata"]["annotations"] = json!({"crossplane.io/paused": "true"});
    tenant.apply(&network).await?;
    let (reason, _) = tenant
        .condition("Network", "paused", "Synced", "False")
        .await?;
    ensure!(reason == "ReconcilePaused", "{reason}");
    ensure!(
        tenant.simulator.log().entries().is_empty(),
        "{:?}",
        tenant.simulator.log().entries()
    );

    tenant
        .patch(
            "Network",
            "paused",
            json!({"metadata": {"annotations": {"crossplane.io/paused": null}}}),
        )
        .await?;
    tenant.ready("Network", "paused").await?;
    Ok(())
}

async fn a_network_without_the_delete_policy_stays_in_the_cloud(world: &World) -> Result<()> {
    let tenant = world.tenant("net-orphan").await?;
    let mut network = tenant.network("orphan", json!({"ipRange": RANGE}));
    network["spec"]["managementPolicies"] = json!(["Observe", "Create", "Update"]);
    tenant.apply(&network).await?;
    tenant.ready("Network", "orphan").await?;
    tenant.delete("Network", "orphan").await?;
    tenant.gone("Network", "orphan").await?;
    ensure!(tenant.cloud().len() == 1);
    Ok(())
}

async fn a_network_that_would_shrink_is_left_as_it_is(world: &World) -> Result<()> {
    let tenant = world.tenant("net-shrink").await?;
    tenant
        .apply(&tenant.network("shrink", json!({"ipRange": RANGE})))
        .await?;
    tenant.ready("Network", "shrink").await?;
    let shrink = json!({"spec": {"forProvider": {"ipRange": "10.0.0.0/17"}}});
    tenant.patch("Network", "shrink", shrink).await?;
    let (_, message) = tenant
        .condition("Network", "shrink", "Synced", "False")
        .await?;
    for words in [
        "ipRange: desired 10.0.0.0/17, observed 10.0.0.0/16",
        "cannot be changed in place",
        "crossplane.io/replace: \"ipRange=10.0.0.0/17\"",
    ] {
        ensure!(message.contains(words), "{message}");
    }
    ensure!(tenant.cloud()[0].1 == RANGE);
    Ok(())
}

async fn a_network_with_delete_protection_is_not_deleted(world: &World) -> Result<()> {
    let tenant = world.tenant("net-protect").await?;
    tenant
        .apply(&tenant.network("kept", json!({"ipRange": RANGE, "deleteProtection": true})))
        .await?;
    tenant.ready("Network", "kept").await?;
    tenant.delete("Network", "kept").await?;
    let (_, message) = tenant
        .condition("Network", "kept", "Synced", "False")
        .await?;
    ensure!(message.contains("deleteProtection"), "{message}");
    ensure!(tenant.cloud().len() == 1);

    tenant
        .patch(
            "Network",
            "kept",
            json!({"spec": {"forProvider": {"deleteProtection": false}}}),
        )
        .await?;
    tenant.gone("Network", "kept").await?;
    tenant.cloud_ranges(&[]).await
}

async fn a_configuration_in_use_cannot_be_deleted(world: &World) -> Result<()> {
    let tenant = world.tenant("net-in-use").await?;
    tenant
        .apply(&tenant.network("user", json!({"ipRange": RANGE})))
        .await?;
    tenant.ready("Network", "user").await?;
    eventually("the user is counted", SOON, || async {
        let config = tenant.get("ProviderConfig", "default").await?;
        let users = &config.data["status"]["users"];
        ensure!(*users == 1, "{users}");
        Ok(())
    })
    .await?;
    tenant.delete("ProviderConfig", "default").await?;
    tenant
        .condition("ProviderConfig", "default", "Terminating", "True")
        .await?;
    tenant.delete("Network", "user").await?;
    tenant.gone("Network", "user").await?;
    tenant.gone("ProviderConfig", "default").await
}

async fn missing_credentials_are_named(world: &World) -> Result<()> {
    let tenant = world.tenant("net-missing").await?;
    let mut network = tenant.network("missing", json!({"ipRange": RANGE}));
    network["spec"]["providerConfigRef"]["name"] = json!("nowhere");
    tenant.apply(&network).await?;
    let (_, message) = tenant
        .condition("Network", "missing", "Synced", "False")
        .await?;
    ensure!(message.contains("nowhere"), "{message}");

    tenant
        .patch(
            "ProviderConfig",
            "default",
            json!({"spec": {"credentials": {"secretRef": {"name": "no-such-secret"}}}}),
        )
        .await?;
    tenant
        .apply(&tenant.network("secretless", json!({"ipRange": RANGE})))
        .await?;
    let (_, message) = tenant
        .condition("Network", "secretless", "Synced", "False")
        .await?;
    ensure!(message.contains("no-such-secret"), "{message}");
    ensure!(tenant.cloud().is_empty());
    Ok(())
}

async fn metrics_of_the_provider_are_served(world: &World) -> Result<()> {
    let tenant = world.tenant("net-metrics").await?;
    tenant
        .apply(&tenant.network("measured", json!({"ipRange": RANGE})))
        .await?;
    tenant.ready("Network", "measured").await?;
    let pod = tenant.rig.pod("openova-provider-hcloud")?;
    let port = pod.port("metrics").context("the metrics port")?;
    let address = std::net::SocketAddr::from((pod.address(), port));
    let metrics = crate::function::get(address, "/metrics").await?;
    for name in [
        "crossplane_managed_resource_exists",
        "crossplane_managed_resource_ready",
        "crossplane_managed_resource_synced",
        "crossplane_managed_resource_first_time_to_reconcile_seconds",
        "crossplane_managed_resource_first_time_to_readiness_seconds",
    ] {
        let gvk = r#"gvk="hcloud.openova.io/v1alpha1, Kind=Network""#;
        if !metrics
            .lines()
            .any(|line| line.starts_with(name) && line.contains(gvk))
        {
            bail!("no {name}: {metrics}");
        }
    }
    Ok(())
}
