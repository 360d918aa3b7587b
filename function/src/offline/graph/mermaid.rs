//! Trees as a Mermaid flowchart.

use std::fmt::Write as _;

use super::super::node::Node;
use super::{Family, INK};

/// The trees as a flowchart from left to right in the language of Mermaid.
pub fn mermaid(nodes: &[Node]) -> String {
    let mut text = "flowchart LR\n".to_owned();
    let mut count = 0;
    for node in nodes {
        write(&mut text, node, &mut count);
    }
    for family in Family::ALL {
        let (fill, stroke) = family.colours();
        let class = family.class();
        let _ = writeln!(
            text,
            "  classDef {class} fill:{fill},stroke:{stroke},color:{INK}"
        );
    }
    text
}

/// Writes a tree; gives the number of its root.
fn write(text: &mut String, node: &Node, count: &mut usize) -> usize {
    let number = *count;
    *count += 1;
    let class = Family::of(node.kind()).class();
    let (kind, name) = (escaped(node.kind()), escaped(node.name()));
    let _ = writeln!(text, "  n{number}[\"{kind}<br/>{name}\"]:::{class}");
    for child in &node.children {
        let child = write(text, child, count);
        let _ = writeln!(text, "  n{number} --> n{child}");
    }
    number
}

/// Text between quotes: all that could mean something else is written as a number.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || "-._".contains(character) {
            escaped.push(character);
        } else {
            let _ = write!(escaped, "#{};", u32::from(character));
        }
    }
    escaped
}
