//! The limiter: pure arithmetic, with the clock passed in.
//!
//! GCRA (ITU-T I.371): a bucket is one word, the "theoretical arrival time" of the next frame
//! if all came evenly. A frame conforms while that time runs ahead of the clock by no more than
//! the tolerance. Every failure or doubt conforms.
//!
//! Two CPUs may take the same word at once and one of the two steps gets lost: the bucket then
//! lets a frame too many through. Frames over the limit write nothing, so a flood only reads.

use crate::abi::policy::LimitSpec;

/// By how much the clocks of two CPUs may differ that take the same word: each has the time of a
/// tick, 10 ms at the most, and may be one behind; as much again to be sure.
const SKEW: u64 = 20_000_000;

/// The word to store if the frame conforms; `None` if it is over the limit.
///
/// `arrival` is the stored word, `now` monotonic nanoseconds.
#[must_use]
#[inline(always)]
pub const fn conform(arrival: u64, spec: LimitSpec, now: u64) -> Option<u64> {
    let LimitSpec { interval, tolerance } = spec;
    // No sum goes round before the clock shows 584 years, and then the frame conforms. (A sum that
    // stops at the greatest number is six instructions, and there were four of them.)
    let from_now = Some(now.wrapping_add(interval));
    if arrival <= now {
        return from_now;
    }
    let ahead = arrival - now;
    if ahead <= tolerance {
        return Some(arrival.wrapping_add(interval));
    }
    if interval == 0 || is_strange(ahead, spec) { from_now } else { None }
}

/// Whether a word is further ahead of the clock than this limit can ever have put it, on whichever
/// CPU: left by a greater limit or another clock. A bucket that we do not understand is an empty
/// one.
#[must_use]
#[inline(always)]
pub const fn is_strange(ahead: u64, LimitSpec { interval, tolerance }: LimitSpec) -> bool {
    ahead > tolerance && ahead - tolerance > interval.wrapping_add(SKEW)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    fn passed(spec: LimitSpec, arrivals: impl Iterator<Item = u64>) -> u64 {
        let mut cell = 0;
        let mut count = 0;
        for now in arrivals {
            if let Some(next) = conform(cell, spec, now) {
                cell = next;
                count += 1;
            }
        }
        count
    }

    #[test]
    fn a_flood_gets_the_burst_and_then_the_rate() {
        let spec = LimitSpec { interval: 10 * MS, tolerance: 90 * MS };
        // One frame a microsecond for a second: ten at once, then one every 10 ms.
        let count = passed(spec, (0..1_000_000).map(|n| 1_000_000_000 + n * 1000));
        assert!((108..=111).contains(&count), "{count}");
    }

    #[test]
    fn zero_interval_is_no_limit() {
        let spec = LimitSpec { interval: 0, tolerance: 0 };
        assert_eq!(passed(spec, (0..1000).map(|_| 5)), 1000);
    }

    #[test]
    fn a_word_from_another_clock_counts_as_empty() {
        let spec = LimitSpec { interval: 10 * MS, tolerance: 90 * MS };
        assert!(conform(u64::MAX, spec, 1000 * MS).is_some());
    }

    #[test]
    fn cpus_a_tick_apart_fill_the_same_bucket() {
        let spec = LimitSpec { interval: MS, tolerance: 99 * MS };
        // A frame a microsecond for a second, in turns by a CPU that is 10 ms behind.
        let clock = |n: u64| 1_000_000_000 + n * 1000 - (n % 2) * 10 * MS;
        let count = passed(spec, (0..1_000_000).map(clock));
        assert!((1099..=1101).contains(&count), "{count}");
        // And none where there is no limit.
        assert_eq!(passed(LimitSpec::default(), (0..1000).map(clock)), 1000);
    }

    proptest! {
        #[test]
        fn never_below_the_rate(gap in 1u64..1000 * MS, count in 1u64..500) {
            // Frames spaced at the limit or slower always conform.
            let spec = LimitSpec { interval: gap, tolerance: 0 };
            prop_assert_eq!(passed(spec, (0..count).map(|n| 1 + n * gap)), count);
        }

        #[test]
        fn no_clock_overflows(arrival: u64, interval: u64, tolerance: u64, now: u64) {
            let _ = conform(arrival, LimitSpec { interval, tolerance }, now);
        }
    }
}
