//! What a user does with a claim, on the real control plane.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use hcloud_simulator::DEFAULT_TOKEN;
use http::Method;
use k8s_openapi::api::core::v1::Event;
use kube::api::{DeleteParams, Patch, PatchParams, ValidationDirective};
use kube::{Error, ResourceExt};
use rig::Rig;
use rig::apply::{api_of, documents};
use rig::wait::eventually;
use serde_json::json;

use crate::cli::yaml_files;
use crate::tests;
use crate::world::{SOON, Tenant, World};

tests!(
    a_claim_becomes_ready_and_then_nothing_is_written_any_more,
    a_malformed_range_is_refused_by_the_api_server_with_its_path,
    overlapping_networks_are_reported_on_the_claim_and_nothing_is_created,
    a_protected_claim_cannot_be_deleted_and_an_unprotected_one_leaves_nothing,
    two_platforms_do_not_touch_each_other,
    a_removed_region_waits_for_its_approval,
    a_network_grows_in_place,
    many_platforms_at_once_become_ready,
    every_example_is_accepted_by_the_api_server,
);

async fn a_claim_becomes_ready_and_then_nothing_is_written_any_more(world: &World) -> Result<()> {
    let tenant = world.tenant("ready").await?;
    let regions = json!([{"name": "fsn", "location": "fsn1"}, {"name": "hel", "location": "hel1"}]);
    tenant.apply(&tenant.platform("demo", regions)).await?;
    let claim = tenant.ready("Platform", "demo").await?;

    let rows = claim.data["status"]["regions"].as_array().context("rows")?;
    ensure!(rows.len() == 2, "{rows:?}");
    for (row, (name, cidr)) in rows
        .iter()
        .zip([("fsn", "10.0.0.0/16"), ("hel", "10.1.0.0/16")])
    {
        ensure!(row["name"] == name && row["ready"] == true, "{row}");
        ensure!(row["network"]["cidr"] == cidr, "{row}");
        ensure!(row["network"]["id"].is_string(), "{row}");
    }
    for condition in ["Valid", "InfrastructureReady", "ChangesApplied"] {
        tenant
            .condition("Platform", "demo", condition, "True")
            .await?;
    }
    let cloud = tenant.cloud();
    let ranges: Vec<_> = cloud.iter().map(|(_, range)| range.as_str()).collect();
    ensure!(ranges == ["10.0.0.0/16", "10.1.0.0/16"], "{cloud:?}");

    // Settled: asking for another look changes nothing, neither here nor in the cloud.
    tenant.simulator.log().clear();
    let network = tenant.ready("Network", "demo-fsn").await?;
    tenant
        .request_reconcile("Network", "demo-fsn", "look again")
        .await?;
    eventually("the request is acted on", SOON, || async {
        let network = tenant.get("Network", "demo-fsn").await?;
        let handled = &network.data["status"]["lastHandledReconcileAt"];
        ensure!(handled == "look again", "{handled}");
        Ok(())
    })
    .await?;
    ensure!(
        tenant.simulator.log().mutations().is_empty(),
        "{:?}",
        tenant.simulator.log().mutations()
    );
    let again = tenant.ready("Network", "demo-fsn").await?;
    ensure!(again.data["status"]["conditions"] == network.data["status"]["conditions"]);
    Ok(())
}

async fn a_malformed_range_is_refused_by_the_api_server_with_its_path(world: &World) -> Result<()> {
    let tenant = world.tenant("malformed").await?;
    for cidr in ["10.0.0.0/40", "10.0.0.1/16", "fd00::/64", "ten"] {
        let regions = json!([{"name": "a", "location": "fsn1", "network": {"cidr": cidr}}]);
        let Err(error) = tenant.apply(&tenant.platform("demo", regions)).await else {
            bail!("{cidr} was accepted");
        };
        let message = format!("{error:#}");
        ensure!(
            message.contains("spec.regions[0].network.cidr"),
            "{cidr}: {message}"
        );
    }
    ensure!(tenant.list("Platform").await?.is_empty());
    Ok(())
}

