//! A small workspace for tests: the configuration and the provider, without binaries.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

pub(crate) const COMPOSITION: &str = "apiVersion: apiextensions.crossplane.io/v1\nkind: Composition\nmetadata: {name: xthings} # as written\n";

pub(crate) struct Workspace(TempDir);

impl Workspace {
    pub(crate) fn new() -> Self {
        let workspace = Self(tempfile::tempdir().unwrap());
        workspace.write(
            "package/configuration/crossplane.yaml",
            r#"apiVersion: meta.pkg.crossplane.io/v1
kind: Configuration
metadata:
  name: configuration-xplatform
  annotations:
    meta.crossplane.io/description: A fixture.
    meta.crossplane.io/license: Apache-2.0
spec:
  crossplane:
    version: ">=v2.3.0-0"
  dependsOn:
    - apiVersion: pkg.crossplane.io/v1
      kind: Provider
      package: xpkg.openova.io/openova/provider-hcloud
      version: ">=v0.0.0"
    - apiVersion: pkg.crossplane.io/v1
      kind: Function
      package: xpkg.crossplane.io/crossplane-contrib/function-auto-ready
      version: ">=v0.5.0"
"#,
        );
        workspace.write(
            "package/configuration/apis/xthing/composition.yaml",
            COMPOSITION,
        );
        workspace.write(
            "package/configuration/apis/xthing/definition.yaml",
            "# Generated.\napiVersion: apiextensions.crossplane.io/v2\nkind: CompositeResourceDefinition\nmetadata:\n  name: xthings\n",
        );
        for (kind, plural) in [
            ("Server", "servers"),
            ("ProviderConfig", "providerconfigs"),
            ("Network", "networks"),
        ] {
            workspace.write(
                &format!("package/provider-hcloud/crds/{plural}.yaml"),
                &definition(kind, plural),
            );
        }
        workspace
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).unwrap()
    }

    pub(crate) fn remove(&self, directory: &str) {
        fs::remove_dir_all(self.path().join(directory)).unwrap();
    }
}

fn definition(kind: &str, plural: &str) -> String {
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  \
         name: {plural}.hcloud.openova.io\nspec:\n  group: hcloud.openova.io\n  names:\n    \
         kind: {kind}\n    plural: {plural}\n"
    )
}
