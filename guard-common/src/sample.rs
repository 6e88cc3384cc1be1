//! Samples of frames, for the controller that keeps a little of what is usual.
//!
//! Nothing here costs a frame more than a look at the counter that it has just moved: only one in
//! sixteen is looked at further. Of these, a few get into the ring: the cells give each
//! counter, each slot's counter and each pair of ends a ration of its own, so that no flood of one
//! hides the others. What finds no room is a lost sample, never a lost frame.
//!
//! What was dropped, or would be if the guard enforced, is sampled besides, as far as a ration of
//! each CPU goes: an operator who asks where a frame went wants to see it, not one in sixteen.

use crate::abi::policy::LimitSpec;
use crate::abi::sample::{
    DROPS_BURST, FLOW_CELLS, REASON_CELLS, SAMPLE_BYTES, SLOT_CELLS, SampleHeader,
};
use crate::abi::state::{Cells, alarm};
use crate::address::Address;
use crate::bucket::conform;
use crate::frame::Frame;
use crate::hash::{keyed, mix};
use crate::memory::Word;
use crate::tables::Tables;

/// One in so many frames of a counter is looked at, on each CPU, and all of the first. A power of
/// two.
const EVERY: u64 = 16;
/// Samples of a counter: fifty a second, and as many at once.
const PER_REASON: LimitSpec = LimitSpec { interval: 20_000_000, tolerance: 1_000_000_000 };
/// Samples of a counter of a slot: ten a second, and as many at once.
const PER_SLOT: LimitSpec = LimitSpec { interval: 100_000_000, tolerance: 1_000_000_000 };
/// Time between two samples of the same two ends, in units of 2^20 ns: a second.
const FLOW_INTERVAL: u32 = 954;

/// How many frames the one that made a counter reach this count stands for; 0 if it is not looked
/// at.
#[inline(always)]
pub(crate) const fn stands_for(count: u64) -> u32 {
    if count & (EVERY - 1) == 1 && count > EVERY {
        EVERY as u32
    } else if count != 0 && count <= EVERY {
        1
    } else {
        0
    }
}

/// What is left to a CPU of samples of what is over its limit: see [`crate::bucket`].
#[derive(Debug, Default)]
#[repr(transparent)]
pub(crate) struct Rations(Word<u64>);

impl Rations {
    /// Whether one is left to a frame, of which there is one in so many nanoseconds; 0: none.
    #[inline(always)]
    pub(crate) fn are_left(&self, interval: u64, now: u64) -> bool {
        // Neither sum overflows: an arrival is never further ahead than the burst.
        interval != 0 && self.0.get().wrapping_add(interval) <= now.wrapping_add(DROPS_BURST)
    }

    /// Takes one, if one is left.
    #[inline(always)]
    fn take(&mut self, interval: u64, now: u64) -> bool {
        let spec = LimitSpec { interval, tolerance: DROPS_BURST.saturating_sub(interval) };
        match conform(self.0.get(), spec, now) {
            Some(arrival) if interval != 0 => {
                self.0.set(arrival);
                true
            }
            _ => false,
        }
    }
}

/// Takes a sample, if none like it was taken just now, or the CPU has a ration for it, of which there
/// is one in so many nanoseconds. `header` says interface, slot, counter and, for this one frame,
/// what it stands for.
///
/// Not inlined for the reason given at [`Frame::parse`].
#[inline(never)]
pub(crate) fn take<T: Tables>(
    tables: &T,
    frame: &Frame,
    header: &mut SampleHeader,
    rations: &mut Rations,
    interval: u64,
) {
    let now = tables.now();
    let seen = if header.stands_for == 0 { 0 } else { seen(tables, frame, header, now) };
    if seen == 0 && !rations.take(interval, now) {
        return;
    }
    header.time = now;
    header.stands_for = seen;
    header.length = frame.length;
    header.captured =
        if frame.length < SAMPLE_BYTES as u32 { frame.length } else { SAMPLE_BYTES as u32 };
    if !tables.sample(header) {
        tables.alarm(alarm::SAMPLE_LOST);
    }
}

