//! Who did what: one record for every change, in an append-only file and in the journal.
//!
//! A record is written after the change, whether it worked or not. One that cannot be written is
//! told on standard error and in the journal, and never keeps anybody from anything: not from
//! opening and rolling back, and not from tightening either. A guard that waits for its own log
//! is one more thing that can fail during an outage; what the change was is in the history, too.

mod file;
mod journal;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::unistd::{Uid, User};
use serde::{Deserialize, Serialize};

use crate::kernel::KernelError;

pub use self::file::{FILE, KEPT, SIZE_MAX};

/// Version of [`Entry`]; fields are only ever added.
pub const SCHEMA: u32 = 1;
/// Longest text of a field, in characters.
const TEXT_MAX: usize = 400;

/// One record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// [`SCHEMA`].
    pub schema: u32,
    /// When, RFC 3339, UTC.
    pub time: String,
    /// Login name, or `daemon` for what the daemon did by itself.
    pub who: String,
    /// User id of who did it.
    pub uid: u32,
    /// Who called `sudo`, if that is known.
    pub sudo_user: Option<String>,
    /// What was done, such as `deny add 192.0.2.66`.
    pub what: String,
    /// Why, in the words of who did it.
    pub why: Option<String>,
    /// The generation that was live afterwards, if one was.
    pub generation: Option<u64>,
    /// `done`, or why it failed.
    pub result: String,
    /// Milliseconds that the gates took, of a change that passed them.
    #[serde(default)]
    pub gates_ms: Option<f64>,
    /// Milliseconds from the last gate until frames were decided by the change.
    #[serde(default)]
    pub effect_ms: Option<f64>,
}

/// How long a change took to be in effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Took {
    /// In the gates.
    pub gates: Duration,
    /// From the last gate until frames were decided by it.
    pub effect: Duration,
}

/// Who a process acts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Actor {
    /// Whoever called a verb.
    Caller,
    /// Nobody: the daemon acts by itself.
    Daemon,
    /// Somebody with this user id, who asked the daemon.
    Asker(Uid),
}

/// The log of one guard.
#[derive(Clone, Debug)]
pub struct Audit {
    folder: PathBuf,
    actor: Actor,
}

/// What was read back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log {
    /// The records, oldest first.
    pub entries: Vec<Entry>,
    /// Lines that are no record: of a write that a power loss cut off.
    pub broken: usize,
}

impl Audit {
    /// The log in a state directory, which need not exist.
    #[must_use]
    pub fn new(state_dir: &Path) -> Self {
        Self { folder: state_dir.to_path_buf(), actor: Actor::Caller }
    }

    /// The same log, for what the daemon does by itself; its log is the journal's.
    #[must_use]
    pub fn of_daemon(self) -> Self {
        Self { actor: Actor::Daemon, ..self }
    }

    /// The same log, for what the daemon does because somebody asked it to.
    #[must_use]
    pub fn of_asker(self, uid: u32) -> Self {
        Self { actor: Actor::Asker(Uid::from_raw(uid)), ..self }
    }

    /// Who does what is recorded here: a user id, and the one before `sudo` if it says so.
    #[must_use]
    pub fn by(&self) -> String {
        match self.actor {
            Actor::Caller => match sudo_user() {
                Some(name) => format!("uid {} (sudo by {name})", Uid::current()),
                None => format!("uid {}", Uid::current()),
            },
            Actor::Daemon => "the daemon".to_owned(),
            Actor::Asker(uid) => format!("uid {uid} (by the control socket)"),
        }
    }

    /// Records a change. What cannot be recorded is told, and keeps nobody from anything.
    pub fn record(&self, what: &str, why: Option<&str>, result: &str, generation: Option<u64>) {
        self.keep(&self.entry(what, why, result, generation));
    }

    fn keep(&self, entry: &Entry) {
        match self.actor {
            Actor::Daemon | Actor::Asker(_) => {
                let Entry { what, why, result, generation, .. } = entry;
                tracing::info!(why, generation, result, "audit: {what}");
            }
            // Where there is no journal, the file alone has it.
            Actor::Caller => drop(journal::send(entry)),
        }
        if let Err(error) = self.append(entry) {
            match self.actor {
                Actor::Daemon | Actor::Asker(_) => tracing::warn!("not in the audit log: {error}"),
                Actor::Caller => eprintln!("warning: not in the audit log: {error}"),
            }
        }
    }

    /// Records how a change went, and, if that is known, how long it took.
    pub fn outcome<T, E: Display>(
        &self,
        what: &str,
        why: Option<&str>,
        outcome: &Result<T, E>,
        generation: Option<u64>,
        took: Option<Took>,
    ) {
        let result = match outcome {
            Ok(_) => "done".to_owned(),
            Err(error) => error.to_string(),
        };
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        self.keep(&Entry {
            gates_ms: took.map(|took| milliseconds(took.gates)),
            effect_ms: took.map(|took| milliseconds(took.effect)),
            ..self.entry(what, why, &result, generation)
        });
    }

    fn entry(&self, what: &str, why: Option<&str>, result: &str, generation: Option<u64>) -> Entry {
        let (uid, who) = match self.actor {
            Actor::Daemon => (Uid::current(), "daemon".to_owned()),
            Actor::Caller => (Uid::current(), login(Uid::current())),
            Actor::Asker(uid) => (uid, login(uid)),
        };
        Entry {
            schema: SCHEMA,
            time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            who,
            uid: uid.as_raw(),
            sudo_user: sudo_user(),
            what: bounded(what),
            why: why.map(bounded),
            generation,
            result: bounded(result),
            gates_ms: None,
            effect_ms: None,
        }
    }

    fn append(&self, entry: &Entry) -> Result<(), KernelError> {
        file::append(&self.folder, entry)
    }

    /// The newest records, at most `last`, oldest first.
    pub fn read(&self, last: usize) -> Result<Log, KernelError> {
        file::read(&self.folder, last)
    }
}

/// Who called `sudo`, if it says so.
#[must_use]
pub fn sudo_user() -> Option<String> {
    let name = std::env::var("SUDO_USER").ok()?;
    Some(name.chars().filter(char::is_ascii_graphic).take(32).collect())
}

fn login(uid: Uid) -> String {
    let user = User::from_uid(uid).ok().flatten();
    user.map_or_else(|| format!("uid {uid}"), |user| user.name)
}

fn bounded(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_MAX).collect()
}

#[cfg(test)]
mod tests;