async fn overlapping_networks_are_reported_on_the_claim_and_nothing_is_created(
    world: &World,
) -> Result<()> {
    let tenant = world.tenant("overlap").await?;
    let regions = |second: &str| {
        json!([
            {"name": "a", "location": "fsn1", "network": {"cidr": "10.0.0.0/16"}},
            {"name": "b", "location": "nbg1", "network": {"cidr": second}},
        ])
    };
    tenant
        .apply(&tenant.platform("demo", regions("10.0.0.0/8")))
        .await?;
    let (reason, message) = tenant
        .condition("Platform", "demo", "Valid", "False")
        .await?;
    ensure!(reason == "InvalidSpec", "{reason}");
    for path in [
        "spec.regions[0].network.cidr",
        "spec.regions[1].network.cidr",
    ] {
        ensure!(message.contains(path), "{message}");
    }
    let warnings = || async {
        let events = tenant.events("Platform", "demo").await?;
        let warnings: Vec<_> = events
            .into_iter()
            .filter(|event| event.reason.as_deref() == Some("InvalidSpec"))
            .collect();
        ensure!(!warnings.is_empty(), "no event yet");
        Ok(warnings)
    };
    let first = eventually("the claim has an event", SOON, warnings).await?;
    let text = first[0].message.clone().unwrap_or_default();
    ensure!(
        text.contains("spec.regions[0].network.cidr")
            && text.contains("spec.regions[1].network.cidr"),
        "{text}"
    );

    // Core tries again and again. Once the condition is known the event is not repeated, however often core asks; calls before
    // core has seen its own status count into the one event, and core writes events in the background.
    let platform = tenant.get("Platform", "demo").await?;
    let composite = platform.data["spec"]["resourceRef"]["name"]
        .as_str()
        .context("bound")?
        .to_owned();
    let try_again = async |token: &'static str| {
        tenant
            .request_reconcile("XPlatform", &composite, token)
            .await?;
        eventually("core has tried again", SOON, || async {
            let composite = tenant.get("XPlatform", &composite).await?;
            let handled = &composite.data["status"]["lastHandledReconcileAt"];
            ensure!(handled == token, "{handled}");
            Ok(())
        })
        .await?;
        warnings().await
    };
    let count = |events: &[Event]| events.iter().filter_map(|event| event.count).sum::<i32>();
    let before = count(&try_again("first").await?);
    const MORE: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let mut known = Vec::new();
    for token in MORE {
        known = try_again(token).await?;
    }
    ensure!(
        known.len() == 1 && count(&known) < before + MORE.len() as i32 / 2,
        "repeated: {known:?}, {before} before"
    );

    ensure!(tenant.list("XRegion").await?.is_empty());
    ensure!(tenant.list("Network").await?.is_empty());
    ensure!(tenant.list("Usage").await?.is_empty());
    ensure!(tenant.cloud().is_empty());

    tenant
        .apply(&tenant.platform("demo", regions("10.1.0.0/16")))
        .await?;
    tenant.ready("Platform", "demo").await?;
    tenant
        .condition("Platform", "demo", "Valid", "True")
        .await?;
    Ok(())
}

