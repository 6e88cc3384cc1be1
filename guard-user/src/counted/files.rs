//! The files: one for each hour, that begins with all counters and goes on with what they grew.
//!
//! Nothing is synced: who loses power loses minutes of what was, and nothing of what is. A line
//! that is not whole ends what can be read of its file.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::snapshot::{Direction, Snapshot};
use crate::kernel::{KernelError, owner};

/// How a file is called: this, the second it begins at, and the ending.
const BEGIN: &str = "counters-";
const ENDING: &str = ".jsonl";
/// How long a file is appended to.
const HOUR: Duration = Duration::from_secs(3600);
/// Bytes of a file.
const FILE_MAX: u64 = 8 << 20;
/// Bytes of all files.
const ALL_MAX: u64 = 64 << 20;
/// How old a file's beginning may be.
const AGE_MAX: Duration = Duration::from_secs(25 * 3600);

/// A line: rows are of all counters in the first of a file, of what they grew in the others.
#[derive(Serialize, Deserialize)]
struct Line {
    /// Milliseconds since 1970.
    at: u64,
    rows: Vec<(Direction, u32, u32, u64, u64)>,
}

/// Writes them.
pub struct Writer {
    folder: PathBuf,
    open: Option<Open>,
}

struct Open {
    file: File,
    begun: SystemTime,
    last: Snapshot,
}

impl Writer {
    /// For a state directory.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), open: None }
    }

    /// Adds what the counters say now.
    pub fn add(&mut self, now: Snapshot, at: SystemTime) -> Result<(), KernelError> {
        let result = self.write(now, at);
        if result.is_err() {
            // Half a line may be there: nothing may come behind it.
            self.open = None;
        }
        result
    }

    fn write(&mut self, now: Snapshot, at: SystemTime) -> Result<(), KernelError> {
        let goes_on = self.open.take().filter(|Open { file, begun, last }| {
            at.duration_since(*begun).is_ok_and(|age| age < HOUR)
                && file.metadata().is_ok_and(|file| file.len() < FILE_MAX)
                // State was made anew.
                && last.leads_to(&now)
        });
        let (mut open, rows) = match goes_on {
            Some(open) => {
                let rows = now.since(&open.last).rows();
                (open, rows)
            }
            None => {
                prune(&self.folder, at);
                let rows = now.rows();
                (Open { file: self.create(at)?, begun: at, last: Snapshot::default() }, rows)
            }
        };
        let failed = |error: std::io::Error| {
            KernelError::path(&self.folder, error, "make room or mend the file system")
        };
        let mut text = serde_json::to_vec(&Line { at: milliseconds(at), rows })
            .map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        open.file.write_all(&text).map_err(failed)?;
        open.last = now;
        self.open = Some(open);
        Ok(())
    }

    /// A new file; one of the same second gives way.
    fn create(&self, at: SystemTime) -> Result<File, KernelError> {
        let path = self.folder.join(format!("{BEGIN}{}{ENDING}", milliseconds(at) / 1000));
        let failed = |error| KernelError::path(&path, error, "make room or mend the file system");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o640);
        let file = options.open(&path).map_err(failed)?;
        owner::follow(&file, &self.folder).map_err(failed)?;
        Ok(file)
    }
}

/// A file that can be read.
pub struct Kept {
    path: PathBuf,
    /// The second at which it begins.
    pub begun: u64,
}

impl Kept {
    /// Hands on the lines: when, and all counters of the first, what they grew of the others;
    /// until one says that it is enough.
    pub fn read(&self, mut take: impl FnMut(SystemTime, Snapshot) -> bool) {
        let Ok(file) = File::open(&self.path) else {
            return;
        };
        for line in BufReader::new(file).split(b'\n') {
            // A line that is not whole ends the file.
            let Some(line) = line.ok().and_then(|line| serde_json::from_slice(&line).ok()) else {
                return;
            };
            let Line { at, rows } = line;
            let Some(at) = UNIX_EPOCH.checked_add(Duration::from_millis(at)) else {
                return;
            };
            if !take(at, Snapshot::of(rows)) {
                return;
            }
        }
    }
}

/// All files, oldest first.
pub fn all(folder: &Path) -> Vec<Kept> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let kept = |path: PathBuf| {
        let name = path.file_name()?.to_str()?;
        let begun = name.strip_prefix(BEGIN)?.strip_suffix(ENDING)?.parse().ok()?;
        Some(Kept { path, begun })
    };
    let mut files: Vec<_> = entries.filter_map(|entry| kept(entry.ok()?.path())).collect();
    files.sort_by_key(|file| file.begun);
    files
}

/// Removes what is too old, of a time that is not yet, or too much.
fn prune(folder: &Path, now: SystemTime) {
    let now = milliseconds(now) / 1000;
    let mut room = ALL_MAX.saturating_sub(FILE_MAX);
    for Kept { path, begun } in all(folder).into_iter().rev() {
        let bytes = fs::metadata(&path).map_or(0, |file| file.len());
        let is_timely = now.abs_diff(begun) < AGE_MAX.as_secs();
        match room.checked_sub(bytes).filter(|_| is_timely) {
            Some(left) => room = left,
            None => {
                room = if is_timely { 0 } else { room };
                // What cannot go now is tried with the next file.
                let _ = fs::remove_file(path);
            }
        }
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    u64::try_from(since).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    fn snapshot(packets: u64) -> Snapshot {
        Snapshot::of(vec![(Direction::In, 1, 2, packets, 0)])
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    #[test]
    fn lines_add_up_to_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(folder.path());
        for second in 0..3 {
            writer.add(snapshot(10 + second), at(30 * second)).unwrap();
        }
        // Begins anew: an hour is over; then the counters are others.
        writer.add(snapshot(20), at(4000)).unwrap();
        writer.add(snapshot(1), at(4030)).unwrap();
        let files = all(folder.path());
        assert_eq!(files.len(), 3);
        let mut sums = Vec::new();
        for file in &files {
            let mut sum = Snapshot::default();
            file.read(|_, rows| {
                sum.grow(&rows);
                sums.push(sum.clone());
                true
            });
        }
        assert_eq!(sums, [10, 11, 12, 20, 1].map(snapshot));
    }

    #[test]
    fn broken_files_end_where_they_are_broken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("counters-1000000.jsonl");
        for text in ["", "x", "{}", "[]\n", "{\"at\":1,\"rows\":[[0,1]]}\n", "\0\0\0"] {
            fs::write(&path, text).unwrap();
            for file in all(folder.path()) {
                file.read(|_, _| unreachable!("{text}"));
            }
        }
        fs::write(&path, "{\"at\":1,\"rows\":[]}\n{\"at\":2,\"ro").unwrap();
        let mut lines = 0;
        for file in all(folder.path()) {
            file.read(|_, _| {
                lines += 1;
                true
            });
        }
        assert_eq!(lines, 1);
    }

    #[test]
    fn what_is_old_goes() {
        let folder = tempfile::tempdir().unwrap();
        for hour in 0..30 {
            Writer::new(folder.path()).add(snapshot(1), at(3600 * hour)).unwrap();
        }
        assert_eq!(all(folder.path()).len(), 25);
    }
}
