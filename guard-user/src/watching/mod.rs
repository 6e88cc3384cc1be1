//! Watching after a change: has the evidence turned?
//!
//! ```text
//! counters, calls -> gather -> series -> judge -> watcher -> Live::take_back_turned
//! ```
//!
//! A thread of the daemon keeps what the counters said over the last five minutes. After every
//! change of the configuration, and after `mode enforce`, it holds what happens against that for
//! as long as `watch` in `[gates]` says. What is worse is rolled back, or the guard is opened; once
//! for a change, and never for one that was made while an alarm was open. What was worse before
//! already is no evidence. The thread needs nothing of the rest of the daemon but the numbers of
//! the reader of signalling; a guard without it is no worse a guard.

mod files;
mod gather;
mod judge;
mod observation;
mod series;
mod statistics;
mod watcher;
mod words;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

pub use self::files::{Done, Evidence, kept, set_aside};

use self::watcher::Watcher;
use crate::background::Background;
use crate::calls::tally::Tallies;
use crate::live::Live;

/// Between two looks for a change.
const LOOK: Duration = Duration::from_millis(500);

/// A running watch; ends when dropped.
pub struct Watching {
    _thread: Background,
}

impl Watching {
    /// Starts it; `tallies` is what becomes of calls.
    #[must_use]
    pub fn start(live: &Live, tallies: &Tallies) -> Self {
        let (live, tallies) = (live.clone(), tallies.clone());
        let work = move |stopped: &AtomicBool| {
            let mut watcher = Watcher::new(live.clone(), tallies.clone());
            while !stopped.load(Ordering::Relaxed) {
                if catch_unwind(AssertUnwindSafe(|| watcher.look())).is_err() {
                    tracing::error!("a look after changes failed; it begins anew");
                    watcher = Watcher::new(live.clone(), tallies.clone());
                }
                thread::park_timeout(LOOK);
            }
        };
        Self { _thread: Background::start("watching", "to watch what follows a change", work) }
    }
}
