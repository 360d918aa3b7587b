//! The simulator over real HTTP, as clients see it.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

mod action;
mod certificate;
mod client;
mod datacenter;
mod fault;
mod firewall;
mod firewall_target;
mod hcloud_crate;
mod image;
mod iso;
mod load_balancer;
mod load_balancer_address;
mod load_balancer_crate;
mod load_balancer_health;
mod load_balancer_network;
mod load_balancer_service;
mod load_balancer_target;
mod load_balancer_type;
mod network;
mod placement_group;
mod pricing;
mod primary_ip;
mod protocol;
mod server;
mod server_crate;
mod server_create;
mod server_family;
mod server_hardware;
mod server_network;
mod server_power;
mod server_resource;
mod server_type;
mod ssh_key;
mod volume;
