//! Volumes: block storage that is attached to servers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::client::Client;
use super::error::Error;
use super::labels::Labels;
use super::network::Protection;
use super::primary_ip::Named;
use super::resource::{Resource, Resources};
use super::tolerant;

/// A volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Volume {
    /// The API's id.
    pub id: u64,
    /// The name.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub name: String,
    /// The labels.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub labels: Labels,
    /// `creating` or `available`, or what the API adds.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub status: String,
    /// Size in GB.
    #[serde(default)]
    pub size: Option<i64>,
    /// Where it is.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub location: Named,
    /// The server that it is attached to.
    #[serde(default)]
    pub server: Option<u64>,
    /// Path of the device on the server.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub linux_device: String,
    /// File system that it was formatted with.
    #[serde(default)]
    pub format: Option<String>,
    /// What is refused until it is lifted.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub protection: Protection,
    /// When it was made, RFC 3339.
    #[serde(default)]
    pub created: Option<String>,
}

/// A volume to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CreateVolumeRequest {
    /// The name.
    pub name: String,
    /// The labels.
    pub labels: Labels,
    /// Size in GB.
    pub size: i64,
    /// Where it is to be.
    pub location: String,
    /// File system that it is formatted with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<&'static str>,
}

impl Resource for Volume {
    const COLLECTION: &'static str = "volumes";
    const OBJECT: &'static str = "volume";

    fn id(&self) -> u64 {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn protected(&self) -> bool {
        self.protection.delete.unwrap_or_default()
    }
}

impl Client {
    /// The volumes of the project.
    pub fn volumes(&self) -> Resources<'_, Volume> {
        self.resources()
    }
}

impl Resources<'_, Volume> {
    /// Grows the volume to `size` GB.
    pub async fn resize(&self, id: u64, size: i64) -> Result<Arc<Volume>, Error> {
        self.act(id, "resize", &json!({"size": size})).await
    }

    /// Attaches the volume to a server of its location.
    pub async fn attach(
        &self,
        id: u64,
        server: u64,
        automount: bool,
    ) -> Result<Arc<Volume>, Error> {
        let request = json!({"server": server, "automount": automount});
        self.act(id, "attach", &request).await
    }

    /// Detaches the volume from its server.
    pub async fn detach(&self, id: u64) -> Result<Arc<Volume>, Error> {
        self.act(id, "detach", &json!({})).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_read_when_every_other_field_is_missing_or_null() {
        let nulls = r#"{"id":1,"name":null,"labels":null,"status":null,"size":null,"location":null,"server":null,
            "linux_device":null,"format":null,"protection":null,"created":null}"#;
        let missing: Volume = serde_json::from_str(r#"{"id":1}"#).unwrap();
        assert_eq!(missing, serde_json::from_str(nulls).unwrap());
    }
}
