//! The examples of the provider, all at once: they make one landscape, and OpenTofu finds it as its own configuration of
//! the same landscape says (`landscape/main.tf`).

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use hcloud_simulator::DEFAULT_TOKEN;
use kube::ResourceExt;
use rig::apply::documents;
use rig::wait::eventually;
use serde_json::{Value, json};

use crate::cli::yaml_files;
use crate::opentofu::workspace::Workspace;
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
pub(crate) fn left(tenant: &Tenant<'_>) -> Result<Vec<(&'static str, usize)>> {
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
    opentofu_finds_nothing_to_change(&tenant, &managed).await?;

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

/// What OpenTofu calls the kinds of managed resources; the others are data sources there.
const RESOURCES: [(&str, &str); 16] = [
    ("Firewall", "hcloud_firewall"),
    ("LoadBalancer", "hcloud_load_balancer"),
    ("LoadBalancerNetwork", "hcloud_load_balancer_network"),
    ("LoadBalancerService", "hcloud_load_balancer_service"),
    ("LoadBalancerTarget", "hcloud_load_balancer_target"),
    ("Network", "hcloud_network"),
    ("PlacementGroup", "hcloud_placement_group"),
    ("PrimaryIP", "hcloud_primary_ip"),
    ("ReverseDNS", "hcloud_rdns"),
    ("Route", "hcloud_network_route"),
    ("SSHKey", "hcloud_ssh_key"),
    ("Server", "hcloud_server"),
    ("ServerNetwork", "hcloud_server_network"),
    ("Subnet", "hcloud_network_subnet"),
    ("Volume", "hcloud_volume"),
    ("VolumeAttachment", "hcloud_volume_attachment"),
];

/// Hands the landscape over: external names are what OpenTofu imports by.
async fn opentofu_finds_nothing_to_change(
    tenant: &Tenant<'_>,
    managed: &[(&str, &str)],
) -> Result<()> {
    let configuration = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/landscape");
    let workspace = Workspace::create(configuration, &tenant.simulator).await?;
    let mut imports = Vec::new();
    let mut tags = BTreeMap::new();
    for (kind, name) in managed {
        let mut resources = RESOURCES.iter();
        let Some((_, resource)) = resources.find(|(candidate, _)| candidate == kind) else {
            continue;
        };
        let object = tenant.get(kind, name).await?;
        let id = &object.annotations()["crossplane.io/external-name"];
        imports.push((format!("{resource}.{name}"), id.clone()));
        let labels = object.data["status"]["atProvider"]["labels"].as_object();
        let of_the_provider = labels.into_iter().flatten().filter(|(key, _)| {
            let prefixes = ["crossplane-", "hcloud.openova.io/"];
            prefixes.iter().any(|prefix| key.starts_with(prefix))
        });
        let of_the_provider: BTreeMap<_, _> = of_the_provider
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        tags.insert(format!("{resource}.{name}"), of_the_provider);
    }
    workspace.configure("main")?;
    workspace.import(&imports)?;
    workspace.set(&json!({"tags": tags}))?;
    let imported = workspace.plan().await?.imports_unchanged()?;
    ensure!(imported == imports.len(), "{imported} of {imports:?}");
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
