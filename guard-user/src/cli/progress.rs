//! How far a long read has come, on a terminal alone.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::{Duration, Instant};

use super::table::{bytes, count};

/// How often the line is written anew.
const EVERY: Duration = Duration::from_millis(200);
/// Frames between two looks at the clock.
const STRIDE: u64 = 256;
/// Characters of the bar.
const BAR: u64 = 30;

/// A line on standard error that is written over and over.
pub struct Progress {
    is_shown: bool,
    last: Instant,
    has_written: bool,
}

impl Progress {
    /// Nothing is written where nobody watches.
    pub fn new() -> Self {
        Self { is_shown: stderr().is_terminal(), last: Instant::now(), has_written: false }
    }

    /// So many frames are done, and so many bytes of those that are known to be there.
    pub fn at(&mut self, frames: u64, (done, all): (u64, Option<u64>)) {
        if !self.is_shown || !frames.is_multiple_of(STRIDE) || self.last.elapsed() < EVERY {
            return;
        }
        self.last = Instant::now();
        self.has_written = true;
        let line = match all.filter(|all| *all != 0) {
            Some(all) => {
                let full = usize::try_from((done.min(all) * BAR) / all).unwrap_or(0);
                let rest = usize::try_from(BAR).unwrap_or(0).saturating_sub(full);
                let bar = format!("{}{}", "#".repeat(full), ".".repeat(rest));
                format!("[{bar}] {} of {}, {} frames", bytes(done), bytes(all), count(frames))
            }
            None => format!("{}, {} frames", bytes(done), count(frames)),
        };
        // Whoever cannot see it misses nothing.
        let _ = write!(stderr(), "\r{line:<70}");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.has_written {
            let _ = write!(stderr(), "\r{:70}\r", "");
        }
    }
}
