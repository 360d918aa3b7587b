//! The rules of the API for labels.
//!
//! A key is an optional DNS prefix of at most 253 characters and a name of at most 63; a value has at most 63
//! characters and may be empty. The prefix `hetzner.cloud` is reserved. An update replaces the whole map, so changes
//! are merged here first.

use std::collections::BTreeMap;

/// Longest value, and longest name in a key, in characters.
pub const VALUE_LIMIT: usize = 63;

const PREFIX_LIMIT: usize = 253;
const RESERVED_PREFIX: &str = "hetzner.cloud";

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// Why the API would refuse a label.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLabel {
    /// The name in a key, or a value, has too many characters.
    #[error("{text:?} has more than {VALUE_LIMIT} characters")]
    TooLong {
        /// The name or value.
        text: String,
    },
    /// The name in a key is missing.
    #[error("label key {key:?} has no name")]
    NoName {
        /// The whole key.
        key: String,
    },
    /// The name in a key, or a value, has characters that are not allowed.
    #[error(
        "{text:?} must consist of letters, digits, '-', '_' and '.', and begin and end with a letter or digit"
    )]
    Characters {
        /// The name or value.
        text: String,
    },
    /// The prefix of a key is not a DNS name in lower case.
    #[error("prefix of label key {key:?} is not a DNS name of at most {PREFIX_LIMIT} characters")]
    Prefix {
        /// The whole key.
        key: String,
    },
    /// The prefix of a key belongs to Hetzner.
    #[error("prefix of label key {key:?} is reserved for Hetzner")]
    Reserved {
        /// The whole key.
        key: String,
    },
}

/// Whether the API accepts `key`.
pub fn check_key(key: &str) -> Result<(), InvalidLabel> {
    let (prefix, name) = match key.rsplit_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if let Some(prefix) = prefix {
        let key = || key.to_owned();
        if prefix == RESERVED_PREFIX || prefix.ends_with(".hetzner.cloud") {
            return Err(InvalidLabel::Reserved { key: key() });
        }
        let is_dns = prefix.len() <= PREFIX_LIMIT && prefix.split('.').all(is_dns_label);
        if !is_dns {
            return Err(InvalidLabel::Prefix { key: key() });
        }
    }
    if name.is_empty() {
        return Err(InvalidLabel::NoName {
            key: key.to_owned(),
        });
    }
    check_value(name)
}

/// Whether the API accepts `value`.
pub fn check_value(value: &str) -> Result<(), InvalidLabel> {
    let text = || value.to_owned();
    if value.chars().count() > VALUE_LIMIT {
        return Err(InvalidLabel::TooLong { text: text() });
    }
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let outer = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    if !value.chars().all(inner) || !outer(value.chars().next()) || !outer(value.chars().last()) {
        return Err(InvalidLabel::Characters { text: text() });
    }
    Ok(())
}

/// `text` as a value that the API accepts: other characters become `-`, and what is too long is cut.
///
/// Two texts can become the same value; it is for people to read, not for finding objects.
pub fn fit_value(text: &str) -> String {
    let mapped: String = text
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
                c
            } else {
                '-'
            }
        })
        .collect();
    let outer = |c: char| !c.is_ascii_alphanumeric();
    let mut fitted = mapped.trim_start_matches(outer).to_owned();
    fitted.truncate(VALUE_LIMIT);
    fitted.trim_end_matches(outer).to_owned()
}

/// The map to send for an object that has `observed` and shall have `desired`; `None` when it has them already.
///
/// Labels that others have added stay.
pub fn merge(observed: &Labels, desired: &Labels) -> Option<Labels> {
    let missing = |(key, value): (&String, &String)| observed.get(key) != Some(value);
    desired.iter().any(missing).then(|| {
        let mut merged = observed.clone();
        merged.extend(desired.clone());
        merged
    })
}

fn is_dns_label(label: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&label.len())
        && label.chars().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_judged_as_the_api_does() {
        let long_name = "n".repeat(63);
        let long_prefix = vec!["p".repeat(62); 4].join(".");
        assert_eq!(long_prefix.len(), 251);
        let good = [
            "env",
            "hcloud.openova.io/uid",
            "a.b-c_d",
            &long_name,
            &format!("{long_prefix}/{long_name}"),
        ];
        for key in good {
            assert_eq!(check_key(key), Ok(()), "{key}");
        }
        let bad = [
            ("", "label key \"\" has no name"),
            ("x.io/", "label key \"x.io/\" has no name"),
            (
                "hetzner.cloud/x",
                "prefix of label key \"hetzner.cloud/x\" is reserved for Hetzner",
            ),
            (
                "Upper.io/x",
                "prefix of label key \"Upper.io/x\" is not a DNS name of at most 253 characters",
            ),
            (
                "a/b/c",
                "prefix of label key \"a/b/c\" is not a DNS name of at most 253 characters",
            ),
            (
                "/x",
                "prefix of label key \"/x\" is not a DNS name of at most 253 characters",
            ),
            (
                "-x",
                "\"-x\" must consist of letters, digits, '-', '_' and '.', and begin and end with a letter or digit",
            ),
        ];
        for (key, message) in bad {
            assert_eq!(
                check_key(key).map_err(|error| error.to_string()),
                Err(message.to_owned())
            );
        }
        assert!(check_key(&"n".repeat(64)).is_err());
        assert!(check_key(&format!("{long_prefix}.ppp/x")).is_err());
    }

    #[test]
    fn values_may_be_empty_but_not_odd() {
        for value in ["", "a", "A.b_c-9"] {
            assert_eq!(check_value(value), Ok(()), "{value}");
        }
        for value in ["a b", "-a", "a.", "ä", &"v".repeat(64)] {
            assert!(check_value(value).is_err(), "{value}");
        }
    }

    #[test]
    fn any_text_fits_after_fitting() {
        let table = [
            ("web", "web"),
            ("team a/b", "team-a-b"),
            ("__x__", "x"),
            ("ä", ""),
            ("grüße!", "gr--e"),
        ];
        for (text, value) in table {
            assert_eq!(fit_value(text), value);
        }
        let long = format!("{}-{}", "x".repeat(62), "y".repeat(62));
        assert_eq!(fit_value(&long), "x".repeat(62));
        assert_eq!(check_value(&fit_value(&long)), Ok(()));
    }

    #[test]
    fn a_merge_keeps_what_others_added_and_says_when_nothing_is_missing() {
        let labels = |pairs: &[(&str, &str)]| -> Labels {
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect()
        };
        let observed = labels(&[("theirs", "1"), ("ours", "old")]);
        assert_eq!(merge(&observed, &labels(&[("theirs", "1")])), None);
        assert_eq!(merge(&observed, &labels(&[])), None);
        assert_eq!(
            merge(&observed, &labels(&[("ours", "new"), ("more", "")])),
            Some(labels(&[("theirs", "1"), ("ours", "new"), ("more", "")]))
        );
    }
}
