//! The kinds: what each of them is at Hetzner, and how it is brought about there.
//!
//! A kind is one file that implements one of three traits, and a line in [`crate::registry`]:
//! - [`object`]: the external resource is an object with an id, a name and labels (Network, Server …);
//! - [`part`]: it is a part of another object and is found by its key there (Subnet, Route …);
//! - [`fact`]: it is a fact of the cloud that can only be observed (Location, ServerType …).
//!
//! The traits' modules do what is the same for all of their kinds, and [`access`] leads to them from credentials. Here is
//! what all kinds share: projects, labels of ownership, external names.

pub mod access;
pub mod error;
pub mod fact;
pub mod firewall;
pub mod image;
pub mod inventory;
pub mod load_balancer;
pub mod load_balancer_network;
pub mod load_balancer_service;
pub mod load_balancer_target;
pub mod load_balancer_type;
pub mod location;
pub mod network;
pub mod object;
pub mod part;
pub mod placement_group;
mod price;
pub mod pricing;
pub mod primary_ip;
mod range;
pub mod reverse_dns;
pub mod route;
pub mod server;
pub mod server_network;
pub mod server_type;
#[cfg(test)]
mod simulated;
pub mod ssh_key;
pub mod subnet;
pub mod volume;
pub mod volume_attachment;

pub use error::Error;

use std::{collections::BTreeMap, sync::Arc};

use api::{Managed, UID_LABEL};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use serde::Deserialize;

use crate::{
    clock::Clock,
    hcloud::{
        self, Client, Clients, Endpoint, InvalidEndpoint, InvalidToken, Token,
        labels::{self, InvalidLabel, Labels},
    },
    managed::{ExternalError, Retry, annotations, credentials::Config},
};

/// Clients of the Hetzner Cloud API for every set of credentials. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Hetzner {
    clients: Clients,
    clock: Clock,
}

/// A project at Hetzner: what one set of credentials gives access to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Project {
    /// The client of the API.
    pub client: Client,
    /// The time.
    pub clock: Clock,
}

impl Project {
    /// The outcome of a call, as the runtime takes it.
    fn finish<T>(&self, result: Result<T, Error>) -> Result<T, ExternalError> {
        result.map_err(|error| error.into_external(&self.clock))
    }
}

/// Credentials that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The value of the Secret's key is not text.
    #[error("the credentials are not UTF-8 text")]
    NotText,
    /// The value of the Secret's key begins like JSON, and is not an object with a token.
    #[error("the credentials are neither a bare token nor a JSON object with \"token\"")]
    NotCredentials,
    /// The token cannot be a token.
    #[error("the credentials hold no valid token")]
    Token(#[source] InvalidToken),
    /// The endpoint cannot be an endpoint.
    #[error("the endpoint cannot be used")]
    Endpoint(#[source] InvalidEndpoint),
}

/// Credentials in the shape that generated providers use.
#[derive(Deserialize)]
struct JsonCredentials {
    token: String,
    #[serde(default)]
    endpoint: Option<String>,
}

impl Hetzner {
    /// Shares the clients of `clients`.
    pub fn new(clients: Clients, clock: Clock) -> Self {
        Self { clients, clock }
    }

    /// The project that the credentials of `config` open.
    ///
    /// # Errors
    /// When they cannot be credentials. Whether the API accepts them, the first call tells.
    pub fn project(&self, config: &Config) -> Result<Project, ExternalError> {
        let credentials = parse_credentials(config.secret.expose());
        let credentials = credentials.and_then(|(token, endpoint)| {
            let endpoint = config.endpoint.as_ref().or(endpoint.as_ref());
            let endpoint =
                endpoint.map_or_else(|| Ok(Endpoint::default()), |text| Endpoint::parse(text));
            Ok((
                Token::new(&token).map_err(CredentialsError::Token)?,
                endpoint.map_err(CredentialsError::Endpoint)?,
            ))
        });
        match credentials {
            Ok((token, endpoint)) => Ok(Project {
                client: self.clients.get(&endpoint, &token),
                clock: self.clock.clone(),
            }),
            Err(error) => Err(ExternalError::new(error, Retry::OnChange)),
        }
    }
}

/// Token and endpoint out of a bare token or a JSON object. The error says nothing of the contents.
fn parse_credentials(bytes: &[u8]) -> Result<(String, Option<String>), CredentialsError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| CredentialsError::NotText)?
        .trim();
    if !text.starts_with('{') {
        return Ok((text.to_owned(), None));
    }
    let json: JsonCredentials =
        serde_json::from_str(text).map_err(|_| CredentialsError::NotCredentials)?;
    Ok((
        json.token,
        json.endpoint.filter(|endpoint| !endpoint.is_empty()),
    ))
}

