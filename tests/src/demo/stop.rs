//! Ctrl-C: noticed by one thread, asked for by everybody who waits.
//!
//! Nothing is torn down from a signal: whoever notices returns an error, and what was built goes
//! as its owners are dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{SigSet, Signal};

/// How long a wait goes without looking whether to stop.
const STEP: Duration = Duration::from_millis(50);

/// Somebody wants the demo to end.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Whether to stop.
#[derive(Clone, Debug)]
pub struct Stop {
    wanted: Arc<AtomicBool>,
}

impl Stop {
    /// Takes SIGINT, SIGTERM and SIGHUP for a wish to stop from now on. To be called before
    /// there are other threads.
    ///
    /// # Errors
    ///
    /// Signals cannot be blocked, or no thread be started.
    pub fn on_signals() -> Result<Self> {
        let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
        signals.thread_block().context("cannot block signals")?;
        let wanted = Arc::new(AtomicBool::new(false));
        let noticed = Arc::clone(&wanted);
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                while signals.wait().is_ok() {
                    noticed.store(true, Ordering::Relaxed);
                }
            })
            .context("cannot start the thread that waits for signals")?;
        Ok(Self { wanted })
    }

    /// An [`Interrupted`] error once somebody wants to stop.
    ///
    /// # Errors
    ///
    /// That one.
    pub fn check(&self) -> Result<()> {
        if self.wanted.load(Ordering::Relaxed) {
            bail!(Interrupted);
        }
        Ok(())
    }

    /// Waits until something holds; says whether it came to hold in time.
    ///
    /// # Errors
    ///
    /// Interrupted, or what `holds` fails with.
    pub fn wait(
        &self,
        patience: Duration,
        mut holds: impl FnMut() -> Result<bool>,
    ) -> Result<bool> {
        let deadline = Instant::now() + patience;
        while !holds()? {
            self.check()?;
            if Instant::now() > deadline {
                return Ok(false);
            }
            thread::sleep(STEP);
        }
        Ok(true)
    }
}
