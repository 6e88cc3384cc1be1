//! All counters at a moment, or how much they grew: those that are not zero.

use std::collections::{BTreeMap, BTreeSet};

use guard_common::abi::state::{Counter, SlotCounters, switch};
use serde::{Deserialize, Serialize};

use crate::live::{Live, LiveError};

/// What came in, or what left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "u8", from = "u8")]
pub enum Direction {
    /// What came in.
    In,
    /// What left.
    Out,
}

impl core::convert::From<Direction> for u8 {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::In => 0,
            Direction::Out => 1,
        }
    }
}

impl core::convert::From<u8> for Direction {
    fn from(number: u8) -> Self {
        match number {
            0 => Self::In,
            _ => Self::Out,
        }
    }
}

/// A counter: direction, slot, number.
type Key = (Direction, u32, u32);

/// Counters that are not zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<Key, Counter>);

impl Snapshot {
    /// What the counters say now.
    ///
    /// # Errors
    ///
    /// If no guard is loaded, or its slots cannot be read.
    pub fn read(live: &Live) -> Result<Self, LiveError> {
        let (counts, out) = (live.pins.counts()?, live.pins.out_counts()?);
        let capacity = live.pins.switches()?.get(switch::SLOTS)?;
        // Slot 0 is nobody's.
        let mut slots: BTreeSet<u32> = live.store.slots()?.into_values().collect();
        slots.insert(0);
        let mut snapshot = Self::default();
        for slot in slots.into_iter().filter(|slot| u64::from(*slot) < capacity) {
            snapshot.add(Direction::In, slot, &counts.slot(slot)?);
            snapshot.add(Direction::Out, slot, &out.slot(slot)?);
        }
        Ok(snapshot)
    }

    fn add(&mut self, direction: Direction, slot: u32, counters: &SlotCounters) {
        for (number, counter) in (0..).zip(&counters.counters) {
            if *counter != Counter::default() {
                self.0.insert((direction, slot, number), *counter);
            }
        }
    }

    /// How much it grew since an earlier one.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let grown = |(key, now): (&Key, &Counter)| {
            let old = before.0.get(key).copied().unwrap_or_default();
            let grown = less(*now, old);
            (grown != Counter::default()).then_some((*key, grown))
        };
        Self(self.0.iter().filter_map(grown).collect())
    }

    /// Adds what came after it.
    pub fn grow(&mut self, grown: &Self) {
        for (key, grown) in &grown.0 {
            let counter = self.0.entry(*key).or_default();
            counter.packets = counter.packets.saturating_add(grown.packets);
            counter.bytes = counter.bytes.saturating_add(grown.bytes);
        }
    }

    /// Whether a later one of the same counters can be `now`: none of them ever falls.
    #[must_use]
    pub fn leads_to(&self, now: &Self) -> bool {
        self.0.iter().all(|(key, old)| now.0.get(key).is_some_and(|now| now.packets >= old.packets))
    }

    /// What the counters of a slot gained since.
    #[must_use]
    pub fn gained(&self, direction: Direction, slot: u32, now: &SlotCounters) -> SlotCounters {
        let mut gained = *now;
        for (number, counter) in (0..).zip(&mut gained.counters) {
            let old = self.0.get(&(direction, slot, number)).copied().unwrap_or_default();
            *counter = less(*counter, old);
        }
        gained
    }

    /// Rows for a line: direction, slot, counter, packets, bytes.
    pub fn rows(&self) -> Vec<(Direction, u32, u32, u64, u64)> {
        let row = |(key, counter): (&Key, &Counter)| {
            (key.0, key.1, key.2, counter.packets, counter.bytes)
        };
        self.0.iter().map(row).collect()
    }

    /// From the rows of a line.
    #[must_use]
    pub fn of(rows: Vec<(Direction, u32, u32, u64, u64)>) -> Self {
        let entry = |(direction, slot, number, packets, bytes)| {
            ((direction, slot, number), Counter { packets, bytes })
        };
        Self(rows.into_iter().map(entry).collect())
    }
}

const fn less(now: Counter, old: Counter) -> Counter {
    Counter {
        packets: now.packets.saturating_sub(old.packets),
        bytes: now.bytes.saturating_sub(old.bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(packets: u64) -> Snapshot {
        Snapshot::of(vec![(Direction::In, 1, 2, packets, packets * 100)])
    }

    #[test]
    fn what_grew_adds_up() {
        let (before, now) = (snapshot(3), snapshot(10));
        let grown = now.since(&before);
        assert_eq!(grown, snapshot(7));
        let mut sum = before.clone();
        sum.grow(&grown);
        assert_eq!(sum, now);
        assert!(before.leads_to(&now) && !now.leads_to(&before));
        assert_eq!(now.since(&now), Snapshot::default());
    }
}