/// How many frames a sample stands for; 0 if it is too soon for one, or cannot be known.
#[inline(always)]
fn seen<T: Tables>(tables: &T, frame: &Frame, header: &SampleHeader, now: u64) -> u32 {
    let Some(policy) = tables.policy() else {
        return 0;
    };
    let counter = u64::from(header.counter);
    let of_slot = keyed(policy.hash_key, u64::from(header.slot), counter);
    let of_flow = hash(hash(policy.hash_key ^ counter, &frame.source), &frame.destination);
    let (Some(reason), Some(slot), Some(flow)) = (
        tables.cell(Cells::Samples, header.counter & (REASON_CELLS - 1)),
        tables.cell(Cells::Samples, REASON_CELLS + (of_slot as u32 & (SLOT_CELLS - 1))),
        tables
            .cell(Cells::Samples, REASON_CELLS + SLOT_CELLS + (of_flow as u32 & (FLOW_CELLS - 1))),
    ) else {
        return 0;
    };
    let before = Flow::of(flow.load(), of_flow, now);
    let seen = before.seen.saturating_add(header.stands_for);
    // Two CPUs may both find room: then there is a sample too many.
    let (true, Some(of_reason), Some(of_slot)) = (
        before.is_due,
        conform(reason.load(), PER_REASON, now),
        conform(slot.load(), PER_SLOT, now),
    ) else {
        flow.store(Flow { seen, ..before }.word(of_flow));
        return 0;
    };
    reason.store(of_reason);
    slot.store(of_slot);
    let due = units(now).wrapping_add(FLOW_INTERVAL);
    flow.store(Flow { seen: 0, due, is_due: false }.word(of_flow));
    seen
}

#[inline(always)]
const fn hash(key: u64, address: &Address) -> u64 {
    let (upper, lower) = address.halves();
    mix(keyed(key, upper, lower))
}

/// Time in units of 2^20 ns, for half a word; goes round in 52 days.
#[inline(always)]
const fn units(now: u64) -> u32 {
    (now >> 20) as u32
}

/// A pair of ends: a tag of 12 bits, frames since the last sample in 20, when the next is due.
struct Flow {
    seen: u32,
    due: u32,
    is_due: bool,
}

impl Flow {
    const SEEN_MAX: u32 = (1 << 20) - 1;

    /// What a word says about the flow of this hash; of another flow, that nothing is known.
    #[inline(always)]
    const fn of(word: u64, hash: u64, now: u64) -> Self {
        let due = word as u32;
        if word >> 52 != hash >> 52 {
            return Self { seen: 0, due: units(now), is_due: true };
        }
        let ahead = due.wrapping_sub(units(now));
        Self {
            seen: (word >> 32) as u32 & Self::SEEN_MAX,
            due,
            is_due: ahead.wrapping_sub(1) >= FLOW_INTERVAL,
        }
    }

    #[inline(always)]
    const fn word(self, hash: u64) -> u64 {
        let seen = if self.seen < Self::SEEN_MAX { self.seen } else { Self::SEEN_MAX };
        (hash >> 52) << 52 | (seen as u64) << 32 | self.due as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn the_first_and_then_one_in_sixteen_are_looked_at() {
        let looked_at = (1..=1600).map(stands_for).filter(|frames| *frames != 0);
        assert_eq!(looked_at.clone().count(), 16 + 99);
        assert_eq!(looked_at.sum::<u32>(), 1600);
    }

    #[test]
    fn a_ration_is_so_many_a_second() {
        let mut rations = Rations::default();
        let interval = SECOND / 20;
        // A frame a microsecond, for two seconds.
        let taken = (0..2_000_000).map(|n| 7 * SECOND + n * 1000);
        let taken =
            taken.filter(|now| rations.are_left(interval, *now) && rations.take(interval, *now));
        assert!((59..=61).contains(&taken.count()));
        assert!(!rations.are_left(0, 100 * SECOND) && !rations.take(0, 100 * SECOND));
    }

    #[test]
    fn a_flow_counts_what_its_next_sample_stands_for() {
        let (hash, other) = (0xabc0_0000_0000_0001, 0xdef0_0000_0000_0001);
        let now = 7 * SECOND;
        let fresh = Flow::of(0, hash, now);
        assert!(fresh.is_due && fresh.seen == 0);
        let due = units(now) + FLOW_INTERVAL;
        let word = Flow { seen: 33, due, is_due: false }.word(hash);
        let again = Flow::of(word, hash, now + SECOND / 2);
        assert!(!again.is_due && again.seen == 33 && again.due == due);
        assert!(Flow::of(word, hash, now + 2 * SECOND).is_due);
        let taken_over = Flow::of(word, other, now + SECOND / 2);
        assert!(taken_over.is_due && taken_over.seen == 0);
        let full = Flow { seen: u32::MAX, due, is_due: false }.word(hash);
        assert_eq!(Flow::of(full, hash, now).seen, Flow::SEEN_MAX);
    }
}
