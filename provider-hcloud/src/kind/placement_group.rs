//! PlacementGroup: servers that are kept on different hosts.

use api::{PlacementGroup, PlacementGroupObservation, PlacementGroupType};
use serde_json::json;

use super::{
    Error, Project,
    error::holders,
    object::{Common, ObjectKind, PresentOf},
    report_id, report_time,
};
use crate::{
    hcloud::{self, labels::Labels},
    managed::{Created, Desired, Present},
};

/// The kind PlacementGroup.
#[derive(Debug)]
pub enum PlacementGroups {}

impl ObjectKind for PlacementGroups {
    type Resource = PlacementGroup;
    type Object = hcloud::PlacementGroup;

    fn common(resource: &PlacementGroup) -> Common<'_> {
        let spec = &resource.spec.for_provider;
        Common {
            name: spec.name.as_deref(),
            labels: &spec.labels,
            delete_protection: None,
        }
    }

    async fn present(
        _: &Project,
        desired: &Desired<PlacementGroup>,
        group: &hcloud::PlacementGroup,
    ) -> Result<PresentOf<Self>, Error> {
        let mut servers: Vec<_> = group.servers.iter().copied().map(report_id).collect();
        servers.sort_unstable();
        let report = PlacementGroupObservation {
            id: report_id(group.id),
            name: group.name.clone(),
            type_: group.kind.clone(),
            servers,
            labels: group.labels.clone(),
            created: report_time(group.created.as_deref()),
        };
        let mut present = Present::new(group.id.to_string(), report);
        let wanted = desired
            .spec
            .for_provider
            .type_
            .map(PlacementGroupType::as_str);
        present
            .drift
            .check_fixed("type", wanted, group.kind.as_str());
        Ok(present)
    }

    async fn create(
        project: &Project,
        desired: &Desired<PlacementGroup>,
        name: String,
        labels: Labels,
    ) -> Result<Created, Error> {
        let type_ = desired.spec.for_provider.type_.unwrap_or_default().as_str();
        let request = json!({"name": name, "labels": labels, "type": type_});
        let group = project.client.placement_groups().create(&request).await?;
        Ok(Created::named(group.id))
    }

    /// Hetzner would take the servers out of the group: that is refused here.
    async fn before_delete(
        _: &Project,
        _: &Desired<PlacementGroup>,
        group: &hcloud::PlacementGroup,
    ) -> Result<(), Error> {
        let holders = holders(&[("servers", &group.servers)]);
        if holders.is_empty() {
            return Ok(());
        }
        Err(Error::Held {
            object: "placement group",
            id: group.id,
            holders,
        })
    }
}
