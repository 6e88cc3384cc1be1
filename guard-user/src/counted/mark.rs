//! The counters at a moment that is over.

use std::time::{Duration, SystemTime};

use guard_common::abi::state::SlotCounters;

use super::files::{Kept, all};
use super::snapshot::{Direction, Snapshot};
use crate::live::{Live, LiveError};

/// What the counters said at a moment.
#[derive(Clone, Debug)]
pub struct Mark {
    /// When.
    pub at: SystemTime,
    snapshot: Snapshot,
}

impl Mark {
    /// The mark of this moment.
    ///
    /// # Errors
    ///
    /// If no guard is loaded, or its slots cannot be read.
    pub fn now(live: &Live) -> Result<Self, LiveError> {
        Ok(Self { at: SystemTime::now(), snapshot: Snapshot::read(live)? })
    }

    /// How long ago it was.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.at.elapsed().unwrap_or_default()
    }

    /// What the counters of a slot gained since, of what came in.
    #[must_use]
    pub fn gained(&self, slot: u32, now: &SlotCounters) -> SlotCounters {
        self.snapshot.gained(Direction::In, slot, now)
    }

    /// The same of what left.
    #[must_use]
    pub fn gained_out(&self, slot: u32, now: &SlotCounters) -> SlotCounters {
        self.snapshot.gained(Direction::Out, slot, now)
    }
}

/// The last mark before a moment; if there is none, the first after it. `None` if nothing was
/// written down about the counters that there are.
///
/// # Errors
///
/// If no guard is loaded, or its slots cannot be read.
pub fn before(live: &Live, moment: SystemTime) -> Result<Option<Mark>, LiveError> {
    let now = Snapshot::read(live)?;
    let mut found = None;
    for file in all(live.store.path()).iter().rev() {
        let Some(mark) = in_file(file, moment, &now) else {
            continue;
        };
        let is_before = mark.at <= moment;
        found = Some(mark);
        if is_before {
            break;
        }
    }
    Ok(found)
}

/// The last mark of a file before a moment, or its first.
fn in_file(file: &Kept, moment: SystemTime, now: &Snapshot) -> Option<Mark> {
    let mut found: Option<Mark> = None;
    file.read(|at, rows| match &mut found {
        // The counters of another state, which is gone, say nothing about these.
        None if !rows.leads_to(now) => false,
        None => {
            found = Some(Mark { at, snapshot: rows });
            at <= moment
        }
        Some(mark) if at <= moment => {
            mark.at = at;
            mark.snapshot.grow(&rows);
            true
        }
        Some(_) => false,
    });
    found
}
