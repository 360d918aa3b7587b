//! What annotations and policies do to managed resources, whatever their kind.

use anyhow::{Context, Result, ensure};
use hcloud_simulator::{DEFAULT_TOKEN, Fault};
use http::Method;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::DeleteParams;
use kube::{Api, ResourceExt};
use rig::wait::eventually;
use serde_json::json;

use crate::client::by_hand;
use crate::input::{fails_with, server};
use crate::landscape::left;
use crate::tests;
use crate::world::{SOON, Tenant, World, find_condition};

tests!(
    a_replacement_waits_for_its_approval_and_happens_once,
    a_pause_holds_back_changes_and_the_deletion,
    a_request_looks_at_once_and_is_acknowledged,
    an_object_is_compared_as_often_as_it_asks_for,
    empty_fields_are_filled_where_the_policies_allow_it,
    connection_details_are_published_and_nothing_of_others_is_overwritten,
    a_namespace_takes_what_it_has_in_the_cloud_with_it,
);

const SPREAD: &str = "spread";

/// The id of an object in the cloud, as the managed resource reports it.
async fn id(tenant: &Tenant<'_>, kind: &str, name: &str) -> Result<u64> {
    let object = tenant.get(kind, name).await?;
    let id = object.data["status"]["atProvider"]["id"].as_u64();
    id.with_context(|| format!("{kind} {name} has no id"))
}

/// The name that a placement group has in the cloud.
fn name_in_cloud(tenant: &Tenant<'_>, id: u64) -> Result<String> {
    let cloud = tenant.simulator.world();
    let project = cloud.project(DEFAULT_TOKEN).context("the project")?;
    let group = project
        .resources
        .placement_groups
        .get(id)
        .context("the placement group")?;
    Ok(group.name.clone())
}

async fn rename_by_hand(tenant: &Tenant<'_>, id: u64, name: &str) -> Result<()> {
    let path = format!("/placement_groups/{id}");
    by_hand(tenant, Method::PUT, &path, json!({"name": name})).await?;
    Ok(())
}

async fn a_replacement_waits_for_its_approval_and_happens_once(world: &World) -> Result<()> {
    let tenant = world.tenant("life-replace").await?;
    let spec = json!({"size": 10, "location": "fsn1"});
    tenant
        .apply(&tenant.managed("Volume", "data", spec))
        .await?;
    tenant.ready("Volume", "data").await?;
    let first = id(&tenant, "Volume", "data").await?;

    let moved = json!({"spec": {"forProvider": {"location": "nbg1"}}});
    tenant.patch("Volume", "data", moved).await?;
    let (_, message) = tenant
        .condition("Volume", "data", "Synced", "False")
        .await?;
    let (_, approval) = message
        .split_once("set the annotation crossplane.io/replace: ")
        .with_context(|| format!("the message names the annotation: {message}"))?;
    ensure!(
        message.contains("location") && message.contains("fsn1"),
        "{message}"
    );
    let approval: String = serde_json::from_str(approval)?;
    let approve =
        |change: &str| json!({"metadata": {"annotations": {"crossplane.io/replace": change}}});
    tenant
        .patch("Volume", "data", approve("something else"))
        .await?;
    tenant.request_reconcile("Volume", "data", "1").await?;
    eventually("the other approval was seen", SOON, || async {
        let volume = tenant.get("Volume", "data").await?;
        ensure!(volume.data["status"]["lastHandledReconcileAt"] == "1");
        Ok(())
    })
    .await?;
    let deletes = || tenant.simulator.log().of(&Method::DELETE, "/volumes/*");
    ensure!(deletes().is_empty(), "{:?}", deletes());

    tenant.patch("Volume", "data", approve(&approval)).await?;
    let volume = tenant.ready("Volume", "data").await?;
    ensure!(volume.data["status"]["atProvider"]["location"] == "nbg1");
    let second = id(&tenant, "Volume", "data").await?;
    ensure!(second != first);
    ensure!(volume.annotations()["crossplane.io/external-name"] == second.to_string());
    ensure!(deletes().len() == 1, "{:?}", deletes());

    // The approval is for that change: the way back needs one of its own.
    let back = json!({"spec": {"forProvider": {"location": "fsn1"}}});
    tenant.patch("Volume", "data", back).await?;
    tenant
        .condition("Volume", "data", "Synced", "False")
        .await?;
    ensure!(deletes().len() == 1, "{:?}", deletes());
    Ok(())
}

