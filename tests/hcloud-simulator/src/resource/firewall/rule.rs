//! What the API allows names and rules of firewalls to be.

use ipnet::IpNet;

use super::{Direction, Protocol, Rule};
use crate::request::Fields;

const MAX_NAME: usize = 128;
const MAX_RULES: usize = 50;
const MAX_RANGES: usize = 100;
const MAX_DESCRIPTION: usize = 255;

pub(super) fn check_name(fields: &mut Fields, name: Option<&str>) {
    if name.is_some_and(|name| name.chars().count() > MAX_NAME) {
        fields.refuse("name", format!("is longer than {MAX_NAME} characters"));
    }
}

/// The field `rules`.
pub(super) fn read_all(fields: &mut Fields) -> Vec<Rule> {
    let rules = fields.each("rules", read);
    if rules.len() > MAX_RULES {
        fields.refuse("rules", format!("has more than {MAX_RULES} rules"));
    }
    rules
}

fn read(fields: &mut Fields) -> Option<Rule> {
    let direction = fields.parsed("direction", |text| match text {
        "in" => Ok(Direction::In),
        "out" => Ok(Direction::Out),
        _ => Err(format!("'{text}' is not one of in, out")),
    });
    let protocol = fields.parsed("protocol", |text| match text {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        "icmp" => Ok(Protocol::Icmp),
        "esp" => Ok(Protocol::Esp),
        "gre" => Ok(Protocol::Gre),
        _ => Err(format!("'{text}' is not one of tcp, udp, icmp, esp, gre")),
    });
    let port = fields.parsed_optional("port", port);
    let source_ips = ranges(fields, "source_ips");
    let destination_ips = ranges(fields, "destination_ips");
    let description = fields.optional::<String>("description");
    if description
        .as_ref()
        .is_some_and(|text| text.chars().count() > MAX_DESCRIPTION)
    {
        fields.refuse(
            "description",
            format!("is longer than {MAX_DESCRIPTION} characters"),
        );
    }
    let (direction, protocol) = (direction?, protocol?);

    let (wanted, other) = match direction {
        Direction::In => (
            ("source_ips", &source_ips),
            ("destination_ips", &destination_ips),
        ),
        Direction::Out => (
            ("destination_ips", &destination_ips),
            ("source_ips", &source_ips),
        ),
    };
    let way = if direction == Direction::In {
        "in"
    } else {
        "out"
    };
    if wanted.1.as_ref().is_some_and(Vec::is_empty) {
        fields.refuse(wanted.0, format!("is required for direction {way}"));
    }
    if other.1.as_ref().is_some_and(|ranges| !ranges.is_empty()) {
        fields.refuse(other.0, format!("is not allowed for direction {way}"));
    }
    let has_ports = matches!(protocol, Protocol::Tcp | Protocol::Udp);
    if has_ports && !fields.has("port") {
        fields.refuse("port", "is required for protocols tcp and udp");
    }
    if !has_ports && fields.has("port") {
        fields.refuse("port", "is only allowed for protocols tcp and udp");
    }
    Some(Rule {
        direction,
        protocol,
        port,
        source_ips: source_ips?,
        destination_ips: destination_ips?,
        description,
    })
}

/// A list of ranges; empty when the field is missing, `None` when it is refused.
fn ranges(fields: &mut Fields, name: &str) -> Option<Vec<IpNet>> {
    if !fields.has(name) {
        return Some(Vec::new());
    }
    let texts = fields.optional::<Vec<String>>(name)?;
    if texts.len() > MAX_RANGES {
        fields.refuse(name, format!("has more than {MAX_RANGES} ranges"));
        return None;
    }
    let ranges: Vec<Result<IpNet, String>> = texts.iter().map(|text| range(text)).collect();
    for problem in ranges.iter().filter_map(|range| range.as_ref().err()) {
        fields.refuse(name, problem.clone());
    }
    ranges.into_iter().collect::<Result<_, _>>().ok()
}

fn range(text: &str) -> Result<IpNet, String> {
    let range: IpNet = text
        .parse()
        .map_err(|_| format!("'{text}' is not in CIDR notation"))?;
    if range.addr() != range.network() {
        return Err(format!(
            "'{text}' has host bits set: the range is {}",
            range.trunc()
        ));
    }
    Ok(range)
}

/// A port, a range of ports, or `any`, as it was given.
fn port(text: &str) -> Result<String, String> {
    let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    let good = match text.split_once('-') {
        Some((first, last)) => match (number(first), number(last)) {
            (Some(first), Some(last)) => first <= last,
            _ => false,
        },
        None => text == "any" || number(text).is_some(),
    };
    if good {
        Ok(text.to_owned())
    } else {
        Err(format!("'{text}' is not a port, a range of ports, or any"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_single_or_ranges_that_ascend() {
        for good in ["1", "80", "65535", "80-80", "1024-5000", "any"] {
            assert_eq!(port(good), Ok(good.to_owned()));
        }
        for bad in [
            "",
            "0",
            "65536",
            "http",
            "80-",
            "-80",
            "90-80",
            "80-90-100",
            "80,90",
        ] {
            assert!(port(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn ranges_have_no_host_bits_and_become_canonical() {
        for (text, canonical) in [
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("10.0.1.1/32", "10.0.1.1/32"),
            (
                "2001:0DB8:ff00:0042::8329/128",
                "2001:db8:ff00:42::8329/128",
            ),
        ] {
            assert_eq!(
                range(text).map(|range| range.to_string()),
                Ok(canonical.to_owned())
            );
        }
        for (bad, reason) in [
            ("10.0.0.1", "CIDR"),
            ("10.0.0.0/33", "CIDR"),
            ("10.0.0.1/24", "the range is 10.0.0.0/24"),
            ("2001:db8::1/64", "the range is 2001:db8::/64"),
        ] {
            let message = range(bad).unwrap_err();
            assert!(message.contains(reason), "{bad}: {message}");
        }
    }
}
