//! What is asked of servers.

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::hcloud::labels::Labels;

/// Text that is secret: a `Debug` output does not show it.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text. Not to be logged or reported.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A server to be made. What is left out, the API decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CreateServerRequest {
    /// The name.
    pub name: String,
    /// The labels.
    pub labels: Labels,
    /// Name or id of the server type.
    pub server_type: String,
    /// Name or id of the image.
    pub image: String,
    /// Name of the location.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Whether it is started at once.
    pub start_after_create: bool,
    /// The SSH keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<IdOrName>,
    /// What cloud-init is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_data: Option<Secret>,
    /// The networks that it is attached to, with addresses of the API's choice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<u64>,
    /// The firewalls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub firewalls: Vec<CreateServerFirewall>,
    /// The placement group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement_group: Option<u64>,
    /// The public interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_net: Option<CreateServerPublicNet>,
}

/// What a server is rebuilt with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RebuildRequest {
    /// Name or id of the image.
    pub image: String,
    /// What cloud-init is given; what it was given before, when this is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_data: Option<Secret>,
}

/// An object by id, or by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum IdOrName {
    /// The id.
    Id(u64),
    /// The name.
    Name(String),
}

/// A firewall of a server to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CreateServerFirewall {
    /// The API's id.
    pub firewall: u64,
}

/// The public interface of a server to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CreateServerPublicNet {
    /// Whether it has an IPv4 address.
    pub enable_ipv4: bool,
    /// Whether it has an IPv6 network.
    pub enable_ipv6: bool,
    /// The Primary IP of the address; a new one when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv4: Option<u64>,
    /// The Primary IP of the network; a new one when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<u64>,
}

/// An attachment to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttachRequest {
    /// The API's id of the network.
    pub network: u64,
    /// The address; one of the API's choice when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<Ipv4Addr>,
    /// The range of the subnet that the address is taken from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_range: Option<String>,
    /// Further addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alias_ips: Vec<Ipv4Addr>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_says_what_is_wanted_and_hides_its_user_data() {
        let request = CreateServerRequest {
            name: "web".to_owned(),
            labels: Labels::new(),
            server_type: "cx23".to_owned(),
            image: "debian-13".to_owned(),
            location: None,
            start_after_create: true,
            ssh_keys: vec![IdOrName::Id(7), IdOrName::Name("me".to_owned())],
            user_data: Some(Secret::new("s3cret".to_owned())),
            networks: Vec::new(),
            firewalls: vec![CreateServerFirewall { firewall: 38 }],
            placement_group: None,
            public_net: None,
        };
        assert_eq!(
            serde_json::to_value(&request).unwrap(),
            json!({
                "name": "web", "labels": {}, "server_type": "cx23", "image": "debian-13", "start_after_create": true,
                "ssh_keys": [7, "me"], "user_data": "s3cret", "firewalls": [{"firewall": 38}],
            })
        );
        assert!(!format!("{request:?}").contains("s3cret"));
    }
}
