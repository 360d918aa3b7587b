//! `package.yaml`: the package's own description first, then the objects that it installs.
//!
//! Objects are passed on as they are written: what is reviewed is what is installed. Only their identity is read,
//! because Crossplane ignores objects that a kind of package may not carry, and says so in an event at most.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use crate::Version;
use crate::definition::{Kind, PUBLIC_REGISTRY, Package};

const META_API_VERSION: &str = "meta.pkg.crossplane.io/v1";

/// Kinds of a provider package that are not managed resources. Crossplane makes no
/// ManagedResourceDefinition of them, so there is nothing to activate.
const CONFIG_KINDS: [&str; 4] = [
    "ClusterProviderConfig",
    "ClusterProviderConfigUsage",
    "ProviderConfig",
    "ProviderConfigUsage",
];

/// Why `package.yaml` could not be put together. Paths are relative to the workspace.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum StreamError {
    #[error("cannot read {path}, which {package} consists of")]
    Read {
        package: &'static str,
        path: String,
        source: io::Error,
    },
    #[error("{path} holds no *.yaml file, but {package} is made of them")]
    NoObjects { package: &'static str, path: String },
    #[error("{path} is not valid")]
    Parse {
        path: String,
        source: Box<serde_saphyr::Error>,
    },
    #[error("{path}: {field} must be {expected:?}, not {found:?}")]
    Mismatch {
        path: String,
        field: &'static str,
        expected: String,
        found: String,
    },
    #[error("{path}: a {package_kind} package cannot install {kind} {name} ({api_version})")]
    NotInstallable {
        path: String,
        package_kind: Kind,
        api_version: String,
        kind: String,
        name: String,
    },
    #[error("{path}: {kind} {name} is defined a second time")]
    Duplicate {
        path: String,
        kind: String,
        name: String,
    },
    #[error("{path}: no package is published as {dependency}; the names are in PACKAGES")]
    UnknownDependency { path: String, dependency: String },
    #[error("{path}: spec.group or spec.names.plural is missing")]
    UnnamedDefinition { path: String },
    #[error("cannot write the description of {package}")]
    Write {
        package: &'static str,
        source: Box<serde_saphyr::ser::Error>,
    },
}

/// A package's description and `package.yaml`.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) meta: Meta,
    pub(crate) yaml: String,
}

impl Stream {
    /// Reads the package's files below `workspace` and writes its `package.yaml` for release `version`.
    pub(crate) fn assemble(
        workspace: &Path,
        package: &'static Package,
        version: &Version,
    ) -> Result<Self, StreamError> {
        let meta = Meta::read(workspace, package, version)?;
        let mut yaml = String::new();
        push_document(&mut yaml, &to_yaml(package, &meta)?);

        let mut seen = BTreeSet::new();
        for object in objects(workspace, package)? {
            object.check_installable(package.kind)?;
            push_document(&mut yaml, &object.text);
            let Object { path, identity, .. } = object;
            if !seen.insert((identity.kind.clone(), identity.metadata.name.clone())) {
                return Err(StreamError::Duplicate {
                    path,
                    kind: identity.kind,
                    name: identity.metadata.name,
                });
            }
        }
        if let Some(policy) = ActivationPolicy::of(workspace, package, &meta)? {
            push_document(&mut yaml, &to_yaml(package, &policy)?);
        }
        Ok(Self { meta, yaml })
    }
}

/// All `*.yaml` files directly in the package's directory of examples, as one stream; `None` without the directory.
pub(crate) fn examples(
    workspace: &Path,
    package: &'static Package,
) -> Result<Option<String>, StreamError> {
    let Some(directory) = package
        .examples
        .filter(|directory| workspace.join(directory).is_dir())
    else {
        return Ok(None);
    };
    let mut yaml = String::new();
    for path in yaml_files(workspace, Path::new(directory), Depth::Here, package)? {
        for object in Object::read_all(workspace, &path, package)? {
            push_document(&mut yaml, &object.text);
        }
    }
    Ok(Some(yaml).filter(|yaml| !yaml.is_empty()))
}

