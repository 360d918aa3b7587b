//! Whether the configurations of the cases use every argument that the provider knows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Arguments of what the simulator does not have: `resource.argument`.
const LEFT_OUT: &[&str] = &["hcloud_rdns.floating_ip_id"];

/// Checks the configurations below a directory against the provider's schema.
pub(super) fn is_complete(cases: &Path, schema: &Value) -> Result<()> {
    let used = used(cases)?;
    ensure!(!used.is_empty(), "no configurations in {}", cases.display());
    let providers = schema["provider_schemas"].as_object();
    let provider = providers.and_then(|providers| providers.values().next());
    let schemas = &provider.context("the provider's schema")?["resource_schemas"];
    let mut missing = Vec::new();
    for (resource, used) in &used {
        let block = &schemas[resource]["block"];
        ensure!(block.is_object(), "the provider has no {resource}");
        let mut known = BTreeSet::new();
        arguments(block, &mut known);
        let absent = known
            .difference(used)
            .map(|argument| format!("{resource}.{argument}"));
        missing.extend(absent.filter(|argument| !LEFT_OUT.contains(&argument.as_str())));
    }
    ensure!(missing.is_empty(), "no configuration uses {missing:?}");
    Ok(())
}

/// The arguments of a block and of the blocks in it, without those that nobody should use any more.
fn arguments(block: &Value, found: &mut BTreeSet<String>) {
    let members = |field: &str| block[field].as_object().into_iter().flatten();
    let usable = |attribute: &Value| {
        let is = |flag: &str| attribute[flag] == true;
        (is("required") || is("optional")) && !is("deprecated")
    };
    for (name, attribute) in members("attributes") {
        // The SDK calls the id of every resource optional.
        if usable(attribute) && name != "id" {
            found.insert(name.clone());
        }
    }
    for (name, nested) in members("block_types").filter(|(name, _)| *name != "timeouts") {
        found.insert(name.clone());
        arguments(&nested["block"], found);
    }
}

/// What the configurations set, by type of resource.
fn used(cases: &Path) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for case in std::fs::read_dir(cases)? {
        for file in std::fs::read_dir(case?.path())? {
            let text = std::fs::read_to_string(file?.path())?;
            let mut resource = None;
            for line in text.lines() {
                if let Some(rest) = line.strip_prefix("resource \"") {
                    resource = rest.split('"').next();
                } else if line == "}" {
                    resource = None;
                } else if let Some(resource) = resource {
                    let mut words = line.split_whitespace();
                    let name = words.next().unwrap_or_default();
                    if matches!(words.next(), Some("=" | "{")) {
                        let arguments = used.entry(resource.to_owned()).or_default();
                        arguments.insert(name.to_owned());
                    }
                }
            }
        }
    }
    Ok(used)
}
