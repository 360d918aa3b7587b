//! Why something cannot be rendered.

use crate::xrd::KINDS;

/// Why something cannot be rendered. A document is named by its number in the file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not YAML.
    #[error("the file is not YAML")]
    Yaml(#[source] serde_saphyr::Error),
    /// There is nothing in the file.
    #[error("there is no document in the file: write a claim into it")]
    Empty,
    /// A document is no object.
    #[error("{place} is no object: it needs apiVersion, kind, metadata and spec")]
    NotAnObject {
        /// Where it is.
        place: String,
    },
    /// A document has no name.
    #[error("{place}: {kind} has no metadata.name: give it one")]
    Unnamed {
        /// Where it is.
        place: String,
        /// What it says it is.
        kind: String,
    },
    /// A document is not a claim or composite resource of ours.
    #[error(
        "{place}: {api_version} {kind} is not ours: {} can be rendered",
        kinds()
    )]
    Foreign {
        /// Where it is.
        place: String,
        /// What it says it is.
        api_version: String,
        /// What it says it is.
        kind: String,
    },
    /// A document is what another one results in.
    #[error(
        "{place}: {kind} {name} is composed by another object (it has the annotation {KEY}): render the claim that it comes from"
    )]
    Composed {
        /// Where it is.
        place: String,
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// Two documents stand for one object.
    #[error("{place}: {kind} {name} is in the file twice: remove one")]
    Repeated {
        /// Where the second one is.
        place: String,
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// A document of an earlier rendering does not say what it belongs to.
    #[error(
        "{place}: {kind} {name} is composed by {owner:?}, which does not come before it: give the earlier rendering as it was printed, or the earlier claim"
    )]
    Orphan {
        /// Where it is.
        place: String,
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// What it says it belongs to.
        owner: String,
    },
    /// A document is no fact about the cloud.
    #[error(
        "{place}: {api_version} {kind} is no fact about the cloud: hcloud.openova.io/v1alpha1 {} are",
        super::facts::KINDS.join(", ")
    )]
    NoFact {
        /// Where it is.
        place: String,
        /// What it says it is.
        api_version: String,
        /// What it says it is.
        kind: String,
    },
    /// A fact has not been observed.
    #[error(
        "{place}: {kind} {name} has no status.atProvider: wait until it is Ready and read it again (kubectl get -o yaml)"
    )]
    Unobserved {
        /// Where it is.
        place: String,
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// A fact cannot be read.
    #[error("{place}: {kind} {name}: status.atProvider")]
    BadFact {
        /// Where it is.
        place: String,
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// What is wrong with it.
        #[source]
        source: serde_path_to_error::Error<serde_json::Error>,
    },
    /// The function refuses it.
    #[error("{kind} {name}: {message}")]
    Refused {
        /// Kind of the composite.
        kind: String,
        /// Name of the composite.
        name: String,
        /// What the function says.
        message: String,
    },
    /// The function gives another answer each time.
    #[error("{kind} {name}: does not settle")]
    Unsettled {
        /// Kind of the composite.
        kind: String,
        /// Name of the composite.
        name: String,
    },
}

/// Annotation by which Crossplane knows a composed object again.
pub(super) const KEY: &str = "crossplane.io/composition-resource-name";

/// Label with the name of the composite that composes an object.
pub(super) const OWNER: &str = "crossplane.io/composite";

fn kinds() -> String {
    let mut names: Vec<&str> = Vec::new();
    for kind in &KINDS {
        names.extend(kind.claim.map(|(claim, _)| claim));
        names.push(kind.kind);
    }
    names.join(", ")
}
