//! Installing Crossplane packages.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use kube::api::DynamicObject;
use kube::core::TypeMeta;
use serde_json::{Value, json};

use crate::apply::api_of;
use crate::rig::Rig;
use crate::wait::eventually;

/// What a package contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageKind {
    /// XRDs and Compositions.
    Configuration,
    /// A composition function.
    Function,
    /// Managed resources and their controller.
    Provider,
}

impl PackageKind {
    fn types(self) -> TypeMeta {
        let kind = match self {
            Self::Configuration => "Configuration",
            Self::Function => "Function",
            Self::Provider => "Provider",
        };
        TypeMeta {
            api_version: "pkg.crossplane.io/v1".to_owned(),
            kind: kind.to_owned(),
        }
    }
}

impl Rig {
    /// Creates or updates a package object. `image` may have a name that [`Rig::rewrite_images`] covers.
    ///
    /// # Errors
    ///
    /// When the API server refuses it.
    pub async fn install(&self, kind: PackageKind, name: &str, image: &str) -> Result<()> {
        let types = kind.types();
        let package = json!({
            "apiVersion": types.api_version,
            "kind": types.kind,
            "metadata": { "name": name },
            "spec": { "package": image },
        });
        self.apply(&package.to_string()).await?;
        Ok(())
    }

    /// Waits until a package and the program in it are installed and healthy. It need not exist yet: dependencies are
    /// created by Crossplane.
    ///
    /// # Errors
    ///
    /// When `deadline` has passed: the message has the conditions that are not True.
    pub async fn healthy(&self, kind: PackageKind, name: &str, deadline: Duration) -> Result<()> {
        let types = kind.types();
        let api = api_of(&self.client(), &types, None).await?;
        eventually(
            &format!("{} {name} is healthy", types.kind),
            deadline,
            || async {
                let package = api.get_opt(name).await?.context("it does not exist")?;
                for condition in ["Installed", "Healthy"] {
                    expect_true(&package, condition)?;
                }
                Ok(())
            },
        )
        .await
    }

    /// Makes Crossplane take images whose names start with `prefix` from the rig's registry: the registry's host replaces the
    /// host in the prefix.
    ///
    /// # Errors
    ///
    /// When the API server refuses it.
    pub async fn rewrite_images(&self, prefix: &str) -> Result<()> {
        let (_, path) = prefix
            .split_once('/')
            .with_context(|| format!("the prefix {prefix} has no path"))?;
        let config = json!({
            "apiVersion": "pkg.crossplane.io/v1beta1",
            "kind": "ImageConfig",
            "metadata": { "name": path.replace('/', "-") },
            "spec": {
                "matchImages": [{ "type": "Prefix", "prefix": prefix }],
                "rewriteImage": { "prefix": format!("{}/{path}", self.registry()?) },
            },
        });
        self.apply(&config.to_string()).await?;
        Ok(())
    }
}

/// Fails with reason and message of a condition that is not True.
pub fn expect_true(object: &DynamicObject, condition: &str) -> Result<()> {
    let conditions = object
        .data
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let found = conditions
        .into_iter()
        .flatten()
        .find(|candidate| candidate["type"] == condition);
    let found = found.with_context(|| format!("it has no condition {condition}"))?;
    if found["status"] == "True" {
        return Ok(());
    }
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    bail!(
        "{condition} is {}: {} {}",
        text("status"),
        text("reason"),
        text("message")
    )
}
