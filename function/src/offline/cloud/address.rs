//! Addresses that belong to nobody.

use std::net::{Ipv4Addr, Ipv6Addr};

/// First addresses of the networks for documentation (RFC 5737); each has 254.
const DOCUMENTATION: [Ipv4Addr; 3] = [
    Ipv4Addr::new(192, 0, 2, 1),
    Ipv4Addr::new(198, 51, 100, 1),
    Ipv4Addr::new(203, 0, 113, 1),
];
const HOSTS: u32 = 254;

/// First address of the network for benchmarks (RFC 2544), for what is more.
const BENCHMARKS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// The address with this number.
pub(super) fn v4(number: u32) -> Ipv4Addr {
    let network = usize::try_from(number / HOSTS).unwrap_or(usize::MAX);
    let (first, offset) = match DOCUMENTATION.get(network) {
        Some(first) => (*first, number % HOSTS),
        None => (BENCHMARKS, number - HOSTS * 3),
    };
    Ipv4Addr::from_bits(first.to_bits().wrapping_add(offset))
}

/// The first address of the network with this number, in the range for documentation
/// (RFC 3849). The network has 64 bits.
pub(super) fn v6(number: u32) -> Ipv6Addr {
    let [a, b, c, d] = number.to_be_bytes().map(u16::from);
    Ipv6Addr::new(0x2001, 0xdb8, a << 8 | b, c << 8 | d, 0, 0, 0, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_for_documentation_and_differ() {
        let cases = [
            (0, "192.0.2.1", "2001:db8::1"),
            (253, "192.0.2.254", "2001:db8:0:fd::1"),
            (254, "198.51.100.1", "2001:db8:0:fe::1"),
            (761, "203.0.113.254", "2001:db8:0:2f9::1"),
            (762, "198.18.0.1", "2001:db8:0:2fa::1"),
        ];
        for (number, ipv4, ipv6) in cases {
            assert_eq!(v4(number).to_string(), ipv4);
            assert_eq!(v6(number).to_string(), ipv6);
        }
    }
}
