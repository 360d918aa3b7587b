use bytes::Bytes;
use serde_json::json;

use super::layout::places;
use super::*;
use crate::offline::document::Object;
use crate::offline::node::Node;

fn node(kind: &str, name: &str, children: Vec<Node>) -> Node {
    let object = json!({"kind": kind, "metadata": {"name": name}});
    let object = object.as_object().unwrap().clone();
    Node::new(String::new(), object, Object::new(), Bytes::new(), children)
}

fn leaves(count: usize) -> Vec<Node> {
    let names = (0..count).map(|number| format!("leaf-{number}"));
    names
        .map(|name| node("Server", &name, Vec::new()))
        .collect()
}

#[test]
fn a_parent_lies_in_the_middle_of_its_children() {
    let tree = [node("XRegion", "r", leaves(3))];
    let found: Vec<_> = places(&tree)
        .iter()
        .map(|place| (place.column, place.row))
        .collect();
    assert_eq!(found, [(0, 1.0), (1, 0.0), (1, 1.0), (1, 2.0)]);
}

#[test]
fn boxes_of_a_column_never_overlap_and_keep_their_order() {
    let deep = |name: &str, count| {
        node(
            "XCluster",
            name,
            vec![node("XNodePool", name, leaves(count))],
        )
    };
    let trees = [
        node(
            "XPlatform",
            "p",
            vec![
                node("Usage", "u", Vec::new()),
                node(
                    "XRegion",
                    "a",
                    vec![
                        deep("one", 5),
                        node("Network", "n", Vec::new()),
                        deep("two", 1),
                    ],
                ),
                node(
                    "XRegion",
                    "b",
                    vec![node("Network", "m", Vec::new()), deep("three", 7)],
                ),
                node("XRegion", "c", Vec::new()),
            ],
        ),
        node("XRegion", "other", leaves(2)),
    ];
    let places = places(&trees);
    let columns = places.iter().map(|place| place.column).max().unwrap();
    for column in 0..=columns {
        let rows: Vec<_> = places
            .iter()
            .filter(|place| place.column == column)
            .map(|place| place.row)
            .collect();
        for pair in rows.windows(2) {
            assert!(pair[1] - pair[0] >= 1.0, "column {column}: {rows:?}");
        }
    }
    for (index, place) in places.iter().enumerate() {
        let children = places.iter().filter(|child| child.parent == Some(index));
        let rows: Vec<_> = children.map(|child| child.row).collect();
        if let (Some(first), Some(last)) = (rows.first(), rows.last()) {
            assert_eq!(
                place.row,
                f64::midpoint(*first, *last),
                "{}",
                place.node.name()
            );
        }
    }
}

#[test]
fn a_flowchart_has_every_object_and_what_composes_it() {
    let tree = [node("XRegion", "r", leaves(2))];
    let text = mermaid(&tree);
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.contains("classDef"))
        .collect();
    assert_eq!(
        lines,
        [
            "flowchart LR",
            "  n0[\"XRegion<br/>r\"]:::composite",
            "  n1[\"Server<br/>leaf-0\"]:::machine",
            "  n0 --> n1",
            "  n2[\"Server<br/>leaf-1\"]:::machine",
            "  n0 --> n2",
        ]
    );
}

#[test]
fn names_cannot_break_out_of_their_text() {
    let tree = [node("Secret", "<a href=\"#\">&\u{7}x]", Vec::new())];
    let text = mermaid(&tree);
    assert!(
        text.contains("n0[\"Secret<br/>#60;a#32;href#61;#34;#35;#34;#62;#38;#7;x#93;\"]"),
        "{text}"
    );
    let text = svg(&tree);
    assert!(
        text.contains("</tspan> &lt;a href=&quot;#&quot;&gt;&amp;x]</text>"),
        "{text}"
    );
}

#[test]
fn every_kind_has_its_family() {
    let cases = [
        ("XNodeGroup", Family::Composite),
        ("Server", Family::Machine),
        ("LoadBalancerTarget", Family::Balancer),
        ("Anything", Family::Other),
    ];
    for (kind, family) in cases {
        assert_eq!(Family::of(kind), family, "{kind}");
    }
}
