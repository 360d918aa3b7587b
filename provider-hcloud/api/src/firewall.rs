//! Firewall: what may reach servers from the internet, and what they may reach.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    managed::{ManagedSpec, ManagedStatus},
    reference::{Reference, ReferenceField, Selector},
    schema::{self, name_fits},
};

/// Longest name that is accepted.
pub const NAME_MAX_LENGTH: u32 = 128;

/// Desired state of a firewall.
#[derive(
    Clone, CustomResource, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize,
)]
#[kube(
    group = "hcloud.openova.io",
    version = "v1alpha1",
    kind = "Firewall",
    doc = "A firewall in Hetzner Cloud: it filters what goes through the public interfaces of the servers it is applied to.",
    namespaced,
    status = "FirewallStatus",
    derive = "Default",
    derive = "PartialEq",
    category = "crossplane",
    category = "managed",
    category = "hcloud",
    printcolumn(
        name = "READY",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "SYNCED",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Synced')].status"
    ),
    printcolumn(
        name = "EXTERNAL-NAME",
        type_ = "string",
        json_path = ".metadata.annotations.crossplane\\.io/external-name"
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    validation = name_fits(NAME_MAX_LENGTH)
)]
#[serde(rename_all = "camelCase")]
pub struct FirewallSpec {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedSpec,

    /// The firewall as it should be. A field that is left out is not managed.
    pub for_provider: FirewallParameters,
}

/// A firewall as it should be.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FirewallParameters {
    /// Name at Hetzner, unique in the project. Default: `metadata.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub name: Option<String>,

    /// What is let through. Without a rule for incoming traffic nothing comes in; without a rule
    /// for outgoing traffic everything goes out. The list is complete: other rules are removed, and
    /// an empty list removes all. Private networks are not filtered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50))]
    pub rules: Option<Vec<FirewallRule>>,

    /// Selectors for the labels of servers at Hetzner, for example `cluster=prod,role!=worker`: the
    /// firewall is applied to all servers that match, new ones included. A selector that is taken
    /// out here is removed; selectors that others have added stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 512)))]
    pub label_selectors: Option<Vec<String>>,

    /// Ids of servers that the firewall is applied to one by one; they need a public interface. From
    /// a server that is taken out here the firewall is removed; servers that others have added stay.
    /// A server that names the firewall in its own `firewallIds` is not to be named here as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::ids")]
    pub server_ids: Option<Vec<String>>,

    /// The same, as names of resources of kind Server in this namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::references")]
    pub server_id_refs: Vec<Reference>,

    /// The same, as labels of resources of kind Server in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_id_selector: Option<Selector>,

    /// Labels at Hetzner. They are merged: labels that others put on the firewall stay, and a label
    /// that is taken out here is left there. Keys and values follow the rules of Kubernetes labels;
    /// the prefixes `hetzner.cloud/` and `hcloud.openova.io/` are reserved.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::labels")]
    pub labels: BTreeMap<String, String>,
}

/// Traffic that a firewall lets through.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.port) == (self.protocol in ['tcp', 'udp'])")
        .message("port is required for the protocols tcp and udp, and only allowed there"),
    validation = Rule::new("self.direction == 'in' ? has(self.sourceIps) && !has(self.destinationIps) : has(self.destinationIps) && !has(self.sourceIps)")
        .message("sourceIps belong to direction in, destinationIps to direction out, and must be given there")
)]
pub struct FirewallRule {
    /// in for traffic to the servers, out for traffic from them.
    pub direction: FirewallDirection,

    /// Network protocol.
    pub protocol: FirewallProtocol,

    /// Port, range of ports (`1024-5000`), or `any`. For tcp and udp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 11),
        regex(pattern = r"^(any|[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?)$")
    )]
    #[x_kube(validation = Rule::new(
        "!self.matches('^[0-9]{1,5}(-[0-9]{1,5})?$') || self.split('-').all(p, int(p) <= 65535) && (!self.contains('-') || int(self.split('-')[0]) <= int(self.split('-')[1]))"
    ).message("ports go up to 65535, and a range from the lower to the higher one"))]
    pub port: Option<String>,

    /// Where incoming traffic may come from, in CIDR notation: `0.0.0.0/0` and `::/0` for everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::ranges")]
    pub source_ips: Vec<String>,

    /// Where outgoing traffic may go to, in CIDR notation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::ranges")]
    pub destination_ips: Vec<String>,

    /// What the rule is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub description: Option<String>,
}

/// Direction of traffic, seen from the server.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FirewallDirection {
    /// To the server.
    #[default]
    In,
    /// From the server.
    Out,
}

impl FirewallDirection {
    /// The direction as the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// Protocols that a firewall knows.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FirewallProtocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// ICMP and ICMPv6.
    Icmp,
    /// ESP, for IPsec.
    Esp,
    /// GRE tunnels.
    Gre,
}

impl FirewallProtocol {
    /// The protocol as the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Esp => "esp",
            Self::Gre => "gre",
        }
    }
}

/// Observed state of a firewall.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FirewallStatus {
    /// What does not depend on the kind.
    #[serde(flatten)]
    pub managed: ManagedStatus,

    /// The firewall as it is at Hetzner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<FirewallObservation>,
}

/// A firewall as it is at Hetzner.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FirewallObservation {
    /// Id at Hetzner; the external name.
    pub id: i64,

    /// Name at Hetzner.
    #[serde(default)]
    pub name: String,

    /// What is let through.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<ObservedFirewallRule>,

    /// Ids of the servers that the firewall is applied to one by one, in ascending order: those that
    /// name it, and those that it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<i64>,

    /// Those of the servers that this resource asks for or has asked for. Others belong to others
    /// and stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own_servers: Vec<i64>,

    /// Label selectors with the servers that they match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub label_selectors: Vec<FirewallLabelSelector>,

    /// Those of the label selectors that this resource asks for or has asked for. Others belong to
    /// others and stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own_label_selectors: Vec<String>,

    /// All labels, those of other parties included.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,

    /// When the firewall was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
}

/// A rule as it is at Hetzner.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObservedFirewallRule {
    /// in or out.
    #[serde(default)]
    pub direction: String,

    /// Network protocol.
    #[serde(default)]
    pub protocol: String,

    /// Port or range of ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,

    /// Where incoming traffic may come from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_ips: Vec<String>,

    /// Where outgoing traffic may go to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub destination_ips: Vec<String>,

    /// What the rule is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A label selector that a firewall is applied to.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FirewallLabelSelector {
    /// The selector.
    #[serde(default)]
    pub selector: String,

    /// Ids of the servers that match, in ascending order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<i64>,
}

crate::managed!(Firewall, FirewallObservation, {
    fn reference_fields(&mut self) -> Vec<ReferenceField<'_>> {
        let spec = &mut self.spec.for_provider;
        let servers = ReferenceField::many(
            "serverIds",
            "Server",
            &mut spec.server_ids,
            &spec.server_id_refs,
            spec.server_id_selector.as_ref(),
        );
        servers.into_iter().collect()
    }
});
