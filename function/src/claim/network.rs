//! Private networks and their address ranges.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;

use super::machine::NAME;

/// CEL: an IPv4 range, written with its first address.
const RANGE_RULE: &str =
    "isCIDR(self) && cidr(self).ip().family() == 4 && cidr(self) == cidr(self).masked()";
const RANGE_MESSAGE: &str =
    "must be an IPv4 range that starts at its first address, for example 10.0.0.0/16";

/// A private IPv4 range as RFC 1918 allows it, written with its first address.
///
/// The type checks what a schema cannot: that the range is private and is at least
/// as large as the smallest subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Range(Ipv4Net);

/// Why a text is not a [`Range`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Not `address/length`.
    #[error("{0:?} is not an IPv4 range: write it like 10.0.0.0/16")]
    Malformed(String),
    /// The address is not the first of the range.
    #[error("{0} does not start at its first address: write {1}")]
    NotFirst(String, Ipv4Net),
    /// Not private.
    #[error(
        "{0} is not a private range: take one inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"
    )]
    NotPrivate(Ipv4Net),
    /// Longer than /24: no room for a subnet beside its reserved addresses.
    #[error("{0} is too small: take at least a /24")]
    TooSmall(Ipv4Net),
}

/// The ranges of RFC 1918.
const PRIVATE: [(Ipv4Addr, u8); 3] = [
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
];

/// Longest prefix of a network.
const SMALLEST: u8 = 24;

impl Range {
    /// `10.<slot>.0.0/16`, the range of the network in this slot.
    pub fn of_slot(slot: u8) -> Self {
        Self(Ipv4Net::new_assert(Ipv4Addr::new(10, slot, 0, 0), 16))
    }

    /// Whether some address is in both ranges.
    pub fn overlaps(self, other: Self) -> bool {
        let common = self.0.prefix_len().min(other.0.prefix_len());
        let differing = self.0.addr().to_bits() ^ other.0.addr().to_bits();
        u64::from(differing) >> (32 - common) == 0
    }

    /// The first address.
    pub fn first(self) -> Ipv4Addr {
        self.0.network()
    }

    /// The last address.
    pub fn last(self) -> Ipv4Addr {
        self.0.broadcast()
    }

    /// The length of the prefix, 8 to 24.
    pub fn prefix(self) -> u8 {
        self.0.prefix_len()
    }

    /// Whether this address is in the range.
    pub fn holds(self, address: Ipv4Addr) -> bool {
        self.0.contains(&address)
    }

    /// The /24 with this number, from 0, as far as the range reaches.
    pub fn block(self, number: u32) -> Option<Self> {
        let first = self
            .first()
            .to_bits()
            .checked_add(number.checked_mul(256)?)?;
        let block = Ipv4Net::new(Ipv4Addr::from_bits(first), SMALLEST).ok()?;
        self.0.contains(&block).then_some(Self(block))
    }

    /// Whether every address of the other range is in this one.
    pub fn contains(self, other: Self) -> bool {
        self.0.prefix_len() <= other.0.prefix_len() && self.overlaps(other)
    }
}

impl FromStr for Range {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let net: Ipv4Net = text
            .parse()
            .map_err(|_| RangeError::Malformed(text.to_owned()))?;
        if net.trunc() != net {
            return Err(RangeError::NotFirst(text.to_owned(), net.trunc()));
        }
        let private = PRIVATE.iter().any(|&(address, length)| {
            Ipv4Net::new(address, length).is_ok_and(|private| private.contains(&net))
        });
        if !private {
            return Err(RangeError::NotPrivate(net));
        }
        if net.prefix_len() > SMALLEST {
            return Err(RangeError::TooSmall(net));
        }
        Ok(Self(net))
    }
}

impl TryFrom<String> for Range {
    type Error = RangeError;

    fn try_from(text: String) -> Result<Self, RangeError> {
        text.parse()
    }
}

