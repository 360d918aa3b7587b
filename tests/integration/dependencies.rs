//! What a managed resource needs that is not there: references that lead nowhere, Secrets, a token.

use anyhow::{Result, ensure};
use hcloud_simulator::{Access, DEFAULT_TOKEN};
use http::Method;
use k8s_openapi::api::core::v1::Secret;
use kube::api::DeleteParams;
use kube::{Api, ResourceExt};
use rig::wait::eventually;
use serde_json::{Value, json};

use crate::input::{fails_with, server};
use crate::tests;
use crate::world::{SOON, Tenant, World, find_condition};

tests!(
    references_are_waited_for,
    a_selector_that_fits_two_chooses_none,
    a_deleted_secret_stops_its_users_until_it_is_back,
    user_data_that_cannot_be_had_or_is_too_long_is_waited_for,
    a_revoked_token_is_reported_and_heals_when_it_is_granted_again,
);

const RANGE: &str = "10.0.0.0/16";

async fn references_are_waited_for(world: &World) -> Result<()> {
    let tenant = world.tenant("input-references").await?;
    let subnet = json!({
        "networkIdRef": {"name": "net"},
        "ipRange": "10.0.1.0/24",
        "location": "fsn1",
    });
    tenant
        .apply(&tenant.managed("Subnet", "waiting", subnet))
        .await?;
    let words = [
        "spec.forProvider.networkId",
        "Network net does not exist in this namespace",
    ];
    fails_with(&tenant, "Subnet", "waiting", &words).await?;

    let mut network = tenant.network("net", json!({"ipRange": RANGE}));
    network["metadata"]["annotations"] = json!({"crossplane.io/paused": "true"});
    tenant.apply(&network).await?;
    eventually("the network is there but has no id", SOON, || async {
        let words = ["Network net has no external name yet"];
        fails_with(&tenant, "Subnet", "waiting", &words).await
    })
    .await?;
    ensure!(tenant.simulator.log().mutations().is_empty());

    let go_on = json!({"metadata": {"annotations": {"crossplane.io/paused": null}}});
    tenant.patch("Network", "net", go_on).await?;
    let subnet = tenant.ready("Subnet", "waiting").await?;
    let network = tenant.get("Network", "net").await?;
    let id = &network.annotations()["crossplane.io/external-name"];
    ensure!(subnet.annotations()["crossplane.io/external-name"] == format!("{id}-10.0.1.0/24"));
    // What was resolved is not written into the spec.
    ensure!(subnet.data["spec"]["forProvider"]["networkId"].is_null());
    Ok(())
}

async fn a_selector_that_fits_two_chooses_none(world: &World) -> Result<()> {
    let tenant = world.tenant("input-selector").await?;
    for (name, range) in [("one", "10.1.0.0/16"), ("two", "10.2.0.0/16")] {
        let mut network = tenant.network(name, json!({"ipRange": range}));
        network["metadata"]["labels"] = json!({"role": "main"});
        tenant.apply(&network).await?;
        tenant.ready("Network", name).await?;
    }
    let route = json!({
        "networkIdSelector": {"matchLabels": {"role": "main"}},
        "destination": "10.8.0.0/16",
        "gateway": "10.1.0.2",
    });
    tenant
        .apply(&tenant.managed("Route", "chosen", route))
        .await?;
    let words = [
        "spec.forProvider.networkId",
        "several of kind Network (one, two)",
    ];
    fails_with(&tenant, "Route", "chosen", &words).await?;

    let other = json!({"metadata": {"labels": {"role": "other"}}});
    tenant.patch("Network", "two", other.clone()).await?;
    let route = tenant.ready("Route", "chosen").await?;
    let network = tenant.get("Network", "one").await?;
    let id = &network.data["status"]["atProvider"]["id"];
    ensure!(route.data["status"]["atProvider"]["networkId"] == *id);

    // Nothing fits any more: what exists stays, and this is said.
    tenant.patch("Network", "one", other).await?;
    let words = ["no Network in this namespace matches the selector"];
    fails_with(&tenant, "Route", "chosen", &words).await?;
    ensure!(
        tenant
            .simulator
            .log()
            .of(&Method::POST, "/networks/*/actions/delete_route")
            .is_empty()
    );
    Ok(())
}

