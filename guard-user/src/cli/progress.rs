//! How far a long read has come, on a terminal alone.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::{Duration, Instant};

use ratatui::crossterm::terminal;

use super::table::{bytes, count, short};

/// How often the line is written anew.
const EVERY: Duration = Duration::from_millis(200);
/// Frames between two looks at the clock.
const STRIDE: u64 = 256;
/// Characters of the bar.
const BAR: u64 = 30;
/// Columns of a terminal that does not say how many it has.
const COLUMNS: u16 = 80;
/// Widest the line is: as wide as what it may have to tell.
const WIDTH: usize = 79;

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
    pub fn at(&mut self, frames: u64, read: (u64, Option<u64>)) {
        if !self.is_shown || !frames.is_multiple_of(STRIDE) || self.last.elapsed() < EVERY {
            return;
        }
        self.last = Instant::now();
        self.has_written = true;
        write(|width| line(frames, read, width));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.has_written {
            write(|_| String::new());
            let _ = write!(stderr(), "\r");
        }
    }
}

/// Writes a line over the last one. Whoever cannot see it misses nothing.
fn write(line: impl FnOnce(usize) -> String) {
    // Asked each time: people change their windows. In the last column a line would wrap.
    let columns = terminal::size().ok().map(|(columns, _)| columns).filter(|columns| *columns > 0);
    let width = usize::from(columns.unwrap_or(COLUMNS)).saturating_sub(1).min(WIDTH);
    let line = line(width);
    let _ = write!(stderr(), "\r{line:<width$}");
}

/// What there is to tell, as much of it as has room.
fn line(frames: u64, (done, all): (u64, Option<u64>), width: usize) -> String {
    let frames = format!("{} frames", count(frames));
    let Some(all) = all.filter(|all| *all != 0) else {
        return short(&format!("{}, {frames}", bytes(done)), width);
    };
    let full = usize::try_from((u128::from(done.min(all)) * u128::from(BAR)) / u128::from(all));
    let full = full.unwrap_or(0);
    let rest = usize::try_from(BAR).unwrap_or(0).saturating_sub(full);
    let told = format!("{} of {}, {frames}", bytes(done), bytes(all));
    let drawn = format!("[{}{}] {told}", "#".repeat(full), ".".repeat(rest));
    if drawn.chars().count() <= width { drawn } else { short(&told, width) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_no_more_than_has_room() {
        let read = (1_500_000, Some(3_000_000));
        let told = "1.50 MB of 3.00 MB, 12.0 k frames";
        let bar = format!("[{}{}] {told}", "#".repeat(15), ".".repeat(15));
        assert_eq!(line(12_000, read, 79), bar);
        assert_eq!(line(12_000, read, bar.len()), bar);
        assert_eq!(line(12_000, read, bar.len() - 1), told, "the bar goes first");
        assert_eq!(line(12_000, read, 19), "1.50 MB of 3.00 MB…");
        assert_eq!(line(12_000, (1_500_000, None), 79), "1.50 MB, 12.0 k frames");
        for width in 1..100 {
            for read in [(u64::MAX, Some(1)), (u64::MAX, None), (u64::MAX, Some(u64::MAX))] {
                assert!(line(u64::MAX, read, width).chars().count() <= width, "{width}");
            }
        }
    }
}
