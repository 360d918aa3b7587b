//! The whole tree of a claim without a cluster: what Crossplane would compose once
//! everything exists and works.
//!
//! ```text
//! claim ──> Claims ─┐
//! facts ──> Facts ──┼─world─> [Node] ─┬─ yaml, tree, mermaid, svg
//! before ─> Before ─┘                 ├─ cost
//!                                     └─ Difference to the [Node]s before
//! ```
//!
//! A [`World`] plays Crossplane, the provider and the cloud. What it makes up for them is
//! recognisable: ids are counted, addresses are those for documentation, and prices are
//! those of the [`Facts`] or none. The same input gives the same bytes.

mod call;
mod cloud;
mod cost;
mod diff;
mod document;
mod error;
mod facts;
mod graph;
mod node;
mod outline;
mod recorded;
mod world;

pub use cost::cost;
pub use diff::{Difference, Gravity};
pub use document::Claims;
pub use error::Error;
pub use facts::Facts;
pub use graph::{mermaid, svg};
pub use node::Node;
pub use outline::{tree, yaml};
pub use recorded::Before;
pub use world::World;

/// Renders claims: their trees, in the order of the claims.
///
/// # Errors
///
/// When a claim, or something that follows from it, is refused.
pub fn render(claims: &Claims, facts: &Facts) -> Result<Vec<Node>, Error> {
    let mut world = World::new(facts);
    world.apply(claims)?;
    Ok(world.nodes())
}

#[cfg(test)]
mod tests;
