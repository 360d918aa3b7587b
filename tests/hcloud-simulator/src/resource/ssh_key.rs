//! `/ssh_keys`: public keys that new servers are given. They change at once; nothing waits for them.

mod md5;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    clock::wire,
    collection::{Collection, Id, Object},
    error::ApiError,
    label::Labels,
    listing::Listing,
    project::Project,
    resource::Kind,
    route::{Call, Reply, Route},
};

pub(crate) static KIND: Kind = Kind {
    name: "ssh_key",
    plural: "ssh_keys",
    routes: &[
        Route::get("/ssh_keys", list),
        Route::post("/ssh_keys", create),
        Route::get("/ssh_keys/{id}", get),
        Route::put("/ssh_keys/{id}", update),
        Route::delete("/ssh_keys/{id}", delete),
    ],
    changes: None,
};

const ALGORITHMS: &[&str] = &[
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "sk-ssh-ed25519@openssh.com",
    "ssh-ed25519",
    "ssh-rsa",
];

/// A public SSH key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshKey {
    /// The key's id.
    pub id: Id,
    /// Its name, unique in the project.
    pub name: String,
    /// Its MD5 fingerprint, unique in the project.
    pub fingerprint: String,
    /// The key as it was given.
    pub public_key: String,
    /// Its labels.
    pub labels: Labels,
    /// When it was created.
    pub created: Timestamp,
}

impl Object for SshKey {
    fn id(&self) -> Id {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Project {
    /// The project's SSH keys.
    pub const fn ssh_keys(&self) -> &Collection<SshKey> {
        &self.resources.ssh_keys
    }

    /// The project's SSH keys, to be changed by hand.
    pub const fn ssh_keys_mut(&mut self) -> &mut Collection<SshKey> {
        &mut self.resources.ssh_keys
    }
}

impl SshKey {
    pub(crate) fn body(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "fingerprint": self.fingerprint,
            "public_key": self.public_key,
            "labels": self.labels,
            "created": wire(self.created),
        })
    }
}

/// The SSH key that a request names by id or name.
pub fn find<'a>(project: &'a Project, id_or_name: &str) -> Option<&'a SshKey> {
    let keys = project.ssh_keys();
    keys.named(id_or_name)
        .or_else(|| keys.get(id_or_name.parse().ok()?))
}

/// The fingerprint of a key in the form of `authorized_keys`, without options.
fn fingerprint(public_key: &str) -> Result<String, String> {
    let mut words = public_key.split_whitespace();
    let (Some(algorithm), Some(blob)) = (words.next(), words.next()) else {
        return Err("is not of the form 'algorithm base64 comment'".to_owned());
    };
    if !ALGORITHMS.contains(&algorithm) {
        return Err(format!(
            "'{algorithm}' is not one of {}",
            ALGORITHMS.join(", ")
        ));
    }
    let blob = STANDARD
        .decode(blob)
        .map_err(|_| "is not base64".to_owned())?;
    let named = blob
        .split_first_chunk::<4>()
        .and_then(|(length, rest)| rest.get(..u32::from_be_bytes(*length) as usize));
    if named != Some(algorithm.as_bytes()) {
        return Err(format!("is not a key of algorithm '{algorithm}'"));
    }
    let pairs: Vec<String> = md5::digest(&blob)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(pairs.join(":"))
}

fn find_called<'a>(call: &'a mut Call<'_>) -> Result<&'a mut SshKey, ApiError> {
    let id = call.id("id")?;
    let key = call.project.ssh_keys_mut().get_mut(id);
    key.ok_or_else(|| ApiError::not_found("ssh_key", id))
}

fn list(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let keys = call.project.ssh_keys().iter().map(SshKey::body).collect();
    Listing::new("ssh_keys", call.request, keys)
        .filter("name")
        .filter("fingerprint")
        .filter_by_label()?
        .sort(&["id", "name"])?
        .page()
}

fn get(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let body = find_called(call)?.body();
    Ok(Reply::json(StatusCode::OK, json!({ "ssh_key": body })))
}

fn create(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let mut fields = call.fields()?;
    let name = fields.required_name();
    let key = fields.parsed("public_key", |key| {
        Ok((key.trim().to_owned(), fingerprint(key)?))
    });
    let labels = fields.labels().unwrap_or_default();
    let name = fields.need(name)?;
    let (public_key, fingerprint) = fields.need(key)?;

    let keys = call.project.ssh_keys();
    keys.check_name(&name, None)?;
    if keys.iter().any(|other| other.fingerprint == fingerprint) {
        let message = "SSH key with the same fingerprint already exists";
        return Err(ApiError::not_unique(message, "public_key"));
    }
    call.check_quota(keys.len())?;
    let key = SshKey {
        id: call.project.new_id(),
        name,
        fingerprint,
        public_key,
        labels,
        created: call.now,
    };
    let body = key.body();
    call.project.ssh_keys_mut().insert(key);
    Ok(Reply::json(StatusCode::CREATED, json!({ "ssh_key": body })))
}

fn update(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let id = find_called(call)?.id;
    let mut fields = call.fields()?;
    let name = fields.name();
    let labels = fields.labels();
    fields.check()?;
    if let Some(name) = &name {
        call.project.ssh_keys().check_name(name, Some(id))?;
    }
    let key = find_called(call)?;
    if let Some(name) = name {
        key.name = name;
    }
    if let Some(labels) = labels {
        key.labels = labels;
    }
    let body = key.body();
    Ok(Reply::json(StatusCode::OK, json!({ "ssh_key": body })))
}

/// Servers keep the keys that they were created with.
fn delete(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let id = find_called(call)?.id;
    call.project.ssh_keys_mut().remove(id);
    Ok(Reply::no_content())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

    #[test]
    fn a_fingerprint_is_that_of_the_key_and_not_of_its_comment() {
        let print = fingerprint(ED25519).unwrap();
        assert_eq!(print.split(':').count(), 16);
        assert_eq!(fingerprint(&format!("  {ED25519} me@home\n")), Ok(print));
    }

    #[test]
    fn what_is_not_a_public_key_is_refused_with_the_reason() {
        let other_algorithm = ED25519.replacen("ssh-ed25519", "ssh-rsa", 1);
        let table = [
            ("", "is not of the form"),
            ("ssh-ed25519", "is not of the form"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", "is not one of"),
            ("ssh-dss AAAA", "is not one of"),
            ("ssh-ed25519 !", "is not base64"),
            ("ssh-ed25519 AAAA", "is not a key of algorithm"),
            (
                other_algorithm.as_str(),
                "is not a key of algorithm 'ssh-rsa'",
            ),
        ];
        for (key, reason) in table {
            let message = fingerprint(key).unwrap_err();
            assert!(message.contains(reason), "{key}: {message}");
        }
    }
}
