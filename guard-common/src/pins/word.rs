//! The word of a pin: who, what is known, since when; and sets of such words.
//!
//! ```text
//! 63                    26  25          24     23      22     0
//! | part of the key's hash | CONFIGURED | ENDED | SPOKEN | time |
//! ```

use core::hint::black_box;

use crate::abi::state::{Cell, Cells, WAYS};
use crate::tables::Tables;

/// Pin time counts in 2^27 ns = 134 ms: 23 bits go round in 13 days.
const TICK_SHIFT: u32 = 27;
const TIME_MASK: u64 = (1 << 23) - 1;
/// The other side spoke after the element did.
pub const SPOKEN: u64 = 1 << 23;
/// The element ended it.
pub const ENDED: u64 = 1 << 24;
/// It belongs to a call of a configured party.
pub const CONFIGURED: u64 = 1 << 25;
/// A place that holds nothing any more. Only one that was never used is 0, which ends a search.
pub const VACANT: u64 = ENDED;
/// The part of the word that names the key.
const TAG_MASK: u64 = !(CONFIGURED | ENDED | SPOKEN | TIME_MASK);

/// The part of a hash that a word keeps.
#[inline(always)]
pub const fn tag(hash: u64) -> u64 {
    hash & TAG_MASK
}

/// Time in ticks.
#[inline(always)]
pub const fn ticks(now: u64) -> u64 {
    (now >> TICK_SHIFT) & TIME_MASK
}

/// So many seconds in ticks, rounded up.
pub const fn seconds(seconds: u64) -> u64 {
    ((seconds * 1_000_000_000) >> TICK_SHIFT) + 1
}

/// A live word's time is written anew only when it is this old, so that busy pins do not bounce
/// between CPUs.
pub const REFRESH: u64 = seconds(8);

/// How old a word is. What seems to be of the future was written by another CPU just now.
#[inline(always)]
pub const fn age(word: u64, now: u64) -> u64 {
    let age = now.wrapping_sub(word & TIME_MASK) & TIME_MASK;
    if age > TIME_MASK / 2 { 0 } else { age }
}

/// How long words of a table last, in ticks.
#[derive(Clone, Copy)]
pub struct Lifetimes {
    /// Until the other side speaks.
    pub early: u64,
    /// Silence after that.
    pub idle: u64,
    /// After the element ended it.
    pub ended: u64,
}

impl Lifetimes {
    /// Whether a place was never used, or its time is over.
    #[inline(always)]
    pub const fn is_over(self, word: u64, now: u64) -> bool {
        let limit = match word & (SPOKEN | ENDED) {
            0 => self.early,
            SPOKEN => self.idle,
            _ => self.ended,
        };
        word == 0 || age(word, now) > limit
    }
}

/// A set of [`WAYS`] places of `N` cells, of which the first is the pin's word.
#[derive(Clone, Copy)]
pub struct Set<const N: usize> {
    pub table: Cells,
    /// Number of the set.
    pub number: u32,
}

impl<const N: usize> Set<N> {
    #[inline(always)]
    fn place<T: Tables>(self, tables: &T, way: u32) -> Option<&[Cell; N]> {
        tables.place(self.table, self.number * WAYS + way)
    }

    /// The place with this tag. Places are taken in their order and never become 0 again, so the
    /// first that was never used is the last to look at: in most sets the very first.
    #[inline(always)]
    pub fn find<T: Tables>(self, tables: &T, tag: u64) -> Option<&[Cell; N]> {
        for way in 0..WAYS {
            let place = self.place(tables, way)?;
            match place.first()?.load() {
                0 => return None,
                word if word & TAG_MASK == tag => return Some(place),
                _ => {}
            }
        }
        None
    }

    /// A place whose time is over, or else the oldest of those without `kept` flags; and whether
    /// it was free.
    #[inline(always)]
    pub fn room<T: Tables>(
        self,
        tables: &T,
        lifetimes: Lifetimes,
        kept: u64,
        now: u64,
    ) -> Option<(&[Cell; N], bool)> {
        let mut oldest = WAYS;
        let mut oldest_age = 0;
        for way in 0..WAYS {
            let Some(place) = self.place(tables, way) else {
                continue;
            };
            let word = place.first()?.load();
            if lifetimes.is_over(word, now) {
                return Some((place, true));
            }
            if word & kept == 0 && age(word, now) >= oldest_age {
                // The verifier would follow each way the oldest may be.
                oldest = black_box(way);
                oldest_age = age(word, now);
            }
        }
        if oldest >= WAYS {
            return None;
        }
        Some((self.place(tables, oldest)?, false))
    }
}