impl From<Range> for Ipv4Net {
    fn from(range: Range) -> Self {
        range.0
    }
}

impl Serialize for Range {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.0.addr().octets();
        write!(f, "{a}.{b}.{c}.{d}/{}", self.0.prefix_len())
    }
}

impl JsonSchema for Range {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Range".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "maxLength": 18,
            "format": "cidr",
            "x-kubernetes-validations": [{"rule": RANGE_RULE, "message": RANGE_MESSAGE}],
        })
    }
}

/// How a region's network reaches those of other regions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InterRegion {
    /// Nothing leads to other regions.
    None,
    /// Nodes encrypt what they send to other regions and use public addresses.
    #[default]
    WireguardPublic,
}

/// The private network of a region, as a claim asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [json!({
    "rule": "!has(self.existing) || has(self.cidr)",
    "message": "existing needs cidr: the range that the network has",
})]))]
pub struct NetworkRequest {
    /// Address range of the network. Without it the platform takes the lowest free
    /// 10.x.0.0/16 and keeps it. A range can grow later (a shorter prefix that
    /// contains the old range); it can neither shrink nor move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Address range", with = "Option<Range>")]
    pub cidr: Option<String>,

    /// Whether the network stands alone. The range of an isolated network may be
    /// used again by another isolated network that nothing connects it to; any other
    /// range must be unique in the platform.
    #[serde(default = "isolated")]
    #[schemars(title = "Isolated")]
    pub isolated: bool,

    /// How the network reaches those of other regions. Regions that are not set to
    /// `none` are connected with each other, and their ranges must differ.
    #[serde(default)]
    #[schemars(title = "Connection to other regions")]
    pub inter_region: InterRegion,

    /// Id of a network that exists and that others look after. Subnets and routes are
    /// added to it. Needs `cidr`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        title = "Existing network",
        length(max = 16),
        regex(pattern = r"^[1-9][0-9]*$")
    )]
    pub existing: Option<String>,

    /// Subnets. One that is called like a cluster is for the nodes of that cluster; a
    /// cluster without one gets the lowest free /24.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "Subnets",
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub subnets: Vec<SubnetRequest>,

    /// Routes. Servers without public addresses need one to 0.0.0.0/0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "Routes",
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["destination"])
    )]
    pub routes: Vec<Route>,
}

/// A subnet, as a claim asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [fixed_subnet()]))]
pub struct SubnetRequest {
    /// Address range inside that of the network. It cannot change.
    #[schemars(title = "Address range", with = "Range")]
    pub cidr: String,

    /// Name of the subnet, unique in its region.
    #[schemars(title = "Name", length(max = 20), regex(pattern = NAME))]
    pub name: String,
}

fn fixed_subnet() -> serde_json::Value {
    json!({
        "rule": "self.cidr == oldSelf.cidr",
        "message": "cidr of a subnet cannot be changed: add a subnet with another name",
    })
}

/// Where packets from the network to other addresses go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    /// Destination: 0.0.0.0/0 for everything outside of the network, or a private range.
    #[schemars(
        title = "Destination",
        length(max = 18),
        extend("format" = "cidr", "x-kubernetes-validations" = [json!({
            "rule": "isCIDR(self) && cidr(self).ip().family() == 4",
            "message": "must be an IPv4 range, for example 0.0.0.0/0",
        })])
    )]
    pub destination: String,

    /// Address of the server in the network that passes the packets on.
    #[schemars(title = "Gateway", length(min = 7, max = 15))]
    pub gateway: Ipv4Addr,
}

/// The destination that stands for the internet.
pub const INTERNET: &str = "0.0.0.0/0";

fn isolated() -> bool {
    true
}

impl Default for NetworkRequest {
    fn default() -> Self {
        Self {
            cidr: None,
            isolated: isolated(),
            inter_region: InterRegion::default(),
            existing: None,
            subnets: Vec::new(),
            routes: Vec::new(),
        }
    }
}

