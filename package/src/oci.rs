//! The OCI documents that are written: descriptors, image configurations, manifests and indexes.
//!
//! Fields stand in alphabetical order and maps are sorted, so that a document has exactly one form in bytes.
//! The types of the `oci-spec` crate keep labels and annotations in hash maps and cannot give that.
//! Source: OCI image specification 1.1.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A sha256 digest, `sha256:<64 hexadecimal digits>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// A text that is not a sha256 digest.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not of the form sha256:<64 hexadecimal digits>")]
pub struct DigestError(String);

impl Digest {
    pub(crate) fn of(data: &[u8]) -> Self {
        let mut text = String::from("sha256:");
        for byte in Sha256::digest(data) {
            for nibble in [byte >> 4, byte & 0xf] {
                text.extend(char::from_digit(nibble.into(), 16));
            }
        }
        Self(text)
    }

    /// The whole digest, with its algorithm.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digits, without the algorithm: the file name in an OCI layout.
    pub fn hex(&self) -> &str {
        self.0.strip_prefix("sha256:").unwrap_or(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("sha256:").unwrap_or_default();
        if digits.len() == 64
            && digits
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(DigestError(text.to_owned()))
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

/// Content with its digest.
#[derive(Clone, PartialEq, Eq)]
pub struct Blob {
    /// The digest of `data`.
    pub digest: Digest,
    /// The content.
    pub data: Bytes,
}

impl Blob {
    pub(crate) fn new(data: impl Into<Bytes>) -> Self {
        let data = data.into();
        Self {
            digest: Digest::of(&data),
            data,
        }
    }

    pub(crate) fn json(document: &impl Serialize) -> Result<Self, serde_json::Error> {
        serde_json::to_vec(document).map(Self::new)
    }

    /// The length of the content in bytes.
    pub fn size(&self) -> u64 {
        self.data.len() as u64
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob")
            .field("digest", &self.digest)
            .field("size", &self.size())
            .finish()
    }
}

/// The operating system and architecture that an image runs on, in Go's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// For example `amd64` or `arm64`.
    pub architecture: String,
    /// Always `linux` in what is built here.
    pub os: String,
}

impl Platform {
    pub(crate) fn linux(architecture: &str) -> Self {
        Self {
            architecture: architecture.to_owned(),
            os: "linux".to_owned(),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)
    }
}

type Annotations = BTreeMap<String, String>;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub(crate) annotations: Annotations,
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<Platform>,
    pub(crate) size: u64,
}

impl Descriptor {
    pub(crate) fn of(blob: &Blob, media_type: &str) -> Self {
        Self {
            annotations: Annotations::new(),
            digest: blob.digest.clone(),
            media_type: media_type.to_owned(),
            platform: None,
            size: blob.size(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub(crate) annotations: Annotations,
    pub(crate) manifests: Vec<Descriptor>,
    pub(crate) media_type: String,
    pub(crate) schema_version: u8,
}

impl Index {
    pub(crate) fn new(manifests: Vec<Descriptor>) -> Self {
        Self {
            annotations: Annotations::new(),
            manifests,
            media_type: INDEX.to_owned(),
            schema_version: 2,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub(crate) annotations: Annotations,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
    pub(crate) media_type: String,
    pub(crate) schema_version: u8,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ImageConfig {
    pub(crate) architecture: String,
    #[serde(default)]
    pub(crate) config: Execution,
    pub(crate) os: String,
    pub(crate) rootfs: RootFs,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Execution {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) entrypoint: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) user: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) working_dir: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RootFs {
    pub(crate) diff_ids: Vec<Digest>,
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_sha256_of_the_content() {
        assert_eq!(
            Digest::of(b"abc").as_str(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "the example of FIPS 180-4"
        );
    }

    #[test]
    fn a_digest_that_could_name_another_path_is_refused() {
        for text in ["sha256:../../etc/passwd", "sha512:00", "", "sha256:BA7816"] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}
