//! What the canary leaves on disk: how it goes, and what it saw when it failed.
//!
//! How it goes is written each [`EVERY`] seconds at most, and left to the kernel to bring to the
//! disk: lost with the power, it is found again within seconds. What it saw when it failed goes
//! to the disk at once, and stays until a person has closed the guard; then it is set aside.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::Failure;
use crate::kernel::{KernelError, clock};
use crate::store::Store;

const REPORT: &str = "canary.json";
/// Without its ending.
const FAILURE: &str = "canary-failure";
/// Between two reports that say the same.
pub const EVERY: Duration = Duration::from_secs(10);
/// A report older than this says nothing any more.
pub const STALE: Duration = Duration::from_secs(30);

/// What came of the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// All frames were protected and passed.
    Ok,
    /// A frame was not protected.
    Failed,
    /// It cannot be known.
    Blind,
}

/// How it goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// What came of the last look.
    pub result: Outcome,
    /// Why it is not `Ok`.
    pub why: Option<String>,
    /// When, RFC 3339.
    pub at: String,
    /// When, in monotonic nanoseconds of this boot.
    pub monotonic: u64,
    /// Number of the generation.
    pub generation: u64,
    /// PSAPs, sites and other elements.
    pub targets: usize,
    /// Forms of the marker, each of which a target meets within a minute.
    pub forms: usize,
    /// Frames of the last look.
    pub frames: u64,
    /// How long it kept a CPU, in microseconds.
    pub microseconds: u64,
}

impl Report {
    /// How long ago that was; `None` if it was before the host started.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        clock::now().checked_sub(self.monotonic).map(Duration::from_nanos)
    }
}

/// What was seen when the canary failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Kept {
    /// When, RFC 3339.
    pub at: String,
    /// Number of the generation.
    pub generation: u64,
    /// How many frames failed within that second.
    pub failed: u64,
    /// The first of them.
    pub failures: Vec<Failure>,
    /// Who closed the guard since.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub closed: Option<Closed>,
}

/// Who closed the guard, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Closed {
    /// When, RFC 3339.
    pub at: String,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// The time of day.
pub fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// How it goes, as far as it was written down.
pub fn report(store: &Store) -> Result<Option<Report>, KernelError> {
    store.read(REPORT)
}

/// Writes down how it goes.
pub fn set_report(store: &Store, report: &Report) -> Result<(), KernelError> {
    store.write_soon(REPORT, report)
}

/// What was seen when the canary failed and nobody has closed the guard since.
pub fn kept(store: &Store) -> Result<Option<Kept>, KernelError> {
    store.read(&format!("{FAILURE}.json"))
}

/// Keeps what was seen.
pub fn keep(store: &Store, kept: &Kept) -> Result<(), KernelError> {
    store.write(&format!("{FAILURE}.json"), kept)
}

/// Sets aside what was seen, with who closed the guard since; the last few are kept.
pub fn set_aside(store: &Store, closed: Closed) -> Result<(), KernelError> {
    let Some(mut kept) = kept(store)? else {
        return Ok(());
    };
    kept.closed = Some(closed);
    store.set_aside(FAILURE, &kept)
}
