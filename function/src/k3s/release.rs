//! Releases of k3s, and how their binaries are recognised.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::Error;

/// The releases whose digests are known, by version.
static KNOWN: LazyLock<BTreeMap<Version, Digests>> = LazyLock::new(|| {
    let releases: BTreeMap<String, Digests> =
        serde_saphyr::from_str(include_str!("releases.yaml")).unwrap_or_default();
    releases
        .into_iter()
        .filter_map(|(version, digests)| Some((version.parse().ok()?, digests)))
        .collect()
});

const EXAMPLE: &str = "v1.36.4+k3s1";

/// Processor architecture of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// x86-64.
    Amd64,
    /// 64-bit ARM.
    Arm64,
}

impl Architecture {
    /// As k3s names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}

/// SHA-256 of the binary for each architecture, in hexadecimal.
pub(super) type Digests = BTreeMap<Architecture, String>;

/// A version of k3s: that of Kubernetes, and a revision. They are ordered as released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    major: u32,
    minor: u32,
    patch: u32,
    revision: u32,
}

impl Version {
    /// The minor version of Kubernetes, of which an upgrade may skip none.
    pub fn minor(self) -> u32 {
        self.minor
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            major,
            minor,
            patch,
            revision,
        } = self;
        write!(formatter, "v{major}.{minor}.{patch}+k3s{revision}")
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).ok_or_else(|| Error::Version {
            version: text.to_owned(),
            example: EXAMPLE,
        })
    }
}

fn parse(text: &str) -> Option<Version> {
    let (kubernetes, revision) = text.strip_prefix('v')?.split_once("+k3s")?;
    let mut parts = kubernetes.split('.').map(number);
    let version = Version {
        major: parts.next()??,
        minor: parts.next()??,
        patch: parts.next()??,
        revision: number(revision)?,
    };
    parts.next().is_none().then_some(version)
}

/// A number without sign or leading zero, so that a version is written in one way.
fn number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    (plain && canonical).then(|| text.parse().ok())?
}

/// A release: its version, and what its binaries must look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    version: Version,
    digests: Digests,
}

impl Release {
    /// The release of a version. Digests that are given count more than known ones.
    ///
    /// # Errors
    ///
    /// When the version is none, when its digests are neither known nor given, or when
    /// one that is given is no SHA-256.
    pub fn new(version: &str, given: &BTreeMap<Architecture, String>) -> Result<Self, Error> {
        let parsed: Version = version.parse()?;
        if let Some((architecture, digest)) = given.iter().find(|(_, digest)| !is_digest(digest)) {
            return Err(Error::Digest {
                architecture: *architecture,
                digest: digest.clone(),
            });
        }
        let mut digests = KNOWN.get(&parsed).cloned().unwrap_or_default();
        digests.extend(given.clone());
        if digests.is_empty() {
            let known: Vec<_> = known_versions().map(|known| known.to_string()).collect();
            return Err(Error::UnknownRelease {
                version: version.to_owned(),
                known: known.join(", "),
            });
        }
        Ok(Self {
            version: parsed,
            digests,
        })
    }

    /// The version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// SHA-256 of a binary, or nothing when there is none for the architecture.
    pub fn digest(&self, architecture: Architecture) -> &str {
        self.digests.get(&architecture).map_or("", String::as_str)
    }
}

/// The versions whose digests are known, the newest first.
pub fn known_versions() -> impl Iterator<Item = Version> {
    KNOWN.keys().rev().copied()
}

fn is_digest(text: &str) -> bool {
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == 64 && text.bytes().all(digit)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn the_file_of_releases_is_read_whole() {
        let releases: BTreeMap<String, BTreeMap<Architecture, String>> =
            serde_saphyr::from_str(include_str!("releases.yaml")).unwrap();
        assert_eq!(releases.len(), KNOWN.len());
        let mut digests: Vec<_> = releases.values().flat_map(BTreeMap::values).collect();
        assert!(digests.iter().all(|digest| is_digest(digest)));
        assert_eq!(digests.len(), 2 * releases.len());
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), 2 * releases.len());
        let newest = known_versions().next().unwrap().to_string();
        assert_eq!(newest, EXAMPLE);
    }

    #[test]
    fn versions_are_written_in_one_way() {
        for text in ["v1.36.4+k3s1", "v1.0.0+k3s12", "v1.9.10+k3s0"] {
            assert_eq!(text.parse::<Version>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "1.36.4+k3s1",
            "v1.36.4",
            "v1.36+k3s1",
            "v1.36.4.1+k3s1",
            "v1.36.4-rc1+k3s1",
            "v1.036.4+k3s1",
            "v1.36.4+k3s",
            "v1.36.4+rke2r1",
            "v1.36.4+k3s1 ",
            "v1.36.4+k3s+1",
            "v1.36.99999999999+k3s1",
        ] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }

    #[test]
    fn versions_are_ordered_as_numbers() {
        let ordered = [
            "v1.9.0+k3s1",
            "v1.10.0+k3s1",
            "v1.10.0+k3s2",
            "v1.10.10+k3s1",
        ];
        let versions: Vec<Version> = ordered.iter().map(|text| text.parse().unwrap()).collect();
        assert!(versions.is_sorted());
        assert_eq!(versions[1].minor(), 10);
    }

    #[test]
    fn a_release_needs_digests() {
        let digest = |byte: &str| byte.repeat(32);
        let given = |entries: &[(Architecture, &str)]| {
            entries
                .iter()
                .map(|(architecture, byte)| (*architecture, digest(byte)))
                .collect::<BTreeMap<_, _>>()
        };
        let known = Release::new("v1.36.4+k3s1", &BTreeMap::new()).unwrap();
        assert!(known.digest(Architecture::Amd64).starts_with("835873f3"));
        assert!(known.digest(Architecture::Arm64).starts_with("c9207063"));

        let patched = given(&[(Architecture::Amd64, "ab")]);
        let patched = Release::new("v1.36.4+k3s1", &patched).unwrap();
        assert_eq!(patched.digest(Architecture::Amd64), digest("ab"));
        assert!(patched.digest(Architecture::Arm64).starts_with("c9207063"));

        let other = given(&[(Architecture::Arm64, "01")]);
        let other = Release::new("v1.99.0+k3s1", &other).unwrap();
        assert_eq!(other.digest(Architecture::Amd64), "");
        assert_eq!(other.digest(Architecture::Arm64), digest("01"));

        let errors: Vec<_> = [
            Release::new("1.36", &BTreeMap::new()),
            Release::new("v1.99.0+k3s1", &BTreeMap::new()),
            Release::new("v1.36.4+k3s1", &given(&[(Architecture::Arm64, "AB")])),
            Release::new("v1.36.4+k3s1", &given(&[(Architecture::Amd64, "1")])),
        ]
        .into_iter()
        .map(|result| result.unwrap_err().to_string())
        .collect();
        expect![[r#"
            [
                "\"1.36\" is not a version of k3s, like v1.36.4+k3s1",
                "the SHA-256 of k3s v1.99.0+k3s1 is not known: give it in k3s.install.sha256, or use one of v1.36.4+k3s1, v1.36.3+k3s1, v1.35.8+k3s1, v1.34.11+k3s1",
                "k3s.install.sha256.arm64: \"ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB\" is not a SHA-256 in lower-case hexadecimal",
                "k3s.install.sha256.amd64: \"11111111111111111111111111111111\" is not a SHA-256 in lower-case hexadecimal",
            ]
        "#]].assert_debug_eq(&errors);
    }
}
