//! SSHKey: a public key that servers let in.

use std::time::Duration;

use api::{SSHKey, SSHKeyObservation};
use serde_json::json;

use super::{
    Error, Project,
    object::{Common, ObjectKind, PresentOf},
    report_id, report_time,
};
use crate::{
    hcloud::{self, labels::Labels},
    managed::{Created, Desired, Present, annotations},
};

/// The kind SSHKey.
#[derive(Debug)]
pub enum SshKeys {}

impl ObjectKind for SshKeys {
    type Resource = SSHKey;
    type Object = hcloud::SshKey;

    fn common(resource: &SSHKey) -> Common<'_> {
        let spec = &resource.spec.for_provider;
        Common {
            name: spec.name.as_deref(),
            labels: &spec.labels,
            delete_protection: None,
        }
    }

    async fn present(
        _: &Project,
        desired: &Desired<SSHKey>,
        key: &hcloud::SshKey,
    ) -> Result<PresentOf<Self>, Error> {
        let report = SSHKeyObservation {
            id: report_id(key.id),
            name: key.name.clone(),
            fingerprint: key.fingerprint.clone(),
            public_key: key.public_key.clone(),
            labels: key.labels.clone(),
            created: report_time(key.created.as_deref()),
        };
        let mut present = Present::new(key.id.to_string(), report);
        let wanted = desired.spec.for_provider.public_key.as_deref();
        if wanted.is_some_and(|wanted| !same_key(wanted, &key.public_key)) {
            let drift = &mut present.drift;
            drift.check_fixed("publicKey", wanted, key.public_key.as_str());
        }
        Ok(present)
    }

    async fn create(
        project: &Project,
        desired: &Desired<SSHKey>,
        name: String,
        labels: Labels,
    ) -> Result<Created, Error> {
        let key = desired.spec.for_provider.public_key.as_deref();
        let key = key.ok_or(Error::Required("publicKey"))?.trim();
        let request = json!({"name": name, "labels": labels, "public_key": key});
        let key = project.client.ssh_keys().create(&request).await?;
        Ok(Created::named(key.id))
    }

    /// A project has every key once, whatever its name.
    async fn explain_refusal(project: &Project, desired: &Desired<SSHKey>) -> Result<(), Error> {
        let keys = project.client.ssh_keys().all(Duration::ZERO).await?;
        let wanted = desired.spec.for_provider.public_key.as_deref();
        let twin = keys
            .iter()
            .find(|key| wanted.is_some_and(|wanted| same_key(wanted, &key.public_key)));
        twin.map_or(Ok(()), |twin| {
            let problem = format!(
                "SSH key {} has the same public key under the name {}, and a project takes every key once: set the annotation {}: \"{}\" to adopt it, or refer to it by its id",
                twin.id, twin.name, annotations::EXTERNAL_NAME, twin.id
            );
            Err(Error::field("publicKey", problem))
        })
    }
}

/// The comment behind a key is not part of it.
fn same_key(a: &str, b: &str) -> bool {
    let key = |text: &str| {
        let words = text.split_whitespace().take(2);
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    key(a) == key(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::{
        object::ObjectsOfProject,
        simulated::{self, made, named},
    };

    #[tokio::test]
    async fn a_key_that_exists_under_another_name_is_named_with_the_way_to_adopt_it() {
        let (_simulator, project) = simulated::project().await;
        let keys = ObjectsOfProject::<SshKeys>::from(project);
        let spec = json!({"publicKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICj/yCqYtHpbqxaXsUCxxI2rV7bYpDM6Sq6AP0AVaaTt"});
        let first = made(&keys, &Desired::from(named::<SSHKey>("first", &spec))).await;
        let second = Desired::from(named::<SSHKey>("second", &spec));
        let refused = crate::managed::External::create(&keys, &second).await;
        let error = refused.unwrap_err().to_string();
        let id = &first.external_name;
        for words in [
            format!("SSH key {id} has the same public key under the name first"),
            format!("external-name: \"{id}\" to adopt it"),
        ] {
            assert!(error.contains(&words), "{error}");
        }
    }

    #[test]
    fn a_comment_is_not_part_of_a_key() {
        assert!(same_key("ssh-ed25519 AAAA me@here", "ssh-ed25519 AAAA\n"));
        assert!(!same_key("ssh-ed25519 AAAA", "ssh-ed25519 AAAB"));
        assert!(!same_key("ssh-ed25519 AAAA", "ssh-rsa AAAA"));
    }
}
