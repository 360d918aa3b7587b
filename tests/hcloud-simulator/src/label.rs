//! Labels: which keys and values the API accepts, and the selector language.

use std::collections::{BTreeMap, BTreeSet};

/// The labels of an object.
pub type Labels = BTreeMap<String, String>;

const MAX_NAME: usize = 63;
const MAX_PREFIX: usize = 253;
const RESERVED_PREFIX: &str = "hetzner.cloud";

/// Says what is wrong with each label that the API would refuse.
pub(crate) fn problems(labels: &Labels) -> Vec<String> {
    let mut problems = Vec::new();
    for (key, value) in labels {
        if let Err(reason) = check_key(key) {
            problems.push(format!("label key '{key}' {reason}"));
        } else if key
            .split_once('/')
            .is_some_and(|(prefix, _)| prefix == RESERVED_PREFIX)
        {
            problems.push(format!(
                "label key '{key}' uses the reserved prefix '{RESERVED_PREFIX}/'"
            ));
        }
        if !is_value(value) {
            problems.push(format!(
                "label value '{value}' of key '{key}' is not correctly formatted"
            ));
        }
    }
    problems
}

fn check_key(key: &str) -> Result<(), &'static str> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if prefix.is_some_and(|prefix| !is_dns_name(prefix)) {
        return Err("has a prefix that is not a DNS name of at most 253 characters");
    }
    if name.is_empty() || !is_value(name) {
        return Err("is not correctly formatted");
    }
    Ok(())
}

fn is_dns_name(text: &str) -> bool {
    text.len() <= MAX_PREFIX
        && text.split('.').all(|part| {
            !part.is_empty()
                && part.len() <= MAX_NAME
                && !part.starts_with('-')
                && !part.ends_with('-')
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
}

/// Empty, or at most 63 of `[A-Za-z0-9._-]` with an alphanumeric at both ends.
fn is_value(text: &str) -> bool {
    let bytes = text.as_bytes();
    text.len() <= MAX_NAME
        && bytes.first().is_none_or(u8::is_ascii_alphanumeric)
        && bytes.last().is_none_or(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// A parsed `label_selector`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    Exists(String),
    Missing(String),
    In(String, BTreeSet<String>),
    NotIn(String, BTreeSet<String>),
}

/// Why a selector is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// A requirement between two commas is empty.
    #[error("has an empty requirement")]
    Empty,
    /// The key is not a valid label key.
    #[error("has an invalid key '{0}'")]
    Key(String),
    /// A value is not a valid label value.
    #[error("has an invalid value '{0}'")]
    Value(String),
    /// A set is not written as `(a,b)`.
    #[error("has a malformed set in '{0}'")]
    Set(String),
}

impl Selector {
    /// Parses `k`, `!k`, `k=v`, `k==v`, `k!=v`, `k in (a,b)`, `k notin (a,b)`, joined by commas. An empty text selects
    /// everything.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        if text.trim().is_empty() {
            return Ok(Self(Vec::new()));
        }
        split_outside_sets(text)
            .into_iter()
            .map(Requirement::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// True when every requirement holds. As in Kubernetes, `!=` and `notin` also hold when the key is missing.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|requirement| match requirement {
            Requirement::Exists(key) => labels.contains_key(key),
            Requirement::Missing(key) => !labels.contains_key(key),
            Requirement::In(key, values) => {
                labels.get(key).is_some_and(|value| values.contains(value))
            }
            Requirement::NotIn(key, values) => {
                labels.get(key).is_none_or(|value| !values.contains(value))
            }
        })
    }
}

fn split_outside_sets(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    text.split(|character| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    })
    .collect()
}

impl Requirement {
    fn parse(text: &str) -> Result<Self, SelectorError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(SelectorError::Empty);
        }
        if text.contains(['(', ')']) {
            return Self::parse_set(text);
        }
        if let Some((name, one)) = text.split_once("!=") {
            return Ok(Self::NotIn(key(name)?, BTreeSet::from([value(one)?])));
        }
        if let Some((name, one)) = text.split_once("==").or_else(|| text.split_once('=')) {
            return Ok(Self::In(key(name)?, BTreeSet::from([value(one)?])));
        }
        match text.strip_prefix('!') {
            Some(name) => Ok(Self::Missing(key(name)?)),
            None => Ok(Self::Exists(key(text)?)),
        }
    }

    fn parse_set(text: &str) -> Result<Self, SelectorError> {
        let malformed = || SelectorError::Set(text.to_owned());
        let (head, rest) = text.split_once('(').ok_or_else(malformed)?;
        let inner = rest.strip_suffix(')').ok_or_else(malformed)?;
        if inner.contains(['(', ')']) || inner.trim().is_empty() {
            return Err(malformed());
        }
        let (name, operator) = head
            .trim_end()
            .rsplit_once(char::is_whitespace)
            .ok_or_else(malformed)?;
        let values = inner.split(',').map(value).collect::<Result<_, _>>()?;
        match operator {
            "in" => Ok(Self::In(key(name)?, values)),
            "notin" => Ok(Self::NotIn(key(name)?, values)),
            _ => Err(malformed()),
        }
    }
}