async fn a_pause_holds_back_changes_and_the_deletion(world: &World) -> Result<()> {
    let tenant = world.tenant("life-pause").await?;
    tenant
        .apply(&tenant.managed("PlacementGroup", "group", json!({"type": SPREAD})))
        .await?;
    tenant.ready("PlacementGroup", "group").await?;
    let pause = |value| json!({"metadata": {"annotations": {"crossplane.io/paused": value}}});
    tenant
        .patch("PlacementGroup", "group", pause(Some("true")))
        .await?;
    let (reason, _) = tenant
        .condition("PlacementGroup", "group", "Synced", "False")
        .await?;
    ensure!(reason == "ReconcilePaused", "{reason}");
    let group = tenant.get("PlacementGroup", "group").await?;
    ensure!(
        find_condition(&group, "Ready")?["status"] == "True",
        "what is known stays"
    );

    let before = tenant.simulator.log().entries().len();
    let labelled = json!({"spec": {"forProvider": {"labels": {"team": "a"}}}});
    tenant.patch("PlacementGroup", "group", labelled).await?;
    tenant.delete("PlacementGroup", "group").await?;
    eventually("the pause is confirmed for the new spec", SOON, || async {
        let group = tenant.get("PlacementGroup", "group").await?;
        let synced = find_condition(&group, "Synced")?;
        ensure!(
            synced["observedGeneration"].as_i64() == group.metadata.generation,
            "{synced}"
        );
        ensure!(group.metadata.deletion_timestamp.is_some());
        Ok(())
    })
    .await?;
    let entries = tenant.simulator.log().entries();
    ensure!(entries.len() == before, "{:?}", &entries[before..]);

    tenant.patch("PlacementGroup", "group", pause(None)).await?;
    tenant.gone("PlacementGroup", "group").await?;
    ensure!(
        tenant
            .simulator
            .log()
            .of(&Method::DELETE, "/placement_groups/*")
            .len()
            == 1
    );
    Ok(())
}

async fn a_request_looks_at_once_and_is_acknowledged(world: &World) -> Result<()> {
    let tenant = world.tenant("life-request").await?;
    let mut group = tenant.managed("PlacementGroup", "group", json!({"type": SPREAD}));
    group["metadata"]["annotations"] = json!({"crossplane.io/poll-interval": "24h"});
    tenant.apply(&group).await?;
    tenant.ready("PlacementGroup", "group").await?;
    let id = id(&tenant, "PlacementGroup", "group").await?;
    rename_by_hand(&tenant, id, "renamed-by-hand").await?;
    tenant
        .request_reconcile("PlacementGroup", "group", "please")
        .await?;
    eventually("the name is changed back", SOON, || async {
        let name = name_in_cloud(&tenant, id)?;
        ensure!(name == "group", "{name}");
        let group = tenant.get("PlacementGroup", "group").await?;
        ensure!(group.data["status"]["lastHandledReconcileAt"] == "please");
        Ok(())
    })
    .await?;
    eventually("the request is an event", SOON, || async {
        let events = tenant.events("PlacementGroup", "group").await?;
        let handled = |reason: &str| reason == "ReconcileRequestHandled";
        ensure!(
            events
                .iter()
                .any(|event| event.reason.as_deref().is_some_and(handled))
        );
        Ok(())
    })
    .await
}

async fn an_object_is_compared_as_often_as_it_asks_for(world: &World) -> Result<()> {
    let tenant = world.tenant("life-poll").await?;
    for (name, interval) in [("often", "1s"), ("rarely", "24h")] {
        let mut group = tenant.managed("PlacementGroup", name, json!({"type": SPREAD}));
        group["metadata"]["annotations"] = json!({"crossplane.io/poll-interval": interval});
        tenant.apply(&group).await?;
        tenant.ready("PlacementGroup", name).await?;
    }
    let often = id(&tenant, "PlacementGroup", "often").await?;
    let rarely = id(&tenant, "PlacementGroup", "rarely").await?;
    rename_by_hand(&tenant, rarely, "x").await?;
    for round in 0..3 {
        rename_by_hand(&tenant, often, &format!("y-{round}")).await?;
        eventually("the name is changed back", SOON, || async {
            let name = name_in_cloud(&tenant, often)?;
            ensure!(name == "often", "{name}");
            Ok(())
        })
        .await?;
    }
    ensure!(name_in_cloud(&tenant, rarely)? == "x");
    Ok(())
}

async fn empty_fields_are_filled_where_the_policies_allow_it(world: &World) -> Result<()> {
    let tenant = world.tenant("life-late").await?;
    tenant
        .apply(&tenant.network("net", json!({"ipRange": "10.0.0.0/16"})))
        .await?;
    let subnet = json!({
        "networkIdRef": {"name": "net"},
        "ipRange": "10.0.1.0/24",
        "location": "fsn1",
    });
    tenant
        .apply(&tenant.managed("Subnet", "subnet", subnet))
        .await?;
    let policies = [
        ("filled", json!(["*"])),
        (
            "as-written",
            json!(["Observe", "Create", "Update", "Delete"]),
        ),
    ];
    for (name, policies) in policies {
        tenant
            .apply(&tenant.managed("Server", name, server()))
            .await?;
        let spec = json!({"serverIdRef": {"name": name}, "subnetIdRef": {"name": "subnet"}});
        let mut attachment = tenant.managed("ServerNetwork", name, spec);
        attachment["spec"]["managementPolicies"] = policies;
        tenant.apply(&attachment).await?;
    }
    let filled = tenant.ready("ServerNetwork", "filled").await?;
    let ip = &filled.data["spec"]["forProvider"]["ip"];
    ensure!(
        ip.is_string() && *ip == filled.data["status"]["atProvider"]["ip"],
        "{ip}"
    );
    let written = tenant.ready("ServerNetwork", "as-written").await?;
    ensure!(written.data["spec"]["forProvider"]["ip"].is_null());
    ensure!(written.data["status"]["atProvider"]["ip"].is_string());
    Ok(())
}

