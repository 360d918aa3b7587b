//! What a plan of OpenTofu says, read from its JSON form.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// A plan, as `tofu show -json` prints it.
pub(crate) struct Plan(pub(super) Value);

/// What a plan does with one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Nothing,
    Update,
    Replace,
}

impl Plan {
    /// Checks that every object of this type that changes is updated in place, that together these arguments change, and
    /// that nothing else is touched.
    pub(super) fn updates(&self, resource: &str, arguments: &[&str]) -> Result<()> {
        self.changes(resource, Change::Update, arguments, changed_arguments)
    }

    /// Checks that every object of this type that changes is replaced, that together these arguments force it, and that
    /// nothing else is touched.
    pub(super) fn replaces(&self, resource: &str, arguments: &[&str]) -> Result<()> {
        self.changes(resource, Change::Replace, arguments, forcing_arguments)
    }

    /// Checks that every object is imported and would stay as it is, and says how many there are.
    pub(crate) fn imports_unchanged(&self) -> Result<usize> {
        let mut imported = 0;
        for object in self.objects()? {
            let address = &object["address"];
            ensure!(
                object["change"].get("importing").is_some(),
                "{address} is not imported"
            );
            ensure!(
                change_of(object)? == Change::Nothing,
                "{address} would change: {:?} of {:#}",
                changed_arguments(object),
                object["change"]
            );
            imported += 1;
        }
        Ok(imported)
    }

    fn changes(
        &self,
        resource: &str,
        expected: Change,
        arguments: &[&str],
        of: fn(&Value) -> BTreeSet<String>,
    ) -> Result<()> {
        let mut found = BTreeSet::new();
        for object in self.objects()? {
            let change = change_of(object)?;
            if change == Change::Nothing {
                continue;
            }
            ensure!(
                change == expected && object["type"] == resource,
                "{}: {change:?}, but expected was {expected:?} of {resource} only: {:#}",
                object["address"],
                object["change"]
            );
            found.extend(of(object));
        }
        let arguments: BTreeSet<_> = arguments.iter().map(|name| (*name).to_owned()).collect();
        ensure!(
            found == arguments,
            "{expected:?} because of {found:?}, but expected was {arguments:?}"
        );
        Ok(())
    }

    fn objects(&self) -> Result<impl Iterator<Item = &Value>> {
        let changes = self.0["resource_changes"].as_array();
        let changes = changes.context("the plan has no resource_changes")?;
        Ok(changes.iter().filter(|object| object["mode"] == "managed"))
    }
}

fn change_of(object: &Value) -> Result<Change> {
    let actions: Vec<_> = object["change"]["actions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    Ok(match actions[..] {
        ["no-op"] => Change::Nothing,
        ["update"] => Change::Update,
        ["delete", "create"] | ["create", "delete"] => Change::Replace,
        _ => bail!("{}: unexpected {actions:?}", object["address"]),
    })
}

/// Arguments whose planned value is another one; what is known only after the change is not in `after`.
fn changed_arguments(object: &Value) -> BTreeSet<String> {
    let (before, after) = (&object["change"]["before"], &object["change"]["after"]);
    after
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, value)| **value != before[name.as_str()])
        .map(|(name, _)| name.clone())
        .collect()
}

/// Arguments that cannot be changed in place.
fn forcing_arguments(object: &Value) -> BTreeSet<String> {
    object["change"]["replace_paths"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|path| path[0].as_str().map(str::to_owned))
        .collect()
}
