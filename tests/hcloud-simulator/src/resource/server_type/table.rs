//! The server types of autumn 2026. Prices are the list prices since June 2026 where those are known; the others keep their
//! distance to the known ones.

use super::{
    Architecture::{self, Arm, X86},
    CpuType, ServerType,
};
use crate::{collection::Id, resource::pricing::Prices};

const COST_OPTIMIZED: &str = "cost_optimized";
const REGULAR: &str = "regular_purpose";
const DEDICATED: &str = "general_purpose";

/// Every server type on sale, by ascending id.
pub const SERVER_TYPES: &[ServerType] = &[
    old(22, "cpx11", [2, 2, 40], Prices::overseas(1159, 1249)),
    old(23, "cpx21", [3, 4, 80], Prices::overseas(2049, 2199)),
    old(24, "cpx31", [4, 8, 160], Prices::overseas(3699, 3949)),
    old(25, "cpx41", [8, 16, 240], Prices::overseas(6899, 7349)),
    old(26, "cpx51", [16, 32, 360], Prices::overseas(13_799, 14_699)),
    cheap(45, "cax11", [2, 4, 40], Arm, 599),
    cheap(93, "cax21", [4, 8, 80], Arm, 1049),
    cheap(94, "cax31", [8, 16, 160], Arm, 2099),
    cheap(95, "cax41", [16, 32, 320], Arm, 4099),
    dedicated(96, "ccx13", [2, 8, 80], 4299),
    dedicated(97, "ccx23", [4, 16, 160], 8599),
    dedicated(98, "ccx33", [8, 32, 240], 13_849),
    dedicated(99, "ccx43", [16, 64, 360], 27_599),
    dedicated(100, "ccx53", [32, 128, 600], 53_349),
    dedicated(101, "ccx63", [48, 192, 960], 79_999),
    regular(
        108,
        "cpx12",
        [1, 2, 40],
        Prices::europe_and_singapore(1149, 1399),
    ),
    regular(
        109,
        "cpx22",
        [2, 4, 80],
        Prices::europe_and_singapore(1949, 2349),
    ),
    regular(
        110,
        "cpx32",
        [4, 8, 160],
        Prices::europe_and_singapore(3549, 4249),
    ),
    regular(
        111,
        "cpx42",
        [8, 16, 320],
        Prices::europe_and_singapore(6949, 8349),
    ),
    regular(
        112,
        "cpx52",
        [12, 24, 480],
        Prices::europe_and_singapore(10_049, 12_049),
    ),
    regular(
        113,
        "cpx62",
        [16, 32, 640],
        Prices::europe_and_singapore(12_999, 15_599),
    ),
    cheap(114, "cx23", [2, 4, 40], X86, 549),
    cheap(115, "cx33", [4, 8, 80], X86, 849),
    cheap(116, "cx43", [8, 16, 160], X86, 1599),
    cheap(117, "cx53", [16, 32, 320], X86, 2949),
];

const fn cheap(
    id: Id,
    name: &'static str,
    size: [u32; 3],
    architecture: Architecture,
    europe: u64,
) -> ServerType {
    ServerType {
        architecture,
        ..shared(id, name, COST_OPTIMIZED, size, Prices::europe(europe))
    }
}

const fn regular(id: Id, name: &'static str, size: [u32; 3], prices: Prices) -> ServerType {
    shared(id, name, REGULAR, size, prices)
}

/// The former generation of the regular types, which is only left outside Europe.
const fn old(id: Id, name: &'static str, size: [u32; 3], prices: Prices) -> ServerType {
    ServerType {
        recommended: false,
        ..shared(id, name, REGULAR, size, prices)
    }
}

const fn dedicated(id: Id, name: &'static str, size: [u32; 3], europe: u64) -> ServerType {
    ServerType {
        cpu_type: CpuType::Dedicated,
        ..shared(id, name, DEDICATED, size, Prices::everywhere(europe))
    }
}

/// `size` is cores, memory and disk.
const fn shared(
    id: Id,
    name: &'static str,
    category: &'static str,
    size: [u32; 3],
    prices: Prices,
) -> ServerType {
    let [cores, memory, disk] = size;
    ServerType {
        id,
        name,
        category,
        cores,
        memory,
        disk,
        cpu_type: CpuType::Shared,
        architecture: X86,
        recommended: true,
        prices,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_ascend_and_names_are_used_once() {
        assert!(SERVER_TYPES.is_sorted_by(|a, b| a.id < b.id));
        for server_type in SERVER_TYPES {
            let same = SERVER_TYPES
                .iter()
                .filter(|other| other.name == server_type.name);
            assert_eq!(same.count(), 1, "{}", server_type.name);
        }
    }
}
