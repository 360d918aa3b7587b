//! Kubeconfig files, and service account tokens that stay fresh.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

const TOKEN_LIFE: Duration = Duration::from_secs(3600);

/// Writes kubeconfig files for one API server.
#[derive(Clone, Debug)]
pub(crate) struct Kubeconfigs {
    pub(crate) server: String,
    /// The file with the certificates that the server's is signed by.
    pub(crate) authority: PathBuf,
}

/// How a kubeconfig's user proves who they are.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    Token(String),
    TokenFile(PathBuf),
}

/// A kubeconfig for a service account, as long as this lives.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) kubeconfig: PathBuf,
    _refresh: JoinSet<()>,
}

impl Kubeconfigs {
    pub(crate) fn write(&self, path: &Path, credential: &Credential) -> Result<()> {
        let user = match credential {
            Credential::Token(token) => json!({ "token": token }),
            Credential::TokenFile(file) => json!({ "tokenFile": file }),
        };
        // The certificate is embedded, so that the file can be copied.
        let authority = fs::read(&self.authority).context("read the API server's certificate")?;
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "rig",
            "clusters": [{ "name": "rig", "cluster": {
                "server": self.server,
                "certificate-authority-data": k8s_openapi::ByteString(authority),
            }}],
            "users": [{ "name": "rig", "user": user }],
            "contexts": [{ "name": "rig", "context": { "cluster": "rig", "user": "rig" } }],
        });
        fs::write(path, config.to_string()).with_context(|| format!("write {}", path.display()))
    }

    /// Writes a kubeconfig for a service account into `dir`, with a token that is renewed there at half of its life.
    pub(crate) async fn identity(
        &self,
        client: &Client,
        namespace: &str,
        name: &str,
        dir: &Path,
    ) -> Result<Identity> {
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
        let token = dir.join("token");
        write_token(&accounts, name, &token).await?;
        let kubeconfig = dir.join("kubeconfig");
        self.write(&kubeconfig, &Credential::TokenFile(token.clone()))?;
        let mut refresh = JoinSet::new();
        let name = name.to_owned();
        refresh.spawn(async move {
            loop {
                sleep(TOKEN_LIFE / 2).await;
                if let Err(error) = write_token(&accounts, &name, &token).await {
                    tracing::warn!(%name, error = format!("{error:#}"), "Could not renew a service account's token");
                }
            }
        });
        Ok(Identity {
            kubeconfig,
            _refresh: refresh,
        })
    }
}

async fn write_token(accounts: &Api<ServiceAccount>, name: &str, path: &Path) -> Result<()> {
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            expiration_seconds: Some(TOKEN_LIFE.as_secs().try_into().unwrap_or(i64::MAX)),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let answer = accounts
        .create_token_request(name, &PostParams::default(), &request)
        .await
        .with_context(|| format!("request a token of service account {name}"))?;
    let token = answer
        .status
        .and_then(|status| status.token)
        .context("the token request has no answer")?;
    // Readers must never see half a token.
    let new = path.with_extension("new");
    fs::write(&new, token).with_context(|| format!("write {}", new.display()))?;
    fs::rename(&new, path).with_context(|| format!("write {}", path.display()))
}
