//! What the controller keeps on disk: counter slots, what generation is live and of what, notes.
//!
//! Every file is JSON, replaced whole by rename after an fsync, readable by its owner and group.
//! Nothing in here is needed to open the guard: bypass works with the disk full.

mod aside;
mod daemon;
mod history;
mod record;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::kernel::KernelError;
use crate::kernel::owner::{self, Sight};

pub use self::daemon::DaemonLock;
pub use self::history::KEPT;
pub use self::record::{Made, Pending, Record};

/// Largest file that is read.
const FILE_BYTES_MAX: u64 = 256 << 20;
const SLOTS: &str = "slots.json";
/// The next step where a file cannot be written.
const MAKE_ROOM: &str = "make room or mend the file system";
const GENERATION: &str = "generation.json";
const BYPASS: &str = "bypass.json";
const WATCHDOG: &str = "watchdog.json";

/// The state directory.
#[derive(Clone, Debug)]
pub struct Store(PathBuf);

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
    /// When it ends, RFC 3339; never by itself if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// What a daemon leaves to the next one about the watchdog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WatchdogNote {
    /// How often it opened the guard, without an hour closed since.
    pub lapses: u32,
    /// The deadline it had set last when a person ended it with the guard closed: where the
    /// kernel still has that one, nothing has lapsed since.
    #[serde(default)]
    pub ended_at: Option<u64>,
    /// Stable seconds that are asked for before the guard closes again, if it is kept open.
    pub waits_seconds: Option<u64>,
}

/// A file that is written but does not count yet.
pub struct Staged {
    new: PathBuf,
    path: PathBuf,
    folder: PathBuf,
}

impl Staged {
    /// Makes it count: with the new name it does, for whoever reads it from then on. Where the
    /// folder cannot be written out, a loss of power may bring the old one back.
    pub fn commit(self) -> Result<(), KernelError> {
        let Self { new, path, folder } = &self;
        fs::rename(new, path).map_err(|error| refused("write", path, &error, MAKE_ROOM))?;
        if let Err(error) = File::open(folder).and_then(|folder| folder.sync_all()) {
            tracing::warn!("{}: not on the disk yet: {error}", path.display());
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Once it counts, there is nothing under this name.
        let _ = fs::remove_file(&self.new);
    }
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
        let step = "make it, or name another state-dir";
        DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(&self.0)
            .map_err(|error| refused("make", &self.0, &error, step))
    }

    /// Lets a group read what is kept here, apart from what has a mode of its own.
    pub fn set_owners(&self, group: u32) -> Result<(), KernelError> {
        let step = "run as root, or make the daemon's user a member of read-group";
        owner::set(&self.0, &self.0, Some(group), Sight::List)
            .map_err(|error| KernelError::path(&self.0, error, step))?;
        for name in [SLOTS, GENERATION, BYPASS, WATCHDOG] {
            if let Ok(file) = File::open(self.0.join(name)) {
                owner::follow(&file, &self.0)
                    .map_err(|error| KernelError::path(&self.0, error, step))?;
            }
        }
        Ok(())
    }

    /// Counter slots by id; none yet if there is no file.
    pub fn slots(&self) -> Result<BTreeMap<String, u32>, KernelError> {
        Ok(self.read(SLOTS)?.unwrap_or_default())
    }

    /// Keeps the slots.
    pub fn set_slots(&self, slots: &BTreeMap<String, u32>) -> Result<(), KernelError> {
        self.write(SLOTS, slots)
    }

    /// The live generation, as far as it was written down.
    pub fn record(&self) -> Result<Option<Record>, KernelError> {
        self.read(GENERATION)
    }

    /// Where the live generation is written down: another file after every change.
    #[must_use]
    pub fn record_path(&self) -> PathBuf {
        self.0.join(GENERATION)
    }

    /// What there is to say where a guard is loaded of which nothing was written down.
    #[must_use]
    pub fn without_record(&self) -> KernelError {
        KernelError::path(
            &self.record_path(),
            "a guard is loaded, but what it was made of is not written down here",
            "name its --state-dir, or start the daemon anew with `guard run -c guard.toml`",
        )
    }

