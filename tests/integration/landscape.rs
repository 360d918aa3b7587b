//! The examples of the provider, all at once: they make one landscape.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use hcloud_simulator::DEFAULT_TOKEN;
use kube::ResourceExt;
use rig::apply::documents;
use rig::wait::eventually;
use serde_json::{Value, json};

use crate::cli::yaml_files;
use crate::tests;
use crate::world::{SOON, Tenant, World};

tests!(all_examples_become_ready_stay_as_they_are_and_go_in_any_order);

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/provider");

/// The objects of all examples, in the tenant's namespace and cloud.
fn examples(tenant: &Tenant<'_>) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for file in yaml_files(Path::new(EXAMPLES))? {
        for document in documents(&std::fs::read_to_string(&file)?)? {
            let mut object = serde_json::to_value(document)?;
            object["metadata"]["namespace"] = json!(tenant.namespace);
            if object["spec"]["forProvider"].is_object() {
                object["spec"]["providerConfigRef"] =
                    json!({"kind": "ProviderConfig", "name": "default"});
            }
            objects.push(object);
        }
    }
    Ok(objects)
}

/// What is left in the cloud, by kind.
fn left(tenant: &Tenant<'_>) -> Result<Vec<(&'static str, usize)>> {
    let cloud = tenant.simulator.world();
    let resources = &cloud
        .project(DEFAULT_TOKEN)
        .context("the project")?
        .resources;
    let counts = [
        ("firewalls", resources.firewalls.len()),
        ("images", resources.images.len()),
        ("load balancers", resources.load_balancers.len()),
        ("networks", resources.networks.len()),
        ("placement groups", resources.placement_groups.len()),
        ("primary IPs", resources.primary_ips.len()),
        ("servers", resources.servers.len()),
        ("SSH keys", resources.ssh_keys.len()),
        ("volumes", resources.volumes.len()),
    ];
    Ok(counts.into_iter().filter(|(_, count)| *count > 0).collect())
}

async fn all_examples_become_ready_stay_as_they_are_and_go_in_any_order(
    world: &World,
) -> Result<()> {
    let tenant = world.tenant("landscape").await?;
    let objects = examples(&tenant)?;
    for object in &objects {
        tenant.apply(object).await?;
    }
    let managed: Vec<(&str, &str)> = objects
        .iter()
        .filter(|object| object["spec"]["forProvider"].is_object())
        .filter_map(|object| {
            Some((
                object["kind"].as_str()?,
                object["metadata"]["name"].as_str()?,
            ))
        })
        .collect();
    try_join_all(managed.iter().map(|(kind, name)| tenant.ready(kind, name))).await?;

    // Another look finds nothing to do.
    tenant.simulator.log().clear();
    let requests = managed
        .iter()
        .map(|(kind, name)| tenant.request_reconcile(kind, name, "again"));
    try_join_all(requests).await?;
    let handled = managed
        .iter()
        .map(|(kind, name)| handled(&tenant, kind, name));
    try_join_all(handled).await?;
    let mutations = tenant.simulator.log().mutations();
    ensure!(mutations.is_empty(), "{mutations:?}");

    try_join_all(managed.iter().map(|(kind, name)| tenant.delete(kind, name))).await?;
    try_join_all(managed.iter().map(|(kind, name)| tenant.gone(kind, name))).await?;
    let left = left(&tenant)?;
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}

/// Waits until a requested reconcile is over and everything is still well.
async fn handled(tenant: &Tenant<'_>, kind: &str, name: &str) -> Result<()> {
    eventually(&format!("{kind} {name} was looked at"), SOON, || async {
        let object = tenant.ready(kind, name).await?;
        let token = &object.data["status"]["lastHandledReconcileAt"];
        ensure!(token == "again", "{}: {token}", object.name_any());
        Ok(())
    })
    .await
}
