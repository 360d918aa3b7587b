//! Hetzner's images of autumn 2026.

use std::sync::LazyLock;

use jiff::Timestamp;

use super::{Image, ImageKind, ImageStatus};
use crate::{
    collection::Id,
    deprecation::Deprecation,
    label::Labels,
    resource::server_type::Architecture::{Arm, X86},
};

/// One image for both architectures.
#[derive(Clone, Copy)]
struct Row {
    name: &'static str,
    description: &'static str,
    x86: Id,
    arm: Id,
    disk_size: u32,
    created: &'static str,
    /// Announced, and unavailable after.
    deprecation: Option<[&'static str; 2]>,
}

const fn row(
    name: &'static str,
    description: &'static str,
    ids: [Id; 2],
    created: &'static str,
) -> Row {
    let [x86, arm] = ids;
    Row {
        name,
        description,
        x86,
        arm,
        disk_size: 5,
        created,
        deprecation: None,
    }
}

const fn deprecated(row: Row, announced: &'static str, unavailable_after: &'static str) -> Row {
    Row {
        deprecation: Some([announced, unavailable_after]),
        ..row
    }
}

const ROWS: &[Row] = &[
    row(
        "docker-ce",
        "Docker CE",
        [40_093_247, 105_888_141],
        "2021-06-01T08:00:00Z",
    ),
    deprecated(
        row(
            "debian-11",
            "Debian 11",
            [45_557_056, 103_907_373],
            "2021-08-16T11:12:01Z",
        ),
        "2026-08-31T00:00:00Z",
        "2026-11-30T00:00:00Z",
    ),
    row(
        "ubuntu-22.04",
        "Ubuntu 22.04",
        [67_794_396, 103_908_130],
        "2022-04-21T13:32:38Z",
    ),
    row(
        "rocky-9",
        "Rocky Linux 9",
        [76_766_499, 103_908_097],
        "2022-07-20T13:25:03Z",
    ),
    row(
        "alma-9",
        "AlmaLinux 9",
        [100_548_905, 103_908_070],
        "2022-05-27T08:12:45Z",
    ),
    row(
        "debian-12",
        "Debian 12",
        [114_690_387, 114_690_389],
        "2023-06-13T06:00:02Z",
    ),
    row(
        "ubuntu-24.04",
        "Ubuntu 24.04",
        [161_547_269, 161_547_270],
        "2024-04-25T13:26:27Z",
    ),
    row(
        "centos-stream-10",
        "CentOS Stream 10",
        [221_127_690, 221_127_691],
        "2025-02-10T09:15:00Z",
    ),
    row(
        "fedora-42",
        "Fedora 42",
        [232_895_753, 232_895_754],
        "2025-04-16T08:30:00Z",
    ),
    row(
        "alma-10",
        "AlmaLinux 10",
        [243_271_501, 243_271_502],
        "2025-06-05T08:00:00Z",
    ),
    row(
        "rocky-10",
        "Rocky Linux 10",
        [243_271_503, 243_271_504],
        "2025-06-13T08:00:00Z",
    ),
    row(
        "opensuse-16",
        "openSUSE Leap 16",
        [310_557_001, 310_557_002],
        "2025-10-02T08:00:00Z",
    ),
    row(
        "debian-13",
        "Debian 13",
        [310_557_660, 310_557_661],
        "2025-08-12T08:00:00Z",
    ),
    row(
        "fedora-43",
        "Fedora 43",
        [330_411_801, 330_411_802],
        "2025-10-29T08:00:00Z",
    ),
    row(
        "ubuntu-26.04",
        "Ubuntu 26.04",
        [381_904_115, 381_904_116],
        "2026-04-24T08:00:00Z",
    ),
];

/// All of them.
pub(super) static IMAGES: LazyLock<Vec<Image>> =
    LazyLock::new(|| ROWS.iter().flat_map(Row::images).collect());

impl Row {
    fn images(&self) -> [Image; 2] {
        [(self.x86, X86), (self.arm, Arm)].map(|(id, architecture)| {
            let (flavor, version) = self.name.split_once('-').unwrap_or((self.name, ""));
            let app = self.name == "docker-ce";
            Image {
                id,
                kind: if app {
                    ImageKind::App
                } else {
                    ImageKind::System
                },
                status: ImageStatus::Available,
                name: Some(self.name.to_owned()),
                description: self.description.to_owned(),
                image_size: None,
                disk_size: self.disk_size,
                created: moment(self.created),
                created_from: None,
                bound_to: None,
                os_flavor: if app { "ubuntu" } else { flavor }.to_owned(),
                os_version: Some(if app { "24.04" } else { version }.to_owned()),
                architecture,
                rapid_deploy: !app,
                delete_protection: false,
                deprecation: self
                    .deprecation
                    .map(|[announced, unavailable_after]| Deprecation {
                        announced: moment(announced),
                        unavailable_after: moment(unavailable_after),
                    }),
                labels: Labels::new(),
            }
        })
    }
}

/// A moment of the table; the test below reads every one.
fn moment(text: &str) -> Timestamp {
    text.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_moment_of_the_table_is_one() {
        for row in ROWS {
            let moments = row.deprecation.into_iter().flatten().chain([row.created]);
            for text in moments {
                assert!(text.parse::<Timestamp>().is_ok(), "{}: {text}", row.name);
            }
        }
    }

    #[test]
    fn ids_are_used_once() {
        let mut ids: Vec<Id> = IMAGES.iter().map(|image| image.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), ROWS.len() * 2);
    }
}
