//! From what was written to what can be worked with.
//!
//! [`PlatformSpec`] is what the API server let through; [`ValidPlatform`] is what the
//! planner accepts, and only this module makes one. All problems are collected, each
//! with the path of its field: a person mends them in one go.

use std::fmt;

use provider_hcloud_api::managed::ProviderConfigReference;

use super::network::{NetworkRequest, Range};
use super::platform::PlatformSpec;

/// What is wrong with a field, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path of the field, for example `spec.regions[1].network.cidr`.
    pub path: String,
    /// What is wrong, then what to do. Ends with the part that a person acts on.
    pub message: String,
}

impl Problem {
    /// A problem of a field.
    pub fn new(path: impl Into<String>, message: impl fmt::Display) -> Self {
        Self {
            path: path.into(),
            message: message.to_string(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Everything that is wrong with a spec; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The problems, if there are any.
    pub fn of(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Self(problems))
        }
    }

    /// The problems.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// A platform whose fields make sense each for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidPlatform {
    /// The provider configuration of everything in the platform.
    pub config: ProviderConfigReference,
    /// The regions, in the order of the claim.
    pub regions: Vec<ValidRegion>,
    /// Whether deleting the claim is refused.
    pub protect: bool,
    /// Approved steps of the plan.
    pub approve: Vec<String>,
}

/// A region whose fields make sense each for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidRegion {
    /// Unique in the platform.
    pub name: String,
    /// Location in the cloud.
    pub location: String,
    /// The range that the claim asks for.
    pub range: Option<Range>,
    /// The rest of what the claim says about the network.
    pub network: NetworkRequest,
    /// Its place in the claim.
    pub index: usize,
}

impl ValidRegion {
    /// Path of the region in the claim.
    pub fn path(&self) -> String {
        region_path(self.index)
    }
}

fn region_path(index: usize) -> String {
    format!("spec.regions[{index}]")
}

/// Checks each field for itself.
///
/// # Errors
///
/// All problems, in the order of the fields.
pub fn platform(spec: PlatformSpec) -> Result<ValidPlatform, Problems> {
    let mut problems = Vec::new();
    if spec.regions.is_empty() {
        problems.push(Problem::new(
            "spec.regions",
            "a platform needs at least one region: add one",
        ));
    }
    let mut regions: Vec<ValidRegion> = Vec::with_capacity(spec.regions.len());
    for (index, region) in spec.regions.into_iter().enumerate() {
        if let Some(earlier) = regions.iter().find(|earlier| earlier.name == region.name) {
            problems.push(Problem::new(
                format!("{}.name", region_path(index)),
                format_args!(
                    "{:?} is the name of {} too: give this region another name",
                    region.name,
                    earlier.path()
                ),
            ));
        }
        let range = match region.network.cidr.as_deref().map(str::parse).transpose() {
            Ok(range) => range,
            Err(error) => {
                let error: super::network::RangeError = error;
                problems.push(Problem::new(
                    format!("{}.network.cidr", region_path(index)),
                    error,
                ));
                None
            }
        };
        regions.push(ValidRegion {
            name: region.name,
            location: region.location,
            range,
            network: region.network,
            index,
        });
    }
    Problems::of(problems)?;
    Ok(ValidPlatform {
        config: spec.provider.config_ref,
        regions,
        protect: spec.operations.deletion.protect,
        approve: spec.operations.approve,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(spec: serde_json::Value) -> Vec<String> {
        match platform(serde_json::from_value(spec).unwrap()) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_platform_needs_a_region() {
        assert_eq!(
            problems(json!({"regions": []})),
            ["spec.regions: a platform needs at least one region: add one"]
        );
    }

    #[test]
    fn all_problems_are_reported_at_once_with_their_paths() {
        let found = problems(json!({"regions": [
            {"name": "a", "location": "fsn1", "network": {"cidr": "10.0.0.0/40"}},
            {"name": "a", "location": "nbg1", "network": {"cidr": "10.0.0.1/16"}},
        ]}));
        assert_eq!(
            found,
            [
                "spec.regions[0].network.cidr: \"10.0.0.0/40\" is not an IPv4 range: write it like 10.0.0.0/16",
                "spec.regions[1].name: \"a\" is the name of spec.regions[0] too: give this region another name",
                "spec.regions[1].network.cidr: 10.0.0.1/16 does not start at its first address: write 10.0.0.0/16",
            ]
        );
    }
}
