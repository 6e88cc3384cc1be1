//! Reads the counters of a loaded guard into a sample.

use std::collections::BTreeSet;

use guard_common::abi::state::{alarm, switch};

use super::series::{Row, Sample};
use crate::calls::tally::Tallies;
use crate::kernel::clock;
use crate::live::{Live, LiveError};

/// All sums as they are now.
///
/// # Errors
///
/// If no guard of our version is loaded, or its slots cannot be read.
pub fn sample(live: &Live, tallies: &Tallies) -> Result<Sample, LiveError> {
    let counts = live.pins.counts()?;
    let capacity = live.pins.switches()?.get(switch::SLOTS)?;
    // Slot 0 is nobody's.
    let mut slots: BTreeSet<u32> = live.store.slots()?.into_values().collect();
    slots.insert(0);
    let calls = tallies.now();
    let mut sample = Sample { at: clock::now(), ..Sample::default() };
    for slot in slots.into_iter().filter(|slot| u64::from(*slot) < capacity) {
        let calls = calls.get(&slot).copied().unwrap_or_default();
        sample.rows.insert(slot, Row::of(&counts.slot(slot)?, calls));
    }
    let [unbound, ..] = counts.alarms()?;
    const { assert!(alarm::UNBOUND_SOURCE == 0, "it is the first") };
    sample.unbound = unbound;
    Ok(sample)
}
