//! The last drops on disk: two files, lines of JSON, for their owner alone.
//!
//! The first is appended to until it is full or half of the time is over for which samples may be
//! kept; then it takes the place of the second. What cannot be written is told once, and costs
//! nothing but itself.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::drop::{Drop, Line};
use super::tail::Tail;
use crate::config::Samples;
use crate::kernel::KernelError;
use crate::recorded::Taken;

/// The newest drops.
pub(super) const FILE: &str = "drops.jsonl";
/// Those before.
pub(super) const BEFORE: &str = "drops.jsonl.1";
/// Bytes of a file: some ten thousand drops.
const BYTES_MAX: u64 = 4 << 20;
/// How long nothing is written after a failure.
const RESPITE: Duration = Duration::from_secs(10);

/// Writes the log.
pub struct Log {
    folder: PathBuf,
    settings: Samples,
    file: Option<Open>,
    failed: Option<SystemTime>,
    has_told: bool,
}

struct Open {
    file: File,
    bytes: u64,
    begun: SystemTime,
}

impl Log {
    /// The log in a state directory.
    #[must_use]
    pub fn new(state_dir: &Path, settings: Samples) -> Self {
        let folder = state_dir.to_path_buf();
        let mut log = Self { folder, settings, file: None, failed: None, has_told: false };
        log.set(settings);
        log
    }

    /// Goes by other settings from now on; where no drops or no bodies are wanted any more, what
    /// was kept goes.
    pub fn set(&mut self, settings: Samples) {
        let has_bodies = !settings.bodies && self.has_bodies();
        if settings.drops == 0 || has_bodies {
            self.file = None;
            for name in [FILE, BEFORE] {
                // What is not there needs not go; what cannot go is tried with the next start.
                let _ = fs::remove_file(self.folder.join(name));
            }
        }
        self.settings = settings;
        self.tick();
    }

    /// Whether some line has bodies: written by this log, or one before it.
    fn has_bodies(&self) -> bool {
        let lines = kept(&self.folder).unwrap_or_default();
        lines.iter().any(|drop| drop.line.bodies)
    }

    /// Keeps a sample, if it is one of what was dropped or would have been.
    pub fn take(&mut self, taken: &Taken) {
        let Taken { kept, bytes, .. } = taken;
        let wanted = self.settings.drops > 0 && kept.reason().dropped_counter().is_some();
        let waits = |failed: SystemTime| failed.elapsed().is_ok_and(|since| since < RESPITE);
        if !wanted || self.failed.is_some_and(waits) {
            return;
        }
        let line = line(taken, self.settings.bodies.then_some(bytes));
        match self.append(&line) {
            Ok(()) => (self.failed, self.has_told) = (None, false),
            Err(error) => {
                (self.failed, self.file) = (Some(SystemTime::now()), None);
                self.tell(&error);
            }
        }
    }

    /// Lets what is too old go.
    pub fn tick(&mut self) {
        let half = self.settings.keep.0 / 2;
        let is_old = |since: SystemTime| since.elapsed().is_ok_and(|age| age >= half);
        if let Ok(begun) = begun(&self.folder.join(FILE))
            && is_old(self.file.as_ref().map_or(begun, |open| open.begun))
        {
            self.turn();
        }
        let before = self.folder.join(BEFORE);
        let last = fs::metadata(&before).and_then(|file| file.modified());
        if last.is_ok_and(is_old) {
            // As above.
            let _ = fs::remove_file(before);
        }
    }

    fn append(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        if self.file.as_ref().is_some_and(|open| open.bytes >= BYTES_MAX) {
            self.turn();
        }
        let open = match &mut self.file {
            Some(open) => open,
            none => none.insert(open(&self.folder.join(FILE))?),
        };
        open.file.write_all(&text)?;
        open.bytes = open.bytes.saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// The first file takes the place of the second.
    fn turn(&mut self) {
        self.file = None;
        let (from, to) = (self.folder.join(FILE), self.folder.join(BEFORE));
        if fs::rename(&from, to).is_err() {
            // It may not grow on; who cannot rename may still be able to remove.
            let _ = fs::remove_file(from);
        }
    }

    fn tell(&mut self, error: &io::Error) {
        if !self.has_told {
            self.has_told = true;
            let path = self.folder.join(FILE);
            tracing::warn!("{}: {error}; drops are not kept until that works", path.display());
        }
    }
}

/// What is kept of a sample: with the bytes that are given, all of them.
pub(super) fn line(Taken { kept, .. }: &Taken, bodies: Option<&Vec<u8>>) -> Line {
    match bodies {
        None => Line { kept: kept.clone(), bodies: false },
        Some(bytes) => {
            let mut kept = kept.clone();
            (kept.headers, kept.start_line) = (bytes.clone(), None);
            Line { kept, bodies: true }
        }
    }
}

/// All drops that are kept, oldest first.
///
/// # Errors
///
/// If files are there and cannot be read.
pub fn kept(state_dir: &Path) -> Result<Vec<Drop>, KernelError> {
    let mut drops = Vec::new();
    for name in [BEFORE, FILE] {
        Tail::new(&state_dir.join(name)).read(&mut |line| drops.push(Drop::of(line)))?;
    }
    Ok(drops)
}

fn open(path: &Path) -> io::Result<Open> {
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let bytes = file.metadata()?.len();
    let begun = begun(path)?;
    if bytes > 0 {
        // What a crash left of a line ends here; an empty line is none.
        file.write_all(b"\n")?;
    }
    Ok(Open { file, bytes, begun })
}

/// When the first line of a file was written; now if there is none.
fn begun(path: &Path) -> io::Result<SystemTime> {
    let mut first = None;
    fs::metadata(path)?;
    // A file that cannot be read says nothing about its age.
    let _ = Tail::new(path).first(&mut |line| first = Some(Drop::of(line).at()));
    Ok(first.unwrap_or_else(SystemTime::now))
}
