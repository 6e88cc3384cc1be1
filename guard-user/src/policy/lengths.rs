//! Which prefix lengths occur in which bucket: what saves the data plane its look-ups.
//!
//! Filled with the functions of [`guard_common::prefix`] that the data plane reads by.

use std::collections::BTreeSet;

use guard_common::abi::party::{Prefix4, Prefix6};
use guard_common::abi::policy::LENGTHS6_MAX;
use guard_common::prefix::{BUCKETS, bit4, bucket4, bucket6};

use crate::config::{ConfigError, Problem};

/// IPv4 prefixes up to this length span whole buckets.
const WIDE4: u32 = 16;
/// The bits of those lengths.
const WIDE4_BITS: u32 = !0 << WIDE4;

/// IPv6 buckets go by a hash of this many bits.
const BUCKET6_BITS: u32 = 32;
/// IPv6 prefixes this much shorter than that are put into each of their up to 256 buckets; still
/// shorter ones into all, which costs the data plane a look-up but nothing else.
const SPREAD6_MAX: u32 = 8;

fn empty() -> Vec<u32> {
    vec![0; usize::try_from(BUCKETS).unwrap_or(usize::MAX)]
}

fn set(buckets: &mut [u32], bucket: u32, bits: u32) {
    if let Some(word) = usize::try_from(bucket).ok().and_then(|bucket| buckets.get_mut(bucket)) {
        *word |= bits;
    }
}

/// Lengths by IPv4 bucket. Of the prefixes that span a bucket whole only the longest is named:
/// it always matches, and it already says what those around it say.
pub(super) fn buckets4<'a>(prefixes: impl Iterator<Item = &'a Prefix4>) -> Vec<u32> {
    let mut buckets = empty();
    let mut wide = Vec::new();
    for prefix in prefixes {
        if prefix.length <= WIDE4 {
            wide.push((prefix.length, bucket4(prefix.address)));
        } else {
            set(&mut buckets, bucket4(prefix.address), bit4(prefix.length));
        }
    }
    // Longer ones come later and replace shorter ones.
    wide.sort_unstable();
    for (length, first) in wide {
        let first = usize::try_from(first).unwrap_or(usize::MAX);
        for word in buckets.iter_mut().skip(first).take(1 << (WIDE4 - length)) {
            *word = *word & !WIDE4_BITS | bit4(length);
        }
    }
    buckets
}

/// Lengths by IPv6 bucket, and the list of lengths that their bits stand for, longest first.
pub(super) fn buckets6<'a>(
    prefixes: impl Iterator<Item = &'a Prefix6> + Clone,
) -> Result<(Vec<u32>, [u8; LENGTHS6_MAX]), ConfigError> {
    let list = list6(prefixes.clone())?;
    let mut buckets = empty();
    let mut everywhere = 0;
    for prefix in prefixes {
        let place = list.iter().position(|length| u32::from(*length) == prefix.length);
        let bit = place.and_then(|place| u32::try_from(place).ok()).map_or(0, |place| 1 << place);
        let spread = BUCKET6_BITS.saturating_sub(prefix.length);
        if spread > SPREAD6_MAX {
            everywhere |= bit;
            continue;
        }
        let [a, b, c, d, rest @ ..] = prefix.address;
        let first = u32::from_be_bytes([a, b, c, d]);
        for upper in 0..1u32 << spread {
            let [a, b, c, d] = (first | upper).to_be_bytes();
            let mut address = [0; 16];
            let octets = [a, b, c, d].into_iter().chain(rest);
            address.iter_mut().zip(octets).for_each(|(place, octet)| *place = octet);
            set(&mut buckets, bucket6(address), bit);
        }
    }
    if everywhere != 0 {
        buckets.iter_mut().for_each(|word| *word |= everywhere);
    }
    Ok((buckets, list))
}

fn list6<'a>(
    prefixes: impl Iterator<Item = &'a Prefix6>,
) -> Result<[u8; LENGTHS6_MAX], ConfigError> {
    let lengths: BTreeSet<u32> = prefixes.map(|prefix| prefix.length).collect();
    if lengths.len() > LENGTHS6_MAX {
        return Err(ConfigError::internal(Problem::new(
            format!(
                "{} different lengths of IPv6 prefixes, at most {LENGTHS6_MAX} fit",
                lengths.len()
            ),
            "round prefixes to usual lengths such as /32, /48, /56, /64 and /128",
        )));
    }
    let mut list = [0; LENGTHS6_MAX];
    for (place, length) in list.iter_mut().zip(lengths.iter().rev()) {
        *place = u8::try_from(*length).unwrap_or(0);
    }
    Ok(list)
}
