//! What all cases share: an API server with the provider's kinds, and the provider's binary.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::DynamicObject;
use kube::core::{ApiResource, GroupVersionKind};
use rig::wait::eventually;
use rig::{Options, Rig};
use tempfile::TempDir;

use super::row::ROWS;
use crate::cli::yaml_files;
use crate::images::{named, unpack};
use crate::world::{SOON, World};

const CRDS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../package/provider-hcloud/crds"
);
pub(super) const GROUP: &str = "hcloud.openova.io";
pub(super) const VERSION: &str = "v1alpha1";
/// The kinds of the provider that are no managed resources.
pub(super) const CONFIGURATION: [&str; 3] = [
    "ProviderConfig",
    "ClusterProviderConfig",
    "ProviderConfigUsage",
];

pub(super) struct Lab {
    pub(super) rig: Rig,
    pub(super) binary: PathBuf,
    kinds: BTreeMap<String, ApiResource>,
    /// Logs and kubeconfigs of the tenants.
    pub(super) dir: TempDir,
}

impl Lab {
    pub(super) async fn start(world: &World) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let binary = match std::env::var_os("XPLATFORM_PROVIDER") {
            Some(path) => PathBuf::from(path),
            None => {
                let image = dir.path().join("image");
                std::fs::create_dir(&image)?;
                unpack(named(world.built().await?, "provider-hcloud")?, &image)?;
                image.join("provider-hcloud")
            }
        };
        let rig = Rig::start(Options {
            crossplane: false,
            ..Options::default()
        })
        .await?;
        let mut lab = Self {
            rig,
            binary,
            kinds: BTreeMap::new(),
            dir,
        };
        lab.install().await?;
        Ok(lab)
    }

    async fn install(&mut self) -> Result<()> {
        let api: Api<CustomResourceDefinition> = Api::all(self.rig.client());
        for file in yaml_files(Path::new(CRDS))? {
            for applied in self.rig.apply(&std::fs::read_to_string(&file)?).await? {
                let crd: CustomResourceDefinition = applied.try_parse()?;
                let names = crd.spec.names;
                let kind = GroupVersionKind::gvk(&crd.spec.group, VERSION, &names.kind);
                let resource = ApiResource::from_gvk_with_plural(&kind, &names.plural);
                self.kinds.insert(names.kind, resource);
                let name = crd.metadata.name.context("a CRD has no name")?;
                eventually(&format!("{name} is served"), SOON, || async {
                    let crd = api.get(&name).await?;
                    let conditions = crd.status.and_then(|status| status.conditions);
                    let served = conditions.iter().flatten().any(|condition| {
                        condition.type_ == "Established" && condition.status == "True"
                    });
                    ensure!(served, "not established");
                    Ok(())
                })
                .await?;
            }
        }
        Ok(())
    }

    pub(super) fn resource(&self, kind: &str) -> Result<&ApiResource> {
        let resource = self.kinds.get(kind);
        resource.with_context(|| format!("the package has no CRD of kind {kind}"))
    }

    pub(super) fn api(&self, kind: &str, namespace: &str) -> Result<Api<DynamicObject>> {
        let resource = self.resource(kind)?;
        Ok(Api::namespaced_with(self.rig.client(), namespace, resource))
    }

    /// A new kind cannot be forgotten.
    pub(super) fn check_that_every_kind_has_a_row(&self) -> Result<()> {
        for kind in self.kinds.keys() {
            let known = ROWS.iter().any(|row| row.kind == kind);
            ensure!(
                known || CONFIGURATION.contains(&kind.as_str()),
                "kind {kind} has no row in tests/integration/enumeration/row.rs"
            );
        }
        Ok(())
    }
}
