//! The heartbeat: a thread that does nothing else than put the watchdog's deadline off.
//!
//! If it stops, for whatever reason, the data plane opens by itself at the deadline. It stops by
//! its own decision when a worker of the daemon is stuck: a controller that hangs is a dead one.
//! When the guard is to close again is `closing`'s to say; what it may count on is kept by the
//! workers in words that nobody waits for (`watched`), so that the heartbeat touches no lock,
//! no file and no other thread.

mod closing;
mod footing;
mod watched;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use guard_common::abi::state::{NO_DEADLINE, switch};

pub use self::footing::lock_memory;
pub use self::watched::{Proof, Watched, Worker};

use self::closing::{Closing, Step};
use crate::config::{Failsafe, Settings};
use crate::kernel::state::Switches;
use crate::kernel::{KernelError, clock};
use crate::store::WatchdogNote;

/// Beats in one watchdog time: some may be late or lost.
const BEATS: u32 = 10;
/// Longest pause between two beats: also how soon the end of a wait is seen.
const PAUSE_MAX: Duration = Duration::from_secs(3);
/// All the thread does needs little; its stack is locked whole.
const STACK: usize = 128 << 10;
/// How many watchdog times a worker may take for one round: a starved one is not a stuck one.
const PATIENCE: u32 = 4;

/// How long a worker may be silent before the heartbeat takes the controller for dead.
#[must_use]
pub fn patience(watchdog: Duration) -> Duration {
    watchdog.saturating_mul(PATIENCE)
}

/// A running heartbeat; ends when dropped.
pub struct Heartbeat {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread and its owner tell each other.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    watchdog: AtomicU64,
    close_after: AtomicU64,
    hold: AtomicBool,
    /// See [`Closing::lapses`].
    lapses: AtomicU64,
    /// The deadline that was set last; 0 if none was.
    deadline: AtomicU64,
    /// Stable time that is still asked for in nanoseconds; 0 if the guard is not kept open.
    waits: AtomicU64,
}

impl Heartbeat {
    /// Puts the deadline off once, unless the guard has to stay open for now, then keeps doing
    /// so. `note` is what the last daemon left.
    pub fn start(
        switches: Switches,
        settings: &Settings,
        note: WatchdogNote,
        watched: Watched,
    ) -> Result<Self, KernelError> {
        let shared = Arc::new(Shared::default());
        let deadline = switches.get(switch::DROP_UNTIL)?;
        // The note of an older end may be left over where none could be written since.
        let ended = note.ended_at == Some(deadline);
        let closing = Closing::new(deadline, note.lapses, ended, clock::now());
        let mut beats = Beats { switches, closing, watched, shared: Arc::clone(&shared) };
        let mut heart = Self { shared, thread: None };
        heart.set(settings);
        beats.beat()?;
        let spawned = thread::Builder::new()
            .name("heartbeat".to_owned())
            .stack_size(STACK)
            .spawn(move || beats.run());
        heart.thread = Some(spawned.map_err(|error| KernelError::Load {
            reason: format!("no thread for the heartbeat: {error}"),
            step: "raise the limit of threads (TasksMax= of the unit)",
        })?);
        Ok(heart)
    }

    /// Goes by other settings from the next beat on.
    pub fn set(&self, settings: &Settings) {
        let Shared { watchdog, close_after, hold, .. } = &*self.shared;
        watchdog.store(nanoseconds(settings.watchdog.0), Ordering::Relaxed);
        close_after.store(nanoseconds(settings.close_after.0), Ordering::Relaxed);
        hold.store(settings.failsafe == Failsafe::Hold, Ordering::Relaxed);
    }

    /// What the next daemon has to know, should this one die.
    #[must_use]
    pub fn note(&self) -> WatchdogNote {
        WatchdogNote {
            lapses: u32::try_from(self.shared.lapses.load(Ordering::Relaxed)).unwrap_or(u32::MAX),
            ended_at: None,
            waits_seconds: self.waits().map(|time| time.as_secs()),
        }
    }

    /// Ends because somebody said so; what the next daemon has to know then.
    #[must_use]
    pub fn end(mut self) -> WatchdogNote {
        self.stop();
        let note = self.note();
        let deadline = self.shared.deadline.load(Ordering::Relaxed);
        // One that was kept open does not close by being started again.
        let ended_at = Some(deadline).filter(|_| note.waits_seconds.is_none());
        WatchdogNote { ended_at, ..note }
    }

    fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A heartbeat that panicked has nothing more to tell; the watchdog opens.
            let _ = thread.join();
        }
    }

    /// How much stable time is asked for before the guard closes again; `None` if it is not kept
    /// open.
    #[must_use]
    pub fn waits(&self) -> Option<Duration> {
        match self.shared.waits.load(Ordering::Relaxed) {
            0 => None,
            time => Some(Duration::from_nanos(time)),
        }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What the thread owns.
struct Beats {
    switches: Switches,
    closing: Closing,
    watched: Watched,
    shared: Arc<Shared>,
}

impl Beats {
    fn run(mut self) {
        footing::take();
        let mut told = None;
        while !self.shared.stop.load(Ordering::Relaxed) {
            let watchdog = Duration::from_nanos(self.shared.watchdog.load(Ordering::Relaxed));
            thread::park_timeout((watchdog / BEATS).min(PAUSE_MAX));
            let stuck = self.watched.stuck(clock::now());
            // Told after the beat that is left out, so that not even a full log delays one.
            if let Err(error) = self.beat() {
                tracing::error!("heartbeat failed, the guard will open: {error}");
            }
            if stuck != told {
                match stuck {
                    Some(name) => tracing::error!("{name} is stuck; the deadline is not put off"),
                    None => tracing::info!("nothing is stuck any more"),
                }
                told = stuck;
            }
        }
    }

    /// Puts the deadline off, if it is to be.
    fn beat(&mut self) -> Result<(), KernelError> {
        let Self { switches, closing, watched, shared } = self;
        let now = clock::now();
        let watchdog = shared.watchdog.load(Ordering::Relaxed);
        let close_after = shared.close_after.load(Ordering::Relaxed);
        let stuck = watched.stuck(now).is_some();
        let proven = watched.proven_since(now, watchdog);
        let step = closing.tick(now, stuck, proven, close_after);
        shared.lapses.store(u64::from(closing.lapses()), Ordering::Relaxed);
        shared.waits.store(closing.waits(close_after), Ordering::Relaxed);
        if step == Step::Wait {
            return Ok(());
        }
        let deadline = match shared.hold.load(Ordering::Relaxed) {
            true => NO_DEADLINE,
            false => now.saturating_add(watchdog),
        };
        switches.set(switch::DROP_UNTIL, deadline)?;
        shared.deadline.store(deadline, Ordering::Relaxed);
        closing.put_off(deadline);
        Ok(())
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
