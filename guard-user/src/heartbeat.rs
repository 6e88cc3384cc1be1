//! The heartbeat: a thread that does nothing else than put the watchdog's deadline off.
//!
//! If it stops, for whatever reason, the data plane opens by itself at the deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use guard_common::abi::state::switch;

use crate::kernel::state::Switches;
use crate::kernel::{KernelError, clock};

/// Beats in one watchdog time: some may be late or lost.
const BEATS: u32 = 10;

/// A running heartbeat; ends when dropped.
pub struct Heartbeat {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    /// Puts the deadline off once, then keeps doing so.
    pub fn start(mut switches: Switches, watchdog: Duration) -> Result<Self, KernelError> {
        beat(&mut switches, watchdog)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let work = move || {
            while !stopped.load(Ordering::Relaxed) {
                thread::park_timeout(watchdog / BEATS);
                if let Err(error) = beat(&mut switches, watchdog) {
                    tracing::error!("heartbeat failed, the guard will open: {error}");
                }
            }
        };
        let thread =
            thread::Builder::new().name("heartbeat".to_owned()).spawn(work).map_err(|error| {
                KernelError::Load {
                    reason: format!("no thread for the heartbeat: {error}"),
                    step: "raise the limit of threads (TasksMax= of the unit)",
                }
            })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A heartbeat that panicked has nothing more to tell; the watchdog opens.
            let _ = thread.join();
        }
    }
}

fn beat(switches: &mut Switches, watchdog: Duration) -> Result<(), KernelError> {
    let ahead = u64::try_from(watchdog.as_nanos()).unwrap_or(u64::MAX);
    switches.set(switch::DROP_UNTIL, clock::now().saturating_add(ahead))
}
