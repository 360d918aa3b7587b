//! What the controllers of a cluster made in the cloud, when its platform is taken down. The cluster's API never
//! answers: its server does not boot.

use anyhow::{Context, Result, ensure};
use hcloud_simulator::{DEFAULT_TOKEN, Id};
use http::Method;
use rig::wait::eventually;
use serde_json::{Value, json};

use crate::client::by_hand;
use crate::landscape::left;
use crate::tests;
use crate::world::{SOON, Tenant, World, find_condition};

tests!(what_others_made_is_listed_and_goes_only_when_the_claim_says_so);

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBW605CuChGxp2BjAbN2gpZzfd8i51FReX7BgOZH9X3H admin";

async fn what_others_made_is_listed_and_goes_only_when_the_claim_says_so(
    world: &World,
) -> Result<()> {
    let tenant = world.tenant("teardown").await?;
    let regions = json!([{
        "name": "a",
        "location": "fsn1",
        "sshKeys": [{"name": "admin", "publicKey": KEY}],
        "clusters": [{"name": "main"}],
    }]);
    let mut claim = tenant.platform("doomed", regions);
    claim["spec"]["profile"] = json!("homelab");
    tenant.apply(&claim).await?;
    let (server, network) = eventually("the server is in the network", SOON, || async {
        own_server(&tenant)
    })
    .await?;
    others_make_something(&tenant, server, network).await?;
    let row = eventually("the claim lists what others made", SOON, || async {
        let row = region_row(&tenant).await?;
        ensure!(row["foreign"]["count"] == 3, "{row}");
        Ok(row)
    })
    .await?;
    let listed = [
        "load balancer a1 of hcloud-cloud-controller-manager",
        "server node-1 of cluster-autoscaler",
        "volume pvc-1 of csi-driver",
    ];
    ensure!(row["foreign"]["names"] == json!(listed), "{row}");

    // Everything of the platform but its network goes, and nothing of others.
    deletion(&tenant, json!({"protect": false, "teardown": true})).await?;
    eventually("the teardown waits for somebody", SOON, || async {
        let row = region_row(&tenant).await?;
        let message = row["message"].as_str().context("its message")?;
        ensure!(
            listed.iter().all(|object| message.contains(object)),
            "{row}"
        );
        ensure!(
            message.ends_with("spec.operations.deletion.sweep to true"),
            "{row}"
        );
        Ok(())
    })
    .await?;
    eventually(
        "what is left is the network and what others made",
        SOON,
        || async {
            let left = left(&tenant)?;
            let expected = [
                ("load balancers", 1),
                ("networks", 1),
                ("servers", 1),
                ("volumes", 2),
            ];
            let counted = ["load balancers", "networks", "servers", "volumes"];
            let left: Vec<_> = left
                .into_iter()
                .filter(|(what, _)| counted.contains(what))
                .collect();
            ensure!(left == expected, "{left:?}");
            let clusters = tenant.list("XCluster").await?;
            ensure!(clusters.is_empty(), "{clusters:?}");
            Ok(())
        },
    )
    .await?;

    deletion(&tenant, json!({"sweep": true})).await?;
    eventually("the platform is torn down", SOON, || async {
        let claim = tenant.get("Platform", "doomed").await?;
        let condition = find_condition(&claim, "InfrastructureReady")?;
        ensure!(condition["reason"] == "TornDown", "{condition}");
        Ok(())
    })
    .await?;
    tenant.delete("Platform", "doomed").await?;
    tenant.gone("Platform", "doomed").await?;
    eventually("what was never attached is left", SOON, || async {
        let left = left(&tenant)?;
        ensure!(left == [("volumes", 1)], "{left:?}");
        for kind in ["XRegion", "Inventory", "Network"] {
            let objects = tenant.list(kind).await?;
            ensure!(objects.is_empty(), "{objects:?}");
        }
        Ok(())
    })
    .await?;
    let cloud = tenant.simulator.world();
    let project = cloud.project(DEFAULT_TOKEN).context("the project")?;
    let volume = project.resources.volumes.iter().next().context("it")?;
    ensure!(volume.name == "pvc-2", "{}", volume.name);
    Ok(())
}

/// The server of the cluster and the network that it is attached to.
fn own_server(tenant: &Tenant<'_>) -> Result<(Id, Id)> {
    let cloud = tenant.simulator.world();
    let project = cloud.project(DEFAULT_TOKEN).context("the project")?;
    let network = project.networks().iter().next().context("no network")?.id;
    let server = project.servers().iter().next().context("no server")?;
    server
        .private_ip(project, network)
        .with_context(|| format!("server {} is not in the network", server.id))?;
    Ok((server.id, network))
}

/// What a cloud controller manager, an autoscaler and a CSI driver make; the last volume has never been attached.
async fn others_make_something(tenant: &Tenant<'_>, server: Id, network: Id) -> Result<()> {
    let made = [
        (
            "/load_balancers",
            json!({
                "name": "a1", "load_balancer_type": "lb11", "location": "fsn1", "network": network,
                "labels": {"hcloud-ccm/service-uid": "7d1ad8b2"},
            }),
        ),
        (
            "/servers",
            json!({
                "name": "node-1", "server_type": "cx23", "image": "debian-13", "location": "fsn1",
                "networks": [network], "labels": {"hcloud/node-group": "pool"},
            }),
        ),
        (
            "/volumes",
            json!({
                "name": "pvc-1", "size": 10, "server": server, "automount": false,
                "labels": {"managed-by": "csi-driver"},
            }),
        ),
        (
            "/volumes",
            json!({
                "name": "pvc-2", "size": 10, "location": "fsn1", "labels": {"managed-by": "csi-driver"},
            }),
        ),
    ];
    for (path, body) in made {
        // While the server or the network is being changed it refuses.
        eventually(&format!("others make {}", body["name"]), SOON, || async {
            by_hand(tenant, Method::POST, path, body.clone()).await
        })
        .await?;
    }
    Ok(())
}

async fn deletion(tenant: &Tenant<'_>, deletion: Value) -> Result<()> {
    let patch = json!({"spec": {"operations": {"deletion": deletion}}});
    tenant.patch("Platform", "doomed", patch).await
}

/// The row of the region in the claim.
async fn region_row(tenant: &Tenant<'_>) -> Result<Value> {
    let claim = tenant.get("Platform", "doomed").await?;
    let rows = claim.data["status"]["regions"].as_array();
    let row = rows.and_then(|rows| rows.first());
    row.cloned().context("the claim has no region")
}
