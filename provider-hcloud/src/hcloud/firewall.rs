//! Firewalls: rules, and what they are applied to.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::client::Client;
use super::error::Error;
use super::labels::Labels;
use super::resource::{Resource, Resources};
use super::tolerant;

/// A firewall.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Firewall {
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
    /// The rules.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub rules: Vec<Rule>,
    /// What it is applied to, also by others.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub applied_to: Vec<Target>,
}

/// Traffic that is let through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Rule {
    /// `in` or `out`.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub direction: String,
    /// `tcp`, `udp`, `icmp`, `esp`, `gre`, or what the API adds.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub protocol: String,
    /// A port, a range with a dash, or `any`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// Where incoming traffic may come from.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub source_ips: Vec<String>,
    /// Where outgoing traffic may go to.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub destination_ips: Vec<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Servers that a firewall is applied to: one by id, or those that a label selector matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Target {
    /// `server` or `label_selector`, or what the API adds.
    #[serde(default, rename = "type", deserialize_with = "tolerant::or_default")]
    pub kind: String,
    /// The server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerId>,
    /// The label selector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<LabelSelector>,
    /// What a label selector matches.
    #[serde(default, skip_serializing, deserialize_with = "tolerant::or_default")]
    pub applied_to_resources: Vec<Self>,
}

/// A server by id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct ServerId {
    /// The id.
    #[serde(default)]
    pub id: u64,
}

/// Servers by label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct LabelSelector {
    /// The selector.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub selector: String,
}

impl Target {
    /// One server.
    pub fn server(id: u64) -> Self {
        Self {
            kind: "server".to_owned(),
            server: Some(ServerId { id }),
            ..Self::default()
        }
    }

    /// The servers that a label selector matches.
    pub fn label_selector(selector: &str) -> Self {
        Self {
            kind: "label_selector".to_owned(),
            label_selector: Some(LabelSelector {
                selector: selector.to_owned(),
            }),
            ..Self::default()
        }
    }
}

/// A firewall to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CreateFirewallRequest {
    /// The name.
    pub name: String,
    /// The labels.
    pub labels: Labels,
    /// The rules.
    pub rules: Vec<Rule>,
    /// What it is applied to.
    pub apply_to: Vec<Target>,
}

impl Resource for Firewall {
    const COLLECTION: &'static str = "firewalls";
    const OBJECT: &'static str = "firewall";
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
    /// The firewalls of the project.
    pub fn firewalls(&self) -> Resources<'_, Firewall> {
        self.resources()
    }
}

impl Resources<'_, Firewall> {
    /// Replaces all rules; none removes them.
    pub async fn set_rules(&self, id: u64, rules: &[Rule]) -> Result<Arc<Firewall>, Error> {
        self.act(id, "set_rules", &json!({"rules": rules})).await
    }

    /// Applies the firewall to more servers.
    pub async fn apply(&self, id: u64, targets: &[Target]) -> Result<Arc<Firewall>, Error> {
        let request = json!({"apply_to": targets});
        self.act(id, "apply_to_resources", &request).await
    }

    /// Takes the firewall away from servers.
    pub async fn take_away(&self, id: u64, targets: &[Target]) -> Result<Arc<Firewall>, Error> {
        let request = json!({"remove_from": targets});
        self.act(id, "remove_from_resources", &request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_firewall_is_read_with_unknown_fields_and_values() {
        let json = r#"{"id":1,"name":"web","rules":[{"direction":"in","protocol":"sctp","port":"80","source_ips":["::/0"],"destination_ips":null,"x":1}],
            "applied_to":[{"type":"server","server":{"id":7}},{"type":"label_selector","label_selector":{"selector":"a=b"},
            "applied_to_resources":[{"type":"server","server":{"id":8}}]},{"type":"moon"}]}"#;
        let firewall: Firewall = serde_json::from_str(json).unwrap();
        assert_eq!(firewall.rules[0].protocol, "sctp");
        assert_eq!(firewall.applied_to[0], Target::server(7));
        assert_eq!(
            firewall.applied_to[1].applied_to_resources,
            [Target::server(8)]
        );
        let bare: Firewall =
            serde_json::from_str(r#"{"id":1,"rules":null,"applied_to":null}"#).unwrap();
        assert!(bare.rules.is_empty() && bare.applied_to.is_empty());
    }

    #[test]
    fn a_target_is_written_without_what_it_matches() {
        let target = Target {
            applied_to_resources: vec![Target::server(8)],
            ..Target::label_selector("a=b")
        };
        assert_eq!(
            serde_json::to_string(&target).unwrap(),
            r#"{"type":"label_selector","label_selector":{"selector":"a=b"}}"#
        );
    }
}
