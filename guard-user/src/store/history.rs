//! The last good configurations: `history/<revision>.json`, each a record as it was when live.
//!
//! An entry counts only while its revision is below the live one, so that neither an entry made
//! for a change that then failed nor one left behind by a roll-back is ever taken for history.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use super::{GENERATION, MAKE_ROOM, Record, Store, refused};
use crate::kernel::KernelError;
use crate::kernel::owner::{self, Sight};

/// How many configurations before the live one are kept.
pub const KEPT: usize = 10;
const FOLDER: &str = "history";

impl Store {
    /// Keeps the live record, which is about to be replaced.
    pub fn keep(&self, live: &Record) -> Result<(), KernelError> {
        let folder = self.0.join(FOLDER);
        let path = self.entry(live.made.revision);
        let new = path.with_extension("new");
        let failed = |error: io::Error| refused("write", &path, &error, MAKE_ROOM);
        match DirBuilder::new().mode(0o750).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed(error));
            }
            _ => {}
        }
        // A daemon without root's rights goes on with what root's verbs began.
        owner::set(&folder, &self.0, None, Sight::None).map_err(failed)?;
        let _ = fs::remove_file(&new);
        // The record is only ever replaced whole, so that its bytes can be shared.
        let source = self.0.join(GENERATION);
        if fs::hard_link(&source, &new).is_err() {
            fs::copy(&source, &new).map_err(failed)?;
            File::open(&new).and_then(|file| file.sync_all()).map_err(failed)?;
        }
        fs::rename(&new, &path).map_err(failed)?;
        // Where both names are the same file already, the kernel renames nothing.
        let _ = fs::remove_file(&new);
        File::open(&folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }

    /// Revisions before a live one, newest first.
    pub fn history(&self, live: u64) -> Result<Vec<u64>, KernelError> {
        let mut revisions = self.revisions()?;
        revisions.retain(|revision| *revision < live);
        Ok(revisions)
    }

    /// The highest revision there is, whether it counts or not; 0 for none.
    pub fn last_revision(&self) -> Result<u64, KernelError> {
        Ok(self.revisions()?.first().copied().unwrap_or(0))
    }

    /// All revisions with a file, newest first.
    fn revisions(&self) -> Result<Vec<u64>, KernelError> {
        let folder = self.0.join(FOLDER);
        let failed = |error: io::Error| refused("read", &folder, &error, "run as root");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut revisions = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".json"));
            revisions.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        revisions.sort_unstable_by(|a, b| b.cmp(a));
        Ok(revisions)
    }

    /// A configuration of the history.
    pub fn kept(&self, revision: u64) -> Result<Record, KernelError> {
        let name = format!("{FOLDER}/{revision}.json");
        self.read(&name)?.ok_or_else(|| {
            KernelError::path(
                &self.0.join(&name),
                "this configuration is not kept any more",
                "see `guard history` for those that are, or `guard apply` a file",
            )
        })
    }

    /// Forgets what is too old, and what stands beside the history: entries from `live` on. What
    /// a pending change goes back to is kept in any case. Nothing depends on its success.
    pub fn forget(&self, live: &Record) {
        let back_to = live.pending.as_ref().map(|pending| pending.back_to);
        let Ok(revisions) = self.revisions() else {
            return;
        };
        let (beside, history): (Vec<u64>, Vec<u64>) =
            revisions.into_iter().partition(|revision| *revision >= live.made.revision);
        for revision in beside.iter().chain(history.iter().skip(KEPT)) {
            if Some(*revision) != back_to {
                let _ = fs::remove_file(self.entry(*revision));
            }
        }
    }

    fn entry(&self, revision: u64) -> PathBuf {
        self.0.join(FOLDER).join(format!("{revision}.json"))
    }
}
