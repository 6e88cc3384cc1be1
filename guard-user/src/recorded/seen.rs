//! When each entry last took part in anything: what says that removing it would hurt.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::config::Section;

/// The file, in the folder of samples.
const FILE: &str = "seen.json";

/// Last traffic by entry, in seconds since 1970.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    path: PathBuf,
    last: BTreeMap<String, u64>,
    is_new: bool,
}

/// What an entry is known by here.
#[must_use]
pub fn key(section: Section, id: &str) -> String {
    format!("{}/{id}", section.name())
}

impl Seen {
    /// What was written down in the folder of samples; nothing if it cannot be read.
    #[must_use]
    pub fn load(folder: &Path) -> Self {
        let path = folder.join(FILE);
        let last = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
        Self { path, last: last.unwrap_or_default(), is_new: false }
    }

    /// Notes traffic of an entry.
    pub fn note(&mut self, key: &str, at: SystemTime) {
        let at = seconds(at);
        match self.last.get_mut(key) {
            Some(last) if *last >= at => return,
            Some(last) => *last = at,
            None => drop(self.last.insert(key.to_owned(), at)),
        }
        self.is_new = true;
    }

    /// When an entry last had traffic, if that was no longer ago.
    #[must_use]
    pub fn within(&self, key: &str, time: Duration, now: SystemTime) -> Option<SystemTime> {
        let at = self.last.get(key).copied()?;
        let is_recent = at.saturating_add(time.as_secs()) >= seconds(now);
        is_recent.then(|| UNIX_EPOCH.checked_add(Duration::from_secs(at))).flatten()
    }

    /// Forgets what was longer ago, or is of a time that is not yet.
    pub fn prune(&mut self, now: SystemTime, keep: Duration) {
        let (now, keep) = (seconds(now), keep.as_secs());
        let before = self.last.len();
        self.last.retain(|_, at| at.saturating_add(keep) >= now && *at <= now.saturating_add(keep));
        self.is_new |= self.last.len() != before;
    }

    /// Writes it down if it is new: replaced whole.
    pub fn save(&mut self) -> io::Result<()> {
        if !self.is_new {
            return Ok(());
        }
        let new = self.path.with_extension("new");
        let text = serde_json::to_vec(&self.last)?;
        let mut file = OpenOptions::new();
        let mut file = file.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        self.is_new = false;
        Ok(())
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
