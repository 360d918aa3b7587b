//! Private networks and their address ranges.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;

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
}

fn isolated() -> bool {
    true
}

impl Default for NetworkRequest {
    fn default() -> Self {
        Self {
            cidr: None,
            isolated: isolated(),
            inter_region: InterRegion::default(),
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
            cidr: None,
            isolated,
            inter_region,
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
