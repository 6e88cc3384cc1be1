//! IP addresses as the guard holds them while it decides.

use crate::memory::opaque;

/// An address in network byte order; IPv4 in the first four bytes.
///
/// Aligned to words, so that copies of it are: the verifier refuses a misaligned word on the
/// stack, and BPF moves what is less aligned byte by byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct Address(pub [u8; 16]);

impl Address {
    /// An IPv4 address.
    ///
    /// Written and read as whole words: what is written in pieces and read as one word makes the
    /// CPU wait until all of it has reached the cache (5 ns of a peer's RTP).
    #[must_use]
    #[inline(always)]
    pub fn from_ipv4(address: [u8; 4]) -> Self {
        let [a, b, c, d] = address;
        Self::from_halves(opaque(u64::from_ne_bytes([a, b, c, d, 0, 0, 0, 0])), 0)
    }

    /// The IPv4 address.
    #[must_use]
    #[inline(always)]
    pub fn ipv4(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = opaque(self.halves().0).to_ne_bytes();
        [a, b, c, d]
    }

    /// As two words, in memory order.
    #[must_use]
    #[inline(always)]
    pub const fn halves(&self) -> (u64, u64) {
        let [a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7] = self.0;
        (
            u64::from_ne_bytes([a0, a1, a2, a3, a4, a5, a6, a7]),
            u64::from_ne_bytes([b0, b1, b2, b3, b4, b5, b6, b7]),
        )
    }

    /// From two words in memory order.
    #[must_use]
    #[inline(always)]
    pub const fn from_halves(upper: u64, lower: u64) -> Self {
        let [a0, a1, a2, a3, a4, a5, a6, a7] = upper.to_ne_bytes();
        let [b0, b1, b2, b3, b4, b5, b6, b7] = lower.to_ne_bytes();
        Self([a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7])
    }
}
