//! Images: what disks of new servers can begin with.

use jiff::Timestamp;
use serde::Deserialize;

use super::budget::Priority;
use super::client::{Client, encode};
use super::error::Error;
use super::labels::Labels;
use super::network::Protection;
use super::page;
use super::resource::{Resource, Resources};
use super::server_type::Deprecation;
use super::tolerant;

/// An image.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Image {
    /// The API's id.
    pub id: u64,
    /// The name, for example `ubuntu-24.04`; snapshots and backups have none.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub name: String,
    /// What it is, in words.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub description: String,
    /// `system`, `app`, `snapshot` or `backup`, or what the API adds.
    #[serde(default, rename = "type", deserialize_with = "tolerant::or_default")]
    pub kind: String,
    /// `available`, `creating` or `unavailable`, or what the API adds.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub status: String,
    /// The operating system.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub os_flavor: String,
    /// The version of the operating system.
    #[serde(default)]
    pub os_version: Option<String>,
    /// `x86` or `arm`, or what the API adds.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub architecture: String,
    /// Size of the disk that it needs, in GB.
    #[serde(default)]
    pub disk_size: Option<f64>,
    /// Size of its file, in GB; only snapshots and backups cost something for it.
    #[serde(default)]
    pub image_size: Option<f64>,
    /// Whether it is optimised for a quick creation.
    #[serde(default)]
    pub rapid_deploy: Option<bool>,
    /// The server that a snapshot or backup was made of.
    #[serde(default)]
    pub created_from: Option<Origin>,
    /// Id of the server that a backup belongs to.
    #[serde(default)]
    pub bound_to: Option<u64>,
    /// What is refused until it is lifted.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub protection: Protection,
    /// The labels.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub labels: Labels,
    /// When it was made, RFC 3339.
    #[serde(default)]
    pub created: Option<String>,
    /// That it goes away.
    #[serde(default)]
    pub deprecation: Option<Deprecation>,
}

/// The server that an image was made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Origin {
    /// The API's id.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub id: u64,
}

/// Which images are meant; what is left out does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query<'a> {
    /// The name.
    pub name: Option<&'a str>,
    /// A selector for labels.
    pub label_selector: Option<&'a str>,
    /// The architecture.
    pub architecture: Option<&'a str>,
    /// `snapshot`, `system` and so on.
    pub kind: Option<&'a str>,
    /// `available` and so on.
    pub status: Option<&'a str>,
}

impl Query<'_> {
    fn encode(&self) -> String {
        [
            ("name", self.name),
            ("label_selector", self.label_selector),
            ("architecture", self.architecture),
            ("type", self.kind),
            ("status", self.status),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some(format!("{key}={}&", encode(value?))))
        .chain(["include_deprecated=true".to_owned()])
        .collect()
    }
}

impl Resource for Image {
    const COLLECTION: &'static str = "images";
    const OBJECT: &'static str = "image";

    fn id(&self) -> u64 {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn labels(&self) -> &Labels {
        &self.labels
    }
}

impl Client {
    /// The images: those of Hetzner, and the snapshots and backups of the project.
    pub fn images(&self) -> Resources<'_, Image> {
        self.resources()
    }
}

impl Resources<'_, Image> {
    /// The images that match, also those that go out of use. Asks the API now: the shared list has neither all of them
    /// nor a way to select by label.
    pub async fn matching(&self, query: &Query<'_>) -> Result<Vec<Image>, Error> {
        page::list(self.client(), &query.encode(), Priority::Poll).await
    }

    /// The newest snapshot that matches the label selector, can be used, and runs on the architecture. Asks the API now:
    /// snapshots come and go.
    pub async fn newest_snapshot(
        &self,
        selector: &str,
        architecture: &str,
    ) -> Result<Option<Image>, Error> {
        let filter = format!(
            "type=snapshot&status=available&architecture={}&label_selector={}",
            encode(architecture),
            encode(selector)
        );
        let found = page::list::<Image>(self.client(), &filter, Priority::Create).await?;
        Ok(newest(found))
    }
}

/// The image that was made last.
pub fn newest(images: Vec<Image>) -> Option<Image> {
    let created = |image: &Image| image.created.as_deref()?.parse::<Timestamp>().ok();
    images
        .into_iter()
        .max_by_key(|image| (created(image), image.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_read_when_every_other_field_is_missing_or_null() {
        let nulls = r#"{"id":1,"name":null,"type":null,"status":null,"labels":null,"deprecation":null,"image_size":null}"#;
        let missing: Image = serde_json::from_str(r#"{"id":1}"#).unwrap();
        assert_eq!(missing, serde_json::from_str(nulls).unwrap());
    }

    #[test]
    fn a_query_is_written_as_the_api_reads_it() {
        let query = Query {
            label_selector: Some("os=talos,version in (v1, v2)"),
            kind: Some("snapshot"),
            ..Query::default()
        };
        assert_eq!(
            query.encode(),
            "label_selector=os%3Dtalos%2Cversion+in+%28v1%2C+v2%29&type=snapshot&include_deprecated=true"
        );
    }

    #[test]
    fn the_newest_image_was_made_last() {
        let image = |id, day: u8| Image {
            id,
            created: Some(format!("2026-11-{day:02}T00:00:00Z")),
            ..Image::default()
        };
        let (old, new) = (image(9, 2), image(4, 20));
        assert_eq!(newest(vec![image(3, 3), new.clone(), old]), Some(new));
        assert_eq!(newest(Vec::new()), None);
    }
}
