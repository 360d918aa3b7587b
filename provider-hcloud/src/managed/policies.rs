//! Management policies: what the provider may do with the external resource.

use std::collections::BTreeSet;

use api::ManagementPolicy;
use api::ManagementPolicy::{All, Create, Delete, LateInitialize, Observe, Update};

/// The sets that crossplane-runtime supports, besides the empty one, which pauses. Everything else is refused.
const SUPPORTED: [&[ManagementPolicy]; 14] = [
    &[All],
    &[Observe, Create, Update, Delete, LateInitialize],
    &[Observe],
    &[Observe, Create, Update, Delete],
    &[Observe, Create, Update, LateInitialize],
    &[Observe, Create, Update],
    &[Observe, Create, Delete, LateInitialize],
    &[Observe, Create, LateInitialize],
    &[Observe, Create, Delete],
    &[Observe, Create],
    &[Observe, Delete],
    &[Observe, Update],
    &[Observe, LateInitialize],
    &[Observe, Update, LateInitialize],
];

/// A set of policies that cannot be had.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UnsupportedPolicies {
    /// Crossplane does not support it.
    #[error(
        "`spec.managementPolicies` is set to a value([{0}]) which is not supported. Check docs for supported policies"
    )]
    Unknown(String),
    /// This provider runs with `--enable-management-policies=false`.
    #[error(
        "`spec.managementPolicies` is set to a non-default value but the feature is not enabled: [{0}]"
    )]
    Disabled(String),
}

fn names(set: &BTreeSet<ManagementPolicy>) -> String {
    let names: Vec<_> = set.iter().map(ToString::to_string).collect();
    names.join(" ")
}

/// What may be done. Made only from a supported set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policies(BTreeSet<ManagementPolicy>);

impl Policies {
    /// Checks the policies of a spec.
    ///
    /// # Errors
    /// When the set is not one that Crossplane supports.
    pub fn new(policies: &[ManagementPolicy]) -> Result<Self, UnsupportedPolicies> {
        let set: BTreeSet<_> = policies.iter().copied().collect();
        let supported = set.is_empty()
            || SUPPORTED
                .iter()
                .any(|supported| set == supported.iter().copied().collect());
        if supported {
            Ok(Self(set))
        } else {
            Err(UnsupportedPolicies::Unknown(names(&set)))
        }
    }

    /// Checks the policies of a spec where the feature is switched off: everything is allowed, and no other set may be
    /// asked for.
    ///
    /// # Errors
    /// When the set is not the default.
    pub fn without_the_feature(policies: &[ManagementPolicy]) -> Result<Self, UnsupportedPolicies> {
        let set: BTreeSet<_> = policies.iter().copied().collect();
        let all = BTreeSet::from([All]);
        if set.is_empty() || set == all {
            Ok(Self(all))
        } else {
            Err(UnsupportedPolicies::Disabled(names(&set)))
        }
    }

    /// These policies for a kind that can only be observed.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.0 = if self.paused() {
            BTreeSet::new()
        } else {
            [Observe].into()
        };
        self
    }

    fn allow(&self, policy: ManagementPolicy) -> bool {
        self.0.contains(&policy) || self.0.contains(&All)
    }

    /// Nothing may be done.
    pub fn paused(&self) -> bool {
        self.0.is_empty()
    }

    /// The external resource may be created.
    pub fn create(&self) -> bool {
        self.allow(Create)
    }

    /// The external resource may be changed.
    pub fn update(&self) -> bool {
        self.allow(Update)
    }

    /// Empty fields of the spec may be filled in.
    pub fn late_initialize(&self) -> bool {
        self.allow(LateInitialize)
    }

    /// The external resource may be deleted.
    pub fn delete(&self) -> bool {
        self.allow(Delete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_all_64_sets_exactly_the_supported_ones_are_accepted() {
        let all = [Observe, Create, Update, Delete, LateInitialize, All];
        let accepted = (0_u32..64)
            .map(|bits| {
                let set: Vec<_> = (0..6).filter(|i| bits & (1 << i) != 0).collect();
                set.into_iter().map(|i: usize| all[i]).collect::<Vec<_>>()
            })
            .filter(|set| Policies::new(set).is_ok())
            .count();
        assert_eq!(accepted, SUPPORTED.len() + 1);
    }

    #[test]
    fn the_star_allows_everything_and_pauses_nothing() {
        let policies = Policies::new(&[All]).unwrap();
        assert!(policies.create() && policies.update() && policies.delete());
        assert!(!policies.paused());
    }

    #[test]
    fn an_unsupported_set_is_named_in_a_stable_order() {
        let message = Policies::new(&[Delete, Create]).unwrap_err().to_string();
        assert!(message.contains("([Create Delete])"), "{message}");
    }

    #[test]
    fn order_and_repetition_do_not_matter() {
        assert_eq!(
            Policies::new(&[Create, Observe, Create]),
            Policies::new(&[Observe, Create])
        );
    }

    #[test]
    fn without_the_feature_only_the_default_is_accepted() {
        let all = Policies::new(&[All]);
        assert_eq!(Policies::without_the_feature(&[All]), all);
        // Where the feature does not exist, an empty set does not pause.
        assert_eq!(Policies::without_the_feature(&[]), all);
        let error = Policies::without_the_feature(&[Observe]).unwrap_err();
        assert!(
            error.to_string().ends_with("is not enabled: [Observe]"),
            "{error}"
        );
    }
}
