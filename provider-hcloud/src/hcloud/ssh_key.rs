//! SSH keys: what servers let in.

use serde::Deserialize;

use super::client::Client;
use super::labels::Labels;
use super::resource::{Resource, Resources};
use super::tolerant;

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SshKey {
    /// The API's id.
    pub id: u64,
    /// The name.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub name: String,
    /// The labels.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub labels: Labels,
    /// When it was made, RFC 3339.
    #[serde(default)]
    pub created: Option<String>,
    /// MD5 fingerprint, unique in the project.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub fingerprint: String,
    /// The key as in a line of `authorized_keys`.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub public_key: String,
}

impl Resource for SshKey {
    const COLLECTION: &'static str = "ssh_keys";
    const OBJECT: &'static str = "ssh_key";
    const PROTECTIONS: &'static [&'static str] = &[];

    fn id(&self) -> u64 {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn labels(&self) -> &Labels {
        &self.labels
    }
}

impl Client {
    /// The SSH keys of the project.
    pub fn ssh_keys(&self) -> Resources<'_, SshKey> {
        self.resources()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ssh_key_is_read_when_every_other_field_is_missing_or_null() {
        let nulls = r#"{"id":1,"name":null,"labels":null,"fingerprint":null,"public_key":null,"created":null}"#;
        let missing: SshKey = serde_json::from_str(r#"{"id":1}"#).unwrap();
        assert_eq!(missing, serde_json::from_str(nulls).unwrap());
    }
}
