//! The file: JSON lines, appended whole, on the disk before the caller goes on.
//!
//! A line that a power loss cut off is left as it is: the next record begins on a line of its
//! own, and readers pass over what is none. Full files are renamed, newest number lowest.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::{Entry, Log};
use crate::kernel::{KernelError, owner};

/// The file in the state directory.
pub const FILE: &str = "audit.jsonl";
/// A file that would get larger than this, in bytes, makes room for a new one.
pub const SIZE_MAX: u64 = 4 << 20;
/// Full files that are kept, as `audit.jsonl.1` (the newest) and so on.
pub const KEPT: u32 = 8;
/// Longest wait for another writer, who may wait for the disk: a change is in effect before its
/// record is made, and must not hang on it.
const PATIENCE: Duration = Duration::from_secs(2);
/// What to do where the file cannot be written.
const MAKE_ROOM: &str = "make room or mend the file system; the change itself stands";

pub(super) fn append(folder: &Path, entry: &Entry) -> Result<(), KernelError> {
    let failed = |error| KernelError::path(&folder.join(FILE), error, MAKE_ROOM);
    // Nobody else waits while a slow disk takes it: what they add behind it changes nothing.
    write(folder, entry).and_then(|file| file.sync_all()).map_err(failed)?;
    sync(folder).map_err(failed)
}

/// Adds a record. The file is no longer locked, and what is in it not yet on the disk.
pub(super) fn write(folder: &Path, entry: &Entry) -> io::Result<File> {
    let path = folder.join(FILE);
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    let mut file = open(&path)?;
    let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
    if file.metadata()?.len().saturating_add(length) > SIZE_MAX {
        rotate(folder)?;
        file = open(&path)?;
    }
    if !ends_with_a_line(&mut file)? {
        line.insert(0, b'\n');
    }
    // A daemon without root's rights goes on with what root's verbs began.
    owner::follow(&file, folder)?;
    // In one write: a reader sees the whole line or none of it.
    file.write_all(&line)?;
    file.unlock().map_err(|(_, error)| error.into())
}

/// Opens the file that has the name, alone among writers.
fn open(path: &Path) -> io::Result<Flock<File>> {
    let started = Instant::now();
    loop {
        let file =
            OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            // Another writer may have renamed it before we had the lock.
            Ok(file) if is_at(&file, path) => return Ok(file),
            Ok(_) | Err((_, Errno::EWOULDBLOCK)) if started.elapsed() < PATIENCE => {
                sleep(Duration::from_millis(5));
            }
            Ok(_) => return Err(Errno::EWOULDBLOCK.into()),
            Err((_, error)) => return Err(error.into()),
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

fn ends_with_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// The path of a full file; 0 is the one that is written.
fn numbered(folder: &Path, number: u32) -> PathBuf {
    match number {
        0 => folder.join(FILE),
        number => folder.join(format!("{FILE}.{number}")),
    }
}

/// Gives every file the next number; the oldest is replaced. Wherever a power loss ends this, no
/// newer record is lost.
fn rotate(folder: &Path) -> io::Result<()> {
    for number in (0..KEPT).rev() {
        match fs::rename(numbered(folder, number), numbered(folder, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

pub(super) fn read(folder: &Path, last: usize) -> Result<Log, KernelError> {
    let mut log = Log::default();
    // Newest file first, until there are enough.
    for number in 0..=KEPT {
        if log.entries.len() >= last {
            break;
        }
        let path = numbered(folder, number);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(KernelError::path(&path, error, "run as root")),
        };
        let mut older = Vec::new();
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(entry) => older.push(entry),
                Err(_) => log.broken += 1,
            }
        }
        older.append(&mut log.entries);
        log.entries = older;
    }
    let surplus = log.entries.len().saturating_sub(last);
    log.entries.drain(..surplus);
    Ok(log)
}
