//! What becomes of calls, by element: who is called, who answers. Numbers alone, for whoever asks.
//!
//! Only calls of configured parties count. What strangers send is theirs to choose: a flood of
//! false calls must not look like an element that stopped answering.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Calls to an element since the daemon started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// That began.
    pub tried: u64,
    /// That were answered.
    pub answered: u64,
    /// That were turned down, or heard nothing at all for four seconds.
    pub failed: u64,
}

/// The tallies of all elements by counter slot, shared by the reader of signalling and those who
/// ask. Both hold them for a moment only.
#[derive(Clone, Debug, Default)]
pub struct Tallies(Arc<Mutex<BTreeMap<u32, Tally>>>);

impl Tallies {
    /// As they are now.
    #[must_use]
    pub fn now(&self) -> BTreeMap<u32, Tally> {
        self.lock().clone()
    }

    pub(super) fn tried(&self, slot: u32) {
        self.lock().entry(slot).or_default().tried += 1;
    }

    pub(super) fn ended(&self, slot: u32, answered: bool) {
        let mut tallies = self.lock();
        let tally = tallies.entry(slot).or_default();
        if answered {
            tally.answered += 1;
        } else {
            tally.failed += 1;
        }
    }

    /// Numbers are whole whenever somebody panics.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Tally>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