    /// Makes ready to write down the next generation: all that can fail for want of room has been
    /// done when this returns.
    pub fn stage_record(&self, record: &Record) -> Result<Staged, KernelError> {
        self.stage(GENERATION, record)
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

    /// What the last daemon noted about the watchdog; nothing if there is no note.
    pub fn watchdog(&self) -> Result<WatchdogNote, KernelError> {
        Ok(self.read(WATCHDOG)?.unwrap_or_default())
    }

    /// Keeps what the next daemon has to know about the watchdog.
    pub fn set_watchdog(&self, note: WatchdogNote) -> Result<(), KernelError> {
        self.write(WATCHDOG, &note)
    }

    /// Reads a file; `None` if there is none.
    pub(crate) fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, KernelError> {
        self.read_at_most(name, FILE_BYTES_MAX)
    }

    /// The same for a file that has so many bytes at most.
    pub(crate) fn read_at_most<T: DeserializeOwned>(
        &self,
        name: &str,
        bytes: u64,
    ) -> Result<Option<T>, KernelError> {
        let path = self.0.join(name);
        let step = "restore it from a backup, or move it away and run `guard run` anew";
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refused("read", &path, &error, "run as root")),
        };
        let mut text = String::new();
        file.take(bytes)
            .read_to_string(&mut text)
            .map_err(|error| KernelError::path(&path, error, step))?;
        serde_json::from_str(&text).map(Some).map_err(|error| {
            KernelError::path(&path, format!("not what the guard wrote: {error}"), step)
        })
    }

    /// Replaces a file: it holds the old text or the new, never half of either.
    pub(crate) fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<(), KernelError> {
        self.stage(name, value)?.commit()
    }

    /// Replaces a file that may be lost with the power: readers see the old text or the new, the
    /// disk is not made to hurry.
    pub(crate) fn write_soon<T: Serialize>(
        &self,
        name: &str,
        value: &T,
    ) -> Result<(), KernelError> {
        self.replace(name, value, owner::follow)
    }

    /// The same for a file that is its owner's alone.
    pub(crate) fn write_private<T: Serialize>(
        &self,
        name: &str,
        value: &T,
    ) -> Result<(), KernelError> {
        self.replace(name, value, owner::follow_private)
    }

    fn replace<T: Serialize>(
        &self,
        name: &str,
        value: &T,
        own: impl Fn(&File, &Path) -> io::Result<()>,
    ) -> Result<(), KernelError> {
        let path = self.0.join(name);
        let (_, new) = self.lay(name, value, own)?;
        fs::rename(&new, &path).map_err(|error| refused("write", &path, &error, MAKE_ROOM))
    }

    /// Writes the new text beside the file, to the disk.
    fn stage<T: Serialize>(&self, name: &str, value: &T) -> Result<Staged, KernelError> {
        let path = self.0.join(name);
        let (file, new) = self.lay(name, value, owner::follow)?;
        file.sync_all().map_err(|error| refused("write", &path, &error, MAKE_ROOM))?;
        Ok(Staged { new, path, folder: self.0.clone() })
    }

    /// Writes the new text beside the file, and says whose it is before anything is in it.
    fn lay<T: Serialize>(
        &self,
        name: &str,
        value: &T,
        own: impl Fn(&File, &Path) -> io::Result<()>,
    ) -> Result<(File, PathBuf), KernelError> {
        let path = self.0.join(name);
        let new = self.0.join(format!("{name}.new"));
        let failed = |error: io::Error| refused("write", &path, &error, MAKE_ROOM);
        let text = serde_json::to_vec(value).map_err(|error| failed(error.into()))?;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .map_err(failed)?;
        own(&file, &self.0).map_err(failed)?;
        file.write_all(&text).map_err(failed)?;
        Ok((file, new))
    }

    /// Removes a file, if it is there.
    pub(crate) fn remove(&self, name: &str) -> Result<(), KernelError> {
        let path = self.0.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(KernelError::path(&path, error, "run as root"))
            }
            _ => Ok(()),
        }
    }
}

/// An error about a file: of privilege, or of the file system.
fn refused(what: &str, path: &Path, error: &io::Error, step: &'static str) -> KernelError {
    match error.kind() {
        io::ErrorKind::PermissionDenied => KernelError::NotPermitted {
            what: format!("{what} {}", path.display()),
            reason: error.to_string(),
        },
        _ => KernelError::path(path, error, step),
    }
}
