//! Placement groups: servers that are kept on different hosts.

use serde::Deserialize;

use super::client::Client;
use super::labels::Labels;
use super::resource::{Resource, Resources};
use super::tolerant;

/// A placement group.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PlacementGroup {
    /// The API's id.
    pub id: u64,
    /// The name.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub name: String,
    /// The labels.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub labels: Labels,
    /// When it was made, RFC 3339.
    #[serde(default)]
    pub created: Option<String>,
    /// `spread`, or what the API adds.
    #[serde(default, rename = "type", deserialize_with = "tolerant::or_default")]
    pub kind: String,
    /// Ids of the servers in it.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub servers: Vec<u64>,
}

impl Resource for PlacementGroup {
    const COLLECTION: &'static str = "placement_groups";
    const OBJECT: &'static str = "placement_group";
    const PROTECTIONS: &'static [&'static str] = &[];

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
    /// The placement groups of the project.
    pub fn placement_groups(&self) -> Resources<'_, PlacementGroup> {
        self.resources()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placement_group_is_read_when_every_other_field_is_missing_or_null() {
        let nulls =
            r#"{"id":1,"name":null,"labels":null,"type":null,"servers":null,"created":null}"#;
        let missing: PlacementGroup = serde_json::from_str(r#"{"id":1}"#).unwrap();
        assert_eq!(missing, serde_json::from_str(nulls).unwrap());
    }
}
