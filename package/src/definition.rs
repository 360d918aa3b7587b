//! The table of packages.

use std::fmt;

/// Where releases are published, and so the prefix under which packages depend on each other.
pub const PUBLIC_REGISTRY: &str = "xpkg.openova.io/openova";

/// Every package that is built. A further package is a row here and its directory.
pub const PACKAGES: &[Package] = &[
    Package {
        name: "function-xplatform",
        kind: Kind::Function,
        directory: "package/function",
        objects: &[],
        examples: None,
        binary: Some("function-xplatform"),
    },
    Package {
        name: "provider-hcloud",
        kind: Kind::Provider,
        directory: "package/provider-hcloud",
        objects: &["package/provider-hcloud/crds"],
        examples: None,
        binary: Some("provider-hcloud"),
    },
    Package {
        name: "configuration-xplatform",
        kind: Kind::Configuration,
        directory: "package/configuration",
        objects: &["package/configuration/apis"],
        examples: Some("examples"),
        binary: None,
    },
    Package {
        name: "configuration-xplatform-v2",
        kind: Kind::Configuration,
        directory: "package/configuration-v2",
        objects: &[
            "package/configuration-v2/apis",
            "package/configuration/apis/xcluster",
            "package/configuration/apis/xloadbalancer",
            "package/configuration/apis/xnodegroup",
            "package/configuration/apis/xnodepool",
            "package/configuration/apis/xregion",
        ],
        examples: Some("examples/v2"),
        binary: None,
    },
];

/// One package: what it is called and where its parts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    /// Last part of the image's name, and `metadata.name` of its `crossplane.yaml`.
    pub name: &'static str,
    /// What kind of package it is.
    pub kind: Kind,
    /// The directory of `crossplane.yaml`, relative to the workspace.
    pub directory: &'static str,
    /// The directories of the objects that the package installs, relative to the workspace; searched for
    /// `*.yaml` at any depth.
    pub objects: &'static [&'static str],
    /// The directory whose `*.yaml` files travel as examples, relative to the workspace; not searched
    /// deeper. Left out when it does not exist.
    pub examples: Option<&'static str>,
    /// The cargo package, and its binary of the same name, that the image runs.
    pub binary: Option<&'static str>,
}

impl Package {
    /// The row called `name`.
    pub fn named(name: &str) -> Option<&'static Self> {
        PACKAGES.iter().find(|package| package.name == name)
    }

    /// The row that is published as `repository`, a name without tag.
    pub fn published_as(repository: &str) -> Option<&'static Self> {
        Self::named(
            repository
                .strip_prefix(PUBLIC_REGISTRY)?
                .strip_prefix('/')?,
        )
    }

    /// The public name without tag: `xpkg.openova.io/openova/<name>`.
    pub fn repository(&self) -> String {
        format!("{PUBLIC_REGISTRY}/{}", self.name)
    }

    /// The name of the object that Crossplane creates when it installs this package as a dependency:
    /// the last two parts of the public name. Compositions refer to the function by it.
    pub fn installed_name(&self) -> String {
        let organisation = PUBLIC_REGISTRY
            .rsplit('/')
            .next()
            .unwrap_or(PUBLIC_REGISTRY);
        format!("{organisation}-{}", self.name)
    }
}

/// The kinds of package that Crossplane knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Installs XRDs and Compositions.
    Configuration,
    /// Runs a composition function.
    Function,
    /// Runs the controllers of managed resources.
    Provider,
}

impl Kind {
    /// Whether Crossplane installs objects of this group and kind from such a package.
    ///
    /// Source: the linters of crossplane-runtime 2.3, `pkg/xpkg/lint.go`. The CustomResourceDefinitions that
    /// they tolerate in a function (its input types) are never installed, and ours has none.
    pub(crate) fn installs(self, group: &str, kind: &str) -> bool {
        match (self, group) {
            (Self::Configuration, "apiextensions.crossplane.io") => matches!(
                kind,
                "CompositeResourceDefinition" | "Composition" | "ManagedResourceActivationPolicy"
            ),
            (Self::Configuration, "ops.crossplane.io") => {
                matches!(kind, "Operation" | "CronOperation" | "WatchOperation")
            }
            (Self::Provider, "apiextensions.k8s.io") => kind == "CustomResourceDefinition",
            (Self::Provider, "apiextensions.crossplane.io") => kind == "ManagedResourceDefinition",
            (Self::Provider, "admissionregistration.k8s.io") => {
                matches!(
                    kind,
                    "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration"
                )
            }
            _ => false,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configuration => "Configuration",
            Self::Function => "Function",
            Self::Provider => "Provider",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_is_installed_under_the_last_two_parts_of_its_name() {
        let function = Package::named("function-xplatform").unwrap();
        assert_eq!(
            function.repository(),
            "xpkg.openova.io/openova/function-xplatform"
        );
        assert_eq!(function.installed_name(), "openova-function-xplatform");
    }

    #[test]
    fn a_public_name_leads_back_to_its_row() {
        for package in PACKAGES {
            assert_eq!(Package::published_as(&package.repository()), Some(package));
        }
        assert_eq!(
            Package::published_as("xpkg.openova.io/openova-else/provider-hcloud"),
            None
        );
        assert_eq!(
            Package::published_as("xpkg.crossplane.io/crossplane/provider-hcloud"),
            None
        );
    }
}
