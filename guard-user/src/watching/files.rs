//! What turned after a change and what was done about it, as it is kept on disk until a person has
//! closed the guard, or something else turns.

use serde::{Deserialize, Serialize};

use crate::canary::Closed;
use crate::kernel::KernelError;
use crate::store::Store;

/// Name of the file, without its ending.
const EVIDENCE: &str = "evidence";

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "action")]
pub enum Done {
    /// The change was rolled back.
    RolledBack {
        /// The revision that is live again.
        to: u64,
    },
    /// The guard was opened.
    Opened {
        /// Why the change was not rolled back.
        why: String,
    },
}

/// Evidence that turned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Evidence {
    /// When something was done, RFC 3339.
    pub at: String,
    /// Number of the generation that was live.
    pub generation: u64,
    /// The change, in one line.
    pub change: String,
    /// What turned, with numbers; a line for each.
    pub turned: Vec<String>,
    /// What was done.
    pub done: Done,
    /// How long after the change was seen.
    pub milliseconds: u64,
    /// Who closed the guard since.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub closed: Option<Closed>,
}

/// What turned last, unless a person has closed the guard since.
pub fn kept(store: &Store) -> Result<Option<Evidence>, KernelError> {
    store.read(&format!("{EVIDENCE}.json"))
}

/// Keeps what turned.
pub fn keep(store: &Store, evidence: &Evidence) -> Result<(), KernelError> {
    store.write(&format!("{EVIDENCE}.json"), evidence)
}

/// Sets aside what turned, with who closed the guard since; the last few are kept.
pub fn set_aside(store: &Store, closed: Closed) -> Result<(), KernelError> {
    match kept(store)? {
        Some(evidence) => store.set_aside(EVIDENCE, &Evidence { closed: Some(closed), ..evidence }),
        None => Ok(()),
    }
}