async fn a_protected_claim_cannot_be_deleted_and_an_unprotected_one_leaves_nothing(
    world: &World,
) -> Result<()> {
    let tenant = world.tenant("protected").await?;
    tenant
        .apply(&tenant.platform("demo", json!([{"name": "a", "location": "fsn1"}])))
        .await?;
    tenant.ready("Platform", "demo").await?;

    let platforms = tenant.api("Platform").await?;
    match platforms.delete("demo", &DeleteParams::default()).await {
        Err(Error::Api(refused)) => {
            ensure!(
                refused.message.contains("the platform is protected"),
                "{}",
                refused.message
            );
            ensure!(
                refused.message.contains("spec.operations.deletion.protect"),
                "{}",
                refused.message
            );
        }
        other => bail!("the claim was deleted: {other:?}"),
    }
    ensure!(
        tenant
            .get("Platform", "demo")
            .await?
            .metadata
            .deletion_timestamp
            .is_none()
    );
    ensure!(tenant.cloud().len() == 1);

    let unprotect = json!({"spec": {"operations": {"deletion": {"protect": false}}}});
    tenant.patch("Platform", "demo", unprotect).await?;
    tenant.gone("Usage", "demo-protection").await?;
    tenant.delete("Platform", "demo").await?;
    tenant.gone("Platform", "demo").await?;
    tenant.cloud_ranges(&[]).await?;
    for kind in ["XPlatform", "XRegion", "Network", "Usage"] {
        eventually(&format!("no {kind} is left"), SOON, || async {
            let left: Vec<_> = tenant
                .list(kind)
                .await?
                .into_iter()
                .filter(|object| {
                    object
                        .labels()
                        .get("crossplane.io/claim-namespace")
                        .is_none_or(|of| *of == tenant.namespace)
                })
                .map(|object| object.name_any())
                .collect();
            ensure!(left.is_empty(), "{left:?}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

async fn two_platforms_do_not_touch_each_other(world: &World) -> Result<()> {
    // One cloud project for three platforms: two in one namespace, one of the same name in another.
    let tenant = world.tenant("neighbours").await?;
    let other = world.tenant("neighbours-elsewhere").await?;
    let shared = json!({"spec": {"endpoint": tenant.simulator.url()}});
    other.patch("ProviderConfig", "default", shared).await?;

    tenant
        .apply(&tenant.platform("a", json!([{"name": "b-c", "location": "fsn1"}])))
        .await?;
    tenant
        .apply(&tenant.platform("a-b", json!([{"name": "c", "location": "fsn1"}])))
        .await?;
    other
        .apply(&other.platform("a", json!([{"name": "b-c", "location": "fsn1"}])))
        .await?;
    tenant.ready("Platform", "a").await?;
    tenant.ready("Platform", "a-b").await?;
    other.ready("Platform", "a").await?;
    ensure!(tenant.cloud().len() == 3, "{:?}", tenant.cloud());
    let (own, own_id) = network_of(&tenant, "a").await?;
    let neighbours = [
        network_of(&tenant, "a-b").await?.1,
        network_of(&other, "a").await?.1,
    ];
    ensure!(
        !neighbours.contains(&own_id),
        "three networks: {own_id}, {neighbours:?}"
    );

    tenant
        .patch(
            "Platform",
            "a",
            json!({"spec": {"operations": {"deletion": {"protect": false}}}}),
        )
        .await?;
    tenant.gone("Usage", "a-protection").await?;
    tenant.delete("Platform", "a").await?;
    tenant.gone("Platform", "a").await?;
    // Core may compose a part once more while it goes, but what remains in the end are the neighbours, untouched.
    eventually("only the neighbours are left", SOON, || async {
        let cloud = tenant.cloud();
        ensure!(
            cloud.len() == 2 && !cloud.iter().any(|(name, _)| *name == own),
            "{cloud:?}"
        );
        Ok(())
    })
    .await?;
    tenant.ready("Platform", "a-b").await?;
    other.ready("Platform", "a").await?;
    let touched: Vec<_> = tenant
        .simulator
        .log()
        .mutations()
        .into_iter()
        .filter(|entry| neighbours.iter().any(|id| entry.path.ends_with(id)))
        .collect();
    ensure!(touched.is_empty(), "{touched:?}");
    Ok(())
}

async fn a_removed_region_waits_for_its_approval(world: &World) -> Result<()> {
    let tenant = world.tenant("removal").await?;
    let both = json!([{"name": "a", "location": "fsn1"}, {"name": "b", "location": "nbg1"}]);
    let one = json!([{"name": "a", "location": "fsn1"}]);
    tenant.apply(&tenant.platform("demo", both)).await?;
    tenant.ready("Platform", "demo").await?;

    tenant.apply(&tenant.platform("demo", one)).await?;
    let (reason, message) = tenant
        .condition("Platform", "demo", "ChangesApplied", "False")
        .await?;
    ensure!(reason == "ApprovalRequired", "{reason}");
    let claim = tenant.get("Platform", "demo").await?;
    let step = &claim.data["status"]["plan"][0];
    ensure!(
        step["kind"] == "XRegion" && step["name"] == "demo-b",
        "{step}"
    );
    let hash = step["hash"].as_str().context("hash")?;
    ensure!(message.contains(hash), "{message}");
    ensure!(tenant.cloud().len() == 2, "nothing is removed yet");

    tenant
        .patch(
            "Platform",
            "demo",
            json!({"spec": {"operations": {"approve": [hash]}}}),
        )
        .await?;
    tenant.cloud_ranges(&["10.0.0.0/16"]).await?;
    tenant.gone("XRegion", "demo-b").await?;
    tenant
        .condition("Platform", "demo", "ChangesApplied", "True")
        .await?;
    tenant.ready("Platform", "demo").await?;
    Ok(())
}

async fn a_network_grows_in_place(world: &World) -> Result<()> {
    let tenant = world.tenant("growing").await?;
    let regions =
        |cidr: &str| json!([{"name": "a", "location": "fsn1", "network": {"cidr": cidr}}]);
    tenant
        .apply(&tenant.platform("demo", regions("10.0.0.0/16")))
        .await?;
    let before = tenant.ready("Platform", "demo").await?;
    tenant
        .apply(&tenant.platform("demo", regions("10.0.0.0/15")))
        .await?;
    tenant.cloud_ranges(&["10.0.0.0/15"]).await?;
    let after = tenant.ready("Platform", "demo").await?;
    let id = |object: &kube::api::DynamicObject| {
        object.data["status"]["regions"][0]["network"]["id"].clone()
    };
    ensure!(id(&before) == id(&after), "the same network");

    tenant
        .apply(&tenant.platform("demo", regions("10.0.0.0/16")))
        .await?;
    let (_, message) = tenant
        .condition("Platform", "demo", "Valid", "False")
        .await?;
    ensure!(message.contains("can only grow"), "{message}");
    ensure!(tenant.cloud()[0].1 == "10.0.0.0/15");
    let project = tenant
        .simulator
        .world()
        .project(DEFAULT_TOKEN)
        .map(|project| project.networks().len());
    ensure!(project == Some(1));
    Ok(())
}

async fn many_platforms_at_once_become_ready(world: &World) -> Result<()> {
    const PLATFORMS: usize = 20;
    let tenant = world.tenant("many").await?;
    let names: Vec<_> = (0..PLATFORMS).map(|index| format!("p{index}")).collect();
    for name in &names {
        let regions = json!([{"name": "a", "location": "fsn1"}, {"name": "b", "location": "nbg1"}]);
        tenant.apply(&tenant.platform(name, regions)).await?;
    }
    for name in &names {
        tenant.ready("Platform", name).await?;
    }
    ensure!(tenant.cloud().len() == 2 * PLATFORMS);
    let creates = tenant.simulator.log().of(&Method::POST, "/networks");
    ensure!(creates.len() == 2 * PLATFORMS, "{creates:?}");
    Ok(())
}

async fn every_example_is_accepted_by_the_api_server(world: &World) -> Result<()> {
    let rig = world.rig().await?;
    let examples = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples"));
    let mut files = yaml_files(examples)?;
    // Those are for the configuration without claims, which has a test of its own.
    files.retain(|file| !file.starts_with(examples.join("v2")));
    ensure!(files.len() >= 7, "{files:?}");
    for file in files {
        accepted(rig, &file).await?;
    }
    Ok(())
}

/// The API server would take every object of a file as it is.
pub(crate) async fn accepted(rig: &Rig, file: &Path) -> Result<()> {
    for object in documents(&std::fs::read_to_string(file)?)? {
        let types = object.types.clone().context("an object without a kind")?;
        let api = api_of(&rig.client(), &types, object.namespace().as_deref()).await?;
        let params = PatchParams {
            dry_run: true,
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::apply("example").force()
        };
        api.patch(&object.name_any(), &params, &Patch::Apply(&object))
            .await
            .with_context(|| file.display().to_string())?;
    }
    Ok(())
}

/// Name and id in the cloud of the network of a platform's first region.
async fn network_of(tenant: &Tenant<'_>, platform: &str) -> Result<(String, String)> {
    let claim = tenant.get("Platform", platform).await?;
    let id = claim.data["status"]["regions"][0]["network"]["id"].as_str();
    let id = id.context("the id of the network")?.to_owned();
    let networks = tenant.list("Network").await?;
    let network = networks
        .iter()
        .find(|network| network.annotations().get("crossplane.io/external-name") == Some(&id));
    let name =
        network.with_context(|| format!("the network {id}"))?.data["status"]["atProvider"]["name"]
            .as_str()
            .context("the name of the network")?
            .to_owned();
    Ok((name, id))
}
