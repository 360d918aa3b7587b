//! Credentials for a registry, given or from Docker's configuration file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

/// How to authenticate at a registry.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Not at all.
    Anonymous,
    /// By name and password, or a token in the place of the password.
    Basic {
        /// The name of the user.
        username: String,
        /// The password; never shown.
        password: String,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Basic { username, .. } => f
                .debug_struct("Basic")
                .field("username", username)
                .finish_non_exhaustive(),
        }
    }
}

/// Why Docker's configuration file gave no credentials.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum CredentialsError {
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is not a Docker configuration file")]
    Parse {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{path}: auths[{registry:?}].auth is not base64 of user:password")]
    Malformed { path: PathBuf, registry: String },
    #[error(
        "{path} keeps the credentials of {registry} in a credential helper, which is not supported; \
         give a user name and a password"
    )]
    Helper { path: PathBuf, registry: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
    #[serde(default)]
    creds_store: Option<String>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Auth {
    #[serde(default)]
    auth: String,
}

impl Credentials {
    /// The credentials that the Docker configuration file at `path` holds in `auths` for `registry`, a host with its
    /// port. Anonymous when there is no such file or no entry.
    pub fn from_docker_config(path: &Path, registry: &str) -> Result<Self, CredentialsError> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Anonymous),
            Err(source) => {
                return Err(CredentialsError::Read {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let config: DockerConfig =
            serde_json::from_slice(&text).map_err(|source| CredentialsError::Parse {
                path: path.to_owned(),
                source,
            })?;

        let entry = config
            .auths
            .iter()
            .find(|(key, _)| host_of(key) == registry)
            .map(|(_, entry)| entry);
        // With a store, docker login leaves an empty entry behind to say that the store has one.
        let stored = entry.is_some() && config.creds_store.is_some()
            || config.cred_helpers.contains_key(registry);
        match entry {
            Some(entry) if !entry.auth.is_empty() => {
                entry.decode().ok_or_else(|| CredentialsError::Malformed {
                    path: path.to_owned(),
                    registry: registry.to_owned(),
                })
            }
            _ if stored => Err(CredentialsError::Helper {
                path: path.to_owned(),
                registry: registry.to_owned(),
            }),
            _ => Ok(Self::Anonymous),
        }
    }
}

impl Auth {
    fn decode(&self) -> Option<Credentials> {
        let text = String::from_utf8(BASE64_STANDARD.decode(&self.auth).ok()?).ok()?;
        let (username, password) = text.split_once(':')?;
        Some(Credentials::Basic {
            username: username.to_owned(),
            password: password.to_owned(),
        })
    }
}

/// Keys of `auths` are hosts, or addresses with a scheme and a path.
fn host_of(key: &str) -> &str {
    let key = key.split_once("://").map_or(key, |(_scheme, rest)| rest);
    key.split_once('/').map_or(key, |(host, _path)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(config: &str, registry: &str) -> Result<Credentials, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        fs::write(&path, config).unwrap();
        Credentials::from_docker_config(&path, registry).map_err(|error| {
            error
                .to_string()
                .replace(&path.display().to_string(), "config.json")
        })
    }

    const ENTRY: &str =
        r#"{"auths": {"https://registry.example/v1/": {"auth": "bWU6c2VjcmV0OnBhcnQ="}}}"#;

    #[test]
    fn the_entry_of_the_registry_is_found_whatever_its_form() {
        let expected = Credentials::Basic {
            username: "me".to_owned(),
            password: "secret:part".to_owned(),
        };
        assert_eq!(credentials(ENTRY, "registry.example"), Ok(expected));
        assert_eq!(
            credentials(ENTRY, "registry.example:5000"),
            Ok(Credentials::Anonymous)
        );
    }

    #[test]
    fn without_a_file_the_push_is_anonymous() {
        let found = Credentials::from_docker_config(
            Path::new("/nonexistent/config.json"),
            "registry.example",
        );
        assert_eq!(found.unwrap(), Credentials::Anonymous);
    }

    #[test]
    fn a_credential_helper_is_named_and_not_ignored() {
        let config = r#"{"auths": {"registry.example": {}}, "credsStore": "desktop"}"#;
        assert!(
            credentials(config, "registry.example")
                .unwrap_err()
                .contains("credential helper")
        );
        assert_eq!(
            credentials(config, "other.example"),
            Ok(Credentials::Anonymous)
        );
    }

    #[test]
    fn a_malformed_entry_is_named_without_its_content() {
        let config = r#"{"auths": {"registry.example": {"auth": "c2VjcmV0"}}}"#;
        assert_eq!(
            credentials(config, "registry.example").unwrap_err(),
            r#"config.json: auths["registry.example"].auth is not base64 of user:password"#
        );
    }

    #[test]
    fn a_password_does_not_show() {
        let credentials = Credentials::Basic {
            username: "me".to_owned(),
            password: "hunter2".to_owned(),
        };
        assert_eq!(
            format!("{credentials:?}"),
            r#"Basic { username: "me", .. }"#
        );
    }
}