async fn a_deleted_secret_stops_its_users_until_it_is_back(world: &World) -> Result<()> {
    let tenant = world.tenant("input-secret").await?;
    let group = tenant.managed("PlacementGroup", "group", json!({"type": "spread"}));
    tenant.apply(&group).await?;
    tenant.ready("PlacementGroup", "group").await?;
    let secrets: Api<Secret> = Api::namespaced(tenant.client(), &tenant.namespace);
    secrets.delete("hcloud", &DeleteParams::default()).await?;
    let words = [
        "Secret input-secret/hcloud",
        "ProviderConfig/default",
        "it does not exist",
    ];
    fails_with(&tenant, "PlacementGroup", "group", &words).await?;

    tenant.set_token(DEFAULT_TOKEN).await?;
    tenant.ready("PlacementGroup", "group").await?;
    ensure!(
        tenant
            .simulator
            .log()
            .of(&Method::POST, "/placement_groups")
            .len()
            == 1
    );
    Ok(())
}

async fn a_revoked_token_is_reported_and_heals_when_it_is_granted_again(
    world: &World,
) -> Result<()> {
    let tenant = world.tenant("input-token").await?;
    let group = tenant.managed("PlacementGroup", "group", json!({"type": "spread"}));
    tenant.apply(&group).await?;
    tenant.ready("PlacementGroup", "group").await?;
    tenant.simulator.world().revoke_token(DEFAULT_TOKEN);
    tenant
        .request_reconcile("PlacementGroup", "group", "1")
        .await?;
    let words = ["unauthorized", "unable to authenticate"];
    fails_with(&tenant, "PlacementGroup", "group", &words).await?;
    let group = tenant.get("PlacementGroup", "group").await?;
    ensure!(
        !group.data.to_string().contains(DEFAULT_TOKEN),
        "the token must not show"
    );

    tenant
        .simulator
        .world()
        .add_token("default", DEFAULT_TOKEN, Access::ReadWrite);
    tenant.ready("PlacementGroup", "group").await?;
    Ok(())
}

fn user_data(tenant: &Tenant<'_>, text: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "user-data", "namespace": tenant.namespace},
        "stringData": {"text": text},
    })
}

async fn user_data_that_cannot_be_had_or_is_too_long_is_waited_for(world: &World) -> Result<()> {
    let tenant = world.tenant("input-user-data").await?;
    let secrets: Api<Secret> = Api::namespaced(tenant.client(), &tenant.namespace);
    let mut spec = server();
    spec["userDataSecretRef"] = json!({"name": "user-data", "key": "text"});
    tenant
        .apply(&tenant.managed("Server", "server", spec))
        .await?;
    let missing = [
        "spec.forProvider.userDataSecretRef: Secret user-data has no value for key text",
        "create it in this namespace",
    ];
    fails_with(&tenant, "Server", "server", &missing).await?;

    tenant
        .apply(&user_data(&tenant, &"x".repeat(32 * 1024 + 1)))
        .await?;
    let too_long = [
        "userDataSecretRef: the user data has 32769 bytes",
        "32768 at most",
    ];
    eventually("the length is reported", SOON, || {
        fails_with(&tenant, "Server", "server", &too_long)
    })
    .await?;
    secrets
        .delete("user-data", &DeleteParams::default())
        .await?;
    eventually("the loss is reported", SOON, || {
        fails_with(&tenant, "Server", "server", &missing)
    })
    .await?;
    ensure!(tenant.simulator.log().mutations().is_empty());

    tenant
        .apply(&user_data(&tenant, &"x".repeat(32 * 1024)))
        .await?;
    tenant.ready("Server", "server").await?;

    // Another text is for the next server: this one stays as it is, and it is said.
    tenant.apply(&user_data(&tenant, "another")).await?;
    eventually("the change is reported", SOON, || async {
        let server = tenant.ready("Server", "server").await?;
        let synced = find_condition(&server, "Synced")?;
        let message = synced["message"].as_str().unwrap_or_default();
        ensure!(message.contains("userData: desired "), "{synced}");
        ensure!(message.contains("crossplane.io/replace"), "{synced}");
        Ok(())
    })
    .await?;

    // The server has got what it needs.
    secrets
        .delete("user-data", &DeleteParams::default())
        .await?;
    tenant.request_reconcile("Server", "server", "1").await?;
    eventually("the server is well without the Secret", SOON, || async {
        let server = tenant.ready("Server", "server").await?;
        ensure!(server.data["status"]["lastHandledReconcileAt"] == "1");
        Ok(())
    })
    .await?;
    ensure!(tenant.simulator.log().of(&Method::POST, "/servers").len() == 1);
    Ok(())
}