/// The external name is not one that this provider could have given.
#[derive(Debug, thiserror::Error)]
#[error(
    "annotation {} is {name:?}: it must be {form} of an existing {kind}, or be left out to have one created",
    annotations::EXTERNAL_NAME
)]
pub struct InvalidExternalName {
    name: String,
    form: &'static str,
    kind: String,
}

/// What the external name stands for, read by `parse`; `None` when there is no external name. `form` says in words
/// what it has to look like.
fn external_name<R: Managed, T>(
    resource: &R,
    form: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, InvalidExternalName> {
    let name = annotations::get(resource.meta(), annotations::EXTERNAL_NAME);
    name.map(|name| {
        parse(name).ok_or_else(|| InvalidExternalName {
            name: name.to_owned(),
            form,
            kind: R::kind(&()).into_owned(),
        })
    })
    .transpose()
}

/// An id as it stands in specs and external names.
fn parse_id(text: &str) -> Option<u64> {
    text.parse().ok().filter(|id| *id > 0)
}

/// An id as it is reported.
fn report_id(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

/// A time as the API writes it.
fn report_time(text: Option<&str>) -> Option<Time> {
    text?.parse().ok().map(Time)
}

/// An id that the spec gives, directly or by reference.
fn required_id(field: &'static str, value: Option<&str>) -> Result<u64, Error> {
    let value = value.ok_or(Error::Required(field))?;
    parse_id(value).ok_or_else(|| {
        Error::field(
            field,
            format!("{value:?} is not an id: ids are positive numbers"),
        )
    })
}

/// Those of `candidates` that look most like `name`, for messages.
fn near<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    let distance = |candidate: &str| {
        let shared = name.bytes().zip(candidate.bytes());
        let prefix = shared.take_while(|(a, b)| a == b).count();
        name.len().max(candidate.len()) - prefix
    };
    let mut names: Vec<&str> = candidates.collect();
    names.sort_by_key(|candidate| (distance(candidate), *candidate));
    names.dedup();
    names.truncate(5);
    names.join(", ")
}

/// The labels that mark an external object as belonging to `resource`.
fn ownership_labels<R: Managed>(resource: &R) -> Labels {
    let kind = format!("{}.{}", R::kind(&()), R::group(&())).to_lowercase();
    let config = &resource.managed_spec().provider_config_ref;
    let mut owned: BTreeMap<_, _> = [
        ("crossplane-kind", kind),
        ("crossplane-name", resource.name_any()),
        (
            "crossplane-namespace",
            resource.namespace().unwrap_or_default(),
        ),
        ("crossplane-providerconfig", config.name.clone()),
        ("crossplane-providerconfig-kind", config.kind.to_string()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), labels::fit_value(&value)))
    .collect();
    // Not shortened: this one is searched for.
    owned.insert(UID_LABEL.to_owned(), resource.uid().unwrap_or_default());
    owned
}

/// A label in the spec that the API would refuse.
#[derive(Debug, thiserror::Error)]
#[error("spec.forProvider.labels[{key}]")]
pub struct RefusedLabel {
    key: String,
    source: InvalidLabel,
}

