//! The attachment of a server to a network as a spec asks for it, in a Server and in a ServerNetwork.

use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::Ipv4Net;

use super::wish::id;
use crate::{
    hcloud::server::{AttachRequest, PrivateNet},
    kind::{Error, parse_id},
};

/// An attachment that is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::kind) struct Attachment {
    /// Id of the network.
    pub(in crate::kind) network: u64,
    /// Range of the subnet.
    pub(in crate::kind) range: Option<Ipv4Net>,
    /// The address.
    pub(in crate::kind) ip: Option<Ipv4Addr>,
    /// Further addresses; `None` when they are not managed.
    pub(in crate::kind) alias_ips: Option<BTreeSet<Ipv4Addr>>,
}

/// The fields of a spec that describe an attachment.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::kind) struct Fields<'a> {
    /// Path of the fields below `spec.forProvider`, with a dot at its end when it is not empty.
    pub(in crate::kind) path: &'a str,
    /// Id of the network.
    pub(in crate::kind) network_id: Option<&'a str>,
    /// External name of the subnet.
    pub(in crate::kind) subnet_id: Option<&'a str>,
    /// Range of the subnet.
    pub(in crate::kind) ip_range: Option<&'a str>,
    /// The address.
    pub(in crate::kind) ip: Option<&'a str>,
    /// Further addresses.
    pub(in crate::kind) alias_ips: Option<&'a [String]>,
}

/// A difference that only detaching and attaching again removes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::kind) struct Misplaced {
    /// `ip` or the field that gives the subnet.
    pub(in crate::kind) field: &'static str,
    /// What the spec says.
    pub(in crate::kind) desired: String,
}

impl Fields<'_> {
    /// Reads the fields.
    ///
    /// # Errors
    /// The first field that cannot be read.
    pub(in crate::kind) fn read(self) -> Result<Attachment, Error> {
        let at = |field: &str| format!("{}{field}", self.path);
        let subnet = self.subnet_id.map(|text| {
            let problem = || {
                let problem =
                    format!("{text:?} is not a subnet: it must be <network id>-<ip range>");
                Error::field(at("subnetId"), problem)
            };
            parse_subnet(text).ok_or_else(problem)
        });
        let subnet = subnet.transpose()?;
        let network = match (self.network_id, subnet) {
            (None, Some((network, _))) => network,
            (given, subnet) => {
                let field = || at("networkId");
                let given = given.ok_or_else(|| {
                    Error::field(field(), "this or subnetId is required".to_owned())
                })?;
                let network = id(field(), given)?;
                if subnet.is_some_and(|(of, _)| of != network) {
                    let problem =
                        format!("the subnet belongs to another network than networkId {network}");
                    return Err(Error::field(at("subnetId"), problem));
                }
                network
            }
        };
        let range = match (subnet, self.ip_range) {
            (Some((_, range)), _) => Some(range),
            (None, Some(text)) => Some(
                text.parse::<Ipv4Net>()
                    .map(|range| range.trunc())
                    .map_err(|_| {
                        Error::field(at("ipRange"), format!("{text:?} is not an IPv4 network"))
                    })?,
            ),
            (None, None) => None,
        };
        let address = |field: &str, text: &str| {
            text.parse::<Ipv4Addr>()
                .map_err(|_| Error::field(at(field), format!("{text:?} is not an IPv4 address")))
        };
        let ip = self.ip.map(|text| address("ip", text)).transpose()?;
        if let (Some(range), Some(ip)) = (range, ip)
            && !range.contains(&ip)
        {
            let problem = format!("{ip} is not in the subnet {range}");
            return Err(Error::field(at("ip"), problem));
        }
        let aliases = self.alias_ips.map(|ips| {
            let ips = ips.iter().map(|text| address("aliasIps", text));
            ips.collect::<Result<BTreeSet<_>, _>>()
        });
        Ok(Attachment {
            network,
            range,
            ip,
            alias_ips: aliases.transpose()?,
        })
    }
}

impl Attachment {
    /// Whether a create of the server can ask for it: it takes networks, and no addresses.
    pub(in crate::kind) fn is_plain(&self) -> bool {
        let no_aliases = self.alias_ips.as_ref().is_none_or(BTreeSet::is_empty);
        self.ip.is_none() && self.range.is_none() && no_aliases
    }

    /// How it is asked for.
    pub(in crate::kind) fn request(&self) -> AttachRequest {
        AttachRequest {
            network: self.network,
            ip: self.ip,
            ip_range: self.range.map(|range| range.to_string()),
            alias_ips: self.alias_ips.iter().flatten().copied().collect(),
        }
    }

    /// What is wrong with the place of an existing attachment.
    pub(in crate::kind) fn misplaced(&self, observed: &PrivateNet) -> Option<Misplaced> {
        let found = observed.ip.parse::<Ipv4Addr>().ok();
        match (self.ip, self.range) {
            (Some(ip), _) if found != Some(ip) => Some(Misplaced {
                field: "ip",
                desired: ip.to_string(),
            }),
            (None, Some(range)) if !found.is_some_and(|ip| range.contains(&ip)) => {
                Some(Misplaced {
                    field: "subnetId",
                    desired: range.to_string(),
                })
            }
            _ => None,
        }
    }

