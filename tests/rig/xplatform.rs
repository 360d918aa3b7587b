//! Installing XPlatform on a rig, the way a user does.

use std::time::Duration;

use ::package::{Built, Kind, PUBLIC_REGISTRY, Registry};
use anyhow::{Context, Result};

use crate::package::PackageKind;
use crate::rig::Rig;

/// How long Crossplane may take to install the three packages.
const INSTALLATION: Duration = Duration::from_secs(180);

impl Rig {
    /// Pushes packages to the rig's registry, where Crossplane finds them under their public names.
    ///
    /// # Errors
    ///
    /// When the registry refuses one.
    pub async fn publish(&self, built: &Built) -> Result<()> {
        let (_, path) = PUBLIC_REGISTRY
            .split_once('/')
            .context("the public registry has no path")?;
        let registry = Registry::new(&format!("{}/{path}", self.registry()?))?;
        ::package::push(built, &registry)
            .await
            .context("push the packages")?;
        self.rewrite_images(PUBLIC_REGISTRY).await
    }

    /// Installs the configuration and waits until it and its dependencies, the function and the provider, are healthy.
    ///
    /// # Errors
    ///
    /// When one of them does not become healthy.
    pub async fn install_xplatform(&self, built: &Built) -> Result<()> {
        for package in built.packages() {
            if package.package.kind == Kind::Configuration {
                let definition = package.package;
                let image = format!("{}:{}", definition.repository(), package.tag);
                self.install(
                    PackageKind::Configuration,
                    &definition.installed_name(),
                    &image,
                )
                .await?;
            }
        }
        for package in built.packages() {
            let kind = match package.package.kind {
                Kind::Configuration => PackageKind::Configuration,
                Kind::Function => PackageKind::Function,
                Kind::Provider => PackageKind::Provider,
            };
            self.healthy(kind, &package.package.installed_name(), INSTALLATION)
                .await?;
        }
        Ok(())
    }
}
