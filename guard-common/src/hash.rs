//! The keyed hash that picks buckets and pins.
//!
//! Not a cryptographic one: it keeps an outsider, who sees neither the key nor a hash, from
//! choosing sources that share a cell. The mixer is the finaliser of SplitMix64 (Steele, Lea,
//! Flood 2014), chosen because BPF has 64-bit multiplication but no wide one.

/// Mixes a word so that every input bit reaches every output bit.
#[must_use]
#[inline(always)]
pub const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Brings every bit of a word into its lower half, and leaves the rest to what follows: half of
/// [`mix`], for words that are not the last one.
#[must_use]
#[inline(always)]
pub const fn fold(word: u64) -> u64 {
    let word = word.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word ^ (word >> 32)
}

/// Hash of two words under a key.
#[must_use]
#[inline(always)]
pub const fn keyed(key: u64, first: u64, second: u64) -> u64 {
    mix(fold(first ^ key) ^ second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_fill_cells_evenly() {
        // Addresses of a network, ports of an address, kinds of a source: 65,536 keys in 4,096
        // cells of either half, 16 each on average (Poisson: 50 in a cell once in 10^8).
        for (first, second) in [(1 << 16, 0), (1 << 48, 0), (0, 1), (0, 1 << 32), (1, 0)] {
            for shift in [0, 32] {
                let mut cells = vec![0u32; 4096];
                for n in 0..65_536u64 {
                    let hash = keyed(0x5eed_0911, n.wrapping_mul(first), n.wrapping_mul(second));
                    if let Some(cell) = cells.get_mut((hash >> shift) as usize & 4095) {
                        *cell += 1;
                    }
                }
                let most = cells.iter().max().copied().unwrap_or(0);
                assert!(most < 50, "{first:x} {second:x} {shift}: {most}");
            }
        }
    }

    #[test]
    fn another_key_is_another_order() {
        let same = (0..1000u64).filter(|n| keyed(1, *n, 0) & 0xffff == keyed(2, *n, 0) & 0xffff);
        assert!(same.count() < 5);
    }
}
