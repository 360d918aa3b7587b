//! `google.protobuf.Struct` as bytes: how Kubernetes objects travel between
//! Crossplane and a function.
//!
//! - [`encode`] writes a typed object as a `Struct`, with sorted keys: same object,
//!   same bytes.
//! - [`view`] reads single fields without building anything. Most observed
//!   objects are only asked for their conditions.
//! - [`deserializer`] makes a typed value out of fields that are viewed.
//! - [`decode`] builds the JSON object of a `Struct`.
//!
//! Numbers travel as doubles; whole ones below 2^53 are read as integers, as
//! Kubernetes expects them.
//!
//! The bytes come from the network: every length is checked, nesting is limited,
//! and nothing here panics.

mod decode;
mod deserialize;
mod encode;
pub mod view;
mod wire;

pub use decode::decode;
pub use deserialize::{Mismatch, deserializer};
pub use encode::encode;
pub use view::View;

/// Deepest nesting of objects and lists that is read, as in protobuf's own decoders.
pub const MAX_DEPTH: usize = 100;

/// Bytes that are not a `google.protobuf.Struct`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A field's length or number runs past the end of the bytes.
    #[error("the bytes end inside a field")]
    Truncated,
    /// A field has a wire type that `Struct` does not use there.
    #[error("unexpected wire type {0}")]
    WireType(u8),
    /// A string is not UTF-8.
    #[error("a string is not UTF-8")]
    Utf8,
    /// More nested than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
}
