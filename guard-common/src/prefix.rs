//! Longest-prefix match without a trie.
//!
//! The kernel's LPM trie costs more the larger it grows. Here every address falls into one of
//! 65,536 buckets, and the bucket says which prefix lengths occur in it: most say "none" and
//! cost no hash lookup at all; a hit costs one lookup for each length that the neighbourhood
//! really uses. The controller fills buckets with the same functions that read them.
//!
//! IPv4 buckets go by the upper 16 bits; bit `n` of a bucket stands for length `32 - n`
//! ([`bit4`]). IPv6 buckets go by a hash of the upper 32 bits; bit `n` stands for place `n` in the
//! policy's list of lengths, longest first. So the lowest bit is the longest prefix.

use crate::abi::party::{Prefix4, Prefix6};
use crate::abi::policy::LENGTHS6_MAX;
use crate::address::Address;
use crate::hash;
use crate::memory::opaque;

/// Buckets in each table.
pub const BUCKETS: u32 = 1 << 16;

/// The bucket of an IPv4 address.
#[must_use]
#[inline(always)]
pub const fn bucket4(address: [u8; 4]) -> u32 {
    u16::from_be_bytes([address[0], address[1]]) as u32
}

/// The bucket of an IPv6 address.
#[must_use]
#[inline(always)]
pub const fn bucket6(address: [u8; 16]) -> u32 {
    let upper = u32::from_be_bytes([address[0], address[1], address[2], address[3]]);
    (hash::mix(upper as u64) as u32) & (BUCKETS - 1)
}

/// The IPv4 network of this length, 1 to 32, around an address.
#[must_use]
#[inline(always)]
pub const fn network4(address: [u8; 4], length: u32) -> Prefix4 {
    let mask = (u32::MAX as u64) << (32u32.wrapping_sub(length) & 63);
    let network = u32::from_be_bytes(address) & mask as u32;
    Prefix4 { address: network.to_be_bytes(), length }
}

/// The IPv6 network of this length, 1 to 128, around an address.
#[must_use]
#[inline(always)]
pub fn network6(address: [u8; 16], length: u32) -> Prefix6 {
    let (mask_upper, mask_lower) = MASKS6.get(length as usize).copied().unwrap_or((0, 0));
    let (upper, lower) = Address(address).halves();
    Prefix6 { address: Address::from_halves(upper & mask_upper, lower & mask_lower).0, length }
}

/// Masks of IPv6 networks by their length, in the halves of [`Address::halves`]: shifts by a length that
/// the verifier does not know cost it more than a look-up.
static MASKS6: [(u64, u64); 129] = masks6();

#[expect(
    clippy::indexing_slicing,
    reason = "runs at compile time only: a bad index fails the build"
)]
const fn masks6() -> [(u64, u64); 129] {
    let mut masks = [(0, 0); 129];
    let mut length = 1;
    while length <= 128 {
        let mask = u128::MAX << (128 - length);
        masks[length] = (((mask >> 64) as u64).to_be(), (mask as u64).to_be());
        length += 1;
    }
    masks
}

/// The bit of an IPv4 length, 1 to 32, in a bucket.
#[must_use]
#[inline(always)]
pub const fn bit4(length: u32) -> u32 {
    1 << (32u32.wrapping_sub(length) & 31)
}

/// The IPv4 length that place `bit` of a bucket stands for.
#[must_use]
#[inline(always)]
pub const fn length4(bit: u32) -> u32 {
    32 - (bit & 31)
}

/// Most lengths one IPv4 bucket can hold that matter: 17 to 32, and the longest of those up to 16.
pub const LENGTHS4_MAX: u32 = 17;

/// The places set in a bucket, longest prefix first.
#[derive(Clone, Copy)]
pub struct Lengths(u32);

/// Place of the only bit of a word, by the upper five bits of its product with [`DE_BRUIJN`].
/// BPF counts no zeros, and shifting them out cost the verifier 200,000 instructions (Leiserson,
/// Prokop, Randall 1998: "Using de Bruijn Sequences to Index a 1 in a Computer Word").
static PLACES: [u8; 32] = [
    0, 1, 28, 2, 29, 14, 24, 3, 30, 22, 20, 15, 25, 17, 4, 8, 31, 27, 13, 23, 21, 19, 16, 7, 26,
    12, 18, 6, 11, 5, 10, 9,
];
const DE_BRUIJN: u32 = 0x077c_b531;

impl Lengths {
    /// The lengths of a bucket.
    #[must_use]
    #[inline(always)]
    pub const fn new(bits: u32) -> Self {
        Self(bits)
    }

    /// What is left.
    #[must_use]
    #[inline(always)]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether no place is left.
    #[must_use]
    #[inline(always)]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The lowest place that is left, taken away.
    #[inline(always)]
    pub fn take(&mut self) -> Option<u32> {
        if self.0 == 0 {
            return None;
        }
        // Nearly always the longest of all: what the CPU guesses, it need not wait for (6 ns of a
        // dropped frame).
        if self.0 & 1 != 0 {
            self.0 ^= 1;
            return Some(0);
        }
        let lowest = self.0 & self.0.wrapping_neg();
        self.0 ^= lowest;
        let place = PLACES.get((lowest.wrapping_mul(DE_BRUIJN) >> 27) as usize)?;
        Some(u32::from(*place))
    }
}

/// The IPv6 length that a bit of a bucket stands for; `None` for places the list leaves empty.
#[must_use]
#[inline(always)]
pub fn length6(lengths: &[u8; LENGTHS6_MAX], bit: u32) -> Option<u32> {
    match lengths.get(opaque(u64::from(bit)) as usize) {
        Some(length @ 1..=128) => Some(u32::from(*length)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn networks_keep_their_bits() {
        let address = Ipv4Addr::new(198, 51, 100, 77).octets();
        assert_eq!(network4(address, 24).address, [198, 51, 100, 0]);
        assert_eq!(network4(address, 32).address, address);
        assert_eq!(network4(address, 1).address, [128, 0, 0, 0]);
    }

    #[test]
    fn bits_and_lengths_are_inverse() {
        for length in 1..=32 {
            assert_eq!(length4(bit4(length).trailing_zeros()), length);
        }
    }

    proptest! {
        #[test]
        fn network6_is_the_mask_of_128_bits(address: u128, length in 1u32..=128) {
            let expected = address & (u128::MAX << (128 - length));
            let network = network6(Ipv6Addr::from(address).octets(), length);
            prop_assert_eq!(Ipv6Addr::from(network.address), Ipv6Addr::from(expected));
        }

        #[test]
        fn lengths_come_longest_first(bits: u32) {
            let mut lengths = Lengths::new(bits);
            let mut seen = 0u32;
            let mut last = None;
            while let Some(bit) = lengths.take() {
                prop_assert!(last < Some(bit));
                last = Some(bit);
                seen |= 1 << bit;
            }
            prop_assert_eq!(seen, bits);
        }
    }
}
