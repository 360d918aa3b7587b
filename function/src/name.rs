//! Names of composed objects.
//!
//! A name starts with the platform's name and continues with the parts that lead
//! to the object. Joining with hyphens alone would give two platforms of one
//! namespace the same names (`a` with region `b-c`, `a-b` with region `c`), so a
//! hash of the parts is added when a part itself has a hyphen, and when the name is
//! too long.

use sha2::{Digest, Sha256};

/// Longest name of a composed object, and of a host.
pub const MAX: usize = 63;

/// Characters of a hash that tells two names apart.
const HASH: usize = 6;

/// Joins the name of the platform and the parts that lead to an object.
pub fn join(platform: &str, parts: &[&str]) -> String {
    let mut joined = String::with_capacity(MAX);
    joined.push_str(platform);
    for part in parts {
        joined.push('-');
        joined.push_str(part);
    }
    let ambiguous = parts.iter().any(|part| part.contains('-'));
    if !ambiguous && joined.len() <= MAX {
        return joined;
    }
    let identity = std::iter::once(&platform).chain(parts);
    with_hash(&joined, identity)
}

/// The name of an object in the cloud, where namespaces do not exist: two objects
/// of one name in two namespaces get two names.
pub fn in_cloud(namespace: &str, name: &str) -> String {
    with_hash(name, [&namespace, &name])
}

/// Longest prefix of host names: a hyphen and an ordinal of four digits fit behind it.
pub const HOST_PREFIX_MAX: usize = MAX - 5;

/// What the servers of a pool are called, before a hyphen and their ordinal: the name of
/// the pool's object, made unique in the cloud. It is a host name as long as the name is
/// not longer than [`HOST_PREFIX_NAME_MAX`]; a longer one is shortened.
pub fn host_prefix(namespace: &str, pool: &str) -> String {
    let kept: String = pool.chars().take(HOST_PREFIX_NAME_MAX).collect();
    let kept = kept.trim_end_matches(['-', '.']);
    format!("{kept}-{}", hash(&[namespace, pool]))
}

/// Longest name of a pool's object that [`host_prefix`] keeps whole.
pub const HOST_PREFIX_NAME_MAX: usize = HOST_PREFIX_MAX - HASH - 1;

/// A short hash of some parts, in lower-case letters and digits.
pub fn hash<'a>(parts: impl IntoIterator<Item = &'a &'a str>) -> String {
    // A name never contains '/', so the parts cannot run into each other.
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.as_bytes());
        digest.update(b"/");
    }
    digest
        .finalize()
        .iter()
        .take(HASH)
        .map(|byte| char::from(b"0123456789abcdefghijkmnpqrstvwxyz"[usize::from(byte % 33)]))
        .collect()
}

fn with_hash<'a>(name: &str, identity: impl IntoIterator<Item = &'a &'a str>) -> String {
    let kept: String = name.chars().take(MAX - HASH - 1).collect();
    let kept = kept.trim_end_matches(['-', '.']);
    format!("{kept}-{}", hash(identity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_is_just_joined() {
        assert_eq!(join("demo", &["fsn"]), "demo-fsn");
        assert_eq!(
            join("my-team.demo", &["fsn", "k3s"]),
            "my-team.demo-fsn-k3s"
        );
    }

    #[test]
    fn platforms_of_one_namespace_never_share_a_name() {
        let pairs = [
            (join("a", &["b-c"]), join("a-b", &["c"])),
            (join("a", &["b-c", "d"]), join("a-b", &["c", "d"])),
            (join("a", &["b", "c-d"]), join("a", &["b-c", "d"])),
        ];
        for (one, other) in pairs {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_long_name_is_shortened_and_stays_unique() {
        let one = join(&"x".repeat(60), &["fsn1"]);
        let other = join(&"x".repeat(60), &["fsn2"]);
        assert!(one.len() <= MAX && other.len() <= MAX);
        assert!(one.starts_with(&"x".repeat(56)));
        assert_ne!(one, other);
    }

    #[test]
    fn namespaces_do_not_share_cloud_names() {
        let one = in_cloud("team-a", "demo-fsn");
        assert!(one.starts_with("demo-fsn-"));
        assert_ne!(one, in_cloud("team-b", "demo-fsn"));
        assert_eq!(one, in_cloud("team-a", "demo-fsn"));
    }
}
