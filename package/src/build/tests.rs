use std::io::Read as _;

use super::*;
use crate::fixture::Workspace;

fn options(workspace: &Workspace, output: &str) -> BuildOptions {
    BuildOptions {
        workspace: workspace.path().to_owned(),
        output: workspace.path().join(output),
        packages: vec![Package::named("configuration-xplatform").unwrap()],
        version: Version::new(1, 2, 3),
        cargo: PathBuf::from("/nonexistent/cargo"),
        ..BuildOptions::default()
    }
}

/// Every file below `directory` with its content, apart from the lock.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(next) = pending.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if !path.ends_with(".lock") {
                files.insert(
                    path.strip_prefix(directory).unwrap().to_owned(),
                    fs::read(&path).unwrap(),
                );
            }
        }
    }
    files
}

#[test]
fn two_builds_are_equal_byte_for_byte() {
    let workspace = Workspace::new();
    let (first, second) = (options(&workspace, "first"), options(&workspace, "second"));
    build(&first, &mut |_| {}).unwrap();
    build(&second, &mut |_| {}).unwrap();
    let files_of_first = files(&first.output);
    assert!(files_of_first.contains_key(Path::new("configuration-xplatform-v1.2.3.xpkg")));
    assert!(files_of_first.contains_key(Path::new("configuration-xplatform/oci-layout")));
    assert_eq!(files_of_first, files(&second.output));
}

#[test]
fn a_package_without_a_binary_needs_no_compiler() {
    let workspace = Workspace::new();
    let mut lines = Vec::new();
    let built = build(
        &options(&workspace, "out"),
        &mut |progress| match progress {
            Progress::Cargo(line) => lines.push(line.to_owned()),
            Progress::Built(package) => lines.push(package.tag.clone()),
        },
    );
    assert_eq!(built.unwrap().packages().len(), 1);
    assert_eq!(lines, ["v1.2.3"]);
}

#[test]
fn what_is_loaded_is_what_was_built_last() {
    let workspace = Workspace::new();
    let options = options(&workspace, "out");
    build(
        &BuildOptions {
            version: Version::new(1, 0, 0),
            ..options.clone()
        },
        &mut |_| {},
    )
    .unwrap();
    let built = build(&options, &mut |_| {}).unwrap();
    let loaded = load(&options.output, &options.packages).unwrap();
    assert_eq!(loaded.packages(), built.packages());
}

#[test]
fn a_blob_that_was_changed_on_disk_is_not_pushed() {
    let workspace = Workspace::new();
    let options = options(&workspace, "out");
    let built = build(&options, &mut |_| {}).unwrap();
    let built = &built.packages()[0];
    let config = built
        .layout
        .join("blobs/sha256")
        .join(built.images[0].config.digest.hex());
    fs::write(&config, "{}").unwrap();
    let error = load(&options.output, &options.packages)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("does not hold what its name says"),
        "{error}"
    );
}

#[test]
fn a_package_that_was_never_built_is_named_with_the_way_to_build_it() {
    let workspace = Workspace::new();
    let options = options(&workspace, "nowhere");
    let error = load(&options.output, &options.packages)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("configuration-xplatform has not been built"),
        "{error}"
    );
    assert!(
        error.ends_with("run `cargo run -p package -- build`"),
        "{error}"
    );
}

#[test]
fn the_default_version_is_the_workspaces() {
    assert_eq!(
        BuildOptions::default().version.to_string(),
        env!("CARGO_PKG_VERSION")
    );
}

#[test]
fn a_version_that_no_tag_can_carry_is_refused() {
    let workspace = Workspace::new();
    let options = BuildOptions {
        version: "1.2.3+7".parse().unwrap(),
        ..options(&workspace, "out")
    };
    let error = build(&options, &mut |_| {}).unwrap_err().to_string();
    assert_eq!(
        error,
        "version 1.2.3+7 has build metadata, which a tag cannot carry"
    );
}

#[test]
fn the_configuration_of_this_repository_carries_its_definitions_and_activates_the_providers_kinds()
{
    let output = tempfile::tempdir().unwrap();
    let options = BuildOptions {
        output: output.path().to_owned(),
        packages: vec![Package::named("configuration-xplatform").unwrap()],
        ..BuildOptions::default()
    };
    let built = build(&options, &mut |_| {}).unwrap();
    let layer = &built.packages()[0].images[0].layers[0];
    let mut yaml = String::new();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(layer.data.as_ref()));
    let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
    entry.read_to_string(&mut yaml).unwrap();
    for text in [
        "kind: CompositeResourceDefinition",
        "kind: Composition\n",
        "name: xplatforms.compose.openova.io",
        "name: xregions.compose.openova.io",
        "- networks.hcloud.openova.io",
    ] {
        assert!(yaml.contains(text), "{text} is missing in\n{yaml}");
    }
    assert!(
        !yaml.contains("- providerconfigs.hcloud.openova.io"),
        "a ProviderConfig is not managed"
    );
}
