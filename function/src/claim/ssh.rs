//! SSH keys.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An SSH key that lets root in on new servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SshKey {
    /// Name of the SSHKey object in this namespace.
    #[schemars(
        title = "Name",
        length(max = 63),
        regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
    )]
    pub name: String,

    /// The public key, as in authorized_keys. Left out, the object exists already: it was
    /// made by hand or by another region. A project of the cloud takes each key once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Public key", length(min = 16, max = 8192))]
    pub public_key: Option<String>,
}
