//! Drops as they come: from the daemon's log, or, while no daemon runs, from the ring itself.

use std::thread;
use std::time::{Duration, Instant};

use super::drop::Drop;
use super::log::{FILE, line};
use super::tail::Tail;
use crate::kernel::KernelError;
use crate::live::{Live, LiveError};
use crate::recorded::Source;

/// Between two looks at the log.
const LOOK: Duration = Duration::from_millis(200);
/// The same for the ring.
const LOOK_MILLISECONDS: u8 = 200;
/// Between two looks whether a daemon runs. One that starts waits that long for the ring.
const WHO: Duration = Duration::from_millis(500);
/// Samples from the ring at once.
const AT_ONCE: usize = 1024;

/// Somebody who follows.
pub struct Follow {
    live: Live,
    from: From,
    looked: Instant,
}

enum From {
    Log(Tail),
    Ring(Box<Source>),
}

impl Follow {
    /// Follows from now on; with the daemon dead, also what the ring has kept since.
    ///
    /// # Errors
    ///
    /// If no guard is loaded, or the caller may not read what there is to read.
    pub fn new(live: &Live) -> Result<Self, LiveError> {
        live.pins.must_be_loaded()?;
        let from = match live.daemon() {
            Some(_) => From::Log(Tail::at_end(&live.store.path().join(FILE))?),
            None => From::Ring(Box::new(Source::open(live)?)),
        };
        Ok(Self { live: live.clone(), from, looked: Instant::now() })
    }

    /// Hands on what has come, and waits a little for what comes next.
    pub fn next(&mut self, take: &mut dyn FnMut(Drop)) -> Result<(), LiveError> {
        match &mut self.from {
            From::Log(tail) => {
                tail.read(&mut |line| take(Drop::of(line)))?;
                thread::sleep(LOOK);
            }
            From::Ring(source) => {
                let bodies = source.settings().bodies;
                for taken in source.by_ref().take(AT_ONCE) {
                    if taken.kept.reason().dropped_counter().is_some() {
                        take(Drop::of(line(&taken, bodies.then_some(&taken.bytes))));
                    }
                }
                source.wait(LOOK_MILLISECONDS);
            }
        }
        if self.looked.elapsed() >= WHO {
            self.looked = Instant::now();
            self.look(take)?;
        }
        Ok(())
    }

    /// A daemon that is there reads the ring, and nobody else.
    fn look(&mut self, take: &mut dyn FnMut(Drop)) -> Result<(), LiveError> {
        match (&mut self.from, self.live.daemon()) {
            (From::Ring(_), Some(_)) => {
                self.from = From::Log(Tail::at_end(&self.live.store.path().join(FILE))?);
            }
            (From::Ring(source), None) => {
                source.look(&self.live)?;
            }
            (From::Log(tail), None) => match Source::open(&self.live) {
                Ok(source) => {
                    // The last words of a daemon that has just ended.
                    tail.read(&mut |line| take(Drop::of(line)))?;
                    self.from = From::Ring(Box::new(source));
                }
                // Somebody else follows, too, or the daemon is just coming.
                Err(LiveError::Kernel(KernelError::Locked { .. })) => {}
                Err(error) => return Err(error),
            },
            (From::Log(_), Some(_)) => {}
        }
        Ok(())
    }
}