/// The description of a package, `crossplane.yaml`. Fields that Crossplane does not know are refused.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Meta {
    api_version: String,
    kind: String,
    pub(crate) metadata: Metadata,
    spec: Spec,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metadata {
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    name: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    capabilities: Vec<String>,
    crossplane: CrossplaneConstraint,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    depends_on: Vec<Dependency>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CrossplaneConstraint {
    version: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Dependency {
    api_version: String,
    kind: String,
    package: String,
    version: String,
}

impl Meta {
    fn read(
        workspace: &Path,
        package: &'static Package,
        version: &Version,
    ) -> Result<Self, StreamError> {
        let path = Path::new(package.directory).join("crossplane.yaml");
        let text = read(workspace, &path, package)?;
        let path = path.display().to_string();
        let mut meta: Self =
            serde_saphyr::from_str(&text).map_err(|source| StreamError::Parse {
                path: path.clone(),
                source: Box::new(source),
            })?;
        for (field, expected, found) in [
            ("apiVersion", META_API_VERSION.to_owned(), &meta.api_version),
            ("kind", package.kind.to_string(), &meta.kind),
            (
                "metadata.name",
                package.name.to_owned(),
                &meta.metadata.name,
            ),
        ] {
            if *found != expected {
                return Err(StreamError::Mismatch {
                    path,
                    field,
                    expected,
                    found: found.clone(),
                });
            }
        }
        for dependency in &mut meta.spec.depends_on {
            if !dependency.package.starts_with(PUBLIC_REGISTRY) {
                continue;
            }
            if Package::published_as(&dependency.package).is_none() {
                return Err(StreamError::UnknownDependency {
                    path,
                    dependency: dependency.package.clone(),
                });
            }
            dependency.version = compatible_with(version);
        }
        Ok(meta)
    }

    /// The rows of [`crate::PACKAGES`] that the package depends on.
    fn own_dependencies(&self) -> impl Iterator<Item = &'static Package> {
        self.spec
            .depends_on
            .iter()
            .filter_map(|dependency| Package::published_as(&dependency.package))
    }
}

/// The range of a dependency that is released together with its dependent: at least the same release, because the
/// dependent may use what is new in it; never the next major one. Crossplane installs the newest that matches.
fn compatible_with(version: &Version) -> String {
    format!(">=v{version}, <v{}.0.0-0", version.major + 1)
}

/// One object of a file.
struct Object {
    path: String,
    identity: Identity,
    text: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    api_version: String,
    kind: String,
    metadata: ObjectName,
    #[serde(default)]
    spec: DefinitionName,
}

#[derive(Debug, Deserialize)]
struct ObjectName {
    name: String,
}

/// What names a CustomResourceDefinition's kind; empty in every other object.
#[derive(Debug, Default, Deserialize)]
struct DefinitionName {
    #[serde(default)]
    group: String,
    #[serde(default)]
    names: Names,
}

#[derive(Debug, Default, Deserialize)]
struct Names {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    plural: String,
}

impl Object {
    /// The objects of the file at `path`, relative to `workspace`.
    fn read_all(
        workspace: &Path,
        path: &Path,
        package: &'static Package,
    ) -> Result<Vec<Self>, StreamError> {
        let text = read(workspace, path, package)?;
        let path = path.display().to_string();
        documents(&text)
            .map(|text| {
                let identity =
                    serde_saphyr::from_str(text).map_err(|source| StreamError::Parse {
                        path: path.clone(),
                        source: Box::new(source),
                    })?;
                Ok(Self {
                    path: path.clone(),
                    identity,
                    text: text.to_owned(),
                })
            })
            .collect()
    }

    fn check_installable(&self, package_kind: Kind) -> Result<(), StreamError> {
        let Identity {
            api_version,
            kind,
            metadata,
            ..
        } = &self.identity;
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        if package_kind.installs(group, kind) {
            return Ok(());
        }
        Err(StreamError::NotInstallable {
            path: self.path.clone(),
            package_kind,
            api_version: api_version.clone(),
            kind: kind.clone(),
            name: metadata.name.clone(),
        })
    }
}

/// Activates the managed kinds of the providers that a configuration depends on, each by its full name, so that
/// the configuration works where Crossplane is installed without its activate-everything default.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ActivationPolicy {
    api_version: &'static str,
    kind: &'static str,
    metadata: PolicyName,
    spec: Activations,
}

