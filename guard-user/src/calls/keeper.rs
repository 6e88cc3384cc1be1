//! What the reader leaves in the state directory: its counters, and for the reader after it the
//! calls that it knows. Neither is needed to guard, so a thread of its own writes them: no disk
//! makes the reader wait.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::counts::{self, Counts};
use super::table::Entry;
use crate::background::Background;
use crate::kernel::KernelError;
use crate::store::Store;

/// The calls that are known, in the state directory.
const FILE: &str = "known-calls.json";
/// What is written there: another number whenever its meaning changes.
const VERSION: u32 = 1;
/// Largest file that is read: twice what the most calls take.
const BYTES_MAX: u64 = 16 << 20;
/// How often it is looked whether something is to be written.
const EVERY: Duration = Duration::from_secs(1);

/// The calls that a reader knew.
#[derive(Debug, Serialize, Deserialize)]
pub struct Known {
    version: u32,
    /// The state of the data plane that they belong to.
    mark: u64,
    calls: Vec<Entry>,
}

impl Known {
    /// Calls that belong to the state with this mark.
    pub const fn new(mark: u64, calls: Vec<Entry>) -> Self {
        Self { version: VERSION, mark, calls }
    }
}

/// A running keeper; ends when dropped, with everything written.
pub struct Keeper {
    _thread: Background,
}

/// Where the reader puts what is to be written. The newer replaces the older.
#[derive(Clone)]
pub struct Desk {
    store: Store,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    counts: Option<Counts>,
    known: Option<Known>,
}

impl Keeper {
    /// Starts it.
    #[must_use]
    pub fn start(desk: Desk) -> Self {
        let work = move |stopped: &AtomicBool| {
            let mut fails = false;
            loop {
                let is_last = stopped.load(Ordering::Relaxed);
                let written = desk.write();
                if let (false, Err(error)) = (fails, &written) {
                    tracing::warn!("what is known of calls cannot be kept: {error}");
                }
                fails = written.is_err();
                if is_last {
                    return;
                }
                thread::park_timeout(EVERY);
            }
        };
        Self { _thread: Background::start("calls-kept", "to keep what is known of calls", work) }
    }
}

impl Desk {
    /// Of this state directory.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, waiting: Arc::default() }
    }

    /// Counters are to be written.
    pub fn tell(&self, counts: Counts) {
        self.lock().counts = Some(counts);
    }

    /// Calls are to be kept.
    pub fn keep(&self, known: Known) {
        self.lock().known = Some(known);
    }

    /// The calls that were kept for a state. None where that cannot be known: they keep their
    /// ports, which the data plane ends.
    #[must_use]
    pub fn kept(&self, mark: u64) -> Vec<Entry> {
        match self.store.read_at_most::<Known>(FILE, BYTES_MAX) {
            Ok(Some(Known { version: VERSION, mark: of, calls })) if of == mark => calls,
            Ok(Some(Known { version, .. })) => {
                tracing::info!(version, "the calls that were kept are not of this state");
                Vec::new()
            }
            Ok(None) => Vec::new(),
            Err(error) => {
                tracing::warn!("calls of before are not known: {error}");
                Vec::new()
            }
        }
    }

    fn write(&self) -> Result<(), KernelError> {
        let Waiting { counts, known } = std::mem::take(&mut *self.lock());
        let counted = counts.map_or(Ok(()), |counts| self.store.write_soon(counts::FILE, &counts));
        let Some(known) = known else { return counted };
        let kept = self.store.write_private(FILE, &known);
        if kept.is_err() {
            // Tried again: what is there is older, and may tell of calls that are over.
            self.lock().known.get_or_insert(known);
        }
        counted.and(kept)
    }

    /// What waits is whole whenever somebody panics.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn whatever_is_there_is_survived() {
        let folder = tempfile::tempdir().unwrap();
        let desk = Desk::new(Store::new(folder.path()));
        let file = folder.path().join(FILE);
        let known = |version| format!(r#"{{"version":{version},"mark":7,"calls":[]}}"#);
        for text in ["", "{", "[]", "\u{0}", r#"{"version":1,"mark":7,"calls":[{}]}"#, &known(2)] {
            fs::write(&file, text).unwrap();
            assert_eq!(desk.kept(7), [], "{text}");
        }
        fs::write(&file, [0xff; 64]).unwrap();
        assert_eq!(desk.kept(7), []);
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert_eq!(desk.kept(7), []);
    }

    #[test]
    fn what_could_not_be_written_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let desk = Desk::new(Store::new(&path));
        desk.keep(Known::new(7, Vec::new()));
        assert!(desk.write().is_err());
        fs::create_dir(&path).unwrap();
        desk.write().unwrap();
        assert!(path.join(FILE).exists());
    }

    #[test]
    fn it_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let desk = Desk::new(Store::new(folder.path()));
        desk.keep(Known::new(7, Vec::new()));
        drop(Keeper::start(desk));
        let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
