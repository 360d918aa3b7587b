//! What would change: the objects before and after, compared.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::Deserialize;
use serde_json::Value;

use super::document::identity;
use super::node::Node;
use crate::claim::platform::PlannedStep;

mod effect;
mod field;

use effect::Effect;
use field::Field;

/// What would change.
#[derive(Debug, Default)]
pub struct Difference {
    changes: Vec<Change>,
    /// What waits for an approval.
    steps: Vec<PlannedStep>,
}

/// How grave a [`Difference`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravity {
    /// There is none.
    Nothing,
    /// Something changes, or waits for an approval.
    Changes,
    /// Something is destroyed or replaced: data or capacity is lost.
    Loses,
}

#[derive(Debug)]
struct Change {
    kind: String,
    name: String,
    what: What,
    effect: Option<Effect>,
}

#[derive(Debug)]
enum What {
    Added,
    Changed(Vec<Field>),
    Removed,
}

impl Difference {
    /// Compares what there was with what there is.
    pub fn between(before: &[Node], after: &[Node]) -> Self {
        let (before, after) = (Node::all(before), Node::all(after));
        let old = by_identity(&before);
        let new = by_identity(&after);
        let mut difference = Self::default();
        for node in &after {
            let change = match old.get(&identity(&node.object)) {
                None => Some((What::Added, None)),
                Some(old) => changed(old, node),
            };
            difference.add(node, change);
        }
        for node in &before {
            if !new.contains_key(&identity(&node.object)) {
                let effect = effect::of_removal(&node.object);
                difference.add(node, Some((What::Removed, effect)));
            }
        }
        for node in after {
            let plan = node.status.get("plan").map(Vec::<PlannedStep>::deserialize);
            difference
                .steps
                .extend(plan.and_then(Result::ok).unwrap_or_default());
        }
        difference
    }

    fn add(&mut self, node: &Node, change: Option<(What, Option<Effect>)>) {
        self.changes.extend(change.map(|(what, effect)| Change {
            kind: node.kind().to_owned(),
            name: node.name().to_owned(),
            what,
            effect,
        }));
    }

    /// How grave it is.
    pub fn gravity(&self) -> Gravity {
        let mut changes = self.changes.iter();
        if changes.any(|change| change.effect.is_some_and(Effect::loses)) {
            Gravity::Loses
        } else if self.changes.is_empty() && self.steps.is_empty() {
            Gravity::Nothing
        } else {
            Gravity::Changes
        }
    }

    fn summary(&self) -> String {
        let count = |is: fn(&Change) -> bool| self.changes.iter().filter(|it| is(it)).count();
        let with = |wanted: fn(&Effect) -> bool| {
            let mut effects = self.changes.iter().filter_map(|it| it.effect.as_ref());
            effects.by_ref().filter(|effect| wanted(effect)).count()
        };
        let mut text = format!(
            "{} added, {} changed, {} removed",
            count(|it| matches!(it.what, What::Added)),
            count(|it| matches!(it.what, What::Changed(_))),
            count(|it| matches!(it.what, What::Removed)),
        );
        let effects = [
            ("DESTROYED", with(|it| matches!(it, Effect::Destroys(_)))),
            ("REPLACED", with(|it| matches!(it, Effect::Replaces(_)))),
            (
                "OVERWRITTEN",
                with(|it| matches!(it, Effect::Overwrites(_))),
            ),
            (
                "INTERRUPTED",
                with(|it| matches!(it, Effect::Interrupts(_))),
            ),
        ];
        for (word, count) in effects {
            if count > 0 {
                let _ = write!(text, "; {count} {word}");
            }
        }
        match self.steps.len() {
            0 => {}
            1 => text.push_str("; 1 step waits for approval"),
            steps => {
                let _ = write!(text, "; {steps} steps wait for approval");
            }
        }
        text
    }
}

fn by_identity<'a>(nodes: &[&'a Node]) -> BTreeMap<[&'a str; 3], &'a Node> {
    let nodes = nodes.iter();
    nodes.map(|node| (identity(&node.object), *node)).collect()
}

fn changed(old: &Node, new: &Node) -> Option<(What, Option<Effect>)> {
    let fields = field::of(old, new);
    if fields.is_empty() {
        return None;
    }
    let effect = effect::of_change(new.kind(), &fields, [&old.status, &new.status]);
    Some((What::Changed(fields), effect))
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.gravity() == Gravity::Nothing {
            return formatter.write_str("no differences\n");
        }
        for change in &self.changes {
            let Change {
                kind,
                name,
                what,
                effect,
            } = change;
            let sign = match what {
                What::Added => '+',
                What::Changed(_) => '~',
                What::Removed => '-',
            };
            write!(formatter, "{sign} {kind} {name}")?;
            if let Some(effect) = effect {
                write!(formatter, "  {effect}")?;
            }
            formatter.write_char('\n')?;
            if let What::Changed(fields) = what {
                for field in fields {
                    writeln!(formatter, "    {field}")?;
                }
            }
        }
        for step in &self.steps {
            let PlannedStep {
                kind,
                name,
                action,
                why,
                hash,
            } = step;
            writeln!(
                formatter,
                "! {action} {kind} {name}  WAITS for {hash} in spec.operations.approve: {why}"
            )?;
        }
        writeln!(formatter, "{}", self.summary())
    }
}

/// A value for a person to read.
fn shown(value: Option<&Value>) -> String {
    const LONGEST: usize = 120;
    let text = value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    if text.chars().count() <= LONGEST {
        return text;
    }
    let kept: String = text.chars().take(LONGEST).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests;
