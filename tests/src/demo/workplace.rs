//! The directory of a run: configuration, logs, statistics, state and the BPF file system.
//!
//! It goes with the run. One that was killed outright leaves its directory (nothing else
//! survives it); the next run finds and removes that.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result};
use nix::unistd::Uid;
use tempfile::TempDir;

/// Directories of runs are called so, with the process's number behind.
const PREFIX: &str = "guard-demo-";

/// And so those that are to be kept, which nobody sweeps.
const KEPT: &str = "guard-demo-kept-";

/// The directory of this run.
#[derive(Debug)]
pub struct Workplace {
    directory: TempDir,
    keep: bool,
}

impl Workplace {
    /// Removes what killed runs left, and makes the directory of this one.
    ///
    /// # Errors
    ///
    /// Temporary files cannot be written.
    pub fn create(keep: bool) -> Result<Self> {
        let place = env::temp_dir();
        sweep(&place);
        let prefix = if keep { KEPT.to_owned() } else { format!("{PREFIX}{}-", process::id()) };
        let directory = tempfile::Builder::new()
            .prefix(&prefix)
            .disable_cleanup(keep)
            .tempdir_in(&place)
            .with_context(|| format!("cannot write to {}; set TMPDIR", place.display()))?;
        Ok(Self { directory, keep })
    }

    /// Makes a directory in it.
    ///
    /// # Errors
    ///
    /// The disk is full.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.path(name);
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }

    /// A path in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where it will remain, if it is to be kept.
    #[must_use]
    pub fn kept(&self) -> Option<&Path> {
        self.keep.then(|| self.directory.path())
    }
}

/// Removes directories of runs whose process is gone.
fn sweep(place: &Path) {
    let Ok(entries) = fs::read_dir(place) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let of = name.to_str().and_then(process_of);
        let dead = of.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists());
        let ours = entry.metadata().is_ok_and(|found| found.uid() == Uid::effective().as_raw());
        if dead && ours {
            // Whoever cannot remove it will try again next time.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The process whose directory has this name.
fn process_of(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split_once('-')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directories_of_runs_are_swept() {
        assert_eq!(process_of("guard-demo-123-aBc"), Some(123));
        assert_eq!(process_of("guard-demo-kept-123"), None);
        assert_eq!(process_of("guard-demo-123"), None);
        assert_eq!(process_of("other-123-a"), None);
    }
}