impl NetworkRequest {
    /// Whether the range of this network must differ from that of the other.
    pub fn must_differ_from(&self, other: &Self) -> bool {
        let connected =
            self.inter_region != InterRegion::None && other.inter_region != InterRegion::None;
        connected || !self.isolated || !other.isolated
    }
}

/// The private network of a region, with its range decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [json!({
    "rule": "cidr(self.cidr).containsCIDR(oldSelf.cidr)",
    "message": "cidr can only grow: the new range must contain the old one",
})]))]
pub struct Network {
    /// Address range of the network. It can grow; it can neither shrink nor move.
    #[schemars(title = "Address range")]
    pub cidr: Range,

    /// Id of a network that exists and that others look after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        title = "Existing network",
        length(max = 16),
        regex(pattern = r"^[1-9][0-9]*$")
    )]
    pub existing: Option<String>,

    /// Routes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "Routes",
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["destination"])
    )]
    pub routes: Vec<Route>,

    /// Subnets. That of a cluster has the cluster's name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        title = "Subnets",
        length(max = 24),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub subnets: Vec<Subnet>,
}

impl Network {
    /// The subnet of this name.
    pub fn subnet(&self, name: &str) -> Option<&Subnet> {
        self.subnets.iter().find(|subnet| subnet.name == name)
    }
}

/// A subnet with its range decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [fixed_subnet()]))]
pub struct Subnet {
    /// Address range. It cannot change.
    #[schemars(title = "Address range")]
    pub cidr: Range,

    /// Name of the subnet, unique in its region.
    #[schemars(title = "Name", length(max = 20), regex(pattern = NAME))]
    pub name: String,
}

/// The network of a region as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkStatus {
    /// Address range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub cidr: Option<Range>,
    /// Id in the cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Range {
        text.parse().unwrap()
    }

    #[test]
    fn a_range_is_checked() {
        let cases = [
            ("10.0.0.0/16", None),
            ("192.168.7.0/24", None),
            ("10.0.0.0", Some("is not an IPv4 range")),
            ("10.0.0.0/33", Some("is not an IPv4 range")),
            ("fd00::/64", Some("is not an IPv4 range")),
            ("10.0.1.0/16", Some("write 10.0.0.0/16")),
            ("8.0.0.0/16", Some("not a private range")),
            ("172.0.0.0/8", Some("not a private range")),
            ("10.0.0.0/28", Some("at least a /24")),
        ];
        for (text, expected) in cases {
            let error = text.parse::<Range>().err().map(|error| error.to_string());
            match expected {
                None => assert_eq!(error, None, "{text}"),
                Some(part) => assert!(
                    error.as_deref().is_some_and(|error| error.contains(part)),
                    "{text}: {error:?}"
                ),
            }
        }
    }

    #[test]
    fn ranges_overlap_when_one_contains_the_other() {
        assert!(range("10.0.0.0/8").overlaps(range("10.3.0.0/16")));
        assert!(range("10.3.0.0/16").overlaps(range("10.0.0.0/8")));
        assert!(!range("10.2.0.0/16").overlaps(range("10.3.0.0/16")));
    }

    #[test]
    fn only_isolated_networks_that_nothing_connects_may_share_a_range() {
        let network = |isolated, inter_region| NetworkRequest {
            isolated,
            inter_region,
            ..NetworkRequest::default()
        };
        let (alone, open) = (InterRegion::None, InterRegion::WireguardPublic);
        let cases = [
            (network(true, alone), network(true, alone), false),
            (network(true, open), network(true, alone), false),
            (network(true, open), network(true, open), true),
            (network(false, alone), network(true, alone), true),
        ];
        for (one, other, expected) in cases {
            assert_eq!(one.must_differ_from(&other), expected, "{one:?} {other:?}");
            assert_eq!(other.must_differ_from(&one), expected, "{other:?} {one:?}");
        }
    }
}