    /// The further addresses that an existing attachment should have, when it has others.
    pub(in crate::kind) fn other_aliases(
        &self,
        observed: &PrivateNet,
    ) -> Option<&BTreeSet<Ipv4Addr>> {
        let found: BTreeSet<Option<Ipv4Addr>> = observed
            .alias_ips
            .iter()
            .map(|text| text.parse().ok())
            .collect();
        let wanted = self.alias_ips.as_ref()?;
        let same = wanted.iter().copied().map(Some).eq(found);
        (!same).then_some(wanted)
    }
}

/// Addresses as they are shown.
pub(in crate::kind) fn list<T: ToString>(addresses: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<_> = addresses.into_iter().map(|ip| ip.to_string()).collect();
    if texts.is_empty() {
        return "none".to_owned();
    }
    texts.join(", ")
}

fn parse_subnet(text: &str) -> Option<(u64, Ipv4Net)> {
    let (network, range) = text.split_once('-')?;
    Some((parse_id(network)?, range.parse::<Ipv4Net>().ok()?.trunc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(ip: &str, alias_ips: &[&str]) -> PrivateNet {
        PrivateNet {
            network: 7,
            ip: ip.to_owned(),
            alias_ips: alias_ips.iter().map(|ip| (*ip).to_owned()).collect(),
            mac_address: String::new(),
        }
    }

    #[test]
    fn a_network_is_given_by_its_id_or_by_a_subnet_of_it() {
        let by_id = Fields {
            network_id: Some("7"),
            ..Fields::default()
        };
        assert!(by_id.read().unwrap().is_plain());
        let by_subnet = Fields {
            subnet_id: Some("7-10.0.1.9/24"),
            ip: Some("10.0.1.5"),
            ..Fields::default()
        };
        let read = by_subnet.read().unwrap();
        assert_eq!(
            serde_json::to_value(read.request()).unwrap(),
            serde_json::json!({"network": 7, "ip": "10.0.1.5", "ip_range": "10.0.1.0/24"})
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let base = Fields {
            path: "networks[1].",
            network_id: Some("7"),
            ..Fields::default()
        };
        #[rustfmt::skip]
        let table = [
            (Fields { network_id: None, ..base }, "networks[1].networkId: this or subnetId is required"),
            (Fields { network_id: Some("x"), ..base }, "networks[1].networkId: \"x\" is not an id"),
            (Fields { subnet_id: Some("8-10.0.1.0/24"), ..base }, "networks[1].subnetId: the subnet belongs to another network"),
            (Fields { subnet_id: Some("10.0.1.0/24"), ..base }, "networks[1].subnetId: \"10.0.1.0/24\" is not a subnet"),
            (Fields { ip_range: Some("all"), ..base }, "networks[1].ipRange: \"all\""),
            (Fields { ip: Some("10.0.0"), ..base }, "networks[1].ip: \"10.0.0\""),
            (Fields { ip_range: Some("10.0.1.0/24"), ip: Some("10.0.2.1"), ..base }, "networks[1].ip: 10.0.2.1 is not in the subnet 10.0.1.0/24"),
        ];
        for (fields, expected) in table {
            let message = fields.read().unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn an_attachment_is_misplaced_when_its_address_is_another_or_of_another_subnet() {
        let with = |ip: Option<&str>, ip_range: Option<&str>| {
            let fields = Fields {
                network_id: Some("7"),
                ip,
                ip_range,
                ..Fields::default()
            };
            let misplaced = fields.read().unwrap().misplaced(&observed("10.0.1.5", &[]));
            misplaced.map(|misplaced| misplaced.field)
        };
        assert_eq!(with(None, None), None);
        assert_eq!(with(Some("10.0.1.5"), None), None);
        assert_eq!(with(Some("10.0.1.6"), None), Some("ip"));
        assert_eq!(with(None, Some("10.0.1.0/24")), None);
        assert_eq!(with(None, Some("10.0.2.0/24")), Some("subnetId"));
    }

    #[test]
    fn the_order_of_further_addresses_says_nothing() {
        let wanted = |alias_ips: Option<&[String]>| {
            let fields = Fields {
                network_id: Some("7"),
                alias_ips,
                ..Fields::default()
            };
            fields.read().unwrap()
        };
        let ips = ["10.0.0.9".to_owned(), "10.0.0.8".to_owned()];
        let both = wanted(Some(&ips));
        assert!(
            both.other_aliases(&observed("10.0.0.2", &["10.0.0.8", "10.0.0.9"]))
                .is_none()
        );
        assert!(
            both.other_aliases(&observed("10.0.0.2", &["10.0.0.8"]))
                .is_some()
        );
        assert!(
            wanted(None)
                .other_aliases(&observed("10.0.0.2", &["10.0.0.8"]))
                .is_none()
        );
        assert!(
            wanted(Some(&[]))
                .other_aliases(&observed("10.0.0.2", &["10.0.0.8"]))
                .is_some()
        );
    }
}
