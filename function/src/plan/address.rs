//! Addresses inside the subnet of a cluster.
//!
//! ```text
//! .0          network        .1          set aside for a gateway
//! .2   - .9   control plane, by ordinal
//! .10  - .249 workers: a block of ten addresses for each ten servers of a pool
//! .250 - .253 load balancers of the region, the highest first
//! .254        load balancer in front of the API servers
//! .255        broadcast
//! ```
//!
//! In a subnet larger than a /24 the workers have all that lies between the ninth
//! address and the last six. A network of the cloud has room for 100 servers and load
//! balancers; the 24 blocks of a /24 hold the largest of them unless its servers are
//! spread over more than 15 pools.
//!
//! Blocks are given to a pool one after the other as it grows and need not be
//! neighbours, so a pool never has to move for another.

use std::net::Ipv4Addr;

use crate::claim::network::Range;
use crate::claim::node_pool::GROUP;

/// Offset of the first server of the control plane.
const CONTROL_PLANE: u32 = 2;
/// How many addresses at the end of a subnet are not for workers.
const TAIL: u32 = 6;

fn at(subnet: Range, offset: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(subnet.first().to_bits() + offset)
}

/// Address of the first server of the control plane.
pub(super) fn control_plane(subnet: Range) -> Ipv4Addr {
    at(subnet, CONTROL_PLANE)
}

/// Address of the load balancer in front of the API servers.
pub(super) fn api(subnet: Range) -> Ipv4Addr {
    Ipv4Addr::from_bits(subnet.last().to_bits() - 1)
}

/// Addresses of further load balancers.
pub(super) fn load_balancers(subnet: Range) -> impl Iterator<Item = Ipv4Addr> {
    let last = subnet.last().to_bits();
    (2..TAIL).map(move |offset| Ipv4Addr::from_bits(last - offset))
}

/// First addresses of the blocks of ten for workers.
pub(super) fn blocks(subnet: Range) -> impl Iterator<Item = Ipv4Addr> {
    let size = subnet.last().to_bits() - subnet.first().to_bits() + 1;
    let blocks = (size - TAIL) / GROUP;
    (1..blocks).map(move |block| at(subnet, block * GROUP))
}

/// Whether an address is in the block that begins with another.
pub(super) fn in_block(first: Ipv4Addr, address: Ipv4Addr) -> bool {
    let offset = address.to_bits().checked_sub(first.to_bits());
    offset.is_some_and(|offset| offset < GROUP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(addresses: impl Iterator<Item = Ipv4Addr>) -> Vec<String> {
        addresses.map(|address| address.to_string()).collect()
    }

    #[test]
    fn a_small_subnet_has_24_blocks_between_control_plane_and_load_balancers() {
        let subnet: Range = "10.0.1.0/24".parse().unwrap();
        assert_eq!(control_plane(subnet).to_string(), "10.0.1.2");
        assert_eq!(api(subnet).to_string(), "10.0.1.254");
        assert_eq!(
            texts(load_balancers(subnet)),
            ["10.0.1.253", "10.0.1.252", "10.0.1.251", "10.0.1.250"]
        );
        let blocks = texts(blocks(subnet));
        assert_eq!(blocks.len(), 24);
        assert_eq!(blocks.first().unwrap(), "10.0.1.10");
        assert_eq!(blocks.last().unwrap(), "10.0.1.240");
    }

    #[test]
    fn a_larger_subnet_has_more_blocks() {
        let subnet: Range = "10.0.16.0/22".parse().unwrap();
        let blocks: Vec<_> = blocks(subnet).collect();
        assert_eq!(blocks.len(), 100);
        let last = blocks.last().unwrap();
        assert_eq!(last.to_string(), "10.0.19.232");
        assert!(
            load_balancers(subnet).all(|address| !in_block(*last, address)),
            "the last block ends before the load balancers"
        );
    }
}
