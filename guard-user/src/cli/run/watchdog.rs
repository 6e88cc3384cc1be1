//! What of the watchdog is for people and for the next daemon: the log, the note, the settings.
//!
//! The heartbeat itself touches no file.

use guard_common::abi::state::switch;
use guard_user::heartbeat::Heartbeat;
use guard_user::live::Live;
use guard_user::notify::notify;
use guard_user::store::WatchdogNote;
use tracing::{info, warn};

/// The heartbeat, and what was said about it.
pub struct WatchdogWatch {
    heart: Heartbeat,
    noted: WatchdogNote,
    generation: u64,
}

/// What the last daemon noted. A note that cannot be read stands for one that did not end well.
pub fn note(live: &Live) -> WatchdogNote {
    live.store.watchdog().unwrap_or_else(|error| {
        warn!("what was noted about the watchdog is not known: {error}");
        WatchdogNote::default()
    })
}

impl WatchdogWatch {
    /// Looks after a heartbeat that was started with this note.
    pub fn new(heart: Heartbeat, noted: WatchdogNote) -> Self {
        Self { heart, noted, generation: 0 }
    }

    /// Tells and notes what changed, and follows the settings of a new generation.
    pub fn look(&mut self, live: &Live) {
        // The service manager restarts a daemon that hangs: systemd's WatchdogSec=.
        let _ = notify("WATCHDOG=1");
        self.keep(live, self.heart.note(false));
        let generation = live.pins.switches().and_then(|it| it.get(switch::GENERATION));
        if let Ok(generation) = generation
            && generation != self.generation
            && let Ok(record) = live.record()
        {
            if self.generation != 0 {
                info!(generation, "another generation is live");
            }
            self.generation = generation;
            self.heart.set(&record.config.guard);
        }
    }

    /// Ends the heartbeat because a person said so.
    pub fn end(mut self, live: &Live) {
        self.keep(live, self.heart.note(true));
    }

    fn keep(&mut self, live: &Live, note: WatchdogNote) {
        if note == self.noted {
            return;
        }
        match (self.noted.waits_seconds, note.waits_seconds) {
            (before, Some(waits)) if before.is_none() || note.lapses != self.noted.lapses => warn!(
                "the watchdog had opened the guard ({} times by now); it closes after {waits} s \
                 without trouble",
                note.lapses
            ),
            (Some(_), None) => info!("closed again after stable time; the mode decides"),
            _ => {}
        }
        // Only told once where the disk is full: the worst is a longer wait.
        if let Err(error) = live.store.set_watchdog(note) {
            warn!("what the next daemon should know of the watchdog cannot be kept: {error}");
        }
        self.noted = note;
    }
}
