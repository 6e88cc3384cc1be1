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
    /// What was told last.
    told: WatchdogNote,
    /// Whether the next daemon will know that.
    is_kept: bool,
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
        Self { heart, told: noted, is_kept: true, generation: 0 }
    }

    /// Tells and notes what changed, and follows the settings of a new generation.
    pub fn look(&mut self, live: &Live) {
        // The service manager restarts a daemon that hangs: systemd's WatchdogSec=.
        let _ = notify("WATCHDOG=1");
        self.tell(live, self.heart.note());
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
    pub fn end(self, live: &Live) {
        if let Err(error) = live.store.set_watchdog(self.heart.end()) {
            warn!("that the watchdog was ended in order cannot be kept: {error}");
        }
    }

    fn tell(&mut self, live: &Live, note: WatchdogNote) {
        if note == self.told {
            if !self.is_kept {
                // Said already; the disk may have room by now.
                self.is_kept = live.store.set_watchdog(note).is_ok();
            }
            return;
        }
        match (self.told.waits_seconds, note.waits_seconds) {
            (before, Some(waits)) if before.is_none() || note.lapses != self.told.lapses => warn!(
                "the watchdog had opened the guard ({} times by now); it closes after {waits} s \
                 without trouble",
                note.lapses
            ),
            (Some(_), None) => info!("closed again after stable time; the mode decides"),
            _ => {}
        }
        let kept = live.store.set_watchdog(note);
        if let Err(error) = &kept {
            warn!("what the next daemon should know of the watchdog cannot be kept: {error}");
        }
        self.is_kept = kept.is_ok();
        self.told = note;
    }
}
