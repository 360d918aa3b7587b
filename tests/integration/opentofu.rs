//! OpenTofu with the official provider as a judge of the simulator: a client that we did not write creates, plans again
//! without a difference, changes, replaces, imports and destroys every kind of resource.
//!
//! A case is a directory of configurations below `opentofu/cases/`: `create.tf`, one more for each of its steps, perhaps
//! `surroundings.tf` that stays the same throughout, and perhaps `import_override.tf` that names arguments which the API
//! does not tell.

mod coverage;
mod plan;
pub(crate) mod workspace;

use anyhow::{Context, Result, ensure};
use hcloud_simulator::DEFAULT_TOKEN;
use hcloud_simulator::resource::server::Power;

use self::workspace::Workspace;

/// A kind of resource and what is done to it after its creation.
struct Case {
    resource: &'static str,
    steps: &'static [Step],
}

/// What happens to the objects, and what a plan must make of a changed configuration.
enum Step {
    /// The file, and the arguments that change in place.
    Update(&'static str, &'static [&'static str]),
    /// The file, and the arguments whose change makes the object be replaced.
    Replace(&'static str, &'static [&'static str]),
    /// Somebody switches off all servers; OpenTofu cannot do that.
    SwitchOff,
}

use Step::{Replace, SwitchOff, Update};

macro_rules! cases {
    (lives { $($name:ident: $resource:literal $steps:expr),* $(,)? } reads { $($read:ident),* $(,)? }) => {
        pub(crate) const TESTS: &[crate::Test] = &[
            $(crate::Test {
                name: concat!(module_path!(), "::", stringify!($name)),
                run: |runtime, _| {
                    const CASE: Case = Case { resource: $resource, steps: &$steps };
                    runtime.block_on(check(stringify!($name), Some(&CASE)))
                },
            },)*
            $(crate::Test {
                name: concat!(module_path!(), "::", stringify!($read)),
                run: |runtime, _| runtime.block_on(check(stringify!($read), None)),
            },)*
            crate::Test {
                name: concat!(module_path!(), "::the_cases_use_every_argument"),
                run: |runtime, _| runtime.block_on(the_cases_use_every_argument()),
            },
        ];
    };
}

cases! {
    lives {
        network: "hcloud_network" [
            Update("update", &["name", "labels", "delete_protection", "expose_routes_to_vswitch"]),
            Replace("replace", &["ip_range"]),
        ],
        network_subnet: "hcloud_network_subnet" [
            Replace("replace", &["network_id", "type", "network_zone", "ip_range", "vswitch_id"]),
        ],
        network_route: "hcloud_network_route" [
            Replace("replace", &["network_id", "destination", "gateway"]),
        ],
        ssh_key: "hcloud_ssh_key" [
            Update("update", &["name", "labels"]),
            Replace("replace", &["public_key"]),
        ],
        placement_group: "hcloud_placement_group" [
            Update("update", &["name", "labels"]),
        ],
        firewall: "hcloud_firewall" [
            Update("update", &["name", "labels", "rule", "apply_to"]),
        ],
        firewall_attachment: "hcloud_firewall_attachment" [
            Update("update", &["server_ids", "label_selectors"]),
            Replace("replace", &["firewall_id"]),
        ],
        primary_ip: "hcloud_primary_ip" [
            Update("update", &["name", "labels", "auto_delete", "delete_protection"]),
            Replace("replace", &["type", "location"]),
        ],
        primary_ip_assignment: "hcloud_primary_ip" [
            SwitchOff,
            Update("assign", &["assignee_id", "assignee_type"]),
            Update("reassign", &["assignee_id"]),
        ],
        server: "hcloud_server" [
            Update("update", &[
                "name", "server_type", "keep_disk", "backups", "iso", "rescue", "labels", "firewall_ids",
                "ignore_remote_firewall_ids", "delete_protection", "rebuild_protection",
                "shutdown_before_deletion",
            ]),
            Replace("replace", &["image", "location", "user_data", "ssh_keys"]),
        ],
        server_private: "hcloud_server" [
            Update("update", &["network"]),
        ],
        server_public_net: "hcloud_server" [
            Update("swap", &["public_net"]),
            Update("own", &["public_net"]),
        ],
        server_placement: "hcloud_server" [
            SwitchOff,
            Update("update", &["placement_group_id"]),
        ],
        server_network: "hcloud_server_network" [
            Update("update", &["alias_ips"]),
            Replace("replace", &["server_id", "network_id", "subnet_id", "ip"]),
        ],
        volume: "hcloud_volume" [
            Update("update", &["name", "size", "labels", "delete_protection", "server_id", "automount"]),
            Replace("replace", &["location"]),
        ],
        volume_attachment: "hcloud_volume_attachment" [
            Replace("replace", &["volume_id", "server_id"]),
        ],
        load_balancer: "hcloud_load_balancer" [
            Update("update", &[
                "name", "load_balancer_type", "labels", "algorithm", "target", "delete_protection",
            ]),
            Replace("replace", &["location", "network_zone"]),
        ],
        load_balancer_network: "hcloud_load_balancer_network" [
            Update("update", &["enable_public_interface"]),
            Replace("replace", &["load_balancer_id", "network_id", "subnet_id", "ip"]),
        ],
        load_balancer_service: "hcloud_load_balancer_service" [
            Update("update", &["destination_port", "proxyprotocol", "http", "health_check"]),
            Replace("replace", &["load_balancer_id", "protocol", "listen_port"]),
        ],
        load_balancer_target: "hcloud_load_balancer_target" [
            Update("update", &["use_private_ip"]),
            Replace("replace", &["load_balancer_id", "server_id", "label_selector", "ip"]),
        ],
        rdns: "hcloud_rdns" [
            Update("update", &["dns_ptr"]),
            Replace("replace", &["server_id", "primary_ip_id", "load_balancer_id", "ip_address"]),
        ],
        uploaded_certificate: "hcloud_uploaded_certificate" [
            Update("update", &["name", "labels"]),
            Replace("replace", &["private_key", "certificate"]),
        ],
        snapshot: "hcloud_snapshot" [
            Update("update", &["description", "labels"]),
            Replace("replace", &["server_id"]),
        ],
    }
    reads { catalog, lookups }
}

async fn the_cases_use_every_argument() -> Result<()> {
    let simulator = workspace::simulator().await?;
    let workspace = Workspace::create(workspace::cases().join("network"), &simulator).await?;
    coverage::is_complete(&workspace::cases(), &workspace.schema().await?)
}

/// Runs a case; without a description it only reads, and its configuration checks what it finds.
async fn check(name: &str, case: Option<&Case>) -> Result<()> {
    let simulator = workspace::simulator().await?;
    let workspace = Workspace::create(workspace::cases().join(name), &simulator).await?;
    let outcome = live(&workspace, case).await;
    outcome.with_context(|| format!("the simulator refused:\n{}", workspace.refusals()))
}

/// The life of the objects of a case.
async fn live(workspace: &Workspace<'_>, case: Option<&Case>) -> Result<()> {
    workspace.configure("create")?;
    workspace.apply().await.context("create")?;
    workspace.is_settled().await.context("create")?;
    if let Some(case) = case {
        for step in case.steps {
            take(workspace, case.resource, step).await?;
        }
        workspace.forget()?;
        let plan = workspace.plan().await.context("import")?;
        plan.imports_unchanged().context("import")?;
        workspace.apply_plan().await.context("import")?;
    }
    workspace.destroy().await.context("destroy")?;
    is_empty(workspace)
}

async fn take(workspace: &Workspace<'_>, resource: &str, step: &Step) -> Result<()> {
    match step {
        Update(file, arguments) => {
            let plan = workspace.change(file).await?;
            plan.updates(resource, arguments).context(*file)?;
            workspace.apply_plan().await.context(*file)?;
            workspace.is_settled().await.context(*file)
        }
        Replace(file, arguments) => {
            let plan = workspace.change(file).await?;
            plan.replaces(resource, arguments).context(*file)?;
            workspace.apply_plan().await.context(*file)?;
            workspace.is_settled().await.context(*file)
        }
        SwitchOff => switch_off(workspace),
    }
}

fn switch_off(workspace: &Workspace<'_>) -> Result<()> {
    let mut world = workspace.simulator.world();
    let project = world.project_mut(DEFAULT_TOKEN).context("the project")?;
    let ids: Vec<_> = project.servers().iter().map(|server| server.id).collect();
    ensure!(!ids.is_empty(), "there are no servers to switch off");
    for id in ids {
        let server = project.servers_mut().get_mut(id);
        server.context("the server")?.power = Power::Off;
    }
    Ok(())
}

/// Checks that the simulator has no objects left; it keeps each under its id.
fn is_empty(workspace: &Workspace<'_>) -> Result<()> {
    let saved = serde_json::to_value(workspace.simulator.world().save()?)?;
    let projects = saved["projects"].as_object().context("the projects")?;
    for (project, state) in projects {
        let kinds = state["resources"].as_object().context("the resources")?;
        ensure!(!kinds.is_empty(), "{project} has no kinds of resources");
        for (kind, objects) in kinds {
            let mut keys = objects
                .as_object()
                .into_iter()
                .flatten()
                .map(|(key, _)| key);
            ensure!(
                keys.all(|key| key.parse::<u64>().is_err()),
                "{kind} are left in {project}: {objects:#}"
            );
        }
    }
    Ok(())
}
