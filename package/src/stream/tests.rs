use expect_test::expect;

use super::*;
use crate::definition::PACKAGES;
use crate::fixture::Workspace;

fn version() -> Version {
    Version::new(1, 2, 3)
}

fn configuration() -> &'static Package {
    Package::named("configuration-xplatform").unwrap()
}

/// With claims, and without them.
fn configurations() -> [&'static Package; 2] {
    [
        configuration(),
        Package::named("configuration-xplatform-v2").unwrap(),
    ]
}

fn refusal(workspace: &Workspace) -> String {
    Stream::assemble(workspace.path(), configuration(), &version())
        .unwrap_err()
        .to_string()
}

#[test]
fn the_description_comes_first_then_the_objects_as_they_are_written() {
    let workspace = Workspace::new();
    let stream = Stream::assemble(workspace.path(), configuration(), &version()).unwrap();
    expect![[r#"
        ---
        apiVersion: meta.pkg.crossplane.io/v1
        kind: Configuration
        metadata:
          annotations:
            meta.crossplane.io/description: A fixture.
            meta.crossplane.io/license: Apache-2.0
          name: configuration-xplatform
        spec:
          crossplane:
            version: ">=v2.3.0-0"
          dependsOn:
          - apiVersion: pkg.crossplane.io/v1
            kind: Provider
            package: xpkg.openova.io/openova/provider-hcloud
            version: ">=v1.2.3, <v2.0.0-0"
          - apiVersion: pkg.crossplane.io/v1
            kind: Function
            package: xpkg.crossplane.io/crossplane-contrib/function-auto-ready
            version: ">=v0.5.0"
        ---
        apiVersion: apiextensions.crossplane.io/v1
        kind: Composition
        metadata: {name: xthings} # as written
        ---
        # Generated.
        apiVersion: apiextensions.crossplane.io/v2
        kind: CompositeResourceDefinition
        metadata:
          name: xthings
        ---
        apiVersion: apiextensions.crossplane.io/v1alpha1
        kind: ManagedResourceActivationPolicy
        metadata:
          name: configuration-xplatform
        spec:
          activate:
          - networks.hcloud.openova.io
          - servers.hcloud.openova.io
    "#]]
    .assert_eq(&stream.yaml);
}

#[test]
fn a_prerelease_accepts_itself() {
    let version = "0.2.0-rc.1".parse().unwrap();
    assert_eq!(compatible_with(&version), ">=v0.2.0-rc.1, <v1.0.0-0");
}

#[test]
fn only_files_directly_among_the_examples_travel_as_examples() {
    let workspace = Workspace::new();
    assert_eq!(
        examples(workspace.path(), configuration()).unwrap(),
        None,
        "no directory, no layer"
    );

    let claim =
        "apiVersion: compose.openova.io/v1alpha1\nkind: Platform\nmetadata:\n  name: example\n";
    workspace.write("examples/platform.yaml", claim);
    workspace.write(
        "examples/install/rbac.yaml",
        "apiVersion: rbac.authorization.k8s.io/v1\n",
    );
    assert_eq!(
        examples(workspace.path(), configuration()).unwrap(),
        Some(format!("---\n{claim}"))
    );
}

#[test]
fn a_missing_directory_of_definitions_is_named() {
    let workspace = Workspace::new();
    workspace.remove("package/provider-hcloud/crds");
    assert_eq!(
        refusal(&workspace),
        "cannot read package/provider-hcloud/crds, which provider-hcloud consists of"
    );
}

#[test]
fn an_empty_directory_of_objects_is_refused() {
    let workspace = Workspace::new();
    workspace.remove("package/configuration/apis");
    workspace.write("package/configuration/apis/README.md", "");
    assert_eq!(
        refusal(&workspace),
        "package/configuration/apis holds no *.yaml file, but configuration-xplatform is made of them"
    );
}

#[test]
fn an_object_that_crossplane_would_drop_is_refused() {
    let workspace = Workspace::new();
    let role =
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: compose\n";
    workspace.write("package/configuration/apis/rbac.yaml", role);
    assert_eq!(
        refusal(&workspace),
        "package/configuration/apis/rbac.yaml: a Configuration package cannot install ClusterRole compose \
         (rbac.authorization.k8s.io/v1)"
    );
}

#[test]
fn a_second_definition_of_an_object_is_refused() {
    let workspace = Workspace::new();
    workspace.write(
        "package/configuration/apis/z.yaml",
        crate::fixture::COMPOSITION,
    );
    assert_eq!(
        refusal(&workspace),
        "package/configuration/apis/z.yaml: Composition xthings is defined a second time"
    );
}

#[test]
fn a_field_that_crossplane_does_not_know_is_refused() {
    let workspace = Workspace::new();
    let path = "package/configuration/crossplane.yaml";
    workspace.write(
        path,
        &workspace.read(path).replace("dependsOn:", "dependOn:"),
    );
    let error = Stream::assemble(workspace.path(), configuration(), &version()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "package/configuration/crossplane.yaml is not valid"
    );
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("dependOn"), "{cause}");
}

#[test]
fn a_dependency_that_nobody_publishes_is_refused() {
    let workspace = Workspace::new();
    let path = "package/configuration/crossplane.yaml";
    workspace.write(
        path,
        &workspace
            .read(path)
            .replace("openova/provider-hcloud", "openova/provider-cloud"),
    );
    assert_eq!(
        refusal(&workspace),
        "package/configuration/crossplane.yaml: no package is published as \
         xpkg.openova.io/openova/provider-cloud; the names are in PACKAGES"
    );
}

#[test]
fn documents_without_content_are_left_out() {
    let text = "# comment\n---\n\n---\na: 1\n--- \nb: |\n  --- not a marker\n  -----\n";
    assert_eq!(
        documents(text).collect::<Vec<_>>(),
        ["a: 1\n", "b: |\n  --- not a marker\n  -----\n"]
    );
    assert_eq!(documents("").count(), 0);
}

/// The descriptions of the real packages; their objects are generated and may not be there yet.
#[test]
fn every_package_of_the_workspace_is_described() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for package in PACKAGES {
        let meta = Meta::read(&workspace, package, &version()).unwrap();
        for annotation in ["maintainer", "source", "license", "description", "readme"] {
            let annotation = format!("meta.crossplane.io/{annotation}");
            assert!(
                meta.metadata.annotations.contains_key(&annotation),
                "{} lacks {annotation}",
                package.name
            );
        }
        let safe_start = meta
            .spec
            .capabilities
            .iter()
            .any(|capability| capability == "safe-start");
        assert_eq!(
            safe_start,
            package.kind == Kind::Provider,
            "{}",
            package.name
        );
    }
}

#[test]
fn a_configuration_depends_on_the_function_and_the_provider() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for configuration in configurations() {
        let meta = Meta::read(&workspace, configuration, &version()).unwrap();
        let names: Vec<_> = meta
            .own_dependencies()
            .map(|package| package.name)
            .collect();
        assert_eq!(names, ["function-xplatform", "provider-hcloud"]);
        for dependency in &meta.spec.depends_on {
            let package = Package::published_as(&dependency.package).unwrap();
            assert_eq!(dependency.kind, package.kind.to_string());
            assert_eq!(dependency.api_version, "pkg.crossplane.io/v1");
        }
    }
}

#[test]
fn both_configurations_offer_the_same_kinds() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let [claims, namespaced] = configurations().map(|configuration| {
        let objects = objects(&workspace, configuration).unwrap();
        objects
            .into_iter()
            .map(|object| (object.identity.kind, object.identity.metadata.name))
            .collect::<BTreeSet<_>>()
    });
    assert_eq!(claims, namespaced);
    assert!(claims.contains(&(
        "CompositeResourceDefinition".to_owned(),
        "xplatforms.compose.openova.io".to_owned()
    )));
}
