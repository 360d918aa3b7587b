//! The simulator over real HTTP, as clients see it.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

mod action;
mod client;
mod fault;
mod hcloud_crate;
mod network;
mod protocol;
mod server;
