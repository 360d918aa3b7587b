//! MD5 (RFC 1321), in which the API writes the fingerprints of SSH keys.

use std::iter;

const SHIFTS: [[u32; 4]; 4] = [
    [7, 12, 17, 22],
    [5, 9, 14, 20],
    [4, 11, 16, 23],
    [6, 10, 15, 21],
];

pub(super) fn digest(message: &[u8]) -> [u8; 16] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    let zeros = 64 - (padded.len() + 8) % 64;
    padded.extend(iter::repeat_n(0, zeros % 64));
    padded.extend((message.len() as u64 * 8).to_le_bytes());

    let mut state: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in padded.chunks_exact(64) {
        let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap_or_default());
        let words: Vec<u32> = block.chunks_exact(4).map(word).collect();
        let mixed = mix(state, &words);
        for (word, addend) in state.iter_mut().zip(mixed) {
            *word = word.wrapping_add(addend);
        }
    }
    let mut digest = [0; 16];
    for (place, byte) in digest
        .iter_mut()
        .zip(state.into_iter().flat_map(u32::to_le_bytes))
    {
        *place = byte;
    }
    digest
}

/// The 64 steps on one block.
fn mix([mut a, mut b, mut c, mut d]: [u32; 4], words: &[u32]) -> [u32; 4] {
    let shifts = SHIFTS
        .iter()
        .flat_map(|round| iter::repeat_n(round, 4))
        .flatten();
    for (step, shift) in (0..64_u32).zip(shifts) {
        let (mixed, word) = match step / 16 {
            0 => ((b & c) | (!b & d), step),
            1 => ((d & b) | (!d & c), 5 * step + 1),
            2 => (b ^ c ^ d, 3 * step + 5),
            _ => (c ^ (b | !d), 7 * step),
        };
        let word = words.get(word as usize % 16).copied().unwrap_or_default();
        let sum = a
            .wrapping_add(mixed)
            .wrapping_add(constant(step))
            .wrapping_add(word);
        (a, d, c, b) = (d, c, b, b.wrapping_add(sum.rotate_left(*shift)));
    }
    [a, b, c, d]
}

/// The whole part of 2³² · |sin(step + 1)|.
fn constant(step: u32) -> u32 {
    (f64::from(step + 1).sin().abs() * 4_294_967_296.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_suite_of_the_rfc_passes() {
        let digits = "1234567890".repeat(8);
        let table = [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            (
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                "d174ab98d277d9f5a5611c2c9f419d9f",
            ),
            (digits.as_str(), "57edf4a22be3c955ac49da2e2107b67a"),
        ];
        for (message, expected) in table {
            let hex: String = digest(message.as_bytes())
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(hex, expected, "{message:?}");
        }
    }
}
