//! Trees as a picture.

use std::fmt::Write as _;

use super::super::node::Node;
use super::layout::{Place, places};
use super::{Family, INK, LINE};

/// Width of a character. The font has one width for all of them.
const CHARACTER: f64 = 7.25;
/// Size of the text.
const TEXT: f64 = 12.0;
/// Height of a box, and of the row that it stands in.
const BOX: f64 = 22.0;
const ROW: f64 = 28.0;
/// Space between text and border, between columns, and around everything.
const PADDING: f64 = 8.0;
const GAP: f64 = 44.0;
const MARGIN: f64 = 12.0;

/// The trees as an SVG image that needs nothing else: boxes with kind and name, parents
/// left of their children. Its background is transparent, and it can be read on light and
/// on dark paper.
pub fn svg(nodes: &[Node]) -> String {
    let places = places(nodes);
    let columns = Columns::of(&places);
    let last = places.iter().map(|place| place.row).fold(0.0, f64::max);
    let (width, height) = (columns.right + MARGIN, MARGIN * 2.0 + last * ROW + BOX);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"tree\" role=\"img\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\">\n"
    );
    let names = nodes.iter().map(label).collect::<Vec<_>>().join(", ");
    let _ = writeln!(text, "<title>{}</title>", escaped(&names));
    text.push_str(&style());
    text.push_str("<g class=\"lines\">\n");
    for place in &places {
        if let Some(parent) = place.parent {
            line(&mut text, &columns, &places[parent], place);
        }
    }
    text.push_str("</g>\n");
    for place in &places {
        write_box(&mut text, &columns, place);
    }
    text.push_str("</svg>\n");
    text
}

/// Where columns begin and how wide their boxes are.
struct Columns {
    columns: Vec<(f64, f64)>,
    right: f64,
}

impl Columns {
    fn of(places: &[Place<'_>]) -> Self {
        let mut widths: Vec<f64> = Vec::new();
        for place in places {
            widths.resize(widths.len().max(place.column + 1), 0.0);
            let width = &mut widths[place.column];
            *width = width.max(box_width(place.node));
        }
        let mut right = MARGIN;
        let columns = widths.into_iter().map(|width| {
            let left = right;
            right += width + GAP;
            (left, width)
        });
        let columns: Vec<_> = columns.collect();
        Self {
            columns,
            right: right - GAP,
        }
    }

    /// Left end of the boxes of a column.
    fn left(&self, place: &Place<'_>) -> f64 {
        self.columns[place.column].0
    }
}

fn label(node: &Node) -> String {
    format!("{} {}", node.kind(), node.name())
}

#[expect(clippy::cast_precision_loss, reason = "names are short")]
fn box_width(node: &Node) -> f64 {
    label(node).chars().count() as f64 * CHARACTER + 2.0 * PADDING
}

fn top(place: &Place<'_>) -> f64 {
    MARGIN + place.row * ROW
}

fn style() -> String {
    let mut style = format!(
        "<style>\n.tree text {{ font: {TEXT}px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: {INK}; }}\n.tree .kind {{ font-weight: bold; }}\n.tree rect {{ stroke-width: 1.2; }}\n.tree .lines {{ fill: none; stroke: {LINE}; stroke-width: 1.4; }}\n"
    );
    for family in Family::ALL {
        let (fill, stroke) = family.colours();
        let class = family.class();
        let _ = writeln!(
            style,
            ".tree .{class} {{ fill: {fill}; stroke: {stroke}; }}"
        );
    }
    style.push_str("</style>\n");
    style
}

/// From the right end of the parent to the left end of the child. The bend lies between
/// the columns.
fn line(text: &mut String, columns: &Columns, parent: &Place<'_>, child: &Place<'_>) {
    let from = (
        columns.left(parent) + box_width(parent.node),
        top(parent) + BOX / 2.0,
    );
    let to = (columns.left(child), top(child) + BOX / 2.0);
    let bend = to.0 - GAP / 2.0;
    let start = to.0 - GAP;
    let _ = writeln!(
        text,
        "<path d=\"M{:.1} {:.1}H{start:.1}C{bend:.1} {:.1} {bend:.1} {:.1} {:.1} {:.1}\"/>",
        from.0, from.1, from.1, to.1, to.0, to.1
    );
}

fn write_box(text: &mut String, columns: &Columns, place: &Place<'_>) {
    let node = place.node;
    let (x, y) = (columns.left(place), top(place));
    let class = Family::of(node.kind()).class();
    let length = box_width(node) - 2.0 * PADDING;
    let baseline = y + BOX / 2.0 + TEXT * 0.35;
    let _ = writeln!(
        text,
        "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{BOX}\" rx=\"4\"/><text x=\"{:.1}\" y=\"{baseline:.1}\" textLength=\"{length:.1}\" lengthAdjust=\"spacingAndGlyphs\"><tspan class=\"kind\">{}</tspan> {}</text>",
        box_width(node),
        x + PADDING,
        escaped(node.kind()),
        escaped(node.name()),
    );
}

/// Text in XML. What XML cannot say is left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            control if control.is_control() => {}
            other => escaped.push(other),
        }
    }
    escaped
}
