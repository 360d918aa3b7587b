//! Ranges of addresses as the API writes them.

use ipnet::IpNet;

/// A range in CIDR notation as the API stores it: in lower case, IPv6 in its shortest form. Addresses after the prefix
/// stay, and so does what is no range: the API refuses both, and says which.
pub(super) fn canonical(text: &str) -> String {
    text.parse::<IpNet>()
        .map_or_else(|_| text.to_owned(), |range| range.to_string())
}

/// The ranges of a list whose order says nothing, each once, as the API stores them.
pub(super) fn canonical_set(ranges: &[String]) -> Vec<String> {
    let mut ranges: Vec<_> = ranges.iter().map(|range| canonical(range)).collect();
    ranges.sort_unstable();
    ranges.dedup();
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_written_as_the_api_writes_it_and_never_made_another() {
        for (text, expected) in [
            ("2001:DB8::/32", "2001:db8::/32"),
            ("2001:0db8:0:0::/32", "2001:db8::/32"),
            ("2001:db8:0:0:1:0:0:0/80", "2001:db8:0:0:1::/80"),
            ("::0/0", "::/0"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.0.0.1/8", "10.0.0.1/8"),
            ("2001:DB8::1/32", "2001:db8::1/32"),
            ("10.0.0.1", "10.0.0.1"),
            ("Office", "Office"),
        ] {
            assert_eq!(canonical(text), expected, "{text}");
        }
    }

    #[test]
    fn a_set_has_each_range_once() {
        let ranges = ["::/0", "2001:DB8::/32", "2001:0db8::/32", "0.0.0.0/0"].map(str::to_owned);
        assert_eq!(
            canonical_set(&ranges),
            ["0.0.0.0/0", "2001:db8::/32", "::/0"]
        );
    }
}