async fn connection_details_are_published_and_nothing_of_others_is_overwritten(
    world: &World,
) -> Result<()> {
    let tenant = world.tenant("life-connection").await?;
    let secrets: Api<Secret> = Api::namespaced(tenant.client(), &tenant.namespace);
    let foreign = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "foreign", "namespace": tenant.namespace},
        "stringData": {"ipv4": "mine"},
    });
    tenant.apply(&foreign).await?;
    let mut object = tenant.managed("Server", "server", server());
    object["spec"]["writeConnectionSecretToRef"] = json!({"name": "foreign"});
    tenant.apply(&object).await?;
    let words = [
        "Secret foreign exists",
        "spec.writeConnectionSecretToRef.name",
    ];
    fails_with(&tenant, "Server", "server", &words).await?;
    let foreign = secrets.get("foreign").await?;
    let data = foreign.data.unwrap_or_default();
    ensure!(data.len() == 1 && data["ipv4"].0 == b"mine");

    let elsewhere = json!({"spec": {"writeConnectionSecretToRef": {"name": "own"}}});
    tenant.patch("Server", "server", elsewhere).await?;
    let server = tenant.ready("Server", "server").await?;
    let own = secrets.get("own").await?;
    ensure!(own.type_.as_deref() == Some("connection.crossplane.io/v1alpha1"));
    let owner = own.owner_references().first().context("the owner")?;
    ensure!(owner.controller == Some(true) && Some(&owner.uid) == server.metadata.uid.as_ref());
    let data = own.data.unwrap_or_default();
    let ipv4 = String::from_utf8(data["ipv4"].0.clone())?;
    ensure!(
        server.data["status"]["atProvider"]["publicIpv4"] == ipv4,
        "{ipv4}"
    );

    secrets.delete("own", &DeleteParams::default()).await?;
    eventually("the Secret is made again", SOON, || async {
        let own = secrets.get("own").await?;
        let data = own.data.unwrap_or_default();
        ensure!(
            data.get("ipv4")
                .is_some_and(|value| value.0 == ipv4.as_bytes())
        );
        Ok(())
    })
    .await?;

    tenant.delete("Server", "server").await?;
    tenant.gone("Server", "server").await?;
    eventually("the Secret goes with the server", SOON, || async {
        ensure!(secrets.get_opt("own").await?.is_none());
        Ok(())
    })
    .await?;
    secrets.delete("foreign", &DeleteParams::default()).await?;
    Ok(())
}

async fn a_namespace_takes_what_it_has_in_the_cloud_with_it(world: &World) -> Result<()> {
    let tenant = world.tenant("life-namespace").await?;
    tenant
        .apply(&tenant.network("net", json!({"ipRange": "10.0.0.0/16"})))
        .await?;
    let subnet = json!({
        "networkIdRef": {"name": "net"},
        "ipRange": "10.0.1.0/24",
        "location": "fsn1",
    });
    let objects = [
        tenant.managed("Subnet", "subnet", subnet),
        tenant.managed("Volume", "data", json!({"size": 10, "location": "fsn1"})),
    ];
    for object in &objects {
        tenant.apply(object).await?;
    }
    for (kind, name) in [("Subnet", "subnet"), ("Volume", "data")] {
        tenant.ready(kind, name).await?;
    }
    let deletion = tenant
        .simulator
        .faults()
        .inject(Fault::on(Method::DELETE, "/volumes/*").hold_before());
    let namespaces = Api::<Namespace>::all(tenant.client());
    namespaces
        .delete(&tenant.namespace, &DeleteParams::default())
        .await?;
    tokio::time::timeout(SOON, deletion.reached(1)).await?;
    // Then there are neither usages nor credentials, and none can be created.
    let secrets = Api::<Secret>::namespaced(tenant.client(), &tenant.namespace);
    eventually("all else in the namespace is gone", SOON, || async {
        ensure!(secrets.get_opt("hcloud").await?.is_none(), "the Secret");
        let usages = tenant.list("ProviderConfigUsage").await?;
        ensure!(usages.is_empty(), "{} usages", usages.len());
        let configs = tenant.list("ProviderConfig").await?;
        ensure!(configs.is_empty(), "the configuration");
        Ok(())
    })
    .await?;
    deletion.abort();
    eventually("the cloud is empty", SOON, || async {
        let left = left(&tenant)?;
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })
    .await?;
    eventually("the namespace is gone", SOON, || async {
        let namespace = namespaces.get_opt(&tenant.namespace).await?;
        ensure!(namespace.is_none(), "{:?}", namespace.map(|n| n.status));
        Ok(())
    })
    .await
}
