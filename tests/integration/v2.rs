//! The configuration without claims: an `XPlatform` is an object of a namespace, and people write it themselves.
//!
//! The control plane is one of its own: both configurations define the same kinds.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Error, ResourceExt};
use rig::wait::eventually;
use rig::xplatform::NAMESPACED;
use rig::{Options, Rig};
use serde_json::{Value, json};

use crate::cli::yaml_files;
use crate::landscape::left;
use crate::platform::accepted;
use crate::tests;
use crate::world::{SOON, Tenant, World, begin, install};

tests!(a_platform_without_a_claim_is_made_changed_and_taken_down);

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/v2");

async fn a_platform_without_a_claim_is_made_changed_and_taken_down(world: &World) -> Result<()> {
    let built = world.built().await?;
    let rig = Rig::start(Options::default()).await?;
    let result = async {
        install(&rig, built, NAMESPACED).await?;
        begin(&rig, "XPlatform").await?;
        for file in yaml_files(Path::new(EXAMPLES))? {
            accepted(&rig, &file).await?;
        }
        let tenant = Tenant::create(&rig, "team").await?;
        let stage = Stage { tenant: &tenant };
        Box::pin(stage.play()).await
    };
    let result = result.await.map_err(|error| error.context(rig.report()));
    rig.stop().await;
    result
}

struct Stage<'a> {
    tenant: &'a Tenant<'a>,
}

impl Stage<'_> {
    async fn play(&self) -> Result<()> {
        let tenant = self.tenant;
        let (two, three) = (
            regions(&["fsn1", "hel1"]),
            regions(&["fsn1", "hel1", "nbg1"]),
        );
        self.apply(&two).await?;
        let platform = tenant.ready("XPlatform", "demo").await?;
        ensure!(
            platform.namespace().as_deref() == Some(tenant.namespace.as_str()),
            "{:?}",
            platform.metadata
        );
        self.is_told(&platform.data["status"], &["10.0.0.0/16", "10.1.0.0/16"])?;
        for condition in ["Valid", "InfrastructureReady", "ChangesApplied"] {
            tenant
                .condition("XPlatform", "demo", condition, "True")
                .await?;
        }

        self.is_protected().await?;

        self.apply(&three).await?;
        tenant
            .cloud_ranges(&["10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16"])
            .await?;
        let platform = eventually("the third region is ready", SOON, || async {
            let platform = tenant.ready("XPlatform", "demo").await?;
            ensure!(rows(&platform.data["status"])?.len() == 3);
            Ok(platform)
        })
        .await?;
        self.is_told(
            &platform.data["status"],
            &["10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16"],
        )?;

        self.leaves_nothing().await
    }

    async fn apply(&self, regions: &[Value]) -> Result<()> {
        let mut platform = self.tenant.platform("demo", json!(regions));
        platform["kind"] = json!("XPlatform");
        self.tenant.apply(&platform).await
    }

    fn is_told(&self, status: &Value, ranges: &[&str]) -> Result<()> {
        let rows = rows(status)?;
        ensure!(rows.len() == ranges.len(), "{rows:?}");
        for (row, range) in rows.iter().zip(ranges) {
            ensure!(row["ready"] == true, "{row}");
            ensure!(row["network"]["cidr"] == *range, "{row}");
            ensure!(row["network"]["id"].is_string(), "{row}");
        }
        let cloud = self.tenant.cloud();
        let found: Vec<_> = cloud.iter().map(|(_, range)| range.as_str()).collect();
        ensure!(found == ranges, "{cloud:?}");
        Ok(())
    }

    async fn is_protected(&self) -> Result<()> {
        let tenant = self.tenant;
        let usage = tenant.get("Usage", "demo-protection").await?;
        ensure!(
            usage.data["spec"]["of"]["kind"] == "XPlatform",
            "{}",
            usage.data["spec"]
        );
        let platforms = tenant.api("XPlatform").await?;
        match platforms.delete("demo", &DeleteParams::default()).await {
            Err(Error::Api(refused)) => ensure!(
                refused.message.contains(
                    "the platform is protected: set spec.operations.deletion.protect to false first"
                ),
                "{}",
                refused.message
            ),
            other => bail!("the platform was deleted: {other:?}"),
        }
        let platform = tenant.get("XPlatform", "demo").await?;
        ensure!(platform.metadata.deletion_timestamp.is_none());
        Ok(())
    }

    async fn leaves_nothing(&self) -> Result<()> {
        let tenant = self.tenant;
        let unprotect = json!({"spec": {"operations": {"deletion": {"protect": false}}}});
        tenant.patch("XPlatform", "demo", unprotect).await?;
        tenant.gone("Usage", "demo-protection").await?;
        // As `kubectl delete` does it.
        let platforms = tenant.api("XPlatform").await?;
        platforms.delete("demo", &DeleteParams::default()).await?;
        tenant.gone("XPlatform", "demo").await?;
        tenant.cloud_ranges(&[]).await?;
        let left = left(tenant)?;
        ensure!(left.is_empty(), "{left:?}");
        for kind in ["XRegion", "Network", "Usage"] {
            eventually(&format!("no {kind} is left"), SOON, || async {
                let left: Vec<_> = tenant.list(kind).await?;
                let left: Vec<_> = left.iter().map(ResourceExt::name_any).collect();
                ensure!(left.is_empty(), "{left:?}");
                Ok(())
            })
            .await?;
        }
        let secrets: Api<Secret> = Api::namespaced(tenant.client(), &tenant.namespace);
        let secrets = secrets.list(&ListParams::default()).await?;
        let secrets: Vec<_> = secrets.iter().map(ResourceExt::name_any).collect();
        ensure!(secrets == ["hcloud"], "only the token: {secrets:?}");
        Ok(())
    }
}

/// A region in each of these locations, named after it.
fn regions(locations: &[&str]) -> Vec<Value> {
    locations
        .iter()
        .map(|location| json!({"name": location, "location": location}))
        .collect()
}

fn rows(status: &Value) -> Result<&Vec<Value>> {
    status["regions"].as_array().context("the rows of regions")
}