#[derive(Debug, Serialize)]
struct PolicyName {
    name: &'static str,
}

#[derive(Debug, Serialize)]
struct Activations {
    activate: Vec<String>,
}

impl ActivationPolicy {
    fn of(
        workspace: &Path,
        package: &'static Package,
        meta: &Meta,
    ) -> Result<Option<Self>, StreamError> {
        if package.kind != Kind::Configuration {
            return Ok(None);
        }
        let mut activate = Vec::new();
        for provider in meta
            .own_dependencies()
            .filter(|dependency| dependency.kind == Kind::Provider)
        {
            for object in objects(workspace, provider)? {
                let DefinitionName { group, names } = object.identity.spec;
                if group.is_empty() || names.plural.is_empty() {
                    return Err(StreamError::UnnamedDefinition { path: object.path });
                }
                if !CONFIG_KINDS.contains(&names.kind.as_str()) {
                    activate.push(format!("{}.{group}", names.plural));
                }
            }
        }
        activate.sort();
        Ok((!activate.is_empty()).then_some(Self {
            api_version: "apiextensions.crossplane.io/v1alpha1",
            kind: "ManagedResourceActivationPolicy",
            metadata: PolicyName { name: package.name },
            spec: Activations { activate },
        }))
    }
}

/// The objects that a package installs, in the order of its directories and of the paths in each.
fn objects(workspace: &Path, package: &'static Package) -> Result<Vec<Object>, StreamError> {
    let mut objects = Vec::new();
    for directory in package.objects {
        let before = objects.len();
        for path in yaml_files(workspace, Path::new(directory), Depth::Any, package)? {
            objects.extend(Object::read_all(workspace, &path, package)?);
        }
        if objects.len() == before {
            return Err(StreamError::NoObjects {
                package: package.name,
                path: (*directory).to_owned(),
            });
        }
    }
    Ok(objects)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Here,
    Any,
}

/// The sorted paths, relative to `workspace`, of the YAML files in `directory`.
fn yaml_files(
    workspace: &Path,
    directory: &Path,
    depth: Depth,
    package: &'static Package,
) -> Result<Vec<PathBuf>, StreamError> {
    let failed = |source| StreamError::Read {
        package: package.name,
        path: directory.display().to_string(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(workspace.join(directory)).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = directory.join(entry.file_name());
        if entry.file_type().map_err(failed)?.is_dir() {
            if depth == Depth::Any {
                files.extend(yaml_files(workspace, &path, depth, package)?);
            }
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(workspace: &Path, path: &Path, package: &'static Package) -> Result<String, StreamError> {
    fs::read_to_string(workspace.join(path)).map_err(|source| StreamError::Read {
        package: package.name,
        path: path.display().to_string(),
        source,
    })
}

/// Splits a file at its document markers and leaves out documents without content.
///
/// A line that begins with `---` ends a document in every context (YAML 1.2, section 9.1.2), so no parser is needed.
fn documents(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut end = 0;
        for line in text.split_inclusive('\n') {
            if line.trim_end() == "---" {
                rest = text.get(end + line.len()..);
                return text.get(..end);
            }
            end += line.len();
        }
        rest = None;
        Some(text)
    })
    .filter(|document| {
        document
            .lines()
            .any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
    })
}

fn push_document(yaml: &mut String, document: &str) {
    yaml.push_str("---\n");
    yaml.push_str(document.trim_end());
    yaml.push('\n');
}

fn to_yaml(package: &'static Package, document: &impl Serialize) -> Result<String, StreamError> {
    serde_saphyr::to_string(document).map_err(|source| StreamError::Write {
        package: package.name,
        source: Box::new(source),
    })
}

#[cfg(test)]
mod tests;
