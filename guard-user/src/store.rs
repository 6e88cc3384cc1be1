//! What the controller keeps on disk: counter slots, live changes, what generation is live.
//!
//! Every file is JSON, replaced whole by rename after an fsync, readable by its owner and group.
//! Nothing in here is needed to open the guard: bypass works with the disk full.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::config::{Config, Overlay};
use crate::kernel::KernelError;

/// Largest file that is read.
const FILE_BYTES_MAX: u64 = 256 << 20;
const SLOTS: &str = "slots.json";
const OVERLAY: &str = "live.json";
const GENERATION: &str = "generation.json";
const BYPASS: &str = "bypass.json";
const DAEMON: &str = "daemon.lock";

/// The state directory.
#[derive(Clone, Debug)]
pub struct Store(PathBuf);

/// What is known about the live generation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    /// Its number.
    pub number: u64,
    /// When it went live, RFC 3339.
    pub since: String,
    /// Who made it live: a user id and what they called.
    pub by: String,
    /// The configuration file.
    pub file: PathBuf,
    /// What the file said.
    pub config: Config,
    /// Fingerprint of the program, to tell an upgraded binary.
    pub program: String,
    /// Whether the kernel half logs.
    pub kernel_log: bool,
}

/// Who switched the bypass on, and why.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BypassNote {
    /// When, RFC 3339.
    pub since: String,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Held by the daemon as long as it lives.
pub struct DaemonLock {
    _lock: Flock<File>,
}

impl Store {
    /// The directory at this path, which need not exist.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_path_buf())
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the directory.
    pub fn create(&self) -> Result<(), KernelError> {
        DirBuilder::new().recursive(true).mode(0o750).create(&self.0).map_err(|error| {
            KernelError::path(&self.0, error, "make it, or name another state-dir")
        })
    }

    /// Counter slots by id; none yet if there is no file.
    pub fn slots(&self) -> Result<BTreeMap<String, u32>, KernelError> {
        Ok(self.read(SLOTS)?.unwrap_or_default())
    }

    /// Keeps the slots.
    pub fn set_slots(&self, slots: &BTreeMap<String, u32>) -> Result<(), KernelError> {
        self.write(SLOTS, slots)
    }

    /// Live changes since the file was written.
    pub fn overlay(&self) -> Result<Overlay, KernelError> {
        Ok(self.read(OVERLAY)?.unwrap_or_default())
    }

    /// Keeps the live changes.
    pub fn set_overlay(&self, overlay: &Overlay) -> Result<(), KernelError> {
        self.write(OVERLAY, overlay)
    }

    /// The live generation, as far as it was written down.
    pub fn record(&self) -> Result<Option<Record>, KernelError> {
        self.read(GENERATION)
    }

    /// Writes down the live generation.
    pub fn set_record(&self, record: &Record) -> Result<(), KernelError> {
        self.write(GENERATION, record)
    }

    /// Forgets the live generation; slots and live changes stay.
    pub fn clear_record(&self) -> Result<(), KernelError> {
        self.remove(GENERATION)
    }

    /// Who switched the bypass on, if it was noted.
    pub fn bypass(&self) -> Result<Option<BypassNote>, KernelError> {
        self.read(BYPASS)
    }

    /// Notes, or forgets, who switched the bypass on.
    pub fn set_bypass(&self, note: Option<&BypassNote>) -> Result<(), KernelError> {
        match note {
            Some(note) => self.write(BYPASS, note),
            None => self.remove(BYPASS),
        }
    }

    /// Takes the daemon's lock.
    pub fn lock_daemon(&self) -> Result<DaemonLock, KernelError> {
        let path = self.0.join(DAEMON);
        let failed = |error: io::Error| {
            KernelError::path(&path, error, "run as root, or name another state-dir")
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o640)
            .open(&path)
            .map_err(failed)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut lock) => {
                lock.set_len(0).map_err(failed)?;
                writeln!(lock, "{}", process::id()).map_err(failed)?;
                Ok(DaemonLock { _lock: lock })
            }
            Err((_, Errno::EWOULDBLOCK)) => {
                let holder = self
                    .daemon_process()
                    .map_or(String::new(), |process| format!(" (process {process})"));
                Err(KernelError::Locked { path, holder })
            }
            Err((_, error)) => Err(failed(error.into())),
        }
    }

    /// Process id of the running daemon; `None` if nobody holds its lock.
    #[must_use]
    pub fn daemon(&self) -> Option<u32> {
        let file = File::open(self.0.join(DAEMON)).ok()?;
        match Flock::lock(file, FlockArg::LockSharedNonblock) {
            Ok(_) => None,
            Err(_) => self.daemon_process(),
        }
    }

    fn daemon_process(&self) -> Option<u32> {
        fs::read_to_string(self.0.join(DAEMON)).ok()?.trim().parse().ok()
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, KernelError> {
        let path = self.0.join(name);
        let step = "restore it from a backup, or move it away and run `guard run` anew";
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(KernelError::path(&path, error, "run as root")),
        };
        let mut text = String::new();
        file.take(FILE_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(|error| KernelError::path(&path, error, step))?;
        serde_json::from_str(&text).map(Some).map_err(|error| {
            KernelError::path(&path, format!("not what the guard wrote: {error}"), step)
        })
    }

    /// Replaces a file: it holds the old text or the new, never half of either.
    fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<(), KernelError> {
        let path = self.0.join(name);
        let new = self.0.join(format!("{name}.new"));
        let failed =
            |error: io::Error| KernelError::path(&path, error, "make room or mend the file system");
        let text = serde_json::to_vec_pretty(value).map_err(|error| failed(error.into()))?;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o640)
            .open(&new)
            .map_err(failed)?;
        file.write_all(&text).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        fs::rename(&new, &path).map_err(failed)?;
        File::open(&self.0).and_then(|folder| folder.sync_all()).map_err(failed)
    }

    fn remove(&self, name: &str) -> Result<(), KernelError> {
        let path = self.0.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(KernelError::path(&path, error, "run as root"))
            }
            _ => Ok(()),
        }
    }
}
