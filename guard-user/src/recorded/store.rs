//! The samples on disk: segments of ten minutes, a line for each frame.
//!
//! A segment is only ever appended to, and any line that is not whole is none: whatever a crash
//! or a full disk leaves behind is skipped. Files are for their owner alone; a segment goes when
//! its first frame is as old as samples are kept, so that none is ever older.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::kept::Kept;
use super::quota::{BYTES_MAX, Quota};

/// The folder in the state directory.
const FOLDER: &str = "recorded";
/// Seconds of a segment.
const SEGMENT: u64 = 600;
/// How the name of a segment ends; it begins with the second it begins at.
const ENDING: &str = ".jsonl";

/// The samples of a guard.
#[derive(Clone, Debug)]
pub struct Store(PathBuf);

/// A segment that is being written.
#[derive(Debug)]
pub struct Segment {
    begin: u64,
    file: File,
    quota: Quota,
}

impl Store {
    /// The samples in this state directory.
    #[must_use]
    pub fn new(state_dir: &Path) -> Self {
        Self(state_dir.join(FOLDER))
    }

    /// Where they are.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Opens the segment of this moment, to go on with it.
    pub fn open(&self, now: SystemTime) -> io::Result<Segment> {
        // Not the state directory above it: that is made in one place, and for its owner.
        match DirBuilder::new().mode(0o700).create(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        fs::set_permissions(&self.0, fs::Permissions::from_mode(0o700))?;
        let begin = seconds(now) / SEGMENT * SEGMENT;
        let path = self.0.join(format!("{begin}{ENDING}"));
        let before = read(&path);
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        let mut quota = Quota::default();
        for line in before.split(|byte| *byte == b'\n') {
            if let Some(kept) = Kept::parse(line) {
                quota.admit(&kept, length(line));
            }
        }
        if before.last().is_some_and(|byte| *byte != b'\n') {
            // Half a line, left by a crash: the next begins behind it.
            file.write_all(b"\n")?;
        }
        Ok(Segment { begin, file, quota })
    }

    /// Removes what is older than samples are kept, or of a time that is not yet.
    pub fn prune(&self, now: SystemTime, keep: Duration) {
        let now = seconds(now);
        for (begin, path) in self.segments() {
            let is_old = begin.saturating_add(keep.as_secs()) <= now;
            let is_ahead = begin > now.saturating_add(keep.as_secs());
            if is_old || is_ahead {
                // What cannot be removed now is looked at again with the next segment.
                let _ = fs::remove_file(path);
            }
        }
    }

    /// Removes everything, who was seen included.
    pub fn purge(&self) {
        // As above; there may be nothing to remove.
        let _ = fs::remove_dir_all(&self.0);
    }

    /// All frames kept since then, oldest segment first.
    pub fn frames(&self, since: SystemTime) -> impl Iterator<Item = Kept> {
        let since = u64::try_from(since.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis())
            .unwrap_or(u64::MAX);
        let segments = self.segments().into_iter();
        let wanted = move |begin: u64| begin.saturating_add(SEGMENT).saturating_mul(1000) >= since;
        segments
            .filter(move |(begin, _)| wanted(*begin))
            .flat_map(|(_, path)| {
                let text = read(&path);
                let lines = text.split(|byte| *byte == b'\n');
                lines.filter_map(Kept::parse).collect::<Vec<_>>()
            })
            .filter(move |kept| kept.at >= since)
    }

    /// Beginnings and paths of all segments, oldest first.
    fn segments(&self) -> Vec<(u64, PathBuf)> {
        let Ok(entries) = fs::read_dir(&self.0) else {
            return Vec::new();
        };
        let mut segments: Vec<_> = entries
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let begin = path.file_name()?.to_str()?.strip_suffix(ENDING)?.parse().ok()?;
                Some((begin, path))
            })
            .collect();
        segments.sort_unstable();
        segments
    }
}

impl Segment {
    /// Whether another segment's time has come.
    #[must_use]
    pub fn is_over(&self, now: SystemTime) -> bool {
        !(self.begin..self.begin + SEGMENT).contains(&seconds(now))
    }

    /// Keeps a frame, if there is room for it; whether it was kept.
    pub fn keep(&mut self, kept: &Kept) -> io::Result<bool> {
        let mut line = serde_json::to_vec(kept)?;
        line.push(b'\n');
        if !self.quota.admit(kept, length(&line)) {
            return Ok(false);
        }
        self.file.write_all(&line)?;
        Ok(true)
    }
}

fn length(line: &[u8]) -> u64 {
    u64::try_from(line.len()).unwrap_or(u64::MAX)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A segment's bytes, no more than there can be; none if it cannot be read.
fn read(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(path)
        && file.take(2 * BYTES_MAX).read_to_end(&mut bytes).is_err()
    {
        bytes.clear();
    }
    bytes
}
