//! The pinned programs that the control plane is made of.
//!
//! Each is built on first need from a Go module in `tests/tools/` that pins it, and kept in the user's cache directory under a
//! hash of everything that determines it. [`DIRECTORY_VARIABLE`] may name a directory with ready binaries instead.

mod build;
mod progress;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// Names a directory with ready binaries, called as [`Tool::name`] says.
pub const DIRECTORY_VARIABLE: &str = "XPLATFORM_TOOLS_DIR";

/// A pinned program.
#[derive(Debug, PartialEq, Eq)]
pub struct Tool {
    /// The name of the binary.
    pub name: &'static str,
    /// The directory in `tests/tools/` that pins it.
    pub pin: &'static str,
    /// The Go module that it comes from.
    pub module: &'static str,
    /// The main package.
    pub package: &'static str,
    /// Values that the linker sets, beside stripping symbols.
    pub ldflags: &'static str,
    /// Directories of the module that are kept beside the binary.
    pub files: &'static [&'static str],
}

/// The store of the API server.
pub const ETCD: Tool = Tool {
    name: "etcd",
    pin: "etcd",
    module: "go.etcd.io/etcd/server/v3",
    package: "go.etcd.io/etcd/server/v3",
    ldflags: "",
    files: &[],
};

// Without it the server says v0.0.0, and refuses to emulate any version.
const KUBERNETES_VERSION: &str = "-X k8s.io/component-base/version.gitVersion=v1.36.3 \
     -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36";

/// The API server.
pub const KUBE_APISERVER: Tool = Tool {
    name: "kube-apiserver",
    pin: "kubernetes",
    module: "k8s.io/kubernetes",
    package: "k8s.io/kubernetes/cmd/kube-apiserver",
    ldflags: KUBERNETES_VERSION,
    files: &[],
};

/// Garbage collection, namespaces, service accounts, aggregated roles.
pub const KUBE_CONTROLLER_MANAGER: Tool = Tool {
    name: "kube-controller-manager",
    pin: "kubernetes",
    module: "k8s.io/kubernetes",
    package: "k8s.io/kubernetes/cmd/kube-controller-manager",
    ldflags: KUBERNETES_VERSION,
    files: &[],
};

/// The command line client, for people who look into a running rig.
pub const KUBECTL: Tool = Tool {
    name: "kubectl",
    pin: "kubernetes",
    module: "k8s.io/kubernetes",
    package: "k8s.io/kubernetes/cmd/kubectl",
    ldflags: KUBERNETES_VERSION,
    files: &[],
};

/// Crossplane core and its RBAC manager.
pub const CROSSPLANE: Tool = Tool {
    name: "crossplane",
    pin: "crossplane",
    module: "github.com/crossplane/crossplane/v2",
    package: "github.com/crossplane/crossplane/v2/cmd/crossplane",
    // Without a version every package constraint fails. The RBAC manager has no flag for the address of its metrics: unless
    // it serves none, it takes port 8080 on all addresses, from the pods and from other rigs.
    ldflags: "-X github.com/crossplane/crossplane-runtime/v2/pkg/version.version=v2.3.4 \
         -X sigs.k8s.io/controller-runtime/pkg/metrics/server.DefaultBindAddress=0",
    files: &[
        "cluster/charts/crossplane",
        "cluster/crds",
        "cluster/webhookconfigurations",
        "proto/fn",
    ],
};

/// The Crossplane command line client.
pub const CROSSPLANE_CLI: Tool = Tool {
    name: "crossplane-cli",
    pin: "crossplane-cli",
    module: "github.com/crossplane/cli/v2",
    package: "github.com/crossplane/cli/v2/cmd/crossplane",
    ldflags: "",
    files: &[],
};

/// An OCI registry, as one of the commands of a client.
pub const REGISTRY: Tool = Tool {
    name: "crane",
    pin: "registry",
    module: "github.com/google/go-containerregistry",
    package: "github.com/google/go-containerregistry/cmd/crane",
    ldflags: "",
    files: &[],
};

/// Flux: fetches charts and manifests.
pub const SOURCE_CONTROLLER: Tool = Tool {
    name: "source-controller",
    pin: "source-controller",
    module: "github.com/fluxcd/source-controller",
    package: "github.com/fluxcd/source-controller",
    ldflags: "",
    files: &["config/crd/bases"],
};

/// Flux: installs Helm charts.
pub const HELM_CONTROLLER: Tool = Tool {
    name: "helm-controller",
    pin: "helm-controller",
    module: "github.com/fluxcd/helm-controller",
    package: "github.com/fluxcd/helm-controller",
    ldflags: "",
    files: &["config/crd/bases"],
};

/// OpenTofu, the infrastructure tool.
pub const OPENTOFU: Tool = Tool {
    name: "tofu",
    pin: "opentofu",
    module: "github.com/opentofu/opentofu",
    package: "github.com/opentofu/opentofu/cmd/tofu",
    // Otherwise it calls itself a development version.
    ldflags: "-X github.com/opentofu/opentofu/version.dev=no",
    files: &[],
};

/// The official provider for Hetzner Cloud, as OpenTofu loads it.
pub const TERRAFORM_PROVIDER_HCLOUD: Tool = Tool {
    name: "terraform-provider-hcloud",
    pin: "terraform-provider-hcloud",
    module: "github.com/hetznercloud/terraform-provider-hcloud",
    package: "github.com/hetznercloud/terraform-provider-hcloud",
    ldflags: "",
    files: &[],
};

/// A tool that is ready to run.
#[derive(Clone, Debug)]
pub struct Installed {
    /// The program.
    pub binary: PathBuf,
    /// The directory that holds [`Tool::files`] under their paths in the module.
    pub files: PathBuf,
}

impl Installed {
    /// One of the directories named in [`Tool::files`].
    pub fn dir(&self, name: &str) -> PathBuf {
        self.files.join(name)
    }
}

/// Builds what is missing of `tools`, with one line for each on the standard error, and returns them in the same order.
///
/// # Errors
///
/// When Go is needed and missing or too old, or when a build fails: the message ends with the compiler's last lines.
pub async fn prepare<const N: usize>(tools: [&'static Tool; N]) -> Result<[Installed; N]> {
    let installed = build(tools.to_vec()).await?;
    let found = installed.len();
    let Ok(installed) = <[Installed; N]>::try_from(installed) else {
        bail!("asked for {N} tools, got {found}");
    };
    Ok(installed)
}

/// [`prepare`] for a number of tools that is known only at run time: one display for all of them.
///
/// # Errors
///
/// As [`prepare`].
pub async fn build(tools: Vec<&'static Tool>) -> Result<Vec<Installed>> {
    tokio::task::spawn_blocking(move || build::install(&tools)).await?
}

/// The directory with the modules that pin the tools.
fn pins() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tools")
}