/// The labels that the external object is to have, those of the spec and those of ownership.
fn desired_labels<R: Managed>(resource: &R, spec: &Labels) -> Result<Labels, RefusedLabel> {
    for (key, value) in spec {
        let checked = labels::check_key(key).and_then(|()| labels::check_value(value));
        checked.map_err(|source| RefusedLabel {
            key: key.clone(),
            source,
        })?;
    }
    let mut desired = spec.clone();
    desired.extend(ownership_labels(resource));
    Ok(desired)
}

/// Of several objects that carry the same UID the oldest, so that every look finds the same.
fn oldest<T: hcloud::Resource>(found: Vec<Arc<T>>) -> Option<Arc<T>> {
    found.into_iter().min_by_key(|object| object.id())
}

#[cfg(test)]
mod tests {
    use api::{Network, NetworkSpec};

    use super::*;

    fn network(name: &str) -> Network {
        let mut network = Network::new(name, NetworkSpec::default());
        network.metadata.namespace = Some("team".to_owned());
        network.metadata.uid = Some("7d1ad8b2-0000-4000-8000-000000000001".to_owned());
        network
    }

    #[test]
    fn credentials_are_a_bare_token_or_json() {
        assert_eq!(
            parse_credentials(b" abc\n").unwrap(),
            ("abc".to_owned(), None)
        );
        assert_eq!(
            parse_credentials(br#"{"token":"abc","endpoint":"http://x/v1","poll_interval":"1s"}"#)
                .unwrap(),
            ("abc".to_owned(), Some("http://x/v1".to_owned()))
        );
        assert_eq!(
            parse_credentials(br#"{"token":"abc","endpoint":""}"#)
                .unwrap()
                .1,
            None
        );
    }

    #[test]
    fn bad_credentials_are_not_quoted() {
        for bytes in [
            &b"{\"tokn\":\"s3cret\"}"[..],
            &b"{s3cret"[..],
            &b"s3cret\xff"[..],
        ] {
            let error = parse_credentials(bytes).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"));
        }
    }

    #[test]
    fn an_external_name_is_a_positive_number() {
        let mut network = network("n");
        let id = |network: &Network| external_name(network, "the numeric id", parse_id);
        assert_eq!(id(&network).unwrap(), None);
        for (name, expected) in [
            ("42", Some(42)),
            ("0", None),
            ("-1", None),
            ("n", None),
            ("4 2", None),
        ] {
            network
                .annotations_mut()
                .insert(annotations::EXTERNAL_NAME.to_owned(), name.to_owned());
            assert_eq!(id(&network).ok().flatten(), expected, "{name}");
        }
        let message = id(&network).unwrap_err().to_string();
        assert!(
            message.contains("\"4 2\"") && message.contains("Network"),
            "{message}"
        );
    }

    #[test]
    fn ownership_labels_are_valid_and_the_uid_is_whole() {
        let name = format!("{}.{}", "a".repeat(100), "b".repeat(100));
        let network = network(&name);
        let labels = ownership_labels(&network);
        for (key, value) in &labels {
            assert_eq!(labels::check_key(key), Ok(()), "{key}");
            assert_eq!(labels::check_value(value), Ok(()), "{key}={value}");
        }
        assert_eq!(labels["crossplane-name"].len(), labels::VALUE_LIMIT);
        assert_eq!(labels["crossplane-kind"], "network.hcloud.openova.io");
        assert_eq!(Some(&labels[UID_LABEL]), network.metadata.uid.as_ref());
    }

    #[test]
    fn near_names_come_first() {
        let types = ["cpx22", "cx23", "cx33", "cax11", "ccx13", "cpx12"];
        assert_eq!(
            near("cx22", types.into_iter()),
            "cx23, cx33, cax11, ccx13, cpx12"
        );
    }

    #[test]
    fn a_label_that_hetzner_refuses_is_named() {
        let labels = [("a/b/c".to_owned(), "x".to_owned())].into();
        let error = desired_labels(&network("n"), &labels).unwrap_err();
        assert_eq!(error.to_string(), "spec.forProvider.labels[a/b/c]");
    }
}
