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

/// Hash of two words under a key.
#[must_use]
#[inline(always)]
pub const fn keyed(key: u64, first: u64, second: u64) -> u64 {
    mix(mix(first ^ key) ^ second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_key_is_another_order() {
        let same = (0..1000u64).filter(|n| keyed(1, *n, 0) & 0xffff == keyed(2, *n, 0) & 0xffff);
        assert!(same.count() < 5);
    }
}
