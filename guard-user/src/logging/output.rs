//! Standard error, without waiting for its reader.

use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::write;

use super::{lose, lost, mask};

/// What a pipe takes at once or not at all (`PIPE_BUF`, pipe(7)).
const AT_ONCE: usize = 4096;
/// How long a reader that was there a moment ago is waited for.
const PATIENCE_MILLISECONDS: u8 = 100;

/// Whether the reader did not take the last line: then it is not waited for again.
static STUCK: AtomicBool = AtomicBool::new(false);
/// How many lost lines have been told.
static TOLD: AtomicU64 = AtomicU64::new(0);

/// A writer of whole lines. What cannot be written is counted and no error: there is nobody to
/// tell it to.
#[derive(Default)]
pub struct Output;

impl Write for Output {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let missing = lost().saturating_sub(TOLD.load(Ordering::Relaxed));
        if missing > 0 && put(format!("{missing} lines of the log were lost\n").as_bytes()) {
            TOLD.fetch_add(missing, Ordering::Relaxed);
        }
        if !put(&mask::masked(line)) {
            lose();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a line; false if its reader does not take it.
fn put(line: &[u8]) -> bool {
    let error = io::stderr();
    let mut rest = line;
    while !rest.is_empty() {
        let patience = if STUCK.load(Ordering::Relaxed) { 0 } else { PATIENCE_MILLISECONDS };
        let mut ready = [PollFd::new(error.as_fd(), PollFlags::POLLOUT)];
        let is_ready = poll(&mut ready, PollTimeout::from(patience)).is_ok_and(|found| found > 0);
        let piece = rest.get(..AT_ONCE).unwrap_or(rest);
        let written = if is_ready { write(error.as_fd(), piece).unwrap_or(0) } else { 0 };
        STUCK.store(written == 0, Ordering::Relaxed);
        if written == 0 {
            return false;
        }
        rest = rest.get(written..).unwrap_or(&[]);
    }
    true
}
