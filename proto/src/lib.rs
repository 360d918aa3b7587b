//! Wire types of Crossplane's composition function protocol.
//!
//! The source is `fn/*/run_function.proto`. Everything under `generated/` is
//! produced from it and compared with it by `tests/generated.rs`; regenerate with
//! `UPDATE_EXPECT=1 cargo test -p crossplane-proto`.
//!
//! In [`v1`] every `google.protobuf.Struct` is declared as `bytes`. On the wire an
//! embedded message and a byte string are the same thing, so the types speak the
//! real protocol, while an object that nobody looks into is neither parsed nor
//! built: it passes through as it came. [`FILE_DESCRIPTOR_SET`] describes the
//! protocol as it is, with `Struct`.

/// Messages and service of `apiextensions.fn.proto.v1`.
#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::derive_partial_eq_without_eq,
    clippy::use_self,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    reason = "generated"
)]
pub mod v1 {
    include!("generated/v1.rs");
}

/// Service of `apiextensions.fn.proto.v1beta1`; its messages are those of [`v1`].
#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::derive_partial_eq_without_eq,
    clippy::use_self,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    reason = "generated"
)]
pub mod v1beta1 {
    include!("generated/v1beta1.rs");
}

/// The messages of [`v1`] with every `Struct` decoded into a tree.
#[cfg(feature = "full")]
#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::derive_partial_eq_without_eq,
    clippy::use_self,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    reason = "generated"
)]
pub mod full {
    include!("generated/full.rs");
}

/// The descriptors of both versions and of what they import, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/descriptor.bin");
