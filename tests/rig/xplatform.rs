//! Installing XPlatform on a rig, the way a user does.

use std::time::Duration;

use ::package::{Built, Kind, PUBLIC_REGISTRY, Registry};
use anyhow::{Context, Result};

use crate::package::PackageKind;
use crate::rig::Rig;

/// The configuration with claims.
pub const CLAIMS: &str = "configuration-xplatform";
/// The configuration for those who use no claims. It takes the place of the other.
pub const NAMESPACED: &str = "configuration-xplatform-v2";

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

    /// Installs a configuration, [`CLAIMS`] or [`NAMESPACED`], and waits until it and its dependencies, the function and the
    /// provider, are healthy.
    ///
    /// # Errors
    ///
    /// When it was not built, or one of them does not become healthy.
    pub async fn install_xplatform(&self, built: &Built, configuration: &str) -> Result<()> {
        let wanted = built
            .packages()
            .iter()
            .find(|package| package.package.name == configuration)
            .with_context(|| format!("{configuration} was not built"))?;
        self.install(
            PackageKind::Configuration,
            &wanted.package.installed_name(),
            &format!("{}:{}", wanted.package.repository(), wanted.tag),
        )
        .await?;
        for package in built.packages() {
            let kind = match package.package.kind {
                Kind::Configuration if package.package != wanted.package => continue,
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
