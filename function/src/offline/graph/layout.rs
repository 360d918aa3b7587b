//! Where the boxes of a tidy tree lie: parents left of their children and in the middle of
//! them, children below each other in their order. Linear in the number of boxes.

use super::super::node::Node;

/// A box: its column, the one to the left of it, and its place in the column in rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) node: &'a Node,
    pub(super) column: usize,
    pub(super) row: f64,
    pub(super) parent: Option<usize>,
    /// How far all below it is shifted.
    shift: f64,
}

/// Space between the children of one box and those of another, in rows.
const APART: f64 = 0.5;

/// Places all boxes, parents before their children. Trees lie below each other.
pub(super) fn places(nodes: &[Node]) -> Vec<Place<'_>> {
    let mut places: Vec<Place<'_>> = Vec::new();
    let mut first = 0.0;
    for node in nodes {
        let offset = places.len();
        let mut tree = Layout::of(node);
        for place in &mut tree {
            place.row += first;
            place.parent = place.parent.map(|parent| parent + offset);
        }
        let last = tree.iter().map(|place| place.row).fold(first, f64::max);
        first = last + 2.0;
        places.append(&mut tree);
    }
    places
}

#[derive(Default)]
struct Layout<'a> {
    places: Vec<Place<'a>>,
    /// First free row of each column.
    free: Vec<f64>,
    /// How far boxes of each column are shifted at least, because others were.
    shifted: Vec<f64>,
}

impl<'a> Layout<'a> {
    /// The boxes of one tree.
    fn of(node: &'a Node) -> Vec<Place<'a>> {
        let mut layout = Self::default();
        layout.place(node, 0, None);
        let mut places = layout.places;
        // Shifts apply to all that is below.
        let mut shifts = vec![0.0; places.len()];
        for index in 0..places.len() {
            if let Some(parent) = places[index].parent {
                shifts[index] = shifts[parent] + places[parent].shift;
            }
            places[index].row += shifts[index];
        }
        places
    }

    /// Places a box as if nothing above it were shifted; gives its row.
    fn place(&mut self, node: &'a Node, column: usize, parent: Option<usize>) -> f64 {
        let index = self.places.len();
        self.places.push(Place {
            node,
            column,
            row: 0.0,
            parent,
            shift: 0.0,
        });
        if self.free.len() == column {
            self.free.push(0.0);
            self.shifted.push(0.0);
        }
        let mut rows = None;
        for child in &node.children {
            let row = self.place(child, column + 1, Some(index));
            let first = rows.map_or(row, |(first, _)| first);
            rows = Some((first, row));
        }
        if let Some(free) = self.free.get_mut(column + 1).filter(|_| rows.is_some()) {
            *free += APART;
        }
        let free = self.free[column];
        let middle = rows.map_or(free, |(first, last)| f64::midpoint(first, last));
        // Never less than for the box above: what is below follows in the same order.
        self.shifted[column] = self.shifted[column].max(free - middle);
        let shift = rows.map_or(0.0, |_| self.shifted[column]);
        let row = middle + shift;
        self.free[column] = row + 1.0;
        let place = &mut self.places[index];
        place.row = row;
        place.shift = shift;
        row
    }
}