fn key(text: &str) -> Result<String, SelectorError> {
    let text = text.trim();
    check_key(text)
        .map(|()| text.to_owned())
        .map_err(|_| SelectorError::Key(text.to_owned()))
}

fn value(text: &str) -> Result<String, SelectorError> {
    let text = text.trim();
    if is_value(text) {
        Ok(text.to_owned())
    } else {
        Err(SelectorError::Value(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn selectors_select() {
        let production = labels(&[("env", "prod"), ("example.com/tier", "web"), ("empty", "")]);
        let table = [
            ("", true),
            ("env", true),
            ("nope", false),
            ("!nope", true),
            ("!env", false),
            ("env=prod", true),
            ("env==prod", true),
            ("env = prod", true),
            ("env=test", false),
            ("env!=test", true),
            ("env!=prod", false),
            ("nope!=x", true),
            ("env in (test,prod)", true),
            ("env in ( test , prod )", true),
            ("env in(prod)", true),
            ("env in (test)", false),
            ("env notin (test)", true),
            ("env notin (prod,test)", false),
            ("nope notin (a)", true),
            ("empty=", true),
            ("empty==", true),
            ("env=", false),
            ("example.com/tier=web", true),
            ("env=prod,example.com/tier in (web,db),!nope", true),
            ("env=prod,nope", false),
        ];
        for (text, expected) in table {
            let selector =
                Selector::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
            assert_eq!(selector.matches(&production), expected, "{text:?}");
        }
    }

    #[test]
    fn malformed_selectors_say_what_is_wrong() {
        let table = [
            (",", SelectorError::Empty),
            ("env=prod,", SelectorError::Empty),
            ("=prod", SelectorError::Key(String::new())),
            ("!", SelectorError::Key(String::new())),
            ("-env", SelectorError::Key("-env".to_owned())),
            ("env=a b", SelectorError::Value("a b".to_owned())),
            ("env=a=b", SelectorError::Value("a=b".to_owned())),
            ("env in ()", SelectorError::Set("env in ()".to_owned())),
            ("env in (a", SelectorError::Set("env in (a".to_owned())),
            ("env in a)", SelectorError::Set("env in a)".to_owned())),
            (
                "env within (a)",
                SelectorError::Set("env within (a)".to_owned()),
            ),
            ("(a)", SelectorError::Set("(a)".to_owned())),
        ];
        for (text, expected) in table {
            assert_eq!(Selector::parse(text), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn labels_are_checked_as_the_api_documents_them() {
        let long = "a".repeat(63);
        let too_long = "a".repeat(64);
        let prefix = format!(
            "{}.{}.{}.{}",
            "a".repeat(63),
            "b".repeat(63),
            "c".repeat(63),
            "d".repeat(61)
        );
        let too_long_prefix = format!("{prefix}d");
        let good = [
            ("a", ""),
            ("a", "x"),
            ("A-b_c.9", "v.1_2-3"),
            (&long, &long),
            (&format!("{prefix}/{long}"), "v"),
            ("x.y/z", ""),
        ];
        for (key, value) in good {
            assert_eq!(
                problems(&labels(&[(key, value)])),
                [] as [String; 0],
                "{key}={value}"
            );
        }
        let bad = [
            ("", "v"),
            ("-a", "v"),
            ("a-", "v"),
            ("a b", "v"),
            (&too_long, "v"),
            ("/a", "v"),
            ("a/", "v"),
            ("a/b/c", "v"),
            ("-x.y/a", "v"),
            (&format!("{too_long_prefix}/a"), "v"),
            ("a", "-v"),
            ("a", "v."),
            ("a", "v w"),
            ("a", &too_long),
            ("hetzner.cloud/a", "v"),
        ];
        for (key, value) in bad {
            assert_eq!(problems(&labels(&[(key, value)])).len(), 1, "{key}={value}");
        }
    }
}
